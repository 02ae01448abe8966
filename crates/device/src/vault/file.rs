//! A compartment's SQLCipher file: how it is made, opened and kept small. Never says what is in its tables.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, Incarnation};
use daftar_wire::stream::StreamId;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use rusqlite_migration::{M, Migrations};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::random::{hex, random};

const MIGRATIONS: &[M<'static>] = &[M::up(include_str!("1.sql"))];
/// What all open files together may keep in memory.
const CACHE_KIB: usize = 48 * 1024;
/// What each may keep at the least.
const CACHE_KIB_MIN: usize = 512;
/// A write-ahead log beyond this is written back when the file is tended.
const WAL_TEND_BYTES: u64 = 2 * 1024 * 1024;
/// Beyond so many pages the save itself writes back; tending comes first, so that this is rare.
const WAL_PAGES_MAX: u32 = 8_000;
/// Statements kept prepared in each file.
const STATEMENTS: usize = 48;

/// An open compartment.
pub(crate) struct Vault {
    path: PathBuf,
    conn: Mutex<Connection>,
}

/// Opens an encrypted file. `make`: it may be new; otherwise its absence is damage.
pub(crate) fn open_encrypted(path: &Path, key: &[u8; 32], make: bool, files: usize, what: &str) -> Result<Connection> {
    let damaged = || Error::Damaged { what: what.to_owned() };
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if make {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    } else if !path.exists() {
        return Err(damaged());
    }
    let conn = Connection::open_with_flags(path, flags)?;
    crate::home::private(path, 0o600)?;
    let pragma = Zeroizing::new(format!("PRAGMA key = \"x'{}'\";", Zeroizing::new(hex(key)).as_str()));
    conn.execute_batch(&pragma)?;
    let cache = (CACHE_KIB / files.max(1)).max(CACHE_KIB_MIN);
    conn.execute_batch(&format!(
        "PRAGMA cipher_memory_security=OFF; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY;
         PRAGMA foreign_keys=ON; PRAGMA mmap_size=0; PRAGMA busy_timeout=5000; PRAGMA cache_size=-{cache};
         PRAGMA wal_autocheckpoint={WAL_PAGES_MAX};"
    ))
    .map_err(|e| match e.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => damaged(),
        _ => e.into(),
    })?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

impl Vault {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: PathBuf, key: &[u8; 32], make: bool, files: usize, name: Compartment, device: &DeviceId) -> Result<Self> {
        let mut conn = open_encrypted(&path, key, make, files, name.as_str())?;
        Migrations::from_slice(MIGRATIONS).to_latest(&mut conn)?;
        let begun = conn.prepare("SELECT 1 FROM stream WHERE own")?.exists([])?;
        if !begun {
            let stream = StreamId { compartment: name, device: *device, incarnation: Incarnation(random()?) };
            conn.execute(
                "INSERT INTO stream(device, incarnation, own, head) VALUES (?1, ?2, 1, ?3)",
                params![device.0, stream.incarnation.0, stream.start().0],
            )?;
        }
        Ok(Self { path, conn: Mutex::new(conn) })
    }

    /// The one connection; whoever holds it is alone in this file.
    pub(crate) fn conn(&self) -> MutexGuard<'_, Connection> {
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the log back into the file where it has grown: outside the path of a save.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        let mut wal = self.path.clone().into_os_string();
        wal.push("-wal");
        if std::fs::metadata(wal).map_or(0, |m| m.len()) > WAL_TEND_BYTES {
            self.conn().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(())
    }
}

/// A value of the meta table.
pub(crate) fn meta(conn: &Connection, key: &str) -> Result<Option<Vec<u8>>> {
    Ok(conn.prepare_cached("SELECT v FROM meta WHERE k = ?1")?.query_row([key], |r| r.get(0)).optional()?)
}

/// Sets a value of the meta table.
pub(crate) fn set_meta(conn: &Connection, key: &str, value: &[u8]) -> Result<()> {
    conn.prepare_cached("INSERT INTO meta(k, v) VALUES (?1, ?2) ON CONFLICT(k) DO UPDATE SET v = excluded.v")?
        .execute(params![key, value])?;
    Ok(())
}
