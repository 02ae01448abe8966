//! The segments that the golden files hold, made of fixed keys and seeds. Adding a file is adding a maker here.

use std::collections::BTreeMap;
use std::path::Path as FilePath;

use daftar_core::change::{Header, Op, Payload};
use daftar_core::ids::{ChangeName, DeviceId, Head, Incarnation, OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_core::time::{ClockQuality, ClockReading, Stamp};
use daftar_core::value::{ELEMENT_PLACE, ELEMENT_REMOVED, ElementKey, Path, Value};
use daftar_tests::corpus;
use daftar_wire::change::{Body, Entry, salt};
use daftar_wire::json::{Line, read_data, read_line};
use daftar_wire::segment::{Attestation, Run, Segment, SignedHead};
use daftar_wire::sign::{SigningKey, attest, sign_head};
use daftar_wire::stream::StreamId;
use serde_json::{Value as Json, json};

use super::{GoldenFile, listing};

pub const DEVICE: DeviceId = DeviceId([0xd1; 16]);
/// Milliseconds of UTC in November 2026.
pub const NOW_MS: u64 = 1_795_500_000_000;

pub fn device_key() -> SigningKey {
    SigningKey::from_bytes(&[0x11; 32])
}

/// The first, second … officer and his key.
fn officer(n: u8) -> (OfficerId, SigningKey) {
    (OfficerId([0xa0 + n; 16]), SigningKey::from_bytes(&[0x20 + n; 32]))
}

/// A segment on its way into a file.
pub struct Made {
    name: &'static str,
    about: &'static str,
    segment: Segment,
    before: Head,
    is_short: bool,
    has_unknown_keys: bool,
}

impl Made {
    pub fn into_file(self) -> GoldenFile {
        let bytes = self.segment.write().unwrap_or_else(|e| panic!("{} cannot be written: {e}", self.name));
        let mut listing = listing::segment(&bytes, &self.segment, self.before, self.is_short);
        listing["about"] = self.about.into();
        listing["device_key"] = listing::hex(device_key().verifying_key().as_bytes()).into();
        let officers = self.segment.attestations.iter().map(|a| a.officer);
        listing["officer_keys"] = officers
            .map(|o| (o.to_string(), Json::from(listing::hex(officer(o.0[0] - 0xa0).1.verifying_key().as_bytes()))))
            .collect::<serde_json::Map<_, _>>()
            .into();
        if self.has_unknown_keys {
            listing["has_unknown_keys"] = true.into();
        }
        GoldenFile { name: self.name, content: Some(("bin", bytes)), listing }
    }
}

/// Writes changes one after another, as a device does.
struct Writer {
    segment: Segment,
    before: Head,
    /// Where the run of the next change began.
    run: Run,
    ms: u64,
}

impl Writer {
    fn new(compartment: &str, incarnation: u8, first: u64, run_first: u64) -> Self {
        let stream = StreamId {
            compartment: compartment.parse().expect("a compartment"),
            device: DEVICE,
            incarnation: Incarnation([incarnation; 16]),
        };
        let before = if first == 1 { stream.start() } else { Head([0x5a; 32]) };
        let run = Run { first: run_first, seed: [incarnation ^ 0x77; 32] };
        let segment = Segment { stream, first, entries: vec![], runs: vec![run.clone()], heads: vec![], attestations: vec![] };
        Self { segment, before, run, ms: NOW_MS }
    }

    fn next(&self) -> u64 {
        self.segment.first + self.segment.entries.len() as u64
    }

    fn salt(&self) -> [u8; 32] {
        salt(&self.run.seed, self.next() - self.run.first)
    }

    fn begin_run(&mut self, seed: u8) {
        self.run = Run { first: self.next(), seed: [seed; 32] };
        self.segment.runs.push(self.run.clone());
    }

    fn header(&mut self, record: RecordId, kind: Kind, op: Op, parents: &[ChangeName]) -> Header {
        let n = self.next();
        self.ms += 61_000 + n * 977;
        let mut parents = parents.to_vec();
        parents.sort_unstable();
        let quality = [ClockQuality::Recent, ClockQuality::Recent, ClockQuality::Stale, ClockQuality::Unknown][n as usize % 4];
        Header {
            device: DEVICE,
            record,
            kind,
            author: officer(u8::from(n.is_multiple_of(5))).0,
            op,
            stamp: Stamp { ms: self.ms, count: u32::from(n.is_multiple_of(7)) },
            clock: ClockReading { offset_ms: -1_250 + (n as i64 % 3) * 4, quality },
            parents,
        }
    }

    fn add(&mut self, record: RecordId, kind: Kind, op: Op, parents: &[ChangeName], payload: &Payload) -> ChangeName {
        let header = self.header(record, kind, op, parents);
        let entry = Entry::write(&header, payload, self.salt()).expect("a change within the limits");
        self.push(entry)
    }

    fn push(&mut self, entry: Entry) -> ChangeName {
        let name = entry.name(&self.segment.stream.compartment);
        self.segment.entries.push(entry);
        name
    }

    fn create(&mut self, line: &Line) -> ChangeName {
        self.add(line.id, line.kind, Op::Create, &[], &set(line.fields.clone()))
    }

    fn sign(&mut self, n: u64) {
        let head = self.segment.chain(self.before).heads[(n - self.segment.first) as usize];
        self.segment.heads.push(SignedHead { n, sig: sign_head(&device_key(), &self.segment.stream, n, &head) });
    }

    fn attest(&mut self, who: u8, n: u64) {
        let head = self.segment.chain(self.before).heads[(n - self.segment.first) as usize];
        let (officer, key) = officer(who);
        let sig = attest(&key, &officer, &self.segment.stream, n, &head);
        self.segment.attestations.push(Attestation { officer, n, sig });
    }

    fn made(mut self, name: &'static str, about: &'static str) -> Made {
        self.sign(self.segment.last());
        Made { name, about, segment: self.segment, before: self.before, is_short: false, has_unknown_keys: false }
    }
}

fn set(fields: BTreeMap<Path, Value>) -> Payload {
    Payload { set: fields, reason: None }
}

fn payload<const N: usize>(fields: [(Path, Value); N], reason: Option<&str>) -> Payload {
    Payload { set: fields.into(), reason: reason.map(str::to_owned) }
}

fn data(kind: Kind, json: &Json) -> BTreeMap<Path, Value> {
    read_data(kind, json.as_object().expect("an object")).expect("data of the schema")
}

/// Numbers that look like chance and are always the same.
fn scatter(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn record(n: u64) -> RecordId {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&scatter(n).to_be_bytes());
    random[8..].copy_from_slice(&scatter(n + 1_000_000).to_be_bytes()[..2]);
    RecordId::new(NOW_MS + n * 37_123 + scatter(n) % 9_000, random)
}

/// Every segment, from the records that the corpus generator writes into `dir`.
pub fn segments(dir: &FilePath) -> Vec<Made> {
    let path = corpus::write(dir, 2_000, 4, &["--team", "imt-1"]);
    let lines: Vec<Line> =
        corpus::lines(&path).iter().map(|l| read_line(&l.to_string()).expect("the generator keeps to the schema")).collect();
    let (team, notes): (Vec<Line>, Vec<Line>) = lines.into_iter().partition(|l| l.kind != Kind::SurveillanceNote);
    vec![
        five_kinds(&team, &notes),
        full_run(&team),
        one_amendment(),
        elements(),
        settled(),
        unknown_kind_and_fields(),
        unknown_header_key(),
        erased(&team),
        two_runs(&team),
        texts(),
        columns(),
    ]
}

fn five_kinds(team: &[Line], notes: &[Line]) -> Made {
    let mut w = Writer::new("team/imt-1", 0x01, 1, 1);
    let of = |kind: Kind, n: usize| team.iter().filter(move |l| l.kind == kind).take(n);
    of(Kind::Inspection, 6).chain(of(Kind::Seizure, 3)).chain(of(Kind::Exhibit, 4)).chain(of(Kind::CustodyEvent, 5)).for_each(|l| {
        w.create(l);
    });
    notes.iter().take(3).for_each(|l| {
        w.create(l);
    });
    w.made("five-kinds", "realistic records of all five kinds, each created whole")
}

fn full_run(team: &[Line]) -> Made {
    let mut w = Writer::new("team/imt-1", 0x02, 1, 1);
    team.iter().take(256).for_each(|l| {
        w.create(l);
    });
    assert_eq!(w.segment.entries.len(), 256, "the corpus is too small");
    Made { is_short: true, ..w.made("full-run", "a full run of 256 records, as a first sync brings it") }
}

fn one_amendment() -> Made {
    let mut w = Writer::new("agency/moi/imt-2", 0x03, 4_711, 4_700);
    let change = payload([(Path::Field(41), Value::Text("01 B 123 CD".into()))], Some("misread in the dark"));
    w.add(record(3), Kind::Inspection, Op::Amend, &[ChangeName([0x42; 32])], &change);
    w.made("one-amendment", "a single change from the middle of a run: plain is shorter")
}

const PERSONS: u32 = 29;

fn person(key: ElementKey, field: u32, value: Value) -> (Path, Value) {
    (Path::Element(PERSONS, key, field), value)
}

fn elements() -> Made {
    let mut w = Writer::new("team/imt-1", 0x04, 1, 1);
    let id = record(40);
    let created = w.add(
        id,
        Kind::Inspection,
        Op::Create,
        &[],
        &set(data(
            Kind::Inspection,
            &json!({
                "risk_indicators": { "new_owner": "seen", "dog_changes": "not_seen", "qo‘lda yozilgan": null },
                "persons": [
                    { "key": 7, "family_name": "Karimov", "date_of_birth": "1987", "nominal": true },
                    { "key": 2, "family_name": "Karimova", "aliases": ["Lola", "Лола"] }
                ],
                "documents": [{ "key": 1, "holder": 7, "type": "passport",
                    "checks": [{ "system": "mia", "at": "2026-11-24T08:00:00Z", "result": "clear" }, { "system": "interpol", "result": null }] }],
                "cargo": []
            }),
        )),
    );
    let text = |t: &str| Value::Text(t.into());
    let added = w.add(
        id,
        Kind::Inspection,
        Op::Amend,
        &[created],
        &payload(
            [
                person(ElementKey::New(0), 3, text("Toshmatov")),
                person(ElementKey::New(0), ELEMENT_PLACE, Value::Int(3)),
                person(ElementKey::New(1), ELEMENT_REMOVED, Value::Bool(false)),
                person(ElementKey::Given(2), 9, text("+998 90 000 00 00")),
            ],
            None,
        ),
    );
    let amended = w.add(
        id,
        Kind::Inspection,
        Op::Amend,
        &[added],
        &payload([person(ElementKey::Added(added, 0), 4, text("Aziz")), person(ElementKey::Added(added, 1), 3, Value::Null)], None),
    );
    let removed = w.add(
        id,
        Kind::Inspection,
        Op::Amend,
        &[amended],
        &payload(
            [
                person(ElementKey::Given(7), ELEMENT_REMOVED, Value::Bool(true)),
                person(ElementKey::Added(added, 1), ELEMENT_REMOVED, Value::Bool(true)),
                (Path::Element(22, ElementKey::Code("new_owner".into()), 2), Value::Null),
            ],
            Some("the same man twice"),
        ),
    );
    w.add(id, Kind::Inspection, Op::Amend, &[removed], &payload([(Path::Field(30), Value::List(vec![]))], None));
    w.add(record(41), Kind::Inspection, Op::Create, &[], &set(data(Kind::Inspection, &json!({ "persons": [{ "key": 1 }, { "key": 2 }] }))));
    w.made("elements", "keyed lists: given, new and added keys, a place, removals; maps of codes; values within values")
}

fn settled() -> Made {
    let mut w = Writer::new("operation/op-shamol", 0x05, 1, 1);
    let id = record(50);
    let remarks = |t: &str, reason| payload([(Path::Field(13), Value::Text(t.into()))], reason);
    let created = w.add(id, Kind::Inspection, Op::Create, &[], &remarks("one", None));
    let left = w.add(id, Kind::Inspection, Op::Amend, &[created], &remarks("two", None));
    let right = w.add(id, Kind::Inspection, Op::Amend, &[created], &remarks("three", None));
    let elsewhere = [ChangeName([0x01; 32]), ChangeName([0xfe; 32])];
    let settled = w.add(id, Kind::Inspection, Op::Resolve, &[left, right, elsewhere[0], elsewhere[1]], &remarks("two", Some("rightly")));
    let void = w.add(id, Kind::Inspection, Op::Void, &[settled], &payload([], Some("a drill")));
    w.add(id, Kind::Inspection, Op::Unvoid, &[void], &payload([], Some("no drill after all")));
    let many: Vec<ChangeName> = (0..32).map(|n| ChangeName([n * 7 + 1; 32])).collect();
    w.add(record(51), Kind::Seizure, Op::Resolve, &many, &payload([(Path::Field(1), Value::Null)], None));
    w.made("settled", "a conflict that is settled, with parents within the run and elsewhere, void and unvoid, 32 parents")
}

/// Well-formed items that no value of this version holds, each deterministic: a float, a tag, a great number, an odd map.
fn raw_items() -> [Vec<u8>; 5] {
    [
        vec![0xfb, 0x3f, 0xf8, 0xa3, 0xd7, 0x0a, 0x3d, 0x70, 0xa4],
        vec![0xc1, 0x1a, 0x51, 0x4b, 0x67, 0xb0],
        vec![0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0xa2, 0x01, 0x02, 0x61, 0x78, 0x83, 0x01, 0xf6, 0x80],
        vec![0xf7],
    ]
}

fn unknown_kind_and_fields() -> Made {
    let mut w = Writer::new("team/imt-1", 0x06, 1, 1);
    for (n, raw) in (60..).zip(raw_items()) {
        let kind = if n % 2 == 0 { Kind::Other(40) } else { Kind::Inspection };
        let fields = [
            (Path::Field(9_001), Value::Raw(raw.clone())),
            (
                Path::Field(13),
                if kind == Kind::Inspection { Value::Text("known".into()) } else { Value::Raw(vec![0x63, b'n', b'o', b't']) },
            ),
            (Path::Element(29, ElementKey::Given(1), 900), Value::Raw(raw.clone())),
            (Path::Element(9_002, ElementKey::New(n), 2), Value::Raw(vec![0xf5])),
            (Path::Element(9_003, ElementKey::Code("code".into()), 5), Value::Raw(vec![0x18, 0x64])),
        ];
        w.add(record(n.into()), kind, Op::Create, &[], &payload(fields, None));
    }
    w.made("unknown-kind-and-fields", "a kind and fields that a later version may bring: their bytes are kept")
}

/// Puts a further pair, whose key comes last, behind a map of fewer than 23 pairs.
fn with_pair(map: &[u8], pair: &[u8]) -> Vec<u8> {
    let mut out = map.to_vec();
    out[0] += 1;
    out.extend_from_slice(pair);
    out
}

fn unknown_header_key() -> Made {
    let mut w = Writer::new("team/imt-1", 0x07, 1, 1);
    for n in 70..78 {
        let header = w.header(record(n), Kind::Seizure, Op::Create, &[]);
        let remarks = payload([(Path::Field(13), Value::Text("kept".into()))], (n % 2 == 0).then_some("a reason"));
        let salt = w.salt();
        let mut entry = Entry::write(&header, &remarks, salt).expect("a change within the limits");
        if n == 73 {
            entry.header = with_pair(&entry.header, &[0x18, 0x63, 0x82, 0x01, 0x61, b'z']);
        }
        if let (75, Body::Whole { payload, .. }) = (n, &mut entry.body) {
            *payload = with_pair(payload, &[0x09, 0xa1, 0x01, 0xf4]);
        }
        w.push(entry);
    }
    Made {
        has_unknown_keys: true,
        ..w.made("unknown-header-key", "a header and a payload with a key that is not known: the run goes plain")
    }
}

fn erased(team: &[Line]) -> Made {
    let mut w = Writer::new("team/imt-1", 0x08, 101, 99);
    let mut last = None;
    for line in team.iter().filter(|l| l.kind != Kind::Inspection).skip(20).take(10) {
        let name = w.create(line);
        let note = payload([(Path::Field(13), Value::Text("later".into()))], None);
        last = Some(w.add(line.id, line.kind, Op::Amend, &[name], &note));
    }
    assert!(last.is_some(), "the corpus is too small");
    let named = |s: &Segment| -> Vec<ChangeName> { s.entries.iter().map(|e| e.name(&s.stream.compartment)).collect() };
    let before = named(&w.segment);
    for at in [0usize, 7, 19] {
        let k = listing::k_of(&w.segment.entries[at].body);
        w.segment.entries[at].body = Body::Erased { k };
    }
    assert_eq!(named(&w.segment), before, "erasure changes no name");
    w.segment.runs.clear();
    w.made("erased", "three erased changes; the seed has given way to the salts of the others")
}

fn two_runs(team: &[Line]) -> Made {
    let mut w = Writer::new("team/imt-1", 0x09, 31, 28);
    let custody: Vec<&Line> = team.iter().filter(|l| l.kind == Kind::CustodyEvent).take(12).collect();
    for (n, line) in custody.iter().enumerate() {
        if n == 5 {
            w.begin_run(0x99);
        }
        w.create(line);
    }
    w.sign(35);
    w.attest(0, 41);
    w.attest(1, 40);
    w.attest(1, 35);
    w.made("two-runs", "two runs, a signed head at the end of each, attestations by two officers")
}

fn texts() -> Made {
    let mut w = Writer::new("watchlist/plates-1", 0x0a, 1, 1);
    let names = [
        "O‘g‘iloy",
        "O’g’iloy",
        "Oʻgʻiloy",
        "Oʼgʼiloy",
        "O'g'iloy",
        "O`g`iloy",
        "Oʹgʹiloy",
        "Oʿgʿiloy",
        "Ўғилой",
        "Ҷамшед",
        "Қодир Ҳошимов",
        "Ёқуб",
        "Süleýman Meredow",
        "محمد رحیم",
        "李小龙",
        "e\u{301}",
        "é",
        "\u{feff}BOM",
        "line\nline\ttab",
        "👮\u{200d}♂️",
        "",
        " ",
        "0",
        "A",
    ];
    for (n, name) in (80u64..).zip(names) {
        let fields = json!({
            "number": format!("IMT-1-2026-{:06}", n * 37),
            "remarks": name,
            "persons": [{ "key": 1, "family_name": name, "aliases": [name, name], "phone": null, "phones": [] }],
            "zones": if n % 3 == 0 { json!([]) } else { json!(["boot", name]) },
            "vehicle": { "plate": format!("{:02} {} {:03} {}{}", n % 100, 'A', n, 'X', 'Z') },
            "methods": null
        });
        w.add(record(n), Kind::Inspection, Op::Create, &[], &set(data(Kind::Inspection, &fields)));
    }
    w.made("texts", "every apostrophe of the field, Cyrillic and other scripts, the empty text, empty list, null and absent")
}

fn columns() -> Made {
    let mut w = Writer::new("hits/plates-1", 0x0b, 1, 1);
    for n in 0..72u64 {
        let (i, chance) = (n as i64, scatter(n));
        let id = record(900 + n);
        let near = (NOW_MS + (900 + n) * 37_123) as i64 / 1000 * 1000;
        let pick = |from: &[i64]| Value::Int(from[chance as usize % from.len()]);
        let many: Vec<i64> = (0..16).map(|v| v * v * 1_000_003).collect();
        let more: Vec<i64> = (0..30).map(|v| v * v * v * 7_777_777 - 5).collect();
        let mut fields = BTreeMap::from([
            (Path::Field(1), Value::Text(format!("{:03}/{}{}-{}", chance % 1000, letter(chance), letter(chance >> 9), "X".repeat(2)))),
            (Path::Field(2), Value::Text("same".into())),
            (Path::Field(3), Value::Text(["sss", "moi", "scc"][chance as usize % 3].into())),
            (Path::Field(4), Value::Text(format!("{:x}", chance >> 20))),
            (Path::Field(5), Value::Int(near + chance as i64 % 90_000 * 1000)),
            (Path::Field(6), Value::Int(i * 1_000_000_007)),
            (Path::Field(7), pick(&[300, 360])),
            (Path::Field(9), pick(&[-1, 5_000_000, 9_000_000_000])),
            (Path::Field(10), pick(&many)),
            (Path::Field(11), pick(&more)),
            (Path::Field(14), Value::Int((chance % 65_521) as i64 * 250 - 4_000_000)),
            (Path::Field(20), Value::Int(chance as i64)),
            (Path::Field(21), pick(&[i64::MIN, i64::MAX, 0])),
            (Path::Field(23), Value::Bytes(chance.to_be_bytes()[..(n % 9).min(8) as usize].to_vec())),
            (Path::Field(24), Value::Bytes(record(900 + n.saturating_sub(n % 4)).0.to_vec())),
        ]);
        let inner = Value::Map(vec![(1, Value::Int(i)), (4, Value::List(vec![Value::Null, Value::Bool(n % 2 == 0)]))]);
        let sorts = [
            Value::Null,
            Value::Bool(false),
            Value::Bool(true),
            Value::Int(-i),
            Value::Text("t".into()),
            Value::Bytes(vec![1, 2]),
            Value::List(vec![inner.clone(), inner]),
            Value::Map(vec![]),
            Value::Raw(vec![0xf9, 0x3e, 0x00]),
        ];
        if let Some(value) = sorts.get(n as usize % 10) {
            fields.insert(Path::Field(13), value.clone());
        }
        w.add(id, Kind::Inspection, Op::Create, &[], &set(fields));
    }
    w.made("columns", "every form of a column, with values that no officer writes")
}

fn letter(n: u64) -> char {
    char::from(b'A' + (n % 26) as u8)
}
