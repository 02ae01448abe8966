//! Feed entries on their way down: small segments of one stream are joined, so that who lacks twelve thousand of them is sent what their
//! changes come to. What is joined comes outside the feed's order, and the last entry says how far the feed is covered. Never leaves an entry out.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, Head};
use daftar_wire::limits::SEGMENT_CHANGES_MAX;
use daftar_wire::message::{Answer, FeedItem, FeedVerdict};
use daftar_wire::segment::{Segment, join};
use daftar_wire::sign::Sig;

use crate::error::Result;
use crate::store::feed::{Entry, Kind};

/// When it is worth it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Joining {
    /// From so many segments on.
    from_segments: usize,
    /// With fewer changes than this on average.
    below_changes: usize,
}

impl Joining {
    /// Where the link carries plenty: where it saves time, too.
    pub(super) const QUICK: Self = Self { from_segments: 16, below_changes: 64 };
    /// Where every byte takes its time: wherever two fit into one.
    pub(super) const SLOW: Self = Self { from_segments: 2, below_changes: SEGMENT_CHANGES_MAX as usize / 2 };
}

/// What is said of entries that follow one another, when the device has everything up to `covered`. `hq`: headquarters' own device.
pub(super) fn answers(
    compartment: &Compartment,
    hq: &DeviceId,
    covered: u64,
    entries: Vec<Entry>,
    joining: Joining,
) -> Result<Vec<Answer>> {
    let mut said = Vec::with_capacity(entries.len());
    let (mut from, mut small) = (covered + 1, Vec::new());
    for entry in entries {
        match entry.kind {
            Kind::Segment { .. } => small.push(entry),
            Kind::Verdict(sig) => {
                from = segments(compartment, hq, from, std::mem::take(&mut small), joining, &mut said)?;
                said.push(Answer::Verdict(verdict(compartment, from, &entry, sig)?));
                from = entry.n + 1;
            }
        }
    }
    segments(compartment, hq, from, small, joining, &mut said)?;
    Ok(said)
}

/// What is said of an entry ahead of its place in the feed.
pub(super) fn loose(compartment: &Compartment, entry: Entry) -> Result<Answer> {
    Ok(match entry.kind {
        Kind::Segment { .. } => Answer::Loose(entry.bytes),
        Kind::Verdict(sig) => Answer::LooseVerdict(verdict(compartment, entry.n, &entry, sig)?),
    })
}

fn verdict(compartment: &Compartment, from: u64, entry: &Entry, sig: Sig) -> Result<FeedVerdict> {
    let rulings = FeedVerdict::read_rulings(&entry.bytes)?;
    Ok(FeedVerdict { compartment: compartment.clone(), from, n: entry.n, chain: chain8(&entry.chain), rulings, sig })
}

/// Says segments, joined where that is worth it; returns the number after the last.
fn segments(
    compartment: &Compartment,
    hq: &DeviceId,
    mut from: u64,
    entries: Vec<Entry>,
    joining: Joining,
    said: &mut Vec<Answer>,
) -> Result<u64> {
    let changes: usize = entries.iter().map(count).sum();
    if entries.len() < joining.from_segments || changes >= entries.len() * joining.below_changes {
        for entry in entries {
            let (n, chain) = (entry.n, chain8(&entry.chain));
            said.push(Answer::Item(FeedItem { compartment: compartment.clone(), from, n, chain, segment: entry.bytes }));
            from = n + 1;
        }
        return Ok(from);
    }
    let Some((n, chain)) = entries.last().map(|e| (e.n, chain8(&e.chain))) else { return Ok(from) };
    let mut joined = joined(&entries, hq)?;
    let last = joined.pop();
    said.extend(joined.into_iter().map(Answer::Loose));
    said.extend(last.map(|segment| Answer::Item(FeedItem { compartment: compartment.clone(), from, n, chain, segment })));
    Ok(n + 1)
}

/// The segments with those of one row joined: a branch has numbers of the stream that it leaves, but a chain of its own. A stream begins
/// before what leaves it, so that the rows come in an order in which they can be taken. Headquarters' own come first: its grants may say that
/// the device may take the others.
fn joined(entries: &[Entry], hq: &DeviceId) -> Result<Vec<Vec<u8>>> {
    let mut rows: Vec<(i64, Vec<&Entry>)> = Vec::new();
    let (own, others): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().partition(|e| matches!(e.kind, Kind::Segment { device, .. } if device == *hq));
    for entry in own.into_iter().chain(others) {
        let Kind::Segment { row, .. } = entry.kind else { continue };
        match rows.iter_mut().find(|(id, _)| *id == row) {
            Some((_, list)) => list.push(entry),
            None => rows.push((row, vec![entry])),
        }
    }
    let mut joined = Vec::new();
    for (row, list) in rows {
        let segments = list.iter().map(|e| Segment::read(&e.bytes)).collect::<std::result::Result<Vec<_>, _>>()?;
        match join(segments).iter().map(Segment::write).collect::<std::result::Result<Vec<_>, _>>() {
            Ok(written) => joined.extend(written),
            Err(error) => {
                tracing::warn!(row, %error, "segments that cannot be joined go as they are");
                joined.extend(list.into_iter().map(|e| e.bytes.clone()));
            }
        }
    }
    Ok(joined)
}

fn count(entry: &Entry) -> usize {
    match entry.kind {
        Kind::Segment { count, .. } => count as usize,
        Kind::Verdict(_) => 0,
    }
}

pub(super) fn chain8(chain: &Head) -> [u8; 8] {
    *chain.0.first_chunk().expect("a head has 32 bytes")
}
