//! The rows of a compartment's streams and of their branches: how far each goes, and how far headquarters has it. Never holds a change.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, DeviceId, Digest, Head, Incarnation};
use daftar_core::time::Stamp;
use daftar_wire::branch::Branch;
use daftar_wire::stream::{StreamHead, StreamId, digest};
use rusqlite::{Connection, Row, params};

use super::log::{head_at, names_through};
use crate::error::{Error, Result};
use crate::sql::{int, uint};

/// A stream as it stands here.
#[derive(Debug, Clone)]
pub(super) struct StreamRow {
    pub(super) id: i64,
    pub(super) device: DeviceId,
    pub(super) incarnation: Incarnation,
    pub(super) own: bool,
    pub(super) n: u64,
    pub(super) head: Head,
    pub(super) run_first: u64,
    pub(super) sent: u64,
    pub(super) acked: u64,
    pub(super) acked_head: Option<Head>,
    pub(super) backed_up: u64,
    pub(super) checked: u64,
    pub(super) stamp: Stamp,
    pub(super) parent: Option<i64>,
    pub(super) split_n: u64,
    pub(super) split: Option<Head>,
    pub(super) shown: Option<u64>,
    pub(super) confirm: bool,
}

const COLUMNS: &str =
    "id, device, incarnation, own, n, head, run_first, sent, acked, acked_head, backed_up, checked, stamp_ms, stamp_count,
    parent, split_n, split, shown, confirm";

fn row(r: &Row<'_>) -> rusqlite::Result<StreamRow> {
    Ok(StreamRow {
        id: r.get(0)?,
        device: DeviceId(r.get(1)?),
        incarnation: Incarnation(r.get(2)?),
        own: r.get(3)?,
        n: uint(r.get(4)?),
        head: Head(r.get(5)?),
        run_first: uint(r.get(6)?),
        sent: uint(r.get(7)?),
        acked: uint(r.get(8)?),
        acked_head: r.get::<_, Option<[u8; 32]>>(9)?.map(Head),
        backed_up: uint(r.get(10)?),
        checked: uint(r.get(11)?),
        stamp: Stamp { ms: uint(r.get(12)?), count: r.get(13)? },
        parent: r.get(14)?,
        split_n: uint(r.get(15)?),
        split: r.get::<_, Option<[u8; 32]>>(16)?.map(Head),
        shown: r.get::<_, Option<i64>>(17)?.map(uint),
        confirm: r.get(18)?,
    })
}

impl StreamRow {
    pub(super) fn id(&self, compartment: &Compartment) -> StreamId {
        StreamId { compartment: compartment.clone(), device: self.device, incarnation: self.incarnation }
    }

    /// The last change that others are told of.
    pub(super) fn end(&self) -> u64 {
        self.shown.unwrap_or(self.n)
    }

    /// Headquarters has this row's changes up to here, as far as is known.
    pub(super) fn at_hq(&self) -> u64 {
        self.acked.max(self.split_n)
    }

    /// Its receipt in the server's present life stands for everything up to here.
    pub(super) fn receipted(&self) -> u64 {
        if self.confirm { self.split_n } else { self.at_hq() }
    }

    /// Headquarters has it up to `n`.
    pub(super) fn set_at_hq(&mut self, n: u64, head: Head) {
        (self.acked, self.acked_head) = (n, Some(head));
        self.show_to(n);
    }

    /// Others have it up to `n`, so that it is no longer kept back.
    pub(super) fn show_to(&mut self, n: u64) {
        self.shown = self.shown.map(|shown| shown.max(n)).filter(|shown| *shown < self.n);
    }

    fn stands_at(&self, n: u64, head: Head) -> Option<StreamHead> {
        (n > self.split_n).then_some(StreamHead { device: self.device, incarnation: self.incarnation, n, head })
    }
}

/// Where the row stands for others; `None`: nothing of it is shown.
pub(super) fn stands(conn: &Connection, compartment: &Compartment, s: &StreamRow) -> Result<Option<StreamHead>> {
    let head = head_at(conn, compartment, s, s.end())?;
    Ok(head.and_then(|head| s.stands_at(s.end(), head)))
}

/// Whether a branch that left the row holds all that is told of it, so that it is no stream of its own to others: what is kept back of a row
/// may lie where the other way went on.
fn is_in_a_branch(rows: &[StreamRow], s: &StreamRow, told: fn(&StreamRow) -> u64) -> bool {
    rows.iter().any(|r| r.parent == Some(s.id) && told(r) > r.split_n && r.split_n >= told(s))
}

/// The digest over all streams and branches here.
pub(super) fn digest_here(conn: &Connection, compartment: &Compartment) -> Result<Digest> {
    let rows = all(conn)?;
    let apart = rows.iter().filter(|s| !is_in_a_branch(&rows, s, StreamRow::end));
    let heads: Vec<Option<StreamHead>> = apart.map(|s| stands(conn, compartment, s)).collect::<Result<_>>()?;
    Ok(digest(&heads.into_iter().flatten().collect::<Vec<_>>()))
}

/// The digest of what headquarters has, as far as is known here.
pub(super) fn digest_at_hq(conn: &Connection) -> Result<Digest> {
    let rows = all(conn)?;
    let apart = rows.iter().filter(|s| !is_in_a_branch(&rows, s, |s| s.acked));
    Ok(digest(&apart.filter_map(|s| s.stands_at(s.acked, s.acked_head?)).collect::<Vec<_>>()))
}

/// The stream that this file's own changes go to.
pub(super) fn own(conn: &Connection) -> Result<StreamRow> {
    Ok(conn.prepare_cached(&format!("SELECT {COLUMNS} FROM stream WHERE own"))?.query_row([], row)?)
}

/// The streams and branches of one device.
pub(super) fn of_device(conn: &Connection, device: &DeviceId) -> Result<Vec<StreamRow>> {
    let mut rows = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM stream WHERE device = ?1 ORDER BY id"))?;
    let rows = rows.query_map([device.0], row)?.collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

/// The streams and branches of others whose end came by another device or a pack, and not from headquarters' feed yet.
pub(super) fn unjudged(conn: &Connection, device: &DeviceId) -> Result<Vec<StreamRow>> {
    let sql = format!("SELECT {COLUMNS} FROM stream WHERE device <> ?1 AND n > max(acked, split_n)");
    let mut rows = conn.prepare_cached(&sql)?;
    let rows = rows.query_map([device.0], row)?.collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

/// A row by its id.
pub(super) fn by_id(conn: &Connection, id: i64) -> Result<StreamRow> {
    Ok(conn.prepare_cached(&format!("SELECT {COLUMNS} FROM stream WHERE id = ?1"))?.query_row([id], row)?)
}

/// A stream and its branches, each behind the one that it left; nothing if nothing of it is here.
pub(super) fn family(conn: &Connection, device: &DeviceId, incarnation: &Incarnation) -> Result<Vec<StreamRow>> {
    let sql = format!("SELECT {COLUMNS} FROM stream WHERE device = ?1 AND incarnation = ?2 ORDER BY id");
    let mut rows = conn.prepare_cached(&sql)?;
    let rows = rows.query_map(params![device.0, incarnation.0], row)?.collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

/// A stream and its branches, begun if nothing of it is here.
pub(super) fn family_or_begin(conn: &Connection, stream: &StreamId) -> Result<Vec<StreamRow>> {
    let rows = family(conn, &stream.device, &stream.incarnation)?;
    if !rows.is_empty() {
        return Ok(rows);
    }
    begin(conn, stream, false)?;
    family(conn, &stream.device, &stream.incarnation)
}

/// Begins a stream.
pub(super) fn begin(conn: &Connection, stream: &StreamId, own: bool) -> Result<()> {
    conn.prepare_cached("INSERT INTO stream(device, incarnation, own, head) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        stream.device.0,
        stream.incarnation.0,
        own,
        stream.start().0
    ])?;
    Ok(())
}

/// Begins a branch that leaves a row after change `n`, where the chain stands at `head`.
pub(super) fn begin_branch(conn: &Connection, parent: &StreamRow, n: u64, head: Head) -> Result<StreamRow> {
    conn.prepare_cached(
        "INSERT INTO stream(device, incarnation, own, n, head, acked, checked, parent, split_n, split) VALUES (?1, ?2, 0, ?3, ?4, ?3, ?3, ?5, ?3, ?4)",
    )?
    .execute(params![parent.device.0, parent.incarnation.0, int(n), head.0, parent.id])?;
    by_id(conn, conn.last_insert_rowid())
}

/// Every stream.
pub(super) fn all(conn: &Connection) -> Result<Vec<StreamRow>> {
    let mut rows = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM stream ORDER BY id"))?;
    let all = rows.query_map([], row)?.collect::<rusqlite::Result<_>>()?;
    Ok(all)
}

/// Writes where a stream stands.
pub(super) fn keep(conn: &Connection, s: &StreamRow) -> Result<()> {
    conn.prepare_cached(
        "UPDATE stream SET n = ?2, head = ?3, run_first = ?4, sent = ?5, checked = ?6, stamp_ms = ?7, stamp_count = ?8, acked = ?9,
         acked_head = ?10, backed_up = ?11, shown = ?12, confirm = ?13 WHERE id = ?1",
    )?
    .execute(params![
        s.id,
        int(s.n),
        s.head.0,
        int(s.run_first),
        int(s.sent),
        int(s.checked),
        int(s.stamp.ms),
        s.stamp.count,
        int(s.acked),
        s.acked_head.map(|h| h.0),
        int(s.backed_up),
        s.shown.map(int),
        s.confirm
    ])?;
    Ok(())
}

/// A row as `daftar_wire::branch` asks of it.
pub(super) struct Held<'a> {
    pub(super) conn: &'a Connection,
    pub(super) compartment: &'a Compartment,
    pub(super) row: &'a StreamRow,
}

impl Branch for Held<'_> {
    type Error = Error;
    fn last(&self) -> u64 {
        self.row.n
    }
    fn head_at(&self, n: u64) -> Result<Head> {
        head_at(self.conn, self.compartment, self.row, n)?.ok_or_else(|| Error::Unexpected("a row that lacks a change of its own".into()))
    }
    fn names(&self, from: u64, to: u64) -> Result<Vec<ChangeName>> {
        names_through(self.conn, self.row, from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_back_of_a_stream_is_no_stream_of_its_own_beside_the_branch_that_went_on() {
        let conn = Connection::open_in_memory().expect("memory");
        conn.execute_batch(include_str!("1.sql")).and_then(|()| conn.execute_batch(include_str!("3.sql"))).expect("the schema");
        let put = |id: i64, parent: Option<i64>, split: u64, n: u64, acked: u64, shown: Option<u64>| {
            conn.execute(
                "INSERT INTO stream(id, device, incarnation, own, n, head, acked, acked_head, parent, split_n, split, shown)
                 VALUES (?1, ?2, ?2, 0, ?3, ?4, ?5, ?4, ?6, ?7, ?8, ?9)",
                params![id, [7u8; 16], int(n), [id as u8; 32], int(acked), parent, int(split), parent.map(|_| [9u8; 32]), shown.map(int)],
            )
            .expect("a row");
        };
        // Its last two changes go on in another stream; headquarters has the first, and two others after it.
        put(1, None, 0, 3, 1, Some(1));
        put(2, Some(1), 1, 3, 3, None);
        let branch = StreamHead { device: DeviceId([7; 16]), incarnation: Incarnation([7; 16]), n: 3, head: Head([2; 32]) };
        assert_eq!(digest_at_hq(&conn).expect("read"), digest(&[branch]));
        // Once it has the second too, both ways count.
        conn.execute("UPDATE stream SET acked = 2, shown = 2 WHERE id = 1", []).expect("a row");
        assert_eq!(digest_at_hq(&conn).expect("read"), digest(&[branch, StreamHead { n: 2, head: Head([1; 32]), ..branch }]));
    }
}
