//! What comes before its past: shown at once, checked and joined when the past has come, and given up only where it is brought again.

use daftar_core::ids::{ChangeName, Digest, Epoch};
use daftar_core::value::{Path, Value};
use daftar_wire::message::{Answer, Cursor, FeedVerdict, FrameReader, Ruling, Verdict};
use daftar_wire::segment::Segment;

use super::world::{Hq, Tablet, c, id, set, stop};
use crate::sync::{Session, Step};
use crate::vault::{AppliedItem, AppliedWhat, Via};

const TEAM: &str = "team/imt-1";
const LIFE: Epoch = Epoch([7; 16]);

/// Two devices of one team that know each other's keys.
fn pair() -> (Hq, Tablet, Tablet) {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &[TEAM]), hq.tablet(2, &[TEAM]));
    hq.know(1, true);
    hq.know(2, true);
    for t in [&a, &b] {
        t.store.apply(&c("reference"), &[hq.reference()], None).expect("applied");
    }
    (hq, a, b)
}

fn item(n: u64, segment: &Segment) -> AppliedItem {
    AppliedItem { from: n, n, chain: [n as u8; 8], what: AppliedWhat::Segment(segment.write().expect("a segment")) }
}

/// All that a device has of its own, ten changes an entry.
fn feed(t: &Tablet) -> Vec<AppliedItem> {
    let unsent = t.store.unsent(&c(TEAM)).expect("counted").remove(0);
    let firsts = (unsent.from..=unsent.last).step_by(10);
    let segment = |first| t.store.segment(&unsent.stream, first, 10, 1 << 20).expect("cut");
    firsts.zip(1..).map(|(first, n)| item(n, &segment(first))).collect()
}

fn ruling(hq: &Hq, n: u64, change: ChangeName, verdict: Verdict) -> AppliedItem {
    let rulings = vec![Ruling { change, verdict, reason: "no_grant".into() }];
    let sig = FeedVerdict::sign_rulings(&hq.key, &c(TEAM), &LIFE, n, &rulings);
    let v = FeedVerdict { compartment: c(TEAM), from: n, n, chain: [n as u8; 8], rulings, sig };
    AppliedItem { from: n, n, chain: [n as u8; 8], what: AppliedWhat::Rulings(v) }
}

fn end(n: u64, digest: Digest) -> Cursor {
    Cursor { compartment: c(TEAM), epoch: LIFE, ranges: vec![(1, n)], chain: [n as u8; 8], digest }
}

fn ranges(t: &Tablet) -> Vec<(u64, u64)> {
    t.store.cursor(&c(TEAM)).expect("read").map(|k| k.ranges).unwrap_or_default()
}

fn count(t: &Tablet, of: &str) -> i64 {
    t.store.vault(&c(TEAM)).expect("open").conn().query_row(&format!("SELECT count(*) FROM {of}"), [], |r| r.get(0)).expect("counted")
}

fn digest(t: &Tablet) -> Digest {
    t.store.digest(&c(TEAM)).expect("computed")
}

#[test]
fn the_newest_is_shown_before_its_past_has_come_and_joins_it_then() {
    let (_, a, b) = pair();
    for n in 1..=45 {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
    }
    a.store.save(&set(3, Path::Field(45), Value::Text("green".into()))).expect("amended");
    let fed = feed(&a);
    assert_eq!(fed.len(), 5);
    let (nothing, applied) = (digest(&b), |n: usize| b.store.apply(&c(TEAM), &fed[n - 1..n], None).expect("applied"));
    assert_eq!((applied(5).changes, applied(4).changes), (6, 10));
    assert_eq!((ranges(&b), digest(&b)), (vec![(4, 5)], nothing), "the cursor says that it is here; the log does not go so far");
    let newest = b.store.show(&c(TEAM), &id(45)).expect("it is shown");
    assert!(!newest.item.waiting && !newest.item.unjudged && newest.history[0].attested);
    assert!(b.store.show(&c(TEAM), &id(3)).expect("shown").item.state.flags.missing_parent, "what it amends has not come");
    assert_eq!(b.store.search("Yusupov", None, 99).expect("searched").len(), 15);
    // It is still so when the device is opened again.
    let b = b.again();
    assert_eq!(count(&b, "ahead"), 2);
    let applied = |n: usize| b.store.apply(&c(TEAM), &fed[n - 1..n], None).expect("applied");
    assert_eq!(applied(5).changes, 0, "a second time changes nothing");
    assert_eq!(applied(1).changes, 10);
    assert_eq!((ranges(&b), count(&b, "ahead")), (vec![(1, 1), (4, 5)], 2));
    assert!(!b.store.show(&c(TEAM), &id(3)).expect("shown").item.state.flags.missing_parent);
    assert_eq!((applied(3).changes, applied(2).changes), (10, 10));
    let whole = b.store.apply(&c(TEAM), &[], Some(&end(5, digest(&a)))).expect("applied");
    assert_eq!((whole.refused, whole.end_mismatch, ranges(&b)), (vec![], false, vec![(1, 5)]));
    for (of, left) in [("ahead", 0), ("change WHERE place < 0", 0), ("run WHERE stream < 0", 0), ("named WHERE place < 0", 0)] {
        assert_eq!(count(&b, of), left, "{of}");
    }
    assert_eq!(b.store.verify().expect("checked").bad, []);
    for n in 1..=45 {
        let [at_a, at_b] = [&a, &b].map(|t| t.store.show(&c(TEAM), &id(n)).expect("there"));
        assert_eq!((at_a.item.state, at_a.history.len()), (at_b.item.state, at_b.history.len()));
    }
    assert_eq!(b.store.waiting().expect("counted"), 0, "nothing of it is offered to headquarters again");
}

#[test]
fn a_verdict_ahead_of_its_place_counts_at_once_and_covers_nothing() {
    let (hq, a, b) = pair();
    let change = a.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved").name;
    b.store.apply(&c(TEAM), &feed(&a), None).expect("applied");
    let AppliedWhat::Rulings(good) = ruling(&hq, 9, change, Verdict::Review).what else { panic!("a ruling") };
    let said = |verdict: &FeedVerdict| {
        let mut session = Session::new(hq.key.verifying_key(), Vec::new());
        let mut reader = FrameReader::default();
        reader.push(&Answer::LooseVerdict(verdict.clone()).write());
        let frame = reader.next().expect("a frame").expect("a whole one");
        assert!(session.hear(&frame).expect("of the protocol").is_empty(), "it waits for its page");
        let Some(Step::Page(compartment, items)) = session.pause() else { panic!("a page") };
        b.store.apply(&compartment, &items, None).expect("applied")
    };
    let refused = said(&FeedVerdict { sig: [0; 64], ..good.clone() }).refused;
    assert_eq!(refused.iter().map(|r| (r.n, r.why)).collect::<Vec<_>>(), [(9, "bad_signature")]);
    assert!(b.store.show(&c(TEAM), &id(1)).is_ok());
    assert_eq!((said(&good).refused, b.store.show(&c(TEAM), &id(1)).is_err()), (vec![], true));
    assert_eq!(ranges(&b), [(1, 1)], "its place in the feed is still to come");
    b.store.apply(&c(TEAM), &[ruling(&hq, 9, change, Verdict::Review)], None).expect("applied");
    assert_eq!((ranges(&b), b.store.show(&c(TEAM), &id(1)).is_err()), (vec![(1, 1), (9, 9)], true));
}

#[test]
fn what_was_ruled_later_stands_although_it_came_first() {
    let (hq, a, b) = pair();
    let change = a.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved").name;
    let fed = feed(&a);
    for late in [ruling(&hq, 9, change, Verdict::Accepted), ruling(&hq, 2, change, Verdict::Review), fed[0].clone()] {
        b.store.apply(&c(TEAM), &[late], None).expect("applied");
    }
    assert!(b.store.show(&c(TEAM), &id(1)).is_ok(), "it was accepted in the end");
    for late in [ruling(&hq, 12, change, Verdict::Review), ruling(&hq, 11, change, Verdict::Accepted)] {
        b.store.apply(&c(TEAM), &[late], None).expect("applied");
    }
    assert!(b.store.show(&c(TEAM), &id(1)).is_err(), "it was put into review again");
}

#[test]
fn what_a_former_life_of_the_server_ruled_stands_until_the_present_one_was_heard_to_its_end() {
    let (hq, a, b) = pair();
    let names: Vec<ChangeName> = (1..=2).map(|n| a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved").name).collect();
    let fed = feed(&a);
    b.store.apply(&c(TEAM), &fed, None).expect("applied");
    for (n, change) in (2..).zip(&names) {
        b.store.apply(&c(TEAM), &[ruling(&hq, n, *change, Verdict::Review)], None).expect("applied");
    }
    b.store.apply(&c(TEAM), &[ruling(&hq, 4, names[1], Verdict::Erased)], None).expect("applied");
    let is_shown = |n| b.store.show(&c(TEAM), &id(n)).is_ok();
    assert!(!is_shown(1) && !is_shown(2));
    let restored = Epoch([8; 16]);
    b.store.adopt_epoch(restored).expect("adopted");
    b.store.apply(&c(TEAM), &fed, None).expect("applied");
    assert!(!is_shown(1), "its feed has more to say");
    let end = Cursor { epoch: restored, ..end(1, digest(&a)) };
    b.store.apply(&c(TEAM), &[], Some(&end)).expect("applied");
    assert!(is_shown(1) && is_shown(2), "headquarters rules otherwise now");
    assert_eq!(b.store.show(&c(TEAM), &id(2)).expect("there").item.state.fields.len(), 0, "what was erased stays so");
}

#[test]
fn what_is_erased_while_it_waits_for_its_past_leaves_nothing_and_joins_it_all_the_same() {
    let (hq, a, b) = pair();
    let names: Vec<ChangeName> = (1..=30).map(|n| a.store.save(&stop(n, "x", "Qwxyzkova")).expect("saved").name).collect();
    let fed = feed(&a);
    b.store.apply(&c(TEAM), &fed[1..], None).expect("applied");
    assert!(count(&b, "run") > 0);
    // The run goes through all three pieces: its seed may stay in none of them, nor come again with the first.
    b.store.apply(&c(TEAM), &[ruling(&hq, 4, names[24], Verdict::Erased)], None).expect("applied");
    assert_eq!((count(&b, "run"), count(&b, "change WHERE payload IS NULL")), (0, 1));
    b.store.apply(&c(TEAM), &fed[..1], None).expect("applied");
    let whole = b.store.apply(&c(TEAM), &[], Some(&end(4, digest(&a)))).expect("applied");
    assert_eq!((whole.refused, whole.end_mismatch, count(&b, "ahead"), count(&b, "run")), (vec![], false, 0, 0));
    assert_eq!(b.store.verify().expect("checked").bad, []);
}

#[test]
fn what_does_not_go_on_from_its_past_is_given_up_and_asked_for_again() {
    let (_, a, b) = pair();
    for n in 1..=25 {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
    }
    let fed = feed(&a);
    let AppliedWhat::Segment(bytes) = &fed[2].what else { panic!("a segment") };
    let mut forged = Segment::read(bytes).expect("a segment");
    forged.heads[0].sig[5] ^= 1;
    b.store.apply(&c(TEAM), &[item(3, &forged)], None).expect("applied");
    b.store.apply(&c(TEAM), &fed[..2], None).expect("applied");
    let whole = b.store.apply(&c(TEAM), &[], Some(&end(3, digest(&a)))).expect("applied");
    assert_eq!(whole.refused.iter().map(|r| (r.n, r.why)).collect::<Vec<_>>(), [(3, "bad_signature")]);
    assert_eq!((count(&b, "ahead"), b.store.show(&c(TEAM), &id(25)).is_err()), (0, true));
    assert!(ranges(&b).iter().all(|r| r.1 < 3), "it is asked for again");
    assert_eq!(b.store.apply(&c(TEAM), &fed, Some(&end(3, digest(&a)))).expect("applied").changes, 5);
    assert_eq!((ranges(&b), digest(&b)), (vec![(1, 3)], digest(&a)));
    // Where a feed that is whole lacks what stands before an entry, that goes on waiting, and comparing heads brings the past.
    let (_, a, b) = pair();
    for n in 1..=25 {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
    }
    let late = feed(&a).split_off(2);
    let whole = b.store.apply(&c(TEAM), &late, Some(&end(3, digest(&a)))).expect("applied");
    assert_eq!((whole.refused.len(), whole.end_mismatch, b.store.show(&c(TEAM), &id(25)).is_ok()), (0, true, true));
    let (unsent, mut came) = (a.store.unsent(&c(TEAM)).expect("counted").remove(0), Vec::new());
    for (from, most) in [(1, 12), (13, 13)] {
        let segment = a.store.segment(&unsent.stream, from, most, 1 << 20).expect("cut");
        came.push(b.store.take(segment, Via::Headquarters).expect("looked at"));
    }
    assert_eq!((came, count(&b, "ahead"), digest(&b)), (vec![Ok(12), Ok(8)], 0, digest(&a)), "what was shown before is not counted again");
}
