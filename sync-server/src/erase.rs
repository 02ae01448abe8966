//! Erasure by order: payload and salt of changes go, and the files that they alone named, here and, by a signed verdict, wherever the changes
//! are held. Never a change itself.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::str::FromStr as _;

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, FileHash, RecordId};
use daftar_core::record;
use daftar_core::value::{ElementKey, Path};
use daftar_wire::change::{Entry, Seed, read_header, read_payload};
use daftar_wire::limits::VERDICT_NAMES_MAX;
use daftar_wire::message::{FeedVerdict, Ruling, Verdict};
use daftar_wire::segment::Segment;
use rusqlite::Connection;

use crate::apart;
use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::random::hex;
use crate::store::erasure;
use crate::store::feed::{self, Kind, Whose};
use crate::store::files;
use crate::store::meta::{self, Place};

/// The reason in an erasure's ruling.
pub const REASON: &str = "erased";
/// An order's reference has at most so many bytes.
pub const ORDER_BYTES_MAX: usize = 500;
/// Bytes of entries that are read at once.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// What is to be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// All changes of a record, as it stands.
    Record(RecordId),
    /// One change.
    Change(ChangeName),
}

/// What was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Changes that have lost their payload.
    pub changes: usize,
    /// Photos and other files that were here, whole or in part, and that nothing else names.
    pub files: usize,
}

/// Erases by an order, whose reference is kept here and does not travel.
pub fn erase(hq: &Headquarters, compartment: &Compartment, target: Target, order: &str) -> Result<Erased> {
    if order.trim().is_empty() || order.len() > ORDER_BYTES_MAX {
        return Err(Error::Refused(format!("an order's reference has 1 to {ORDER_BYTES_MAX} bytes")));
    }
    let names = hq.store.read(|tx| {
        let place = place(tx, compartment)?;
        named(hq, tx, &place, target)
    })?;
    if names.is_empty() {
        return Err(Error::Refused(format!("{compartment} holds no such change that is not erased already")));
    }
    let now = hq.clock.now_ms();
    for name in &names {
        // Before the transaction: a database that is restored from an older backup erases it again.
        apart::append(&hq.folder.erasures(), &line(compartment, name, now, order))?;
    }
    let blobs = hq.store.write(|tx| enact(hq, tx, &place(tx, compartment)?, &names, now))?;
    hq.store.settle()?;
    // Their keys came from rows that are gone.
    blobs.iter().try_for_each(|blob| hq.blobs.erase(blob))?;
    Ok(Erased { changes: names.len(), files: blobs.len() })
}

fn place(tx: &Connection, compartment: &Compartment) -> Result<Place> {
    meta::compartment(tx, compartment)?.ok_or_else(|| Error::Refused(format!("there is no compartment {compartment}")))
}

/// The changes that are meant and still have a payload.
fn named(hq: &Headquarters, tx: &Connection, place: &Place, target: Target) -> Result<BTreeSet<ChangeName>> {
    let mut names = BTreeSet::new();
    each_segment(tx, place, |_, segment| {
        for entry in segment.entries.iter().filter(|e| e.payload().is_some()) {
            let (name, header) = (entry.name(&place.name), read_header(&entry.header).ok());
            let is_meant = match target {
                Target::Record(record) => header.as_ref().is_some_and(|h| h.record == record),
                Target::Change(change) => name == change,
            };
            if is_meant && segment.stream.device == hq.identity.device {
                return Err(Error::Refused("what headquarters itself wrote says who may do what, and is not erased".into()));
            }
            if is_meant {
                names.insert(name);
            }
        }
        Ok(())
    })?;
    Ok(names)
}

fn each_segment(tx: &Connection, place: &Place, mut f: impl FnMut(u64, Segment) -> Result<()>) -> Result<()> {
    let mut at = 0;
    loop {
        let page = feed::page(tx, place, (at + 1, u64::MAX), &Whose::Everybody, PAGE_BYTES)?;
        if page.is_empty() {
            return Ok(());
        }
        for entry in page {
            at = entry.n;
            match entry.kind {
                Kind::Segment { .. } => f(entry.n, Segment::read(&entry.bytes)?)?,
                Kind::Verdict(_) => {}
            }
        }
    }
}

/// The files that a change names, thumbnails too.
fn files_of(entry: &Entry) -> Vec<FileHash> {
    let Some((header, bytes)) = read_header(&entry.header).ok().zip(entry.payload()) else { return Vec::new() };
    let Ok(payload) = read_payload(header.kind, bytes) else { return Vec::new() };
    let key = |path: &Path| if let Path::Element(record::FILES, key, _) = path { Some(key.clone()) } else { None };
    let keys: Vec<ElementKey> = payload.set.keys().filter_map(key).collect();
    record::files(header.kind, &payload.set, &keys, &|_| true).into_iter().map(|f| f.sha256).collect()
}

/// Forgets the files that these changes alone named; the names in the folder that are free. None of them is taken again.
fn forget_files(tx: &Connection, place: &Place, mut files: BTreeSet<FileHash>, at_ms: u64) -> Result<Vec<String>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    each_segment(tx, place, |_, segment| {
        for file in segment.entries.iter().flat_map(files_of) {
            files.remove(&file);
        }
        Ok(())
    })?;
    let mut blobs = Vec::new();
    for file in &files {
        erasure::add_file(tx, place, file, at_ms)?;
        blobs.extend(files::forget(tx, place, file)?);
    }
    Ok(blobs)
}

/// Writes the segments again without these payloads, and adds the verdict that carries the erasure to every holder. Returns the names in
/// the folder of the files that went with them.
fn enact(hq: &Headquarters, tx: &Connection, place: &Place, names: &BTreeSet<ChangeName>, at_ms: u64) -> Result<Vec<String>> {
    for name in names {
        erasure::add(tx, place, name, at_ms)?;
    }
    let is_meant = |entry: &Entry| names.contains(&entry.name(&place.name));
    let (mut again, mut seeds, mut named) = (BTreeMap::new(), HashSet::new(), BTreeSet::new());
    each_segment(tx, place, |n, mut segment| {
        if segment.entries.iter().any(&is_meant) {
            named.extend(segment.entries.iter().filter(|e| is_meant(e)).flat_map(files_of));
            seeds.extend(segment.erase(&is_meant));
            again.insert(n, segment.write()?);
        }
        Ok(())
    })?;
    for (n, bytes) in &again {
        feed::rewrite(tx, place, *n, bytes)?;
    }
    // A run may lie in several segments: its seed goes from all of them.
    let seeds: Vec<Seed> = seeds.into_iter().collect();
    for seed in &seeds {
        erasure::add_seed(tx, place, seed, at_ms)?;
    }
    let mut without = Vec::new();
    if !seeds.is_empty() {
        each_segment(tx, place, |n, mut segment| {
            if segment.forget(&seeds) {
                without.push((n, segment.write()?));
            }
            Ok(())
        })?;
    }
    for (n, bytes) in &without {
        feed::rewrite(tx, place, *n, bytes)?;
    }
    let (key, life) = (&hq.keys.signing, meta::life(tx)?);
    let names: Vec<ChangeName> = names.iter().copied().collect();
    for chunk in names.chunks(usize::try_from(VERDICT_NAMES_MAX).unwrap_or(usize::MAX)) {
        let rulings: Vec<Ruling> =
            chunk.iter().map(|n| Ruling { change: *n, verdict: Verdict::Erased, reason: REASON.to_owned() }).collect();
        feed::rule(tx, place, at_ms, &|n| (rulings.clone(), FeedVerdict::sign_rulings(key, &place.name, &life.epoch, n, &rulings)))?;
    }
    forget_files(tx, place, named, at_ms)
}

/// The segment's bytes without the payloads that were erased before it came; `None`: there are none.
pub(crate) fn without_erased(tx: &Connection, place: &Place, segment: &Segment) -> Result<Option<Vec<u8>>> {
    if !erasure::any(tx, place)? {
        return Ok(None);
    }
    let mut gone = HashSet::new();
    for entry in segment.entries.iter().filter(|e| e.payload().is_some()) {
        let name = entry.name(&place.name);
        if erasure::is_erased(tx, place, &name)? {
            gone.insert(name);
        }
    }
    let mut seeds = Vec::new();
    for run in &segment.runs {
        seeds.extend(erasure::is_seed_erased(tx, place, &run.seed)?.then_some(run.seed));
    }
    if gone.is_empty() && seeds.is_empty() {
        return Ok(None);
    }
    let mut segment = segment.clone();
    segment.forget(&seeds);
    segment.erase(|e| gone.contains(&e.name(&place.name)));
    Ok(Some(segment.write()?))
}

/// Compartment, change, time and order, as they are kept beside the database.
fn line(compartment: &Compartment, name: &ChangeName, at_ms: u64, order: &str) -> Vec<u8> {
    format!("{compartment}\n{}\n{at_ms}\n{order}", hex(&name.0)).into_bytes()
}

fn read_line(line: &[u8]) -> Option<(Compartment, ChangeName)> {
    let text = std::str::from_utf8(line).ok()?;
    let mut parts = text.split('\n');
    Some((parts.next()?.parse().ok()?, ChangeName::from_str(parts.next()?).ok()?))
}

/// Erases again what was erased since a backup was made: in the database, and in a verdict of this life.
pub(crate) fn enforce(hq: &Headquarters, tx: &Connection) -> Result<usize> {
    let mut by_place: BTreeMap<Compartment, BTreeSet<ChangeName>> = BTreeMap::new();
    for line in apart::read(&hq.folder.erasures())? {
        match read_line(&line) {
            Some((compartment, name)) => {
                by_place.entry(compartment).or_default().insert(name);
            }
            None => tracing::error!("a line in `erasures` cannot be read"),
        }
    }
    let mut erased = 0;
    for (compartment, mut names) in by_place {
        let Some(place) = meta::compartment(tx, &compartment)? else { continue };
        for name in names.clone() {
            if erasure::is_erased(tx, &place, &name)? {
                names.remove(&name);
            }
        }
        if !names.is_empty() {
            for blob in enact(hq, tx, &place, &names, hq.clock.now_ms())? {
                hq.blobs.erase(&blob)?;
            }
            erased += names.len();
        }
    }
    Ok(erased)
}
