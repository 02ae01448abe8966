//! `sync`: one exchange with headquarters. Never decides what is sent.

use std::sync::Arc;

use clap::Args;
use daftar_core::compartment::Compartment;
use daftar_device::sync::{self, Cancel, HttpTransport, Refused, SyncError, SyncReport};
use daftar_device::{Device, Store};
use serde_json::json;
use tokio::runtime::Runtime;

use super::fault::Fault;
use super::out::Out;

/// What carries the exchange.
pub fn runtime() -> Result<Runtime, Fault> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(Fault::ours)
}

/// The arguments.
#[derive(Args)]
pub struct Sync {
    /// Unlock nobody and ask for no PIN: send only what was sealed for headquarters when officers locked.
    #[arg(long)]
    pub locked: bool,
}

/// Sends the sealed outbox.
pub fn run_locked(device: &Device, out: &Out) -> Result<u8, Fault> {
    let info = device.info()?;
    let report = runtime()?.block_on(async {
        let transport = HttpTransport::new(&info).map_err(SyncError::from)?;
        sync::run_locked_until(device, &transport, &|_| {}, &by_keyboard()).await
    })?;
    say(&report, &[], out);
    Ok(0)
}

/// Runs it.
pub fn run(store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
    let report = runtime()?.block_on(async {
        let transport = HttpTransport::new(store.device()).map_err(SyncError::from)?;
        sync::run_until(store, &transport, &|_| {}, &by_keyboard()).await
    })?;
    store.check_unchecked()?;
    say(&report, &store.taken_back()?, out);
    Ok(0)
}

/// Ctrl-C stops a sync; a second one ends the command, as it does elsewhere.
fn by_keyboard() -> Cancel {
    let cancel = Cancel::default();
    let told = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            told.cancel();
            let _ = tokio::signal::ctrl_c().await;
            std::process::exit(i32::from(super::fault::STOPPED));
        }
    });
    cancel
}

fn say(report: &SyncReport, taken: &[Compartment], out: &Out) {
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
            let parts = |n: u64| if n == 1 { "1 part was".to_owned() } else { format!("{n} parts were") };
            let refused = |r: &Refused| {
                format!("{} not taken of {}: headquarters says that {}. It waits here.", parts(r.segments), r.compartment, r.why())
            };
            lines.extend(report.refused.iter().map(refused));
            lines.extend(super::files::synced(&report.files));
            lines.extend(taken.iter().map(|c| format!("{c}: {}.", super::status::TAKEN_BACK)));
            lines
        },
    );
}
