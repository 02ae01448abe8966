//! Files of a compartment: what is here of each, what headquarters has said of it, which records name it. Never a record's other fields.

mod attach;
mod carry;
mod chunks;
mod draft;
mod packed;
mod plan;
mod states;

use std::collections::{BTreeSet, HashSet};

use daftar_core::compartment::Compartment;
use daftar_core::ids::FileHash;
use daftar_core::merge::RecordState;
use daftar_core::record::{FileRef, FileRole};
use daftar_wire::file::chest::ChestKey;
use daftar_wire::file::{Bitmap, FileId, Manifest, chunk_count};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Store;
use super::file::{Vault, meta, set_meta};
use super::record;
use crate::blob::Blobs;
use crate::error::{Error, Result};
use crate::sql::{int, uint};

pub use attach::{Attached, Attachment, KeptFile};
pub use carry::Brought;
pub use chunks::Put;
pub use packed::{FileAlong, FilesAlong};
pub use plan::{FilePlan, WantedFile};
pub use states::{FileState, FilesAtHq};

/// The meta key that says that `file_ref` is whole: records that were here before the table are gone through once.
const NOTED: &str = "files_noted";

/// A file's row.
pub(super) struct FileRow {
    id: i64,
    sha256: FileHash,
    size: u64,
    held: Bitmap,
    whole: bool,
    blob: String,
    key: ChestKey,
}

fn file_row(r: &Row<'_>) -> Result<FileRow> {
    let (size, held): (u64, Vec<u8>) = (uint(r.get(2)?), r.get(3)?);
    let held = Bitmap::read(chunk_count(size), &held).ok_or_else(|| Error::Unexpected("a file's bitmap of another length".into()))?;
    let (id, sha256, whole, blob) = (r.get(0)?, FileHash(r.get(1)?), r.get(4)?, r.get(5)?);
    Ok(FileRow { id, sha256, size, held, whole, blob, key: ChestKey::new(r.get(6)?) })
}

fn find(conn: &Connection, sha256: &FileHash) -> Result<Option<FileRow>> {
    let mut rows = conn.prepare_cached("SELECT id, sha256, size, held, whole, blob, key FROM file WHERE sha256 = ?1")?;
    let mut rows = rows.query([sha256.0])?;
    rows.next()?.map(file_row).transpose()
}

/// Writes a file's row, in place of one that may be there. Returns the name in the folder that is free now.
fn put(conn: &Connection, manifest: &Manifest, row: &FileRow) -> Result<Option<String>> {
    let before: Option<String> =
        conn.prepare_cached("DELETE FROM file WHERE sha256 = ?1 RETURNING blob")?.query_row([row.sha256.0], |r| r.get(0)).optional()?;
    conn.prepare_cached("INSERT INTO file(sha256, size, held, whole, blob, key) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(params![
        row.sha256.0,
        int(row.size),
        row.held.bytes(),
        row.whole,
        row.blob,
        *row.key
    ])?;
    let id = conn.last_insert_rowid();
    conn.prepare_cached("INSERT INTO file_chunks(file, list) VALUES (?1, ?2)")?.execute(params![id, manifest.chunks.concat()])?;
    Ok(before)
}

fn manifest_of(conn: &Connection, c: &Compartment, row: &FileRow) -> Result<Manifest> {
    let list: Vec<u8> = conn.prepare_cached("SELECT list FROM file_chunks WHERE file = ?1")?.query_row([row.id], |r| r.get(0))?;
    let file = FileId { compartment: c.clone(), sha256: row.sha256 };
    Ok(Manifest { file, size: row.size, chunks: list.as_chunks::<32>().0.to_vec() })
}

/// Notes which files a record names.
pub(super) fn note(conn: &Connection, record: i64, state: Option<&RecordState>) -> Result<()> {
    let files: Vec<FileRef> = state.map(RecordState::files).unwrap_or_default();
    conn.prepare_cached("DELETE FROM file_ref WHERE record = ?1")?.execute([record])?;
    let mut row = conn.prepare_cached("INSERT OR IGNORE INTO file_ref(record, sha256, thumbnail, size) VALUES (?1, ?2, ?3, ?4)")?;
    for file in files {
        row.execute(params![record, file.sha256.0, file.role == FileRole::Thumbnail, file.size_bytes.map(int)])?;
    }
    draft::named(conn, state)
}

/// The files that a record names.
pub(super) fn named_by(conn: &Connection, record: i64) -> Result<Vec<[u8; 32]>> {
    let mut rows = conn.prepare_cached("SELECT sha256 FROM file_ref WHERE record = ?1")?;
    Ok(rows.query_map([record], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// Erases those of these files that no record names any more: their keys go with the rows, and the names in the folder that are free now
/// are returned.
pub(super) fn forget(conn: &Connection, files: &BTreeSet<[u8; 32]>) -> Result<Vec<String>> {
    let mut freed = Vec::new();
    for sha256 in files {
        if conn.prepare_cached("SELECT 1 FROM file_ref WHERE sha256 = ?1")?.exists([sha256])? {
            continue;
        }
        let blob =
            conn.prepare_cached("DELETE FROM file WHERE sha256 = ?1 RETURNING blob")?.query_row([sha256], |r| r.get(0)).optional()?;
        freed.extend(blob);
        conn.prepare_cached("DELETE FROM file_receipt WHERE sha256 = ?1")?.execute([sha256])?;
        conn.prepare_cached("DELETE FROM file_wanted WHERE sha256 = ?1")?.execute([sha256])?;
    }
    Ok(freed)
}

/// Puts a compartment's files in order when it is opened: what was half-written goes, what records name is noted.
pub(super) fn tidy(conn: &mut Connection, blobs: &Blobs) -> Result<()> {
    let known: HashSet<String> = conn.prepare("SELECT blob FROM file")?.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
    blobs.tidy(&known)?;
    if meta(conn, NOTED)?.is_some() {
        return Ok(());
    }
    let tx = conn.transaction()?;
    let sql = format!("SELECT {} FROM record", record::COLUMNS);
    let rows = tx.prepare(&sql)?.query_map([], record::row)?.collect::<rusqlite::Result<Vec<_>>>()?;
    for row in &rows {
        note(&tx, row.id, record::load(&tx, row)?.as_ref())?;
    }
    set_meta(&tx, NOTED, &[1])?;
    tx.commit()?;
    Ok(())
}

/// Takes the files of one compartment's file into another's: rows first, then bytes. Cut anywhere and done again it comes to the same.
pub(super) fn move_all(from: &Vault, into: &Vault) -> Result<()> {
    type Moved = ([u8; 32], i64, Vec<u8>, bool, bool, String, Vec<u8>, Vec<u8>);
    let rows: Vec<Moved> = {
        let conn = from.conn();
        let mut rows = conn.prepare(
            "SELECT sha256, size, held, whole, spoilt, blob, key, list FROM file f JOIN file_chunks c ON c.file = f.id ORDER BY f.id",
        )?;
        let rows = rows.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?, r.get(7)?)))?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    if rows.is_empty() {
        return Ok(());
    }
    let taken = into.write(|tx| {
        let mut taken = Vec::new();
        for (sha256, size, held, whole, spoilt, blob, key, list) in &rows {
            let known: Option<String> =
                tx.prepare_cached("SELECT blob FROM file WHERE sha256 = ?1")?.query_row([sha256], |r| r.get(0)).optional()?;
            match known {
                Some(known) if known == *blob => taken.push(blob.clone()),
                // The compartment has the file already.
                Some(_) => {}
                None => {
                    tx.execute(
                        "INSERT INTO file(sha256, size, held, whole, spoilt, blob, key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                        params![sha256, size, held, whole, spoilt, blob, key],
                    )?;
                    tx.execute("INSERT INTO file_chunks(file, list) VALUES (?1, ?2)", params![tx.last_insert_rowid(), list])?;
                    taken.push(blob.clone());
                }
            }
        }
        Ok(taken)
    })?;
    into.blobs().take_in(&from.blobs(), &taken)
}

impl Store {
    /// Takes away every file of a compartment here. For when its key goes: what headquarters has not receipted is gone too.
    pub fn purge_files(&self, c: &Compartment) -> Result<()> {
        let vault = self.vault(c)?;
        let conn = vault.conn();
        conn.execute_batch("BEGIN; DELETE FROM file; DELETE FROM file_wanted; COMMIT;")?;
        crate::blob::purge(&vault.files_dir())
    }

    fn with_file<T>(&self, file: &FileId, f: impl FnOnce(&Vault, &Connection, FileRow) -> Result<T>) -> Result<Option<T>> {
        let vault = self.vault(&file.compartment)?;
        let conn = vault.conn();
        find(&conn, &file.sha256)?.map(|row| f(&vault, &conn, row)).transpose()
    }
}
