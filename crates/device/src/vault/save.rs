//! Saving: an officer's act becomes a change, in one transaction with all that follows from it in its file. *Saved* means that
//! the commit has reached the disk. Never waits for the network.

use std::collections::BTreeMap;

use daftar_core::authorize::Action;
use daftar_core::change::{Change, Header, Op, Payload};
use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, RecordId};
use daftar_core::merge::{self, Plan, RecordState, check_amend};
use daftar_core::record::Kind;
use daftar_core::time::{ClockReading, Stamp};
use daftar_core::value::{Path, Value};
use daftar_wire::change::Entry;
use daftar_wire::json::format_path;
use rusqlite::Connection;

use super::record::{self, Written};
use super::stream::{self, StreamRow};
use super::{Store, held, log, number};
use crate::error::{Error, Result};

/// What an officer does to a record.
#[derive(Debug, Clone)]
pub struct Act {
    /// Where.
    pub compartment: Compartment,
    /// To which record.
    pub record: RecordId,
    /// Its kind; for an act on a record that exists the record's own counts.
    pub kind: Kind,
    /// What it does.
    pub op: Op,
    /// What it sets.
    pub set: BTreeMap<Path, Value>,
    /// Why, in his words.
    pub reason: Option<String>,
    /// The record's heads when the form was opened; `None`: as it stands now.
    pub parents: Option<Vec<ChangeName>>,
}

impl Act {
    /// A new record.
    pub fn create(compartment: Compartment, kind: Kind, record: RecordId, set: BTreeMap<Path, Value>) -> Self {
        Self { compartment, record, kind, op: Op::Create, set, reason: None, parents: None }
    }

    /// Another act on a record that is there.
    pub fn on(compartment: Compartment, record: RecordId, op: Op, set: BTreeMap<Path, Value>) -> Self {
        Self { compartment, record, kind: Kind::Other(0), op, set, reason: None, parents: None }
    }
}

/// A change that has reached the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The change.
    pub name: ChangeName,
    /// The record.
    pub record: RecordId,
    /// The change's number in the device's stream.
    pub n: u64,
    /// The record's number for people, where this act gave it one.
    pub number: Option<String>,
}

/// What became of a record that was brought in.
#[derive(Debug)]
pub enum Imported {
    /// It is new here.
    Saved(Saved),
    /// The same is here already.
    Same,
    /// It was not taken.
    Refused(Error),
}

/// One file's transaction in the making.
struct Writing<'a> {
    store: &'a Store,
    conn: &'a Connection,
    compartment: &'a Compartment,
    stream: StreamRow,
    clock: ClockReading,
    now_ms: u64,
}

impl Store {
    /// Saves one act. A record without a number gets one, where its kind has numbers.
    pub fn save(&self, act: &Act) -> Result<Saved> {
        let saved = self.writing(&act.compartment, |w| w.save(act, true))?;
        tracing::debug!(compartment = %act.compartment, n = saved.n, "saved");
        Ok(saved)
    }

    /// Brings in new records, all in one transaction; each is judged alone, and keeps the number that it brings or has none.
    pub fn import(&self, compartment: &Compartment, acts: &[Act]) -> Result<Vec<Imported>> {
        self.writing(compartment, |w| acts.iter().map(|act| w.import(act)).collect())
    }

    fn writing<T>(&self, compartment: &Compartment, f: impl FnOnce(&mut Writing<'_>) -> Result<T>) -> Result<T> {
        let now_ms = self.now_ms();
        self.authorize(Action::Write, compartment)?;
        let clock = self.shared.keyring.clock_reading(now_ms)?;
        let mut vault = self.vault_to_write(compartment)?;
        let mut conn = loop {
            let Some(conn) = vault.conn_to_write() else {
                vault = self.vault_to_write(compartment)?;
                continue;
            };
            break conn;
        };
        let (done, stamp) = self.within_file(compartment, &vault, move |vault| {
            conn.write(|tx| {
                let stream = stream::own(tx)?;
                self.soil(vault)?;
                let mut w = Writing { store: self, conn: tx, compartment, stream, clock, now_ms };
                let done = f(&mut w)?;
                stream::keep(tx, &w.stream)?;
                Ok((done, w.stream.stamp))
            })
        })?;
        let mut last = held(&self.stamp);
        *last = (*last).unless_ahead(now_ms, clock.hq_time_ms(now_ms)).max(stamp);
        drop(last);
        self.seal_captured(compartment, &vault)?;
        Ok(done)
    }
}

impl Writing<'_> {
    fn save(&mut self, act: &Act, numbered: bool) -> Result<Saved> {
        match (act.op, record::find(self.conn, &act.record)?) {
            (Op::Create, Some(_)) => Err(merge::AmendError::Exists.into()),
            (Op::Create, None) => self.create(act, numbered),
            (Op::Amend | Op::Resolve | Op::Void | Op::Unvoid, Some(row)) => self.act(act, &row),
            (Op::Amend | Op::Resolve | Op::Void | Op::Unvoid, None) => Err(Error::NoRecord(act.record)),
        }
    }

    fn import(&mut self, act: &Act) -> Result<Imported> {
        let done = match record::find(self.conn, &act.record)? {
            Some(row) => return self.again(act, &row),
            None => self.create(act, false),
        };
        match done {
            Ok(saved) => Ok(Imported::Saved(saved)),
            // What concerns the file concerns all: the transaction ends.
            Err(e @ (Error::StorageFull | Error::Database(_) | Error::File(_) | Error::Damaged { .. } | Error::Unexpected(_))) => Err(e),
            Err(e) => Ok(Imported::Refused(e)),
        }
    }

    /// A record that is here: the same if it is now, or was created, as it is brought.
    fn again(&self, act: &Act, row: &record::RecordRow) -> Result<Imported> {
        let now = record::load(self.conn, row)?;
        let same = row.kind == act.kind
            && (now.is_some_and(|s| s.fields == act.set)
                || log::of_record(self.conn, row.id)?
                    .into_iter()
                    .filter_map(|c| c.read().ok())
                    .any(|c| c.header.op == Op::Create && c.payload.set == act.set));
        Ok(if same {
            Imported::Same
        } else {
            Imported::Refused(Error::Input(format!("another record with the id {} is here already; it was left as it is", act.record)))
        })
    }

    fn create(&mut self, act: &Act, numbered: bool) -> Result<Saved> {
        if act.set.is_empty() {
            return Err(Error::Input("the record has no field".into()));
        }
        let mut payload = Payload { set: act.set.clone(), reason: act.reason.clone() };
        let field = number::field(act.kind).filter(|path| numbered && !payload.set.contains_key(path));
        let given = match &field {
            Some(path) => {
                let keyring = &self.store.shared.keyring;
                let team = keyring.team()?.or_else(|| self.store.session.officer.team.clone());
                let digit = self.store.series(self.compartment, self.conn, &self.stream)?;
                let given = number::next(self.conn, act.kind, self.compartment, team.as_deref(), digit, self.now_ms)?;
                payload.set.insert(path.clone(), given.clone());
                Some(given)
            }
            None => None,
        };
        let id = record::next_id(self.conn)?;
        let change = self.append(act, act.kind, id, Vec::new(), payload, None)?;
        let state = merge::apply(None, &change);
        let written = Written { id, uuid: act.record, kind: act.kind, state: Some(&state), single: true };
        record::write(self.conn, &written)?;
        let number = given.and_then(|v| if let Value::Text(t) = v { Some(t) } else { None });
        Ok(Saved { name: change.name, record: act.record, n: self.stream.n, number })
    }

    fn act(&mut self, act: &Act, row: &record::RecordRow) -> Result<Saved> {
        let state = record::load(self.conn, row)?.ok_or(Error::NoRecord(act.record))?;
        check_fields(row.kind, act)?;
        let payload = Payload { set: act.set.clone(), reason: act.reason.clone() };
        check_amend(&state, &payload, act.op).map_err(|e| said(row.kind, e))?;
        let parents = act.parents.clone().unwrap_or_else(|| state.heads.clone());
        let change = self.append(act, row.kind, row.id, parents, payload, Some(&state))?;
        let state: RecordState = match merge::plan(Some(&state), &change, false) {
            Plan::Take => merge::apply(Some(state), &change),
            Plan::Same => state,
            Plan::Replay => {
                let replayed = record::replayed(self.conn, row.id, &record::ruled_out(self.conn)?)?.0;
                replayed.ok_or_else(|| Error::Unexpected("a record without a change".into()))?
            }
        };
        let written = Written { id: row.id, uuid: row.uuid, kind: state.kind, state: Some(&state), single: state.changes == 1 };
        record::write(self.conn, &written)?;
        Ok(Saved { name: change.name, record: act.record, n: self.stream.n, number: None })
    }

    /// Makes the change and appends it to the own stream.
    fn append(
        &mut self,
        act: &Act,
        kind: Kind,
        row: i64,
        parents: Vec<ChangeName>,
        payload: Payload,
        state: Option<&RecordState>,
    ) -> Result<Change> {
        let hq_now_ms = self.clock.hq_time_ms(self.now_ms);
        // Each by itself: where one is ahead the other may still be gone on from.
        let (elsewhere, here) = (*held(&self.store.stamp), self.stream.stamp);
        let mut last = elsewhere.unless_ahead(self.now_ms, hq_now_ms).max(here.unless_ahead(self.now_ms, hq_now_ms));
        if let Some(state) = state {
            last = last.seen(state.last, self.now_ms);
        }
        let stamp = Stamp::next(last, self.now_ms);
        let header = Header {
            device: self.store.info.id,
            record: act.record,
            kind,
            author: self.store.session.officer.id,
            op: act.op,
            stamp,
            clock: self.clock,
            parents,
        };
        let salt = log::next_salt(self.conn, &mut self.stream)?;
        let entry = Entry::write(&header, &payload, salt)?;
        let name = entry.name(self.compartment);
        log::append(self.conn, &mut self.stream, Some(row), name, &entry, true)?;
        self.stream.stamp = stamp;
        Ok(Change { name, header, payload })
    }
}

/// An act's refusal, with the paths as people know them.
fn said(kind: Kind, e: merge::AmendError) -> Error {
    let merge::AmendError::InConflict { path } = &e else { return e.into() };
    let path = format_path(kind, path);
    Error::Input(format!("`{path}` has more than one value since officers wrote it apart; decide between them instead of amending it"))
}

/// What an amendment may not touch: facts are appended, and what decides the audience stays.
fn check_fields(kind: Kind, act: &Act) -> Result<()> {
    if kind == Kind::CustodyEvent && act.op == Op::Amend {
        return Err(Error::Input("a hand-over is a fact and is not amended; record another one".into()));
    }
    for path in act.set.keys() {
        let name = format_path(kind, path);
        if kind.is_field_record() && ["team", "agency", "handling"].contains(&name.as_str()) {
            return Err(Error::Input(format!(
                "`{name}` decides who may read the record and stays as it is; make a record in the other compartment instead"
            )));
        }
    }
    Ok(())
}
