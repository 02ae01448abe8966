//! Writes and syncs fail, the medium is full. Nothing is said to be saved that is not; what was saved stays; when the fault is over the
//! same act succeeds, and a power cut right after it takes nothing away.

use daftar_crash::{Cut, Fault, Kind, Medium, Random, watch, watch_quietly};
use daftar_device::Error;
use rusqlite::ffi;

use crate::cuts::{is_kept, lay_out};
use crate::desk::{Desk, Picture};
use crate::places::faults;
use crate::table::{Workload, drafts, feed, keyring, saving, sending};
use crate::world::{Age, PIN, TEAM, World, c, copy, draft, handle, id, open, scratch, stop};

/// At one place in so many it is judged, too, what is there when the program just ended.
const ENDED_EVERY: u64 = 4;

fn is_named(e: &Error, code: i32) -> bool {
    match e {
        Error::StorageFull => code == ffi::SQLITE_FULL,
        Error::Database(_) | Error::Damaged { .. } => code != ffi::SQLITE_FULL,
        Error::AlreadyOpen
        | Error::NotEnrolled
        | Error::NoOfficer(_)
        | Error::WhichOfficer(_)
        | Error::PinWrong { .. }
        | Error::PinTooShort { .. }
        | Error::NoCompartment(_)
        | Error::Denied { .. }
        | Error::NotAdmitted(_)
        | Error::NoRecord(_)
        | Error::Amend(_)
        | Error::Input(_)
        | Error::Fork(_)
        | Error::OtherDevice
        | Error::FileTooLarge { .. }
        | Error::Closed(_)
        | Error::AccessEnded
        | Error::FileStorageFull
        | Error::FileNotHere
        | Error::Wire(_)
        | Error::File(_)
        | Error::Unexpected(_)
        | Error::Build(_) => false,
    }
}

/// How many operations of a kind the workload's acts do.
fn count(w: &Workload, kind: Kind) -> u64 {
    let (_dir, mut desk, disk, _) = begin(w);
    let first = disk.len();
    for step in &w.steps {
        step(World::get(), &mut desk).unwrap_or_else(|e| panic!("{}: {e}", w.name));
    }
    disk.ops()[first..].iter().filter(|op| op.kind() == kind).count() as u64
}

fn begin(w: &Workload) -> (tempfile::TempDir, Desk, daftar_crash::Watch, Medium) {
    let dir = scratch();
    let home = dir.path().join("home");
    copy(World::get().home(w.age), &home);
    let disk = watch(&home);
    let before = Medium::of(&home, &is_kept);
    let mut desk = Desk::at(&home);
    if !w.opens {
        desk.unlock().expect("a good home");
    }
    (dir, desk, disk, before)
}

/// Plays a workload with one fault; true if it struck.
fn bears(w: &Workload, fault: Fault) -> bool {
    let (_dir, mut desk, disk, mut medium) = begin(w);
    let what = format!("{}: {fault:?}", w.name);
    disk.fail(Some(fault));
    for (i, step) in w.steps.iter().enumerate() {
        let before = desk.picture().unwrap_or_else(|e| panic!("{what}: step {i}: {e}"));
        let Err(e) = step(World::get(), &mut desk) else { continue };
        assert!(disk.struck() > 0 && is_named(&e, fault.code), "{what}: step {i} ended with {e:?}");
        disk.fail(None);
        let after = desk.picture().unwrap_or_else(|e| panic!("{what}: step {i}: what was saved cannot be read: {e}"));
        for (part, said) in &before {
            // Where it was the opening that failed, nothing is open; a file may be made and another not.
            let is_open = after.contains_key("drafts") && !w.opens;
            assert!(after.get(part) == Some(said) || !is_open, "{what}: step {i} said that it failed, and {part} is another");
        }
        step(World::get(), &mut desk).unwrap_or_else(|e| panic!("{what}: step {i} again, on a good disk: {e}"));
    }
    disk.fail(None);
    let (said, ops) = (desk.picture().expect("readable"), disk.ops());
    ops.iter().for_each(|op| medium.take(op));
    desk.close();
    let again = scratch();
    let home = again.path().join("home");
    lay_out(&medium.after_cut(Cut::Nothing, &mut Random(0)), &home);
    let ended = desk.home.clone();
    let mut left = vec![(&home, "after a power cut")];
    // The milder of the two, so not each time.
    left.extend((fault.after.is_multiple_of(ENDED_EVERY)).then_some((&ended, "after the program ended")));
    for (home, why) in left {
        let found = reopened(home, &desk.pin, &format!("{what}: {why}"));
        for (part, said) in &said {
            // A draft that outlived its record, because its delete failed, is thrown away by the opening.
            let is_repeated = part == "drafts" && found[part].len() < said.len() && w.name.contains("record");
            assert!(
                found.get(part) == Some(said) || is_repeated,
                "{what}: {why}, {part} is another:\n{said}\n--- found\n{:?}",
                found.get(part)
            );
        }
    }
    disk.struck() > 0
}

fn reopened(home: &std::path::Path, pin: &str, what: &str) -> Picture {
    let _quick = watch_quietly(home);
    let mut desk = Desk::at(home);
    desk.pin = pin.into();
    desk.unlock().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(desk.store().closed(), [], "{what}");
    assert_eq!(desk.store().verify().unwrap_or_else(|e| panic!("{what}: {e}")).bad, [], "{what}");
    desk.picture().expect("readable")
}

#[expect(clippy::print_stdout, reason = "how much was played, for whoever asks")]
fn all_bear(group: &[Workload], at_least: u64) {
    let (mut played, mut struck) = (0_u64, 0_u64);
    for w in group {
        for fault in faults(count(w, Kind::Sync), count(w, Kind::Write)) {
            played += 1;
            struck += u64::from(bears(w, fault));
        }
    }
    assert!(struck >= at_least, "only {struck} of {played} faults struck");
    println!("{struck} faults of {played} struck in {} workloads", group.len());
}

#[test]
fn a_record_whose_write_or_sync_failed_is_not_saved_and_is_saved_by_the_next_try() {
    all_bear(&saving::workloads(), 430);
}

#[test]
fn a_failed_index_or_checkpoint_costs_nothing() {
    all_bear(&saving::tending(), 250);
}

#[test]
fn a_draft_outlives_a_failing_disk() {
    all_bear(&drafts::workloads(), 170);
}

#[test]
fn signing_receipts_and_new_incarnations_bear_a_failing_disk() {
    all_bear(&sending::workloads(), 250);
}

#[test]
fn a_page_that_could_not_be_written_is_applied_by_the_next_try() {
    all_bear(&feed::workloads(), 420);
}

#[test]
fn unlocking_bears_a_failing_disk() {
    all_bear(&keyring::workloads(), 280);
}

#[test]
fn after_a_failed_sync_the_file_is_opened_anew_before_the_next_write() {
    let dir = scratch();
    let home = dir.path().join("home");
    copy(World::get().home(Age::Worked), &home);
    let disk = watch(&home);
    let store = open(&home).expect("a home").unlock(&handle(1), PIN).expect("the PIN");
    let opened = |act: &dyn Fn()| {
        let before = disk.opened();
        act();
        disk.opened() - before
    };
    assert_eq!(opened(&|| drop(store.save(&stop(20)).expect("saved"))), 0, "a good disk costs no opening");
    disk.fail(Some(Fault { on: Kind::Sync, after: 0, code: ffi::SQLITE_IOERR_FSYNC, lasts: false }));
    assert!(matches!(store.save(&stop(21)), Err(Error::Database(_))), "it is not saved");
    assert!(opened(&|| drop(store.save(&stop(21)).expect("saved"))) > 0, "nothing is built on what the system may only pretend");
    assert_eq!(opened(&|| drop(store.save(&stop(22)).expect("saved"))), 0, "once");
    for keep in [0, 1] {
        disk.fail(Some(Fault { on: Kind::Sync, after: 0, code: ffi::SQLITE_IOERR_FSYNC, lasts: false }));
        let failed = if keep == 0 { store.own().keep_draft(&draft(50, "0")) } else { store.note_contact(contact()) };
        assert!(matches!(failed, Err(Error::Database(_))));
        let again = || if keep == 0 { store.own().keep_draft(&draft(50, "0")) } else { store.note_contact(contact()) };
        assert!(opened(&|| again().expect("kept")) > 0, "drafts and keyring do the same");
    }
}

fn contact() -> daftar_device::keyring::ContactOutcome {
    daftar_device::keyring::ContactOutcome::Failed { code: "no_link".into() }
}

#[test]
fn on_a_full_medium_the_save_says_so_and_the_reserve_keeps_the_draft() {
    let dir = scratch();
    let home = dir.path().join("home");
    copy(World::get().home(Age::Worked), &home);
    let disk = watch(&home);
    let store = open(&home).expect("a home").unlock(&handle(1), PIN).expect("the PIN");
    let reserve = home.join("reserve");
    let length = || std::fs::metadata(&reserve).map_or(0, |m| m.len());
    assert_eq!(length(), daftar_device::RESERVE_BYTES, "it is made with the home");
    store.own().keep_draft(&draft(20, "01 A 123")).expect("there is room");
    disk.set_room(Some(disk.used_bytes()));
    assert!(matches!(store.save(&stop(20)), Err(Error::StorageFull)), "a full medium is named");
    assert_eq!(length(), 0, "the reserve is given back");
    store.own().keep_draft(&draft(20, &"01 A 123 BC, driver Yusupov ".repeat(1_000))).expect("the draft has room now");
    store.lock().expect("and so has the signature");
    // The next one is full from the start: its draft alone gives the reserve back.
    std::fs::write(&reserve, vec![0; usize::try_from(daftar_device::RESERVE_BYTES).expect("small")]).expect("room");
    disk.set_room(Some(disk.used_bytes()));
    store.own().keep_draft(&draft(21, &"x".repeat(500_000))).expect("kept in the room of the reserve");
    disk.set_room(Some(disk.used_bytes()));
    assert!(matches!(store.save(&stop(22)), Err(Error::StorageFull)));
    disk.set_room(None);
    let data = daftar_device::json::write_data(daftar_core::record::Kind::Inspection, &stop(20).set, &|_, _| Vec::new());
    store.create_form(&c(TEAM), daftar_core::record::Kind::Inspection, id(20), &data).expect("there is room again");
    store.tend().expect("tended");
    assert_eq!(length(), daftar_device::RESERVE_BYTES, "and it is made again");
    assert_eq!(store.verify().expect("checked").bad, []);
}

/// The claim about the tests themselves: this disk finds a database that does not wait for it.
#[test]
fn a_database_that_does_not_sync_is_found_out() {
    let lost = |synchronous: &str| {
        let dir = scratch();
        let path = dir.path().join("a.db");
        let disk = watch(dir.path());
        let conn = rusqlite::Connection::open(&path).expect("opened");
        let pragmas = format!("PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}; CREATE TABLE t(x); INSERT INTO t VALUES (1);");
        conn.execute_batch(&pragmas).expect("written");
        let mut medium = Medium::default();
        disk.ops().iter().for_each(|op| medium.take(op));
        let again = scratch();
        for (name, bytes) in medium.after_cut(Cut::Nothing, &mut Random(0)) {
            std::fs::write(again.path().join(name), bytes).expect("a file");
        }
        let conn = rusqlite::Connection::open(again.path().join("a.db")).expect("opened");
        conn.query_row("SELECT x FROM t", [], |r| r.get::<_, i64>(0)).is_err()
    };
    assert!(lost("OFF") && lost("NORMAL"));
    assert!(!lost("FULL"));
}
