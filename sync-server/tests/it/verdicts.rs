//! A person's word on a change: revised by nothing but another, signed, and seen by everybody who reads the compartment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use daftar_core::change::Op;
use daftar_core::ids::{ChangeName, OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_sync_server::project::Projector;
use daftar_sync_server::store::{meta, verdict};
use daftar_sync_server::verify;
use daftar_wire::change::{Body, Entry, write_header};
use daftar_wire::message::{Answer, FeedVerdict, Verdict};
use daftar_wire::sign::verifying_key;

use crate::support::{Device, NOW_MS, World, c, end, random};

const TEAM: &str = "team/imt-1";

fn verdicts(answers: &[Answer]) -> Vec<&FeedVerdict> {
    answers.iter().filter_map(|a| if let Answer::Verdict(v) = a { Some(v) } else { None }).collect()
}

fn records(world: &World, projector: &Projector) -> i64 {
    projector.catch_up(Instant::now() + Duration::from_secs(60)).expect("caught up");
    let place = world.hq.store.read(|tx| meta::compartment(tx, &c(TEAM))).expect("readable").expect("a compartment");
    let count = "SELECT count(*) FROM record WHERE compartment = ?1 AND kind = ?2";
    projector.read(|tx| Ok(tx.query_row(count, [place.id, Kind::Inspection.number().into()], |r| r.get(0))?)).expect("readable")
}

/// A change by somebody who is not enrolled there, one that cannot be read, and one in headquarters' name.
async fn judged(world: &World, device: &mut Device) -> Vec<ChangeName> {
    let record = || RecordId::new(NOW_MS, random());
    device.author = OfficerId([5; 16]);
    let foreign = device.entry(record(), Op::Create, Vec::new(), "by a stranger");
    device.author = device.enrolled.officer;
    let header = write_header(&device.header(record(), Op::Create, Vec::new()));
    let poison = Entry { header, body: Body::Whole { payload: vec![0xff, 0x00], salt: [0; 32] } };
    let mut header = device.header(record(), Op::Create, Vec::new());
    header.kind = Kind::Grant;
    let grant = Entry::write(&header, &daftar_core::change::Payload::default(), [0; 32]).expect("a change");
    let segment = device.segment(TEAM, vec![foreign, poison, grant]);
    let names = segment.chain(device.stream(TEAM).start()).names;
    world.exchange(device, device.hello(), &[segment.write().expect("a segment")]).await;
    names
}

#[tokio::test]
async fn a_verdict_is_revised_by_a_person_signed_and_carried_to_every_reader() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let mut reader = world.device("b", "imt-1").await;
    let names = judged(&world, &mut device).await;
    reader.confirm(end(&world.exchange(&reader, reader.hello(), &[]).await));
    let projector = Arc::new(Projector::open(&world.hq).expect("a projection"));
    assert_eq!(records(&world, &projector), 0);
    let who = world.officer("oct", daftar_core::compartment::Agency::Moi, "", daftar_core::authorize::Role::Oct);
    for (verdict, records_then) in [(Verdict::Accepted, 1), (Verdict::Quarantined, 0), (Verdict::Accepted, 1)] {
        let row = world.hq.judged(&projector, &names[0]).expect("it is there");
        let decided = world.hq.decide(&row, verdict, "seen by the leader", Some(&who)).expect("ruled");
        let n = decided.n.expect("an entry of the feed");
        assert_eq!(records(&world, &projector), records_then, "the console follows");
        let told = world.exchange(&reader, reader.hello(), &[]).await;
        let [v] = verdicts(&told)[..] else { panic!("one verdict: {told:?}") };
        let server = verifying_key(&reader.enrolled.server_signing).expect("a key");
        assert_eq!((v.n, v.verify(&server, &reader.enrolled.epoch)), (n, Ok(())));
        let ruling = &v.rulings[0];
        assert_eq!((ruling.change, ruling.verdict, ruling.reason.as_str()), (names[0], verdict, "seen by the leader"));
        reader.confirm(end(&told));
        let by = world.hq.store.read(|tx| verdict::decided_by(tx, &names[0])).expect("readable");
        assert_eq!(by, Some(Some(who)), "its author is kept");
        let row = world.hq.judged(&projector, &names[0]).expect("it is there");
        assert_eq!(world.hq.decide(&row, verdict, "again", None).expect("no harm").n, None, "what stands so already is not written again");
    }
    assert_eq!(verify::verify(&world.hq).expect("readable").bad, Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_read_or_is_headquarters_own_is_never_accepted() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let names = judged(&world, &mut device).await;
    let projector = Arc::new(Projector::open(&world.hq).expect("a projection"));
    for name in &names[1..] {
        let row = world.hq.judged(&projector, name).expect("it is there");
        assert!(world.hq.decide(&row, Verdict::Accepted, "why not", None).is_err());
        let other = if row.verdict == Verdict::Review { Verdict::Quarantined } else { Verdict::Review };
        assert!(world.hq.decide(&row, other, "why not", None).is_ok_and(|d| d.n.is_some()));
    }
    let row = world.hq.judged(&projector, &names[0]).expect("it is there");
    assert!(world.hq.decide(&row, Verdict::Accepted, "  ", None).is_err(), "a verdict has a reason");
    assert!(world.hq.judged(&projector, &ChangeName([9; 32])).is_err());
    let own = projector.read(|tx| Ok(tx.query_row("SELECT name FROM change WHERE kind = 17 LIMIT 1", [], |r| r.get(0))?));
    let own = world.hq.judged(&projector, &ChangeName(own.expect("a grant"))).expect("it is there");
    assert!(world.hq.decide(&own, Verdict::Quarantined, "no", None).is_err(), "a verdict takes no grant away");
}
