//! Devices and grants as the console shows them: who may hold what, and what was purged. Never what is in a record.

use daftar_core::authorize::{LEASE_MS, Role};
use daftar_core::compartment::{Audience, Compartment};
use daftar_core::ids::OfficerId;
use rusqlite::Connection;

use super::access_dto::{DeviceOfficer, DeviceState, DoorView, GrantView};
use super::reader::Reader;
use crate::error::Result;
use crate::hq::Headquarters;
use crate::store::access::{self, Door};
use crate::store::people::{self, Device, Officer};
use crate::store::{console, meta};

/// The devices that the reader may see, those that were heard last first.
pub(super) fn devices(hq: &Headquarters, reader: &Reader) -> Result<Vec<DeviceState>> {
    let now_ms = hq.clock.now_ms();
    hq.store.read(|tx| {
        let contacts = console::contacts(tx)?;
        let enrolled = people::enrolled(tx)?;
        let mut all = Vec::new();
        for device in people::devices(tx)?.into_iter().filter(|d| d.id != hq.identity.device && reader.sees_device(d)) {
            let officers: Vec<OfficerId> = enrolled.iter().filter(|(d, _)| *d == device.id).map(|(_, o)| *o).collect();
            let contact = contacts.iter().find(|c| c.0 == device.id).map(|c| (c.1, c.2));
            all.push(state(tx, reader, device, &officers, contact, now_ms)?);
        }
        all.sort_by_key(|d| std::cmp::Reverse(d.contact_ms));
        Ok(all)
    })
}

fn state(
    tx: &Connection,
    reader: &Reader,
    device: Device,
    enrolled: &[OfficerId],
    contact: Option<(u64, u64)>,
    now_ms: u64,
) -> Result<DeviceState> {
    let doors = access::doors(tx, &device.id)?;
    let admissions = access::admissions(tx, &device.id)?;
    let mut officers = Vec::new();
    for id in enrolled {
        let is_guest = !access::admitted(tx, &device.id, id)?.is_empty();
        let leader = admissions.iter().rev().find(|a| is_guest && a.officer == *id).map(|a| a.by);
        let (handle, name) = people::officer(tx, id)?.map_or_else(|| (id.to_string(), id.to_string()), |o| (o.handle, o.full_name));
        officers.push(DeviceOfficer { handle, name, admitted_by: leader.map(|l| handle_of(tx, &l)).transpose()? });
    }
    let alarms = [
        ("struck_off", !device.active),
        ("purge_awaited", doors.iter().any(|d| d.revoked_ms.is_some() && d.purged.is_none())),
        ("silent", contact.is_none_or(|(at, _)| now_ms.saturating_sub(at) > LEASE_MS)),
        ("admitted", officers.iter().any(|o| o.admitted_by.is_some())),
    ];
    // Who is cleared for what is told to nobody outside.
    let is_open = |d: &&Door| {
        let is_reference = d.place.name.audience() == Audience::Reference;
        is_reference || reader.officer.role == Role::Admin || reader.place(&d.place.name).is_some()
    };
    let door = |d: &Door| -> Result<DoorView> {
        Ok(DoorView {
            officer: handle_of(tx, &d.officer)?,
            compartment: d.place.name.to_string(),
            read: d.access.read,
            write: d.access.write,
            opened_ms: d.opened_ms,
            revoked_ms: d.revoked_ms,
            purged_ms: d.purged.as_ref().map(|p| p.1),
            removed: d.purged.as_ref().is_some_and(|p| p.0.removed),
        })
    };
    Ok(DeviceState {
        id: device.id.to_string(),
        name: device.name,
        team: device.team,
        digit: device.digit,
        active: device.active,
        contact_ms: contact.map(|c| c.0),
        taken: contact.map_or(0, |c| c.1),
        officers,
        doors: doors.iter().filter(is_open).map(door).collect::<Result<_>>()?,
        alarms: alarms.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name.to_owned()).collect(),
    })
}

fn handle_of(tx: &Connection, id: &OfficerId) -> Result<String> {
    Ok(people::officer(tx, id)?.map_or_else(|| id.to_string(), |o| o.handle))
}

/// The grants in a compartment, by handle; `None` if it is not open to the reader.
pub(super) fn grants(hq: &Headquarters, reader: &Reader, name: &Compartment) -> Result<Option<Vec<GrantView>>> {
    if reader.officer.role != Role::Admin && reader.place(name).is_none() {
        return Ok(None);
    }
    let now_ms = hq.clock.now_ms();
    hq.store.read(|tx| {
        let Some(place) = meta::compartment(tx, name)? else { return Ok(None) };
        let mut all = Vec::new();
        for (officer, row) in people::grants_in(tx, &place)? {
            let Some(Officer { handle, full_name, agency, role, active, .. }) = people::officer(tx, &officer)? else { continue };
            all.push(GrantView {
                officer: handle,
                name: full_name,
                agency: agency.code().to_owned(),
                role: role.code().to_owned(),
                read: row.grant.read,
                write: row.grant.write,
                until_ms: row.grant.until_ms,
                revoked_ms: row.revoked_ms,
                open: active && row.active && row.grant.until_ms.is_none_or(|until| now_ms <= until),
            });
        }
        all.sort_by(|a, b| a.officer.cmp(&b.officer));
        Ok(Some(all))
    })
}
