//! Runs that came before what stands before them in their stream: on a slow link the newest of a feed comes first. Their records are shown at once;
//! they are checked, and join their stream, when it has come that far. Never says that a stream goes further than its log does.

use std::collections::HashSet;

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, RecordId};
use daftar_wire::change::Entry;
use daftar_wire::segment::{Segment, SignedHead};
use daftar_wire::stream::StreamId;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::apply::Refusal;
use super::directory::Keys;
use super::page::{Page, Via};
use super::send::{attested, keep_attestation, keep_head, signed_heads};
use super::{erase, log, names, stream};
use crate::error::Result;
use crate::sql::{int, uint};

/// A run that waits for what stands before it.
struct Ahead {
    id: i64,
    first: u64,
    last: u64,
    /// Its number in the feed.
    n: Option<u64>,
}

impl Ahead {
    /// The row under which the other tables have it.
    fn row(&self) -> i64 {
        -self.id
    }

    fn places(&self) -> (i64, i64) {
        (log::place(self.row(), self.first), log::place(self.row(), self.last))
    }
}

fn ahead(r: &Row<'_>) -> rusqlite::Result<Ahead> {
    Ok(Ahead { id: r.get(0)?, first: uint(r.get(1)?), last: uint(r.get(2)?), n: r.get::<_, Option<i64>>(3)?.map(uint) })
}

impl Page<'_> {
    /// Keeps a segment whose past is not here, and shows what it says. `n`: its number in the feed.
    pub(super) fn keep_ahead(&mut self, segment: &Segment, n: Option<u64>) -> Result<()> {
        let names = segment.chain(segment.stream.start()).names;
        if let Some(id) = same(self.conn, segment, names[0])? {
            self.conn.prepare_cached("UPDATE ahead SET n = coalesce(?2, n) WHERE id = ?1")?.execute(params![id, n.map(int)])?;
            return Ok(());
        }
        let StreamId { device, incarnation, .. } = &segment.stream;
        self.conn
            .prepare_cached("INSERT INTO ahead(device, incarnation, first, last, n) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![device.0, incarnation.0, int(segment.first), int(segment.last()), n.map(int)])?;
        let kept = Ahead { id: self.conn.last_insert_rowid(), first: segment.first, last: segment.last(), n };
        for run in &segment.runs {
            log::add_run(self.conn, kept.row(), run)?;
        }
        for ((entry, name), n) in segment.entries.iter().zip(&names).zip(segment.first..) {
            let record = self.hear(entry, *name)?;
            self.put(segment, log::place(kept.row(), n), record, *name, entry)?;
        }
        // The chain there is not known before what stands before it.
        for h in &segment.heads {
            keep_head(self.conn, kept.row(), h.n, &segment.stream.start(), &h.sig)?;
        }
        for a in &segment.attestations {
            keep_attestation(self.conn, kept.row(), a)?;
        }
        let (from, to) = kept.places();
        names::index(self.conn, from, to)
    }

    /// The stream has come further: what was kept of it joins it, as far as it goes on from it by a chain that its device signed.
    pub(super) fn join(&mut self, stream: &StreamId, keys: Option<&Keys>) -> Result<()> {
        let mut tried = HashSet::new();
        while let Some(kept) = next(self.conn, stream, &tried)? {
            tried.insert(kept.id);
            let (segment, records) = content(self.conn, stream, &kept)?;
            // Headquarters has it, whoever brought what it waited for.
            if let Ok(held) = self.append_to(&segment, keys, Via::Headquarters, Some(&records))? {
                self.counted_twice(held);
                remove(self.conn, &kept)?;
            }
        }
        Ok(())
    }

    /// The feed is here whole: what its past has come to and does not lead to is given up, and said to be lacking. Where the past is missing still,
    /// it goes on waiting: comparing heads brings that, or headquarters has lost both.
    pub(super) fn give_up(&mut self) -> Result<Vec<Refusal>> {
        let mut refused = Vec::new();
        for (stream, kept) in all(self.conn, self.compartment)? {
            if kept.first <= reach(self.conn, &stream)? + 1 {
                self.read_again(&kept)?;
                remove(self.conn, &kept)?;
                refused.extend(kept.n.map(|n| Refusal { n, stream: Some(stream), why: "bad_signature" }));
            }
        }
        Ok(refused)
    }

    fn read_again(&mut self, kept: &Ahead) -> Result<()> {
        let (from, to) = kept.places();
        let records: Vec<RecordId> = {
            let mut rows = self
                .conn
                .prepare_cached("SELECT DISTINCT r.uuid FROM change c JOIN record r ON r.id = c.record WHERE c.place BETWEEN ?1 AND ?2")?;
            rows.query_map([from, to], |r| r.get(0).map(RecordId))?.collect::<rusqlite::Result<_>>()?
        };
        records.iter().try_for_each(|record| self.replay(record).map(drop))
    }
}

/// In another life of the server the numbers stand for something else.
pub(super) fn forget_numbers(conn: &Connection) -> Result<()> {
    conn.execute("UPDATE ahead SET n = NULL", [])?;
    conn.execute("UPDATE ruling SET n = ?1", [erase::FORMER])?;
    Ok(())
}

fn all(conn: &Connection, compartment: &Compartment) -> Result<Vec<(StreamId, Ahead)>> {
    let mut rows = conn.prepare_cached("SELECT id, first, last, n, device, incarnation FROM ahead ORDER BY id")?;
    let rows = rows.query_map([], |r| {
        let (device, incarnation) = (r.get(4).map(daftar_core::ids::DeviceId)?, r.get(5).map(daftar_core::ids::Incarnation)?);
        Ok((StreamId { compartment: compartment.clone(), device, incarnation }, ahead(r)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The row of the same run, if it is kept already.
fn same(conn: &Connection, segment: &Segment, first: ChangeName) -> Result<Option<i64>> {
    let mut rows = conn.prepare_cached("SELECT id, first, last, n FROM ahead WHERE device = ?1 AND incarnation = ?2 AND first = ?3")?;
    let StreamId { device, incarnation, .. } = &segment.stream;
    let rows = rows.query_map(params![device.0, incarnation.0, int(segment.first)], ahead)?;
    for kept in rows.collect::<rusqlite::Result<Vec<_>>>()? {
        if kept.last == segment.last() && log::names(conn, kept.row(), kept.first, kept.first)?.first() == Some(&first) {
            return Ok(Some(kept.id));
        }
    }
    Ok(None)
}

/// The last change of the stream's longest branch.
fn reach(conn: &Connection, stream: &StreamId) -> Result<u64> {
    Ok(stream::family(conn, &stream.device, &stream.incarnation)?.iter().map(|row| row.n).max().unwrap_or(0))
}

/// The first run that the stream has come to and that was not tried.
fn next(conn: &Connection, stream: &StreamId, tried: &HashSet<i64>) -> Result<Option<Ahead>> {
    let of_stream = params![stream.device.0, stream.incarnation.0];
    let first: Option<i64> = conn
        .prepare_cached("SELECT first FROM ahead WHERE device = ?1 AND incarnation = ?2 ORDER BY first LIMIT 1")?
        .query_row(of_stream, |r| r.get(0))
        .optional()?;
    if first.is_none() {
        return Ok(None);
    }
    let reach = reach(conn, stream)?;
    let mut rows = conn
        .prepare_cached("SELECT id, first, last, n FROM ahead WHERE device = ?1 AND incarnation = ?2 AND first <= ?3 ORDER BY first, id")?;
    let rows = rows.query_map(params![stream.device.0, stream.incarnation.0, int(reach + 1)], ahead)?;
    for kept in rows {
        let kept = kept?;
        if !tried.contains(&kept.id) {
            return Ok(Some(kept));
        }
    }
    Ok(None)
}

/// A run as it came, and the records that its changes belong to.
fn content(conn: &Connection, stream: &StreamId, kept: &Ahead) -> Result<(Segment, Vec<Option<i64>>)> {
    let (row, first, last) = (kept.row(), kept.first, kept.last);
    let runs = log::runs(conn, row, first, last)?;
    let changes = log::changes(conn, row, first, last)?;
    let records = changes.iter().map(|c| c.record).collect();
    let entries: Vec<Entry> = changes.into_iter().map(|c| c.entry(&runs)).collect::<Result<_>>()?;
    let heads = signed_heads(conn, row, first, last)?.into_iter().map(|(n, _, sig)| SignedHead { n, sig }).collect();
    let attestations = attested(conn, row, first, last)?;
    Ok((Segment { stream: stream.clone(), first, entries, runs, heads, attestations }, records))
}

fn remove(conn: &Connection, kept: &Ahead) -> Result<()> {
    let (from, to) = kept.places();
    names::forget(conn, from, to)?;
    conn.prepare_cached("DELETE FROM change WHERE place BETWEEN ?1 AND ?2")?.execute([from, to])?;
    for table in ["run", "signed_head", "attestation"] {
        conn.prepare_cached(&format!("DELETE FROM {table} WHERE stream = ?1"))?.execute([kept.row()])?;
    }
    conn.prepare_cached("DELETE FROM ahead WHERE id = ?1")?.execute([kept.id])?;
    Ok(())
}
