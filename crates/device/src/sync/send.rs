//! The device's half of an exchange: hello, what waits as segments, end. Encodes on as many cores as there are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use daftar_core::compartment::Compartment;
use daftar_wire::limits::{SEGMENT_CHANGES_MAX, SEGMENT_PLAIN_BYTES_MAX};
use daftar_wire::message::{Ask, Hello, Lineage, Root, root};
use tokio::sync::mpsc::Sender;

use super::access::send_boxed;
use crate::Error;
use crate::vault::{Store, Unsent};

/// Threads that encode segments.
const ENCODERS_MAX: usize = 4;

/// What a request is to say.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// With what its hello begins.
    pub(crate) base: Base,
    /// Compartments of which it says all that is held.
    pub(crate) heads: Vec<Compartment>,
    /// A lineage that the server may not have taken up, to be said although nothing may wait any more.
    pub(crate) lineage: Option<Lineage>,
    /// A courier takes it: it may be lost or late, and does not move the lineage.
    pub(crate) is_carried: bool,
}

/// With what the hello begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// The root of the list that the last completed exchange left.
    Confirmed,
    /// Zeros and all cursors.
    Nothing,
}

pub(crate) fn hello(store: &Store, base: Base) -> Result<Hello, Error> {
    let confirmed = match base {
        Base::Confirmed => store.confirmed()?,
        Base::Nothing => Vec::new(),
    };
    let known: Root = root(&confirmed);
    let mut cursors = Vec::new();
    for c in store.fetching() {
        cursors.extend(store.cursor(&c)?.filter(|cursor| !confirmed.contains(cursor)));
    }
    Ok(Hello { root: known, officers: vec![store.officer()], cursors, budget: None, lineage: None })
}

/// Sends hello, what is said of the device, segments, the outbox, heads and end; counts the changes sent and gives the lineage that went along.
/// Blocks; returns early when nobody listens any more.
pub(crate) fn send(
    store: &Arc<Store>,
    question: Question,
    words: Vec<Ask>,
    asks: &Sender<Vec<u8>>,
    sent: &AtomicU64,
) -> Result<Option<Lineage>, Error> {
    let open = store.sending_files();
    let (mut waiting, mut offered) = (Vec::new(), Vec::new());
    for c in store.sending() {
        waiting.extend(store.unsent(&c)?);
        offered.extend(store.offered(&c)?);
    }
    let brings = !waiting.is_empty() || store.shared().keyring.boxed_waiting(&open)? > 0;
    let lineage = if brings && !question.is_carried { Some(store.lineage()?) } else { question.lineage };
    let hello = Hello { lineage, ..hello(store, question.base)? };
    for ask in [Ask::Hello(hello)].into_iter().chain(words) {
        if asks.blocking_send(ask.write()).is_err() {
            return Ok(lineage);
        }
    }
    waiting.extend(offered);
    let encoders = std::thread::available_parallelism().map_or(1, usize::from).min(ENCODERS_MAX).min(waiting.len());
    let queue = Mutex::new(waiting.into_iter());
    let outcome: Result<(), Error> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..encoders).map(|_| scope.spawn(|| work(store, &queue, asks, sent))).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or(Err(Error::Unexpected("an encoder stopped".into()))))
    });
    outcome?;
    send_boxed(store.shared(), &open, asks, sent)?;
    // Behind the segments: what they brought is not wanted again.
    for c in &question.heads {
        if asks.blocking_send(Ask::Heads(store.heads(c)?).write()).is_err() {
            return Ok(lineage);
        }
    }
    // Whoever listens no more has said why.
    let _ = asks.blocking_send(Ask::End.write());
    Ok(lineage)
}

fn work(store: &Store, queue: &Mutex<std::vec::IntoIter<Unsent>>, asks: &Sender<Vec<u8>>, sent: &AtomicU64) -> Result<(), Error> {
    loop {
        let next = queue.lock().ok().and_then(|mut q| q.next());
        let Some(unsent) = next else { return Ok(()) };
        let mut from = unsent.from;
        while from <= unsent.last {
            let segment = match store.cut(&unsent, from, SEGMENT_CHANGES_MAX, SEGMENT_PLAIN_BYTES_MAX) {
                Ok(segment) => segment,
                // Its lease ended meanwhile, and what waits is in the outbox.
                Err(Error::NoCompartment(_)) => break,
                // Another's work that his device has not signed here: the rest goes on.
                Err(Error::Input(why)) => {
                    tracing::warn!(compartment = %unsent.stream.compartment, why, "a stream cannot be offered");
                    break;
                }
                Err(e) => return Err(e),
            };
            let bytes = segment.write().map_err(Error::Wire)?;
            from = segment.last() + 1;
            if asks.blocking_send(Ask::Segment(bytes).write()).is_err() {
                return Ok(());
            }
            sent.fetch_add(segment.entries.len() as u64, Ordering::Relaxed);
        }
    }
}
