//! The device's clock: the only place here that reads the time. Never decides what a time means.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Milliseconds of UTC since 1970.
    fn now_ms(&self) -> u64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    fn now_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The clock of the command `daftar`: the machine's, which a test of real processes sets by `DAFTAR_TEST_CLOCK_MS` (milliseconds of UTC, at
/// which it stands). No build that is given to anybody looks at it: whoever could set it could also set the machine's clock, but not hide that.
pub(crate) fn of_process() -> Box<dyn Clock> {
    #[cfg(debug_assertions)]
    if let Some(now_ms) = std::env::var("DAFTAR_TEST_CLOCK_MS").ok().and_then(|ms| ms.parse().ok()) {
        return Box::new(FixedClock::at(now_ms));
    }
    Box::new(SystemClock)
}

/// A clock that stands until it is set, for tests and simulations.
#[derive(Debug, Default)]
pub struct FixedClock(AtomicU64);

impl FixedClock {
    /// A clock that stands at `now_ms`.
    pub fn at(now_ms: u64) -> Self {
        Self(AtomicU64::new(now_ms))
    }

    /// Sets it.
    pub fn set(&self, now_ms: u64) {
        self.0.store(now_ms, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now_ms(&self) -> u64 {
        self.as_ref().now_ms()
    }
}
