//! Claims about what headquarters takes back: unsent work first, then key and file, and never a neighbour's.

use std::path::Path as FilePath;
use std::sync::{Arc, Mutex};

use daftar_core::authorize::Action;
use daftar_core::ids::Epoch;
use daftar_core::record::Kind;
use daftar_wire::message::{Access, Revocation};

use super::reference::Held;
use super::simulated::{Weather, sync_locked, sync_store};
use super::world::{Hq, NOW_MS, PIN, Tablet, c, files, id, officer_id, open, stands, stop, stop_in};
use crate::draft::Draft;
use crate::keyring::{ContactOutcome, Revoked};
use crate::{Device, Error, Store};

const MOI: &str = "agency/moi/imt-1";
const TEAM: &str = "team/imt-1";

fn revoke(hq: &Hq, held: &Mutex<Held>, n: u8, compartment: &str) {
    let r = Revocation::sign(&hq.key, officer_id(n), c(compartment), NOW_MS);
    held.lock().expect("no panic").revoked.push(r);
}

fn unlock(device: &Device, handle: &str) -> Arc<Store> {
    Arc::new(device.unlock(handle, PIN).expect("the PIN is right"))
}

/// The name of the file that a compartment has here.
fn file_of(store: &Store, compartment: &str) -> String {
    store.vault(&c(compartment)).expect("open").name().to_owned()
}

fn is_there(dir: &FilePath, file: &str) -> bool {
    files(dir).iter().any(|(name, _)| name.contains(file))
}

/// The sealed keys that lead to a file.
fn keys_to(dir: &FilePath, file: &str) -> Vec<Vec<u8>> {
    let conn = rusqlite::Connection::open(dir.join("keyring.db")).expect("the keyring");
    let mut rows = conn.prepare("SELECT key FROM door WHERE file = ?1 AND key IS NOT NULL").expect("a table");
    rows.query_map([file], |r| r.get(0)).expect("rows").collect::<rusqlite::Result<_>>().expect("keys")
}

fn draft(n: u8, compartment: &str, amends: bool) -> Draft {
    Draft { record: id(n), kind: Kind::Inspection, compartment: Some(c(compartment)), amends, form: vec![n], kept_ms: NOW_MS }
}

#[test]
fn a_revoked_officer_loses_key_and_file_but_not_before_his_unsent_work_was_taken() {
    let mut hq = Hq::new();
    let (dir, _, device) = hq.device();
    let a = hq.enrol(&device, 1, &[TEAM, MOI]);
    let store = unlock(&device, &a);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    for n in 1..=3 {
        store.save(&stop_in(MOI, n, "01 A 123 BC", "Yusupov")).expect("saved");
    }
    store.save(&stop(9, "x", "Karimov")).expect("saved");
    for d in [draft(20, MOI, false), draft(1, MOI, true), draft(9, TEAM, true)] {
        store.own().keep_draft(&d).expect("kept");
    }
    let file = file_of(&store, MOI);
    let keys = keys_to(dir.path(), &file);
    // Photos lie in a folder of the compartment's name.
    let blobs = dir.path().join("blobs").join(&file);
    std::fs::create_dir_all(&blobs).expect("a folder");
    std::fs::write(blobs.join("photo"), [7; 5000]).expect("a photo");
    revoke(&hq, &held, 1, MOI);

    sync_store(&hq, &held, &store, Weather { no_receipts: true, ..Weather::default() }).expect("a whole answer");
    assert!(is_there(dir.path(), &file) && keys_to(dir.path(), &file) == keys, "work that is not receipted keeps its file and its key");
    assert!(matches!(store.authorize(Action::Read, &c(MOI)), Err(Error::Denied { .. })), "but nobody reads there any more");
    assert!(store.search("Yusupov", None, 10).expect("searched").is_empty() && store.show(&c(MOI), &id(1)).is_err());
    assert!(matches!(store.save(&stop_in(MOI, 5, "x", "y")), Err(Error::Denied { .. })), "nor writes");
    assert_eq!(store.waiting().expect("counted"), 4);
    drop(store);
    let store = unlock(&device, &a);
    assert!(!store.compartments().contains(&c(MOI)) && store.search("Yusupov", None, 10).expect("searched").is_empty(), "nor after a lock");

    let done = sync_store(&hq, &held, &store, Weather::default()).expect("a whole link");
    assert_eq!(done.waiting, 0);
    assert_eq!(held.lock().expect("no panic").taken, 4, "all that he saved is at headquarters");
    assert!(!is_there(dir.path(), &file), "file, photos and what SQLite keeps beside it are gone");
    assert!(!keys.is_empty() && keys.iter().all(|k| !stands(dir.path(), k)), "his sealed key stands nowhere");
    assert!(store.show(&c(TEAM), &id(9)).is_ok(), "another compartment is untouched");
    let left: Vec<_> = store.own().drafts().expect("read").into_iter().map(|d| (d.record, store.is_draft_closed(&d))).collect();
    assert!(left.contains(&(id(20), true)) && left.contains(&(id(9), false)), "his own words stay, marked as closed: {left:?}");
    assert_eq!(left.len(), 2, "a form that amends is a copy of the record and goes");
    store.own().delete_draft(&id(20)).expect("he can throw it away");
    let held = held.into_inner().expect("no panic");
    let told: Vec<_> = held.purged.iter().map(|p| (p.officer, p.compartment.clone(), p.removed)).collect();
    assert_eq!(told, [(officer_id(1), c(MOI), true)]);
    let key = store.device().id;
    let device_key = device.keyring().device().expect("enrolled").signing.verifying_key();
    assert!(held.purged[0].verify(&device_key, &key).is_ok(), "signed by the device");
}

#[test]
fn an_officer_is_told_what_was_taken_from_him_until_he_has_seen_it_and_nobody_else_is() {
    let mut hq = Hq::new();
    let (dir, _, device) = hq.device();
    let (a, b) = (hq.enrol(&device, 1, &[TEAM, MOI]), hq.enrol(&device, 2, &[TEAM, MOI]));
    let held = Mutex::new(Held::new(hq.keys.clone()));
    let store = unlock(&device, &a);
    store.save(&stop_in(MOI, 1, "01 A 123 BC", "Yusupov")).expect("saved");
    assert_eq!(store.taken_back().expect("read"), []);
    revoke(&hq, &held, 1, MOI);
    sync_store(&hq, &held, &store, Weather { no_receipts: true, ..Weather::default() }).expect("a whole answer");
    assert_eq!(store.taken_back().expect("read"), [], "it waits for what was not sent, and is there still");
    for what in ["taken", "headquarters was told", "said again by a copy of the disk", "told again"] {
        if what.starts_with("said again") {
            let again = Revocation::sign(&hq.key, officer_id(1), c(MOI), NOW_MS);
            device.keyring().note_revocation(&again).expect("noted");
        } else {
            sync_store(&hq, &held, &store, Weather::default()).expect("a whole link");
        }
        assert_eq!(store.taken_back().expect("read"), [c(MOI)], "{what}");
    }
    drop(store);
    let conn = rusqlite::Connection::open(dir.path().join("keyring.db")).expect("the keyring");
    let names: Vec<Vec<u8>> =
        conn.prepare("SELECT name FROM revocation").and_then(|mut rows| rows.query_map([], |r| r.get(0))?.collect()).expect("rows");
    assert!(!names.is_empty() && names.iter().all(|n| !n.windows(MOI.len()).any(|w| w == MOI.as_bytes())), "it is sealed to him");
    let other = unlock(&device, &b);
    assert_eq!(other.taken_back().expect("read"), [], "a colleague is told nothing");
    drop(other);
    let store = unlock(&device, &a);
    assert_eq!(store.taken_back().expect("read"), [c(MOI)], "a lock is no word of his");
    store.taken_back_seen(&c(MOI)).expect("noted");
    assert_eq!(store.taken_back().expect("read"), []);

    store.grant_notice(&c(MOI), Access { read: true, write: true }).expect("let in again");
    held.lock().expect("no panic").revoked.clear();
    revoke(&hq, &held, 1, MOI);
    sync_store(&hq, &held, &store, Weather::default()).expect("a whole link");
    assert_eq!(store.taken_back().expect("read"), [c(MOI)], "taken again it is said again");
    held.lock().expect("no panic").revoked.clear();
    store.grant_notice(&c(MOI), Access { read: true, write: true }).expect("let in again");
    assert_eq!(store.taken_back().expect("read"), [], "what is his again is no news");
}

#[test]
fn a_purge_goes_on_after_a_power_cut_between_any_two_steps_and_is_said_until_an_exchange_finished() {
    for steps in [1, 2] {
        let mut hq = Hq::new();
        let (dir, _, device) = hq.device();
        let a = hq.enrol(&device, 1, &[TEAM, MOI]);
        let store = unlock(&device, &a);
        store.save(&stop(9, "x", "Karimov")).expect("saved");
        let file = file_of(&store, MOI);
        drop(store);
        let revocation = Revocation::sign(&hq.key, officer_id(1), c(MOI), NOW_MS);
        device.keyring().note_revocation(&revocation).expect("noted");
        let revoked: Vec<Revoked> = device.keyring().revoked().expect("read");
        device.keyring().begin_purge(&revoked[0], NOW_MS).expect("the first step");
        assert!(keys_to(dir.path(), &file).is_empty() && is_there(dir.path(), &file), "first the key");
        if steps == 2 {
            let shared = device.shared();
            shared.home.remove_compartment(&file).expect("the second step");
            // Half of it came back, as when the folder's entry had not reached the disk.
            std::fs::write(shared.home.vault(&file), b"half").expect("a file");
        }
        drop(device);
        let device = open(dir.path()).expect("free");
        assert!(!is_there(dir.path(), &file), "the start goes on where it was cut");
        let held = Mutex::new(Held::new(hq.keys.clone()));
        let cut = sync_locked(&hq, &held, &device, Weather { cut_after: Some(2), ..Weather::default() });
        assert!(cut.is_err() && held.lock().expect("no panic").purged.len() == 1);
        sync_locked(&hq, &held, &device, Weather::default()).expect("a whole link");
        assert_eq!(held.lock().expect("no panic").purged.len(), 2, "it was said again, for the first exchange had not finished");
        let store = unlock(&device, &a);
        sync_store(&hq, &held, &store, Weather::default()).expect("a whole link");
        assert_eq!(held.lock().expect("no panic").purged.len(), 2, "and then no more");
        assert!(store.show(&c(TEAM), &id(9)).is_ok());
    }
}

#[test]
fn a_colleague_who_is_locked_loses_his_key_alone_while_others_may_read() {
    let mut hq = Hq::new();
    let (dir, _, device) = hq.device();
    let (a, b) = (hq.enrol(&device, 1, &[TEAM]), hq.enrol(&device, 2, &[TEAM]));
    drop(unlock(&device, &a));
    let store = unlock(&device, &b);
    store.save(&stop(1, "x", "Yusupov")).expect("saved");
    drop(store);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    let store = unlock(&device, &a);
    let file = file_of(&store, TEAM);
    revoke(&hq, &held, 2, TEAM);
    revoke(&hq, &held, 2, "reference");
    sync_store(&hq, &held, &store, Weather::default()).expect("a whole link");
    assert_eq!((keys_to(dir.path(), &file).len(), held.lock().expect("no panic").taken), (1, 1), "after his work was taken");
    assert!(store.show(&c(TEAM), &id(1)).is_ok(), "the other officer goes on reading");
    assert!(held.lock().expect("no panic").purged.iter().all(|p| p.officer == officer_id(2) && !p.removed));
    drop(store);
    assert!(matches!(device.unlock(&b, PIN), Err(Error::AccessEnded)), "he is told that his access was ended");
    assert!(matches!(device.unlock(&b, "00000000"), Err(Error::PinWrong { .. })), "and nobody else is");
    assert_eq!(device.keyring().officers().expect("read").len(), 2);
}

#[test]
fn a_locked_device_purges_what_its_outbox_has_brought_home_and_keeps_what_a_crash_left_unsealed() {
    let mut hq = Hq::new();
    let (dir, _, device) = hq.device();
    let a = hq.enrol(&device, 1, &[TEAM, MOI]);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    let store = unlock(&device, &a);
    let (team, moi) = (file_of(&store, TEAM), file_of(&store, MOI));
    store.save(&stop_in(MOI, 1, "x", "Yusupov")).expect("saved");
    drop(store);
    // A crash: the save is in its file and in no outbox.
    device.keyring().soil(&team).expect("noted");
    revoke(&hq, &held, 1, MOI);
    revoke(&hq, &held, 1, TEAM);
    sync_locked(&hq, &held, &device, Weather::default()).expect("a whole link");
    assert_eq!(held.lock().expect("no panic").taken, 1);
    assert!(!is_there(dir.path(), &moi), "what was taken goes");
    assert!(is_there(dir.path(), &team), "what may hold unsent work stays");
    // He unlocks: nothing is read, what waits is sealed, and then it goes too.
    let store = unlock(&device, &a);
    assert!(store.authorize(Action::Read, &c(TEAM)).is_err());
    drop(store);
    sync_locked(&hq, &held, &device, Weather::default()).expect("a whole link");
    assert!(!is_there(dir.path(), &team));
}

#[test]
fn a_compartment_that_is_taken_while_its_heads_are_compared_fails_no_sync() {
    let mut hq = Hq::new();
    let (_dir, _, device) = hq.device();
    let a = hq.enrol(&device, 1, &[TEAM, MOI]);
    let store = unlock(&device, &a);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    store.save(&stop_in(MOI, 1, "01 A 123 BC", "Yusupov")).expect("saved");
    sync_store(&hq, &held, &store, Weather::default()).expect("a whole link");
    store.suspect(&c(MOI)).expect("noted");
    revoke(&hq, &held, 1, MOI);
    let done = sync_store(&hq, &held, &store, Weather::default()).expect("what is gone is compared no more");
    assert_eq!(done.waiting, 0);
    assert!(!store.compartments().contains(&c(MOI)), "it is taken");
}

#[test]
fn an_earlier_revocation_in_the_past_that_comes_takes_nothing_from_who_was_let_in_again() {
    let mut hq = Hq::new();
    let (_dir, _, device) = hq.device();
    let a = hq.enrol(&device, 1, &[TEAM]);
    let store = unlock(&device, &a);
    store.grant_notice(&c(MOI), Access { read: true, write: true }).expect("let in");
    let taken = hq.grant_said(&c(MOI), officer_id(1), None, false);
    store.apply(&c(MOI), &[taken], None).expect("applied");
    assert!(store.authorize(Action::Read, &c(MOI)).is_ok(), "what follows in the feed is taken");
    let end = store.cursor(&c(MOI)).expect("read").expect("one");
    store.apply(&c(MOI), &[], Some(&end)).expect("applied");
    store.note_contact(ContactOutcome::Finished { hq_time_ms: NOW_MS }).expect("noted");
    assert!(store.authorize(Action::Read, &c(MOI)).is_err(), "at the end of the feed its last word counts");
}

#[test]
fn who_was_let_in_again_stays_in_when_the_answer_is_cut_before_the_grant_and_the_device_is_locked() {
    let mut hq = Hq::new();
    let (_dir, _, device) = hq.device();
    let a = hq.enrol(&device, 1, &[TEAM]);
    let store = unlock(&device, &a);
    store.grant_notice(&c(MOI), Access { read: true, write: true }).expect("let in");
    store.apply(&c(MOI), &[hq.grant_said(&c(MOI), officer_id(1), None, false)], None).expect("applied");
    drop(store);
    for outcome in [ContactOutcome::Failed { code: "no_link".into() }, ContactOutcome::Finished { hq_time_ms: NOW_MS }] {
        let store = unlock(&device, &a);
        assert!(store.authorize(Action::Read, &c(MOI)).is_ok(), "what follows in the feed is taken after a lock too");
        store.note_contact(outcome).expect("noted");
    }
    let store = unlock(&device, &a);
    assert!(
        store.authorize(Action::Read, &c(MOI)).is_err(),
        "once all that the feed says was heard its last word counts, after a lock too"
    );
}

#[test]
fn a_record_number_is_given_once_in_another_teams_compartment_and_after_a_purge() {
    let mut hq = Hq::new();
    let (_dir, _, device) = hq.device();
    let a = hq.enrol(&device, 1, &[TEAM, "team/imt-2"]);
    let store = unlock(&device, &a);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    let number = |n: u8, compartment: &str| {
        let saved = store.save(&stop_in(compartment, n, "01 A 123 BC", "Yusupov")).expect("saved");
        saved.number.expect("it has a number")
    };
    assert_eq!(number(1, TEAM), "IMT-1-2026-100001");
    assert_eq!(number(2, "team/imt-2"), "IMT-2-IMT-1-2026-100001", "a device of that team has the same digit");
    sync_store(&hq, &held, &store, Weather::default()).expect("a whole link");
    revoke(&hq, &held, 1, TEAM);
    sync_store(&hq, &held, &store, Weather::default()).expect("a whole link");
    assert!(!store.compartments().contains(&c(TEAM)), "it is purged, and its count with it");
    store.grant_notice(&c(TEAM), Access { read: true, write: true }).expect("let in again");
    assert_ne!(number(3, TEAM), "IMT-1-2026-100001", "the past has not come yet, and the number is not given twice");
}

#[test]
fn a_revocation_that_headquarters_did_not_sign_takes_nothing() {
    let mut hq = Hq::new();
    let (dir, _, device) = hq.device();
    let a = hq.enrol(&device, 1, &[TEAM]);
    let store = unlock(&device, &a);
    let file = file_of(&store, TEAM);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    let mut forged = Revocation::sign(&hq.key, officer_id(1), c(TEAM), NOW_MS);
    forged.sig[5] ^= 1;
    held.lock().expect("no panic").revoked.push(forged);
    assert!(sync_store(&hq, &held, &store, Weather::default()).is_err());
    assert!(store.authorize(Action::Read, &c(TEAM)).is_ok() && is_there(dir.path(), &file) && !keys_to(dir.path(), &file).is_empty());
}

#[test]
fn a_device_that_is_locked_purges_nothing_that_a_restored_headquarters_may_lack() {
    let mut hq = Hq::new();
    let (dir, _, device) = hq.device();
    let a = hq.enrol(&device, 1, &[TEAM, MOI]);
    let yesterday = Held::new(hq.keys.clone());
    let held = Mutex::new(Held::new(hq.keys.clone()));
    let store = unlock(&device, &a);
    store.save(&stop_in(MOI, 1, "01 A 123 BC", "Yusupov")).expect("saved");
    sync_store(&hq, &held, &store, Weather::default()).expect("a whole link");
    let moi = file_of(&store, MOI);
    store.lock().expect("locked");
    drop(store);
    *held.lock().expect("no panic") = yesterday.restored(Epoch([8; 16]));
    revoke(&hq, &held, 1, MOI);
    for again in [false, true] {
        sync_locked(&hq, &held, &device, Weather::default()).expect("a whole link");
        assert!(is_there(dir.path(), &moi), "what headquarters had is not what it has");
        if !again {
            unlock(&device, &a).lock().expect("locked again before anything was offered");
        }
    }
    let store = unlock(&device, &a);
    assert!(store.authorize(Action::Read, &c(MOI)).is_err());
    let done = sync_store(&hq, &held, &store, Weather::default()).expect("a whole link");
    assert_eq!((done.waiting, held.lock().expect("no panic").names(&c(MOI)).1), (0, 1), "it came back");
    assert!(!is_there(dir.path(), &moi), "and then it goes");
}

#[test]
fn what_is_taken_before_its_heads_are_said_again_fails_no_sync() {
    let mut hq = Hq::new();
    let (_dir, _, device) = hq.device();
    let a = hq.enrol(&device, 1, &[TEAM, MOI]);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    let store = unlock(&device, &a);
    store.save(&stop_in(MOI, 1, "01 A 123 BC", "Yusupov")).expect("saved");
    sync_store(&hq, &held, &store, Weather::default()).expect("a whole link");
    store.suspect(&c(MOI)).expect("its heads are to be compared");
    revoke(&hq, &held, 1, MOI);
    // Whoever does not know the root is asked once more, for the same heads, when the compartment is gone.
    let done = sync_store(&hq, &held, &store, Weather { forgets: true, ..Weather::default() }).expect("a whole link");
    assert_eq!((done.waiting, store.compartments().contains(&c(MOI))), (0, false));
}

#[test]
fn of_an_open_compartment_of_which_nothing_came_it_is_said_that_it_is_open() {
    let mut hq = Hq::new();
    let Tablet { dir: _dir, store, .. } = hq.tablet(1, &[TEAM]);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    let nothing = store.standing_in(&c(TEAM)).expect("read").expect("it is open");
    assert_eq!((nothing.ranges, nothing.digest), (Vec::new(), daftar_wire::stream::digest(&[])), "whoever may only write says zeros");
    sync_store(&hq, &held, &store, Weather::default()).expect("a whole link");
    let confirmed = store.confirmed().expect("read");
    assert!(confirmed.iter().any(|cursor| cursor.compartment == c(TEAM)), "it was said, and is said no more");
}
