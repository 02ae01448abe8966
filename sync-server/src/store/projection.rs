//! The console's tables: what the feeds come to, record by record. Derived; deleted and made again whenever their form changes.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use daftar_core::change::Header;
use daftar_core::ids::{ChangeName, DeviceId, Epoch, FileHash, Incarnation, RecordId};
use daftar_core::record::Kind;
use daftar_wire::message::Verdict;
use rusqlite::{Connection, OptionalExtension, params};

use super::meta::Place;
use super::sqlite::{DatabaseKey, Durability, Store, open_encrypted};
use crate::error::{Error, Result};
use crate::sql::{int, uint};

/// The form of the tables and of the states in them.
const VERSION: i64 = 2;

/// Opens the projection of this life of the feeds; one of another, of another form or damaged is made anew.
pub(crate) fn open(path: &Path, key: &DatabaseKey, epoch: &Epoch) -> Result<Store> {
    let writer = match fitting(path, key, epoch) {
        Ok(Some(conn)) => conn,
        Ok(None) | Err(Error::Damaged(_)) => {
            for end in ["", "-wal", "-shm"] {
                let mut file = path.as_os_str().to_owned();
                file.push(end);
                match fs::remove_file(file) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
                    Ok(()) | Err(_) => {}
                }
            }
            let conn = open_encrypted(path, key, true, Durability::Rebuilt)?;
            conn.execute_batch(&format!("BEGIN; {} PRAGMA user_version = {VERSION}; COMMIT;", include_str!("projection.sql")))?;
            conn.execute("INSERT INTO meta(k, v) VALUES ('epoch', ?1)", [epoch.0])?;
            conn
        }
        Err(e) => return Err(e),
    };
    Ok(Store::over(path.to_owned(), key.clone(), Durability::Rebuilt, writer))
}

/// The projection as it stands, if it is there and of this form and life.
pub(crate) fn fitting(path: &Path, key: &DatabaseKey, epoch: &Epoch) -> Result<Option<Connection>> {
    if !path.exists() {
        return Ok(None);
    }
    let conn = open_encrypted(path, key, false, Durability::Rebuilt)?;
    let version: i64 = conn.query_row("PRAGMA user_version", [], |r| r.get(0))?;
    if version != VERSION {
        return Ok(None);
    }
    let is_ours = is_of(&conn, epoch)?;
    Ok(is_ours.then_some(conn))
}

/// Whether the tables are of this life of the feeds.
pub(crate) fn is_of(conn: &Connection, epoch: &Epoch) -> Result<bool> {
    let of: Option<Vec<u8>> = conn.prepare_cached("SELECT v FROM meta WHERE k = 'epoch'")?.query_row([], |r| r.get(0)).optional()?;
    Ok(of.as_deref() == Some(&epoch.0[..]))
}

/// Empties the tables for this life of the feeds.
pub(crate) fn begin_again(conn: &Connection, epoch: &Epoch) -> Result<()> {
    conn.execute_batch("DELETE FROM search; DELETE FROM record; DELETE FROM change; DELETE FROM compartment;")?;
    conn.execute("INSERT OR REPLACE INTO meta(k, v) VALUES ('epoch', ?1)", [epoch.0])?;
    Ok(())
}

/// Drops a change's payload; the record that must be looked at again.
pub(crate) fn erase(conn: &Connection, name: &ChangeName) -> Result<Option<RecordId>> {
    let mut row = conn.prepare_cached("UPDATE change SET payload = NULL WHERE name = ?1 AND payload IS NOT NULL RETURNING record")?;
    let record: Option<Option<[u8; 16]>> = row.query_row([name.0], |r| r.get(0)).optional()?;
    Ok(record.flatten().map(RecordId))
}

/// Writes the index out whole, so that nothing is left in it of what was taken out.
pub(crate) fn optimize_index(conn: &Connection) -> Result<()> {
    conn.execute_batch("INSERT INTO search(search) VALUES ('optimize');")?;
    Ok(())
}

/// How far a compartment's feed is projected.
pub(crate) fn progress(conn: &Connection, place: &Place) -> Result<u64> {
    let n: Option<i64> = conn.prepare_cached("SELECT n FROM compartment WHERE id = ?1")?.query_row([place.id], |r| r.get(0)).optional()?;
    Ok(n.map_or(0, uint))
}

/// Says so.
pub(crate) fn set_progress(conn: &Connection, place: &Place, n: u64) -> Result<()> {
    conn.prepare_cached("INSERT INTO compartment(id, name, n) VALUES (?1, ?2, ?3) ON CONFLICT(id) DO UPDATE SET n = excluded.n")?
        .execute(params![place.id, place.name.as_str(), int(n)])?;
    Ok(())
}

/// How many records of other kinds than grants a compartment has.
pub(crate) fn records(conn: &Connection, place: &Place) -> Result<u64> {
    let mut rows = conn.prepare_cached("SELECT count(*) FROM record WHERE compartment = ?1 AND kind <> ?2")?;
    Ok(uint(rows.query_row(params![place.id, Kind::Grant.number()], |r| r.get(0))?))
}

/// A change as it is kept for a record's history.
pub(crate) struct NewChange<'a> {
    pub(crate) name: ChangeName,
    /// `None`: it cannot be read.
    pub(crate) said: Option<&'a Header>,
    pub(crate) device: DeviceId,
    pub(crate) incarnation: Incarnation,
    pub(crate) n: u64,
    pub(crate) feed_n: u64,
    pub(crate) received_ms: u64,
    pub(crate) verdict: Verdict,
    pub(crate) reason: Option<&'a str>,
    pub(crate) header: &'a [u8],
    pub(crate) payload: Option<&'a [u8]>,
}

/// Keeps a change; false if it is kept already.
pub(crate) fn add_change(conn: &Connection, place: &Place, c: &NewChange<'_>) -> Result<bool> {
    let mut row = conn.prepare_cached(
        "INSERT OR IGNORE INTO change(compartment, name, record, kind, op, author, device, incarnation, n, feed_n, received_ms, stamp_ms,
         verdict, reason, header, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?;
    let added = row.execute(params![
        place.id,
        c.name.0,
        c.said.map(|h| h.record.0),
        c.said.map(|h| h.kind.number()),
        c.said.map(|h| h.op.number()),
        c.said.map(|h| h.author.0),
        c.device.0,
        c.incarnation.0,
        int(c.n),
        int(c.feed_n),
        int(c.received_ms),
        c.said.map(|h| int(h.stamp.ms)),
        c.verdict.number(),
        c.reason,
        c.header,
        c.payload,
    ])?;
    Ok(added > 0)
}

/// Changes the verdict on a change that is kept; the record that must be looked at again.
pub(crate) fn rule(conn: &Connection, name: &ChangeName, verdict: Verdict, reason: &str) -> Result<Option<RecordId>> {
    let mut row = conn.prepare_cached("UPDATE change SET verdict = ?2, reason = ?3 WHERE name = ?1 AND verdict <> ?2 RETURNING record")?;
    let record: Option<Option<[u8; 16]>> = row.query_row(params![name.0, verdict.number(), reason], |r| r.get(0)).optional()?;
    Ok(record.flatten().map(RecordId))
}

/// A change's name, header and payload.
pub(crate) type KeptChange = (ChangeName, Vec<u8>, Option<Vec<u8>>);

/// Each change of a record that counts.
pub(crate) fn accepted(conn: &Connection, place: &Place, record: &RecordId) -> Result<Vec<KeptChange>> {
    let mut rows =
        conn.prepare_cached("SELECT name, header, payload FROM change WHERE compartment = ?1 AND record = ?2 AND verdict = 0")?;
    let rows = rows.query_map(params![place.id, record.0], |r| Ok((ChangeName(r.get(0)?), r.get(1)?, r.get(2)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A record's row: its id, kind and state.
pub(crate) fn state(conn: &Connection, place: &Place, record: &RecordId) -> Result<Option<(i64, Kind, Vec<u8>)>> {
    let mut rows = conn.prepare_cached("SELECT id, kind, state FROM record WHERE compartment = ?1 AND uuid = ?2")?;
    Ok(rows.query_row(params![place.id, record.0], |r| Ok((r.get(0)?, Kind::from_number(r.get(1)?), r.get(2)?))).optional()?)
}

/// What a record's row says.
pub(crate) struct NewRecord<'a> {
    pub(crate) uuid: RecordId,
    pub(crate) kind: Kind,
    pub(crate) state: &'a [u8],
    pub(crate) occurred_ms: i64,
    pub(crate) number: Option<&'a str>,
    pub(crate) headline: &'a str,
    pub(crate) detail: Option<&'a str>,
    pub(crate) team: Option<&'a str>,
    pub(crate) post: Option<&'a str>,
    pub(crate) conflicts: usize,
    pub(crate) hidden: bool,
    pub(crate) revived: bool,
    pub(crate) missing_parent: bool,
    pub(crate) changes: u32,
    pub(crate) touched_ms: u64,
}

/// Writes a record's row. `id`: the row that it has already. Returns the row.
pub(crate) fn put_record(conn: &Connection, place: &Place, id: Option<i64>, r: &NewRecord<'_>) -> Result<i64> {
    let mut row = conn.prepare_cached(
        "INSERT OR REPLACE INTO record(id, compartment, uuid, kind, state, occurred_ms, number, headline, detail, team, post, conflicts, hidden,
         revived, missing_parent, changes, touched_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?;
    row.execute(params![
        id,
        place.id,
        r.uuid.0,
        r.kind.number(),
        r.state,
        r.occurred_ms,
        r.number,
        r.headline,
        r.detail,
        r.team,
        r.post,
        int(r.conflicts as u64),
        r.hidden,
        r.revived,
        r.missing_parent,
        r.changes,
        int(r.touched_ms),
    ])?;
    Ok(id.unwrap_or_else(|| conn.last_insert_rowid()))
}

/// Writes what a record is found by. The index is written out whenever another table changes between two of these: they come in a row.
pub(crate) fn index(conn: &Connection, row: i64, is_new: bool, terms: &str) -> Result<()> {
    if !is_new {
        conn.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([row])?;
    }
    if !terms.is_empty() {
        conn.prepare_cached("INSERT INTO search(rowid, terms) VALUES (?1, ?2)")?.execute(params![row, terms])?;
    }
    Ok(())
}

/// Takes a record away of which no change counts any more.
pub(crate) fn drop_record(conn: &Connection, id: i64) -> Result<()> {
    conn.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([id])?;
    conn.prepare_cached("DELETE FROM file_ref WHERE record = ?1")?.execute([id])?;
    conn.prepare_cached("DELETE FROM record WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Writes which files a record names.
pub(crate) fn set_files(conn: &Connection, place: &Place, record: i64, files: &[FileHash]) -> Result<()> {
    conn.prepare_cached("DELETE FROM file_ref WHERE record = ?1")?.execute([record])?;
    let mut row = conn.prepare_cached("INSERT OR IGNORE INTO file_ref(record, sha256, compartment) VALUES (?1, ?2, ?3)")?;
    files.iter().try_for_each(|f| row.execute(params![record, f.0, place.id]).map(|_| ()))?;
    Ok(())
}

/// Every file that some record of a compartment names.
pub(crate) fn files(conn: &Connection, place: &Place) -> Result<HashSet<FileHash>> {
    let mut rows = conn.prepare_cached("SELECT sha256 FROM file_ref WHERE compartment = ?1")?;
    let rows = rows.query_map([place.id], |r| Ok(FileHash(r.get(0)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
