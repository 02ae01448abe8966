//! One record's page: fields, conflicts, acts, what it names. Never settles a conflict.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, OfficerId, RecordId};
use daftar_core::merge::{RecordState, Side};
use daftar_core::record::{self, ElementField, Kind, Shape};
use daftar_core::time::ClockQuality;
use daftar_core::value::{ELEMENT_REMOVED, Path, Value};
use daftar_wire::json::{format_path, write_data, write_value};
use daftar_wire::message::Verdict;
use rusqlite::Connection;
use serde_json::Value as Json;

use super::attested::Attested;
use super::history::{Act, History};
use super::reader::{Reader, is_shown};
use super::records::shown;
use super::{dto, files};
use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::project::{Projector, read_state};
use crate::store::console::{self, RecordRow};
use crate::store::meta::Place;
use crate::store::people::{self, Officer};

/// Of a record's acts at most so many are shown, the newest.
const HISTORY_MAX: u32 = 500;
/// Of the records that it names at most so many.
const LINKS_MAX: usize = 24;

/// Reads `team/imt-1/01a1ebf4-…`.
pub(super) fn address(path: &str) -> Option<(Compartment, RecordId)> {
    let (compartment, id) = path.rsplit_once('/')?;
    Some((compartment.parse().ok()?, id.parse().ok()?))
}

/// The page; `None` if there is no such record for this reader.
pub(super) fn page(
    hq: &Headquarters,
    projector: &Projector,
    reader: &Reader,
    (compartment, id): &(Compartment, RecordId),
) -> Result<Option<dto::RecordPage>> {
    let Some(place) = reader.place(compartment) else { return Ok(None) };
    let Some(Found { row, history, history_total, links }) = found(projector, reader, place, id)? else { return Ok(None) };
    let state = read_state(row.kind, &row.state).ok_or_else(|| Error::Damaged("a record's state".into()))?;
    let Some(shown_row) = shown(reader, &row) else { return Ok(None) };
    hq.store.read(|tx| {
        let names = Names::of(tx, &state, &history)?;
        let files = files::of_record(tx, place, &state)?;
        let attested = Attested::check(tx, place, history.acts.iter().rev())?;
        let mut acts: Vec<&Act> = history.acts.iter().collect();
        acts.sort_by_key(|a| std::cmp::Reverse((a.ancestors, a.change.header.stamp, a.change.name)));
        Ok(Some(dto::RecordPage {
            row: shown_row,
            data: Json::Object(write_data(state.kind, &state.fields, &|list, _| state.shown_elements(list))),
            revived_elements: state.revived_elements.iter().map(|(list, key)| element_path(&state, *list, key)).collect(),
            conflicts: state.open_conflicts().map(|(path, sides)| conflict(&state, path, sides, &history, &names)).collect(),
            history: acts.into_iter().map(|act| entry(act, &history, &names, &attested)).collect(),
            history_total,
            links,
            people: names.handles,
            files_at_hq: files.iter().filter(|f| f.whole).count() as u32,
            files,
        }))
    })
}

/// What the console's tables say.
struct Found {
    row: RecordRow,
    history: History,
    history_total: u32,
    links: Vec<dto::RecordRow>,
}

fn found(projector: &Projector, reader: &Reader, place: &Place, id: &RecordId) -> Result<Option<Found>> {
    projector.read(|tx| {
        let Some(row) = console::record(tx, place.id, id)?.filter(|r| is_shown(r.kind)) else { return Ok(None) };
        let history = History::read(console::changes(tx, place.id, id, HISTORY_MAX)?)?;
        let history_total = console::change_count(tx, place.id, id)?;
        let mut links = Vec::new();
        if let Some(state) = read_state(row.kind, &row.state) {
            for id in named(&state).into_iter().filter(|named| named != id).take(LINKS_MAX) {
                for place in &reader.places {
                    links.extend(console::record(tx, place.id, &id)?.and_then(|r| shown(reader, &r)));
                }
            }
        }
        Ok(Some(Found { row, history, history_total, links }))
    })
}

/// The shape of what stands at a path.
fn shape(kind: Kind, path: &Path) -> Option<Shape> {
    match path {
        Path::Field(number) => record::field(kind, *number).map(|f| f.shape),
        Path::Element(list, _, number) => match record::field(kind, *list)?.shape.element(*number)? {
            ElementField::Field(f) => Some(f.shape),
            ElementField::Removed | ElementField::Place => None,
        },
    }
}

/// The records that a record names.
fn named(state: &RecordState) -> BTreeSet<RecordId> {
    let id = |(path, value): (&Path, &Value)| match value {
        Value::Bytes(bytes) if shape(state.kind, path) == Some(Shape::Record) => bytes.as_slice().try_into().ok().map(RecordId),
        Value::Bytes(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Raw(_) => None,
    };
    state.fields.iter().filter(|(path, _)| state.is_shown(path)).filter_map(id).collect()
}

fn element_path(state: &RecordState, list: u32, key: &daftar_core::value::ElementKey) -> String {
    let path = format_path(state.kind, &Path::Element(list, key.clone(), ELEMENT_REMOVED));
    path.rsplit_once('.').map_or(path.clone(), |(element, _)| element.to_owned())
}

fn conflict(state: &RecordState, path: &Path, sides: &[Side], history: &History, names: &Names) -> dto::Conflict {
    let version = |side: &Side| {
        let act = history.act(&side.change);
        dto::Version {
            change: side.change.to_string(),
            value: write_value(state.kind, path, &side.value),
            author: act.map(|a| names.officer(&a.change.header.author)),
            device: act.map(|a| names.device(&a.change.header.device)),
            at_ms: act.map(|a| a.change.header.stamp.ms),
        }
    };
    dto::Conflict { path: format_path(state.kind, path), versions: sides.iter().map(version).collect() }
}

fn entry(act: &Act, history: &History, names: &Names, attested: &Attested) -> dto::HistoryEntry {
    let header = &act.change.header;
    dto::HistoryEntry {
        change: act.change.name.to_string(),
        op: header.op.name().to_owned(),
        author: names.officer(&header.author),
        agency: names.officers.get(&header.author).map(|o| o.agency.code().to_owned()),
        device: names.device(&header.device),
        at_ms: header.stamp.ms,
        received_ms: act.row.received_ms,
        clock_quality: clock_quality(header.clock.quality).to_owned(),
        clock_offset_ms: header.clock.offset_ms,
        attested: attested.covers(act),
        verdict: verdict(act.row.verdict).to_owned(),
        verdict_reason: act.row.reason.clone().filter(|_| act.row.verdict != Verdict::Accepted),
        reason: act.change.payload.reason.clone(),
        erased: act.row.payload.is_none(),
        changed: history.changed(act),
    }
}

fn clock_quality(quality: ClockQuality) -> &'static str {
    match quality {
        ClockQuality::Unknown => "unknown",
        ClockQuality::Recent => "recent",
        ClockQuality::Stale => "stale",
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "accepted",
        Verdict::Review => "review",
        Verdict::Quarantined => "quarantined",
        // Erasing leaves what was ruled as it is; that the payload is gone is said beside it.
        Verdict::Erased => "erased",
    }
}

/// Names of the people and devices on a page.
struct Names {
    officers: HashMap<OfficerId, Officer>,
    devices: HashMap<DeviceId, String>,
    /// Names by handle, of the officers whom the record's fields name.
    handles: BTreeMap<String, String>,
}

impl Names {
    fn of(tx: &Connection, state: &RecordState, history: &History) -> Result<Self> {
        let (mut officers, mut devices, mut handles) = (HashMap::new(), HashMap::new(), BTreeMap::new());
        for header in history.acts.iter().map(|a| &a.change.header) {
            if !officers.contains_key(&header.author)
                && let Some(officer) = people::officer(tx, &header.author)?
            {
                officers.insert(header.author, officer);
            }
            if !devices.contains_key(&header.device)
                && let Some(device) = people::device(tx, &header.device)?
            {
                devices.insert(header.device, device.name);
            }
        }
        let set = history.acts.iter().flat_map(|a| &a.change.payload.set);
        for (path, value) in state.fields.iter().chain(set) {
            if let (Value::Text(handle), Some(Shape::Officer)) = (value, shape(state.kind, path))
                && !handles.contains_key(handle)
                && let Some(officer) = people::officer_named(tx, handle)?
            {
                handles.insert(handle.clone(), officer.full_name);
            }
        }
        Ok(Self { officers, devices, handles })
    }

    fn officer(&self, id: &OfficerId) -> String {
        self.officers
            .get(id)
            .map_or_else(|| self.devices.get(&DeviceId(id.0)).cloned().unwrap_or_else(|| id.to_string()), |o| o.full_name.clone())
    }

    fn device(&self, id: &DeviceId) -> String {
        self.devices.get(id).cloned().unwrap_or_else(|| id.to_string())
    }
}
