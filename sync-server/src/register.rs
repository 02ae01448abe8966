//! What the tables say of people and grants, in the words that `authorize` asks in. Never decides.

use std::collections::{HashMap, HashSet};

use daftar_core::authorize::{Grant, Register};
use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, OfficerId};
use rusqlite::Connection;

use crate::error::Result;
use crate::store::access::{self, Gap};
use crate::store::people;

/// What is known, at one moment, of some officers and devices.
#[derive(Debug, Default)]
pub struct Known {
    /// The device that all of it is about.
    device: Option<DeviceId>,
    active: HashSet<OfficerId>,
    enrolled: HashSet<(OfficerId, DeviceId)>,
    grants: HashMap<OfficerId, HashMap<Compartment, Grant>>,
    gaps: HashMap<OfficerId, HashMap<Compartment, Vec<Gap>>>,
    /// Until when officers whom a leader let in may use the device.
    guests: HashMap<OfficerId, u64>,
    struck_off: HashSet<DeviceId>,
}

impl Known {
    /// Learns of an officer, once; of another device all is learned anew. On a device that was struck off nobody is enrolled; who was
    /// let in there by a leader has what the leader gave him and nothing of his own.
    pub fn learn(&mut self, conn: &Connection, officer: &OfficerId, device: Option<&DeviceId>) -> Result<()> {
        if self.device.as_ref() != device {
            *self = Self { device: device.copied(), ..Self::default() };
        }
        if self.grants.contains_key(officer) {
            return Ok(());
        }
        if people::officer(conn, officer)?.is_some_and(|o| o.active) {
            self.active.insert(*officer);
        }
        let grants = people::grants_of(conn, officer)?.into_iter().filter(|(_, g)| g.active);
        let mut grants: HashMap<Compartment, Grant> = grants.map(|(c, g)| (c, g.grant)).collect();
        if let Some(device) = device {
            if !people::device(conn, device)?.is_some_and(|d| d.active) {
                self.struck_off.insert(*device);
            } else if people::officer_keys(conn, device, officer)?.is_some() {
                self.enrolled.insert((*officer, *device));
            }
            let admitted = access::admitted(conn, device, officer)?;
            if let Some(until) = admitted.values().map(|(_, until)| *until).max() {
                self.guests.insert(*officer, until);
                grants.retain(|name, grant| match admitted.get(name) {
                    Some((access, until)) => {
                        let until = grant.until_ms.map_or(*until, |own| own.min(*until));
                        *grant = Grant { read: grant.read && access.read, write: grant.write && access.write, until_ms: Some(until) };
                        true
                    }
                    None => false,
                });
            }
        }
        self.gaps.insert(*officer, access::gaps(conn, officer)?);
        self.grants.insert(*officer, grants);
        Ok(())
    }

    /// True if the officer could write there once and cannot (or could not at that time): what he wrote then came after a revoke.
    /// While he cannot, everything does: a device's clock may say anything.
    pub fn is_revoked(&self, officer: &OfficerId, compartment: &Compartment, at_ms: u64) -> bool {
        let gaps = self.gaps.get(officer).and_then(|g| g.get(compartment));
        gaps.is_some_and(|gaps| gaps.iter().any(|(from, to)| to.is_none_or(|to| (*from..=to).contains(&at_ms))))
    }

    /// True if the device was struck off.
    pub fn is_struck_off(&self, device: &DeviceId) -> bool {
        self.struck_off.contains(device)
    }

    /// True if a leader let the officer in, for a time that is over.
    pub fn is_over(&self, officer: &OfficerId, now_ms: u64) -> bool {
        self.guests.get(officer).is_some_and(|until| now_ms > *until)
    }
}

impl Register for Known {
    fn is_active(&self, officer: &OfficerId) -> bool {
        self.active.contains(officer)
    }

    fn is_enrolled(&self, officer: &OfficerId, device: &DeviceId) -> bool {
        self.enrolled.contains(&(*officer, *device))
    }

    fn grant(&self, officer: &OfficerId, compartment: &Compartment) -> Option<Grant> {
        self.grants.get(officer)?.get(compartment).copied()
    }
}
