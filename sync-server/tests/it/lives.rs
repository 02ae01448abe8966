//! Backups, restored servers, and servers that were set back without a word: nothing is lost, and nothing that was closed is open again.

use std::path::{Path, PathBuf};

use daftar_core::authorize::{Grant, Role};
use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::OfficerId;
use daftar_sync_server::admin::NewOfficer;
use daftar_sync_server::epoch::OWN_EPOCH_MS;
use daftar_sync_server::keys::Folder;
use daftar_sync_server::project::{self, Projector};
use daftar_sync_server::service::EnrolError;
use daftar_sync_server::store::people;
use daftar_sync_server::{backup, restore, revocations, verify};
use daftar_wire::enrol::Code;
use daftar_wire::file::FileAnswer;
use daftar_wire::limits::FILE_CHUNK_BYTES;
use daftar_wire::message::{Answer, Ask, Hello, Notice};
use daftar_wire::segment::Segment;
use tempfile::TempDir;

use crate::files::{Photo, said};
use crate::replica::Replica;
use crate::support::{Device, DeviceKeys, NOW_MS, World, c, end, held, notices, receipts, segments};

const TEAM: &str = "team/imt-1";
const HOUR_MS: u64 = 3_600_000;

fn bytes(segment: &Segment) -> Vec<u8> {
    segment.write().expect("a segment")
}

fn new_epoch(answers: &[Answer]) -> bool {
    notices(answers).iter().any(|n| matches!(n, Notice::NewEpoch { .. }))
}

fn wants(answers: &[Answer]) -> usize {
    notices(answers).iter().filter(|n| matches!(n, Notice::Want { .. })).count()
}

fn bad(world: &World) -> Vec<String> {
    verify::verify(&world.hq).expect("readable").bad
}

fn may_read(world: &World, officer: &OfficerId, name: &str) -> bool {
    world
        .hq
        .store
        .read(|tx| {
            let place = daftar_sync_server::store::meta::compartment(tx, &c(name))?.expect("a compartment");
            Ok(people::grant(tx, officer, &place)?.is_some_and(|g| g.active && g.grant.read))
        })
        .expect("readable")
}

/// Takes a grant back as an administrator does: written down beside the database, then in it.
fn revoke(world: &World, officer: OfficerId, name: &str) {
    use daftar_sync_server::clock::Clock as _;
    revocations::record(&world.hq, officer, &c(name), world.clock.now_ms()).expect("written down");
    let sql = "UPDATE grant_ SET active = 0 WHERE officer = ?1 AND compartment = (SELECT id FROM compartment WHERE name = ?2)";
    world.hq.store.write(|tx| Ok(tx.execute(sql, (officer.0, name))?)).expect("written");
}

/// A backup of this headquarters, restored in another folder that has its keys and what lies beside its database.
fn restored(world: &World, file: &Path) -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let (from, to) = (world.folder.path(), folder.path());
    std::fs::create_dir(to.join("keys")).expect("made");
    for key in std::fs::read_dir(from.join("keys")).expect("keys") {
        let key = key.expect("a key");
        std::fs::copy(key.path(), to.join("keys").join(key.file_name())).expect("copied");
    }
    for beside in ["revocations", "erasures"] {
        if from.join(beside).exists() {
            std::fs::copy(from.join(beside), to.join(beside)).expect("copied");
        }
    }
    restore::restore(&Folder::new(to), file, world.clock.clone()).expect("restored");
    World::open(folder, world.clock.clone())
}

/// All that an officer's device can be sent of these compartments, applied.
async fn replicas(world: &World, device: &mut Device, all: &[&str], others: &[&Device]) -> Vec<Replica> {
    let seen = world.exchange(device, device.hello(), &[]).await;
    device.confirm(end(&seen));
    let known: Vec<&Device> = std::iter::once(&*device).chain(others.iter().copied()).collect();
    all.iter()
        .map(|name| {
            let mut replica = Replica::new(name, &known);
            replica.apply(&segments(&seen, name));
            replica
        })
        .collect()
}

#[tokio::test]
async fn a_backup_is_read_back_and_only_then_do_receipts_say_so() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let (one, two) = (device.write(TEAM, 3), device.write(TEAM, 2));
    world.exchange(&device, device.hello(), &[bytes(&one)]).await;
    let backups = tempfile::tempdir().expect("a folder");
    let done = backup::backup(&world.hq, backups.path()).expect("backed up");
    assert!(done.report.bad.is_empty());
    let raw = std::fs::read(&done.file).expect("a file");
    assert!(!raw.starts_with(b"SQLite format 3"), "a backup is encrypted");
    let answers = world.exchange(&device, device.hello(), &[bytes(&two)]).await;
    let said: Vec<(u64, u64)> = receipts(&answers).iter().flat_map(|r| &r.held).map(|s| (s.up_to, s.backed_up)).collect();
    assert_eq!(said, [(5, 3)]);
    assert!(backup::backup(&world.hq, &done.file).is_err(), "no backup takes another's place");

    let mut broken = raw.clone();
    let middle = broken.len() / 2;
    broken[middle] ^= 1;
    let file = backups.path().join("broken");
    std::fs::write(&file, broken).expect("written");
    let folder = tempfile::tempdir().expect("a folder");
    assert!(restore::restore(&Folder::new(folder.path()), &file, world.clock.clone()).is_err(), "nothing without the keys");
    let error = restore::restore(&Folder::new(world.folder.path()), &file, world.clock.clone()).expect_err("a broken backup");
    assert!(error.to_string().contains("broken"), "{error}");
    assert!(bad(&world).is_empty(), "what stood there is untouched");
}

/// What was lost: a backup of yesterday, and the devices that know what came after it.
struct Lost {
    file: PathBuf,
    _backups: TempDir,
    a: Device,
    /// Revoked since.
    b: Device,
    /// Of a team that is new since.
    late: Device,
    /// Added since, and revoked since.
    gone: OfficerId,
    /// Holds all of it.
    relay: Device,
    later: Segment,
    /// Not used when the backup was made.
    code: Code,
}

const ALL: [&str; 3] = ["reference", "team/imt-9", TEAM];

/// A backup; then more records, a new team with an officer and his device, and a grant taken back.
async fn lost(world: &World) -> Lost {
    let (mut a, mut b) = (world.device("a", "imt-1").await, world.device("b", "imt-1").await);
    let backups = tempfile::tempdir().expect("a folder");
    let first = a.write(TEAM, 3);
    world.exchange(&a, a.hello(), &[bytes(&first)]).await;
    let code = world.hq.make_code("a", false, 24).expect("a code");
    let file = backup::backup(&world.hq, &backups.path().join("yesterday")).expect("backed up").file;
    world.clock.set(NOW_MS + HOUR_MS);
    let later = a.write(TEAM, 2);
    world.exchange(&a, a.hello(), &[bytes(&later)]).await;
    world.officer("late", Agency::Scc, "imt-9", Role::Officer);
    let mut late = world.enrolled("late", false).await;
    let by_late = late.write("team/imt-9", 2);
    world.exchange(&late, late.hello(), &[bytes(&by_late)]).await;
    let gone = world.officer("gone", Agency::Moi, "imt-1", Role::Officer);
    revoke(world, gone, TEAM);
    world.officer("oct", Agency::Moi, "", Role::Oct);
    let relay = world.enrolled("oct", false).await;
    b.confirm(end(&world.exchange(&b, b.hello(), &[]).await));
    revoke(world, b.enrolled.officer, TEAM);
    Lost { file, _backups: backups, a, b, late, gone, relay, later, code }
}

#[tokio::test]
async fn a_restored_server_takes_what_devices_bring_and_sends_nothing_until_it_is_confirmed() {
    let world = World::new();
    let Lost { file, _backups, a, b, later, code, mut relay, .. } = lost(&world).await;
    let life = world.hq.life().expect("a life");
    let there = replicas(&world, &mut relay, &[TEAM], &[&a, &b]).await;
    let after = restored(&world, &file);
    assert_ne!(after.hq.life().expect("a life"), life, "another epoch, another stream of headquarters");
    assert!(project::report(&after.hq).expect("readable").restored_ms.is_some(), "it says so");
    let mut knowing = a.hello();
    knowing.cursors.clone_from(&relay.cursors);
    let heads = Ask::Heads(there[0].heads());
    let answers = after.say(&a, knowing, vec![Ask::Segment(bytes(&later)), heads.clone()]).await;
    assert_eq!(held(&answers, &a.stream(TEAM)), Some(a.head(TEAM)));
    assert!(new_epoch(&answers) && wants(&answers) > 0, "and asks for what it lacks: {answers:?}");
    assert!(ALL.iter().all(|name| segments(&answers, name).is_empty()) && end(&answers).cursors.is_empty(), "{answers:?}");
    assert!(!may_read(&after, &b.enrolled.officer, TEAM), "a revocation since the backup is in force at once");
    assert!(matches!(after.enrol(&code, &DeviceKeys::new()).await, Err(EnrolError::Over)), "a code may have been used since");
    assert!(restore::confirm(&after.hq).expect("confirmed") && !restore::confirm(&after.hq).expect("nothing more"));
    let answers = after.say(&a, a.hello(), vec![heads]).await;
    assert!(!segments(&answers, "reference").is_empty() && !end(&answers).cursors.is_empty());
    let unknowing = Hello { root: [0; 16], cursors: Vec::new(), ..a.hello() };
    assert!(new_epoch(&after.say(&a, unknowing, Vec::new()).await), "who says no cursor is told before what is signed anew comes");
    let refused = after.exchange(&b, b.hello(), &[]).await;
    assert!(segments(&refused, TEAM).is_empty(), "whoever was revoked since the backup is sent nothing of it");
    assert_eq!(bad(&after), Vec::<String>::new());
}

#[tokio::test]
async fn what_headquarters_wrote_since_the_backup_comes_back_through_a_device_that_holds_it() {
    let world = World::new();
    let Lost { file, _backups, a, b, mut late, gone, mut relay, .. } = lost(&world).await;
    let seen = world.exchange(&relay, relay.hello(), &[]).await;
    let by_late = world.exchange(&late, late.hello(), &[]).await;
    let mut bring: Vec<Segment> = ALL.iter().flat_map(|name| segments(&seen, name)).collect();
    bring.extend(segments(&by_late, "agency/scc/imt-9"));
    let bring: Vec<Vec<u8>> = bring.iter().map(bytes).collect();
    let after = restored(&world, &file);
    assert!(after.service.device_with_key(relay.keys.signing.verifying_key().to_bytes()).await.expect("readable").is_none());
    let answers = after.exchange(&a, a.hello(), &bring).await;
    assert!(!notices(&answers).iter().any(|n| matches!(n, Notice::Refused { .. } | Notice::Want { .. })), "{answers:?}");
    assert!(!may_read(&after, &b.enrolled.officer, TEAM), "the grant that comes back does not open it again");
    assert!(!may_read(&after, &gone, TEAM), "nor does one that was given and taken back since the backup");
    assert!(may_read(&after, &late.enrolled.officer, "team/imt-9") && may_read(&after, &late.enrolled.officer, "agency/scc/imt-9"));

    assert!(restore::confirm(&after.hq).expect("confirmed"));
    late.cursors.clear();
    let seen = after.exchange(&late, late.hello(), &[]).await;
    assert!(notices(&seen).iter().any(|n| matches!(n, Notice::Granted { compartment, .. } if compartment.as_str() == "team/imt-9")));
    relay.cursors.clear();
    let again = replicas(&after, &mut relay, &ALL, &[&a, &b, &late]).await;
    assert_eq!((again[2].lengths(&a.stream(TEAM)), again[1].lengths(&late.stream("team/imt-9"))), (vec![5], vec![2]));
    let cursor = |name: &str| relay.cursors.iter().find(|c| c.compartment.as_str() == name).expect("a cursor").digest;
    assert!((0..3).all(|i| cursor(ALL[i]) == again[i].digest()));
    world.clock.set(NOW_MS + 2 * HOUR_MS);
    after.officer("next", Agency::Moi, "imt-1", Role::Officer);
    assert_eq!(bad(&after), Vec::<String>::new(), "headquarters goes on in its new stream");
}

#[tokio::test]
async fn what_was_taken_and_comes_back_by_a_device_stays_taken_when_an_older_backup_is_restored() {
    let world = World::new();
    let (a, b) = (world.device("a", "imt-1").await, world.device("b", "imt-1").await);
    let dismissed = world.officer("dismissed", Agency::Moi, "imt-1", Role::Officer);
    // The whole folder is put back, with what lies beside its database.
    let back = world.as_it_stands();
    world.clock.set(NOW_MS + HOUR_MS);
    world.hq.revoke("b", Some(&c(TEAM))).expect("revoked");
    world.hq.dismiss("dismissed").expect("dismissed");
    let knows = world.exchange(&a, a.hello(), &[]).await;
    let backups = tempfile::tempdir().expect("a folder");
    let file = backup::backup(&back.hq, &backups.path().join("today")).expect("backed up").file;
    let is_active = |world: &World| {
        let row = world.hq.store.read(|tx| people::officer(tx, &dismissed)).expect("readable");
        row.is_some_and(|o| o.active)
    };
    assert!(may_read(&back, &b.enrolled.officer, TEAM) && is_active(&back));
    let bring: Vec<Vec<u8>> = ["reference", TEAM].iter().flat_map(|name| segments(&knows, name)).map(|s| bytes(&s)).collect();
    for _ in 0..2 {
        back.exchange(&a, a.hello(), &bring).await;
    }
    assert!(!may_read(&back, &b.enrolled.officer, TEAM) && !is_active(&back));
    let after = restored(&back, &file);
    assert!(!may_read(&after, &b.enrolled.officer, TEAM), "the grant is in the backup, and its end was heard of since");
    assert!(!is_active(&after), "so is the officer");
    let written = revocations::all(&after.hq).expect("readable").into_iter().filter(|r| r.officer == b.enrolled.officer).count();
    assert_eq!(written, 1, "what comes twice is written down once");
}

#[tokio::test]
async fn who_was_let_in_before_headquarters_was_put_back_is_told_when_it_is_taken_after_that() {
    const JOINT: &str = "operation/op-shamol";
    let world = World::new();
    let (mut a, b) = (world.device("a", "imt-1").await, world.device("b", "imt-3").await);
    let back = world.as_it_stands();
    world.clock.set(NOW_MS + HOUR_MS);
    world.hq.grant("a", &c(JOINT), Grant { read: true, write: false, until_ms: None }).expect("granted");
    a.confirm(end(&world.exchange(&a, a.hello(), &[]).await));
    let knows = world.exchange(&b, b.hello(), &[]).await;
    // The grant comes back by another's device, and is taken before his own was heard of.
    let bring: Vec<Vec<u8>> = segments(&knows, JOINT).iter().map(bytes).collect();
    back.exchange(&b, b.hello(), &bring).await;
    assert!(may_read(&back, &a.enrolled.officer, JOINT));
    back.hq.revoke("a", Some(&c(JOINT))).expect("revoked");
    let told = back.exchange(&a, a.hello(), &[]).await;
    let is_told = |n: &&Notice| matches!(n, Notice::Revoked(r) if r.officer == a.enrolled.officer && r.compartment.as_str() == JOINT);
    assert!(notices(&told).iter().any(is_told), "his device holds it still: {:?}", notices(&told));
}

#[tokio::test]
async fn a_record_that_headquarters_went_on_with_after_the_restore_keeps_both_words() {
    let world = World::new();
    let a = world.device("a", "imt-1").await;
    let backups = tempfile::tempdir().expect("a folder");
    let file = backup::backup(&world.hq, &backups.path().join("yesterday")).expect("backed up").file;
    // Before the loss: a second officer on the device. After it: a third, before the second has come back.
    world.clock.set(NOW_MS + HOUR_MS);
    world.officer("second", Agency::Moi, "imt-1", Role::Officer);
    let code = world.hq.make_code("second", false, 24).expect("a code");
    let second = world.service.enrol(a.keys.request(&code)).await.expect("enrolled");
    let lost = world.exchange(&a, a.hello(), &[]).await;
    let after = restored(&world, &file);
    world.clock.set(NOW_MS + 2 * HOUR_MS);
    let new = |handle: &str| NewOfficer {
        handle: handle.into(),
        full_name: None,
        agency: Agency::Moi,
        team: Some("imt-1".into()),
        role: Role::Officer,
        password: None,
    };
    let namesake = after.hq.add_officer(&new("second")).expect("added").officer;
    after.hq.add_officer(&new("third")).expect("added");
    let code = after.hq.make_code("third", false, 24).expect("a code");
    let third = after.service.enrol(a.keys.request(&code)).await.expect("enrolled");
    let bring: Vec<Vec<u8>> = ["reference", TEAM].iter().flat_map(|name| segments(&lost, name)).map(|s| bytes(&s)).collect();
    after.exchange(&a, a.hello(), &bring).await;
    after
        .hq
        .store
        .read(|tx| {
            for officer in [a.enrolled.officer, second.officer, third.officer] {
                assert!(people::officer_keys(tx, &a.enrolled.device, &officer)?.is_some(), "all three are on the device");
            }
            let both = [people::officer(tx, &second.officer)?, people::officer(tx, &namesake)?].map(|o| o.expect("an officer").handle);
            assert!(both[0].starts_with("second-") && both[1] == "second", "two who bear one handle are both there: {both:?}");
            let reference = daftar_sync_server::store::meta::compartment(tx, &Compartment::reference())?.expect("the reference");
            let record = daftar_core::ids::RecordId(a.enrolled.device.0);
            assert_eq!(people::record_heads(tx, &reference, &record)?.len(), 2, "the next change will follow both");
            Ok(())
        })
        .expect("readable");
    assert_eq!(bad(&after), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_was_set_back_begins_a_new_epoch_when_a_device_knows_more() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let mut other = world.device("b", "imt-1").await;
    let first = device.write(TEAM, 2);
    world.exchange(&device, device.hello(), &[bytes(&first)]).await;
    let yesterday = world.as_it_stands();
    let life = yesterday.hq.life().expect("a life");
    let later = other.write(TEAM, 2);
    world.exchange(&other, other.hello(), &[bytes(&later)]).await;
    device.confirm(end(&world.exchange(&device, device.hello(), &[]).await));
    let projector = Projector::open(&yesterday.hq).expect("a projection");
    let until = || std::time::Instant::now() + std::time::Duration::from_secs(60);
    assert!(projector.catch_up(until()).expect("caught up"));

    // The server has never heard of this root: the device says all its cursors.
    let mut hello = device.hello();
    hello.cursors.clone_from(&device.cursors);
    hello.root = [0; 16];
    let answers = yesterday.exchange(&device, hello, &[]).await;
    let now = yesterday.hq.life().expect("a life");
    assert!(new_epoch(&answers) && now.epoch != life.epoch && now.incarnation != life.incarnation);
    assert_eq!(end(&answers).cursors.iter().filter(|c| c.epoch == now.epoch).count(), end(&answers).cursors.len());
    assert!(project::report(&yesterday.hq).expect("readable").set_back_ms.is_some(), "the alarm stands");
    assert_eq!(bad(&yesterday), Vec::<String>::new());
    assert!(projector.catch_up(until()).expect("caught up"), "the console's tables follow into the new life");
    let answers = yesterday.exchange(&other, other.hello(), &[bytes(&later)]).await;
    assert_eq!(held(&answers, &other.stream(TEAM)), Some(other.head(TEAM)), "and what was lost comes back");
    assert!(restore::confirm(&yesterday.hq).expect("confirmed"));
    assert_eq!(project::report(&yesterday.hq).expect("readable").set_back_ms, None);
}

#[tokio::test]
async fn a_device_that_lies_about_its_cursor_forces_a_new_epoch_once_a_day_at_most() {
    let world = World::new();
    let mut liar = world.device("a", "imt-1").await;
    liar.confirm(end(&world.exchange(&liar, liar.hello(), &[]).await));
    let lie = async |liar: &Device, spoil: u8| {
        let mut hello = liar.hello();
        let mut cursor = liar.cursors.iter().find(|c| c.compartment.as_str() == "reference").expect("a cursor").clone();
        cursor.epoch = world.hq.life().expect("a life").epoch;
        match spoil {
            0 => cursor.chain[0] ^= 1,
            1 => cursor.ranges = vec![(1, 1000)],
            _ => cursor.compartment = c("team/imt-77"),
        }
        hello.cursors = vec![cursor];
        let before = world.hq.life().expect("a life").epoch;
        let answers = world.exchange(liar, hello, &[]).await;
        assert!(!end(&answers).cursors.is_empty(), "it is served all the same");
        world.hq.life().expect("a life").epoch != before
    };
    assert!(lie(&liar, 0).await);
    assert!(!lie(&liar, 1).await, "not again on the same day");
    assert!(project::report(&world.hq).expect("readable").set_back_ms.is_some(), "but the alarm stands");
    world.clock.set(NOW_MS + OWN_EPOCH_MS);
    assert!(lie(&liar, 2).await, "a compartment that is not here is no less a sign");
    assert_eq!(bad(&world), Vec::<String>::new());
}

#[tokio::test]
async fn headquarters_own_signature_on_what_it_does_not_know_proves_that_it_was_set_back() {
    let world = World::new();
    let device = world.device("a", "imt-1").await;
    let yesterday = world.as_it_stands();
    let life = yesterday.hq.life().expect("a life");
    let held_before: Vec<Vec<u8>> = segments(&world.exchange(&device, device.hello(), &[]).await, "reference").iter().map(bytes).collect();
    yesterday.exchange(&device, device.hello(), &held_before).await;
    assert_eq!(yesterday.hq.life().expect("a life"), life, "what it knows proves nothing");
    world.officer("late", Agency::Moi, "imt-1", Role::Officer);
    let all: Vec<Vec<u8>> = segments(&world.exchange(&device, device.hello(), &[]).await, "reference").iter().map(bytes).collect();
    let answers = yesterday.exchange(&device, device.hello(), &all).await;
    assert_ne!(yesterday.hq.life().expect("a life"), life);
    assert!(receipts(&answers).iter().any(|r| r.epoch == yesterday.hq.life().expect("a life").epoch));
    assert!(yesterday.hq.make_code("late", false, 1).is_ok(), "and the officer is there again");
    assert_eq!(bad(&yesterday), Vec::<String>::new());
}

#[tokio::test]
async fn files_come_back_with_a_backup_and_leave_only_when_it_is_confirmed() {
    let world = World::new();
    let a = world.device("a", "imt-1").await;
    let (whole, begun) = (Photo::new(TEAM, 1, 3 * FILE_CHUNK_BYTES), Photo::new(TEAM, 2, 3 * FILE_CHUNK_BYTES));
    said(&world, &a, &whole.brought(&[0, 1, 2])).await;
    // The last chunk first: what is there of it is as long as all of it.
    said(&world, &a, &begun.brought(&[2, 0])).await;
    let backups = tempfile::tempdir().expect("a folder");
    assert_eq!(backup::backup(&world.hq, backups.path()).expect("backed up").files, 1, "what is not whole is no part of it");
    said(&world, &a, &begun.brought(&[1])).await;
    world.clock.set(NOW_MS + 1);
    let done = backup::backup(&world.hq, backups.path()).expect("backed up");
    assert_eq!((done.files, done.files_missing), (1, 0), "what is there already is not copied again");
    let after = restored(&world, &done.file);
    assert_eq!((bad(&after), daftar_sync_server::verify::verify(&after.hq).expect("readable").files), (Vec::new(), 2));
    let missing = |answers: &[FileAnswer]| answers.iter().any(|a| matches!(a, FileAnswer::Missing(_)));
    assert!(missing(&said(&after, &a, &[begun.want()]).await), "nobody has confirmed who may still read");
    assert!(restore::confirm(&after.hq).expect("confirmed"));
    let chunks = said(&after, &a, &[begun.want()]).await.into_iter().filter(|a| matches!(a, FileAnswer::Chunk(_))).count();
    assert_eq!(chunks, 3);
}

#[tokio::test]
async fn who_was_revoked_dismissed_or_struck_off_since_the_backup_is_so_again_and_his_device_is_told() {
    let world = World::new();
    let (mut a, b, d) = (world.device("a", "imt-1").await, world.device("b", "imt-1").await, world.device("d", "imt-1").await);
    let backups = tempfile::tempdir().expect("a folder");
    // The backup knows of no door, as if the devices had been told of them since.
    world.hq.store.write(|tx| Ok(tx.execute_batch("DELETE FROM door")?)).expect("written");
    let file = backup::backup(&world.hq, &backups.path().join("yesterday")).expect("backed up").file;
    a.confirm(end(&world.exchange(&a, a.hello(), &[]).await));
    world.clock.set(NOW_MS + HOUR_MS);
    world.hq.revoke("a", Some(&c(TEAM))).expect("revoked");
    world.hq.dismiss("b").expect("dismissed");
    world.hq.set_device(&d.enrolled.device.to_string(), false).expect("struck off");
    let after = restored(&world, &file);
    let (officer, device) = after
        .hq
        .store
        .read(|tx| Ok((people::officer(tx, &b.enrolled.officer)?, people::device(tx, &d.enrolled.device)?)))
        .expect("readable");
    assert!(!officer.expect("an officer").active && !device.expect("a device").active);
    assert!(!may_read(&after, &a.enrolled.officer, TEAM));
    let revoked =
        |answers: &[Answer], name: &str| notices(answers).iter().any(|n| matches!(n, Notice::Revoked(r) if r.compartment.as_str() == name));
    let locked = |device: &Device| Hello { officers: Vec::new(), ..device.hello() };
    let before = after.exchange(&a, locked(&a), &[]).await;
    assert!(!revoked(&before, TEAM), "a device may hold the only copy of what the backup lacks, until it has brought it");
    assert!(restore::confirm(&after.hq).expect("confirmed"));
    for device in [&a, &b, &d] {
        assert!(revoked(&after.exchange(device, locked(device), &[]).await, TEAM));
    }
    world.clock.set(NOW_MS + 2 * HOUR_MS);
    after.hq.activate("b").expect("activated");
    after.hq.store.write(|tx| daftar_sync_server::epoch::begin(&after.hq, tx)).expect("another life");
    assert!(may_read(&after, &b.enrolled.officer, TEAM), "what was given later stands");
    assert_eq!(bad(&after), Vec::<String>::new());
}
