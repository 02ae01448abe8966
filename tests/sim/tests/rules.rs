//! Whether the simulation catches what it is there to catch: worlds that break a rule on purpose, each of which must be found.

use daftar_sim::link::Plan;
use daftar_sim::model::Rules;
use daftar_sim::run::{live, quiet, run};
use daftar_sim::steps;
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
    let writer = (0..world.tablets.len()).find(|t| !world.tablets[*t].is_forked()).expect("a device");
    steps::unlock(&mut world, writer, 0).expect("he unlocks");
    let team = world.tablets[writer].people[0].team.clone();
    let place = format!("team/{team}").parse().expect("a compartment");
    let store = world.tablets[writer].store().expect("he is unlocked");
    while store.unsent(&place).expect("it is open").is_empty() {
        steps::create(&mut world, writer).expect("he writes");
    }
    steps::sync::sync(&mut world, writer, Plan::Clean).expect("it is sent");
    let reader = (0..world.tablets.len())
        .find(|t| *t != writer && !world.tablets[*t].is_forked() && world.tablets[*t].people[0].team == team)
        .expect("a colleague");
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
