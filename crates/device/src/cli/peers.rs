//! `peers`: who is near, answering them, exchanging with them. Never decides what is given.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use daftar_device::Store;
use daftar_device::peer::{self, Listener, Met, Nearby, PeerError, PeerProgress, PeerReport, Stop};
use serde_json::{Value, json};

use super::fault::Fault;
use super::out::Out;
use super::sync::runtime;

/// Where `--listen` listens if nothing is said: every address of this machine, at a free port.
const EVERYWHERE: &str = "0.0.0.0:0";
/// A search takes at most so many seconds.
const SECONDS_MAX: u64 = 120;

/// The arguments.
#[derive(Args)]
pub struct Peers {
    /// Answer other devices until Ctrl-C, at this IP:PORT; without one at a free port of every address.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = EVERYWHERE, conflicts_with_all = ["sync", "address"])]
    listen: Option<SocketAddr>,
    /// End after the first exchange.
    #[arg(long, requires = "listen")]
    once: bool,
    /// Do not say on the network that this device listens: who calls has been told the address.
    #[arg(long, requires = "listen")]
    unannounced: bool,
    /// Exchange with the device at this IP:PORT; without one with every device that answers nearby.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1)]
    sync: Option<Option<SocketAddr>>,
    /// Ask only the device at this IP:PORT who it is.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "sync")]
    address: Option<SocketAddr>,
    /// Look for devices for so many seconds.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    seconds: u64,
}

impl Peers {
    /// Runs it.
    pub fn run(&self, store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
        let runtime = runtime()?;
        runtime.block_on(async {
            let stop = Stop::default();
            let by_hand = stop.clone();
            tokio::spawn(async move {
                if tokio::signal::ctrl_c().await.is_ok() {
                    by_hand.now();
                }
            });
            match (self.listen, self.sync) {
                (Some(address), _) => self.listen(store, address, &stop, out).await,
                (None, Some(Some(address))) => exchange(store, &[address], &stop, out).await,
                (None, Some(None)) => {
                    let near = self.near(store, out).await?;
                    exchange(store, &near.iter().map(|n| n.address).collect::<Vec<_>>(), &stop, out).await
                }
                (None, None) => {
                    let near = self.near(store, out).await?;
                    out.say(|| near.iter().map(nearby).collect::<Vec<_>>().into(), || near.iter().map(line).collect());
                    Ok(0)
                }
            }
        })
    }

    /// Who answers nearby, each once. Strangers are passed over, unless one was asked for.
    async fn near(&self, store: &Arc<Store>, out: &Out) -> Result<Vec<Nearby>, Fault> {
        if let Some(address) = self.address {
            return Ok(vec![peer::meet(store, address).await?]);
        }
        note(out, &format!("Looking for {} s…", self.seconds));
        Ok(peer::near(store, Duration::from_secs(self.seconds), &|e| note(out, &e.to_string())).await?)
    }

    async fn listen(&self, store: &Arc<Store>, address: SocketAddr, stop: &Stop, out: &Out) -> Result<u8, Fault> {
        let listener = Listener::bind(store, address).await?;
        let at = listener.address();
        let announced = if self.unannounced { None } else { Some(peer::announce(at)) };
        let announced = match announced {
            // Who is told the address reaches this device all the same.
            Some(Err(e)) => {
                note(out, &e.to_string());
                None
            }
            Some(Ok(announced)) => Some(announced),
            None => None,
        };
        out.say(
            || json!({"listening": at.to_string(), "announced": announced.is_some()}),
            || vec![format!("listening on {at}; Ctrl-C ends it")],
        );
        let met = |event: &Met| match event {
            Met::Progress(p) => progress(out, *p),
            Met::Exchanged(report) => out.say(|| json!(report), || said(report)),
            Met::Failed(e) => out.say(|| json!({"error": {"code": e.code(), "message": e.to_string()}}), || vec![e.to_string()]),
            Met::Refused(from, why) => out.say(
                || json!({"refused": from.ip().to_string(), "why": why.code()}),
                || vec![format!("A device at {} called and was told nothing: {why}.", from.ip())],
            ),
        };
        listener.run(self.once, stop, &met).await?;
        drop(announced);
        Ok(0)
    }
}

/// Exchanges with each; one that fails keeps no other from it. If none went well, the last reason is the command's.
async fn exchange(store: &Arc<Store>, addresses: &[SocketAddr], stop: &Stop, out: &Out) -> Result<u8, Fault> {
    let (mut reports, mut failed) = (Vec::new(), None);
    for address in addresses {
        match peer::exchange_with(store, *address, &|p| progress(out, p), stop).await {
            Ok(report) => reports.push(report),
            Err(PeerError::Store(e)) => return Err(e.into()),
            Err(PeerError::Stopped) => return Err(PeerError::Stopped.into()),
            Err(e) => {
                if addresses.len() > 1 {
                    note(out, &e.to_string());
                }
                failed = Some(e);
            }
        }
    }
    match failed {
        Some(e) if reports.is_empty() => return Err(e.into()),
        Some(_) | None => {}
    }
    let waiting = store.waiting()?;
    out.say(
        || json!({"exchanges": reports, "waiting": waiting}),
        || {
            let mut lines: Vec<String> = reports.iter().flat_map(said).collect();
            lines.push(match waiting {
                0 => "Headquarters has everything that was saved here.".to_owned(),
                n => format!("{n} changes that were saved here wait for headquarters' receipt."),
            });
            lines
        },
    );
    Ok(0)
}

fn name(name: &str) -> String {
    if name.is_empty() { "A device without a name".to_owned() } else { format!("`{name}`") }
}

fn said(r: &PeerReport) -> Vec<String> {
    let mut lines =
        vec![format!("{}: gave {} changes, received {} in {:.1} s.", name(&r.name), r.sent_changes, r.received_changes, r.seconds)];
    if r.sent_files + r.received_files > 0 {
        lines.push(format!("Photos and other files: gave {}, received {}.", r.sent_files, r.received_files));
    }
    if r.receipted_files > 0 {
        lines.push(format!("It brought headquarters' word for {} photos and other files.", r.receipted_files));
    }
    if r.receipted > 0 {
        lines.push(format!("It brought headquarters' receipts for {} of this device's changes.", r.receipted));
    }
    if r.refused > 0 {
        lines.push(format!(
            "{} of the things that it gave were not taken: what signs them is not known here, or they do not fit.",
            r.refused
        ));
    }
    lines
}

fn nearby(n: &Nearby) -> Value {
    json!({"address": n.address.to_string(), "device": n.device.to_string(), "name": n.name})
}

fn line(n: &Nearby) -> String {
    format!("{}  {}  {}", n.address, n.device, n.name)
}

fn progress(out: &Out, p: PeerProgress) {
    if p != PeerProgress::default() {
        note(out, &format!("gave {}, received {}", p.sent, p.received));
    }
}

/// For people who watch; programs are told the end alone.
fn note(out: &Out, text: &str) {
    if !out.json {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}
