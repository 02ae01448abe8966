//! One sync from hello to end, over any transport. What broke off is continued by the next sync from what the store holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use daftar_core::ids::DeviceId;
use daftar_wire::message::{Cursor, End, FrameReader};
use tokio::sync::mpsc::channel;

use super::apply::{Tally, Writers, Written};
use super::send::{Base, send};
use super::session::{Session, Step};
use super::transport::Transport;
use super::{Progress, SyncError, SyncReport, access, identity};
use crate::Error;
use crate::vault::{ContactOutcome, Store};

/// Segments that are encoded ahead of the link.
const SEGMENTS_AHEAD: usize = 4;
/// Requests in one sync, at most: a server that says *more* for ever is not believed.
const REQUESTS_MAX: u64 = 1000;

/// What the next request of this sync is for.
enum Next {
    Done,
    More,
    AllCursors,
}

/// Syncs everything that this store's officer may send and read. `progress` is told as it goes.
pub async fn run<T: Transport>(
    store: &Arc<Store>,
    transport: &T,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<SyncReport, SyncError> {
    let started = Instant::now();
    let outcome = exchange_all(store, transport, progress).await;
    let (bytes_up, bytes_down) = transport.counted();
    let noted = match &outcome {
        Ok((_, hq_time_ms)) => ContactOutcome::Finished { hq_time_ms: *hq_time_ms },
        Err(e) => ContactOutcome::Failed { code: e.code().to_owned() },
    };
    blocking(store, move |s| s.note_contact(noted)).await?;
    let (mut report, _) = outcome?;
    (report.bytes_up, report.bytes_down) = (bytes_up, bytes_down);
    report.waiting = blocking(store, waiting).await?;
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

fn waiting(store: &Store) -> Result<u64, Error> {
    let mut n = 0;
    for c in store.compartments() {
        n += store.unsent(&c)?.iter().map(|u| u.last + 1 - u.from).sum::<u64>();
    }
    Ok(n)
}

async fn exchange_all<T: Transport>(
    store: &Arc<Store>,
    transport: &T,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(SyncReport, u64), SyncError> {
    let mut report = SyncReport::default();
    let told = Told { to_send: blocking(store, waiting).await?, tally: Arc::default(), progress };
    let mut base = Base::Confirmed;
    loop {
        report.requests += 1;
        let (next, hq_time_ms) = exchange(store, transport, base, &mut report, &told).await?;
        base = match next {
            Next::Done => {
                report.received_changes = told.tally.received.load(Ordering::Relaxed);
                return Ok((report, hq_time_ms));
            }
            Next::More => Base::Confirmed,
            Next::AllCursors => Base::Nothing,
        };
        if report.requests >= REQUESTS_MAX {
            return Err(SyncError::Cut);
        }
    }
}

async fn exchange<T: Transport>(
    store: &Arc<Store>,
    transport: &T,
    base: Base,
    report: &mut SyncReport,
    told: &Told<'_>,
) -> Result<(Next, u64), SyncError> {
    let (asks, questions) = channel(SEGMENTS_AHEAD);
    let (answers, mut heard) = channel::<Vec<u8>>(SEGMENTS_AHEAD);
    let sent = Arc::new(AtomicU64::new(0));
    let sender = tokio::task::spawn_blocking({
        let (store, sent) = (store.clone(), sent.clone());
        move || send(&store, base, &asks, &sent)
    });
    let server = store.device().server_key()?;
    let listening = async {
        let mut listener = Listener::new(store, Session::new(server), &told.tally);
        let mut reader = FrameReader::default();
        let mut trouble = None;
        'pieces: while let Some(piece) = heard.recv().await {
            reader.push(&piece);
            loop {
                let steps = match reader.next() {
                    Ok(Some(frame)) => listener.session.hear(&frame),
                    Ok(None) => break,
                    Err(e) => Err(e),
                };
                match steps {
                    Ok(steps) => listener.take(steps, told).await?,
                    Err(e) => {
                        trouble = Some(e);
                        break 'pieces;
                    }
                }
            }
        }
        drop(heard);
        listener.finish(trouble.map(SyncError::from)).await
    };
    let (carried, listened) = tokio::join!(transport.exchange(questions, answers), listening);
    let sent_all = sender.await.unwrap_or(Err(Error::Unexpected("the sender stopped".into())));
    report.sent_changes += sent.load(Ordering::Relaxed);
    let (written, refused, outcome) = listened?;
    told.tell();
    report.refused += refused;
    // The link's own word is the better reason when both ends complain.
    carried?;
    sent_all?;
    let (end, root_unknown) = outcome?;
    if let Some(stream) = written.forked.into_iter().next() {
        return Err(Error::Fork(stream).into());
    }
    if !written.differ.is_empty() {
        tracing::warn!(compartments = written.differ.len(), "digests differ; these compartments are asked for again");
        let again = written.differ;
        blocking(store, move |s| s.forget_cursors(&again)).await?;
        return Ok((if report.requests < 3 { Next::AllCursors } else { Next::Done }, end.time_ms));
    }
    let next = match (root_unknown && base == Base::Confirmed, end.more) {
        (true, _) => Next::AllCursors,
        (false, true) => Next::More,
        (false, false) => Next::Done,
    };
    let time_ms = end.time_ms;
    if !root_unknown {
        blocking(store, move |s| confirm(s, base, end.cursors)).await?;
    }
    Ok((next, time_ms))
}

/// The list that this exchange leaves: what was confirmed before, and what the end changed.
fn confirm(store: &Store, base: Base, changed: Vec<Cursor>) -> Result<(), Error> {
    if changed.is_empty() && base == Base::Confirmed {
        let confirmed = store.confirmed()?;
        let moved = super::send::hello(store, base)?.cursors;
        if moved.is_empty() {
            return Ok(());
        }
        return store.set_confirmed(&merged(confirmed, moved));
    }
    let before = super::send::hello(store, Base::Nothing)?.cursors;
    store.set_confirmed(&merged(before, changed))
}

fn merged(mut list: Vec<Cursor>, changed: Vec<Cursor>) -> Vec<Cursor> {
    for c in changed {
        list.retain(|l| l.compartment != c.compartment);
        list.push(c);
    }
    list.sort_by(|a, b| a.compartment.cmp(&b.compartment));
    list
}

/// Who is told how far it is.
struct Told<'a> {
    to_send: u64,
    tally: Arc<Tally>,
    progress: &'a (dyn Fn(Progress) + Send + Sync),
}

impl Told<'_> {
    fn tell(&self) {
        let of = |n: &AtomicU64| n.load(Ordering::Relaxed);
        (self.progress)(Progress {
            to_send: self.to_send,
            receipted: of(&self.tally.receipted).min(self.to_send),
            received: of(&self.tally.received),
        });
    }
}

/// Listens to one answer and has it written down.
struct Listener<'a> {
    store: &'a Arc<Store>,
    session: Session,
    writers: Writers,
    root_unknown: bool,
    end: Option<End>,
    device: DeviceId,
    refused: u64,
}

/// What the writers did, how many segments were refused, and how the answer ended.
type Listened = (Written, u64, Result<(End, bool), SyncError>);

impl<'a> Listener<'a> {
    fn new(store: &'a Arc<Store>, session: Session, tally: &Arc<Tally>) -> Self {
        Self {
            store,
            session,
            writers: Writers::start(store, tally),
            root_unknown: false,
            end: None,
            device: store.device().id,
            refused: 0,
        }
    }

    async fn take(&mut self, steps: Vec<Step>, told: &Told<'_>) -> Result<(), SyncError> {
        for step in steps {
            match step {
                Step::Receipted(receipt) => {
                    let bytes = Arc::new(receipt.write());
                    for r in receipt.streams.into_iter().filter(|r| r.stream.device == self.device) {
                        self.writers.receipt(r, bytes.clone()).await;
                    }
                }
                Step::Page(compartment, items) => self.writers.page(compartment, items).await,
                Step::Granted(compartment, access) => blocking(self.store, move |s| s.grant_notice(&compartment, access)).await?,
                Step::Want(stream, from) => {
                    tracing::warn!(compartment = %stream.compartment, from, "the server wants a stream from another place")
                }
                Step::Refused(stream, reason) => {
                    self.refused += 1;
                    tracing::warn!(compartment = %stream.compartment, reason, "a segment was not taken; it waits")
                }
                Step::Anew(digit) => identity::anew(self.store, digit).await?,
                Step::Forked(stream) => identity::forked(self.store, stream).await?,
                Step::NewEpoch(epoch) => identity::new_epoch(self.store, epoch).await?,
                Step::Loose(segment) => self.writers.loose(segment).await,
                Step::Revoked(revocation) => access::revoked(self.store, revocation).await?,
                Step::Reopened(reopened) => access::reopened(self.store, reopened).await?,
                Step::RootUnknown => self.root_unknown = true,
                Step::Ended(end) => {
                    for c in &end.cursors {
                        self.writers.end(c.clone()).await;
                    }
                    self.end = Some(end);
                }
            }
            told.tell();
        }
        Ok(())
    }

    async fn finish(self, trouble: Option<SyncError>) -> Result<Listened, SyncError> {
        let written = self.writers.finish().await?;
        let outcome = match (trouble, self.end) {
            (Some(e), _) => Err(e),
            (None, Some(end)) => Ok((end, self.root_unknown)),
            (None, None) => Err(SyncError::Cut),
        };
        Ok((written, self.refused, outcome))
    }
}

pub(super) async fn blocking<R: Send + 'static>(
    store: &Arc<Store>,
    f: impl FnOnce(&Store) -> Result<R, Error> + Send + 'static,
) -> Result<R, SyncError> {
    let store = store.clone();
    match tokio::task::spawn_blocking(move || f(&store)).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Error::Unexpected("a task of the store stopped".into()).into()),
    }
}
