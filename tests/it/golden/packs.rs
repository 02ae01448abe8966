//! Courier packs of the three purposes, made of fixed keys and golden messages. A seal draws its own key: a pack is made once, and the file is
//! what counts.

use std::fs;
use std::path::Path;

use daftar_core::ids::DeviceId;
use daftar_wire::message::{Ask, frame};
use daftar_wire::pack::{Header, Opened, Purpose, Reader, Verifier, Writer};
use daftar_wire::seal::{OpeningKey, key_pair};
use daftar_wire::sign::{SigningKey, verifying_key};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::GoldenFile;
use super::listing::{bytes, fixed, hex, quoted};
use super::make::{DEVICE, NOW_MS, device_key};
use super::messages::{file_or_bytes, segment_bytes, server_key};

const HQ: DeviceId = DeviceId([0x5e; 16]);
const OTHER: DeviceId = DeviceId([0xd2; 16]);

/// The keys of headquarters and of two officers.
fn reader(n: u8) -> (OpeningKey, [u8; 32]) {
    key_pair(&[0x44 + n; 32])
}

/// Who reads each section, by the readers' numbers, and what is in it.
type Sections = Vec<(Vec<u8>, Vec<u8>)>;

pub fn files(folder: &Path) -> Vec<GoldenFile> {
    let golden = |name: &str| fs::read(folder.join(name)).expect("the exchanges are written first");
    let segment = |name: &str| Ask::Segment(segment_bytes(folder, name)).write();
    let header =
        |purpose, writer, reader, n: u8| Header { purpose, writer, reader, at_ms: NOW_MS, id: [n; 16], officer: None, epoch: None };
    // Longer than a chunk, which holds 65,536 bytes.
    let long: Vec<u8> = [segment("full-run.bin"), frame(200, &vec![0x2a; 60_000]), segment("elements.bin")].concat();
    let made = |name, about, header: Header, key: &SigningKey, sections: Sections| pack(name, about, header, key, &sections, folder);
    vec![
        made(
            "pack-question",
            "a device's question on a stick, for headquarters alone",
            header(Purpose::Question, DEVICE, HQ, 0x91),
            &device_key(),
            vec![(vec![0], golden("question.bin"))],
        ),
        made(
            "pack-answer",
            "headquarters' answer, for the two officers of the asking device",
            header(Purpose::Answer, HQ, DEVICE, 0x92),
            &server_key(),
            vec![(vec![1, 2], golden("answer.bin"))],
        ),
        made(
            "pack-gift",
            "what one device gives another: a section for each compartment, the first longer than a chunk, the last for nobody",
            header(Purpose::Gift, DEVICE, OTHER, 0x93),
            &device_key(),
            vec![(vec![1, 2], long), (vec![2], segment("one-amendment.bin")), (vec![], segment("settled.bin"))],
        ),
    ]
}

fn pack(name: &'static str, about: &str, header: Header, key: &SigningKey, sections: &Sections, folder: &Path) -> GoldenFile {
    let mut w = Writer::new(header);
    for (n, (readers, plain)) in (0x51u8..).zip(sections) {
        let to: Vec<[u8; 32]> = readers.iter().map(|r| reader(*r).1).collect();
        w.section(&to, &[n; 32].into()).expect("a section");
        w.put(plain);
    }
    let content = w.finish(key);
    let secrets: Vec<Json> = (0..3).map(|n| hex(reader(n).0.as_slice()).into()).collect();
    let mut listing = json!({ "what": "pack", "about": about, "writer_key": hex(key.verifying_key().as_bytes()), "secrets": secrets });
    for (key, value) in list(&content, &listing, folder).as_object().expect("an object") {
        listing[key] = value.clone();
    }
    GoldenFile { name, content: Some(("bin", content)), listing }
}

/// A pack as its listing names it, read by each of the listed keys in turn. Only a pack that its writer signed says anything.
pub fn list(content: &[u8], listing: &Json, folder: &Path) -> Json {
    let mut verifier = Verifier::default();
    content.chunks(1_000).for_each(|piece| verifier.push(piece).expect("a pack"));
    let writer = verifying_key(&bytes(&listing["writer_key"])).expect("a key");
    let header = verifier.finish(&writer).expect("the writer's signature holds");
    let secrets = listing["secrets"].as_array().expect("keys");
    let mut sections: Vec<(Vec<usize>, Vec<u8>)> = Vec::new();
    for (n, secret) in secrets.iter().enumerate() {
        let mut reader = Reader::new(vec![fixed::<32>(secret).into()]);
        let (mut at, mut plain) = (0, Vec::new());
        for opened in content.chunks(777).flat_map(|piece| reader.push(piece).expect("a pack that was verified")) {
            match opened {
                Opened::Section { number, by } => {
                    at = number as usize;
                    if sections.len() == at {
                        sections.push((Vec::new(), Vec::new()));
                    }
                    if by.is_some() {
                        sections[at].0.push(n);
                        plain.clear();
                    }
                }
                Opened::Frames(bytes) => {
                    plain.extend(bytes);
                    sections[at].1.clone_from(&plain);
                }
            }
        }
    }
    let purpose = match header.purpose {
        Purpose::Question => 1,
        Purpose::Answer => 2,
        Purpose::Gift => 3,
    };
    let list_section = |(readers, plain): &(Vec<usize>, Vec<u8>)| json!([readers, list_frames(plain, folder)]);
    json!({
        "header": { "1": purpose, "2": quoted(&header.writer.0), "3": quoted(&header.reader.0), "4": header.at_ms, "5": quoted(&header.id) },
        "sections": sections.iter().map(list_section).collect::<Vec<_>>(),
    })
}

/// The file whose bytes the section holds, or each frame's kind with its segment's file or the SHA-256 of what it says.
fn list_frames(plain: &[u8], folder: &Path) -> Json {
    let whole = file_or_bytes(plain, folder);
    if whole.as_str().is_some_and(|w| w.starts_with("file:")) {
        return whole;
    }
    let list = |f: &Vec<u8>| json!([f[0], if f[0] == 2 { file_or_bytes(&f[1..], folder) } else { quoted(&Sha256::digest(&f[1..])) }]);
    super::messages::unframed(plain).iter().map(list).collect()
}
