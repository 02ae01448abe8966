//! Packs come back, and a pack that was touched anywhere is refused before it is read.

use std::io::{self, Read, Seek, SeekFrom};

use super::*;
use crate::seal::key_pair;
use crate::sign::{SigningKey, VerifyingKey};

const HEADER: Header = super::Header {
    purpose: Purpose::Gift,
    writer: DeviceId([1; 16]),
    reader: DeviceId([2; 16]),
    at_ms: 1_790_000_000_000,
    id: [3; 16],
    officer: Some(OfficerId([4; 16])),
    epoch: Some(Epoch([5; 16])),
};

fn writer() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

/// Two sections: a long one for the first reader and a short one for both.
fn pack() -> Vec<u8> {
    pack_of(&long())
}

fn pack_of(long: &[u8]) -> Vec<u8> {
    let (first, second) = (key_pair(&[6; 32]).1, key_pair(&[7; 32]).1);
    let mut w = Writer::new(HEADER);
    w.section(&[first], &Zeroizing::new([8; 32])).expect("a section");
    w.put(long);
    let mut out = w.take();
    w.section(&[first, second], &Zeroizing::new([9; 32])).expect("a section");
    w.put(b"for ");
    w.put(b"both");
    out.extend(w.finish(&writer()));
    out
}

fn long() -> Vec<u8> {
    (0..200_000u32).map(|i| (i % 251) as u8).collect()
}

fn verified(bytes: &[u8], key: &VerifyingKey, step: usize) -> Result<super::Header, WireError> {
    let mut v = Verifier::default();
    bytes.chunks(step).try_for_each(|piece| v.push(piece))?;
    v.finish(key)
}

/// A section: which key opened it, and its frames.
type Section = (Option<usize>, Vec<u8>);

fn read(bytes: &[u8], key: [u8; 32], step: usize) -> Result<Vec<Section>, WireError> {
    let mut reader = Reader::new(vec![key_pair(&key).0]);
    let mut sections: Vec<Section> = Vec::new();
    for piece in bytes.chunks(step) {
        for opened in reader.push(piece)? {
            match opened {
                Opened::Section { number, by } => {
                    assert_eq!(number as usize, sections.len(), "sections are counted");
                    sections.push((by, Vec::new()));
                }
                Opened::Frames(bytes) => sections.last_mut().expect("a section began").1.extend(bytes),
            }
        }
    }
    Ok(sections)
}

#[test]
fn each_reader_gets_his_sections_and_no_other() {
    let bytes = pack();
    for step in [7, 1000, 1 << 20] {
        assert_eq!(verified(&bytes, &writer().verifying_key(), step), Ok(HEADER));
        assert_eq!(read(&bytes, [6; 32], step), Ok(vec![(Some(0), long()), (Some(0), b"for both".to_vec())]));
        assert_eq!(read(&bytes, [7; 32], step), Ok(vec![(None, Vec::new()), (Some(0), b"for both".to_vec())]));
        assert_eq!(read(&bytes, [10; 32], step), Ok(vec![(None, Vec::new()), (None, Vec::new())]), "a stranger reads nothing");
    }
}

#[test]
fn a_pack_that_was_touched_cut_or_signed_by_another_is_refused_before_it_is_read() {
    let bytes = pack();
    let key = writer().verifying_key();
    for at in (0..bytes.len()).step_by(997).chain(bytes.len() - 70..bytes.len()).chain(0..80) {
        let mut touched = bytes.clone();
        touched[at] ^= 0x20;
        assert!(verified(&touched, &key, 4096).is_err(), "byte {at} was changed");
    }
    for len in (0..bytes.len()).step_by(1999) {
        assert!(verified(&bytes[..len], &key, 4096).is_err(), "it was cut after {len} bytes");
    }
    assert!(verified(&[&bytes[..], b"x"].concat(), &key, 4096).is_err(), "something follows the signature");
    assert!(verified(&bytes, &SigningKey::from_bytes(&[11; 32]).verifying_key(), 4096).is_err(), "another key");
}

#[test]
fn chunks_cannot_be_left_out_or_moved_even_by_its_signer() {
    let bytes = pack();
    let mut items = Vec::new();
    let mut at = MAGIC.len();
    while at < bytes.len() {
        let len = ITEM_HEAD_BYTES + u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
        items.push(&bytes[at..at + len]);
        at += len;
    }
    let put = |order: &[usize]| [&MAGIC[..], &order.iter().flat_map(|i| items[*i].to_vec()).collect::<Vec<_>>()].concat();
    let all: Vec<usize> = (0..items.len()).collect();
    assert!(read(&put(&all), [6; 32], 4096).is_ok(), "as it was");
    let mut swapped = all.clone();
    swapped.swap(2, 3);
    assert!(read(&put(&swapped), [6; 32], 4096).is_err(), "two chunks have changed places");
    let without: Vec<usize> = all.iter().copied().filter(|i| *i != 3).collect();
    assert!(read(&put(&without), [6; 32], 4096).is_err(), "a chunk is missing");
    let short: Vec<usize> = all.iter().copied().filter(|i| *i != 5).collect();
    assert!(read(&put(&short), [6; 32], 4096).is_err(), "a section's last chunk is missing");
}

#[test]
fn a_declared_size_is_refused_before_anything_is_held() {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&[0x7f, 0xff, 0xff, 0xff, 1]);
    assert!(matches!(Verifier::default().push(&bytes), Err(WireError::TooLarge { .. })));
    assert!(matches!(Verifier::default().push(b"PK\x03\x04 an archive"), Err(WireError::Malformed(_))));
}

/// A stick whose file is another one once it was read to its end.
struct Swapped {
    passes: [Vec<u8>; 2],
    pass: usize,
    at: usize,
}

impl Read for Swapped {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = (&self.passes[self.pass][self.at..]).read(to)?;
        self.at += n;
        Ok(n)
    }
}

impl Seek for Swapped {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        (self.pass, self.at) = (1, 0);
        Ok(0)
    }
}

#[test]
fn a_file_that_changes_between_the_two_passes_is_refused_where_it_changed() {
    let pack = pack_of(&vec![7; 600_000]);
    let second = |then: Vec<u8>| {
        let bytes = pack.len() as u64;
        let mut blocks =
            Blocks::new(Swapped { passes: [pack.clone(), then], pass: 0, at: 0 }, bytes).expect("no more than a pack may have");
        let mut verifier = Verifier::default();
        while blocks.first(&mut verifier).expect("the first pass") {}
        let mut good = 0;
        loop {
            match blocks.again() {
                Ok(Some(_)) => good += 1,
                Ok(None) => return (good, true, blocks.progress().0 == 2 * bytes),
                Err(_) => return (good, false, false),
            }
        }
    };
    assert_eq!(second(pack.clone()), (3, true, true), "it is what it was");
    let mut changed = pack.clone();
    changed[300_000] ^= 1;
    assert_eq!(second(changed), (1, false, false), "what stands before the place is what was verified");
    assert!(!second([&pack[..], b"more"].concat()).1, "it has grown");
    assert!(!second(pack[..pack.len() - 1].to_vec()).1, "it was cut");
    assert!(!second(Vec::new()).1, "it is gone");
}
