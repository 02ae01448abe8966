//! The device's half of an exchange: hello, what waits as segments, end. Encodes on as many cores as there are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use daftar_wire::limits::{SEGMENT_CHANGES_MAX, SEGMENT_PLAIN_BYTES_MAX};
use daftar_wire::message::{Ask, Hello, Root, root};
use tokio::sync::mpsc::Sender;

use super::access::send_boxed;
use crate::Error;
use crate::vault::{Store, Unsent};

/// Threads that encode segments.
const ENCODERS_MAX: usize = 4;

/// With what the hello begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// The root of the list that the last completed exchange left.
    Confirmed,
    /// Zeros and all cursors.
    Nothing,
}

pub(super) fn hello(store: &Store, base: Base) -> Result<Hello, Error> {
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

/// Sends hello, segments and end; counts the changes sent. Blocks; returns early when nobody listens any more.
pub(super) fn send(store: &Arc<Store>, base: Base, words: Vec<Ask>, asks: &Sender<Vec<u8>>, sent: &AtomicU64) -> Result<(), Error> {
    let hello = hello(store, base)?;
    for ask in [Ask::Hello(hello)].into_iter().chain(words) {
        if asks.blocking_send(ask.write()).is_err() {
            return Ok(());
        }
    }
    let open = store.sending_files();
    let mut waiting = Vec::new();
    for c in store.sending() {
        waiting.extend(store.unsent(&c)?);
    }
    let encoders = std::thread::available_parallelism().map_or(1, usize::from).min(ENCODERS_MAX).min(waiting.len());
    let queue = Mutex::new(waiting.into_iter());
    let outcome: Result<(), Error> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..encoders).map(|_| scope.spawn(|| work(store, &queue, asks, sent))).collect();
        workers.into_iter().try_for_each(|w| w.join().unwrap_or(Err(Error::Unexpected("an encoder stopped".into()))))
    });
    outcome?;
    send_boxed(store.shared(), &open, asks, sent)?;
    // Whoever listens no more has said why.
    let _ = asks.blocking_send(Ask::End.write());
    Ok(())
}

fn work(store: &Store, queue: &Mutex<std::vec::IntoIter<Unsent>>, asks: &Sender<Vec<u8>>, sent: &AtomicU64) -> Result<(), Error> {
    loop {
        let next = queue.lock().ok().and_then(|mut q| q.next());
        let Some(unsent) = next else { return Ok(()) };
        let mut from = unsent.from;
        while from <= unsent.last {
            let segment = match store.segment(&unsent.stream, from, SEGMENT_CHANGES_MAX, SEGMENT_PLAIN_BYTES_MAX) {
                // Its lease ended meanwhile, and what waits is in the outbox.
                Err(Error::NoCompartment(_)) => break,
                other => other?,
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
