//! Headquarters' half of an exchange as small as it can be said, to hold the device's half against: branches, lineage, heads, epochs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, DeviceId, Digest, Epoch, Head};
use daftar_wire::branch::{self, Branch, Place};
use daftar_wire::message::{
    Admission, Answer, Cursor, End, FeedItem, Heads, Hello, Lineage, Notice, Purged, Receipted, Revocation, Root, Token, feed_next,
    feed_start, root,
};
use daftar_wire::segment::Segment;
use daftar_wire::sign::VerifyingKey;
use daftar_wire::stream::{StreamHead, StreamId, digest};

use super::world::NOW_MS;

/// The first life of the server.
pub const EPOCH: Epoch = Epoch([7; 16]);
/// The first digit that is given to a device that begins anew.
pub const DIGIT_ANEW: u32 = 50;

/// A stream, or a branch of one with what it shares with the stream that it left.
#[derive(Clone)]
struct Chain {
    stream: StreamId,
    names: Vec<ChangeName>,
    heads: Vec<Head>,
    /// First and last number, and the bytes as they came.
    segments: Vec<(u64, u64, Vec<u8>)>,
}

impl Branch for Chain {
    type Error = Infallible;
    fn last(&self) -> u64 {
        self.names.len() as u64
    }
    fn head_at(&self, n: u64) -> Result<Head, Infallible> {
        Ok(n.checked_sub(1).map_or_else(|| self.stream.start(), |i| self.heads[i as usize]))
    }
    fn names(&self, from: u64, to: u64) -> Result<Vec<ChangeName>, Infallible> {
        Ok(self.names[from as usize - 1..to as usize].to_vec())
    }
}

impl Chain {
    fn at(&self, n: u64) -> Head {
        self.head_at(n).unwrap_or_else(|never| match never {})
    }
}

/// An entry of a feed.
#[derive(Clone)]
struct Entry {
    stream: StreamId,
    first: u64,
    count: u32,
    head: Head,
    bytes: Vec<u8>,
}

impl Entry {
    fn chain(&self, before: Head) -> Head {
        feed_next(before, &self.stream, self.first, self.count, &self.head)
    }
}

/// What became of a segment.
pub enum Kept {
    Receipted(Receipted),
    Forked(Receipted, u64),
    Want(StreamId, u64),
    BadSignature,
}

/// All that headquarters holds. A copy of it is yesterday's backup.
#[derive(Clone)]
pub struct Held {
    pub epoch: Epoch,
    feeds: BTreeMap<Compartment, Vec<Entry>>,
    chains: Vec<Chain>,
    roots: HashMap<Root, Vec<Cursor>>,
    lineage: HashMap<DeviceId, Token>,
    pub keys: HashMap<DeviceId, VerifyingKey>,
    /// So many changes were new here.
    pub taken: u64,
    /// So many segments were sent outside a feed.
    pub loose: u64,
    /// So many times heads were compared.
    pub compared: u32,
    /// So many devices were told to begin anew.
    pub anews: u32,
    /// Hellos that brought a lineage.
    pub lineages: Vec<Lineage>,
    /// What it takes back, until a purge receipt comes.
    pub revoked: Vec<Revocation>,
    /// Purge receipts and admissions, as they came.
    pub purged: Vec<Purged>,
    pub admissions: Vec<Admission>,
    /// What came, and whether sealed.
    pub came: Vec<(Segment, bool)>,
}

impl Held {
    pub fn new(keys: HashMap<DeviceId, VerifyingKey>) -> Self {
        Self {
            epoch: EPOCH,
            feeds: BTreeMap::new(),
            chains: Vec::new(),
            roots: HashMap::new(),
            lineage: HashMap::new(),
            keys,
            taken: 0,
            loose: 0,
            compared: 0,
            anews: 0,
            lineages: Vec::new(),
            revoked: Vec::new(),
            purged: Vec::new(),
            admissions: Vec::new(),
            came: Vec::new(),
        }
    }

    /// Yesterday's copy put back: another life, and nothing known of roots and lineages.
    pub fn restored(mut self, epoch: Epoch) -> Self {
        self.epoch = epoch;
        self.roots.clear();
        self.lineage.clear();
        self
    }

    /// Every change of a compartment, each once, and at how many places they stand.
    pub fn names(&self, compartment: &Compartment) -> (BTreeSet<ChangeName>, usize) {
        let chains = self.chains.iter().filter(|c| c.stream.compartment == *compartment);
        let all: Vec<ChangeName> = chains.flat_map(|c| c.names.clone()).collect();
        (all.iter().copied().collect(), all.len())
    }

    /// Streams and branches of a compartment.
    pub fn branches(&self, compartment: &Compartment) -> usize {
        self.chains.iter().filter(|c| c.stream.compartment == *compartment).count()
    }

    /// Forgets a stream beyond `n`, as a server does that was set back without saying so.
    pub fn lose(&mut self, stream: &StreamId, n: u64) {
        for c in self.chains.iter_mut().filter(|c| c.stream == *stream) {
            c.names.truncate(n as usize);
            c.heads.truncate(n as usize);
            c.segments.retain(|s| s.1 <= n);
        }
    }

    pub fn keep(&mut self, segment: &Segment, bytes: Vec<u8>) -> Kept {
        let stream = segment.stream.clone();
        if !self.chains.iter().any(|c| c.stream == stream) {
            self.chains.push(Chain { stream: stream.clone(), names: Vec::new(), heads: Vec::new(), segments: Vec::new() });
        }
        let at: Vec<usize> = (0..self.chains.len()).filter(|i| self.chains[*i].stream == stream).collect();
        let family: Vec<Chain> = at.iter().map(|i| self.chains[*i].clone()).collect();
        let names = segment.chain(stream.start()).names;
        let key = self.keys[&stream.device];
        let Ok(place) = branch::place(&family, segment.first, &names, |before| segment.check(before, &key).is_ok());
        let (chain, held, fork) = match place {
            Place::Gap { want } => return Kept::Want(stream, want),
            Place::Unsigned => return Kept::BadSignature,
            Place::Held { branch } => (at[branch], names.len(), None),
            Place::Next { branch, held } => (at[branch], held, None),
            Place::Fork { branch, held } => {
                let mut left = family[branch].clone();
                let n = segment.first - 1 + held as u64;
                left.names.truncate(n as usize);
                left.heads.truncate(n as usize);
                left.segments.retain(|s| s.0 <= n);
                self.chains.push(left);
                (self.chains.len() - 1, held, Some(n + 1))
            }
        };
        let before = self.chains[chain].at(segment.first - 1);
        let checked = segment.chain(before);
        if held < names.len() {
            self.taken += (names.len() - held) as u64;
            let c = &mut self.chains[chain];
            c.names.extend(&checked.names[held..]);
            c.heads.extend(&checked.heads[held..]);
            c.segments.push((segment.first, segment.last(), bytes.clone()));
            let count = segment.entries.len() as u32;
            let entry = Entry { stream: stream.clone(), first: segment.first, count, head: checked.head(), bytes };
            self.feeds.entry(stream.compartment.clone()).or_default().push(entry);
        }
        let receipted = match fork {
            None if held == names.len() => Receipted { up_to: segment.last(), head: checked.head(), stream, backed_up: 0 },
            None | Some(_) => {
                let c = &self.chains[chain];
                Receipted { up_to: c.last(), head: c.at(c.last()), stream, backed_up: 1 }
            }
        };
        match fork {
            Some(n) => Kept::Forked(receipted, n),
            None => Kept::Receipted(receipted),
        }
    }

    /// What is held of a device's own streams.
    pub fn own(&self, device: DeviceId) -> Vec<Receipted> {
        let own = self.chains.iter().filter(|c| c.stream.device == device);
        own.map(|c| Receipted { stream: c.stream.clone(), up_to: c.names.len() as u64, head: c.at(c.names.len() as u64), backed_up: 0 })
            .collect()
    }

    pub fn digest(&self, compartment: &Compartment) -> Digest {
        let chains = self.chains.iter().filter(|c| c.stream.compartment == *compartment);
        let heads: Vec<StreamHead> = chains
            .map(|c| StreamHead { device: c.stream.device, incarnation: c.stream.incarnation, n: c.last(), head: c.at(c.last()) })
            .collect();
        digest(&heads)
    }

    fn cursor(&self, compartment: &Compartment) -> Cursor {
        let feed = &self.feeds[compartment];
        let chain = feed.iter().fold(feed_start(compartment, &self.epoch), |at, entry| entry.chain(at));
        Cursor {
            compartment: compartment.clone(),
            epoch: self.epoch,
            ranges: vec![(1, feed.len() as u64)],
            chain: *chain.0.first_chunk().expect("32 bytes"),
            digest: self.digest(compartment),
        }
    }

    /// The cursors that a hello stands for, if its root is known.
    pub fn known(&self, hello: &Hello) -> Option<Vec<Cursor>> {
        let mut list = if hello.root == [0; 16] { Vec::new() } else { self.roots.get(&hello.root).cloned()? };
        list.retain(|k| hello.cursors.iter().all(|c| c.compartment != k.compartment));
        list.extend(hello.cursors.clone());
        Some(list)
    }

    /// Follows a device's lineage; the digit, if it was cloned or put back.
    pub fn follow(&mut self, device: DeviceId, lineage: Option<Lineage>) -> Option<u32> {
        let l = lineage?;
        self.lineages.push(l);
        let known = self.lineage.insert(device, l.next);
        let goes_on = known.is_none() || known == l.previous || known == Some(l.next);
        (!goes_on).then(|| {
            self.anews += 1;
            DIGIT_ANEW + self.anews
        })
    }

    /// What a device lacks and what it is asked for, by its heads.
    pub fn compare(&mut self, heads: &Heads) -> Vec<Answer> {
        let mut said = Vec::new();
        self.compared += 1;
        for c in self.chains.iter().filter(|c| c.stream.compartment == heads.compartment) {
            let of = heads.branches.iter().filter(|b| (b.device, b.incarnation) == (c.stream.device, c.stream.incarnation));
            let has = of.filter(|b| b.n <= c.last() && c.at(b.n) == b.head).map(|b| b.n).max().unwrap_or(0);
            for (_, _, bytes) in c.segments.iter().filter(|s| s.1 > has) {
                self.loose += 1;
                said.push(Answer::Loose(bytes.clone()));
            }
        }
        for b in &heads.branches {
            let stream = StreamId { compartment: heads.compartment.clone(), device: b.device, incarnation: b.incarnation };
            let family: Vec<&Chain> = self.chains.iter().filter(|c| c.stream == stream).collect();
            if family.iter().any(|c| b.n <= c.last() && c.at(b.n) == b.head) {
                continue;
            }
            let from = family.iter().map(|c| c.last()).filter(|n| *n < b.n).max().unwrap_or(0) + 1;
            said.push(Answer::Notice(Notice::Want { stream, from }));
        }
        said
    }

    /// What is said when the device has said all. `skip`: the number of an entry that is left out by mistake.
    pub fn close(&mut self, device: &DeviceId, known: &[Cursor], skip: Option<u64>) -> Vec<Answer> {
        let (mut said, mut changed) = (Vec::new(), Vec::new());
        for (compartment, feed) in &self.feeds {
            let at = known.iter().find(|k| k.compartment == *compartment);
            let after = at.filter(|k| k.epoch == self.epoch).and_then(|k| k.ranges.first()).map_or(0, |r| r.1);
            let (mut from, mut chain) = (after + 1, feed_start(compartment, &self.epoch));
            for (n, entry) in (1..).zip(feed) {
                chain = entry.chain(chain);
                if n <= after || entry.stream.device == *device || skip == Some(n) {
                    continue;
                }
                let chain = *chain.0.first_chunk().expect("32 bytes");
                said.push(Answer::Item(FeedItem { compartment: compartment.clone(), from, n, chain, segment: entry.bytes.clone() }));
                from = n + 1;
            }
            let now = self.cursor(compartment);
            if at != Some(&now) {
                changed.push(now);
            }
        }
        if known.iter().any(|k| k.epoch != self.epoch) {
            said.push(Answer::Notice(Notice::NewEpoch { epoch: self.epoch }));
        }
        let mut list: Vec<Cursor> = known.iter().filter(|k| changed.iter().all(|c| c.compartment != k.compartment)).cloned().collect();
        list.extend(changed.clone());
        self.roots.insert(root(&list), list);
        said.push(Answer::End(End { time_ms: NOW_MS, cursors: changed, more: false }));
        said
    }
}
