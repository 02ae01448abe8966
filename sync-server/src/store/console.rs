//! What the console asks the tables for: lists, searches, one record with its changes, counts. Reads only, and never decides who may.

use daftar_core::ids::{ChangeName, DeviceId, Head, RecordId};
use daftar_core::record::Kind;
use daftar_wire::branch::Branch as _;
use daftar_wire::message::Verdict;
use daftar_wire::stream::StreamId;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};

use super::branch;
use super::meta::Place;
use crate::error::{Error, Result};
use crate::sql::uint;

/// A record's row.
#[derive(Debug, Clone)]
pub(crate) struct RecordRow {
    /// The compartment's row.
    pub(crate) place: i64,
    pub(crate) uuid: RecordId,
    pub(crate) kind: Kind,
    pub(crate) state: Vec<u8>,
    pub(crate) occurred_ms: i64,
    pub(crate) number: Option<String>,
    pub(crate) headline: String,
    pub(crate) detail: Option<String>,
    pub(crate) team: Option<String>,
    pub(crate) post: Option<String>,
    pub(crate) conflicts: u32,
    pub(crate) hidden: bool,
    pub(crate) revived: bool,
    pub(crate) missing_parent: bool,
    pub(crate) changes: u32,
    pub(crate) touched_ms: u64,
}

/// Where a record stands in a list, newest first: when it was, and its row.
pub(crate) type Spot = (i64, i64);

/// What a list is narrowed to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Narrowed<'a> {
    /// Only records that name this team; for search only where the compartment is not the team's own.
    pub(crate) team: Option<&'a str>,
    /// Only what needs a decision.
    pub(crate) in_conflict: bool,
    /// Only what stands after this spot.
    pub(crate) before: Spot,
    /// At most so many.
    pub(crate) limit: u32,
}

/// The kinds of record that a compartment holds; one step through the index for each.
pub(crate) fn kinds(conn: &Connection, place: i64) -> Result<Vec<Kind>> {
    let mut next = conn.prepare_cached("SELECT min(kind) FROM record WHERE compartment = ?1 AND kind > ?2")?;
    let (mut kinds, mut last) = (Vec::new(), 0_u32);
    while let Some(kind) = next.query_row(params![place, last], |r| r.get::<_, Option<u32>>(0))? {
        kinds.push(Kind::from_number(kind));
        last = kind;
    }
    Ok(kinds)
}

/// The newest spots of one kind in one compartment; without a condition on more, the index alone answers.
pub(crate) fn newest(conn: &Connection, place: i64, kind: Kind, by: Narrowed<'_>) -> Result<Vec<Spot>> {
    let mut rows = conn.prepare_cached(
        "SELECT occurred_ms, id FROM record WHERE compartment = ?1 AND kind = ?2 AND occurred_ms <= ?3 AND (occurred_ms < ?3 OR id < ?4)
         AND (?5 IS NULL OR team = ?5) AND (?6 = 0 OR conflicts > 0) ORDER BY occurred_ms DESC, id DESC LIMIT ?7",
    )?;
    let (at, id) = by.before;
    let rows = rows.query_map(params![place, kind.number(), at, id, by.team, by.in_conflict, by.limit], |r| Ok((r.get(0)?, r.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The newest spots that match the full-text query, of these kinds: in the compartments `whole`, and in those of `shared` what names
/// the team.
pub(crate) fn found(
    conn: &Connection,
    query: &str,
    (whole, shared): (&[i64], &[i64]),
    kinds: &[Kind],
    by: Narrowed<'_>,
) -> Result<Vec<Spot>> {
    let marks = |n: usize| vec!["?"; n].join(",");
    let mut rows = conn.prepare_cached(&format!(
        "SELECT r.occurred_ms, r.id FROM search s CROSS JOIN record r ON r.id = s.rowid WHERE s.search MATCH ?
         AND r.occurred_ms <= ? AND (r.occurred_ms < ? OR r.id < ?) AND (? = 0 OR r.conflicts > 0)
         AND (r.compartment IN ({}) OR (r.team = ? AND r.compartment IN ({}))) AND r.kind IN ({})
         ORDER BY r.occurred_ms DESC, r.id DESC LIMIT ?",
        marks(whole.len()),
        marks(shared.len()),
        marks(kinds.len()),
    ))?;
    let (at, id) = by.before;
    let kinds: Vec<u32> = kinds.iter().map(|k| k.number()).collect();
    let mut values: Vec<&dyn ToSql> = vec![&query, &at, &at, &id, &by.in_conflict];
    values.extend(whole.iter().map(|p| p as &dyn ToSql));
    values.push(&by.team);
    values.extend(shared.iter().map(|p| p as &dyn ToSql));
    values.extend(kinds.iter().map(|k| k as &dyn ToSql));
    values.push(&by.limit);
    let rows = rows.query_map(params_from_iter(values), |r| Ok((r.get(0)?, r.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

const RECORD: &str = "SELECT compartment, uuid, kind, state, occurred_ms, number, headline, detail, team, post, conflicts, hidden, revived,
    missing_parent, changes, touched_ms FROM record";

fn record_row(r: &Row<'_>) -> rusqlite::Result<RecordRow> {
    Ok(RecordRow {
        place: r.get(0)?,
        uuid: RecordId(r.get(1)?),
        kind: Kind::from_number(r.get(2)?),
        state: r.get(3)?,
        occurred_ms: r.get(4)?,
        number: r.get(5)?,
        headline: r.get(6)?,
        detail: r.get(7)?,
        team: r.get(8)?,
        post: r.get(9)?,
        conflicts: r.get(10)?,
        hidden: r.get(11)?,
        revived: r.get(12)?,
        missing_parent: r.get(13)?,
        changes: r.get(14)?,
        touched_ms: uint(r.get(15)?),
    })
}

/// A row by its number.
pub(crate) fn row(conn: &Connection, id: i64) -> Result<Option<RecordRow>> {
    Ok(conn.prepare_cached(&format!("{RECORD} WHERE id = ?1"))?.query_row([id], record_row).optional()?)
}

/// A record of a compartment.
pub(crate) fn record(conn: &Connection, place: i64, uuid: &RecordId) -> Result<Option<RecordRow>> {
    let mut rows = conn.prepare_cached(&format!("{RECORD} WHERE compartment = ?1 AND uuid = ?2"))?;
    Ok(rows.query_row(params![place, uuid.0], record_row).optional()?)
}

/// A change of a record, as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct ChangeRow {
    pub(crate) name: ChangeName,
    /// Its place in its stream, and its segment's in the feed.
    pub(crate) n: u64,
    pub(crate) feed_n: u64,
    pub(crate) received_ms: u64,
    pub(crate) verdict: Verdict,
    pub(crate) reason: Option<String>,
    pub(crate) header: Vec<u8>,
    /// `None`: erased.
    pub(crate) payload: Option<Vec<u8>>,
}

/// The newest changes of a record, of every verdict, the newest first.
pub(crate) fn changes(conn: &Connection, place: i64, uuid: &RecordId, limit: u32) -> Result<Vec<ChangeRow>> {
    let mut rows = conn.prepare_cached(
        "SELECT name, n, feed_n, received_ms, verdict, reason, header, payload FROM change
         WHERE compartment = ?1 AND record = ?2 ORDER BY id DESC LIMIT ?3",
    )?;
    let mut rows = rows.query(params![place, uuid.0, limit])?;
    let mut all = Vec::new();
    while let Some(r) = rows.next()? {
        all.push(ChangeRow {
            name: ChangeName(r.get(0)?),
            n: uint(r.get(1)?),
            feed_n: uint(r.get(2)?),
            received_ms: uint(r.get(3)?),
            verdict: Verdict::from_number(r.get(4)?).ok_or_else(|| Error::Damaged("a change's verdict".into()))?,
            reason: r.get(5)?,
            header: r.get(6)?,
            payload: r.get(7)?,
        });
    }
    Ok(all)
}

/// How many changes a record has, of every verdict.
pub(crate) fn change_count(conn: &Connection, place: i64, uuid: &RecordId) -> Result<u32> {
    let mut rows = conn.prepare_cached("SELECT count(*) FROM change WHERE compartment = ?1 AND record = ?2")?;
    Ok(rows.query_row(params![place, uuid.0], |r| r.get(0))?)
}

/// How many records of a kind a compartment holds: all, and those since a time.
pub(crate) fn count(conn: &Connection, place: i64, kind: Kind, since_ms: i64) -> Result<(u64, u64)> {
    let one = |sql: &str, since: i64| -> Result<u64> {
        Ok(uint(conn.prepare_cached(sql)?.query_row(params![place, kind.number(), since], |r| r.get(0))?))
    };
    let sql = "SELECT count(*) FROM record WHERE compartment = ?1 AND kind = ?2 AND occurred_ms >= ?3";
    Ok((one(sql, i64::MIN)?, one(sql, since_ms)?))
}

/// How many records of a compartment need a decision, and how many of its changes are under review or set aside. What was said of a grant at the
/// same time, in two lives of the server, its next word settles.
pub(crate) fn open_questions(conn: &Connection, place: i64) -> Result<(u64, u64, u64)> {
    let one = |sql: &str| -> Result<u64> { Ok(uint(conn.prepare_cached(sql)?.query_row([place], |r| r.get(0))?)) };
    let mut open = conn.prepare_cached("SELECT count(*) FROM record WHERE conflicts > 0 AND compartment = ?1 AND kind <> ?2")?;
    Ok((
        uint(open.query_row(params![place, Kind::Grant.number()], |r| r.get(0))?),
        one("SELECT count(*) FROM change WHERE verdict <> 0 AND verdict = 1 AND compartment = ?1")?,
        one("SELECT count(*) FROM change WHERE verdict <> 0 AND verdict = 2 AND compartment = ?1")?,
    ))
}

/// Where the chain of a stream's row stood before its change `first`, in headquarters' own database.
pub(crate) fn chain_before(conn: &Connection, place: &Place, stream: &StreamId, row: i64, first: u64) -> Result<Option<Head>> {
    let rows = branch::rows(conn, place, stream)?;
    let held = branch::held(conn, stream, &rows);
    let at = rows.iter().position(|r| r.id == Some(row));
    at.map(|at| held[at].head_at(first - 1)).transpose()
}

/// When each device has last spoken, and how many changes were taken from it.
pub(crate) fn contacts(conn: &Connection) -> Result<Vec<(DeviceId, u64, u64)>> {
    let mut rows = conn.prepare_cached("SELECT device, at_ms, taken FROM contact")?;
    let rows = rows.query_map([], |r| Ok((DeviceId(r.get(0)?), uint(r.get(1)?), uint(r.get(2)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
