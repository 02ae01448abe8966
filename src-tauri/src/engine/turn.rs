//! Whether an exchange runs, and how long the officer's *stop* holds. Never exchanges anything.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use daftar_device::sync::Cancel;

/// Nothing is exchanged by itself for so long after the officer stopped an exchange: it would begin again under his finger.
const STOP_HOLDS: Duration = Duration::from_secs(60);

/// Exchanges take turns: one runs at a time.
#[derive(Default)]
pub(super) struct Turn(Mutex<Now>);

#[derive(Default)]
struct Now {
    /// Stops the one that runs.
    running: Option<Cancel>,
    stopped: Option<Instant>,
}

/// An exchange has its turn until this is dropped.
pub(super) struct Running<'a> {
    turn: &'a Turn,
    pub(super) cancel: Cancel,
}

impl Turn {
    /// Gives the turn, unless an exchange has it.
    pub(super) fn begin(&self) -> Option<Running<'_>> {
        let mut now = self.now();
        if now.running.is_some() {
            return None;
        }
        let cancel = Cancel::default();
        now.running = Some(cancel.clone());
        Some(Running { turn: self, cancel })
    }

    pub(super) fn is_running(&self) -> bool {
        self.now().running.is_some()
    }

    /// The officer stops the exchange that runs, if one does, and wants none for a while.
    pub(super) fn stop(&self) {
        let mut now = self.now();
        now.stopped = Some(Instant::now());
        if let Some(cancel) = &now.running {
            cancel.cancel();
        }
    }

    /// Stops the exchange that runs, if one does. The next may begin at once.
    pub(super) fn break_off(&self) {
        if let Some(cancel) = &self.now().running {
            cancel.cancel();
        }
    }

    /// The officer wants one after all.
    pub(super) fn go_on(&self) {
        self.now().stopped = None;
    }

    /// How long his *stop* still holds; `None`: exchanges may begin by themselves.
    pub(super) fn held_for(&self) -> Option<Duration> {
        let left = STOP_HOLDS.saturating_sub(self.now().stopped?.elapsed());
        (!left.is_zero()).then_some(left)
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.turn.now().running = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_exchange_has_the_turn_and_a_stop_reaches_just_that_one() {
        let turn = Turn::default();
        let first = turn.begin().expect("nothing runs");
        assert!(turn.is_running() && turn.begin().is_none(), "a second has to wait");
        turn.stop();
        assert!(first.cancel.is_cancelled());
        drop(first);
        let next = turn.begin().expect("the first is over");
        assert!(!next.cancel.is_cancelled(), "what is begun later was not stopped");
    }

    #[test]
    fn an_exchange_that_is_broken_off_keeps_no_other_from_beginning() {
        let turn = Turn::default();
        turn.break_off();
        let running = turn.begin().expect("nothing runs");
        assert!(!running.cancel.is_cancelled());
        turn.break_off();
        assert!(running.cancel.is_cancelled());
        assert_eq!(turn.held_for(), None);
    }

    #[test]
    fn a_stop_holds_for_a_while_or_until_the_officer_wants_one() {
        let turn = Turn::default();
        assert_eq!(turn.held_for(), None);
        turn.stop();
        let held = turn.held_for().expect("just stopped");
        assert!(held <= STOP_HOLDS && held > STOP_HOLDS / 2, "{held:?}");
        turn.go_on();
        assert_eq!(turn.held_for(), None);
    }
}
