//! The device's half of an exchange: hello, what waits as segments, end. Encodes on as many cores as there are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use daftar_core::compartment::Compartment;
use daftar_wire::limits::{SEGMENT_CHANGES_MAX, SEGMENT_PLAIN_BYTES_MAX};
use daftar_wire::message::{Ask, Begun, Cursor, Hello, Lineage, Root, root};
use tokio::sync::mpsc::Sender;

use super::access::{send_boxed, send_one};
use super::pace::Pace;
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
    /// Bytes that are wanted in answer, if not the link's pace says so.
    pub(crate) budget: Option<u64>,
    /// What is there of messages that were cut.
    pub(crate) begun: Vec<Begun>,
}

/// With what the hello begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// The root of the list that the last completed exchange left.
    Confirmed,
    /// Zeros and all cursors.
    Nothing,
}

fn hello(store: &Store, base: Base) -> Result<Hello, Error> {
    let confirmed = match base {
        Base::Confirmed => store.confirmed()?,
        Base::Nothing => Vec::new(),
    };
    let known: Root = root(&confirmed);
    let mut cursors = Vec::new();
    for c in store.fetching() {
        cursors.extend(store.standing_in(&c)?.filter(|cursor| !confirmed.contains(cursor)));
    }
    Ok(Hello { root: known, officers: vec![store.officer()], cursors, budget: None, lineage: None, begun: Vec::new() })
}

/// What a question said of the device.
pub(crate) struct Said {
    /// The lineage that went along.
    pub(super) lineage: Option<Lineage>,
    /// The cursors that its hello named.
    pub(super) cursors: Vec<Cursor>,
}

/// Sends hello, what is said of the device, segments, the outbox, heads and end; counts the changes sent and gives what was said of the device.
/// Blocks; returns early when nobody listens any more.
pub(crate) fn send(
    store: &Arc<Store>,
    question: Question,
    words: Vec<Ask>,
    asks: &Sender<Vec<u8>>,
    sent: &AtomicU64,
    pace: Option<&Pace>,
) -> Result<Said, Error> {
    let open = store.sending_files();
    let brings = !unsent(store)?.is_empty() || store.shared().keyring.boxed_waiting(&open)? > 0;
    let lineage = if brings && !question.is_carried { Some(store.lineage()?) } else { question.lineage };
    let budget = pace.map_or(question.budget, |pace| pace.budget(|| asks.is_closed()));
    let hello = Hello { lineage, budget, begun: question.begun, ..hello(store, question.base)? };
    let said = Said { lineage, cursors: hello.cursors.clone() };
    let recalls = brings && pace.is_some_and(Pace::asks_recall);
    for ask in [Ask::Hello(hello)].into_iter().chain(words).chain(recalls.then_some(Ask::Recall)) {
        if asks.blocking_send(ask.write()).is_err() {
            return Ok(said);
        }
    }
    if let Some(pace) = pace.filter(|_| recalls) {
        pace.wait_for_recall(|| asks.is_closed());
    }
    let mut waiting = unsent(store)?;
    for c in store.sending() {
        waiting.extend(store.offered(&c)?);
    }
    let encoders = encoders().min(waiting.len());
    let queue = Mutex::new(waiting.into_iter());
    // Whether they were taken is known at the end of the sync: until then they are not relied on again.
    let as_sealed = !question.is_carried && store.relies_on_boxes();
    let outcome: Result<(), Error> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..encoders).map(|_| scope.spawn(|| work(store, &queue, asks, sent, pace, as_sealed))).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or(Err(Error::Unexpected("an encoder stopped".into()))))
    });
    outcome?;
    send_boxed(store.shared(), &open, asks, sent, pace)?;
    // Behind the segments: what they brought is not wanted again.
    for c in &question.heads {
        let heads = match store.heads(c) {
            Ok(heads) => heads,
            // It was taken from the officer since this was decided: of what it holds only his unsent work matters now.
            Err(Error::NoCompartment(_)) => continue,
            Err(e) => return Err(e),
        };
        if asks.blocking_send(Ask::Heads(heads).write()).is_err() {
            return Ok(said);
        }
    }
    // Whoever listens no more has said why.
    let _ = asks.blocking_send(Ask::End.write());
    Ok(said)
}

fn encoders() -> usize {
    // A courier pack keeps the order in which they end: in a simulation, that of their streams.
    #[cfg(feature = "simulation")]
    if crate::simulation::has_begun() {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, usize::from).min(ENCODERS_MAX)
}

/// What of this device's own waits, in every file that may be sent.
fn unsent(store: &Store) -> Result<Vec<Unsent>, Error> {
    let mut waiting = Vec::new();
    for c in store.sending() {
        waiting.extend(store.unsent(&c)?);
    }
    Ok(waiting)
}

fn work(
    store: &Store,
    queue: &Mutex<std::vec::IntoIter<Unsent>>,
    asks: &Sender<Vec<u8>>,
    sent: &AtomicU64,
    pace: Option<&Pace>,
    as_sealed: bool,
) -> Result<(), Error> {
    loop {
        let next = queue.lock().ok().and_then(|mut q| q.next());
        let Some(unsent) = next else { return Ok(()) };
        let mut from = unsent.from;
        if as_sealed {
            match sealed(store, &unsent, asks, sent, pace)? {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
        while from <= unsent.last {
            let changes = pace.map_or(SEGMENT_CHANGES_MAX, |pace| pace.next(|| asks.is_closed()));
            let segment = match store.cut(&unsent, from, changes, SEGMENT_PLAIN_BYTES_MAX) {
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
            let size = bytes.len() as u64;
            // Noted first: its receipt may be there before this goes on.
            if let Some(pace) = pace {
                pace.sent(segment.stream.incarnation, segment.last(), segment.entries.len() as u64, size);
            }
            if asks.blocking_send(Ask::Segment(bytes).write()).is_err() {
                return Ok(());
            }
            sent.fetch_add(segment.entries.len() as u64, Ordering::Relaxed);
        }
    }
}

/// Sends what was sealed of a stream at a lock, where it begins with what waits, is worth it, and the link carries plenty: it was cut and
/// compressed once, and is somewhat larger than if that were done again in larger runs. Says what waits behind it; `None`: nobody listens any more.
fn sealed(store: &Store, unsent: &Unsent, asks: &Sender<Vec<u8>>, sent: &AtomicU64, pace: Option<&Pace>) -> Result<Option<u64>, Error> {
    let (keyring, incarnation, mut from) = (&store.shared().keyring, &unsent.stream.incarnation, unsent.from);
    let is_worth_it = keyring.boxed_span(incarnation)?.is_some_and(|(_, last)| last + 1 >= from + worth_it());
    if !is_worth_it || pace.is_some_and(|pace| !pace.has_plenty(|| asks.is_closed())) {
        return Ok(Some(from));
    }
    while let Some(boxed) = store.boxed_at(unsent, from)? {
        from = boxed.last + 1;
        if !send_one(boxed, asks, sent, pace) {
            return Ok(None);
        }
    }
    Ok(Some(from))
}

/// So many changes that are sealed save more in time than they cost in bytes.
fn worth_it() -> u64 {
    #[cfg(feature = "simulation")]
    if crate::simulation::has_begun() {
        return 4;
    }
    SEGMENT_CHANGES_MAX.into()
}
