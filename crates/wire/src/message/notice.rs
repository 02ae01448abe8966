//! Notices: what the server tells a device beside receipts and feeds. Never a reason to delete but a signed revocation.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{Epoch, OfficerId};
use minicbor::decode::Decoder;

use super::access::Revocation;
use super::{get_compartment, get_stream, put_stream};
use crate::WireError;
use crate::cbor::{definite, encode, fixed};
use crate::stream::StreamId;

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
        /// Why: `bad_signature`, `unknown_device`, `no_compartment`, …
        reason: String,
    },
    /// This device was cloned or put back: it begins new streams everywhere, and its record numbers another series.
    Anew {
        /// The digit of its record numbers from now on.
        digit: u32,
    },
    /// A stream went two ways; both are kept. Its device begins a new one in that compartment.
    Forked {
        /// The stream.
        stream: StreamId,
        /// The number of the first change that differs.
        at: u64,
    },
    /// An officer may use a compartment no more.
    Revoked(Revocation),
    /// The server has another life than the hello's cursors name: what it may lack is to be offered again.
    NewEpoch {
        /// The server's epoch.
        epoch: Epoch,
    },
}

impl Notice {
    pub(super) fn write(&self) -> Vec<u8> {
        encode(|e| match self {
            Self::RootUnknown => e.array(1)?.u8(1)?.ok(),
            Self::Granted { compartment, access } => {
                e.array(4)?.u8(2)?.str(compartment.as_str())?.bool(access.read)?.bool(access.write)?.ok()
            }
            Self::Want { stream, from } => {
                e.array(5)?.u8(3)?;
                put_stream(e, stream)?;
                e.u64(*from)?.ok()
            }
            Self::Refused { stream, first, reason } => {
                e.array(6)?.u8(4)?;
                put_stream(e, stream)?;
                e.u64(*first)?.str(reason)?.ok()
            }
            Self::Anew { digit } => e.array(2)?.u8(5)?.u32(*digit)?.ok(),
            Self::Forked { stream, at } => {
                e.array(5)?.u8(6)?;
                put_stream(e, stream)?;
                e.u64(*at)?.ok()
            }
            Self::Revoked(Revocation { officer, compartment, at_ms, sig }) => {
                e.array(5)?.u8(7)?.bytes(&officer.0)?.str(compartment.as_str())?.u64(*at_ms)?.bytes(sig)?.ok()
            }
            Self::NewEpoch { epoch } => e.array(2)?.u8(8)?.bytes(&epoch.0)?.ok(),
        })
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let mut d = Decoder::new(bytes);
        let len = definite(d.array()?)?;
        Ok(match (d.u8()?, len) {
            (1, 1) => Some(Self::RootUnknown),
            (2, 4) => Some(Self::Granted { compartment: get_compartment(&mut d)?, access: Access { read: d.bool()?, write: d.bool()? } }),
            (3, 5) => Some(Self::Want { stream: get_stream(&mut d)?, from: d.u64()? }),
            (4, 6) => Some(Self::Refused { stream: get_stream(&mut d)?, first: d.u64()?, reason: d.str()?.to_owned() }),
            (5, 2) => Some(Self::Anew { digit: d.u32()? }),
            (6, 5) => Some(Self::Forked { stream: get_stream(&mut d)?, at: d.u64()? }),
            (7, 5) => {
                let (officer, compartment) = (OfficerId(fixed(&mut d)?), get_compartment(&mut d)?);
                Some(Self::Revoked(Revocation { officer, compartment, at_ms: d.u64()?, sig: fixed(&mut d)? }))
            }
            (8, 2) => Some(Self::NewEpoch { epoch: Epoch(fixed(&mut d)?) }),
            _ => None,
        })
    }
}
