//! Reading records: lists by page, one record with its history, counts. Reads across the open files, one after the other, and only where
//! the officer may. Never writes.

use std::cmp::Reverse;

use daftar_core::authorize::Action;
use daftar_core::change::Op;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, DeviceId, Digest, OfficerId, RecordId};
use daftar_core::merge::RecordState;
use daftar_core::record::{Kind, Summary, summary};
use daftar_core::time::{ClockReading, Stamp};
use daftar_core::value::{Path, Value};
use daftar_wire::json::write_data;
use daftar_wire::message::Verdict;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value as Json};

use super::record::RecordRow;
use super::{Store, log, record, stream};
use crate::error::{Error, Result};
use crate::sql::{int, uint};

/// A record as it stands.
#[derive(Debug, Clone)]
pub struct RecordItem {
    /// Which.
    pub record: RecordId,
    /// Its kind.
    pub kind: Kind,
    /// Where.
    pub compartment: Compartment,
    /// Values, conflicts, heads.
    pub state: RecordState,
    /// Some change of it waits for headquarters' receipt.
    pub waiting: bool,
    /// Some change of it came by another device or a pack, and headquarters' feed has not said yet whether it counts.
    pub unjudged: bool,
}

impl RecordItem {
    /// Its data as JSON.
    pub fn data(&self) -> Map<String, Json> {
        write_data(self.kind, &self.state.fields, &|list, _| self.state.shown_elements(list))
    }

    /// What a list shows of it.
    pub fn summary(&self) -> Summary {
        summary(self.kind, &self.state.fields)
    }
}

/// Where a page of a list ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageCursor {
    occurred_ms: i64,
    compartment: Compartment,
    row: i64,
}

impl std::fmt::Display for PageCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.occurred_ms, self.row, self.compartment)
    }
}

impl std::str::FromStr for PageCursor {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        let bad = || Error::Input("this is no place in a list".into());
        let mut parts = s.splitn(3, ' ');
        let mut number = || parts.next().and_then(|p| p.parse::<i64>().ok()).ok_or_else(bad);
        let (occurred_ms, row) = (number()?, number()?);
        let compartment = parts.next().and_then(|p| p.parse().ok()).ok_or_else(bad)?;
        Ok(Self { occurred_ms, compartment, row })
    }
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// The records, the latest first.
    pub items: Vec<RecordItem>,
    /// Where the next begins; `None`: that was all.
    pub next: Option<PageCursor>,
}

/// One change in a record's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The change.
    pub change: ChangeName,
    /// What it did.
    pub op: Op,
    /// How well the device knew the time.
    pub clock: ClockReading,
    /// Its device's clock was wrong by more than five minutes, as far as headquarters' time shows it.
    pub ahead: bool,
    /// When, by its device's clock.
    pub stamp: Stamp,
    /// Whose act.
    pub author: OfficerId,
    /// On which device.
    pub device: DeviceId,
    /// What it set.
    pub set: Vec<(Path, Value)>,
    /// Why.
    pub reason: Option<String>,
    /// What headquarters ruled, where it did, and why.
    pub ruling: Option<(Verdict, String)>,
    /// It waits for a receipt.
    pub waiting: bool,
    /// It came by another device or a pack, and headquarters' feed has not said yet whether it counts.
    pub unjudged: bool,
    /// What it was written upon: the record's heads that the officer saw.
    pub parents: Vec<ChangeName>,
    /// Whether the officer's own key signed it too.
    pub attested: bool,
}

/// A path with more than one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Which.
    pub path: Path,
    /// Its values with the changes that set them, the one shown first.
    pub sides: Vec<(ChangeName, Value)>,
}

/// A record with its history.
#[derive(Debug, Clone)]
pub struct RecordView {
    /// As it stands; a voided one too.
    pub item: RecordItem,
    /// Its changes, by stamp.
    pub history: Vec<HistoryEntry>,
    /// Its open conflicts.
    pub conflicts: Vec<Conflict>,
}

/// What a compartment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Records that are shown, grants left out.
    pub records: u64,
    /// Changes in all streams.
    pub changes: u64,
    /// Records with an open conflict.
    pub conflicts: u64,
    /// The digest over all streams.
    pub digest: Digest,
}

impl Store {
    /// Records of these kinds, the latest first, from where `after` says.
    pub fn list(&self, kinds: &[Kind], after: Option<&PageCursor>, limit: usize) -> Result<Page> {
        let mut found: Vec<(i64, Compartment, i64)> = Vec::new();
        for c in self.allowed(Action::Read) {
            let listed = self.within_each(&c, |vault| {
                let conn = vault.conn();
                kinds.iter().map(|kind| listed(&conn, *kind, &c, after, limit)).collect::<Result<Vec<_>>>()
            })?;
            found.extend(listed.into_iter().flatten().flatten().map(|(occurred, id)| (occurred, c.clone(), id)));
        }
        found.sort_by(|a, b| (Reverse(a.0), &a.1, Reverse(a.2)).cmp(&(Reverse(b.0), &b.1, Reverse(b.2))));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(o, c, id)| PageCursor { occurred_ms: *o, compartment: c.clone(), row: *id });
        let mut items = Vec::with_capacity(found.len());
        for (_, c, id) in found {
            items.extend(self.item_if_whole(&c, id)?);
        }
        Ok(Page { items, next })
    }

    /// Records with an open conflict, by compartment.
    pub fn in_conflict(&self) -> Result<Vec<RecordItem>> {
        let mut items = Vec::new();
        for c in self.allowed(Action::Read) {
            let found = self.within_each(&c, |vault| {
                let conn = vault.conn();
                open_conflicts(&conn, &c)?.iter().map(|row| item(&conn, &self.info.id, &c, row)).collect::<Result<Vec<_>>>()
            })?;
            items.extend(found.into_iter().flatten().flatten());
        }
        Ok(items)
    }

    /// A record by its row; `None` also where the file turned out to be damaged meanwhile.
    pub(super) fn item_if_whole(&self, c: &Compartment, row: i64) -> Result<Option<RecordItem>> {
        if !self.compartments().contains(c) {
            return Ok(None);
        }
        let read = self.within_each(c, |vault| {
            let conn = vault.conn();
            let sql = format!("SELECT {} FROM record WHERE id = ?1", record::COLUMNS);
            let Some(row) = conn.prepare_cached(&sql)?.query_row([row], record::row).optional()? else { return Ok(None) };
            item(&conn, &self.info.id, c, &row)
        });
        Ok(read?.flatten())
    }

    /// The compartments in which a record of this id is, of those that the officer may read.
    pub fn find(&self, id: &RecordId) -> Result<Vec<Compartment>> {
        let mut found = Vec::new();
        for c in self.allowed(Action::Read) {
            if self.within_each(&c, |vault| record::find(&vault.conn(), id))?.flatten().is_some() {
                found.push(c);
            }
        }
        Ok(found)
    }

    /// The one compartment in which a record is.
    pub fn compartment_of(&self, id: &RecordId) -> Result<Compartment> {
        self.find(id)?.into_iter().next().ok_or(Error::NoRecord(*id))
    }

    /// A record with its history.
    pub fn show(&self, c: &Compartment, id: &RecordId) -> Result<RecordView> {
        self.authorize(Action::Read, c)?;
        self.within(c, |vault| self.shown(&vault.conn(), c, id))
    }

    /// What a compartment that he may read holds.
    pub fn counts(&self, c: &Compartment) -> Result<Counts> {
        self.authorize(Action::Read, c)?;
        self.within(c, |vault| counted(&vault.conn(), c))
    }

    /// How many records of a kind occurred at or after a time, over all compartments.
    pub fn count_since(&self, kind: Kind, since_ms: u64) -> Result<u64> {
        let mut n = 0;
        for c in self.allowed(Action::Read) {
            let counted = self.within_each(&c, |vault| {
                let conn = vault.conn();
                let mut rows = conn.prepare_cached("SELECT count(*) FROM record WHERE kind = ?1 AND listed AND occurred_ms >= ?2")?;
                Ok(uint(rows.query_row(params![kind.number(), int(since_ms)], |r| r.get(0))?))
            });
            n += counted?.unwrap_or(0);
        }
        Ok(n)
    }
}

fn counted(conn: &Connection, c: &Compartment) -> Result<Counts> {
    let records = conn.query_row("SELECT count(*) FROM record WHERE listed AND kind <> ?1", [Kind::Grant.number()], |r| r.get(0));
    let changes = stream::all(conn)?.iter().map(|s| s.end().saturating_sub(s.split_n)).sum();
    Ok(Counts { records: uint(records?), changes, conflicts: open_conflicts(conn, c)?.len() as u64, digest: stream::digest_here(conn, c)? })
}

/// Rows with an open conflict that an officer may settle. Where it is about headquarters' own words, its next one settles it.
fn open_conflicts(conn: &Connection, c: &Compartment) -> Result<Vec<RecordRow>> {
    if *c == Compartment::reference() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT {} FROM record WHERE conflicts > 0 AND listed AND kind <> ?1 ORDER BY id", record::COLUMNS);
    let rows = conn.prepare_cached(&sql)?.query_map([Kind::Grant.number()], record::row)?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(rows)
}

/// Rows of one kind in one file, the latest first; one more than asked says that there is more.
fn listed(conn: &Connection, kind: Kind, c: &Compartment, after: Option<&PageCursor>, limit: usize) -> Result<Vec<(i64, i64)>> {
    // Within one millisecond compartments follow by name, and rows backwards.
    let (before, row) = match after {
        None => (i64::MAX, i64::MAX),
        Some(a) if *c < a.compartment => (a.occurred_ms, i64::MIN),
        Some(a) if *c == a.compartment => (a.occurred_ms, a.row),
        Some(a) => (a.occurred_ms, i64::MAX),
    };
    let mut rows = conn.prepare_cached(
        "SELECT occurred_ms, id FROM record WHERE kind = ?1 AND listed AND (occurred_ms, id) < (?2, ?3)
         ORDER BY occurred_ms DESC, id DESC LIMIT ?4",
    )?;
    let most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let rows = rows.query_map(params![kind.number(), before, row, most], |r| Ok((r.get(0)?, r.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn item(conn: &Connection, device: &DeviceId, c: &Compartment, row: &record::RecordRow) -> Result<Option<RecordItem>> {
    let Some(state) = record::load(conn, row)? else { return Ok(None) };
    let mut waiting = false;
    for s in stream::of_device(conn, device)?.iter().filter(|s| s.receipted() < s.end()) {
        waiting |= conn
            .prepare_cached("SELECT 1 FROM change WHERE record = ?1 AND place > ?2 AND place <= ?3 LIMIT 1")?
            .exists(params![row.id, log::place(s.id, s.receipted()), log::place(s.id, s.end())])?;
    }
    let mut unjudged = false;
    for s in stream::unjudged(conn, device)? {
        unjudged |= conn
            .prepare_cached("SELECT 1 FROM change WHERE record = ?1 AND place > ?2 AND place <= ?3 LIMIT 1")?
            .exists(params![row.id, log::place(s.id, s.at_hq()), log::place(s.id, s.n)])?;
    }
    Ok(Some(RecordItem { record: row.uuid, kind: row.kind, compartment: c.clone(), state, waiting, unjudged }))
}

impl Store {
    fn shown(&self, conn: &Connection, c: &Compartment, id: &RecordId) -> Result<RecordView> {
        let row = record::find(conn, id)?.ok_or(Error::NoRecord(*id))?;
        let item = item(conn, &self.info.id, c, &row)?.ok_or(Error::NoRecord(*id))?;
        let conflicts = item
            .state
            .open_conflicts()
            .map(|(path, sides)| Conflict { path: path.clone(), sides: sides.iter().map(|s| (s.change, s.value.clone())).collect() });
        let conflicts = conflicts.collect();
        Ok(RecordView { history: self.history(conn, row.id)?, item, conflicts })
    }

    fn history(&self, conn: &Connection, record: i64) -> Result<Vec<HistoryEntry>> {
        let own = stream::of_device(conn, &self.info.id)?;
        let unjudged = stream::unjudged(conn, &self.info.id)?;
        let hq_now_ms = self.hq_time_ms()?;
        let mut entries: Vec<HistoryEntry> = Vec::new();
        for row in log::of_record(conn, record)? {
            let (stream, n) = log::at(row.place);
            let ruling = conn
                .prepare_cached("SELECT verdict, reason FROM ruling WHERE name = ?1")?
                .query_row([row.name.0], |r| Ok((r.get::<_, u32>(0)?, r.get::<_, String>(1)?)))
                .optional()?;
            let Ok(change) = row.read() else { continue };
            let attested = conn
                .prepare_cached("SELECT 1 FROM attestation WHERE stream = ?1 AND n >= ?2 AND officer = ?3 LIMIT 1")?
                .exists(params![stream, int(n), change.header.author.0])?;
            let (stamp, clock) = (change.header.stamp, change.header.clock);
            entries.push(HistoryEntry {
                change: change.name,
                op: change.header.op,
                stamp,
                clock,
                ahead: clock.is_off() || hq_now_ms.is_some_and(|now| stamp.is_ahead_of(now)),
                parents: change.header.parents,
                attested,
                author: change.header.author,
                device: change.header.device,
                set: change.payload.set.into_iter().collect(),
                reason: change.payload.reason,
                ruling: ruling.and_then(|(v, reason)| Some((Verdict::from_number(v)?, reason))),
                waiting: own.iter().any(|s| s.id == stream && n > s.receipted() && n <= s.end()),
                unjudged: unjudged.iter().any(|s| s.id == stream && n > s.at_hq()),
            });
        }
        entries.sort_by_key(|e| (e.stamp, e.change));
        entries.dedup_by(|again, first| {
            let same = again.change == first.change;
            first.waiting |= same && again.waiting;
            first.unjudged &= !same || again.unjudged;
            first.attested |= same && again.attested;
            same
        });
        Ok(entries)
    }
}
