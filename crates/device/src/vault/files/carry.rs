//! Files by another road than the link: what another device is asked for, and what may be taken from whoever brings it. Never decides who may
//! have one.

use std::collections::HashSet;

use daftar_core::authorize::Action;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{Epoch, FileHash};
use daftar_wire::file::{FileId, FileReceipt, Manifest, chunk_count};
use daftar_wire::limits::{FILE_CHUNK_BYTES, FILE_EXCHANGE_FILES_MAX, PHOTO_BYTES_MAX, THUMBNAIL_BYTES_MAX};
use rusqlite::{Connection, OptionalExtension, params};

use super::super::held;
use super::plan::{in_order, to_offer, to_want};
use super::{Store, WantedFile, find};
use crate::error::Result;
use crate::sql::uint;

/// A file that somebody brings, as this device stands to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brought {
    /// A record here names it, and it is not whole here.
    Lacking,
    /// It is here already.
    Here,
    /// No record here names it, its compartment is closed, or its size is not what the record says.
    Unwanted,
}

impl Store {
    /// What headquarters is asked for where its answer comes as a pack.
    pub fn files_wanted(&self, bytes_max: u64) -> Result<Vec<WantedFile>> {
        Ok(self.file_plan(bytes_max, &HashSet::new())?.wants)
    }

    /// What another device is asked for in these compartments: what a link would bring unasked, and all that headquarters has not given its
    /// word for, so that one more device can bring it there. Of what is here without that word only the word is asked for: no chunk.
    pub fn files_to_ask(&self, compartments: &[Compartment], bytes_max: u64) -> Result<Vec<WantedFile>> {
        let epoch = *held(&self.epoch);
        let (mut all, mut unsaid) = (Vec::new(), Vec::new());
        for c in compartments.iter().filter(|c| self.authorize(Action::Read, c).is_ok()) {
            let found = self.within_each(c, |vault| {
                let conn = vault.conn();
                Ok((to_want(&conn, c, &epoch)?, to_offer(&conn, c, &epoch)?))
            })?;
            let (lacking, here) = found.unwrap_or_default();
            all.extend(lacking);
            unsaid.extend(here);
        }
        in_order(&mut all);
        let mut left = u32::try_from(bytes_max.div_ceil(FILE_CHUNK_BYTES as u64)).unwrap_or(u32::MAX);
        let mut wants = Vec::new();
        for f in all {
            let missing = match &f.held {
                Some(h) => h.count() - h.held(),
                None if f.is_thumbnail => 1,
                // Nobody has said how large it is.
                None if f.size == 0 => chunk_count(PHOTO_BYTES_MAX),
                None => chunk_count(f.size),
            };
            let chunks_max = missing.min(left);
            if chunks_max > 0 {
                left -= chunks_max;
                wants.push(WantedFile { file: f.file, held: f.held, chunks_max });
            }
        }
        wants.extend(unsaid.into_iter().map(|f| WantedFile { file: f.file, held: None, chunks_max: 0 }));
        wants.truncate(FILE_EXCHANGE_FILES_MAX);
        Ok(wants)
    }

    /// How this device stands to a file that somebody brings. What is not headquarters' own word is held to what the record says of its size.
    pub fn brought(&self, manifest: &Manifest, by_hq: bool) -> Result<Brought> {
        let c = &manifest.file.compartment;
        let Ok(vault) = self.vault(c) else { return Ok(Brought::Unwanted) };
        if self.is_closed(c) || self.authorize(Action::Read, c).is_err() {
            return Ok(Brought::Unwanted);
        }
        let conn = vault.conn();
        let Some((is_thumbnail, size)) = named(&conn, &manifest.file.sha256)? else { return Ok(Brought::Unwanted) };
        if find(&conn, &manifest.file.sha256)?.is_some_and(|row| row.whole) {
            return Ok(Brought::Here);
        }
        let fits = size.is_none_or(|size| size == manifest.size) && (!is_thumbnail || manifest.size <= THUMBNAIL_BYTES_MAX);
        Ok(if by_hq || fits { Brought::Lacking } else { Brought::Unwanted })
    }

    /// Whether a record names the file, and not as a thumbnail; `None`: none names it.
    pub fn is_original(&self, file: &FileId) -> Result<Option<bool>> {
        let Ok(vault) = self.vault(&file.compartment) else { return Ok(None) };
        Ok(named(&vault.conn(), &file.sha256)?.map(|(is_thumbnail, _)| !is_thumbnail))
    }

    /// Whether a file that a record names was begun here, and whether it is whole by now; `None`: nothing is known of it.
    pub fn begun(&self, file: &FileId) -> Result<Option<bool>> {
        if self.is_original(file)?.is_none() {
            return Ok(None);
        }
        self.with_file(file, |_, _, row| Ok(row.whole))
    }

    /// Headquarters' word for a file in its present life, as it was said.
    pub fn file_receipt(&self, file: &FileId) -> Result<Option<FileReceipt>> {
        let epoch = *held(&self.epoch);
        let Ok(vault) = self.vault(&file.compartment) else { return Ok(None) };
        let bytes: Option<Vec<u8>> = vault
            .conn()
            .prepare_cached("SELECT bytes FROM file_receipt WHERE sha256 = ?1 AND epoch = ?2")?
            .query_row(params![file.sha256.0, epoch.0], |r| r.get(0))
            .optional()?;
        Ok(bytes.and_then(|b| FileReceipt::read(&b).ok()).filter(|r| r.epoch == Epoch(epoch.0)))
    }

    /// What is held of a file was of another manifest than headquarters': it begins anew, unless it is whole.
    pub fn forget_part(&self, file: &FileId) -> Result<()> {
        let vault = self.vault(&file.compartment)?;
        let blob: Option<String> = vault
            .conn()
            .prepare_cached("DELETE FROM file WHERE sha256 = ?1 AND NOT whole AND NOT spoilt RETURNING blob")?
            .query_row([file.sha256.0], |r| r.get(0))
            .optional()?;
        blob.map_or(Ok(()), |name| vault.blobs().remove(&name))
    }
}

/// Whether records name it as nothing but a thumbnail, and its bytes as they say; `None`: no record names it.
fn named(conn: &Connection, sha256: &FileHash) -> Result<Option<(bool, Option<u64>)>> {
    let mut row = conn.prepare_cached("SELECT min(thumbnail), max(size) FROM file_ref WHERE sha256 = ?1")?;
    let (is_thumbnail, size): (Option<bool>, Option<i64>) = row.query_row([sha256.0], |r| Ok((r.get(0)?, r.get(1)?)))?;
    Ok(is_thumbnail.map(|t| (t, size.map(uint))))
}
