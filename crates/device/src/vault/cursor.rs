//! Where this device stands in headquarters' feeds, and its digests. Never compares anything by a clock.

use daftar_core::authorize::Action;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{Digest, Epoch};
use daftar_wire::limits::{BEGUN_MAX, CURSOR_RANGES_MAX};
use daftar_wire::message::{Cursor, Lineage, read_cursors, write_cursors};
use daftar_wire::stream::digest;
use rusqlite::Connection;

use super::file::{drop_meta, meta, set_meta};
use super::{ContactOutcome, Store, stream};
use crate::error::Result;

const CURSOR: &str = "cursor";
const HOLES: &str = "holes";
/// What is there of a message that was cut. It speaks of this compartment, so it lies in its file and goes with it.
const BEGUN: &str = "begun";

/// Closed ranges of feed numbers, ascending.
pub(super) type Ranges = Vec<(u64, u64)>;

impl Store {
    /// How far this compartment's feed has been applied; `None`: nothing yet.
    pub fn cursor(&self, c: &Compartment) -> Result<Option<Cursor>> {
        self.within(c, |vault| cursor(&vault.conn()))
    }

    /// The cursor that is said of a compartment which is open here. Where nothing of a feed that may be read has come yet it has no range, and says
    /// so much as that it is open: who holds it is told when it is taken from him.
    pub(crate) fn standing_in(&self, c: &Compartment) -> Result<Option<Cursor>> {
        let cursor = self.cursor(c)?;
        if cursor.is_some() || self.authorize(Action::Read, c).is_err() {
            return Ok(cursor);
        }
        Ok(Some(Cursor { compartment: c.clone(), epoch: self.epoch(), ranges: Vec::new(), chain: [0; 8], digest: digest(&[]) }))
    }

    /// The digest over all streams and branches here.
    pub fn digest(&self, c: &Compartment) -> Result<Digest> {
        self.within(c, |vault| stream::digest_here(&vault.conn(), c))
    }

    /// The list of cursors that the last completed exchange left, without compartments that are closed here since: who names one holds it.
    /// Derived: without it one exchange costs one round trip more.
    pub fn confirmed(&self) -> Result<Vec<Cursor>> {
        Ok(self.followed(self.own.confirmed()?.and_then(|bytes| read_cursors(&bytes).ok()).unwrap_or_default()))
    }

    /// Keeps that list, without compartments that are closed here: what was told of them was not taken.
    pub fn set_confirmed(&self, cursors: &[Cursor]) -> Result<()> {
        self.own.set_confirmed(&write_cursors(&self.followed(cursors.to_vec())))
    }

    fn followed(&self, cursors: Vec<Cursor>) -> Vec<Cursor> {
        let open = self.fetching();
        cursors.into_iter().filter(|c| open.contains(&c.compartment)).collect()
    }

    /// What is there of messages of earlier answers that were cut, one of a compartment.
    pub(crate) fn cut_messages(&self) -> Result<Vec<Vec<u8>>> {
        let mut begun = Vec::new();
        for c in self.fetching() {
            begun.extend(self.within_each(&c, |vault| meta(&vault.conn(), BEGUN))?.flatten());
        }
        begun.truncate(BEGUN_MAX);
        Ok(begun)
    }

    /// Keeps what is there of a message about this compartment, so that the next exchange goes on behind it.
    pub(crate) fn keep_cut_message(&self, c: &Compartment, begun: &[u8]) -> Result<()> {
        if self.fetching().contains(c) {
            self.within_each(c, |vault| vault.conn().write(|tx| set_meta(tx, BEGUN, begun)))?;
        }
        Ok(())
    }

    /// Nothing is gone on with: all of it has come, or it cannot be read.
    pub(crate) fn forget_cut_messages(&self) -> Result<()> {
        for c in self.fetching() {
            self.within_each(&c, |vault| vault.conn().write(|tx| drop_begun(tx)))?;
        }
        Ok(())
    }

    /// Headquarters' time by the last comparison with it, where that is recent; milliseconds of UTC.
    pub(super) fn hq_time_ms(&self) -> Result<Option<u64>> {
        let now_ms = self.now_ms();
        Ok(self.shared.keyring.clock_reading(now_ms)?.hq_time_ms(now_ms))
    }

    /// Where the next exchange that brings something moves this device's lineage; on the disk before it is sent.
    pub fn lineage(&self) -> Result<Lineage> {
        self.shared.keyring.lineage()
    }

    /// The exchange that carried this place of the lineage was answered to its end.
    pub fn lineage_answered(&self, answered: &Lineage) -> Result<()> {
        self.shared.keyring.lineage_answered(&answered.next)
    }

    /// Notes how an attempt to reach headquarters went.
    pub fn note_contact(&self, outcome: ContactOutcome) -> Result<()> {
        self.contacted(&outcome)
    }
}

pub(super) fn drop_begun(conn: &Connection) -> Result<()> {
    drop_meta(conn, BEGUN)
}

pub(super) fn cursor(conn: &Connection) -> Result<Option<Cursor>> {
    Ok(meta(conn, CURSOR)?.and_then(|bytes| read_cursors(&bytes).ok()?.pop()))
}

pub(super) fn set_cursor(conn: &Connection, cursor: &Cursor) -> Result<()> {
    set_meta(conn, CURSOR, &write_cursors(std::slice::from_ref(cursor)))
}

/// Whether nothing of a feed of this life is lacking up to where the cursor stands; also where there is nothing to be read.
pub(super) fn is_whole(conn: &Connection, epoch: &Epoch) -> Result<bool> {
    let Some(Cursor { ranges, .. }) = cursor(conn)?.filter(|c| c.epoch == *epoch) else { return Ok(false) };
    Ok(holes(conn)?.is_empty() && ranges.len() <= 1 && ranges.iter().all(|r| r.0 == 1))
}

/// Feed numbers that were refused here and are asked for again.
pub(super) fn holes(conn: &Connection) -> Result<Ranges> {
    let bytes = meta(conn, HOLES)?.unwrap_or_default();
    let number = |b: &[u8]| b.try_into().map_or(0, u64::from_be_bytes);
    Ok(bytes.chunks_exact(16).map(|pair| (number(&pair[..8]), number(&pair[8..]))).collect())
}

pub(super) fn set_holes(conn: &Connection, holes: &Ranges) -> Result<()> {
    let bytes: Vec<u8> = holes.iter().flat_map(|(from, to)| [from.to_be_bytes(), to.to_be_bytes()].concat()).collect();
    set_meta(conn, HOLES, &bytes)
}

/// Adds a range to ranges, joining what touches.
pub(super) fn add(ranges: &mut Ranges, range: (u64, u64)) {
    ranges.push(range);
    ranges.sort_unstable();
    let mut joined: Ranges = Vec::with_capacity(ranges.len());
    for (from, to) in ranges.drain(..) {
        match joined.last_mut() {
            Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
            Some(_) | None => joined.push((from, to)),
        }
    }
    // Beyond the limit the oldest is dropped: it is asked for again, which changes nothing.
    let most = usize::try_from(CURSOR_RANGES_MAX).unwrap_or(usize::MAX);
    joined.drain(..joined.len().saturating_sub(most));
    *ranges = joined;
}

/// Takes a range out of ranges.
pub(super) fn take_out(ranges: &mut Ranges, (from, to): (u64, u64)) {
    *ranges = ranges
        .iter()
        .flat_map(|&(a, b)| [(a, b.min(from.saturating_sub(1))), (a.max(to.saturating_add(1)), b)])
        .filter(|(a, b)| a <= b && *a > 0)
        .collect();
    ranges.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_and_split() {
        let mut r = vec![(1, 3), (8, 9)];
        add(&mut r, (4, 5));
        assert_eq!(r, [(1, 5), (8, 9)]);
        add(&mut r, (6, 7));
        assert_eq!(r, [(1, 9)]);
        take_out(&mut r, (4, 5));
        assert_eq!(r, [(1, 3), (6, 9)]);
        take_out(&mut r, (1, 3));
        assert_eq!(r, [(6, 9)]);
        take_out(&mut r, (20, 30));
        assert_eq!(r, [(6, 9)]);
    }
}
