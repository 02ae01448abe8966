//! The database file: how it is made, opened and shared between one writer and a few readers. Never says what is in its tables.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use rusqlite_migration::{M, Migrations};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::random::hex;

const MIGRATIONS: &[M<'static>] =
    &[M::up(include_str!("1.sql")), M::up(include_str!("2.sql")), M::up(include_str!("3.sql")), M::up(include_str!("4.sql"))];
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
         PRAGMA temp_store=MEMORY; PRAGMA secure_delete=ON; PRAGMA foreign_keys=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-16384;"
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
        // A table that others refer to can only be made anew without looking at who refers to it.
        writer.pragma_update(None, "foreign_keys", false)?;
        Migrations::from_slice(MIGRATIONS).to_latest(&mut writer)?;
        writer.pragma_update(None, "foreign_keys", true)?;
        Ok(Self::over(path, key, Durability::Full, writer))
    }

    /// Opens a copy of headquarters' database as it is, whatever its version.
    pub(crate) fn open_copy(path: PathBuf, key: DatabaseKey) -> Result<Self> {
        let conn = open_encrypted(&path, &key, false, Durability::Full)?;
        Ok(Self::over(path, key, Durability::Full, conn))
    }

    /// Closes the database, so that all of it stands in its one file.
    pub(crate) fn close(self) -> Result<()> {
        lock(&self.readers).clear();
        let writer = self.writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        // The last connection to a database writes its log back and removes it.
        writer.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE;")?;
        writer.close().map_err(|(_, e)| e.into())
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

    /// Writes the log back into the file and empties it. Left for later where somebody reads from it meanwhile.
    pub(crate) fn settle(&self) -> Result<()> {
        let is_busy: bool = lock(&self.writer).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get(0))?;
        if is_busy {
            tracing::info!("the database's log is in use and is emptied later");
        }
        Ok(())
    }

    /// Copies everything, as at one moment, into a new database under another key; both may be in use. Returns what `f` says of the
    /// same moment.
    pub(crate) fn copy_to<T>(&self, path: &Path, key: &DatabaseKey, f: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let conn = open_encrypted(&self.path, &self.key, false, self.durability)?;
        let name = path.to_str().ok_or_else(|| Error::Refused(format!("{} is no path that can be written to", path.display())))?;
        let key = Zeroizing::new(format!("x'{}'", Zeroizing::new(hex(key.as_slice())).as_str()));
        // Readable by its owner alone before anything is in it.
        std::fs::File::create_new(path)?;
        crate::keys::private_file(path)?;
        conn.execute("ATTACH DATABASE ?1 AS copy KEY ?2", [name, key.as_str()])?;
        conn.execute_batch("PRAGMA copy.synchronous=FULL; BEGIN;")?;
        let done = f(&conn)?;
        conn.query_row("SELECT sqlcipher_export('copy')", [], |_| Ok(()))?;
        let version: i64 = conn.query_row("PRAGMA main.user_version", [], |r| r.get(0))?;
        conn.execute_batch(&format!("PRAGMA copy.user_version = {version}; COMMIT; DETACH DATABASE copy;"))?;
        Ok(done)
    }

    /// Whether every page is what was written, and the tables and indexes agree.
    pub(crate) fn is_whole(&self) -> Result<bool> {
        let conn = open_encrypted(&self.path, &self.key, false, self.durability)?;
        // One row for each page whose authentication fails.
        let pages = conn.prepare("PRAGMA cipher_integrity_check")?.exists([])?;
        let tables: String = conn.query_row("PRAGMA integrity_check(1)", [], |r| r.get(0))?;
        Ok(!pages && tables == "ok")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{feed, meta, people};

    #[test]
    fn a_database_of_the_first_version_opens_with_all_that_it_held() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, key) = (folder.path().join("daftar.db"), DatabaseKey::new([7; 32]));
        let mut conn = open_encrypted(&path, &key, true, Durability::Full).expect("a new database");
        Migrations::from_slice(&MIGRATIONS[..1]).to_latest(&mut conn).expect("the first version");
        conn.execute_batch(
            "INSERT INTO compartment VALUES (1, 'team/imt-1');
             INSERT INTO stream VALUES (5, 1, zeroblob(16), zeroblob(16), 3, zeroblob(32), 2);
             INSERT INTO feed VALUES (1, 1, 1, 5, 1, 3, zeroblob(32), zeroblob(32), NULL, 0, x'00');
             INSERT INTO feed_head VALUES (1, 1, zeroblob(32));
             INSERT INTO device VALUES (zeroblob(16), 'tablet', 'imt-1', zeroblob(32), 4, 1);
             INSERT INTO hq_record VALUES (1, zeroblob(16), zeroblob(32));",
        )
        .expect("rows");
        drop(conn);
        let store = Store::open(path, key, false).expect("it opens");
        let hq = daftar_core::ids::DeviceId([9; 16]);
        store
            .read(|tx| {
                assert!(!tx.prepare("PRAGMA foreign_key_check")?.exists([])?, "who refers to whom is as it was");
                let place = meta::compartments(tx)?.remove(0);
                let stream = daftar_wire::stream::StreamId {
                    compartment: place.name.clone(),
                    device: daftar_core::ids::DeviceId([0; 16]),
                    incarnation: daftar_core::ids::Incarnation([0; 16]),
                };
                let row = feed::stream(tx, &place, &stream)?;
                assert_eq!((row.id, row.n, row.backed_up, row.split), (Some(5), 3, 2, None));
                assert_eq!(feed::changes(tx, &place)?, 3);
                assert_eq!(people::record_heads(tx, &place, &daftar_core::ids::RecordId([0; 16]))?.len(), 1);
                assert_eq!(people::digits(tx, Some("imt-1"), &hq)?, [4]);
                Ok(())
            })
            .expect("readable");
        assert!(store.write(|tx| Ok(tx.execute("DELETE FROM compartment", [])?)).is_err(), "and is looked after again");
    }
}
