//! A stream: one device incarnation's changes in one compartment, chained by hashes. Never holds the changes.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, DeviceId, Digest, Head, Incarnation};

use crate::change::sha256;

/// Which stream: a device's, in one life of its database, in one compartment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// The compartment.
    pub compartment: Compartment,
    /// The device.
    pub device: DeviceId,
    /// The life of its database.
    pub incarnation: Incarnation,
}

impl StreamId {
    /// The chain's start, before the first change.
    pub fn start(&self) -> Head {
        Head(sha256(&[b"daftar stream 1", self.compartment.as_str().as_bytes(), &self.device.0, &self.incarnation.0]))
    }
}

/// The chain's next place.
pub fn next(head: Head, name: ChangeName) -> Head {
    Head(sha256(&[&head.0, &name.0]))
}

/// How far a stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamHead {
    /// The device.
    pub device: DeviceId,
    /// The life of its database.
    pub incarnation: Incarnation,
    /// The number of the last change.
    pub n: u64,
    /// The chain's place after it.
    pub head: Head,
}

/// A compartment's digest: equal digests mean equal logs. Streams without a change do not count.
pub fn digest(heads: &[StreamHead]) -> Digest {
    let mut heads: Vec<&StreamHead> = heads.iter().filter(|h| h.n > 0).collect();
    heads.sort_unstable();
    let mut bytes = b"daftar digest 1".to_vec();
    for h in heads {
        bytes.extend_from_slice(&h.device.0);
        bytes.extend_from_slice(&h.incarnation.0);
        bytes.extend_from_slice(&h.n.to_be_bytes());
        bytes.extend_from_slice(&h.head.0);
    }
    Digest(sha256(&[&bytes]))
}
