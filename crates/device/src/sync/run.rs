//! One sync from hello to end, over any transport. What broke off is continued by the next sync from what the store holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use daftar_core::compartment::Compartment;
use daftar_wire::message::{Begun, Cursor, End, Lineage};
use tokio::sync::mpsc::channel;

use super::cancel::Cancel;
use super::files::Files;
use super::identity::Settled;
use super::listen::{Told, listen};
use super::send::{Base, Question, send};
use super::transport::Transport;
use super::{Progress, Road, SyncError, SyncReport};
use crate::Error;
use crate::vault::{ContactOutcome, Store};

/// Segments that are encoded ahead of the link.
const SEGMENTS_AHEAD: usize = 4;
/// Requests in one sync, at most: a server that says *more* for ever is not believed.
const REQUESTS_MAX: u64 = 1000;
/// Requests in one sync that compare heads and bring nothing, at most: what differs still is compared by the next sync.
const REPAIRS_MAX: u32 = 2;
/// Requests in one sync for nothing but what came to wait meanwhile, at most.
const AGAIN_MAX: u32 = 4;

/// Syncs everything that this store's officer may send and read. `progress` is told as it goes.
pub async fn run<T: Transport>(
    store: &Arc<Store>,
    transport: &T,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<SyncReport, SyncError> {
    run_until(store, transport, progress, &Cancel::default()).await
}

/// The same until it is done or told to stop: then it ends with `SyncError::Cancelled`, which says what waits. One sync of a device runs at a time;
/// a second ends at once with `SyncError::Running`.
pub async fn run_until<T: Transport>(
    store: &Arc<Store>,
    transport: &T,
    progress: &(dyn Fn(Progress) + Send + Sync),
    cancel: &Cancel,
) -> Result<SyncReport, SyncError> {
    let Ok(_one) = store.shared().syncing.try_lock() else { return Err(SyncError::Running) };
    let started = Instant::now();
    let link = Link { store, transport, progress, cancel };
    if let Some(pace) = transport.pace() {
        pace.remember(store.shared().keyring.link()?);
    }
    let outcome = exchange_all(link).await;
    let learned = transport.pace().map(|pace| pace.learned(outcome.is_err()));
    let noted = match &outcome {
        Ok((_, hq_time_ms)) => Some(ContactOutcome::Finished { hq_time_ms: *hq_time_ms }),
        // Says nothing of headquarters or the way there.
        Err(SyncError::Cancelled { .. }) => None,
        Err(e) => Some(ContactOutcome::Failed { code: e.code().to_owned() }),
    };
    blocking(store, move |s| {
        learned.map_or(Ok(()), |learned| s.shared().keyring.set_link(&learned))?;
        noted.map_or(Ok(()), |noted| s.note_contact(noted))
    })
    .await?;
    let (mut report, _) = outcome?;
    files_after(link, &mut report).await?;
    let (bytes_up, bytes_down) = transport.counted();
    (report.bytes_up, report.bytes_down) = (bytes_up, bytes_down);
    report.waiting = blocking(store, |s| s.unbox_held().and_then(|()| s.waiting())).await?;
    store.synced(report.waiting);
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// With whom, by what and for whom a sync runs.
struct Link<'a, T> {
    store: &'a Arc<Store>,
    transport: &'a T,
    progress: &'a (dyn Fn(Progress) + Send + Sync),
    cancel: &'a Cancel,
}

impl<T> Clone for Link<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Link<'_, T> {}

impl<T: Transport> Link<'_, T> {
    async fn cancelled(&self) -> SyncError {
        match blocking(self.store, Store::waiting).await {
            Ok(waiting) => SyncError::Cancelled { waiting },
            Err(e) => e,
        }
    }
}

/// Files go last. Between two of their exchanges goes whatever was saved meanwhile; no trouble of theirs is one of the records'.
async fn files_after<T: Transport>(link: Link<'_, T>, report: &mut SyncReport) -> Result<(), SyncError> {
    let store = link.store;
    let mut files = Files::new();
    loop {
        match link.cancel.unless(files.slice(store, link.transport)).await {
            Some(Ok(true)) => {}
            Some(Ok(false)) => break,
            Some(Err(e)) => {
                tracing::info!(error = %e, "the exchange of files broke off; it goes on with the next sync");
                files.report.error = Some(e.code().to_owned());
                break;
            }
            None => return Err(link.cancelled().await),
        }
        // What the last exchange left waits for something else; what came to wait since was saved meanwhile.
        if blocking(store, Store::waiting).await? > report.waiting {
            let (more, _) = match exchange_all(link).await {
                Ok(more) => more,
                Err(e @ SyncError::Cancelled { .. }) => return Err(e),
                Err(_) => break,
            };
            report.sent_changes += more.sent_changes;
            report.received_changes += more.received_changes;
            report.requests += more.requests;
            more.refused.into_iter().for_each(|r| r.add(&mut report.refused));
            report.waiting = more.waiting;
        }
    }
    files.report.waiting = blocking(store, Store::files_waiting).await?;
    report.files = files.report;
    Ok(())
}

async fn exchange_all<T: Transport>(link: Link<'_, T>) -> Result<(SyncReport, u64), SyncError> {
    let store = link.store;
    let mut report = SyncReport::default();
    // What an earlier sync was told and did not come to.
    blocking(store, Store::renew).await?;
    let counted = || link.transport.counted();
    let told = Told { to_send: blocking(store, Store::waiting).await?, tally: Arc::default(), progress: link.progress, counted: &counted };
    let heads = blocking(store, Store::differing).await?;
    let mut rounds = Rounds { repairs: u32::from(!heads.is_empty()), repaired: 0, again: 0, settled: Settled::default() };
    let budget = link.transport.budget();
    let mut question = Question { base: Base::Confirmed, heads, lineage: None, is_carried: false, budget, begun: Vec::new() };
    loop {
        report.requests += 1;
        let after = exchange(link, &question, &mut rounds.settled, &mut report, &told).await?;
        if report.requests >= REQUESTS_MAX {
            return Err(SyncError::Cut);
        }
        let differing = blocking(store, Store::differing).await?;
        report.differ = differing.len() as u64;
        let received = told.tally.received.load(Ordering::Relaxed);
        question = match rounds.next(question, &after, differing, received) {
            Some(next) => next,
            None => break finish(report, rounds, &told, after.end.time_ms),
        };
    }
}

fn finish(mut report: SyncReport, rounds: Rounds, told: &Told<'_>, hq_time_ms: u64) -> Result<(SyncReport, u64), SyncError> {
    report.received_changes = told.tally.received.load(Ordering::Relaxed);
    report.waiting = told.to_send.saturating_sub(told.tally.receipted.load(Ordering::Relaxed));
    if report.differ > 0 {
        tracing::error!(
            compartments = report.differ,
            "what headquarters holds is another log still; it is compared again with the next sync"
        );
    }
    match rounds.settled.unheard {
        Some(stream) => Err(Error::Fork(stream).into()),
        None => Ok((report, hq_time_ms)),
    }
}

/// What an exchange left.
struct After {
    end: End,
    root_unknown: bool,
    lineage: Option<Lineage>,
    /// Something waits that did not when it began.
    news: bool,
}

/// How often a sync has asked again.
#[derive(Default)]
struct Rounds {
    repairs: u32,
    /// Changes that had come when heads were last compared.
    repaired: u64,
    again: u32,
    settled: Settled,
}

impl Rounds {
    /// The next request; `None`: all is said. `received`: changes that have come so far.
    fn next(&mut self, asked: Question, after: &After, differing: Vec<Compartment>, received: u64) -> Option<Question> {
        if after.root_unknown && asked.base == Base::Confirmed {
            return Some(Question { base: Base::Nothing, lineage: after.lineage, ..asked });
        }
        let question = |heads| {
            Some(Question { base: Base::Confirmed, heads, lineage: None, is_carried: false, budget: asked.budget, begun: Vec::new() })
        };
        if after.end.more {
            return question(Vec::new());
        }
        if !differing.is_empty() {
            // What was lacking may have been more than fits one answer.
            if received > self.repaired {
                (self.repaired, self.repairs) = (received, 0);
            }
            if self.repairs < REPAIRS_MAX {
                self.repairs += 1;
                return question(differing);
            }
        }
        if after.news && self.again < AGAIN_MAX {
            self.again += 1;
            return question(Vec::new());
        }
        None
    }
}

async fn exchange<T: Transport>(
    link: Link<'_, T>,
    question: &Question,
    settled: &mut Settled,
    report: &mut SyncReport,
    told: &Told<'_>,
) -> Result<After, SyncError> {
    let store = link.store;
    let (asks, questions) = channel(SEGMENTS_AHEAD);
    let (answers, heard) = channel::<Vec<u8>>(SEGMENTS_AHEAD);
    let sent = Arc::new(AtomicU64::new(0));
    let words = blocking(store, Store::words).await?;
    let asked = words.asks();
    let begun = blocking(store, Store::cut_messages).await?;
    let sender = tokio::task::spawn_blocking({
        let (store, sent, pace) = (store.clone(), sent.clone(), link.transport.pace().cloned());
        let question = Question { begun: begun.iter().map(|b| Begun::of(b)).collect(), ..question.clone() };
        move || send(&store, question, asked, &asks, &sent, pace.as_deref())
    });
    // Told to stop, both ends of the link are dropped: the sender stops, and the listener writes down what it has heard.
    let carrying = link.cancel.unless(link.transport.exchange(questions, answers));
    let (carried, listened) = tokio::join!(carrying, listen(store, heard, told, Road::Link, begun, link.transport.pace()));
    let sent_all = sender.await.unwrap_or(Err(Error::Unexpected("the sender stopped".into())));
    report.sent_changes += sent.load(Ordering::Relaxed);
    let heard = listened?;
    told.tell();
    heard.refused.into_iter().for_each(|r| r.add(&mut report.refused));
    // Also when the answer was cut after it: the receipts before it are written, and doing it again changes nothing.
    let before = std::mem::take(settled);
    let (after, waits) = blocking(store, move |s| heard.identity.settle(s, before)).await?;
    *settled = after;
    // The link's own word is the better reason when both ends complain.
    match carried {
        Some(carried) => carried?,
        None => return Err(link.cancelled().await),
    }
    let said = sent_all?;
    let lineage = said.lineage;
    let (end, root_unknown) = heard.outcome?;
    // What was said of the device is heard, and what was revoked goes if its work was taken; then that is said at once.
    let purged = blocking(store, move |s| s.heard(&words).and_then(|()| s.purge_revoked())).await?;
    if !root_unknown {
        let (base, heads, cursors) = (question.base, question.heads.clone(), end.cursors.clone());
        blocking(store, move |s| {
            confirm(s, base, said.cursors, cursors)?;
            lineage.map_or(Ok(()), |l| s.lineage_answered(&l))?;
            heads.iter().try_for_each(|c| s.compare(c).map(drop))
        })
        .await?;
    }
    Ok(After { end, root_unknown, lineage, news: heard.news || waits || purged > 0 })
}

/// The list that this exchange leaves: what was confirmed before, what the hello named, and what the end changed.
fn confirm(store: &Store, base: Base, said: Vec<Cursor>, changed: Vec<Cursor>) -> Result<(), Error> {
    let before = match base {
        Base::Confirmed => store.confirmed()?,
        Base::Nothing => Vec::new(),
    };
    if base == Base::Confirmed && said.is_empty() && changed.is_empty() {
        return Ok(());
    }
    store.set_confirmed(&merged(merged(before, said), changed))
}

fn merged(mut list: Vec<Cursor>, changed: Vec<Cursor>) -> Vec<Cursor> {
    for c in changed {
        list.retain(|l| l.compartment != c.compartment);
        list.push(c);
    }
    list.sort_by(|a, b| a.compartment.cmp(&b.compartment));
    list
}

pub(crate) async fn blocking<R: Send + 'static>(
    store: &Arc<Store>,
    f: impl FnOnce(&Store) -> Result<R, Error> + Send + 'static,
) -> Result<R, SyncError> {
    let store = store.clone();
    match tokio::task::spawn_blocking(move || f(&store)).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Error::Unexpected("a task of the store stopped".into()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_compared_as_long_as_that_brings_something_and_twice_where_it_does_not() {
        let asked =
            || Question { base: Base::Confirmed, heads: Vec::new(), lineage: None, is_carried: false, budget: None, begun: Vec::new() };
        let end = End { time_ms: 0, cursors: Vec::new(), more: false };
        let after = After { end, root_unknown: false, lineage: None, news: false };
        let team: Compartment = "team/imt-1".parse().expect("a name");
        let mut rounds = Rounds::default();
        let mut compared = |received| rounds.next(asked(), &after, vec![team.clone()], received).is_some();
        assert!((1..50).all(&mut compared), "each brought a change");
        assert_eq!([compared(49), compared(49), compared(49)], [true, false, false]);
    }
}
