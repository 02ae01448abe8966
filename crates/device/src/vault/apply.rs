//! A page of a feed is applied: log, records, rulings and cursor in one transaction. Doing it again changes nothing. Never asks the network.

use std::collections::HashMap;

use daftar_core::authorize::Action;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, Digest, Epoch};
use daftar_core::record::Kind;
use daftar_wire::change::read_header;
use daftar_wire::message::{Cursor, FeedVerdict, Verdict};
use daftar_wire::segment::Segment;
use daftar_wire::stream::StreamId;
use rusqlite::Connection;

use super::directory::Keys;
use super::page::{Done, Page, Via};
use super::{Store, cursor, held, repair, stream};
use crate::error::{Error, Result};

/// An entry of a compartment's feed.
#[derive(Debug, Clone)]
pub struct AppliedItem {
    /// Who applies this has all numbers from here to `n`; none, where it is beyond `n`: it is said ahead of its place.
    pub from: u64,
    /// Its number.
    pub n: u64,
    /// Eight bytes of the feed's chain after it.
    pub chain: [u8; 8],
    /// What it says.
    pub what: AppliedWhat,
}

/// What an entry says.
#[derive(Debug, Clone)]
pub enum AppliedWhat {
    /// A segment's bytes.
    Segment(Vec<u8>),
    /// Verdicts on changes, signed by headquarters.
    Rulings(FeedVerdict),
}

/// A segment that was not taken; all else was. Its place in the feed stays open and is asked for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its number in the feed.
    pub n: u64,
    /// The stream, where it could be read.
    pub stream: Option<StreamId>,
    /// Why: `malformed`, `bad_signature`, `gap`, `unknown_device` (a branch of a stream whose writer's key is not known here).
    pub why: &'static str,
}

/// What a page came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Changes that are new here.
    pub changes: u64,
    /// The compartment's digest over all streams here.
    pub digest: Digest,
    /// The end's digest is not ours, although everything was applied and what waits was left out of account.
    pub end_mismatch: bool,
    /// What was not taken.
    pub refused: Vec<Refusal>,
}

/// Where a page leads to.
struct Reached {
    ranges: cursor::Ranges,
    holes: cursor::Ranges,
    /// Of these numbers the feed's chain is known.
    chains: Vec<(u64, [u8; 8])>,
}

/// A segment that can be read, with its writer's keys where they are known.
pub(super) struct Readable {
    pub(super) segment: Segment,
    pub(super) keys: Option<Keys>,
}

impl Store {
    /// Applies entries of a compartment's feed in their order, and `end`, where the server says that this device stands afterwards. They may be
    /// late, and need not go on from where it stands: what fits is taken, and the cursor says what is here and no more.
    pub fn apply(&self, c: &Compartment, items: &[AppliedItem], end: Option<&Cursor>) -> Result<Applied> {
        let nothing = Applied { changes: 0, digest: Digest([0; 32]), end_mismatch: false, refused: Vec::new() };
        // What is closed is asked for again when its key has been handed over, or its file is whole; what was taken back is not.
        if self.vault(c).is_err() || self.is_closed(c) {
            return Ok(nothing);
        }
        let segments = self.readable(c, items)?;
        if !items.is_empty() && !self.may_take(c, &segments) {
            tracing::warn!(compartment = %c, "a page of a compartment that the officer may not read was not taken");
            return Ok(nothing);
        }
        let erases = |i: &AppliedItem| matches!(&i.what, AppliedWhat::Rulings(v) if v.rulings.iter().any(|r| r.verdict == Verdict::Erased));
        let (done, refused, end_mismatch) = self.within(c, |vault| {
            let done = vault.write(|tx| self.take_page(tx, c, items, segments, end))?;
            if items.iter().any(erases) {
                // What was erased shall not stay in the log of writes either, nor its photos in their folder.
                vault.empty_log()?;
                done.0.freed.iter().try_for_each(|name| vault.blobs().erase(name))?;
            }
            Ok(done)
        })?;
        self.after(c, &done)?;
        Ok(Applied { changes: done.changes, digest: self.digest(c)?, end_mismatch, refused })
    }

    /// A page's part of the transaction: log, records, rulings, cursor.
    fn take_page(
        &self,
        tx: &Connection,
        c: &Compartment,
        items: &[AppliedItem],
        segments: Vec<Option<Readable>>,
        end: Option<&Cursor>,
    ) -> Result<(Done, Vec<Refusal>, bool)> {
        let mut page = Page::begin(tx, c, Via::Headquarters, self.info.id)?;
        // In another life of the server the numbers stand for something else.
        let known = cursor::cursor(tx)?.filter(|k| k.epoch == self.epoch());
        let mut refused = Vec::new();
        let mut at = Reached {
            ranges: known.as_ref().map(|k| k.ranges.clone()).unwrap_or_default(),
            holes: if known.is_some() { cursor::holes(tx)? } else { Vec::new() },
            chains: known.iter().filter_map(|k| Some((k.ranges.last()?.1, k.chain))).collect(),
        };
        for (item, segment) in items.iter().zip(segments) {
            let outcome = match (&item.what, segment) {
                (AppliedWhat::Segment(_), Some(readable)) => page.segment_or_ahead(readable, Some(item.n))?,
                (AppliedWhat::Segment(_), None) => Err((None, "malformed")),
                (AppliedWhat::Rulings(verdict), _) if self.is_signed(verdict) => page.rulings(&verdict.rulings, item.n).map(Ok)?,
                (AppliedWhat::Rulings(_), _) => Err((None, "bad_signature")),
            };
            let covers_something = item.from <= item.n;
            if covers_something {
                cursor::take_out(&mut at.holes, (item.from, item.n));
                cursor::add(&mut at.ranges, (item.from, item.n));
                at.chains.push((item.n, item.chain));
            }
            if let Err((stream, why)) = outcome {
                if covers_something {
                    cursor::add(&mut at.holes, (item.n, item.n));
                }
                refused.push(Refusal { n: item.n, stream, why });
            }
        }
        let done = page.merge()?;
        let differs = self.reach(tx, c, known, at, end, &mut refused)?;
        Ok((done, refused, differs))
    }

    /// Keeps the cursor that a page leads to: what was here and what came, ending where the chain is known. True if that is all that
    /// headquarters had, and it holds another log.
    fn reach(
        &self,
        tx: &Connection,
        c: &Compartment,
        known: Option<Cursor>,
        mut at: Reached,
        end: Option<&Cursor>,
        refused: &mut Vec<Refusal>,
    ) -> Result<bool> {
        if let Some(said) = end {
            said.ranges.iter().for_each(|range| cursor::add(&mut at.ranges, *range));
            at.chains.extend(said.ranges.last().map(|r| (r.1, said.chain)));
        }
        if at.ranges.is_empty() {
            // Of a feed that may only be written to nothing is told, its digest neither; the cursor says that this was said.
            if let (None, Some(told)) = (known, end) {
                cursor::set_cursor(tx, told)?;
            }
            return Ok(false);
        }
        let whole = end.filter(|e| e.ranges.last().is_some_and(|r| at.ranges == [(1, r.1)]));
        if whole.is_some() {
            let mut page = Page::begin(tx, c, Via::Headquarters, self.info.id)?;
            page.forget_former_rulings()?;
            let lacking = page.give_up()?;
            page.merge()?;
            lacking.iter().for_each(|r| cursor::add(&mut at.holes, (r.n, r.n)));
            refused.extend(lacking);
        }
        let here = stream::digest_at_hq(tx)?;
        let differs = whole.is_some_and(|e| e.digest != here);
        if whole.is_some() {
            repair::set_differs(tx, differs)?;
        }
        let digest = whole.map_or(here, |e| e.digest);
        cursor::set_holes(tx, &at.holes)?;
        cursor::set_cursor(tx, &at.cursor(c, self.epoch(), digest))?;
        Ok(differs)
    }

    /// Applies a segment outside any feed's order; says how many changes are new here, or why it was not taken.
    pub fn take(&self, segment: Segment, via: Via) -> Result<std::result::Result<u64, &'static str>> {
        let c = segment.stream.compartment.clone();
        if self.vault(&c).is_err() || self.is_closed(&c) {
            return Ok(Err("no_compartment"));
        }
        let keys = self.keys_of(&segment.stream.device)?;
        let is_of_hq = segment.stream.device == self.info.server;
        if via == Via::Peer && !is_of_hq && (keys.is_none() || c == Compartment::reference()) {
            // Headquarters answers for its feed; for what others bring only the writer's signature does. And in the reference it alone writes.
            return Ok(Err(if keys.is_none() { "unknown_device" } else { "headquarters_only" }));
        }
        let said = via == Via::Headquarters;
        // What bears headquarters' own signature it has, whoever brings it.
        let via = if is_of_hq { Via::Headquarters } else { via };
        let readable = [Some(Readable { segment, keys })];
        if !self.may_take(&c, &readable) {
            return Ok(Err("not_readable"));
        }
        let taken = self.within(&c, |vault| {
            vault.write(|tx| {
                let mut page = Page::begin(tx, &c, via, self.info.id)?;
                for readable in readable.into_iter().flatten() {
                    // What headquarters says outside a feed's order may be ahead of it, too.
                    let taken = if said { page.segment_or_ahead(readable, None)? } else { page.segment(readable)? };
                    if let Err((_, why)) = taken {
                        return Ok(Err(why));
                    }
                }
                page.merge().map(Ok)
            })
        })?;
        let done = match taken {
            Ok(done) => done,
            Err(why) => return Ok(Err(why)),
        };
        self.after(&c, &done)?;
        Ok(Ok(done.changes))
    }

    /// What follows outside the file from what was applied.
    fn after(&self, c: &Compartment, done: &Done) -> Result<()> {
        let mut stamp = held(&self.stamp);
        *stamp = stamp.seen(done.last, self.now_ms());
        drop(stamp);
        if done.changes > 0 && *c == Compartment::reference() {
            self.directory.forget();
        }
        if done.grants || (done.changes > 0 && *c == Compartment::reference()) {
            self.refresh_grant(c)?;
        }
        if done.own_elsewhere {
            self.begin_anew(c)?;
        }
        Ok(())
    }

    /// Whether the officer may have a page: he may read there, or it may say that he may: the reference, and a grant.
    fn may_take(&self, c: &Compartment, segments: &[Option<Readable>]) -> bool {
        let says_grant = |r: &Readable| {
            let headers = r.segment.entries.iter().filter_map(|e| read_header(&e.header).ok());
            r.segment.stream.device == self.info.server && headers.into_iter().any(|h| h.kind == Kind::Grant)
        };
        *c == Compartment::reference() || self.authorize(Action::Read, c).is_ok() || segments.iter().flatten().any(says_grant)
    }

    /// Reads the segments and finds their writers' keys, before the file is held.
    fn readable(&self, c: &Compartment, items: &[AppliedItem]) -> Result<Vec<Option<Readable>>> {
        let mut known: HashMap<DeviceId, Option<Keys>> = HashMap::new();
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            let AppliedWhat::Segment(bytes) = &item.what else {
                out.push(None);
                continue;
            };
            let Some(segment) = Segment::read(bytes).ok().filter(|s| s.stream.compartment == *c) else {
                out.push(None);
                continue;
            };
            let device = segment.stream.device;
            let keys = match known.get(&device) {
                Some(keys) => keys.clone(),
                None => known.entry(device).or_insert(self.keys_of(&device)?).clone(),
            };
            out.push(Some(Readable { segment, keys }));
        }
        Ok(out)
    }

    /// Whether headquarters signed the verdict, in any of its lives that this device can know of.
    fn is_signed(&self, verdict: &FeedVerdict) -> bool {
        let Ok(key) = self.info.server_key() else { return false };
        [self.epoch(), self.info.epoch].iter().any(|epoch| verdict.verify(&key, epoch).is_ok())
    }
}

impl Reached {
    /// The cursor that leaves open what was refused. It ends where the feed's chain is known: one that ended elsewhere would look as if it were
    /// of another feed.
    fn cursor(&self, c: &Compartment, epoch: Epoch, digest: Digest) -> Cursor {
        let mut ranges = self.ranges.clone();
        self.holes.iter().for_each(|hole| cursor::take_out(&mut ranges, *hole));
        let is_in = |n: u64| ranges.iter().any(|r| (r.0..=r.1).contains(&n));
        let (last, chain) = self.chains.iter().copied().filter(|c| is_in(c.0)).max().unwrap_or((0, [0; 8]));
        ranges.retain(|r| r.0 <= last);
        if let Some(range) = ranges.last_mut() {
            range.1 = last;
        }
        Cursor { compartment: c.clone(), epoch, ranges, chain, digest }
    }
}

impl From<std::num::TryFromIntError> for Error {
    fn from(e: std::num::TryFromIntError) -> Self {
        Self::Unexpected(e.to_string())
    }
}
