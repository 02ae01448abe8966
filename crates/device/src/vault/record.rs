//! A record's row: its state, and what lists and counts ask of it. Derived from the log, in the same transaction. Never reads the network's words.

use std::collections::HashSet;

use daftar_core::change::Change;
use daftar_core::ids::{ChangeName, RecordId};
use daftar_core::merge::{self, RecordState};
use daftar_core::record::{Kind, summary};
use daftar_wire::state;
use rusqlite::{Connection, OptionalExtension, params};

use super::log;
use crate::error::Result;

/// A record's row.
pub(super) struct RecordRow {
    pub(super) id: i64,
    pub(super) uuid: RecordId,
    pub(super) kind: Kind,
    pub(super) listed: bool,
    pub(super) state: Option<Vec<u8>>,
}

pub(super) const COLUMNS: &str = "id, uuid, kind, listed, state";

pub(super) fn row(r: &rusqlite::Row<'_>) -> rusqlite::Result<RecordRow> {
    Ok(RecordRow { id: r.get(0)?, uuid: RecordId(r.get(1)?), kind: Kind::from_number(r.get(2)?), listed: r.get(3)?, state: r.get(4)? })
}

/// The record's row, if there is one.
pub(super) fn find(conn: &Connection, record: &RecordId) -> Result<Option<RecordRow>> {
    Ok(conn.prepare_cached(&format!("SELECT {COLUMNS} FROM record WHERE uuid = ?1"))?.query_row([record.0], row).optional()?)
}

/// The record as it stands; `None` if no change of it counts.
pub(super) fn load(conn: &Connection, row: &RecordRow) -> Result<Option<RecordState>> {
    match row.state.as_deref().map(|bytes| state::read(row.kind, bytes)) {
        Some(Some(state)) => Ok(Some(state)),
        Some(None) | None => Ok(replayed(conn, row.id, &ruled_out(conn)?)?.0),
    }
}

/// The record from its log, without what was ruled out; and how many changes counted.
pub(super) fn replayed(conn: &Connection, record: i64, out: &HashSet<ChangeName>) -> Result<(Option<RecordState>, usize)> {
    let changes =
        log::of_record(conn, record)?.into_iter().filter(|c| !out.contains(&c.name)).filter_map(|c| c.read().ok()).collect::<Vec<Change>>();
    Ok((merge::replay(&changes), changes.len()))
}

/// The changes that do not count. One that was erased counts: it sets nothing, and keeps the lines of descent.
pub(super) fn ruled_out(conn: &Connection) -> Result<HashSet<ChangeName>> {
    let mut rows = conn.prepare_cached("SELECT name FROM ruling WHERE verdict NOT IN (0, 3)")?;
    let names = rows.query_map([], |r| r.get(0).map(ChangeName))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

/// What is written of a record.
pub(super) struct Written<'a> {
    pub(super) id: i64,
    pub(super) uuid: RecordId,
    pub(super) kind: Kind,
    pub(super) state: Option<&'a RecordState>,
    /// One change alone counts and says all: the state is not written a second time.
    pub(super) single: bool,
}

/// Writes a record's row and leaves a note for the search.
pub(super) fn write(conn: &Connection, w: &Written<'_>) -> Result<()> {
    let occurred = w.state.and_then(|s| summary(w.kind, &s.fields).occurred_ms).unwrap_or_else(|| created_ms(&w.uuid));
    let listed = w.state.is_some_and(|s| !s.hidden);
    let conflicts = w.state.map_or(0, |s| s.open_conflicts().count());
    let bytes = if w.single { None } else { w.state.map(state::write) };
    conn.prepare_cached(
        "INSERT INTO record(id, uuid, kind, occurred_ms, listed, conflicts, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT(id) DO UPDATE SET kind = excluded.kind, occurred_ms = excluded.occurred_ms, listed = excluded.listed,
         conflicts = excluded.conflicts, state = excluded.state",
    )?
    .execute(params![w.id, w.uuid.0, w.kind.number(), occurred, listed, i64::try_from(conflicts).unwrap_or(i64::MAX), bytes])?;
    super::files::note(conn, w.id, w.state)?;
    // What the search has not reached yet needs no note.
    if w.id <= searched(conn)? {
        conn.prepare_cached("INSERT OR IGNORE INTO unsearched(record) VALUES (?1)")?.execute([w.id])?;
    }
    Ok(())
}

/// The greatest row that the search has looked at.
pub(super) fn searched(conn: &Connection) -> Result<i64> {
    Ok(conn.prepare_cached("SELECT v FROM meta WHERE k = 'searched'")?.query_row([], |r| r.get(0)).optional()?.unwrap_or(0))
}

/// The time in a record's identity.
fn created_ms(record: &RecordId) -> i64 {
    record.0[..6].iter().fold(0, |ms, b| ms << 8 | i64::from(*b))
}

/// The id that the next new record's row gets.
pub(super) fn next_id(conn: &Connection) -> Result<i64> {
    Ok(conn.prepare_cached("SELECT coalesce(max(id), 0) + 1 FROM record")?.query_row([], |r| r.get(0))?)
}
