//! Claims about the files in a courier pack at headquarters: taken by the service of the link, behind the records, each word judged alone, and
//! answered to the one officer who asked.

use daftar_core::authorize::Role;
use daftar_core::change::{Op, Payload};
use daftar_core::compartment::Agency;
use daftar_core::ids::RecordId;
use daftar_core::record::FILES;
use daftar_core::value::{ElementKey, Path, Value};
use daftar_wire::change::Entry;
use daftar_wire::file::{Bitmap, FileAnswer, FileAsk, FileChunk, FileId};
use daftar_wire::limits::{FILE_CHUNK_BYTES, THUMBNAIL_BYTES_MAX};
use daftar_wire::message::{Answer, Ask};
use daftar_wire::sign::verifying_key;

use crate::files::{Photo, said};
use crate::packs::{Stick, mine, segment};
use crate::support::{Device, NOW_MS, World, end, random, segments};

const TEAM: &str = "team/imt-1";

/// A question with words about files behind its end.
fn with_files(world: &World, device: &Device, records: Vec<Ask>, words: &[FileAsk]) -> Vec<u8> {
    let raw: Vec<Vec<u8>> = words.iter().map(FileAsk::word).collect();
    with_words(world, device, records, &raw)
}

fn with_words(world: &World, device: &Device, records: Vec<Ask>, words: &[Vec<u8>]) -> Vec<u8> {
    let mut good = mine(world, device, records);
    good.frames.extend(words.iter().flat_map(|w| Ask::File(w.clone()).write()));
    good.pack()
}

/// What an answer says of files, and that its end is last.
fn words(answer: &[Answer]) -> Vec<FileAnswer> {
    end(answer);
    assert!(matches!(answer.last(), Some(Answer::End(_))), "nothing follows the end");
    answer.iter().filter_map(|a| if let Answer::File(w) = a { FileAnswer::read(w).expect("readable") } else { None }).collect()
}

fn receipted(words: &[FileAnswer], device: &Device) -> Vec<FileId> {
    let key = verifying_key(&device.enrolled.server_signing).expect("a key");
    let mut all = Vec::new();
    for word in words {
        if let FileAnswer::Receipt(r) = word {
            assert_eq!((r.verify(&key), r.epoch), (Ok(()), device.enrolled.epoch));
            all.extend(r.held.iter().map(|f| f.file.clone()));
        }
    }
    all
}

fn refused(words: &[FileAnswer]) -> Vec<&str> {
    words.iter().filter_map(|w| if let FileAnswer::Refused { reason, .. } = w { Some(reason.as_str()) } else { None }).collect()
}

#[tokio::test]
async fn files_in_a_pack_are_taken_behind_the_records_receipted_in_the_answer_and_twice_changes_nothing() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let photo = Photo::new(TEAM, 1, 2 * FILE_CHUNK_BYTES + 77);
    let id = photo.manifest.file.clone();
    let record = segment(&mut device, 2);
    let stick = Stick::new();
    let pack = with_files(&world, &device, vec![record], &photo.brought(&[2, 0, 1]));
    for taken in [2, 0] {
        let answered = stick.ask(&world, &pack).await.expect("taken");
        assert_eq!((answered.taken, answered.files), (taken, 1));
        assert!(receipted(&words(&stick.said(&device)), &device).contains(&id));
    }
    // A part goes on where a link or another pack left it.
    let other = Photo::new(TEAM, 2, 2 * FILE_CHUNK_BYTES);
    let first = with_files(&world, &device, Vec::new(), &other.brought(&[1]));
    assert_eq!(stick.ask(&world, &first).await.expect("taken").files, 0, "a part is not receipted");
    assert!(receipted(&words(&stick.said(&device)), &device).is_empty());
    let link = said(&world, &device, &other.brought(&[0])).await;
    assert!(matches!(link.last(), Some(FileAnswer::Receipt(_))), "{link:?}");
}

#[tokio::test]
async fn false_words_about_files_in_a_pack_are_refused_alone_and_the_rest_is_taken() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let photo = Photo::new(TEAM, 1, FILE_CHUNK_BYTES + 5);
    let id = photo.manifest.file.clone();
    let chunk = |file: &FileId, index, bytes: Vec<u8>| FileAsk::Chunk(FileChunk { file: file.clone(), index, bytes }).word();
    let closed = Photo::new("agency/scc/imt-2", 3, 100);
    let lie = Photo {
        manifest: daftar_wire::file::Manifest { file: id.clone(), ..Photo::new(TEAM, 9, FILE_CHUNK_BYTES + 5).manifest },
        ..Photo::new(TEAM, 9, FILE_CHUNK_BYTES + 5)
    };
    let mut said: Vec<Vec<u8>> = vec![
        chunk(&id, 0, photo.chunks[0].clone()),
        vec![3, 0xff],
        Vec::new(),
        vec![200, 1, 2],
        chunk(&id, 0, vec![0; FILE_CHUNK_BYTES + 1]),
    ];
    said.extend(lie.brought(&[]).iter().map(FileAsk::word));
    said.extend((0..2).map(|i| chunk(&id, i, lie.chunks[i as usize].clone())));
    said.extend(closed.brought(&[0]).iter().map(FileAsk::word));
    said.extend(photo.brought(&[0, 0]).iter().map(FileAsk::word));
    said.extend([chunk(&id, 1, vec![1; 5]), chunk(&id, 7, vec![1; 5]), chunk(&closed.manifest.file, 0, vec![1; 5])]);
    said.extend([FileAsk::End.word(), chunk(&id, 1, photo.chunks[1].clone()), chunk(&id, 1, photo.chunks[1].clone())]);
    let record = segment(&mut device, 3);
    let stick = Stick::new();
    let answered = stick.ask(&world, &with_words(&world, &device, vec![record], &said)).await.expect("taken");
    assert_eq!((answered.taken, answered.files), (3, 1), "records and the true photo are taken");
    let words = words(&stick.said(&device));
    assert_eq!(
        refused(&words),
        ["not_offered", "bad_file", "not_offered", "bad_chunk", "bad_chunk", "not_offered"],
        "each false word alone: {words:?}"
    );
    assert!(words.contains(&FileAnswer::Missing(closed.manifest.file.clone())), "of another's compartment nothing is said");
    assert!(receipted(&words, &device).contains(&id));
}

#[tokio::test]
async fn an_answer_brings_the_photos_that_its_one_officer_may_see_whoever_else_is_named() {
    let world = World::new();
    let (a, b) = (world.device("a", "imt-1").await, world.device("b", "imt-1").await);
    let photo = Photo::new(TEAM, 1, 2 * FILE_CHUNK_BYTES);
    said(&world, &a, &photo.brought(&[0, 1])).await;
    let stick = Stick::new();
    stick.ask(&world, &with_files(&world, &b, Vec::new(), &[photo.want()])).await.expect("taken");
    let brought = words(&stick.said(&b));
    assert!(
        matches!(&brought[..], [FileAnswer::Receipt(_), FileAnswer::Offer(_), FileAnswer::Chunk(_), FileAnswer::Chunk(_)]),
        "{brought:?}"
    );

    // Two officers of two teams on one device: the answer is sealed to one of them alone.
    let other = world.device("c", "imt-2").await;
    let colleague = world.officer("d", Agency::Moi, "imt-1", Role::Officer);
    let code = world.hq.make_code("d", false, 24).expect("a code");
    world.enrol(&code, &other.keys.with_another_officer()).await.expect("enrolled on the same device");
    let named = [FileAsk::Hello(vec![other.enrolled.officer, colleague]), photo.want()];
    stick.ask(&world, &with_files(&world, &other, Vec::new(), &named)).await.expect("taken");
    assert_eq!(words(&stick.said(&other)), [FileAnswer::Missing(photo.manifest.file.clone())]);
}

/// What an answer says to be here of a file.
fn held(words: &[FileAnswer], of: &FileId, chunks: u32) -> Option<Vec<u32>> {
    let mut said =
        words.iter().filter_map(|w| if let FileAnswer::Held { file, held, .. } = w { Some((file, held.clone()?)) } else { None });
    let (_, bits) = said.find(|(file, _)| *file == of)?;
    let bits = Bitmap::read(chunks, &bits).expect("as many bits as chunks");
    Some((0..chunks).filter(|i| bits.has(*i)).collect())
}

#[tokio::test]
async fn an_answer_says_what_is_here_of_a_file_that_came_in_part_whatever_the_order_of_the_packs() {
    let world = World::new();
    let device = world.device("a", "imt-1").await;
    let photo = Photo::new(TEAM, 1, 4 * FILE_CHUNK_BYTES + 9);
    let id = photo.manifest.file.clone();
    let stick = Stick::new();
    let packs: Vec<Vec<u8>> =
        [&[0, 1][..], &[2], &[4, 3]].iter().map(|chunks| with_files(&world, &device, Vec::new(), &photo.brought(chunks))).collect();
    for (pack, here) in [(2, vec![3, 4]), (0, vec![0, 1, 3, 4]), (2, vec![0, 1, 3, 4])] {
        let answered = stick.ask(&world, &packs[pack]).await.expect("taken");
        assert_eq!((answered.files, answered.files_part), (0, 1), "pack {pack}");
        let words = words(&stick.said(&device));
        assert_eq!((held(&words, &id, 5), receipted(&words, &device)), (Some(here), vec![]), "pack {pack}");
    }
    for (pack, what) in [(1, "the last part"), (0, "one that comes once more")] {
        let answered = stick.ask(&world, &packs[pack]).await.expect("taken");
        assert_eq!((answered.files, answered.files_part), (1, 0), "{what}");
        let words = words(&stick.said(&device));
        assert_eq!(held(&words, &id, 5), None, "{what}: of what is whole there is a receipt");
        assert!(receipted(&words, &device).contains(&id), "{what}");
    }
}

#[tokio::test]
async fn an_answer_with_little_room_brings_a_file_in_parts_and_the_next_question_says_where_it_goes_on() {
    let world = World::new();
    let (a, b) = (world.device("a", "imt-1").await, world.device("b", "imt-1").await);
    let (small, large) = (Photo::new(TEAM, 1, 500), Photo::new(TEAM, 2, 4 * FILE_CHUNK_BYTES + 9));
    for (photo, chunks) in [(&small, &[0][..]), (&large, &[0, 1, 2, 3, 4])] {
        said(&world, &a, &photo.brought(chunks)).await;
    }
    let (stick, room) = (Stick::new(), 500 + 2 * FILE_CHUNK_BYTES as u64);
    let (mut has, mut came) = (Bitmap::empty(5), Vec::new());
    for _ in 0..3 {
        let (file, bits) = (large.manifest.file.clone(), has.bytes().to_vec());
        let rest = FileAsk::Want { file, held: Some(bits).filter(|_| has.held() > 0), chunks_max: 5, begun: None };
        let question = with_files(&world, &b, Vec::new(), &[small.want(), rest]);
        stick.ask_within(&world, &question, room).await.expect("taken");
        let chunks = words(&stick.said(&b)).into_iter().filter_map(|w| if let FileAnswer::Chunk(chunk) = w { Some(chunk) } else { None });
        let here: Vec<u32> = chunks.filter(|chunk| chunk.file == large.manifest.file).map(|chunk| chunk.index).collect();
        here.iter().for_each(|i| has.set(*i, true));
        came.push(here);
    }
    assert_eq!(came, [vec![0, 1], vec![2, 3], vec![4]]);
    stick.ask_within(&world, &with_files(&world, &b, Vec::new(), &[small.want(), large.want()]), 0).await.expect("taken");
    assert!(words(&stick.said(&b)).is_empty(), "without room no file is spoken of");
}

#[tokio::test]
async fn an_answer_brings_the_thumbnails_of_its_records_unasked_the_smallest_first_and_no_other_file() {
    let world = World::new();
    let (mut a, b) = (world.device("a", "imt-1").await, world.device("b", "imt-1").await);
    let photos: Vec<Photo> = (0..3).map(|n| Photo::new(TEAM, n, 70_000)).collect();
    // The last is no thumbnail, whatever the record calls it, and of one headquarters has heard only by name.
    let sizes = [900, 300, 600, usize::try_from(THUMBNAIL_BYTES_MAX).expect("small") + 1];
    let small: Vec<Photo> = (0..).zip(sizes).map(|(n, size)| Photo::new(TEAM, 100 + n, size)).collect();
    let unsent = Photo::new(TEAM, 99, 10);
    let thumbnails: Vec<&Photo> = small.iter().chain([&unsent]).collect();
    let records: Vec<Entry> = thumbnails
        .iter()
        .enumerate()
        .map(|(n, thumbnail)| {
            let at = |number| Path::Element(FILES, ElementKey::Given(1), number);
            let bytes = |photo: &Photo| Value::Bytes(photo.manifest.file.sha256.0.to_vec());
            let set = [(at(2), bytes(&photos[n % 3])), (at(8), bytes(thumbnail))].into();
            let header = a.header(RecordId::new(NOW_MS, random()), Op::Create, Vec::new());
            Entry::write(&header, &Payload { set, reason: None }, [0; 32]).expect("a small change")
        })
        .collect();
    let brought = a.segment(TEAM, records).write().expect("a segment");
    world.exchange(&a, a.hello(), &[brought]).await;
    for photo in photos.iter().chain(&small) {
        said(&world, &a, &photo.brought(&[0])).await;
    }
    let (stick, stream) = (Stick::new(), a.stream(TEAM));
    let came = |answer: &[Answer]| -> Vec<FileId> {
        assert!(segments(answer, TEAM).iter().any(|s| s.stream == stream), "the records come, whatever room there is for files");
        let words = words(answer).into_iter();
        words.filter_map(|w| if let FileAnswer::Chunk(chunk) = w { Some(chunk.file) } else { None }).collect()
    };
    let id = |n: usize| small[n].manifest.file.clone();
    let question = with_files(&world, &b, Vec::new(), &[]);
    for (room, all) in [(u64::MAX, vec![id(1), id(2), id(0)]), (1_000, vec![id(1), id(2)]), (299, vec![])] {
        stick.ask_within(&world, &question, room).await.expect("taken");
        assert_eq!(came(&stick.said(&b)), all, "in {room} bytes");
    }
    // What was asked for too comes once, and what else was asked for behind it.
    let asking = with_files(&world, &b, Vec::new(), &[small[0].want(), photos[2].want()]);
    stick.ask(&world, &asking).await.expect("taken");
    assert_eq!(came(&stick.said(&b)), [id(1), id(2), id(0), photos[2].manifest.file.clone()]);
    let other = world.device("c", "imt-2").await;
    stick.ask(&world, &with_files(&world, &other, Vec::new(), &[])).await.expect("taken");
    assert!(words(&stick.said(&other)).is_empty(), "whoever is told no record is told no thumbnail");
}
