//! Sync: what waits goes to headquarters, what is new comes back. Never decides what merges or who may read:
//! that is core's; never counts anything as sent but by a signed receipt.

mod access;
mod apply;
mod auto;
mod cancel;
mod count;
mod files;
mod http;
mod identity;
mod listen;
mod outbox;
mod pace;
mod run;
mod send;
mod session;
pub(crate) mod tls;
mod transport;

pub use auto::{AutoSync, Nudge, Went};
pub use cancel::Cancel;
pub use files::FilesReport;
pub use http::{HttpTransport, enrol};
pub use outbox::{run_locked, run_locked_until};
pub use pace::{LinkMemory, Pace};
pub use run::{run, run_until};
pub use session::{Session, Step};
pub use tls::warm_up;
pub use transport::{LinkError, Transport};

pub(crate) use identity::Settled;
pub(crate) use listen::{Told, listen};
pub(crate) use run::blocking;
pub(crate) use send::{Base, Question, send};

use daftar_core::compartment::Compartment;
use serde::{Serialize, Serializer};

/// By which road headquarters' words come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Road {
    /// They are said now.
    Link,
    /// A courier brought them. Old ones say nothing of who may read what or of who this device is: receipts and entries of feeds alone count.
    Pack {
        /// They are newer than all that was heard.
        is_news: bool,
    },
}

impl Road {
    /// Whether nothing newer may have been said since.
    pub(crate) fn is_news(self) -> bool {
        match self {
            Self::Link => true,
            Self::Pack { is_news } => is_news,
        }
    }
}

/// What one sync did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SyncReport {
    /// Changes put on the wire.
    pub sent_changes: u64,
    /// Changes of others that are new here.
    pub received_changes: u64,
    /// Bytes of HTTP above TLS, headers included.
    pub bytes_up: u64,
    /// The same, down.
    pub bytes_down: u64,
    /// Requests made.
    pub requests: u64,
    /// How long it took, from the opened keyring on.
    pub seconds: f64,
    /// Changes that still wait for a receipt.
    pub waiting: u64,
    /// Segments that the server did not take; they wait.
    pub refused: Vec<Refused>,
    /// What it did with files, after the records.
    pub files: FilesReport,
    /// Compartments of which headquarters holds another log still, after heads were compared.
    pub differ: u64,
}

/// Segments that the server did not take, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Of which compartment they are.
    #[serde(serialize_with = "as_text")]
    pub compartment: Compartment,
    /// The protocol's code for why.
    pub reason: String,
    /// How many.
    pub segments: u64,
}

fn as_text<S: Serializer>(compartment: &Compartment, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(compartment.as_str())
}

impl Refused {
    /// Adds to those of the same compartment and reason.
    pub(crate) fn add(self, all: &mut Vec<Self>) {
        match all.iter_mut().find(|known| known.compartment == self.compartment && known.reason == self.reason) {
            Some(known) => known.segments += self.segments,
            None => all.push(self),
        }
    }

    /// Why, in words.
    pub fn why(&self) -> &str {
        match self.reason.as_str() {
            "malformed" => "it cannot read them",
            "newer" => "they are of a later version than it has",
            "too_large" => "they are too large",
            "bad_signature" => "this device's signature does not fit them",
            "unknown_device" => "it does not know the device that wrote them",
            "no_compartment" => "it does not know that compartment",
            "storage_full" => "its storage is full",
            "unavailable" => "it could not keep them just now",
            code => code,
        }
    }
}

/// How far a sync is, for a bar on the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Changes that waited when it began.
    pub to_send: u64,
    /// Of those, receipted by now.
    pub receipted: u64,
    /// Changes of others received by now.
    pub received: u64,
    /// Bytes of HTTP above TLS that went up by now, headers included.
    pub bytes_up: u64,
    /// The same, down.
    pub bytes_down: u64,
}

/// Why a sync did not finish. All that was receipted stays receipted, all else waits.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The link, or who answered on it.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// This device's own store.
    #[error(transparent)]
    Store(#[from] crate::Error),
    /// The other end said something that is not the protocol.
    #[error("the server's answer cannot be read: {0}")]
    Protocol(#[from] daftar_wire::WireError),
    /// The answer stopped before its end.
    #[error("the link broke before the server had finished; everything is kept and waits")]
    Cut,
    /// Somebody stopped it.
    #[error("the sync was stopped; {}", kept(*waiting))]
    Cancelled {
        /// Changes that still wait for a receipt.
        waiting: u64,
    },
    /// Another sync of this device runs.
    #[error("a sync runs already; there is one at a time")]
    Running,
}

fn kept(waiting: u64) -> String {
    match waiting {
        0 => "headquarters has every record of this device".to_owned(),
        1 => "what headquarters has acknowledged stays acknowledged, 1 change is kept here and waits".to_owned(),
        n => format!("what headquarters has acknowledged stays acknowledged, {n} changes are kept here and wait"),
    }
}

impl SyncError {
    /// The code that the sync strip and `--json` show.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Link(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::Protocol(_) => "protocol",
            Self::Cut => "cut",
            Self::Cancelled { .. } => "cancelled",
            Self::Running => "running",
        }
    }
}
