//! One officer's act on one record. Says what a change is; never how it is written as bytes or named: that is the wire.

use std::collections::BTreeMap;

use crate::ids::{ChangeName, DeviceId, OfficerId, RecordId};
use crate::record::Kind;
use crate::time::{ClockReading, Stamp};
use crate::value::{Path, Value};

/// At most so many parents; an officer's resolve folds more.
pub const PARENTS_MAX: usize = 32;
/// At most so many bytes of header and payload together; a longer text is a file.
pub const CHANGE_BYTES_MAX: usize = 64 * 1024;

/// What a change does to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// The record's first change.
    Create,
    /// Sets paths.
    Amend,
    /// Sets paths that are in conflict; descends from every side.
    Resolve,
    /// Hides the record.
    Void,
    /// Brings a voided record back.
    Unvoid,
}

impl Op {
    /// Every act with its number on the wire and its name in commands.
    pub const ALL: [(Self, u32, &'static str); 5] = [
        (Self::Create, 1, "create"),
        (Self::Amend, 2, "amend"),
        (Self::Resolve, 3, "resolve"),
        (Self::Void, 4, "void"),
        (Self::Unvoid, 5, "unvoid"),
    ];

    /// The number on the wire.
    pub fn number(self) -> u32 {
        Self::ALL.iter().find(|e| e.0 == self).map_or(0, |e| e.1)
    }

    /// The act with this number, if this version knows it.
    pub fn from_number(n: u32) -> Option<Self> {
        Self::ALL.iter().find(|e| e.1 == n).map(|e| e.0)
    }

    /// The name in commands and exports.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|e| e.0 == self).map_or("", |e| e.2)
    }
}

/// What is said about a change, without any place in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The device that wrote it.
    pub device: DeviceId,
    /// The record that it acts on.
    pub record: RecordId,
    /// The record's kind.
    pub kind: Kind,
    /// The officer whose act it is.
    pub author: OfficerId,
    /// What it does.
    pub op: Op,
    /// When, by the device's hybrid clock; orders the display only.
    pub stamp: Stamp,
    /// How far the device's clock was known to be off, and how well.
    pub clock: ClockReading,
    /// The names of the record's heads when the form was opened, ascending.
    pub parents: Vec<ChangeName>,
}

/// What a change sets. Erasure by order takes the payload away and leaves the header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload {
    /// Path and value; what is not named stays as it was.
    pub set: BTreeMap<Path, Value>,
    /// Why, in the officer's words.
    pub reason: Option<String>,
}

/// A change with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name, computed by the wire from what follows.
    pub name: ChangeName,
    /// What is said about it.
    pub header: Header,
    /// What it sets.
    pub payload: Payload,
}
