//! The drafts' calls. A draft is kept as the form holds it, with what it began from; a save makes it a change.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use daftar_core::authorize::Action;
use daftar_core::change::Op;
use daftar_core::compartment::{Audience, Compartment};
use daftar_core::ids::{ChangeName, RecordId};
use daftar_core::record::Kind;
use daftar_core::time::format_time;
use daftar_core::value::{ElementKey, Path, Value};
use daftar_device::draft::Draft;
use daftar_device::json::{self, read_data};
use daftar_device::vault::Act;
use daftar_device::{Store, form};
use serde_json::{Map, Value as Json, json};

use super::Engine;
use super::fault::{field, ui};
use super::record::{number, parse, text};
use super::shift::posts;
use crate::dto::draft::{DraftForm, DraftInput, DraftKept, DraftRow, DraftView, NoteAudience};
use crate::dto::record::{RecordRef, SavedView};
use crate::error::{FieldWhy, UiError, UiResult};

/// The region's offset from UTC.
const OFFSET_MINUTES: i64 = 300;

/// What stands round a draft's data in the officer's own file.
struct Envelope {
    form: DraftForm,
    data: Map<String, Json>,
    began: Option<Began>,
}

/// Of an amendment: the record's number, its data and heads when the form was opened.
pub(super) type Began = (String, Map<String, Json>, Vec<ChangeName>);

impl Envelope {
    fn write(&self) -> Vec<u8> {
        let mut out = Map::new();
        out.insert("form".into(), form_name(self.form).into());
        out.insert("data".into(), Json::Object(self.data.clone()));
        if let Some((number, base, heads)) = &self.began {
            let heads: Vec<String> = heads.iter().map(ToString::to_string).collect();
            out.insert("number".into(), number.clone().into());
            out.insert("base".into(), Json::Object(base.clone()));
            out.insert("heads".into(), heads.into());
        }
        form::write(&out)
    }

    fn read(draft: &Draft) -> UiResult<Self> {
        let mut kept = form::read(&draft.form).map_err(ui)?;
        let mut object = |key: &str| match kept.remove(key) {
            Some(Json::Object(map)) => Some(map),
            Some(_) | None => None,
        };
        let (data, base) = (object("data").unwrap_or_default(), object("base"));
        let heads = kept.get("heads").and_then(Json::as_array).into_iter().flatten();
        let heads = heads.filter_map(|h| h.as_str()?.parse().ok()).collect();
        let number = text(&kept, &["number"]).unwrap_or_default();
        let named = text(&kept, &["form"]);
        let form = match (named.as_deref(), draft.kind) {
            (Some("quick_stop"), _) => DraftForm::QuickStop,
            (_, Kind::SurveillanceNote) => DraftForm::SurveillanceNote,
            (_, _) => DraftForm::Inspection,
        };
        Ok(Self { form, data, began: base.map(|b| (number, b, heads)) })
    }
}

fn form_name(form: DraftForm) -> &'static str {
    match form {
        DraftForm::QuickStop => "quick_stop",
        DraftForm::Inspection => "inspection",
        DraftForm::SurveillanceNote => "surveillance_note",
    }
}

fn kind_of(form: DraftForm) -> Kind {
    match form {
        DraftForm::QuickStop | DraftForm::Inspection => Kind::Inspection,
        DraftForm::SurveillanceNote => Kind::SurveillanceNote,
    }
}

impl Engine {
    pub fn drafts(&self) -> UiResult<Vec<DraftRow>> {
        let store = self.store()?;
        store.own().drafts().map_err(ui)?.iter().map(draft_row).collect()
    }

    pub fn start_draft(&self, form: DraftForm) -> UiResult<DraftView> {
        let store = self.store()?;
        let device = self.device()?;
        let now = i64::try_from(device.now_ms()).unwrap_or(0) / 1000 * 1000;
        let id = device.new_record().map_err(ui)?;
        let data = match form {
            DraftForm::QuickStop | DraftForm::Inspection => self.begin_inspection(&store, now)?,
            DraftForm::SurveillanceNote => begin_note(&store, now),
        };
        let compartment = match form {
            DraftForm::QuickStop | DraftForm::Inspection => team_compartment(&store).map(|c| c.to_string()),
            DraftForm::SurveillanceNote => None,
        };
        Ok(DraftView { id: id.to_string(), form, kept_at_ms: now, amends: None, compartment, audiences: audiences(&store, form), data })
    }

    fn begin_inspection(&self, store: &Store, now: i64) -> UiResult<Map<String, Json>> {
        let me = &store.session().officer;
        let shift = self.shift(store)?;
        let place = posts(store)?.into_iter().find(|p| Some(&p.code) == shift.post.as_ref()).and_then(|p| p.place);
        let crew: Vec<Json> = (1..)
            .zip(&shift.crew)
            .map(|(key, o)| json!({"key": key, "officer": o, "role": if key == 1 { "lead" } else { "member" }}))
            .collect();
        let mut data = object(json!({
            "team": me.team, "lead_agency": me.agency.code(), "officers": crew,
            "occurred_from": format_time(now), "utc_offset_minutes": OFFSET_MINUTES,
        }));
        if let Some(post) = shift.post {
            data.insert("post".into(), post.into());
        }
        if let Some(Json::Object(mut place)) = place {
            place.insert("method".into(), "post".into());
            data.insert("place".into(), Json::Object(place));
        }
        Ok(data)
    }

    pub fn amend(&self, record: &RecordRef) -> UiResult<DraftView> {
        let store = self.store()?;
        let (compartment, id) = parse(record)?;
        if let Some(draft) = store.own().draft(&id).map_err(ui)? {
            return draft_view(&store, &draft);
        }
        let view = store.show(&compartment, &id).map_err(ui)?;
        if view.item.state.open_conflicts().next().is_some() {
            return Err(UiError::NeedsDecision);
        }
        let form = if view.item.kind == Kind::SurveillanceNote { DraftForm::SurveillanceNote } else { DraftForm::Inspection };
        if kind_of(form) != view.item.kind {
            return Err(UiError::NotAllowed);
        }
        let data = view.item.data();
        let began = (number(&view.item), data.clone(), view.item.state.heads.clone());
        // Nothing is kept before something is typed; until then what it began from is remembered here.
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(id, began.clone());
        let envelope = Envelope { form, data, began: Some(began) };
        let draft = Draft {
            record: id,
            kind: view.item.kind,
            compartment: Some(compartment),
            amends: true,
            form: envelope.write(),
            kept_ms: self.device()?.now_ms(),
        };
        draft_view(&store, &draft)
    }

    pub fn draft(&self, id: &str) -> UiResult<DraftView> {
        let store = self.store()?;
        let id: RecordId = id.parse().map_err(|_| UiError::NotFound)?;
        let draft = store.own().draft(&id).map_err(ui)?.ok_or(UiError::NotFound)?;
        draft_view(&store, &draft)
    }

    pub fn put_draft(&self, input: DraftInput) -> UiResult<DraftKept> {
        let store = self.store()?;
        let kept_ms = self.device()?.now_ms();
        let draft = self.drafted(&store, input, kept_ms)?;
        store.own().keep_draft(&draft).map_err(ui)?;
        Ok(DraftKept { kept_at_ms: i64::try_from(kept_ms).unwrap_or(0) })
    }

    fn drafted(&self, store: &Store, input: DraftInput, kept_ms: u64) -> UiResult<Draft> {
        let record: RecordId = input.id.parse().map_err(|_| UiError::NotFound)?;
        let compartment = input.compartment.map(|c| c.parse().map_err(|_| UiError::NotAllowed)).transpose()?;
        let before = store.own().draft(&record).map_err(ui)?;
        let began = match before.as_ref().map(Envelope::read).transpose()? {
            Some(envelope) => envelope.began,
            None => self.opened.lock().unwrap_or_else(PoisonError::into_inner).get(&record).cloned(),
        };
        let amends = began.is_some();
        let envelope = Envelope { form: input.form, data: input.data, began };
        Ok(Draft { record, kind: kind_of(input.form), compartment, amends, form: envelope.write(), kept_ms })
    }

    pub fn discard_draft(&self, id: &str) -> UiResult<()> {
        let id: RecordId = id.parse().map_err(|_| UiError::NotFound)?;
        let store = self.store()?;
        let draft = store.own().draft(&id).map_err(ui)?;
        store.own().delete_draft(&id).map_err(ui)?;
        // What was kept for it alone goes too. The files of a correction are the record's.
        if let Some(draft) = draft.filter(|d| !d.amends)
            && let Some(compartment) = &draft.compartment
        {
            for sha256 in files_of(&Envelope::read(&draft)?.data) {
                self.drop_kept(compartment.as_str(), &sha256)?;
            }
        }
        Ok(())
    }

    /// Whether a draft of the officer names a file.
    pub(super) fn is_in_a_draft(&self, store: &Store, sha256: &str) -> UiResult<bool> {
        for draft in store.own().drafts().map_err(ui)? {
            if files_of(&Envelope::read(&draft)?.data).iter().any(|f| f == sha256) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub fn save(&self, input: DraftInput) -> UiResult<SavedView> {
        let store = self.store()?;
        let draft = self.drafted(&store, input, self.device()?.now_ms())?;
        // What was typed last is on the disk before it is judged.
        store.own().keep_draft(&draft).map_err(ui)?;
        let envelope = Envelope::read(&draft)?;
        let saved = match &envelope.began {
            Some((number, base, heads)) => self.save_amendment(&store, &draft, &envelope.data, number, base, heads)?,
            None => self.save_new(&store, &draft, &envelope.data)?,
        };
        store.own().delete_draft(&draft.record).map_err(ui)?;
        Ok(saved)
    }

    fn save_new(&self, store: &Store, draft: &Draft, data: &Map<String, Json>) -> UiResult<SavedView> {
        let compartment = match &draft.compartment {
            Some(c) => c.clone(),
            None => team_compartment(store).filter(|_| draft.kind == Kind::Inspection).ok_or(missing("handling"))?,
        };
        let set = read_data(draft.kind, data).map_err(field)?;
        let act = Act::create(compartment, draft.kind, draft.record, set);
        self.saved(store, &act, String::new())
    }

    /// Sets what differs from what the form began with, whatever others did meanwhile.
    fn save_amendment(
        &self,
        store: &Store,
        draft: &Draft,
        data: &Map<String, Json>,
        number: &str,
        base: &Map<String, Json>,
        heads: &[ChangeName],
    ) -> UiResult<SavedView> {
        let compartment = draft.compartment.clone().ok_or(UiError::NotFound)?;
        let set = difference(draft.kind, base, data)?;
        if set.is_empty() {
            return Ok(SavedView {
                compartment: compartment.to_string(),
                id: draft.record.to_string(),
                number: number.to_owned(),
                saved_at_ms: i64::try_from(self.device()?.now_ms()).unwrap_or(0),
                waiting: u32::try_from(store.waiting().map_err(ui)?).unwrap_or(u32::MAX),
            });
        }
        let act = Act { parents: Some(heads.to_vec()), ..Act::on(compartment, draft.record, Op::Amend, set) };
        self.saved(store, &act, number.to_owned())
    }
}

/// The digits of the files and thumbnails that a form's data names.
fn files_of(data: &Map<String, Json>) -> Vec<String> {
    let elements = data.get("files").and_then(Json::as_array).into_iter().flatten();
    elements.flat_map(|e| ["sha256", "thumbnail"].map(|n| e.get(n).and_then(Json::as_str).map(str::to_owned))).flatten().collect()
}

fn missing(name: &str) -> UiError {
    UiError::FieldInvalid { field: name.into(), why: FieldWhy::Missing }
}

fn object(value: Json) -> Map<String, Json> {
    match value {
        Json::Object(map) => map,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => Map::new(),
    }
}

/// An element of a keyed list: the list, the key, the fields.
type Element = (String, String, Map<String, Json>);

/// The elements of keyed lists, by list and key, that a form's data names by keys which are not given ones.
fn split_elements(data: &Map<String, Json>) -> (Map<String, Json>, Vec<Element>) {
    let (mut given, mut added) = (data.clone(), Vec::new());
    for (list, value) in &mut given {
        let Json::Array(items) = value else { continue };
        items.retain(|item| match item.get("key").and_then(Json::as_str) {
            Some(key) => {
                let mut fields = item.as_object().cloned().unwrap_or_default();
                fields.remove("key");
                added.push((list.clone(), key.to_owned(), fields));
                false
            }
            None => true,
        });
    }
    (given, added)
}

/// A form's data as paths and values. Elements that later changes added keep the keys that they have.
fn fields_of(kind: Kind, data: &Map<String, Json>) -> UiResult<BTreeMap<Path, Value>> {
    let (given, added) = split_elements(data);
    let mut set = read_data(kind, &given).map_err(field)?;
    for (list, key, fields) in added {
        for (name, value) in fields {
            let path = json::parse_path(kind, &format!("{list}.{key}.{name}")).map_err(field)?;
            let value = json::read_value(kind, &path, &value).map_err(field)?;
            set.insert(path, value);
        }
    }
    Ok(set)
}

/// What a form sets against what it began with. An element that is gone is removed; a field that is gone is *not known*;
/// an element whose key did not stand there before is new.
fn difference(kind: Kind, base: &Map<String, Json>, data: &Map<String, Json>) -> UiResult<BTreeMap<Path, Value>> {
    let (before, after) = (fields_of(kind, base)?, fields_of(kind, data)?);
    let element = |p: &Path| match p {
        Path::Element(list, key, _) => Some((*list, key.clone())),
        Path::Field(_) => None,
    };
    let had: std::collections::BTreeSet<_> = before.keys().filter_map(element).collect();
    let has: std::collections::BTreeSet<_> = after.keys().filter_map(element).collect();
    let mut set = BTreeMap::new();
    for (path, value) in &after {
        if before.get(path) == Some(value) {
            continue;
        }
        let path = match path {
            Path::Element(list, ElementKey::Given(n), sub) if !had.contains(&(*list, ElementKey::Given(*n))) => {
                Path::Element(*list, ElementKey::New(*n), *sub)
            }
            Path::Element(_, ElementKey::Given(_) | ElementKey::Code(_) | ElementKey::Added(..) | ElementKey::New(_), _)
            | Path::Field(_) => path.clone(),
        };
        set.insert(path, value.clone());
    }
    for path in before.keys().filter(|p| !after.contains_key(*p)) {
        match element(path) {
            Some((list, key)) if !has.contains(&(list, key.clone())) => {
                set.insert(Path::Element(list, key, daftar_core::value::ELEMENT_REMOVED), Value::Bool(true));
            }
            Some(_) | None => {
                set.insert(path.clone(), Value::Null);
            }
        }
    }
    Ok(set)
}

fn begin_note(store: &Store, now: i64) -> Map<String, Json> {
    let me = &store.session().officer;
    object(json!({
        "team": me.team, "agency": me.agency.code(), "occurred_from": format_time(now), "utc_offset_minutes": OFFSET_MINUTES,
        "grading_scheme": "admiralty_6x6", "observations": [{"key": 1, "at": format_time(now)}],
    }))
}

fn team_compartment(store: &Store) -> Option<Compartment> {
    Compartment::team(store.session().officer.team.as_deref()?).ok()
}

/// The handling code decides the compartment: H0 and H1 the team's, H2 the agency's own, H3 an operation's.
fn audiences(store: &Store, form: DraftForm) -> Vec<NoteAudience> {
    if form != DraftForm::SurveillanceNote {
        return Vec::new();
    }
    let agency = store.session().officer.agency;
    let team = store.session().officer.team.as_deref();
    let writable = store.allowed(Action::Write);
    let of = |fits: &dyn Fn(Audience<'_>) -> bool| -> Vec<String> {
        writable.iter().filter(|c| fits(c.audience())).map(ToString::to_string).collect()
    };
    let teams = of(&|a| matches!(a, Audience::Team(t) if Some(t) == team));
    let agencies = of(&|a| matches!(a, Audience::Agency(ag, t) if ag == agency && Some(t) == team));
    let operations = of(&|a| matches!(a, Audience::Operation(_)));
    [("H0", teams.clone()), ("H1", teams), ("H2", agencies), ("H3", operations)]
        .into_iter()
        .map(|(handling, compartments)| NoteAudience { handling: handling.into(), compartments })
        .collect()
}

fn draft_row(draft: &Draft) -> UiResult<DraftRow> {
    let envelope = Envelope::read(draft)?;
    let seen = envelope.data.get("observations").and_then(|o| o.get(0)).and_then(|o| o.get("text")).and_then(Json::as_str);
    let title = text(&envelope.data, &["vehicle", "plate"]).or_else(|| seen.map(|s| s.chars().take(60).collect()));
    Ok(DraftRow {
        id: draft.record.to_string(),
        form: envelope.form,
        kept_at_ms: i64::try_from(draft.kept_ms).unwrap_or(0),
        title: title.unwrap_or_default(),
        amends: envelope.began.map(|b| b.0),
    })
}

fn draft_view(store: &Store, draft: &Draft) -> UiResult<DraftView> {
    let envelope = Envelope::read(draft)?;
    Ok(DraftView {
        id: draft.record.to_string(),
        form: envelope.form,
        kept_at_ms: i64::try_from(draft.kept_ms).unwrap_or(0),
        amends: envelope.began.map(|b| b.0),
        compartment: draft.compartment.as_ref().map(ToString::to_string),
        audiences: audiences(store, envelope.form),
        data: envelope.data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amendment_sets_only_what_differs_and_loses_nothing() {
        let base = object(json!({"team": "imt-1", "remarks": "one", "vehicle": {"plate": "01 A 123 BC", "colour": "white"},
            "persons": [{"key": 1, "role": "driver", "phone": "+998 90"}, {"key": 2, "role": "passenger"}], "zones": ["boot"]}));
        let mut data = base.clone();
        data["vehicle"]["colour"] = "green".into();
        data.remove("remarks");
        data["persons"] = json!([{"key": 1, "role": "driver", "phone": null}, {"key": 3, "role": "witness"}]);
        let set = difference(Kind::Inspection, &base, &data).expect("both are forms");
        let named: Vec<String> = set.iter().map(|(p, v)| format!("{}={v:?}", json::format_path(Kind::Inspection, p))).collect();
        let expected = [
            "remarks=Null",
            "persons.1.phone=Null",
            "persons.2.removed=Bool(true)",
            "persons.new3.role=Text(\"witness\")",
            "vehicle.colour=Text(\"green\")",
        ];
        let mut sorted = named.clone();
        sorted.sort();
        let mut wanted = expected.map(str::to_owned).to_vec();
        wanted.sort();
        assert_eq!(sorted, wanted);
        assert!(difference(Kind::Inspection, &base, &base).expect("a form").is_empty());
    }
}
