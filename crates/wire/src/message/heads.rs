//! What somebody holds of a compartment, stream by stream: how two holders find what the other lacks. Never the changes.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, Head, Incarnation};
use minicbor::decode::Decoder;

use super::get_compartment;
use crate::cbor::{definite, encode, fixed, raw_item, room};
use crate::limits::HEADS_MAX;
use crate::{WireError, bounded};

/// A stream, or a branch of one that went two ways, and how far it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Branch {
    /// The device.
    pub device: DeviceId,
    /// The life of its database.
    pub incarnation: Incarnation,
    /// For a branch: the chain's place after the last change that it shares with the stream that it left.
    pub split: Option<Head>,
    /// The number of the last change.
    pub n: u64,
    /// The chain's place after it.
    pub head: Head,
}

/// All that a holder has of a compartment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heads {
    /// The compartment.
    pub compartment: Compartment,
    /// Its streams and branches.
    pub branches: Vec<Branch>,
}

impl Heads {
    pub(super) fn write(&self) -> Vec<u8> {
        encode(|e| {
            e.map(2)?.u8(1)?.str(self.compartment.as_str())?.u8(2)?.array(self.branches.len() as u64)?;
            for b in &self.branches {
                e.array(5)?.bytes(&b.device.0)?.bytes(&b.incarnation.0)?;
                match &b.split {
                    Some(split) => e.bytes(&split.0)?,
                    None => e.null()?,
                };
                e.u64(b.n)?.bytes(&b.head.0)?;
            }
            e.ok()
        })
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut d = Decoder::new(bytes);
        let (mut compartment, mut branches) = (None, Vec::new());
        for _ in 0..definite(d.map()?)? {
            match d.u32()? {
                1 => compartment = Some(get_compartment(&mut d)?),
                2 => {
                    let n = definite(d.array()?)?;
                    bounded("the streams of a comparison", n, HEADS_MAX)?;
                    branches = Vec::with_capacity(room(n, &d));
                    for _ in 0..n {
                        if d.array()? != Some(5) {
                            return Err(WireError::Malformed("a stream's head of another length"));
                        }
                        let (device, incarnation) = (DeviceId(fixed(&mut d)?), Incarnation(fixed(&mut d)?));
                        let is_stream = d.datatype()? == minicbor::data::Type::Null;
                        let split = if is_stream { d.null().map(|()| None)? } else { Some(Head(fixed(&mut d)?)) };
                        branches.push(Branch { device, incarnation, split, n: d.u64()?, head: Head(fixed(&mut d)?) });
                    }
                }
                _ => {
                    raw_item(&mut d)?;
                }
            }
        }
        Ok(Self { compartment: compartment.ok_or(WireError::Malformed("heads without a compartment"))?, branches })
    }
}
