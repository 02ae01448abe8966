//! The device's first word: who is unlocked and where it stands.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{Digest, Epoch, OfficerId};
use minicbor::decode::Decoder;

use crate::cbor::{Enc, Put, definite, encode, fixed, raw_item, room};
use crate::change::sha256;
use crate::limits::{BEGUN_MAX, COMPARTMENTS_MAX, CURSOR_RANGES_MAX, HELLO_OFFICERS_MAX};
use crate::{WireError, bounded};

/// The protocol's version.
pub const VERSION: u32 = 1;

/// Sixteen bytes that stand for a whole list of cursors; zeros stand for an empty one.
pub type Root = [u8; 16];

/// How far a device has one compartment's feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The compartment.
    pub compartment: Compartment,
    /// Which life of the server's feed.
    pub epoch: Epoch,
    /// Closed ranges of feed numbers, ascending.
    pub ranges: Vec<(u64, u64)>,
    /// Eight bytes of the feed's chain after the greatest number.
    pub chain: [u8; 8],
    /// The compartment's digest at that place.
    pub digest: Digest,
}

impl Cursor {
    pub(crate) fn put(&self, e: &mut Enc<'_>) -> Put {
        e.array(5)?.str(self.compartment.as_str())?.bytes(&self.epoch.0)?.array(self.ranges.len() as u64)?;
        for (from, to) in &self.ranges {
            e.array(2)?.u64(*from)?.u64(*to)?;
        }
        e.bytes(&self.chain)?.bytes(&self.digest.0)?.ok()
    }

    /// `None`: of a compartment that only a later version knows.
    fn get(d: &mut Decoder<'_>) -> Result<Option<Self>, WireError> {
        if d.array()? != Some(5) {
            return Err(WireError::Malformed("a cursor of another length"));
        }
        let compartment = d.str()?.parse();
        let epoch = Epoch(fixed(d)?);
        let n = definite(d.array()?)?;
        bounded("the ranges of a cursor", n, CURSOR_RANGES_MAX)?;
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for _ in 0..n {
            let pair = (d.array()? == Some(2)).then(|| Ok::<_, WireError>((d.u64()?, d.u64()?))).transpose()?;
            let (from, to) = pair.ok_or(WireError::Malformed("a range that is not a pair"))?;
            if from == 0 || from > to || ranges.last().is_some_and(|l| l.1 >= from) {
                return Err(WireError::Malformed("ranges out of order"));
            }
            ranges.push((from, to));
        }
        let (chain, digest) = (fixed(d)?, Digest(fixed(d)?));
        Ok(compartment.ok().map(|compartment| Self { compartment, epoch, ranges, chain, digest }))
    }
}

/// Writes a list of cursors, sorted by compartment; both ends keep it in this form.
pub fn write_cursors(cursors: &[Cursor]) -> Vec<u8> {
    encode(|e| put_cursors(e, cursors))
}

fn put_cursors(e: &mut Enc<'_>, cursors: &[Cursor]) -> Put {
    let mut sorted: Vec<&Cursor> = cursors.iter().collect();
    sorted.sort_by(|a, b| a.compartment.cmp(&b.compartment));
    e.array(sorted.len() as u64)?;
    sorted.iter().try_for_each(|c| c.put(e))
}

pub(crate) fn get_cursors(d: &mut Decoder<'_>) -> Result<Vec<Cursor>, WireError> {
    let n = definite(d.array()?)?;
    bounded("the compartments of a message", n, COMPARTMENTS_MAX)?;
    let mut out = Vec::with_capacity(room(n, d));
    for _ in 0..n {
        out.extend(Cursor::get(d)?);
    }
    Ok(out)
}

/// Reads a list of cursors.
pub fn read_cursors(bytes: &[u8]) -> Result<Vec<Cursor>, WireError> {
    get_cursors(&mut Decoder::new(bytes))
}

/// The root of a list of cursors.
pub fn root(cursors: &[Cursor]) -> Root {
    if cursors.is_empty() {
        return [0; 16];
    }
    let hash = sha256(&[b"daftar root 1", &write_cursors(cursors)]);
    hash[..16].try_into().expect("a SHA-256 has 32 bytes")
}

/// A place in a device's lineage: drawn at random before each exchange that brings something.
pub type Token = [u8; 8];

/// How a device shows that it goes on from where it was last answered, and was neither cloned nor put back since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lineage {
    /// The token that was last answered; `None` before the first.
    pub previous: Option<Token>,
    /// The token that this exchange moves it to. Sent again until it is answered.
    pub next: Token,
}

/// The beginning of a message that was cut: its kind and what came behind it. A server that would say the same again says the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// Bytes that are there.
    pub bytes: u64,
    /// The first 16 bytes of their SHA-256.
    pub sha256: [u8; 16],
}

impl Begun {
    /// What is said of these bytes.
    pub fn of(begun: &[u8]) -> Self {
        let hash = sha256(&[begun]);
        Self { bytes: begun.len() as u64, sha256: hash[..16].try_into().expect("a SHA-256 has 32 bytes") }
    }
}

/// The device's first word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The root of the list of cursors that the last completed exchange left.
    pub root: Root,
    /// The officers who are unlocked; what they may read is sent.
    pub officers: Vec<OfficerId>,
    /// The cursors that differ from that list; all of them when the root is zero.
    pub cursors: Vec<Cursor>,
    /// At most so many bytes are wanted in answer.
    pub budget: Option<u64>,
    /// Where it stands in its lineage, when it brings something.
    pub lineage: Option<Lineage>,
    /// What it has of messages of earlier answers that were cut; at most `BEGUN_MAX`.
    pub begun: Vec<Begun>,
}

impl Hello {
    pub(crate) fn write(&self) -> Vec<u8> {
        encode(|e| {
            let optional = [!self.cursors.is_empty(), self.budget.is_some(), self.lineage.is_some(), !self.begun.is_empty()];
            e.map(3 + optional.into_iter().filter(|b| *b).count() as u64)?;
            e.u8(1)?.u32(VERSION)?;
            e.u8(2)?.bytes(&self.root)?;
            e.u8(3)?.array(self.officers.len() as u64)?;
            for o in &self.officers {
                e.bytes(&o.0)?;
            }
            if !self.cursors.is_empty() {
                e.u8(4)?;
                put_cursors(e, &self.cursors)?;
            }
            if let Some(budget) = self.budget {
                e.u8(5)?.u64(budget)?;
            }
            if let Some(Lineage { previous, next }) = &self.lineage {
                e.u8(6)?.array(1 + u64::from(previous.is_some()))?.bytes(next)?;
                if let Some(previous) = previous {
                    e.bytes(previous)?;
                }
            }
            if !self.begun.is_empty() {
                e.u8(7)?.array(self.begun.len() as u64)?;
                for begun in &self.begun {
                    e.array(2)?.u64(begun.bytes)?.bytes(&begun.sha256)?;
                }
            }
            e.ok()
        })
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut d = Decoder::new(bytes);
        let (mut root, mut officers, mut cursors, mut budget, mut lineage, mut begun) =
            (None, Vec::new(), Vec::new(), None, None, Vec::new());
        for _ in 0..definite(d.map()?)? {
            match d.u32()? {
                1 => {
                    if d.u32()? == 0 {
                        return Err(WireError::Malformed("a protocol of version 0"));
                    }
                }
                2 => root = Some(fixed(&mut d)?),
                3 => {
                    let n = definite(d.array()?)?;
                    bounded("the officers of a hello", n, HELLO_OFFICERS_MAX)?;
                    for _ in 0..n {
                        officers.push(OfficerId(fixed(&mut d)?));
                    }
                }
                4 => cursors = get_cursors(&mut d)?,
                5 => budget = Some(d.u64()?),
                6 => {
                    let n = definite(d.array()?)?;
                    if !(1..=2).contains(&n) {
                        return Err(WireError::Malformed("a lineage of another length"));
                    }
                    let next = fixed(&mut d)?;
                    let previous = if n == 2 { Some(fixed(&mut d)?) } else { None };
                    lineage = Some(Lineage { previous, next });
                }
                7 => {
                    let n = definite(d.array()?)?;
                    bounded("the cut messages of a hello", n, BEGUN_MAX as u64)?;
                    for _ in 0..n {
                        if d.array()? != Some(2) {
                            return Err(WireError::Malformed("a cut message that is not a pair"));
                        }
                        begun.push(Begun { bytes: d.u64()?, sha256: fixed(&mut d)? });
                    }
                }
                _ => {
                    raw_item(&mut d)?;
                }
            }
        }
        let root = root.ok_or(WireError::Malformed("a hello without a root"))?;
        Ok(Self { root, officers, cursors, budget, lineage, begun })
    }
}
