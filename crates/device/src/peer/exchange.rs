//! One exchange with another device, alike at both ends: it is told who is unlocked here and what is held of what it may read, given what it
//! lacks, and what it gives is taken as it comes. Knows no socket: frames out, bytes in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use daftar_core::ids::{DeviceId, OfficerId};
use daftar_wire::WireError;
use daftar_wire::message::{FrameReader, Heads, Hello, PeerMessage};
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver, UnboundedSender, WeakSender, channel, unbounded_channel};

use super::limits::{COMPARED_MAX, COMPARTMENTS_COMPARED_MAX, EXCHANGE_MAX, HERE_EVERY, MESSAGES_WAITING};
use super::{PeerError, PeerProgress, PeerReport, Told};
use crate::error::{Error, Result};
use crate::share::{Took, give, heads, readers, take_receipt, take_segment};
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

#[derive(Debug, Default)]
struct Tally {
    shared: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    receipted: AtomicU64,
    refused: AtomicU64,
}

impl Tally {
    fn progress(&self) -> PeerProgress {
        PeerProgress { sent: self.sent.load(Ordering::Relaxed), received: self.received.load(Ordering::Relaxed) }
    }
}

/// What is heard of how the other end stands.
enum Heard {
    Hello(Vec<OfficerId>),
    Heads(Heads),
    Listed,
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
    let (started, tally) = (Instant::now(), Arc::new(Tally::default()));
    let (hear, heard) = unbounded_channel();
    let (takes, to_take) = channel(MESSAGES_WAITING);
    let answering = (end == End::Answers).then(|| out.clone());
    let still_here = out.downgrade();
    let speaker = tokio::task::spawn_blocking({
        let (store, with, tally) = (store.clone(), with.id, tally.clone());
        move || speak(&store, &with, heard, &out, &tally)
    });
    let taker = tokio::task::spawn_blocking({
        let (store, tally) = (store.clone(), tally.clone());
        move || take(&store, to_take, &tally)
    });
    let work = async {
        let listened = listen(bytes, hear, takes).await;
        let took = taker.await.unwrap_or_else(|_| Err(Error::Unexpected("what takes stopped".into())));
        drop(answering);
        let spoke = speaker.await.unwrap_or_else(|_| Err(Error::Unexpected("what speaks stopped".into())));
        took?;
        if spoke? { listened } else { listened.and(Err(PeerError::Cut)) }
    };
    tokio::select! {
        done = work => done?,
        never = beat(still_here) => match never {},
        never = tell(&tally, told) => match never {},
        () = tokio::time::sleep(EXCHANGE_MAX) => return Err(PeerError::Cut),
    }
    told(tally.progress());
    let of = |n: &AtomicU64| n.load(Ordering::Relaxed);
    Ok(PeerReport {
        name: with.name.clone(),
        shared: of(&tally.shared),
        sent_changes: of(&tally.sent),
        received_changes: of(&tally.received),
        receipted: of(&tally.receipted),
        refused: of(&tally.refused),
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

async fn tell(tally: &Tally, told: Told<'_>) -> std::convert::Infallible {
    let mut last = None;
    loop {
        tokio::time::sleep(TOLD_EVERY).await;
        let now = tally.progress();
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
    let (mut reader, mut compared, mut lists) = (FrameReader::default(), 0, 0);
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
                PeerMessage::Segment(_) | PeerMessage::Receipt(_) => {
                    if takes.send(message).await.is_err() {
                        return Ok(());
                    }
                }
                PeerMessage::Given | PeerMessage::File(_) | PeerMessage::Here => {}
                PeerMessage::End => ended = true,
            }
        }
    }
    if ended { Ok(()) } else { Err(PeerError::Cut) }
}

/// Says all that this end has to say. False: the other end went away first.
fn speak(store: &Store, with: &DeviceId, mut heard: UnboundedReceiver<Heard>, out: &Sender<Vec<u8>>, tally: &Tally) -> Result<bool> {
    let say = |message: PeerMessage| out.blocking_send(message.write()).is_ok();
    let hello = Hello { root: [0; 16], officers: vec![store.officer()], cursors: Vec::new(), budget: None, lineage: None };
    if !say(PeerMessage::Hello(hello)) {
        return Ok(false);
    }
    let Some(Heard::Hello(officers)) = heard.blocking_recv() else { return Ok(false) };
    // Struck off since the handshake: nothing more is said.
    let Ok(readers) = readers(store, with)? else { return Ok(false) };
    let readers = readers.present(&officers);
    tally.shared.store(readers.open.len() as u64, Ordering::Relaxed);
    for heads in heads(store, &readers)? {
        if !say(PeerMessage::Heads(heads)) {
            return Ok(false);
        }
    }
    if !say(PeerMessage::Listed) {
        return Ok(false);
    }
    loop {
        match heard.blocking_recv() {
            Some(Heard::Heads(theirs)) => {
                let mut listens = true;
                give(store, &readers, &theirs, &mut |message| {
                    let changes = if let PeerMessage::Segment(bytes) = &message { count(bytes) } else { 0 };
                    listens = say(message);
                    tally.sent.fetch_add(if listens { changes } else { 0 }, Ordering::Relaxed);
                    listens
                })?;
                if !listens {
                    return Ok(false);
                }
            }
            Some(Heard::Listed) => return Ok(say(PeerMessage::End)),
            Some(Heard::Hello(_)) => {}
            None => return Ok(false),
        }
    }
}

fn count(segment: &[u8]) -> u64 {
    daftar_wire::segment::Segment::outline(segment).map_or(0, |o| o.count.into())
}

/// Takes what is given, in the order in which it comes. What is refused stops nothing else.
fn take(store: &Store, mut given: Receiver<PeerMessage>, tally: &Tally) -> Result<()> {
    while let Some(message) = given.blocking_recv() {
        let (took, counted) = match &message {
            PeerMessage::Segment(bytes) => (take_segment(store, bytes), &tally.received),
            PeerMessage::Receipt(receipt) => (take_receipt(store, receipt), &tally.receipted),
            PeerMessage::Hello(_)
            | PeerMessage::Heads(_)
            | PeerMessage::Listed
            | PeerMessage::Given
            | PeerMessage::File(_)
            | PeerMessage::Here
            | PeerMessage::End => continue,
        };
        match took {
            Ok(Took::New(n)) => {
                counted.fetch_add(n, Ordering::Relaxed);
            }
            Ok(Took::Refused(why)) => {
                tracing::warn!(why, "something that another device gave was not taken");
                tally.refused.fetch_add(1, Ordering::Relaxed);
            }
            // Its compartment is closed now; the others go on.
            Err(Error::Damaged { what }) => {
                tracing::error!(what, "what another device gave could not be kept");
                tally.refused.fetch_add(1, Ordering::Relaxed);
            }
            Err(e) => return Err(e),
        }
    }
    store.check_unchecked()
}
