//! What is next to be sent and to be fetched: thumbnails first, then the smallest. Decides the order and nothing else.

use std::collections::HashSet;

use daftar_core::authorize::Action;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{Epoch, FileHash};
use daftar_wire::file::{Bitmap, FileId, chunk_count};
use daftar_wire::limits::{FILE_CHUNK_BYTES, FILE_EXCHANGE_FILES_MAX};
use rusqlite::{Connection, params};

use super::super::held;
use super::Store;
use super::draft::IS_DRAFTED;
use crate::error::Result;
use crate::sql::uint;

/// A file of a record that is not larger comes without being asked for; thumbnails always do.
const UNASKED_BYTES_MAX: u64 = 1024 * 1024;
/// What an offer says about a chunk, in bytes of chunks: a large file's slice is so large that the list of its chunks weighs little.
const OFFER_WEIGHT: u64 = 640;

/// A file that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFile {
    /// Which.
    pub file: FileId,
    /// Its chunks that are here; `None`: nothing is known of it yet.
    pub held: Option<Bitmap>,
    /// At most so many chunks; 0: only whether headquarters has it.
    pub chunks_max: u32,
}

/// What one exchange of files is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilePlan {
    /// Files that are here and that headquarters has not given its word for.
    pub offers: Vec<FileId>,
    /// Chunks that may be sent.
    pub chunks_max: u32,
    /// Files that headquarters is asked for.
    pub wants: Vec<WantedFile>,
}

impl FilePlan {
    /// Whether there is nothing to be said.
    pub fn is_empty(&self) -> bool {
        self.offers.is_empty() && self.wants.is_empty()
    }
}

pub(super) struct Candidate {
    pub(super) file: FileId,
    pub(super) is_thumbnail: bool,
    pub(super) size: u64,
    pub(super) held: Option<Bitmap>,
    /// Not to be fetched: only asked after.
    pub(super) state_only: bool,
}

/// Thumbnails first, then the smallest.
pub(super) fn in_order(list: &mut [Candidate]) {
    list.sort_by(|a, b| (!a.is_thumbnail, a.size, &a.file).cmp(&(!b.is_thumbnail, b.size, &b.file)));
}

impl Store {
    /// The next exchange of about so many bytes each way, without the files that `passed` names.
    pub fn file_plan(&self, bytes: u64, passed: &HashSet<FileId>) -> Result<FilePlan> {
        let epoch = *held(&self.epoch);
        let (mut offers, mut wants) = (Vec::new(), Vec::new());
        for c in self.compartments() {
            let may_read = self.authorize(Action::Read, &c).is_ok();
            // A damaged one keeps no other's files from their way.
            let found = self.within_each(&c, |vault| {
                let conn = vault.conn();
                Ok((to_offer(&conn, &c, &epoch)?, if may_read { to_want(&conn, &c, &epoch)? } else { Vec::new() }))
            })?;
            let (offered, wanted) = found.unwrap_or_default();
            offers.extend(offered.into_iter().filter(|f| !passed.contains(&f.file)));
            wants.extend(wanted.into_iter().filter(|f| !passed.contains(&f.file)));
        }
        for list in [&mut offers, &mut wants] {
            in_order(list);
            list.truncate(FILE_EXCHANGE_FILES_MAX);
        }
        let mut plan = FilePlan::default();
        let mut left = bytes;
        for file in offers {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(file.size);
            // A file that is larger than the slice goes in several; the list of its chunks goes with each.
            let slice = bytes.max(u64::from(chunk_count(file.size)) * OFFER_WEIGHT);
            plan.chunks_max = plan.chunks_max.max(u32::try_from(slice.div_ceil(FILE_CHUNK_BYTES as u64)).unwrap_or(u32::MAX));
            plan.offers.push(file.file);
        }
        // Several small files have more chunks than bytes of a slice.
        plan.chunks_max += u32::try_from(plan.offers.len()).unwrap_or(0);
        let mut left = u32::try_from(bytes.div_ceil(FILE_CHUNK_BYTES as u64)).unwrap_or(u32::MAX).max(1);
        for f in wants {
            let missing = f.held.as_ref().map_or_else(|| chunk_count(f.size).max(1), |h| h.count() - h.held());
            let chunks_max = if f.state_only { 0 } else { missing.min(left) };
            if chunks_max > 0 || f.state_only {
                left -= chunks_max;
                plan.wants.push(WantedFile { file: f.file, held: f.held, chunks_max });
            }
        }
        Ok(plan)
    }

    /// How many files of this device headquarters has not given its word for.
    pub fn files_waiting(&self) -> Result<u64> {
        let epoch = *held(&self.epoch);
        let mut n = 0;
        for c in self.compartments() {
            n += to_offer(&self.vault(&c)?.conn(), &c, &epoch)?.len() as u64;
        }
        Ok(n)
    }
}

pub(super) fn to_offer(conn: &Connection, c: &Compartment, epoch: &Epoch) -> Result<Vec<Candidate>> {
    let sql = format!(
        "SELECT f.sha256, f.size, EXISTS (SELECT 1 FROM file_ref n WHERE n.sha256 = f.sha256 AND n.thumbnail)
         FROM file f LEFT JOIN file_receipt r ON r.sha256 = f.sha256 WHERE f.whole AND r.epoch IS NOT ?1 AND NOT {IS_DRAFTED}"
    );
    let mut rows = conn.prepare_cached(&sql)?;
    let rows = rows.query_map([epoch.0], |r| {
        let file = FileId { compartment: c.clone(), sha256: FileHash(r.get(0)?) };
        Ok(Candidate { file, size: uint(r.get(1)?), is_thumbnail: r.get(2)?, held: None, state_only: false })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn to_want(conn: &Connection, c: &Compartment, epoch: &Epoch) -> Result<Vec<Candidate>> {
    let mut rows = conn.prepare_cached(
        "SELECT n.sha256, coalesce(f.size, max(n.size), 0), max(n.thumbnail), f.held,
             coalesce(f.spoilt, 0) OR EXISTS (SELECT 1 FROM file_wanted w WHERE w.sha256 = n.sha256),
             max(n.size) IS NULL AND f.size IS NULL,
             EXISTS (SELECT 1 FROM file_receipt r WHERE r.sha256 = n.sha256 AND r.epoch = ?1)
         FROM file_ref n LEFT JOIN file f ON f.sha256 = n.sha256 WHERE coalesce(f.whole, 0) = 0 GROUP BY n.sha256",
    )?;
    let rows = rows.query_map(params![epoch.0], |r| {
        let (size, is_thumbnail): (u64, bool) = (uint(r.get(1)?), r.get(2)?);
        let (asked, unknown_size, receipted): (bool, bool, bool) = (r.get(4)?, r.get(5)?, r.get(6)?);
        let state_only = !(asked || is_thumbnail || (size <= UNASKED_BYTES_MAX && !unknown_size));
        let held = r.get::<_, Option<Vec<u8>>>(3)?.and_then(|bits| Bitmap::read(chunk_count(size), &bits));
        let file = FileId { compartment: c.clone(), sha256: FileHash(r.get(0)?) };
        Ok((Candidate { file, is_thumbnail, size, held, state_only }, receipted))
    })?;
    let found = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    // What headquarters has given its word for need not be asked after.
    Ok(found.into_iter().filter(|(f, receipted)| !(f.state_only && *receipted)).map(|(f, _)| f).collect())
}
