//! Claims about photos and other files on one device: what is kept, what is refused, what the disk may do to it.

use std::collections::HashSet;
use std::io::Cursor;
use std::sync::{Arc, Mutex};

use daftar_core::ids::{Epoch, FileHash};
use daftar_core::value::{ElementKey, Value};
use daftar_wire::file::{FileChunk, FileId, FileReceipt, Manifest, Manifesting, ReceiptedFile};
use daftar_wire::limits::{FILE_CHUNK_BYTES, PHOTO_BYTES_MAX};

use super::reference::Held;
use super::simulated::{Weather, sync_store};
use super::world::{Hq, NOW_MS, Tablet, c, files, id, stop};
use crate::vault::{Attached, Attachment, FilesAtHq, Put};
use crate::{Error, Store};

const TEAM: &str = "team/imt-1";

pub(super) fn noise(seed: u8, size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64 ^ u64::from(seed);
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    };
    (0..size).map(next).collect()
}

/// A PNG of noise.
pub(super) fn png(seed: u8, side: u32) -> Vec<u8> {
    let pixels = noise(seed, (side * side * 3) as usize);
    let picture = image::RgbImage::from_raw(side, side, pixels).expect("so many pixels");
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, image::ImageFormat::Png).expect("written");
    out.into_inner()
}

pub(super) fn about(name: &str) -> Attachment {
    Attachment {
        name: name.into(),
        caption: Some("Under the floor".into()),
        taken_ms: Some(7),
        place: Some(Value::Map(vec![(1, Value::Int(4))])),
    }
}

pub(super) fn attach(tablet: &Tablet, n: u8, bytes: &[u8]) -> Result<Attached, Error> {
    tablet.store.attach(&c(TEAM), &id(n), &mut Cursor::new(bytes), &about(&format!("photo-{n}.png")))
}

fn tablet_with_stop() -> (Hq, Tablet) {
    let mut hq = Hq::new();
    let tablet = hq.tablet(1, &[TEAM]);
    tablet.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    (hq, tablet)
}

pub(super) fn file(sha256: FileHash) -> FileId {
    FileId { compartment: c(TEAM), sha256 }
}

pub(super) fn read(tablet: &Tablet, sha256: &FileHash) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    tablet.store.write_file(&c(TEAM), sha256, &mut out).map(|()| out)
}

pub(super) fn receipt(hq: &Hq, epoch: u8, kept: &[FileHash]) -> FileReceipt {
    let list = kept.iter().map(|h| ReceiptedFile { file: file(*h), size: 1 }).collect();
    FileReceipt::sign(&hq.key, Epoch([epoch; 16]), NOW_MS, list)
}

fn blobs(tablet: &Tablet) -> Vec<(String, Vec<u8>)> {
    files(&tablet.dir.path().join("files"))
}

pub(super) fn manifest(bytes: &[u8]) -> (Manifest, Vec<FileChunk>) {
    let mut making = Manifesting::default();
    bytes.chunks(FILE_CHUNK_BYTES).for_each(|chunk| making.push(chunk));
    let manifest = making.finish(c(TEAM));
    let file = manifest.file.clone();
    let chunks = (0..).zip(bytes.chunks(FILE_CHUNK_BYTES)).map(|(index, b)| FileChunk { file: file.clone(), index, bytes: b.to_vec() });
    let chunks = chunks.collect();
    (manifest, chunks)
}

#[test]
fn a_photo_is_kept_sealed_with_a_thumbnail_and_named_by_an_amendment() {
    let (_, tablet) = tablet_with_stop();
    let photo = png(1, 500);
    let done = attach(&tablet, 1, &photo).expect("attached");
    assert_eq!((done.file.media_type, done.file.size_bytes), ("image/png", photo.len() as u64));
    assert_eq!(read(&tablet, &done.file.sha256).expect("here"), photo);
    let thumbnail = done.file.thumbnail.expect("a picture gets a thumbnail");
    assert!(read(&tablet, &thumbnail).expect("here").len() < 64 * 1024);
    let shown = tablet.store.show(&c(TEAM), &id(1)).expect("there");
    let data = serde_json::Value::from(shown.item.data());
    let told = &data["files"][0];
    assert_eq!((told["name"].as_str(), told["caption"].as_str()), (Some("photo-1.png"), Some("Under the floor")));
    assert_eq!((told["sha256"].as_str(), told["size_bytes"].as_u64()), (Some(&*done.file.sha256.to_string()), Some(photo.len() as u64)));
    let states = tablet.store.file_states(&c(TEAM), &id(1)).expect("read");
    assert_eq!((states.len(), states[0].here, states[0].at_hq_ms, states[0].thumbnail), (1, true, None, Some(thumbnail)));
    let again = attach(&tablet, 1, &photo).expect("attached already");
    assert_eq!((again.saved, blobs(&tablet).len()), (None, 2), "the same file is named and kept once");
    let secret = &photo[200..264];
    for (path, bytes) in files(tablet.dir.path()) {
        assert!(!bytes.windows(64).any(|w| w == secret), "{path} holds the photo in plain");
        assert!(!path.contains("photo-1") && !path.contains(&done.file.sha256.to_string()[..8]), "{path} tells what it is");
    }
}

#[test]
fn a_drafts_photo_is_sent_once_its_record_is_saved_and_goes_with_a_draft_that_is_thrown_away() {
    let (_, tablet) = tablet_with_stop();
    let keep = |n| tablet.store.keep_draft_file(&c(TEAM), &mut Cursor::new(png(n, 400))).expect("kept");
    let (taken, thrown) = (keep(1), keep(2));
    assert_eq!((blobs(&tablet).len(), tablet.store.files_waiting().expect("counted")), (4, 0), "a draft is never sent");
    for sha256 in [Some(thrown.sha256), thrown.thumbnail].into_iter().flatten() {
        tablet.store.drop_draft_file(&c(TEAM), &sha256).expect("dropped");
    }
    assert_eq!(blobs(&tablet).len(), 2, "nothing of it is left");
    let mut act = stop(2, "01 A 123 BC", "Yusupov");
    act.set.extend(taken.element(&about("photo-2.png"), &ElementKey::Given(1)));
    tablet.store.save(&act).expect("saved");
    assert_eq!(tablet.store.files_waiting().expect("counted"), 2, "photo and thumbnail");
    tablet.store.drop_draft_file(&c(TEAM), &taken.sha256).expect("nothing to drop");
    assert_eq!(read(&tablet, &taken.sha256).expect("what a record names stays"), png(1, 400));
}

#[test]
fn what_is_too_large_empty_or_without_room_is_refused_and_the_record_stays() {
    let (_, tablet) = tablet_with_stop();
    let mut large = vec![0; usize::try_from(PHOTO_BYTES_MAX).expect("small") + 1];
    large[..8].copy_from_slice(&[0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a]);
    let refused = attach(&tablet, 1, &large).expect_err("over the limit");
    assert!(matches!(refused, Error::FileTooLarge { what: "photo", max_bytes: PHOTO_BYTES_MAX, .. }), "{refused}");
    assert!(refused.to_string().contains("40 MiB"), "the limit is named: {refused}");
    assert!(matches!(attach(&tablet, 1, &[]), Err(Error::Input(_))));
    large[..8].copy_from_slice(b"NOTPHOTO");
    assert!(attach(&tablet, 1, &large).is_ok(), "what is no photo may be larger");
    let broken = [&[0xff, 0xd8, 0xff][..], &noise(3, 900)].concat();
    let kept = attach(&tablet, 1, &broken).expect("a photo that cannot be read is a photo");
    assert_eq!(kept.file.thumbnail, None);
    tablet.store.save(&stop(2, "01 A 123 BC", "Yusupov")).expect("saved");
    let before = (blobs(&tablet).len(), tablet.store.waiting().expect("counted"));
    tablet.store.set_files_bytes_max(PHOTO_BYTES_MAX + 1000).expect("kept");
    let refused = attach(&tablet, 2, &noise(9, 4000)).expect_err("no room");
    assert!(matches!(refused, Error::FileStorageFull), "{refused}");
    assert_eq!((blobs(&tablet).len(), tablet.store.waiting().expect("counted")), before, "nothing of it is left");
    assert_eq!(tablet.store.file_states(&c(TEAM), &id(2)).expect("the record is there"), []);
}

#[test]
fn only_a_signed_word_of_this_life_of_headquarters_says_that_a_photo_is_there() {
    let (hq, tablet) = tablet_with_stop();
    let kept: Vec<Attached> = (0..5).map(|n| attach(&tablet, 1, &noise(n, 3000)).expect("attached")).collect();
    let at_hq = || FilesAtHq::of(&tablet.store.file_states(&c(TEAM), &id(1)).expect("read"));
    let names: Vec<FileHash> = kept.iter().map(|k| k.file.sha256).collect();
    assert_eq!(tablet.store.files_receipted(&receipt(&hq, 7, &names[..3])).expect("kept"), 3);
    assert_eq!(tablet.store.files_receipted(&receipt(&hq, 7, &names[1..3])).expect("kept"), 0);
    assert_eq!((at_hq(), tablet.store.files_waiting().expect("counted")), (FilesAtHq { held: 3, of: 5 }, 2));
    tablet.store.files_receipted(&receipt(&hq, 8, &names[..1])).expect("kept");
    assert_eq!(at_hq(), FilesAtHq { held: 1, of: 5 }, "a headquarters that was restored is asked anew");
    assert_eq!(tablet.store.files_waiting().expect("counted"), 4);
    let tablet = tablet.again();
    assert_eq!(tablet.store.epoch(), Epoch([8; 16]), "and that is not forgotten");
    assert_eq!(tablet.store.files_waiting().expect("counted"), 4, "they are offered again");
    let team = tablet.store.vault(&c(TEAM)).expect("open");
    assert_eq!(crate::vault::followed(&team), Some(Epoch([8; 16])), "the compartment's records are compared with it too");
}

#[test]
fn photos_that_were_attached_while_a_way_in_was_closed_are_in_the_compartment_when_it_opens_and_go_on() {
    let mut hq = Hq::new();
    let Tablet { dir, clock, store, handle } = hq.tablet(1, &[TEAM]);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    let later = NOW_MS + 60 * 24 * 3_600_000;
    let weather = |time_ms: u64| Weather { time_ms: Some(time_ms), ..Weather::default() };
    sync_store(&hq, &held, &store, weather(NOW_MS)).expect("a whole link");
    clock.set(later);
    let (first, second) = (noise(1, 700_000), noise(2, 3000));
    let keep = |store: &Store, n: u8, bytes: &[u8]| {
        store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("captured");
        store.attach(&c(TEAM), &id(n), &mut Cursor::new(bytes), &about("photo.jpg")).expect("attached").file.sha256
    };
    let one = keep(&store, 1, &first);
    drop(store);
    // Locked and unlocked again: the first file that captured is closed even to him.
    let open = || {
        let device = crate::Device::open_with(dir.path(), Box::new(clock.clone())).expect("free");
        Arc::new(device.unlock(&handle, super::world::PIN).expect("the PIN"))
    };
    let store = open();
    let two = keep(&store, 2, &second);
    assert_eq!(store.closed().len(), 2);
    let told = sync_store(&hq, &held, &store, weather(later)).expect("a whole link");
    assert_eq!((told.waiting, store.closed()), (0, vec![]), "headquarters handed the keys back");
    let both = |store: &Store| {
        for (sha256, bytes) in [(&one, &first), (&two, &second)] {
            let mut out = Vec::new();
            store.write_file(&c(TEAM), sha256, &mut out).expect("it is in the compartment");
            assert!(out == *bytes);
        }
        assert_eq!(store.files_waiting().expect("counted"), 2, "they are offered to headquarters");
        assert_eq!(store.verify().expect("checked").bad, []);
    };
    both(&store);
    drop(store);
    both(&open());
    let rooms = std::fs::read_dir(dir.path().join("files")).expect("a folder").flatten().count();
    assert_eq!(rooms, 1, "nothing is left of the files that captured");
}

#[test]
fn thumbnails_go_first_then_the_smallest_and_large_files_only_when_asked_for() {
    let (_, a) = tablet_with_stop();
    let large = attach(&a, 1, &noise(1, 3 * 1024 * 1024)).expect("attached").file;
    let photo = attach(&a, 1, &png(2, 300)).expect("attached").file;
    let small = attach(&a, 1, &noise(3, 500)).expect("attached").file;
    let order: Vec<FileHash> = vec![photo.thumbnail.expect("a thumbnail"), small.sha256, photo.sha256, large.sha256];
    let none = HashSet::new();
    let plan = a.store.file_plan(64 << 20, &none).expect("planned");
    assert_eq!((plan.offers.iter().map(|f| f.sha256).collect::<Vec<_>>(), plan.wants), (order.clone(), Vec::new()));
    let short = a.store.file_plan(1000, &none).expect("planned");
    assert!(short.offers.len() < 4, "an exchange is bounded");
    // The team's other device has the record and none of the files.
    let mut hq = Hq::new();
    let b = hq.tablet(2, &[TEAM]);
    b.store.apply(&c(TEAM), &super::world::items(&a.store, &c(TEAM)), None).expect("applied");
    let plan = b.store.file_plan(64 << 20, &none).expect("planned");
    let wants: Vec<(FileHash, u32)> = plan.wants.iter().map(|w| (w.file.sha256, w.chunks_max)).collect();
    let chunks = [1, 1, photo.size_bytes.div_ceil(FILE_CHUNK_BYTES as u64) as u32, 0];
    assert_eq!(wants, order.iter().copied().zip(chunks).collect::<Vec<_>>(), "the large one is only asked after");
    b.store.want_file(&c(TEAM), &large.sha256).expect("noted");
    let plan = b.store.file_plan(2 << 20, &none).expect("planned");
    let last = plan.wants.last().expect("wanted");
    assert!(last.file.sha256 == large.sha256 && last.chunks_max > 0 && last.chunks_max <= 4, "in slices");
    assert!(b.store.file_states(&c(TEAM), &id(1)).expect("read")[0].wanted);
}

#[test]
fn a_file_that_comes_in_any_order_is_whole_when_it_comes_to_its_name() {
    let (_, tablet) = tablet_with_stop();
    let bytes = noise(4, 2 * FILE_CHUNK_BYTES + 100);
    let (good, chunks) = manifest(&bytes);
    let store = &tablet.store;
    assert_eq!(store.put_chunk(&chunks[0]).expect("judged"), Put::Bad, "nobody asked for it");
    store.begin_file(&good).expect("begun");
    let wrong = FileChunk { bytes: chunks[0].bytes.clone(), ..chunks[1].clone() };
    let told: Vec<Put> = [&chunks[2], &wrong, &chunks[0]].into_iter().map(|chunk| store.put_chunk(chunk).expect("judged")).collect();
    assert_eq!(told, [Put::Kept, Put::Bad, Put::Kept]);
    assert_eq!(store.begin_file(&good).expect("again").held(), 2, "what is here stays");
    assert!(matches!(read(&tablet, &good.file.sha256), Err(Error::FileNotHere)), "a part is not the file");
    assert_eq!(store.put_chunk(&chunks[1]).expect("judged"), Put::Whole);
    assert_eq!(read(&tablet, &good.file.sha256).expect("here"), bytes);
    assert_eq!(
        (store.put_chunk(&chunks[0]).expect("judged"), store.put_chunk(&wrong).expect("judged")),
        (Put::Kept, Put::Bad),
        "twice is no fault"
    );
    assert_eq!(read(&tablet, &good.file.sha256).expect("here"), bytes);
    // Chunks that fit each other and not the name are nobody's file.
    let (mut lie, mut parts) = manifest(&noise(5, 1000));
    lie.file.sha256 = FileHash([1; 32]);
    parts[0].file = lie.file.clone();
    store.begin_file(&lie).expect("begun");
    assert_eq!(store.put_chunk(&parts[0]).expect("judged"), Put::Bad);
    assert_eq!(blobs(&tablet).len(), 1, "and leave nothing behind");
}

#[test]
fn the_beginning_of_a_chunk_is_kept_sealed_until_the_rest_comes_and_outlives_no_file() {
    let (_, tablet) = tablet_with_stop();
    let bytes = noise(7, FILE_CHUNK_BYTES + 900);
    let (good, chunks) = manifest(&bytes);
    let (store, of) = (&tablet.store, &good.file);
    let begun = |index: usize, n: usize| FileChunk { bytes: chunks[index].bytes[..n].to_vec(), ..chunks[index].clone() };
    let here = |index, at| store.begin_chunk(of, index, at).expect("readable");
    assert_eq!((store.begun_chunk(of).expect("readable"), here(0, 0)), (None, None), "nobody asked for it");
    store.begin_file(&good).expect("begun");
    assert_eq!(here(1, 0), Some((begun(1, 0), 900)));
    store.keep_begun_chunk(&begun(0, 70_000)).expect("kept");
    assert_eq!(store.begun_chunk(of).expect("readable"), Some(begun(0, 70_000)));
    assert_eq!((here(0, 60_000), here(0, 70_001), here(1, 5)), (Some((begun(0, 60_000), FILE_CHUNK_BYTES)), None, None));
    for (path, sealed) in blobs(&tablet) {
        assert!(!sealed.windows(64).any(|w| w == &bytes[..64]), "{path} holds it in plain");
    }
    store.keep_begun_chunk(&begun(1, 100)).expect("kept");
    assert_eq!(store.put_chunk(&chunks[1]).expect("judged"), Put::Kept);
    assert_eq!((store.begun_chunk(of).expect("readable"), here(1, 0)), (None, None), "that chunk lacks no more");
    store.keep_begun_chunk(&begun(0, 5)).expect("kept");
    assert_eq!(store.put_chunk(&chunks[0]).expect("judged"), Put::Whole);
    assert_eq!(blobs(&tablet).len(), 1, "of a file that is whole nothing is begun");

    let (other, chunks) = manifest(&noise(8, 5000));
    store.begin_file(&other).expect("begun");
    store.keep_begun_chunk(&chunks[0]).expect("kept");
    assert_eq!(blobs(&tablet).len(), 2);
    store.forget_part(&other.file).expect("forgotten");
    assert_eq!(blobs(&tablet).len(), 1);
    let stray = std::path::Path::new(&blobs(&tablet)[0].0).with_file_name("00112233445566778899aabbccddeeff.begun");
    std::fs::write(&stray, [0; 9]).expect("written");
    let Tablet { dir, store, handle, .. } = tablet;
    drop(store);
    super::world::open(dir.path()).expect("opened").unlock(&handle, super::world::PIN).expect("the PIN is right");
    assert!(!stray.exists(), "nobody knows of it");
}

#[test]
fn a_chunk_that_the_disk_spoilt_is_noticed_and_fetched_again() {
    let (hq, tablet) = tablet_with_stop();
    let bytes = noise(6, 3 * FILE_CHUNK_BYTES);
    let kept = attach(&tablet, 1, &bytes).expect("attached").file;
    tablet.store.files_receipted(&receipt(&hq, 7, &[kept.sha256])).expect("kept");
    let (path, mut sealed) = blobs(&tablet).remove(0);
    let at = sealed.len() / 2;
    sealed[at] ^= 1;
    std::fs::write(&path, &sealed).expect("written");
    let checked = tablet.store.verify().expect("checked");
    let bad: Vec<(&str, String)> = checked.bad.iter().map(|b| (b.why, b.what.clone())).collect();
    assert_eq!((checked.files, bad), (1, vec![("photo", kept.sha256.to_string())]));
    assert!(matches!(read(&tablet, &kept.sha256), Err(Error::FileNotHere)), "damaged bytes are never given out");
    let state = tablet.store.file_states(&c(TEAM), &id(1)).expect("read").remove(0);
    assert_eq!((state.here, state.chunks_here, state.chunks), (false, 2, 3));
    let plan = tablet.store.file_plan(64 << 20, &HashSet::new()).expect("planned");
    let want = &plan.wants[0];
    let missing: Vec<u32> = want.held.as_ref().expect("some is here").missing().collect();
    assert_eq!((want.file.sha256, missing.clone(), plan.offers.len()), (kept.sha256, vec![1], 0), "only the damaged chunk is asked for");
    let (_, chunks) = manifest(&bytes);
    assert_eq!(tablet.store.put_chunk(&chunks[1]).expect("judged"), Put::Whole);
    assert_eq!(read(&tablet, &kept.sha256).expect("here"), bytes);
    std::fs::remove_file(&path).expect("removed");
    assert!(matches!(read(&tablet, &kept.sha256), Err(Error::FileNotHere)));
}

#[test]
fn what_was_half_written_is_gone_at_the_next_start_and_what_was_written_down_is_there() {
    let (_, tablet) = tablet_with_stop();
    let bytes = noise(8, 5000);
    let kept = attach(&tablet, 1, &bytes).expect("attached").file;
    let (path, sealed) = blobs(&tablet).remove(0);
    let Tablet { dir, store, handle, .. } = tablet;
    drop(store);
    // Power failed between the commit and the name; and before the commit of another.
    std::fs::rename(&path, format!("{path}.part")).expect("renamed");
    let stray = std::path::Path::new(&path).with_file_name("00112233445566778899aabbccddeeff.part");
    std::fs::write(&stray, &sealed[..100]).expect("written");
    let device = super::world::open(dir.path()).expect("opened");
    let store = device.unlock(&handle, super::world::PIN).expect("the PIN is right");
    let mut out = Vec::new();
    store.write_file(&c(TEAM), &kept.sha256, &mut out).expect("here");
    assert_eq!(out, bytes);
    assert!(!stray.exists(), "nobody knows of it");
}

#[test]
fn a_purge_leaves_no_byte_of_a_compartments_files() {
    let (_, tablet) = tablet_with_stop();
    let kept = attach(&tablet, 1, &noise(2, 700)).expect("attached").file;
    assert_eq!(blobs(&tablet).len(), 1);
    tablet.store.purge_files(&c(TEAM)).expect("purged");
    assert_eq!(blobs(&tablet).len(), 0);
    assert!(matches!(read(&tablet, &kept.sha256), Err(Error::FileNotHere)));
    assert!(tablet.store.show(&c(TEAM), &id(1)).is_ok(), "the record is not a file");
}
