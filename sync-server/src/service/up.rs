//! What a device sends: each segment is checked, judged, kept and receipted by itself, as it arrives. A bad one stops no other.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Instant;

use daftar_core::ids::{ChangeName, Head};
use daftar_wire::WireError;
use daftar_wire::message::{Answer, Ask, FeedVerdict, Notice, Receipt, Receipted, ShortReceipt};
use daftar_wire::segment::{Segment, SignedHead};
use daftar_wire::sign::{VerifyingKey, verify_head};
use daftar_wire::stream::{StreamId, next};
use rusqlite::Connection;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::judge::{Claim, Facts, judge};
use super::{Peer, Service, attest, say};
use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::register::Known;
use crate::store::feed::{self, NewSegment, StreamRow};
use crate::store::meta::{self, Place};

/// Segments that are decoded ahead of the commit.
const AHEAD: usize = 4;
/// Segments that are committed together when so many are ready.
const BATCH_MAX: usize = 8;

/// What the upward half came to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Up {
    pub(super) taken: u64,
    pub(super) ended: bool,
}

/// A segment that was read and, where its place was known, checked.
struct Prepared {
    place: Place,
    segment: Segment,
    bytes: Vec<u8>,
    names: Vec<ChangeName>,
    facts: Vec<Facts>,
    /// The chain before the first change and after the last, if the device's word for it holds.
    chained: Option<(Head, Head)>,
}

/// What becomes of what a device sent.
enum Ready {
    Segment(Box<Prepared>),
    Refused { stream: StreamId, first: u64, reason: &'static str },
}

/// What is said about a segment.
enum Outcome {
    Held { stream: StreamId, row: StreamRow, taken: u64 },
    Want { stream: StreamId, from: u64 },
    Refused { stream: StreamId, first: u64, reason: &'static str },
}

impl Service {
    pub(super) async fn take(&self, peer: &Peer, asks: Receiver<Ask>, answers: &Sender<Answer>) -> Result<Up> {
        let (ready, commits) = channel(AHEAD);
        let (ended, taken) = tokio::join!(self.prepare_all(peer, asks, ready, answers), self.commit_all(peer, commits, answers));
        Ok(Up { ended: ended?, taken: taken? })
    }

    /// Reads and checks segments one after the other, ahead of the commits. True if the device said all.
    async fn prepare_all(&self, peer: &Peer, mut asks: Receiver<Ask>, ready: Sender<Ready>, answers: &Sender<Answer>) -> Result<bool> {
        let mut places: HashMap<StreamId, (u64, Head)> = HashMap::new();
        while let Some(ask) = asks.recv().await {
            let bytes = match ask {
                Ask::Segment(bytes) => bytes,
                Ask::End => return Ok(true),
                Ask::Heads(_) => continue,
                Ask::Sealed(sealed) => match self.unseal(peer, sealed).await? {
                    Some(bytes) => {
                        peer.sealed.store(true, Ordering::Relaxed);
                        bytes
                    }
                    None => continue,
                },
                Ask::Purged(purged) => {
                    self.purged(peer, purged).await?;
                    continue;
                }
                Ask::Reopen(asked) => {
                    self.reopen(peer, asked, answers).await?;
                    continue;
                }
                Ask::Admission(admission) => {
                    self.admit(peer, admission).await?;
                    continue;
                }
                Ask::Hello(_) => continue,
            };
            let (device, key) = (peer.device, peer.key);
            let (back, prepared) = self
                .blocking(move |hq| {
                    let prepared = match Segment::outline(&bytes) {
                        Ok(o) if o.stream.device != device => Some(refused(o.stream, o.first, "not_this_device")),
                        Ok(o) => Some(prepare(hq, &mut places, &key, bytes).unwrap_or_else(|e| e.answer(o.stream, o.first))),
                        Err(e) => {
                            tracing::warn!(%device, error = %e, "something that is no segment was passed over");
                            None
                        }
                    };
                    Ok((places, prepared))
                })
                .await?;
            places = back;
            if let Some(prepared) = prepared
                && ready.send(prepared).await.is_err()
            {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Commits what is ready, a few at a time, and receipts it. Goes on when nobody listens: what came is kept.
    async fn commit_all(&self, peer: &Peer, mut commits: Receiver<Ready>, answers: &Sender<Answer>) -> Result<u64> {
        let mut taken = 0;
        let mut wanted = HashSet::new();
        loop {
            let mut batch = Vec::with_capacity(BATCH_MAX);
            if commits.recv_many(&mut batch, BATCH_MAX).await == 0 {
                return Ok(taken);
            }
            let key = peer.key;
            let outcomes = self.blocking(move |hq| commit(hq, &key, batch)).await?;
            let mut held: Vec<Receipted> = Vec::new();
            for outcome in outcomes {
                let notice = match outcome {
                    Outcome::Held { stream, row, taken: n } => {
                        taken += n;
                        held.retain(|h| h.stream != stream);
                        held.push(Receipted { stream, up_to: row.n, head: row.head, backed_up: row.backed_up });
                        continue;
                    }
                    Outcome::Want { stream, from } if wanted.insert(stream.clone()) => Notice::Want { stream, from },
                    Outcome::Want { .. } => continue,
                    Outcome::Refused { stream, first, reason } => {
                        tracing::warn!(device = %stream.device, compartment = %stream.compartment, first, reason, "a segment was refused");
                        Notice::Refused { stream, first, reason: reason.to_owned() }
                    }
                };
                let _ = say(answers, Answer::Notice(notice)).await;
            }
            if !held.is_empty() {
                self.committed.send_replace(Some(Instant::now()));
                let known = peer.short && !peer.sealed.load(Ordering::Relaxed);
                let short = known && held.iter().all(|h| h.stream.device == peer.device);
                let receipt = Receipt::sign(&self.hq.keys.signing, self.hq.identity.epoch, self.hq.clock.now_ms(), held);
                let said = if short { Answer::Short(ShortReceipt::of(&receipt)) } else { Answer::Receipt(receipt) };
                let _ = say(answers, said).await;
            }
        }
    }
}

fn refused(stream: StreamId, first: u64, reason: &'static str) -> Ready {
    Ready::Refused { stream, first, reason }
}

/// Why a segment is not even offered to the commit.
enum Unfit {
    NoCompartment,
    Wire(WireError),
    Store(Error),
}

impl Unfit {
    fn answer(self, stream: StreamId, first: u64) -> Ready {
        match self {
            Self::NoCompartment => refused(stream, first, "no_compartment"),
            Self::Wire(e) => refused(stream, first, reason(&e)),
            Self::Store(e) => {
                tracing::error!(error = %e, "a stream's place could not be read");
                refused(stream, first, "unavailable")
            }
        }
    }
}

fn reason(e: &WireError) -> &'static str {
    match e {
        WireError::Malformed(_) => "malformed",
        WireError::TooLarge { .. } => "too_large",
        WireError::Signature(_) => "bad_signature",
    }
}

/// Reads a segment and names its changes; where it carries on what is held, checks the chain and the device's word too.
/// `places` remembers how far each stream will be held when all that was prepared is committed.
fn prepare(
    hq: &Headquarters,
    places: &mut HashMap<StreamId, (u64, Head)>,
    key: &VerifyingKey,
    bytes: Vec<u8>,
) -> std::result::Result<Ready, Unfit> {
    let segment = Segment::read(&bytes).map_err(Unfit::Wire)?;
    let stream = &segment.stream;
    let held = places.get(stream).copied();
    let (place, row) = hq
        .store
        .read(|tx| {
            let place = meta::compartment(tx, &stream.compartment)?;
            let row = match (&place, held) {
                (Some(place), None) => Some(feed::stream(tx, place, stream)?),
                (Some(_) | None, _) => None,
            };
            Ok((place, row))
        })
        .map_err(Unfit::Store)?;
    let place = place.ok_or(Unfit::NoCompartment)?;
    let (n, before) = held.or(row.map(|r| (r.n, r.head))).unwrap_or((0, stream.start()));
    let (names, facts): (Vec<ChangeName>, Vec<Facts>) = segment
        .entries
        .iter()
        .map(|entry| match entry.read(&place.name) {
            Ok(change) => (change.name, Some(Claim::of(&change.header))),
            Err(_) => (entry.name(&place.name), None),
        })
        .unzip();
    let chained = if segment.first == n + 1 {
        let after = chain(stream, segment.first, &names, &segment.heads, before, key).map_err(Unfit::Wire)?;
        Some((before, after))
    } else {
        None
    };
    places.insert(stream.clone(), chained.map_or((n, before), |(_, after)| (segment.last(), after)));
    Ok(Ready::Segment(Box::new(Prepared { place, segment, bytes, names, facts, chained })))
}

/// The chain after the last of these changes, if the device's signatures over it hold and one is for the last.
fn chain(
    stream: &StreamId,
    first: u64,
    names: &[ChangeName],
    heads: &[SignedHead],
    before: Head,
    key: &VerifyingKey,
) -> std::result::Result<Head, WireError> {
    let (mut at, mut n) = (before, first - 1);
    let mut is_signed = false;
    let mut heads: Vec<&SignedHead> = heads.iter().filter(|h| h.n >= first).collect();
    heads.sort_by_key(|h| h.n);
    let mut heads = heads.into_iter().peekable();
    for name in names {
        (at, n) = (next(at, *name), n + 1);
        is_signed = false;
        while let Some(head) = heads.next_if(|h| h.n == n) {
            verify_head(key, stream, n, &at, &head.sig)?;
            is_signed = true;
        }
    }
    if is_signed { Ok(at) } else { Err(WireError::Signature("a segment's last change")) }
}

/// Keeps a batch in one transaction. If the medium is full nothing of it is kept, and each is told so.
fn commit(hq: &Headquarters, key: &VerifyingKey, batch: Vec<Ready>) -> Result<Vec<Outcome>> {
    let mut prepared = Vec::with_capacity(batch.len());
    let mut outcomes = Vec::with_capacity(batch.len());
    for ready in batch {
        match ready {
            Ready::Segment(p) => prepared.push(p),
            Ready::Refused { stream, first, reason } => outcomes.push(Outcome::Refused { stream, first, reason }),
        }
    }
    if prepared.is_empty() {
        return Ok(outcomes);
    }
    let kept = hq.store.write(|tx| {
        let mut known = Known::default();
        prepared.iter().map(|p| keep(hq, tx, &mut known, key, p)).collect::<Result<Vec<_>>>()
    });
    match kept {
        Ok(kept) => outcomes.extend(kept),
        Err(Error::StorageFull) => {
            tracing::error!("the storage is full: segments are refused");
            let refuse =
                |p: &Prepared| Outcome::Refused { stream: p.segment.stream.clone(), first: p.segment.first, reason: "storage_full" };
            outcomes.extend(prepared.iter().map(|p| refuse(p)));
        }
        Err(e) => return Err(e),
    }
    Ok(outcomes)
}

/// Keeps one segment: the next of its stream, the new tail of one that overlaps, or nothing of one that is held.
fn keep(hq: &Headquarters, tx: &Connection, known: &mut Known, key: &VerifyingKey, p: &Prepared) -> Result<Outcome> {
    let (segment, stream) = (&p.segment, &p.segment.stream);
    let refused = |reason| Ok(Outcome::Refused { stream: stream.clone(), first: segment.first, reason });
    let held = feed::stream(tx, &p.place, stream)?;
    if segment.first > held.n + 1 {
        return Ok(Outcome::Want { stream: stream.clone(), from: held.n + 1 });
    }
    if segment.first == held.n + 1 {
        let after = match p.chained {
            Some((before, after)) if before == held.head => Ok(after),
            Some(_) | None => chain(stream, segment.first, &p.names, &segment.heads, held.head, key),
        };
        return match after {
            Ok(after) => take(hq, tx, known, p, &held, segment.first, after, &p.bytes),
            Err(e) => refused(reason(&e)),
        };
    }
    let overlap = usize::try_from(held.n.min(segment.last()) - segment.first + 1).unwrap_or(usize::MAX);
    let (names, before) = held_names(tx, &p.place, stream, &held, segment.first, overlap)?;
    if names != p.names[..overlap] {
        return refused("fork");
    }
    let after = match chain(stream, segment.first, &p.names, &segment.heads, before, key) {
        Ok(after) => after,
        Err(e) => return refused(reason(&e)),
    };
    if segment.last() <= held.n {
        return Ok(Outcome::Held { stream: stream.clone(), row: held, taken: 0 });
    }
    // Only the tail is new. It is cut off, so that no feed holds a change twice.
    let first = held.n + 1;
    let tail = Segment {
        stream: stream.clone(),
        first,
        entries: segment.entries[overlap..].to_vec(),
        runs: segment.runs.clone(),
        heads: segment.heads.iter().filter(|h| h.n >= first).cloned().collect(),
        attestations: segment.attestations.iter().filter(|a| a.n >= first).cloned().collect(),
    };
    match tail.write() {
        Ok(bytes) => take(hq, tx, known, p, &held, first, after, &bytes),
        Err(e) => refused(reason(&e)),
    }
}

/// The names of `count` held changes from `first` on, and the chain before them.
fn held_names(
    tx: &Connection,
    place: &Place,
    stream: &StreamId,
    held: &StreamRow,
    first: u64,
    count: usize,
) -> Result<(Vec<ChangeName>, Head)> {
    let row = held.id.ok_or_else(|| Error::Unexpected("a stream is held without a row".into()))?;
    let mut names = Vec::with_capacity(count);
    let mut before = stream.start();
    for (segment, begins) in feed::held_from(tx, stream, row, first)? {
        let mut at = begins;
        for (n, entry) in (segment.first..).zip(&segment.entries) {
            let name = entry.name(&place.name);
            if n < first {
                at = next(at, name);
            } else if names.len() < count {
                names.push(name);
            }
        }
        if segment.first <= first {
            before = at;
        }
    }
    Ok((names, before))
}

#[expect(clippy::too_many_arguments, reason = "all of it is one row of the feed")]
fn take(
    hq: &Headquarters,
    tx: &Connection,
    known: &mut Known,
    p: &Prepared,
    held: &StreamRow,
    first: u64,
    after: Head,
    bytes: &[u8],
) -> Result<Outcome> {
    let stream = &p.segment.stream;
    let from = usize::try_from(first - p.segment.first).unwrap_or(usize::MAX);
    let new: Vec<(ChangeName, Facts)> = p.names.iter().copied().zip(p.facts.iter().copied()).skip(from).collect();
    if !attest::holds(tx, &p.segment, &p.names[from..], first, held.head)? {
        return Ok(Outcome::Refused { stream: stream.clone(), first: p.segment.first, reason: "bad_signature" });
    }
    let now = hq.clock.now_ms();
    let rulings = judge(tx, known, &stream.device, &p.place.name, &new, now)?;
    let (key, epoch) = (&hq.keys.signing, &hq.identity.epoch);
    let rule = |n: u64| {
        let sig = FeedVerdict::sign_rulings(key, &p.place.name, epoch, n, &rulings);
        (rulings.clone(), sig)
    };
    let verdict: Option<&feed::Rule<'_>> = if rulings.is_empty() { None } else { Some(&rule) };
    let segment = NewSegment { stream, first, count: u32::try_from(new.len()).unwrap_or(u32::MAX), head: after, bytes };
    let row = feed::append(tx, &p.place, held, &segment, now, verdict)?;
    Ok(Outcome::Held { stream: stream.clone(), row, taken: new.len() as u64 })
}
