//! A leader's word that he let an officer in where there was no network. Taken only as far as the leader himself may go; what is
//! not taken loses nothing, for the officer's changes are kept under review.

use std::collections::BTreeMap;

use daftar_core::authorize::{ADMISSION_MS_MAX, Action, Grant, Role, authorize};
use daftar_core::change::Op;
use daftar_core::compartment::{Audience, Compartment};
use daftar_core::ids::{DeviceId, RecordId};
use daftar_core::record::Kind;
use daftar_core::value::{Path, Value};
use daftar_wire::message::{Access, Admission};
use daftar_wire::sign::verifying_key;
use rusqlite::Connection;

use super::enrol::officer_element;
use super::{Peer, Service};
use crate::admin::HANDLE_CHARS_MAX;
use crate::error::{Error, Result};
use crate::hq::{Draft, Headquarters};
use crate::register::Known;
use crate::store::access;
use crate::store::meta::{self, Doubt, Place};
use crate::store::people;

/// What he was let into, as far as that stands.
type Opened = Vec<(Place, Access)>;

impl Service {
    /// Takes an admission before the segments that follow it. Twice is once.
    pub(super) async fn admit(&self, peer: &Peer, admission: Admission) -> Result<()> {
        let device = peer.device;
        self.blocking(move |hq| {
            let (officer, leader) = (admission.officer, admission.by);
            let taken = match hq.store.write(|tx| admit(hq, tx, &device, &admission)) {
                Err(Error::Refused(_) | Error::Wire(_) | Error::Damaged(_) | Error::Unexpected(_)) => Err("it cannot be written"),
                taken => taken?,
            };
            match taken {
                Ok(0) => tracing::debug!(%device, %officer, "an admission came again"),
                Ok(compartments) => tracing::info!(%device, %officer, %leader, compartments, "a leader let an officer in"),
                Err(why) => tracing::warn!(%device, %officer, %leader, why, "an admission was not taken"),
            }
            Ok(())
        })
        .await
    }
}

/// How many compartments were opened; zero: it was taken before.
fn admit(hq: &Headquarters, tx: &Connection, device: &DeviceId, a: &Admission) -> Result<std::result::Result<usize, &'static str>> {
    if access::has_admission(tx, a)? {
        return Ok(Ok(0));
    }
    if meta::doubt(tx, Doubt::Restored)?.is_some() {
        return Ok(Err("nobody has confirmed yet who may still read"));
    }
    if let Err(why) = is_leaders(tx, device, a)? {
        return Ok(Err(why));
    }
    let now_ms = hq.clock.now_ms();
    let opened = opened(tx, device, a, now_ms)?;
    if opened.is_empty() {
        return Ok(Err("the leader may use nothing of it"));
    }
    let is_known = match people::officer(tx, &a.officer)? {
        Some(officer) if !officer.active => return Ok(Err("the officer was dismissed")),
        Some(_) => true,
        None => false,
    };
    let reference = meta::compartment(tx, &Compartment::reference())?.ok_or_else(|| Error::Damaged("no reference".into()))?;
    let record = RecordId(a.officer.0);
    if !is_known && (a.officer == hq.author() || !people::record_heads(tx, &reference, &record)?.is_empty()) {
        return Ok(Err("the officer's identity is something else"));
    }
    if !is_known {
        hq.append(tx, &reference, &[new_officer(tx, a)?])?;
    }
    // A clock that is ahead opens nothing for longer than an admission may be.
    let until_ms = a.until_ms.min(now_ms.saturating_add(ADMISSION_MS_MAX));
    enrol(hq, tx, &reference, device, a, &opened, until_ms)?;
    for (place, access) in &opened {
        let row = people::grant(tx, &a.officer, place)?;
        if row.is_none_or(|g| g.grant.until_ms.is_some_and(|until| until < until_ms && until < now_ms)) {
            let grant = Grant { read: access.read, write: access.write, until_ms: Some(until_ms) };
            let draft = hq.grant_draft(tx, &a.officer, place, grant)?;
            hq.append(tx, place, &[draft])?;
        }
        access::open_door(tx, device, &a.officer, place, *access, now_ms)?;
    }
    access::open_door(tx, device, &a.officer, &reference, Access { read: true, write: false }, now_ms)?;
    access::keep_admission(tx, a, now_ms)?;
    Ok(Ok(opened.len()))
}

/// Whether a leader whom headquarters enrolled on this device says it.
fn is_leaders(tx: &Connection, device: &DeviceId, a: &Admission) -> Result<std::result::Result<(), &'static str>> {
    if a.device != *device {
        return Ok(Err("it is for another device"));
    }
    if !people::device(tx, device)?.is_some_and(|d| d.active) {
        return Ok(Err("the device was struck off"));
    }
    if !people::officer(tx, &a.by)?.is_some_and(|o| o.active && o.role == Role::Leader) {
        return Ok(Err("no leader says it"));
    }
    let Some(keys) = people::officer_keys(tx, device, &a.by)?.filter(|_| a.by != a.officer) else {
        return Ok(Err("the leader is not enrolled there"));
    };
    if !access::admitted(tx, device, &a.by)?.is_empty() {
        return Ok(Err("who was let in lets nobody in"));
    }
    if a.verify(&verifying_key(&keys.signing_key)?).is_err() {
        return Ok(Err("it is not signed so"));
    }
    if !verifying_key(&a.signing).is_ok_and(|k| !k.is_weak()) {
        return Ok(Err("a key is not a key"));
    }
    Ok(Ok(()))
}

/// What of it the leader could open when he did; what headquarters took from the officer stays taken.
fn opened(tx: &Connection, device: &DeviceId, a: &Admission, now_ms: u64) -> Result<Opened> {
    let mut known = Known::default();
    known.learn(tx, &a.by, Some(device))?;
    let at_ms = a.from_ms.min(now_ms);
    // An agency's own stays the agency's, as headquarters knows the officer.
    let agency = people::officer(tx, &a.officer)?.map_or(a.agency, |o| o.agency);
    let mut opened = Vec::new();
    for (name, wanted) in &a.compartments {
        let Some(place) = meta::compartment(tx, name)?.filter(|p| p.name.audience() != Audience::Reference) else { continue };
        let is_taken = people::grant(tx, &a.officer, &place)?.is_some_and(|g| !g.active);
        let may = |action| authorize(&a.by, Some(device), action, name, at_ms, &known).is_ok() && !known.is_revoked(&a.by, name, at_ms);
        let access = Access { read: wanted.read && may(Action::Read), write: wanted.write && may(Action::Write) };
        let is_agencys = match name.audience() {
            Audience::Agency(of, _) | Audience::Audit(of) => of == agency,
            Audience::Team(_) | Audience::Operation(_) | Audience::Reference | Audience::Watchlist(_) | Audience::Hits(_) => true,
        };
        if is_agencys && !is_taken && (access.read || access.write) {
            opened.push((place, access));
        } else {
            tracing::warn!(%device, officer = %a.officer, compartment = %name, "a leader opened what he may not open");
        }
    }
    Ok(opened)
}

/// The record of an officer whom headquarters does not know. He has no team there: what a role brings he gets from headquarters.
fn new_officer(tx: &Connection, a: &Admission) -> Result<Draft> {
    let fields = [
        (1, Value::Text(free_handle(tx, &a.handle)?)),
        (3, Value::Text(a.agency.code().to_owned())),
        (20, Value::Text(a.full_name.clone())),
        (21, Value::Text(Role::Officer.code().to_owned())),
        (24, Value::Bool(true)),
    ];
    let set: BTreeMap<Path, Value> = fields.into_iter().map(|(n, v)| (Path::Field(n), v)).collect();
    Ok(Draft { record: RecordId(a.officer.0), kind: Kind::Officer, op: Op::Create, set })
}

/// The handle, or with a number behind it the first that nobody has.
fn free_handle(tx: &Connection, wanted: &str) -> Result<String> {
    let mut base: String = wanted.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
    base.truncate(HANDLE_CHARS_MAX - 4);
    if base.is_empty() {
        base = "admitted".into();
    }
    let mut handle = base.clone();
    for n in 2..1000 {
        if people::officer_named(tx, &handle)?.is_none() {
            return Ok(handle);
        }
        handle = format!("{base}-{n}");
    }
    Err(Error::Refused(format!("too many officers are called `{base}`")))
}

/// Puts him on the device's record with what he may use there. Whom headquarters enrolled there itself keeps his keys and rights.
fn enrol(
    hq: &Headquarters,
    tx: &Connection,
    reference: &Place,
    device: &DeviceId,
    a: &Admission,
    opened: &Opened,
    until_ms: u64,
) -> Result<()> {
    let keys = people::officer_keys(tx, device, &a.officer)?;
    if keys.is_some() && access::admitted(tx, device, &a.officer)?.is_empty() {
        return Ok(());
    }
    if keys.is_none_or(|k| (k.signing_key, k.sealing_key) != (a.signing, a.sealing)) {
        let set = officer_element(keys.as_ref(), Op::Amend, &a.officer, &a.signing, &a.sealing);
        hq.append(tx, reference, &[Draft { record: RecordId(device.0), kind: Kind::Device, op: Op::Amend, set }])?;
    }
    opened.iter().try_for_each(|(place, access)| access::put_admitted(tx, device, &a.officer, place, *access, until_ms))
}
