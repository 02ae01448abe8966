//! Packs that somebody carries: where each lies, and who can read it. Never looks into one.

use std::collections::BTreeSet;
use std::path::PathBuf;

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, OfficerId};

use crate::tablet::Tablet;

/// Who can read a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Headquarters: it is this officer's question.
    Hq { from: DeviceId, officer: OfficerId },
    /// An officer on a device: it is headquarters' answer, given when he could read this.
    Officer { on: DeviceId, officer: OfficerId, reads: BTreeSet<Compartment> },
    /// Whoever on a device may: it is another device's gift.
    Device(DeviceId),
}

/// A pack under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pack {
    /// Its file.
    pub(crate) path: PathBuf,
    /// For whom it is.
    pub(crate) reader: Reader,
    /// It was read before.
    pub(crate) was_read: bool,
}

impl Pack {
    /// Whether whoever is unlocked on a device can read it.
    pub(crate) fn is_for(&self, tablet: &Tablet) -> bool {
        let Some(person) = tablet.person() else { return false };
        match &self.reader {
            Reader::Hq { .. } => false,
            Reader::Officer { on, officer, reads: _ } => *on == tablet.id && *officer == person.id,
            Reader::Device(on) => *on == tablet.id,
        }
    }

    /// Whether headquarters can.
    pub(crate) fn is_for_hq(&self) -> bool {
        matches!(self.reader, Reader::Hq { .. })
    }
}
