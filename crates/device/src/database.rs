//! One connection to one file, and what follows when the disk fails under it. Never says what is in the tables.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use crate::error::{Error, Result};
use crate::reserve::Reserve;

/// An open file.
pub(crate) struct Database {
    conn: Mutex<Connection>,
    /// A write failed in the disk. The system may show what never reached the medium, so nothing is built on this connection's view.
    doubted: AtomicBool,
    open: Box<dyn Fn() -> Result<Connection> + Send + Sync>,
    reserve: Arc<Reserve>,
}

/// The one connection; whoever holds it is alone in the file.
pub(crate) struct Held<'a> {
    conn: MutexGuard<'a, Connection>,
    of: &'a Database,
}

impl Database {
    /// A file over a connection to it; `open` opens it anew.
    pub(crate) fn over(conn: Connection, reserve: Arc<Reserve>, open: impl Fn() -> Result<Connection> + Send + Sync + 'static) -> Self {
        Self { conn: Mutex::new(conn), doubted: AtomicBool::new(false), open: Box::new(open), reserve }
    }

    /// The connection, for reading.
    pub(crate) fn conn(&self) -> Held<'_> {
        Held { conn: self.conn.lock().unwrap_or_else(PoisonError::into_inner), of: self }
    }

    /// One act in one transaction: it has reached the disk when this returns, or did not happen.
    pub(crate) fn write<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.conn().write(f)
    }

    /// What a failure says about the disk.
    fn note(&self, e: &Error) {
        if matches!(e, Error::StorageFull) {
            self.reserve.free();
        }
        if let Error::Database(e) = e
            && e.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
        {
            tracing::error!(error = %e, "the disk failed; the file is opened anew before the next write");
            self.doubted.store(true, Ordering::Relaxed);
        }
    }
}

impl Held<'_> {
    /// One act in one transaction, as `Database::write`.
    pub(crate) fn write<T>(&mut self, f: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.noted(|conn| {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = f(&tx)?;
            tx.commit()?;
            Ok(done)
        })
    }

    /// Something that writes without a transaction of its own.
    pub(crate) fn noted<T>(&mut self, f: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        if self.of.doubted.load(Ordering::Relaxed) {
            // The first is closed after the second is open: the log's index, which knows what was committed, lives on between them.
            *self.conn = (self.of.open)()?;
            self.of.doubted.store(false, Ordering::Relaxed);
        }
        let done = f(&mut self.conn);
        if let Err(e) = &done {
            self.of.note(e);
        }
        done
    }
}

/// Has a file keep a write-ahead log; SQLite says so only by the way if it could not, and then a commit would be less sure.
pub(crate) fn keep_log(conn: &Connection) -> rusqlite::Result<()> {
    // Its row comes before its commit: only the second step says whether that went well.
    let mut rows = conn.prepare("PRAGMA journal_mode=WAL")?;
    let modes = rows.query_map([], |r| r.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    if modes == ["wal"] {
        return Ok(());
    }
    let failed = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
    Err(rusqlite::Error::SqliteFailure(failed, Some(format!("the file keeps no log, but {modes:?}"))))
}

impl Deref for Held<'_> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.conn
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.conn
    }
}
