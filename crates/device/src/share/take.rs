//! Taking: each segment is checked by its writer's signature and kept, each receipt by headquarters'. Whoever brings it is not believed in
//! anything; what he brings counts as not yet judged until headquarters' feed has it. Twice, late or out of order, nothing changes.

use daftar_wire::message::Receipt;
use daftar_wire::segment::Segment;

use crate::error::Result;
use crate::vault::{Store, Via};

/// What became of something that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Took {
    /// Kept: so many changes that were not here, or so many of this device's that a receipt took off the queue. None: it was known.
    New(u64),
    /// Not taken, and why: `malformed`, `bad_signature`, `gap`, `unknown_device`, `headquarters_only`, `no_compartment`, `not_readable`,
    /// `other_epoch`. It stops nothing else.
    Refused(&'static str),
}

impl From<std::result::Result<u64, &'static str>> for Took {
    fn from(taken: std::result::Result<u64, &'static str>) -> Self {
        match taken {
            Ok(n) => Self::New(n),
            Err(why) => Self::Refused(why),
        }
    }
}

/// Takes a segment's bytes.
pub fn take_segment(store: &Store, bytes: &[u8]) -> Result<Took> {
    match Segment::read(bytes) {
        Ok(segment) => Ok(store.take(segment, Via::Peer)?.into()),
        Err(_) => Ok(Took::Refused("malformed")),
    }
}

/// Takes headquarters' receipt. Like one that headquarters says itself it takes this device's work off the queue: the signature is its own.
pub fn take_receipt(store: &Store, receipt: &Receipt) -> Result<Took> {
    Ok(store.receipt_by_peer(receipt)?.into())
}
