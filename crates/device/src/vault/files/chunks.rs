//! A file's chunks: read to be sent or shown, taken as they come, checked each time. A chunk that the disk has spoilt is fetched again. Never
//! deletes what headquarters may not have.

use std::io::Write;

use daftar_core::authorize::Action;
use daftar_core::compartment::Compartment;
use daftar_core::ids::FileHash;
use daftar_wire::file::chest::{ChestKey, open_begun, seal_begun};
use daftar_wire::file::{Bitmap, FileChunk, FileId, FileReceipt, Manifest, Manifesting};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::super::file::Vault;
use super::{FileRow, Store, find, manifest_of, put};
use crate::error::{Error, Result};
use crate::random::{random, random_name};
use crate::sql::int;

/// What became of a chunk that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is here; more are missing, or the file was whole before.
    Kept,
    /// It was the last: the file is whole and comes to its name.
    Whole,
    /// It is not what the manifest says, or nobody asked for it.
    Bad,
}

impl Store {
    /// What a file that is here whole is made of.
    pub fn manifest(&self, file: &FileId) -> Result<Option<Manifest>> {
        let found =
            self.with_file(file, |_, conn, row| if row.whole { manifest_of(conn, &file.compartment, &row).map(Some) } else { Ok(None) })?;
        Ok(found.flatten())
    }

    /// A chunk of a file; `None`: it is not here, or the disk has spoilt it, and then it is fetched again where it can be.
    pub fn read_chunk(&self, file: &FileId, index: u32) -> Result<Option<Vec<u8>>> {
        let found = self.with_file(file, |vault, conn, row| Ok((vault.blobs(), chunk_hash(conn, row.id, index)?, row)))?;
        let Some((blobs, hash, row)) = found.filter(|f| f.2.held.has(index)) else { return Ok(None) };
        let bytes = match blobs.open(&row.blob, row.key, row.size, false)? {
            Some(mut chest) => chest.read(index)?,
            None => None,
        };
        let good = bytes.filter(|b| Some(sha256(b)) == hash);
        if good.is_none() {
            tracing::error!(file = row.blob, index, "a chunk of a file is damaged on the disk; it is fetched again if headquarters has it");
            self.with_file(file, |_, conn, row| mark(conn, row, &[index], false))?;
        }
        Ok(good)
    }

    /// Writes a whole file out. Each chunk is checked before a byte of it is given.
    pub fn write_file(&self, c: &Compartment, sha256: &FileHash, to: &mut impl Write) -> Result<()> {
        self.authorize(Action::Read, c)?;
        let file = FileId { compartment: c.clone(), sha256: *sha256 };
        let manifest = self.manifest(&file)?.ok_or(Error::FileNotHere)?;
        for index in 0..manifest.count() {
            to.write_all(&self.read_chunk(&file, index)?.ok_or(Error::FileNotHere)?)?;
        }
        Ok(())
    }

    /// Reads every whole file of a compartment again: how many there are, and which the disk has spoilt. Those are fetched again.
    pub(in crate::vault) fn check_files(&self, c: &Compartment) -> Result<(u64, Vec<FileHash>)> {
        let vault = self.vault(c)?;
        let names: Vec<FileHash> = {
            let conn = vault.conn();
            let mut rows = conn.prepare("SELECT sha256 FROM file WHERE whole ORDER BY id")?;
            rows.query_map([], |r| Ok(FileHash(r.get(0)?)))?.collect::<rusqlite::Result<_>>()?
        };
        let mut spoilt = Vec::new();
        for sha256 in &names {
            let file = FileId { compartment: c.clone(), sha256: *sha256 };
            let Some(manifest) = self.manifest(&file)? else { continue };
            let mut is_good = true;
            for index in 0..manifest.count() {
                is_good &= self.read_chunk(&file, index)?.is_some();
            }
            if !is_good {
                spoilt.push(*sha256);
            }
        }
        Ok((names.len() as u64, spoilt))
    }

    /// Begins a file that headquarters has: from now on its chunks are taken. What is here of it already stays if it is made of the same.
    pub fn begin_file(&self, manifest: &Manifest) -> Result<Bitmap> {
        if self.with_file(&manifest.file, |_, _, _| Ok(()))?.is_none() {
            self.room_for(manifest.size)?;
        }
        let vault = self.vault(&manifest.file.compartment)?;
        let mut conn = vault.conn();
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(row) = find(&tx, &manifest.file.sha256)?
            && (row.whole || manifest_of(&tx, &manifest.file.compartment, &row)? == *manifest)
        {
            return Ok(row.held);
        }
        let held = Bitmap::empty(manifest.count());
        let (blob, key) = (random_name()?, ChestKey::new(random()?));
        let row = FileRow { id: 0, sha256: manifest.file.sha256, size: manifest.size, held: held.clone(), whole: false, blob, key };
        let before = put(&tx, manifest, &row)?;
        tx.commit()?;
        before.map_or(Ok(()), |name| vault.blobs().remove(&name))?;
        Ok(held)
    }

    /// Takes a chunk that came.
    pub fn put_chunk(&self, chunk: &FileChunk) -> Result<Put> {
        let file = &chunk.file;
        let found = self.with_file(file, |vault, conn, row| Ok((vault.blobs(), chunk_hash(conn, row.id, chunk.index)?, row)))?;
        let Some((blobs, Some(hash), row)) = found else { return Ok(Put::Bad) };
        if hash != sha256(&chunk.bytes) || daftar_wire::file::chunk_bytes(row.size, chunk.index) != Some(chunk.bytes.len()) {
            return Ok(Put::Bad);
        }
        // Another road was faster.
        if row.whole {
            return Ok(Put::Kept);
        }
        if let Some(mut chest) = blobs.open(&row.blob, row.key, row.size, true)? {
            chest.write(random()?, chunk.index, &chunk.bytes)?;
        }
        let row = self.with_file(file, |_, conn, row| mark(conn, row, &[chunk.index], true))?;
        match row.filter(|row| row.held.is_full()) {
            Some(row) => self.complete(file, row),
            None => Ok(Put::Kept),
        }
    }

    /// All chunks are here: whether they come to the name, read again from the disk.
    fn complete(&self, file: &FileId, row: FileRow) -> Result<Put> {
        let vault = self.vault(&file.compartment)?;
        let blobs = vault.blobs();
        let manifest = manifest_of(&vault.conn(), &file.compartment, &row)?;
        let (mut whole, mut bad) = (Manifesting::default(), Vec::new());
        let mut chest = blobs.open(&row.blob, row.key.clone(), row.size, false)?.ok_or(Error::FileNotHere)?;
        chest.file().sync_all()?;
        blobs.sync()?;
        for index in 0..manifest.count() {
            match chest.read(index)?.filter(|bytes| manifest.holds(index, bytes)) {
                Some(bytes) => whole.push(&bytes),
                None => bad.push(index),
            }
        }
        let conn = vault.conn();
        if !bad.is_empty() {
            mark(&conn, row, &bad, false)?;
            return Ok(Put::Kept);
        }
        if whole.finish(file.compartment.clone()).file != *file {
            // What it was said to be made of was not true: it begins anew.
            conn.execute("DELETE FROM file WHERE id = ?1", [row.id])?;
            blobs.remove(&row.blob)?;
            return Ok(Put::Bad);
        }
        conn.execute("UPDATE file SET whole = 1, spoilt = 0 WHERE id = ?1", [row.id])?;
        conn.execute("DELETE FROM file_wanted WHERE sha256 = ?1", [row.sha256.0])?;
        blobs.forget_begun(&row.blob)?;
        Ok(Put::Whole)
    }

    /// The beginning of a chunk that is lacking still, as it came before the link was cut.
    pub fn begun_chunk(&self, file: &FileId) -> Result<Option<FileChunk>> {
        let Some((blobs, row)) = self.with_file(file, |vault, _, row| Ok((vault.blobs(), row)))? else { return Ok(None) };
        let Some((index, bytes)) = blobs.read_begun(&row.blob)?.and_then(|sealed| open_begun(&row.key, &sealed)) else { return Ok(None) };
        Ok((!row.held.has(index)).then(|| FileChunk { file: file.clone(), index, bytes }))
    }

    /// Keeps the beginning of a chunk until the rest comes.
    pub fn keep_begun_chunk(&self, begun: &FileChunk) -> Result<()> {
        let Some((blobs, row)) = self.with_file(&begun.file, |vault, _, row| Ok((vault.blobs(), row)))? else { return Ok(()) };
        blobs.keep_begun(&row.blob, &seal_begun(&row.key, random()?, begun.index, &begun.bytes))
    }

    /// What is here before this byte of a chunk that is lacking, and how many bytes the chunk has; `None`: it is not lacking, or not so much is here.
    pub fn begin_chunk(&self, file: &FileId, index: u32, at: u32) -> Result<Option<(FileChunk, usize)>> {
        let row = self.with_file(file, |_, _, row| Ok(row))?.filter(|row| !row.held.has(index));
        let Some(whole) = row.and_then(|row| daftar_wire::file::chunk_bytes(row.size, index)) else { return Ok(None) };
        let none = FileChunk { file: file.clone(), index, bytes: Vec::new() };
        let here = if at == 0 { Some(none) } else { self.begun_chunk(file)?.filter(|begun| begun.index == index) };
        let here = here.filter(|here| here.bytes.len() >= at as usize).map(|mut here| {
            here.bytes.truncate(at as usize);
            (here, whole)
        });
        Ok(here)
    }

    /// Headquarters' signed word that it holds files whole; how many it had not given its word for. The signature was checked by whoever
    /// heard it.
    pub fn files_receipted(&self, receipt: &FileReceipt) -> Result<u64> {
        let bytes = receipt.write();
        // A life of the server that records have not heard of concerns them too.
        self.adopt_epoch(receipt.epoch)?;
        let mut news = 0;
        for f in &receipt.held {
            let Ok(vault) = self.vault(&f.file.compartment) else { continue };
            let conn = vault.conn();
            let known: Option<Vec<u8>> = conn
                .prepare_cached("SELECT epoch FROM file_receipt WHERE sha256 = ?1")?
                .query_row([f.file.sha256.0], |r| r.get(0))
                .optional()?;
            if known.as_deref() != Some(&receipt.epoch.0[..]) {
                conn.prepare_cached("INSERT OR REPLACE INTO file_receipt(sha256, epoch, at_ms, bytes) VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![f.file.sha256.0, receipt.epoch.0, int(receipt.time_ms), bytes])?;
                news += 1;
            }
        }
        Ok(news)
    }

    /// The officer wants a file: the next sync brings it if headquarters has it.
    pub fn want_file(&self, c: &Compartment, sha256: &FileHash) -> Result<()> {
        self.authorize(Action::Read, c)?;
        let vault: std::sync::Arc<Vault> = self.vault(c)?;
        vault.conn().execute("INSERT OR IGNORE INTO file_wanted(sha256) VALUES (?1)", [sha256.0])?;
        Ok(())
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

fn chunk_hash(conn: &Connection, id: i64, index: u32) -> Result<Option<[u8; 32]>> {
    let from = i64::from(index) * 32 + 1;
    let mut row = conn.prepare_cached("SELECT substr(list, ?2, 32) FROM file_chunks WHERE file = ?1")?;
    let found: Option<Vec<u8>> = row.query_row(params![id, from], |r| r.get(0)).optional()?;
    Ok(found.and_then(|h| h.try_into().ok()))
}

/// Says of chunks whether they are here. One that was and is not any more makes the file one to be fetched again.
fn mark(conn: &Connection, mut row: FileRow, chunks: &[u32], are_held: bool) -> Result<FileRow> {
    chunks.iter().for_each(|i| row.held.set(*i, are_held));
    row.whole &= row.held.is_full();
    conn.prepare_cached("UPDATE file SET held = ?2, whole = ?3, spoilt = spoilt OR ?4 WHERE id = ?1")?.execute(params![
        row.id,
        row.held.bytes(),
        row.whole,
        !are_held
    ])?;
    Ok(row)
}
