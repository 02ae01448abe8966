//! Every chain and signature of every feed, recomputed from the stored bytes. Never repairs anything.

use std::collections::{BTreeMap, HashMap};

use daftar_core::ids::{DeviceId, Head};
use daftar_wire::branch::Branch as _;
use daftar_wire::message::{FeedVerdict, feed_next, feed_start};
use daftar_wire::segment::Segment;
use daftar_wire::sign::{VerifyingKey, verify_attestation, verifying_key};
use daftar_wire::stream::{StreamHead, StreamId, digest};
use rusqlite::Connection;

use crate::error::Result;
use crate::hq::Headquarters;
use crate::service::files::check;
use crate::store::feed::{self, Entry, Kind, Whose};
use crate::store::meta::{self, Life, Place};
use crate::store::people;
use crate::store::{branch, files};

/// Bytes of entries that are read at once.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// What was looked at, and what does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Compartments.
    pub compartments: u64,
    /// Segments in their feeds.
    pub segments: u64,
    /// Changes in those.
    pub changes: u64,
    /// Verdicts in the feeds.
    pub verdicts: u64,
    /// Files that are said to be whole.
    pub files: u64,
    /// What does not hold: where, and why.
    pub bad: Vec<String>,
}

/// Verifies everything, as at one moment.
pub fn verify(hq: &Headquarters) -> Result<Report> {
    let mut report = hq.store.read(|tx| verified(tx, &hq.identity.device, &hq.keys.signing.verifying_key()))?;
    verify_files(hq, &mut report)?;
    Ok(report)
}

/// Verifies a database of headquarters without its files: `own` is its device, `server` the key that signs for it.
pub(crate) fn verified(tx: &Connection, own: &DeviceId, server: &VerifyingKey) -> Result<Report> {
    let life = meta::life(tx)?;
    let mut keys = HashMap::new();
    for device in people::devices(tx)? {
        keys.insert(device.id, verifying_key(&device.signing_key)?);
    }
    // Before its own record has come back after a restore, too.
    keys.insert(*own, *server);
    let mut report = Report::default();
    for place in meta::compartments(tx)? {
        Walk { server, life, tx, place: &place, keys: &keys, report: &mut report, rows: BTreeMap::new() }.walk()?;
        report.compartments += 1;
    }
    Ok(report)
}

/// Every file that was receipted, read again from the disk.
fn verify_files(hq: &Headquarters, report: &mut Report) -> Result<()> {
    for place in hq.store.read(|tx| meta::compartments(tx))? {
        for row in hq.store.read(|tx| files::of_place(tx, &place))?.into_iter().filter(|row| row.whole) {
            report.files += 1;
            let mut bad = |what: &str| report.bad.push(format!("{} file {}: {what}", place.name, row.sha256));
            if !hq.blobs.is_there(&row) {
                bad("its bytes are not in the folder");
                continue;
            }
            let manifest = hq.store.read(|tx| files::manifest(tx, &place, &row))?;
            let checked = check(hq.blobs.open(&row, false)?, &manifest)?;
            if !checked.bad.is_empty() {
                bad(&format!("{} of {} chunks are damaged", checked.bad.len(), manifest.count()));
            } else if !checked.is_named {
                bad("its bytes are not those of its name");
            }
        }
    }
    Ok(())
}

/// One feed as it is walked.
struct Walk<'a> {
    server: &'a VerifyingKey,
    life: Life,
    tx: &'a Connection,
    place: &'a Place,
    keys: &'a HashMap<DeviceId, VerifyingKey>,
    report: &'a mut Report,
    /// How far each stream, or branch of one, goes.
    rows: BTreeMap<i64, StreamHead>,
}

impl Walk<'_> {
    fn bad(&mut self, n: u64, what: impl std::fmt::Display) {
        self.report.bad.push(format!("{} entry {n}: {what}", self.place.name));
    }

    fn walk(mut self) -> Result<()> {
        let end = feed::head(self.tx, self.place)?;
        let (mut at, mut chain) = (0, feed_start(&self.place.name, &self.life.epoch));
        loop {
            let page = feed::page(self.tx, self.place, (at + 1, u64::MAX), &Whose::Everybody, PAGE_BYTES)?;
            if page.is_empty() {
                break;
            }
            for entry in page {
                if entry.n != at + 1 {
                    self.bad(entry.n, format_args!("entries {} to {} are missing", at + 1, entry.n - 1));
                }
                at = entry.n;
                chain = match &entry.kind {
                    Kind::Segment { .. } => self.segment(&entry, chain)?,
                    Kind::Verdict(sig) => self.verdict(&entry, *sig, chain),
                };
                if chain != entry.chain {
                    self.bad(entry.n, "the feed's chain does not hold");
                    chain = entry.chain;
                }
            }
        }
        if (at, chain) != (end.n, end.chain) {
            self.bad(at, format_args!("the feed's head says {}", end.n));
        }
        let held = feed::stream_heads(self.tx, self.place)?;
        let walked: Vec<StreamHead> = self.rows.values().copied().collect();
        if digest(&held) != digest(&walked) {
            self.bad(at, "the digest of the segments is not that of the streams");
        }
        Ok(())
    }

    fn segment(&mut self, entry: &Entry, before: Head) -> Result<Head> {
        self.report.segments += 1;
        let Kind::Segment { device, incarnation, first, count, head, row } = entry.kind else { return Ok(before) };
        let stream = StreamId { compartment: self.place.name.clone(), device, incarnation };
        let after = feed_next(before, &stream, first, count, &head);
        let (n, at) = match self.rows.get(&row) {
            Some(before) => (before.n, before.head),
            None => self.begins(entry.n, &stream, row)?,
        };
        self.rows.insert(row, StreamHead { device, incarnation, n: first + u64::from(count) - 1, head });
        let segment = match Segment::read(&entry.bytes) {
            Ok(segment) => segment,
            Err(error) => {
                self.bad(entry.n, error);
                return Ok(after);
            }
        };
        self.report.changes += segment.entries.len() as u64;
        if segment.stream != stream || segment.first != first || segment.entries.len() as u64 != u64::from(count) {
            self.bad(entry.n, "the segment is not the one that the feed names");
        }
        if first != n + 1 {
            self.bad(entry.n, format_args!("the stream of {device} goes on at {first} and not at {}", n + 1));
        }
        let Some(key) = self.keys.get(&device) else {
            self.bad(entry.n, format_args!("device {device} is not known"));
            return Ok(after);
        };
        match segment.check(at, key) {
            Ok(checked) if checked.head() == head => self.attested(entry.n, &segment, &checked.heads)?,
            Ok(_) => self.bad(entry.n, "the stream's chain ends elsewhere"),
            Err(error) => self.bad(entry.n, error),
        }
        Ok(after)
    }

    /// Where a row begins: a stream at its start, a branch where it leaves a row that was walked up to there.
    fn begins(&mut self, n: u64, stream: &StreamId, row: i64) -> Result<(u64, Head)> {
        let rows = branch::rows(self.tx, self.place, stream)?;
        let Some(at) = rows.iter().position(|r| r.id == Some(row)) else {
            self.bad(n, format_args!("the stream of {} is not the one that the feed names", stream.device));
            return Ok((0, stream.start()));
        };
        let (Some(split), split_n) = (rows[at].split, rows[at].split_n) else { return Ok((0, stream.start())) };
        let parent = rows.iter().position(|r| r.id.is_some() && r.id == rows[at].parent);
        let walked = parent.and_then(|p| rows[p].id).and_then(|id| self.rows.get(&id)).map_or(0, |h| h.n);
        let leaves = match parent {
            Some(p) if split_n <= walked => Some(branch::held(self.tx, stream, &rows)[p].head_at(split_n)?),
            Some(_) | None => None,
        };
        if leaves != Some(split) {
            self.bad(n, format_args!("a branch of the stream of {} leaves it where it never was", stream.device));
        }
        Ok((split_n, split))
    }

    fn attested(&mut self, n: u64, segment: &Segment, heads: &[Head]) -> Result<()> {
        for a in &segment.attestations {
            let Some(keys) = people::officer_keys(self.tx, &segment.stream.device, &a.officer)? else {
                // All that he wrote there is under review; who wrote nothing of it has nothing to attest.
                let c = &segment.stream.compartment;
                if !segment.entries.iter().any(|e| e.skim(c).is_ok_and(|(_, header)| header.author == a.officer)) {
                    self.bad(n, format_args!("officer {} attests and is not enrolled there", a.officer));
                }
                continue;
            };
            let head = heads[(a.n - segment.first) as usize];
            if let Err(error) = verify_attestation(&verifying_key(&keys.signing_key)?, &a.officer, &segment.stream, a.n, &head, &a.sig) {
                self.bad(n, error);
            }
        }
        Ok(())
    }

    fn verdict(&mut self, entry: &Entry, sig: daftar_wire::sign::Sig, before: Head) -> Head {
        self.report.verdicts += 1;
        let rulings = match FeedVerdict::read_rulings(&entry.bytes) {
            Ok(rulings) => rulings,
            Err(error) => {
                self.bad(entry.n, error);
                return entry.chain;
            }
        };
        let after = FeedVerdict::chain_after(before, &rulings);
        let verdict = FeedVerdict { compartment: self.place.name.clone(), from: entry.n, n: entry.n, chain: [0; 8], rulings, sig };
        if let Err(error) = verdict.verify(self.server, &self.life.epoch) {
            self.bad(entry.n, error);
        }
        after
    }
}
