//! A compartment's SQLCipher file: how it is made, opened and kept small. Never says what is in its tables.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, Incarnation};
use daftar_wire::stream::StreamId;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, params};
use rusqlite_migration::{M, Migrations};
use zeroize::Zeroizing;

use crate::blob::Blobs;
use crate::database::{Database, Held, keep_log};
use crate::error::{Error, Result};
use crate::home::Home;
use crate::random::{hex, random};

const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("1.sql")),
    M::up(include_str!("2.sql")),
    M::up(include_str!("3.sql")),
    M::up(include_str!("4.sql")),
    M::up(include_str!("5.sql")),
];
/// What all open files together may keep in memory.
const CACHE_KIB: usize = 24 * 1024;
/// What each may keep at the least.
const CACHE_KIB_MIN: usize = 512;
/// A write-ahead log with more pages than this to write back is written back when the file is tended.
const WAL_TEND_PAGES: i64 = 500;
/// One of more pages than this gives its room back; a smaller one keeps it, since a save into a file that need not grow is a third cheaper.
const WAL_ROOM_PAGES: i64 = 4 * WAL_TEND_PAGES;
/// Beyond so many pages the save itself writes back; tending comes first, so that this is rare.
const WAL_PAGES_MAX: u32 = 8_000;
/// Statements kept prepared in each file.
const STATEMENTS: usize = 48;

/// An open compartment.
pub(crate) struct Vault {
    path: PathBuf,
    db: Database,
    /// Some of its work may be in no outbox.
    dirty: AtomicBool,
    /// Another file is written in its place.
    ended: AtomicBool,
}

/// Which file is opened, and how.
pub(crate) struct At<'a> {
    /// Its random name.
    pub(crate) file: &'a str,
    pub(crate) key: &'a Zeroizing<[u8; 32]>,
    /// It may be new; otherwise its absence is damage.
    pub(crate) make: bool,
    /// How many files share the memory.
    pub(crate) files: usize,
    pub(crate) name: &'a Compartment,
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
    keep_as_it_is(&conn);
    let cache = (CACHE_KIB / files.max(1)).max(CACHE_KIB_MIN);
    conn.execute_batch(&format!(
        "PRAGMA cipher_memory_security=OFF; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY;
         PRAGMA foreign_keys=ON; PRAGMA mmap_size=0; PRAGMA busy_timeout=5000; PRAGMA cache_size=-{cache};
         PRAGMA wal_autocheckpoint={WAL_PAGES_MAX};"
    ))
    .and_then(|()| keep_log(&conn))
    .map_err(|e| match e.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => damaged(),
        _ => e.into(),
    })?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}

impl Vault {
    /// Opens the file, or makes it.
    pub(crate) fn open(home: &Home, at: &At<'_>, device: &DeviceId) -> Result<Self> {
        let (path, name, key, files) = (home.vault(at.file), at.name.clone(), at.key, at.files);
        let mut conn = open_encrypted(&path, key, at.make, files, name.as_str())?;
        Migrations::from_slice(MIGRATIONS).to_latest(&mut conn).inspect_err(|_| keep_as_it_is(&conn))?;
        let begun =
            conn.prepare("SELECT 1 FROM stream WHERE own").and_then(|mut rows| rows.exists([])).inspect_err(|_| keep_as_it_is(&conn))?;
        if !begun {
            let stream = StreamId { compartment: name.clone(), device: *device, incarnation: Incarnation(random()?) };
            conn.execute(
                "INSERT INTO stream(device, incarnation, own, head) VALUES (?1, ?2, 1, ?3)",
                params![device.0, stream.incarnation.0, stream.start().0],
            )?;
        }
        if at.make {
            // The system may show of a file what a disk that failed never took, and does not write it twice: here all of it is written once more.
            conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        let again = (path.clone(), key.clone());
        let open = move || open_encrypted(&again.0, &again.1, false, files, name.as_str());
        let vault = Self {
            path,
            db: Database::over(conn, home.reserve().clone(), open),
            dirty: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        };
        super::files::tidy(&mut vault.conn(), &vault.blobs())?;
        Ok(vault)
    }

    /// The folder of its files: `files/X` beside `vault/X.db`.
    pub(crate) fn files_dir(&self) -> PathBuf {
        let home = self.path.parent().and_then(Path::parent).unwrap_or(Path::new(""));
        crate::home::files_dir(home, &self.path.file_stem().unwrap_or_default().to_string_lossy())
    }

    /// The same, to read and write in.
    pub(crate) fn blobs(&self) -> Blobs {
        Blobs::new(self.files_dir())
    }

    /// The file's random name.
    pub(crate) fn name(&self) -> &str {
        self.path.file_stem().and_then(|s| s.to_str()).unwrap_or_default()
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::SeqCst)
    }

    /// Says whether it was so before.
    pub(crate) fn set_dirty(&self, dirty: bool) -> bool {
        self.dirty.swap(dirty, Ordering::SeqCst)
    }

    /// The one connection; whoever holds it is alone in this file.
    pub(crate) fn conn(&self) -> Held<'_> {
        self.db.conn()
    }

    /// Another file is written in its place from here on: whoever writes in this one has done so when this returns.
    pub(crate) fn end(&self) {
        let _alone = self.conn();
        self.ended.store(true, Ordering::SeqCst);
    }

    /// The connection, for what an officer writes; `None`: that goes to another file.
    pub(crate) fn conn_to_write(&self) -> Option<Held<'_>> {
        let conn = self.conn();
        (!self.ended.load(Ordering::SeqCst)).then_some(conn)
    }

    /// The file is damaged: nothing is written to it any more, not even what stands in its log.
    pub(crate) fn leave_as_it_is(&self) {
        keep_as_it_is(&self.conn());
    }

    /// One act in one transaction.
    pub(crate) fn write<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.db.write(f)
    }

    /// Writes the log back into the file where it has grown: outside the path of a save.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        let (pages, written): (i64, i64) = self.conn().query_row("PRAGMA wal_checkpoint(NOOP)", [], |r| Ok((r.get(1)?, r.get(2)?)))?;
        if pages > WAL_ROOM_PAGES {
            return self.empty_log();
        }
        if pages - written > WAL_TEND_PAGES {
            self.conn().noted(|conn| Ok(conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?))?;
        }
        Ok(())
    }

    /// Writes the log back into the file and empties it.
    pub(crate) fn empty_log(&self) -> Result<()> {
        self.conn().noted(|conn| Ok(conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?))
    }
}

/// Closing the file leaves its log where it is.
pub(crate) fn keep_as_it_is(conn: &Connection) {
    if let Err(error) = conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
        tracing::warn!(%error, "a damaged file may take in its log");
    }
}

/// What SQLCipher and SQLite find wrong with the pages of a file.
pub(crate) fn faults(conn: &Connection) -> Result<Vec<String>> {
    // The ciphers' own check reads the file past the log, so the log is written back first.
    conn.query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(()))?;
    let mut faults = Vec::new();
    for sql in ["PRAGMA cipher_integrity_check", "PRAGMA integrity_check"] {
        let mut rows = conn.prepare(sql)?;
        let said = rows.query_map([], |r| r.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>();
        match said {
            Ok(said) => faults.extend(said.into_iter().filter(|line| line != "ok")),
            // SQLCipher ends the check itself with no better word than this where it comes upon such a page.
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::Unknown) => faults.push("a page of it is not what was written".into()),
            Err(e) => return Err(e.into()),
        }
    }
    Ok(faults)
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

/// Removes a value of the meta table.
pub(crate) fn drop_meta(conn: &Connection, key: &str) -> Result<()> {
    conn.prepare_cached("DELETE FROM meta WHERE k = ?1")?.execute([key])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_was_written_back_is_used_again_and_not_grown() {
        let dir = tempfile::tempdir().expect("a folder");
        let home = Home::open(dir.path()).expect("a home");
        let (key, team) = (Zeroizing::new([7; 32]), Compartment::team("imt-1").expect("a team"));
        let at = At { file: "f", key: &key, make: true, files: 1, name: &team };
        let vault = Vault::open(&home, &at, &DeviceId([1; 16])).expect("made");
        let save = |n: i64| {
            vault.write(|tx| set_meta(tx, &format!("k{n}"), &[0; 3000])).expect("written");
            vault.checkpoint().expect("tended");
        };
        let size = || std::fs::metadata(home.vault("f").with_extension("db-wal")).expect("a log").len();
        save(0);
        let first = size();
        save(1);
        assert!(size() > first, "a little is not written back");
        (2..400).for_each(save);
        let room = size();
        (400..800).for_each(save);
        assert!(size() < room + room / 10, "it keeps its room: {room}, {}", size());
        assert!(room < 3 * 1024 * 1024, "{room}");
    }

    #[test]
    fn a_file_of_before_branches_keeps_its_rows_and_what_was_receipted() {
        let mut conn = Connection::open_in_memory().expect("memory");
        Migrations::from_slice(&MIGRATIONS[..1]).to_latest(&mut conn).expect("the first form");
        conn.execute_batch(
            "INSERT INTO stream(id, device, incarnation, own, n, head, acked, acked_head, backed_up, stamp_ms) VALUES
             (3, x'01', x'0a', 1, 9, x'0909', 7, x'0707', 5, 1000), (8, x'02', x'0b', 0, 4, x'0404', 0, NULL, 0, 0);",
        )
        .expect("two streams");
        Migrations::from_slice(MIGRATIONS).to_latest(&mut conn).expect("brought up");
        let row = |id: i64| {
            let sql = "SELECT n, acked, hex(acked_head), backed_up, stamp_ms, split_n, parent, shown, confirm FROM stream WHERE id = ?1";
            conn.query_row(sql, [id], |r| {
                let nothing = r.get::<_, Option<i64>>(6)?.is_none() && r.get::<_, Option<i64>>(7)?.is_none();
                let numbers: [i64; 6] = [r.get(0)?, r.get(1)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(8)?];
                Ok((numbers, r.get::<_, String>(2)?, nothing))
            })
            .expect("the row keeps its id: places are made of it")
        };
        assert_eq!(row(3), ([9, 7, 5, 1000, 0, 0], "0707".into(), true), "what waits still waits");
        assert_eq!(row(8), ([4, 4, 0, 0, 0, 0], "0404".into(), true), "another's work came from headquarters");
    }
}
