//! Other devices and their officers, as headquarters' own streams here say: who uses which, and what was granted to whom. Decides nothing,
//! and believes nobody else: what others write of kinds that are headquarters' counts for nothing here.

use std::collections::BTreeMap;

use daftar_core::authorize::Grant;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, OfficerId, RecordId};
use daftar_core::merge::{self, RecordState};
use daftar_core::record::reference::{DeviceView, OfficerView};
use daftar_core::record::{Kind, View, reference};
use daftar_core::value::{ElementKey, Value};
use daftar_wire::seal::SealingKey;
use rusqlite::{Connection, params};

use super::record::{self, RecordRow};
use super::{Store, grants, log, stream};
use crate::error::Result;

/// An element's field that says that it was taken out of its list.
const REMOVED: u32 = 0;

/// Another device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherDevice {
    /// Its identity.
    pub id: DeviceId,
    /// What people call it.
    pub name: String,
    /// Its Ed25519 key, where the reference says one.
    pub signing: Option<[u8; 32]>,
    /// False once it was struck off.
    pub is_active: bool,
    /// Who uses it.
    pub officers: Vec<OtherOfficer>,
}

/// An officer who is enrolled on another device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherOfficer {
    /// His identity.
    pub id: OfficerId,
    /// His X25519 key on that device.
    pub sealing: SealingKey,
    /// False once he was dismissed, or where the reference here does not know him.
    pub is_active: bool,
}

impl Store {
    /// A device by the key of its certificate; `None`: the reference here does not know it.
    pub fn other_device_with_key(&self, key: &[u8; 32]) -> Result<Option<OtherDevice>> {
        Ok(self.all_devices()?.into_iter().find(|d| d.signing == Some(*key)))
    }

    /// The devices of this name.
    pub fn other_devices_named(&self, name: &str) -> Result<Vec<OtherDevice>> {
        Ok(self.all_devices()?.into_iter().filter(|d| d.id != self.info.id && d.name == name).collect())
    }

    fn all_devices(&self) -> Result<Vec<OtherDevice>> {
        self.others(|conn, server| {
            let sql = format!("SELECT {} FROM record WHERE kind = ?1", record::COLUMNS);
            let mut rows = conn.prepare_cached(&sql)?;
            let rows = rows.query_map([Kind::Device.number()], record::row)?.collect::<rusqlite::Result<Vec<_>>>()?;
            let known = rows.into_iter().map(|row| Ok(of_headquarters(conn, &row, server)?.map(|state| (row, state))));
            known.filter_map(Result::transpose).collect()
        })
    }

    /// A device by its identity; `None`: the reference here does not know it.
    pub fn other_device(&self, device: &DeviceId) -> Result<Option<OtherDevice>> {
        let found = self.others(|conn, server| {
            let Some(row) = record::find(conn, &RecordId(device.0))? else { return Ok(Vec::new()) };
            Ok(of_headquarters(conn, &row, server)?.map(|state| (row, state)).into_iter().collect())
        });
        Ok(found?.pop())
    }

    /// Who of these may use a compartment by its grants here.
    pub(crate) fn granted_to(&self, c: &Compartment, officers: &[OfficerId]) -> Result<BTreeMap<OfficerId, Grant>> {
        self.within(c, |vault| {
            let conn = vault.conn();
            let mut granted = BTreeMap::new();
            for officer in officers {
                granted.extend(grants::granted(&conn, officer, &self.info.server)?.map(|g| (*officer, g)));
            }
            Ok(granted)
        })
    }

    fn others(&self, find: impl FnOnce(&Connection, &DeviceId) -> Result<Vec<(RecordRow, RecordState)>>) -> Result<Vec<OtherDevice>> {
        let reference = Compartment::reference();
        if !self.fetching().contains(&reference) {
            return Ok(Vec::new());
        }
        self.within(&reference, |vault| {
            let conn = vault.conn();
            let server = &self.info.server;
            let mut devices = Vec::new();
            for (row, state) in find(&conn, server)? {
                let view = DeviceView(&state.fields);
                let mut officers = Vec::new();
                for (id, sealing) in enrolled(&state) {
                    officers.push(OtherOfficer { id, sealing, is_active: is_active(&conn, &id, server)? });
                }
                devices.push(OtherDevice {
                    id: DeviceId(row.uuid.0),
                    name: view.name().unwrap_or_default().to_owned(),
                    signing: view.signing_key().and_then(|k| k.try_into().ok()),
                    is_active: !state.hidden && view.active() != Some(false),
                    officers,
                });
            }
            Ok(devices)
        })
    }
}

/// A record as headquarters' own changes make it, whatever others have written to it; `None`: headquarters knows no such record.
pub(super) fn of_headquarters(conn: &Connection, row: &RecordRow, server: &DeviceId) -> Result<Option<RecordState>> {
    let own: Vec<i64> = stream::of_device(conn, server)?.iter().map(|s| s.id).collect();
    let mut places = conn.prepare_cached("SELECT place FROM change WHERE record = ?1")?;
    let places = places.query_map(params![row.id], |r| r.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    if places.iter().all(|p| own.contains(&log::at(*p).0)) {
        return record::load(conn, row);
    }
    let out = record::ruled_out(conn)?;
    let changes: Vec<_> = log::of_record(conn, row.id)?
        .into_iter()
        .filter(|c| own.contains(&log::at(c.place).0) && !out.contains(&c.name))
        .filter_map(|c| c.read().ok())
        .collect();
    Ok(merge::replay(&changes))
}

fn is_active(conn: &Connection, officer: &OfficerId, server: &DeviceId) -> Result<bool> {
    let Some(row) = record::find(conn, &RecordId(officer.0))? else { return Ok(false) };
    let state = of_headquarters(conn, &row, server)?;
    Ok(state.is_some_and(|s| !s.hidden && OfficerView(&s.fields).active() != Some(false)))
}

fn enrolled(state: &RecordState) -> Vec<(OfficerId, SealingKey)> {
    let list = reference::DEVICE.iter().find(|f| f.name == "officers").map_or(0, |f| f.number);
    let mut found: BTreeMap<&ElementKey, (Option<OfficerId>, Option<SealingKey>, bool)> = BTreeMap::new();
    for (element, field, value) in View(&state.fields).elements(list) {
        let at = found.entry(element).or_default();
        match (field, value) {
            (REMOVED, Value::Bool(true)) => at.2 = true,
            (2, Value::Bytes(id)) => at.0 = OfficerId::try_from(id.as_slice()).ok(),
            (4, Value::Bytes(key)) => at.1 = key.as_slice().try_into().ok(),
            _ => {}
        }
    }
    found.into_values().filter(|(.., removed)| !removed).filter_map(|(id, key, _)| Some((id?, key?))).collect()
}
