//! Claims about clocks: they order the display, show that they were wrong, and lose nothing.

use daftar_core::value::{Path, Value};

use super::simulated::{Weather, sync, world};
use super::world::{Hq, NOW_MS, Tablet, c, id, set, stop, stop_in};
use crate::keyring::ContactOutcome;

const YEAR_2099_MS: u64 = 4_083_004_800_000;
/// As far ahead as a lease lets an officer amend what he read.
const AHEAD_MS: u64 = NOW_MS + 13 * 24 * 3_600_000;

fn colour(t: &Tablet, colour: &str) {
    t.store.save(&set(1, Path::Field(45), Value::Text(colour.into()))).expect("saved");
}

/// Stamp and flag of each change of the first stop, in the order in which it is shown.
fn shown(t: &Tablet) -> Vec<(u64, bool)> {
    t.store.show(&c("team/imt-1"), &id(1)).expect("there").history.iter().map(|h| (h.stamp.ms, h.ahead)).collect()
}

#[test]
fn a_clock_that_is_ahead_or_behind_is_flagged_wins_nothing_and_starts_again_once_it_is_right() {
    let (hq, held, a, b) = world();
    let synced = |t: &Tablet| sync(&hq, &held, t, Weather::default()).expect("a clock stops no sync");
    a.store.save(&stop(1, "x", "y")).expect("saved");
    synced(&a);
    synced(&b);
    a.clock.set(AHEAD_MS);
    colour(&a, "late");
    assert_eq!(shown(&a).last(), Some(&(AHEAD_MS, false)), "nobody can know it yet");
    synced(&a);
    colour(&a, "later");
    assert_eq!(shown(&a).last().map(|s| s.1), Some(true), "headquarters' time shows it");
    a.clock.set(NOW_MS + 1000);
    colour(&a, "set back");
    let last = a.store.show(&c("team/imt-1"), &id(1)).expect("there").history.last().expect("several").stamp;
    assert_eq!(last.ms, AHEAD_MS, "until it is compared again, stamps rise");
    synced(&a);
    a.clock.set(NOW_MS + 2000);
    colour(&a, "right");
    let history = a.store.show(&c("team/imt-1"), &id(1)).expect("there").history;
    let right = history.iter().find(|h| h.set.iter().any(|s| s.1 == Value::Text("right".into()))).expect("it is there");
    assert_eq!((right.stamp.ms, right.ahead), (NOW_MS + 2000, false), "from then on from the true time");
    assert_eq!(history.iter().filter(|h| h.ahead).count(), 3, "the three that were ahead are flagged");
    a.clock.set(1000);
    a.store.save(&stop(2, "x", "y")).expect("saved");
    let early = a.store.show(&c("team/imt-1"), &id(2)).expect("there").history.remove(0);
    assert!(early.ahead && early.clock.offset_ms > 0, "a clock that is behind headquarters' last word is flagged: {early:?}");
    // The true time wins nothing against the parents, nor do the years to come.
    synced(&a);
    synced(&b);
    for t in [&a, &b] {
        let state = t.store.show(&c("team/imt-1"), &id(1)).expect("there").item.state;
        assert_eq!(
            state.fields.get(&Path::Field(45)),
            Some(&Value::Text("right".into())),
            "the last written counts, not the greatest stamp"
        );
        assert_eq!((t.store.waiting().expect("counted"), t.store.verify().expect("checked").bad), (0, Vec::new()));
    }
    assert_eq!(shown(&b).iter().filter(|s| s.1).count(), 3, "others see it too");
    b.store.save(&stop(3, "x", "y")).expect("saved");
    let near = b.store.show(&c("team/imt-1"), &id(3)).expect("there").history[0].stamp.ms;
    assert!(near <= NOW_MS + 5 * 60 * 1000, "a foreign clock moves ours by at most five minutes: {near}");
}

#[test]
fn a_stamp_kept_in_the_file_starts_again_after_a_new_start_too() {
    let (hq, held, a, _) = world();
    a.clock.set(YEAR_2099_MS);
    a.store.save(&stop(1, "x", "y")).expect("saved");
    let a = a.again();
    a.clock.set(NOW_MS);
    sync(&hq, &held, &a, Weather::default()).expect("a clock stops no sync");
    a.store.save(&stop(2, "x", "y")).expect("saved");
    assert_eq!(a.store.show(&c("team/imt-1"), &id(2)).expect("there").history[0].stamp.ms, NOW_MS);
}

#[test]
fn a_stamp_that_starts_again_in_one_compartment_takes_none_back_in_another() {
    let mut hq = Hq::new();
    let a = hq.tablet(1, &["team/imt-1", "agency/moi/imt-1"]);
    a.store.save(&stop_in("agency/moi/imt-1", 1, "x", "y")).expect("saved");
    a.clock.set(AHEAD_MS);
    a.store.save(&stop(2, "x", "y")).expect("saved");
    a.clock.set(1000);
    a.store.note_contact(ContactOutcome::Finished { hq_time_ms: NOW_MS + 60_000 }).expect("noted");
    a.store.save(&stop_in("agency/moi/imt-1", 3, "x", "y")).expect("saved");
    let stamp = a.store.show(&c("agency/moi/imt-1"), &id(3)).expect("there").history[0].stamp;
    assert_eq!(stamp.ms, NOW_MS, "the stamp before it is not ahead, whatever was written elsewhere");
}
