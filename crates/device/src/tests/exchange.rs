//! Claims about segments, receipts and pages between devices.

use daftar_core::ids::Head;
use daftar_core::ids::{Digest, Epoch};
use daftar_core::value::{Path, Value};
use daftar_wire::message::{Cursor, FeedVerdict};
use daftar_wire::message::{Ruling, Verdict};

use super::world::{Hq, c, id, item, items, set, stop};
use crate::vault::{AppliedItem, AppliedWhat, Taken, Via};

#[test]
fn two_devices_that_exchange_come_to_the_same_whatever_comes_twice() {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &["team/imt-1"]), hq.tablet(2, &["team/imt-1"]));
    let team = c("team/imt-1");
    for t in [&a, &b] {
        assert_eq!(t.store.apply(&c("reference"), &[hq.reference()], None).expect("applied").changes, 2);
    }
    for n in 0..120 {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
    }
    let first = items(&a.store, &team);
    assert_eq!(b.store.apply(&team, &first, None).expect("applied").changes, 120);
    let again = b.store.apply(&team, &first, None).expect("applied");
    assert_eq!((again.changes, again.refused.len()), (0, 0), "a second time changes nothing");
    a.store.save(&set(5, Path::Field(45), Value::Text("green".into()))).expect("amended");
    b.store.save(&set(5, Path::Field(45), Value::Text("beige".into()))).expect("amended");
    b.store.save(&set(5, Path::Field(24), Value::Text("full".into()))).expect("amended");
    let (from_a, from_b) = (items(&a.store, &team), items(&b.store, &team));
    let at_b = b.store.apply(&team, &from_a, None).expect("applied");
    let at_a = a.store.apply(&team, &from_b, None).expect("applied");
    assert_eq!((at_a.changes, at_b.changes), (2, 1));
    assert_eq!(at_a.digest, at_b.digest);
    assert_eq!(a.store.digest(&team).expect("computed"), at_a.digest);
    let (sa, sb) = (a.store.show(&team, &id(5)).expect("there"), b.store.show(&team, &id(5)).expect("there"));
    assert_eq!(sa.item.state, sb.item.state);
    assert_eq!(sa.conflicts.len(), 1);
    for t in [&a, &b] {
        assert_eq!(t.store.verify().expect("checked").bad, []);
    }
}

#[test]
fn only_a_receipt_of_our_own_head_clears_the_queue() {
    let hq = &mut Hq::new();
    let a = hq.tablet(1, &["team/imt-1"]);
    let team = c("team/imt-1");
    a.store.save(&stop(1, "x", "y")).expect("saved");
    a.store.save(&stop(2, "x", "y")).expect("saved");
    let (good, bytes) = hq.receipt(&a.store, &team);
    let mut foreign = good.clone();
    foreign.head = Head([1; 32]);
    assert_eq!(a.store.receipted(&foreign, &bytes).expect("looked at"), Taken::Foreign);
    let mut beyond = good.clone();
    beyond.up_to = 3;
    assert_eq!(a.store.receipted(&beyond, &bytes).expect("looked at"), Taken::Foreign);
    assert_eq!(a.store.waiting().expect("counted"), 2);
    let own = a.store.segment(&good.stream, 1, 256, 1 << 20).expect("cut");
    assert_eq!(a.store.take(own, Via::Headquarters).expect("held"), Ok(0));
    assert_eq!(a.store.waiting().expect("counted"), 2, "that it comes back from there is no receipt");
    assert_eq!(a.store.receipted(&good, &bytes).expect("ours"), Taken::Changes(2));
    assert_eq!((a.store.receipted(&good, &bytes).expect("again"), a.store.waiting().expect("counted")), (Taken::Changes(0), 0));
    a.store.save(&stop(3, "x", "y")).expect("saved");
    let unsent = a.store.unsent(&team).expect("counted").remove(0);
    let segment = a.store.segment(&unsent.stream, unsent.from, 256, 1 << 20).expect("cut");
    assert_eq!((segment.first, segment.runs.first().map(|r| r.first)), (3, Some(3)), "a run of which a part was sent is closed");
    let end = Cursor {
        compartment: team.clone(),
        epoch: Epoch([7; 16]),
        ranges: vec![(1, 2)],
        chain: [0; 8],
        digest: daftar_wire::stream::digest(&[daftar_wire::stream::StreamHead {
            device: good.stream.device,
            incarnation: good.stream.incarnation,
            n: 2,
            head: good.head,
        }]),
    };
    assert!(!a.store.apply(&team, &[], Some(&end)).expect("applied").end_mismatch, "what waits is left out of account");
    assert_eq!(a.store.cursor(&team).expect("read"), Some(end));
}

#[test]
fn a_tampered_segment_is_refused_alone_and_asked_for_again() {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &["team/imt-1"]), hq.tablet(2, &["team/imt-1"]));
    let team = c("team/imt-1");
    b.store.apply(&c("reference"), &[hq.reference()], None).expect("applied");
    a.store.save(&stop(1, "x", "y")).expect("saved");
    let unsent = a.store.unsent(&team).expect("counted").remove(0);
    let good = a.store.segment(&unsent.stream, 1, 256, 1 << 20).expect("cut");
    let mut bad = good.clone();
    bad.heads[0].sig[0] ^= 1;
    let broken = AppliedItem { from: 2, n: 2, chain: [0; 8], what: AppliedWhat::Segment(vec![1, 2, 3]) };
    let applied = b.store.apply(&team, &[item(1, &bad), broken], None).expect("the rest flows");
    let why: Vec<_> = applied.refused.iter().map(|r| (r.n, r.why)).collect();
    assert_eq!((applied.changes, why), (0, vec![(1, "bad_signature"), (2, "malformed")]));
    assert_eq!(b.store.cursor(&team).expect("read").expect("one").ranges, [], "neither is passed over");
    assert_eq!(b.store.apply(&team, &[item(1, &good)], None).expect("applied").changes, 1);
    assert_eq!(b.store.cursor(&team).expect("read").expect("one").ranges, [(1, 1)]);
}

#[test]
fn a_cursor_ends_where_the_feeds_chain_is_known_whatever_was_refused() {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &["team/imt-1"]), hq.tablet(2, &["team/imt-1"]));
    let team = c("team/imt-1");
    b.store.apply(&c("reference"), &[hq.reference()], None).expect("applied");
    a.store.save(&stop(1, "x", "y")).expect("saved");
    let good = items(&a.store, &team).remove(0);
    let first = AppliedItem { n: 1, chain: [1; 8], ..good };
    let broken = AppliedItem { from: 2, n: 4, chain: [4; 8], what: AppliedWhat::Segment(vec![1, 2, 3]) };
    let end = Cursor { compartment: team.clone(), epoch: Epoch([7; 16]), ranges: vec![(1, 4)], chain: [4; 8], digest: Digest([0; 32]) };
    b.store.apply(&team, &[first, broken], None).expect("the rest flows");
    b.store.apply(&team, &[], Some(&end)).expect("the end is heard");
    let cursor = b.store.cursor(&team).expect("read").expect("one");
    assert_eq!((cursor.ranges, cursor.chain), (vec![(1, 1)], [1; 8]), "a chain of another place looks like another feed");
}

#[test]
fn what_a_feed_says_again_from_its_beginning_moves_no_cursor_back() {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &["team/imt-1"]), hq.tablet(2, &["team/imt-1"]));
    let team = c("team/imt-1");
    b.store.apply(&c("reference"), &[hq.reference()], None).expect("applied");
    let said = |n: u8| {
        a.store.save(&stop(n, "x", "y")).expect("saved");
        AppliedItem { from: u64::from(n), n: u64::from(n), chain: [n; 8], ..items(&a.store, &team).remove(0) }
    };
    let (one, two) = (said(1), said(2));
    b.store.apply(&team, &[one.clone(), two], None).expect("applied");
    // Asked for by a colleague whose own word of it was older, and cut after the first.
    b.store.apply(&team, &[one], None).expect("applied");
    let cursor = b.store.cursor(&team).expect("read").expect("one");
    assert_eq!((cursor.ranges, cursor.chain), (vec![(1, 2)], [2; 8]), "else headquarters takes itself to be set back");
}

#[test]
fn what_is_ruled_out_does_not_count_and_counts_again_when_the_ruling_is_revised() {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &["team/imt-1"]), hq.tablet(2, &["team/imt-1"]));
    let team = c("team/imt-1");
    a.store.save(&stop(1, "x", "y")).expect("saved");
    let amended = a.store.save(&set(1, Path::Field(45), Value::Text("green".into()))).expect("amended");
    let ruling = |n: u64, verdict| {
        let rulings = vec![Ruling { change: amended.name, verdict, reason: "no_grant".into() }];
        let sig = FeedVerdict::sign_rulings(&hq.key, &team, &Epoch([7; 16]), n, &rulings);
        let v = FeedVerdict { compartment: team.clone(), from: n, n, chain: [0; 8], rulings, sig };
        AppliedItem { from: n, n, chain: [0; 8], what: AppliedWhat::Rulings(v) }
    };
    let colour = || b.store.show(&team, &id(1)).expect("there").item.state.fields.get(&Path::Field(45)).cloned();
    // The verdict may come before what it is about, and its writer's key may not be known yet.
    b.store.apply(&team, &[ruling(1, Verdict::Review)], None).expect("applied");
    let mut page = items(&a.store, &team);
    page[0].n = 2;
    b.store.apply(&team, &page, None).expect("applied");
    assert_eq!(colour(), None);
    assert_eq!(b.store.show(&team, &id(1)).expect("there").history.len(), 2, "it is kept and shown");
    b.store.apply(&team, &[ruling(3, Verdict::Accepted)], None).expect("applied");
    assert_eq!(colour(), Some(Value::Text("green".into())));
    let mut forged = ruling(4, Verdict::Quarantined);
    if let AppliedWhat::Rulings(v) = &mut forged.what {
        v.sig = [0; 64];
    }
    assert_eq!(b.store.apply(&team, &[forged], None).expect("applied").refused.len(), 1);
    assert_eq!(b.store.verify().expect("checked").bad, []);
}

#[test]
fn a_new_incarnation_carries_what_waits_under_the_same_names() {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &["team/imt-1"]), hq.tablet(2, &["team/imt-1"]));
    let team = c("team/imt-1");
    a.store.save(&stop(1, "x", "y")).expect("saved");
    b.store.apply(&team, &items(&a.store, &team), None).expect("applied");
    let (good, bytes) = hq.receipt(&a.store, &team);
    a.store.receipted(&good, &bytes).expect("ours");
    let names = [stop(2, "x", "y"), set(1, Path::Field(45), Value::Null)].map(|act| a.store.save(&act).expect("saved").name);
    assert_eq!(b.store.apply(&team, &items(&a.store, &team), None).expect("applied").changes, 2);
    assert_eq!(a.store.begin_anew(&team).expect("begun"), 2);
    a.store.save(&stop(3, "x", "y")).expect("saved");
    assert_eq!(a.store.waiting().expect("counted"), 3);
    let anew = items(&a.store, &team);
    assert_eq!(b.store.apply(&team, &anew, None).expect("applied").changes, 3);
    for t in [&a, &b] {
        let view = t.store.show(&team, &id(2)).expect("there");
        assert_eq!(view.history.iter().map(|h| h.change).collect::<Vec<_>>(), [names[0]], "one change, whatever road it came");
        assert_eq!(t.store.verify().expect("checked").bad, []);
    }
}
