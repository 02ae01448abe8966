//! One exchange with another device, alike at both ends: it is told who is unlocked here and what is held of what it may read, given what it
//! lacks, and what it gives is taken as it comes. Knows no socket: frames out, bytes in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use daftar_wire::WireError;
use daftar_wire::file::{FileAnswer, FileAsk};
use daftar_wire::limits::FILE_EXCHANGE_FILES_MAX;
use daftar_wire::message::{FrameReader, PeerMessage};
use tokio::sync::mpsc::{Receiver, Sender, UnboundedSender, WeakSender, channel, unbounded_channel};

use super::limits::{COMPARED_MAX, COMPARTMENTS_COMPARED_MAX, EXCHANGE_MAX, HERE_EVERY, MESSAGES_WAITING};
use super::speak::{Heard, Spoken, speak};
use super::{PeerError, PeerProgress, PeerReport, Told};
use crate::error::{Error, Result};
use crate::share::{Bringer, FileWord, FilesIn, Took, take_receipt, take_segment};
use crate::vault::{OtherDevice, Store};

/// Progress is told so often.
const TOLD_EVERY: Duration = Duration::from_millis(200);

/// Which end of the connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It asked: its question ends when all is said.
    Asks,
    /// It answers: its answer stays open until all of the question is taken, so that its end says so.
    Answers,
}

/// What was taken so far.
#[derive(Debug, Default)]
struct Taken {
    received: AtomicU64,
    receipted: AtomicU64,
    files: AtomicU64,
    receipted_files: AtomicU64,
    refused: AtomicU64,
}

fn of(n: &AtomicU64) -> u64 {
    n.load(Ordering::Relaxed)
}

/// Exchanges with a device whose certificate was proven. `out` takes frames, `bytes` are what comes, in pieces of any size; dropping the future
/// ends it at the next message.
pub(crate) async fn exchange(
    store: &Arc<Store>,
    with: &OtherDevice,
    end: End,
    out: Sender<Vec<u8>>,
    bytes: Receiver<Vec<u8>>,
    told: Told<'_>,
) -> std::result::Result<PeerReport, PeerError> {
    let (started, spoken, taken) = (Instant::now(), Arc::new(Spoken::default()), Arc::new(Taken::default()));
    let (hear, heard) = unbounded_channel();
    let (takes, to_take) = channel(MESSAGES_WAITING);
    let answering = (end == End::Answers).then(|| out.clone());
    let still_here = out.downgrade();
    let speaker = tokio::task::spawn_blocking({
        let (store, with, spoken) = (store.clone(), with.id, spoken.clone());
        move || speak(&store, &with, heard, &out, &spoken)
    });
    let taker = tokio::task::spawn_blocking({
        let (store, spoken, taken, hear) = (store.clone(), spoken.clone(), taken.clone(), hear.clone());
        move || take(&store, to_take, hear, &spoken, &taken)
    });
    let work = async {
        let listened = listen(bytes, hear, takes).await;
        let took = taker.await.unwrap_or_else(|_| Err(Error::Unexpected("what takes stopped".into())));
        drop(answering);
        let spoke = speaker.await.unwrap_or_else(|_| Err(Error::Unexpected("what speaks stopped".into())));
        took?;
        if spoke? { listened } else { listened.and(Err(PeerError::Cut)) }
    };
    let progress = || PeerProgress { sent: of(&spoken.changes), received: of(&taken.received) };
    tokio::select! {
        done = work => done?,
        never = beat(still_here) => match never {},
        never = tell(&progress, told) => match never {},
        () = tokio::time::sleep(EXCHANGE_MAX) => return Err(PeerError::Cut),
    }
    told(progress());
    Ok(PeerReport {
        name: with.name.clone(),
        shared: of(&spoken.shared),
        sent_changes: of(&spoken.changes),
        received_changes: of(&taken.received),
        receipted: of(&taken.receipted),
        sent_files: of(&spoken.files),
        received_files: of(&taken.files),
        receipted_files: of(&taken.receipted_files),
        refused: of(&taken.refused),
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Says that this end is there while it has nothing else to say.
async fn beat(out: WeakSender<Vec<u8>>) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(HERE_EVERY).await;
        if let Some(out) = out.upgrade() {
            // A link that is full is alive.
            let _ = out.try_send(PeerMessage::Here.write());
        }
    }
}

async fn tell(progress: &(dyn Fn() -> PeerProgress + Sync), told: Told<'_>) -> std::convert::Infallible {
    let mut last = None;
    loop {
        tokio::time::sleep(TOLD_EVERY).await;
        let now = progress();
        if last.replace(now) != Some(now) {
            told(now);
        }
    }
}

/// Hears the other end to its end. Whoever stops in mid-sentence was cut.
async fn listen(
    mut bytes: Receiver<Vec<u8>>,
    hear: UnboundedSender<Heard>,
    takes: Sender<PeerMessage>,
) -> std::result::Result<(), PeerError> {
    let (mut reader, mut compared, mut lists, mut wants) = (FrameReader::default(), 0, 0, 0);
    let (mut greeted, mut ended) = (false, false);
    while let Some(piece) = bytes.recv().await {
        reader.push(&piece);
        while let Some(frame) = reader.next()? {
            let Some(message) = PeerMessage::read(&frame)? else { continue };
            if !greeted && !matches!(message, PeerMessage::Hello(_) | PeerMessage::Here) {
                return Err(WireError::Malformed("no hello").into());
            }
            // What is heard is passed on; whoever speaks or takes no more has said why himself.
            match message {
                PeerMessage::Hello(_) if greeted => return Err(WireError::Malformed("a second hello").into()),
                PeerMessage::Hello(hello) => {
                    greeted = true;
                    let _ = hear.send(Heard::Hello(hello.officers));
                }
                PeerMessage::Heads(heads) => {
                    (compared, lists) = (compared + heads.branches.len(), lists + 1);
                    if compared > COMPARED_MAX || lists > COMPARTMENTS_COMPARED_MAX {
                        return Err(WireError::Malformed("more streams to compare than one exchange may have").into());
                    }
                    let _ = hear.send(Heard::Heads(heads));
                }
                PeerMessage::Listed => {
                    let _ = hear.send(Heard::Listed);
                }
                PeerMessage::File(word) => match FileWord::read(&word) {
                    Ok(FileWord::Asks(ask)) => {
                        wants += 1;
                        if wants > FILE_EXCHANGE_FILES_MAX + 2 {
                            return Err(WireError::Malformed("more files than one exchange may want").into());
                        }
                        if let Some(asked) = asked(ask) {
                            let _ = hear.send(asked);
                        }
                    }
                    Ok(FileWord::Tells(_)) | Err(_) => {
                        if takes.send(PeerMessage::File(word)).await.is_err() {
                            return Ok(());
                        }
                    }
                    Ok(FileWord::Unknown) => {}
                },
                PeerMessage::Segment(_) | PeerMessage::Receipt(_) | PeerMessage::Given => {
                    if takes.send(message).await.is_err() {
                        return Ok(());
                    }
                }
                PeerMessage::Here => {}
                PeerMessage::End => ended = true,
            }
        }
    }
    if ended { Ok(()) } else { Err(PeerError::Cut) }
}

/// What the other end asks about files.
fn asked(ask: FileAsk) -> Option<Heard> {
    match ask {
        FileAsk::Hello(_) => Some(Heard::TalksOfFiles),
        FileAsk::Want { file, held, chunks_max, .. } => Some(Heard::Want { file, held, chunks_max }),
        FileAsk::End => Some(Heard::WantsNoMore),
        // Between devices nothing is offered that was not asked for.
        FileAsk::Offer(_) | FileAsk::Chunk(_) | FileAsk::Part(_) => None,
    }
}

/// Takes what is given, in the order in which it comes. What is refused stops nothing else.
fn take(store: &Store, mut given: Receiver<PeerMessage>, hear: UnboundedSender<Heard>, spoken: &Spoken, taken: &Taken) -> Result<()> {
    let mut files = FilesIn::new(Bringer::Device);
    let mut refused = 0;
    while let Some(message) = given.blocking_recv() {
        let took = match message {
            PeerMessage::Segment(bytes) => took(take_segment(store, &bytes), &taken.received),
            PeerMessage::Receipt(receipt) => took(take_receipt(store, &receipt), &taken.receipted),
            PeerMessage::File(word) => take_file(store, &mut files, &word, spoken),
            PeerMessage::Given => {
                // Whoever speaks no more has said why himself.
                let _ = hear.send(Heard::Given);
                Ok(())
            }
            PeerMessage::Hello(_) | PeerMessage::Heads(_) | PeerMessage::Listed | PeerMessage::Here | PeerMessage::End => Ok(()),
        };
        match took {
            Ok(()) => {}
            Err(NotTaken::Refused(why)) => {
                tracing::warn!(why, "something that another device gave was not taken");
                refused += 1;
            }
            // Its compartment is closed now; the others go on.
            Err(NotTaken::Failed(Error::Damaged { what })) => {
                tracing::error!(what, "what another device gave could not be kept");
                refused += 1;
            }
            Err(NotTaken::Failed(e)) => return Err(e),
        }
        taken.files.store(files.took().received, Ordering::Relaxed);
        taken.receipted_files.store(files.took().receipted, Ordering::Relaxed);
        taken.refused.store(refused + files.took().refused, Ordering::Relaxed);
    }
    store.check_unchecked()
}

/// Why something was not taken.
enum NotTaken {
    Refused(&'static str),
    Failed(Error),
}

impl From<Error> for NotTaken {
    fn from(e: Error) -> Self {
        Self::Failed(e)
    }
}

fn took(took: Result<Took>, counted: &AtomicU64) -> std::result::Result<(), NotTaken> {
    match took? {
        Took::New(n) => {
            counted.fetch_add(n, Ordering::Relaxed);
            Ok(())
        }
        Took::Refused(why) => Err(NotTaken::Refused(why)),
    }
}

/// A file is taken if this end asked for it.
fn take_file(store: &Store, files: &mut FilesIn, word: &[u8], spoken: &Spoken) -> std::result::Result<(), NotTaken> {
    match FileWord::read(word) {
        Ok(FileWord::Tells(told)) => {
            let of = match &told {
                FileAnswer::Offer(manifest) => Some(&manifest.file),
                FileAnswer::Chunk(chunk) => Some(&chunk.file),
                FileAnswer::Part(_)
                | FileAnswer::Held { .. }
                | FileAnswer::Missing(_)
                | FileAnswer::Refused { .. }
                | FileAnswer::Receipt(_)
                | FileAnswer::Here
                | FileAnswer::End => None,
            };
            if of.is_some_and(|file| !spoken.has_asked(file)) {
                return Err(NotTaken::Refused("not_asked"));
            }
            files.take(store, told);
            Ok(())
        }
        Ok(FileWord::Asks(_) | FileWord::Unknown) => Ok(()),
        Err(_) => Err(NotTaken::Refused("malformed")),
    }
}
