//! A question for headquarters: what this device would say in an exchange, in a file. Says nothing else, and is not told what became of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use daftar_wire::file::{FileAsk, FileChunk};
use daftar_wire::limits::{PACK_FILES_BYTES_MAX, PACK_FRAMES_BYTES_MAX};
use daftar_wire::message::Ask;
use daftar_wire::pack::{Header, Purpose, Writer};
use tokio::sync::mpsc::{Receiver, channel};
use zeroize::Zeroizing;

use super::file::{Made, Written};
use super::packed::Packed;
use super::{PackError, PackProgress, PackWritten, Told};
use crate::random::random;
use crate::sync::{Base, Question, blocking, send};
use crate::vault::{FileAlong, Store, WantedFile};

/// Messages that are encoded ahead of the file.
const AHEAD: usize = 4;

/// Writes a question for headquarters: all that waits, where this device stands, and then files in at most so many bytes. `replace`: a file of
/// that name may go. What stands in it waits on until headquarters' receipt comes, by whatever road.
pub async fn write(
    store: &Arc<Store>,
    path: &Path,
    replace: bool,
    files_bytes_max: u64,
    progress: Told<'_>,
) -> Result<PackWritten, PackError> {
    let made = Made::check(path, replace)?;
    // What an earlier answer told and the device did not come to.
    blocking(store, Store::renew).await?;
    let heads = blocking(store, Store::differing).await?;
    let words = blocking(store, Store::words).await?.asks();
    let (asks, said) = channel(AHEAD);
    let sent = Arc::new(AtomicU64::new(0));
    let question = Question { base: Base::Nothing, heads, lineage: None, is_carried: true, budget: None, begun: Vec::new() };
    let sender = blocking(store, {
        let (of, sent) = (store.clone(), sent.clone());
        move |_| send(&of, question, words, &asks, &sent, None)
    });
    let (written, all) = tokio::join!(fill(store, made, said, progress), sender);
    let (mut filling, more) = written?;
    all?;
    // Records never wait for files: of a pack that is full of them these take nothing.
    let room = if more { 0 } else { PACK_FRAMES_BYTES_MAX.saturating_sub(filling.file.bytes()).min(files_bytes_max) };
    let mut packed = filling.add_files(store, room).await?;
    let Filling { pack, mut file, .. } = filling;
    file.put(&pack.finish(store.device().signing()))?;
    let bytes = file.keep()?;
    packed.keep(store, store.device().server).await;
    let (changes, Packed { files, files_part, files_left, .. }) = (sent.load(Ordering::Relaxed), packed);
    tracing::info!(changes, files, files_part, files_left, bytes, more, "a question for headquarters was written");
    Ok(PackWritten { changes, files, files_part, files_left, bytes, more })
}

/// A question in the making.
struct Filling<'a> {
    pack: Writer,
    file: Written,
    progress: Told<'a>,
}

/// Writes what is said, sealed to headquarters; and whether it was full before all was said.
async fn fill<'a>(store: &Store, made: Made, mut said: Receiver<Vec<u8>>, progress: Told<'a>) -> Result<(Filling<'a>, bool), PackError> {
    let device = store.device();
    let header = Header {
        purpose: Purpose::Question,
        writer: device.id,
        reader: device.server,
        at_ms: store.now_ms(),
        id: random()?,
        officer: None,
        epoch: None,
    };
    let mut pack = Writer::new(header);
    pack.section(&[store.shared().keyring.hq_sealing()?], &Zeroizing::new(random()?))?;
    let mut filling = Filling { pack, file: made.begin()?, progress };
    let mut more = false;
    while let Some(frame) = said.recv().await {
        filling.put(&frame)?;
        if filling.file.bytes() >= PACK_FRAMES_BYTES_MAX && !more {
            // What was encoded already comes along; nothing more is begun.
            said.close();
            more = true;
        }
    }
    if more {
        filling.put(&Ask::End.write())?;
    }
    Ok((filling, more))
}

impl Filling<'_> {
    fn put(&mut self, frame: &[u8]) -> Result<(), PackError> {
        self.pack.put(frame);
        self.file.put(&self.pack.take())?;
        (self.progress)(PackProgress { bytes: self.file.bytes(), of: None });
        Ok(())
    }

    fn say(&mut self, word: &FileAsk) -> Result<(), PackError> {
        self.put(&Ask::File(word.word()).write())
    }

    /// Adds files that headquarters has not given its word for, and asks for those that are lacking here.
    async fn add_files(&mut self, store: &Arc<Store>, room: u64) -> Result<Packed, PackError> {
        let along = blocking(store, move |s| s.files_for_hq(room)).await?;
        let wants = blocking(store, |s| s.files_wanted(PACK_FILES_BYTES_MAX)).await?;
        let mut packed = Packed::of(&along);
        for f in along.files {
            let went = self.add_file(store, &f).await?;
            packed.add(f, went);
        }
        for WantedFile { file, held, chunks_max } in wants {
            self.say(&FileAsk::Want { file, held: held.map(|h| h.bytes().to_vec()), chunks_max, begun: None })?;
        }
        Ok(packed)
    }

    /// What is to go of one file. False: the disk has spoilt it, or it is gone.
    async fn add_file(&mut self, store: &Arc<Store>, along: &FileAlong) -> Result<bool, PackError> {
        let of = along.file.clone();
        let Some(manifest) = blocking(store, move |s| s.manifest(&of)).await? else { return Ok(false) };
        self.say(&FileAsk::Offer(manifest))?;
        for index in along.without.missing() {
            let of = along.file.clone();
            let Some(bytes) = blocking(store, move |s| s.read_chunk(&of, index)).await? else { return Ok(false) };
            self.say(&FileAsk::Chunk(FileChunk { file: along.file.clone(), index, bytes }))?;
        }
        Ok(true)
    }
}
