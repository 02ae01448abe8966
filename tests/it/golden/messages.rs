//! The golden exchange, enrolment, feed, digest and seal: made of fixed keys, and listed from their bytes.

use std::fs;
use std::path::Path;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::{ChangeName, DeviceId, Digest, Epoch, Head, Incarnation, OfficerId};
use daftar_wire::enrol::{Code, EnrolRequest, Enrolled, fingerprint};
use daftar_wire::message::{
    Access, Answer, Ask, Cursor, End, FeedItem, FeedVerdict, FrameReader, Hello, Notice, PeerMessage, Receipt, Receipted, Ruling, Verdict,
    feed_next, feed_start, frame, root,
};
use daftar_wire::seal::{key_pair, open, seal};
use daftar_wire::segment::Segment;
use daftar_wire::sign::{SigningKey, verifying_key};
use daftar_wire::stream::{StreamHead, StreamId, digest};
use serde_json::{Map, Value as Json, json};

use super::GoldenFile;
use super::listing::{bytes, fixed, hex, quoted};
use super::make::{DEVICE, NOW_MS};
use super::{chunks, words};

pub const EPOCH: Epoch = Epoch([0xe9; 16]);
const FEED: &str = "feed.json";

pub fn server_key() -> SigningKey {
    SigningKey::from_bytes(&[0x33; 32])
}

pub fn team() -> Compartment {
    "team/imt-1".parse().expect("a compartment")
}

pub fn stream(incarnation: u8) -> StreamId {
    StreamId { compartment: team(), device: DEVICE, incarnation: Incarnation([incarnation; 16]) }
}

fn rulings() -> Vec<Ruling> {
    let ruling = |n, verdict, reason: &str| Ruling { change: ChangeName([n; 32]), verdict, reason: reason.into() };
    vec![ruling(0x71, Verdict::Review, "no_grant"), ruling(0x72, Verdict::Quarantined, "undecodable"), ruling(0x70, Verdict::Accepted, "")]
}

/// Everything that is written, in its order; `folder` already holds the segments.
pub fn files(folder: &Path) -> Vec<GoldenFile> {
    let chain = made_chain(folder);
    let mut files = vec![feed(folder, &chain), two_streams()];
    files.extend([question(folder), first_question(), answer(folder, &chain), short_answer()]);
    files.extend(enrolment());
    files.push(sealed());
    files.extend(words::files(folder));
    files.extend(chunks::files());
    files
}

// ------------------------------------------------------------------------------------------------- the exchange

fn cursors() -> Vec<Cursor> {
    let cursor = |name: &str, n: u8, ranges: &[(u64, u64)]| Cursor {
        compartment: name.parse().expect("a compartment"),
        epoch: EPOCH,
        ranges: ranges.to_vec(),
        chain: [n; 8],
        digest: Digest([n + 1; 32]),
    };
    vec![
        cursor("agency/moi/imt-1", 0x10, &[(1, 1)]),
        cursor("reference", 0x20, &[(1, 40), (300, 70_000)]),
        cursor("team/imt-1", 0x30, &[(5, 9), (12, 12), (14, 5_000_000_000)]),
        cursor("watchlist/plates-1", 0x40, &[]),
    ]
}

pub fn segment_bytes(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).expect("the segments are written first")
}

pub fn frames(name: &'static str, about: &str, bytes: Vec<u8>, folder: Option<&Path>, more: &Json) -> GoldenFile {
    let here = Path::new(".");
    let mut listing = json!({ "what": "frames", "about": about, "frames": list_frames(&bytes, folder.unwrap_or(here)) });
    for (key, value) in more.as_object().expect("an object") {
        listing[key] = value.clone();
    }
    GoldenFile { name, content: Some(("bin", bytes)), listing }
}

fn question(folder: &Path) -> GoldenFile {
    let all = cursors();
    let hello = Hello {
        root: root(&all),
        officers: vec![OfficerId([0xa0; 16]), OfficerId([0xa1; 16])],
        cursors: vec![all[2].clone(), all[0].clone()],
        budget: Some(64_000),
        lineage: None,
        begun: Vec::new(),
    };
    let mut said = Ask::Hello(hello).write();
    for name in ["one-amendment.bin", "elements.bin"] {
        said.extend(Ask::Segment(segment_bytes(folder, name)).write());
    }
    // A message that nobody knows yet is passed over.
    said.extend(frame(200, b"from a later version"));
    said.extend(Ask::End.write());
    let more = json!({ "cursors": all.iter().map(list_cursor).collect::<Vec<_>>() });
    frames("question", "a hello that names the cursors that differ, two segments, an unknown message, the end", said, Some(folder), &more)
}

fn first_question() -> GoldenFile {
    let hello = Hello { root: root(&[]), officers: vec![], cursors: vec![], budget: None, lineage: None, begun: Vec::new() };
    let said = [Ask::Hello(hello), Ask::End].iter().flat_map(Ask::write).collect();
    frames("first-question", "the first hello of a device: nobody is unlocked, nothing is there", said, None, &json!({ "cursors": [] }))
}

fn answer(folder: &Path, chain: &[Head]) -> GoldenFile {
    let receipted =
        |incarnation: u8, up_to, backed_up| Receipted { stream: stream(incarnation), up_to, head: Head([incarnation; 32]), backed_up };
    let eight = |head: &Head| -> [u8; 8] { head.0[..8].try_into().expect("eight of 32 bytes") };
    let item = FeedItem { compartment: team(), from: 1, n: 2, chain: eight(&chain[2]), segment: segment_bytes(folder, "elements.bin") };
    let verdict = FeedVerdict {
        compartment: team(),
        from: 3,
        n: 3,
        chain: eight(&chain[3]),
        rulings: rulings(),
        sig: FeedVerdict::sign_rulings(&server_key(), &team(), &EPOCH, 3, &rulings()),
    };
    let said: Vec<u8> = [
        Answer::Receipt(Receipt::sign(&server_key(), EPOCH, NOW_MS, vec![receipted(1, 256, 200), receipted(2, 70_000, 0)])),
        Answer::Item(item),
        Answer::Verdict(verdict),
        Answer::Notice(Notice::RootUnknown),
        Answer::Notice(Notice::Granted { compartment: Compartment::reference(), access: Access { read: true, write: false } }),
        Answer::Notice(Notice::Want { stream: stream(1), from: 257 }),
        Answer::Notice(Notice::Refused { stream: stream(2), first: 12, reason: "bad_signature".into() }),
        Answer::End(End { time_ms: NOW_MS + 5, cursors: cursors(), more: true }),
    ]
    .iter()
    .flat_map(Answer::write)
    .collect();
    let more = json!({ "server_key": hex(server_key().verifying_key().as_bytes()), "epoch": hex(&EPOCH.0), "feed": FEED });
    frames("answer", "every message of an answer", said, Some(folder), &more)
}

fn short_answer() -> GoldenFile {
    let said = Answer::End(End { time_ms: NOW_MS, cursors: vec![], more: false }).write();
    frames("short-answer", "nothing has changed: an answer of one message", said, None, &json!({}))
}

fn list_cursor(c: &Cursor) -> Json {
    json!([c.compartment.as_str(), quoted(&c.epoch.0), c.ranges, quoted(&c.chain), quoted(&c.digest.0)])
}

fn stream_of(s: &StreamId) -> [Json; 3] {
    [s.compartment.as_str().into(), quoted(&s.device.0), quoted(&s.incarnation.0)]
}

/// The name of the golden file with these bytes, or the bytes.
pub fn file_or_bytes(content: &[u8], folder: &Path) -> Json {
    let mut entries: Vec<_> = fs::read_dir(folder).expect("the golden folder").map(|e| e.expect("an entry").path()).collect();
    entries.sort();
    let same = entries.iter().find(|p| p.extension().is_some_and(|e| e == "bin") && fs::read(p).is_ok_and(|b| b == content));
    same.map_or_else(|| quoted(content), |p| format!("file:{}", p.file_name().expect("a name").to_string_lossy()).into())
}

pub fn unframed(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = FrameReader::default();
    reader.push(bytes);
    let mut found = Vec::new();
    while let Some(frame) = reader.next().expect("whole frames") {
        found.push(frame);
    }
    assert!(reader.is_empty(), "bytes are left over");
    found
}

/// The same message with a key and a value behind the last of its map; `None`: it is no short map.
pub fn with_unknown_key(frame: &[u8]) -> Option<Vec<u8>> {
    let (byte, content) = frame.split_first()?;
    let head = content.first().filter(|head| (0xa1..0xb7).contains(*head))?;
    Some([&[*byte, head + 1], &content[1..], &[0x18, 0x63, 0x82, 0x01, 0x61, b'z']].concat())
}

pub fn list_frames(bytes: &[u8], folder: &Path) -> Json {
    unframed(bytes).iter().map(|f| list_frame(f, folder)).collect()
}

fn list_frame(frame: &[u8], folder: &Path) -> Json {
    let byte = frame[0];
    let content = match (Ask::read(frame).ok().flatten(), Answer::read(frame).ok().flatten()) {
        (Some(Ask::Hello(h)), None) => list_hello(&h),
        (Some(Ask::End), None) => quoted(&[]),
        (Some(Ask::File(word)), Some(Answer::File(_))) => chunks::list_word(&word),
        (Some(ask), None) => words::list_ask(&ask, folder),
        (None, Some(answer)) => list_answer(&answer, folder),
        // What only devices say holds nothing, and a message that nobody knows stays as it is.
        (None, None) => quoted(&frame[1..]),
        (Some(_), Some(_)) => panic!("a question that is also an answer"),
    };
    json!({ "byte": byte, "content": content })
}

fn list_hello(h: &Hello) -> Json {
    let mut content = json!({ "1": 1, "2": quoted(&h.root), "3": h.officers.iter().map(|o| quoted(&o.0)).collect::<Vec<_>>() });
    if !h.cursors.is_empty() {
        content["4"] = h.cursors.iter().map(list_cursor).collect();
    }
    if let Some(budget) = h.budget {
        content["5"] = budget.into();
    }
    if let Some(lineage) = h.lineage {
        content["6"] = [Some(lineage.next), lineage.previous].into_iter().flatten().map(|token| quoted(&token)).collect();
    }
    if !h.begun.is_empty() {
        content["7"] = h.begun.iter().map(|b| json!([b.bytes, quoted(&b.sha256)])).collect();
    }
    content
}

/// What came of messages that were cut.
pub fn came(listing: &Json) -> Vec<Vec<u8>> {
    listing["begun"].as_array().expect("the listing has what came").iter().map(bytes).collect()
}

fn list_answer(answer: &Answer, folder: &Path) -> Json {
    match answer {
        Answer::Receipt(r) => {
            let streams = r.held.iter().map(|s| {
                let [compartment, device, incarnation] = stream_of(&s.stream);
                json!([compartment, device, incarnation, s.up_to, quoted(&s.head.0), s.backed_up])
            });
            json!({ "1": quoted(&r.epoch.0), "2": r.time_ms, "3": streams.collect::<Vec<_>>(), "4": quoted(&r.sig) })
        }
        Answer::Item(i) => {
            json!({ "1": i.compartment.as_str(), "2": i.from, "3": i.n, "4": quoted(&i.chain), "5": file_or_bytes(&i.segment, folder) })
        }
        Answer::Verdict(v) | Answer::LooseVerdict(v) => {
            let rulings: Vec<Json> = v.rulings.iter().map(|r| json!([quoted(&r.change.0), r.verdict.number(), r.reason])).collect();
            json!({ "1": v.compartment.as_str(), "2": v.from, "3": v.n, "4": quoted(&v.chain), "5": rulings, "6": quoted(&v.sig) })
        }
        Answer::Notice(n) => list_notice(n),
        Answer::Loose(segment) => file_or_bytes(segment, folder),
        Answer::Rest(which, bytes) => quoted(&[&[*which], bytes.as_slice()].concat()),
        Answer::Short(r) => words::list_short(r),
        Answer::Reopened(r) => words::list_reopened(r),
        Answer::File(word) => chunks::list_word(word),
        Answer::End(e) => {
            let mut content = json!({ "1": e.time_ms });
            if !e.cursors.is_empty() {
                content["2"] = e.cursors.iter().map(list_cursor).collect();
            }
            if e.more {
                content["3"] = true.into();
            }
            content
        }
    }
}

fn list_notice(notice: &Notice) -> Json {
    match notice {
        Notice::RootUnknown => json!([1]),
        Notice::Granted { compartment, access } => json!([2, compartment.as_str(), access.read, access.write]),
        Notice::Want { stream, from } => {
            let [compartment, device, incarnation] = stream_of(stream);
            json!([3, compartment, device, incarnation, from])
        }
        Notice::Refused { stream, first, reason } => {
            let [compartment, device, incarnation] = stream_of(stream);
            json!([4, compartment, device, incarnation, first, reason])
        }
        Notice::Anew { digit } => json!([5, digit]),
        Notice::Forked { stream, at } => {
            let [compartment, device, incarnation] = stream_of(stream);
            json!([6, compartment, device, incarnation, at])
        }
        Notice::Revoked(r) => json!([7, quoted(&r.officer.0), r.compartment.as_str(), r.at_ms, quoted(&r.sig)]),
        Notice::NewEpoch { epoch } => json!([8, quoted(&epoch.0)]),
    }
}

/// Signatures hold, segments are read, and what is written again has the same bytes.
pub fn check_frames(name: &str, bytes: &[u8], listing: &Json) {
    let mut again = Vec::new();
    for content in unframed(bytes) {
        if let Ok(Some(Ask::File(word))) = Ask::read(&content) {
            chunks::check_word(name, &word, listing);
            again.extend(Ask::File(word).write());
        } else if let Ok(Some(ask)) = Ask::read(&content) {
            words::check_ask(name, &ask, listing);
            again.extend(ask.write());
        } else if let Ok(Some(answer)) = Answer::read(&content) {
            check_answer(name, &answer, listing);
            again.extend(answer.write());
        } else if let Ok(Some(said)) = PeerMessage::read(&content) {
            again.extend(said.write());
        } else {
            again.extend(frame(content[0], &content[1..]));
        }
    }
    assert_eq!(again, bytes, "{name} is written otherwise");
}

fn check_answer(name: &str, answer: &Answer, listing: &Json) {
    let key = || verifying_key(&bytes(&listing["server_key"])).expect("the listing has the server's key");
    match answer {
        Answer::Receipt(r) => r.verify(&key()).unwrap_or_else(|e| panic!("{name}: {e}")),
        Answer::Verdict(v) | Answer::LooseVerdict(v) => {
            v.verify(&key(), &Epoch(fixed(&listing["epoch"]))).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        Answer::Item(FeedItem { segment, .. }) | Answer::Loose(segment) => {
            Segment::read(segment).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
        Answer::Notice(n) => words::check_notice(name, n, listing),
        Answer::Short(r) => words::check_short(name, r, listing),
        Answer::Reopened(r) => words::check_reopened(name, r, listing),
        // A word about files is checked where questions are.
        Answer::Rest(which, rest) => {
            let whole = [came(listing)[usize::from(*which)].as_slice(), rest].concat();
            let message = Answer::read(&whole).ok().flatten().unwrap_or_else(|| panic!("{name}: what came and the rest are no message"));
            check_answer(name, &message, listing);
        }
        Answer::File(_) | Answer::End(_) => {}
    }
}

// ------------------------------------------------------------------------------------------------ feed and digest

fn made_chain(folder: &Path) -> Vec<Head> {
    let start = feed_start(&team(), &EPOCH);
    let elements = Segment::read(&segment_bytes(folder, "elements.bin")).expect("a golden segment");
    let first = feed_next(start, &stream(1), 1, 256, &Head([0x61; 32]));
    let head = elements.chain(elements.stream.start()).head();
    let second = feed_next(first, &elements.stream, elements.first, elements.entries.len() as u32, &head);
    vec![start, first, second, FeedVerdict::chain_after(second, &rulings())]
}

fn feed(folder: &Path, chain: &[Head]) -> GoldenFile {
    let elements = Segment::read(&segment_bytes(folder, "elements.bin")).expect("a golden segment");
    let entry = |s: &StreamId, first: u64, count: usize, head: Head| {
        json!([1, quoted(&s.device.0), quoted(&s.incarnation.0), first, count, quoted(&head.0)])
    };
    let head = elements.chain(elements.stream.start()).head();
    let listing = json!({
        "what": "feed",
        "about": "two segments and a verdict",
        "compartment": team().as_str(),
        "epoch": hex(&EPOCH.0),
        "entries": [
            entry(&stream(1), 1, 256, Head([0x61; 32])),
            entry(&elements.stream, elements.first, elements.entries.len(), head),
            [json!(2), quoted(&FeedVerdict::write_rulings(&rulings()))],
        ],
        "chain": chain.iter().map(|h| hex(&h.0)).collect::<Vec<_>>(),
    });
    GoldenFile { name: "feed", content: None, listing }
}

/// The chain of a listed feed, computed anew.
pub fn feed_chain(listing: &Json) -> Json {
    let compartment: Compartment = listing["compartment"].as_str().and_then(|c| c.parse().ok()).expect("a compartment");
    let mut at = feed_start(&compartment, &Epoch(fixed(&listing["epoch"])));
    let mut chain = vec![hex(&at.0)];
    for entry in listing["entries"].as_array().expect("entries") {
        at = if entry[0] == 1 {
            let stream = StreamId {
                compartment: compartment.clone(),
                device: DeviceId(fixed(&entry[1])),
                incarnation: Incarnation(fixed(&entry[2])),
            };
            let number = |i: usize| entry[i].as_u64().expect("a number");
            feed_next(at, &stream, number(3), number(4) as u32, &Head(fixed(&entry[5])))
        } else {
            FeedVerdict::chain_after(at, &FeedVerdict::read_rulings(&bytes(&entry[1])).expect("rulings"))
        };
        chain.push(hex(&at.0));
    }
    chain.into()
}

fn two_streams() -> GoldenFile {
    let streams = [
        json!([quoted(&[9; 16]), quoted(&[1; 16]), 70_000, quoted(&[3; 32])]),
        json!([quoted(&[1; 16]), quoted(&[2; 16]), 1, quoted(&[4; 32])]),
        json!([quoted(&[1; 16]), quoted(&[1; 16]), 12, quoted(&[5; 32])]),
        json!([quoted(&[0; 16]), quoted(&[1; 16]), 0, quoted(&[6; 32])]),
    ];
    let mut listing = json!({ "what": "digest", "about": "four streams out of order, one of them without a change", "streams": streams });
    listing["digest"] = digest_of(&listing);
    GoldenFile { name: "digest", content: None, listing }
}

pub fn digest_of(listing: &Json) -> Json {
    let heads: Vec<StreamHead> = listing["streams"]
        .as_array()
        .expect("streams")
        .iter()
        .map(|s| StreamHead {
            device: DeviceId(fixed(&s[0])),
            incarnation: Incarnation(fixed(&s[1])),
            n: s[2].as_u64().expect("a number"),
            head: Head(fixed(&s[3])),
        })
        .collect();
    hex(&digest(&heads).0).into()
}

// ---------------------------------------------------------------------------------------------- enrolment and seals

fn enrolment() -> Vec<GoldenFile> {
    let code = Code { address: "hq.example:8443".into(), ca_sha256: fingerprint(b"a certificate"), secret: [0x5e; 16] };
    let request = EnrolRequest {
        secret: [0x5e; 16],
        device_name: "IMT-1 noutbuk ‘3’".into(),
        device_signing: [1; 32],
        device_sealing: [2; 32],
        officer_signing: [3; 32],
        officer_sealing: [4; 32],
    };
    let access = |read, write| Access { read, write };
    let answer = Enrolled {
        device: DEVICE,
        certificate: vec![0x30; 300],
        ca: vec![0x31; 280],
        server: DeviceId([0x5e; 16]),
        server_signing: *server_key().verifying_key().as_bytes(),
        server_sealing: [6; 32],
        epoch: EPOCH,
        officer: OfficerId([0xa0; 16]),
        handle: "imt-1-moi-1".into(),
        full_name: "Каримов Азиз Ўктам ўғли".into(),
        agency: Agency::Moi,
        team: Some("imt-1".into()),
        role: "leader".into(),
        digit: 3,
        compartments: vec![(Compartment::reference(), access(true, false)), (team(), access(true, true))],
    };
    let teamless = Enrolled { team: None, agency: Agency::Scc, role: "analyst".into(), compartments: vec![], ..answer.clone() };
    let file = |name, what: &str, ending, bytes: Vec<u8>| GoldenFile {
        name,
        listing: json!({ "what": what, "content": list_enrolment(what, &bytes) }),
        content: Some((ending, bytes)),
    };
    vec![
        file("code", "code", "txt", format!("daftar1.{}", BASE64_URL_SAFE_NO_PAD.encode(code.write())).into_bytes()),
        file("enrol-question", "enrol question", "bin", request.write()),
        file("enrol-answer", "enrol answer", "bin", answer.write()),
        file("enrol-answer-without-team", "enrol answer", "bin", teamless.write()),
    ]
}

pub fn list_enrolment(what: &str, content: &[u8]) -> Json {
    match what {
        "code" => {
            let text = std::str::from_utf8(content).expect("ASCII");
            let inner = BASE64_URL_SAFE_NO_PAD.decode(text.strip_prefix("daftar1.").expect("the version")).expect("base64url");
            let code = Code::read(&inner).expect("a code");
            assert_eq!(format!("daftar1.{}", BASE64_URL_SAFE_NO_PAD.encode(code.write())), text);
            json!([code.address, quoted(&code.ca_sha256), quoted(&code.secret)])
        }
        "enrol question" => {
            let q = EnrolRequest::read(content).expect("a request");
            assert_eq!(q.write(), content);
            let keys = [q.device_signing, q.device_sealing, q.officer_signing, q.officer_sealing];
            let mut listed = json!({ "1": quoted(&q.secret), "2": q.device_name });
            (3..).zip(keys).for_each(|(n, key)| listed[n.to_string()] = quoted(&key));
            listed
        }
        _ => list_enrolled(content),
    }
}

fn list_enrolled(content: &[u8]) -> Json {
    let a = Enrolled::read(content).expect("an answer");
    assert_eq!(a.write(), content);
    let grants: Vec<Json> = a.compartments.iter().map(|(c, access)| json!([c.as_str(), access.read, access.write])).collect();
    let values = [
        quoted(&a.device.0),
        quoted(&a.certificate),
        quoted(&a.ca),
        quoted(&a.server.0),
        quoted(&a.server_signing),
        quoted(&a.server_sealing),
        quoted(&a.epoch.0),
        quoted(&a.officer.0),
        a.handle.into(),
        a.full_name.into(),
        a.agency.code().into(),
        a.role.into(),
        a.digit.into(),
        grants.into(),
    ];
    let mut listed: Map<String, Json> = (1..).zip(values).map(|(n, v): (u32, Json)| (n.to_string(), v)).collect();
    if let Some(team) = a.team {
        listed.insert("15".into(), team.into());
    }
    listed.into()
}

/// A seal draws its own ephemeral key: it is made once, and the file is what counts.
fn sealed() -> GoldenFile {
    let (secret, public) = key_pair(&[0x44; 32]);
    let plain = "a compartment’s key";
    let sealed = seal(&public, "daftar golden 1", b"team/imt-1", plain.as_bytes()).expect("a good key");
    let listing = json!({
        "what": "seal", "secret": hex(secret.as_slice()), "purpose": "golden", "version": 1,
        "aad": hex(b"team/imt-1"), "plain": hex(plain.as_bytes()),
    });
    GoldenFile { name: "seal", content: Some(("bin", sealed)), listing }
}

pub fn open_seal(listing: &Json, sealed: &[u8]) -> Vec<u8> {
    let purpose = format!("daftar {} {}", listing["purpose"].as_str().expect("a purpose"), listing["version"]);
    open(&fixed::<32>(&listing["secret"]).into(), &purpose, &bytes(&listing["aad"]), sealed).expect("the seal opens").to_vec()
}
