//! The exchange's calls: what waits and what is held, out of committed rows; one exchange at a time, by hand or by itself.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use daftar_core::authorize::Action;
use daftar_core::compartment::Compartment;
use daftar_device::Store;
use daftar_device::sync::{self, AutoSync, HttpTransport, LinkError, Progress, Refused, SyncError, SyncReport, Transport, Went};
use daftar_device::vault::{Standing, Why};

use super::Engine;
use super::fault::ui;
use super::record::{FIELD_KINDS, row};
use crate::dto::record::RecordRow;
use crate::dto::sync::{
    AttemptRow, ClosedRow, ClosedWhy, ReceiptRow, RefusedWhy, SalvageView, SyncProgress, SyncStrip, SyncTrouble, SyncView, WatchEvent,
};
use crate::error::{UiError, UiResult};

/// Attempts that the sync screen shows.
const ATTEMPTS_MAX: usize = 20;
const WAITING_ROWS: usize = 200;
/// So often it is looked whether the officer's *stop* still holds.
const HELD_LOOK: Duration = Duration::from_secs(1);
/// Records that are looked through for those that wait.
const LOOKED_THROUGH: usize = 2000;

/// This run's attempts, newest first. Only for the eye: what waits and what is held is read from the disk.
static ATTEMPTS: Mutex<VecDeque<AttemptRow>> = Mutex::new(VecDeque::new());

/// An exchange that was tried.
struct Ended {
    outcome: Result<SyncReport, SyncError>,
    /// Bytes of HTTP that it had carried, both ways together.
    bytes: u64,
}

fn carried(transport: &HttpTransport) -> u64 {
    let (up, down) = transport.counted();
    up + down
}

fn count(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Records with a field that somebody must decide.
pub(super) fn conflicts(store: &Store) -> UiResult<u32> {
    let mut n = 0;
    for c in store.allowed(Action::Read) {
        n += store.counts(&c).map_err(ui)?.conflicts;
    }
    Ok(count(n))
}

fn receipt(r: &Standing) -> ReceiptRow {
    ReceiptRow {
        compartment: r.compartment.to_string(),
        held: count(r.held),
        written: count(r.written),
        backed_up: count(r.backed_up_through),
        at_ms: r.at_ms.and_then(|t| i64::try_from(t).ok()),
    }
}

/// Compartments that are not open here. One that is only sent from was taken back by headquarters.
fn closed(store: &Store, standing: &[Standing]) -> UiResult<Vec<ClosedRow>> {
    let (why, open, writable) = (store.closed_why(), store.compartments(), store.allowed(Action::Write));
    let row = |c: &Compartment, why| ClosedRow { compartment: c.to_string(), why, may_write: writable.contains(c) };
    let shut = why.iter().map(|(c, why)| {
        let why = match why {
            Why::Damaged => ClosedWhy::Damaged,
            Why::Waits => ClosedWhy::Waits,
            Why::LeaseEnded => ClosedWhy::LeaseEnded,
        };
        row(c, why)
    });
    let is_known = |c: &Compartment| open.contains(c) || why.iter().any(|(w, _)| w == c);
    let revoked = standing.iter().filter(|s| !is_known(&s.compartment)).map(|s| row(&s.compartment, ClosedWhy::Revoked));
    let taken = store.taken_back().map_err(ui)?;
    Ok(shut.chain(revoked).chain(taken.iter().map(|c| row(c, ClosedWhy::Taken))).collect())
}

fn trouble(code: &str) -> SyncTrouble {
    match code {
        "no_link" => SyncTrouble::NoLink,
        "cut" | "status" => SyncTrouble::NoAnswer,
        "not_hq" | "portal" => SyncTrouble::NotHq,
        "busy" => SyncTrouble::Busy,
        "refused" => SyncTrouble::Revoked,
        "protocol" => SyncTrouble::TooOld,
        "storage_full" => SyncTrouble::StorageFull,
        "fork" => SyncTrouble::Forked,
        "cancelled" => SyncTrouble::Stopped,
        _ => SyncTrouble::Unexpected,
    }
}

fn refused_why(r: &Refused) -> RefusedWhy {
    match r.reason.as_str() {
        "malformed" => RefusedWhy::Malformed,
        "newer" => RefusedWhy::Newer,
        "too_large" => RefusedWhy::TooLarge,
        "bad_signature" => RefusedWhy::BadSignature,
        "unknown_device" => RefusedWhy::UnknownDevice,
        "no_compartment" => RefusedWhy::NoCompartment,
        "storage_full" => RefusedWhy::StorageFull,
        _ => RefusedWhy::Unavailable,
    }
}

impl Engine {
    pub fn strip(&self) -> UiResult<SyncStrip> {
        let contact = self.device()?.keyring().contact().map_err(ui)?;
        let mut strip = SyncStrip {
            last_hq_ms: contact.as_ref().and_then(|c| c.hq_time_ms).and_then(|t| i64::try_from(t).ok()),
            running: self.turn.is_running(),
            trouble: contact.and_then(|c| c.error).map(|code| trouble(&code)),
            ..SyncStrip::default()
        };
        if let Ok(store) = self.store() {
            strip.waiting = count(store.waiting().map_err(ui)?);
            strip.needs_decision = conflicts(&store)?;
            strip.taken = count(store.taken_back().map_err(ui)?.len() as u64);
        }
        Ok(strip)
    }

    pub fn sync_view(&self) -> UiResult<SyncView> {
        let store = self.store()?;
        let mut waiting: Vec<RecordRow> = Vec::new();
        if store.waiting().map_err(ui)? > 0 {
            let page = store.list(&FIELD_KINDS, None, LOOKED_THROUGH).map_err(ui)?;
            waiting = page.items.iter().filter(|i| i.waiting).map(row).collect();
            waiting.reverse();
            waiting.truncate(WAITING_ROWS);
        }
        let standing = store.receipts().map_err(ui)?;
        let receipts = standing.iter().map(receipt).collect();
        let attempts = ATTEMPTS.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        Ok(SyncView {
            strip: self.strip()?,
            waiting,
            receipts,
            attempts,
            closed: closed(&store, &standing)?,
            files_waiting: count(store.files_waiting().map_err(ui)?),
            server: Some(store.device().address.clone()),
        })
    }

    /// Takes what a damaged file still holds into a new one; the next exchange brings the rest.
    pub fn salvage(&self, compartment: &str) -> UiResult<SalvageView> {
        let compartment: Compartment = compartment.parse().map_err(|_| UiError::NotFound)?;
        let done = self.store()?.salvage(&compartment).map_err(ui)?;
        self.nudge.now();
        Ok(SalvageView { found: count(done.own + done.others), missing: count(done.own_missing) })
    }

    /// The officer has seen that a compartment was taken from him.
    pub fn taken_seen(&self, compartment: &str) -> UiResult<()> {
        let compartment: Compartment = compartment.parse().map_err(|_| UiError::NotFound)?;
        self.store()?.taken_back_seen(&compartment).map_err(ui)?;
        self.tell_strip();
        Ok(())
    }

    /// Stops the exchange that runs, if one does; what was heard is written down. None begins by itself for a minute.
    pub fn stop_sync(&self) {
        self.turn.stop();
    }

    /// Exchanges now, unless an exchange runs; how it ended is in the strip.
    pub fn sync_now(&self) -> UiResult<SyncStrip> {
        self.turn.go_on();
        if self.store().is_ok() {
            let _ = tauri::async_runtime::block_on(self.exchange());
        }
        self.strip()
    }

    /// One exchange while nobody is unlocked: what officers left sealed is sent, and what headquarters takes back is heard.
    async fn exchange_locked(&self) -> Option<Ended> {
        let device = self.device().ok()?;
        let info = device.info().ok()?;
        let running = self.turn.begin()?;
        let (outcome, bytes) = match HttpTransport::new(&info) {
            Ok(transport) => (sync::run_locked_until(device, &transport, &|_| {}, &running.cancel).await, carried(&transport)),
            Err(e) => (Err(e.into()), 0),
        };
        drop(running);
        self.remember(&outcome);
        if let Err(cause) = &outcome {
            tracing::info!(code = cause.code(), "a locked device's sync did not finish");
        }
        Some(Ended { outcome, bytes })
    }

    /// One exchange. `None`: nobody is enrolled, or one runs already.
    async fn exchange(&self) -> Option<Ended> {
        let Ok(store) = self.store() else { return self.exchange_locked().await };
        let running = self.turn.begin()?;
        // A lock that came in between found nothing to break off.
        if !self.is_here(&store) {
            drop((running, store));
            return self.exchange_locked().await;
        }
        self.tell_strip();
        let progress = |p: Progress| {
            self.tell(WatchEvent::Progress(SyncProgress {
                sent: count(p.receipted),
                to_send: count(p.to_send),
                received: count(p.received),
                bytes_up: p.bytes_up,
                bytes_down: p.bytes_down,
            }));
        };
        let (outcome, bytes) = match HttpTransport::new(store.device()) {
            Ok(transport) => (sync::run_until(&store, &transport, &progress, &running.cancel).await, carried(&transport)),
            Err(e) => (Err(e.into()), 0),
        };
        drop(running);
        if let Err(cause) = &outcome {
            tracing::info!(code = cause.code(), "a sync did not finish");
        }
        if !self.is_here(&store) {
            return Some(Ended { outcome, bytes });
        }
        self.remember(&outcome);
        self.tell_strip();
        // The index follows behind what came.
        let behind = tauri::async_runtime::spawn_blocking(move || store.tend()).await;
        if let Ok(Err(cause)) = behind {
            tracing::warn!(%cause, "the index could not be tended");
        }
        Some(Ended { outcome, bytes })
    }

    fn remember(&self, outcome: &Result<SyncReport, SyncError>) {
        match outcome {
            Ok(r) => {
                let refused = r.refused.iter().map(|r| r.segments).sum::<u64>() + r.files.refused;
                let aside = (refused > 0).then_some(SyncTrouble::SomeSetAside);
                let mut why: Vec<RefusedWhy> = r.refused.iter().map(refused_why).collect();
                why.sort_unstable();
                why.dedup();
                let (sent, received) = (count(r.sent_changes), count(r.received_changes));
                self.remember_row(AttemptRow { at_ms: 0, trouble: aside, sent, received, refused: count(refused), why });
            }
            Err(e) => {
                let trouble = Some(trouble(e.code()));
                self.remember_row(AttemptRow { at_ms: 0, trouble, sent: 0, received: 0, refused: 0, why: Vec::new() });
            }
        }
    }

    fn remember_row(&self, row: AttemptRow) {
        let at_ms = self.device.as_ref().map_or(0, |d| i64::try_from(d.now_ms()).unwrap_or(0));
        let row = AttemptRow { at_ms, ..row };
        let mut attempts = ATTEMPTS.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.push_front(row);
        attempts.truncate(ATTEMPTS_MAX);
    }

    pub(super) fn tell_strip(&self) {
        if let Ok(strip) = self.strip() {
            self.tell(WatchEvent::Strip(strip));
        }
    }

    /// Syncs by itself, soon after a save and when the link returns. Runs as long as the app.
    pub async fn sync_by_itself(&self, mut clock: AutoSync) {
        loop {
            clock.due().await;
            // Looked at often: the officer may want an exchange before that is over.
            while let Some(left) = self.turn.held_for() {
                tokio::time::sleep(left.min(HELD_LOOK)).await;
            }
            // Keys whose time without a contact is over go, whoever is unlocked.
            if let Ok(device) = self.device()
                && let Err(cause) = device.sweep()
            {
                tracing::warn!(%cause, "leases could not be looked at");
            }
            let Some(Ended { outcome, bytes }) = self.exchange().await else { continue };
            let retry_after = match &outcome {
                Err(SyncError::Link(LinkError::Busy { retry_after_seconds })) => retry_after_seconds.map(Duration::from_secs),
                Ok(_) | Err(_) => None,
            };
            clock.went(Went::of(&outcome, bytes), retry_after).await;
        }
    }
}
