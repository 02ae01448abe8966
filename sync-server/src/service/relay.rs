//! Headquarters' own changes that come back from a device after a restore: what follows from them, as when they were first written.

use std::collections::HashSet;

use daftar_core::change::Change;
use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::{ChangeName, OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_core::record::reference::{GrantView, OfficerView, TeamView};
use daftar_core::time::Stamp;
use daftar_core::value::{Path, Value};
use daftar_wire::change::Entry;
use rusqlite::Connection;

use crate::derive;
use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::random::hex;
use crate::revocations;
use crate::store::branch;
use crate::store::meta::{self, Place};
use crate::store::people;

/// Makes a compartment again that headquarters' own signed stream shows to have been.
pub(super) fn bring_back(hq: &Headquarters, tx: &Connection, name: &Compartment) -> Result<Place> {
    tracing::info!(compartment = %name, device = %hq.identity.device, "a compartment comes back");
    let life = meta::life(tx)?;
    match meta::add_compartment(tx, name, &life.epoch)? {
        Some(place) => Ok(place),
        None => meta::compartment(tx, name)?.ok_or_else(|| Error::Unexpected("a compartment that was made is not there".into())),
    }
}

/// Carries changes that were appended to an older stream of headquarters into the tables, in their order.
pub(super) fn follow(hq: &Headquarters, tx: &Connection, place: &Place, entries: &[Entry]) -> Result<()> {
    let read = |entry: &Entry| {
        let change = entry.read(&place.name).ok();
        if change.is_none() {
            tracing::error!(compartment = %place.name, "a change of headquarters cannot be read");
        }
        change
    };
    let changes: Vec<Change> = entries.iter().filter_map(read).collect();
    // Beside the database first, as when it was taken.
    revocations::keep(hq, place, &changes)?;
    let mut last = meta::stamp(tx)?;
    for change in changes {
        last = last.max(change.header.stamp);
        let (record, name, at_ms) = (change.header.record, change.name, change.header.stamp.ms);
        let heads = people::record_heads(tx, place, &record)?;
        if heads.iter().all(|(head, _)| change.header.parents.contains(head)) {
            people::set_record_heads(tx, place, &record, &[(name, at_ms)])?;
            apply(tx, place, &change)?;
        } else {
            again(hq, tx, place, &record)?;
        }
        if change.header.kind == Kind::Team
            && let Some(code) = TeamView(&change.payload.set).code()
        {
            team_compartments(hq, tx, code)?;
        }
    }
    meta::set_stamp(tx, last)?;
    revocations::enforce(hq, tx)?;
    Ok(())
}

/// What a team has beside its record.
fn team_compartments(hq: &Headquarters, tx: &Connection, code: &str) -> Result<()> {
    let own = Compartment::team(code).into_iter();
    for name in own.chain(Agency::ALL.into_iter().filter_map(|a| Compartment::agency(a, code).ok())) {
        if meta::compartment(tx, &name)?.is_none() {
            bring_back(hq, tx, &name)?;
        }
    }
    Ok(())
}

/// A record that headquarters went on with while this was away: all its changes once more, by headquarters' own clock.
fn again(hq: &Headquarters, tx: &Connection, place: &Place, record: &RecordId) -> Result<()> {
    let mut changes: Vec<Change> = Vec::new();
    for (stream, row) in branch::all(tx, place)?.into_iter().filter(|(s, _)| s.device == hq.identity.device) {
        let Some(id) = row.id else { continue };
        for (_, bytes) in branch::segments(tx, id, 1, usize::MAX)? {
            let segment = daftar_wire::segment::Segment::read(&bytes)?;
            let read = segment.entries.iter().filter_map(|e| e.read(&stream.compartment).ok());
            changes.extend(read.filter(|c| c.header.record == *record));
        }
    }
    let by_clock = |c: &Change| -> (Stamp, ChangeName) { (c.header.stamp, c.name) };
    changes.sort_by_key(by_clock);
    changes.dedup_by_key(|c| c.name);
    let parents: HashSet<ChangeName> = changes.iter().flat_map(|c| c.header.parents.iter().copied()).collect();
    let heads: Vec<people::RecordHead> =
        changes.iter().filter(|c| !parents.contains(&c.name)).map(|c| (c.name, c.header.stamp.ms)).collect();
    people::set_record_heads(tx, place, record, &heads)?;
    changes.iter().try_for_each(|change| apply(tx, place, change))
}

/// One change into the tables. What does not fit them stays in the log: a segment that is signed is never turned away for it.
fn apply(tx: &Connection, place: &Place, change: &Change) -> Result<()> {
    let Some(change) = fitted(tx, place, change)? else { return Ok(()) };
    match derive::apply(tx, place, &change) {
        Err(Error::Unexpected(why)) => {
            tracing::error!(record = %change.header.record, %why, "a change of headquarters is kept, and not carried into the tables");
            Ok(())
        }
        done => done,
    }
}

/// The change as it may be carried over beside what was written meanwhile; `None`: not at all.
fn fitted(tx: &Connection, place: &Place, change: &Change) -> Result<Option<Change>> {
    let record = change.header.record;
    match change.header.kind {
        // The same officer may have been given another grant here meanwhile: the later word stands.
        Kind::Grant => {
            let officer = GrantView(&change.payload.set).officer().and_then(|o| <[u8; 16]>::try_from(o).ok()).map(OfficerId);
            let other = officer.map(|o| people::grant(tx, &o, place)).transpose()?.flatten().filter(|g| g.id != record);
            let since = match other {
                Some(other) => people::record_heads(tx, place, &other.id)?.into_iter().map(|h| h.1).max(),
                None => None,
            };
            Ok(since.is_none_or(|at| at <= change.header.stamp.ms).then(|| change.clone()))
        }
        // A handle names one officer. If it was given to another meanwhile, the one who comes back bears a longer one.
        Kind::Officer => {
            let handle = OfficerView(&change.payload.set).handle().map(str::to_owned);
            let holder = handle.as_deref().map(|h| people::officer_named(tx, h)).transpose()?.flatten();
            let mut change = change.clone();
            if let (Some(handle), Some(_)) = (handle, holder.filter(|o| o.id.0 != record.0)) {
                let longer = format!("{handle}-{}", hex(&record.0[12..]));
                change.payload.set.insert(Path::Field(1), Value::Text(longer));
            }
            Ok(Some(change))
        }
        Kind::Inspection
        | Kind::Seizure
        | Kind::Exhibit
        | Kind::CustodyEvent
        | Kind::SurveillanceNote
        | Kind::JointOperation
        | Kind::Shift
        | Kind::Task
        | Kind::Warning
        | Kind::WatchlistEntry
        | Kind::Asset
        | Kind::Qualification
        | Kind::Team
        | Kind::Post
        | Kind::Device
        | Kind::CodeList
        | Kind::Other(_) => Ok(Some(change.clone())),
    }
}
