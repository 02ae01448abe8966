//! Who of another device may read what of this one, now. Asks core's one `authorize`, with what headquarters' newest word on this device says of
//! people and grants; our own leases and grants bound it too. Every doubt is answered by nothing.

use std::collections::BTreeMap;

use daftar_core::authorize::{Action, Grant, Register, authorize};
use daftar_core::compartment::{Audience, Compartment};
use daftar_core::ids::{DeviceId, OfficerId};

use crate::error::Result;
use crate::vault::{OtherDevice, OtherOfficer, Store};

/// Why a device is given nothing and nothing is taken from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// The reference here does not know it: it was enrolled after our last contact, or never.
    #[error("the reference on this device does not know that device; it may, after the next contact with headquarters")]
    Unknown,
    /// Nobody can be judged: our own officer may not read the reference now.
    #[error("the reference on this device is closed to you now, so nobody can be judged by it; reach headquarters first")]
    NoReference,
    /// Headquarters struck it off.
    #[error("headquarters struck that device off")]
    StruckOff,
    /// It is this device: a copy of it, or its own address.
    #[error("that is this device itself, or a copy of it")]
    Itself,
}

impl Stranger {
    /// A code for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "peer_unknown",
            Self::NoReference => "peer_no_reference",
            Self::StruckOff => "peer_struck_off",
            Self::Itself => "peer_itself",
        }
    }
}

/// Another device, and which of its officers may read what is open here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readers {
    /// The device.
    pub device: OtherDevice,
    /// Our open compartments that any of them may read, each with those who may. Nothing is said of any other.
    pub open: BTreeMap<Compartment, Vec<OtherOfficer>>,
}

impl Readers {
    /// The compartments in the order in which they are given: the reference, which says whose the rest is; watch-lists; then by name.
    pub fn in_order(&self) -> Vec<Compartment> {
        let mut all: Vec<Compartment> = self.open.keys().cloned().collect();
        all.sort_by_key(rank);
        all
    }

    /// The same device with what these of its officers may read: those who are unlocked there.
    pub fn present(mut self, officers: &[OfficerId]) -> Self {
        self.open.values_mut().for_each(|readers| readers.retain(|r| officers.contains(&r.id)));
        self.open.retain(|_, readers| !readers.is_empty());
        self
    }
}

fn rank(c: &Compartment) -> u8 {
    match c.audience() {
        Audience::Reference => 0,
        Audience::Watchlist(_) => 1,
        Audience::Team(_) | Audience::Agency(..) | Audience::Operation(_) | Audience::Hits(_) | Audience::Audit(_) => 2,
    }
}

/// Who of a device may read which of our open compartments now.
pub fn readers(store: &Store, device: &DeviceId) -> Result<std::result::Result<Readers, Stranger>> {
    if *device == store.device().id {
        return Ok(Err(Stranger::Itself));
    }
    if !knows_anybody(store) {
        return Ok(Err(Stranger::NoReference));
    }
    judged(store, store.other_device(device)?)
}

/// The same of the device to which headquarters gave a certificate for this key.
pub fn readers_with_key(store: &Store, key: &[u8; 32]) -> Result<std::result::Result<Readers, Stranger>> {
    if !knows_anybody(store) {
        return Ok(Err(Stranger::NoReference));
    }
    match store.other_device_with_key(key)? {
        Some(device) if device.id == store.device().id => Ok(Err(Stranger::Itself)),
        found => judged(store, found),
    }
}

fn knows_anybody(store: &Store) -> bool {
    store.authorize(Action::Read, &Compartment::reference()).is_ok()
}

/// Who of a device may read one compartment now; nobody, if the device is a stranger by now.
pub(super) fn readers_of(store: &Store, device: &DeviceId, c: &Compartment) -> Result<Vec<OtherOfficer>> {
    match store.other_device(device)?.filter(|d| d.is_active && d.id != store.device().id) {
        Some(device) => readers_in(store, &device, c),
        None => Ok(Vec::new()),
    }
}

fn judged(store: &Store, device: Option<OtherDevice>) -> Result<std::result::Result<Readers, Stranger>> {
    let Some(device) = device else { return Ok(Err(Stranger::Unknown)) };
    if !device.is_active {
        return Ok(Err(Stranger::StruckOff));
    }
    let mut open = BTreeMap::new();
    for c in store.fetching() {
        let readers = readers_in(store, &device, &c)?;
        if !readers.is_empty() {
            open.insert(c, readers);
        }
    }
    Ok(Ok(Readers { device, open }))
}

fn readers_in(store: &Store, device: &OtherDevice, c: &Compartment) -> Result<Vec<OtherOfficer>> {
    // What our own officer may not read now, by grant or lease, this device does not hand on either.
    if !store.fetching().contains(c) || store.authorize(Action::Read, c).is_err() {
        return Ok(Vec::new());
    }
    let officers: Vec<OfficerId> = device.officers.iter().map(|o| o.id).collect();
    let known = Known { device, grants: store.granted_to(c, &officers)? };
    let now_ms = store.shared().lease_now_ms()?;
    let may = |o: &&OtherOfficer| authorize(&o.id, Some(&device.id), Action::Read, c, now_ms, &known).is_ok();
    Ok(device.officers.iter().filter(may).cloned().collect())
}

/// What is known here of another device's officers and of their grants in one compartment.
struct Known<'a> {
    device: &'a OtherDevice,
    grants: BTreeMap<OfficerId, Grant>,
}

impl Register for Known<'_> {
    fn is_active(&self, officer: &OfficerId) -> bool {
        self.device.officers.iter().any(|o| o.id == *officer && o.is_active)
    }

    fn is_enrolled(&self, officer: &OfficerId, device: &DeviceId) -> bool {
        self.device.is_active && self.device.id == *device && self.device.officers.iter().any(|o| o.id == *officer)
    }

    fn grant(&self, officer: &OfficerId, _: &Compartment) -> Option<Grant> {
        self.grants.get(officer).copied()
    }
}
