//! Claims about photos in courier packs: what goes along and in which order, what is taken of a gift or an answer, and that a false word about
//! one file harms nothing else.

use std::io::Cursor;

use daftar_core::ids::{Epoch, FileHash};
use daftar_wire::file::{FileAnswer, FileAsk, FileChunk, FileId, FileReceipt, Manifest, ReceiptedFile};
use daftar_wire::limits::{FILE_CHUNK_BYTES, PACK_FILES_BYTES_MAX};
use daftar_wire::message::{Answer, FrameReader, PeerMessage};
use daftar_wire::pack::{Header, Opened, Purpose, Reader};
use daftar_wire::sign::SigningKey;

use super::files::{about, attach, file, manifest, png, read, receipt};
use super::packs::hostile::Good;
use super::packs::{answer, end, read_bytes, runtime};
use super::peer::two;
use super::share::{given, may, tell};
use super::world::{Hq, NOW_MS, Tablet, c, id, officer_id, stop, stop_in};
use crate::pack::{PackRead, PackWritten, write_gift};
use crate::vault::FilesAtHq;

const TEAM: &str = "team/imt-1";
const AGENCY: &str = "agency/moi/imt-1";

/// A gift of one for the other with files in so many bytes.
pub(super) fn gift(from: &Tablet, to: &Tablet, files_bytes_max: u64) -> (PackWritten, Vec<u8>) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("gift");
    let id = to.store.device().id.to_string();
    let written = runtime().block_on(write_gift(&from.store, &id, &path, false, files_bytes_max, &|_| {})).expect("written");
    (written, std::fs::read(path).expect("read"))
}

/// What a gift says, in its order.
fn said(bytes: &[u8], to: &Tablet) -> Vec<PeerMessage> {
    let (mut frames, mut all) = (FrameReader::default(), Vec::new());
    for opened in Reader::new(vec![to.store.session().opening.clone()]).push(bytes).expect("a pack") {
        let Opened::Frames(bytes) = opened else { continue };
        frames.push(&bytes);
        while let Some(frame) = frames.next().expect("whole frames") {
            all.extend(PeerMessage::read(&frame).expect("of the protocol"));
        }
    }
    all
}

fn words(said: &[PeerMessage]) -> Vec<FileAnswer> {
    let word = |m: &PeerMessage| if let PeerMessage::File(word) = m { FileAnswer::read(word).expect("readable") } else { None };
    said.iter().filter_map(word).collect()
}

fn files_of(got: &PackRead) -> (u64, u64, u64) {
    (got.files_received, got.files_receipted, got.refused)
}

#[test]
fn photos_stand_in_a_gift_behind_all_records_and_only_those_that_its_reader_may_see() {
    let (hq, a, b) = two();
    tell(&hq, &a, &[(AGENCY, vec![may(1)])]);
    for n in [1, 2] {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
    }
    let (large, small) = (png(1, 700), png(2, 400));
    let large = attach(&a, 1, &large).expect("attached").file;
    let small = attach(&a, 2, &small).expect("attached").file;
    a.store.save(&stop_in(AGENCY, 3, "80 B 222 CC", "Karimov")).expect("saved");
    a.store.attach(&c(AGENCY), &id(3), &mut Cursor::new(png(3, 300)), &about("note.png")).expect("attached");
    a.store.keep_draft_file(&c(TEAM), &mut Cursor::new(png(4, 300))).expect("kept");

    let (written, pack) = gift(&a, &b, PACK_FILES_BYTES_MAX);
    assert_eq!((written.files, written.files_left), (2, 0));
    let all = said(&pack, &b);
    let first_word = all.iter().position(|m| matches!(m, PeerMessage::File(_))).expect("files");
    assert!(!all[first_word..].iter().any(|m| matches!(m, PeerMessage::Segment(_))), "no record waits behind a photo");
    let sizes: Vec<u64> = words(&all).iter().filter_map(|w| if let FileAnswer::Offer(m) = w { Some(m.size) } else { None }).collect();
    assert_eq!(sizes.len(), 4, "neither another agency's nor a draft's");
    assert!(
        sizes[0].max(sizes[1]) < 65_536 && sizes[2..] == [small.size_bytes, large.size_bytes],
        "thumbnails, then the smallest: {sizes:?}"
    );

    let got = read_bytes(&b.store, &pack).expect("read");
    assert_eq!((got.received_changes, files_of(&got)), (4, (2, 0, 0)));
    assert_eq!(files_of(&read_bytes(&b.store, &pack).expect("read again")), (0, 0, 0), "twice changes nothing");
    assert_eq!(read(&b, &large.sha256).expect("here"), png(1, 700));
    let states = b.store.file_states(&c(TEAM), &id(2)).expect("read");
    assert_eq!((states[0].here, states[0].thumbnail, states[0].at_hq_ms), (true, small.thumbnail, None));
    assert_eq!(b.store.files_waiting().expect("counted"), 4, "who took them offers them to headquarters");

    let (some, _) = gift(&a, &b, small.size_bytes + 2 * 65_536);
    let (none, pack) = gift(&a, &b, 0);
    assert_eq!([(some.files, some.files_left), (none.files, none.files_left)], [(1, 1), (0, 2)], "what finds no room is told of");
    assert!(words(&said(&pack, &b)).is_empty());
}

/// A gift of frames that an honest device would not say.
pub(super) fn forged(hq: &Hq, from: &Tablet, to: &Tablet, frames: &[PeerMessage]) -> Vec<u8> {
    let header = Header {
        purpose: Purpose::Gift,
        writer: from.store.device().id,
        reader: to.store.device().id,
        at_ms: NOW_MS,
        id: [5; 16],
        officer: None,
        epoch: None,
    };
    let key = from.store.device().signing().clone();
    Good { header, key, to: hq.sealing[&officer_id(2)], frames: frames.iter().flat_map(PeerMessage::write).collect() }.pack()
}

fn at_hq(key: &SigningKey, epoch: u8, of: FileHash) -> FileAnswer {
    let epoch = Epoch([epoch; 16]);
    FileAnswer::Receipt(FileReceipt::sign(key, epoch, NOW_MS, vec![ReceiptedFile { file: file(of), size: 1 }]))
}

#[test]
fn false_words_about_files_in_a_gift_are_refused_alone_and_what_is_right_is_kept() {
    let (hq, a, b) = two();
    a.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    let photo = png(1, 400);
    let kept = attach(&a, 1, &photo).expect("attached").file;
    let (true_manifest, chunks) = manifest(&photo);
    assert_eq!(chunks.len(), 2);
    let of = |file: FileId, index, bytes: Vec<u8>| FileAnswer::Chunk(FileChunk { file, index, bytes });
    let this = |index, bytes| of(true_manifest.file.clone(), index, bytes);
    let (unnamed, unnamed_chunks) = manifest(b"no record names it");
    let elsewhere = FileId { compartment: c(AGENCY), ..true_manifest.file.clone() };
    // Of the same size, made of other chunks, which all come: only the whole shows that it is another file.
    let (mut other, other_chunks) = manifest(&vec![7; photo.len()]);
    other.file = true_manifest.file.clone();
    let large = Manifest { file: file(kept.thumbnail.expect("a picture")), size: FILE_CHUNK_BYTES as u64, chunks: vec![[1; 32]] };
    let refused = [
        this(0, chunks[0].bytes.clone()),
        FileAnswer::Offer(unnamed.clone()),
        FileAnswer::Offer(Manifest { file: elsewhere, ..true_manifest.clone() }),
        FileAnswer::Offer(Manifest { file: true_manifest.file.clone(), ..manifest(&photo[1..]).0 }),
        FileAnswer::Offer(large),
        at_hq(&SigningKey::from_bytes(&[0x66; 32]), 7, kept.sha256),
        at_hq(&hq.key, 8, kept.sha256),
    ];
    let counted = refused.len() as u64;
    let mut words: Vec<FileAnswer> = refused.to_vec();
    words.push(of(unnamed.file, 0, unnamed_chunks[0].bytes.clone()));
    words.push(FileAnswer::Offer(other));
    words.extend(other_chunks.iter().map(|chunk| this(chunk.index, chunk.bytes.clone())));
    words.push(FileAnswer::Offer(true_manifest.clone()));
    words.extend([this(0, vec![0; FILE_CHUNK_BYTES]), this(99, chunks[1].bytes.clone())]);
    words.extend([this(0, chunks[0].bytes.clone()), this(0, chunks[0].bytes.clone())]);
    let mut frames = given(&a.store, &b.store.device().id, None);
    frames.extend(words.iter().map(|w| PeerMessage::File(w.word())));
    // A chunk that is too long, something that is no word, and a question that nobody answers here.
    frames.push(PeerMessage::File(this(1, vec![0; FILE_CHUNK_BYTES + 1]).word()));
    frames.extend([PeerMessage::File(vec![3, 0xff]), PeerMessage::File(Vec::new()), PeerMessage::File(vec![200, 1])]);
    frames.push(PeerMessage::File(FileAsk::Want { file: true_manifest.file.clone(), held: None, chunks_max: 9, begun: None }.word()));
    frames.extend([
        PeerMessage::File(this(1, chunks[1].bytes.clone()).word()),
        PeerMessage::File(this(1, chunks[1].bytes.clone()).word()),
        PeerMessage::File(at_hq(&hq.key, 7, kept.sha256).word()),
    ]);
    let got = read_bytes(&b.store, &forged(&hq, &a, &b, &frames)).expect("read");
    assert_eq!(got.received_changes, 2, "the records came whatever was said of files");
    assert_eq!(files_of(&got), (1, 1, counted + 1 + 2 + 3));
    assert_eq!(read(&b, &kept.sha256).expect("here"), photo);
    assert_eq!(b.store.verify().expect("checked").bad, []);
    let states = b.store.file_states(&c(TEAM), &id(1)).expect("read");
    assert_eq!(FilesAtHq::of(&states), FilesAtHq { held: 1, of: 1 });
    assert!(!b.store.compartments().is_empty() && b.store.file_states(&c(AGENCY), &id(1)).is_err());
}

pub(super) fn told(words: &[FileAnswer], after_ms: u64) -> Vec<Answer> {
    words.iter().map(|w| Answer::File(w.word())).chain([end(after_ms, Vec::new())]).collect()
}

#[test]
fn an_answers_receipts_alone_say_that_photos_are_at_headquarters() {
    let (hq, a, b) = two();
    for n in 1..=5 {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
    }
    let names: Vec<FileHash> = (1..=5).map(|n| attach(&a, 1, &png(n, 100)).expect("attached").file.sha256).collect();
    let at = |held| {
        let states = a.store.file_states(&c(TEAM), &id(1)).expect("read");
        assert_eq!(FilesAtHq::of(&states), FilesAtHq { held, of: 5 });
    };
    at(0);
    let mut words: Vec<FileAnswer> = names[..3].iter().map(|n| FileAnswer::Receipt(receipt(&hq, 7, &[*n]))).collect();
    words.push(at_hq(&SigningKey::from_bytes(&[0x66; 32]), 7, names[3]));
    words.push(FileAnswer::Missing(file(names[4])));
    words.push(FileAnswer::Refused { file: file(names[4]), reason: "storage_full".into() });
    let pack = answer(&hq, &a, 1, 5, &told(&words, 5)).pack();
    assert_eq!(files_of(&read_bytes(&a.store, &pack).expect("read")), (0, 3, 1));
    at(3);
    assert_eq!(files_of(&read_bytes(&a.store, &pack).expect("read again")), (0, 0, 1));
    // One that is found later says what it says; it takes nothing back.
    let old = answer(&hq, &a, 1, 2, &told(&[at_hq(&hq.key, 7, names[4])], 2)).pack();
    assert_eq!(files_of(&read_bytes(&a.store, &old).expect("an old one")), (0, 1, 0));
    at(4);
    assert!(read_bytes(&b.store, &pack).is_err(), "it is for another device");
}

#[test]
fn an_answer_brings_photos_that_were_asked_for_also_where_another_device_lied_about_them() {
    let (hq, a, b) = two();
    a.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    let photo = png(1, 400);
    attach(&a, 1, &photo).expect("attached");
    let (_, records) = gift(&a, &b, 0);
    read_bytes(&b.store, &records).expect("read");
    let (true_manifest, chunks) = manifest(&photo);
    b.store.begin_file(&Manifest { chunks: vec![[1; 32], [2; 32]], ..true_manifest.clone() }).expect("begun by a lie");
    let [first, second] = [0, 1].map(|i: usize| FileAnswer::Chunk(chunks[i].clone()));
    // Headquarters goes on with what was begun, and the lie shows.
    let pack = answer(&hq, &b, 2, 1, &told(std::slice::from_ref(&first), 1)).pack();
    assert_eq!(files_of(&read_bytes(&b.store, &pack).expect("read")), (0, 0, 1));
    let wants = b.store.files_wanted(PACK_FILES_BYTES_MAX).expect("planned");
    assert!(wants.iter().any(|w| w.file == true_manifest.file && w.held.is_none()), "it is asked for anew: {wants:?}");
    let pack = answer(&hq, &b, 2, 2, &told(&[FileAnswer::Offer(true_manifest.clone()), first], 2)).pack();
    assert_eq!(files_of(&read_bytes(&b.store, &pack).expect("read")), (0, 0, 0));
    let pack = answer(&hq, &b, 2, 3, &told(&[second], 3)).pack();
    assert_eq!(files_of(&read_bytes(&b.store, &pack).expect("read")), (1, 0, 0), "the rest comes without its manifest");
    assert_eq!(read(&b, &true_manifest.file.sha256).expect("here"), photo);
}
