//! Receipts: the server's signed word that it holds streams up to a point. Never says what is in them.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{Epoch, Head};
use minicbor::decode::Decoder;

use super::{get_compartment, get_stream, put_stream};
use crate::cbor::{Enc, Put, definite, encode, fixed, raw_item, room};
use crate::limits::RECEIPT_STREAMS_MAX;
use crate::sign::{Sig, SigningKey, VerifyingKey, sign, verify};
use crate::stream::StreamId;
use crate::{WireError, bounded};

/// What a receipt is a list of.
pub trait Held: Sized {
    /// What the signed bytes begin with.
    const PURPOSE: &'static [u8];
    /// What a signature that does not hold was of.
    const RECEIPT: &'static str;
    /// The list, and how long it may be.
    const LIST: (&'static str, u64);
    /// Writes one.
    fn put(&self, e: &mut Enc<'_>) -> Put;
    /// Reads one.
    fn get(d: &mut Decoder<'_>) -> Result<Self, WireError>;
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

/// One signature over a list of what the server holds: streams, unless it is said of something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt<E = Receipted> {
    /// Which life of the server.
    pub epoch: Epoch,
    /// The server's time, in milliseconds of UTC.
    pub time_ms: u64,
    /// What it holds.
    pub held: Vec<E>,
    /// By the server's key.
    pub sig: Sig,
}

impl Held for Receipted {
    const PURPOSE: &'static [u8] = b"daftar receipt 1";
    const RECEIPT: &'static str = "a receipt";
    const LIST: (&'static str, u64) = ("the streams of a receipt", RECEIPT_STREAMS_MAX);

    fn put(&self, e: &mut Enc<'_>) -> Put {
        e.array(6)?;
        put_stream(e, &self.stream)?;
        e.u64(self.up_to)?.bytes(&self.head.0)?.u64(self.backed_up)?.ok()
    }

    fn get(d: &mut Decoder<'_>) -> Result<Self, WireError> {
        if d.array()? != Some(6) {
            return Err(WireError::Malformed("a receipt's entry of another length"));
        }
        Ok(Self { stream: get_stream(d)?, up_to: d.u64()?, head: Head(fixed(d)?), backed_up: d.u64()? })
    }
}

impl<E: Held> Receipt<E> {
    /// Signs a receipt.
    pub fn sign(key: &SigningKey, epoch: Epoch, time_ms: u64, held: Vec<E>) -> Self {
        let mut receipt = Self { epoch, time_ms, held, sig: [0; 64] };
        receipt.sig = sign(key, &receipt.signed_bytes());
        receipt
    }

    /// Checks the server's signature.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), WireError> {
        verify(key, &self.signed_bytes(), &self.sig, E::RECEIPT)
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = E::PURPOSE.to_vec();
        bytes.extend(encode(|e| {
            e.array(3)?.bytes(&self.epoch.0)?.u64(self.time_ms)?;
            self.put_list(e)
        }));
        bytes
    }

    fn put_list(&self, e: &mut Enc<'_>) -> Put {
        e.array(self.held.len() as u64)?;
        self.held.iter().try_for_each(|one| one.put(e))
    }

    /// The receipt's bytes, as they travel and as a device keeps them.
    pub fn write(&self) -> Vec<u8> {
        encode(|e| {
            e.map(4)?.u8(1)?.bytes(&self.epoch.0)?.u8(2)?.u64(self.time_ms)?.u8(3)?;
            self.put_list(e)?;
            e.u8(4)?.bytes(&self.sig)?.ok()
        })
    }

    /// Reads a receipt; the signature is not looked at.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut d = Decoder::new(bytes);
        let (mut epoch, mut time_ms, mut held, mut sig) = (None, None, Vec::new(), None);
        for _ in 0..definite(d.map()?)? {
            match d.u32()? {
                1 => epoch = Some(Epoch(fixed(&mut d)?)),
                2 => time_ms = Some(d.u64()?),
                3 => {
                    let n = definite(d.array()?)?;
                    bounded(E::LIST.0, n, E::LIST.1)?;
                    held = Vec::with_capacity(room(n, &d));
                    for _ in 0..n {
                        held.push(E::get(&mut d)?);
                    }
                }
                4 => sig = Some(fixed(&mut d)?),
                _ => {
                    raw_item(&mut d)?;
                }
            }
        }
        let missing = WireError::Malformed("a receipt that lacks a part");
        Ok(Self { epoch: epoch.ok_or(missing.clone())?, time_ms: time_ms.ok_or(missing.clone())?, held, sig: sig.ok_or(missing)? })
    }
}

/// A receipt for the asking device's own streams, without what it knows of them itself: its signature is over the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortReceipt {
    /// The server's time, in milliseconds of UTC.
    pub time_ms: u64,
    /// Compartment, held up to here, in a backup up to here.
    pub streams: Vec<(Compartment, u64, u64)>,
    /// By the server's key, over the whole receipt.
    pub sig: Sig,
}

impl ShortReceipt {
    /// Leaves out of a receipt what its reader knows.
    pub fn of(receipt: &Receipt) -> Self {
        let streams = receipt.held.iter().map(|r| (r.stream.compartment.clone(), r.up_to, r.backed_up)).collect();
        Self { time_ms: receipt.time_ms, streams, sig: receipt.sig }
    }

    /// The whole receipt, if `own` knows the stream that goes to a compartment and its chain's place at a number. That the signature
    /// holds for what was put in is for the reader to check.
    pub fn complete<E>(
        self,
        epoch: Epoch,
        mut own: impl FnMut(&Compartment, u64) -> Result<Option<(StreamId, Head)>, E>,
    ) -> Result<Option<Receipt>, E> {
        let mut held = Vec::with_capacity(self.streams.len());
        for (compartment, up_to, backed_up) in self.streams {
            let Some((stream, head)) = own(&compartment, up_to)? else { return Ok(None) };
            held.push(Receipted { stream, up_to, head, backed_up });
        }
        Ok(Some(Receipt { epoch, time_ms: self.time_ms, held, sig: self.sig }))
    }

    pub(super) fn write(&self) -> Vec<u8> {
        encode(|e| {
            e.array(3)?.u64(self.time_ms)?.array(self.streams.len() as u64)?;
            for (compartment, up_to, backed_up) in &self.streams {
                e.array(3)?.str(compartment.as_str())?.u64(*up_to)?.u64(*backed_up)?;
            }
            e.bytes(&self.sig)?.ok()
        })
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut d = Decoder::new(bytes);
        if d.array()? != Some(3) {
            return Err(WireError::Malformed("a short receipt of another length"));
        }
        let time_ms = d.u64()?;
        let n = definite(d.array()?)?;
        bounded("the streams of a receipt", n, RECEIPT_STREAMS_MAX)?;
        let mut streams = Vec::with_capacity(room(n, &d));
        for _ in 0..n {
            if d.array()? != Some(3) {
                return Err(WireError::Malformed("a short receipt's entry of another length"));
            }
            streams.push((get_compartment(&mut d)?, d.u64()?, d.u64()?));
        }
        Ok(Self { time_ms, streams, sig: fixed(&mut d)? })
    }
}

#[cfg(test)]
mod tests {
    use daftar_core::ids::{DeviceId, Incarnation};

    use super::*;

    #[test]
    fn a_short_receipt_is_the_whole_one_to_who_knows_the_stream_and_nothing_to_others() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let stream = StreamId { compartment: Compartment::reference(), device: DeviceId([2; 16]), incarnation: Incarnation([3; 16]) };
        let entry = Receipted { stream: stream.clone(), up_to: 7, head: Head([4; 32]), backed_up: 5 };
        let whole = Receipt::sign(&key, Epoch([5; 16]), 1_790_000_000_000, vec![entry]);
        let short = ShortReceipt::read(&ShortReceipt::of(&whole).write()).expect("it comes back");
        let with = |epoch: u8, head: u8| {
            let known = |c: &Compartment, n: u64| -> Result<_, ()> {
                Ok((c == &stream.compartment && n == 7).then(|| (stream.clone(), Head([head; 32]))))
            };
            short.clone().complete(Epoch([epoch; 16]), known)
        };
        assert_eq!(with(5, 4), Ok(Some(whole.clone())));
        let holds = |r: Result<Option<Receipt>, ()>| r.expect("known").expect("whole").verify(&key.verifying_key()).is_ok();
        assert!(holds(with(5, 4)));
        assert!(!holds(with(5, 9)), "another chain");
        assert!(!holds(with(6, 4)), "another life of the server");
        let nobody = |_: &Compartment, _: u64| -> Result<Option<(StreamId, Head)>, ()> { Ok(None) };
        assert_eq!(short.complete(Epoch([5; 16]), nobody), Ok(None));
    }
}
