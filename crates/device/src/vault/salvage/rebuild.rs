//! Writes what verifies of a damaged file into a fresh one: streams as far as their writers' signatures reach, and in a stream of its own
//! whatever else this device wrote. Never takes a change whose bytes do not come to its name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::Ordering;

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, DeviceId, Head};
use daftar_core::record;
use daftar_core::value::{Path, Value};
use daftar_wire::change::{Body, Entry, read_header, read_payload, salt};
use daftar_wire::file::chunk_count;
use daftar_wire::limits::SEGMENT_CHANGES_MAX;
use daftar_wire::segment::{Segment, SignedHead};
use daftar_wire::sign::verify_head;
use daftar_wire::stream::{StreamId, next};
use rusqlite::{Connection, params};

use super::super::apply::Readable;
use super::super::directory::Keys;
use super::super::file::set_meta;
use super::super::page::{Page, Via};
use super::super::{Store, log, number, repair, stream};
use super::Salvaged;
use super::found::{Found, FoundStream};
use crate::error::{Error, Result};
use crate::random::random;
use crate::sql::int;

/// Records are brought up to date after so many changes.
const PAGE_CHANGES: usize = 1024;

/// What of a stream hangs together from its beginning.
struct Prefix {
    /// Its row in the damaged file.
    row: i64,
    id: StreamId,
    keys: Option<Keys>,
    entries: Vec<(ChangeName, Entry)>,
    /// The chain after each of them.
    heads: Vec<Head>,
    /// The places that the writer's signature holds for: up to the last of them the stream is taken.
    signed: Vec<SignedHead>,
    /// The number before its first change.
    before: u64,
}

impl Prefix {
    /// The last number that is signed.
    fn last(&self) -> u64 {
        self.signed.last().map_or(self.before, |h| h.n)
    }

    fn head_at(&self, n: u64) -> Option<Head> {
        self.heads.get(usize::try_from(n.checked_sub(self.before + 1)?).ok()?).copied()
    }

    fn names(&self, to: u64) -> impl Iterator<Item = ChangeName> {
        let n = usize::try_from(to.saturating_sub(self.before)).unwrap_or(0);
        self.entries.iter().take(n).map(|e| e.0)
    }
}

/// The keys that streams are checked with, looked up before any file is held.
pub(super) type AllKeys = HashMap<[u8; 16], Option<Keys>>;

impl Store {
    /// Fills a fresh file, in the one transaction that `tx` is.
    pub(super) fn rebuild(&self, tx: &Connection, c: &Compartment, found: &Found, keys: &AllKeys) -> Result<Salvaged> {
        let mut out = Salvaged::of(c, found.seen);
        for (name, (verdict, reason)) in &found.rulings {
            tx.execute("INSERT OR IGNORE INTO ruling(name, verdict, reason) VALUES (?1, ?2, ?3)", params![name, verdict, reason])?;
        }
        let streams = found.streams();
        let mut at_hq: HashSet<ChangeName> = HashSet::new();
        for (row, s) in &streams {
            let is_own = s.device == self.info.id;
            let prefix = prefix(c, found, *row, s, keys.get(&s.device.0).cloned().flatten());
            let via = if is_own { Via::Peer } else { Via::Headquarters };
            let taken = self.take_prefix(tx, c, found, &prefix, via)?;
            let known = found.changes.range(log::place(*row, 0)..log::place(*row + 1, 0)).next_back().map_or(0, |(p, _)| log::at(*p).1);
            let lacks = s.n.max(known).saturating_sub(s.split_n).saturating_sub(taken);
            if is_own {
                at_hq.extend(self.own_at_hq(tx, found, s, &prefix)?);
            } else {
                out.others += taken;
                out.others_missing += lacks;
            }
        }
        self.take_own(tx, c, found, &streams, &at_hq, &mut out)?;
        keep_files(tx, found)?;
        keep_numbers(tx, found, self.digit.load(Ordering::Relaxed), out.own_missing)?;
        repair::set_differs(tx, true)?;
        Ok(out)
    }

    /// Appends a stream as far as it is signed; says how many changes that were.
    fn take_prefix(&self, tx: &Connection, c: &Compartment, found: &Found, p: &Prefix, via: Via) -> Result<u64> {
        let (mut page, mut in_page, mut taken) = (Page::begin(tx, c, via, self.info.id)?, 0, 0);
        let mut from = p.before + 1;
        for head in &p.signed {
            let part = |n: u64| usize::try_from(n - p.before - 1).unwrap_or(usize::MAX);
            let entries: Vec<Entry> = p.entries[part(from)..=part(head.n)].iter().map(|e| e.1.clone()).collect();
            let attestations = found.attestations.get(&p.row).into_iter().flatten();
            let mut runs = found.runs(p.row, from, head.n);
            runs.retain(|run| {
                (from..).zip(&entries).any(|(n, e)| {
                    let Body::Whole { salt: kept, .. } = &e.body else { return false };
                    n >= run.first && salt(&run.seed, n - run.first) == *kept
                })
            });
            let count = entries.len();
            let segment = Segment {
                stream: p.id.clone(),
                first: from,
                entries,
                runs,
                heads: vec![head.clone()],
                attestations: attestations.filter(|a| (from..=head.n).contains(&a.n)).cloned().collect(),
            };
            if let Err((_, why)) = page.segment(Readable { segment, keys: p.keys.clone() })? {
                tracing::warn!(compartment = %c, why, "the rest of a stream was not salvaged");
                break;
            }
            (from, in_page, taken) = (head.n + 1, in_page + count, taken + count as u64);
            if in_page >= PAGE_CHANGES {
                page.merge()?;
                (page, in_page) = (Page::begin(tx, c, via, self.info.id)?, 0);
            }
        }
        page.merge()?;
        Ok(taken)
    }

    /// How far headquarters has an own stream, by its signed receipt or by what the file said of it, where that is the chain's own place.
    /// Writes it down, and says which changes those are.
    fn own_at_hq(&self, tx: &Connection, found: &Found, s: &FoundStream, p: &Prefix) -> Result<Vec<ChangeName>> {
        let server = self.info.server_key()?;
        let said = found.receipts.get(&p.row).into_iter().flatten().filter(|r| r.verify(&server).is_ok());
        let receipted = said.flat_map(|r| &r.held).filter(|h| h.stream == p.id).map(|h| (h.up_to, Some(h.head)));
        let noted = found.streams.get(&p.row).into_iter().flatten().map(|s| (s.acked, s.acked_head));
        let holds = |(n, head): &(u64, Option<Head>)| *n <= p.last() && head.is_some() && p.head_at(*n) == *head;
        let up_to = receipted.chain(noted).filter(holds).map(|r| r.0).max().unwrap_or(s.split_n);
        let kept = stream::family(tx, &s.device, &s.incarnation)?.into_iter().find(|r| r.split_n == p.before && r.n == p.last());
        if let Some(mut kept) = kept.filter(|k| k.n > k.split_n) {
            if let Some(head) = p.head_at(up_to) {
                kept.set_at_hq(up_to, head);
                // Of which of its lives the server said so is not known any more: it is asked again.
                kept.confirm = true;
            }
            kept.sent = kept.n;
            kept.shown = (up_to < kept.n).then_some(up_to);
            stream::keep(tx, &kept)?;
        }
        Ok(p.names(up_to).collect())
    }

    /// Appends what this device wrote and headquarters may lack to the file's own stream, with the same names.
    fn take_own(
        &self,
        tx: &Connection,
        c: &Compartment,
        found: &Found,
        streams: &BTreeMap<i64, FoundStream>,
        at_hq: &HashSet<ChangeName>,
        out: &mut Salvaged,
    ) -> Result<()> {
        let (mut seen, mut renamed, mut entries) = (at_hq.clone(), HashMap::new(), Vec::new());
        out.own = at_hq.len() as u64;
        let mut last = stream::own(tx)?;
        for place in found.changes.keys() {
            let is_own = streams.get(&log::at(*place).0).map(|s| s.device == self.info.id);
            if is_own == Some(false) {
                continue;
            }
            let whole = found.change(c, *place).or_else(|| self.salted_anew(c, found, *place, at_hq, &mut renamed));
            let Some((name, entry)) = whole else { continue };
            let Ok(header) = read_header(&entry.header) else { continue };
            if header.device == self.info.id && seen.insert(name) {
                last.stamp = last.stamp.max(header.stamp);
                entries.push(entry);
            }
        }
        out.own += entries.len() as u64;
        out.waiting = entries.len() as u64;
        let (come_back, lost) = missing(found, streams, &self.info.id, |name| seen.contains(name) || renamed.contains_key(name));
        out.others_missing += come_back;
        out.own_missing = lost;
        stream::keep(tx, &last)?;
        let id = last.id(c);
        for (i, part) in entries.chunks(SEGMENT_CHANGES_MAX as usize).enumerate() {
            let first = (i * SEGMENT_CHANGES_MAX as usize) as u64 + 1;
            let segment = Segment {
                stream: id.clone(),
                first,
                entries: part.to_vec(),
                runs: Vec::new(),
                heads: Vec::new(),
                attestations: Vec::new(),
            };
            let mut page = Page::begin(tx, c, Via::Peer, self.info.id)?;
            if let Err((_, why)) = page.segment(Readable { segment, keys: None })? {
                return Err(Error::Unexpected(format!("salvaged work was not taken: {why}")));
            }
            page.merge()?;
        }
        Ok(())
    }

    /// A change of this device on a whole page whose run's seed is lost: it has no salt, so that its name cannot be shown to anybody. What it
    /// says is as it was written, and goes on under a new name.
    fn salted_anew(
        &self,
        c: &Compartment,
        found: &Found,
        place: i64,
        at_hq: &HashSet<ChangeName>,
        renamed: &mut HashMap<ChangeName, ChangeName>,
    ) -> Option<(ChangeName, Entry)> {
        let lost = found.changes.get(&place)?.iter().rev().find(|f| f.is_intact && f.salt.is_none())?;
        if at_hq.contains(&lost.name) || renamed.contains_key(&lost.name) {
            return None;
        }
        let mut header = read_header(&lost.header).ok().filter(|h| h.device == self.info.id)?;
        let payload = read_payload(header.kind, lost.payload.as_deref()?).ok()?;
        header.parents.iter_mut().for_each(|p| *p = renamed.get(p).copied().unwrap_or(*p));
        let entry = Entry::write(&header, &payload, random().ok()?).ok()?;
        let name = entry.name(c);
        renamed.insert(lost.name, name);
        Some((name, entry))
    }
}

/// Places of own streams that nothing was found for: those that headquarters has come back with a sync, the others may be lost.
fn missing(found: &Found, streams: &BTreeMap<i64, FoundStream>, own: &DeviceId, taken: impl Fn(&ChangeName) -> bool) -> (u64, u64) {
    let (mut come_back, mut lost) = (0, 0);
    for (row, s) in streams.iter().filter(|(_, s)| s.device == *own) {
        let here = found.changes.range(log::place(*row, 0)..log::place(row + 1, 0));
        let last = here.clone().next_back().map_or(0, |(place, _)| log::at(*place).1).max(s.n);
        let good: HashSet<u64> = here.filter(|(_, all)| all.iter().any(|f| taken(&f.name))).map(|(place, _)| log::at(*place).1).collect();
        let at_hq = good.iter().filter(|n| **n <= s.acked).count() as u64;
        come_back += s.acked.saturating_sub(s.split_n).saturating_sub(at_hq);
        lost += last.saturating_sub(s.acked).saturating_sub(good.len() as u64 - at_hq);
    }
    (come_back, lost)
}

fn prefix(c: &Compartment, found: &Found, row: i64, s: &FoundStream, keys: Option<Keys>) -> Prefix {
    let id = s.id(c);
    let before = s.split_n;
    let mut p = Prefix { row, id, keys, entries: Vec::new(), heads: Vec::new(), signed: Vec::new(), before };
    // Where a branch left its stream stands in its row alone.
    let Some(mut head) = (if before == 0 { Some(p.id.start()) } else { s.split }) else { return p };
    let mut n = before;
    while let Some((name, entry)) = found.change(c, log::place(row, n + 1)) {
        n += 1;
        head = next(head, name);
        p.entries.push((name, entry));
        p.heads.push(head);
        let good = found
            .heads
            .get(&(row, n))
            .into_iter()
            .flatten()
            .find(|(kept, sig)| *kept == head && p.keys.as_ref().is_none_or(|k| verify_head(&k.device, &p.id, n, &head, sig).is_ok()));
        if let Some((_, sig)) = good {
            p.signed.push(SignedHead { n, sig: *sig });
        }
    }
    // A part that is longer than a segment cannot be taken as one.
    let mut at = before;
    let most = u64::from(SEGMENT_CHANGES_MAX);
    let reach = p.signed.iter().take_while(|h| (h.n - std::mem::replace(&mut at, h.n)) <= most).count();
    p.signed.truncate(reach);
    p
}

/// Photos: their chunks are sealed one by one and are checked whenever they are read.
fn keep_files(tx: &Connection, found: &Found) -> Result<()> {
    for (sha, f) in &found.files {
        let Some(list) = found.chunks.get(&f.id).filter(|list| list.len() as u64 == 32 * u64::from(chunk_count(f.size))) else { continue };
        tx.execute(
            "INSERT OR IGNORE INTO file(sha256, size, held, whole, spoilt, blob, key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![sha, int(f.size), f.held, f.whole, f.spoilt, f.blob, f.key],
        )?;
        tx.execute("INSERT OR IGNORE INTO file_chunks(file, list) VALUES (?1, ?2)", params![tx.last_insert_rowid(), list])?;
    }
    for (sha, (epoch, at_ms, bytes)) in &found.file_receipts {
        tx.execute(
            "INSERT OR IGNORE INTO file_receipt(sha256, epoch, at_ms, bytes) VALUES (?1, ?2, ?3, ?4)",
            params![sha, epoch, at_ms, bytes],
        )?;
    }
    Ok(())
}

/// No number is given twice: the counts go on beyond all that was found, and beyond what may be lost.
fn keep_numbers(tx: &Connection, found: &Found, digit: u32, missing: u64) -> Result<()> {
    let mut counts = found.numbers.clone();
    for all in found.changes.values() {
        for f in all {
            let Some(header) = read_header(&f.header).ok() else { continue };
            let Some(payload) = f.payload.as_deref().and_then(|p| read_payload(header.kind, p).ok()) else { continue };
            let field = record::field_named(header.kind, "number").map(|f| Path::Field(f.number));
            if let Some(Value::Text(given)) = field.and_then(|path| payload.set.get(&path))
                && let Some((key, n)) = number::count_of(given, digit)
            {
                let last = counts.entry(key).or_default();
                *last = n.max(*last);
            }
        }
    }
    for (key, n) in counts {
        set_meta(tx, &key, &(n + missing).to_be_bytes())?;
    }
    Ok(())
}
