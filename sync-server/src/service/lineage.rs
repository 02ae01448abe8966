//! Whether the device that speaks is the one that was last answered, or a copy of it. Never refuses a copy: it is numbered anew.

use daftar_core::change::Op;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, RecordId};
use daftar_core::record::Kind;
use daftar_core::value::{Path, Value};
use daftar_wire::message::Lineage;
use rusqlite::Connection;

use super::enrol::free_digit;
use crate::error::{Error, Result};
use crate::hq::{Draft, Headquarters};
use crate::store::lineage::{self, Answered};
use crate::store::meta;
use crate::store::people;

/// The field of a device's digit.
const DEVICE_DIGIT: u32 = 25;

/// Takes the token that follows. `Some`: this is a copy, and the digit that it has from now on.
pub(super) fn follow(hq: &Headquarters, tx: &Connection, device: &DeviceId, said: &Lineage) -> Result<Option<u32>> {
    let (epoch, now) = (meta::life(tx)?.epoch, hq.clock.now_ms());
    let known: Vec<Answered> = lineage::answered(tx, device)?.into_iter().filter(|a| a.epoch == epoch).collect();
    // The answer was lost: it is given again.
    if let Some(answered) = known.iter().find(|a| a.token == said.next) {
        return Ok(answered.anew);
    }
    let before = known.iter().find(|a| Some(a.token) == said.previous);
    let anew = if known.is_empty() || before.is_some() { None } else { Some(number_anew(hq, tx, device)?) };
    lineage::keep(tx, device, before.map(|b| &b.token), &Answered { token: said.next, epoch, anew }, now)?;
    Ok(anew)
}

/// Gives the device a digit that nobody in its team has had, and writes it into its record.
fn number_anew(hq: &Headquarters, tx: &Connection, id: &DeviceId) -> Result<u32> {
    let device = people::device(tx, id)?.ok_or_else(|| Error::Unexpected("a device without a row".into()))?;
    let Some(digit) = free_digit(hq, tx, device.team.as_deref())? else {
        tracing::error!(device = %id, "a copy of a device keeps its digit: its team has no other left");
        return Ok(device.digit);
    };
    let reference = meta::compartment(tx, &Compartment::reference())?.ok_or_else(|| Error::Damaged("no reference".into()))?;
    let set = [(Path::Field(DEVICE_DIGIT), Value::Int(digit.into()))].into();
    hq.append(tx, &reference, &[Draft { record: RecordId(id.0), kind: Kind::Device, op: Op::Amend, set }])?;
    tracing::warn!(device = %id, digit, "a copy of a device, or one that was put back, is numbered anew");
    Ok(digit)
}
