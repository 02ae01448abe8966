//! Files after records: one exchange after the other, each of about so many bytes that a save need not wait long for the link. What
//! broke off goes on at the next part of a chunk. Counts nothing as held but by a signed receipt.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use daftar_wire::file::{Bitmap, FileAnswer, FileAsk, FileBegun, FileChunk, FileId, FilePart, Joining, parts, still_missing};
use daftar_wire::message::FrameReader;
use daftar_wire::sign::VerifyingKey;
use serde::Serialize;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel};

use super::SyncError;
use super::run::blocking;
use super::transport::Transport;
use crate::vault::{FilePlan, Put, Store, WantedFile};

/// Bytes of the first exchange each way; then as many as the link carries in about the time below.
const SLICE_BYTES_FIRST: u64 = 1024 * 1024;
const SLICE_BYTES_MIN: u64 = 256 * 1024;
const SLICE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// An exchange that was shorter makes the next twice as large; one that was longer than four times this, half.
const SLICE_SHORT: Duration = Duration::from_secs(5);
/// Offers that wait for an answer; the next file's answer is there when the one before is sent.
const OFFERS_AHEAD: usize = 8;
/// Frames between store and link, each up to a chunk.
const FRAMES_WAITING: usize = 1;

/// A file that was offered, and the chunks of it that headquarters lacks, each from a byte on.
type Lacking = (FileId, Vec<(u32, Option<u32>)>);

/// What a sync did with files.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FilesReport {
    /// Chunks put on the wire.
    pub chunks_sent: u64,
    /// Chunks that came and were right.
    pub chunks_received: u64,
    /// Files for which headquarters gave its word.
    pub receipted: u64,
    /// Files that came whole.
    pub received: u64,
    /// Files of this device that headquarters has not.
    pub waiting: u64,
    /// Files that headquarters did not take, and chunks that came wrong.
    pub refused: u64,
    /// Requests made.
    pub requests: u64,
    /// Why the exchange of files did not finish; records are not touched by it.
    pub error: Option<String>,
}

/// One sync's way through the files.
pub(super) struct Files {
    pub(super) report: FilesReport,
    slice_bytes: u64,
    /// Files of which headquarters said that there is nothing to be done now.
    passed: HashSet<FileId>,
}

impl Files {
    pub(super) fn new() -> Self {
        Self { report: FilesReport::default(), slice_bytes: SLICE_BYTES_FIRST, passed: HashSet::new() }
    }

    /// One exchange. False if nothing is left to be done in this sync.
    pub(super) async fn slice<T: Transport>(&mut self, store: &Arc<Store>, transport: &T) -> Result<bool, SyncError> {
        let (bytes, passed) = (self.slice_bytes, self.passed.clone());
        let plan = blocking(store, move |s| s.file_plan(bytes, &passed)).await?;
        if plan.is_empty() {
            return Ok(false);
        }
        let began = Instant::now();
        let before = (self.report.chunks_sent, self.report.chunks_received, self.report.receipted, self.passed.len());
        self.report.requests += 1;
        self.exchange(store, transport, plan).await?;
        self.slice_bytes = match began.elapsed() {
            took if took < SLICE_SHORT => self.slice_bytes * 2,
            took if took > SLICE_SHORT * 4 => self.slice_bytes / 2,
            _ => self.slice_bytes,
        }
        .clamp(SLICE_BYTES_MIN, SLICE_BYTES_MAX);
        Ok(before != (self.report.chunks_sent, self.report.chunks_received, self.report.receipted, self.passed.len()))
    }

    async fn exchange<T: Transport>(&mut self, store: &Arc<Store>, transport: &T, plan: FilePlan) -> Result<(), SyncError> {
        let (asks, questions) = channel(FRAMES_WAITING);
        let (answers, heard) = channel(FRAMES_WAITING);
        let (tell, told) = unbounded_channel();
        let sent = AtomicU32::new(0);
        let offered: HashSet<FileId> = plan.offers.iter().cloned().collect();
        let wanted: HashSet<FileId> = plan.wants.iter().map(|w| w.file.clone()).collect();
        let server = store.device().server_key()?;
        let mut listener = Listener {
            store,
            server,
            unanswered: offered,
            wanted,
            came: HashSet::new(),
            joining: Joining::default(),
            tell: Some(tell),
            files: self,
            has_ended: false,
        };
        let (carried, said, listened) =
            tokio::join!(transport.exchange_files(questions, answers), say(store, plan, asks, told, &sent), listener.listen(heard));
        let has_ended = listener.has_ended;
        drop(listener);
        self.report.chunks_sent += u64::from(sent.into_inner());
        // The link's own word is the better reason when both ends complain.
        carried?;
        said?;
        listened?;
        if has_ended { Ok(()) } else { Err(SyncError::Cut) }
    }
}

/// Offers files a few at a time, sends what is lacking of each, then asks for what is wanted.
async fn say(
    store: &Arc<Store>,
    plan: FilePlan,
    asks: Sender<Vec<u8>>,
    mut told: UnboundedReceiver<Lacking>,
    sent: &AtomicU32,
) -> Result<(), SyncError> {
    // Whoever listens no more has said why.
    if asks.send(FileAsk::Hello(vec![store.officer()]).write()).await.is_err() {
        return Ok(());
    }
    let (mut offers, mut in_flight, mut left) = (plan.offers.into_iter(), 0, plan.chunks_max);
    loop {
        while in_flight < OFFERS_AHEAD
            && let Some(file) = offers.next()
        {
            let Some(manifest) = blocking(store, move |s| s.manifest(&file)).await? else { continue };
            if asks.send(FileAsk::Offer(manifest).write()).await.is_err() {
                return Ok(());
            }
            in_flight += 1;
        }
        if in_flight == 0 {
            break;
        }
        let Some((file, missing)) = told.recv().await else { return Ok(()) };
        in_flight -= 1;
        for (index, at) in missing.into_iter().take(left as usize) {
            let of = file.clone();
            let Some(bytes) = blocking(store, move |s| s.read_chunk(&of, index)).await? else { break };
            let chunk = FileChunk { file: file.clone(), index, bytes };
            let said: Box<dyn Iterator<Item = FileAsk> + Send> = match at {
                Some(at) => Box::new(parts(chunk, at).map(FileAsk::Part)),
                None => Box::new(std::iter::once(FileAsk::Chunk(chunk))),
            };
            for ask in said {
                if asks.send(ask.write()).await.is_err() {
                    return Ok(());
                }
            }
            sent.fetch_add(1, Ordering::Relaxed);
            left -= 1;
        }
    }
    for WantedFile { file, held, chunks_max } in plan.wants {
        let held = held.map(|h| h.bytes().to_vec());
        let of = file.clone();
        let begun = blocking(store, move |s| s.begun_chunk(&of)).await?;
        let begun = begun.map_or_else(FileBegun::default, |begun| FileBegun { index: begun.index, bytes: begun.bytes.len() as u32 });
        if asks.send(FileAsk::Want { file, held, chunks_max, begun: Some(begun) }.write()).await.is_err() {
            return Ok(());
        }
    }
    let _ = asks.send(FileAsk::End.write()).await;
    Ok(())
}

/// Listens to one answer and has it written down.
struct Listener<'a> {
    store: &'a Arc<Store>,
    server: VerifyingKey,
    /// Files that were offered and of which nothing was heard yet.
    unanswered: HashSet<FileId>,
    wanted: HashSet<FileId>,
    /// Wanted files of which a chunk came.
    came: HashSet<FileId>,
    joining: Joining,
    tell: Option<UnboundedSender<Lacking>>,
    files: &'a mut Files,
    has_ended: bool,
}

impl Listener<'_> {
    async fn listen(&mut self, mut heard: Receiver<Vec<u8>>) -> Result<(), SyncError> {
        let mut reader = FrameReader::default();
        let mut done = Ok(());
        'pieces: while let Some(piece) = heard.recv().await {
            reader.push(&piece);
            while let Some(frame) = reader.next().transpose() {
                done = match frame.and_then(|f| FileAnswer::read(&f)) {
                    Ok(Some(answer)) => self.hear(answer).await,
                    Ok(None) => Ok(()),
                    Err(e) => Err(e.into()),
                };
                if done.is_err() {
                    break 'pieces;
                }
            }
        }
        // Whoever waits to be told what to send waits no longer.
        self.tell = None;
        done
    }

    async fn hear(&mut self, answer: FileAnswer) -> Result<(), SyncError> {
        match answer {
            FileAnswer::Held { file, held, begun } => self.held(file, held, begun).await?,
            FileAnswer::Receipt(receipt) => {
                receipt.verify(&self.server)?;
                for f in &receipt.held {
                    self.answered(&f.file, Vec::new());
                }
                self.files.report.receipted += blocking(self.store, move |s| s.files_receipted(&receipt)).await?;
            }
            FileAnswer::Missing(file) => {
                self.answered(&file, Vec::new());
                self.files.passed.insert(file);
            }
            FileAnswer::Refused { file, reason } => {
                tracing::warn!(compartment = %file.compartment, reason, "headquarters did not take a file; it waits");
                self.answered(&file, Vec::new());
                self.files.report.refused += 1;
                self.files.passed.insert(file);
            }
            FileAnswer::Offer(manifest) if self.wanted.contains(&manifest.file) => {
                let file = manifest.file.clone();
                match blocking(self.store, move |s| s.begin_file(&manifest)).await {
                    Ok(_) => {}
                    // The others may fit, and what is to be sent needs no room.
                    Err(SyncError::Store(crate::Error::FileStorageFull)) => {
                        tracing::warn!(compartment = %file.compartment, "there is no room for a file that headquarters has");
                        self.files.report.refused += 1;
                        self.wanted.remove(&file);
                        self.files.passed.insert(file);
                    }
                    Err(e) => return Err(e),
                }
            }
            FileAnswer::Chunk(chunk) if self.wanted.contains(&chunk.file) => self.chunk(chunk).await?,
            FileAnswer::Part(part) => self.part(part).await?,
            FileAnswer::Offer(_) | FileAnswer::Chunk(_) => {}
            FileAnswer::Here => {}
            FileAnswer::End => {
                self.has_ended = true;
                // What was only asked after is known now; so is that of the others nothing came.
                self.files.passed.extend(self.wanted.drain().filter(|f| !self.came.contains(f)));
            }
        }
        Ok(())
    }

    async fn part(&mut self, part: FilePart) -> Result<(), SyncError> {
        let bytes = match part {
            FilePart::More(bytes) => bytes,
            FilePart::From { file, index, at, bytes } => {
                self.keep_begun();
                if !self.wanted.contains(&file) {
                    return Ok(());
                }
                let of = file.clone();
                match blocking(self.store, move |s| s.begin_chunk(&of, index, at)).await? {
                    Some((here, whole)) => self.joining.begin(here, whole)?,
                    // Another road was faster: what follows goes on with nothing.
                    None => return Ok(()),
                }
                bytes
            }
        };
        match self.joining.more(&bytes)? {
            Some(chunk) => self.chunk(chunk).await,
            None => Ok(()),
        }
    }

    async fn chunk(&mut self, chunk: FileChunk) -> Result<(), SyncError> {
        let file = chunk.file.clone();
        match blocking(self.store, move |s| s.put_chunk(&chunk)).await? {
            Put::Kept => {
                self.files.report.chunks_received += 1;
                self.came.insert(file);
            }
            Put::Whole => {
                self.files.report.chunks_received += 1;
                self.files.report.received += 1;
            }
            Put::Bad => self.bad(file).await?,
        }
        Ok(())
    }

    async fn bad(&mut self, file: FileId) -> Result<(), SyncError> {
        tracing::warn!(compartment = %file.compartment, "a chunk that is not the file's was not kept");
        // It may have been begun by another device's word of what it is made of.
        let of = file.clone();
        blocking(self.store, move |s| s.forget_part(&of)).await?;
        self.files.report.refused += 1;
        self.files.passed.insert(file);
        Ok(())
    }

    /// What is here of a chunk stays until the rest comes.
    fn keep_begun(&mut self) {
        if let Some(begun) = self.joining.leave()
            && let Err(error) = self.store.keep_begun_chunk(&begun)
        {
            tracing::warn!(%error, "the beginning of a chunk is not kept; it comes again");
        }
    }

    async fn held(&mut self, file: FileId, held: Option<Vec<u8>>, begun: Option<FileBegun>) -> Result<(), SyncError> {
        if !self.unanswered.contains(&file) {
            return Ok(());
        }
        let (asked, bits) = (file.clone(), held.clone());
        let manifest = blocking(self.store, move |s| {
            // A pack that is written after a cut goes on there. What is to be sent needs no room.
            if let Err(error) = bits.map_or(Ok(()), |bits| s.held_at_hq(&asked, &bits)) {
                tracing::warn!(%error, "what headquarters holds of a file is not noted");
            }
            s.manifest(&asked)
        })
        .await?;
        let missing = match (manifest, held) {
            (Some(m), Some(bits)) => Bitmap::read(m.count(), &bits).map_or_else(Vec::new, |b| still_missing(b.missing(), begun)),
            (None, _) | (_, None) => Vec::new(),
        };
        self.answered(&file, missing);
        Ok(())
    }

    /// The first answer to an offer says what is to be sent.
    fn answered(&mut self, file: &FileId, missing: Vec<(u32, Option<u32>)>) {
        if self.unanswered.remove(file)
            && let Some(tell) = &self.tell
        {
            let _ = tell.send((file.clone(), missing));
        }
    }
}

impl Drop for Listener<'_> {
    /// However the exchange ends: by its end, a cut, or because somebody stops it.
    fn drop(&mut self) {
        self.keep_begun();
    }
}
