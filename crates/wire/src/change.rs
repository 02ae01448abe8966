//! How a change is written as bytes, hashed and named. Never decides whether it counts.

use daftar_core::change::{CHANGE_BYTES_MAX, Change, Header, Op, PARENTS_MAX, Payload};
use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, DeviceId, OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_core::time::{ClockQuality, ClockReading, Stamp};
use hmac::{Hmac, KeyInit, Mac};
use minicbor::decode::Decoder;
use sha2::{Digest as _, Sha256};

use crate::cbor::{Enc, Put, check_set, definite, encode, fixed, get_set, order, put_set};
use crate::view::PayloadView;
use crate::{WireError, bounded};

/// The random secret of a run, from which each change's salt is derived.
pub type Seed = [u8; 32];

/// A change as the log holds it: the bytes that were hashed, for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Deterministic CBOR of the header.
    pub header: Vec<u8>,
    /// The payload, or what is left of it.
    pub body: Body,
}

/// A change's payload, or what erasure leaves of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Deterministic CBOR of the payload, and its salt.
    Whole {
        /// The bytes.
        payload: Vec<u8>,
        /// `HMAC-SHA-256(seed, place in the run)`.
        salt: [u8; 32],
    },
    /// Erased by order: only the salted hash is left.
    Erased {
        /// `SHA-256(salt ‖ payload)`.
        k: [u8; 32],
    },
}

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut h = Sha256::new();
    for p in parts {
        h.update(p);
    }
    h.finalize().into()
}

/// The salt of the change at `place` (0, 1, 2 …) in the run that `seed` began.
pub fn salt(seed: &Seed, place: u64) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(seed).expect("HMAC takes a key of any length");
    mac.update(&place.to_be_bytes());
    mac.finalize().into_bytes().into()
}

impl Entry {
    /// Writes a change. The bytes are fixed from here on.
    pub fn write(header: &Header, payload: &Payload, salt: [u8; 32]) -> Result<Self, WireError> {
        bounded("a change's parents", header.parents.len() as u64, PARENTS_MAX as u64)?;
        let entry = Self { header: write_header(header), body: Body::Whole { payload: write_payload(payload), salt } };
        bounded("a change's bytes", entry.len() as u64, CHANGE_BYTES_MAX as u64)?;
        Ok(entry)
    }

    /// Bytes of header and payload.
    pub fn len(&self) -> usize {
        self.header.len() + self.payload().map_or(0, <[u8]>::len)
    }

    /// Never: a header has bytes. Here because `len` is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The payload's bytes, unless it is erased.
    pub fn payload(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Whole { payload, .. } => Some(payload),
            Body::Erased { .. } => None,
        }
    }

    /// What stands for payload and salt in the name, and stays when they are erased.
    pub fn k(&self) -> [u8; 32] {
        match &self.body {
            Body::Whole { payload, salt } => sha256(&[salt, payload]),
            Body::Erased { k } => *k,
        }
    }

    /// Drops payload and salt; the name stays.
    pub fn erase(&mut self) {
        self.body = Body::Erased { k: self.k() };
    }

    /// The change's name in this compartment.
    pub fn name(&self, compartment: &Compartment) -> ChangeName {
        let k = self.k();
        ChangeName(sha256(&[b"daftar change 1", compartment.as_str().as_bytes(), &sha256(&[&self.header]), &k]))
    }

    /// The name and the header, of a change whose payload can be read too: what is asked of many that are only passed on.
    pub fn skim(&self, compartment: &Compartment) -> Result<(ChangeName, Header), WireError> {
        bounded("a change's bytes", self.len() as u64, CHANGE_BYTES_MAX as u64)?;
        let header = read_header(&self.header)?;
        self.payload().map_or(Ok(()), |bytes| check_payload(header.kind, bytes))?;
        Ok((self.name(compartment), header))
    }

    /// What the bytes say. An erased payload sets nothing.
    pub fn read(&self, compartment: &Compartment) -> Result<Change, WireError> {
        bounded("a change's bytes", self.len() as u64, CHANGE_BYTES_MAX as u64)?;
        let header = read_header(&self.header)?;
        let payload = match self.payload() {
            Some(bytes) => read_payload(header.kind, bytes)?,
            None => Payload::default(),
        };
        Ok(Change { name: self.name(compartment), header, payload })
    }
}

/// Deterministic CBOR of a header.
pub fn write_header(h: &Header) -> Vec<u8> {
    encode(|e| put_header(e, h))
}

pub(crate) fn put_header(e: &mut Enc<'_>, h: &Header) -> Put {
    e.map(8)?;
    e.u8(1)?.bytes(&h.device.0)?;
    e.u8(2)?.bytes(&h.record.0)?;
    e.u8(3)?.u32(h.kind.number())?;
    e.u8(4)?.bytes(&h.author.0)?;
    e.u8(5)?.u32(h.op.number())?;
    e.u8(6)?.array(2)?.u64(h.stamp.ms)?.u32(h.stamp.count)?;
    e.u8(7)?.array(2)?.i64(h.clock.offset_ms)?.u32(h.clock.quality.number())?;
    e.u8(8)?.array(h.parents.len() as u64)?;
    h.parents.iter().try_for_each(|p| e.bytes(&p.0)?.ok())
}

/// Reads a header; keys that this version does not know are passed over (their bytes stay in the log).
pub fn read_header(bytes: &[u8]) -> Result<Header, WireError> {
    let mut d = Decoder::new(bytes);
    let (mut device, mut record, mut kind, mut author, mut op) = (None, None, None, None, None);
    let (mut stamp, mut clock, mut parents) = (None, None, None);
    for _ in 0..definite(d.map()?)? {
        match d.u32()? {
            1 => device = Some(DeviceId(fixed(&mut d)?)),
            2 => record = Some(RecordId(fixed(&mut d)?)),
            3 => kind = Some(Kind::from_number(d.u32()?)),
            4 => author = Some(OfficerId(fixed(&mut d)?)),
            5 => op = Some(Op::from_number(d.u32()?).ok_or(WireError::Malformed("an act of an unknown kind"))?),
            6 => stamp = Some(pair(&mut d, |d| Ok(Stamp { ms: d.u64()?, count: d.u32()? }))?),
            7 => {
                clock = Some(pair(&mut d, |d| {
                    Ok(ClockReading { offset_ms: d.i64()?, quality: ClockQuality::from_number(d.u32()?).unwrap_or_default() })
                })?);
            }
            8 => parents = Some(read_parents(&mut d)?),
            _ => {
                crate::cbor::raw_item(&mut d)?;
            }
        }
    }
    let missing = WireError::Malformed("a header that lacks a part");
    if d.position() != bytes.len() {
        return Err(WireError::Malformed("bytes behind a header"));
    }
    Ok(Header {
        device: device.ok_or(missing.clone())?,
        record: record.ok_or(missing.clone())?,
        kind: kind.ok_or(missing.clone())?,
        author: author.ok_or(missing.clone())?,
        op: op.ok_or(missing.clone())?,
        stamp: stamp.ok_or(missing.clone())?,
        clock: clock.ok_or(missing.clone())?,
        parents: parents.ok_or(missing)?,
    })
}

fn pair<T>(d: &mut Decoder<'_>, f: impl FnOnce(&mut Decoder<'_>) -> Result<T, WireError>) -> Result<T, WireError> {
    if d.array()? != Some(2) {
        return Err(WireError::Malformed("not a pair"));
    }
    f(d)
}

fn read_parents(d: &mut Decoder<'_>) -> Result<Vec<ChangeName>, WireError> {
    let n = definite(d.array()?)?;
    bounded("a change's parents", n, PARENTS_MAX as u64)?;
    (0..n).map(|_| Ok(ChangeName(fixed(d)?))).collect()
}

/// Deterministic CBOR of a payload.
pub fn write_payload(p: &Payload) -> Vec<u8> {
    let mut set: Vec<_> = p.set.iter().map(|(path, value)| (path.into(), value.into())).collect();
    order(&mut set).expect("a map has no key twice");
    encode(|e| put_payload(e, &PayloadView { set, reason: p.reason.as_deref() }))
}

/// The same of one that is in order already.
pub(crate) fn put_payload(e: &mut Enc<'_>, p: &PayloadView<'_>) -> Put {
    e.map(1 + u64::from(p.reason.is_some()))?;
    e.u8(1)?;
    put_set(e, &p.set)?;
    if let Some(reason) = p.reason {
        e.u8(2)?.str(reason)?;
    }
    e.ok()
}

/// Reads a payload of a record of this kind.
pub fn read_payload(kind: Kind, bytes: &[u8]) -> Result<Payload, WireError> {
    let PayloadView { set, reason } = view_payload(kind, bytes)?;
    Ok(Payload { set: set.into_iter().map(|(path, value)| (path.into(), value.into())).collect(), reason: reason.map(str::to_owned) })
}

/// The same without holding what it says.
pub(crate) fn view_payload(kind: Kind, bytes: &[u8]) -> Result<PayloadView<'_>, WireError> {
    let mut payload = PayloadView::default();
    walk_payload(bytes, |d| get_set(d, kind).map(|set| payload.set = set), |reason| payload.reason = Some(reason))?;
    Ok(payload)
}

/// Whether a payload can be read.
fn check_payload(kind: Kind, bytes: &[u8]) -> Result<(), WireError> {
    walk_payload(bytes, |d| check_set(d, kind), |_| ())
}

fn walk_payload<'b>(
    bytes: &'b [u8],
    mut set: impl FnMut(&mut Decoder<'b>) -> Result<(), WireError>,
    mut reason: impl FnMut(&'b str),
) -> Result<(), WireError> {
    let mut d = Decoder::new(bytes);
    for _ in 0..definite(d.map()?)? {
        match d.u32()? {
            1 => set(&mut d)?,
            2 => reason(d.str()?),
            _ => {
                crate::cbor::raw_item(&mut d)?;
            }
        }
    }
    if d.position() == bytes.len() { Ok(()) } else { Err(WireError::Malformed("bytes behind a payload")) }
}
