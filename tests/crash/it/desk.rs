//! An officer at a device: what the steps of a workload are done with, and a picture of all that can be seen there. Never judges it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use daftar_core::record::Kind;
use daftar_device::{Device, Result, Store};

use crate::world::{PIN, c, handle, open};

/// What can be seen, by the file that it stands in.
pub type Picture = BTreeMap<String, String>;

/// A device, perhaps unlocked.
pub struct Desk {
    pub home: PathBuf,
    pub pin: String,
    pub officer: u8,
    device: Option<Device>,
    store: Option<Store>,
}

impl Desk {
    pub fn at(home: &Path) -> Self {
        Self { home: home.to_owned(), pin: PIN.into(), officer: 1, device: None, store: None }
    }

    /// Opens the home, if it is not open.
    pub fn device(&mut self) -> Result<&Device> {
        let device = match self.device.take() {
            Some(device) => device,
            None => open(&self.home)?,
        };
        Ok(self.device.insert(device))
    }

    /// Unlocks, if it is not unlocked.
    pub fn unlock(&mut self) -> Result<&Store> {
        let (officer, pin) = (handle(self.officer), self.pin.clone());
        let store = match self.store.take() {
            Some(store) => store,
            None => self.device()?.unlock(&officer, &pin)?,
        };
        Ok(self.store.insert(store))
    }

    pub fn store(&self) -> &Store {
        self.store.as_ref().expect("unlocked before")
    }

    /// Ends the program.
    pub fn close(&mut self) {
        self.store = None;
        self.device = None;
    }

    /// Gives the officer another PIN.
    pub fn change_pin(&mut self, pin: &str) -> Result<()> {
        let device = self.device.as_ref().expect("opened before");
        device.keyring().change_pin(self.store().session(), pin)?;
        self.pin = pin.to_owned();
        Ok(())
    }

    /// All that can be seen.
    pub fn picture(&self) -> Result<Picture> {
        let mut picture = Picture::new();
        if let Some(device) = &self.device {
            let k = device.keyring();
            let said = (k.officers()?, k.contact()?, k.setting("language")?);
            picture.insert("keyring".into(), format!("{said:?}"));
        }
        if let Some(store) = &self.store {
            picture.extend(pictured(store)?);
        }
        Ok(picture)
    }
}

/// All that an unlocked officer can see.
fn pictured(store: &Store) -> Result<Picture> {
    let mut picture = Picture::new();
    let mut drafts = store.own().drafts()?;
    drafts.sort_by_key(|d| d.record);
    picture.insert("drafts".into(), format!("{drafts:?}"));
    picture.insert("confirmed".into(), format!("{:?}", store.confirmed()?));
    let items = store.list(&[Kind::Inspection, Kind::Seizure, Kind::Device, Kind::Officer], None, 1000)?.items;
    let receipts = store.receipts()?;
    for compartment in store.compartments() {
        let counts = store.counts(&compartment)?;
        // A file in which nothing stands is the same whenever it was begun.
        let digest = if counts.changes > 0 { Some(counts.digest) } else { None };
        let receipt = receipts.iter().find(|r| r.compartment == compartment);
        let mut said = format!("{digest:?} {counts_changes} {receipt:?}\n", counts_changes = counts.changes);
        said += &format!("{:?} {:?}\n", store.cursor(&compartment)?, store.unsent(&compartment)?);
        let mut records = Vec::new();
        for item in items.iter().filter(|i| i.compartment == compartment) {
            let view = store.show(&compartment, &item.record)?;
            let history: Vec<_> = view.history.iter().map(|h| (h.change, h.op, &h.set, &h.reason, &h.ruling, h.waiting)).collect();
            records.push(format!("{:?} {:?} {history:?}", item.record, view.item.state));
        }
        records.sort();
        said += &records.join("\n");
        picture.insert(compartment.to_string(), said);
    }
    Ok(picture)
}

/// The officer's work goes on: one more record, where there is a place for it.
pub fn go_on(store: &Store) -> Result<()> {
    let team = c(crate::world::TEAM);
    if store.compartments().contains(&team) {
        store.save(&crate::world::stop(99))?;
    }
    Ok(())
}
