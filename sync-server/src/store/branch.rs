//! Streams and their branches as they are held, and where in them a chain stands. Never decides where a segment belongs.

use daftar_core::ids::{ChangeName, DeviceId, Head, Incarnation};
use daftar_wire::branch::Branch;
use daftar_wire::segment::Segment;
use daftar_wire::stream::{StreamId, next};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::meta::Place;
use crate::error::{Error, Result};
use crate::sql::{int, uint};

/// How far a stream, or a branch of one, is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRow {
    /// The row's id; `None` before its first change.
    pub id: Option<i64>,
    /// The row that a branch leaves; `None` for a stream.
    pub parent: Option<i64>,
    /// The last change that a branch shares with that row; zero for a stream.
    pub split_n: u64,
    /// The chain there; `None` for a stream.
    pub split: Option<Head>,
    /// The number of the last change.
    pub n: u64,
    /// The chain after it.
    pub head: Head,
    /// In a backup up to here.
    pub backed_up: u64,
}

impl StreamRow {
    /// A stream of which nothing is held.
    pub fn empty(stream: &StreamId) -> Self {
        Self { id: None, parent: None, split_n: 0, split: None, n: 0, head: stream.start(), backed_up: 0 }
    }
}

const COLUMNS: &str = "id, parent, split_n, split, n, head, backed_up";

fn row(r: &Row<'_>) -> rusqlite::Result<StreamRow> {
    let split: Vec<u8> = r.get(3)?;
    Ok(StreamRow {
        id: r.get(0)?,
        parent: r.get(1)?,
        split_n: uint(r.get(2)?),
        split: split.try_into().ok().map(Head),
        n: uint(r.get(4)?),
        head: Head(r.get(5)?),
        backed_up: uint(r.get(6)?),
    })
}

/// A stream and its branches, each after the row that it leaves; none if nothing of it is held.
pub fn rows(conn: &Connection, place: &Place, stream: &StreamId) -> Result<Vec<StreamRow>> {
    let sql = format!("SELECT {COLUMNS} FROM stream WHERE compartment = ?1 AND device = ?2 AND incarnation = ?3 ORDER BY id");
    let mut rows = conn.prepare_cached(&sql)?;
    let rows = rows.query_map(params![place.id, stream.device.0, stream.incarnation.0], row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether a compartment has at most one stream of a device, and that without a branch.
pub fn is_sole(conn: &Connection, place: &Place, device: &DeviceId) -> Result<bool> {
    let n: i64 = conn
        .prepare_cached("SELECT count(*) FROM stream WHERE compartment = ?1 AND device = ?2")?
        .query_row(params![place.id, device.0], |r| r.get(0))?;
    Ok(n <= 1)
}

/// Every stream of a compartment with its branches, in the order in which they were begun.
pub fn all(conn: &Connection, place: &Place) -> Result<Vec<(StreamId, StreamRow)>> {
    named(conn, place, None)
}

/// A device's streams in a compartment, with their branches.
pub fn of_device(conn: &Connection, place: &Place, device: &DeviceId) -> Result<Vec<(StreamId, StreamRow)>> {
    named(conn, place, Some(device))
}

fn named(conn: &Connection, place: &Place, device: Option<&DeviceId>) -> Result<Vec<(StreamId, StreamRow)>> {
    let sql =
        format!("SELECT {COLUMNS}, device, incarnation FROM stream WHERE compartment = ?1 AND device = ifnull(?2, device) ORDER BY id");
    let mut rows = conn.prepare_cached(&sql)?;
    let rows = rows.query_map(params![place.id, device.map(|d| d.0)], |r| {
        let id = StreamId { compartment: place.name.clone(), device: DeviceId(r.get(7)?), incarnation: Incarnation(r.get(8)?) };
        Ok((id, row(r)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Where a branch leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// The row that it leaves.
    pub parent: i64,
    /// The last change in common.
    pub n: u64,
    /// The chain there.
    pub head: Head,
    /// The first change of its own.
    pub apart: ChangeName,
}

/// Begins a branch, still without a change of its own.
pub fn begin(conn: &Connection, place: &Place, stream: &StreamId, split: &Split) -> Result<StreamRow> {
    conn.prepare_cached(
        "INSERT INTO stream(compartment, device, incarnation, parent, split_n, split, apart, n, head) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?5, ?6)",
    )?
    .execute(params![
        place.id,
        stream.device.0,
        stream.incarnation.0,
        split.parent,
        int(split.n),
        split.head.0,
        split.apart.0
    ])?;
    Ok(StreamRow {
        id: Some(conn.last_insert_rowid()),
        parent: Some(split.parent),
        split_n: split.n,
        split: Some(split.head),
        n: split.n,
        head: split.head,
        backed_up: 0,
    })
}

/// One of a stream's rows, able to answer for the rows that it leaves too.
#[derive(Clone, Copy)]
pub struct Held<'a> {
    conn: &'a Connection,
    stream: &'a StreamId,
    rows: &'a [StreamRow],
    at: usize,
}

/// All rows of a stream as branches, in their order.
pub fn held<'a>(conn: &'a Connection, stream: &'a StreamId, rows: &'a [StreamRow]) -> Vec<Held<'a>> {
    (0..rows.len()).map(|at| Held { conn, stream, rows, at }).collect()
}

impl<'a> Held<'a> {
    fn row(&self) -> &'a StreamRow {
        &self.rows[self.at]
    }

    fn parent(&self) -> Result<Self> {
        let at = self.rows.iter().position(|r| r.id.is_some() && r.id == self.row().parent);
        Ok(Self { at: at.ok_or_else(|| Error::Damaged("a branch of nothing".into()))?, ..*self })
    }

    /// The row of those that this one leaves, itself included, that holds change `n`; before the first change, the stream's.
    pub fn owner(&self, n: u64) -> Result<usize> {
        if n > self.row().split_n || self.row().parent.is_none() { Ok(self.at) } else { self.parent()?.owner(n) }
    }

    /// The row's own segments that hold changes `from` to `to`: each one's first change, the chain after its last, and its bytes.
    fn segments(&self, from: u64, to: u64) -> Result<Vec<(u64, Vec<u8>)>> {
        let mut rows = self
            .conn
            .prepare_cached("SELECT first, bytes FROM feed WHERE stream = ?1 AND first + count > ?2 AND first <= ?3 ORDER BY first")?;
        let rows = rows.query_map(params![self.row().id, int(from), int(to)], |r| Ok((uint(r.get(0)?), r.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl Branch for Held<'_> {
    type Error = Error;

    fn last(&self) -> u64 {
        self.row().n
    }

    fn head_at(&self, n: u64) -> Result<Head> {
        let row = self.row();
        if n == row.n {
            return Ok(row.head);
        }
        if n == row.split_n {
            return Ok(row.split.unwrap_or_else(|| self.stream.start()));
        }
        if n < row.split_n {
            return self.parent()?.head_at(n);
        }
        let ends = self
            .conn
            .prepare_cached("SELECT head FROM feed WHERE stream = ?1 AND first + count = ?2")?
            .query_row(params![row.id, int(n + 1)], |r| r.get(0).map(Head))
            .optional()?;
        if let Some(head) = ends {
            return Ok(head);
        }
        let segments = self.segments(n, n)?;
        let (first, _) = segments.first().ok_or_else(|| Error::Damaged("a stream with a gap".into()))?;
        let before = self.head_at(first - 1)?;
        Ok(self.names(*first, n)?.into_iter().fold(before, next))
    }

    fn names(&self, from: u64, to: u64) -> Result<Vec<ChangeName>> {
        if from > to {
            return Ok(Vec::new());
        }
        let split_n = self.row().split_n;
        let mut names = if from <= split_n { self.parent()?.names(from, to.min(split_n))? } else { Vec::new() };
        let from = from.max(split_n + 1);
        if from > to {
            return Ok(names);
        }
        for (_, bytes) in self.segments(from, to)? {
            let segment = Segment::read(&bytes)?;
            let numbered = (segment.first..).zip(&segment.entries).filter(|(n, _)| (from..=to).contains(n));
            names.extend(numbered.map(|(_, entry)| entry.name(&self.stream.compartment)));
        }
        Ok(names)
    }
}

/// Whether another row of the device's holds a change of this name.
pub fn holds_elsewhere(
    conn: &Connection,
    place: &Place,
    device: &DeviceId,
    but: Option<i64>,
    names: &[ChangeName],
) -> Result<Vec<ChangeName>> {
    let mut found = Vec::new();
    let mut rows = conn.prepare_cached(
        "SELECT f.bytes FROM feed f JOIN stream s ON s.id = f.stream WHERE s.compartment = ?1 AND s.device = ?2 AND s.id IS NOT ?3",
    )?;
    let mut rows = rows.query(params![place.id, device.0, but])?;
    while let Some(row) = rows.next()? {
        let segment = Segment::read(&row.get::<_, Vec<u8>>(0)?)?;
        found.extend(segment.entries.iter().map(|e| e.name(&place.name)).filter(|n| names.contains(n)));
    }
    Ok(found)
}

/// The segments of a row that hold changes from `from` on, in order, until their bytes come to about `bytes_max`; at least one if there is one.
pub fn segments(conn: &Connection, row: i64, from: u64, bytes_max: usize) -> Result<Vec<(u64, Vec<u8>)>> {
    let mut rows =
        conn.prepare_cached("SELECT first + count - 1, bytes FROM feed WHERE stream = ?1 AND first + count > ?2 ORDER BY first")?;
    let mut rows = rows.query(params![row, int(from)])?;
    let (mut page, mut bytes) = (Vec::new(), 0);
    while let Some(r) = rows.next()? {
        let segment: (u64, Vec<u8>) = (uint(r.get(0)?), r.get(1)?);
        bytes += segment.1.len();
        page.push(segment);
        if bytes >= bytes_max {
            break;
        }
    }
    Ok(page)
}

/// Notes that a backup holds a row up to `n`.
pub fn set_backed_up(conn: &Connection, row: i64, n: u64) -> Result<()> {
    conn.prepare_cached("UPDATE stream SET backed_up = max(backed_up, ?2) WHERE id = ?1")?.execute(params![row, int(n)])?;
    Ok(())
}

/// Notes that a backup holds all that is held.
pub fn set_all_backed_up(conn: &Connection) -> Result<()> {
    conn.execute("UPDATE stream SET backed_up = n", [])?;
    Ok(())
}
