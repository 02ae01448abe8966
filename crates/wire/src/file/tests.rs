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
    assert_eq!(open_chunk(&key, 7, &sealed), Ok(b"plain".to_vec()));
    let mut flipped = sealed.clone();
    flipped[30] ^= 1;
    assert!(open_chunk(&key, 8, &sealed).is_err() && open_chunk(&other, 7, &sealed).is_err());
    assert!(open_chunk(&key, 7, &flipped).is_err() && open_chunk(&key, 7, &sealed[..20]).is_err());
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
        FileAsk::Want { file: id(3), held: Some(vec![1]), chunks_max: 4 },
        FileAsk::Want { file: id(3), held: None, chunks_max: 0 },
        FileAsk::End,
    ];
    for ask in asks {
        assert_eq!(FileAsk::read(&unframed(&ask.write())), Ok(Some(ask)));
    }
    let key = SigningKey::from_bytes(&[9; 32]);
    let receipt = FileReceipt::sign(&key, Epoch([7; 16]), 5, vec![ReceiptedFile { file: id(1), size: 9 }]);
    let answers = [
        FileAnswer::Held { file: id(1), held: Some(vec![2]) },
        FileAnswer::Held { file: id(1), held: None },
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
    forged.files[0].size += 1;
    assert!(forged.verify(&key.verifying_key()).is_err());
}

#[test]
fn words_from_outside_are_bounded_and_never_panic() {
    let chunk = FileChunk { file: id(1), index: 0, bytes: vec![0; FILE_CHUNK_BYTES + 1] };
    assert!(matches!(FileAsk::read(&unframed(&FileAsk::Chunk(chunk).write())), Err(WireError::TooLarge { .. })));
    let good = unframed(&FileAsk::Offer(manifest(FILE_CHUNK_BYTES + 1).0).write());
    for cut in 0..good.len() {
        let _ = FileAsk::read(&good[..cut]);
        let mut flipped = good.clone();
        flipped[cut] ^= 0x55;
        let _ = (FileAsk::read(&flipped), FileAnswer::read(&flipped));
    }
}
