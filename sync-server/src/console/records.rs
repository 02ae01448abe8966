//! Lists of records: filtered, searched, newest first, page by page. Never shows what is not open to the reader.

use daftar_core::compartment::Compartment;
use daftar_core::fold::query_terms;
use daftar_core::record::inspection::InspectionView;
use daftar_core::record::{Kind, View};
use rusqlite::Transaction;

use super::dto;
use super::error::ConsoleError;
use super::query::Query;
use super::reader::{Reader, is_shown, kind_name, team_of};
use crate::error::Result;
use crate::project::{Projector, read_state};
use crate::store::console::{self, Narrowed, RecordRow, Spot};

/// Rows of a page.
const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 200;
/// Characters of an excerpt.
const EXCERPT_CHARS_MAX: usize = 160;

/// What a list is asked for.
pub(super) struct Asked {
    kind: Option<Kind>,
    compartment: Option<Compartment>,
    team: Option<String>,
    text: Option<String>,
    in_conflict: bool,
    before: Spot,
    limit: u32,
}

impl Asked {
    /// Reads the question; what cannot be asked is refused, never passed over.
    pub(super) fn read(query: &Query) -> std::result::Result<Self, ConsoleError> {
        let mut asked =
            Self { kind: None, compartment: None, team: None, text: None, in_conflict: false, before: FIRST, limit: LIMIT_DEFAULT };
        for (name, value) in query.pairs() {
            if value.is_empty() {
                continue;
            }
            match name.as_str() {
                "kind" => asked.kind = Some(Kind::from_name(value).ok_or(ConsoleError::BadRequest)?),
                "compartment" => asked.compartment = Some(value.parse().map_err(|_| ConsoleError::BadRequest)?),
                "team" => asked.team = Some(value.clone()),
                "q" => asked.text = Some(value.clone()),
                "decision" if value == "1" => asked.in_conflict = true,
                "before" => asked.before = spot(value).ok_or(ConsoleError::BadRequest)?,
                "limit" => asked.limit = value.parse().ok().filter(|n| (1..=LIMIT_MAX).contains(n)).ok_or(ConsoleError::BadRequest)?,
                _ => return Err(ConsoleError::BadRequest),
            }
        }
        Ok(asked)
    }
}

const FIRST: Spot = (i64::MAX, i64::MAX);

fn spot(text: &str) -> Option<Spot> {
    let (at, id) = text.split_once('.')?;
    Some((at.parse().ok()?, id.parse().ok()?))
}

/// Where a list looks.
struct Scope {
    /// Compartments of which everything belongs to it.
    whole: Vec<i64>,
    /// Those of several teams, of which only what names the asked one does.
    shared: Vec<i64>,
}

impl Scope {
    /// `None` if the compartment that was named is not open to the reader.
    fn of(reader: &Reader, asked: &Asked) -> Option<Self> {
        let mut scope = Self { whole: Vec::new(), shared: Vec::new() };
        let named = match &asked.compartment {
            Some(name) => Some(reader.place(name)?),
            None => None,
        };
        for place in reader.places.iter().filter(|p| named.is_none_or(|n| n.id == p.id)) {
            match (&asked.team, team_of(&place.name)) {
                (Some(asked), Some(own)) if asked != own => {}
                (Some(_), None) => scope.shared.push(place.id),
                (Some(_) | None, _) => scope.whole.push(place.id),
            }
        }
        Some(scope)
    }
}

/// A page of the list; `None` if the compartment that was named is not open to the reader.
pub(super) fn list(projector: &Projector, reader: &Reader, asked: &Asked) -> Result<Option<dto::RecordList>> {
    let Some(scope) = Scope::of(reader, asked) else { return Ok(None) };
    projector.read(|tx| {
        // One more than is shown tells whether there is a next page.
        let by = Narrowed { team: asked.team.as_deref(), in_conflict: asked.in_conflict, before: asked.before, limit: asked.limit + 1 };
        let mut spots = match &asked.text {
            Some(text) => found(tx, text, &scope, asked.kind, by)?,
            None => newest(tx, &scope, asked.kind, by)?,
        };
        let is_more = spots.len() > asked.limit as usize;
        spots.truncate(asked.limit as usize);
        let next = spots.last().filter(|_| is_more).map(|(at, id)| format!("{at}.{id}"));
        let mut rows = Vec::with_capacity(spots.len());
        for (_, id) in spots {
            if let Some(row) = console::row(tx, id)? {
                rows.extend(shown(reader, &row));
            }
        }
        Ok(Some(dto::RecordList { rows, next }))
    })
}

fn newest(tx: &Transaction<'_>, scope: &Scope, kind: Option<Kind>, by: Narrowed<'_>) -> Result<Vec<Spot>> {
    let mut spots = Vec::new();
    for (places, team) in [(&scope.whole, None), (&scope.shared, by.team)] {
        for place in places {
            for kind in kinds(tx, *place, kind)? {
                spots.extend(console::newest(tx, *place, kind, Narrowed { team, ..by })?);
            }
        }
    }
    spots.sort_unstable_by(|a, b| b.cmp(a));
    Ok(spots)
}

fn found(tx: &Transaction<'_>, text: &str, scope: &Scope, kind: Option<Kind>, by: Narrowed<'_>) -> Result<Vec<Spot>> {
    let terms = query_terms(text);
    let mut all = Vec::new();
    for place in scope.whole.iter().chain(&scope.shared) {
        all.extend(kinds(tx, *place, kind)?);
    }
    all.sort_unstable();
    all.dedup();
    if terms.is_empty() || all.is_empty() {
        return Ok(Vec::new());
    }
    let query: Vec<String> = terms.iter().map(|t| format!("\"{}\"*", t.replace('"', "\"\""))).collect();
    console::found(tx, &query.join(" "), (&scope.whole, &scope.shared), &all, by)
}

/// The kinds that a list of this compartment has.
fn kinds(tx: &Transaction<'_>, place: i64, asked: Option<Kind>) -> Result<Vec<Kind>> {
    match asked {
        Some(kind) => Ok(is_shown(kind).then_some(kind).into_iter().collect()),
        None => Ok(console::kinds(tx, place)?.into_iter().filter(|k| is_shown(*k)).collect()),
    }
}

/// A row as it is sent; `None` if it is not open to the reader.
pub(super) fn shown(reader: &Reader, row: &RecordRow) -> Option<dto::RecordRow> {
    let compartment = &reader.place_of(row.place).filter(|_| is_shown(row.kind))?.name;
    let state = read_state(row.kind, &row.state);
    let fields = state.as_ref().map(|s| View(&s.fields));
    let text = |field| fields.and_then(|f| f.text(field)).map(str::to_owned);
    let inspection = state.as_ref().filter(|_| row.kind == Kind::Inspection).map(|s| InspectionView(&s.fields));
    let plate = match row.kind {
        Kind::Inspection => inspection.and_then(|i| i.plate()).map(str::to_owned),
        Kind::SurveillanceNote => fields.and_then(|f| element_text(f, 20, &[3])),
        Kind::Seizure
        | Kind::Exhibit
        | Kind::CustodyEvent
        | Kind::JointOperation
        | Kind::Shift
        | Kind::Task
        | Kind::Warning
        | Kind::WatchlistEntry
        | Kind::Asset
        | Kind::Qualification
        | Kind::Officer
        | Kind::Team
        | Kind::Post
        | Kind::Device
        | Kind::Grant
        | Kind::CodeList
        | Kind::Other(_) => None,
    };
    let headline = match inspection {
        Some(i) => [i.make(), i.model()].into_iter().flatten().collect::<Vec<_>>().join(" "),
        None if plate.is_some() => fields.and_then(|f| element_text(f, 20, &[4])).unwrap_or_default(),
        None => row.headline.clone(),
    };
    let observed = || fields.filter(|_| row.kind == Kind::SurveillanceNote).and_then(|f| element_text(f, 21, &[4]));
    Some(dto::RecordRow {
        compartment: compartment.to_string(),
        id: row.uuid.to_string(),
        kind: kind_name(row.kind),
        number: row.number.clone(),
        at_ms: row.occurred_ms,
        team: row.team.as_deref().or(team_of(compartment)).map(str::to_owned),
        post: row.post.clone(),
        plate,
        headline,
        detail: row.detail.clone(),
        person: inspection.and_then(|i| element_text(View(i.0), 29, &[3, 4])),
        vehicle_kind: inspection.and_then(|i| i.vehicle_kind()).map(str::to_owned),
        direction: inspection.and_then(|i| i.direction()).map(str::to_owned),
        excerpt: text(13).or_else(observed).map(|t| excerpt(&t)),
        conflicts: row.conflicts,
        voided: row.hidden,
        revived: row.revived,
        missing_earlier: row.missing_parent,
        changes: row.changes,
        touched_ms: row.touched_ms,
    })
}

/// The texts of these fields in the first element of a list that has one.
fn element_text(fields: View<'_>, list: u32, numbers: &[u32]) -> Option<String> {
    let mut words: Vec<&str> = Vec::new();
    let mut of = None;
    for (key, number, value) in fields.elements(list) {
        if of.is_some_and(|of| of != key) {
            break;
        }
        if let (true, daftar_core::value::Value::Text(text)) = (numbers.contains(&number), value)
            && !text.is_empty()
        {
            of = Some(key);
            words.push(text);
        }
    }
    (!words.is_empty()).then(|| words.join(" "))
}

fn excerpt(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= EXCERPT_CHARS_MAX {
        return line;
    }
    line.chars().take(EXCERPT_CHARS_MAX).chain(['…']).collect()
}
