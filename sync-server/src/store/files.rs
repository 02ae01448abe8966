//! Which files are here and how much of each. Never a file's bytes.

use daftar_core::ids::{DeviceId, FileHash};
use daftar_wire::file::{Bitmap, FileId, Manifest, chunk_count};
use rusqlite::{Connection, OptionalExtension, Row, params};
use sha2::{Digest as _, Sha256};

use super::meta::{Life, Place};
use crate::error::{Error, Result};
use crate::sql::{int, uint};

/// A file's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// The row.
    pub id: i64,
    /// The SHA-256 that it is named by.
    pub sha256: FileHash,
    /// Its bytes.
    pub size: u64,
    /// Its chunks that are here.
    pub held: Bitmap,
    /// All are, and come to its name.
    pub whole: bool,
    /// Its name in the folder.
    pub blob: String,
    /// With the database's key this gives its key.
    pub salt: [u8; 32],
}

/// A file that is offered for the first time.
pub struct NewFile<'a> {
    /// What it is made of.
    pub manifest: &'a Manifest,
    /// Its name in the folder.
    pub blob: &'a str,
    /// What gives its key.
    pub salt: [u8; 32],
    /// Who offers it.
    pub device: DeviceId,
    /// When, in milliseconds of UTC.
    pub at_ms: u64,
}

const FILE: &str = "SELECT id, sha256, size, held, whole, blob, salt FROM file";

fn file_row(r: &Row<'_>) -> Result<FileRow> {
    let (size, held): (u64, Vec<u8>) = (uint(r.get(2)?), r.get(3)?);
    let held = Bitmap::read(chunk_count(size), &held).ok_or_else(|| Error::Damaged("a file's bitmap".into()))?;
    Ok(FileRow { id: r.get(0)?, sha256: FileHash(r.get(1)?), size, held, whole: r.get(4)?, blob: r.get(5)?, salt: r.get(6)? })
}

fn one(conn: &Connection, place_of_it: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Option<FileRow>> {
    let mut rows = conn.prepare_cached(&format!("{FILE} {place_of_it}"))?;
    let mut rows = rows.query(values)?;
    rows.next()?.map(file_row).transpose()
}

/// The file that is whole.
pub fn whole(conn: &Connection, place: &Place, sha256: &FileHash) -> Result<Option<FileRow>> {
    one(conn, "WHERE compartment = ?1 AND sha256 = ?2 AND whole", &[&place.id, &sha256.0])
}

/// What is here of a file that is made of this.
pub fn made_of(conn: &Connection, place: &Place, manifest: &Manifest) -> Result<Option<FileRow>> {
    one(conn, "WHERE compartment = ?1 AND sha256 = ?2 AND made_of = ?3", &[&place.id, &manifest.file.sha256.0, &made_of_hash(manifest)])
}

fn made_of_hash(manifest: &Manifest) -> [u8; 32] {
    Sha256::digest(manifest.chunks.concat()).into()
}

/// The row; `None`: it was dropped.
pub fn by_id(conn: &Connection, id: i64) -> Result<Option<FileRow>> {
    one(conn, "WHERE id = ?1", &[&id])
}

/// All files of a compartment, whole or not.
pub fn of_place(conn: &Connection, place: &Place) -> Result<Vec<FileRow>> {
    let mut rows = conn.prepare_cached(&format!("{FILE} WHERE compartment = ?1 ORDER BY id"))?;
    let mut rows = rows.query([place.id])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(file_row(row)?);
    }
    Ok(all)
}

/// The most that is here of a file, whoever said what it is made of.
pub fn best(conn: &Connection, place: &Place, sha256: &FileHash) -> Result<Option<FileRow>> {
    let mut rows = conn.prepare_cached(&format!("{FILE} WHERE compartment = ?1 AND sha256 = ?2"))?;
    let mut rows = rows.query(params![place.id, sha256.0])?;
    let mut best: Option<FileRow> = None;
    while let Some(row) = rows.next()? {
        let row = file_row(row)?;
        let rank = |f: &FileRow| (f.whole, f.held.held());
        if best.as_ref().is_none_or(|b| rank(&row) > rank(b)) {
            best = Some(row);
        }
    }
    Ok(best)
}

/// Notes a file of which nothing is here yet.
pub fn add(conn: &Connection, place: &Place, new: &NewFile<'_>) -> Result<FileRow> {
    let NewFile { manifest, blob, salt, device, at_ms } = new;
    let held = Bitmap::empty(manifest.count());
    conn.prepare_cached(
        "INSERT INTO file(compartment, sha256, size, made_of, held, blob, salt, device, offered_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        place.id,
        manifest.file.sha256.0,
        int(manifest.size),
        made_of_hash(manifest),
        held.bytes(),
        blob,
        salt,
        device.0,
        int(*at_ms)
    ])?;
    let id = conn.last_insert_rowid();
    conn.prepare_cached("INSERT INTO file_chunks(file, list) VALUES (?1, ?2)")?.execute(params![id, manifest.chunks.concat()])?;
    Ok(FileRow { id, sha256: manifest.file.sha256, size: manifest.size, held, whole: false, blob: (*blob).to_owned(), salt: *salt })
}

/// What the file's chunks are said to be.
pub fn manifest(conn: &Connection, place: &Place, row: &FileRow) -> Result<Manifest> {
    let list: Vec<u8> = conn.prepare_cached("SELECT list FROM file_chunks WHERE file = ?1")?.query_row([row.id], |r| r.get(0))?;
    let file = FileId { compartment: place.name.clone(), sha256: row.sha256 };
    Ok(Manifest { file, size: row.size, chunks: list.as_chunks::<32>().0.to_vec() })
}

/// The SHA-256 of one of its chunks; `None`: it has no such chunk.
pub fn chunk_hash(conn: &Connection, id: i64, index: u32) -> Result<Option<[u8; 32]>> {
    let from = i64::from(index) * 32 + 1;
    let found: Option<Vec<u8>> = conn
        .prepare_cached("SELECT substr(list, ?2, 32) FROM file_chunks WHERE file = ?1")?
        .query_row(params![id, from], |r| r.get(0))
        .optional()?;
    Ok(found.and_then(|h| h.try_into().ok()))
}

/// Says of chunks whether they are here. Returns what is here afterwards; `None`: the row was dropped.
pub fn set_held(conn: &Connection, id: i64, chunks: &[u32], are_held: bool) -> Result<Option<FileRow>> {
    let Some(mut row) = by_id(conn, id)? else { return Ok(None) };
    chunks.iter().for_each(|i| row.held.set(*i, are_held));
    row.whole &= row.held.is_full();
    conn.prepare_cached("UPDATE file SET held = ?2, whole = ?3 WHERE id = ?1")?.execute(params![id, row.held.bytes(), row.whole])?;
    Ok(Some(row))
}

/// The file is whole. Whatever else was said to be it goes: the names in the folder that are free.
pub fn set_whole(conn: &Connection, place: &Place, row: &FileRow, at_ms: u64) -> Result<Vec<String>> {
    conn.prepare_cached("UPDATE file SET whole = 1, whole_ms = ?2 WHERE id = ?1")?.execute(params![row.id, int(at_ms)])?;
    let mut others = conn.prepare_cached("DELETE FROM file WHERE compartment = ?1 AND sha256 = ?2 AND id <> ?3 RETURNING blob")?;
    let names = others.query_map(params![place.id, row.sha256.0, row.id], |r| r.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

/// Forgets a row.
pub fn drop_row(conn: &Connection, id: i64) -> Result<()> {
    conn.prepare_cached("DELETE FROM file WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Forgets all that is here of a file: the names in the folder that are free.
pub fn forget(conn: &Connection, place: &Place, file: &FileHash) -> Result<Vec<String>> {
    let mut rows = conn.prepare_cached("DELETE FROM file WHERE compartment = ?1 AND sha256 = ?2 RETURNING blob")?;
    let blobs = rows.query_map(params![place.id, file.0], |r| r.get(0))?;
    Ok(blobs.collect::<rusqlite::Result<_>>()?)
}

/// Bytes of all files, as they will be when they are whole.
pub fn bytes_kept(conn: &Connection) -> Result<u64> {
    Ok(uint(conn.prepare_cached("SELECT coalesce(sum(size), 0) FROM file")?.query_row([], |r| r.get(0))?))
}

/// Whether a device may bring files for a compartment whoever is unlocked: some officer of it writes there, or once could. Evidence that was taken
/// before a grant ended is not turned away.
pub fn may_bring(conn: &Connection, device: &DeviceId, place: &Place) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT 1 FROM officer_device d JOIN grant_ g ON g.officer = d.officer
             WHERE d.device = ?1 AND g.compartment = ?2 AND (g.write OR NOT g.active)",
        )?
        .exists(params![device.0, place.id])?)
}

/// Whether headquarters lived before: in another life it writes under another incarnation.
pub fn may_have_lost(conn: &Connection, hq: &DeviceId, life: &Life) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM stream WHERE device = ?1 AND incarnation IS NOT ?2")?
        .exists(params![hq.0, life.incarnation.0])?)
}
