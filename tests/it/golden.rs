//! What the wire wrote once is read for ever: the files of `tests/golden/v1`. Files are added and never written again.
//!
//! Beside each stands a listing of what it says, which `tests/golden/verify.py` checks too, from docs/protocol.md alone.
//! `DAFTAR_GOLDEN_WRITE=1` writes what `make` holds and the folder lacks.

mod chunks;
mod listing;
mod make;
mod messages;
mod packs;
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use daftar_core::ids::Head;
use daftar_wire::change::{read_header, read_payload, write_header, write_payload};
use daftar_wire::enrol::{EnrolRequest, Enrolled};
use daftar_wire::file::{FileAnswer, FileAsk};
use daftar_wire::message::{Answer, Ask, PeerMessage};
use daftar_wire::segment::Segment;
use daftar_wire::sign::{verify_attestation, verifying_key};
use serde_json::Value as Json;

const FOLDER_BYTES_MAX: u64 = 400 * 1024;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1")
}

/// The listings with their names, in the order of the names.
fn listings() -> Vec<(String, Json)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder()).expect("the golden folder").map(|e| e.expect("an entry").path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "json"));
    paths.sort();
    let read = |p: &PathBuf| serde_json::from_str(&fs::read_to_string(p).expect("a listing")).expect("a listing is JSON");
    paths.iter().map(|p| (p.file_stem().expect("a name").to_string_lossy().into_owned(), read(p))).collect()
}

fn of(what: &str) -> Vec<(String, Json, Vec<u8>)> {
    let found: Vec<_> = listings()
        .into_iter()
        .filter(|(_, l)| l["what"] == what)
        .map(|(name, l)| {
            let bytes = l["file"].as_str().map(|f| fs::read(folder().join(f)).expect("the file that the listing names"));
            (name, l, bytes.unwrap_or_default())
        })
        .collect();
    assert!(!found.is_empty() || std::env::var_os("DAFTAR_GOLDEN_WRITE").is_some(), "no golden file of {what}");
    found
}

fn before(segment: &Segment, listing: &Json) -> Head {
    if segment.first == 1 { segment.stream.start() } else { Head(listing::fixed(&listing["before"])) }
}

#[test]
fn every_golden_segment_reads_to_what_its_listing_says() {
    for (name, listing, bytes) in of("segment") {
        let segment = Segment::read(&bytes).unwrap_or_else(|e| panic!("{name} is no longer read: {e}"));
        let is_short = listing["changes"][0].get("header").is_none();
        let now = listing::segment(&bytes, &segment, before(&segment, &listing), is_short);
        for (key, value) in now.as_object().expect("an object") {
            assert_eq!(&listing[key], value, "{name} says otherwise than before in `{key}`");
        }
    }
}

#[test]
fn every_golden_signature_holds_and_none_holds_for_a_changed_segment() {
    for (name, listing, bytes) in of("segment") {
        let segment = Segment::read(&bytes).expect("it is read");
        let device = verifying_key(&listing::bytes(&listing["device_key"])).expect("a key");
        let checked = segment.check(before(&segment, &listing), &device).unwrap_or_else(|e| panic!("{name}: {e}"));
        for a in &segment.attestations {
            let key = verifying_key(&listing::bytes(&listing["officer_keys"][a.officer.to_string()])).expect("a key");
            let head = &checked.heads[(a.n - segment.first) as usize];
            verify_attestation(&key, &a.officer, &segment.stream, a.n, head, &a.sig).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        for at in (0..bytes.len()).step_by(bytes.len() / 60 + 1) {
            let mut spoiled = bytes.clone();
            spoiled[at] ^= 1 << (at % 8);
            let Ok(read) = Segment::read(&spoiled) else { continue };
            let holds = read.check(before(&segment, &listing), &device).is_ok();
            // Attestations are checked by whoever knows the officers' keys; runs' seeds show in the names.
            let same_changes = (&read.stream, read.first, &read.entries) == (&segment.stream, segment.first, &segment.entries);
            assert!(!holds || same_changes, "{name}: with byte {at} changed other changes are taken for signed");
        }
    }
}

#[test]
fn a_golden_segment_is_written_again_without_loss() {
    for (name, _, bytes) in of("segment") {
        let segment = Segment::read(&bytes).expect("it is read");
        let again = segment.write().unwrap_or_else(|e| panic!("{name} cannot be written: {e}"));
        assert_eq!(Segment::read(&again).as_ref(), Ok(&segment), "{name} loses something");
    }
}

#[test]
fn golden_changes_mean_something_and_are_written_alike() {
    for (name, listing, bytes) in of("segment") {
        let segment = Segment::read(&bytes).expect("it is read");
        for (entry, n) in segment.entries.iter().zip(segment.first..) {
            let change = entry.read(&segment.stream.compartment).unwrap_or_else(|e| panic!("{name}, change {n}: {e}"));
            // What this version does not know in a header or payload stays in the bytes and is not in the meaning.
            if listing["has_unknown_keys"] == true {
                continue;
            }
            assert_eq!(write_header(&read_header(&entry.header).expect("a header")), entry.header, "{name}, header {n}");
            if let Some(payload) = entry.payload() {
                let read = read_payload(change.header.kind, payload).expect("a payload");
                assert_eq!(write_payload(&read), payload, "{name}, payload {n}");
            }
        }
    }
}

#[test]
fn golden_exchanges_say_what_their_listings_say() {
    for (name, listing, bytes) in of("frames") {
        let frames = messages::list_frames(&bytes, &folder());
        assert_eq!(frames, listing["frames"], "{name}");
        messages::check_frames(&name, &bytes, &listing);
    }
}

#[test]
fn what_devices_say_to_each_other_is_read_whole_by_a_device() {
    let (_, _, bytes) = of("frames").into_iter().find(|(name, ..)| name == "python-peers").expect("the golden exchange of two devices");
    let said: Vec<PeerMessage> =
        messages::unframed(&bytes).iter().map(|f| PeerMessage::read(f).expect("readable").expect("known to a device")).collect();
    assert_eq!(said.iter().flat_map(PeerMessage::write).collect::<Vec<u8>>(), bytes);
    for kind in [PeerMessage::Listed, PeerMessage::Here, PeerMessage::Given, PeerMessage::End] {
        assert!(said.contains(&kind), "{kind:?}");
    }
}

#[test]
fn every_golden_message_reads_the_same_with_a_key_that_only_a_later_version_knows() {
    let mut tried = BTreeSet::new();
    for (name, listing, content) in of("frames").into_iter().chain(of("file frames")) {
        for frame in messages::unframed(&content) {
            let Some(later) = messages::with_unknown_key(&frame) else { continue };
            let same = match listing["way"].as_str() {
                Some("question") => FileAsk::read(&later) == FileAsk::read(&frame),
                Some(_) => FileAnswer::read(&later) == FileAnswer::read(&frame),
                None if matches!(frame[0], 2 | 9) => Segment::read(&later[1..]) == Segment::read(&frame[1..]),
                None => (Ask::read(&later), Answer::read(&later)) == (Ask::read(&frame), Answer::read(&frame)),
            };
            assert!(same, "{name}: frame {} is read otherwise", frame[0]);
            tried.insert((listing["way"].to_string(), frame[0]));
        }
    }
    let later = |content: &[u8]| messages::with_unknown_key(&[&[0], content].concat()).expect("a map").split_off(1);
    for (name, _, content) in of("enrol question") {
        assert_eq!(EnrolRequest::read(&later(&content)), EnrolRequest::read(&content), "{name}");
    }
    for (name, _, content) in of("enrol answer") {
        assert_eq!(Enrolled::read(&later(&content)), Enrolled::read(&content), "{name}");
    }
    assert!(tried.len() >= 18, "only these have maps: {tried:?}");
}

#[test]
fn golden_words_about_files_say_what_their_listings_say() {
    for (name, listing, bytes) in of("file frames") {
        assert_eq!(chunks::list(&bytes, listing["way"].as_str().expect("a way")), listing["frames"], "{name}");
        chunks::check(&name, &bytes, &listing);
    }
}

#[test]
fn golden_packs_are_their_writers_and_open_for_their_readers_alone() {
    for (name, listing, bytes) in of("pack") {
        let now = packs::list(&bytes, &listing, &folder());
        for (key, value) in now.as_object().expect("an object") {
            assert_eq!(&listing[key], value, "{name} says otherwise than before in `{key}`");
        }
    }
}

#[test]
fn golden_enrolments_and_codes_say_what_their_listings_say() {
    for what in ["enrol question", "enrol answer", "code"] {
        for (name, listing, bytes) in of(what) {
            assert_eq!(messages::list_enrolment(what, &bytes), listing["content"], "{name}");
        }
    }
}

#[test]
fn golden_feeds_and_digests_come_out_as_listed() {
    for (name, listing, _) in of("feed") {
        assert_eq!(messages::feed_chain(&listing), listing["chain"], "{name}");
    }
    for (name, listing, _) in of("digest") {
        assert_eq!(messages::digest_of(&listing), listing["digest"], "{name}");
    }
}

#[test]
fn a_golden_seal_opens() {
    for (name, listing, bytes) in of("seal") {
        assert_eq!(messages::open_seal(&listing, &bytes), listing::bytes(&listing["plain"]), "{name}");
    }
}

#[test]
fn the_golden_folder_stays_small_and_every_file_in_it_is_listed() {
    let listed: Vec<String> = listings().iter().filter_map(|(_, l)| l["file"].as_str().map(str::to_owned)).collect();
    let mut total = 0;
    for entry in fs::read_dir(folder()).expect("the golden folder") {
        let entry = entry.expect("an entry");
        total += entry.metadata().expect("a size").len();
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(name.ends_with(".json") || listed.contains(&name), "{name} has no listing");
    }
    assert!(total <= FOLDER_BYTES_MAX, "{total} bytes");
}

/// With the variable it writes what is not there yet; without it, it does nothing.
#[test]
fn golden_files_are_only_added() {
    if std::env::var_os("DAFTAR_GOLDEN_WRITE").is_none() {
        return;
    }
    let corpus = tempfile::tempdir().expect("a folder");
    for made in make::segments(corpus.path()).into_iter().map(make::Made::into_file) {
        add(&made);
    }
    messages::files(&folder()).iter().for_each(add);
    // What packs hold are the exchanges that were just written.
    packs::files(&folder()).iter().for_each(add);
}

/// A file that is to be there with its listing, `NAME.json`.
struct GoldenFile {
    name: &'static str,
    /// The ending and the bytes, unless the listing says it all.
    content: Option<(&'static str, Vec<u8>)>,
    listing: Json,
}

fn add(file: &GoldenFile) {
    let listing_path = folder().join(format!("{}.json", file.name));
    if listing_path.exists() {
        return;
    }
    let mut listing = file.listing.clone();
    if let Some((ending, bytes)) = &file.content {
        let name = format!("{}.{ending}", file.name);
        fs::write(folder().join(&name), bytes).expect("the golden folder can be written");
        listing["file"] = name.into();
    }
    fs::write(listing_path, listing::pretty(&listing)).expect("the golden folder can be written");
}
