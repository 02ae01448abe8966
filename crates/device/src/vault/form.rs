//! Saving what stands in a form: the whole data object comes in, what differs from the record as it was opened becomes the change.
//! The draft goes after the commit. Never guesses what an absent field meant: absence changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use daftar_core::authorize::Action;
use daftar_core::change::{Change, Op};
use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, RecordId};
use daftar_core::merge::{self, RecordState};
use daftar_core::record::{self as schema, Kind, Shape};
use daftar_core::value::{ELEMENT_PLACE, ELEMENT_REMOVED, ElementKey, Path, Value};
use daftar_wire::json::{parse_path, read_data};
use rusqlite::Connection;
use serde_json::{Map, Value as Json};

use super::save::{Act, Saved};
use super::{Store, log, record};
use crate::error::{Error, Result};

/// Keys above this stand, while a form is read, for elements that an earlier change added.
const STAND_IN_FIRST: u32 = 1 << 30;

impl Store {
    /// Saves a form of a new record, under the id that its draft has.
    pub fn create_form(&self, compartment: &Compartment, kind: Kind, record: RecordId, data: &Map<String, Json>) -> Result<Saved> {
        let set = read_data(kind, data).map_err(|e| Error::Input(e.to_string()))?;
        self.save_and_forget_draft(&Act::create(compartment.clone(), kind, record, set))
    }

    /// Saves a form of a record that exists. `opened`: the record's heads when the form was opened; whatever others wrote since is not
    /// overwritten, but merges, or is in conflict for a person to settle.
    pub fn amend_form(
        &self,
        compartment: &Compartment,
        record: RecordId,
        opened: &[ChangeName],
        data: &Map<String, Json>,
        reason: Option<String>,
    ) -> Result<Saved> {
        let before = self.as_opened(compartment, &record, opened)?;
        let set = difference(&before, data)?;
        let settles = set.keys().any(|path| before.conflicts.contains_key(path));
        let op = if settles { Op::Resolve } else { Op::Amend };
        let parents = Some(before.heads.clone());
        self.save_and_forget_draft(&Act { reason, parents, ..Act::on(compartment.clone(), record, op, set) })
    }

    fn save_and_forget_draft(&self, act: &Act) -> Result<Saved> {
        let saved = self.save(act)?;
        if let Err(error) = self.own.delete_draft(&act.record) {
            // The record is saved, and that is what is said: the next start throws away the draft that stays.
            tracing::warn!(%error, "a draft outlives its record");
        }
        Ok(saved)
    }

    /// The record as it stood with these heads.
    fn as_opened(&self, compartment: &Compartment, id: &RecordId, opened: &[ChangeName]) -> Result<RecordState> {
        self.authorize(Action::Read, compartment)?;
        self.within(compartment, |vault| as_opened(&vault.conn(), id, opened))
    }
}

fn as_opened(conn: &Connection, id: &RecordId, opened: &[ChangeName]) -> Result<RecordState> {
    let row = record::find(conn, id)?.ok_or(Error::NoRecord(*id))?;
    let now = record::load(conn, &row)?.ok_or(Error::NoRecord(*id))?;
    if now.heads == opened {
        return Ok(now);
    }
    let out = record::ruled_out(conn)?;
    let changes: BTreeMap<ChangeName, Change> = log::of_record(conn, row.id)?
        .into_iter()
        .filter_map(|c| c.read().ok())
        .filter(|c| !out.contains(&c.name))
        .map(|c| (c.name, c))
        .collect();
    let mut wanted: Vec<ChangeName> = opened.to_vec();
    let mut seen = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if let Some(change) = changes.get(&name)
            && seen.insert(name)
        {
            wanted.extend(&change.header.parents);
        }
    }
    let then: Vec<Change> = changes.into_iter().filter(|(name, _)| seen.contains(name)).map(|(_, c)| c).collect();
    merge::replay(&then).ok_or_else(|| Error::Input("the form was opened on a version of the record that is not here".into()))
}

/// What a form sets that the record did not have; elements that it does not name any more are removed.
fn difference(before: &RecordState, data: &Map<String, Json>) -> Result<BTreeMap<Path, Value>> {
    let kind = before.kind;
    let (plain, stand_ins) = with_stand_ins(kind, data)?;
    let read = read_data(kind, &plain).map_err(|e| Error::Input(e.to_string()))?;
    let mut added: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    let mut form: BTreeMap<Path, Value> = BTreeMap::new();
    for (path, value) in read {
        let path = match path {
            // In an amendment an element's place follows from its key.
            Path::Element(_, _, ELEMENT_PLACE) => continue,
            // That a keyed list is empty is said by its elements' removal, and by nothing else.
            Path::Field(list) if schema::field(kind, list).is_some_and(|f| f.shape.elements().is_some()) => continue,
            Path::Element(list, ElementKey::Given(n), field) => {
                let known = ElementKey::Given(n);
                let key = match stand_ins.get(&n) {
                    Some(key) => key.clone(),
                    None if before.has_element(list, &known) => known,
                    None => {
                        let next = u32::try_from(added.keys().filter(|(l, _)| *l == list).count()).unwrap_or(u32::MAX);
                        ElementKey::New(*added.entry((list, n)).or_insert(next))
                    }
                };
                Path::Element(list, key, field)
            }
            other @ (Path::Field(_) | Path::Element(..)) => other,
        };
        form.insert(path, value);
    }
    let mut set: BTreeMap<Path, Value> =
        form.iter().filter(|(p, v)| before.fields.get(p) != Some(v)).map(|(p, v)| (p.clone(), v.clone())).collect();
    remove_unnamed(before, data, &form, &mut set);
    point_to_new(kind, &added, &mut set);
    Ok(set)
}

/// The data with a number in place of each key that is a text, and what each stands for.
fn with_stand_ins(kind: Kind, data: &Map<String, Json>) -> Result<(Map<String, Json>, BTreeMap<u32, ElementKey>)> {
    let mut plain = data.clone();
    let mut stand_ins = BTreeMap::new();
    for (name, json) in &mut plain {
        let Some(items) = json.as_array_mut().filter(|_| schema::field_named(kind, name).is_some_and(|f| f.shape.elements().is_some()))
        else {
            continue;
        };
        for key in items.iter_mut().filter_map(|item| item.get_mut("key")) {
            let Json::String(text) = &key else { continue };
            let path = parse_path(kind, &format!("{name}.{text}.removed")).map_err(|e| Error::Input(e.to_string()))?;
            let number = STAND_IN_FIRST + u32::try_from(stand_ins.len())?;
            if let Path::Element(_, element, _) = path {
                stand_ins.insert(number, element);
            }
            *key = number.into();
        }
    }
    Ok((plain, stand_ins))
}

/// Elements that are shown and that the form's list, where it has the list at all, does not name.
fn remove_unnamed(before: &RecordState, data: &Map<String, Json>, form: &BTreeMap<Path, Value>, set: &mut BTreeMap<Path, Value>) {
    let named = |list: u32, key: &ElementKey| {
        form.range(Path::Element(list, key.clone(), 0)..=Path::Element(list, key.clone(), u32::MAX)).next().is_some()
    };
    let lists =
        schema::fields(before.kind).iter().filter(|f| f.shape.elements().is_some() && data.get(f.name).is_some_and(|j| !j.is_null()));
    for list in lists {
        for key in before.shown_elements(list.number) {
            if !named(list.number, &key) {
                set.insert(Path::Element(list.number, key, ELEMENT_REMOVED), Value::Bool(true));
            }
        }
    }
}

/// A field that names an element which the same form adds, such as a document's holder, names it as `new<ordinal>`.
fn point_to_new(kind: Kind, added: &BTreeMap<(u32, u32), u32>, set: &mut BTreeMap<Path, Value>) {
    let persons = schema::field_named(kind, "persons").map_or(0, |f| f.number);
    for (path, value) in set {
        let Path::Element(list, _, number) = path else { continue };
        let element = schema::field(kind, *list).and_then(|f| f.shape.elements()).unwrap_or_default().iter().find(|f| f.number == *number);
        if element.is_some_and(|f| f.shape == Shape::Key)
            && let Value::Int(n) = value
            && let Some(ordinal) = u32::try_from(*n).ok().and_then(|n| added.get(&(persons, n)))
        {
            *value = Value::Text(format!("new{ordinal}"));
        }
    }
}
