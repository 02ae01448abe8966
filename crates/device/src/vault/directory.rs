//! Whose keys other devices' work is checked with, from the reference compartment. Never trusts what headquarters did not write.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, OfficerId, RecordId};
use daftar_core::record::reference::{DeviceView, OfficerView};
use daftar_core::record::{View, reference};
use daftar_core::value::Value;
use daftar_wire::sign::{VerifyingKey, verifying_key};
use rusqlite::{Connection, params};

use super::file::Vault;
use super::others::of_headquarters;
use super::{Store, held, record};
use crate::error::Result;

/// What was looked up, until the reference changes.
#[derive(Default)]
pub(super) struct Directory {
    devices: Mutex<HashMap<DeviceId, Option<Keys>>>,
    names: Mutex<HashMap<OfficerId, Option<String>>>,
    dismissed: AtomicBool,
}

/// A device's key and those of the officers who use it.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) device: VerifyingKey,
    pub(super) officers: HashMap<OfficerId, VerifyingKey>,
}

impl Directory {
    pub(super) fn is_active(&self) -> bool {
        !self.dismissed.load(Ordering::Relaxed)
    }

    pub(super) fn set_active(&self, active: bool) {
        self.dismissed.store(!active, Ordering::Relaxed);
    }

    /// The reference has changed.
    pub(super) fn forget(&self) {
        held(&self.devices).clear();
        held(&self.names).clear();
    }
}

impl Store {
    /// The keys of a device, if they are known here. Not to be asked while the reference's file is held.
    pub(super) fn keys_of(&self, device: &DeviceId) -> Result<Option<Keys>> {
        if *device == self.info.server {
            return Ok(Some(Keys { device: self.info.server_key()?, officers: HashMap::new() }));
        }
        if *device == self.info.id {
            let officers = HashMap::from([(self.session.officer.id, self.session.signing.verifying_key())]);
            return Ok(Some(Keys { device: self.info.signing.verifying_key(), officers }));
        }
        if let Some(known) = held(&self.directory.devices).get(device) {
            return Ok(known.clone());
        }
        let keys = self.in_reference(|vault| self.look_up(&vault.conn(), device))?;
        held(&self.directory.devices).insert(*device, keys.clone());
        Ok(keys)
    }

    /// Asks the reference, if it is open here and whole.
    fn in_reference<T>(&self, f: impl FnOnce(&Vault) -> Result<Option<T>>) -> Result<Option<T>> {
        let reference = Compartment::reference();
        if !self.compartments().contains(&reference) {
            return Ok(None);
        }
        Ok(self.within_each(&reference, f)?.flatten())
    }

    fn look_up(&self, conn: &Connection, device: &DeviceId) -> Result<Option<Keys>> {
        let Some(row) = record::find(conn, &RecordId(device.0))? else { return Ok(None) };
        let Some(state) = of_headquarters(conn, &row, &self.info.server)? else { return Ok(None) };
        let Some(key) = DeviceView(&state.fields).signing_key().and_then(|k| verifying_key(k).ok()) else { return Ok(None) };
        let mut officers: HashMap<_, (Option<OfficerId>, Option<VerifyingKey>)> = HashMap::new();
        let list = reference::DEVICE.iter().find(|f| f.name == "officers").map_or(0, |f| f.number);
        for (element, field, value) in View(&state.fields).elements(list) {
            let Value::Bytes(bytes) = value else { continue };
            let at = officers.entry(element).or_default();
            match field {
                2 => at.0 = OfficerId::try_from(bytes.as_slice()).ok(),
                3 => at.1 = verifying_key(bytes).ok(),
                _ => {}
            }
        }
        let officers = officers.into_values().filter_map(|(id, key)| Some((id?, key?))).collect();
        Ok(Some(Keys { device: key, officers }))
    }

    /// An officer's handle, as people know him. Not to be asked while the reference's file is held.
    pub fn handle_of(&self, officer: &OfficerId) -> Result<Option<String>> {
        if *officer == self.session.officer.id {
            return Ok(Some(self.session.officer.handle.clone()));
        }
        if let Some(known) = held(&self.directory.names).get(officer) {
            return Ok(known.clone());
        }
        let name = self.in_reference(|vault| {
            let conn = vault.conn();
            let Some(row) = record::find(&conn, &RecordId(officer.0))? else { return Ok(None) };
            Ok(record::load(&conn, &row)?.and_then(|s| OfficerView(&s.fields).handle().map(str::to_owned)))
        })?;
        held(&self.directory.names).insert(*officer, name.clone());
        Ok(name)
    }

    /// Streams that came before their device was known here are checked once it is. Asks each file for itself.
    pub fn check_unchecked(&self) -> Result<()> {
        for c in self.compartments() {
            self.within_each(&c, |vault| self.check_unchecked_in(vault, &c))?;
        }
        Ok(())
    }

    fn check_unchecked_in(&self, vault: &Vault, c: &Compartment) -> Result<()> {
        let open: Vec<_> = super::stream::all(&vault.conn())?.into_iter().filter(|s| !s.own && s.checked < s.n).collect();
        for stream in open {
            let Some(keys) = self.keys_of(&stream.device)? else { continue };
            let mut conn = vault.conn();
            let signed = super::send::signed_heads(&conn, stream.id, stream.checked + 1, stream.n)?;
            let id = stream.id(c);
            let good = signed.iter().take_while(|(n, head, sig)| daftar_wire::sign::verify_head(&keys.device, &id, *n, head, sig).is_ok());
            if let Some((n, ..)) = good.last() {
                let checked = params![stream.id, crate::sql::int(*n)];
                conn.write(|tx| Ok(tx.execute("UPDATE stream SET checked = ?2 WHERE id = ?1", checked).map(drop)?))?;
            }
        }
        Ok(())
    }
}
