//! Claims about devices that were cloned or put back: nothing is lost, nothing counts twice, and all come to the same.

use std::collections::BTreeSet;
use std::sync::Mutex;

use daftar_core::ids::{Incarnation, RecordId};
use daftar_core::record::Kind;

use super::reference::{DIGIT_ANEW, Held};
use super::simulated::{Weather, sync, world};
use super::world::{Hq, Tablet, c, id, stop};
use crate::sync::{LinkError, SyncError};

fn team() -> daftar_core::compartment::Compartment {
    c("team/imt-1")
}

/// The stream that a device's new changes go to.
fn incarnation(t: &Tablet) -> Incarnation {
    let saved = t.store.heads(&team()).expect("read").branches;
    let own = saved.iter().filter(|b| b.device == t.store.device().id);
    let mine = own.map(|b| daftar_wire::stream::StreamId { compartment: team(), device: b.device, incarnation: b.incarnation });
    let mut mine = mine.filter(|s| t.store.writes_to(s).expect("read"));
    mine.next().expect("it has written").incarnation
}

fn records(t: &Tablet) -> BTreeSet<RecordId> {
    t.store.list(&[Kind::Inspection], None, 1000).expect("listed").items.into_iter().map(|i| i.record).collect()
}

fn kept(held: &Mutex<Held>) -> std::sync::MutexGuard<'_, Held> {
    held.lock().expect("nobody panics with it")
}

fn clear() -> Weather {
    Weather::default()
}

/// All hold the same log as headquarters, and it holds.
fn assert_equal(held: &Mutex<Held>, tablets: &[&Tablet]) {
    let hq = kept(held).digest(&team());
    for t in tablets {
        assert_eq!(t.store.digest(&team()).expect("computed"), hq, "the same log everywhere");
        assert_eq!(t.store.waiting().expect("counted"), 0);
        assert_eq!(t.store.verify().expect("checked").bad, []);
        assert_eq!(t.store.differing().expect("asked"), []);
    }
}

/// Saves and sends a first stop, and then there are two of this device.
fn cloned(hq: &Hq, held: &Mutex<Held>, a: Tablet) -> (Tablet, Tablet) {
    a.store.save(&stop(1, "x", "y")).expect("saved");
    sync(hq, held, &a, clear()).expect("a whole link");
    let a = a.close();
    (a.copy().open(), a.open())
}

fn settle(hq: &Hq, held: &Mutex<Held>, tablets: &[&Tablet]) {
    for _ in 0..2 {
        for t in tablets {
            assert_eq!(sync(hq, held, t, clear()).expect("a whole link").differ, 0);
        }
    }
}

#[test]
fn a_lost_reply_is_no_clone_and_nothing_new_brings_no_lineage() {
    let (hq, held, a, _) = world();
    a.store.save(&stop(1, "x", "y")).expect("saved");
    let was = incarnation(&a);
    for heard in 0..2 {
        let broken = sync(&hq, &held, &a, Weather { hears_only: Some(heard), ..clear() });
        assert!(matches!(broken, Err(SyncError::Link(LinkError::NoLink(_)))), "{broken:?}");
        a.store.save(&stop(2 + heard as u8, "x", "y")).expect("saved");
    }
    let a = a.again();
    sync(&hq, &held, &a, clear()).expect("a whole link");
    sync(&hq, &held, &a, clear()).expect("a whole link");
    let pairs = kept(&held).lineages.clone();
    assert_eq!(pairs.len(), 3, "a sync with nothing new brings none");
    assert!(pairs.windows(2).all(|w| w[0] == w[1]), "the same pair until it is answered: {pairs:?}");
    a.store.save(&stop(9, "x", "y")).expect("saved");
    sync(&hq, &held, &a, clear()).expect("a whole link");
    assert_eq!(kept(&held).lineages[3].previous, Some(pairs[0].next), "answered, it goes on");
    assert_eq!((kept(&held).anews, incarnation(&a)), (0, was));
    assert_equal(&held, &[&a]);
}

#[test]
fn a_kill_between_keeping_the_lineage_and_sending_it_is_no_clone() {
    let (hq, held, a, _) = world();
    a.store.save(&stop(1, "x", "y")).expect("saved");
    sync(&hq, &held, &a, clear()).expect("a whole link");
    a.store.save(&stop(2, "x", "y")).expect("saved");
    let drawn = a.store.lineage().expect("kept");
    let a = a.again();
    assert_eq!(a.store.lineage().expect("read"), drawn, "it was on the disk before anything was sent");
    sync(&hq, &held, &a, clear()).expect("a whole link");
    let hq = kept(&held);
    assert_eq!((hq.lineages.last(), hq.anews), (Some(&drawn), 0));
}

#[test]
fn clones_that_are_both_used_keep_all_their_work_and_come_to_the_same() {
    let (hq, held, a, other) = world();
    let (a, b) = cloned(&hq, &held, a);
    // Both go on from the same place: the same numbers in the stream, other changes.
    for n in [2, 3] {
        a.store.save(&stop(n, "01 A 222 AA", "Karimov")).expect("saved");
        b.store.save(&stop(n + 10, "01 A 333 AA", "Aliyev")).expect("saved");
    }
    sync(&hq, &held, &a, clear()).expect("a whole link");
    let was = incarnation(&b);
    let told = sync(&hq, &held, &b, clear()).expect("a fork fails nothing");
    assert_eq!((told.waiting, told.differ), (0, 0));
    assert_ne!(incarnation_of_next(&b, 14), was, "it goes on in a stream of its own");
    assert_eq!(kept(&held).branches(&team()), 2, "headquarters keeps both ways, and no stream for nothing");
    let number = b.store.save(&stop(15, "x", "y")).expect("saved").number.expect("a number");
    assert_eq!(number, format!("IMT-1-2026-{}00002", DIGIT_ANEW + 1), "another digit, counted from the beginning");
    a.store.save(&stop(4, "x", "y")).expect("saved");
    settle(&hq, &held, &[&a, &b, &other, &a]);
    let all: BTreeSet<RecordId> = [1, 2, 3, 4, 12, 13, 14, 15].map(id).into();
    for t in [&a, &b, &other] {
        assert_eq!(records(t), all);
    }
    let (names, places) = kept(&held).names(&team());
    assert_eq!(names.len(), 8, "each change once");
    assert_eq!(places, 8 + 1, "only what the branches share stands in both");
    assert_equal(&held, &[&a, &b, &other]);
}

/// Saves one more stop and says where it went.
fn incarnation_of_next(t: &Tablet, n: u8) -> Incarnation {
    t.store.save(&stop(n, "x", "y")).expect("saved");
    incarnation(t)
}

#[test]
fn three_clones_that_leave_at_the_same_place_are_three_branches() {
    let (hq, held, a, other) = world();
    a.store.save(&stop(1, "x", "y")).expect("saved");
    sync(&hq, &held, &a, clear()).expect("a whole link");
    let a = a.close();
    let (second, third, a) = (a.copy().open(), a.copy().open(), a.open());
    for (t, n) in [(&a, 2), (&second, 12), (&third, 22)] {
        t.store.save(&stop(n, "x", "y")).expect("saved");
    }
    settle(&hq, &held, &[&a, &second, &third, &other]);
    for t in [&a, &second, &third, &other] {
        assert_eq!(records(t), [1, 2, 12, 22].map(id).into());
    }
    assert_eq!(kept(&held).branches(&team()), 3);
    assert_equal(&held, &[&a, &second, &third, &other]);
}

#[test]
fn a_home_that_was_put_back_gets_its_own_later_work_again() {
    for brings_news in [false, true] {
        let (hq, held, a, _) = world();
        a.store.save(&stop(1, "x", "y")).expect("saved");
        sync(&hq, &held, &a, clear()).expect("a whole link");
        let a = a.close();
        let backup = a.copy();
        let a = a.open();
        for n in 2..6 {
            a.store.save(&stop(n, "x", "y")).expect("saved");
        }
        sync(&hq, &held, &a, clear()).expect("a whole link");
        drop(a);
        let a = backup.open();
        let was = incarnation(&a);
        if brings_news {
            a.store.save(&stop(9, "x", "y")).expect("saved");
        }
        let told = sync(&hq, &held, &a, clear()).expect("a whole link");
        assert_eq!((told.waiting, told.differ, told.requests), (0, 0, 2), "one round that compares is enough");
        assert_eq!(records(&a).len(), 5 + usize::from(brings_news), "its own later work came back");
        assert_ne!(incarnation_of_next(&a, 10), was, "nothing is appended to a stream that went on elsewhere");
        settle(&hq, &held, &[&a]);
        assert_eq!(kept(&held).anews, 1, "its lineage is found out with the first news");
        assert_equal(&held, &[&a]);
    }
}

#[test]
fn a_word_to_begin_anew_is_followed_though_the_answer_is_cut_or_the_device_switched_off() {
    let (hq, held, a, _) = world();
    let (clone, a) = cloned(&hq, &held, a);
    a.store.save(&stop(2, "x", "y")).expect("saved");
    sync(&hq, &held, &a, clear()).expect("a whole link");
    clone.store.save(&stop(12, "x", "y")).expect("saved");
    let was = incarnation(&clone);
    // Receipt and the word to begin anew come through; the end does not.
    let cut = sync(&hq, &held, &clone, Weather { hears_only: Some(2), ..clear() });
    assert!(cut.is_err(), "{cut:?}");
    assert_ne!(incarnation_of_next(&clone, 13), was);
    // Told, and switched off before any file followed.
    let was = incarnation(&clone);
    clone.store.anew(77).expect("kept");
    let clone = clone.again();
    let saved = clone.store.save(&stop(14, "x", "y")).expect("saved");
    assert_ne!(incarnation(&clone), was, "the file follows when it is opened");
    assert_eq!(saved.number.as_deref(), Some("IMT-1-2026-7700001"));
    let was = incarnation(&clone);
    assert_eq!(incarnation_of_next(&clone.again(), 15), was, "once");
}

#[test]
fn a_file_that_only_a_colleague_may_open_follows_when_he_unlocks() {
    let (mut hq, held, a, _) = world();
    let tablet = a.close();
    let device = super::world::open(tablet.dir.path()).expect("the home is free");
    let handle = hq.enrol(&device, 3, &["team/imt-2"]);
    let of_his = |device: &crate::Device, n: u8| {
        let store = device.unlock(&handle, super::world::PIN).expect("the PIN is right");
        store.save(&crate::vault::Act { compartment: c("team/imt-2"), ..stop(n, "x", "y") }).expect("saved");
        let heads = store.heads(&c("team/imt-2")).expect("read").branches;
        let unsent = store.unsent(&c("team/imt-2")).expect("read");
        (heads.len(), unsent.iter().map(|u| u.last + 1 - u.from).sum::<u64>())
    };
    assert_eq!(of_his(&device, 21), (1, 1));
    drop(device);
    let a = tablet.open();
    let (clone, a) = cloned(&hq, &held, a);
    a.store.save(&stop(2, "x", "y")).expect("saved");
    sync(&hq, &held, &a, clear()).expect("a whole link");
    clone.store.save(&stop(12, "x", "y")).expect("saved");
    sync(&hq, &held, &clone, clear()).expect("a whole link");
    assert_eq!(kept(&held).anews, 1, "the clone is told while he is away");
    sync(&hq, &held, &clone, clear()).expect("a whole link");
    assert_eq!(clone.store.unsent(&c("team/imt-1")).expect("read"), [], "what moved to the new stream is sent");
    let clone = clone.close();
    let device = super::world::open(clone.dir.path()).expect("the home is free");
    // His file begins anew before the receipt of what his outbox brought is written down in it: that change goes on in the new stream too,
    // under the same name.
    assert_eq!(of_his(&device, 22), (2, 2));
    let store = device.unlock(&handle, super::world::PIN).expect("the PIN is right");
    let unsent = store.unsent(&c("team/imt-2")).expect("read");
    assert_eq!(unsent.iter().map(|u| (u.from, u.last)).collect::<Vec<_>>(), [(1, 2)]);
    assert_eq!((store.counts(&c("team/imt-2")).expect("counted").changes, store.verify().expect("checked").bad), (3, Vec::new()));
    drop(a);
}

#[test]
fn a_server_restored_from_before_a_fork_gets_both_ways_from_whoever_has_them() {
    for by_the_writer in [true, false] {
        let (hq, held, a, other) = world();
        let (clone, a) = cloned(&hq, &held, a);
        sync(&hq, &held, &other, clear()).expect("a whole link");
        let yesterday = kept(&held).clone();
        for (t, n) in [(&a, 2), (&clone, 12)] {
            t.store.save(&stop(n, "x", "y")).expect("saved");
        }
        settle(&hq, &held, &[&a, &clone, &other]);
        let before = kept(&held).digest(&team());
        *kept(&held) = yesterday.restored(daftar_core::ids::Epoch([8; 16]));
        drop(clone);
        let last = if by_the_writer { &a } else { &other };
        let told = sync(&hq, &held, last, clear()).expect("a whole link");
        assert_eq!((told.waiting, told.differ), (0, 0));
        assert_eq!(kept(&held).digest(&team()), before, "both ways are back");
        assert_eq!(last.store.offered(&team()).expect("read"), [], "each has its receipt");
        assert_equal(&held, &[last]);
    }
}

#[test]
fn a_server_restored_from_before_a_lost_clone_gets_what_it_shared_with_its_twin_and_what_came_behind() {
    let (hq, held, a, _) = world();
    a.store.save(&stop(1, "x", "y")).expect("saved");
    sync(&hq, &held, &a, clear()).expect("a whole link");
    let yesterday = kept(&held).clone();
    a.store.save(&stop(2, "x", "y")).expect("saved, and not sent when the clone is made");
    let a = a.close();
    let (clone, a) = (a.copy().open(), a.open());
    clone.store.save(&stop(3, "x", "y")).expect("saved");
    sync(&hq, &held, &clone, clear()).expect("a whole link");
    a.store.save(&stop(4, "x", "y")).expect("saved, and sealed at the lock");
    let a = a.again();
    a.store.anew(DIGIT_ANEW).expect("it was told in an exchange that brought nothing of this");
    settle(&hq, &held, &[&a]);
    assert_eq!(a.store.shared().keyring.outbox().expect("counted"), 0, "what went on in another stream waits in no outbox");
    let before = kept(&held).names(&team());
    *kept(&held) = yesterday.restored(daftar_core::ids::Epoch([8; 16]));
    drop(clone);
    settle(&hq, &held, &[&a]);
    assert_eq!((kept(&held).names(&team()).0, before.0.len()), (before.0, 4));
    assert_equal(&held, &[&a]);
}
