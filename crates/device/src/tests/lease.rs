//! Claims about leases: what ends without a contact, what never ends, and how headquarters opens it again.

use std::path::Path as FilePath;
use std::sync::{Arc, Mutex};

use daftar_core::authorize::{Action, LEASE_MS};
use daftar_core::ids::Epoch;
use daftar_core::record::Kind;
use daftar_core::value::{Path, Value};
use rusqlite::Connection;

use super::reference::Held;
use super::simulated::{Weather, sync_locked, sync_store};
use super::world::{Hq, NOW_MS, PIN, Tablet, c, files, id, set, stands, stop};
use crate::clock::FixedClock;
use crate::vault::Why;
use crate::{Device, Error, Store};

const DAY_MS: u64 = 24 * 3_600_000;
const TEAM: &str = "team/imt-1";

fn at(time_ms: u64) -> Weather {
    Weather { time_ms: Some(time_ms), ..Weather::default() }
}

fn reopened(dir: &FilePath, clock: &Arc<FixedClock>, handle: &str) -> (Device, Arc<Store>) {
    let device = Device::open_with(dir, Box::new(clock.clone())).expect("free");
    let store = Arc::new(device.unlock(handle, PIN).expect("the PIN is right"));
    (device, store)
}

/// The sealed keys in the doors, as they stand in the keyring.
fn sealed_keys(dir: &FilePath) -> Vec<Vec<u8>> {
    let conn = Connection::open(dir.join("keyring.db")).expect("the keyring");
    let mut rows = conn.prepare("SELECT key FROM door WHERE key IS NOT NULL").expect("a table");
    rows.query_map([], |r| r.get(0)).expect("rows").collect::<rusqlite::Result<_>>().expect("keys")
}

#[test]
fn a_lease_that_ended_takes_key_and_reading_while_saving_goes_on_and_headquarters_opens_it_again() {
    let mut hq = Hq::new();
    let Tablet { dir, clock, store, handle } = hq.tablet(1, &[TEAM]);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    sync_store(&hq, &held, &store, at(NOW_MS)).expect("a whole link");
    store.save(&stop(2, "80 B 222 CC", "Karimov")).expect("saved, and not sent yet");
    let keys = sealed_keys(dir.path());
    assert_eq!(keys.len(), 2, "reference and team");

    clock.set(NOW_MS + LEASE_MS - 1);
    assert!(store.authorize(Action::Read, &c(TEAM)).is_ok(), "a lease holds to its last moment");
    clock.set(NOW_MS + 60 * DAY_MS);
    assert!(matches!(store.authorize(Action::Read, &c(TEAM)), Err(Error::Closed(_))));
    assert!(store.list(&[Kind::Inspection], None, 10).expect("listed").items.is_empty(), "lists are closed");
    assert!(store.search("Yusupov", None, 10).expect("searched").is_empty(), "search is closed");
    assert!(store.show(&c(TEAM), &id(1)).is_err() && store.counts(&c(TEAM)).is_err(), "records and counts are closed");
    assert_eq!(store.count_since(Kind::Inspection, 0).expect("counted"), 0);
    assert_eq!(store.closed_why(), [(c("reference"), Why::LeaseEnded), (c(TEAM), Why::LeaseEnded)]);
    assert!(keys.iter().all(|k| !stands(dir.path(), k)), "the sealed keys stand in no file, nor in any write-ahead log");
    assert_eq!(sealed_keys(dir.path()), Vec::<Vec<u8>>::new(), "nothing in the keyring opens the files");

    // Capture never stops.
    assert_eq!(store.allowed(Action::Write), [c(TEAM)]);
    let number = store.save(&stop(3, "10 C 333 DD", "Tursunov")).expect("capture never stops").number.expect("it has a number");
    assert!(number.len() > "IMT-1-2026-100001".len(), "captured records have a series of their own: {number}");
    store.save(&set(3, Path::Field(45), Value::Text("green".into()))).expect("and what was just saved can be amended");
    assert_eq!(store.search("Tursunov", None, 10).expect("searched").len(), 1, "he sees what he wrote in this session");
    assert_eq!(store.waiting().expect("counted"), 3, "one from before, two captured");
    drop(store);

    let (device, store) = reopened(dir.path(), &clock, &handle);
    assert!(store.search("Tursunov", None, 10).expect("searched").is_empty(), "after a lock it cannot be read");
    assert_eq!(store.waiting().expect("counted"), 3);
    drop(store);
    // It reaches headquarters whoever is unlocked, in a stream of its own.
    let sent = sync_locked(&hq, &held, &device, at(NOW_MS + 60 * DAY_MS)).expect("a whole link");
    assert_eq!((sent.sent_changes, sent.waiting), (3, 0));
    let store = Arc::new(device.unlock(&handle, PIN).expect("the PIN is right"));
    store.save(&stop(4, "x", "Rahimov")).expect("captured");
    let done = sync_store(&hq, &held, &store, at(NOW_MS + 60 * DAY_MS)).expect("a whole link");
    assert_eq!(done.waiting, 0);
    assert_eq!(store.closed(), [], "headquarters handed the keys back");
    for n in 1..=4 {
        assert!(store.show(&c(TEAM), &id(n)).is_ok(), "record {n} is there again");
    }
    assert_eq!(store.verify().expect("checked").bad, []);
    let team = store.cursor(&c(TEAM)).expect("read").expect("one");
    assert_eq!(store.digest(&c(TEAM)).expect("computed"), team.digest, "headquarters and device hold the same");
    assert_eq!(
        std::fs::read_dir(dir.path().join("vault"))
            .expect("files")
            .flatten()
            .filter(|f| f.path().extension().is_some_and(|e| e == "db"))
            .count(),
        2,
        "captured files were taken in"
    );
    let idle = sync_store(&hq, &held, &store, at(NOW_MS + 60 * DAY_MS)).expect("a whole link");
    assert_eq!((idle.sent_changes, idle.requests), (0, 1));
    clock.set(NOW_MS + 60 * DAY_MS + LEASE_MS - 1);
    assert!(store.authorize(Action::Read, &c(TEAM)).is_ok(), "the contact began the lease again");
}

#[test]
fn what_was_captured_and_taken_goes_again_if_headquarters_loses_it_before_the_way_is_open() {
    let mut hq = Hq::new();
    let Tablet { dir: _dir, clock, store, handle: _ } = hq.tablet(1, &[TEAM]);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    sync_store(&hq, &held, &store, at(NOW_MS)).expect("a whole link");
    let backup = held.lock().expect("no panic").clone();
    let later = NOW_MS + 60 * DAY_MS;
    clock.set(later);
    // No key that fits comes back.
    let closed = || Weather { wrong_key: true, ..at(later) };
    for n in 1..=2 {
        store.save(&stop(n, "x", "Tursunov")).expect("captured");
        sync_store(&hq, &held, &store, closed()).expect("a whole link");
    }
    assert_eq!((store.waiting().expect("counted"), held.lock().expect("no panic").names(&c(TEAM)).1), (0, 2));
    *held.lock().expect("no panic") = backup.restored(Epoch([9; 16]));
    store.save(&stop(3, "x", "Rahimov")).expect("captured");
    let done = sync_store(&hq, &held, &store, closed()).expect("a whole link");
    assert_eq!((done.waiting, held.lock().expect("no panic").names(&c(TEAM)).1), (0, 3), "what stands before it is here, and goes with it");
    sync_store(&hq, &held, &store, at(later)).expect("a whole link");
    assert_eq!(store.closed(), []);
    for n in 1..=3 {
        assert!(store.show(&c(TEAM), &id(n)).is_ok(), "record {n} is there again");
    }
}

#[test]
fn a_grant_with_an_end_closes_at_its_end_whatever_the_lease_and_what_is_written_after_is_handed_in() {
    let mut hq = Hq::new();
    let Tablet { dir, clock, store, handle } = hq.tablet(1, &[TEAM]);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    store.save(&stop(1, "x", "Yusupov")).expect("saved");
    let until = NOW_MS + 2 * DAY_MS;
    store.apply(&c(TEAM), &[hq.grant_item(&c(TEAM), super::world::officer_id(1), Some(until))], None).expect("applied");
    sync_store(&hq, &held, &store, at(NOW_MS)).expect("a whole link");
    drop(store);
    let (_device, store) = reopened(dir.path(), &clock, &handle);
    clock.set(until - 1);
    assert!(store.show(&c(TEAM), &id(1)).is_ok());
    clock.set(until);
    assert!(matches!(store.show(&c(TEAM), &id(1)), Err(Error::Closed(_))), "twelve days before the lease would have ended");
    store.save(&stop(2, "x", "Karimov")).expect("who is still out there goes on writing; headquarters judges it");
    assert_eq!(store.waiting().expect("counted"), 1);
}

#[test]
fn a_clock_set_back_lengthens_no_lease() {
    let mut hq = Hq::new();
    let Tablet { dir, clock, store, handle } = hq.tablet(1, &[TEAM]);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    sync_store(&hq, &held, &store, at(NOW_MS)).expect("a whole link");
    clock.set(NOW_MS + 10 * DAY_MS);
    assert!(store.authorize(Action::Read, &c(TEAM)).is_ok());
    clock.set(NOW_MS - 400 * DAY_MS);
    clock.run(3 * DAY_MS);
    assert!(store.authorize(Action::Read, &c(TEAM)).is_ok(), "thirteen days are not over");
    drop(store);
    let (_device, store) = reopened(dir.path(), &clock, &handle);
    assert!(store.authorize(Action::Read, &c(TEAM)).is_ok());
    clock.run(2 * DAY_MS);
    assert!(store.authorize(Action::Read, &c(TEAM)).is_err(), "ten days by the clock and five by the uptime are more than fourteen");
    drop(store);
    drop(_device);
    let (_, store) = reopened(dir.path(), &clock, &handle);
    assert!(store.authorize(Action::Read, &c(TEAM)).is_err(), "a new start does not bring it back");
}

#[test]
fn a_clock_that_is_ahead_ends_no_lease_once_headquarters_told_the_time() {
    let mut hq = Hq::new();
    let Tablet { dir, clock, store, handle } = hq.tablet(1, &[TEAM]);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    store.save(&stop(1, "x", "Yusupov")).expect("saved");
    clock.set(NOW_MS + 3650 * DAY_MS);
    assert!(store.authorize(Action::Read, &c(TEAM)).is_err(), "by all that the device knows the time is over");
    sync_store(&hq, &held, &store, at(NOW_MS)).expect("a whole link");
    assert!(store.show(&c(TEAM), &id(1)).is_ok(), "now it knows better");
    clock.set(NOW_MS + 3660 * DAY_MS);
    drop(store);
    let (_device, store) = reopened(dir.path(), &clock, &handle);
    assert!(store.authorize(Action::Read, &c(TEAM)).is_ok(), "ten days after the contact");
    clock.set(NOW_MS + 3665 * DAY_MS);
    assert!(store.authorize(Action::Read, &c(TEAM)).is_err(), "fifteen days after it");
}

#[test]
fn a_locked_device_destroys_the_keys_too_and_a_colleague_does_not_mend_a_lease() {
    let mut hq = Hq::new();
    let (dir, clock, device) = hq.device();
    let (a, b) = (hq.enrol(&device, 1, &[TEAM]), hq.enrol(&device, 2, &[TEAM]));
    let unlock = |handle: &str| Arc::new(device.unlock(handle, PIN).expect("the PIN is right"));
    drop(unlock(&a));
    assert_eq!(sealed_keys(dir.path()).len(), 4, "each has both keys");
    let held = Mutex::new(Held::new(hq.keys.clone()));
    clock.set(NOW_MS + 10 * DAY_MS);
    let store = unlock(&b);
    sync_store(&hq, &held, &store, at(NOW_MS + 10 * DAY_MS)).expect("only the second was named");
    drop(store);
    clock.set(NOW_MS + 15 * DAY_MS);
    device.sweep().expect("swept");
    assert_eq!(sealed_keys(dir.path()).len(), 2, "the first officer's lease is over, though nobody is unlocked");
    drop(unlock(&b));
    assert_eq!(sealed_keys(dir.path()).len(), 2, "a colleague's unlock puts no key back");
    assert_eq!(unlock(&a).closed_why().len(), 2, "who still has the key does not hand it over again");
    let store = unlock(&a);
    store.save(&stop(1, "x", "Yusupov")).expect("captured");
    sync_store(&hq, &held, &store, at(NOW_MS + 15 * DAY_MS)).expect("a whole link");
    assert!(store.closed().is_empty() && store.show(&c(TEAM), &id(1)).is_ok(), "headquarters does");
}

#[test]
fn a_second_officer_gets_a_shared_compartment_from_headquarters_if_the_first_never_comes() {
    let mut hq = Hq::new();
    let (_dir, _, device) = hq.device();
    let a = hq.enrol(&device, 1, &[TEAM]);
    let store = device.unlock(&a, PIN).expect("the PIN is right");
    store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    drop(store);
    let b = hq.enrol(&device, 2, &[TEAM]);
    let store = Arc::new(device.unlock(&b, PIN).expect("the PIN is right"));
    assert_eq!(store.closed_why(), [(c("reference"), Why::Waits), (c(TEAM), Why::Waits)]);
    store.save(&stop(2, "80 B 222 CC", "Karimov")).expect("he can record at once");
    let held = Mutex::new(Held::new(hq.keys.clone()));
    sync_store(&hq, &held, &store, Weather { wrong_key: true, ..Weather::default() }).expect("a whole link");
    assert!(store.show(&c(TEAM), &id(1)).is_err(), "a key that does not open the file is not let in");
    drop(store);
    let store = Arc::new(device.unlock(&b, PIN).expect("the PIN is right"));
    let done = sync_store(&hq, &held, &store, Weather::default()).expect("a whole link");
    assert_eq!((store.closed(), done.waiting), (vec![], 0));
    assert!(store.show(&c(TEAM), &id(1)).is_ok() && store.show(&c(TEAM), &id(2)).is_ok());
    assert_eq!(held.lock().expect("no panic").taken, 2, "both officers' work came once");
}

#[test]
fn what_a_kill_left_unsealed_goes_in_the_sync_that_opens_its_file_again() {
    let mut hq = Hq::new();
    let (dir, _, device) = hq.device();
    let (a, b) = (hq.enrol(&device, 1, &[TEAM]), hq.enrol(&device, 2, &["operation/op-x"]));
    let held = Mutex::new(Held::new(hq.keys.clone()));
    let store = Arc::new(device.unlock(&a, PIN).expect("the PIN is right"));
    store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    sync_store(&hq, &held, &store, at(NOW_MS)).expect("a whole link");
    store.save(&stop(2, "80 B 222 CC", "Karimov")).expect("saved");
    // What lies on the disk at this moment is what the next process finds.
    let killed = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes) in files(dir.path()).iter().filter(|(name, _)| !name.ends_with("-shm")) {
        let to = killed.path().join(FilePath::new(name).strip_prefix(dir.path()).expect("below the home"));
        std::fs::create_dir_all(to.parent().expect("a file is in a folder")).expect("a folder");
        std::fs::write(to, bytes).expect("a file");
    }
    let clock = Arc::new(FixedClock::at(NOW_MS + 60 * DAY_MS));
    let device = Device::open_with(killed.path(), Box::new(clock)).expect("free");
    let unlock = |handle: &str| Arc::new(device.unlock(handle, PIN).expect("the PIN is right"));
    assert_eq!(unlock(&b).allowed(Action::Read), [], "a colleague's unlocking ends the leases");
    let store = unlock(&a);
    let done = sync_store(&hq, &held, &store, at(NOW_MS + 60 * DAY_MS)).expect("a whole link");
    assert_eq!((done.waiting, store.waiting().expect("counted")), (0, 0), "what was behind the door went too");
    assert_eq!(held.lock().expect("no panic").taken, 2);
}
