//! A page in the making: segments are appended to the log, then every record that they touch is brought up to date once.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use daftar_core::change::Change;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, DeviceId, RecordId};
use daftar_core::merge::{self, Plan};
use daftar_core::record::Kind;
use daftar_core::time::Stamp;
use daftar_wire::branch::{Place, place};
use daftar_wire::change::{Body, Entry};
use daftar_wire::message::{Ruling, Verdict};
use daftar_wire::segment::{Checked, Segment};
use daftar_wire::sign::verify_attestation;
use daftar_wire::stream::StreamId;
use rusqlite::Connection;

use super::apply::Readable;
use super::directory::Keys;
use super::erase;
use super::record::{self, RecordRow, Written};
use super::send::{keep_attestation, keep_head};
use super::stream::{self, StreamRow};
use super::{log, names};
use crate::error::{Error, Result};

/// What stands before it is not here.
const GAP: &str = "gap";

/// Why a segment was not taken.
pub(super) type NotTaken = (Option<StreamId>, &'static str);

/// What a page came to.
pub(super) struct Done {
    pub(super) changes: u64,
    pub(super) last: Stamp,
    pub(super) grants: bool,
    /// The stream that this file's own changes go to was carried on elsewhere: by a clone, or before this disk was put back.
    pub(super) own_elsewhere: bool,
    /// Names in the folder of files whose row and key were erased.
    pub(super) freed: Vec<String>,
}

/// By which road segments came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// From headquarters, which has them.
    Headquarters,
    /// From a device or a pack: headquarters may lack them, and they are offered to it.
    Peer,
}

/// A segment's place in the log, found and checked.
struct Placed {
    row: StreamRow,
    /// So many of its first changes are there.
    held: usize,
    checked: Checked,
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
    pub(super) conn: &'a Connection,
    pub(super) compartment: &'a Compartment,
    next_id: i64,
    touched: HashMap<RecordId, Touched>,
    ruled: HashSet<ChangeName>,
    /// Records of which a change was erased.
    erased: Vec<i64>,
    /// Files that they named before.
    erased_files: BTreeSet<[u8; 32]>,
    done: Done,
    via: Via,
    device: DeviceId,
}

impl<'a> Page<'a> {
    /// `device`: this one, whose own work only a receipt takes off the queue.
    pub(super) fn begin(conn: &'a Connection, compartment: &'a Compartment, via: Via, device: DeviceId) -> Result<Self> {
        Ok(Self {
            conn,
            compartment,
            next_id: record::next_id(conn)?,
            touched: HashMap::new(),
            ruled: record::ruled_out(conn)?,
            erased: Vec::new(),
            erased_files: BTreeSet::new(),
            done: Done { changes: 0, last: Stamp::default(), grants: false, own_elsewhere: false, freed: Vec::new() },
            via,
            device,
        })
    }

    /// Appends what is new of a segment, where it belongs among the branches of its stream. The writer's signature is checked where his key
    /// is known; otherwise it waits to be, and makes no branch.
    pub(super) fn segment(&mut self, readable: Readable) -> Result<std::result::Result<(), NotTaken>> {
        self.take_in(readable, None)
    }

    /// The same of what headquarters says, in its feed under the number `n` or outside it: where what stands before it has not come, it waits for it.
    pub(super) fn segment_or_ahead(&mut self, readable: Readable, n: Option<u64>) -> Result<std::result::Result<(), NotTaken>> {
        self.take_in(readable, Some(n))
    }

    fn take_in(&mut self, readable: Readable, ahead: Option<Option<u64>>) -> Result<std::result::Result<(), NotTaken>> {
        let Readable { segment, keys } = readable;
        let segment = erase::without_erased(self.conn, segment)?;
        match (self.append_to(&segment, keys.as_ref(), self.via, None)?, ahead) {
            (Ok(_), _) => self.join(&segment.stream, keys.as_ref()).map(Ok),
            (Err(GAP), Some(n)) => self.keep_ahead(&segment, n).map(Ok),
            (Err(why), _) => Ok(Err((Some(segment.stream), why))),
        }
    }

    /// Appends a segment, and says how many of its changes were held before. `known`: the records that they belong to, where these have been told
    /// of them already.
    pub(super) fn append_to(
        &mut self,
        segment: &Segment,
        keys: Option<&Keys>,
        via: Via,
        known: Option<&[Option<i64>]>,
    ) -> Result<std::result::Result<usize, &'static str>> {
        let family = stream::family_or_begin(self.conn, &segment.stream)?;
        let Placed { mut row, held, checked } = match self.placed(&family, segment, keys)? {
            Ok(placed) => placed,
            Err(why) => return Ok(Err(why)),
        };
        let was_at_hq = row.acked >= row.n;
        let fresh = held < segment.entries.len();
        self.append(segment, &checked, held, &mut row, known)?;
        let good = |a: &daftar_wire::segment::Attestation| {
            let key = keys.and_then(|k| k.officers.get(&a.officer));
            let head = checked.heads.get((a.n - segment.first) as usize);
            key.zip(head).is_none_or(|(key, head)| verify_attestation(key, &a.officer, &segment.stream, a.n, head, &a.sig).is_ok())
        };
        // What a branch shares with the stream that it left was signed there.
        for h in segment.heads.iter().filter(|h| h.n > row.split_n) {
            if let Some(head) = checked.heads.get((h.n - segment.first) as usize) {
                keep_head(self.conn, row.id, h.n, head, &h.sig)?;
            }
        }
        for a in segment.attestations.iter().filter(|a| a.n > row.split_n && good(a)) {
            keep_attestation(self.conn, row.id, a)?;
        }
        if keys.is_some() && row.checked + 1 >= segment.first {
            row.checked = row.checked.max(segment.last());
        }
        // Of its own work a device believes only a receipt, unless it did not have that work at all.
        let told = via == Via::Headquarters && (row.device != self.device || (fresh && was_at_hq));
        if told && segment.last() > row.acked {
            row.set_at_hq(segment.last(), checked.head());
        }
        row.show_to(segment.last());
        self.done.own_elsewhere |= fresh && family.iter().any(|r| r.own);
        stream::keep(self.conn, &row)?;
        Ok(Ok(held))
    }

    /// Finds the segment's place; a branch is begun where it leaves what is here.
    fn placed(&self, family: &[StreamRow], segment: &Segment, keys: Option<&Keys>) -> Result<std::result::Result<Placed, &'static str>> {
        if let ([row], Some(keys)) = (family, keys)
            && segment.first == row.n + 1
        {
            return Ok(match segment.check(row.head, &keys.device) {
                Ok(checked) => Ok(Placed { row: row.clone(), held: 0, checked }),
                Err(_) => Err("bad_signature"),
            });
        }
        if keys.is_none() && family.len() > 1 {
            return Ok(Err("unknown_device"));
        }
        let branches: Vec<_> = family.iter().map(|row| stream::Held { conn: self.conn, compartment: self.compartment, row }).collect();
        let names = segment.chain(segment.stream.start()).names;
        let signed = |before| keys.is_none_or(|k| segment.check(before, &k.device).is_ok());
        let chained = |row: &StreamRow| -> Result<Checked> {
            let before = log::head_at(self.conn, self.compartment, row, segment.first - 1)?;
            Ok(segment.chain(before.ok_or_else(|| Error::Unexpected("a place that is not there".into()))?))
        };
        Ok(match place(&branches, segment.first, &names, signed)? {
            Place::Gap { .. } => Err(GAP),
            Place::Unsigned => Err("bad_signature"),
            Place::Fork { .. } if keys.is_none() => Err("unknown_device"),
            Place::Next { branch, held } => Ok(Placed { row: family[branch].clone(), held, checked: chained(&family[branch])? }),
            Place::Held { branch } => Ok(Placed { row: family[branch].clone(), held: names.len(), checked: chained(&family[branch])? }),
            Place::Fork { branch, held } => {
                let (parent, checked) = (&family[branch], chained(&family[branch])?);
                let n = segment.first - 1 + held as u64;
                let split = log::head_at(self.conn, self.compartment, parent, n)?;
                let split = split.ok_or_else(|| Error::Unexpected("a place that is not there".into()))?;
                tracing::warn!(compartment = %self.compartment, n, "a stream went two ways; both are kept");
                Ok(Placed { row: stream::begin_branch(self.conn, parent, n, split)?, held, checked })
            }
        })
    }

    fn append(
        &mut self,
        segment: &Segment,
        checked: &Checked,
        held: usize,
        stream: &mut StreamRow,
        known: Option<&[Option<i64>]>,
    ) -> Result<()> {
        for run in &segment.runs {
            log::add_run(self.conn, stream.id, run)?;
        }
        for (i, (entry, name)) in segment.entries.iter().zip(&checked.names).enumerate().skip(held) {
            let record = match known {
                Some(known) => known.get(i).copied().flatten(),
                None => self.hear(entry, *name)?,
            };
            log::append(self.conn, stream, record, *name, entry, derived(segment, segment.first + i as u64, &entry.body))?;
        }
        Ok(())
    }

    /// Tells the change's record of it; says which that is. What this version cannot read stays in the log, and its record waits for a version
    /// that can.
    pub(super) fn hear(&mut self, entry: &Entry, name: ChangeName) -> Result<Option<i64>> {
        self.done.changes += 1;
        let Some(change) = read(entry, name) else { return Ok(None) };
        let record = self.touch(&change)?;
        self.done.last = self.done.last.max(change.header.stamp);
        self.done.grants |= change.header.kind == Kind::Grant;
        if let Some(t) = self.touched.get_mut(&change.header.record) {
            t.fresh.push(change);
        }
        Ok(Some(record))
    }

    /// So many changes were counted when they were shown, and again when they came in their order.
    pub(super) fn counted_twice(&mut self, changes: usize) {
        self.done.changes = self.done.changes.saturating_sub(changes as u64);
    }

    /// Writes a change of a segment to a place outside any stream.
    pub(super) fn put(&self, segment: &Segment, place: i64, record: Option<i64>, name: ChangeName, entry: &Entry) -> Result<()> {
        log::put(self.conn, place, record, name, entry, derived(segment, log::at(place).1, &entry.body))
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

    /// Keeps rulings, also on changes that have not come yet.
    /// `n` is their number in the feed: what was ruled later stands, also if it came before.
    pub(super) fn rulings(&mut self, rulings: &[Ruling], n: u64) -> Result<()> {
        for r in rulings {
            if !erase::keep_ruling(self.conn, r, n)? {
                continue;
            }
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
                if let Some(id) = self.replay(&uuid)?.filter(|_| r.verdict == Verdict::Erased) {
                    self.erased.push(id);
                    self.erased_files.extend(super::files::named_by(self.conn, id)?);
                }
            }
        }
        Ok(())
    }

    /// The feed of the server's present life is here whole: what only a former one ruled stands no more.
    pub(super) fn forget_former_rulings(&mut self) -> Result<()> {
        for change in erase::forget_former(self.conn)? {
            self.ruled.remove(&change);
            for uuid in self.records_of(&change)? {
                self.replay(&uuid)?;
            }
        }
        Ok(())
    }

    /// The record's log is asked when the page is merged; its row, if there is one.
    pub(super) fn replay(&mut self, uuid: &RecordId) -> Result<Option<i64>> {
        let Some(row) = record::find(self.conn, uuid)? else { return Ok(None) };
        let (id, kind) = (row.id, row.kind);
        let new = || Touched { id, kind, row: Some(row), fresh: Vec::new(), replay: true };
        self.touched.entry(*uuid).or_insert_with(new).replay = true;
        Ok(Some(id))
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
            self.done.freed = super::files::forget(self.conn, &self.erased_files)?;
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
fn read(entry: &Entry, name: ChangeName) -> Option<Change> {
    let header = daftar_wire::change::read_header(&entry.header).ok()?;
    let payload = match entry.payload() {
        Some(bytes) => daftar_wire::change::read_payload(header.kind, bytes).ok()?,
        None => daftar_core::change::Payload::default(),
    };
    Some(Change { name, header, payload })
}
