//! What was heard is written down: receipts and pages, compartment by compartment, two at a time. In each
//! compartment everything happens in the order in which it was said.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use daftar_core::compartment::Compartment;
use daftar_wire::message::{Cursor, Receipted};
use daftar_wire::segment::Segment;
use daftar_wire::stream::StreamId;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinHandle;

use super::Road;
use crate::Error;
use crate::vault::{AppliedItem, Refusal, Store, Taken, Via};

/// Compartments that are written at the same time.
const WRITERS: usize = 2;
/// Pages that wait for a writer; the link waits behind them.
const PAGES_WAITING: usize = 4;

enum Job {
    /// `recalled`: it was asked for, of a stream that a clone may have carried further than is known here.
    Receipt {
        held: Receipted,
        bytes: Arc<Vec<u8>>,
        recalled: bool,
    },
    Page(Compartment, Vec<AppliedItem>),
    Loose(Box<Segment>),
    Want(StreamId, u64),
    End(Cursor),
    /// Answers when all before it is written.
    Barrier(tokio::sync::oneshot::Sender<()>),
}

/// Changes written down so far in a sync, for the bar on the screen and the report.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) receipted: AtomicU64,
    pub(crate) received: AtomicU64,
}

/// What the writers found.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Streams that were receipted with a head that is none of ours.
    pub(crate) foreign: Vec<StreamId>,
    /// Headquarters wants something that is here.
    pub(crate) wanted: bool,
    /// Entries of feeds that were not taken.
    pub(crate) refused: u64,
}

/// The writers, each with its own queue.
pub(crate) struct Writers {
    queues: Vec<Sender<Job>>,
    tasks: Vec<JoinHandle<Result<Written, Error>>>,
    assigned: HashMap<Compartment, usize>,
}

impl Writers {
    pub(crate) fn start(store: &Arc<Store>, tally: &Arc<Tally>, road: Road) -> Self {
        let (mut queues, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..WRITERS {
            let (queue, mut jobs) = channel(PAGES_WAITING);
            let (store, tally) = (store.clone(), tally.clone());
            queues.push(queue);
            tasks.push(tokio::task::spawn_blocking(move || {
                let mut written = Written::default();
                while let Some(job) = jobs.blocking_recv() {
                    write(&store, job, &tally, &mut written, road)?;
                }
                Ok(written)
            }));
        }
        Self { queues, tasks, assigned: HashMap::new() }
    }

    async fn give(&mut self, compartment: &Compartment, job: Job) {
        let next = self.assigned.len() % WRITERS;
        let writer = *self.assigned.entry(compartment.clone()).or_insert(next);
        // A writer that stopped says why when it is joined.
        let _ = self.queues[writer].send(job).await;
    }

    pub(crate) async fn receipt(&mut self, held: Receipted, bytes: Arc<Vec<u8>>, recalled: bool) {
        let compartment = held.stream.compartment.clone();
        self.give(&compartment, Job::Receipt { held, bytes, recalled }).await;
    }

    /// The reference is written before anything else goes on: it says whose keys the other pages are checked with.
    pub(crate) async fn page(&mut self, compartment: Compartment, items: Vec<AppliedItem>) {
        let is_reference = compartment == Compartment::reference();
        self.give(&compartment.clone(), Job::Page(compartment.clone(), items)).await;
        if is_reference {
            let (done, written) = tokio::sync::oneshot::channel();
            self.give(&compartment, Job::Barrier(done)).await;
            let _ = written.await;
        }
    }

    pub(crate) async fn loose(&mut self, segment: Box<Segment>) {
        let compartment = segment.stream.compartment.clone();
        self.give(&compartment, Job::Loose(segment)).await;
    }

    pub(crate) async fn want(&mut self, stream: StreamId, from: u64) {
        self.give(&stream.compartment.clone(), Job::Want(stream, from)).await;
    }

    pub(crate) async fn end(&mut self, cursor: Cursor) {
        let compartment = cursor.compartment.clone();
        self.give(&compartment, Job::End(cursor)).await;
    }

    /// Waits until all that was given so far is written.
    pub(super) async fn settled(&self) {
        for queue in &self.queues {
            let (done, written) = tokio::sync::oneshot::channel();
            if queue.send(Job::Barrier(done)).await.is_ok() {
                let _ = written.await;
            }
        }
    }

    /// Waits until all is written.
    pub(crate) async fn finish(self) -> Result<Written, Error> {
        drop(self.queues);
        let mut all = Written::default();
        let mut failed = None;
        for task in self.tasks {
            match task.await {
                Ok(Ok(w)) => {
                    all.foreign.extend(w.foreign);
                    all.wanted |= w.wanted;
                    all.refused += w.refused;
                }
                Ok(Err(e)) => failed = Some(e),
                Err(_) => failed = Some(Error::Unexpected("a writer stopped".into())),
            }
        }
        failed.map_or(Ok(all), Err)
    }
}

fn write(store: &Store, job: Job, tally: &Tally, written: &mut Written, road: Road) -> Result<(), Error> {
    match job {
        Job::Receipt { held: r, bytes, recalled } => match store.receipted(&r, &bytes) {
            Ok(Taken::Changes(n)) if r.stream.device == store.device().id => {
                tally.receipted.fetch_add(n, Ordering::Relaxed);
            }
            Ok(Taken::Changes(_) | Taken::Nothing) => {}
            // It goes again, and what is said of that decides.
            Ok(Taken::Foreign) if recalled => {}
            // Concerns this stream alone: it waits, and the rest goes on.
            Ok(Taken::Foreign) => {
                tracing::warn!(compartment = %r.stream.compartment, "headquarters holds another history of this stream");
                written.foreign.push(r.stream);
            }
            Err(e) => return Err(e),
        },
        Job::Want(stream, from) => {
            tracing::info!(compartment = %stream.compartment, from, "headquarters wants a stream");
            written.wanted |= store.want(&stream, from)?;
        }
        Job::Loose(segment) => {
            let compartment = segment.stream.compartment.clone();
            match store.take(*segment, Via::Headquarters)? {
                Ok(n) => {
                    tally.received.fetch_add(n, Ordering::Relaxed);
                }
                Err(why) => tracing::warn!(%compartment, why, "a segment outside its feed was not taken"),
            }
        }
        Job::Page(compartment, items) => {
            let applied = store.apply(&compartment, &items, None)?;
            tally.received.fetch_add(applied.changes, Ordering::Relaxed);
            refuse(&compartment, &applied.refused, written, road);
        }
        Job::End(cursor) => {
            let applied = store.apply(&cursor.compartment, &[], Some(&cursor))?;
            refuse(&cursor.compartment, &applied.refused, written, road);
            if applied.end_mismatch {
                tracing::warn!(compartment = %cursor.compartment, "headquarters' digest is another; heads are compared");
            }
        }
        Job::Barrier(done) => {
            let _ = done.send(());
        }
    }
    Ok(())
}

/// Says what was not taken.
fn refuse(compartment: &Compartment, refused: &[Refusal], written: &mut Written, road: Road) {
    written.refused += refused.len() as u64;
    for Refusal { n, stream: _, why } in refused {
        match road {
            Road::Link => tracing::error!(%compartment, n, why, "an entry of the feed was not taken; it is asked for again"),
            // It goes on from where this device stood when it asked.
            Road::Pack { .. } => tracing::info!(%compartment, n, why, "an entry of a pack does not fit here"),
        }
    }
}
