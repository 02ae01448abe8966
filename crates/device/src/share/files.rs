//! Files behind records: what the other end may have of one is given chunk by chunk, and what it gives is taken only where a record here names
//! it. A false chunk is refused alone. Nothing but headquarters' signature says that a file is there.

use std::collections::{HashMap, HashSet};

use daftar_wire::WireError;
use daftar_wire::file::{Bitmap, FileAnswer, FileAsk, FileChunk, FileId, FileReceipt, Manifest};
use daftar_wire::limits::FILE_EXCHANGE_FILES_MAX;

use super::give::{may_have, reading};
use super::readers::Readers;
use crate::error::{Error, Result};
use crate::vault::{Brought, Put, Store};

/// A word about files as it stands in a frame between devices: either asks for something or tells something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileWord {
    /// It asks.
    Asks(FileAsk),
    /// It tells.
    Tells(FileAnswer),
    /// Of a later version: passed over.
    Unknown,
}

impl FileWord {
    /// Reads one. What both an asking and a telling end say is told.
    pub fn read(bytes: &[u8]) -> std::result::Result<Self, WireError> {
        if let Some(told) = FileAnswer::read(bytes).transpose() {
            return told.map(|told| if told == FileAnswer::End { Self::Asks(FileAsk::End) } else { Self::Tells(told) });
        }
        Ok(FileAsk::read(bytes)?.map_or(Self::Unknown, Self::Asks))
    }
}

/// What was given of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GaveFile {
    /// All that was asked of it. Whether it is a photo or another file itself, and no thumbnail.
    All {
        /// No thumbnail.
        is_original: bool,
    },
    /// Not all, or nothing: it is not here for them, or the disk has spoilt it.
    Missing,
    /// Nobody listens any more.
    Gone,
}

/// Gives of a file what the other end lacks by its own word (without bits: all of it), at most so many chunks: headquarters' word for it where
/// there is one, what it is made of, its chunks. For no chunk only that word is given. Of one that they may not read nothing but *missing* is said, as of one that is not here.
pub fn give_file(
    store: &Store,
    to: &Readers,
    file: &FileId,
    held: Option<&[u8]>,
    chunks_max: u32,
    say: &mut dyn FnMut(FileAnswer) -> bool,
) -> Result<GaveFile> {
    let missing = || FileAnswer::Missing(file.clone());
    let Some(is_original) = may_see(store, to, file)? else {
        return Ok(if say(missing()) { GaveFile::Missing } else { GaveFile::Gone });
    };
    let receipt = handed_on(store, to, file)?.map(FileAnswer::Receipt);
    let manifest = if chunks_max > 0 { store.manifest(file)? } else { None };
    let Some(manifest) = manifest else {
        return Ok(if say(receipt.unwrap_or_else(missing)) { GaveFile::Missing } else { GaveFile::Gone });
    };
    if receipt.is_some_and(|receipt| !say(receipt)) {
        return Ok(GaveFile::Gone);
    }
    let has = held.and_then(|bits| Bitmap::read(manifest.count(), bits)).unwrap_or_else(|| Bitmap::empty(manifest.count()));
    if !say(FileAnswer::Offer(manifest)) {
        return Ok(GaveFile::Gone);
    }
    for index in has.missing().take(chunks_max as usize) {
        // A long exchange may outlast a grant.
        if !may_have(store, to, &file.compartment)? {
            return Ok(GaveFile::Missing);
        }
        let Some(bytes) = store.read_chunk(file, index)? else { return Ok(GaveFile::Missing) };
        if !say(FileAnswer::Chunk(FileChunk { file: file.clone(), index, bytes })) {
            return Ok(GaveFile::Gone);
        }
    }
    Ok(GaveFile::All { is_original })
}

/// Whether a record names the file, and not as a thumbnail, if they may read its compartment now.
fn may_see(store: &Store, to: &Readers, file: &FileId) -> Result<Option<bool>> {
    if may_have(store, to, &file.compartment)? { store.is_original(file) } else { Ok(None) }
}

/// Headquarters' word for a file, unless it names files of a compartment that not all of them may read.
fn handed_on(store: &Store, to: &Readers, file: &FileId) -> Result<Option<FileReceipt>> {
    let readers = reading(to, &file.compartment);
    let may_hear = |r: &FileReceipt| r.held.iter().all(|f| readers.is_subset(&reading(to, &f.file.compartment)));
    Ok(store.file_receipt(file)?.filter(may_hear))
}

/// Who brings files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bringer {
    /// Headquarters, in an answer. What an old one says that it holds may be true no more.
    Headquarters {
        /// It was written after all that was heard of headquarters.
        is_news: bool,
    },
    /// Another device. Nothing that it says of a file's size is believed against the record.
    Device,
}

/// What was taken of the files that somebody brings. Thumbnails are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FilesTook {
    /// Came whole, or their last part did.
    pub received: u64,
    /// Came in part, and more of them is lacking.
    pub parts: u64,
    /// Headquarters gave its word for.
    pub receipted: u64,
    /// Words that were not taken: a file that nobody here names or for which there is no room, a chunk that is not what it should be.
    pub refused: u64,
}

/// How a file stands in one exchange.
enum State {
    /// Its chunks are taken.
    Taking,
    /// It is here.
    Here,
    /// Nothing of it is taken.
    Refused,
}

/// Takes files, word by word.
pub struct FilesIn {
    by: Bringer,
    files: HashMap<FileId, State>,
    /// Photos and other files of which something came and more is lacking.
    parts: HashSet<FileId>,
    took: FilesTook,
}

impl FilesIn {
    /// Nothing came yet.
    pub fn new(by: Bringer) -> Self {
        Self { by, files: HashMap::new(), parts: HashSet::new(), took: FilesTook::default() }
    }

    /// What was taken so far.
    pub fn took(&self) -> FilesTook {
        FilesTook { parts: self.parts.len() as u64, ..self.took }
    }

    fn is_by_hq(&self) -> bool {
        matches!(self.by, Bringer::Headquarters { is_news: _ })
    }

    /// Something was said that cannot be read.
    pub fn refuse(&mut self, why: &str) {
        tracing::warn!(why, "something about a file was not taken");
        self.took.refused += 1;
    }

    /// Takes one word. Whatever goes wrong with a file, the rest is heard: it comes again by another road.
    pub fn take(&mut self, store: &Store, told: FileAnswer) {
        if let Err(error) = self.taken(store, told) {
            tracing::error!(%error, "a file that was brought could not be kept");
            self.took.refused += 1;
        }
    }

    fn taken(&mut self, store: &Store, told: FileAnswer) -> Result<()> {
        match told {
            FileAnswer::Offer(manifest) => self.offer(store, &manifest),
            FileAnswer::Chunk(chunk) => self.chunk(store, &chunk),
            FileAnswer::Receipt(receipt) => self.receipt(store, &receipt),
            FileAnswer::Refused { file, reason } => {
                tracing::warn!(compartment = %file.compartment, reason, "a file was not taken there; it waits");
                Ok(())
            }
            FileAnswer::Held { file, held: Some(bits), .. } if self.by == (Bringer::Headquarters { is_news: true }) => {
                store.held_at_hq(&file, &bits)
            }
            // Here nobody says that he takes parts.
            FileAnswer::Part(_) | FileAnswer::Held { .. } | FileAnswer::Missing(_) | FileAnswer::Here | FileAnswer::End => Ok(()),
        }
    }

    fn offer(&mut self, store: &Store, manifest: &Manifest) -> Result<()> {
        let file = manifest.file.clone();
        if self.files.len() >= FILE_EXCHANGE_FILES_MAX && !self.files.contains_key(&file) {
            self.refuse("too_many");
            return Ok(());
        }
        let state = match store.brought(manifest, self.is_by_hq())? {
            Brought::Here => State::Here,
            Brought::Unwanted => {
                // Headquarters sends thumbnails unasked, also of a photo that another change took away again.
                if !self.is_by_hq() {
                    self.refuse("not_wanted");
                }
                State::Refused
            }
            Brought::Lacking => match store.begin_file(manifest) {
                Ok(_) => State::Taking,
                Err(Error::FileStorageFull | Error::StorageFull) => {
                    self.refuse("storage_full");
                    State::Refused
                }
                Err(e) => return Err(e),
            },
        };
        self.files.insert(file, state);
        Ok(())
    }

    fn chunk(&mut self, store: &Store, chunk: &FileChunk) -> Result<()> {
        let state = match self.files.get(&chunk.file) {
            Some(State::Taking) => self.put(store, chunk)?,
            // What is here already comes again, or its offer was refused and counted.
            Some(State::Here | State::Refused) => None,
            None => self.unoffered(store, chunk)?,
        };
        if let Some(state) = state {
            self.files.insert(chunk.file.clone(), state);
        }
        Ok(())
    }

    /// Headquarters goes on with a file that was begun without saying again what it is made of.
    fn unoffered(&mut self, store: &Store, chunk: &FileChunk) -> Result<Option<State>> {
        let begun = if self.is_by_hq() { store.begun(&chunk.file)? } else { None };
        match begun {
            Some(true) => Ok(Some(State::Here)),
            Some(false) => Ok(Some(self.put(store, chunk)?.unwrap_or(State::Taking))),
            None => {
                self.refuse("not_offered");
                Ok(None)
            }
        }
    }

    /// How the file stands now, where that is otherwise than before.
    fn put(&mut self, store: &Store, chunk: &FileChunk) -> Result<Option<State>> {
        match store.put_chunk(chunk) {
            Ok(Put::Kept) => {
                if store.is_original(&chunk.file)? == Some(true) {
                    self.parts.insert(chunk.file.clone());
                }
                Ok(None)
            }
            Ok(Put::Whole) => {
                self.parts.remove(&chunk.file);
                self.took.received += u64::from(store.is_original(&chunk.file)? == Some(true));
                Ok(Some(State::Here))
            }
            Ok(Put::Bad) => {
                self.refuse("bad_chunk");
                if self.is_by_hq() {
                    // What was begun was by another's word of what the file is made of.
                    store.forget_part(&chunk.file)?;
                }
                Ok(None)
            }
            // The others may fit, and records need no room that this one takes.
            Err(Error::FileStorageFull | Error::StorageFull) => {
                self.refuse("storage_full");
                Ok(Some(State::Refused))
            }
            Err(e) => Err(e),
        }
    }

    fn receipt(&mut self, store: &Store, receipt: &FileReceipt) -> Result<()> {
        if receipt.verify(&store.device().server_key()?).is_err() {
            self.refuse("bad_signature");
            return Ok(());
        }
        // Which of two lives of the server is the later only headquarters says, and it has said it by now.
        if receipt.epoch != store.epoch() {
            self.refuse("other_epoch");
            return Ok(());
        }
        for f in &receipt.held {
            let is_news = store.file_receipt(&f.file)?.is_none() && store.is_original(&f.file)? == Some(true);
            self.took.receipted += u64::from(is_news);
        }
        store.files_receipted(receipt)?;
        Ok(())
    }
}
