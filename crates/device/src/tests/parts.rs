//! Claims about files that are larger than the room of a pack: they go chunk by chunk, each pack goes on behind the one before, and only what
//! headquarters last said to hold is left out.

use daftar_core::ids::{Epoch, FileHash};
use daftar_wire::file::{Bitmap, FileAnswer, FileId};
use daftar_wire::limits::FILE_CHUNK_BYTES;
use daftar_wire::message::Answer;

use super::carried::{forged, gift, told};
use super::files::{attach, file, manifest, noise, png, read};
use super::packs::{answer, end, feed_item, read_bytes};
use super::peer::two;
use super::share::given;
use super::world::{Hq, Tablet, c, id, items, stop};

const TEAM: &str = "team/imt-1";
const TWO_CHUNKS: u64 = 2 * FILE_CHUNK_BYTES as u64;

/// A tablet with a stop, and a file of five chunks, the last a short one, that belongs to it.
fn with_video() -> (Hq, Tablet, FileId) {
    let mut hq = Hq::new();
    let a = hq.tablet(1, &[TEAM]);
    a.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    let video = attach(&a, 1, &noise(1, 4 * FILE_CHUNK_BYTES + 100)).expect("attached").file.sha256;
    (hq, a, file(video))
}

/// What a pack for headquarters with so much room would carry, written down as if it was: which file, which chunks, and whether they are all
/// that is lacking there.
fn pack(of: &Tablet, room: u64) -> Vec<(FileHash, Vec<u32>, bool)> {
    let along = of.store.files_for_hq(room).expect("planned");
    of.store.files_packed(&of.store.device().server, &along.files, along.is_all).expect("noted");
    along.files.into_iter().map(|f| (f.file.sha256, f.without.missing().collect(), f.is_all)).collect()
}

fn bits(chunks: &[u32]) -> Vec<u8> {
    let mut all = Bitmap::empty(5);
    chunks.iter().for_each(|i| all.set(*i, true));
    all.bytes().to_vec()
}

#[test]
fn a_pack_takes_of_a_file_what_fits_and_the_next_goes_on_behind_it_or_where_headquarters_lacks_it() {
    let (_hq, a, video) = with_video();
    let of = |chunks: &[u32], is_all| vec![(video.sha256, chunks.to_vec(), is_all)];
    assert_eq!(pack(&a, FILE_CHUNK_BYTES as u64 - 1), [], "not even one chunk");
    assert_eq!(pack(&a, TWO_CHUNKS), of(&[0, 1], false));
    assert_eq!(a.store.files_for_hq(TWO_CHUNKS).expect("planned").files[0].without.missing().collect::<Vec<_>>(), [2, 3]);
    assert_eq!(pack(&a, TWO_CHUNKS), of(&[2, 3], false), "one that was planned and not written is written by the next");
    let a = a.again();
    assert_eq!(pack(&a, TWO_CHUNKS), of(&[0, 4], false), "its end, and packs may be lost: it begins again");
    a.store.held_at_hq(&video, &bits(&[2, 3])).expect("noted");
    assert_eq!(pack(&a, TWO_CHUNKS), of(&[1, 4], false), "what headquarters holds goes no more");
    a.store.held_at_hq(&video, &bits(&[2])).expect("noted");
    assert_eq!(pack(&a, u64::MAX), of(&[0, 1, 3, 4], true), "what it lost goes again");
    a.store.held_at_hq(&video, &bits(&[0, 1, 2, 3])).expect("noted");
    for _ in 0..2 {
        assert_eq!(pack(&a, TWO_CHUNKS), of(&[4], true), "without its receipt all that it lacks goes with each pack");
    }
    a.store.held_at_hq(&video, &bits(&[0, 1, 2, 3, 4])).expect("noted");
    assert_eq!(pack(&a, u64::MAX), of(&[0, 1, 2, 3, 4], true), "that it holds all is said by its receipt alone");
    a.store.held_at_hq(&video, &bits(&[0])).expect("noted");
    for odd in [&[0xff][..], &[0, 0], &[]] {
        a.store.held_at_hq(&video, odd).expect("passed over");
    }
    assert_eq!(pack(&a, u64::MAX), of(&[1, 2, 3, 4], true), "bits of another file's length say nothing");
    a.store.adopt_epoch(Epoch([8; 16])).expect("another life");
    assert_eq!(pack(&a, u64::MAX), of(&[0, 1, 2, 3, 4], true), "what a former life of headquarters held the present one may lack");
}

#[test]
fn what_no_pack_carried_goes_before_what_was_only_written() {
    let (_hq, a, video) = with_video();
    let attach = |seed, size| attach(&a, 1, &noise(seed, size)).expect("attached").file.sha256;
    let (video, small) = (video.sha256, attach(2, 1_000));
    assert_eq!(pack(&a, TWO_CHUNKS), [(small, vec![0], true), (video, vec![0], false)], "the smallest first");
    assert_eq!(pack(&a, TWO_CHUNKS), [(video, vec![1, 2], false)], "no answer came: not the same once more");
    let other = attach(3, 2_000);
    assert_eq!(
        pack(&a, TWO_CHUNKS),
        [(other, vec![0], true), (video, vec![3, 4], false), (small, vec![0], true)],
        "a new one is smaller than what is left; and there is room for what was carried once"
    );
    assert_eq!(pack(&a, TWO_CHUNKS), [(other, vec![0], true), (video, vec![0], false)], "all went once, and packs may be lost");
    let along = a.store.files_for_hq(1_500).expect("planned");
    assert_eq!((along.files.len(), along.stay, along.is_all), (0, 3, false), "what went less often takes no room that is too small for it");
}

#[test]
fn a_file_larger_than_a_gift_arrives_by_three_in_any_order_and_each_is_told_of() {
    let (_hq, a, b) = two();
    a.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    let bytes = noise(1, 4 * FILE_CHUNK_BYTES + 100);
    let video = attach(&a, 1, &bytes).expect("attached").file.sha256;
    let gifts: Vec<Vec<u8>> = (0..3)
        .map(|n| {
            let (written, pack) = gift(&a, &b, TWO_CHUNKS);
            assert_eq!((written.files, written.files_part, written.files_left), (0, 1, 0), "gift {n}");
            pack
        })
        .collect();
    for (n, came) in [(2, (0, 1)), (0, (0, 1)), (2, (0, 1)), (1, (1, 0)), (0, (0, 0))] {
        let got = read_bytes(&b.store, &gifts[n]).expect("read");
        assert_eq!((got.files_received, got.files_part, got.refused), (came.0, came.1, 0), "gift {n}");
    }
    assert_eq!(read(&b, &video).expect("here"), bytes);
    let (written, _) = gift(&a, &b, u64::MAX);
    assert_eq!((written.files, written.files_part, written.files_left), (1, 0, 0));
    let (written, _) = gift(&a, &b, TWO_CHUNKS);
    let along = a.store.files_for_device(&b.store.device().id, &[c(TEAM)], TWO_CHUNKS).expect("planned");
    assert_eq!(
        (written.files_part, along.files[0].without.missing().collect::<Vec<_>>()),
        (1, vec![2, 3]),
        "after all of it, from the start"
    );
}

#[test]
fn what_is_held_of_a_file_only_headquarters_newest_word_says() {
    let (hq, a, b) = two();
    b.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    let video = file(attach(&b, 1, &noise(1, 4 * FILE_CHUNK_BYTES + 100)).expect("attached").file.sha256);
    let held = |chunks: &[u32]| FileAnswer::Held { file: video.clone(), held: Some(bits(chunks)), begun: None };
    let lacking = || b.store.files_for_hq(u64::MAX).expect("planned").files[0].without.missing().collect::<Vec<_>>();
    let pack = answer(&hq, &b, 2, 5, &told(&[held(&[1, 3])], 5)).pack();
    read_bytes(&b.store, &pack).expect("read");
    assert_eq!(lacking(), [0, 2, 4]);
    let old = answer(&hq, &b, 2, 3, &told(&[held(&[1])], 3)).pack();
    read_bytes(&b.store, &old).expect("an old one is read");
    assert_eq!(lacking(), [0, 2, 4], "what it said once may be true no more");
    let mut frames = given(&a.store, &b.store.device().id, None);
    frames.push(daftar_wire::message::PeerMessage::File(held(&[0, 1, 2, 3]).word()));
    let gift = forged(&hq, &a, &b, &frames);
    assert_eq!(read_bytes(&b.store, &gift).expect("read").refused, 0);
    assert_eq!(lacking(), [0, 2, 4], "another device does not say what headquarters holds");
    let states = b.store.file_states(&c(TEAM), &id(1)).expect("read");
    assert_eq!(states[0].at_hq_ms, None, "and nothing of it is a receipt");
}

#[test]
fn a_thumbnail_that_was_not_asked_for_is_taken_behind_the_record_that_names_it() {
    let (hq, a, b) = two();
    a.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    let thumbnail = attach(&a, 1, &png(1, 400)).expect("attached").file.thumbnail.expect("a picture");
    let small = read(&a, &thumbnail).expect("here");
    let (made_of, chunks) = manifest(&small);
    let (unnamed, unnamed_chunks) = manifest(b"a thumbnail that no record names any more");
    let mut said: Vec<Answer> = (1..).zip(items(&a.store, &c(TEAM))).map(|(n, item)| feed_item(n, &item)).collect();
    let words = [
        FileAnswer::Offer(unnamed),
        FileAnswer::Chunk(unnamed_chunks[0].clone()),
        FileAnswer::Offer(made_of),
        FileAnswer::Chunk(chunks[0].clone()),
    ];
    said.extend(words.iter().map(|w| Answer::File(w.word())));
    said.push(end(1, Vec::new()));
    let got = read_bytes(&b.store, &answer(&hq, &b, 2, 1, &said).pack()).expect("read");
    assert_eq!((got.received_changes, got.files_received, got.files_part, got.refused), (2, 0, 0, 0), "a thumbnail is not counted");
    assert_eq!(read(&b, &thumbnail).expect("here"), small);
    assert_eq!(b.store.file_states(&c(TEAM), &id(1)).expect("read")[0].thumbnail, Some(thumbnail));
}
