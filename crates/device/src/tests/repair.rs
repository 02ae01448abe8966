//! Claims about comparing logs: what one lacks comes, nothing is wiped, and a restored server gets everything back.

use std::sync::Mutex;

use daftar_core::compartment::Compartment;
use daftar_core::ids::Epoch;
use daftar_core::value::{Path, Value};
use daftar_wire::stream::StreamId;

use super::reference::Held;
use super::simulated::{Weather, publish, sync, world};
use super::world::{Tablet, c, id, items, set, stop};
use crate::Error;
use crate::sync::SyncError;
use crate::vault::{AppliedWhat, Via};

fn team() -> Compartment {
    c("team/imt-1")
}

fn kept(held: &Mutex<Held>) -> std::sync::MutexGuard<'_, Held> {
    held.lock().expect("nobody panics with it")
}

fn clear() -> Weather {
    Weather::default()
}

fn digest(t: &Tablet) -> daftar_core::ids::Digest {
    t.store.digest(&team()).expect("computed")
}

/// The stream of a device that has one.
fn stream(t: &Tablet) -> StreamId {
    let heads = t.store.heads(&team()).expect("read");
    let own = heads.branches.iter().find(|b| b.device == t.store.device().id).expect("it has written");
    StreamId { compartment: team(), device: own.device, incarnation: own.incarnation }
}

#[test]
fn a_difference_is_repaired_by_what_lacks_and_by_nothing_else() {
    let (hq, held, a, b) = world();
    for n in 1..=4 {
        a.store.save(&stop(n, "x", "y")).expect("saved");
        sync(&hq, &held, &a, clear()).expect("a whole link");
    }
    // The third entry of the feed never comes, and all that b writes is there already.
    b.store.save(&stop(9, "x", "y")).expect("saved");
    let loose = kept(&held).loose;
    let got = sync(&hq, &held, &b, Weather { skips: Some(3), ..clear() }).expect("a whole link");
    assert_eq!((got.received_changes, got.requests, got.differ), (4 + 2, 2, 0));
    assert_eq!(kept(&held).loose - loose, 2, "the segment that was left out and the one that could not follow without it");
    assert_eq!(digest(&b), kept(&held).digest(&team()));
    let sent = kept(&held).came.len();
    let idle = sync(&hq, &held, &b, clear()).expect("a whole link");
    assert_eq!((idle.requests, idle.received_changes, kept(&held).came.len()), (1, 0, sent), "repaired, it costs nothing more");
    assert_eq!(b.store.verify().expect("checked").bad, []);
}

#[test]
fn what_cannot_be_repaired_is_said_and_compared_again_with_the_next_sync() {
    let (hq, held, a, _) = world();
    a.store.save(&stop(1, "x", "y")).expect("saved");
    let told = sync(&hq, &held, &a, Weather { wrong_digests: true, ..clear() }).expect("it fails nothing");
    assert_eq!((told.differ, told.waiting, kept(&held).compared), (2, 0, 2 * 2), "two rounds for each compartment, then it is said");
    let a = a.again();
    let told = sync(&hq, &held, &a, clear()).expect("a whole link");
    assert_eq!(told.differ, 0, "and compared again");
    assert_eq!(a.store.show(&team(), &id(1)).expect("there").history.len(), 1);
}

#[test]
fn a_server_that_lost_the_end_of_a_stream_is_given_it_from_there() {
    let (hq, held, a, _) = world();
    for n in 1..=6 {
        a.store.save(&stop(n, "x", "y")).expect("saved");
        sync(&hq, &held, &a, clear()).expect("a whole link");
    }
    kept(&held).lose(&stream(&a), 4);
    a.store.save(&stop(7, "x", "y")).expect("saved");
    let taken = kept(&held).taken;
    let told = sync(&hq, &held, &a, clear()).expect("a whole link");
    assert_eq!((told.waiting, told.differ), (0, 0));
    assert_eq!(kept(&held).taken - taken, 3, "5, 6 and 7, and not the stream from its beginning");
    assert!(told.sent_changes <= 1 + 3, "{told:?}");
    assert_eq!(digest(&a), kept(&held).digest(&team()));
}

#[test]
fn a_restored_server_gets_everything_back_and_nothing_is_dropped_here() {
    let (mut hq, held, a, b) = world();
    a.store.save(&stop(1, "x", "y")).expect("saved");
    sync(&hq, &held, &a, clear()).expect("a whole link");
    sync(&hq, &held, &b, clear()).expect("a whole link");
    let yesterday = kept(&held).clone();
    for n in 2..5 {
        a.store.save(&stop(n, "x", "y")).expect("saved");
        b.store.save(&stop(n + 10, "x", "y")).expect("saved");
    }
    b.store.save(&set(1, Path::Field(45), Value::Text("green".into()))).expect("amended");
    hq.say(daftar_core::record::Kind::Post, id(99), [(Path::Field(2), Value::Text("a post".into()))].into());
    publish(&hq, &held);
    sync(&hq, &held, &b, clear()).expect("a whole link");
    sync(&hq, &held, &a, clear()).expect("a whole link");
    let (before, reference) = (digest(&a), a.store.digest(&Compartment::reference()).expect("computed"));
    assert_eq!(kept(&held).digest(&team()), before);
    let standing = a.store.receipts().expect("read").remove(0);
    assert_eq!((standing.held, standing.written, standing.backed_up_through), (4, 4, 1));

    // b is gone for good; what it wrote, and what headquarters wrote since, a alone has.
    drop(b);
    let now = Epoch([8; 16]);
    *kept(&held) = yesterday.restored(now);
    let silent = sync(&hq, &held, &a, Weather { no_receipts: true, hears_only: Some(4), ..clear() });
    assert!(silent.is_err(), "{silent:?}");
    assert_eq!(digest(&a), before, "nothing is deleted because of an epoch");
    let standing = a.store.receipts().expect("read").remove(0);
    assert_eq!((standing.held, standing.written), (0, 4), "receipts of the life before count no more until they are said again");
    assert_eq!(a.store.waiting().expect("counted"), 4);
    let a = a.again();
    assert_eq!((a.store.epoch(), a.store.waiting().expect("counted")), (now, 4), "and that is kept");
    let told = sync(&hq, &held, &a, clear()).expect("a whole link");
    assert_eq!((told.waiting, told.differ), (0, 0), "{told:?}");
    assert_eq!(kept(&held).digest(&team()), before, "all of it is back, another device's work too");
    assert_eq!(kept(&held).digest(&Compartment::reference()), reference, "and what headquarters itself had written");
    assert_eq!(digest(&a), before);
    let standing = a.store.receipts().expect("read").remove(0);
    assert_eq!((standing.held, standing.written), (4, 4));
    let idle = sync(&hq, &held, &a, clear()).expect("a whole link");
    assert_eq!((idle.requests, idle.sent_changes, idle.received_changes), (1, 0, 0));
    assert_eq!(a.store.verify().expect("checked").bad, []);
}

#[test]
fn a_wanted_stream_waits_again_whoever_wrote_it_and_stays_wanted_when_the_link_breaks() {
    let (hq, held, a, b) = world();
    for n in 1..=3 {
        a.store.save(&stop(n, "x", "y")).expect("saved");
        sync(&hq, &held, &a, clear()).expect("a whole link");
    }
    sync(&hq, &held, &b, clear()).expect("a whole link");
    let of_a = stream(&a);
    assert!(a.store.want(&of_a, 2).expect("noted") && b.store.want(&of_a, 3).expect("noted"));
    assert_eq!((a.store.waiting().expect("counted"), b.store.waiting().expect("counted")), (2, 0), "another's work is not b's to wait for");
    assert_eq!(b.store.offered(&team()).expect("read").iter().map(|u| (u.from, u.last)).collect::<Vec<_>>(), [(3, 3)]);
    for t in [&a, &b] {
        sync(&hq, &held, t, Weather { cut_after: Some(1), ..clear() }).expect_err("the link breaks");
    }
    let (a, b) = (a.again(), b.again());
    let sent: Vec<u64> = [&a, &b].map(|t| sync(&hq, &held, t, clear()).expect("a whole link").sent_changes).into();
    assert_eq!(sent, [2, 1], "from the place that is wanted on");
    assert_eq!(b.store.offered(&team()).expect("read"), [], "the receipt says that it is there");
}

#[test]
fn what_came_by_a_peer_is_offered_to_headquarters_and_relayed_from_any_place() {
    let (hq, held, a, b) = world();
    sync(&hq, &held, &b, clear()).expect("a whole link");
    for n in 1..=4 {
        a.store.save(&stop(n, "x", "y")).expect("saved");
    }
    for item in items(&a.store, &team()) {
        let AppliedWhat::Segment(bytes) = item.what else { panic!("a segment") };
        let segment = daftar_wire::segment::Segment::read(&bytes).expect("a's own");
        assert_eq!(b.store.take(segment, Via::Peer).expect("taken"), Ok(4));
    }
    let relayed = b.store.relay(&stream(&a), 3).expect("read").remove(0);
    let segment = b.store.cut(&relayed, 3, 256, 1 << 20).expect("cut");
    assert_eq!((segment.first, segment.last()), (3, 4));
    let told = sync(&hq, &held, &b, clear()).expect("a whole link");
    assert_eq!((told.sent_changes, told.differ), (4, 0));
    assert_eq!(kept(&held).digest(&team()), digest(&a), "headquarters has it from b");
    assert_eq!(sync(&hq, &held, &b, clear()).expect("a whole link").sent_changes, 0);
    sync(&hq, &held, &a, clear()).expect("a whole link");
    assert_eq!((a.store.waiting().expect("counted"), digest(&a)), (0, digest(&b)), "a's own receipt came when it asked for it");
}

#[test]
fn a_receipt_of_another_history_clears_nothing_begins_anew_once_and_the_rest_flows() {
    let (hq, held, a, b) = world();
    b.store.save(&stop(9, "x", "y")).expect("saved");
    sync(&hq, &held, &b, clear()).expect("a whole link");
    a.store.save(&stop(1, "x", "y")).expect("saved");
    let was = stream(&a);
    let told = sync(&hq, &held, &a, Weather { foreign_receipts: true, ..clear() });
    assert!(matches!(told, Err(SyncError::Store(Error::Fork(_)))), "it does not stop at the second: {told:?}");
    assert!(!a.store.writes_to(&was).expect("read"));
    assert!(a.store.waiting().expect("counted") > 0);
    assert!(a.store.show(&team(), &id(9)).is_ok(), "what others wrote came all the same");
    let told = sync(&hq, &held, &a, clear()).expect("a whole link");
    assert_eq!((told.waiting, told.differ), (0, 0));
    assert_eq!(a.store.show(&team(), &id(1)).expect("there").history.len(), 1, "one change, whatever roads it went");
    sync(&hq, &held, &b, clear()).expect("a whole link");
    let hq = kept(&held).digest(&team());
    assert_eq!((digest(&a), digest(&b)), (hq, hq));
}
