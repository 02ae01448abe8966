//! The device's clock: the only place here that reads the time. Never decides what a time means.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// When this process first asked.
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Milliseconds of UTC since 1970.
    fn now_ms(&self) -> u64;

    /// Milliseconds since some moment of this process; nobody sets it back.
    fn uptime_ms(&self) -> u64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the clock")]
    fn now_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
    }

    fn uptime_ms(&self) -> u64 {
        u64::try_from(BEGUN.elapsed().as_millis()).unwrap_or(u64::MAX)
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
pub struct FixedClock {
    now_ms: AtomicU64,
    uptime_ms: AtomicU64,
}

impl FixedClock {
    /// A clock that stands at `now_ms`.
    pub fn at(now_ms: u64) -> Self {
        Self { now_ms: AtomicU64::new(now_ms), uptime_ms: AtomicU64::new(0) }
    }

    /// Sets it; the uptime stays as it is.
    pub fn set(&self, now_ms: u64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
    }

    /// Lets time pass for who counts by uptime; the clock stays as it is.
    pub fn run(&self, ms: u64) {
        self.uptime_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn uptime_ms(&self) -> u64 {
        self.uptime_ms.load(Ordering::SeqCst)
    }
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now_ms(&self) -> u64 {
        self.as_ref().now_ms()
    }

    fn uptime_ms(&self) -> u64 {
        self.as_ref().uptime_ms()
    }
}
