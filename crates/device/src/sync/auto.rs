//! Sync by itself: soon after a save, and again when the link returns. Waits longer each time that nobody answers,
//! by full jitter, so that a valley of tablets does not call all at once; a link that carries something before it breaks is used again
//! soon. Decides only when, never what.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::{FilesReport, SyncError, SyncReport};

/// The first wait after a failure is at most this, and each further one at most twice the one before.
const WAIT_FIRST: Duration = Duration::from_secs(2);
/// No wait is longer: a link that returns is used within a minute.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// With nothing to do, headquarters is asked for news so often.
const NEWS_EVERY: Duration = Duration::from_secs(60);
/// A save is sent so long after it, with whatever else was saved by then.
const AFTER_SAVE: Duration = Duration::from_secs(1);

/// After an exchange that broke off and carried something no wait is longer than after so many failures: 8 seconds.
const FAILURES_CARRYING_MAX: u32 = 3;
/// Less is a handshake and a hello, and is not called carrying.
const CARRIED_BYTES_MIN: u64 = 4096;

/// Wakes the automatic sync.
#[derive(Debug, Clone, Default)]
pub struct Nudge(Arc<Notify>);

impl Nudge {
    /// Something was saved, or the officer asks.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

/// Whoever asks to be called later is believed up to here; the wait itself goes on after it as after any failure.
const LATER_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Beyond the time that was asked for, at most such a part of it and at least so long, by full jitter: all were told the same.
const LATER_SPREAD: f64 = 0.5;
const LATER_SPREAD_MIN: Duration = Duration::from_secs(2);

/// How a sync went, as far as the time of the next depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Went {
    /// To its end, files and all.
    Well,
    /// The link broke, and had carried something before.
    BrokeOff,
    /// Any other way.
    Badly,
}

impl Went {
    /// What became of a sync that had so many bytes of HTTP carried, both ways together.
    pub fn of(outcome: &Result<SyncReport, SyncError>, bytes: u64) -> Self {
        let code = match outcome {
            Ok(SyncReport { files: FilesReport { error: None, .. }, .. }) => return Self::Well,
            Ok(SyncReport { files: FilesReport { error: Some(code), .. }, .. }) => code,
            Err(e) => e.code(),
        };
        if matches!(code, "cut" | "no_link") && bytes >= CARRIED_BYTES_MIN { Self::BrokeOff } else { Self::Badly }
    }
}

/// The automatic sync's clock.
#[derive(Debug, Default)]
pub struct AutoSync {
    nudge: Nudge,
    failures: u32,
}

impl AutoSync {
    /// What wakes this one.
    pub fn nudge(&self) -> Nudge {
        self.nudge.clone()
    }

    /// Waits until the next sync is due.
    pub async fn due(&self) {
        let wait = match self.failures {
            0 => NEWS_EVERY,
            n => jittered(n, random_fraction()),
        };
        let nudged = tokio::time::timeout(wait, self.nudge.0.notified()).await.is_ok();
        if nudged {
            tokio::time::sleep(AFTER_SAVE).await;
        }
    }

    /// Tells how the sync went. `retry_after`: what the server asked for; returns when that is over, never sooner, whatever is saved meanwhile.
    pub async fn went(&mut self, how: Went, retry_after: Option<Duration>) {
        let failures = self.failures.saturating_add(1);
        self.failures = match how {
            Went::Well => 0,
            Went::BrokeOff => failures.min(FAILURES_CARRYING_MAX),
            Went::Badly => failures,
        };
        if let Some(wait) = retry_after {
            tokio::time::sleep(later(wait, random_fraction())).await;
        }
    }
}

/// Full jitter: anything between nothing and the bound, which doubles with each failure.
fn jittered(failures: u32, fraction: f64) -> Duration {
    let bound = WAIT_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(WAIT_MAX);
    bound.mul_f64(fraction)
}

/// How long to keep away from who asked for `wait`.
fn later(wait: Duration, fraction: f64) -> Duration {
    let wait = wait.min(LATER_MAX);
    wait + wait.mul_f64(LATER_SPREAD).max(LATER_SPREAD_MIN).mul_f64(fraction)
}

fn random_fraction() -> f64 {
    let mut b = [0; 4];
    match getrandom::fill(&mut b) {
        Ok(()) => f64::from(u32::from_le_bytes(b)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_never_pass_a_minute() {
        assert_eq!(jittered(1, 1.0), WAIT_FIRST);
        assert_eq!(jittered(3, 1.0), WAIT_FIRST * 4);
        assert_eq!(jittered(40, 1.0), WAIT_MAX);
        assert_eq!(jittered(40, 0.0), Duration::ZERO);
    }

    #[test]
    fn who_asks_to_be_called_later_is_not_called_sooner_and_not_by_all_at_once() {
        let minute = Duration::from_secs(60);
        assert_eq!((later(minute, 0.0), later(minute, 1.0)), (minute, minute * 3 / 2));
        assert_eq!(later(Duration::from_secs(1), 1.0), Duration::from_secs(3), "a short time is spread too");
        assert_eq!(later(Duration::from_secs(3600), 0.0), Duration::from_secs(3600), "an hour is an hour");
        assert_eq!(later(Duration::MAX, 0.0), LATER_MAX, "what is told for ever is tried again");
    }

    #[tokio::test]
    async fn a_link_that_carries_something_each_time_before_it_breaks_is_used_again_within_seconds() {
        let files = |code: &str| {
            Ok(SyncReport { files: FilesReport { error: Some(code.into()), ..FilesReport::default() }, ..SyncReport::default() })
        };
        assert_eq!(Went::of(&Ok(SyncReport::default()), 0), Went::Well);
        assert_eq!(Went::of(&Err(SyncError::Cut), 20_000), Went::BrokeOff);
        assert_eq!(Went::of(&files("no_link"), 20_000), Went::BrokeOff, "records went through, and a photo waits");
        assert_eq!(Went::of(&files("status"), 20_000), Went::Badly);
        assert_eq!(Went::of(&Err(SyncError::Cut), 900), Went::Badly, "a handshake and a hello");
        let mut auto = AutoSync::default();
        let longest = async |auto: &mut AutoSync, how| {
            auto.went(how, None).await;
            jittered(auto.failures, 1.0)
        };
        for _ in 0..20 {
            longest(&mut auto, Went::Badly).await;
        }
        assert_eq!(longest(&mut auto, Went::Badly).await, WAIT_MAX);
        for _ in 0..20 {
            assert_eq!(longest(&mut auto, Went::BrokeOff).await, Duration::from_secs(8));
        }
        assert_eq!(longest(&mut auto, Went::Badly).await, Duration::from_secs(16), "and longer once it carries nothing");
    }

    #[tokio::test]
    async fn a_save_does_not_call_a_busy_headquarters_sooner() {
        let mut auto = AutoSync::default();
        let (nudge, began) = (auto.nudge(), std::time::Instant::now());
        nudge.now();
        auto.went(Went::Badly, Some(Duration::from_secs(1))).await;
        auto.due().await;
        assert!(began.elapsed() >= Duration::from_secs(1), "asked again after {:?}", began.elapsed());
    }
}
