//! The server's words: receipts, the feed, verdicts, notices and the end.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, DeviceId, Epoch, Head, Incarnation};
use minicbor::decode::Decoder;

use super::frame::frame;
use super::hello::{Cursor, get_cursors};
use crate::cbor::{Enc, Put, definite, encode, fixed, raw_item, room};
use crate::change::sha256;
use crate::limits::{RECEIPT_STREAMS_MAX, VERDICT_NAMES_MAX};
use crate::sign::{Sig, SigningKey, VerifyingKey, sign, verify};
use crate::stream::StreamId;
use crate::{WireError, bounded};

const RECEIPT: u8 = 4;
const ITEM: u8 = 5;
const VERDICT: u8 = 6;
const NOTICE: u8 = 7;
const END: u8 = 8;

/// What the server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The server's signed word that it holds streams up to a point. Nothing else clears a device's queue.
    Receipt(Receipt),
    /// An entry of a feed that is a segment.
    Item(FeedItem),
    /// An entry of a feed that is a verdict.
    Verdict(FeedVerdict),
    /// Something that the device should know.
    Notice(Notice),
    /// All has been said.
    End(End),
}

impl Answer {
    /// The message as one frame.
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Receipt(r) => frame(RECEIPT, &r.write()),
            Self::Item(i) => frame(ITEM, &i.write()),
            Self::Verdict(v) => frame(VERDICT, &v.write()),
            Self::Notice(n) => frame(NOTICE, &n.write()),
            Self::End(e) => frame(END, &e.write()),
        }
    }

    /// Reads what stood in a frame. `None`: a message that this version does not know, to be passed over.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let (kind, body) = bytes.split_first().ok_or(WireError::Malformed("an empty frame"))?;
        Ok(match *kind {
            RECEIPT => Some(Self::Receipt(Receipt::read(body)?)),
            ITEM => Some(Self::Item(FeedItem::read(body)?)),
            VERDICT => Some(Self::Verdict(FeedVerdict::read(body)?)),
            NOTICE => Notice::read(body)?.map(Self::Notice),
            END => Some(Self::End(End::read(body)?)),
            _ => None,
        })
    }
}

/// A stream in a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipted {
    /// The stream.
    pub stream: StreamId,
    /// Held up to here.
    pub up_to: u64,
    /// The chain's place there.
    pub head: Head,
    /// In a backup up to here.
    pub backed_up: u64,
}

/// One signature over a list of streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which life of the server.
    pub epoch: Epoch,
    /// The server's time, in milliseconds of UTC.
    pub time_ms: u64,
    /// What it holds.
    pub streams: Vec<Receipted>,
    /// By the server's key.
    pub sig: Sig,
}

impl Receipt {
    /// Signs a receipt.
    pub fn sign(key: &SigningKey, epoch: Epoch, time_ms: u64, streams: Vec<Receipted>) -> Self {
        let mut receipt = Self { epoch, time_ms, streams, sig: [0; 64] };
        receipt.sig = sign(key, &receipt.signed_bytes());
        receipt
    }

    /// Checks the server's signature.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), WireError> {
        verify(key, &self.signed_bytes(), &self.sig, "a receipt")
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = b"daftar receipt 1".to_vec();
        bytes.extend(encode(|e| {
            e.array(3)?.bytes(&self.epoch.0)?.u64(self.time_ms)?;
            self.put_streams(e)
        }));
        bytes
    }

    fn put_streams(&self, e: &mut Enc<'_>) -> Put {
        e.array(self.streams.len() as u64)?;
        for r in &self.streams {
            e.array(6)?.str(r.stream.compartment.as_str())?.bytes(&r.stream.device.0)?.bytes(&r.stream.incarnation.0)?;
            e.u64(r.up_to)?.bytes(&r.head.0)?.u64(r.backed_up)?;
        }
        e.ok()
    }

    /// The receipt's bytes, as they travel and as a device keeps them.
    pub fn write(&self) -> Vec<u8> {
        encode(|e| {
            e.map(4)?.u8(1)?.bytes(&self.epoch.0)?.u8(2)?.u64(self.time_ms)?.u8(3)?;
            self.put_streams(e)?;
            e.u8(4)?.bytes(&self.sig)?.ok()
        })
    }

    /// Reads a receipt; the signature is not looked at.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut d = Decoder::new(bytes);
        let (mut epoch, mut time_ms, mut streams, mut sig) = (None, None, Vec::new(), None);
        for _ in 0..definite(d.map()?)? {
            match d.u32()? {
                1 => epoch = Some(Epoch(fixed(&mut d)?)),
                2 => time_ms = Some(d.u64()?),
                3 => {
                    let n = definite(d.array()?)?;
                    bounded("the streams of a receipt", n, RECEIPT_STREAMS_MAX)?;
                    streams = Vec::with_capacity(room(n, &d));
                    for _ in 0..n {
                        if d.array()? != Some(6) {
                            return Err(WireError::Malformed("a receipt's entry of another length"));
                        }
                        let stream = get_stream(&mut d)?;
                        streams.push(Receipted { stream, up_to: d.u64()?, head: Head(fixed(&mut d)?), backed_up: d.u64()? });
                    }
                }
                4 => sig = Some(fixed(&mut d)?),
                _ => {
                    raw_item(&mut d)?;
                }
            }
        }
        let missing = WireError::Malformed("a receipt that lacks a part");
        Ok(Self { epoch: epoch.ok_or(missing.clone())?, time_ms: time_ms.ok_or(missing.clone())?, streams, sig: sig.ok_or(missing)? })
    }
}

fn get_compartment(d: &mut Decoder<'_>) -> Result<Compartment, WireError> {
    d.str()?.parse().map_err(|_| WireError::Malformed("no name of a compartment"))
}

fn get_stream(d: &mut Decoder<'_>) -> Result<StreamId, WireError> {
    Ok(StreamId { compartment: get_compartment(d)?, device: DeviceId(fixed(d)?), incarnation: Incarnation(fixed(d)?) })
}

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
    fn write(&self) -> Vec<u8> {
        encode(|e| {
            e.map(5)?.u8(1)?.str(self.compartment.as_str())?.u8(2)?.u64(self.from)?.u8(3)?.u64(self.n)?;
            e.u8(4)?.bytes(&self.chain)?.u8(5)?.bytes(&self.segment)?.ok()
        })
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
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
}

impl Verdict {
    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Self::Accepted => 0,
            Self::Review => 1,
            Self::Quarantined => 2,
        }
    }

    /// The verdict with this number, if this version knows it.
    pub fn from_number(n: u32) -> Option<Self> {
        [Self::Accepted, Self::Review, Self::Quarantined].into_iter().find(|v| v.number() == n)
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

    fn write(&self) -> Vec<u8> {
        encode(|e| {
            e.map(6)?.u8(1)?.str(self.compartment.as_str())?.u8(2)?.u64(self.from)?.u8(3)?.u64(self.n)?;
            e.u8(4)?.bytes(&self.chain)?.u8(5)?;
            e.writer_mut().extend(Self::write_rulings(&self.rulings));
            e.u8(6)?.bytes(&self.sig)?.ok()
        })
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
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

/// What somebody may do in a compartment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Access {
    /// May read.
    pub read: bool,
    /// May write.
    pub write: bool,
}

/// Something that the device should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The root in the hello is not known: say it again with all cursors.
    RootUnknown,
    /// The unlocked officer may use a compartment that the device did not name.
    Granted {
        /// The compartment.
        compartment: Compartment,
        /// What he may do.
        access: Access,
    },
    /// The next change of a stream that the server can take.
    Want {
        /// The stream.
        stream: StreamId,
        /// The number.
        from: u64,
    },
    /// A segment was not taken; the rest flows.
    Refused {
        /// The stream.
        stream: StreamId,
        /// The number of its first change.
        first: u64,
        /// Why: `bad_signature`, `fork`, `no_compartment`, …
        reason: String,
    },
}

impl Notice {
    fn write(&self) -> Vec<u8> {
        encode(|e| match self {
            Self::RootUnknown => e.array(1)?.u8(1)?.ok(),
            Self::Granted { compartment, access } => {
                e.array(4)?.u8(2)?.str(compartment.as_str())?.bool(access.read)?.bool(access.write)?.ok()
            }
            Self::Want { stream, from } => {
                e.array(5)?.u8(3)?.str(stream.compartment.as_str())?.bytes(&stream.device.0)?.bytes(&stream.incarnation.0)?.u64(*from)?.ok()
            }
            Self::Refused { stream, first, reason } => {
                e.array(6)?.u8(4)?.str(stream.compartment.as_str())?.bytes(&stream.device.0)?.bytes(&stream.incarnation.0)?;
                e.u64(*first)?.str(reason)?.ok()
            }
        })
    }

    fn read(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let mut d = Decoder::new(bytes);
        let len = definite(d.array()?)?;
        Ok(match (d.u8()?, len) {
            (1, 1) => Some(Self::RootUnknown),
            (2, 4) => Some(Self::Granted { compartment: get_compartment(&mut d)?, access: Access { read: d.bool()?, write: d.bool()? } }),
            (3, 5) => Some(Self::Want { stream: get_stream(&mut d)?, from: d.u64()? }),
            (4, 6) => Some(Self::Refused { stream: get_stream(&mut d)?, first: d.u64()?, reason: d.str()?.to_owned() }),
            _ => None,
        })
    }
}

/// The server's last word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The server's time, in milliseconds of UTC.
    pub time_ms: u64,
    /// Where the device stands after applying all this, in the compartments where that changed.
    pub cursors: Vec<Cursor>,
    /// There is more: ask again.
    pub more: bool,
}

impl End {
    fn write(&self) -> Vec<u8> {
        encode(|e| {
            e.map(1 + u64::from(!self.cursors.is_empty()) + u64::from(self.more))?.u8(1)?.u64(self.time_ms)?;
            if !self.cursors.is_empty() {
                e.u8(2)?.array(self.cursors.len() as u64)?;
                self.cursors.iter().try_for_each(|c| c.put(e))?;
            }
            if self.more {
                e.u8(3)?.bool(true)?;
            }
            e.ok()
        })
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut d = Decoder::new(bytes);
        let (mut time_ms, mut cursors, mut more) = (None, Vec::new(), false);
        for _ in 0..definite(d.map()?)? {
            match d.u32()? {
                1 => time_ms = Some(d.u64()?),
                2 => cursors = get_cursors(&mut d)?,
                3 => more = d.bool()?,
                _ => {
                    raw_item(&mut d)?;
                }
            }
        }
        Ok(Self { time_ms: time_ms.ok_or(WireError::Malformed("an end without a time"))?, cursors, more })
    }
}
