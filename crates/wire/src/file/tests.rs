//! Claims about manifests, bitmaps, sealed chunks and the words about files.

use daftar_core::ids::{Epoch, OfficerId};

use super::chest::{ChestKey, open_chunk, seal_chunk};
use super::*;
use crate::message::FrameReader;
use crate::sign::SigningKey;

fn id(n: u8) -> FileId {
    FileId { compartment: "team/imt-1".parse().expect("a compartment"), sha256: FileHash([n; 32]) }
}

fn manifest(size: usize) -> (Manifest, Vec<u8>) {
    let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
    let mut making = Manifesting::default();
    bytes.chunks(FILE_CHUNK_BYTES).for_each(|c| making.push(c));
    (making.finish(id(0).compartment), bytes)
}

#[test]
fn a_manifest_knows_each_chunk_at_its_place_alone() {
    let (m, bytes) = manifest(2 * FILE_CHUNK_BYTES + 5);
    assert_eq!((m.count(), m.chunk_bytes(2), m.chunk_bytes(3)), (3, Some(5), None));
    assert_eq!(m.check(), Ok(()));
    let last = &bytes[2 * FILE_CHUNK_BYTES..];
    assert!(m.holds(2, last));
    assert!(!m.holds(1, last) && !m.holds(2, &last[..4]) && !m.holds(9, last));
    for wrong in [Manifest { size: 0, chunks: Vec::new(), ..m.clone() }, Manifest { size: m.size + FILE_CHUNK_BYTES as u64, ..m.clone() }] {
        assert!(wrong.check().is_err() && FileAsk::read(&unframed(&FileAsk::Offer(wrong).write())).is_err());
    }
}

#[test]
fn a_bitmap_is_read_only_if_it_is_of_so_many_chunks() {
    let mut some = Bitmap::empty(11);
    some.set(0, true);
    some.set(10, true);
    some.set(11, true);
    assert_eq!((some.held(), some.bytes(), some.has(10), some.has(11)), (2, &[1, 4][..], true, false));
    assert_eq!(Bitmap::read(11, some.bytes()), Some(some.clone()));
    assert!(Bitmap::read(10, some.bytes()).is_none(), "a bit beyond the last chunk");
    assert!(Bitmap::read(17, some.bytes()).is_none() && Bitmap::read(8, some.bytes()).is_none());
    assert_eq!(some.missing().count(), 9);
    assert!(Bitmap::full(16).is_full() && Bitmap::read(16, &[255, 255]).is_some_and(|b| b.is_full()));
}

#[test]
fn a_sealed_chunk_opens_at_its_place_with_its_key_alone() {
    let (key, other) = (ChestKey::new([1; 32]), ChestKey::new([2; 32]));
    let sealed = seal_chunk(&key, [3; 24], 7, b"plain");
    assert!(!sealed.windows(5).any(|w| w == b"plain"));
    assert_eq!(open_chunk(&key, 7, &sealed), Some(b"plain".to_vec()));
    let mut flipped = sealed.clone();
    flipped[30] ^= 1;
    assert!(open_chunk(&key, 8, &sealed).is_none() && open_chunk(&other, 7, &sealed).is_none());
    assert!(open_chunk(&key, 7, &flipped).is_none() && open_chunk(&key, 7, &sealed[..20]).is_none());
}

fn unframed(frame: &[u8]) -> Vec<u8> {
    let mut reader = FrameReader::default();
    reader.push(frame);
    reader.next().expect("a frame").expect("a whole one")
}

#[test]
fn every_word_about_a_file_comes_back_and_unknown_ones_are_passed_over() {
    let (m, bytes) = manifest(FILE_CHUNK_BYTES + 1);
    let chunk = FileChunk { file: m.file.clone(), index: 1, bytes: bytes[FILE_CHUNK_BYTES..].to_vec() };
    let asks = [
        FileAsk::Hello(vec![OfficerId([1; 16])]),
        FileAsk::Offer(m.clone()),
        FileAsk::Chunk(chunk.clone()),
        FileAsk::Want { file: id(3), held: Some(vec![1]), chunks_max: 4, begun: None },
        FileAsk::Want { file: id(3), held: None, chunks_max: 0, begun: Some(FileBegun { index: 7, bytes: 5 }) },
        FileAsk::Part(FilePart::From { file: id(3), index: 1, at: 300, bytes: vec![4; 9] }),
        FileAsk::Part(FilePart::More(vec![5; 30])),
        FileAsk::End,
    ];
    for ask in asks {
        assert_eq!(FileAsk::read(&unframed(&ask.write())), Ok(Some(ask)));
    }
    let key = SigningKey::from_bytes(&[9; 32]);
    let receipt = FileReceipt::sign(&key, Epoch([7; 16]), 5, vec![ReceiptedFile { file: id(1), size: 9 }]);
    let answers = [
        FileAnswer::Held { file: id(1), held: Some(vec![2]), begun: Some(FileBegun::default()) },
        FileAnswer::Held { file: id(1), held: None, begun: None },
        FileAnswer::Part(FilePart::From { file: id(3), index: 1, at: 0, bytes: vec![4; 9] }),
        FileAnswer::Part(FilePart::More(Vec::new())),
        FileAnswer::Offer(m),
        FileAnswer::Chunk(chunk),
        FileAnswer::Missing(id(2)),
        FileAnswer::Refused { file: id(2), reason: "storage_full".into() },
        FileAnswer::Receipt(receipt.clone()),
        FileAnswer::Here,
        FileAnswer::End,
    ];
    for answer in answers {
        assert_eq!(FileAnswer::read(&unframed(&answer.write())), Ok(Some(answer)));
    }
    assert_eq!((FileAsk::read(&[99, 1, 2]), FileAnswer::read(&[99])), (Ok(None), Ok(None)));
    assert_eq!(receipt.verify(&key.verifying_key()), Ok(()));
    let mut forged = receipt;
    forged.held[0].size += 1;
    assert!(forged.verify(&key.verifying_key()).is_err());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn the_bytes_of_each_word_are_those_of_the_first_version() {
    let (mut file, chunk) = (id(3), [0x5a; 3]);
    file.compartment = "team/t".parse().expect("a compartment");
    let name = format!("01667465616d2f74025820{}", "03".repeat(32));
    let of = |n: usize| format!("{n:02x}");
    let manifest = Manifest { file: file.clone(), size: 3, chunks: vec![sha256(&[&chunk])] };
    let hash = hex(&manifest.chunks[0]);
    let key = SigningKey::from_bytes(&[9; 32]);
    let receipt = FileReceipt::sign(&key, Epoch([7; 16]), 5, vec![ReceiptedFile { file: file.clone(), size: 3 }]);
    let want = |begun| FileAsk::Want { file: file.clone(), held: Some(vec![1]), chunks_max: 4, begun };
    let begun = Some(FileBegun { index: 0, bytes: 2 });
    let part = FilePart::From { file: file.clone(), index: 0, at: 2, bytes: vec![0x5a] };
    let pinned = [
        (FileAsk::Hello(vec![OfficerId([1; 16])]).write(), format!("5501a103815{}", "0".to_owned() + &"01".repeat(16))),
        (FileAsk::Offer(manifest).write(), format!("5852{}a4{name}0303045820{hash}", of(2))),
        (
            FileAsk::Chunk(FileChunk { file: file.clone(), index: 0, bytes: chunk.to_vec() }).write(),
            format!("5834{}a4{name}050006435a5a5a", of(3)),
        ),
        (want(None).write(), format!("5832{}a4{name}0504074101", of(4))),
        (want(begun).write(), format!("5836{}a5{name}05040741010a820002", of(4))),
        (FileAsk::Part(part).write(), format!("5834{}a5{name}050006415a0902", of(11))),
        (FileAsk::Part(FilePart::More(vec![0x5a])).write(), format!("42{}5a", of(12))),
        (FileAsk::End.write(), "4105".into()),
        (FileAnswer::Held { file: file.clone(), held: None, begun: None }.write(), format!("582d{}a2{name}", of(6))),
        (FileAnswer::Missing(file.clone()).write(), format!("582d{}a2{name}", of(7))),
        (FileAnswer::Refused { file, reason: "bad_chunk".into() }.write(), format!("5838{}a3{name}08696261645f6368756e6b", of(8))),
        (FileAnswer::Here.write(), "410a".into()),
    ];
    for (bytes, expected) in pinned {
        assert_eq!(hex(&bytes), expected);
    }
    let files = format!("818366{}5820{}03", "7465616d2f74", "03".repeat(32));
    let signed = [&b"daftar file receipt 1"[..], &unhex(&format!("8350{}05{files}", "07".repeat(16)))].concat();
    assert_eq!(crate::sign::verify(&key.verifying_key(), &signed, &receipt.sig, "a receipt"), Ok(()));
    assert_eq!(hex(&receipt.write()), format!("a40150{}020503{files}045840{}", "07".repeat(16), hex(&receipt.sig)));
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("digits")).collect()
}

#[test]
fn words_from_outside_are_bounded_and_never_panic() {
    let chunk = FileChunk { file: id(1), index: 0, bytes: vec![0; FILE_CHUNK_BYTES + 1] };
    assert!(matches!(FileAsk::read(&unframed(&FileAsk::Chunk(chunk).write())), Err(WireError::TooLarge { .. })));
    let beyond = FileBegun { index: 0, bytes: FILE_CHUNK_BYTES as u32 + 1 };
    let want = FileAsk::Want { file: id(1), held: None, chunks_max: 1, begun: Some(beyond) };
    assert!(matches!(FileAsk::read(&unframed(&want.write())), Err(WireError::TooLarge { .. })));
    let good = unframed(&FileAsk::Offer(manifest(FILE_CHUNK_BYTES + 1).0).write());
    for cut in 0..good.len() {
        let _ = FileAsk::read(&good[..cut]);
        let mut flipped = good.clone();
        flipped[cut] ^= 0x55;
        let _ = (FileAsk::read(&flipped), FileAnswer::read(&flipped));
    }
}

#[test]
fn a_chunk_that_was_cut_goes_on_behind_any_of_its_bytes() {
    let (m, bytes) = manifest(FILE_CHUNK_BYTES + 10_000);
    let last = FileChunk { file: m.file.clone(), index: 1, bytes: bytes[FILE_CHUNK_BYTES..].to_vec() };
    for at in [0, 1, 4095, 4096, 9_999] {
        let mut joining = Joining::default();
        let here = FileChunk { bytes: last.bytes[..at].to_vec(), ..last.clone() };
        joining.begin(here, last.bytes.len()).expect("a part of it");
        let (mut said, mut whole) = (0, None);
        for part in parts(last.clone(), at as u32) {
            let (FilePart::From { bytes, .. } | FilePart::More(bytes)) = part;
            said += bytes.len();
            whole = joining.more(&bytes).expect("what lacks");
        }
        assert_eq!((said, whole), (last.bytes.len() - at, Some(last.clone())));
        assert_eq!((joining.more(b"behind its end"), joining.leave()), (Ok(None), None));
    }
    let mut joining = Joining::default();
    assert!(joining.begin(last.clone(), last.bytes.len()).is_err(), "nothing lacks");
    let begun = FileChunk { bytes: vec![7; 5], ..last.clone() };
    joining.begin(begun.clone(), 10).expect("a part of it");
    assert!(joining.more(&[7; 6]).is_err() && joining.leave().is_none(), "more than it has");
    joining.begin(FileChunk { bytes: Vec::new(), ..last }, 10).expect("nothing of it");
    assert_eq!(joining.more(&[7; 5]), Ok(None));
    assert_eq!(joining.leave(), Some(begun), "what came is there to be kept");
    let missing = || [2u32, 5, 9].into_iter();
    assert_eq!(still_missing(missing(), None), [(2, None), (5, None), (9, None)]);
    assert_eq!(still_missing(missing(), Some(FileBegun::default())), [(2, Some(0)), (5, Some(0)), (9, Some(0))]);
    assert_eq!(still_missing(missing(), Some(FileBegun { index: 5, bytes: 77 })), [(5, Some(77)), (2, Some(0)), (9, Some(0))]);
}

#[test]
fn a_beginning_that_is_kept_is_no_chunk_and_opens_with_its_key_alone() {
    let key = ChestKey::new([1; 32]);
    let sealed = chest::seal_begun(&key, [3; 24], 7, b"plain");
    assert_eq!(chest::open_begun(&key, &sealed), Some((7, b"plain".to_vec())));
    assert!(chest::open_begun(&ChestKey::new([2; 32]), &sealed).is_none() && chest::open_begun(&key, &sealed[..9]).is_none());
    assert!(open_chunk(&key, 7, &sealed[4..]).is_none(), "in a chunk's place it is nothing");
}
