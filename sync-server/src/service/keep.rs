//! Where a segment belongs and what is kept of it, in one transaction with all that follows from it. Never reads what a change sets.

use std::collections::HashSet;

use daftar_core::ids::{ChangeName, Epoch, Head};
use daftar_wire::branch::{self as wire, Branch as _};
use daftar_wire::message::{FeedVerdict, Ruling};
use daftar_wire::segment::Segment;
use daftar_wire::stream::{StreamId, next};
use rusqlite::Connection;

use super::judge::{Facts, judge};
use super::prepare::{Prepared, Ready, chain, key_of, reason};
use super::{attest, relay};
use crate::epoch;
use crate::erase;
use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::register::Known;
use crate::store::branch::{self, Held, Split, StreamRow};
use crate::store::feed::{self, NewSegment};
use crate::store::meta::{self, Place};

/// What is said about a segment.
pub(super) enum Outcome {
    /// It is held: in these rows of its stream. `is_sole`: the stream is all that the compartment has of its device, and has no branch.
    /// `forked`: the stream goes two ways, from this change on.
    Held {
        stream: StreamId,
        rows: Vec<StreamRow>,
        is_sole: bool,
        taken: u64,
        forked: Option<u64>,
    },
    Want {
        stream: StreamId,
        from: u64,
    },
    /// `unplaced`: no branch that is known leads to it.
    Refused {
        stream: StreamId,
        first: u64,
        reason: &'static str,
        unplaced: bool,
    },
}

impl Outcome {
    /// How many changes were new.
    pub(super) fn taken(&self) -> u64 {
        match self {
            Self::Held { taken, .. } => *taken,
            Self::Want { .. } | Self::Refused { .. } => 0,
        }
    }
}

/// What a batch came to, and in which life of the server.
pub(super) struct Committed {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) epoch: Epoch,
}

/// Keeps a batch in one transaction. If the medium is full nothing of it is kept, and each is told so.
pub(super) fn commit(hq: &Headquarters, batch: Vec<Ready>) -> Result<Committed> {
    let mut prepared = Vec::with_capacity(batch.len());
    let mut outcomes = Vec::with_capacity(batch.len());
    for ready in batch {
        match ready {
            Ready::Segment(p) => prepared.push(p),
            Ready::Refused { stream, first, reason } => outcomes.push(Outcome::Refused { stream, first, reason, unplaced: false }),
        }
    }
    if prepared.is_empty() {
        return Ok(Committed { outcomes, epoch: hq.life()?.epoch });
    }
    let kept = hq.store.write(|tx| {
        let mut known = Known::default();
        let kept = prepared.iter().map(|p| keep(hq, tx, &mut known, p)).collect::<Result<Vec<_>>>()?;
        Ok((kept, meta::life(tx)?.epoch))
    });
    match kept {
        Ok((kept, epoch)) => {
            outcomes.extend(kept);
            Ok(Committed { outcomes, epoch })
        }
        Err(Error::StorageFull) => {
            tracing::error!("the storage is full: segments are refused");
            let refuse = |p: &Prepared| Outcome::Refused {
                stream: p.segment.stream.clone(),
                first: p.segment.first,
                reason: "storage_full",
                unplaced: false,
            };
            outcomes.extend(prepared.iter().map(|p| refuse(p)));
            Ok(Committed { outcomes, epoch: hq.life()?.epoch })
        }
        Err(e) => Err(e),
    }
}

/// Keeps one segment: what carries a branch on, what leaves one as a branch of its own, or nothing of what is held.
fn keep(hq: &Headquarters, tx: &Connection, known: &mut Known, p: &Prepared) -> Result<Outcome> {
    let (segment, stream) = (&p.segment, &p.segment.stream);
    let refused = |reason, unplaced| Ok(Outcome::Refused { stream: stream.clone(), first: segment.first, reason, unplaced });
    let Some(key) = key_of(hq, tx, &stream.device)? else { return refused("unknown_device", false) };
    let signed = |at: Head| p.signed_at == Some(at) || chain(stream, segment.first, &p.names, &segment.heads, at, &key).is_ok();
    let is_own = stream.device == hq.identity.device;
    let place = match meta::compartment(tx, &stream.compartment)? {
        Some(place) => place,
        None if is_own && segment.first == 1 && signed(stream.start()) => relay::bring_back(hq, tx, &stream.compartment)?,
        None if is_own => return Ok(Outcome::Want { stream: stream.clone(), from: 1 }),
        None => return refused("no_compartment", false),
    };
    let mut rows = branch::rows(tx, &place, stream)?;
    if rows.is_empty() {
        rows.push(StreamRow::empty(stream));
    }
    let branches = branch::held(tx, stream, &rows);
    let (row, held) = match wire::place(&branches, segment.first, &p.names, signed)? {
        wire::Place::Gap { want } => return Ok(Outcome::Want { stream: stream.clone(), from: want }),
        wire::Place::Unsigned => return refused("bad_signature", segment.first > 1),
        wire::Place::Held { .. } => return holders(tx, &place, p, &rows, &branches),
        wire::Place::Next { branch, held } => (rows[branch].clone(), held),
        wire::Place::Fork { branch, held } => (fork(tx, &place, p, &rows, &branches[branch], held)?, held),
    };
    if is_own && stream.incarnation == meta::life(tx)?.incarnation {
        // It bears this server's own signature, and this server does not know it: no device can make that up.
        epoch::begin_by_itself(hq, tx)?;
    }
    if !attest::holds(tx, p, segment.first + held as u64, row.head)? {
        return refused("bad_signature", false);
    }
    let part = match tail(p, held) {
        Ok(part) => part,
        Err(e) => return refused(reason(&e), false),
    };
    let (row, taken) = take(hq, tx, known, &place, p, &row, held, part)?;
    if is_own {
        relay::follow(hq, tx, &place, &segment.entries[held..])?;
    }
    let forked = if row.split.is_some() { Some(row.split_n + 1) } else { forks(&rows) };
    let is_sole = branch::is_sole(tx, &place, &stream.device)?;
    Ok(Outcome::Held { stream: stream.clone(), rows: vec![row], is_sole, taken, forked })
}

/// The first change that differs between a stream's branches.
fn forks(rows: &[StreamRow]) -> Option<u64> {
    rows.iter().filter(|r| r.split.is_some()).map(|r| r.split_n + 1).min()
}

/// Every row that holds all of the segment, as far as the segment goes: what comes before a split is held in each, and of what lies beyond
/// its sender may know nothing.
fn holders(tx: &Connection, place: &Place, p: &Prepared, rows: &[StreamRow], branches: &[Held<'_>]) -> Result<Outcome> {
    let (first, last) = (p.segment.first, p.segment.last());
    let mut holding = Vec::new();
    for (row, branch) in rows.iter().zip(branches) {
        if row.n >= last && branch.names(first, last)? == p.names {
            let (head, backed_up) = (branch.head_at(last)?, row.backed_up.min(last));
            holding.push(StreamRow { n: last, head, backed_up, ..row.clone() });
        }
    }
    let (stream, is_sole) = (p.segment.stream.clone(), branch::is_sole(tx, place, &p.segment.stream.device)?);
    Ok(Outcome::Held { stream, rows: holding, is_sole, taken: 0, forked: forks(rows) })
}

/// Begins the branch that the segment's changes from `held` on are.
fn fork(tx: &Connection, place: &Place, p: &Prepared, rows: &[StreamRow], leaves: &Held<'_>, held: usize) -> Result<StreamRow> {
    let n = p.segment.first - 1 + held as u64;
    let before = leaves.head_at(p.segment.first - 1)?;
    let head = p.names[..held].iter().fold(before, |h, name| next(h, *name));
    let parent = rows[leaves.owner(n)?].id.ok_or_else(|| Error::Unexpected("a branch that leaves nothing".into()))?;
    tracing::warn!(device = %p.segment.stream.device, compartment = %place.name, n, "a stream goes two ways; both are kept");
    branch::begin(tx, place, &p.segment.stream, &Split { parent, n, head, apart: p.names[held] })
}

/// The segment without its first changes, so that no feed holds a change of a branch twice.
fn tail(p: &Prepared, held: usize) -> std::result::Result<Option<Segment>, daftar_wire::WireError> {
    if held == 0 {
        return Ok(None);
    }
    let (segment, first) = (&p.segment, p.segment.first + held as u64);
    let tail = Segment {
        stream: segment.stream.clone(),
        first,
        entries: segment.entries[held..].to_vec(),
        runs: segment.runs.clone(),
        heads: segment.heads.iter().filter(|h| h.n >= first).cloned().collect(),
        attestations: segment.attestations.iter().filter(|a| a.n >= first).cloned().collect(),
    };
    tail.write()?;
    Ok(Some(tail))
}

#[expect(clippy::too_many_arguments, reason = "all of it is one entry of the feed")]
fn take(
    hq: &Headquarters,
    tx: &Connection,
    known: &mut Known,
    place: &Place,
    p: &Prepared,
    row: &StreamRow,
    held: usize,
    part: Option<Segment>,
) -> Result<(StreamRow, u64)> {
    let stream = &p.segment.stream;
    let new: Vec<(ChangeName, Facts)> = p.names.iter().copied().zip(p.facts.iter().copied()).skip(held).collect();
    let after = new.iter().fold(row.head, |h, (name, _)| next(h, *name));
    let now = hq.clock.now_ms();
    // Headquarters is not judged by itself.
    let is_own = stream.device == hq.identity.device;
    let rulings = if is_own { Vec::new() } else { judge(tx, known, &stream.device, &place.name, &new, now)? };
    let rulings = not_judged_before(tx, place, p, row, rulings)?;
    let (key, life) = (&hq.keys.signing, meta::life(tx)?);
    let rule = |n: u64| {
        let sig = FeedVerdict::sign_rulings(key, &place.name, &life.epoch, n, &rulings);
        (rulings.clone(), sig)
    };
    let verdict: Option<&feed::Rule<'_>> = if rulings.is_empty() { None } else { Some(&rule) };
    let whole = part.as_ref().unwrap_or(&p.segment);
    let bytes = match (erase::without_erased(tx, place, whole)?, &part) {
        (Some(erased), _) => erased,
        (None, Some(tail)) => tail.write()?,
        (None, None) => p.bytes.clone(),
    };
    let count = u32::try_from(new.len()).unwrap_or(u32::MAX);
    let segment = NewSegment { stream, first: p.segment.first + held as u64, count, head: after, bytes: &bytes };
    Ok((feed::append(tx, place, row, &segment, now, verdict)?, new.len() as u64))
}

/// A change is judged once: what the device has in another stream or branch already stays as it was judged there.
fn not_judged_before(tx: &Connection, place: &Place, p: &Prepared, row: &StreamRow, rulings: Vec<Ruling>) -> Result<Vec<Ruling>> {
    if rulings.is_empty() {
        return Ok(rulings);
    }
    let names: Vec<ChangeName> = rulings.iter().map(|r| r.change).collect();
    let before: HashSet<ChangeName> = branch::holds_elsewhere(tx, place, &p.segment.stream.device, row.id, &names)?.into_iter().collect();
    Ok(rulings.into_iter().filter(|r| !before.contains(&r.change)).collect())
}
