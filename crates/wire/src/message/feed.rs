//! A compartment's feed: its chain, and its entries, which are segments and verdicts. Never decides what counts.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, Epoch, Head};
use minicbor::decode::Decoder;

use super::get_compartment;
use crate::cbor::{definite, encode, fixed, raw_item};
use crate::change::sha256;
use crate::limits::VERDICT_NAMES_MAX;
use crate::sign::{Sig, SigningKey, VerifyingKey, sign, verify};
use crate::stream::StreamId;
use crate::{WireError, bounded};

/// The feed's chain before its first entry.
pub fn feed_start(compartment: &Compartment, epoch: &Epoch) -> Head {
    Head(sha256(&[b"daftar feed 1", compartment.as_str().as_bytes(), &epoch.0]))
}

/// The feed's chain after a segment that ends a stream's chain at `head`.
pub fn feed_next(before: Head, stream: &StreamId, first: u64, count: u32, head: &Head) -> Head {
    let entry = encode(|e| {
        e.array(6)?.u8(1)?.bytes(&stream.device.0)?.bytes(&stream.incarnation.0)?;
        e.u64(first)?.u32(count)?.bytes(&head.0)?.ok()
    });
    Head(sha256(&[&before.0, &sha256(&[&entry])]))
}

/// An entry of a feed that is a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedItem {
    /// The compartment.
    pub compartment: Compartment,
    /// Who applies this has all numbers from here to `n`: what lies between was the device's own.
    pub from: u64,
    /// Its number in the feed.
    pub n: u64,
    /// Eight bytes of the feed's chain after it.
    pub chain: [u8; 8],
    /// The segment's bytes.
    pub segment: Vec<u8>,
}

impl FeedItem {
    pub(super) fn write(&self) -> Vec<u8> {
        encode(|e| {
            e.map(5)?.u8(1)?.str(self.compartment.as_str())?.u8(2)?.u64(self.from)?.u8(3)?.u64(self.n)?;
            e.u8(4)?.bytes(&self.chain)?.u8(5)?.bytes(&self.segment)?.ok()
        })
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let place = Place::read(bytes)?;
        let segment = place.rest.ok_or(WireError::Malformed("an item without a segment"))?;
        let segment = Decoder::new(segment).bytes()?.to_vec();
        Ok(Self { compartment: place.compartment, from: place.from, n: place.n, chain: place.chain, segment })
    }
}

/// What items and verdicts have in common: keys 1 to 4; and the item under key 5.
struct Place<'a> {
    compartment: Compartment,
    from: u64,
    n: u64,
    chain: [u8; 8],
    rest: Option<&'a [u8]>,
    sig: Option<Sig>,
}

impl<'a> Place<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut d = Decoder::new(bytes);
        let (mut compartment, mut from, mut n, mut chain, mut rest, mut sig) = (None, None, None, None, None, None);
        for _ in 0..definite(d.map()?)? {
            match d.u32()? {
                1 => compartment = Some(get_compartment(&mut d)?),
                2 => from = Some(d.u64()?),
                3 => n = Some(d.u64()?),
                4 => chain = Some(fixed(&mut d)?),
                5 => rest = Some(raw_item(&mut d)?),
                6 => sig = Some(fixed(&mut d)?),
                _ => {
                    raw_item(&mut d)?;
                }
            }
        }
        let missing = WireError::Malformed("an entry of a feed that lacks a part");
        let (from, n) = (from.ok_or(missing.clone())?, n.ok_or(missing.clone())?);
        if from == 0 || from > n {
            return Err(WireError::Malformed("an entry of a feed with an impossible number"));
        }
        Ok(Self { compartment: compartment.ok_or(missing.clone())?, from, n, chain: chain.ok_or(missing)?, rest, sig })
    }
}

/// Whether a change counts; decided once, by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Accepted,
    /// Kept, shown in the history, and not counted until a person decides.
    Review,
    /// Cannot be decoded; kept and receipted, and passed over.
    Quarantined,
    /// Its payload and salt are to be dropped, by order. Whether it counts stays as it was ruled; it sets nothing any more.
    Erased,
}

impl Verdict {
    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Self::Accepted => 0,
            Self::Review => 1,
            Self::Quarantined => 2,
            Self::Erased => 3,
        }
    }

    /// The verdict with this number, if this version knows it.
    pub fn from_number(n: u32) -> Option<Self> {
        [Self::Accepted, Self::Review, Self::Quarantined, Self::Erased].into_iter().find(|v| v.number() == n)
    }
}

/// A verdict on one change, with its reason as a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// The change.
    pub change: ChangeName,
    /// What was decided.
    pub verdict: Verdict,
    /// Why: `no_grant`, `author_not_enrolled`, `undecodable`, …
    pub reason: String,
}

/// An entry of a feed that judges changes otherwise than *accepted*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedVerdict {
    /// The compartment.
    pub compartment: Compartment,
    /// As in an item.
    pub from: u64,
    /// Its number in the feed.
    pub n: u64,
    /// Eight bytes of the feed's chain after it.
    pub chain: [u8; 8],
    /// The changes and what was decided.
    pub rulings: Vec<Ruling>,
    /// By the server's key.
    pub sig: Sig,
}

impl FeedVerdict {
    /// Bytes of the rulings, as they are signed, chained and kept.
    pub fn write_rulings(rulings: &[Ruling]) -> Vec<u8> {
        encode(|e| {
            e.array(rulings.len() as u64)?;
            for r in rulings {
                e.array(3)?.bytes(&r.change.0)?.u32(r.verdict.number())?.str(&r.reason)?;
            }
            e.ok()
        })
    }

    /// Reads rulings.
    pub fn read_rulings(bytes: &[u8]) -> Result<Vec<Ruling>, WireError> {
        let mut d = Decoder::new(bytes);
        let n = definite(d.array()?)?;
        bounded("the changes of a verdict", n, VERDICT_NAMES_MAX)?;
        (0..n)
            .map(|_| {
                if d.array()? != Some(3) {
                    return Err(WireError::Malformed("a ruling of another length"));
                }
                let change = ChangeName(fixed(&mut d)?);
                let verdict = Verdict::from_number(d.u32()?).ok_or(WireError::Malformed("an unknown verdict"))?;
                Ok(Ruling { change, verdict, reason: d.str()?.to_owned() })
            })
            .collect()
    }

    fn signed_bytes(compartment: &Compartment, epoch: &Epoch, n: u64, rulings: &[u8]) -> Vec<u8> {
        let mut bytes = b"daftar verdict 1".to_vec();
        bytes.extend(encode(|e| e.str(compartment.as_str())?.bytes(&epoch.0)?.u64(n)?.bytes(rulings)?.ok()));
        bytes
    }

    /// Signs rulings as entry `n` of a feed.
    pub fn sign_rulings(key: &SigningKey, compartment: &Compartment, epoch: &Epoch, n: u64, rulings: &[Ruling]) -> Sig {
        sign(key, &Self::signed_bytes(compartment, epoch, n, &Self::write_rulings(rulings)))
    }

    /// Checks the server's signature.
    pub fn verify(&self, key: &VerifyingKey, epoch: &Epoch) -> Result<(), WireError> {
        let bytes = Self::signed_bytes(&self.compartment, epoch, self.n, &Self::write_rulings(&self.rulings));
        verify(key, &bytes, &self.sig, "a verdict")
    }

    /// The feed's chain after this entry.
    pub fn chain_after(before: Head, rulings: &[Ruling]) -> Head {
        let entry = encode(|e| e.array(2)?.u8(2)?.bytes(&Self::write_rulings(rulings))?.ok());
        Head(sha256(&[&before.0, &sha256(&[&entry])]))
    }

    pub(super) fn write(&self) -> Vec<u8> {
        encode(|e| {
            e.map(6)?.u8(1)?.str(self.compartment.as_str())?.u8(2)?.u64(self.from)?.u8(3)?.u64(self.n)?;
            e.u8(4)?.bytes(&self.chain)?.u8(5)?;
            e.writer_mut().extend(Self::write_rulings(&self.rulings));
            e.u8(6)?.bytes(&self.sig)?.ok()
        })
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let place = Place::read(bytes)?;
        let missing = WireError::Malformed("a verdict that lacks a part");
        Ok(Self {
            compartment: place.compartment,
            from: place.from,
            n: place.n,
            chain: place.chain,
            rulings: Self::read_rulings(place.rest.ok_or(missing.clone())?)?,
            sig: place.sig.ok_or(missing)?,
        })
    }
}
