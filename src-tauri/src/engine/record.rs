//! The records' calls: rows, pages, one record with its history, decisions, earlier meetings.

use std::collections::{BTreeMap, HashSet};

use daftar_core::authorize::Action;
use daftar_core::change::Op;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, DeviceId, RecordId};
use daftar_core::merge::RecordState as State;
use daftar_core::record::Kind;
use daftar_core::record::reference::DeviceView;
use daftar_core::time::ClockQuality;
use daftar_core::value::{ElementKey, Path, Value};
use daftar_device::Store;
use daftar_device::Verdict;
use daftar_device::json::{Refused, format_path, parse_path, read_value, write_value};
use daftar_device::vault::{Act, EncounterQuery as Query, HistoryEntry as Entry, PageCursor, RecordItem, RecordView as View};
use serde_json::{Map, Value as Json};

use super::Engine;
use super::fault::{field, ui};
use crate::dto::encounter::{Encounter, EncounterQuery};
use crate::dto::record::{
    ConflictChoice, ConflictVersion, ConflictView, FieldChange, HistoryEntry, RecordFlags, RecordPage, RecordRef, RecordRow, RecordState,
    RecordView, RulingView, SavedView, VoidAct,
};
use crate::error::{FieldWhy, UiError, UiResult};

/// What the lists show.
pub(super) const FIELD_KINDS: [Kind; 5] = [Kind::Inspection, Kind::Seizure, Kind::Exhibit, Kind::CustodyEvent, Kind::SurveillanceNote];

/// Kinds that take files after they were saved; a hand-over is a fact and is not amended.
const FILE_KINDS: [Kind; 4] = [Kind::Inspection, Kind::Seizure, Kind::Exhibit, Kind::SurveillanceNote];

const PAGE_ROWS: usize = 50;
const SEARCH_ROWS: usize = 100;
const ENCOUNTERS_MAX: usize = 20;
const EXCERPT_CHARS: usize = 120;

impl Engine {
    pub fn records(&self, kind: Option<&str>, cursor: Option<&str>) -> UiResult<RecordPage> {
        let store = self.store()?;
        let after = cursor.map(|c| c.parse::<PageCursor>().map_err(|_| UiError::NotFound)).transpose()?;
        let page = store.list(&kinds(kind)?, after.as_ref(), PAGE_ROWS).map_err(ui)?;
        Ok(RecordPage { rows: page.items.iter().map(row).collect(), next: page.next.map(|n| n.to_string()) })
    }

    pub fn search(&self, text: &str, kind: Option<&str>) -> UiResult<RecordPage> {
        let store = self.store()?;
        let one = kind.map(|k| Kind::from_name(k).ok_or(UiError::NotFound)).transpose()?;
        let items = store.search(text, one, SEARCH_ROWS).map_err(ui)?;
        let rows = items.iter().filter(|i| FIELD_KINDS.contains(&i.kind)).map(row).collect();
        Ok(RecordPage { rows, next: None })
    }

    pub fn record(&self, record: &RecordRef) -> UiResult<RecordView> {
        let store = self.store()?;
        let (compartment, id) = parse(record)?;
        let view = store.show(&compartment, &id).map_err(ui)?;
        let kind = view.item.kind;
        let entry = |change: &ChangeName| view.history.iter().find(|h| h.change == *change);
        let mut conflicts = Vec::new();
        for c in &view.conflicts {
            let mut versions = Vec::new();
            for (change, value) in &c.sides {
                versions.push(ConflictVersion {
                    change: change.to_string(),
                    author: entry(change).map(|h| handle(&store, h)).transpose()?.unwrap_or_default(),
                    at_ms: entry(change).map_or(0, |h| ms(h.stamp.ms)),
                    value: write_value(kind, &c.path, value),
                });
            }
            conflicts.push(ConflictView { path: format_path(kind, &c.path), versions });
        }
        Ok(RecordView {
            row: RecordRow { state: judged(state_of(&view.item), &view.history), ..row(&view.item) },
            data: view.item.data(),
            may_amend: store.authorize(Action::Write, &compartment).is_ok(),
            conflicts,
            history: history(&store, kind, &view.history)?,
            links: links(&store, &view.item)?,
            files: self.file_rows(record)?,
            may_attach: FILE_KINDS.contains(&kind) && !view.item.state.hidden && store.authorize(Action::Write, &compartment).is_ok(),
            flags: RecordFlags {
                earlier_missing: view.item.state.flags.missing_parent,
                revived: view.item.state.flags.revived,
                revived_elements: u32::try_from(view.item.state.revived_elements.len()).unwrap_or(u32::MAX),
                clock_off: view.history.iter().any(|h| h.ahead),
            },
        })
    }

    pub fn resolve(&self, record: &RecordRef, choices: &[ConflictChoice], reason: Option<String>) -> UiResult<SavedView> {
        let store = self.store()?;
        let (compartment, id) = parse(record)?;
        let view = store.show(&compartment, &id).map_err(ui)?;
        let mut set = BTreeMap::new();
        for choice in choices {
            let (path, value) = chosen(&view, choice)?;
            set.insert(path, value);
        }
        let reason = reason.map(|r| r.trim().to_owned()).filter(|r| !r.is_empty());
        let act = Act { parents: Some(view.item.state.heads.clone()), reason, ..Act::on(compartment, id, Op::Resolve, set) };
        self.saved(&store, &act, number(&view.item))
    }

    pub fn void(&self, record: &RecordRef, act: VoidAct, reason: String) -> UiResult<SavedView> {
        let store = self.store()?;
        let (compartment, id) = parse(record)?;
        let item = store.show(&compartment, &id).map_err(ui)?.item;
        let op = match act {
            VoidAct::Void => Op::Void,
            VoidAct::Unvoid => Op::Unvoid,
        };
        let reason = Some(reason.trim().to_owned()).filter(|r| !r.is_empty());
        let missing = UiError::FieldInvalid { field: "reason".into(), why: FieldWhy::Missing };
        let act = Act {
            reason: Some(reason.ok_or(missing)?),
            parents: Some(item.state.heads.clone()),
            ..Act::on(compartment, id, op, BTreeMap::new())
        };
        self.saved(&store, &act, number(&item))
    }

    /// Saves an act and says so once it is on the disk.
    pub(super) fn saved(&self, store: &Store, act: &Act, number: String) -> UiResult<SavedView> {
        let saved = store.save(act).map_err(ui)?;
        self.nudge.now();
        Ok(SavedView {
            compartment: act.compartment.to_string(),
            id: act.record.to_string(),
            number: saved.number.unwrap_or(number),
            saved_at_ms: ms(self.device()?.now_ms()),
            waiting: u32::try_from(store.waiting().map_err(ui)?).unwrap_or(u32::MAX),
        })
    }

    pub fn encounters(&self, query: &EncounterQuery) -> UiResult<Vec<Encounter>> {
        let store = self.store()?;
        let query = match query {
            EncounterQuery::Plate(t) => Query::Plate(t.clone()),
            EncounterQuery::Name(t) => Query::Name(t.clone()),
            EncounterQuery::Document(t) => Query::Document(t.clone()),
        };
        let met = store.encounters(&query, ENCOUNTERS_MAX).map_err(ui)?;
        Ok(met.iter().map(|m| encounter(&m.item)).collect())
    }
}

fn ms(t: u64) -> i64 {
    i64::try_from(t).unwrap_or(i64::MAX)
}

fn kinds(kind: Option<&str>) -> UiResult<Vec<Kind>> {
    match kind {
        None => Ok(FIELD_KINDS.to_vec()),
        Some(k) => Kind::from_name(k).map(|k| vec![k]).ok_or(UiError::NotFound),
    }
}

pub(super) fn parse(record: &RecordRef) -> UiResult<(Compartment, RecordId)> {
    match (record.compartment.parse(), record.id.parse()) {
        (Ok(compartment), Ok(id)) => Ok((compartment, id)),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => Err(UiError::NotFound),
    }
}

pub(super) fn number(item: &RecordItem) -> String {
    item.summary().number.unwrap_or_else(|| item.record.to_string()[..8].to_owned())
}

/// A text of a form's data, by the names on the way to it.
pub(super) fn text(data: &Map<String, Json>, way: &[&str]) -> Option<String> {
    let (first, rest) = way.split_first()?;
    let mut at = data.get(*first)?;
    for name in rest {
        at = at.get(*name)?;
    }
    at.as_str().filter(|s| !s.is_empty()).map(str::to_owned)
}

fn state_of(item: &RecordItem) -> RecordState {
    let state: &State = &item.state;
    if state.hidden {
        RecordState::Voided
    } else if state.open_conflicts().next().is_some() {
        RecordState::NeedsDecision
    } else if item.waiting {
        RecordState::Waiting
    } else if item.unjudged {
        RecordState::NotJudged
    } else {
        RecordState::AtHq
    }
}

/// A record as a row.
pub(super) fn row(item: &RecordItem) -> RecordRow {
    let data = item.data();
    let summary = item.summary();
    let first = |list: &str| data.get(list).and_then(|l| l.get(0)).and_then(Json::as_object).cloned().unwrap_or_default();
    let person = first("persons");
    let name: Vec<String> = ["family_name", "given_name"].iter().filter_map(|n| text(&person, &[n])).collect();
    let excerpt = text(&data, &["remarks"]).or_else(|| text(&first("observations"), &["text"]));
    RecordRow {
        compartment: item.compartment.to_string(),
        id: item.record.to_string(),
        kind: item.kind.name().unwrap_or_default().into(),
        number: number(item),
        at_ms: summary.occurred_ms.unwrap_or_else(|| ms(item.state.last.ms)),
        state: state_of(item),
        plate: text(&data, &["vehicle", "plate"]).or_else(|| text(&first("subjects"), &["plate"])),
        vehicle_kind: text(&data, &["vehicle", "kind"]),
        person: Some(name.join(" ")).filter(|n| !n.is_empty()),
        post: text(&data, &["post"]),
        direction: text(&data, &["direction"]).or_else(|| text(&data, &["routing"])),
        result: text(&data, &["result"]),
        handling: text(&data, &["handling"]),
        substance: text(&data, &["substance"]),
        excerpt: excerpt.map(|e| e.chars().take(EXCERPT_CHARS).collect()),
    }
}

/// What headquarters ruled of a record's acts stands over whether it has them.
fn judged(state: RecordState, history: &[Entry]) -> RecordState {
    let ruled = |verdict| history.iter().any(|h| h.ruling.as_ref().is_some_and(|r| r.0 == verdict));
    match state {
        RecordState::Waiting | RecordState::AtHq if ruled(Verdict::Quarantined) => RecordState::Quarantined,
        RecordState::Waiting | RecordState::AtHq if ruled(Verdict::Review) => RecordState::InReview,
        RecordState::Waiting
        | RecordState::AtHq
        | RecordState::NeedsDecision
        | RecordState::NotJudged
        | RecordState::InReview
        | RecordState::Quarantined
        | RecordState::Voided => state,
    }
}

/// The path and value of a choice: of those that are in conflict now, or another.
fn chosen(view: &View, choice: &ConflictChoice) -> UiResult<(Path, Value)> {
    let kind = view.item.kind;
    let named = match choice {
        ConflictChoice::Written { path, .. } | ConflictChoice::Other { path, .. } => path,
    };
    let path = parse_path(kind, named).map_err(field)?;
    let conflict = view.conflicts.iter().find(|c| c.path == path).ok_or(UiError::NotFound)?;
    let value = match choice {
        ConflictChoice::Written { change, .. } => {
            conflict.sides.iter().find(|s| s.0.to_string() == *change).ok_or(UiError::NotFound)?.1.clone()
        }
        ConflictChoice::Other { value, .. } => read_value(kind, &path, value).map_err(|e| field(Refused { path: named.clone(), ..e }))?,
    };
    Ok((path, value))
}

fn encounter(item: &RecordItem) -> Encounter {
    let row = row(item);
    let data = item.data();
    let vehicle: Vec<String> = ["make", "model"].iter().filter_map(|n| text(&data, &["vehicle", n])).collect();
    Encounter {
        compartment: row.compartment,
        id: row.id,
        kind: row.kind,
        number: row.number,
        at_ms: row.at_ms,
        post: row.post,
        direction: row.direction,
        result: row.result,
        plate: row.plate,
        vehicle_kind: row.vehicle_kind,
        plate_country: text(&data, &["vehicle", "plate_country"]),
        vehicle: Some(vehicle.join(" ")).filter(|v| !v.is_empty()),
        person: row.person,
    }
}

fn handle(store: &Store, entry: &Entry) -> UiResult<String> {
    let known = store.handle_of(&entry.author).map_err(ui)?;
    Ok(known.unwrap_or_else(|| entry.author.to_string()[..8].to_owned()))
}

fn device_name(store: &Store, device: &DeviceId) -> String {
    if *device == store.device().id {
        return store.device().name.clone();
    }
    let reference = Compartment::reference();
    let known = store.show(&reference, &RecordId(device.0)).ok();
    let name = known.and_then(|v| DeviceView(&v.item.state.fields).name().map(str::to_owned));
    name.unwrap_or_else(|| device.to_string()[..8].to_owned())
}

/// Every act, the newest first, with what each field was for the officer who changed it: what others wrote meanwhile he did not see.
fn history(store: &Store, kind: Kind, entries: &[Entry]) -> UiResult<Vec<HistoryEntry>> {
    let mut out = Vec::with_capacity(entries.len());
    for (at, e) in entries.iter().enumerate() {
        let seen = seen_by(&entries[..at], e);
        let mut changed = Vec::new();
        for (path, value) in &e.set {
            let path = settled(path, e);
            let before = seen.iter().rev().find_map(|f| f.set.iter().find(|(p, _)| settled(p, f) == path).map(|(_, v)| v));
            changed.push(FieldChange {
                path: format_path(kind, &path),
                before: before.map(|b| write_value(kind, &path, b)),
                after: Some(write_value(kind, &path, value)),
            });
        }
        out.push(HistoryEntry {
            change: e.change.to_string(),
            op: e.op.name().into(),
            author: handle(store, e)?,
            device: device_name(store, &e.device),
            here: e.device == store.device().id,
            at_ms: ms(e.stamp.ms),
            clock_quality: match e.clock.quality {
                ClockQuality::Unknown => "unknown",
                ClockQuality::Recent => "recent",
                ClockQuality::Stale => "stale",
            }
            .into(),
            clock_offset_ms: e.clock.offset_ms,
            at_hq: !e.waiting && !e.unjudged && !matches!(e.ruling, Some((Verdict::Quarantined | Verdict::Review, _))),
            attested: e.attested,
            ruling: e
                .ruling
                .as_ref()
                .map(|(verdict, reason)| RulingView { verdict: verdict_name(*verdict).into(), reason: reason.clone() }),
            reason: e.reason.clone(),
            changed,
        });
    }
    out.reverse();
    Ok(out)
}

fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "accepted",
        Verdict::Review => "review",
        Verdict::Quarantined => "quarantined",
        Verdict::Erased => "erased",
    }
}

/// The acts among these that stood when `entry` was written, in order.
fn seen_by<'a>(earlier: &'a [Entry], entry: &Entry) -> Vec<&'a Entry> {
    let mut names: HashSet<ChangeName> = entry.parents.iter().copied().collect();
    let mut seen: Vec<&Entry> = Vec::new();
    // Parents stand before their children in this order, for a stamp rises with what it was written upon.
    for e in earlier.iter().rev() {
        if names.contains(&e.change) {
            names.extend(e.parents.iter().copied());
            seen.push(e);
        }
    }
    seen.reverse();
    seen
}

/// An element that this very change added, by the name that it has afterwards.
fn settled(path: &Path, e: &Entry) -> Path {
    match path {
        Path::Element(list, ElementKey::New(n), sub) => Path::Element(*list, ElementKey::Added(e.change, *n), *sub),
        Path::Element(_, ElementKey::Given(_) | ElementKey::Code(_) | ElementKey::Added(..), _) | Path::Field(_) => path.clone(),
    }
}

/// Records that this one names.
fn links(store: &Store, item: &RecordItem) -> UiResult<Vec<RecordRow>> {
    let mut rows = Vec::new();
    for value in item.state.fields.values() {
        let Value::Bytes(bytes) = value else { continue };
        let Ok(id) = <[u8; 16]>::try_from(bytes.as_slice()).map(RecordId) else { continue };
        for compartment in store.find(&id).map_err(ui)? {
            let linked = store.show(&compartment, &id).map_err(ui)?;
            rows.push(row(&linked.item));
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use daftar_core::ids::OfficerId;
    use daftar_core::time::{ClockReading, Stamp};

    use super::*;

    fn entry(n: u8, parents: &[u8]) -> Entry {
        Entry {
            change: ChangeName([n; 32]),
            op: Op::Amend,
            stamp: Stamp { ms: n.into(), count: 0 },
            clock: ClockReading::default(),
            parents: parents.iter().map(|p| ChangeName([*p; 32])).collect(),
            attested: false,
            author: OfficerId([0; 16]),
            device: DeviceId([0; 16]),
            set: Vec::new(),
            reason: None,
            ruling: None,
            waiting: false,
            unjudged: false,
            ahead: false,
        }
    }

    #[test]
    fn an_officer_saw_what_he_wrote_upon_and_not_what_others_wrote_meanwhile() {
        let entries = [entry(1, &[]), entry(2, &[1]), entry(3, &[1]), entry(4, &[2, 3])];
        let names = |at: usize| seen_by(&entries[..at], &entries[at]).iter().map(|e| e.change.0[0]).collect::<Vec<_>>();
        assert_eq!(names(2), [1], "3 did not see 2, although 2 is older");
        assert_eq!(names(3), [1, 2, 3]);
    }
}
