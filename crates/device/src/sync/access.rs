//! What a device says and does of access in an exchange: purges and admissions are said until one has finished, keys are asked back,
//! the sealed outbox goes along. Never destroys anything before unsent work is taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use daftar_wire::message::{Ask, Reopened, Revocation};
use tokio::sync::mpsc::Sender;

use super::SyncError;
use super::pace::Pace;
use super::run::blocking;
use crate::Error;
use crate::device::Shared;
use crate::keyring::Boxed;
use crate::vault::Store;

/// An officer may use a compartment no more. What he has open closes now; what is on the disk goes when the exchange has finished.
pub(super) async fn revoked(store: &Arc<Store>, revocation: Revocation) -> Result<(), SyncError> {
    tracing::warn!("headquarters took a compartment from an officer of this device");
    blocking(store, move |s| s.revoked(&revocation)).await
}

/// A compartment's key came back.
pub(super) async fn reopened(store: &Arc<Store>, reopened: Reopened) -> Result<(), SyncError> {
    let told = blocking(store, move |s| match s.reopened(&reopened) {
        // A key that is none is as if it had not come.
        Err(e @ (Error::Wire(_) | Error::Damaged { .. })) => {
            tracing::error!(error = %e, "a key that came back is of no use");
            Ok(())
        }
        other => other,
    });
    told.await
}

/// Sends the outbox, without the files named, as fast as receipts come; counts its changes. False: nobody listens any more.
pub(super) fn send_boxed(
    shared: &Shared,
    open: &[String],
    asks: &Sender<Vec<u8>>,
    sent: &AtomicU64,
    pace: Option<&Pace>,
) -> Result<bool, Error> {
    let mut after = 0;
    while let Some(boxed) = shared.keyring.next_boxed(after, open)? {
        after = boxed.id;
        if !send_one(boxed, asks, sent, pace) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Sends one segment of the outbox; counts its changes. False: nobody listens any more.
pub(super) fn send_one(boxed: Boxed, asks: &Sender<Vec<u8>>, sent: &AtomicU64, pace: Option<&Pace>) -> bool {
    if let Some(pace) = pace {
        let bytes = boxed.bytes.len() as u64;
        pace.wait_for_room(bytes, || asks.is_closed());
        // Noted first: its receipt may be there before this goes on.
        pace.sent(boxed.incarnation, boxed.last, boxed.changes, bytes);
    }
    let is_heard = asks.blocking_send(Ask::Sealed(boxed.bytes).write()).is_ok();
    sent.fetch_add(if is_heard { boxed.changes } else { 0 }, Ordering::Relaxed);
    is_heard
}
