//! What becomes of the files that devices bring, and who is given them.

use std::collections::BTreeMap;

use daftar_core::ids::{FileHash, OfficerId};
use daftar_sync_server::verify::verify;
use daftar_wire::file::{Bitmap, FileAnswer, FileAsk, FileBegun, FileChunk, FileId, FilePart, Manifest, Manifesting, parts};
use daftar_wire::limits::FILE_CHUNK_BYTES;
use daftar_wire::sign::verifying_key;
use tokio::sync::mpsc::channel;

use crate::support::{Device, NOW_MS, World, c};

const TEAM: &str = "team/imt-1";

/// A file of a compartment, cut into its chunks.
pub struct Photo {
    pub manifest: Manifest,
    pub chunks: Vec<Vec<u8>>,
}

impl Photo {
    pub fn new(compartment: &str, seed: u8, size: usize) -> Self {
        Self::of(compartment, (0..size).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed).collect())
    }

    pub fn of(compartment: &str, bytes: Vec<u8>) -> Self {
        let chunks: Vec<Vec<u8>> = bytes.chunks(FILE_CHUNK_BYTES).map(<[u8]>::to_vec).collect();
        let mut making = Manifesting::default();
        chunks.iter().for_each(|c| making.push(c));
        Self { manifest: making.finish(c(compartment)), chunks }
    }

    fn id(&self) -> FileId {
        self.manifest.file.clone()
    }

    fn offer(&self) -> FileAsk {
        FileAsk::Offer(self.manifest.clone())
    }

    fn chunk(&self, index: usize) -> FileAsk {
        FileAsk::Chunk(FileChunk { file: self.id(), index: index as u32, bytes: self.chunks[index].clone() })
    }

    /// A chunk in parts, from this byte on.
    fn parts(&self, index: usize, at: usize) -> Vec<FilePart> {
        let chunk = FileChunk { file: self.id(), index: index as u32, bytes: self.chunks[index].clone() };
        parts(chunk, at as u32).collect()
    }

    pub fn want(&self) -> FileAsk {
        want(self.id())
    }

    /// Offer and chunks in this order.
    pub fn brought(&self, order: &[usize]) -> Vec<FileAsk> {
        std::iter::once(self.offer()).chain(order.iter().map(|i| self.chunk(*i))).collect()
    }
}

fn want(file: FileId) -> FileAsk {
    FileAsk::Want { file, held: None, chunks_max: 100, begun: None }
}

/// One exchange: what was answered, in order, the end left out.
async fn exchange(world: &World, device: &Device, officers: &[OfficerId], said: &[FileAsk]) -> Vec<FileAnswer> {
    let mut all = heard(world, device, officers, [said, &[FileAsk::End]].concat()).await;
    assert_eq!(all.pop(), Some(FileAnswer::End));
    all
}

/// The same of one that is cut behind these words.
async fn cut(world: &World, device: &Device, said: &[FileAsk]) -> Vec<FileAnswer> {
    heard(world, device, &[device.enrolled.officer], said.to_vec()).await
}

async fn heard(world: &World, device: &Device, officers: &[OfficerId], said: Vec<FileAsk>) -> Vec<FileAnswer> {
    let row = world.service.device_with_key(device.keys.signing.verifying_key().to_bytes()).await.expect("readable");
    let row = row.expect("an enrolled device");
    let (ask, asks) = channel(4);
    let (answers, mut heard) = channel(4);
    let all = [vec![FileAsk::Hello(officers.to_vec())], said].concat();
    let asking = async move {
        for word in all {
            ask.send(word).await.expect("heard");
        }
    };
    let serving = async {
        world.service.files(&row, asks, &answers).await.expect("served");
        drop(answers);
    };
    let hearing = async {
        let mut all = Vec::new();
        while let Some(answer) = heard.recv().await {
            all.push(answer);
        }
        all
    };
    tokio::join!(asking, serving, hearing).2
}

pub async fn said(world: &World, device: &Device, said: &[FileAsk]) -> Vec<FileAnswer> {
    exchange(world, device, &[device.enrolled.officer], said).await
}

fn receipted(answers: &[FileAnswer], device: &Device) -> Vec<FileHash> {
    let server = verifying_key(&device.enrolled.server_signing).expect("a key");
    let mut all = Vec::new();
    for answer in answers {
        if let FileAnswer::Receipt(r) = answer {
            assert_eq!((r.verify(&server), r.epoch, r.time_ms), (Ok(()), device.enrolled.epoch, NOW_MS));
            all.extend(r.held.iter().map(|f| f.file.sha256));
        }
    }
    all
}

fn reasons(answers: &[FileAnswer]) -> Vec<&str> {
    answers.iter().filter_map(|a| if let FileAnswer::Refused { reason, .. } = a { Some(reason.as_str()) } else { None }).collect()
}

fn bits(answers: &[FileAnswer], count: u32) -> Bitmap {
    let found = answers.iter().find_map(|a| if let FileAnswer::Held { held: Some(b), .. } = a { Some(b.clone()) } else { None });
    Bitmap::read(count, &found.expect("the file is not whole")).expect("the bits of that file")
}

#[tokio::test]
async fn chunks_come_in_any_order_and_any_number_of_sittings_and_only_the_whole_is_receipted() {
    let world = World::new();
    let (a, b) = (world.device("a", "imt-1").await, world.device("b", "imt-1").await);
    let photo = Photo::new(TEAM, 1, 3 * 1024 * 1024 + 77);
    let count = photo.manifest.count();
    let first = said(&world, &a, &photo.brought(&[12, 3, 3, 0])).await;
    assert!(receipted(&first, &a).is_empty() && reasons(&first).is_empty());
    assert_eq!(said(&world, &b, &[photo.want()]).await, [FileAnswer::Missing(photo.id())], "what is not whole is not there");
    let again = said(&world, &a, &[photo.offer()]).await;
    let held = bits(&again, count);
    assert_eq!((held.held(), held.has(12), held.has(3), held.has(0)), (3, true, true, true));
    let rest: Vec<usize> = held.missing().map(|i| i as usize).rev().collect();
    let last = said(&world, &a, &photo.brought(&rest)).await;
    assert_eq!(receipted(&last, &a), [photo.id().sha256], "the whole is receipted once it is checked");
    assert_eq!(receipted(&said(&world, &b, &[photo.offer()]).await, &b), [photo.id().sha256], "whoever offers it again is told so");
    let got = said(&world, &b, &[photo.want()]).await;
    assert_eq!(receipted(&got, &b), [photo.id().sha256]);
    assert!(got.contains(&FileAnswer::Offer(photo.manifest.clone())));
    let chunks: BTreeMap<u32, &Vec<u8>> =
        got.iter().filter_map(|a| if let FileAnswer::Chunk(c) = a { Some((c.index, &c.bytes)) } else { None }).collect();
    assert_eq!(chunks.into_values().collect::<Vec<_>>(), photo.chunks.iter().collect::<Vec<_>>());
    let mut has = Bitmap::full(count);
    has.set(5, false);
    let one = FileAsk::Want { file: photo.id(), held: Some(has.bytes().to_vec()), chunks_max: 9, begun: None };
    let sent: Vec<u32> =
        said(&world, &b, &[one]).await.iter().filter_map(|a| if let FileAnswer::Chunk(c) = a { Some(c.index) } else { None }).collect();
    assert_eq!(sent, [5], "only what is missing is sent");
    let state = FileAsk::Want { file: photo.id(), held: None, chunks_max: 0, begun: None };
    let told = said(&world, &b, &[state]).await;
    assert_eq!((told.len(), receipted(&told, &b).len()), (1, 1), "asked for its state alone it says no more");
    assert_eq!(verify(&world.hq).expect("read").files, 1);
}

fn begun(answers: &[FileAnswer]) -> Option<FileBegun> {
    answers.iter().find_map(|a| if let FileAnswer::Held { begun, .. } = a { *begun } else { None })
}

#[tokio::test]
async fn a_chunk_that_was_cut_goes_on_where_it_was_cut_both_ways() {
    const KEPT: usize = 3 * 4096;
    let world = World::new();
    let (a, b) = (world.device("a", "imt-1").await, world.device("b", "imt-1").await);
    let photo = Photo::new(TEAM, 11, 2 * FILE_CHUNK_BYTES + 9);
    let asks = |index, at| photo.parts(index, at).into_iter().map(FileAsk::Part);
    let offer_and = |more: Vec<FileAsk>| [vec![photo.offer()], more].concat();

    let told = cut(&world, &a, &offer_and(asks(1, 0).take(3).collect())).await;
    assert_eq!(begun(&told), Some(FileBegun::default()), "it takes parts, and has none");
    let names = || std::fs::read_dir(world.hq.folder.files()).expect("the folder").flatten().map(|e| e.path());
    let beginning = std::fs::read(names().find(|p| p.extension().is_some()).expect("it is kept")).expect("a file");
    assert!(!beginning.windows(64).any(|w| w == &photo.chunks[1][..64]), "it does not lie there in plain");
    // Whoever offers the same file is told of it, and goes on: in another order, and cut again.
    let told = cut(&world, &b, &offer_and(asks(1, KEPT).take(2).collect())).await;
    assert_eq!((begun(&told), bits(&told, 3).held()), (Some(FileBegun { index: 1, bytes: KEPT as u32 }), 0));
    let told = cut(&world, &a, &offer_and([asks(1, KEPT + 2 * 4096).collect(), asks(0, 0).take(1).collect::<Vec<_>>()].concat())).await;
    assert_eq!(begun(&told), Some(FileBegun { index: 1, bytes: KEPT as u32 + 8192 }));
    let told = said(&world, &a, &offer_and(asks(0, 4096).chain(asks(2, 0)).collect())).await;
    assert_eq!((begun(&told), bits(&told, 3).has(1)), (Some(FileBegun { index: 0, bytes: 4096 }), true));
    assert_eq!(receipted(&told, &a), [photo.id().sha256], "what came in parts comes to its name");
    assert_eq!(names().count(), 1, "no beginning is left");

    let mut has = Bitmap::full(3);
    has.set(1, false);
    let want = |begun| FileAsk::Want { file: photo.id(), held: Some(has.bytes().to_vec()), chunks_max: 9, begun };
    let got = |answers: Vec<FileAnswer>| -> Vec<FilePart> {
        answers.into_iter().filter_map(|a| if let FileAnswer::Part(part) = a { Some(part) } else { None }).collect()
    };
    let rest = said(&world, &b, &[want(Some(FileBegun { index: 1, bytes: 5000 }))]).await;
    assert_eq!(got(rest), photo.parts(1, 5000), "only the rest of it is sent");
    let other = said(&world, &b, &[want(Some(FileBegun { index: 0, bytes: 5000 }))]).await;
    assert_eq!(got(other), photo.parts(1, 0), "of what is lacking");
    let whole = said(&world, &b, &[want(None)]).await;
    assert!(whole.contains(&FileAnswer::Chunk(FileChunk { file: photo.id(), index: 1, bytes: photo.chunks[1].clone() })));
}

#[tokio::test]
async fn a_beginning_that_is_not_the_files_costs_one_try_and_parts_of_nothing_are_refused() {
    let world = World::new();
    let (a, b) = (world.device("a", "imt-1").await, world.device("b", "imt-1").await);
    let photo = Photo::new(TEAM, 12, FILE_CHUNK_BYTES);
    let other = Photo::new(TEAM, 13, FILE_CHUNK_BYTES);
    let part = |at: u32, bytes: &[u8]| FileAsk::Part(FilePart::From { file: photo.id(), index: 0, at, bytes: bytes.to_vec() });
    let more = |bytes: &[u8]| FileAsk::Part(FilePart::More(bytes.to_vec()));
    let foreign = FileAsk::Part(other.parts(0, 0).remove(0));
    let beyond = FileAsk::Part(FilePart::From { file: photo.id(), index: 1, at: 0, bytes: vec![1] });
    let words = [photo.offer(), more(b"of nothing"), part(10, b"behind nothing"), foreign, beyond];
    assert_eq!(reasons(&said(&world, &a, &words).await), ["bad_chunk", "not_offered", "bad_chunk"]);
    let too_much = [photo.offer(), part(0, &[0; 9]), more(&vec![0; FILE_CHUNK_BYTES])];
    assert_eq!(begun(&cut(&world, &a, &too_much).await), Some(FileBegun::default()));
    assert_eq!(
        begun(&cut(&world, &a, &[photo.offer(), part(0, b"not the photo's")]).await),
        Some(FileBegun::default()),
        "nothing was kept"
    );

    let rest = |at: u32| [vec![photo.offer()], photo.parts(0, at as usize).into_iter().map(FileAsk::Part).collect()].concat();
    let told = said(&world, &b, &rest(15)).await;
    assert_eq!((begun(&told), reasons(&told)), (Some(FileBegun { index: 0, bytes: 15 }), vec!["bad_chunk"]));
    let told = said(&world, &b, &rest(0)).await;
    assert_eq!((begun(&told), receipted(&told, &b)), (Some(FileBegun::default()), vec![photo.id().sha256]), "it is not gone on with again");
}

#[tokio::test]
async fn a_stranger_is_told_the_same_of_a_foreign_file_as_of_none() {
    let world = World::new();
    let (a, stranger) = (world.device("a", "imt-1").await, world.device("b", "imt-2").await);
    let photo = Photo::new(TEAM, 2, 5000);
    said(&world, &a, &photo.brought(&[0])).await;
    let (real, none) = (photo.id(), FileId { compartment: c(TEAM), sha256: FileHash([9; 32]) });
    let nowhere = FileId { compartment: c("team/imt-77"), sha256: real.sha256 };
    for file in [real.clone(), none, nowhere] {
        assert_eq!(said(&world, &stranger, &[want(file.clone())]).await, [FileAnswer::Missing(file)]);
    }
    // He knows the bytes, and is told nothing by offering them either.
    assert_eq!(said(&world, &stranger, &[photo.offer()]).await, [FileAnswer::Missing(real.clone())]);
    assert_eq!(reasons(&said(&world, &stranger, &[photo.chunk(0)]).await), ["not_offered"]);
    let named = exchange(&world, &stranger, &[a.enrolled.officer], &[photo.want()]).await;
    assert_eq!(named, [FileAnswer::Missing(real.clone())], "naming an officer who is not enrolled there opens nothing");
    let locked = exchange(&world, &a, &[], &[photo.want()]).await;
    assert_eq!(locked, [FileAnswer::Missing(real)], "with nobody unlocked nothing is sent");
    // The same bytes in a compartment of his own are another file.
    let own = Photo::new("team/imt-2", 2, 5000);
    let held = said(&world, &stranger, &[own.offer()]).await;
    assert_eq!(bits(&held, 1).held(), 0, "bytes are never shared between compartments");
}

#[tokio::test]
async fn an_officer_whose_grant_ended_brings_what_he_took_and_gets_nothing_back() {
    let world = World::new();
    let a = world.device("a", "imt-1").await;
    let (before, after) = (Photo::new(TEAM, 3, 4000), Photo::new(TEAM, 4, 4000));
    said(&world, &a, &before.brought(&[0])).await;
    world
        .hq
        .store
        .write(|tx| {
            tx.execute("UPDATE grant_ SET active = 0 WHERE officer = ?1", [a.enrolled.officer.0])?;
            Ok(())
        })
        .expect("written");
    let answers = said(&world, &a, &[after.brought(&[0]), vec![before.want()]].concat()).await;
    assert_eq!(receipted(&answers, &a), [after.id().sha256], "evidence is never turned away");
    assert!(answers.contains(&FileAnswer::Missing(before.id())), "what he may not read now is not sent");
}

#[tokio::test]
async fn who_only_reads_is_told_what_is_here_and_after_a_loss_brings_what_he_holds() {
    let world = World::new();
    let (a, reader) = (world.device("a", "imt-1").await, world.device("b", "imt-1").await);
    world
        .hq
        .store
        .write(|tx| {
            tx.execute("UPDATE grant_ SET write = 0 WHERE officer = ?1", [reader.enrolled.officer.0])?;
            Ok(())
        })
        .expect("written");
    let (here, lost) = (Photo::new(TEAM, 5, 4000), Photo::new(TEAM, 6, 4000));
    said(&world, &a, &here.brought(&[0])).await;
    let told = said(&world, &reader, &[vec![here.offer()], lost.brought(&[0])].concat()).await;
    assert_eq!(receipted(&told, &reader), [here.id().sha256], "that it is here is no secret to who reads it");
    assert!(told.contains(&FileAnswer::Missing(lost.id())), "what is new comes from those who write");
    world.hq.store.write(|tx| daftar_sync_server::epoch::begin(&world.hq, tx)).expect("another life");
    let told = said(&world, &reader, &lost.brought(&[0])).await;
    let is_held = |answer: &FileAnswer| matches!(answer, FileAnswer::Receipt(r) if r.held.iter().any(|f| f.file == lost.id()));
    assert!(told.iter().any(is_held), "the writer's device may be lost too: {told:?}");
}

#[tokio::test]
async fn wrong_bytes_and_lying_manifests_are_refused_and_stop_no_other_file() {
    let world = World::new();
    let (a, b) = (world.device("a", "imt-1").await, world.device("b", "imt-1").await);
    let photo = Photo::new(TEAM, 5, 2 * FILE_CHUNK_BYTES);
    let other = Photo::new(TEAM, 6, 900);
    let twisted = FileAsk::Chunk(FileChunk { file: photo.id(), index: 1, bytes: photo.chunks[0].clone() });
    let beyond = FileAsk::Chunk(FileChunk { file: photo.id(), index: 2, bytes: vec![1] });
    let answers = said(&world, &a, &[vec![photo.offer(), twisted, beyond], other.brought(&[0])].concat()).await;
    assert_eq!(reasons(&answers), ["bad_chunk", "bad_chunk"]);
    assert_eq!(receipted(&answers, &a), [other.id().sha256]);
    // A manifest of other chunks under the photo's name does not keep the right one out.
    let mut lie = Photo::new(TEAM, 7, 2 * FILE_CHUNK_BYTES);
    lie.manifest.file = photo.id();
    assert_eq!(bits(&said(&world, &b, &lie.brought(&[0])).await, 2).held(), 0);
    let answers = said(&world, &a, &photo.brought(&[0, 1])).await;
    assert_eq!(receipted(&answers, &a), [photo.id().sha256]);
    let mut alone = Photo::new(TEAM, 8, 700);
    alone.manifest.file.sha256 = FileHash([1; 32]);
    assert_eq!(reasons(&said(&world, &b, &alone.brought(&[0])).await), ["bad_file"], "chunks that do not come to the name");
    assert_eq!(std::fs::read_dir(world.hq.folder.files()).expect("the folder").count(), 2, "what was refused leaves nothing behind");
    assert_eq!(verify(&world.hq).expect("read").bad, Vec::<String>::new());
}

#[tokio::test]
async fn when_files_have_no_room_left_records_still_come_in() {
    let world = World::new();
    let mut a = world.device("a", "imt-1").await;
    world.hq.blobs.set_bytes_max(10_000);
    let (small, large) = (Photo::new(TEAM, 1, 6000), Photo::new(TEAM, 2, 6000));
    let answers = said(&world, &a, &[small.brought(&[0]), large.brought(&[0])].concat()).await;
    assert_eq!((receipted(&answers, &a), reasons(&answers)), (vec![small.id().sha256], vec!["storage_full", "not_offered"]));
    let segment = a.write(TEAM, 2).write().expect("a segment");
    let answers = world.exchange(&a, a.hello(), &[segment]).await;
    assert_eq!(crate::support::held(&answers, &a.stream(TEAM)), Some(a.head(TEAM)));
}

#[tokio::test]
async fn a_file_that_rots_or_vanishes_at_headquarters_is_named_and_taken_again() {
    let world = World::new();
    let a = world.device("a", "imt-1").await;
    let photos = [Photo::new(TEAM, 1, 3 * FILE_CHUNK_BYTES), Photo::new(TEAM, 2, 900)];
    for photo in &photos {
        said(&world, &a, &photo.brought(&(0..photo.chunks.len()).collect::<Vec<_>>())).await;
    }
    let mut found: Vec<_> = std::fs::read_dir(world.hq.folder.files()).expect("the folder").flatten().map(|e| e.path()).collect();
    found.sort_by_key(|p| std::fs::metadata(p).expect("a file").len());
    let sealed = std::fs::read(&found[1]).expect("a file");
    assert!(!sealed.windows(64).any(|w| w == &photos[0].chunks[0][..64]), "nothing lies there in plain");
    std::fs::remove_file(&found[0]).expect("removed");
    let mut rotten = sealed;
    let at = rotten.len() / 2;
    rotten[at] ^= 1;
    std::fs::write(&found[1], rotten).expect("written");
    let bad = verify(&world.hq).expect("read").bad;
    assert_eq!(bad.len(), 2, "{bad:?}");
    assert!(bad.iter().any(|b| b.contains("1 of 3 chunks")) && bad.iter().any(|b| b.contains("not in the folder")), "{bad:?}");
    let sent = said(&world, &a, &[photos[0].want()]).await.iter().filter(|a| matches!(a, FileAnswer::Chunk(_))).count();
    assert_eq!(sent, 2, "a damaged chunk is not sent");
    let held = said(&world, &a, &[photos[0].offer(), photos[1].offer()]).await;
    assert_eq!(bits(&held, 3).held(), 2);
    let again = said(&world, &a, &[photos[0].brought(&[1]), photos[1].brought(&[0])].concat()).await;
    assert_eq!(receipted(&again, &a).len(), 2);
    assert_eq!(verify(&world.hq).expect("read").bad, Vec::<String>::new());
}
