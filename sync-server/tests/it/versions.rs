//! A device of a later version speaks to this server, byte by byte: what is not known is passed over, kept as it is, or refused alone.

use daftar_core::authorize::Role;
use daftar_core::change::Op;
use daftar_core::compartment::Agency;
use daftar_core::ids::RecordId;
use daftar_core::record::Kind;
use daftar_core::value::{Path, Value};
use daftar_wire::change::Entry;
use daftar_wire::message::{Answer, Ask, FrameReader, Notice, Purged, frame};
use daftar_wire::segment::Segment;

use crate::overtls::{SYNC, answers, chunk, enrolled, read_until, run, send};
use crate::support::{Device, NOW_MS, c, end, held, random, segments};

const TEAM: &str = "team/imt-1";
/// A key and a value behind a map's last: `99: [1, "z"]`.
const UNKNOWN_PAIR: [u8; 6] = [0x18, 0x63, 0x82, 0x01, 0x61, b'z'];

/// A map of fewer than 23 pairs with one more.
fn with_unknown_key(map: &[u8]) -> Vec<u8> {
    assert!((0xa0..0xb7).contains(&map[0]), "a short map");
    [&[map[0] + 1], &map[1..], &UNKNOWN_PAIR].concat()
}

/// The content of a message's frame.
fn content(ask: &Ask) -> Vec<u8> {
    let mut reader = FrameReader::default();
    reader.push(&ask.write());
    reader.next().expect("a frame").expect("whole").split_off(1)
}

/// A hello of version 2 that says more than this version knows.
fn hello(device: &Device) -> Vec<u8> {
    let mut said = with_unknown_key(&content(&Ask::Hello(device.hello())));
    assert_eq!(said[1..3], [1, 1], "the version stands first");
    said[2] = 2;
    frame(1, &said)
}

/// A change of a kind that nobody knows here, and one of a known kind with a field, a header's key and a payload's key that nobody knows.
fn later_changes(device: &Device) -> Vec<Entry> {
    let record = || RecordId::new(NOW_MS, random());
    let mut header = device.header(record(), Op::Create, Vec::new());
    header.kind = Kind::Other(4_000);
    let set = [(Path::Field(1), Value::Raw(vec![0xc1, 0x1a, 0x51, 0x4b, 0x67, 0xb0]))].into();
    let unknown_kind = Entry::write(&header, &daftar_core::change::Payload { set, reason: None }, [0; 32]).expect("a small change");
    let mut unknown_keys = device.entry(record(), Op::Create, Vec::new(), "known");
    unknown_keys.header = with_unknown_key(&unknown_keys.header);
    if let daftar_wire::change::Body::Whole { payload, .. } = &mut unknown_keys.body {
        *payload = with_unknown_key(payload);
    }
    vec![unknown_kind, unknown_keys, device.entry(record(), Op::Create, Vec::new(), "plain")]
}

/// The segment as a later version codes it.
fn in_another_coding(segment: &Segment) -> Vec<u8> {
    let mut bytes = segment.write().expect("a segment");
    let sig = segment.heads.last().expect("a signed head").sig;
    let at = bytes.windows(sig.len()).position(|w| w == sig).expect("the signature stands in the bytes") + sig.len();
    assert_eq!(bytes[at], 8, "the coding stands behind the heads");
    bytes[at + 1] = 7;
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_of_a_later_version_is_served_and_what_it_says_beyond_this_one_is_kept_passed_over_or_refused_alone() {
    let running = run().await;
    let mut device = enrolled(&running).await;
    let known = device.write(TEAM, 2);
    let later = later_changes(&device);
    let later = device.segment(TEAM, later);
    let (stream, at) = (device.stream(TEAM), device.head(TEAM));
    let recoded = device.write("agency/moi/imt-1", 1);
    let officer = device.enrolled.officer;
    let purged = Purged::sign(&device.keys.signing, &device.enrolled.device, officer, c("reference"), NOW_MS, false);
    let said = [
        hello(&device),
        frame(99, b"a message that this version does not know"),
        // `{1: "liaison/kz-1", 2: []}`
        frame(16, &[&[0xa2, 0x01, 0x6c][..], b"liaison/kz-1", &[0x02, 0x80]].concat()),
        Ask::Segment(known.write().expect("a segment")).write(),
        frame(2, &with_unknown_key(&later.write().expect("a segment"))),
        frame(2, &in_another_coding(&recoded)),
        frame(17, &[&[2][..], &[0; 90]].concat()),
        frame(18, &with_unknown_key(&purged.write())),
        frame(3, b"an end that says more"),
    ];
    let mut link = running.connect(running.address, Some(&device)).await;
    send(&mut link, SYNC).await;
    for one in &said {
        chunk(&mut link, one).await;
    }
    send(&mut link, b"0\r\n\r\n").await;
    let mut read = Vec::new();
    read_until(&mut link, &mut read, |r| answers(r).1).await;
    let (heard, _) = answers(&read);
    assert_eq!(held(&heard, &stream), Some(at), "what is of this version is receipted, with what it carries beyond");
    let refused: Vec<_> = heard
        .iter()
        .filter_map(|a| if let Answer::Notice(Notice::Refused { stream, reason, .. }) = a { Some((stream, reason.as_str())) } else { None })
        .collect();
    assert_eq!(refused, [(&device.stream("agency/moi/imt-1"), "newer")], "another coding is refused alone and by its name");
    assert_eq!(end(&heard).time_ms, NOW_MS, "and the exchange ends as any");

    // It says the same again in this version's coding: nothing was lost by the first time.
    let again = running.world.exchange(&device, device.hello(), &[recoded.write().expect("a segment")]).await;
    assert_eq!(held(&again, &device.stream("agency/moi/imt-1")), Some(device.head("agency/moi/imt-1")));

    // Whoever reads there gets every byte of it, unjudged.
    running.world.officer("b", Agency::Moi, "imt-1", Role::Officer);
    let other = running.world.enrolled("b", false).await;
    let seen = running.world.exchange(&other, other.hello(), &[]).await;
    let got: Vec<Entry> = segments(&seen, TEAM).into_iter().filter(|s| s.stream == stream).flat_map(|s| s.entries).collect();
    assert_eq!(got, [known.entries, later.entries].concat(), "unknown kinds, fields and keys go on byte for byte");
    assert!(!seen.iter().any(|a| matches!(a, Answer::Verdict(_))), "what is only unknown is not held against anybody");
    assert_eq!(daftar_sync_server::verify::verify(&running.world.hq).expect("readable").bad, Vec::<String>::new());
    running.stopped().await;
}
