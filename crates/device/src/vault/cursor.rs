//! Where this device stands in headquarters' feeds, and its digests. Never compares anything by a clock.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, Digest, Head};
use daftar_wire::limits::CURSOR_RANGES_MAX;
use daftar_wire::message::{Cursor, read_cursors, write_cursors};
use daftar_wire::stream::{StreamHead, digest};
use rusqlite::Connection;

use super::file::{meta, set_meta};
use super::{ContactOutcome, Store, log};
use crate::error::Result;

const CURSOR: &str = "cursor";
const HOLES: &str = "holes";

/// Closed ranges of feed numbers, ascending.
pub(super) type Ranges = Vec<(u64, u64)>;

impl Store {
    /// How far this compartment's feed has been applied; `None`: nothing yet.
    pub fn cursor(&self, c: &Compartment) -> Result<Option<Cursor>> {
        self.within(c, |vault| cursor(&vault.conn()))
    }

    /// Forgets where these compartments stand, so that they are asked for from the beginning. Nothing of their logs is dropped.
    pub fn forget_cursors(&self, compartments: &[Compartment]) -> Result<()> {
        for c in compartments {
            if self.vault(c).is_err() {
                continue;
            }
            let forget = "DELETE FROM meta WHERE k IN (?1, ?2)";
            self.within(c, |vault| vault.write(|tx| Ok(tx.execute(forget, [CURSOR, HOLES]).map(drop)?)))?;
        }
        let kept: Vec<Cursor> = self.confirmed()?.into_iter().filter(|c| !compartments.contains(&c.compartment)).collect();
        self.set_confirmed(&kept)
    }

    /// The digest over all streams here.
    pub fn digest(&self, c: &Compartment) -> Result<Digest> {
        let streams = self.within(c, |vault| log::all(&vault.conn()))?;
        Ok(digest(&streams.iter().map(log::StreamRow::stands).collect::<Vec<_>>()))
    }

    /// The list of cursors that the last completed exchange left. Derived: without it one exchange costs one round trip more.
    pub fn confirmed(&self) -> Result<Vec<Cursor>> {
        Ok(self.own.confirmed()?.and_then(|bytes| read_cursors(&bytes).ok()).unwrap_or_default())
    }

    /// Keeps that list, without compartments that are closed here: what was told of them was not taken.
    pub fn set_confirmed(&self, cursors: &[Cursor]) -> Result<()> {
        let open = self.compartments();
        let is_kept = |c: &Compartment| open.contains(c) && !self.is_closed(c);
        let kept: Vec<Cursor> = cursors.iter().filter(|c| is_kept(&c.compartment)).cloned().collect();
        self.own.set_confirmed(&write_cursors(&kept))
    }

    /// Notes how an attempt to reach headquarters went.
    pub fn note_contact(&self, outcome: ContactOutcome) -> Result<()> {
        self.shared.keyring.note_contact(&outcome, self.now_ms())?;
        self.contacted(&outcome)
    }
}

pub(super) fn cursor(conn: &Connection) -> Result<Option<Cursor>> {
    Ok(meta(conn, CURSOR)?.and_then(|bytes| read_cursors(&bytes).ok()?.pop()))
}

pub(super) fn set_cursor(conn: &Connection, cursor: &Cursor) -> Result<()> {
    set_meta(conn, CURSOR, &write_cursors(std::slice::from_ref(cursor)))
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

/// The digest of what headquarters can have: all, and of this device's streams what it has receipted.
pub(super) fn digest_at_hq(conn: &Connection, device: &DeviceId) -> Result<Digest> {
    let heads = log::all(conn)?.into_iter().filter_map(|s| {
        let stands = s.stands();
        match (s.own || s.device == *device, s.acked_head) {
            (false, _) => Some(stands),
            (true, Some(head)) => Some(StreamHead { n: s.acked, head: Head(head), ..stands }),
            (true, None) => None,
        }
    });
    Ok(digest(&heads.collect::<Vec<_>>()))
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
