//! A segment: a run of a stream as it travels. How it is grouped and compressed is transport and may be
//! done again by any holder; the signatures are over the chain. Never says whether a change counts.

mod body;
mod join;

pub use join::join;

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, DeviceId, Head, Incarnation, OfficerId};
use minicbor::decode::Decoder;

use crate::cbor::{definite, encode, fixed, raw_item, room};
use crate::change::{Body, Entry, Seed, salt};
use crate::limits::{ITEM_BYTES_MAX, SEGMENT_CHANGES_MAX, SEGMENT_LIST_MAX, SEGMENT_PLAIN_BYTES_MAX};
use crate::sign::{Sig, VerifyingKey, verify_head};
use crate::stream::{StreamId, next};
use crate::{WireError, bounded};

/// Segments of so many changes are written in both forms, and the smaller is sent.
const PLAIN_TRIED_MAX: usize = 4;

/// A run's beginning: the number of its first change and the secret drawn for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The number of the run's first change in the stream.
    pub first: u64,
    /// The run's secret.
    pub seed: Seed,
}

/// The device's word for the stream up to `n`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// The number of the last change that it covers.
    pub n: u64,
    /// By the device's key.
    pub sig: Sig,
}

/// An officer's word that what bears his name up to `n` is his.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// Whose.
    pub officer: OfficerId,
    /// The number of the last change that it covers.
    pub n: u64,
    /// By the officer's key for this device.
    pub sig: Sig,
}

/// Changes `first`, `first + 1` … of a stream, with what proves them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The stream.
    pub stream: StreamId,
    /// The number of the first change, from 1.
    pub first: u64,
    /// The changes; never empty.
    pub entries: Vec<Entry>,
    /// The runs that the changes belong to, ascending.
    pub runs: Vec<Run>,
    /// Signed heads within or at the end of the segment; the last covers all of it.
    pub heads: Vec<SignedHead>,
    /// The officers' attestations.
    pub attestations: Vec<Attestation>,
}

/// What stands round a segment's changes, read without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The stream.
    pub stream: StreamId,
    /// The number of the first change.
    pub first: u64,
    /// How many changes.
    pub count: u32,
}

/// A segment whose chain and signed head hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The changes' names, in order.
    pub names: Vec<ChangeName>,
    /// The chain's place after each change.
    pub heads: Vec<Head>,
}

impl Checked {
    /// The chain's place after the last change.
    pub fn head(&self) -> Head {
        *self.heads.last().expect("a segment is never empty")
    }
}

impl Segment {
    /// The number of the last change.
    pub fn last(&self) -> u64 {
        self.first + self.entries.len() as u64 - 1
    }

    /// Writes the segment, reads it back and compares, so that nothing is sent that the reader would see otherwise.
    pub fn write(&self) -> Result<Vec<u8>, WireError> {
        bounded("the changes of a segment", self.entries.len() as u64, SEGMENT_CHANGES_MAX.into())?;
        if self.entries.is_empty() {
            return Err(WireError::Malformed("a segment without a change"));
        }
        let plain = self.entries.iter().map(|e| e.len() as u64).sum();
        bounded("the bytes of a segment", plain, SEGMENT_PLAIN_BYTES_MAX)?;
        let as_plain = || self.envelope(body::PLAIN, plain, &body::plain(&self.entries));
        if let Some(columns) = body::columnar(&self.stream, &self.entries) {
            let columnar = self.envelope(body::COLUMNAR, plain, &columns);
            // Only of a few changes can the plain form be the smaller.
            let smaller = (self.entries.len() <= PLAIN_TRIED_MAX).then(as_plain).filter(|p| p.len() < columnar.len());
            let bytes = smaller.unwrap_or(columnar);
            if Self::read(&bytes).as_ref() == Ok(self) {
                return Ok(bytes);
            }
        }
        let bytes = as_plain();
        if Self::read(&bytes)? == *self { Ok(bytes) } else { Err(WireError::Malformed("changes that do not fit their runs")) }
    }

    fn envelope(&self, coding: u8, plain: u64, body: &[u8]) -> Vec<u8> {
        let numbered = |f: fn(&Entry) -> Option<[u8; 32]>| -> Vec<(u64, [u8; 32])> {
            self.entries.iter().zip(self.first..).filter_map(|(e, n)| f(e).map(|b| (n, b))).collect()
        };
        let erased = numbered(|e| if let Body::Erased { k } = &e.body { Some(*k) } else { None });
        // A salt is written where no run that is named here gives it.
        let derived = |n: u64| run_of(&self.runs, n).map(|run| salt(&run.seed, n - run.first));
        let salts: Vec<(u64, [u8; 32])> = (self.first..)
            .zip(&self.entries)
            .filter_map(|(n, e)| match &e.body {
                Body::Whole { salt, .. } if derived(n) != Some(*salt) => Some((n, *salt)),
                Body::Whole { .. } | Body::Erased { .. } => None,
            })
            .collect();
        let optional = [!self.attestations.is_empty(), !salts.is_empty(), !erased.is_empty()].into_iter().filter(|b| *b).count();
        encode(|e| {
            e.map(10 + optional as u64)?;
            e.u8(1)?.str(self.stream.compartment.as_str())?;
            e.u8(2)?.bytes(&self.stream.device.0)?;
            e.u8(3)?.bytes(&self.stream.incarnation.0)?;
            e.u8(4)?.u64(self.first)?;
            e.u8(5)?.u64(self.entries.len() as u64)?;
            e.u8(6)?.array(self.runs.len() as u64)?;
            for r in &self.runs {
                e.array(2)?.u64(r.first)?.bytes(&r.seed)?;
            }
            e.u8(7)?.array(self.heads.len() as u64)?;
            for h in &self.heads {
                e.array(2)?.u64(h.n)?.bytes(&h.sig)?;
            }
            e.u8(8)?.u8(coding)?;
            e.u8(9)?.u64(plain)?;
            e.u8(10)?.bytes(body)?;
            if !self.attestations.is_empty() {
                e.u8(11)?.array(self.attestations.len() as u64)?;
                for a in &self.attestations {
                    e.array(3)?.bytes(&a.officer.0)?.u64(a.n)?.bytes(&a.sig)?;
                }
            }
            for (key, list) in [(12, &salts), (13, &erased)] {
                if !list.is_empty() {
                    e.u8(key)?.array(list.len() as u64)?;
                    for (n, bytes) in list {
                        e.array(2)?.u64(*n)?.bytes(bytes)?;
                    }
                }
            }
            e.ok()
        })
    }

    /// Reads a segment. Sizes are checked before anything is allocated; hashes and signatures are not looked at.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let parts = Parts::read(bytes)?;
        let outline = &parts.outline;
        bounded("the bytes of a segment", parts.plain, SEGMENT_PLAIN_BYTES_MAX)?;
        let last = outline.first + u64::from(outline.count) - 1;
        let in_segment = |n: u64| (outline.first..=last).contains(&n);
        if !parts.heads.iter().all(|h| in_segment(h.n)) || !parts.attestations.iter().all(|a| in_segment(a.n)) {
            return Err(WireError::Malformed("a signature for a change outside the segment"));
        }
        let shell = body::Shell { parts: &parts };
        let entries = shell.open()?;
        Ok(Self {
            entries,
            stream: parts.outline.stream,
            first: parts.outline.first,
            runs: parts.runs,
            heads: parts.heads,
            attestations: parts.attestations,
        })
    }

    /// Drops payload and salt of the changes for which `erase` says so. Returns the seeds that gave way with them: from a seed and a
    /// guess at the payload the guess could be checked.
    pub fn erase(&mut self, mut erase: impl FnMut(&Entry) -> bool) -> Vec<Seed> {
        let mut gone = Vec::new();
        for (n, entry) in (self.first..).zip(&mut self.entries) {
            let Body::Whole { salt: was, .. } = &entry.body else { continue };
            let was = *was;
            if erase(entry) {
                gone.extend(run_of(&self.runs, n).filter(|run| salt(&run.seed, n - run.first) == was).map(|run| run.seed));
                entry.erase();
            }
        }
        self.forget(&gone);
        gone
    }

    /// Takes seeds out; the salts that they gave travel by themselves. True if one was there.
    pub fn forget(&mut self, seeds: &[Seed]) -> bool {
        let before = self.runs.len();
        self.runs.retain(|run| !seeds.contains(&run.seed));
        self.runs.len() < before
    }

    /// Reads what stands round the changes.
    pub fn outline(bytes: &[u8]) -> Result<Outline, WireError> {
        Parts::read(bytes).map(|p| p.outline)
    }

    /// Computes names and chain from the place before the first change, and checks the device's word for the last.
    pub fn check(&self, before: Head, device: &VerifyingKey) -> Result<Checked, WireError> {
        let checked = self.chain(before);
        let last = self.last();
        let mut covered = false;
        for h in &self.heads {
            let at = checked.heads[(h.n - self.first) as usize];
            verify_head(device, &self.stream, h.n, &at, &h.sig)?;
            covered |= h.n == last;
        }
        if covered { Ok(checked) } else { Err(WireError::Signature("a segment's last change")) }
    }

    /// Computes names and chain, and checks nothing.
    pub fn chain(&self, before: Head) -> Checked {
        let names: Vec<ChangeName> = self.entries.iter().map(|e| e.name(&self.stream.compartment)).collect();
        let mut at = before;
        let heads = names
            .iter()
            .map(|n| {
                at = next(at, *n);
                at
            })
            .collect();
        Checked { names, heads }
    }
}

fn run_of(runs: &[Run], n: u64) -> Option<&Run> {
    let run = &runs[..runs.partition_point(|r| r.first <= n)].last()?;
    (n - run.first < SEGMENT_CHANGES_MAX.into()).then_some(run)
}

/// A segment's envelope as it is read.
struct Parts<'a> {
    outline: Outline,
    runs: Vec<Run>,
    heads: Vec<SignedHead>,
    attestations: Vec<Attestation>,
    salts: Vec<(u64, [u8; 32])>,
    erased: Vec<(u64, [u8; 32])>,
    coding: u8,
    plain: u64,
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, WireError> {
        bounded("the bytes of an item", bytes.len() as u64, ITEM_BYTES_MAX)?;
        let mut d = Decoder::new(bytes);
        let (mut compartment, mut device, mut incarnation, mut first, mut count) = (None, None, None, None, None);
        let (mut coding, mut plain, mut body) = (None, None, None);
        let (mut runs, mut heads, mut attestations, mut salts, mut erased) = (vec![], vec![], vec![], vec![], vec![]);
        for _ in 0..definite(d.map()?)? {
            match d.u32()? {
                1 => compartment = Some(d.str()?.parse::<Compartment>().map_err(|_| WireError::Newer("the name of a compartment"))?),
                2 => device = Some(DeviceId(fixed(&mut d)?)),
                3 => incarnation = Some(Incarnation(fixed(&mut d)?)),
                4 => first = Some(d.u64()?),
                5 => count = Some(d.u32()?),
                6 => runs = list(&mut d, 2, |d| Ok(Run { first: d.u64()?, seed: fixed(d)? }))?,
                7 => heads = list(&mut d, 2, |d| Ok(SignedHead { n: d.u64()?, sig: fixed(d)? }))?,
                8 => coding = Some(d.u8()?),
                9 => plain = Some(d.u64()?),
                10 => body = Some(d.bytes()?),
                11 => attestations = list(&mut d, 3, |d| Ok(Attestation { officer: OfficerId(fixed(d)?), n: d.u64()?, sig: fixed(d)? }))?,
                12 => salts = list(&mut d, 2, |d| Ok((d.u64()?, fixed(d)?)))?,
                13 => erased = list(&mut d, 2, |d| Ok((d.u64()?, fixed(d)?)))?,
                _ => {
                    raw_item(&mut d)?;
                }
            }
        }
        let missing = WireError::Malformed("a segment that lacks a part");
        let (first, count) = (first.ok_or(missing.clone())?, count.ok_or(missing.clone())?);
        bounded("the changes of a segment", count.into(), SEGMENT_CHANGES_MAX.into())?;
        if d.position() != bytes.len() || first == 0 || count == 0 || first > u64::MAX - u64::from(SEGMENT_CHANGES_MAX) {
            return Err(WireError::Malformed("a segment of an impossible extent"));
        }
        if !runs.windows(2).all(|w| w[0].first < w[1].first) {
            return Err(WireError::Malformed("runs out of order"));
        }
        let stream = StreamId {
            compartment: compartment.ok_or(missing.clone())?,
            device: device.ok_or(missing.clone())?,
            incarnation: incarnation.ok_or(missing.clone())?,
        };
        Ok(Self {
            outline: Outline { stream, first, count },
            runs,
            heads,
            attestations,
            salts,
            erased,
            coding: coding.ok_or(missing.clone())?,
            plain: plain.ok_or(missing.clone())?,
            body: body.ok_or(missing)?,
        })
    }

    fn erased(&self, n: u64) -> Option<[u8; 32]> {
        self.erased.iter().find(|e| e.0 == n).map(|e| e.1)
    }

    fn salt(&self, n: u64) -> Result<[u8; 32], WireError> {
        match (self.salts.iter().find(|s| s.0 == n), run_of(&self.runs, n)) {
            (Some((_, salt)), _) => Ok(*salt),
            (None, Some(run)) => Ok(salt(&run.seed, n - run.first)),
            (None, None) => Err(WireError::Malformed("a change without a salt")),
        }
    }
}

fn list<'b, T>(d: &mut Decoder<'b>, width: u64, f: impl Fn(&mut Decoder<'b>) -> Result<T, WireError>) -> Result<Vec<T>, WireError> {
    let n = definite(d.array()?)?;
    bounded("a list in a segment", n, SEGMENT_LIST_MAX)?;
    let mut out = Vec::with_capacity(room(n, d));
    for _ in 0..n {
        if d.array()? != Some(width) {
            return Err(WireError::Malformed("an entry of another length"));
        }
        out.push(f(d)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use daftar_core::change::{Header, Op, Payload};
    use daftar_core::ids::RecordId;
    use daftar_core::record::Kind;
    use daftar_core::time::{ClockReading, Stamp};

    use super::*;

    fn entry(n: u8, salt: [u8; 32]) -> Entry {
        let header = Header {
            device: DeviceId([1; 16]),
            record: RecordId([n; 16]),
            kind: Kind::Inspection,
            author: OfficerId([2; 16]),
            op: Op::Create,
            stamp: Stamp { ms: 1_790_000_000_000, count: n.into() },
            clock: ClockReading::default(),
            parents: Vec::new(),
        };
        Entry::write(&header, &Payload::default(), salt).expect("a small change")
    }

    #[test]
    fn a_salt_travels_by_itself_where_its_runs_seed_was_taken_away() {
        // The second run began at 3; its seed is gone since an erasure, and the first run's would give other salts.
        let (first, gone) = ([7; 32], [8; 32]);
        let mut entries: Vec<Entry> = (0..2).map(|n| entry(n, salt(&first, n.into()))).collect();
        entries.push(entry(2, salt(&gone, 0)));
        let mut erased = entry(3, salt(&gone, 1));
        let (was, k) = (erased.clone(), [9; 32]);
        erased.body = Body::Erased { k };
        assert_ne!(was, erased);
        entries.push(erased);
        let stream = StreamId { compartment: Compartment::reference(), device: DeviceId([1; 16]), incarnation: Incarnation([3; 16]) };
        let segment =
            Segment { stream, first: 1, entries, runs: vec![Run { first: 1, seed: first }], heads: Vec::new(), attestations: Vec::new() };
        let bytes = segment.write().expect("it is written");
        assert_eq!(Segment::read(&bytes), Ok(segment));
    }
}
