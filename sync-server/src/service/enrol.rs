//! Enrolment: a code is turned into a device, once. Never holds a private key of a device.

use std::collections::BTreeMap;

use daftar_core::change::Op;
use daftar_core::compartment::{Audience, Compartment};
use daftar_core::ids::{DeviceId, OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_core::value::{ElementKey, Path, Value};
use daftar_wire::enrol::{EnrolRequest, Enrolled, fingerprint};
use daftar_wire::message::Access;
use daftar_wire::sign::verifying_key;
use rusqlite::Connection;

use super::Service;
use crate::derive::{DEVICE_OFFICER_ID, DEVICE_OFFICER_SEALING, DEVICE_OFFICER_SIGNING, DEVICE_OFFICERS};
use crate::error::{Error, Result};
use crate::hq::{Draft, Headquarters};
use crate::store::meta::{self, Place};
use crate::store::people::{self, Device, GrantRow, Officer, OfficerKeys};
use crate::store::{access, enrolment};

/// The greatest digit that a device can have within its team.
const DIGIT_MAX: u32 = 99;

/// Why a device was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// No such code, or its officer has gone.
    #[error("the code is not known")]
    Unknown,
    /// Another device has used it.
    #[error("the code was used")]
    Used,
    /// Its time is over.
    #[error("the code is over")]
    Over,
    /// A key is none, or is headquarters' own.
    #[error("a key is not a key")]
    BadKey,
    /// The device was struck off.
    #[error("the device was struck off")]
    StruckOff,
    /// The team has as many devices as it can number.
    #[error("the team has no number left for a device")]
    TooManyDevices,
    /// The server.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Service {
    /// Enrols a device and an officer by a code. The same device may ask again with the same code and gets the same answer.
    pub async fn enrol(&self, request: EnrolRequest) -> std::result::Result<Enrolled, EnrolError> {
        self.blocking(move |hq| hq.store.write(|tx| enrol(hq, tx, &request))).await?
    }
}

fn enrol(hq: &Headquarters, tx: &Connection, request: &EnrolRequest) -> Result<std::result::Result<Enrolled, EnrolError>> {
    let secret_hash = fingerprint(&request.secret);
    let Some(code) = enrolment::code(tx, &secret_hash)? else { return Ok(Err(EnrolError::Unknown)) };
    if let Some((used_by, reply)) = code.used {
        if used_by != request.device_signing {
            return Ok(Err(EnrolError::Used));
        }
        let enrolled = Enrolled::read(&reply)?;
        open_doors(hq, tx, &enrolled)?;
        return Ok(Ok(enrolled));
    }
    if hq.clock.now_ms() > code.expires_ms {
        return Ok(Err(EnrolError::Over));
    }
    let Some(officer) = people::officer(tx, &code.officer)?.filter(|o| o.active) else {
        return Ok(Err(EnrolError::Unknown));
    };
    let is_key = |k: &[u8; 32]| verifying_key(k).is_ok_and(|k| !k.is_weak());
    let own = hq.keys.signing.verifying_key().to_bytes();
    if !is_key(&request.device_signing) || !is_key(&request.officer_signing) || request.device_signing == own {
        return Ok(Err(EnrolError::BadKey));
    }
    if people::device_with_key(tx, &request.device_signing)?.is_some_and(|d| !d.active) {
        return Ok(Err(EnrolError::StruckOff));
    }
    let reference = meta::compartment(tx, &Compartment::reference())?.ok_or_else(|| Error::Damaged("no reference".into()))?;
    let Some((device, certificate)) = device(hq, tx, &reference, &officer, request)? else {
        return Ok(Err(EnrolError::TooManyDevices));
    };
    let enrolled = answer(hq, tx, &officer, device, certificate)?;
    open_doors(hq, tx, &enrolled)?;
    enrolment::use_code(tx, &secret_hash, &request.device_signing, &enrolled.write())?;
    Ok(Ok(enrolled))
}

/// Writes down what the device is told that it may open; what of it was taken back since it will be told in the next exchange.
fn open_doors(hq: &Headquarters, tx: &Connection, enrolled: &Enrolled) -> Result<()> {
    for (name, access) in &enrolled.compartments {
        if let Some(place) = meta::compartment(tx, name)? {
            access::open_door(tx, &enrolled.device, &enrolled.officer, &place, *access, hq.clock.now_ms())?;
        }
    }
    Ok(())
}

/// The device with this key and the officer on it, made or found. `None`: no digit is left.
fn device(
    hq: &Headquarters,
    tx: &Connection,
    reference: &Place,
    officer: &Officer,
    request: &EnrolRequest,
) -> Result<Option<(Device, Vec<u8>)>> {
    let bytes = |b: &[u8]| Value::Bytes(b.to_vec());
    let found = people::device_with_key(tx, &request.device_signing)?;
    let (id, op, mut set, certificate) = match &found {
        Some(d) => {
            let certificate = enrolment::certificate(tx, &d.id)?.ok_or_else(|| Error::Damaged("a device without a certificate".into()))?;
            (d.id, Op::Amend, BTreeMap::new(), certificate)
        }
        None => {
            let Some(digit) = free_digit(hq, tx, officer.team.as_deref())? else { return Ok(None) };
            let id = DeviceId(hq.new_record()?.0);
            let mut set = BTreeMap::from([
                (Path::Field(20), Value::Text(request.device_name.clone())),
                (Path::Field(22), bytes(&request.device_signing)),
                (Path::Field(24), Value::Bool(true)),
                (Path::Field(25), Value::Int(digit.into())),
            ]);
            set.extend(officer.team.as_ref().map(|t| (Path::Field(2), Value::Text(t.clone()))));
            (id, Op::Create, set, hq.keys.authority.issue(&id, &request.device_signing)?)
        }
    };
    let keys = people::officer_keys(tx, &id, &officer.id)?;
    set.extend(officer_element(keys.as_ref(), op, &officer.id, &request.officer_signing, &request.officer_sealing));
    access::drop_admitted(tx, &id, &officer.id)?;
    hq.append(tx, reference, &[Draft { record: RecordId(id.0), kind: Kind::Device, op, set }])?;
    enrolment::add_installation(tx, &id, &request.device_sealing, &certificate)?;
    let device = people::device(tx, &id)?.ok_or_else(|| Error::Unexpected("a device that was written is not there".into()))?;
    Ok(Some((device, certificate)))
}

/// An officer's element in a device's record. `before`: the keys that he has there.
pub(super) fn officer_element(
    before: Option<&OfficerKeys>,
    op: Op,
    officer: &OfficerId,
    signing: &[u8; 32],
    sealing: &[u8; 32],
) -> BTreeMap<Path, Value> {
    let element = match (op, before) {
        (Op::Create, _) => ElementKey::Given(1),
        (Op::Amend | Op::Resolve | Op::Void | Op::Unvoid, None) => ElementKey::New(0),
        (Op::Amend | Op::Resolve | Op::Void | Op::Unvoid, Some(keys)) => {
            keys.adder.map_or(ElementKey::Given(1), |name| ElementKey::Added(name, 0))
        }
    };
    let parts = [(DEVICE_OFFICER_ID, &officer.0[..]), (DEVICE_OFFICER_SIGNING, &signing[..]), (DEVICE_OFFICER_SEALING, &sealing[..])];
    let path = |field| Path::Element(DEVICE_OFFICERS, element.clone(), field);
    parts.into_iter().map(|(field, value)| (path(field), Value::Bytes(value.to_vec()))).collect()
}

/// The least digit that no device of the team has or has had.
pub(super) fn free_digit(hq: &Headquarters, tx: &Connection, team: Option<&str>) -> Result<Option<u32>> {
    let taken = people::digits(tx, team, &hq.identity.device)?;
    Ok((1..=DIGIT_MAX).find(|digit| !taken.contains(digit)))
}

fn answer(hq: &Headquarters, tx: &Connection, officer: &Officer, device: Device, certificate: Vec<u8>) -> Result<Enrolled> {
    let mut compartments = Vec::new();
    for place in meta::compartments(tx)? {
        let is_reference = place.name.audience() == Audience::Reference;
        let is_open = |g: &GrantRow| g.active && g.grant.until_ms.is_none_or(|until| hq.clock.now_ms() <= until);
        let grant = people::grant(tx, &officer.id, &place)?.filter(is_open);
        let access = Access { read: is_reference || grant.is_some_and(|g| g.grant.read), write: grant.is_some_and(|g| g.grant.write) };
        if access.read || access.write {
            compartments.push((place.name, access));
        }
    }
    Ok(Enrolled {
        device: device.id,
        certificate,
        ca: hq.keys.authority.certificate().to_vec(),
        server: hq.identity.device,
        server_signing: hq.keys.signing.verifying_key().to_bytes(),
        server_sealing: hq.keys.sealing,
        epoch: meta::life(tx)?.epoch,
        officer: officer.id,
        handle: officer.handle.clone(),
        full_name: officer.full_name.clone(),
        agency: officer.agency,
        team: officer.team.clone(),
        role: officer.role.code().to_owned(),
        digit: device.digit,
        compartments,
    })
}
