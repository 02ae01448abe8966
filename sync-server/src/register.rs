//! What the tables say of people and grants, in the words that `authorize` asks in. Never decides.

use std::collections::{HashMap, HashSet};

use daftar_core::authorize::{Grant, Register};
use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, OfficerId};
use rusqlite::Connection;

use crate::error::Result;
use crate::store::people;

/// What is known, at one moment, of some officers and devices.
#[derive(Debug, Default)]
pub struct Known {
    active: HashSet<OfficerId>,
    enrolled: HashSet<(OfficerId, DeviceId)>,
    /// On which devices it was looked whether he is enrolled.
    asked: HashSet<(OfficerId, DeviceId)>,
    grants: HashMap<OfficerId, HashMap<Compartment, Grant>>,
}

impl Known {
    /// Learns of an officer and of him on a device, once.
    pub fn learn(&mut self, conn: &Connection, officer: &OfficerId, device: Option<&DeviceId>) -> Result<()> {
        if let Some(device) = device
            && self.asked.insert((*officer, *device))
            && people::officer_keys(conn, device, officer)?.is_some()
        {
            self.enrolled.insert((*officer, *device));
        }
        if self.grants.contains_key(officer) {
            return Ok(());
        }
        if people::officer(conn, officer)?.is_some_and(|o| o.active) {
            self.active.insert(*officer);
        }
        let grants = people::grants_of(conn, officer)?;
        self.grants.insert(*officer, grants.into_iter().filter(|(_, g)| g.active).map(|(c, g)| (c, g.grant)).collect());
        Ok(())
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
