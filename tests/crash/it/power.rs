//! The power fails at every sync, truncation and name, and at writes in between; the home is opened again by the real code.
//! Each cut is played in four ways: nothing, some, torn pieces, all of the unsynced survive. A state that two cuts leave is judged once.

use std::collections::BTreeMap;
use std::path::Path;

use daftar_crash::{Medium, watch, watch_quietly};
use daftar_device::Error;

use crate::cuts::{Played, is_kept, lay_out};
use crate::desk::{Desk, Picture, go_on};
use crate::table::{Workload, drafts, feed, keyring, saving, sending};
use crate::world::{Age, World, copy, scratch};

/// What the home showed, and the PIN that opened it.
struct Mark {
    picture: Picture,
    pin: String,
}

fn play(w: &Workload) -> Played<Mark> {
    let world = World::get();
    let dir = scratch();
    let home = dir.path().join("home");
    copy(world.home(w.age), &home);
    let disk = watch(&home);
    let before = Medium::of(&home, &is_kept);
    let mut desk = Desk::at(&home);
    let picture = if w.opens {
        at_rest(w.age)
    } else {
        desk.unlock().expect("a good home");
        desk.picture().expect("readable")
    };
    let first = disk.len();
    let mut marks = vec![(first, Mark { picture, pin: desk.pin.clone() })];
    for (i, step) in w.steps.iter().enumerate() {
        step(world, &mut desk).unwrap_or_else(|e| panic!("{}: step {i}: {e}", w.name));
        let ops = disk.len();
        marks.push((ops, Mark { picture: desk.picture().expect("readable"), pin: desk.pin.clone() }));
    }
    desk.close();
    Played { before, ops: disk.ops(), first, marks }
}

/// What a home shows that was only opened.
fn at_rest(age: Age) -> Picture {
    let dir = scratch();
    let home = dir.path().join("home");
    copy(World::get().home(age), &home);
    let _quick = watch_quietly(&home);
    let mut desk = Desk::at(&home);
    match age {
        Age::Empty => drop(desk.device().expect("a new home")),
        Age::Enrolled | Age::Worked => drop(desk.unlock().expect("a good home")),
    }
    desk.picture().expect("readable")
}

/// Plays one workload with all its cuts; says how many states were judged.
fn survives(w: &Workload) -> usize {
    play(w).each_state(w.name, w.writes_max, judge)
}

fn judge(what: &str, files: &BTreeMap<String, Vec<u8>>, now: &Mark, next: &Mark) {
    let dir = scratch();
    let home = dir.path().join("home");
    lay_out(files, &home);
    // A link: what a home gives back when it is full is its name alone.
    std::fs::hard_link(World::get().home(Age::Empty).join("reserve"), home.join("reserve")).expect("a link");
    let _quick = watch_quietly(&home);
    let mut desk = Desk::at(&home);
    let officers = desk.device().and_then(|d| d.keyring().officers()).unwrap_or_else(|e| panic!("{what}: the keyring: {e}"));
    if officers.is_empty() {
        assert!(!now.picture["keyring"].contains("OfficerEntry"), "{what}: an enrolled officer is gone");
        keyring::enrol(World::get(), &mut desk, 1).unwrap_or_else(|e| panic!("{what}: he enrols again by the same code: {e}"));
        desk.unlock().unwrap_or_else(|e| panic!("{what}: and unlocks: {e}"));
        return;
    }
    unlock(what, &mut desk, now, next);
    let picture = desk.picture().unwrap_or_else(|e| panic!("{what}: it cannot be read: {e}"));
    compare(what, &picture, &now.picture, &next.picture);
    let store = desk.store();
    assert_eq!(store.closed(), [], "{what}: a file does not open");
    go_on(store).unwrap_or_else(|e| panic!("{what}: the next save: {e}"));
    assert_eq!(store.verify().unwrap_or_else(|e| panic!("{what}: verify: {e}")).bad, [], "{what}");
    desk.close();
    assert_eq!(keyring_check(&home), "ok", "{what}");
}

fn keyring_check(home: &Path) -> String {
    let conn = rusqlite::Connection::open(home.join("keyring.db")).expect("a keyring");
    conn.query_row("PRAGMA integrity_check", [], |r| r.get(0)).expect("checked")
}

fn unlock(what: &str, desk: &mut Desk, now: &Mark, next: &Mark) {
    for pin in [&now.pin, &next.pin] {
        desk.pin.clone_from(pin);
        match desk.unlock() {
            Ok(_) => return,
            Err(Error::PinWrong { .. }) => {}
            Err(e) => panic!("{what}: unlock: {e}"),
        }
    }
    panic!("{what}: neither the PIN before nor the one after opens");
}

/// Every file is as it was said to be, or as the act that was under way would have left it; a draft goes only after its record has come.
fn compare(what: &str, got: &Picture, now: &Picture, next: &Picture) {
    for (part, said) in got {
        let either: Vec<&String> = [now.get(part), next.get(part)].into_iter().flatten().collect();
        let is_foreseen = either.contains(&said) || either.is_empty();
        assert!(
            is_foreseen,
            "{what}: {part} is neither as before nor as after:\n{said}\n--- before\n{:?}\n--- after\n{:?}",
            now.get(part),
            next.get(part)
        );
    }
    for part in now.keys() {
        assert!(got.contains_key(part), "{what}: {part} is gone");
    }
    let team = crate::world::TEAM;
    let saves = now.get(team) != next.get(team) && now.get("drafts") != next.get("drafts");
    if saves && got.get("drafts") == next.get("drafts") {
        assert_eq!(got.get(team), next.get(team), "{what}: the draft is gone and its record is not there");
    }
}

#[expect(clippy::print_stdout, reason = "how much was played, for whoever asks")]
fn all_survive(group: &[Workload], at_least: usize) {
    let mut states = 0;
    for w in group {
        let judged = survives(w);
        println!("{judged:>5} states  {}", w.name);
        states += judged;
    }
    assert!(states >= at_least, "only {states} states of {} workloads were judged", group.len());
    println!("{states} states of {} workloads", group.len());
}

#[test]
fn records_that_were_said_to_be_saved_survive_power_loss_at_every_write_and_sync() {
    all_survive(&saving::workloads(), 100);
}

#[test]
fn index_and_checkpoint_lose_nothing_whenever_the_power_fails() {
    all_survive(&saving::tending(), 50);
}

#[test]
fn a_draft_is_there_until_its_record_is_whenever_the_power_fails() {
    all_survive(&drafts::workloads(), 50);
}

#[test]
fn signed_streams_receipts_and_new_incarnations_are_whole_or_not_at_all() {
    all_survive(&sending::workloads(), 100);
}

#[test]
fn a_page_and_its_cursor_are_kept_together_whenever_the_power_fails() {
    all_survive(&feed::workloads(), 100);
}

#[test]
fn files_and_doors_are_made_whole_or_made_again() {
    all_survive(&keyring::workloads(), 50);
}

#[test]
fn an_enrolment_and_a_pin_are_the_one_before_or_the_one_after() {
    all_survive(&keyring::dear(), 10);
}
