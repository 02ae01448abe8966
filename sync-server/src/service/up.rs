//! What a device sends: each segment is read, checked, kept and receipted by itself, as it arrives. A bad one stops no other.

use std::collections::{BTreeMap, HashSet};
use std::pin::pin;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Instant;

use daftar_core::compartment::Compartment;
use daftar_core::ids::DeviceId;
use daftar_wire::limits::{COMPARTMENTS_MAX, HEADS_MAX, RECEIPT_STREAMS_MAX};
use daftar_wire::message::{Answer, Ask, Heads, Notice, Receipt, Receipted, ShortReceipt};
use daftar_wire::stream::StreamId;
use futures_util::stream::{self, StreamExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::keep::{Committed, Outcome, commit};
use super::prepare::{Ahead, Ready, check, read};
use super::turns::Turns;
use super::{Peer, Service, say};
use crate::error::Result;
use crate::store::{branch, meta};

/// Segments that are decoded ahead of the commit.
const AHEAD: usize = 4;
/// Streams that one exchange may have compared.
const COMPARED_MAX: usize = 4 * HEADS_MAX as usize;
/// A stream is asked for from its beginning at most once in so long: a device whose log is damaged shall not send it all each time.
const ANEW_MS: u64 = 24 * 3_600_000;
/// Of so many streams it is remembered.
const ANEW_STREAMS_MAX: usize = 4096;

/// What the upward half came to.
#[derive(Debug, Default)]
pub(super) struct Up {
    pub(super) taken: u64,
    /// What the device says it holds, if it said all that it had to say.
    pub(super) holds: Option<Holds>,
}

/// What a device says it holds.
#[derive(Debug, Default)]
pub(super) struct Holds {
    pub(super) heads: Vec<Heads>,
    /// Compartments whose keys it asked back.
    pub(super) locked: HashSet<Compartment>,
}

/// What was said already in this exchange.
#[derive(Default)]
struct Told {
    wanted: HashSet<StreamId>,
    forked: HashSet<StreamId>,
}

/// What a device said.
enum Heard {
    Segment {
        read: Ready,
        was_sealed: bool,
    },
    /// All else, for whoever does it in its turn.
    Word(Ask),
    /// Something that cannot be opened or is no segment: passed over.
    Nothing,
}

/// Segments that are read at a time.
fn readers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(AHEAD)
}

impl Service {
    pub(super) async fn take(&self, peer: &Peer, asks: Receiver<Ask>, answers: &Sender<Answer>) -> Result<Up> {
        let (ready, commits) = channel(AHEAD);
        let turns = Turns::default();
        let prepared = self.prepare_all(peer, asks, (ready, &turns), answers);
        let (holds, taken) = tokio::join!(prepared, self.commit_all(peer, (commits, &turns), answers));
        Ok(Up { holds: holds?, taken: taken? })
    }

    /// Reads segments, as many at a time as there are cores, and checks them one after the other, ahead of the commits. What the device holds, if
    /// it said all.
    async fn prepare_all(
        &self,
        peer: &Peer,
        asks: Receiver<Ask>,
        (ready, turns): (Sender<Ready>, &Turns),
        answers: &Sender<Answer>,
    ) -> Result<Option<Holds>> {
        let mut ahead = Ahead::of(peer.device, peer.key);
        let (mut holds, mut compared) = (Holds::default(), 0);
        let asks = stream::unfold(asks, |mut asks| async move { asks.recv().await.map(|ask| (ask, asks)) });
        let mut heard = pin!(asks.map(|ask| self.read(peer, ask)).buffered(readers()));
        while let Some(heard) = heard.next().await {
            turns.prepare().await;
            let read = match heard? {
                Heard::Segment { read, was_sealed } => {
                    if was_sealed {
                        peer.sealed.store(true, Ordering::Relaxed);
                    }
                    read
                }
                Heard::Nothing => continue,
                Heard::Word(Ask::End) => return Ok(Some(holds)),
                Heard::Word(Ask::Heads(of)) => {
                    compared += of.branches.len();
                    if compared <= COMPARED_MAX {
                        holds.heads.push(of);
                    } else {
                        tracing::warn!(device = %peer.device, "more streams to compare than one exchange may have were passed over");
                    }
                    continue;
                }
                Heard::Word(Ask::Purged(purged)) => {
                    self.purged(peer, purged).await?;
                    continue;
                }
                Heard::Word(Ask::Reopen(asked)) => {
                    if (holds.locked.len() as u64) < COMPARTMENTS_MAX {
                        holds.locked.insert(asked.compartment.clone());
                    }
                    self.reopen(peer, asked, answers).await?;
                    continue;
                }
                Heard::Word(Ask::Admission(admission)) => {
                    self.admit(peer, admission).await?;
                    continue;
                }
                Heard::Word(Ask::Recall) => {
                    self.recall(peer, answers).await?;
                    continue;
                }
                // Segments were read; and over a link files have an exchange of their own.
                Heard::Word(Ask::Segment(_) | Ask::Sealed(_) | Ask::Hello(_) | Ask::File(_)) => continue,
            };
            let (back, checked) = self
                .blocking(move |hq| {
                    let checked = check(hq, &mut ahead, read);
                    Ok((ahead, checked))
                })
                .await?;
            ahead = back;
            turns.prepared();
            if ready.send(checked).await.is_err() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Opens and reads what is a segment.
    async fn read(&self, peer: &Peer, ask: Ask) -> Result<Heard> {
        let (bytes, was_sealed) = match ask {
            Ask::Segment(bytes) => (Some(bytes), false),
            Ask::Sealed(sealed) => (self.unseal(peer, sealed).await?, true),
            Ask::Hello(_) | Ask::End | Ask::Heads(_) | Ask::Purged(_) | Ask::Reopen(_) | Ask::Admission(_) | Ask::Recall | Ask::File(_) => {
                return Ok(Heard::Word(ask));
            }
        };
        let Some(bytes) = bytes else { return Ok(Heard::Nothing) };
        let device = peer.device;
        self.blocking(move |_| match read(bytes) {
            Ok(read) => Ok(Heard::Segment { read, was_sealed }),
            Err(error) => {
                tracing::warn!(%device, %error, "something that is no segment was passed over");
                Ok(Heard::Nothing)
            }
        })
        .await
    }

    /// Says at once what is held of the device's own streams: its last exchange was cut, and what it sent then need not go again.
    async fn recall(&self, peer: &Peer, answers: &Sender<Answer>) -> Result<()> {
        let device = peer.device;
        let (epoch, mut held) = self
            .blocking(move |hq| {
                hq.store.read(|tx| {
                    let mut held = Vec::new();
                    for place in meta::compartments(tx)? {
                        for (stream, row) in branch::of_device(tx, &place, &device)?.into_iter().filter(|(_, row)| row.n > 0) {
                            held.push(Receipted { stream, up_to: row.n, head: row.head, backed_up: row.backed_up });
                        }
                    }
                    Ok((meta::life(tx)?.epoch, held))
                })
            })
            .await?;
        // What is beyond the limit goes again, as it did before anybody asked.
        held.truncate(usize::try_from(RECEIPT_STREAMS_MAX).unwrap_or(usize::MAX));
        let receipt = Receipt::sign(&self.hq.keys.signing, epoch, self.hq.clock.now_ms(), held);
        let _ = say(answers, Answer::Receipt(receipt)).await;
        Ok(())
    }

    /// Commits what is ready, a few at a time, and receipts it. Goes on when nobody listens: what came is kept.
    async fn commit_all(&self, peer: &Peer, (mut commits, turns): (Receiver<Ready>, &Turns), answers: &Sender<Answer>) -> Result<u64> {
        let mut taken = 0;
        let mut told = Told::default();
        loop {
            let batch = turns.batch(&mut commits).await;
            if batch.is_empty() {
                return Ok(taken);
            }
            let prepared = batch.len();
            let Committed { outcomes, epoch } = self.blocking(move |hq| commit(hq, batch)).await?;
            // By the stream's row, or its branch's.
            let mut held: BTreeMap<Option<i64>, Receipted> = BTreeMap::new();
            let mut may_be_short = true;
            for outcome in outcomes {
                taken += outcome.taken();
                for notice in self.notices(&peer.device, &mut told, &outcome) {
                    let _ = say(answers, Answer::Notice(notice)).await;
                }
                if let Outcome::Held { stream, rows, is_sole, .. } = outcome {
                    may_be_short &= is_sole && stream.device == peer.device;
                    for row in rows {
                        let r = Receipted { stream: stream.clone(), up_to: row.n, head: row.head, backed_up: row.backed_up };
                        let said = held.entry(row.id).or_insert_with(|| r.clone());
                        if said.up_to < r.up_to {
                            *said = r;
                        }
                    }
                }
            }
            if !held.is_empty() {
                self.committed.send_replace(Some(Instant::now()));
                let is_short = may_be_short && told.forked.is_empty() && peer.short == Some(epoch) && !peer.sealed.load(Ordering::Relaxed);
                let held = held.into_values().collect();
                let receipt = Receipt::sign(&self.hq.keys.signing, epoch, self.hq.clock.now_ms(), held);
                let said = if is_short { Answer::Short(ShortReceipt::of(&receipt)) } else { Answer::Receipt(receipt) };
                let _ = say(answers, said).await;
            }
            turns.committed(prepared);
        }
    }

    /// What is said about a segment beside its receipt.
    fn notices(&self, device: &DeviceId, told: &mut Told, outcome: &Outcome) -> Vec<Notice> {
        let want = |told: &mut Told, stream: &StreamId, from| {
            told.wanted.insert(stream.clone()).then(|| Notice::Want { stream: stream.clone(), from })
        };
        match outcome {
            // Whoever relays a stream has nothing to begin anew.
            Outcome::Held { stream, forked: Some(at), .. } if stream.device == *device && told.forked.insert(stream.clone()) => {
                vec![Notice::Forked { stream: stream.clone(), at: *at }]
            }
            Outcome::Held { .. } => Vec::new(),
            Outcome::Want { stream, from } => want(told, stream, *from).into_iter().collect(),
            Outcome::Refused { stream, first, reason, unplaced } => {
                tracing::warn!(device = %stream.device, compartment = %stream.compartment, first, reason, "a segment was refused");
                let refused = Notice::Refused { stream: stream.clone(), first: *first, reason: (*reason).to_owned() };
                // It may carry on a branch that is not known here: that shows when the stream is sent from its beginning.
                let anew = if *unplaced && self.may_ask_anew(stream) { want(told, stream, 1) } else { None };
                std::iter::once(refused).chain(anew).collect()
            }
        }
    }

    fn may_ask_anew(&self, stream: &StreamId) -> bool {
        let now = self.hq.clock.now_ms();
        let mut asked = self.asked_anew.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, at| now.abs_diff(*at) < ANEW_MS);
        let may = asked.len() < ANEW_STREAMS_MAX && !asked.contains_key(stream);
        if may {
            asked.insert(stream.clone(), now);
        }
        may
    }
}
