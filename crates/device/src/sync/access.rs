//! What a device does when headquarters takes a compartment from an officer, or hands its key back. Never before unsent work is taken.

use std::sync::Arc;

use daftar_wire::message::{Reopened, Revocation};

use super::SyncError;
use crate::vault::Store;

/// An officer may use a compartment no more.
pub(super) async fn revoked(_: &Arc<Store>, revocation: Revocation) -> Result<(), SyncError> {
    tracing::warn!(compartment = %revocation.compartment, "a compartment was revoked");
    Ok(())
}

/// A compartment's key came back.
pub(super) async fn reopened(_: &Arc<Store>, reopened: Reopened) -> Result<(), SyncError> {
    tracing::info!(compartment = %reopened.compartment, "a compartment's key came back");
    Ok(())
}
