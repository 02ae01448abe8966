//! What is given, what is taken, and what becomes of work that comes after: the server's half.

use daftar_core::authorize::{Grant, Role};
use daftar_core::change::{Op, Payload};
use daftar_core::compartment::Agency;
use daftar_core::ids::{ChangeName, OfficerId, RecordId};
use daftar_core::time::Stamp;
use daftar_core::value::{Path, Value};
use daftar_sync_server::hq::Headquarters;
use daftar_sync_server::keys::Folder;
use daftar_sync_server::store::access::{self, Door};
use daftar_wire::change::Entry;
use daftar_wire::message::{Answer, Ask, Cursor, Hello, Notice, Purged, Reopen, Revocation};
use daftar_wire::seal;
use daftar_wire::sign::verifying_key;
use daftar_wire::stream::digest;

use crate::support::{Device, NOW_MS, World, c, end, entries, held, notices, random};

const TEAM: &str = "team/imt-1";
const NOTES: &str = "agency/moi/imt-1";
const ELSEWHERE: &str = "team/imt-2";
const HOUR_MS: u64 = 3_600_000;
const BOTH: Grant = Grant { read: true, write: true, until_ms: None };

fn revoked(answers: &[Answer]) -> Vec<&Revocation> {
    notices(answers).into_iter().filter_map(|n| if let Notice::Revoked(r) = n { Some(r) } else { None }).collect()
}

fn revoked_names(answers: &[Answer]) -> Vec<&str> {
    revoked(answers).into_iter().map(|r| r.compartment.as_str()).collect()
}

fn granted(answers: &[Answer]) -> Vec<(&str, bool, bool)> {
    let all = notices(answers).into_iter();
    all.filter_map(
        |n| if let Notice::Granted { compartment, access: a } = n { Some((compartment.as_str(), a.read, a.write)) } else { None },
    )
    .collect()
}

/// Reasons of all rulings that somebody who reads the compartment is sent, by change.
async fn reasons(world: &World, reader: &Device) -> Vec<(ChangeName, String)> {
    let told = world.exchange(reader, Hello { root: [0; 16], ..reader.hello() }, &[]).await;
    let verdicts = told.into_iter().filter_map(|a| if let Answer::Verdict(v) = a { Some(v.rulings) } else { None });
    verdicts.flatten().map(|r| (r.change, r.reason)).collect()
}

/// A new record written at this time by the device's clock.
fn written(device: &Device, at_ms: u64) -> Entry {
    let mut header = device.header(RecordId::new(NOW_MS, random()), Op::Create, Vec::new());
    header.stamp = Stamp { ms: at_ms, count: 0 };
    let payload = Payload { set: [(Path::Field(13), Value::Text("seen".into()))].into(), reason: None };
    Entry::write(&header, &payload, [0; 32]).expect("a small change")
}

fn doors(world: &World, device: &Device) -> Vec<Door> {
    world.hq.store.read(|tx| access::doors(tx, &device.enrolled.device)).expect("readable")
}

fn purge(device: &Device, compartment: &str, removed: bool) -> Purged {
    Purged::sign(&device.keys.signing, &device.enrolled.device, device.enrolled.officer, c(compartment), NOW_MS, removed)
}

#[tokio::test]
async fn a_grant_given_late_brings_the_whole_past() {
    let world = World::new();
    let mut writer = world.device("w", "imt-2").await;
    let segments: Vec<Vec<u8>> = (0..3).map(|_| writer.write(ELSEWHERE, 2).write().expect("a segment")).collect();
    world.exchange(&writer, writer.hello(), &segments).await;
    let mut late = world.device("a", "imt-1").await;
    let first = world.exchange(&late, late.hello(), &[]).await;
    assert!(entries(&first).iter().all(|e| e.0 != ELSEWHERE));
    late.confirm(end(&first));
    world.hq.grant("a", &c(ELSEWHERE), Grant { write: false, ..BOTH }).expect("granted");
    let seen = world.exchange(&late, late.hello(), &[]).await;
    assert_eq!(granted(&seen), [(ELSEWHERE, true, false)]);
    let past: Vec<u64> = entries(&seen).into_iter().filter(|e| e.0 == ELSEWHERE).map(|e| e.2).collect();
    assert_eq!(past, (1..=5).collect::<Vec<_>>(), "a grant before it, three segments, its own grant");
    late.confirm(end(&seen));
    assert_eq!(world.exchange(&late, late.hello(), &[]).await.len(), 1, "and then it is said no more");
}

#[tokio::test]
async fn a_revocation_is_said_to_a_locked_device_until_its_purge_receipt_comes() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    device.confirm(end(&world.exchange(&device, device.hello(), &[]).await));
    world.clock.set(NOW_MS + HOUR_MS);
    world.hq.revoke("a", Some(&c(NOTES))).expect("revoked");
    let server = verifying_key(&device.enrolled.server_signing).expect("a key");
    for officers in [vec![device.enrolled.officer], Vec::new(), Vec::new()] {
        let told = world.exchange(&device, Hello { officers, ..device.hello() }, &[]).await;
        let [revocation] = revoked(&told)[..] else { panic!("it is said once in every exchange: {told:?}") };
        let now = Notice::NewEpoch { epoch: device.enrolled.epoch };
        let notices = notices(&told);
        let at = notices.iter().position(|n| matches!(n, Notice::Revoked(_)));
        assert_eq!(at.and_then(|at| notices.get(at.checked_sub(1)?)), Some(&&now), "whoever is to purge knows first in which life");
        assert_eq!((revocation.officer, revocation.compartment.as_str()), (device.enrolled.officer, NOTES));
        assert_eq!((revocation.verify(&server), revocation.at_ms), (Ok(()), NOW_MS + HOUR_MS));
        world.clock.set(NOW_MS + 2 * HOUR_MS);
    }
    // A receipt of another device, or a forged one, changes nothing.
    let mut forged = purge(&device, NOTES, true);
    forged.removed = false;
    let told = world.say(&device, device.hello(), vec![Ask::Purged(forged)]).await;
    assert_eq!(revoked_names(&told), [NOTES]);
    let receipt = purge(&device, NOTES, true);
    let copy_cursors = device.cursors.clone();
    device.cursors.retain(|cursor| cursor.compartment != c(NOTES));
    let told = world.say(&device, device.hello(), vec![Ask::Purged(receipt.clone())]).await;
    assert_eq!(revoked_names(&told), Vec::<&str>::new(), "the receipt has come");
    let door = doors(&world, &device).into_iter().find(|d| d.place.name == c(NOTES)).expect("a door");
    assert_eq!(door.purged, Some((receipt, NOW_MS + 2 * HOUR_MS)), "and is kept as it was signed");
    // A copy of its disk from before, or the disk itself put back, still names what it holds, and is told for itself as often as it does.
    let copy = Hello { root: [0; 16], cursors: copy_cursors, ..device.hello() };
    for hello in [copy.clone(), copy.clone()] {
        assert_eq!(revoked_names(&world.exchange(&device, hello, &[]).await), [NOTES]);
    }
    // So is one that was made before anything came of it: it says that it is open there.
    let nothing = copy.cursors.iter().find(|cursor| cursor.compartment == c(NOTES)).expect("it holds it");
    let nothing = Cursor { ranges: Vec::new(), chain: [0; 8], digest: digest(&[]), ..nothing.clone() };
    let early = Hello { root: [0; 16], cursors: vec![nothing], ..device.hello() };
    assert_eq!(revoked_names(&world.exchange(&device, early, &[]).await), [NOTES]);
    // One whose lease has ended names no cursor, and asks its key back.
    let back = Reopen { officer: device.enrolled.officer, compartment: c(NOTES), file: "file-1".into(), escrow: vec![1; 80] };
    assert_eq!(revoked_names(&world.say(&device, device.hello(), vec![Ask::Reopen(back)]).await), [NOTES]);
    let of_nobody = Hello { officers: Vec::new(), ..copy.clone() };
    for hello in [device.hello(), of_nobody] {
        assert_eq!(revoked_names(&world.exchange(&device, hello, &[]).await), Vec::<&str>::new());
    }
}

#[tokio::test]
async fn what_comes_after_a_revoke_is_kept_for_review_whatever_its_clock_says() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let reader = world.device("b", "imt-1").await;
    let before = written(&device, NOW_MS);
    let first = device.segment(TEAM, vec![before]);
    world.exchange(&device, device.hello(), &[first.write().expect("a segment")]).await;
    world.clock.set(NOW_MS + HOUR_MS);
    world.hq.revoke("a", Some(&c(TEAM))).expect("revoked");
    world.clock.set(NOW_MS + 2 * HOUR_MS);
    let (n, head) = device.head(TEAM);
    let (late, back_dated) = (written(&device, NOW_MS + 2 * HOUR_MS), written(&device, NOW_MS - HOUR_MS));
    let second = device.segment(TEAM, vec![late, back_dated]);
    let names = second.chain(head).names;
    let answers = world.exchange(&device, device.hello(), &[second.write().expect("a segment")]).await;
    assert_eq!(held(&answers, &device.stream(TEAM)), Some(device.head(TEAM)), "it is taken and receipted: {n}");
    let (receipt, revocation) = (
        answers.iter().position(|a| matches!(a, Answer::Receipt(_))),
        answers.iter().position(|a| matches!(a, Answer::Notice(Notice::Revoked(_)))),
    );
    assert!(receipt < revocation, "unsent work is taken before the revocation is said");
    assert!(entries(&answers).iter().all(|e| e.0 != TEAM), "and nothing of it comes back");
    let expected: Vec<(ChangeName, String)> = names.iter().map(|n| (*n, "after_revoke".to_owned())).collect();
    assert_eq!(reasons(&world, &reader).await, expected, "what came before the revoke counts, what came after does not");
    // Given again: what was written between the two is still review, what is written from then on counts.
    world.clock.set(NOW_MS + 5 * HOUR_MS);
    world.hq.grant("a", &c(TEAM), BOTH).expect("granted");
    let (_, head) = device.head(TEAM);
    let both = [written(&device, NOW_MS + 3 * HOUR_MS), written(&device, NOW_MS + 6 * HOUR_MS)];
    let third = device.segment(TEAM, both.to_vec());
    let between = third.chain(head).names[0];
    world.clock.set(NOW_MS + 7 * HOUR_MS);
    world.exchange(&device, device.hello(), &[third.write().expect("a segment")]).await;
    let all = reasons(&world, &reader).await;
    assert_eq!(all[2..], [(between, "after_revoke".to_owned())]);
}

#[tokio::test]
async fn a_grant_that_was_purged_and_given_again_opens_the_door_and_brings_all_of_it_again() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let segment = device.write(TEAM, 2).write().expect("a segment");
    let mut other = world.device("b", "imt-1").await;
    let others = other.write(TEAM, 2).write().expect("a segment");
    world.exchange(&other, other.hello(), &[others]).await;
    device.confirm(end(&world.exchange(&device, device.hello(), &[segment]).await));
    world.hq.revoke("a", Some(&c(TEAM))).expect("revoked");
    world.say(&device, device.hello(), vec![Ask::Purged(purge(&device, TEAM, true))]).await;
    world.hq.grant("a", &c(TEAM), BOTH).expect("granted");
    // Even if it still names its cursor there, it has nothing.
    let seen = world.exchange(&device, device.hello(), &[]).await;
    assert_eq!(granted(&seen), [(TEAM, true, true)]);
    let numbers: Vec<u64> = entries(&seen).into_iter().filter(|e| e.0 == TEAM).map(|e| e.2).collect();
    assert_eq!(numbers.first(), Some(&1), "from the beginning: {numbers:?}");
    assert!(doors(&world, &device).iter().all(|d| d.purged.is_none() && d.revoked_ms.is_none()));
    device.confirm(end(&seen));
    assert_eq!(world.exchange(&device, device.hello(), &[]).await.len(), 1);
    // Taken and given again without a contact between: nothing is said.
    world.hq.revoke("a", Some(&c(TEAM))).expect("revoked");
    world.hq.grant("a", &c(TEAM), BOTH).expect("granted");
    let seen = world.exchange(&device, device.hello(), &[]).await;
    assert_eq!((revoked(&seen).len(), granted(&seen).len()), (0, 0));
}

#[tokio::test]
async fn rights_that_change_are_said_and_a_grant_ends_by_itself() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    device.confirm(end(&world.exchange(&device, device.hello(), &[]).await));
    let said = async |device: &mut Device, read, write| {
        world.hq.grant("a", &c(TEAM), Grant { read, write, until_ms: None }).expect("granted");
        let seen = world.exchange(device, device.hello(), &[]).await;
        device.confirm(end(&seen));
        assert_eq!((granted(&seen), revoked(&seen).len()), (vec![(TEAM, read, write)], 0));
        assert_eq!(world.exchange(device, device.hello(), &[]).await.len(), 1, "it is said until it is confirmed, and no more");
    };
    said(&mut device, true, false).await;
    said(&mut device, false, true).await;
    said(&mut device, true, true).await;
    let until_ms = NOW_MS + HOUR_MS;
    world.hq.grant("a", &c(TEAM), Grant { until_ms: Some(until_ms), ..BOTH }).expect("granted");
    device.confirm(end(&world.exchange(&device, device.hello(), &[]).await));
    world.clock.set(until_ms + 1);
    let (in_time, late) = (written(&device, until_ms - 1), written(&device, until_ms + 1));
    let (_, before) = device.head_or_start(TEAM);
    let segment = device.segment(TEAM, vec![in_time, late]);
    let names = segment.chain(before).names;
    let seen = world.exchange(&device, device.hello(), &[segment.write().expect("a segment")]).await;
    assert_eq!(revoked(&seen).iter().map(|r| (r.compartment.as_str(), r.at_ms)).collect::<Vec<_>>(), [(TEAM, until_ms)]);
    let reader = world.device("b", "imt-1").await;
    assert_eq!(reasons(&world, &reader).await, [(names[1], "grant_ended".to_owned())], "what was written in time counts");
}

#[tokio::test]
async fn a_lost_device_hands_in_its_work_to_review_gets_nothing_and_is_told_to_purge_all() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let mut spare = world.enrolled("a", false).await;
    device.confirm(end(&world.exchange(&device, device.hello(), &[]).await));
    let id = device.enrolled.device.to_string();
    assert!(world.hq.set_device("tablet", false).is_err(), "two devices bear that name");
    world.hq.set_device(&id, false).expect("struck off");
    let segment = device.write(TEAM, 2).write().expect("a segment");
    let seen = world.exchange(&device, Hello { root: [0; 16], ..device.hello() }, &[segment]).await;
    assert_eq!(held(&seen, &device.stream(TEAM)), Some(device.head(TEAM)), "its work is not lost");
    assert_eq!((entries(&seen).len(), end(&seen).cursors.len(), granted(&seen).len()), (0, 0, 0), "not a byte goes to it");
    assert_eq!(revoked_names(&seen), [NOTES, "operation/op-qorachiroq", "reference", TEAM]);
    let own = spare.write(TEAM, 1).write().expect("a segment");
    let seen = world.exchange(&spare, spare.hello(), &[own]).await;
    assert_eq!(revoked(&seen).len(), 0, "the officer's other device is not touched");
    assert_eq!(reasons(&world, &spare).await.into_iter().map(|r| r.1).collect::<Vec<_>>(), ["device_revoked", "device_revoked"]);
    let purges = [NOTES, "operation/op-qorachiroq", "reference", TEAM].map(|name| Ask::Purged(purge(&device, name, true)));
    device.cursors.clear();
    assert_eq!(revoked(&world.say(&device, device.hello(), purges.to_vec()).await).len(), 0);
    // A code does not bring it back.
    let code = world.hq.make_code("a", false, 24).expect("a code");
    assert!(world.enrol(&code, &device.keys).await.is_err());
    world.hq.set_device(&id, true).expect("taken back");
    let seen = world.exchange(&device, device.hello(), &[]).await;
    assert_eq!(granted(&seen).len(), 4, "it is found: everything is opened again");
}

#[tokio::test]
async fn who_is_dismissed_loses_all_of_it_and_gets_his_roles_back_when_he_returns() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    world.hq.grant("a", &c(ELSEWHERE), BOTH).expect("granted");
    device.confirm(end(&world.exchange(&device, device.hello(), &[]).await));
    let taken = world.hq.dismiss("a").expect("dismissed");
    assert_eq!(taken.len(), 4);
    let segment = device.write(TEAM, 1).write().expect("a segment");
    let seen = world.exchange(&device, device.hello(), &[segment]).await;
    assert_eq!(revoked_names(&seen), [NOTES, "operation/op-qorachiroq", "reference", TEAM, ELSEWHERE]);
    assert!(entries(&seen).is_empty() && world.hq.make_code("a", false, 1).is_err());
    assert!(world.hq.grant("a", &c(TEAM), BOTH).is_err(), "a grant is not given to who is not there");
    let given = world.hq.activate("a").expect("taken back");
    assert_eq!(given.len(), 3, "what his role opens, and not what he was given beside it");
    let seen = world.exchange(&device, device.hello(), &[]).await;
    assert_eq!(revoked_names(&seen), [ELSEWHERE]);
}

#[tokio::test]
async fn acts_that_make_no_sense_are_refused_in_words() {
    let world = World::new();
    world.officer("a", Agency::Moi, "imt-1", Role::Officer);
    world.officer("root", Agency::Moi, "", Role::Admin);
    let hq = &world.hq;
    let ended = Grant { until_ms: Some(NOW_MS), ..BOTH };
    let refused = [
        (hq.grant("nobody", &c(TEAM), BOTH), "no officer `nobody`"),
        (hq.grant("a", &c("team/imt-77"), BOTH), "no compartment `team/imt-77`"),
        (hq.grant("a", &c("reference"), BOTH), "everybody reads the reference, and headquarters alone writes it"),
        (hq.grant("a", &c(TEAM), ended), "the grant would have ended already"),
        (hq.grant("a", &c(TEAM), Grant { read: false, write: false, until_ms: None }), "a grant gives reading, writing or both"),
        (hq.grant("root", &c(TEAM), BOTH), "officer `root` is an administrator, who reads and writes no records"),
        (hq.revoke("a", Some(&c(ELSEWHERE))).map(|_| ()), "officer `a` has no grant in team/imt-2"),
        (hq.activate("a").map(|_| ()), "officer `a` is active"),
        (hq.set_device("x", false).map(|_| ()), "no device `x`"),
        (hq.set_device("headquarters", false).map(|_| ()), "no device `headquarters`"),
    ];
    for (done, why) in refused {
        let error = done.expect_err(why);
        assert_eq!((error.to_string().as_str(), error.exit_status()), (why, 1));
    }
}

#[tokio::test]
async fn a_sealed_segment_goes_the_way_of_an_open_one() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let hq = device.enrolled.server_sealing;
    let seal = |segment: &[u8], purpose: &str, context: &[u8]| Ask::Sealed(seal::seal(&hq, purpose, context, segment).expect("sealed"));
    let segment = device.write(TEAM, 3).write().expect("a segment");
    let id = device.enrolled.device;
    let bad = [seal(&segment, "daftar outbox 1", &[7; 16]), seal(&segment, "daftar draft 1", &id.0), Ask::Sealed(vec![1, 2, 3])];
    let locked = Hello { officers: Vec::new(), ..device.hello() };
    let answers = world.say(&device, locked.clone(), bad.to_vec()).await;
    assert_eq!(answers.len(), 1, "what cannot be opened is passed over, and the rest flows: {answers:?}");
    let answers = world.say(&device, locked, vec![seal(&segment, "daftar outbox 1", &id.0)]).await;
    assert_eq!(held(&answers, &device.stream(TEAM)), Some(device.head(TEAM)), "nobody need be unlocked");
}

#[tokio::test]
async fn a_key_is_handed_back_to_an_unlocked_officer_who_may_use_the_compartment_and_to_nobody_else() {
    let world = World::new();
    let device = world.device("a", "imt-1").await;
    world.officer("b", Agency::Moi, "imt-2", Role::Officer);
    let code = world.hq.make_code("b", false, 24).expect("a code");
    let colleague = device.keys.with_another_officer();
    let b = Device::new(world.enrol(&code, &colleague).await.expect("enrolled"), colleague);
    let plain = |name: &str| {
        let mut plain = vec![0x82, 0x60 | name.len() as u8];
        plain.extend(name.as_bytes());
        plain.extend([0x58, 0x20]);
        plain.extend([5; 32]);
        plain
    };
    let escrow = |file: &str, name: &str| {
        seal::seal(&device.enrolled.server_sealing, "daftar compartment key 1", file.as_bytes(), &plain(name)).expect("sealed")
    };
    let ask = |officer: OfficerId, name: &str, file: &str, sealed_name: &str| {
        Ask::Reopen(Reopen { officer, compartment: c(name), file: file.into(), escrow: escrow("file-1", sealed_name) })
    };
    let back = async |hello: Hello, asked: Ask| {
        let answers = world.say(&device, hello, vec![asked]).await;
        answers.into_iter().find_map(|a| if let Answer::Reopened(r) = a { Some(r) } else { None })
    };
    let a = device.enrolled.officer;
    let got = back(device.hello(), ask(a, TEAM, "file-1", TEAM)).await.expect("it is his");
    let opened = seal::open(&device.keys.opening, "daftar compartment key 1", b"file-1", &got.sealed).expect("sealed to him");
    assert_eq!((opened.as_slice(), got.officer, got.compartment), (&plain(TEAM)[..], a, c(TEAM)));
    let locked = Hello { officers: Vec::new(), ..device.hello() };
    assert_eq!(back(locked, ask(a, TEAM, "file-1", TEAM)).await, None, "he is not unlocked");
    assert_eq!(back(device.hello(), ask(a, TEAM, "file-2", TEAM)).await, None, "it is another file's key");
    assert_eq!(back(device.hello(), ask(a, TEAM, "file-1", ELSEWHERE)).await, None, "the key is another compartment's");
    assert_eq!(back(device.hello(), ask(a, ELSEWHERE, "file-1", ELSEWHERE)).await, None, "he may not go there");
    let both = Hello { officers: vec![a, b.enrolled.officer], ..device.hello() };
    assert_eq!(back(both, ask(b.enrolled.officer, TEAM, "file-1", TEAM)).await, None, "nor does a colleague beside him open it");
    world.hq.revoke("a", Some(&c(TEAM))).expect("revoked");
    assert_eq!(back(device.hello(), ask(a, TEAM, "file-1", TEAM)).await, None, "nor he himself after a revoke");
}

#[tokio::test]
async fn a_colleague_on_the_same_device_is_told_for_himself() {
    let world = World::new();
    let mut a = world.device("a", "imt-1").await;
    world.officer("b", Agency::Scc, "imt-1", Role::Officer);
    let code = world.hq.make_code("b", false, 24).expect("a code");
    let colleague = a.keys.with_another_officer();
    let mut b = Device::new(world.enrol(&code, &colleague).await.expect("enrolled"), colleague);
    for device in [&mut a, &mut b] {
        device.confirm(end(&world.exchange(device, device.hello(), &[]).await));
    }
    world.hq.grant("b", &c(NOTES), Grant { write: false, ..BOTH }).expect("granted");
    let seen = world.exchange(&a, a.hello(), &[]).await;
    assert_eq!(granted(&seen), [], "what b was given is not said to a");
    let seen = world.exchange(&b, b.hello(), &[]).await;
    assert_eq!(granted(&seen), [(NOTES, true, false)]);
    world.hq.revoke("b", Some(&c(NOTES))).expect("revoked");
    let seen = world.exchange(&a, a.hello(), &[]).await;
    assert_eq!(
        revoked(&seen).iter().map(|r| r.officer).collect::<Vec<_>>(),
        [b.enrolled.officer],
        "whoever is unlocked, the device hears it"
    );
}

#[tokio::test]
async fn a_headquarters_from_before_doors_were_written_down_knows_what_its_devices_hold() {
    let world = World::new();
    let device = world.device("a", "imt-1").await;
    let before: Vec<_> = doors(&world, &device).into_iter().map(|d| (d.officer, d.place.name, d.access)).collect();
    let undo = "DROP TABLE write_gap; DROP TABLE door; DROP TABLE admission; DROP TABLE admitted; DROP TABLE decision;
                ALTER TABLE grant_ DROP COLUMN revoked_ms; PRAGMA user_version = 3;";
    world.hq.store.write(|tx| Ok(tx.execute_batch(undo)?)).expect("as it was");
    let hq = Headquarters::open(Folder::new(world.folder.path()), world.clock.clone()).expect("it opens");
    let after = hq.store.read(|tx| access::doors(tx, &device.enrolled.device)).expect("readable");
    assert_eq!(after.into_iter().map(|d| (d.officer, d.place.name, d.access)).collect::<Vec<_>>(), before);
}
