//! What of each compartment a device is served at one moment, by whom is unlocked there and what it has. Never reads an entry's bytes.

use std::collections::HashMap;

use daftar_core::compartment::{Audience, Compartment};
use daftar_core::ids::{DeviceId, Digest, OfficerId};
use daftar_wire::message::{Access, Cursor};
use daftar_wire::stream::digest;
use rusqlite::Connection;

use super::access::{Doors, Opening, access as may};
use super::regroup::chain8;
use super::{Road, present};
use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::register::Known;
use crate::store::feed::{self, FeedHead, Range};
use crate::store::meta::{self, Life, Place};

/// A compartment that is served.
pub(super) struct Serving {
    pub(super) place: Place,
    pub(super) access: Access,
    /// What the device said of it.
    cursor: Option<Cursor>,
    /// Numbers that it lacks still, ascending.
    pub(super) lacks: Vec<Range>,
    /// What it lacked when it was asked.
    lacked: Vec<Range>,
    to: FeedHead,
    digest: Digest,
    /// The device is to be told what its officers may do there.
    pub(super) is_news: bool,
    pub(super) openings: Vec<Opening>,
}

impl Serving {
    /// Where the device stands when it has what it was sent; `None`: where it was.
    pub(super) fn reached(&self, tx: &Connection, life: &Life, road: Road) -> Result<Option<Cursor>> {
        let at = |ranges, chain, digest| Cursor { compartment: self.place.name.clone(), epoch: life.epoch, ranges, chain, digest };
        if !self.access.read {
            // Nothing of a feed that he may only write to is told; the cursor says that he was told of it.
            return Ok(Some(at(Vec::new(), [0; 8], Digest([0; 32]))));
        }
        // A pack says only what it brings, for nobody knows what its reader holds by then.
        let begins = match road {
            Road::Link => 1,
            Road::Pack => self.lacked.first().map_or(self.to.n + 1, |r| r.0),
        };
        let ranges = without((begins, self.to.n), &self.lacks);
        if self.lacks.is_empty() {
            return Ok(Some(at(ranges, chain8(&self.to.chain), self.digest)));
        }
        let Some((_, n)) = ranges.last().copied().filter(|_| self.lacks != self.lacked) else { return Ok(None) };
        let chain = feed::chain_at(tx, &self.place, n)?.map_or([0; 8], |c| chain8(&c));
        let digest = feed::digest_at(tx, &self.place, self.lacks[0].0 - 1)?;
        Ok(Some(at(ranges, chain, digest)))
    }

    /// Whether a cursor is to be said.
    pub(super) fn is_told(&self, cursor: &Cursor, road: Road) -> bool {
        let brings_nothing = self.access.read && self.lacked.is_empty();
        match road {
            Road::Link => self.cursor.as_ref() != Some(cursor),
            Road::Pack => self.cursor.is_none() || !(brings_nothing || cursor.ranges.is_empty()),
        }
    }

    /// These numbers were sent.
    pub(super) fn sent(&mut self, range: Range) {
        self.lacks = self.lacks.iter().flat_map(|lacking| without(*lacking, &[range])).collect();
    }

    /// What it lacks of the feed's end: all before it was sent once, or left out on purpose.
    pub(super) fn newest(&self) -> Option<Range> {
        self.lacks.last().copied().filter(|r| r.1 == self.to.n)
    }

    /// Whether it comes before all else, and in order: the reference says whose keys the others are checked with.
    pub(super) fn is_first(&self) -> bool {
        order(&self.place.name).0 < LAST
    }
}

/// The rank of what is in no hurry.
const LAST: u8 = 2;

/// What comes first: the reference, then watch-lists, then by name.
fn order(name: &Compartment) -> (u8, &str) {
    let rank = match name.audience() {
        Audience::Reference => 0,
        Audience::Watchlist(_) => 1,
        Audience::Team(_) | Audience::Agency(..) | Audience::Operation(_) | Audience::Hits(_) | Audience::Audit(_) => LAST,
    };
    (rank, name.as_str())
}

/// What is served to whom: everything as at one moment.
pub(super) fn serving(
    hq: &Headquarters,
    tx: &Connection,
    life: &Life,
    device: &DeviceId,
    officers: &[OfficerId],
    list: &[Cursor],
    road: Road,
) -> Result<Vec<Serving>> {
    if meta::life(tx)? != *life {
        return Err(Error::Unexpected("the server began another life within an exchange".into()));
    }
    let now = hq.clock.now_ms();
    let officers = present(tx, device, officers, now)?;
    let doors = Doors::of(tx, device)?;
    let mut register = Known::default();
    for officer in &officers {
        register.learn(tx, officer, Some(device))?;
    }
    let by_name: HashMap<&Compartment, &Cursor> = list.iter().map(|c| (&c.compartment, c)).collect();
    let mut serving = Vec::new();
    for place in meta::compartments(tx)? {
        let each: Vec<Access> = officers.iter().map(|o| may(&register, o, device, &place.name, now)).collect();
        let access = Access { read: each.iter().any(|a| a.read), write: each.iter().any(|a| a.write) };
        let cursor = by_name.get(&place.name).copied().cloned().filter(|_| !doors.are_shut(&officers, &place));
        // Who may only write there is told so once, and again if he could read: the cursor says which of it the device knows.
        let was_told = cursor.as_ref().is_some_and(|c| says_read(c) == access.read);
        if access.read || (access.write && !was_told) {
            let openings: Vec<Opening> = officers.iter().zip(each).filter_map(|(o, a)| doors.news(o, &place, a)).collect();
            let to = feed::head(tx, &place)?;
            let lacked = if access.read { lacking(life, tx, &place, cursor.as_ref(), &to, road)? } else { Vec::new() };
            let digest = digest(&feed::stream_heads(tx, &place)?);
            let (lacks, is_news) = (lacked.clone(), !was_told || !openings.is_empty());
            serving.push(Serving { place, access, cursor, lacks, lacked, to, digest, is_news, openings });
        }
    }
    serving.sort_by(|a, b| order(&a.place.name).cmp(&order(&b.place.name)));
    Ok(serving)
}

/// Whether whoever says this of a compartment knows that he may read it: what is said of one that may only be written to is all zeros.
fn says_read(cursor: &Cursor) -> bool {
    !cursor.ranges.is_empty() || cursor.digest != Digest([0; 32])
}

/// The numbers of the feed that a device lacks by its cursor; all of them if the cursor is not of this feed. By a pack everything goes that lies
/// behind the unbroken beginning.
fn lacking(life: &Life, tx: &Connection, place: &Place, cursor: Option<&Cursor>, to: &FeedHead, road: Road) -> Result<Vec<Range>> {
    let all = (1, to.n);
    let Some(cursor) = cursor.filter(|c| c.epoch == life.epoch) else { return Ok(without(all, &[])) };
    let Some((_, last)) = cursor.ranges.last() else { return Ok(without(all, &[])) };
    let chain = if *last == to.n { Some(to.chain) } else { feed::chain_at(tx, place, *last)? };
    if chain.is_none_or(|c| chain8(&c) != cursor.chain) {
        // Said, and followed up, where the cursors are first looked at.
        return Ok(without(all, &[]));
    }
    let lacks = without(all, &cursor.ranges);
    Ok(match road {
        Road::Link => lacks,
        Road::Pack => lacks.first().map(|first| (first.0, to.n)).into_iter().collect(),
    })
}

/// What is left of a range, `holes` ascending and apart.
fn without(range: Range, holes: &[Range]) -> Vec<Range> {
    let (mut from, mut left) = (range.0, Vec::new());
    for hole in holes.iter().filter(|h| h.1 >= range.0 && h.0 <= range.1) {
        left.extend((from < hole.0).then(|| (from, hole.0 - 1)));
        from = hole.1 + 1;
    }
    left.extend((from <= range.1).then_some((from, range.1)));
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_range_is_what_no_hole_covers() {
        assert_eq!(without((1, 0), &[]), []);
        assert_eq!(without((1, 9), &[]), [(1, 9)]);
        assert_eq!(without((1, 9), &[(1, 3), (6, 7)]), [(4, 5), (8, 9)]);
        assert_eq!(without((1, 9), &[(1, 9)]), []);
        assert_eq!(without((4, 9), &[(1, 5), (9, 12)]), [(6, 8)]);
    }
}
