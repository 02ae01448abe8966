//! A damaged file: it is set aside as it is, what verifies is written into a fresh one, and the rest comes back from headquarters. Never
//! writes to what is damaged, and never happens without being asked.

mod cells;
mod drafts;
mod found;
mod pages;
mod rebuild;

use daftar_core::compartment::Compartment;

pub(crate) use drafts::drafts;

use super::closing::Why;
use super::file::{At, Vault, faults, set_meta};
use super::{Store, fork, held, read, repair, write};
use crate::device::Shared;
use crate::error::{Error, Result};
use crate::keyring::Door;
use found::Found;
use pages::{Damaged, Seen};
use rebuild::AllKeys;

/// What was salvaged of a compartment's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// The compartment.
    pub compartment: Compartment,
    /// The name under which the damaged file is kept in the home's folder `damaged`; `None`: it was not there at all.
    pub set_aside: Option<String>,
    /// Pages that it had.
    pub pages: u64,
    /// Of those, so many are not what was written.
    pub broken_pages: u64,
    /// Changes of this device that were found whole.
    pub own: u64,
    /// Of those, so many wait for headquarters now.
    pub waiting: u64,
    /// Changes of this device that were not found, and of which nothing here says that headquarters has them.
    pub own_missing: u64,
    /// Changes of others that were found whole.
    pub others: u64,
    /// Changes that headquarters has and that were not found: the next sync brings them.
    pub others_missing: u64,
}

impl Salvaged {
    fn of(c: &Compartment, seen: Seen) -> Self {
        Self {
            compartment: c.clone(),
            set_aside: None,
            pages: seen.pages,
            broken_pages: seen.broken,
            own: 0,
            waiting: 0,
            own_missing: 0,
            others: 0,
            others_missing: 0,
        }
    }
}

/// Puts fresh files that were ready when the device went off in the place of the damaged ones. Work of such a file that lies in the outbox
/// goes to headquarters from there: the file may not have all of it any more. Doing it again changes nothing.
pub(crate) fn finish(shared: &Shared) -> Result<()> {
    for (path, file) in shared.home.ready()? {
        shared.keyring.send_boxed(&file)?;
        shared.home.put_in_place(&path)?;
        tracing::warn!(file, "a damaged file was set aside, and what was salvaged of it took its place");
    }
    Ok(())
}

impl Store {
    /// Salvages a compartment whose file is damaged or missing, and opens it again. What was unsent waits under the same names; what was lost
    /// and headquarters has comes with the next sync.
    pub fn salvage(&self, c: &Compartment) -> Result<Salvaged> {
        let _one = held(&self.opening);
        self.expect_damage(c)?;
        let doors = self.shared.keyring.doors(&self.session, self.shared.lease_now_ms()?)?;
        let door = doors.iter().find(|d| d.compartment == *c && !d.is_revoked).ok_or_else(|| Error::NoCompartment(c.to_string()))?;
        let key = door.key.as_ref().ok_or_else(|| Error::Closed(c.clone()))?;
        let (home, path) = (&self.shared.home, self.shared.home.vault(&door.file));
        let set_aside = home.set_aside(&path)?;
        let found = Found::look(Damaged::open(&path, key)?)?;
        let fresh = home.fresh(&path)?;
        let name = fresh.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
        let made = Vault::open(home, &At { file: &name, key, make: true, files: doors.len(), name: c }, &self.info.id)?;
        let keys = self.keys_for(&found)?;
        let salvaged = made.write(|tx| {
            set_meta(tx, fork::LIFE, &self.shared.keyring.life()?.to_be_bytes())?;
            repair::follow(tx, &self.epoch(), &self.info.id)?;
            self.rebuild(tx, c, &found, &keys)
        })?;
        made.empty_log()?;
        drop(made);
        home.fresh_is_ready(&path)?;
        finish(&self.shared)?;
        self.open_salvaged(door, doors.len())?;
        tracing::warn!(compartment = %c, own = salvaged.own, missing = salvaged.own_missing, "a damaged file was salvaged");
        Ok(Salvaged { set_aside, ..salvaged })
    }

    /// The compartments of this officer whose file is damaged or missing, those among them whose damage nobody has met yet.
    pub fn damaged(&self) -> Result<Vec<Compartment>> {
        for c in self.compartments().into_iter().filter(|c| !self.is_closed(c)) {
            if let Err(e) = self.within(&c, |vault| look_over(vault, &c))
                && !matches!(e, Error::Damaged { .. })
            {
                return Err(e);
            }
        }
        Ok(self.closed_why().into_iter().filter(|(_, why)| *why == Why::Damaged).map(|(c, _)| c).collect())
    }

    fn expect_damage(&self, c: &Compartment) -> Result<()> {
        let why = read(&self.closed).get(c).map(|closed| closed.why);
        match why {
            Some(Why::Damaged) => Ok(()),
            Some(Why::Waits | Why::LeaseEnded) => Err(Error::Closed(c.clone())),
            None => match self.within(c, |vault| look_over(vault, c)) {
                Ok(()) => Err(Error::Input(format!("the file of `{c}` is whole: there is nothing to salvage"))),
                Err(Error::Damaged { .. }) => Ok(()),
                Err(e) => Err(e),
            },
        }
    }

    fn keys_for(&self, found: &Found) -> Result<AllKeys> {
        let devices = found.streams().into_values().map(|s| s.device);
        devices.map(|device| Ok((device.0, self.keys_of(&device)?))).collect()
    }

    fn open_salvaged(&self, door: &Door, files: usize) -> Result<()> {
        let (c, Some(key)) = (&door.compartment, &door.key) else { return Ok(()) };
        let vault = self.open_file(door, key, files)?;
        self.soil(&vault)?;
        write(&self.access).entry(c.clone()).or_insert(door.access);
        self.is_open(c, vault)?;
        if *c == Compartment::reference() {
            self.directory.forget();
        }
        // All of the compartment is asked for again.
        self.set_confirmed(&[])?;
        self.refresh_grant(c)
    }
}

/// Whether every page of a file is what was written.
fn look_over(vault: &Vault, c: &Compartment) -> Result<()> {
    let faults = vault.conn().noted(|conn| faults(conn))?;
    if faults.is_empty() { Ok(()) } else { Err(Error::Damaged { what: c.to_string() }) }
}
