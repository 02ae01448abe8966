//! The words about files, both ways: made of fixed bytes, listed from them, and checked against the file that the listing names.

use daftar_core::ids::FileHash;
use daftar_wire::file::{
    Bitmap, FileAnswer, FileAsk, FileBegun, FileChunk, FileId, FilePart, FileReceipt, Joining, Manifest, Manifesting, ReceiptedFile,
};
use daftar_wire::limits::FILE_CHUNK_BYTES;
use daftar_wire::message::frame;
use daftar_wire::sign::verifying_key;
use serde_json::{Value as Json, json};

use super::GoldenFile;
use super::listing::{bytes, hex, quoted};
use super::make::NOW_MS;
use super::messages::{EPOCH, server_key, team, unframed};

/// A file of two chunks: zeros, and then these.
const TAIL: &[u8] = b"the end of a photo";

fn manifest_of(zeros: usize, tail: &[u8]) -> Manifest {
    let whole = [&vec![0; zeros], tail].concat();
    let mut m = Manifesting::default();
    whole.chunks(FILE_CHUNK_BYTES).for_each(|c| m.push(c));
    m.finish(team())
}

fn manifest() -> Manifest {
    manifest_of(FILE_CHUNK_BYTES, TAIL)
}

pub fn files() -> Vec<GoldenFile> {
    let m = manifest();
    let file = m.file.clone();
    let other = FileId { compartment: team(), sha256: FileHash([0x66; 32]) };
    let last = FileChunk { file: file.clone(), index: 1, bytes: TAIL.to_vec() };
    let mut first_alone = Bitmap::empty(2);
    first_alone.set(0, true);
    let bits = first_alone.bytes().to_vec();
    let mut asked: Vec<u8> = [
        FileAsk::Hello(vec![daftar_core::ids::OfficerId([0xa0; 16])]),
        FileAsk::Offer(m.clone()),
        FileAsk::Chunk(last.clone()),
        FileAsk::Want { file: file.clone(), held: Some(bits.clone()), chunks_max: 4, begun: None },
        FileAsk::Want { file: other.clone(), held: None, chunks_max: 0, begun: None },
    ]
    .iter()
    .flat_map(FileAsk::write)
    .collect();
    asked.extend(frame(200, b"from a later version"));
    asked.extend(FileAsk::End.write());
    let receipt = FileReceipt::sign(&server_key(), EPOCH, NOW_MS, vec![ReceiptedFile { file: file.clone(), size: m.size }]);
    let answered = [
        FileAnswer::Here,
        FileAnswer::Held { file: file.clone(), held: Some(bits.clone()), begun: None },
        FileAnswer::Held { file: other.clone(), held: None, begun: None },
        FileAnswer::Receipt(receipt),
        FileAnswer::Offer(m.clone()),
        FileAnswer::Chunk(last),
        FileAnswer::Refused { file: file.clone(), reason: "storage_full".into() },
        FileAnswer::Missing(other),
        FileAnswer::End,
    ]
    .iter()
    .flat_map(FileAnswer::write)
    .collect();
    // Four bytes of the last chunk came before a cut.
    let begun = Some(FileBegun { index: 1, bytes: 4 });
    let parts = [
        FilePart::From { file: file.clone(), index: 1, at: 4, bytes: TAIL[4..9].to_vec() },
        FilePart::More(TAIL[9..10].to_vec()),
        FilePart::More(TAIL[10..].to_vec()),
    ];
    let mut asked_in_parts = FileAsk::Offer(m).write();
    asked_in_parts.extend(parts.iter().cloned().map(FileAsk::Part).flat_map(|ask| ask.write()));
    asked_in_parts.extend(FileAsk::Want { file: file.clone(), held: Some(bits.clone()), chunks_max: 1, begun }.write());
    let mut told_in_parts = FileAnswer::Held { file, held: Some(bits), begun }.write();
    told_in_parts.extend(parts.into_iter().map(FileAnswer::Part).flat_map(|answer| answer.write()));
    let made = |name, way: &str, about: &str, content: Vec<u8>| {
        let mut listing = json!({ "what": "file frames", "way": way, "about": about });
        listing["plain"] = json!({ "zeros": FILE_CHUNK_BYTES, "then": hex(TAIL) });
        listing["server_key"] = hex(server_key().verifying_key().as_bytes()).into();
        listing["frames"] = list(&content, way);
        GoldenFile { name, content: Some(("bin", content)), listing }
    };
    vec![
        made("files-question", "question", "all that a device says of files, with an unknown message", asked),
        made("files-answer", "answer", "all that headquarters says of files", answered),
        made("parts-question", "question", "a device goes on with a chunk that was cut, and asks for the rest of one", asked_in_parts),
        made("parts-answer", "answer", "headquarters says what it has of a chunk that was cut, and gives the rest of one", told_in_parts),
    ]
}

fn about(file: &FileId, more: &[(&str, Json)]) -> Json {
    let mut content = json!({ "1": file.compartment.as_str(), "2": quoted(&file.sha256.0) });
    more.iter().for_each(|(key, value)| content[*key] = value.clone());
    content
}

fn list_manifest(m: &Manifest) -> Json {
    about(&m.file, &[("3", m.size.into()), ("4", quoted(&m.chunks.concat()))])
}

fn list_chunk(c: &FileChunk) -> Json {
    about(&c.file, &[("5", c.index.into()), ("6", quoted(&c.bytes))])
}

fn list_part(part: &FilePart) -> Json {
    match part {
        FilePart::From { file, index, at, bytes } => about(file, &[("5", (*index).into()), ("6", quoted(bytes)), ("9", (*at).into())]),
        FilePart::More(bytes) => quoted(bytes),
    }
}

fn with_begun(mut content: Json, begun: Option<FileBegun>) -> Json {
    if let Some(FileBegun { index, bytes }) = begun {
        content["10"] = json!([index, bytes]);
    }
    content
}

/// What the frames of one way say.
pub fn list(content: &[u8], way: &str) -> Json {
    let one = |frame: &Vec<u8>| {
        let unknown = || quoted(&frame[1..]);
        let content = if way == "question" {
            FileAsk::read(frame).expect("readable").map_or_else(unknown, |ask| list_ask(&ask))
        } else {
            FileAnswer::read(frame).expect("readable").map_or_else(unknown, |answer| list_answer(&answer))
        };
        json!({ "byte": frame[0], "content": content })
    };
    unframed(content).iter().map(one).collect()
}

/// Who says such a word: what asks, or what tells.
fn way_of(word: &[u8]) -> &'static str {
    if matches!(word.first(), Some(1 | 4 | 5)) { "question" } else { "answer" }
}

/// A word that stands in an exchange of records.
pub fn list_word(word: &[u8]) -> Json {
    list(&frame(word[0], &word[1..]), way_of(word))[0].clone()
}

/// The same is checked as if it stood alone.
pub fn check_word(name: &str, word: &[u8], listing: &Json) {
    let mut alone = listing.clone();
    alone["way"] = way_of(word).into();
    check(name, &frame(word[0], &word[1..]), &alone);
}

fn list_ask(ask: &FileAsk) -> Json {
    match ask {
        FileAsk::Hello(officers) => json!({ "3": officers.iter().map(|o| quoted(&o.0)).collect::<Vec<_>>() }),
        FileAsk::Offer(m) => list_manifest(m),
        FileAsk::Chunk(c) => list_chunk(c),
        FileAsk::Part(part) => list_part(part),
        FileAsk::Want { file, held, chunks_max, begun } => {
            let mut content = about(file, &[("5", (*chunks_max).into())]);
            if let Some(bits) = held {
                content["7"] = quoted(bits);
            }
            with_begun(content, *begun)
        }
        FileAsk::End => quoted(&[]),
    }
}

fn list_answer(answer: &FileAnswer) -> Json {
    match answer {
        FileAnswer::Part(part) => list_part(part),
        FileAnswer::Held { file, held, begun } => {
            let bits: Vec<(&str, Json)> = held.iter().map(|bits| ("7", quoted(bits))).collect();
            with_begun(about(file, &bits), *begun)
        }
        FileAnswer::Offer(m) => list_manifest(m),
        FileAnswer::Chunk(c) => list_chunk(c),
        FileAnswer::Missing(file) => about(file, &[]),
        FileAnswer::Refused { file, reason } => about(file, &[("8", reason.as_str().into())]),
        FileAnswer::Receipt(r) => {
            let files = r.held.iter().map(|f| json!([f.file.compartment.as_str(), quoted(&f.file.sha256.0), f.size]));
            json!({ "1": quoted(&r.epoch.0), "2": r.time_ms, "3": files.collect::<Vec<_>>(), "4": quoted(&r.sig) })
        }
        FileAnswer::Here | FileAnswer::End => quoted(&[]),
    }
}

/// Manifests and chunks are those of the file, signatures hold, and what is written again has the same bytes.
pub fn check(name: &str, content: &[u8], listing: &Json) {
    let zeros = listing["plain"]["zeros"].as_u64().expect("a number") as usize;
    let whole = manifest_of(zeros, &bytes(&listing["plain"]["then"]));
    let chunk = |c: &FileChunk| assert!(c.file == whole.file && whole.holds(c.index, &c.bytes), "{name}: no chunk of the file");
    let plain = [&vec![0; zeros], &bytes(&listing["plain"]["then"])[..]].concat();
    let mut joining = Joining::default();
    let mut part = |part: &FilePart| {
        let here = match part {
            FilePart::From { file, index, at, bytes } => {
                let of = plain.chunks(FILE_CHUNK_BYTES).nth(*index as usize).expect("a chunk of the file");
                let before = FileChunk { file: file.clone(), index: *index, bytes: of[..*at as usize].to_vec() };
                joining.begin(before, of.len()).unwrap_or_else(|e| panic!("{name}: {e}"));
                joining.more(bytes)
            }
            FilePart::More(bytes) => joining.more(bytes),
        };
        here.unwrap_or_else(|e| panic!("{name}: {e}")).iter().for_each(chunk);
    };
    let mut again = Vec::new();
    for f in unframed(content) {
        let is_question = listing["way"] == "question";
        let written = match (is_question.then(|| FileAsk::read(&f)), (!is_question).then(|| FileAnswer::read(&f))) {
            (Some(Ok(Some(ask))), _) => {
                match &ask {
                    FileAsk::Offer(m) => assert_eq!(*m, whole, "{name}"),
                    FileAsk::Chunk(c) => chunk(c),
                    FileAsk::Part(p) => part(p),
                    FileAsk::Hello(_) | FileAsk::Want { .. } | FileAsk::End => {}
                }
                ask.write()
            }
            (_, Some(Ok(Some(answer)))) => {
                match &answer {
                    FileAnswer::Offer(m) => assert_eq!(*m, whole, "{name}"),
                    FileAnswer::Chunk(c) => chunk(c),
                    FileAnswer::Part(p) => part(p),
                    FileAnswer::Receipt(r) => {
                        let key = verifying_key(&bytes(&listing["server_key"])).expect("a key");
                        r.verify(&key).unwrap_or_else(|e| panic!("{name}: {e}"));
                    }
                    FileAnswer::Held { .. } | FileAnswer::Missing(_) | FileAnswer::Refused { .. } | FileAnswer::Here | FileAnswer::End => {}
                }
                answer.write()
            }
            _ => frame(f[0], &f[1..]),
        };
        again.extend(written);
    }
    assert_eq!(again, content, "{name} is written otherwise");
}
