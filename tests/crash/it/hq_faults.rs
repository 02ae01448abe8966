//! Writes and syncs fail at headquarters, its disk is full. Nothing is receipted that is not on the disk, no act is half there, reading
//! goes on, and when the fault is over the same act succeeds.

use std::path::Path;

use daftar_crash::{Cut, Fault, Kind, Medium, Random, Watch, watch};
use rusqlite::ffi;

use crate::cuts::is_kept;
use crate::headquarters::{Desk, Step, World, judge, open, picture, workloads};
use crate::places::faults;
use crate::world::{copy, scratch};

/// A headquarters on a watched disk, and what the disk held before.
fn begin(home: &Path) -> (Desk, Watch, Medium) {
    copy(&World::get().home, home);
    let disk = watch(home);
    let before = Medium::of(home, &is_kept);
    (open(home).expect("a good home"), disk, before)
}

/// How many syncs and writes the workload does on a good day.
fn good_day(name: &str, steps: &[Step]) -> [u64; 2] {
    let dir = scratch();
    let (mut desk, disk, _) = begin(&dir.path().join("hq"));
    let first = disk.len();
    for step in steps {
        step(World::get(), &mut desk).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    [Kind::Sync, Kind::Write].map(|kind| disk.ops()[first..].iter().filter(|op| op.kind() == kind).count() as u64)
}

fn is_named(said: &str, code: i32) -> bool {
    let full = said.contains("storage is full") || said.contains("storage_full");
    // SQLite ends a write that found the disk full in one way, and one that failed in others.
    if code == ffi::SQLITE_FULL { full } else { !full }
}

/// Plays a workload with one fault; true if it struck.
fn bears(name: &str, steps: &[Step], fault: Fault) -> bool {
    let dir = scratch();
    let (mut desk, disk, mut medium) = begin(&dir.path().join("hq"));
    let what = format!("{name}: {fault:?}");
    let mut now = picture(&desk.hq).expect("readable");
    disk.fail(Some(fault));
    for (i, step) in steps.iter().enumerate() {
        let done = step(World::get(), &mut desk);
        // The fault is still there: what is held can be read all the same.
        let during = picture(&desk.hq).unwrap_or_else(|e| panic!("{what}: step {i}: reading ended too: {e}"));
        let Err(e) = done else {
            now = during;
            continue;
        };
        assert!(disk.struck() > 0 && is_named(&e, fault.code), "{what}: step {i} ended with {e:?}");
        disk.fail(None);
        step(World::get(), &mut desk).unwrap_or_else(|e| panic!("{what}: step {i} again, on a good disk: {e}"));
        let next = picture(&desk.hq).expect("readable");
        for (part, said) in &during {
            assert!(
                now.get(part) == Some(said) || next.get(part) == Some(said),
                "{what}: step {i} failed, and {part} is half there: {said}"
            );
        }
        now = next;
    }
    disk.fail(None);
    drop(desk);
    disk.ops().iter().for_each(|op| medium.take(op));
    judge(&format!("{what}: after a power cut"), &medium.after_cut(Cut::Nothing, &mut Random(0)), &now, &now);
    disk.struck() > 0
}

#[test]
fn at_headquarters_a_failing_or_full_disk_takes_no_receipt_back_leaves_no_half_act_and_stops_no_reading() {
    let (mut played, mut struck) = (0, 0);
    for (name, steps) in workloads() {
        let [syncs, writes] = good_day(name, &steps);
        for fault in faults(syncs, writes) {
            played += 1;
            struck += u64::from(bears(name, &steps, fault));
        }
    }
    println!("{struck} faults of {played} struck");
    assert!(struck >= 400, "only {struck} of {played} faults struck");
}

#[test]
fn a_headquarters_whose_disk_was_full_takes_what_it_refused_when_there_is_room() {
    let dir = scratch();
    let (mut desk, disk, _) = begin(&dir.path().join("hq"));
    let (name, steps) = workloads().into_iter().find(|w| w.0 == "segments of one stream are taken").expect("it is there");
    disk.set_room(Some(disk.used_bytes()));
    for _ in 0..3 {
        let e = steps[0](World::get(), &mut desk).expect_err("there is no room");
        assert!(e.contains("storage_full"), "{name}: {e}");
    }
    disk.set_room(None);
    steps.iter().for_each(|step| step(World::get(), &mut desk).expect("there is room"));
    let said = picture(&desk.hq).expect("readable");
    drop(desk);
    let files = Medium::of(&dir.path().join("hq"), &is_kept).after_cut(Cut::Everything, &mut Random(0));
    judge("after it was full", &files, &said, &said);
}
