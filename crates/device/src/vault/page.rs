//! A page in the making: segments are appended to the log, then every record that they touch is brought up to date once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use daftar_core::change::Change;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, RecordId};
use daftar_core::merge::{self, Plan};
use daftar_core::record::Kind;
use daftar_core::time::Stamp;
use daftar_wire::change::Body;
use daftar_wire::message::{Ruling, Verdict};
use daftar_wire::segment::{Checked, Segment};
use daftar_wire::sign::verify_attestation;
use daftar_wire::stream::StreamId;
use rusqlite::Connection;

use super::apply::Readable;
use super::erase;
use super::log::{self, StreamRow};
use super::names;
use super::record::{self, RecordRow, Written};
use super::send::{keep_attestation, keep_head};
use crate::error::Result;

/// Why a segment was not taken.
pub(super) type NotTaken = (Option<StreamId>, &'static str);

/// What a page came to.
pub(super) struct Done {
    pub(super) changes: u64,
    pub(super) last: Stamp,
    pub(super) grants: bool,
}

/// A record that the page touches.
struct Touched {
    id: i64,
    kind: Kind,
    /// `None`: the page brings it.
    row: Option<RecordRow>,
    /// Its changes in the page, in the order in which they came.
    fresh: Vec<Change>,
    /// A ruling changed, so that its log is asked.
    replay: bool,
}

pub(super) struct Page<'a> {
    conn: &'a Connection,
    compartment: &'a Compartment,
    next_id: i64,
    touched: HashMap<RecordId, Touched>,
    ruled: HashSet<ChangeName>,
    /// Records of which a change was erased.
    erased: Vec<i64>,
    done: Done,
}

impl<'a> Page<'a> {
    pub(super) fn begin(conn: &'a Connection, compartment: &'a Compartment) -> Result<Self> {
        Ok(Self {
            conn,
            compartment,
            next_id: record::next_id(conn)?,
            touched: HashMap::new(),
            ruled: record::ruled_out(conn)?,
            erased: Vec::new(),
            done: Done { changes: 0, last: Stamp::default(), grants: false },
        })
    }

    /// Appends what is new of a segment. The writer's signature is checked where his key is known; otherwise it waits to be.
    pub(super) fn segment(&mut self, readable: Readable) -> Result<std::result::Result<(), NotTaken>> {
        let Readable { segment, keys } = readable;
        let segment = erase::without_erased(self.conn, segment)?;
        let not_taken = |why| Ok(Err((Some(segment.stream.clone()), why)));
        let mut stream = log::find_or_begin(self.conn, &segment.stream)?;
        if segment.first > stream.n + 1 {
            return not_taken("gap");
        }
        let Some(before) = log::head_at(self.conn, self.compartment, &stream, segment.first - 1)? else {
            return not_taken("gap");
        };
        let checked = match &keys {
            Some(keys) => match segment.check(before, &keys.device) {
                Ok(checked) => checked,
                Err(_) => return not_taken("bad_signature"),
            },
            None => segment.chain(before),
        };
        let held = usize::try_from(stream.n + 1 - segment.first)?.min(segment.entries.len());
        if log::names(self.conn, stream.id, segment.first, segment.first + held as u64 - 1)? != checked.names[..held] {
            return not_taken("fork");
        }
        self.append(&segment, &checked, held, &mut stream)?;
        self.keep_signatures(&segment, &checked, &stream)?;
        let good = |a: &daftar_wire::segment::Attestation| {
            let key = keys.as_ref().and_then(|k| k.officers.get(&a.officer));
            let head = checked.heads.get((a.n - segment.first) as usize);
            key.zip(head).is_none_or(|(key, head)| verify_attestation(key, &a.officer, &segment.stream, a.n, head, &a.sig).is_ok())
        };
        for a in segment.attestations.iter().filter(|a| good(a)) {
            keep_attestation(self.conn, stream.id, a)?;
        }
        if keys.is_some() && stream.checked + 1 >= segment.first {
            stream.checked = stream.checked.max(segment.last());
        }
        log::keep(self.conn, &stream)?;
        Ok(Ok(()))
    }

    fn append(&mut self, segment: &Segment, checked: &Checked, held: usize, stream: &mut StreamRow) -> Result<()> {
        for run in &segment.runs {
            log::add_run(self.conn, stream.id, run)?;
        }
        for ((entry, name), n) in segment.entries.iter().zip(&checked.names).zip(segment.first..).skip(held) {
            // What this version cannot read stays in the log, and its record waits for a version that can.
            let change = read(entry, *name);
            let record = change.as_ref().map(|c| self.touch(c)).transpose()?;
            log::append(self.conn, stream, record, *name, entry, derived(segment, n, &entry.body))?;
            self.done.changes += 1;
            if let Some(change) = change {
                self.done.last = self.done.last.max(change.header.stamp);
                self.done.grants |= change.header.kind == Kind::Grant;
                if let Some(t) = self.touched.get_mut(&change.header.record) {
                    t.fresh.push(change);
                }
            }
        }
        Ok(())
    }

    /// The row of the change's record, looked up or set aside.
    fn touch(&mut self, change: &Change) -> Result<i64> {
        let uuid = change.header.record;
        if let Some(t) = self.touched.get(&uuid) {
            return Ok(t.id);
        }
        let row = record::find(self.conn, &uuid)?;
        let id = row.as_ref().map_or(self.next_id, |r| r.id);
        self.next_id += i64::from(row.is_none());
        let kind = row.as_ref().map_or(change.header.kind, |r| r.kind);
        self.touched.insert(uuid, Touched { id, kind, row, fresh: Vec::new(), replay: false });
        Ok(id)
    }

    fn keep_signatures(&self, segment: &Segment, checked: &Checked, stream: &StreamRow) -> Result<()> {
        for h in &segment.heads {
            if let Some(head) = checked.heads.get((h.n - segment.first) as usize) {
                keep_head(self.conn, stream.id, h.n, head, &h.sig)?;
            }
        }
        Ok(())
    }

    /// Keeps rulings, also on changes that have not come yet.
    pub(super) fn rulings(&mut self, rulings: &[Ruling]) -> Result<()> {
        for r in rulings {
            erase::keep_ruling(self.conn, r)?;
            match r.verdict {
                Verdict::Accepted => {
                    self.ruled.remove(&r.change);
                }
                Verdict::Review | Verdict::Quarantined => {
                    self.ruled.insert(r.change);
                }
                Verdict::Erased => erase::drop_payload(self.conn, &r.change)?,
            }
            for uuid in self.records_of(&r.change)? {
                if let Some(row) = record::find(self.conn, &uuid)? {
                    let (id, kind) = (row.id, row.kind);
                    let new = || Touched { id, kind, row: Some(row), fresh: Vec::new(), replay: true };
                    self.touched.entry(uuid).or_insert_with(new).replay = true;
                    if r.verdict == Verdict::Erased {
                        self.erased.push(id);
                    }
                }
            }
        }
        Ok(())
    }

    fn records_of(&self, change: &ChangeName) -> Result<BTreeSet<RecordId>> {
        let mut rows = self.conn.prepare_cached("SELECT r.uuid FROM change c JOIN record r ON r.id = c.record WHERE c.place = ?1")?;
        let mut ids = BTreeSet::new();
        for place in names::places(self.conn, change)? {
            ids.extend(rows.query_map([place], |r| r.get(0).map(RecordId))?.collect::<rusqlite::Result<Vec<_>>>()?);
        }
        Ok(ids)
    }

    /// Brings every touched record up to date.
    pub(super) fn merge(mut self) -> Result<Done> {
        let touched: BTreeMap<i64, (RecordId, Touched)> =
            std::mem::take(&mut self.touched).into_iter().map(|(uuid, t)| (t.id, (uuid, t))).collect();
        for (uuid, t) in touched.into_values() {
            self.bring_up(uuid, t)?;
        }
        if !self.erased.is_empty() {
            erase::forget_words(self.conn, &self.erased)?;
        }
        Ok(self.done)
    }

    fn bring_up(&self, uuid: RecordId, t: Touched) -> Result<()> {
        let mut state = match &t.row {
            Some(row) if !t.replay => self.before(row, &t.fresh)?,
            Some(_) | None => None,
        };
        // A row whose changes were all ruled out has no state to go on from.
        let stuck = t.row.is_some() && (state.is_none() || self.doubled(t.id, &t.fresh)?);
        let mut replay = t.replay || stuck || t.fresh.iter().any(|c| self.ruled.contains(&c.name));
        let mut seen: HashSet<ChangeName> = HashSet::new();
        for change in t.fresh.iter().take_while(|_| !replay) {
            match merge::plan(state.as_ref(), change, !seen.insert(change.name)) {
                Plan::Same => {}
                Plan::Take => state = Some(merge::apply(state, change)),
                Plan::Replay => {
                    replay = true;
                    break;
                }
            }
        }
        if replay {
            state = record::replayed(self.conn, t.id, &self.ruled)?.0;
        }
        let single = state.as_ref().is_none_or(|s| s.changes == 1);
        let kind = state.as_ref().map_or(t.kind, |s| s.kind);
        record::write(self.conn, &Written { id: t.id, uuid, kind, state: state.as_ref(), single })
    }

    /// The record as it stood before this page: where its log alone says it, without what the page has appended.
    fn before(&self, row: &RecordRow, fresh: &[Change]) -> Result<Option<merge::RecordState>> {
        if let Some(state) = row.state.as_deref().and_then(|bytes| daftar_wire::state::read(row.kind, bytes)) {
            return Ok(Some(state));
        }
        let fresh: HashSet<ChangeName> = fresh.iter().map(|c| c.name).collect();
        let before: Vec<Change> = log::of_record(self.conn, row.id)?
            .into_iter()
            .filter(|c| !fresh.contains(&c.name) && !self.ruled.contains(&c.name))
            .filter_map(|c| c.read().ok())
            .collect();
        Ok(merge::replay(&before))
    }

    /// Whether any of these stands in the record's log twice: the same change may come in another stream.
    fn doubled(&self, record: i64, fresh: &[Change]) -> Result<bool> {
        let mut rows = self.conn.prepare_cached("SELECT name FROM change WHERE record = ?1")?;
        let mut times: HashMap<ChangeName, u32> = HashMap::new();
        for name in rows.query_map([record], |r| r.get(0).map(ChangeName))? {
            *times.entry(name?).or_default() += 1;
        }
        Ok(fresh.iter().any(|c| times.get(&c.name).is_some_and(|n| *n > 1)))
    }
}

/// Whether the change's salt comes from its run's seed, so that it need not be kept beside it.
fn derived(segment: &Segment, n: u64, body: &Body) -> bool {
    let run = segment.runs[..segment.runs.partition_point(|r| r.first <= n)].last();
    match (run, body) {
        (Some(run), Body::Whole { salt, .. }) => *salt == daftar_wire::change::salt(&run.seed, n - run.first),
        (Some(_) | None, Body::Whole { .. } | Body::Erased { .. }) => false,
    }
}

/// What an entry says; its name is known already.
fn read(entry: &daftar_wire::change::Entry, name: ChangeName) -> Option<Change> {
    let header = daftar_wire::change::read_header(&entry.header).ok()?;
    let payload = match entry.payload() {
        Some(bytes) => daftar_wire::change::read_payload(header.kind, bytes).ok()?,
        None => daftar_core::change::Payload::default(),
    };
    Some(Change { name, header, payload })
}
