//! The database file: how it is made, opened and shared between one writer and a few readers. Never says what is in its tables.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use rusqlite_migration::{M, Migrations};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::random::hex;

const MIGRATIONS: &[M<'static>] = &[M::up(include_str!("1.sql")), M::up(include_str!("2.sql")), M::up(include_str!("4.sql"))];
/// The first SQLite without the WAL-reset corruption bug.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// How long a command waits for the server, and the server for a command.
const BUSY_MS: u32 = 15_000;
/// Readers that are kept open.
const READERS_MAX: usize = 4;
const STATEMENTS: usize = 64;

/// The database's key.
pub type DatabaseKey = Zeroizing<[u8; 32]>;

/// How a database is written to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// A commit has reached the disk when it returns.
    Full,
    /// What is lost can be made again.
    Rebuilt,
}

/// Opens an encrypted database; `make`: it may be new.
pub(crate) fn open_encrypted(path: &Path, key: &DatabaseKey, make: bool, durability: Durability) -> Result<Connection> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(Error::Unexpected(format!("SQLite {} has a bug that loses data", rusqlite::version())));
    }
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if make {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    } else if !path.exists() {
        return Err(Error::Refused(format!("{} is not there", path.display())));
    }
    let conn = Connection::open_with_flags(path, flags)?;
    let pragma = Zeroizing::new(format!("PRAGMA key = \"x'{}'\";", Zeroizing::new(hex(key.as_slice())).as_str()));
    conn.execute_batch(&pragma)?;
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Rebuilt => "NORMAL",
    };
    conn.execute_batch(&format!(
        "PRAGMA cipher_memory_security=OFF; PRAGMA busy_timeout={BUSY_MS}; PRAGMA synchronous={synchronous};
         PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-16384;"
    ))?;
    keep_log(&conn)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    crate::keys::private_file(path)?;
    Ok(conn)
}

/// Has the file keep a write-ahead log; SQLite says so only by the way if it could not, and then a commit would be less sure.
fn keep_log(conn: &Connection) -> Result<()> {
    // Its row comes before its commit: only the second step says whether that went well.
    let mut rows = conn.prepare("PRAGMA journal_mode=WAL")?;
    let modes = rows.query_map([], |r| r.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    if modes == ["wal"] {
        return Ok(());
    }
    let failed = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
    Err(rusqlite::Error::SqliteFailure(failed, Some(format!("the file keeps no log, but {modes:?}"))).into())
}

/// A database: headquarters' own, or the projection of it.
pub struct Store {
    path: PathBuf,
    key: DatabaseKey,
    durability: Durability,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl Store {
    /// Opens headquarters' database; `make`: it may be new.
    pub fn open(path: PathBuf, key: DatabaseKey, make: bool) -> Result<Self> {
        let mut writer = open_encrypted(&path, &key, make, Durability::Full)?;
        Migrations::from_slice(MIGRATIONS).to_latest(&mut writer)?;
        Ok(Self::over(path, key, Durability::Full, writer))
    }

    /// A database over a connection that writes it.
    pub(crate) fn over(path: PathBuf, key: DatabaseKey, durability: Durability, writer: Connection) -> Self {
        Self { path, key, durability, writer: Mutex::new(writer), readers: Mutex::new(Vec::new()) }
    }

    /// Does `f` in one transaction, alone; what it changed has reached the disk when this returns, or did not happen.
    pub fn write<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut conn = lock(&self.writer);
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = f(&tx).and_then(|done| Ok(tx.commit().map(|()| done)?));
        if matches!(&done, Err(Error::Database(e)) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure)) {
            // What the system holds of a write that failed is not known: nothing may be built on this connection's view of it.
            *conn = open_encrypted(&self.path, &self.key, false, self.durability)?;
        }
        done
    }

    /// Reads in one transaction: everything as at one moment.
    pub fn read<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let kept = lock(&self.readers).pop();
        let mut conn = match kept {
            Some(conn) => conn,
            None => open_encrypted(&self.path, &self.key, false, self.durability)?,
        };
        let tx = conn.transaction()?;
        let done = f(&tx);
        drop(tx);
        let mut readers = lock(&self.readers);
        if readers.len() < READERS_MAX {
            readers.push(conn);
        }
        done
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic inside a transaction rolled it back: the connection is as good as before.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
