//! One page of a feed carried into the tables: changes to their history, records to what they come to. Never judges.

use std::collections::{BTreeMap, HashMap};

use daftar_core::change::Change;
use daftar_core::fold::index_terms;
use daftar_core::ids::{ChangeName, FileHash, RecordId};
use daftar_core::merge::{self, Plan, RecordState};
use daftar_core::record::{searchable, summary};
use daftar_wire::change::{read_header, read_payload};
use daftar_wire::message::{FeedVerdict, Ruling, Verdict};
use daftar_wire::segment::Segment;
use daftar_wire::state;
use rusqlite::Connection;

use crate::error::Result;
use crate::store::feed::{Entry, Kind};
use crate::store::meta::Place;
use crate::store::projection::{self, NewChange, NewRecord};

/// What a page brings to a record.
#[derive(Default)]
struct Touched {
    /// Changes that count, in the order in which they came.
    changes: Vec<Change>,
    /// A verdict was revised: nothing that was is sure.
    again: bool,
    /// When the last came, in milliseconds of UTC.
    at_ms: u64,
}

/// Carries entries of a compartment's feed over, in their order.
pub(super) fn apply(tx: &Connection, place: &Place, entries: &[Entry]) -> Result<()> {
    let mut rulings = HashMap::new();
    let (mut revised, mut erased) = (Vec::new(), Vec::new());
    for entry in entries {
        if let Kind::Verdict(_) = entry.kind {
            for ruling in FeedVerdict::read_rulings(&entry.bytes)? {
                if ruling.verdict == Verdict::Erased {
                    erased.push((entry.at_ms, ruling.change));
                    continue;
                }
                rulings.insert(ruling.change, ruling.clone());
                revised.push((entry.at_ms, ruling));
            }
        }
    }
    let mut touched: BTreeMap<RecordId, Touched> = BTreeMap::new();
    for entry in entries {
        if let Kind::Segment { .. } = entry.kind {
            segment(tx, place, entry, &rulings, &mut touched)?;
        }
    }
    for (at_ms, Ruling { change, verdict, reason }) in revised {
        if let Some(record) = projection::rule(tx, &change, verdict, &reason)? {
            let t = touched.entry(record).or_default();
            (t.again, t.at_ms) = (true, t.at_ms.max(at_ms));
        }
    }
    for (at_ms, change) in &erased {
        if let Some(record) = projection::erase(tx, change)? {
            let t = touched.entry(record).or_default();
            (t.again, t.at_ms) = (true, t.at_ms.max(*at_ms));
        }
    }
    let found = touched.into_iter().map(|(id, t)| record(tx, place, id, t)).collect::<Result<Vec<_>>>()?;
    found.into_iter().flatten().try_for_each(|f| projection::index(tx, f.row, f.is_new, &f.terms))?;
    if erased.is_empty() { Ok(()) } else { projection::optimize_index(tx) }
}

/// What a record that was written is found by.
struct Found {
    row: i64,
    is_new: bool,
    terms: String,
}

fn segment(
    tx: &Connection,
    place: &Place,
    entry: &Entry,
    rulings: &HashMap<ChangeName, Ruling>,
    touched: &mut BTreeMap<RecordId, Touched>,
) -> Result<()> {
    let segment = Segment::read(&entry.bytes)?;
    for (n, e) in (segment.first..).zip(&segment.entries) {
        let read = e.read(&place.name);
        let name = read.as_ref().map_or_else(|_| e.name(&place.name), |c| c.name);
        let ruling = rulings.get(&name);
        let verdict = ruling.map_or(if read.is_ok() { Verdict::Accepted } else { Verdict::Quarantined }, |r| r.verdict);
        let added = projection::add_change(
            tx,
            place,
            &NewChange {
                name,
                said: read.as_ref().ok().map(|c| &c.header),
                device: segment.stream.device,
                incarnation: segment.stream.incarnation,
                n,
                feed_n: entry.n,
                received_ms: entry.at_ms,
                verdict,
                reason: ruling.map(|r| r.reason.as_str()),
                header: &e.header,
                payload: e.payload(),
            },
        )?;
        if let (true, Verdict::Accepted, Ok(change)) = (added, verdict, read) {
            let t = touched.entry(change.header.record).or_default();
            t.at_ms = t.at_ms.max(entry.at_ms);
            t.changes.push(change);
        }
    }
    Ok(())
}

/// Brings a record up to what its changes come to.
fn record(tx: &Connection, place: &Place, id: RecordId, touched: Touched) -> Result<Option<Found>> {
    let row = projection::state(tx, place, &id)?;
    let before = row.as_ref().map(|(_, kind, bytes)| state::read(*kind, bytes));
    let after = match before {
        Some(None) => replayed(tx, place, &id)?,
        _ if touched.again => replayed(tx, place, &id)?,
        before => match carried(before.flatten(), &touched.changes) {
            Some(state) => state,
            None => replayed(tx, place, &id)?,
        },
    };
    let row = row.map(|(row, _, _)| row);
    match (after, row) {
        (Some(state), row) => write(tx, place, row, id, &state, touched.at_ms).map(Some),
        (None, Some(row)) => projection::drop_record(tx, row).map(|()| None),
        (None, None) => Ok(None),
    }
}

/// The state with these changes, if each follows all before it; `None`: it must be replayed.
fn carried(mut state: Option<RecordState>, changes: &[Change]) -> Option<Option<RecordState>> {
    for change in changes {
        match merge::plan(state.as_ref(), change, false) {
            Plan::Take => state = Some(merge::apply(state, change)),
            Plan::Same => {}
            Plan::Replay => return None,
        }
    }
    Some(state)
}

/// The state from all changes that count.
fn replayed(tx: &Connection, place: &Place, id: &RecordId) -> Result<Option<RecordState>> {
    let mut changes = Vec::new();
    for (name, header, payload) in projection::accepted(tx, place, id)? {
        let header = read_header(&header)?;
        let payload = payload.map(|p| read_payload(header.kind, &p)).transpose()?.unwrap_or_default();
        changes.push(Change { name, header, payload });
    }
    Ok(merge::replay(&changes))
}

/// The time in a record's identity.
fn made_ms(record: &RecordId) -> i64 {
    record.0[..6].iter().fold(0, |ms, b| ms << 8 | i64::from(*b))
}

fn write(tx: &Connection, place: &Place, row: Option<i64>, uuid: RecordId, s: &RecordState, touched_ms: u64) -> Result<Found> {
    let summary = summary(s.kind, &s.fields);
    let terms: Vec<String> = searchable(s.kind, &s.fields).into_iter().map(index_terms).collect();
    let record = NewRecord {
        uuid,
        kind: s.kind,
        state: &state::write(s),
        occurred_ms: summary.occurred_ms.unwrap_or_else(|| made_ms(&uuid)),
        number: summary.number.as_deref(),
        headline: &summary.headline,
        detail: summary.detail.as_deref(),
        team: summary.team.as_deref(),
        post: summary.post.as_deref(),
        conflicts: s.open_conflicts().count(),
        hidden: s.hidden,
        revived: s.flags.revived,
        missing_parent: s.flags.missing_parent,
        changes: s.changes,
        touched_ms,
    };
    let is_new = row.is_none();
    let row = projection::put_record(tx, place, row, &record)?;
    let files: Vec<FileHash> = s.files().into_iter().map(|f| f.sha256).collect();
    if !(is_new && files.is_empty()) {
        projection::set_files(tx, place, row, &files)?;
    }
    Ok(Found { row, is_new, terms: terms.join(" ") })
}
