//! How a sync that runs is stopped from outside. Never undoes anything: what was receipted stays receipted, all else waits.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

/// Stops a sync; clones stop the same one. Hand a new one to each sync.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<watch::Sender<bool>>);

impl Default for Cancel {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Cancel {
    /// Tells the sync to stop. It lets go of the link at once, writes down what it has heard, and ends with `SyncError::Cancelled`.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was told to.
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Gives what `work` gives; `None` if it was told to stop before that was there.
    pub(super) async fn unless<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut told = self.0.subscribe();
        tokio::select! {
            biased;
            _ = told.wait_for(|told| *told) => None,
            done = work => Some(done),
        }
    }
}
