//! What a damaged file's pages still say, sorted by what it is. Only the shape of a row is judged here; whether it holds is asked later.

use std::collections::BTreeMap;

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, DeviceId, Head, Incarnation, OfficerId};
use daftar_wire::change::{Body, Entry, Seed, salt};
use daftar_wire::limits::SEGMENT_CHANGES_MAX;
use daftar_wire::message::Receipt;
use daftar_wire::segment::{Attestation, Run};
use daftar_wire::sign::Sig;
use daftar_wire::stream::StreamId;

use super::super::log;
use super::cells::{Cell, Row};
use super::pages::{Damaged, Seen};
use crate::error::Result;

/// A change's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundChange {
    pub(super) name: ChangeName,
    pub(super) header: Vec<u8>,
    pub(super) payload: Option<Vec<u8>>,
    pub(super) salt: Option<[u8; 32]>,
    pub(super) is_intact: bool,
}

/// A stream's row, as it stood at some time.
#[derive(Debug, Clone, Copy)]
pub(super) struct FoundStream {
    pub(super) device: DeviceId,
    pub(super) incarnation: Incarnation,
    pub(super) n: u64,
    pub(super) acked: u64,
    pub(super) acked_head: Option<Head>,
    pub(super) split_n: u64,
    pub(super) split: Option<Head>,
    pub(super) is_intact: bool,
}

impl FoundStream {
    pub(super) fn id(&self, c: &Compartment) -> StreamId {
        StreamId { compartment: c.clone(), device: self.device, incarnation: self.incarnation }
    }
}

/// A photo's row.
pub(super) struct FoundFile {
    pub(super) id: i64,
    pub(super) size: u64,
    pub(super) held: Vec<u8>,
    pub(super) whole: bool,
    pub(super) spoilt: bool,
    pub(super) blob: String,
    pub(super) key: [u8; 32],
    pub(super) is_intact: bool,
}

/// All that was found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) seen: Seen,
    /// By place; more than one where states of the page differ.
    pub(super) changes: BTreeMap<i64, Vec<FoundChange>>,
    /// By row, the latest last.
    pub(super) streams: BTreeMap<i64, Vec<FoundStream>>,
    /// The same out of the index, where the row itself is gone.
    pub(super) named_streams: BTreeMap<i64, (DeviceId, Incarnation)>,
    runs: BTreeMap<(i64, u64), Seed>,
    pub(super) heads: BTreeMap<(i64, u64), Vec<(Head, Sig)>>,
    pub(super) attestations: BTreeMap<i64, Vec<Attestation>>,
    pub(super) receipts: BTreeMap<i64, Vec<Receipt>>,
    pub(super) rulings: BTreeMap<[u8; 32], (i64, String)>,
    /// The counts of record numbers.
    pub(super) numbers: BTreeMap<String, u64>,
    pub(super) files: BTreeMap<[u8; 32], FoundFile>,
    pub(super) chunks: BTreeMap<i64, Vec<u8>>,
    pub(super) file_receipts: BTreeMap<[u8; 32], ([u8; 16], i64, Vec<u8>)>,
}

impl Found {
    /// Looks through all pages.
    pub(super) fn look(file: Option<Damaged>) -> Result<Self> {
        let mut found = Self::default();
        if let Some(mut file) = file {
            found.seen = file.rows(&mut |row| found.sort(row))?;
        }
        Ok(found)
    }

    fn sort(&mut self, row: Row) {
        use Cell::{Blob, Int, Null, Text};
        let whole = row.is_intact;
        match (row.id, row.cells.as_slice()) {
            (Some(place), [Null, Int(_) | Null, Blob(name), Blob(header), payload @ (Blob(_) | Null), salt @ (Blob(_) | Null)]) => {
                if let Ok(name) = <[u8; 32]>::try_from(name.as_slice()) {
                    let salt = blob(salt).and_then(|s| s.try_into().ok());
                    let change = FoundChange {
                        name: ChangeName(name),
                        header: header.clone(),
                        payload: blob(payload).map(<[u8]>::to_vec),
                        salt,
                        is_intact: whole,
                    };
                    let all = self.changes.entry(place).or_default();
                    all.retain(|c| *c != change);
                    all.push(change);
                }
            }
            (Some(id), cells) if cells.len() == 19 => self.stream(id, cells, whole),
            (Some(id), [Null, Blob(bytes)]) => {
                if let Ok(receipt) = <Receipt>::read(bytes) {
                    self.receipts.entry(id).or_default().push(receipt);
                } else if bytes.len() % 32 == 0 {
                    self.chunks.insert(id, bytes.clone());
                }
            }
            (Some(id), [Null, Blob(sha), Int(size), Blob(held), Int(is_here), Int(spoilt), Text(blob), Blob(key)]) => {
                if let (Ok(sha), Ok(key)) = (<[u8; 32]>::try_from(sha.as_slice()), <[u8; 32]>::try_from(key.as_slice()))
                    && (whole || self.files.get(&sha).is_none_or(|f| !f.is_intact))
                {
                    let (size, held) = (u64::try_from(*size).unwrap_or(0), held.clone());
                    let (is_here, spoilt) = (*is_here == 1, *spoilt == 1);
                    let file = FoundFile { id, size, held, whole: is_here, spoilt, blob: blob.clone(), key, is_intact: whole };
                    self.files.insert(sha, file);
                }
            }
            (None, [Int(stream), Int(first), Blob(seed)]) => {
                if let (Ok(seed), Ok(first)) = (seed.as_slice().try_into(), u64::try_from(*first)) {
                    let at = (*stream, first);
                    if whole || !self.runs.contains_key(&at) {
                        self.runs.insert(at, seed);
                    }
                }
            }
            (None, [Int(stream), Int(n), Blob(head), Blob(sig)]) => {
                let sig = <Sig>::try_from(sig.as_slice());
                if let (Ok(n), Ok(sig), Ok(head)) = (u64::try_from(*n), sig, <[u8; 32]>::try_from(head.as_slice())) {
                    self.heads.entry((*stream, n)).or_default().push((Head(head), sig));
                } else if let (Ok(n), Ok(sig), Ok(officer)) = (u64::try_from(*n), sig, <[u8; 16]>::try_from(head.as_slice())) {
                    let a = Attestation { officer: OfficerId(officer), n, sig };
                    let all = self.attestations.entry(*stream).or_default();
                    if !all.contains(&a) {
                        all.push(a);
                    }
                }
            }
            (None, [Blob(device), Blob(incarnation), Int(id)]) => {
                if let (Ok(d), Ok(i)) = (device.as_slice().try_into(), incarnation.as_slice().try_into()) {
                    self.named_streams.insert(*id, (DeviceId(d), Incarnation(i)));
                }
            }
            // What nothing else vouches for is believed only where its page is whole.
            (None, [Blob(name), Int(verdict), Text(reason)] | [Blob(name), Int(verdict), Text(reason), Int(_)]) if whole => {
                if let Ok(name) = name.as_slice().try_into() {
                    self.rulings.insert(name, (*verdict, reason.clone()));
                }
            }
            (None, [Text(key), Blob(value)]) if whole && key.starts_with("number ") => {
                if let Ok(n) = value.as_slice().try_into().map(u64::from_be_bytes) {
                    let last = self.numbers.entry(key.clone()).or_default();
                    *last = n.max(*last);
                }
            }
            (None, [Blob(sha), Blob(epoch), Int(at_ms), Blob(bytes)]) if whole => {
                if let (Ok(sha), Ok(epoch)) = (sha.as_slice().try_into(), epoch.as_slice().try_into()) {
                    self.file_receipts.insert(sha, (epoch, *at_ms, bytes.clone()));
                }
            }
            _ => {}
        }
    }

    fn stream(&mut self, id: i64, cells: &[Cell], is_intact: bool) {
        let number = |i: usize| if let Cell::Int(n) = cells[i] { u64::try_from(n).ok() } else { None };
        let fixed = |i: usize| blob(&cells[i]);
        let (Some(device), Some(incarnation)) = (fixed(1), fixed(2)) else { return };
        let (Ok(device), Ok(incarnation)) = (device.try_into(), incarnation.try_into()) else { return };
        let (Some(n), Some(acked), Some(split_n)) = (number(4), number(8), number(15)) else { return };
        let head = |i: usize| fixed(i).and_then(|b| b.try_into().ok()).map(Head);
        let (device, incarnation) = (DeviceId(device), Incarnation(incarnation));
        let stream = FoundStream { device, incarnation, n, acked, acked_head: head(9), split_n, split: head(16), is_intact };
        self.streams.entry(id).or_default().push(stream);
    }

    /// The streams: each as it stood last, the words of whole pages before those of others.
    pub(super) fn streams(&self) -> BTreeMap<i64, FoundStream> {
        let mut out = BTreeMap::new();
        for (id, (device, incarnation)) in &self.named_streams {
            let (device, incarnation) = (*device, *incarnation);
            let named = FoundStream { device, incarnation, n: 0, acked: 0, acked_head: None, split_n: 0, split: None, is_intact: false };
            out.insert(*id, named);
        }
        for (id, states) in &self.streams {
            let last = states.iter().rev().find(|s| s.is_intact).or(states.last());
            let named = self.named_streams.get(id);
            if let Some(last) = last.filter(|s| s.is_intact || named.is_none_or(|n| *n == (s.device, s.incarnation))) {
                out.insert(*id, *last);
            }
        }
        out
    }

    /// The runs that changes `from` to `to` of a row may belong to.
    pub(super) fn runs(&self, row: i64, from: u64, to: u64) -> Vec<Run> {
        let first = from.saturating_sub(u64::from(SEGMENT_CHANGES_MAX));
        self.runs.range((row, first)..=(row, to)).map(|((_, first), seed)| Run { first: *first, seed: *seed }).collect()
    }

    /// The change at a place whose name is what its bytes come to. One that was erased goes before its own earlier state.
    pub(super) fn change(&self, c: &Compartment, place: i64) -> Option<(ChangeName, Entry)> {
        let mut named = self.changes.get(&place)?.iter().rev().filter_map(|f| {
            let entry = self.entry(place, f)?;
            (entry.name(c) == f.name).then_some((f.name, entry))
        });
        let last = named.next()?;
        let erased = named.find(|(name, entry)| *name == last.0 && entry.payload().is_none());
        Some(erased.unwrap_or(last))
    }

    fn entry(&self, place: i64, f: &FoundChange) -> Option<Entry> {
        let (row, n) = log::at(place);
        let body = match (&f.payload, f.salt) {
            (Some(payload), Some(salt)) => Body::Whole { payload: payload.clone(), salt },
            (Some(payload), None) => {
                let ((_, first), seed) = self.runs.range((row, 0)..=(row, n)).next_back()?;
                Body::Whole { payload: payload.clone(), salt: salt(seed, n - first) }
            }
            (None, Some(k)) => Body::Erased { k },
            (None, None) => return None,
        };
        Some(Entry { header: f.header.clone(), body })
    }
}

fn blob(cell: &Cell) -> Option<&[u8]> {
    if let Cell::Blob(bytes) = cell { Some(bytes) } else { None }
}
