//! What becomes of what a device sends.

use daftar_core::change::Op;
use daftar_core::ids::{OfficerId, RecordId};
use daftar_wire::change::{Body, Entry, write_header};
use daftar_wire::message::{Answer, Ask, Notice, Verdict};
use daftar_wire::segment::{Attestation, Segment};
use daftar_wire::sign::{attest, verifying_key};

use crate::support::{NOW_MS, World, cut, end, held, notices, random, receipts};

const TEAM: &str = "team/imt-1";

fn bytes(segment: &Segment) -> Vec<u8> {
    segment.write().expect("a segment")
}

fn refused(answers: &[Answer]) -> Vec<(u64, &str)> {
    notices(answers)
        .into_iter()
        .filter_map(|n| if let Notice::Refused { first, reason, .. } = n { Some((*first, reason.as_str())) } else { None })
        .collect()
}

#[tokio::test]
async fn what_is_sent_twice_is_held_once_and_receipted_twice() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let stream = device.stream(TEAM);
    let (one, two) = (bytes(&device.write(TEAM, 3)), bytes(&device.write(TEAM, 2)));
    let first = world.exchange(&device, device.hello(), &[one.clone(), two.clone()]).await;
    assert_eq!(held(&first, &stream), Some(device.head(TEAM)));
    let server = verifying_key(&device.enrolled.server_signing).expect("a key");
    assert!(receipts(&first).iter().all(|r| r.verify(&server).is_ok() && r.epoch == device.enrolled.epoch && r.time_ms == NOW_MS));
    let second = world.exchange(&device, device.hello(), &[two, one]).await;
    let again: Vec<u64> = receipts(&second).iter().flat_map(|r| &r.held).filter(|r| r.stream == stream).map(|r| r.up_to).collect();
    assert!(again.contains(&5) && held(&second, &stream).is_some(), "receipts that were lost are given again: {again:?}");
    let cursor = |answers: &[Answer]| end(answers).cursors.iter().find(|c| c.compartment == stream.compartment).cloned();
    assert_eq!(cursor(&first), cursor(&second), "nothing was kept twice");
}

#[tokio::test]
async fn of_a_segment_that_overlaps_only_the_tail_is_taken() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let other = world.device("b", "imt-1").await;
    let whole = device.write(TEAM, 10);
    world.exchange(&device, device.hello(), &[bytes(&cut(&whole, 0, 6))]).await;
    let answers = world.exchange(&device, device.hello(), &[bytes(&cut(&whole, 3, 10))]).await;
    assert_eq!(held(&answers, &device.stream(TEAM)), Some(device.head(TEAM)));
    let seen = world.exchange(&other, other.hello(), &[]).await;
    let ranges: Vec<(u64, usize)> = seen
        .iter()
        .filter_map(|a| if let Answer::Item(i) = a { Some(Segment::read(&i.segment).expect("a segment")) } else { None })
        .filter(|s| s.stream == device.stream(TEAM))
        .map(|s| (s.first, s.entries.len()))
        .collect();
    assert_eq!(ranges, [(1, 6), (7, 4)], "no feed holds a change twice");
}

#[tokio::test]
async fn a_gap_is_answered_by_the_number_that_is_wanted() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let (_, two, three) = (device.write(TEAM, 2), device.write(TEAM, 2), device.write(TEAM, 2));
    let answers = world.exchange(&device, device.hello(), &[bytes(&two), bytes(&three)]).await;
    let wanted: Vec<&Notice> = notices(&answers).into_iter().filter(|n| matches!(n, Notice::Want { .. })).collect();
    assert_eq!(wanted, [&Notice::Want { stream: device.stream(TEAM), from: 1 }], "it is said once");
    assert!(receipts(&answers).is_empty());
}

#[tokio::test]
async fn a_bad_segment_is_refused_alone_and_the_rest_flows() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let stranger = world.device("b", "imt-1").await;
    let mut forged = device.write(TEAM, 2);
    forged.heads[1].sig[7] ^= 1;
    let mut twisted = bytes(&device.write("operation/op-qorachiroq", 2));
    let at = twisted.len() - 20;
    twisted[at] ^= 0xff;
    let nowhere = bytes(&device.write("team/imt-77", 1));
    let good = bytes(&device.write("agency/moi/imt-1", 4));
    let answers = world.exchange(&device, device.hello(), &[bytes(&forged), twisted, nowhere, vec![1, 2, 3], good.clone()]).await;
    let reasons: Vec<&str> = refused(&answers).into_iter().map(|r| r.1).collect();
    assert!(reasons.contains(&"bad_signature") && reasons.contains(&"no_compartment") && reasons.len() == 3, "{reasons:?}");
    assert_eq!(held(&answers, &device.stream("agency/moi/imt-1")), Some(device.head("agency/moi/imt-1")));
    assert_eq!(held(&answers, &device.stream(TEAM)), None);
    let answers = world.exchange(&stranger, stranger.hello(), &[good]).await;
    assert_eq!((refused(&answers), held(&answers, &device.stream("agency/moi/imt-1"))), (vec![], Some(device.head("agency/moi/imt-1"))));
}

#[tokio::test]
async fn a_change_that_cannot_be_read_is_quarantined_and_one_without_a_grant_goes_to_review() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let other = world.device("b", "imt-1").await;
    let record = || RecordId::new(NOW_MS, random());
    let good = device.entry(record(), Op::Create, Vec::new(), "seen");
    let poison = Entry {
        header: write_header(&device.header(record(), Op::Create, Vec::new())),
        body: Body::Whole { payload: vec![0xff, 0x00], salt: [0; 32] },
    };
    device.author = OfficerId([5; 16]);
    let foreign = device.entry(record(), Op::Create, Vec::new(), "by somebody who is not enrolled here");
    device.author = device.enrolled.officer;
    let last = device.entry(record(), Op::Create, Vec::new(), "seen too");
    let segment = device.segment(TEAM, vec![good, poison, foreign, last]);
    let names = segment.chain(device.stream(TEAM).start()).names;
    let elsewhere = device.write("team/imt-2", 2);
    let answers = world.exchange(&device, device.hello(), &[bytes(&segment), bytes(&elsewhere)]).await;
    assert_eq!(held(&answers, &device.stream(TEAM)), Some(device.head(TEAM)), "all of it is held and receipted");

    let seen = world.exchange(&other, other.hello(), &[]).await;
    let at = seen
        .iter()
        .position(|a| matches!(a, Answer::Item(i) if Segment::outline(&i.segment).is_ok_and(|o| o.stream == device.stream(TEAM))));
    let at = at.expect("the segment goes down as it is");
    let Answer::Verdict(verdict) = &seen[at + 1] else { panic!("the verdict stands right behind: {:?}", seen[at + 1]) };
    let server = verifying_key(&other.enrolled.server_signing).expect("a key");
    assert_eq!(verdict.verify(&server, &other.enrolled.epoch), Ok(()));
    let rulings: Vec<_> = verdict.rulings.iter().map(|r| (r.change, r.verdict, r.reason.as_str())).collect();
    assert_eq!(rulings, [(names[1], Verdict::Quarantined, "undecodable"), (names[2], Verdict::Review, "author_not_active")]);
    let told = world.exchange(&device, device.hello(), &[]).await;
    let reviewed: Vec<_> = told
        .iter()
        .filter_map(|a| if let Answer::Verdict(v) = a { Some((v.compartment.as_str(), v.rulings.len())) } else { None })
        .collect();
    assert_eq!(reviewed, [(TEAM, 2)], "its writer hears of it, and not of what he may not read");
}

#[tokio::test]
async fn an_officers_signature_that_does_not_hold_is_refused_and_the_good_one_is_taken_after_it() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let mut good = device.write(TEAM, 2);
    let head = good.chain(device.stream(TEAM).start()).head();
    let officer = device.enrolled.officer;
    let sig = attest(&device.keys.officer, &officer, &good.stream, good.last(), &head);
    good.attestations.push(Attestation { officer, n: good.last(), sig });
    let (mut altered, mut nobody) = (good.clone(), good.clone());
    altered.attestations[0].sig[9] ^= 1;
    nobody.attestations[0].officer = OfficerId([5; 16]);
    for bad in [altered, nobody] {
        let answers = world.exchange(&device, device.hello(), &[bytes(&bad)]).await;
        assert_eq!(refused(&answers), [(1, "bad_signature")], "a court must never be shown this");
    }
    let answers = world.exchange(&device, device.hello(), &[bytes(&good)]).await;
    assert_eq!(held(&answers, &device.stream(TEAM)), Some(device.head(TEAM)));
    assert_eq!(daftar_sync_server::verify::verify(&world.hq).expect("read").bad, Vec::<String>::new());
}

#[tokio::test]
async fn who_writes_in_headquarters_name_or_reference_goes_to_review() {
    let world = World::new();
    world.officer("a", daftar_core::compartment::Agency::Moi, "imt-1", daftar_core::authorize::Role::Officer);
    let mut device = world.enrolled("a", true).await;
    let mut header = device.header(RecordId::new(NOW_MS, random()), Op::Create, Vec::new());
    header.kind = daftar_core::record::Kind::Grant;
    let grant = Entry::write(&header, &daftar_core::change::Payload::default(), [0; 32]).expect("a change");
    let segments = [bytes(&device.segment(TEAM, vec![grant])), bytes(&device.write("reference", 1))];
    let answers = world.exchange(&device, device.hello(), &segments).await;
    let reasons: Vec<&str> =
        answers.iter().filter_map(|a| if let Answer::Verdict(v) = a { Some(v.rulings[0].reason.as_str()) } else { None }).collect();
    assert_eq!(reasons, ["no_grant", "headquarters_only"]);
}

#[tokio::test]
async fn who_asks_what_is_held_of_his_is_told_at_once_and_of_nobody_elses() {
    let world = World::new();
    let (mut device, mut other) = (world.device("a", "imt-1").await, world.device("b", "imt-1").await);
    let none = world.say(&device, device.hello(), vec![Ask::Recall]).await;
    assert!(matches!(&none[0], Answer::Receipt(r) if r.held.is_empty()), "nothing is an answer too, so that nobody waits: {none:?}");
    let (first, second) = (bytes(&device.write(TEAM, 3)), bytes(&device.write("agency/moi/imt-1", 2)));
    world.exchange(&device, device.hello(), &[first, second]).await;
    let foreign = bytes(&other.write(TEAM, 4));
    world.exchange(&other, other.hello(), &[foreign]).await;
    let next = bytes(&device.write(TEAM, 1));
    let said = world.say(&device, device.hello(), vec![Ask::Recall, Ask::Segment(next)]).await;
    let Answer::Receipt(recalled) = &said[0] else { panic!("the answer comes before all others: {said:?}") };
    recalled.verify(&verifying_key(&device.enrolled.server_signing).expect("a key")).expect("signed by headquarters");
    let mut held: Vec<_> = recalled.held.iter().map(|r| (r.stream.clone(), r.up_to)).collect();
    held.sort_by_key(|(_, n)| *n);
    assert_eq!(held, [(device.stream("agency/moi/imt-1"), 2), (device.stream(TEAM), 3)]);
}
