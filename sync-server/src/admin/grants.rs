//! What is given and taken by hand: grants, officers, devices. Each act is one transaction, in headquarters' own stream. Never prints.

use std::collections::BTreeMap;

use daftar_core::authorize::{Grant, Role, by_role};
use daftar_core::change::Op;
use daftar_core::compartment::{Audience, Compartment};
use daftar_core::ids::{DeviceId, RecordId};
use daftar_core::record::Kind;
use daftar_core::value::{Path, Value};
use rusqlite::Connection;

use super::teams_of;
use crate::error::{Error, Result};
use crate::hq::{Draft, Headquarters};
use crate::revocations;
use crate::store::meta::{self, Place};
use crate::store::people::{self, Device, GrantRow, Officer};

/// An active flag of officers, devices and grants.
const ACTIVE: u32 = 24;

impl Headquarters {
    /// Gives an officer this in a compartment, in place of what he had there. A grant with an end ends by itself.
    pub fn grant(&self, handle: &str, compartment: &Compartment, grant: Grant) -> Result<()> {
        if !grant.read && !grant.write {
            return Err(Error::Refused("a grant gives reading, writing or both".into()));
        }
        if grant.until_ms.is_some_and(|until| until <= self.clock.now_ms()) {
            return Err(Error::Refused("the grant would have ended already".into()));
        }
        self.store.write(|tx| {
            let officer = officer(tx, handle)?;
            if !officer.active {
                return Err(Error::Refused(format!("officer `{handle}` was dismissed: activate him first")));
            }
            if officer.role == Role::Admin {
                return Err(Error::Refused(format!("officer `{handle}` is an administrator, who reads and writes no records")));
            }
            let place = place(tx, compartment)?;
            self.append(tx, &place, &[self.grant_draft(tx, &officer.id, &place, grant)?])
        })
    }

    /// Takes an officer's grant in a compartment, or in all of them. Returns where.
    pub fn revoke(&self, handle: &str, compartment: Option<&Compartment>) -> Result<Vec<Compartment>> {
        self.store.write(|tx| {
            let officer = officer(tx, handle)?;
            match compartment {
                Some(name) => {
                    let place = place(tx, name)?;
                    if !people::grant(tx, &officer.id, &place)?.is_some_and(|g| g.active) {
                        return Err(Error::Refused(format!("officer `{handle}` has no grant in {name}")));
                    }
                    self.take_back(tx, &officer, &place)?;
                    Ok(vec![name.clone()])
                }
                None => self.take_all(tx, &officer),
            }
        })
    }

    /// Dismisses an officer: he is active no more, and every grant is taken. Returns where.
    pub fn dismiss(&self, handle: &str) -> Result<Vec<Compartment>> {
        self.store.write(|tx| {
            let officer = officer(tx, handle)?;
            let taken = self.take_all(tx, &officer)?;
            self.set_active(tx, RecordId(officer.id.0), Kind::Officer, false)?;
            Ok(taken)
        })
    }

    /// Takes an officer back with what his role opens. Returns where; grants that he had beside that are to be given again.
    pub fn activate(&self, handle: &str) -> Result<Vec<Compartment>> {
        self.store.write(|tx| {
            let officer = officer(tx, handle)?;
            if officer.active {
                return Err(Error::Refused(format!("officer `{handle}` is active")));
            }
            self.set_active(tx, RecordId(officer.id.0), Kind::Officer, true)?;
            let mut given = Vec::new();
            for place in meta::compartments(tx)? {
                let teams = teams_of(tx, &place.name)?;
                if let Some(grant) = by_role(officer.role, officer.agency, officer.team.as_deref(), &place.name, &teams) {
                    self.append(tx, &place, &[self.grant_draft(tx, &officer.id, &place, grant)?])?;
                    given.push(place.name);
                }
            }
            Ok(given)
        })
    }

    /// Strikes a device off, or takes it back. A device that was struck off may hand in its work, to review, and is told to purge all.
    pub fn set_device(&self, wanted: &str, is_active: bool) -> Result<Device> {
        self.store.write(|tx| {
            let device = self.find_device(tx, wanted)?;
            if device.active == is_active {
                let state = if is_active { "is active" } else { "was struck off before" };
                return Err(Error::Refused(format!("device `{}` {state}", device.name)));
            }
            self.set_active(tx, RecordId(device.id.0), Kind::Device, is_active)?;
            Ok(Device { active: is_active, ..device })
        })
    }

    /// The device with this id, or with this name if no other has it.
    pub fn find_device(&self, tx: &Connection, wanted: &str) -> Result<Device> {
        let id: Option<DeviceId> = wanted.parse().ok();
        let is_it = |d: &Device| d.id != self.identity.device && (Some(d.id) == id || d.name == wanted);
        let mut found: Vec<Device> = people::devices(tx)?.into_iter().filter(is_it).collect();
        match (found.pop(), found.len()) {
            (Some(device), 0) => Ok(device),
            (None, _) => Err(Error::Refused(format!("no device `{wanted}`"))),
            (Some(last), _) => {
                let ids: Vec<String> = found.iter().chain([&last]).map(|d| d.id.to_string()).collect();
                Err(Error::Refused(format!("{} devices are called `{wanted}`; say which by its id: {}", ids.len(), ids.join(", "))))
            }
        }
    }

    fn take_all(&self, tx: &Connection, officer: &Officer) -> Result<Vec<Compartment>> {
        let mut taken = Vec::new();
        for (name, row) in people::grants_of(tx, &officer.id)? {
            if row.active {
                self.take_back(tx, officer, &place(tx, &name)?)?;
                taken.push(name);
            }
        }
        Ok(taken)
    }

    /// The one place where a grant is taken.
    fn take_back(&self, tx: &Connection, officer: &Officer, place: &Place) -> Result<()> {
        let Some(GrantRow { grant, .. }) = people::grant(tx, &officer.id, place)? else { return Ok(()) };
        let mut draft = self.grant_draft(tx, &officer.id, place, grant)?;
        draft.set.insert(Path::Field(ACTIVE), Value::Bool(false));
        // Beside the database first: one that is restored from an older backup takes it again.
        revocations::record(self, officer.id, &place.name, self.acts_at(tx)?)?;
        self.append(tx, place, &[draft])
    }

    /// Not before anything that headquarters has written: its clock may have gone back since.
    fn acts_at(&self, tx: &Connection) -> Result<u64> {
        Ok(self.clock.now_ms().max(meta::stamp(tx)?.ms))
    }

    fn set_active(&self, tx: &Connection, record: RecordId, kind: Kind, is_active: bool) -> Result<()> {
        if !is_active {
            revocations::record_inactive(self, kind, record, self.acts_at(tx)?)?;
        }
        let set = BTreeMap::from([(Path::Field(ACTIVE), Value::Bool(is_active))]);
        self.append(tx, &self.reference(tx)?, &[Draft { record, kind, op: Op::Amend, set }])
    }
}

fn officer(tx: &Connection, handle: &str) -> Result<Officer> {
    people::officer_named(tx, handle)?.ok_or_else(|| Error::Refused(format!("no officer `{handle}`")))
}

/// A compartment in which grants are given.
fn place(tx: &Connection, name: &Compartment) -> Result<Place> {
    if name.audience() == Audience::Reference {
        return Err(Error::Refused("everybody reads the reference, and headquarters alone writes it".into()));
    }
    meta::compartment(tx, name)?.ok_or_else(|| Error::Refused(format!("no compartment `{name}`")))
}
