//! A compartment's log: runs, changes, chains. Only appends; never says what the changes come to.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, Head, OfficerId};
use daftar_wire::change::{Body, Entry, salt};
use daftar_wire::limits::SEGMENT_CHANGES_MAX;
use daftar_wire::segment::Run;
use daftar_wire::stream::next;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::stream::{StreamRow, by_id};
use crate::error::{Error, Result};
use crate::random::random;
use crate::sql::{int, uint};

/// A place is its stream's row and the number in it.
const PLACE_BITS: u32 = 40;

/// A change's place among all of the file.
pub(super) fn place(stream: i64, n: u64) -> i64 {
    stream << PLACE_BITS | int(n)
}

/// The stream's row and the number of a place.
pub(super) fn at(place: i64) -> (i64, u64) {
    (place >> PLACE_BITS, uint(place & ((1 << PLACE_BITS) - 1)))
}

/// The salt for the next change of the own stream. A new run begins when there is none, it is full, or any part of it was sent.
pub(super) fn next_salt(conn: &Connection, stream: &mut StreamRow) -> Result<[u8; 32]> {
    let n = stream.n + 1;
    let open = stream.run_first > 0 && stream.run_first > stream.sent && n - stream.run_first < u64::from(SEGMENT_CHANGES_MAX);
    let seed = if open {
        conn.prepare_cached("SELECT seed FROM run WHERE stream = ?1 AND first = ?2")?
            .query_row(params![stream.id, int(stream.run_first)], |r| r.get(0))?
    } else {
        let seed = random()?;
        stream.run_first = n;
        add_run(conn, stream.id, &Run { first: n, seed })?;
        seed
    };
    Ok(salt(&seed, n - stream.run_first))
}

pub(super) fn add_run(conn: &Connection, stream: i64, run: &Run) -> Result<()> {
    conn.prepare_cached("INSERT OR IGNORE INTO run(stream, first, seed) VALUES (?1, ?2, ?3)")?.execute(params![
        stream,
        int(run.first),
        run.seed
    ])?;
    Ok(())
}

/// Appends one change; the stream's row follows in memory and is written by `keep`.
pub(super) fn append(
    conn: &Connection,
    stream: &mut StreamRow,
    record: Option<i64>,
    name: ChangeName,
    entry: &Entry,
    derived: bool,
) -> Result<()> {
    stream.n += 1;
    stream.head = next(stream.head, name);
    put(conn, place(stream.id, stream.n), record, name, entry, derived)
}

/// Writes one change to its place.
pub(super) fn put(conn: &Connection, place: i64, record: Option<i64>, name: ChangeName, entry: &Entry, derived: bool) -> Result<()> {
    let (payload, salt) = match &entry.body {
        Body::Whole { payload, salt } => (Some(payload), (!derived).then_some(salt)),
        Body::Erased { k } => (None, Some(k)),
    };
    conn.prepare_cached("INSERT INTO change(place, record, name, header, payload, salt) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![place, record, name.0, entry.header, payload, salt])?;
    Ok(())
}

/// The chain after change `n`, from the nearest signed place before it. A branch asks its parent for what they share.
pub(super) fn head_at(conn: &Connection, compartment: &Compartment, s: &StreamRow, n: u64) -> Result<Option<Head>> {
    if n > s.n {
        return Ok(None);
    }
    if n == s.n {
        return Ok(Some(s.head));
    }
    if let Some(parent) = s.parent.filter(|_| n < s.split_n) {
        return head_at(conn, compartment, &by_id(conn, parent)?, n);
    }
    let signed: Option<(i64, [u8; 32])> = conn
        .prepare_cached("SELECT n, head FROM signed_head WHERE stream = ?1 AND n <= ?2 AND n > ?3 ORDER BY n DESC LIMIT 1")?
        .query_row(params![s.id, int(n), int(s.split_n)], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()?;
    let begun = || (s.split_n, s.split.unwrap_or_else(|| s.id(compartment).start()));
    let (from, mut head) = signed.map_or_else(begun, |(n, h)| (uint(n), Head(h)));
    for name in names(conn, s.id, from + 1, n)? {
        head = next(head, name);
    }
    Ok(Some(head))
}

/// The names of changes `from` to `to`, both included.
pub(super) fn names(conn: &Connection, stream: i64, from: u64, to: u64) -> Result<Vec<ChangeName>> {
    let mut rows = conn.prepare_cached("SELECT name FROM change WHERE place BETWEEN ?1 AND ?2 ORDER BY place")?;
    let names = rows.query_map(params![place(stream, from), place(stream, to)], |r| r.get(0).map(ChangeName))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

/// The same of a row with what it shares with its parent.
pub(super) fn names_through(conn: &Connection, s: &StreamRow, from: u64, to: u64) -> Result<Vec<ChangeName>> {
    let mut all = match s.parent {
        Some(parent) if from <= s.split_n => names_through(conn, &by_id(conn, parent)?, from, to.min(s.split_n))?,
        Some(_) | None => Vec::new(),
    };
    all.extend(names(conn, s.id, from.max(s.split_n + 1), to)?);
    Ok(all)
}

/// The names of changes `from` to `to`, as far as header and payload of all come to no more than `max_bytes`; of the first in any case.
pub(super) fn names_within(conn: &Connection, stream: i64, from: u64, to: u64, max_bytes: u64) -> Result<Vec<ChangeName>> {
    let mut rows = conn.prepare_cached(
        "SELECT name, length(header) + coalesce(length(payload), 0) FROM change WHERE place BETWEEN ?1 AND ?2 ORDER BY place",
    )?;
    let sized = rows.query_map(params![place(stream, from), place(stream, to)], |r| Ok((ChangeName(r.get(0)?), uint(r.get(1)?))))?;
    within(sized, max_bytes, |sized| sized.1).map(|names| names.into_iter().map(|n| n.0).collect())
}

/// Takes rows as far as they come to no more than `max_bytes`; the first in any case.
fn within<T>(rows: impl Iterator<Item = rusqlite::Result<T>>, max_bytes: u64, size: impl Fn(&T) -> u64) -> Result<Vec<T>> {
    let (mut taken, mut bytes) = (Vec::new(), 0);
    for row in rows {
        let row = row?;
        bytes += size(&row);
        if bytes > max_bytes && !taken.is_empty() {
            break;
        }
        taken.push(row);
    }
    Ok(taken)
}

/// Whether any of changes `from` to `to` may be this officer's act.
pub(super) fn is_author(conn: &Connection, stream: i64, from: u64, to: u64, officer: &OfficerId) -> Result<bool> {
    let mut rows = conn.prepare_cached("SELECT 1 FROM change WHERE place BETWEEN ?1 AND ?2 AND instr(header, ?3) > 0 LIMIT 1")?;
    Ok(rows.exists(params![place(stream, from), place(stream, to), officer.0])?)
}

/// A change as the log holds it.
pub(super) struct LogRow {
    pub(super) place: i64,
    pub(super) record: Option<i64>,
    pub(super) name: ChangeName,
    pub(super) header: Vec<u8>,
    payload: Option<Vec<u8>>,
    salt: Option<[u8; 32]>,
}

impl LogRow {
    /// The change's bytes with its salt, taken from its run where it is derived.
    pub(super) fn entry(self, runs: &[Run]) -> Result<Entry> {
        let (_, n) = at(self.place);
        let body = match (self.payload, self.salt) {
            (Some(payload), Some(salt)) => Body::Whole { payload, salt },
            (Some(payload), None) => {
                let run = runs[..runs.partition_point(|r| r.first <= n)].last();
                let run = run.ok_or_else(|| Error::Unexpected("a change without its run".into()))?;
                Body::Whole { payload, salt: salt(&run.seed, n - run.first) }
            }
            (None, Some(k)) => Body::Erased { k },
            (None, None) => return Err(Error::Unexpected("an erased change without its hash".into())),
        };
        Ok(Entry { header: self.header, body })
    }

    /// Header and payload for merging: the salt is not asked, the name is known.
    pub(super) fn read(self) -> Result<daftar_core::change::Change> {
        let header = daftar_wire::change::read_header(&self.header)?;
        let payload = match &self.payload {
            Some(bytes) => daftar_wire::change::read_payload(header.kind, bytes)?,
            None => daftar_core::change::Payload::default(),
        };
        Ok(daftar_core::change::Change { name: self.name, header, payload })
    }
}

const LOG_COLUMNS: &str = "place, record, name, header, payload, salt";

fn log_row(r: &Row<'_>) -> rusqlite::Result<LogRow> {
    Ok(LogRow { place: r.get(0)?, record: r.get(1)?, name: ChangeName(r.get(2)?), header: r.get(3)?, payload: r.get(4)?, salt: r.get(5)? })
}

/// Changes `from` to `to` of a stream.
pub(super) fn changes(conn: &Connection, stream: i64, from: u64, to: u64) -> Result<Vec<LogRow>> {
    let mut rows = conn.prepare_cached(&format!("SELECT {LOG_COLUMNS} FROM change WHERE place BETWEEN ?1 AND ?2 ORDER BY place"))?;
    let changes = rows.query_map(params![place(stream, from), place(stream, to)], log_row)?;
    Ok(changes.collect::<rusqlite::Result<_>>()?)
}

/// The same as far as header and payload of all come to no more than `max_bytes`; the first in any case.
pub(super) fn changes_within(conn: &Connection, stream: i64, from: u64, to: u64, max_bytes: u64) -> Result<Vec<LogRow>> {
    let mut rows = conn.prepare_cached(&format!("SELECT {LOG_COLUMNS} FROM change WHERE place BETWEEN ?1 AND ?2 ORDER BY place"))?;
    let changes = rows.query_map(params![place(stream, from), place(stream, to)], log_row)?;
    within(changes, max_bytes, |row| (row.header.len() + row.payload.as_ref().map_or(0, Vec::len)) as u64)
}

/// All of a record's changes, whatever was ruled of them.
pub(super) fn of_record(conn: &Connection, record: i64) -> Result<Vec<LogRow>> {
    let mut rows = conn.prepare_cached(&format!("SELECT {LOG_COLUMNS} FROM change WHERE record = ?1 ORDER BY place"))?;
    let changes = rows.query_map([record], log_row)?;
    Ok(changes.collect::<rusqlite::Result<_>>()?)
}

/// The runs that changes `from` to `to` belong to.
pub(super) fn runs(conn: &Connection, stream: i64, from: u64, to: u64) -> Result<Vec<Run>> {
    let mut rows = conn.prepare_cached(
        "SELECT first, seed FROM run WHERE stream = ?1 AND first <= ?3
         AND first >= (SELECT coalesce(max(first), 0) FROM run WHERE stream = ?1 AND first <= ?2) ORDER BY first",
    )?;
    let runs = rows.query_map(params![stream, int(from), int(to)], |r| Ok(Run { first: uint(r.get(0)?), seed: r.get(1)? }))?;
    Ok(runs.collect::<rusqlite::Result<_>>()?)
}
