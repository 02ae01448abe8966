//! Preparing and committing go on beside each other, but in a simulation: there they take turns, so that nothing of what is said and written is
//! left to a race.

use tokio::sync::mpsc::Receiver;
#[cfg(feature = "simulation")]
use tokio::sync::watch;

use super::prepare::Ready;
#[cfg(feature = "simulation")]
use crate::simulation::has_begun;

/// Segments that are committed together when so many are ready.
const BATCH_MAX: usize = 8;

/// Whose turn it is.
#[derive(Default)]
pub(super) struct Turns {
    /// What is prepared and not committed.
    #[cfg(feature = "simulation")]
    ready: watch::Sender<usize>,
}

impl Turns {
    /// Waits until there is something to prepare for.
    pub(super) async fn prepare(&self) {
        #[cfg(feature = "simulation")]
        if has_begun() {
            let _ = self.ready.subscribe().wait_for(|ready| *ready < BATCH_MAX).await;
        }
    }

    /// One more is prepared.
    pub(super) fn prepared(&self) {
        #[cfg(feature = "simulation")]
        self.ready.send_modify(|ready| *ready += 1);
    }

    /// What is ready, a few at most; none: all has come.
    pub(super) async fn batch(&self, commits: &mut Receiver<Ready>) -> Vec<Ready> {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        #[cfg(feature = "simulation")]
        if has_begun() {
            while batch.len() < BATCH_MAX
                && let Some(ready) = commits.recv().await
            {
                batch.push(ready);
            }
            return batch;
        }
        commits.recv_many(&mut batch, BATCH_MAX).await;
        batch
    }

    /// So many are committed, and all is said of them.
    pub(super) fn committed(&self, batch: usize) {
        #[cfg(feature = "simulation")]
        self.ready.send_modify(|ready| *ready = ready.saturating_sub(batch));
        #[cfg(not(feature = "simulation"))]
        let _ = batch;
    }
}
