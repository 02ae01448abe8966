//! The words of the exchange beside segments, receipts and feeds: heads, seals, purges, admissions, revocations, keys handed back. Made of
//! fixed keys, listed from their bytes, and checked with the keys that the listing names.

use std::path::Path;

use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::{DeviceId, Epoch, Head, Incarnation, OfficerId};
use daftar_wire::message::{
    Access, Admission, Answer, Ask, Begun, Branch, End, FeedVerdict, Heads, Hello, Lineage, Notice, Purged, Receipt, Receipted, Reopen,
    Reopened, Revocation, Ruling, ShortReceipt, Verdict, root,
};
use daftar_wire::seal::{OpeningKey, key_pair, open, seal};
use daftar_wire::segment::Segment;
use daftar_wire::sign::{SigningKey, VerifyingKey, verifying_key};
use daftar_wire::stream::StreamId;
use serde_json::{Value as Json, json};

use super::GoldenFile;
use super::listing::{bytes, fixed, hex, quoted};
use super::make::{DEVICE, NOW_MS, device_key};
use super::messages::{EPOCH, came, file_or_bytes, frames, segment_bytes, server_key, stream, team};

const OUTBOX: &str = "daftar outbox 1";
const KEY: &str = "daftar compartment key 1";
/// The name of a compartment's file on the device.
const FILE: &str = "5f1e5f1e5f1e5f1e";
const HOUR_MS: u64 = 3_600_000;
const LEADER: OfficerId = OfficerId([0xa0; 16]);
const NEWCOMER: OfficerId = OfficerId([0xa7; 16]);

fn leader_key() -> SigningKey {
    SigningKey::from_bytes(&[0x20; 32])
}

fn hq() -> (OpeningKey, [u8; 32]) {
    key_pair(&[0x44; 32])
}

fn officer() -> (OpeningKey, [u8; 32]) {
    key_pair(&[0x45; 32])
}

/// `[compartment, 32 bytes]` as CBOR.
fn compartment_key() -> Vec<u8> {
    [&[0x82, 0x6a][..], b"team/imt-1", &[0x58, 0x20], &[0xc0; 32]].concat()
}

/// Everything that is written; `folder` already holds the segments.
pub fn files(folder: &Path) -> Vec<GoldenFile> {
    vec![every_question(folder), every_answer(folder), branches()]
}

fn heads() -> Heads {
    let branch = |incarnation: u8, split: Option<u8>, n, head: u8| Branch {
        device: DEVICE,
        incarnation: Incarnation([incarnation; 16]),
        split: split.map(|s| Head([s; 32])),
        n,
        head: Head([head; 32]),
    };
    Heads { compartment: team(), branches: vec![branch(1, None, 256, 0x61), branch(1, Some(0x60), 70_000, 0x62), branch(4, None, 1, 0x63)] }
}

fn every_question(folder: &Path) -> GoldenFile {
    let hello = Hello {
        root: root(&[]),
        officers: vec![LEADER],
        cursors: vec![],
        budget: Some(5_000_000_000),
        lineage: Some(Lineage { previous: Some([0x71; 8]), next: [0x72; 8] }),
        begun: Vec::new(),
    };
    let sealed = seal(&hq().1, OUTBOX, &DEVICE.0, &segment_bytes(folder, "one-amendment.bin")).expect("a good key");
    let escrow = seal(&hq().1, KEY, FILE.as_bytes(), &compartment_key()).expect("a good key");
    let admission = Admission {
        device: DEVICE,
        officer: NEWCOMER,
        handle: "imt-1-scc-9".into(),
        full_name: "Ҳошимов Қодир".into(),
        agency: Agency::Scc,
        signing: *SigningKey::from_bytes(&[0x27; 32]).verifying_key().as_bytes(),
        sealing: officer().1,
        compartments: vec![(Compartment::reference(), Access { read: true, write: false }), (team(), Access { read: true, write: true })],
        from_ms: NOW_MS,
        until_ms: NOW_MS + 72 * HOUR_MS,
        by: LEADER,
        sig: [0; 64],
    };
    let said = [
        Ask::Hello(hello),
        Ask::Admission(admission.signed(&leader_key())),
        Ask::Sealed(sealed),
        Ask::Segment(segment_bytes(folder, "settled.bin")),
        Ask::Heads(heads()),
        Ask::Heads(Heads { compartment: Compartment::reference(), branches: vec![] }),
        Ask::Purged(Purged::sign(&device_key(), &DEVICE, NEWCOMER, team(), NOW_MS + 7, true)),
        Ask::Purged(Purged::sign(&device_key(), &DEVICE, LEADER, "agency/moi/imt-1".parse().expect("a compartment"), NOW_MS, false)),
        Ask::Reopen(Reopen { officer: LEADER, compartment: team(), file: FILE.into(), escrow }),
        Ask::End,
    ];
    let more = json!({
        "cursors": [], "device": hex(&DEVICE.0), "device_key": hex(device_key().verifying_key().as_bytes()),
        "officer_keys": { LEADER.to_string(): hex(leader_key().verifying_key().as_bytes()) }, "hq_secret": hex(hq().0.as_slice()),
    });
    frames(
        "every-question",
        "all that a device says beside its first words",
        said.iter().flat_map(Ask::write).collect(),
        Some(folder),
        &more,
    )
}

fn every_answer(folder: &Path) -> GoldenFile {
    let receipted = |compartment: &str, up_to, backed_up| Receipted {
        stream: StreamId { compartment: compartment.parse().expect("a compartment"), device: DEVICE, incarnation: Incarnation([1; 16]) },
        up_to,
        head: Head([0x64; 32]),
        backed_up,
    };
    let held = vec![receipted("agency/moi/imt-1", 3, 0), receipted("team/imt-1", 70_000, 69_000)];
    let own: Vec<Json> =
        held.iter().map(|r| json!([r.stream.compartment.as_str(), quoted(&DEVICE.0), quoted(&[1; 16]), quoted(&r.head.0)])).collect();
    let whole = Receipt::sign(&server_key(), EPOCH, NOW_MS, held);
    let rulings = vec![Ruling { change: daftar_core::ids::ChangeName([0x73; 32]), verdict: Verdict::Erased, reason: "ordered".into() }];
    let erasure = FeedVerdict {
        compartment: "reference".parse().expect("a compartment"),
        from: 7,
        n: 9,
        chain: [0x74; 8],
        sig: FeedVerdict::sign_rulings(&server_key(), &Compartment::reference(), &EPOCH, 9, &rulings),
        rulings,
    };
    let sealed = seal(&officer().1, KEY, FILE.as_bytes(), &compartment_key()).expect("a good key");
    let said = [
        Answer::Notice(Notice::Anew { digit: 7 }),
        Answer::Short(ShortReceipt::of(&whole)),
        Answer::Receipt(Receipt::sign(&server_key(), EPOCH, NOW_MS, vec![])),
        Answer::Reopened(Reopened { officer: LEADER, compartment: team(), file: FILE.into(), sealed }),
        Answer::Notice(Notice::NewEpoch { epoch: EPOCH }),
        Answer::Notice(Notice::Forked { stream: stream(1), at: 12 }),
        Answer::Loose(segment_bytes(folder, "erased.bin")),
        Answer::Notice(Notice::Revoked(Revocation::sign(&server_key(), NEWCOMER, team(), NOW_MS))),
        Answer::Verdict(erasure),
        Answer::End(End { time_ms: NOW_MS, cursors: vec![], more: true }),
    ];
    let more = json!({
        "server_key": hex(server_key().verifying_key().as_bytes()), "epoch": hex(&EPOCH.0), "own": own,
        "officer_secret": hex(officer().0.as_slice()),
    });
    let about = "all that headquarters says beside its first words; the erased change of the verdict is no change of these files";
    frames("every-answer", about, said.iter().flat_map(Answer::write).collect(), Some(folder), &more)
}

/// Of a stream that went two ways both ends count.
fn branches() -> GoldenFile {
    let end = |incarnation: u8, n: u64, head: u8| json!([quoted(&DEVICE.0), quoted(&[incarnation; 16]), n, quoted(&[head; 32])]);
    let mut listing = json!({
        "what": "digest", "about": "a stream that went two ways after its second change, and two branches of one length",
        "streams": [end(1, 9, 5), end(1, 3, 9), end(1, 9, 4), end(0, 1, 1)],
    });
    listing["digest"] = super::messages::digest_of(&listing);
    GoldenFile { name: "branches", content: None, listing }
}

// ------------------------------------------------------------------------------------------------ what they say

pub fn list_ask(ask: &Ask, folder: &Path) -> Json {
    match ask {
        Ask::Hello(_) | Ask::End => panic!("listed elsewhere"),
        Ask::Segment(bytes) => file_or_bytes(bytes, folder),
        Ask::Sealed(bytes) => quoted(bytes),
        Ask::Recall => quoted(&[]),
        Ask::File(word) => super::chunks::list_word(word),
        Ask::Heads(h) => {
            let branches = h.branches.iter().map(|b| {
                let split = b.split.map_or(Json::Null, |s| quoted(&s.0));
                json!([quoted(&b.device.0), quoted(&b.incarnation.0), split, b.n, quoted(&b.head.0)])
            });
            json!({ "1": h.compartment.as_str(), "2": branches.collect::<Vec<_>>() })
        }
        Ask::Purged(p) => {
            json!({ "1": quoted(&p.officer.0), "2": p.compartment.as_str(), "3": p.at_ms, "4": p.removed, "5": quoted(&p.sig) })
        }
        Ask::Reopen(r) => json!({ "1": quoted(&r.officer.0), "2": r.compartment.as_str(), "3": r.file, "4": quoted(&r.escrow) }),
        Ask::Admission(a) => {
            let compartments: Vec<Json> = a.compartments.iter().map(|(c, may)| json!([c.as_str(), may.read, may.write])).collect();
            json!({
                "1": quoted(&a.device.0), "2": quoted(&a.officer.0), "3": a.handle, "4": a.full_name, "5": a.agency.code(),
                "6": quoted(&a.signing), "7": quoted(&a.sealing), "8": compartments, "9": a.from_ms, "10": a.until_ms,
                "11": quoted(&a.by.0), "12": quoted(&a.sig),
            })
        }
    }
}

pub fn list_short(r: &ShortReceipt) -> Json {
    let streams: Vec<Json> = r.streams.iter().map(|(c, up_to, backed_up)| json!([c.as_str(), up_to, backed_up])).collect();
    json!([r.time_ms, streams, quoted(&r.sig)])
}

pub fn list_reopened(r: &Reopened) -> Json {
    json!({ "1": quoted(&r.officer.0), "2": r.compartment.as_str(), "3": r.file, "4": quoted(&r.sealed) })
}

// ------------------------------------------------------------------------------------------------ that it holds

fn key(value: &Json) -> VerifyingKey {
    verifying_key(&bytes(value)).expect("the listing has the key")
}

fn opened(secret: &Json, purpose: &str, context: &[u8], sealed: &[u8]) -> Vec<u8> {
    open(&fixed::<32>(secret).into(), purpose, context, sealed).expect("the seal opens").to_vec()
}

/// Signatures hold and seals open, by the keys that the listing names.
pub fn check_ask(name: &str, ask: &Ask, listing: &Json) {
    let device = || DeviceId(fixed(&listing["device"]));
    match ask {
        Ask::Hello(hello) => {
            let of: Vec<Begun> = if hello.begun.is_empty() { Vec::new() } else { came(listing).iter().map(|b| Begun::of(b)).collect() };
            assert_eq!(hello.begun, of, "{name}: what came of messages that were cut");
        }
        Ask::End | Ask::Heads(_) | Ask::Recall => {}
        Ask::File(word) => super::chunks::check_word(name, word, listing),
        Ask::Segment(segment) => drop(Segment::read(segment).unwrap_or_else(|e| panic!("{name}: {e}"))),
        Ask::Sealed(sealed) => {
            let plain = opened(&listing["hq_secret"], OUTBOX, &device().0, sealed);
            Segment::read(&plain).unwrap_or_else(|e| panic!("{name}: what was sealed: {e}"));
        }
        Ask::Purged(p) => p.verify(&key(&listing["device_key"]), &device()).unwrap_or_else(|e| panic!("{name}: {e}")),
        Ask::Reopen(r) => {
            let plain = opened(&listing["hq_secret"], KEY, r.file.as_bytes(), &r.escrow);
            assert_eq!(Reopen::compartment_of(&plain).as_ref(), Ok(&r.compartment), "{name}");
        }
        Ask::Admission(a) => {
            let leader = key(&listing["officer_keys"][a.by.to_string()]);
            a.verify(&leader).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

pub fn check_short(name: &str, short: &ShortReceipt, listing: &Json) {
    let own = |c: &Compartment, _: u64| -> Result<_, ()> {
        let known = listing["own"].as_array().and_then(|all| all.iter().find(|o| o[0] == c.as_str()));
        Ok(known.map(|o| {
            let stream = StreamId { compartment: c.clone(), device: DeviceId(fixed(&o[1])), incarnation: Incarnation(fixed(&o[2])) };
            (stream, Head(fixed(&o[3])))
        }))
    };
    let whole = short.clone().complete(Epoch(fixed(&listing["epoch"])), own).expect("the listing").expect("it names the streams");
    whole.verify(&key(&listing["server_key"])).unwrap_or_else(|e| panic!("{name}: {e}"));
}

pub fn check_reopened(name: &str, r: &Reopened, listing: &Json) {
    let plain = opened(&listing["officer_secret"], KEY, r.file.as_bytes(), &r.sealed);
    assert_eq!(Reopen::compartment_of(&plain).as_ref(), Ok(&r.compartment), "{name}");
}

pub fn check_notice(name: &str, notice: &Notice, listing: &Json) {
    if let Notice::Revoked(r) = notice {
        r.verify(&key(&listing["server_key"])).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}
