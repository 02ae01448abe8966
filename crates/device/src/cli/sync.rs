//! `sync`: one exchange with headquarters. Never decides what is sent.

use std::sync::Arc;

use daftar_device::Store;
use daftar_device::sync::{self, HttpTransport, SyncError};
use serde_json::json;
use tokio::runtime::Runtime;

use super::fault::Fault;
use super::out::Out;

/// What carries the exchange.
pub fn runtime() -> Result<Runtime, Fault> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(Fault::ours)
}

/// Runs it.
pub fn run(store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
    let report = runtime()?.block_on(async {
        let transport = HttpTransport::new(store.device()).map_err(SyncError::from)?;
        sync::run(store, &transport, &|_| {}).await
    })?;
    store.check_unchecked()?;
    out.say(
        || json!(report),
        || {
            let mut lines = vec![
                format!("Sent {} changes, received {} in {:.1} s.", report.sent_changes, report.received_changes, report.seconds),
                format!("{} bytes up, {} bytes down, {} requests.", report.bytes_up, report.bytes_down, report.requests),
                match report.waiting {
                    0 => "Headquarters has everything.".to_owned(),
                    n => format!("{n} changes are kept here and still wait."),
                },
            ];
            lines.extend(super::files::synced(&report.files));
            lines
        },
    );
    Ok(0)
}
