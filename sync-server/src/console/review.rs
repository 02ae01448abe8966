//! Changes that do not count, and a person's word on one. Who reads the compartment sees them; who also writes there and works at
//! headquarters rules.

use std::time::{Duration, Instant};

use daftar_core::authorize::{Action, Role, authorize};
use daftar_core::compartment::Compartment;
use daftar_core::ids::ChangeName;
use daftar_core::value::{ELEMENT_PLACE, Path};
use daftar_wire::change::{read_header, read_payload};
use daftar_wire::json::{format_path, write_value};
use daftar_wire::message::Verdict;
use rusqlite::Connection;

use super::access_dto::{ReviewList, ReviewRow, VerdictInput, VerdictView};
use super::dto::FieldChange;
use super::error::ConsoleError;
use super::query::Query;
use super::reader::{Reader, kind_name};
use crate::admin::{REASON_BYTES_MAX, verdict_name};
use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::project::Projector;
use crate::register::Known;
use crate::store::people;
use crate::store::verdict::{self, JudgedRow};

/// Rows of a page.
const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 200;
/// How long the console's tables are waited for after a verdict.
const SEEN_MAX: Duration = Duration::from_secs(2);

/// What a list is asked for.
pub(super) struct Asked {
    compartment: Option<Compartment>,
    verdict: Option<Verdict>,
    before: i64,
    limit: u32,
}

impl Asked {
    /// Reads the question; what cannot be asked is refused, never passed over.
    pub(super) fn read(query: &Query) -> std::result::Result<Self, ConsoleError> {
        let mut asked = Self { compartment: None, verdict: None, before: i64::MAX, limit: LIMIT_DEFAULT };
        for (name, value) in query.pairs().filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "compartment" => asked.compartment = Some(value.parse().map_err(|_| ConsoleError::BadRequest)?),
                "verdict" => asked.verdict = Some(named(value).filter(|v| *v != Verdict::Accepted).ok_or(ConsoleError::BadRequest)?),
                "before" => asked.before = value.parse().map_err(|_| ConsoleError::BadRequest)?,
                "limit" => asked.limit = value.parse().ok().filter(|n| (1..=LIMIT_MAX).contains(n)).ok_or(ConsoleError::BadRequest)?,
                _ => return Err(ConsoleError::BadRequest),
            }
        }
        Ok(asked)
    }
}

fn named(name: &str) -> Option<Verdict> {
    [Verdict::Accepted, Verdict::Review, Verdict::Quarantined].into_iter().find(|v| verdict_name(*v) == name)
}

/// A page of the list; `None` if the compartment that was named is not open to the reader.
pub(super) fn list(hq: &Headquarters, projector: &Projector, reader: &Reader, asked: &Asked) -> Result<Option<ReviewList>> {
    if asked.compartment.as_ref().is_some_and(|c| reader.place(c).is_none()) {
        return Ok(None);
    }
    let places = reader.places.iter().filter(|p| asked.compartment.as_ref().is_none_or(|c| *c == p.name));
    let mut found = projector.read(|tx| {
        let mut all = Vec::new();
        for place in places {
            all.extend(verdict::standing(tx, place.id, asked.verdict, asked.before, asked.limit + 1)?);
        }
        Ok(all)
    })?;
    found.sort_by_key(|r| std::cmp::Reverse(r.id));
    let is_more = found.len() > asked.limit as usize;
    found.truncate(asked.limit as usize);
    let next = found.last().filter(|_| is_more).map(|r| r.id.to_string());
    hq.store.read(|tx| {
        let rows = found.into_iter().filter_map(|row| shown(hq, tx, reader, row).transpose()).collect::<Result<Vec<_>>>()?;
        Ok(Some(ReviewList { rows, next }))
    })
}

fn shown(hq: &Headquarters, tx: &Connection, reader: &Reader, row: JudgedRow) -> Result<Option<ReviewRow>> {
    let Some(place) = reader.place_of(row.place) else { return Ok(None) };
    let header = read_header(&row.header).ok().filter(|_| row.said.is_some());
    let author = row.said.map(|(_, _, author)| author);
    let author = author.map(|a| Ok::<_, Error>(people::officer(tx, &a)?.map_or_else(|| a.to_string(), |o| o.full_name)));
    let decided = verdict::decided_by(tx, &row.name)?;
    let by = decided.flatten().map(|by| people::officer(tx, &by)).transpose()?.flatten();
    Ok(Some(ReviewRow {
        change: row.name.to_string(),
        compartment: place.name.to_string(),
        record: row.said.map(|(record, _, _)| record.to_string()),
        kind: row.said.map(|(_, kind, _)| kind_name(kind)),
        op: header.map(|h| h.op.name().to_owned()),
        author: author.transpose()?,
        device: people::device(tx, &row.device)?.map_or_else(|| row.device.to_string(), |d| d.name),
        at_ms: row.stamp_ms,
        received_ms: row.received_ms,
        verdict: verdict_name(row.verdict).to_owned(),
        reason: row.reason.clone(),
        decided: decided.is_some(),
        decided_by: by.map(|o| o.handle),
        changed: changed(&row),
        may_decide: may_decide(hq, tx, reader, &place.name)?,
    }))
}

/// What a change sets, if it can be read.
fn changed(row: &JudgedRow) -> Vec<FieldChange> {
    let (Some((_, kind, _)), Some(payload)) = (row.said, &row.payload) else { return Vec::new() };
    let Ok(payload) = read_payload(kind, payload) else { return Vec::new() };
    let fields = payload.set.iter().filter(|(path, _)| !matches!(path, Path::Element(_, _, ELEMENT_PLACE)));
    fields.map(|(path, value)| FieldChange { path: format_path(kind, path), before: None, after: write_value(kind, path, value) }).collect()
}

/// Whether the reader rules there: on duty in the coordination team or an analyst, and he may write there.
fn may_decide(hq: &Headquarters, tx: &Connection, reader: &Reader, name: &Compartment) -> Result<bool> {
    let may = match reader.officer.role {
        Role::Oct | Role::Analyst => true,
        Role::Officer | Role::Leader | Role::Admin => false,
    };
    let mut known = Known::default();
    known.learn(tx, &reader.officer.id, None)?;
    Ok(may && authorize(&reader.officer.id, None, Action::Write, name, hq.clock.now_ms(), &known).is_ok())
}

/// A verdict as it was asked for, read.
pub(super) struct Ruling {
    change: ChangeName,
    verdict: Verdict,
    reason: String,
}

impl Ruling {
    /// Reads the question.
    pub(super) fn read(body: &[u8]) -> std::result::Result<Self, ConsoleError> {
        let VerdictInput { change, verdict, reason } = serde_json::from_slice(body).map_err(|_| ConsoleError::BadRequest)?;
        let (change, verdict) = (change.parse().ok(), named(&verdict));
        let (Some(change), Some(verdict)) = (change, verdict) else { return Err(ConsoleError::BadRequest) };
        let reason = reason.trim().to_owned();
        if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
            Err(ConsoleError::BadRequest)
        } else {
            Ok(Self { change, verdict, reason })
        }
    }
}

/// Rules on a change.
pub(super) fn decide(
    hq: &Headquarters,
    projector: &Projector,
    reader: &Reader,
    ruling: &Ruling,
) -> Result<std::result::Result<VerdictView, ConsoleError>> {
    let row = projector.read(|tx| verdict::change(tx, &ruling.change))?;
    let Some((row, place)) = row.and_then(|row| reader.place_of(row.place).map(|place| (row, place))) else {
        return Ok(Err(super::closed(&reader.officer.id, "a change")));
    };
    if !hq.store.read(|tx| may_decide(hq, tx, reader, &place.name))? {
        return Ok(Err(ConsoleError::NotAllowed));
    }
    let decided = match hq.decide(&row, ruling.verdict, &ruling.reason, Some(&reader.officer.id)) {
        Err(Error::Refused(_)) => return Ok(Err(ConsoleError::BadRequest)),
        decided => decided?,
    };
    let (officer, verdict) = (reader.officer.id, verdict_name(ruling.verdict));
    tracing::info!(%officer, compartment = %place.name, change = %ruling.change, verdict, "a verdict was given");
    projector.catch_up(Instant::now() + SEEN_MAX)?;
    Ok(Ok(VerdictView { verdict: verdict.to_owned(), before: verdict_name(decided.before).to_owned(), written: decided.n.is_some() }))
}
