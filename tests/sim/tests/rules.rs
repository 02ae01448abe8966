//! Whether the simulation catches what it is there to catch: worlds that break a rule on purpose, each of which must be found.

use daftar_core::compartment::Compartment;
use daftar_sim::link::Plan;
use daftar_sim::model::Rules;
use daftar_sim::run::{live, quiet, run};
use daftar_sim::steps;
use daftar_sim::steps::meeting::check_alike;
use daftar_sim::world::{Size, World};

/// Small enough for a test, large enough that officers meet.
const SIZE: Size = Size { devices: 6, days: 2, acts_per_day: 12, losses: false };
/// A rule that is broken is found within so many seeds.
const SEEDS: std::ops::Range<u64> = 1..9;

fn world(seed: u64) -> World {
    World::new(seed, SIZE).expect("a world begins")
}

#[test]
fn the_same_seed_goes_the_same_way_and_another_another() {
    let (one, same, other) = (run(3, SIZE), run(3, SIZE), run(4, SIZE));
    assert_eq!(one.broken, None);
    assert_eq!(one.trace, same.trace, "a failing seed must replay");
    assert_ne!(one.trace, other.trace);
}

/// What is found first in worlds that are read by these rules.
fn found_under(rules: Rules) -> String {
    let found = SEEDS.clone().find_map(|seed| {
        let mut world = world(seed);
        world.rules = rules;
        live(&mut world).err()
    });
    found.expect("no seed met what these rules have wrong").0
}

#[test]
fn an_engine_whose_last_writer_wins_would_be_found() {
    let found = found_under(Rules::LastWriterWins);
    assert!(found.contains("in conflict are"), "{found}");
}

#[test]
fn an_engine_whose_void_always_wins_would_be_found() {
    let found = found_under(Rules::VoidAlwaysWins);
    assert!(found.contains("hidden"), "{found}");
}

#[test]
fn a_link_that_drops_an_entry_and_lies_about_the_end_is_found() {
    let mut world = world(5);
    live(&mut world).expect("a sound world");
    // Somebody writes, everybody else is told that there is nothing.
    let (writer, reader, place) = colleagues(&world);
    steps::unlock(&mut world, writer, 0).expect("he unlocks");
    let store = world.tablets[writer].store().expect("he is unlocked");
    while store.unsent(&place).expect("it is open").is_empty() {
        steps::create(&mut world, writer).expect("he writes");
    }
    steps::sync::sync(&mut world, writer, Plan::Clean).expect("it is sent");
    steps::unlock(&mut world, reader, 0).expect("he unlocks");
    steps::sync::sync(&mut world, reader, Plan::DropsSilently).expect("nothing is noticed by the engine");
    world.check_hq().expect("headquarters is sound");
    let found = world.check_quiet(reader, true).expect_err("what was dropped is missed");
    assert!(found.0.contains("digest") || found.0.contains("holds"), "{found}");
}

#[test]
fn a_byte_of_a_compartment_that_goes_to_a_stranger_is_found() {
    let mut world = world(6);
    live(&mut world).expect("a sound world");
    let foreign = world.sent.iter().find(|s| daftar_sim::link::compartment_of(s).is_some_and(|c| c.as_str() == "team/imt-1")).cloned();
    let stranger = (0..world.tablets.len()).find(|t| world.tablets[*t].people[0].team != "imt-1").expect("an officer of another team");
    steps::unlock(&mut world, stranger, 0).expect("he unlocks");
    let leak = Plan::Leaks(foreign.expect("somebody of team 1 has sent"));
    let found = steps::sync::sync(&mut world, stranger, leak).expect_err("a leak is found");
    assert!(found.0.contains("told of"), "{found}");
}

#[test]
fn a_saved_change_that_goes_is_found() {
    let mut world = world(7);
    live(&mut world).expect("a sound world");
    let (t, key) = (0..world.tablets.len())
        .find_map(|t| {
            let own = world.tablets[t].people[0].may_write();
            world.tablets[t].disk.held.keys().find(|(c, _)| own.contains(c)).cloned().map(|key| (t, key))
        })
        .expect("somebody holds a record");
    // The simulation remembers one more change than there is, as if the device had lost it.
    world.tablets[t].disk.held.get_mut(&key).expect("held").insert(daftar_core::ids::ChangeName([7; 32]));
    steps::unlock(&mut world, t, 0).expect("he unlocks");
    let found = world.check_record(t, &key.0, &key.1).expect_err("it is missed");
    assert!(found.0.contains("held these changes"), "{found}");
}

#[test]
fn an_error_in_the_log_ends_a_run() {
    let mut world = world(8);
    tracing::error!("something that nobody expects");
    let found = world.check_errors().expect_err("it is heard");
    assert!(found.0.contains("nobody expects"), "{found}");
    tracing::error!("something that nobody expects");
    world.expect_error("something that nobody");
    assert_eq!(world.check_errors(), Ok(()), "a step may name what it causes");
    assert_eq!(quiet(&mut world, true), Ok(()));
}

/// Two devices whose first officers are of one team, which nobody ever took from them, and its compartment.
fn colleagues(world: &World) -> (usize, usize, Compartment) {
    let place = |t: usize| format!("team/{}", world.tablets[t].people[0].team).parse::<Compartment>().expect("a compartment");
    let is_sound = |t: &usize| {
        let tablet = &world.tablets[*t];
        !tablet.was_copied && !world.policy.is_touched(&tablet.people[0].id, &place(*t))
    };
    let sound: Vec<usize> = (0..world.tablets.len()).filter(is_sound).collect();
    let pairs = sound.iter().flat_map(|a| sound.iter().map(|b| (*a, *b)));
    let (a, b) = pairs.into_iter().find(|(a, b)| a != b && place(*a) == place(*b)).expect("colleagues");
    (a, b, place(a))
}

#[test]
fn devices_that_differ_after_they_met_are_found() {
    let mut world = world(5);
    live(&mut world).expect("a sound world");
    let (a, b, place) = colleagues(&world);
    steps::unlock(&mut world, a, 0).expect("he unlocks");
    steps::unlock(&mut world, b, 0).expect("his colleague unlocks");
    for t in [a, b] {
        steps::sync::sync(&mut world, t, Plan::Clean).expect("a good link");
    }
    check_alike(&world, [a, b]).expect("they hold the same");
    let store = world.tablets[a].store().expect("he is unlocked");
    let before = store.digest(&place).expect("it is open");
    while store.digest(&place).expect("it is open") == before {
        steps::create(&mut world, a).expect("he writes");
    }
    let found = check_alike(&world, [a, b]).expect_err("one has what the other has not");
    assert!(found.0.contains("is not the same on both"), "{found}");
}

/// A device whose first officer may read, by his role, where a picture was taken.
fn seen_by(world: &World) -> Option<usize> {
    let reads = |t: &usize| world.photos.iter().any(|(place, _)| world.tablets[*t].people[0].may_read().contains(place));
    (0..world.tablets.len()).find(reads)
}

#[test]
fn a_photo_that_is_said_to_be_at_headquarters_and_is_not_is_found() {
    let mut world = SEEDS
        .map(|seed| {
            let mut world = world(seed);
            live(&mut world).expect("a sound world");
            world
        })
        .find(|world| seen_by(world).is_some())
        .expect("in some world somebody takes a picture that others see");
    let t = seen_by(&world).expect("somebody does");
    let hq = world.hq.service().hq().clone();
    assert!(hq.store.write(|tx| Ok(tx.execute("DELETE FROM file", [])?)).expect("written") > 0, "it was there");
    steps::unlock(&mut world, t, 0).expect("he unlocks");
    let found = world.check_quiet(t, true).expect_err("what is gone is missed");
    assert!(found.0.contains("is said to be at headquarters and is not"), "{found}");
}
