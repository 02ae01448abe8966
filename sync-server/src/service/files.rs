//! The exchange of files: each chunk is checked and kept as it comes, a file is receipted when all of it is here and comes to its name;
//! and what the unlocked officers may read is sent. Records never wait for it.

use std::collections::HashMap;

use daftar_core::ids::{DeviceId, OfficerId};
use daftar_wire::file::{
    Bitmap, FileAnswer, FileAsk, FileBegun, FileChunk, FileId, FilePart, FileReceipt, Joining, Manifest, Manifesting, ReceiptedFile,
    chunk_bytes, parts, still_missing,
};
use daftar_wire::limits::FILE_EXCHANGE_FILES_MAX;
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::{Receiver, Sender};

use super::access::access;
use super::{Road, Service, present};
use crate::blob::{Blobs, Chest};
use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::random::random;
use crate::register::Known;
use crate::store::erasure;
use crate::store::files::{self, FileRow, NewFile};
use crate::store::meta::{self, Doubt, Place};
use crate::store::people::Device;

/// What an exchange of files came to; for logs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FilesExchanged {
    /// Chunks that were taken.
    pub taken: u64,
    /// Chunks that were sent.
    pub sent: u64,
    /// The device said all and was told so.
    pub ended: bool,
}

/// What was offered in this exchange, and the file whose chunks come now.
#[derive(Default)]
struct Offered {
    rows: HashMap<FileId, (Place, i64)>,
    open: Option<(i64, Chest)>,
    /// The chunk that comes in parts.
    joining: Joining,
}

/// A file that a device wants.
struct Wanted {
    file: FileId,
    held: Option<Vec<u8>>,
    chunks_max: u32,
    begun: Option<FileBegun>,
}

/// A file that is being sent.
struct Sending {
    file: FileId,
    row: FileRow,
    manifest: Option<Manifest>,
    /// Each from a byte on, or whole.
    chunks: Vec<(u32, Option<u32>)>,
}

impl Service {
    /// One exchange of files with a device whose key was proven. Goes on taking when nobody listens: what came is kept.
    pub async fn files(&self, device: &Device, asks: Receiver<FileAsk>, answers: &Sender<FileAnswer>) -> Result<FilesExchanged> {
        self.exchange_files(device, asks, answers, Road::Link).await
    }

    /// The same by either road. Of a file that was offered over a link is said at once what is here, so that the rest is sent; of one in a pack
    /// when all that the pack brings was taken.
    pub(crate) async fn exchange_files(
        &self,
        device: &Device,
        mut asks: Receiver<FileAsk>,
        answers: &Sender<FileAnswer>,
        road: Road,
    ) -> Result<FilesExchanged> {
        let mut done = FilesExchanged::default();
        let id = device.id;
        let mut offered = Offered::default();
        let mut officers = Vec::new();
        while let Some(ask) = asks.recv().await {
            match ask {
                FileAsk::Hello(named) => officers = named,
                FileAsk::Offer(manifest) => {
                    let present = officers.clone();
                    let (back, answer) = self.blocking(move |hq| offer(hq, (&id, &present), offered, &manifest)).await?;
                    offered = back;
                    if road == Road::Link || !matches!(answer, FileAnswer::Held { .. }) {
                        let _ = answers.send(answer).await;
                    }
                }
                FileAsk::Chunk(chunk) => {
                    let (back, answer, taken) = self.blocking(move |hq| take(hq, offered, &chunk)).await?;
                    offered = back;
                    done.taken += u64::from(taken);
                    if let Some(answer) = answer {
                        let _ = answers.send(answer).await;
                    }
                }
                FileAsk::Part(part) => {
                    let (back, answer, taken) = self.blocking(move |hq| take_part(hq, offered, part)).await?;
                    offered = back;
                    done.taken += u64::from(taken);
                    if let Some(answer) = answer {
                        let _ = answers.send(answer).await;
                    }
                }
                FileAsk::Want { file, held, chunks_max, begun } => {
                    let asked = Wanted { file, held, chunks_max, begun };
                    done.sent += self.send(id, &officers, asked, answers).await?;
                }
                FileAsk::End => {
                    done.ended = answers.send(FileAnswer::End).await.is_ok();
                    return Ok(done);
                }
            }
        }
        let offered = self.blocking(move |hq| keep_begun(hq, offered)).await?;
        if road == Road::Pack {
            for answer in self.blocking(move |hq| held(hq, offered)).await? {
                let _ = answers.send(answer).await;
            }
        }
        Ok(done)
    }

    /// Sends what a device lacks of a file; what is not there and what is not its officers' is one answer.
    async fn send(&self, device: DeviceId, officers: &[OfficerId], asked: Wanted, answers: &Sender<FileAnswer>) -> Result<u64> {
        let (officers, file) = (officers.to_vec(), asked.file.clone());
        let found = self.blocking(move |hq| wanted(hq, &device, &officers, asked)).await?;
        let Some(Sending { file, row, manifest, chunks }) = found else {
            let _ = answers.send(FileAnswer::Missing(file)).await;
            return Ok(0);
        };
        let (of, size) = (file.clone(), row.size);
        let receipt = self.blocking(move |hq| receipt(hq, of, size)).await?;
        if answers.send(receipt).await.is_err() {
            return Ok(0);
        }
        if let Some(manifest) = manifest
            && answers.send(FileAnswer::Offer(manifest)).await.is_err()
        {
            return Ok(0);
        }
        let mut sent = 0;
        for (index, at) in chunks {
            let row = row.clone();
            let Some(bytes) = self.blocking(move |hq| read_chunk(hq, &row, index)).await? else { continue };
            let chunk = FileChunk { file: file.clone(), index, bytes };
            let said: Box<dyn Iterator<Item = FileAnswer> + Send> = match at {
                Some(at) => Box::new(parts(chunk, at).map(FileAnswer::Part)),
                None => Box::new(std::iter::once(FileAnswer::Chunk(chunk))),
            };
            for answer in said {
                if answers.send(answer).await.is_err() {
                    return Ok(sent);
                }
            }
            sent += 1;
        }
        Ok(sent)
    }
}

/// What is here of the files that were offered and are not whole.
fn held(hq: &Headquarters, offered: Offered) -> Result<Vec<FileAnswer>> {
    let mut rows: Vec<(FileId, i64)> = offered.rows.into_iter().map(|(file, (_, row))| (file, row)).collect();
    rows.sort();
    hq.store.read(|tx| {
        let mut said = Vec::new();
        for (file, row) in rows {
            let part = files::by_id(tx, row)?.filter(|row| !row.whole);
            said.extend(part.map(|row| FileAnswer::Held { file, held: Some(row.held.bytes().to_vec()), begun: None }));
        }
        Ok(said)
    })
}

fn receipt(hq: &Headquarters, file: FileId, size: u64) -> Result<FileAnswer> {
    let (files, epoch) = (vec![ReceiptedFile { file, size }], hq.life()?.epoch);
    Ok(FileAnswer::Receipt(FileReceipt::sign(&hq.keys.signing, epoch, hq.clock.now_ms(), files)))
}

fn refused(file: &FileId, reason: &str) -> FileAnswer {
    FileAnswer::Refused { file: file.clone(), reason: reason.to_owned() }
}

/// What a full disk is told as; any other trouble is ours.
fn full(file: &FileId, error: Error) -> Result<FileAnswer> {
    if !matches!(error, Error::StorageFull) {
        return Err(error);
    }
    tracing::error!(compartment = %file.compartment, "the storage is full: a file was not taken");
    Ok(refused(file, "storage_full"))
}

fn offer(
    hq: &Headquarters,
    (device, officers): (&DeviceId, &[OfficerId]),
    mut offered: Offered,
    manifest: &Manifest,
) -> Result<(Offered, FileAnswer)> {
    let file = &manifest.file;
    if offered.rows.len() >= FILE_EXCHANGE_FILES_MAX {
        return Ok((offered, refused(file, "too_many")));
    }
    let found = hq.store.write(|tx| {
        let Some(place) = meta::compartment(tx, &file.compartment)?.filter(|_| manifest.check().is_ok()) else { return Ok(None) };
        let brings = files::may_bring(tx, device, &place)?;
        let reads = brings || reads(hq, tx, (device, officers), &place)?;
        // Whoever reads may hold what was lost.
        let brings = brings || (reads && files::may_have_lost(tx, &hq.identity.device, &meta::life(tx)?)?);
        if !reads || erasure::is_file_erased(tx, &place, &file.sha256)? {
            return Ok(None);
        }
        let known = match files::whole(tx, &place, &file.sha256)? {
            Some(row) => Some(present_or_lost(hq, tx, row)?),
            None => files::made_of(tx, &place, manifest)?,
        };
        let row = match known {
            Some(row) if row.whole || brings => row,
            Some(_) | None if !brings => return Ok(None),
            Some(row) => row,
            None if files::bytes_kept(tx)?.saturating_add(manifest.size) > hq.blobs.bytes_max() => return Err(Error::StorageFull),
            None => {
                let (blob, salt) = Blobs::draw()?;
                let new = NewFile { manifest, blob: &blob, salt, device: *device, at_ms: hq.clock.now_ms() };
                files::add(tx, &place, &new)?
            }
        };
        Ok(Some((place, row)))
    });
    let answer = match found {
        Ok(None) => FileAnswer::Missing(file.clone()),
        Ok(Some((_, row))) if row.whole => receipt(hq, file.clone(), row.size)?,
        Ok(Some((place, row))) => {
            offered.rows.insert(file.clone(), (place, row.id));
            held_of(hq, file, &row)?
        }
        Err(error) => full(file, error)?,
    };
    Ok((offered, answer))
}

/// A file that was whole and whose bytes are gone is asked for again.
fn present_or_lost(hq: &Headquarters, tx: &Connection, row: FileRow) -> Result<FileRow> {
    if hq.blobs.is_there(&row) {
        return Ok(row);
    }
    tracing::error!(file = row.blob, "a file's bytes are gone from the folder; they are asked for again");
    let all: Vec<u32> = (0..row.held.count()).collect();
    Ok(files::set_held(tx, row.id, &all, false)?.unwrap_or(row))
}

/// What is here of a file that is not whole.
fn held_of(hq: &Headquarters, file: &FileId, row: &FileRow) -> Result<FileAnswer> {
    let begun = Some(hq.blobs.how_much_begun(row)?);
    Ok(FileAnswer::Held { file: file.clone(), held: Some(row.held.bytes().to_vec()), begun })
}

/// Takes a part of a chunk; the chunk itself once all of it is here.
fn take_part(hq: &Headquarters, mut offered: Offered, part: FilePart) -> Result<(Offered, Option<FileAnswer>, bool)> {
    let bytes = match part {
        FilePart::More(bytes) => bytes,
        FilePart::From { file, index, at, bytes } => {
            offered = keep_begun(hq, offered)?;
            if let Err(reason) = begin(hq, &mut offered, &file, index, at as usize)? {
                return Ok((offered, Some(refused(&file, reason)), false));
            }
            bytes
        }
    };
    match offered.joining.more(&bytes) {
        Ok(Some(chunk)) => take(hq, offered, &chunk),
        Ok(None) => Ok((offered, None, false)),
        Err(error) => {
            tracing::warn!(%error, "a part of a chunk was not taken");
            Ok((offered, None, false))
        }
    }
}

/// Begins a chunk with what is here of it before a byte; or why not.
fn begin(hq: &Headquarters, offered: &mut Offered, file: &FileId, index: u32, at: usize) -> Result<std::result::Result<(), &'static str>> {
    let Some((_, id)) = offered.rows.get(file) else { return Ok(Err("not_offered")) };
    let Some(row) = hq.store.read(|tx| files::by_id(tx, *id))? else { return Ok(Err("not_offered")) };
    let here = if at == 0 { Some((index, Vec::new())) } else { hq.blobs.read_begun(&row)? };
    let here = here.filter(|(of, bytes)| *of == index && bytes.len() >= at);
    let (Some(whole), Some((_, mut bytes))) = (chunk_bytes(row.size, index), here) else { return Ok(Err("bad_chunk")) };
    bytes.truncate(at);
    Ok(offered.joining.begin(FileChunk { file: file.clone(), index, bytes }, whole).map_err(|_| "bad_chunk"))
}

/// What came of a chunk stays until the rest comes.
fn keep_begun(hq: &Headquarters, mut offered: Offered) -> Result<Offered> {
    let Some(begun) = offered.joining.leave() else { return Ok(offered) };
    let Some((_, id)) = offered.rows.get(&begun.file) else { return Ok(offered) };
    if let Some(row) = hq.store.read(|tx| files::by_id(tx, *id))?.filter(|row| !row.held.has(begun.index)) {
        // No room, or another trouble of the disk: it comes again.
        if let Err(error) = hq.blobs.keep_begun(&row, begun.index, &begun.bytes) {
            tracing::warn!(%error, "the beginning of a chunk is not kept");
        }
    }
    Ok(offered)
}

fn take(hq: &Headquarters, mut offered: Offered, chunk: &FileChunk) -> Result<(Offered, Option<FileAnswer>, bool)> {
    let file = &chunk.file;
    let Some((place, id)) = offered.rows.get(file).cloned() else {
        return Ok((offered, Some(refused(file, "not_offered")), false));
    };
    let found = hq.store.read(|tx| Ok((files::by_id(tx, id)?, files::chunk_hash(tx, id, chunk.index)?)))?;
    let (Some(row), hash) = found else {
        return Ok((offered, Some(refused(file, "not_offered")), false));
    };
    if row.whole {
        return Ok((offered, Some(receipt(hq, file.clone(), row.size)?), false));
    }
    let expected = chunk_bytes(row.size, chunk.index);
    if expected != Some(chunk.bytes.len()) || hash != Some(Sha256::digest(&chunk.bytes).into()) {
        tracing::warn!(compartment = %file.compartment, index = chunk.index, "a chunk that is not what was offered was not taken");
        // It may have gone on behind a beginning that was not the file's.
        hq.blobs.forget_begun(&row.blob)?;
        return Ok((offered, Some(refused(file, "bad_chunk")), false));
    }
    let kept = keep(hq, &mut offered, &row, chunk);
    let row = match kept {
        Ok(Some(row)) => row,
        Ok(None) => return Ok((offered, Some(refused(file, "not_offered")), false)),
        Err(error) => return full(file, error).map(|answer| (offered, Some(answer), false)),
    };
    let answer = if row.held.is_full() { Some(complete(hq, &place, file, &row)?) } else { None };
    if answer.is_some() {
        offered.open = None;
    }
    Ok((offered, answer, true))
}

fn keep(hq: &Headquarters, offered: &mut Offered, row: &FileRow, chunk: &FileChunk) -> Result<Option<FileRow>> {
    let mut chest = match offered.open.take() {
        Some((id, chest)) if id == row.id => chest,
        Some(_) | None => hq.blobs.open(row, true)?,
    };
    chest.write(random()?, chunk.index, &chunk.bytes)?;
    offered.open = Some((row.id, chest));
    hq.store.write(|tx| files::set_held(tx, row.id, &[chunk.index], true))
}

/// All chunks are here: whether they come to the name, read again from the disk.
fn complete(hq: &Headquarters, place: &Place, file: &FileId, row: &FileRow) -> Result<FileAnswer> {
    let chest = hq.blobs.open(row, false)?;
    chest.file().sync_all()?;
    hq.blobs.sync()?;
    let manifest = hq.store.read(|tx| files::manifest(tx, place, row))?;
    let checked = check(chest, &manifest)?;
    if !checked.bad.is_empty() {
        let now = hq.store.write(|tx| files::set_held(tx, row.id, &checked.bad, false))?;
        return held_of(hq, file, &now.unwrap_or_else(|| FileRow { held: Bitmap::empty(row.held.count()), ..row.clone() }));
    }
    if !checked.is_named {
        tracing::warn!(compartment = %file.compartment, "a file whose chunks do not come to its name was not kept");
        hq.store.write(|tx| files::drop_row(tx, row.id))?;
        hq.blobs.remove(&row.blob)?;
        return Ok(refused(file, "bad_file"));
    }
    let others = hq.store.write(|tx| files::set_whole(tx, place, row, hq.clock.now_ms()))?;
    others.iter().try_for_each(|blob| hq.blobs.remove(blob))?;
    hq.blobs.forget_begun(&row.blob)?;
    receipt(hq, file.clone(), row.size)
}

/// What a file's bytes come to.
pub(crate) struct Checked {
    /// Chunks that are not what they should be.
    pub(crate) bad: Vec<u32>,
    /// The whole has the SHA-256 that it is named by.
    pub(crate) is_named: bool,
}

/// Reads a whole file, a chunk at a time.
pub(crate) fn check(mut chest: Chest, manifest: &Manifest) -> Result<Checked> {
    let (mut whole, mut bad) = (Manifesting::default(), Vec::new());
    for index in 0..manifest.count() {
        match chest.read(index)?.filter(|bytes| manifest.holds(index, bytes)) {
            Some(bytes) => whole.push(&bytes),
            None => bad.push(index),
        }
    }
    let is_named = bad.is_empty() && whole.finish(manifest.file.compartment.clone()).file == manifest.file;
    Ok(Checked { bad, is_named })
}

/// Whether one of these officers, of those who are unlocked on the device, may read there now.
fn reads(hq: &Headquarters, tx: &Connection, (device, officers): (&DeviceId, &[OfficerId]), place: &Place) -> Result<bool> {
    let (mut known, now) = (Known::default(), hq.clock.now_ms());
    let officers = present(tx, device, officers, now)?;
    for officer in &officers {
        known.learn(tx, officer, Some(device))?;
    }
    Ok(officers.iter().any(|o| access(&known, o, device, &place.name, now).read))
}

fn wanted(
    hq: &Headquarters,
    device: &DeviceId,
    officers: &[OfficerId],
    Wanted { file, held, chunks_max, begun }: Wanted,
) -> Result<Option<Sending>> {
    hq.store.read(|tx| {
        // After a restore nothing leaves before an administrator has confirmed who may still read.
        let is_confirmed = meta::doubt(tx, Doubt::Restored)?.is_none();
        let Some(place) = meta::compartment(tx, &file.compartment)?.filter(|_| is_confirmed) else { return Ok(None) };
        if !reads(hq, tx, (device, officers), &place)? {
            return Ok(None);
        }
        let Some(row) = files::whole(tx, &place, &file.sha256)?.filter(|row| hq.blobs.is_there(row)) else { return Ok(None) };
        let has = held.and_then(|bits| Bitmap::read(row.held.count(), &bits));
        let manifest = if has.is_none() && chunks_max > 0 { Some(files::manifest(tx, &place, &row)?) } else { None };
        let has = has.unwrap_or_else(|| Bitmap::empty(row.held.count()));
        let mut chunks = still_missing(has.missing(), begun);
        chunks.truncate(chunks_max as usize);
        Ok(Some(Sending { file, row, manifest, chunks }))
    })
}

/// A chunk of a whole file. One that the disk has spoilt is not sent: it is no longer whole, and whoever has it is asked for it.
pub(crate) fn read_chunk(hq: &Headquarters, row: &FileRow, index: u32) -> Result<Option<Vec<u8>>> {
    let bytes = hq.blobs.open(row, false)?.read(index)?;
    if bytes.is_none() {
        tracing::error!(file = row.blob, index, "a chunk of a file is damaged on the disk");
        hq.store.write(|tx| files::set_held(tx, row.id, &[index], false))?;
    }
    Ok(bytes)
}
