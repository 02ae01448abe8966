//! Erasure by order: the payload is gone from every byte that is kept, and everything else holds.

use std::time::{Duration, Instant};

use daftar_core::change::{Op, Payload};
use daftar_core::ids::{ChangeName, RecordId};
use daftar_core::value::{ElementKey, Path, Value};
use daftar_sync_server::erase::{self, Target};
use daftar_sync_server::keys::Folder;
use daftar_sync_server::project::{Projector, read_state};
use daftar_sync_server::{backup, restore, verify};
use daftar_wire::change::{Body, Entry};
use daftar_wire::file::FileAnswer;
use daftar_wire::message::{Answer, Ruling, Verdict};
use daftar_wire::segment::Segment;
use rusqlite::Connection;

use crate::files::{Photo, said};
use crate::replica::Replica;
use crate::support::{Device, NOW_MS, World, c, cut, end, random, segments};

const TEAM: &str = "team/imt-1";

fn bytes(segment: &Segment) -> Vec<u8> {
    segment.write().expect("a segment")
}

fn bad(world: &World) -> Vec<String> {
    verify::verify(&world.hq).expect("readable").bad
}

fn caught_up(projector: &Projector) {
    assert!(projector.catch_up(Instant::now() + Duration::from_secs(60)).expect("caught up"));
}

/// A text of letters that no search and no compression takes for another's.
fn secret() -> String {
    random::<24>().iter().map(|b| char::from(b'a' + b % 26)).collect()
}

/// Every page of the database, as it stands under the encryption.
fn pages(tx: &Connection) -> Vec<u8> {
    tx.serialize("main").expect("pages").to_vec()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

/// A record with a name that is to be forgotten, and others beside it in the same run, which lies in two segments.
struct Written {
    device: Device,
    record: RecordId,
    secret: String,
    name: ChangeName,
    whole: Segment,
}

async fn written(world: &World) -> Written {
    let mut device = world.device("a", "imt-1").await;
    let (record, secret) = (RecordId::new(NOW_MS, random()), secret());
    let mut entries = vec![device.entry(record, Op::Create, Vec::new(), &secret)];
    for i in 0..5 {
        entries.push(device.entry(RecordId::new(NOW_MS, random()), Op::Create, Vec::new(), &format!("stop {i}")));
    }
    let whole = device.segment(TEAM, entries);
    let name = whole.entries[0].name(&c(TEAM));
    let said = [bytes(&cut(&whole, 0, 3)), bytes(&cut(&whole, 3, 6))];
    world.exchange(&device, device.hello(), &said).await;
    Written { device, record, secret, name, whole }
}

fn rulings(answers: &[Answer]) -> Vec<Ruling> {
    answers.iter().filter_map(|a| if let Answer::Verdict(v) = a { Some(v.rulings.clone()) } else { None }).flatten().collect()
}

#[tokio::test]
async fn an_erased_payload_is_in_no_byte_of_the_database_and_everything_still_holds() {
    let world = World::new();
    let Written { device, secret, name, whole, .. } = written(&world).await;
    let reader = world.device("b", "imt-1").await;
    let stored = bytes(&cut(&whole, 0, 3));
    let page = |world: &World| world.hq.store.read(|tx| Ok(pages(tx))).expect("readable");
    // Past the envelope: where the changes are.
    let body = &stored[stored.len() - 80..stored.len() - 40];
    assert!(contains(&page(&world), body), "what came is kept as it came");
    let before = world.exchange(&reader, reader.hello(), &[]).await;

    assert_eq!(erase::erase(&world.hq, &c(TEAM), Target::Change(name), "order 7").expect("erased").changes, 1);
    let image = page(&world);
    assert!(!contains(&image, body) && !contains(&image, secret.as_bytes()), "nothing of it is left on any page");
    assert!(!contains(&image, &whole.runs[0].seed), "nor the seed, from which a guess could be checked");
    assert_eq!(bad(&world), Vec::<String>::new());

    let seen = world.exchange(&reader, reader.hello(), &[]).await;
    let got = segments(&seen, TEAM);
    let mine: Vec<&Segment> = got.iter().filter(|s| s.stream == whole.stream).collect();
    assert_eq!(mine.iter().map(|s| s.entries.len()).collect::<Vec<_>>(), [3, 3]);
    assert!(matches!(mine[0].entries[0].body, Body::Erased { .. }), "a device that comes later is sent the erased body");
    let others = mine.iter().flat_map(|s| &s.entries).skip(1).zip(&whole.entries[1..]);
    assert!(others.clone().count() == 5 && others.clone().all(|(a, b)| a == b), "the other changes are whole");
    let told: Vec<(ChangeName, Verdict, String)> = rulings(&seen).into_iter().map(|r| (r.change, r.verdict, r.reason)).collect();
    assert_eq!(told, [(name, Verdict::Erased, "erased".to_owned())], "and a signed verdict carries it to those who have it");
    let digest = |answers: &[Answer]| end(answers).cursors.iter().find(|c| c.compartment.as_str() == TEAM).expect("a cursor").digest;
    assert_eq!(digest(&before), digest(&seen), "the digest is the same");
    let mut replica = Replica::new(TEAM, &[&reader, &device]);
    replica.apply(&got);
    assert_eq!(replica.digest(), digest(&seen));
}

#[tokio::test]
async fn the_console_forgets_it_too_record_search_and_pages() {
    let world = World::new();
    let Written { mut device, record, secret, name, .. } = written(&world).await;
    // A later amendment of another field's history stays.
    let amend = device.entry(record, Op::Amend, vec![name], "harmless words");
    let amend = device.segment(TEAM, vec![amend]);
    world.exchange(&device, device.hello(), &[bytes(&amend)]).await;
    let projector = Projector::open(&world.hq).expect("a projection");
    caught_up(&projector);
    let image = || projector.read(|tx| Ok(pages(tx))).expect("readable");
    assert!(contains(&image(), secret.as_bytes()));
    erase::erase(&world.hq, &c(TEAM), Target::Change(name), "order 7").expect("erased");
    caught_up(&projector);
    assert!(!contains(&image(), secret.as_bytes()), "nothing of it is left on any page, the index included");
    let check = |projector: &Projector| {
        projector
            .read(|tx| {
                let payload: Option<Vec<u8>> = tx.query_row("SELECT payload FROM change WHERE name = ?1", [name.0], |r| r.get(0))?;
                assert_eq!(payload, None);
                let state: Vec<u8> = tx.query_row("SELECT state FROM record WHERE uuid = ?1", [record.0], |r| r.get(0))?;
                let state = read_state(daftar_core::record::Kind::Inspection, &state).expect("a state");
                assert_eq!((state.changes, state.heads.len(), state.flags.missing_parent), (2, 1, false), "its place in the history stays");
                Ok(())
            })
            .expect("readable");
    };
    check(&projector);
    drop(projector);
    for file in ["projection.db", "projection.db-wal", "projection.db-shm"] {
        let _ = std::fs::remove_file(world.folder.path().join(file));
    }
    let again = Projector::open(&world.hq).expect("made anew");
    caught_up(&again);
    check(&again);
}

#[tokio::test]
async fn what_was_erased_does_not_come_back_by_any_road() {
    let world = World::new();
    let backups = tempfile::tempdir().expect("a folder");
    let Written { mut device, record, secret, whole, .. } = written(&world).await;
    let file = backup::backup(&world.hq, &backups.path().join("yesterday")).expect("backed up").file;
    assert_eq!(erase::erase(&world.hq, &c(TEAM), Target::Record(record), "order 8").expect("erased").changes, 1);
    let is_gone = |world: &World| {
        let all: Vec<Vec<u8>> = world
            .hq
            .store
            .read(|tx| {
                let mut rows = tx.prepare("SELECT bytes FROM feed WHERE kind = 1")?;
                let rows = rows.query_map([], |r| r.get(0))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .expect("readable");
        let all: Vec<Segment> = all.iter().map(|b| Segment::read(b).expect("a segment")).collect();
        let payloads = all.iter().flat_map(|s| &s.entries).filter_map(|e| e.payload());
        let seeds = all.iter().flat_map(|s| &s.runs).any(|r| r.seed == whole.runs[0].seed);
        !payloads.into_iter().any(|p| contains(p, secret.as_bytes())) && !seeds && bad(world).is_empty()
    };
    assert!(is_gone(&world));
    // Sent again as it was; and by a device that began anew, in another stream.
    world.exchange(&device, device.hello(), &[bytes(&whole)]).await;
    assert!(is_gone(&world));
    device.begin_anew();
    let again = device.again(TEAM, &whole);
    world.exchange(&device, device.hello(), &[bytes(&again)]).await;
    assert_eq!(device.head(TEAM).0, 6);
    assert!(is_gone(&world), "another stream's copy is kept without it");
    // And by a backup that was made before.
    let World { folder, hq, service, clock } = world;
    drop((hq, service));
    let done = restore::restore(&Folder::new(folder.path()), &file, clock.clone()).expect("restored");
    assert!(done.erased == 1 && done.set_aside.is_some_and(|aside| aside.exists()), "the order is kept beside the database");
    assert!(is_gone(&World::open(folder, clock)));
}

#[tokio::test]
async fn the_rest_of_a_run_comes_later_and_its_seed_is_not_kept_again() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let whole = device.write(TEAM, 6);
    world.exchange(&device, device.hello(), &[bytes(&cut(&whole, 0, 3))]).await;
    let name = whole.entries[0].name(&c(TEAM));
    erase::erase(&world.hq, &c(TEAM), Target::Change(name), "order 9").expect("erased");
    world.exchange(&device, device.hello(), &[bytes(&cut(&whole, 3, 6))]).await;
    let image = world.hq.store.read(|tx| Ok(pages(tx))).expect("readable");
    assert!(!contains(&image, &whole.runs[0].seed), "from it and a guess the guess could be checked");
    assert_eq!(bad(&world), Vec::<String>::new());
}

#[tokio::test]
async fn an_erasure_needs_an_order_and_something_to_erase_that_is_not_headquarters_own() {
    let world = World::new();
    let Written { record, name, device, .. } = written(&world).await;
    let refused = |place: &str, target, order: &str| erase::erase(&world.hq, &c(place), target, order).expect_err("refused").to_string();
    assert!(refused(TEAM, Target::Change(name), " ").contains("order"));
    assert!(refused("team/imt-77", Target::Change(name), "order 1").contains("no compartment"));
    assert!(refused("team/imt-2", Target::Record(record), "order 1").contains("no such change"));
    let own = RecordId(device.enrolled.device.0);
    assert!(refused("reference", Target::Record(own), "order 1").contains("headquarters itself"), "who may do what is not erased");
    assert_eq!(erase::erase(&world.hq, &c(TEAM), Target::Change(name), "order 1").expect("erased").changes, 1);
    assert!(refused(TEAM, Target::Change(name), "order 1").contains("erased already"));
}

#[tokio::test]
async fn the_photos_that_only_an_erased_record_names_are_erased_and_taken_no_more() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let (only, shared) = (Photo::new(TEAM, 1, 700_000), Photo::new(TEAM, 2, 3000));
    let naming = |device: &Device, record, photos: &[&Photo]| {
        let named = |(i, p): (u32, &&Photo)| (Path::Element(15, ElementKey::New(i), 2), Value::Bytes(p.manifest.file.sha256.0.to_vec()));
        let payload = Payload { set: (0..).zip(photos).map(named).collect(), reason: None };
        Entry::write(&device.header(record, Op::Create, Vec::new()), &payload, [0; 32]).expect("a small change")
    };
    let (erased, other) = (RecordId::new(NOW_MS, random()), RecordId::new(NOW_MS, random()));
    let entries = vec![naming(&device, erased, &[&only, &shared]), naming(&device, other, &[&shared])];
    let segment = device.segment(TEAM, entries);
    world.exchange(&device, device.hello(), &[bytes(&segment)]).await;
    for photo in [&only, &shared] {
        let all: Vec<usize> = (0..photo.chunks.len()).collect();
        said(&world, &device, &photo.brought(&all)).await;
    }
    let kept = || std::fs::read_dir(world.folder.path().join("files")).expect("a folder").count();
    assert_eq!(kept(), 2);
    let done = erase::erase(&world.hq, &c(TEAM), Target::Record(erased), "order 11").expect("erased");
    assert_eq!((done.changes, done.files, kept()), (1, 1, 1), "what another record names stays");
    let id = only.manifest.file.clone();
    assert_eq!(said(&world, &device, &[only.want()]).await, [FileAnswer::Missing(id.clone())]);
    assert!(said(&world, &device, &only.brought(&[0])).await.contains(&FileAnswer::Missing(id)), "nor does it come back");
    assert!(!said(&world, &device, &[shared.want()]).await.iter().any(|a| matches!(a, FileAnswer::Missing(_))));
    assert_eq!((kept(), bad(&world)), (1, Vec::<String>::new()));
}
