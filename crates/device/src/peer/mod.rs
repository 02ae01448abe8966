//! Device to device on a local network, with no server between: a small listener while the officer has switched it on, a call to one, and the
//! search for who listens nearby. Mutual TLS with the certificates of headquarters; what is given and taken is `share`'s.
//! Never answers while nobody is unlocked, and never decides who may have what.

mod call;
mod discover;
pub(crate) mod exchange;
mod limits;
mod listen;
#[cfg(any(test, feature = "simulation"))]
mod memory;
mod speak;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

use daftar_core::ids::DeviceId;
use serde::Serialize;
use tokio::sync::watch;

use crate::share::Stranger;

pub use call::{exchange_with, meet, near};
pub use discover::{Announced, announce, look};
pub use listen::{Listener, Met};
#[cfg(any(test, feature = "simulation"))]
pub use memory::{Cut, Exchanged, exchange_in_memory};

/// Another device that answered nearby.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearby {
    /// Where it listens.
    pub address: SocketAddr,
    /// Which it is, by its certificate.
    pub device: DeviceId,
    /// What people call it, by the reference here.
    pub name: String,
}

/// What an exchange with another device did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeerReport {
    /// What people call the other device.
    pub name: String,
    /// Compartments that both may read.
    pub shared: u64,
    /// Changes given.
    pub sent_changes: u64,
    /// Changes that are new here.
    pub received_changes: u64,
    /// Changes of this device that headquarters' receipts, handed on, took off the queue.
    pub receipted: u64,
    /// Photos and other files given.
    pub sent_files: u64,
    /// Photos and other files that came whole.
    pub received_files: u64,
    /// Photos and other files for which headquarters' word, handed on, was news here.
    pub receipted_files: u64,
    /// Segments, receipts and words about files that were not taken; the log says why.
    pub refused: u64,
    /// How long it took.
    pub seconds: f64,
}

/// How far an exchange with another device is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PeerProgress {
    /// Changes given by now.
    pub sent: u64,
    /// Changes new here by now.
    pub received: u64,
}

/// Who is told how far it is.
pub type Told<'a> = &'a (dyn Fn(PeerProgress) + Send + Sync);

/// Ends what runs, from anywhere: the officer changed his mind. What was taken by then is kept.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    /// Ends it now.
    pub fn now(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is to end.
    pub(crate) async fn told(&self) {
        let _ = self.0.subscribe().wait_for(|told| *told).await;
    }
}

/// Why there was no exchange with another device, or not all of one. Whatever it is, what was saved and taken before is kept.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// Nobody listens nearby.
    #[error("no other device answers nearby: switch it on there (`daftar peers --listen`), on the same network, or name its address")]
    Nobody,
    /// No connection.
    #[error("there is no link to the device at {0} ({1}); everything is kept")]
    NoLink(SocketAddr, String),
    /// Not a device of headquarters'.
    #[error("what answers at {0} cannot show a certificate of our headquarters ({1}); nothing was said to it")]
    NotOurs(SocketAddr, String),
    /// It is headquarters' device, and not one to talk to.
    #[error("nothing was said to the device at {0}: {1}")]
    Stranger(SocketAddr, Stranger),
    /// It does not talk to this one.
    #[error("the device at {0} does not talk to this one: it has not heard of it yet, or headquarters struck this device off")]
    Refused(SocketAddr),
    /// It is in another exchange.
    #[error("the device at {0} is busy with another exchange; try again soon")]
    Busy(SocketAddr),
    /// It answers something else.
    #[error("what answers at {0} speaks another protocol (status {1}); everything is kept")]
    Status(SocketAddr, u16),
    /// The link broke.
    #[error("the link broke before the other device had finished; what came is kept, and the next exchange goes on from there")]
    Cut,
    /// What it says cannot be read.
    #[error("what the other device says cannot be read: {0}")]
    Protocol(#[from] daftar_wire::WireError),
    /// The officer ended it.
    #[error("stopped; what came is kept")]
    Stopped,
    /// There is no listening there.
    #[error("{0} cannot be listened on: {1}")]
    Listen(SocketAddr, String),
    /// The network does not let itself be searched.
    #[error("devices nearby cannot be searched for on this network ({0}); name an address instead")]
    Search(String),
    /// This device's own store.
    #[error(transparent)]
    Store(#[from] crate::Error),
}

impl PeerError {
    /// A code for programs and the window.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Nobody => "peer_nobody",
            Self::NoLink(..) => "no_link",
            Self::NotOurs(..) => "peer_not_ours",
            Self::Stranger(_, why) => why.code(),
            Self::Refused(_) => "peer_refused",
            Self::Busy(_) => "busy",
            Self::Status(..) => "status",
            Self::Cut => "cut",
            Self::Protocol(_) => "protocol",
            Self::Stopped => "stopped",
            Self::Listen(..) => "peer_listen",
            Self::Search(_) => "peer_search",
            Self::Store(e) => e.code(),
        }
    }
}
