//! Erasure by order, as headquarters' signed verdict brings it: payload and salt go, the change stays. Never on anybody else's word.

use std::collections::HashSet;

use daftar_core::ids::ChangeName;
use daftar_wire::change::{Seed, salt};
use daftar_wire::limits::SEGMENT_CHANGES_MAX;
use daftar_wire::message::{Ruling, Verdict};
use daftar_wire::segment::{Run, Segment};
use rusqlite::{Connection, OptionalExtension, params};

use super::{cursor, log, names};
use crate::error::{Error, Result};
use crate::sql::{int, uint};

/// The number of a ruling of a former life of the server.
pub(super) const FORMER: i64 = -1;

/// The changes on which only a former life ruled; from here on nobody has. What was erased stays so.
pub(super) fn forget_former(conn: &Connection) -> Result<Vec<ChangeName>> {
    let names: Vec<ChangeName> = {
        let mut rows = conn.prepare_cached("SELECT name FROM ruling WHERE n = ?1")?;
        rows.query_map([FORMER], |r| r.get(0).map(ChangeName))?.collect::<rusqlite::Result<_>>()?
    };
    if !names.is_empty() {
        conn.execute(
            "UPDATE ruling SET verdict = ?2, n = 0 WHERE n = ?1 AND reason = 'erased'",
            params![FORMER, Verdict::Erased.number()],
        )?;
        conn.execute("DELETE FROM ruling WHERE n = ?1", [FORMER])?;
    }
    Ok(names)
}

/// Keeps a ruling, also on a change that has not come yet. An erasure is kept as the reason, beside what was ruled before or is ruled
/// later: whether a change counts is another matter than whether its payload is there.
/// `n` is its number in the feed: the latest stands, whichever came first. False: a later one stands already.
pub(super) fn keep_ruling(conn: &Connection, r: &Ruling, n: u64) -> Result<bool> {
    if r.verdict == Verdict::Erased {
        conn.prepare_cached(
            "INSERT INTO ruling(name, verdict, reason) VALUES (?1, ?2, 'erased')
             ON CONFLICT(name) DO UPDATE SET verdict = iif(verdict = 0, excluded.verdict, verdict), reason = excluded.reason",
        )?
        .execute(params![r.change.0, r.verdict.number()])?;
        return Ok(true);
    }
    let kept = conn
        .prepare_cached(
            "INSERT INTO ruling(name, verdict, reason, n) VALUES (?1, ?2, ?3, ?5)
             ON CONFLICT(name) DO UPDATE SET verdict = iif(reason = 'erased' AND excluded.verdict = 0, ?4, excluded.verdict),
             reason = iif(reason = 'erased', reason, excluded.reason), n = excluded.n WHERE excluded.n >= n",
        )?
        .execute(params![r.change.0, r.verdict.number(), r.reason, Verdict::Erased.number(), int(n)])?;
    Ok(kept > 0)
}

/// Drops payload and salt wherever the log holds the change, and the seed that gave the salt.
pub(super) fn drop_payload(conn: &Connection, change: &ChangeName) -> Result<()> {
    // A message that was cut may say it.
    cursor::drop_begun(conn)?;
    for place in names::places(conn, change)? {
        let (stream, n) = log::at(place);
        if !conn.prepare_cached("SELECT 1 FROM change WHERE place = ?1 AND payload IS NOT NULL")?.exists([place])? {
            continue;
        }
        if let Some(run) = log::runs(conn, stream, n, n)?.pop() {
            for row in rows_with(conn, &run)? {
                give_way(conn, row, &run)?;
            }
        }
        let row = log::changes(conn, stream, n, n)?.pop().ok_or_else(|| Error::Unexpected("a change that is not there".into()))?;
        let k = row.entry(&[])?.k();
        conn.prepare_cached("UPDATE change SET payload = NULL, salt = ?2 WHERE place = ?1")?.execute(params![place, k])?;
    }
    Ok(())
}

/// The rows that have the seed: a run may have come in pieces, some of them ahead of their stream.
fn rows_with(conn: &Connection, run: &Run) -> Result<Vec<i64>> {
    let mut rows = conn.prepare_cached("SELECT stream FROM run WHERE first = ?1 AND seed = ?2")?;
    let rows = rows.query_map(params![int(run.first), run.seed], |r| r.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A run's seed goes; the changes that had their salt from it have it by themselves.
fn give_way(conn: &Connection, stream: i64, run: &Run) -> Result<()> {
    let next: Option<i64> = conn
        .prepare_cached("SELECT min(first) FROM run WHERE stream = ?1 AND first > ?2")?
        .query_row(params![stream, int(run.first)], |r| r.get(0))?;
    let last = next.map_or(run.first + u64::from(SEGMENT_CHANGES_MAX), uint) - 1;
    let derived: Vec<i64> = {
        let mut rows =
            conn.prepare_cached("SELECT place FROM change WHERE place BETWEEN ?1 AND ?2 AND salt IS NULL AND payload IS NOT NULL")?;
        let rows = rows.query_map(params![log::place(stream, run.first), log::place(stream, last)], |r| r.get(0))?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    for place in derived {
        let salt = salt(&run.seed, log::at(place).1 - run.first);
        conn.prepare_cached("UPDATE change SET salt = ?2 WHERE place = ?1")?.execute(params![place, salt])?;
    }
    conn.prepare_cached("DELETE FROM run WHERE stream = ?1 AND first = ?2")?.execute(params![stream, int(run.first)])?;
    // Nothing more may be written with that seed.
    conn.prepare_cached("UPDATE stream SET run_first = 0 WHERE id = ?1 AND run_first = ?2")?.execute(params![stream, int(run.first)])?;
    Ok(())
}

fn is_erased(conn: &Connection, change: &ChangeName) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM ruling WHERE name = ?1 AND reason = 'erased'")?.exists([change.0])?)
}

/// A segment without what was erased before it came: from a device or a pack that has not heard of it.
pub(super) fn without_erased(conn: &Connection, mut segment: Segment) -> Result<Segment> {
    if !conn.prepare_cached("SELECT 1 FROM ruling WHERE reason = 'erased' LIMIT 1")?.exists([])? {
        return Ok(segment);
    }
    let mut gone = HashSet::new();
    for entry in segment.entries.iter().filter(|e| e.payload().is_some()) {
        let name = entry.name(&segment.stream.compartment);
        if is_erased(conn, &name)? {
            gone.insert(name);
        }
    }
    let mut seeds: Vec<Seed> = Vec::new();
    for run in &segment.runs {
        if covers_erased(conn, &segment, run)? {
            seeds.push(run.seed);
        }
    }
    let compartment = segment.stream.compartment.clone();
    segment.erase(|e| gone.contains(&e.name(&compartment)));
    segment.forget(&seeds);
    Ok(segment)
}

/// Whether a change that was erased here may have had its salt from this run.
fn covers_erased(conn: &Connection, segment: &Segment, run: &Run) -> Result<bool> {
    let stream = &segment.stream;
    let mut ids = conn.prepare_cached(
        "SELECT id FROM stream WHERE device = ?1 AND incarnation = ?2 UNION ALL SELECT -id FROM ahead WHERE device = ?1 AND incarnation = ?2",
    )?;
    let ids: Vec<i64> = ids.query_map(params![stream.device.0, stream.incarnation.0], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
    for id in ids {
        let (from, to) = (log::place(id, run.first), log::place(id, run.first + u64::from(SEGMENT_CHANGES_MAX) - 1));
        let mut rows = conn.prepare_cached("SELECT 1 FROM change WHERE place BETWEEN ?1 AND ?2 AND payload IS NULL LIMIT 1")?;
        if rows.query_row(params![from, to], |_| Ok(())).optional()?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes the words of these records out of the index, to the last of them. They are indexed again as they stand.
pub(super) fn forget_words(conn: &Connection, records: &[i64]) -> Result<()> {
    for record in records {
        conn.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([record])?;
    }
    conn.execute("INSERT INTO search(search) VALUES ('optimize')", [])?;
    Ok(())
}
