//! What a golden file says, as JSON: bytes in hexadecimal, changes with header, payload, salt, k and name.

use daftar_core::ids::Head;
use daftar_wire::change::{Body, Entry};
use daftar_wire::segment::Segment;
use daftar_wire::stream::{StreamHead, digest};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Bytes within the content of a message, where text stands beside them.
pub fn quoted(bytes: &[u8]) -> Json {
    format!("h'{}'", hex(bytes)).into()
}

/// The bytes that a listing gives, plain or quoted.
pub fn bytes(value: &Json) -> Vec<u8> {
    let text = value.as_str().expect("bytes in hexadecimal");
    let digits = text.strip_prefix("h'").map_or(text, |t| t.trim_end_matches('\''));
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).expect("hexadecimal")).collect()
}

pub fn fixed<const N: usize>(value: &Json) -> [u8; N] {
    bytes(value).try_into().expect("bytes of the right length")
}

/// One change a line, so that a listing can be read and compared.
pub fn pretty(listing: &Json) -> String {
    let members: Vec<String> = listing
        .as_object()
        .expect("a listing is an object")
        .iter()
        .map(|(key, value)| match value.as_array().filter(|items| items.iter().any(|i| i.is_object() || i.is_array())) {
            Some(items) => format!("  \"{key}\": [\n{}\n  ]", items.iter().map(|i| format!("    {i}")).collect::<Vec<_>>().join(",\n")),
            None => format!("  \"{key}\": {value}"),
        })
        .collect();
    format!("{{\n{}\n}}\n", members.join(",\n"))
}

/// All that a segment's bytes say. A short listing has the changes' names only: they are hashes over all the rest.
pub fn segment(bytes: &[u8], segment: &Segment, before: Head, is_short: bool) -> Json {
    let Segment { stream, first, entries, runs, heads, attestations } = segment;
    let chain = segment.chain(before);
    let with_seed = |n: u64| runs.iter().rfind(|r| r.first <= n).is_some_and(|r| n - r.first < 256);
    let salts: Vec<u64> =
        entries.iter().zip(*first..).filter(|(e, n)| matches!(e.body, Body::Whole { .. }) && !with_seed(*n)).map(|(_, n)| n).collect();
    let changes: Vec<Json> =
        entries.iter().map(|e| if is_short { json!({ "name": name(segment, e) }) } else { change(segment, e) }).collect();
    let end = StreamHead { device: stream.device, incarnation: stream.incarnation, n: segment.last(), head: chain.head() };
    let mut listing = json!({
        "what": "segment",
        "compartment": stream.compartment.as_str(),
        "device": hex(&stream.device.0),
        "incarnation": hex(&stream.incarnation.0),
        "first": first,
        "count": entries.len(),
        "coding": coding(bytes, segment),
        "runs": runs.iter().map(|r| r.first).collect::<Vec<_>>(),
        "signed_heads": heads.iter().map(|h| h.n).collect::<Vec<_>>(),
        "attestations": attestations.iter().map(|a| json!([a.officer.to_string(), a.n])).collect::<Vec<_>>(),
        "salts": salts,
        "changes": changes,
        "head": hex(&chain.head().0),
        "digest": hex(&digest(&[end]).0),
    });
    if *first > 1 {
        listing["before"] = hex(&before.0).into();
    }
    listing
}

fn name(segment: &Segment, entry: &Entry) -> String {
    entry.name(&segment.stream.compartment).to_string()
}

fn change(segment: &Segment, entry: &Entry) -> Json {
    let (payload, salt) = match &entry.body {
        Body::Whole { payload, salt } => (Json::from(hex(payload)), Json::from(hex(salt))),
        Body::Erased { .. } => (Json::Null, Json::Null),
    };
    json!({ "header": hex(&entry.header), "payload": payload, "salt": salt, "k": hex(&k_of(&entry.body)), "name": name(segment, entry) })
}

/// What erasure leaves of a payload: `SHA-256(salt ‖ payload)`.
pub fn k_of(body: &Body) -> [u8; 32] {
    match body {
        Body::Whole { payload, salt } => Sha256::new().chain_update(salt).chain_update(payload).finalize().into(),
        Body::Erased { k } => *k,
    }
}

/// Key 8, which stands right behind the signed heads.
fn coding(bytes: &[u8], segment: &Segment) -> &'static str {
    let sig = segment.heads.last().expect("a signed head").sig;
    let at = bytes.windows(sig.len()).position(|w| w == sig).expect("the signature stands in the bytes") + sig.len();
    match bytes[at..at + 2] {
        [8, 0] => "plain",
        [8, 1] => "columnar",
        _ => panic!("the coding does not stand where it is looked for"),
    }
}
