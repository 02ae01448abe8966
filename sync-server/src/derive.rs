//! Rows of people, devices and grants from headquarters' own changes. Never from anybody else's, and never the other way.

use std::collections::BTreeMap;

use daftar_core::authorize::Grant;
use daftar_core::change::{Change, Op};
use daftar_core::ids::{ChangeName, DeviceId, OfficerId};
use daftar_core::record::reference::{DeviceView, GrantView, JointOperationView, OfficerView, PostView, TeamView};
use daftar_core::record::{Kind, View};
use daftar_core::value::{ElementKey, Path, Value};
use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::sql::uint;
use crate::store::access;
use crate::store::meta::Place;
use crate::store::people::{self, Device, GrantRow, Officer, OfficerKeys, Operation, Post};

/// The field of a device's officers, and of their parts.
pub(crate) const DEVICE_OFFICERS: u32 = 26;
pub(crate) const DEVICE_OFFICER_ID: u32 = 2;
pub(crate) const DEVICE_OFFICER_SIGNING: u32 = 3;
pub(crate) const DEVICE_OFFICER_SEALING: u32 = 4;

/// Carries one of headquarters' changes into the tables.
pub(crate) fn apply(tx: &Connection, place: &Place, change: &Change) -> Result<()> {
    match change.header.kind {
        Kind::Officer => officer(tx, change),
        Kind::Team => {
            let v = TeamView(&change.payload.set);
            let code = need(v.code())?;
            people::put_team(tx, &change.header.record, code, v.name().unwrap_or(code), stands(change, v.active()))
        }
        Kind::Post => post(tx, change),
        Kind::Device => device(tx, change),
        Kind::JointOperation => {
            let v = JointOperationView(&change.payload.set);
            let operation = Operation {
                id: change.header.record,
                compartment: place.name.to_string(),
                code_name: v.code_name().unwrap_or_default().to_owned(),
                teams: v.teams().into_iter().map(str::to_owned).collect(),
            };
            people::put_operation(tx, &operation, stands(change, v.active()))
        }
        Kind::Grant => grant(tx, place, change),
        Kind::Inspection
        | Kind::Seizure
        | Kind::Exhibit
        | Kind::CustodyEvent
        | Kind::SurveillanceNote
        | Kind::Shift
        | Kind::Task
        | Kind::Warning
        | Kind::WatchlistEntry
        | Kind::Asset
        | Kind::Qualification
        | Kind::CodeList
        | Kind::Other(_) => Ok(()),
    }
}

fn need<T>(value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::Unexpected("a record of headquarters lacks a part".into()))
}

fn stands(change: &Change, active: Option<bool>) -> bool {
    change.header.op != Op::Void && active.unwrap_or(true)
}

/// An officer, or what has changed of him.
fn officer(tx: &Connection, change: &Change) -> Result<()> {
    let v = OfficerView(&change.payload.set);
    let id = OfficerId(change.header.record.0);
    let before = people::officer(tx, &id)?;
    let b = before.as_ref();
    let text = |new: Option<&str>, old: Option<&String>| new.map(str::to_owned).or_else(|| old.cloned());
    let parse = |_| Error::Unexpected("an officer's code".into());
    people::put_officer(
        tx,
        &Officer {
            id,
            handle: need(text(v.handle(), b.map(|o| &o.handle)))?,
            full_name: need(text(v.full_name(), b.map(|o| &o.full_name)))?,
            agency: match v.agency() {
                Some(code) => code.parse().map_err(parse)?,
                None => need(b.map(|o| o.agency))?,
            },
            team: text(v.team(), b.and_then(|o| o.team.as_ref())),
            role: match v.role() {
                Some(code) => code.parse().map_err(|_| Error::Unexpected("an officer's role".into()))?,
                None => need(b.map(|o| o.role))?,
            },
            active: stands(change, v.active().or(b.map(|o| o.active))),
        },
    )
}

fn post(tx: &Connection, change: &Change) -> Result<()> {
    let v = PostView(&change.payload.set);
    let code = need(v.code())?;
    let place: BTreeMap<u32, i64> = match View(&change.payload.set).value(8) {
        Some(Value::Map(entries)) => {
            entries.iter().filter_map(|(n, value)| if let Value::Int(i) = value { Some((*n, *i)) } else { None }).collect()
        }
        Some(Value::Null | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Bytes(_) | Value::List(_) | Value::Raw(_)) | None => {
            BTreeMap::new()
        }
    };
    people::put_post(
        tx,
        &Post {
            id: change.header.record,
            code: code.to_owned(),
            team: need(v.team())?.to_owned(),
            name: v.name().unwrap_or(code).to_owned(),
            at_e7: place.get(&1).copied().zip(place.get(&2).copied()),
            active: stands(change, v.active()),
        },
    )
}

/// A device, or what has changed of it; and the officers whom the change enrols on it.
fn device(tx: &Connection, change: &Change) -> Result<()> {
    let v = DeviceView(&change.payload.set);
    let id = DeviceId(change.header.record.0);
    let before = people::device(tx, &id)?;
    let b = before.as_ref();
    let key = v.signing_key().and_then(|k| k.try_into().ok()).or(b.map(|d| d.signing_key));
    let digit = v.digit().and_then(|d| u32::try_from(d).ok()).or(b.map(|d| d.digit));
    let device = Device {
        id,
        name: need(v.name().map(str::to_owned).or_else(|| b.map(|d| d.name.clone())))?,
        team: v.team().map(str::to_owned).or_else(|| b.and_then(|d| d.team.clone())),
        signing_key: need(key)?,
        digit: need(digit)?,
        active: stands(change, v.active().or(b.map(|d| d.active))),
    };
    people::put_device(tx, &device)?;
    let mut elements: BTreeMap<&ElementKey, BTreeMap<u32, &[u8]>> = BTreeMap::new();
    for (path, value) in &change.payload.set {
        if let (Path::Element(DEVICE_OFFICERS, key, field), Value::Bytes(bytes)) = (path, value) {
            elements.entry(key).or_default().insert(*field, bytes);
        }
    }
    for (key, fields) in elements {
        let part = |field: u32| need(fields.get(&field).copied());
        let fixed = |field: u32| -> Result<[u8; 32]> { need(part(field)?.try_into().ok()) };
        let officer = OfficerId(need(part(DEVICE_OFFICER_ID)?.try_into().ok())?);
        let keys = OfficerKeys {
            adder: adder(key, &change.name),
            signing_key: fixed(DEVICE_OFFICER_SIGNING)?,
            sealing_key: fixed(DEVICE_OFFICER_SEALING)?,
        };
        people::put_officer_keys(tx, &id, &officer, &keys)?;
    }
    Ok(())
}

fn adder(key: &ElementKey, change: &ChangeName) -> Option<ChangeName> {
    match key {
        ElementKey::Given(_) | ElementKey::Code(_) => None,
        ElementKey::New(_) => Some(*change),
        ElementKey::Added(name, _) => Some(*name),
    }
}

fn grant(tx: &Connection, place: &Place, change: &Change) -> Result<()> {
    let v = GrantView(&change.payload.set);
    let officer = OfficerId(need(v.officer().and_then(|o| o.try_into().ok()))?);
    let (before, at_ms) = (people::grant(tx, &officer, place)?, change.header.stamp.ms);
    let active = stands(change, v.active());
    let row = GrantRow {
        id: change.header.record,
        grant: Grant { read: v.read().unwrap_or(false), write: v.write().unwrap_or(false), until_ms: v.until_ms().map(uint) },
        active,
        revoked_ms: if active { None } else { before.and_then(|b| b.revoked_ms).or(Some(at_ms)) },
    };
    let writes = |g: &GrantRow| g.active && g.grant.write;
    let ended = before.and_then(|b| b.grant.until_ms).filter(|until| *until < at_ms);
    match (before.is_some_and(|b| writes(&b)), writes(&row), ended) {
        (true, false, _) => access::add_gap(tx, &officer, place, (ended.unwrap_or(at_ms), None))?,
        (false, true, _) => access::end_gap(tx, &officer, place, at_ms)?,
        (true, true, Some(ended)) => access::add_gap(tx, &officer, place, (ended + 1, Some(at_ms)))?,
        (true, true, None) | (false, false, _) => {}
    }
    people::put_grant(tx, &officer, place, &row)
}
