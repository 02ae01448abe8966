//! How often and how slowly somebody may ask. Never looks at what is asked.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use daftar_core::ids::DeviceId;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// A TLS handshake is over, and a request's first byte and header are there, in so long.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// A request's body comes at least so fast, over each `PATIENCE` of waiting.
const BODY_BYTES_PER_SECOND_MIN: u64 = 100;
/// Nothing of an answer was taken for so long: nobody is there.
pub(super) const WRITE_STALL: Duration = Duration::from_secs(60);
/// Connections at each listener.
pub(super) const CONNECTIONS_MAX: usize = 4096;
/// Exchanges that run at once.
const EXCHANGES_MAX: usize = 128;
/// What is told to whom comes too early or finds the house full.
pub(super) const RETRY_SECONDS_BUSY: u64 = 5;
/// Buckets that are remembered before the full ones are forgotten.
const BUCKETS_MAX: usize = 16 * 1024;
/// What a failed enrolment costs: a code is not to be guessed, though it could not be.
pub(super) const ENROL_FAILED_COST: f64 = 20.0;

/// Every limit of the listeners.
pub(super) struct Limits {
    pub(super) devices: Buckets<DeviceId>,
    pub(super) addresses: Buckets<IpAddr>,
    pub(super) enrolments: Buckets<IpAddr>,
    pub(super) exchanges: Semaphore,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            devices: Buckets::new(300.0, 30.0),
            addresses: Buckets::new(2000.0, 200.0),
            enrolments: Buckets::new(400.0, 10.0),
            exchanges: Semaphore::new(EXCHANGES_MAX),
        }
    }
}

/// A bucket of tokens for each key; it fills with time.
pub(super) struct Buckets<K> {
    full: f64,
    per_second: f64,
    buckets: Mutex<HashMap<K, (f64, Instant)>>,
}

impl<K: Hash + Eq> Buckets<K> {
    fn new(full: f64, per_second: f64) -> Self {
        Self { full, per_second, buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes tokens, or says in how many seconds they are there. What is taken after the fact may leave a debt.
    pub(super) fn take(&self, key: K, cost: f64) -> Result<(), u64> {
        self.take_at(key, cost, Instant::now())
    }

    fn take_at(&self, key: K, cost: f64, now: Instant) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |(tokens, at): (f64, Instant)| (tokens + now.duration_since(at).as_secs_f64() * self.per_second).min(self.full);
        if buckets.len() >= BUCKETS_MAX {
            buckets.retain(|_, b| filled(*b) < self.full);
        }
        let bucket = buckets.entry(key).or_insert((self.full, now));
        let tokens = filled(*bucket);
        if tokens < 1.0 {
            *bucket = (tokens, now);
            return Err(((1.0 - tokens) / self.per_second).ceil() as u64);
        }
        *bucket = (tokens - cost, now);
        Ok(())
    }
}

/// Watches that a body does not come too slowly. Only waiting for the other end counts.
pub(super) struct Pace {
    waited: Duration,
    bytes: u64,
}

/// The body came too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body came too slowly")]
pub(super) struct TooSlow;

impl Pace {
    pub(super) fn new() -> Self {
        Self { waited: Duration::ZERO, bytes: 0 }
    }

    /// Waits for the next piece.
    pub(super) async fn wait<T>(&mut self, piece: impl Future<Output = T>) -> Result<T, TooSlow> {
        let began = Instant::now();
        let got = tokio::time::timeout(PATIENCE, piece).await.map_err(|_| TooSlow)?;
        self.waited += began.elapsed();
        Ok(got)
    }

    /// Counts what came.
    pub(super) fn came(&mut self, bytes: usize) -> Result<(), TooSlow> {
        self.bytes += bytes as u64;
        if self.waited < PATIENCE {
            return Ok(());
        }
        let enough = self.bytes >= BODY_BYTES_PER_SECOND_MIN * self.waited.as_secs();
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        if enough { Ok(()) } else { Err(TooSlow) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_bucket_says_when_to_come_back_and_fills_with_time() {
        let (buckets, now) = (Buckets::new(2.0, 0.5), Instant::now());
        let take = |key, seconds| buckets.take_at(key, 1.0, now + Duration::from_secs(seconds));
        assert_eq!((take(1, 0), take(1, 0), take(1, 0)), (Ok(()), Ok(()), Err(2)));
        assert_eq!(take(2, 0), Ok(()), "another key has its own bucket");
        assert_eq!(take(1, 2), Ok(()));
    }

    #[test]
    fn a_body_of_less_than_a_hundred_bytes_a_second_is_too_slow() {
        let mut pace = Pace { waited: Duration::from_secs(9), bytes: 0 };
        assert!(pace.came(50).is_ok(), "nobody is judged before ten seconds of waiting");
        pace.waited = Duration::from_secs(11);
        assert!(pace.came(1100).is_ok());
        pace.waited = Duration::from_secs(11);
        assert!(pace.came(1000).is_err(), "what came before counts no more");
    }
}
