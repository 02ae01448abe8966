//! The pace of a link: how large the next run may be and how much may be under way without a receipt, so that a cut costs what was in flight
//! and one short run. Measures by receipts: the system's own buffers take all that they are given. Never sends.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use daftar_core::ids::Incarnation;
use daftar_wire::limits::SEGMENT_CHANGES_MAX;

/// A run takes the link no longer than this.
const RUN: Duration = Duration::from_secs(2);
/// The first, where the link is known and was not cut; and where it is not known, or was.
const RUN_STEADY: Duration = Duration::from_secs(1);
const RUN_FIRST: Duration = Duration::from_millis(500);
/// A run is at most this part of what was receipted in this sync, so that what a cut costs is small beside what was carried.
const RUN_PART: u64 = 8;
/// A smaller run is mostly signatures, and has little to be compressed with: 12 changes take a third more than 28.
const RUN_BYTES_MIN: u64 = 4 * 1024;
/// On a link that carries more, runs are as large as they may be: 256 changes come to about 22 kB.
const FAST_BYTES_PER_SECOND: u64 = 16 * 1024;
/// A link that carries so much carries what was sealed sooner than the same is cut again: 17 bytes more of a change against 65 µs of work.
const PLENTY_BYTES_PER_SECOND: u64 = 256 * 1024;
/// What a full handshake of TLS moves up and down, about: a link that took long for it carries little or is far.
const HANDSHAKE_BYTES: u64 = 4 * 1024;
/// At least so much goes ahead of its receipts: 64 kbit/s for a second and a half.
const WINDOW_BYTES_MIN: u64 = 12 * 1024;
/// What goes ahead of its receipts, beside what the way there and back takes.
const WINDOW: Duration = Duration::from_secs(1);
/// A receipt that is not there after so long is not waited for: the server did not take the segment, or the link is dead, and others say so.
const PATIENCE: Duration = Duration::from_secs(10);
/// Headquarters is asked what it holds of what was cut, and so long is waited for its word; after that all goes again.
const RECALL: Duration = Duration::from_secs(5);
/// An answer takes a slow link about so long; it has at least so many bytes, so that a link that was measured badly asks not for ever.
const ANSWER: Duration = Duration::from_secs(32);
const ANSWER_BYTES_MIN: u64 = 64 * 1024;
/// How often whoever waits looks whether anybody listens still.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A measure over less is none.
const MEASURE_MIN: Duration = Duration::from_millis(200);
/// What is sealed before its link is known is cut for this many bytes a second, where no slower one is remembered: 64 kbit/s.
const SEALED_BYTES_PER_SECOND: u64 = 8_000;
/// Bytes of a change as it travels, before any was sent, and of a segment beside its changes.
const CHANGE_BYTES: u64 = 140;
const SEGMENT_BYTES: u64 = 650;

/// What a device remembers of its link from one sync to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkMemory {
    /// How much it carried up, if that was ever measured on a slow link.
    pub bytes_per_second: Option<u64>,
    /// The last sync that sent something was cut.
    pub was_cut: bool,
}

/// The pace of one link, shared by who carries, who sends and who hears receipts.
#[derive(Debug, Default)]
pub struct Pace {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    memory: LinkMemory,
    /// How long the connection took.
    connected_in: Option<Duration>,
    flying: Vec<Flight>,
    sent_bytes: u64,
    sent_changes: u64,
    sent_segments: u64,
    receipted_bytes: u64,
    /// When the first receipt was heard, and how much was receipted then.
    measured_from: Option<(Instant, u64)>,
    measured: Option<u64>,
    recall: Recall,
}

/// What was asked of what an earlier sync had sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Recall {
    #[default]
    NotAsked,
    Asked,
    Answered,
}

#[derive(Debug)]
struct Flight {
    /// The stream's: it is random, and no other has it.
    incarnation: Incarnation,
    last: u64,
    bytes: u64,
    since: Instant,
}

impl LinkMemory {
    /// How many changes may be sealed together: what is sealed is not cut smaller when it goes.
    pub(crate) fn sealed_changes(&self) -> u32 {
        let rate = self.bytes_per_second.map_or(SEALED_BYTES_PER_SECOND, |known| known.min(SEALED_BYTES_PER_SECOND));
        changes(carried(rate, RUN).max(RUN_BYTES_MIN), CHANGE_BYTES)
    }
}

impl Pace {
    /// What was remembered of this device's link.
    pub(super) fn remember(&self, memory: LinkMemory) {
        self.held().memory = memory;
    }

    /// What is to be remembered after a sync that was cut, or was not.
    pub(super) fn learned(&self, cut: bool) -> LinkMemory {
        let state = self.held();
        let has_sent = state.sent_segments > 0;
        LinkMemory {
            bytes_per_second: state.measured.or(state.memory.bytes_per_second),
            was_cut: if has_sent || !cut { cut } else { state.memory.was_cut },
        }
    }

    /// The connection is there; the first one of a sync counts.
    pub(crate) fn connected(&self, took: Duration) {
        self.held().connected_in.get_or_insert(took);
        self.moved.notify_all();
    }

    /// How many changes the next segment may have. Waits until there is a connection and while enough is under way; not if `is_over`.
    pub(super) fn next(&self, is_over: impl Fn() -> bool) -> u32 {
        let mut state = self.held();
        loop {
            if let Some(changes) = state.changes(Instant::now()) {
                return changes;
            }
            if is_over() {
                return SEGMENT_CHANGES_MAX;
            }
            state = self.wait(state);
        }
    }

    /// Whether the link carries so much that bytes count less than work. Waits until there is a connection; not if `is_over`.
    pub(super) fn has_plenty(&self, is_over: impl Fn() -> bool) -> bool {
        let state = self.with_connection(is_over);
        state.connected_in.is_some_and(|took| state.rate(took) >= PLENTY_BYTES_PER_SECOND)
    }

    /// Waits until so many bytes, which are not cut any more, may go; not if `is_over`.
    pub(super) fn wait_for_room(&self, bytes: u64, is_over: impl Fn() -> bool) {
        let mut state = self.held();
        while !state.has_room(bytes, Instant::now()) && !is_over() {
            state = self.wait(state);
        }
    }

    /// Whether headquarters is to be asked what it holds: once in a sync, if the last one was cut.
    pub(super) fn asks_recall(&self) -> bool {
        let mut state = self.held();
        let asks = state.memory.was_cut && state.recall == Recall::NotAsked;
        if asks {
            state.recall = Recall::Asked;
        }
        asks
    }

    /// Whether that was asked and not answered yet.
    pub(super) fn awaits_recall(&self) -> bool {
        self.held().recall == Recall::Asked
    }

    /// The answer is written down.
    pub(super) fn recalled(&self) {
        self.held().recall = Recall::Answered;
        self.moved.notify_all();
    }

    /// Waits until it is, for a while; not if `is_over`.
    pub(super) fn wait_for_recall(&self, is_over: impl Fn() -> bool) {
        let mut until = None;
        let mut state = self.held();
        while state.recall == Recall::Asked && !is_over() {
            // The time begins with the connection.
            let now = Instant::now();
            if state.connected_in.is_some() && now >= *until.get_or_insert(now + RECALL) {
                break;
            }
            state = self.wait(state);
        }
        state.recall = Recall::Answered;
    }

    /// Bytes that are wanted in one answer: on a slow link what it carries in half a minute. Where more is lacking, the newest comes first, in
    /// pages that a cut costs little of. Waits until there is a connection; not if `is_over`.
    pub(super) fn budget(&self, is_over: impl Fn() -> bool) -> Option<u64> {
        let state = self.with_connection(is_over);
        let rate = state.rate(state.connected_in?);
        (rate < FAST_BYTES_PER_SECOND).then(|| carried(rate, ANSWER).max(ANSWER_BYTES_MIN))
    }

    /// A segment was handed to the link.
    pub(super) fn sent(&self, incarnation: Incarnation, last: u64, changes: u64, bytes: u64) {
        let mut state = self.held();
        state.flying.push(Flight { incarnation, last, bytes, since: Instant::now() });
        state.sent_segments += 1;
        state.sent_changes += changes;
        state.sent_bytes += bytes;
    }

    /// Headquarters holds a stream up to here.
    pub(super) fn receipted(&self, incarnation: &Incarnation, up_to: u64) {
        self.held().receipted(incarnation, up_to, Instant::now());
        self.moved.notify_all();
    }

    fn with_connection(&self, is_over: impl Fn() -> bool) -> MutexGuard<'_, State> {
        let mut state = self.held();
        while state.connected_in.is_none() && !is_over() {
            state = self.wait(state);
        }
        state
    }

    /// Until something has moved, or it is time to look whether anybody listens.
    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        match self.moved.wait_timeout(state, LOOK_EVERY) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }

    fn held(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How many changes may go now; `None`: not yet.
    fn changes(&mut self, now: Instant) -> Option<u32> {
        let connected_in = self.connected_in?;
        let rate = self.rate(connected_in);
        if rate >= FAST_BYTES_PER_SECOND {
            return Some(SEGMENT_CHANGES_MAX);
        }
        let run = self.run_bytes(rate);
        if !self.has_room(run, now) {
            return None;
        }
        let of_changes = self.sent_bytes.saturating_sub(SEGMENT_BYTES * self.sent_segments);
        Some(changes(run, of_changes.checked_div(self.sent_changes).unwrap_or(CHANGE_BYTES).max(1)))
    }

    /// Whether so many bytes may go, beside what is under way.
    fn has_room(&mut self, bytes: u64, now: Instant) -> bool {
        let Some(connected_in) = self.connected_in else { return false };
        let rate = self.rate(connected_in);
        self.flying.retain(|f| now.duration_since(f.since) < PATIENCE);
        let under_way: u64 = self.flying.iter().map(|f| f.bytes).sum();
        let window = carried(rate, connected_in + WINDOW).max(WINDOW_BYTES_MIN);
        rate >= FAST_BYTES_PER_SECOND || under_way == 0 || under_way + bytes <= window
    }

    /// Bytes a second: as measured in this sync; else what the handshake shows to be fast, or what is remembered, or what the handshake allows.
    fn rate(&self, connected_in: Duration) -> u64 {
        let handshake = HANDSHAKE_BYTES * 1000 / u64::try_from(connected_in.as_millis()).unwrap_or(u64::MAX).max(1);
        let known = self.memory.bytes_per_second.filter(|known| *known < FAST_BYTES_PER_SECOND && handshake < FAST_BYTES_PER_SECOND);
        self.measured.or(known).unwrap_or(handshake)
    }

    fn run_bytes(&self, rate: u64) -> u64 {
        let is_steady = self.memory.bytes_per_second.is_some() && !self.memory.was_cut;
        let first = carried(rate, if is_steady { RUN_STEADY } else { RUN_FIRST });
        first.max(self.receipted_bytes / RUN_PART).min(carried(rate, RUN)).max(RUN_BYTES_MIN)
    }

    fn receipted(&mut self, incarnation: &Incarnation, up_to: u64, now: Instant) {
        let is_held = |f: &Flight| f.incarnation == *incarnation && f.last <= up_to;
        self.receipted_bytes += self.flying.iter().filter(|f| is_held(f)).map(|f| f.bytes).sum::<u64>();
        self.flying.retain(|f| !is_held(f));
        // What came before the first receipt went through an empty pipe: what counts is what came after it.
        let (from, before) = *self.measured_from.get_or_insert((now, self.receipted_bytes));
        let took = now.duration_since(from);
        if took >= MEASURE_MIN {
            let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
            self.measured = Some(((self.receipted_bytes - before) * 1000 / millis).max(1));
        }
    }
}

/// How many changes of so many bytes each make a run of so many bytes.
fn changes(run: u64, each: u64) -> u32 {
    u32::try_from(run.saturating_sub(SEGMENT_BYTES) / each).unwrap_or(u32::MAX).clamp(1, SEGMENT_CHANGES_MAX)
}

fn carried(bytes_per_second: u64, time: Duration) -> u64 {
    bytes_per_second.saturating_mul(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: Incarnation = Incarnation([1; 16]);

    fn pace(connected_ms: u64, memory: LinkMemory) -> State {
        State { memory, connected_in: Some(Duration::from_millis(connected_ms)), ..State::default() }
    }

    #[test]
    fn runs_are_whole_on_a_fast_link_short_on_an_unknown_slow_one_and_grow_with_what_is_receipted() {
        let now = Instant::now();
        let slow = LinkMemory { bytes_per_second: Some(8_000), was_cut: false };
        assert_eq!(pace(20, LinkMemory::default()).changes(now), Some(SEGMENT_CHANGES_MAX), "nothing known, a fast handshake");
        assert_eq!(pace(20, slow).changes(now), Some(SEGMENT_CHANGES_MAX), "the slow link was another");
        let unknown = pace(1_500, LinkMemory::default()).run_bytes(2_700);
        assert_eq!(unknown, RUN_BYTES_MIN);
        assert_eq!(pace(1_500, slow).run_bytes(8_000), 8_000, "a steady link is given a second's worth");
        let cut = LinkMemory { was_cut: true, ..slow };
        assert_eq!(pace(1_500, cut).run_bytes(10_000), 5_000, "one that was cut half of that");
        let carried = State { receipted_bytes: 60_000, ..pace(1_500, cut) };
        assert_eq!(carried.run_bytes(8_000), 7_500, "an eighth of what was carried");
        let long = State { receipted_bytes: 600_000, ..pace(1_500, cut) };
        assert_eq!(long.run_bytes(8_000), 16_000, "and two seconds' worth at most");
    }

    #[test]
    fn nothing_goes_before_there_is_a_connection_nor_while_enough_is_under_way() {
        let (mut state, now) = (State::default(), Instant::now());
        assert_eq!(state.changes(now), None);
        state.connected_in = Some(Duration::from_millis(1_300));
        assert!(state.changes(now).is_some());
        let fly = |last| Flight { incarnation: STREAM, last, bytes: 6_000, since: now };
        state.flying = vec![fly(10), fly(20)];
        assert_eq!((state.changes(now), state.has_room(900, now)), (None, false), "12 kB are under way");
        state.receipted(&STREAM, 10, now);
        assert!(state.changes(now).is_some(), "a receipt makes room");
        state.flying = vec![fly(10), fly(20)];
        assert!(state.changes(now + PATIENCE).is_some(), "what is never receipted holds nothing up");
    }

    #[test]
    fn what_is_sealed_before_its_link_is_known_is_two_seconds_of_a_weak_one() {
        let sealed = |rate| LinkMemory { bytes_per_second: rate, was_cut: false }.sealed_changes();
        assert_eq!((sealed(None), sealed(Some(90_000)), sealed(Some(8_000))), (109, 109, 109));
        assert_eq!((sealed(Some(4_000)), sealed(Some(10))), (52, 24));
    }

    #[test]
    fn only_a_link_that_is_near_and_not_known_to_be_slow_has_plenty() {
        let plenty = |connected_ms, measured| {
            let pace = Pace::default();
            *pace.held() = State { measured, ..self::pace(connected_ms, LinkMemory::default()) };
            pace.has_plenty(|| false)
        };
        assert!(plenty(5, None) && !plenty(60, None), "a cable, and a telephone's net");
        assert!(!plenty(5, Some(90_000)) && plenty(60, Some(2_000_000)), "what was measured counts more");
        assert!(!Pace::default().has_plenty(|| true), "nobody listens");
    }

    #[test]
    fn a_link_is_measured_by_its_receipts() {
        let (mut state, now) = (pace(1_300, LinkMemory::default()), Instant::now());
        state.flying = (1..=5).map(|last| Flight { incarnation: STREAM, last, bytes: 2_000, since: now }).collect();
        for n in 1..=5u64 {
            state.receipted(&STREAM, n, now + Duration::from_millis(250 * n));
        }
        assert_eq!(state.measured, Some(8_000), "2,000 bytes every quarter of a second");
    }

    #[test]
    fn an_answer_is_bounded_where_the_link_is_slow_and_nowhere_else() {
        let asked = |connected_ms: u64, memory: LinkMemory| {
            let pace = Pace::default();
            pace.remember(memory);
            pace.connected(Duration::from_millis(connected_ms));
            pace.budget(|| false)
        };
        let slow = LinkMemory { bytes_per_second: Some(8_000), was_cut: false };
        assert_eq!(asked(20, LinkMemory::default()), None, "a fast handshake");
        assert_eq!(asked(20, slow), None, "the slow link was another");
        assert_eq!(asked(1_300, LinkMemory::default()), Some(32 * 3_150), "nothing else is known");
        assert_eq!(asked(1_300, slow), Some(32 * 8_000));
        assert_eq!(asked(60_000, LinkMemory::default()), Some(ANSWER_BYTES_MIN));
        assert_eq!(Pace::default().budget(|| true), None, "nobody listens any more");
    }
}
