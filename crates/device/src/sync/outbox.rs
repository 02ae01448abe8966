//! A locked device still sends: the sealed outbox goes to headquarters while nobody is unlocked, and receipts are kept. Nothing is
//! fetched, and no record is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use daftar_core::ids::{DeviceId, Epoch, Incarnation};
use daftar_wire::message::{Ask, End, FrameReader, Hello, Receipt};
use tokio::sync::mpsc::{Sender, channel};

use super::access::send_boxed;
use super::cancel::Cancel;
use super::pace::Pace;
use super::session::{Session, Step};
use super::transport::Transport;
use super::{Progress, SyncError, SyncReport};
use crate::device::Shared;
use crate::keyring::ContactOutcome;
use crate::vault::{Words, purge};
use crate::{Device, Error};

/// Messages that wait for the link.
const AHEAD: usize = 4;

/// Sends the outbox and what the device has to say of itself, whoever is unlocked. `progress` is told as it goes.
pub async fn run_locked<T: Transport>(
    device: &Device,
    transport: &T,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<SyncReport, SyncError> {
    run_locked_until(device, transport, progress, &Cancel::default()).await
}

/// The same until it is done or told to stop; see `run_until`.
pub async fn run_locked_until<T: Transport>(
    device: &Device,
    transport: &T,
    progress: &(dyn Fn(Progress) + Send + Sync),
    cancel: &Cancel,
) -> Result<SyncReport, SyncError> {
    let started = Instant::now();
    let shared = device.shared().clone();
    let Ok(_one) = shared.syncing.try_lock() else { return Err(SyncError::Running) };
    if let Some(pace) = transport.pace() {
        pace.remember(shared.keyring.link()?);
    }
    let outcome = exchange(&shared, transport, progress, cancel).await;
    let learned = transport.pace().map(|pace| pace.learned(outcome.is_err()));
    let (bytes_up, bytes_down) = transport.counted();
    let noted = match &outcome {
        Ok((_, hq_time_ms)) => Some(ContactOutcome::Finished { hq_time_ms: *hq_time_ms }),
        // Says nothing of headquarters or the way there.
        Err(SyncError::Cancelled { .. }) => None,
        Err(e) => Some(ContactOutcome::Failed { code: e.code().to_owned() }),
    };
    let waiting = blocking(&shared, move |shared| {
        learned.map_or(Ok(()), |learned| shared.keyring.set_link(&learned))?;
        noted.map_or(Ok(()), |noted| shared.keyring.contacted(&noted, shared.clock.as_ref(), None))?;
        shared.sweep()?;
        shared.keyring.outbox()
    })
    .await?;
    let (sent_changes, _) = outcome?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(SyncReport { sent_changes, bytes_up, bytes_down, requests: 1, seconds, waiting, ..SyncReport::default() })
}

async fn exchange<T: Transport>(
    shared: &Arc<Shared>,
    transport: &T,
    progress: &(dyn Fn(Progress) + Send + Sync),
    cancel: &Cancel,
) -> Result<(u64, u64), SyncError> {
    let (asks, questions) = channel(AHEAD);
    let (answers, heard) = channel::<Vec<u8>>(AHEAD);
    let sent = Arc::new(AtomicU64::new(0));
    let (words, to_send) = blocking(shared, |s| Ok((Words::device(s)?, s.keyring.outbox()?))).await?;
    let said = words.asks();
    let sender = tokio::task::spawn_blocking({
        let (shared, sent, pace) = (shared.clone(), sent.clone(), transport.pace().cloned());
        move || say(&shared, said, &asks, &sent, pace.as_deref())
    });
    let device = shared.keyring.device()?;
    let id = device.device;
    let server = daftar_wire::sign::verifying_key(&device.server_signing).map_err(Error::Wire)?;
    let listening = async move {
        // Dropped when this ends, so that the link does not wait for a listener who has gone.
        let mut heard = heard;
        let (mut session, mut reader) = (Session::new(server, Vec::new()), FrameReader::default());
        let (mut end, mut receipted) = (None, 0);
        while let Some(piece) = heard.recv().await {
            reader.push(&piece);
            while let Some(frame) = reader.next()? {
                for step in session.hear(&frame)? {
                    if let Some(e) = take(shared, &id, step, &mut receipted, transport.pace().map(Arc::as_ref)).await? {
                        end = Some(e);
                    }
                    let (bytes_up, bytes_down) = transport.counted();
                    progress(Progress { to_send, receipted: receipted.min(to_send), received: 0, bytes_up, bytes_down });
                }
            }
        }
        end.ok_or(SyncError::Cut)
    };
    let (carried, listened) = tokio::join!(cancel.unless(transport.exchange(questions, answers)), listening);
    let sent_all = sender.await.unwrap_or(Err(Error::Unexpected("the sender stopped".into())));
    // The link's own word is the better reason when both ends complain.
    match carried {
        Some(carried) => carried?,
        None => return Err(SyncError::Cancelled { waiting: blocking(shared, |s| s.keyring.outbox()).await? }),
    }
    sent_all?;
    let end = listened?;
    blocking(shared, move |shared| {
        words.heard(shared)?;
        for r in shared.keyring.revoked()? {
            purge(shared, &r, shared.keyring.has_unsent(&r.file)?)?;
        }
        Ok(())
    })
    .await?;
    Ok((sent.load(Ordering::Relaxed), end.time_ms))
}

fn say(shared: &Shared, said: Vec<Ask>, asks: &Sender<Vec<u8>>, sent: &AtomicU64, pace: Option<&Pace>) -> Result<(), Error> {
    let hello = Hello { root: [0; 16], officers: Vec::new(), cursors: Vec::new(), budget: None, lineage: None, begun: Vec::new() };
    let recalls = shared.keyring.outbox()? > 0 && pace.is_some_and(Pace::asks_recall);
    for ask in [Ask::Hello(hello)].into_iter().chain(said).chain(recalls.then_some(Ask::Recall)) {
        if asks.blocking_send(ask.write()).is_err() {
            return Ok(());
        }
    }
    if let Some(pace) = pace.filter(|_| recalls) {
        pace.wait_for_recall(|| asks.is_closed());
    }
    if send_boxed(shared, &[], asks, sent, pace)? {
        // Whoever listens no more has said why.
        let _ = asks.blocking_send(Ask::End.write());
    }
    Ok(())
}

/// Takes what concerns a locked device; all else is for the next unlock.
async fn take(
    shared: &Arc<Shared>,
    device: &DeviceId,
    step: Step,
    receipted: &mut u64,
    pace: Option<&Pace>,
) -> Result<Option<End>, SyncError> {
    match step {
        Step::Receipted(receipt) => {
            let held: Vec<(Incarnation, u64)> = receipt.held.iter().map(|r| (r.stream.incarnation, r.up_to)).collect();
            epoch(shared, receipt.epoch).await?;
            *receipted += receipts(shared, *device, receipt).await?;
            if let Some(pace) = pace {
                held.iter().for_each(|(incarnation, up_to)| pace.receipted(incarnation, *up_to));
                if pace.awaits_recall() {
                    pace.recalled();
                }
            }
        }
        Step::NewEpoch(now) => epoch(shared, now).await?,
        Step::Revoked(revocation) => blocking(shared, move |s| s.keyring.note_revocation(&revocation)).await?,
        Step::Ended(end) => return Ok(Some(end)),
        Step::Refused(stream, reason) => tracing::warn!(reason, device = %stream.device, "a sealed segment was not taken; it waits"),
        Step::Page(..)
        | Step::Short(_)
        | Step::Granted(..)
        | Step::Want(..)
        | Step::RootUnknown
        | Step::Anew(_)
        | Step::Forked(_)
        | Step::Loose(_)
        | Step::Reopened(_)
        | Step::File(_) => {}
    }
    Ok(None)
}

/// The server's life as it says itself: each file follows when it is opened, and is kept until then.
async fn epoch(shared: &Arc<Shared>, now: Epoch) -> Result<(), SyncError> {
    blocking(shared, move |shared| {
        let known = shared.keyring.epoch()?.map_or_else(|| shared.keyring.device().map(|d| d.epoch), Ok)?;
        if known == now { Ok(()) } else { shared.keyring.set_epoch(&now) }
    })
    .await
}

async fn receipts(shared: &Arc<Shared>, device: DeviceId, receipt: Receipt) -> Result<u64, SyncError> {
    blocking(shared, move |shared| {
        let bytes = receipt.write();
        let mut n = 0;
        for r in receipt.held.iter().filter(|r| r.stream.device == device) {
            match shared.keyring.boxed_receipted(r, &bytes) {
                Ok(taken) => n += taken,
                // Concerns this stream alone: its rows stay until somebody unlocks who can tell which history is which.
                Err(Error::Fork(_)) => tracing::error!("headquarters holds another history of a stream in the outbox"),
                Err(e) => return Err(e),
            }
        }
        Ok(n)
    })
    .await
}

async fn blocking<R: Send + 'static>(
    shared: &Arc<Shared>,
    f: impl FnOnce(&Shared) -> Result<R, Error> + Send + 'static,
) -> Result<R, SyncError> {
    let shared = shared.clone();
    match tokio::task::spawn_blocking(move || f(&shared)).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Error::Unexpected("a task of the keyring stopped".into()).into()),
    }
}
