//! What carries an exchange: HTTP, or a simulated end in tests. Carries bytes and knows nothing of them.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, Sender};

use super::pace::Pace;

/// Why a link gave no answer. None of these is ever a reason to delete or to forget anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// No connection, or it broke.
    #[error("there is no link to headquarters ({0}); everything is kept and waits")]
    NoLink(String),
    /// Somebody answers who is not headquarters.
    #[error("the server at this address is not headquarters' server ({0}); nothing was sent")]
    NotHq(String),
    /// The network wants a sign-in first.
    #[error("the network asks for a sign-in before it lets anything through; everything is kept and waits")]
    Portal,
    /// Headquarters does not know this device or this code.
    #[error("headquarters refuses this device or code (status {0}); everything is kept")]
    Refused(u16),
    /// Later.
    #[error("headquarters is busy{}; everything is kept and waits", asks_for(*retry_after_seconds))]
    Busy {
        /// Seconds that it asks to wait.
        retry_after_seconds: Option<u64>,
    },
    /// Any other status.
    #[error("headquarters' server answers with status {0}; everything is kept and waits")]
    Status(u16),
}

fn asks_for(retry_after_seconds: Option<u64>) -> String {
    match retry_after_seconds {
        Some(1) => " and asks to be called again in 1 second".to_owned(),
        Some(n) => format!(" and asks to be called again in {n} seconds"),
        None => String::new(),
    }
}

impl LinkError {
    /// The code that the sync strip and `--json` show.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoLink(_) => "no_link",
            Self::NotHq(_) => "not_hq",
            Self::Portal => "portal",
            Self::Refused(_) => "refused",
            Self::Busy { .. } => "busy",
            Self::Status(_) => "status",
        }
    }
}

/// Carries one question and its answer, both as bytes in pieces, both at the same time.
pub trait Transport: Send + Sync {
    /// Sends what `asks` gives until it ends, and gives what comes to `answers`. Returns when the answer has ended.
    fn exchange(&self, asks: Receiver<Vec<u8>>, answers: Sender<Vec<u8>>) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// The same for files, which have a road of their own so that no record waits behind them. A transport that has none says so.
    fn exchange_files(&self, asks: Receiver<Vec<u8>>, answers: Sender<Vec<u8>>) -> impl Future<Output = Result<(), LinkError>> + Send {
        drop((asks, answers));
        std::future::ready(Err(LinkError::Status(404)))
    }

    /// The pace that it keeps and tells of its connection. Without one, runs are as large as they may be.
    fn pace(&self) -> Option<&Arc<Pace>> {
        None
    }

    /// Bytes that are wanted in one answer, where the transport has no pace that says so. None: all of it.
    fn budget(&self) -> Option<u64> {
        None
    }

    /// Bytes up and down so far, where the transport can tell.
    fn counted(&self) -> (u64, u64);
}
