//! A headquarters in a temporary folder and devices that speak to it. Never asserts.

use std::collections::HashMap;
use std::sync::Arc;

use daftar_core::authorize::Role;
use daftar_core::change::{Header, Op, Payload};
use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::{ChangeName, Head, Incarnation, OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_core::time::{ClockReading, Stamp};
use daftar_core::value::{Path, Value};
use daftar_sync_server::admin::{self, NewOfficer};
use daftar_sync_server::clock::FixedClock;
use daftar_sync_server::hq::Headquarters;
use daftar_sync_server::http::{App, Server};
use daftar_sync_server::keys::Folder;
use daftar_sync_server::project::Projector;
use daftar_sync_server::service::{EnrolError, Service};
use daftar_wire::change::{Entry, salt};
use daftar_wire::enrol::{Code, EnrolRequest, Enrolled};
use daftar_wire::message::{Answer, Ask, Cursor, End, Hello, Notice, Receipt, root};
use daftar_wire::seal::{OpeningKey, SealingKey, key_pair};
use daftar_wire::segment::{Run, Segment, SignedHead};
use daftar_wire::sign::{SigningKey, sign_head};
use daftar_wire::stream::StreamId;
use tempfile::TempDir;
use tokio::sync::mpsc::channel;

pub const NOW_MS: u64 = 1_790_000_000_000;

pub fn c(name: &str) -> Compartment {
    name.parse().expect("a compartment")
}

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("random bytes");
    bytes
}

pub struct World {
    pub folder: TempDir,
    pub hq: Arc<Headquarters>,
    pub service: Arc<Service>,
    pub clock: Arc<FixedClock>,
}

impl World {
    /// Headquarters with the sample's teams.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FixedClock::at(NOW_MS));
        let hq = admin::found(&Folder::new(folder.path()), "127.0.0.1:8443", true, clock.clone()).expect("a headquarters");
        let hq = Arc::new(hq);
        Self { folder, hq: hq.clone(), service: Arc::new(Service::new(hq)), clock }
    }

    pub fn officer(&self, handle: &str, agency: Agency, team: &str, role: Role) -> OfficerId {
        let new = NewOfficer {
            handle: handle.into(),
            full_name: None,
            agency,
            team: (!team.is_empty()).then(|| team.into()),
            role,
            password: None,
        };
        self.hq.add_officer(&new).expect("a new officer").officer
    }

    /// A new device with a new officer of the Ministry of Interior in this team.
    pub async fn device(&self, handle: &str, team: &str) -> Device {
        self.officer(handle, Agency::Moi, team, Role::Officer);
        self.enrolled(handle, false).await
    }

    pub async fn enrolled(&self, handle: &str, all: bool) -> Device {
        let code = self.hq.make_code(handle, all, 24).expect("a code");
        let keys = DeviceKeys::new();
        let enrolled = self.enrol(&code, &keys).await.expect("enrolled");
        Device::new(enrolled, keys)
    }

    pub async fn enrol(&self, code: &Code, keys: &DeviceKeys) -> Result<Enrolled, EnrolError> {
        self.service.enrol(keys.request(code)).await
    }

    /// One exchange in the process: what was answered, in order.
    pub async fn exchange(&self, device: &Device, hello: Hello, segments: &[Vec<u8>]) -> Vec<Answer> {
        self.say(device, hello, segments.iter().cloned().map(Ask::Segment).collect()).await
    }

    /// One exchange in the process with anything between hello and end.
    pub async fn say(&self, device: &Device, hello: Hello, said: Vec<Ask>) -> Vec<Answer> {
        let row = self.service.device_with_key(device.keys.signing.verifying_key().to_bytes()).await.expect("readable");
        let row = row.expect("an enrolled device");
        let (ask, asks) = channel(4);
        let (answers, mut heard) = channel(4);
        let asking = async move {
            ask.send(Ask::Hello(hello)).await.expect("heard");
            for one in said {
                ask.send(one).await.expect("heard");
            }
            ask.send(Ask::End).await.expect("heard");
        };
        let serving = async {
            self.service.sync(&row, asks, &answers).await.expect("served");
            drop(answers);
        };
        let hearing = async {
            let mut all = Vec::new();
            while let Some(answer) = heard.recv().await {
                all.push(answer);
            }
            all
        };
        let (_, _, all) = tokio::join!(asking, serving, hearing);
        all
    }

    /// The folder as it stands, copied and opened: what this headquarters is again when its database is set back to now.
    pub fn as_it_stands(&self) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in
            ["keys/database", "keys/backup", "keys/signing", "keys/sealing", "keys/ca.der", "keys/ca.key", "keys/tls.der", "keys/tls.key"]
                .into_iter()
                .chain(["daftar.db", "daftar.db-wal", "projection.db", "projection.db-wal"])
        {
            let (from, to) = (self.folder.path().join(name), folder.path().join(name));
            if from.exists() {
                std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
                std::fs::copy(from, to).expect("copied");
            }
        }
        Self::open(folder, self.clock.clone())
    }

    /// Headquarters in a folder.
    pub fn open(folder: TempDir, clock: Arc<FixedClock>) -> Self {
        let hq = Arc::new(Headquarters::open(Folder::new(folder.path()), clock.clone()).expect("a headquarters"));
        Self { folder, hq: hq.clone(), service: Arc::new(Service::new(hq)), clock }
    }

    /// The whole of it on two ports of loopback, until the sender is told `true`.
    pub async fn serve(&self) -> (Server, Arc<Projector>) {
        let projector = Arc::new(Projector::open(&self.hq).expect("a projection"));
        let app = Arc::new(App::new(self.service.clone(), projector.clone()));
        let any = "127.0.0.1:0".parse().expect("an address");
        (Server::bind(app, any, Some(any)).await.expect("two free ports"), projector)
    }
}

pub struct DeviceKeys {
    pub signing: SigningKey,
    pub officer: SigningKey,
    /// What is sealed to the officer is opened with this.
    pub opening: OpeningKey,
    pub sealing: SealingKey,
}

impl DeviceKeys {
    pub fn new() -> Self {
        let (opening, sealing) = key_pair(&random());
        Self { signing: SigningKey::from_bytes(&random()), officer: SigningKey::from_bytes(&random()), opening, sealing }
    }

    /// The same device with another officer's keys.
    pub fn with_another_officer(&self) -> Self {
        Self { signing: self.signing.clone(), ..Self::new() }
    }

    pub fn request(&self, code: &Code) -> EnrolRequest {
        EnrolRequest {
            secret: code.secret,
            device_name: "tablet".into(),
            device_signing: self.signing.verifying_key().to_bytes(),
            device_sealing: [9; 32],
            officer_signing: self.officer.verifying_key().to_bytes(),
            officer_sealing: self.sealing,
        }
    }
}

pub struct Device {
    pub enrolled: Enrolled,
    pub keys: DeviceKeys,
    pub incarnation: Incarnation,
    /// Who signs as the author.
    pub author: OfficerId,
    /// The confirmed list.
    pub cursors: Vec<Cursor>,
    streams: HashMap<Compartment, (u64, Head)>,
}

impl Device {
    pub fn new(enrolled: Enrolled, keys: DeviceKeys) -> Self {
        let author = enrolled.officer;
        Self { enrolled, keys, incarnation: Incarnation(random()), author, cursors: Vec::new(), streams: HashMap::new() }
    }

    pub fn stream(&self, compartment: &str) -> StreamId {
        StreamId { compartment: c(compartment), device: self.enrolled.device, incarnation: self.incarnation }
    }

    /// What it says first: its officer, and the root of its list.
    pub fn hello(&self) -> Hello {
        Hello {
            root: root(&self.cursors),
            officers: vec![self.enrolled.officer],
            cursors: Vec::new(),
            budget: None,
            lineage: None,
            begun: Vec::new(),
        }
    }

    /// Applies an end's cursors.
    pub fn confirm(&mut self, end: &End) {
        for cursor in &end.cursors {
            self.cursors.retain(|have| have.compartment != cursor.compartment);
            self.cursors.push(cursor.clone());
        }
    }

    pub fn header(&self, record: RecordId, op: Op, parents: Vec<ChangeName>) -> Header {
        Header {
            device: self.enrolled.device,
            record,
            kind: Kind::Inspection,
            author: self.author,
            op,
            stamp: Stamp { ms: NOW_MS, count: 0 },
            clock: ClockReading::default(),
            parents,
        }
    }

    pub fn entry(&self, record: RecordId, op: Op, parents: Vec<ChangeName>, remarks: &str) -> Entry {
        let payload = Payload { set: [(Path::Field(13), Value::Text(remarks.into()))].into(), reason: None };
        Entry::write(&self.header(record, op, parents), &payload, [0; 32]).expect("a small change")
    }

    /// The next segment of this many new records.
    pub fn write(&mut self, compartment: &str, count: usize) -> Segment {
        let records: Vec<Entry> =
            (0..count).map(|i| self.entry(RecordId::new(NOW_MS, random()), Op::Create, Vec::new(), &format!("stop {i}"))).collect();
        self.segment(compartment, records)
    }

    /// The next segment, of these changes.
    pub fn segment(&mut self, compartment: &str, mut entries: Vec<Entry>) -> Segment {
        let stream = self.stream(compartment);
        let (n, head) = self.streams.get(&stream.compartment).copied().unwrap_or((0, stream.start()));
        let seed = random::<32>();
        for (i, entry) in entries.iter_mut().enumerate() {
            if let daftar_wire::change::Body::Whole { salt: s, .. } = &mut entry.body {
                *s = salt(&seed, i as u64);
            }
        }
        let first = n + 1;
        let mut segment = Segment { stream, first, entries, runs: vec![Run { first, seed }], heads: Vec::new(), attestations: Vec::new() };
        let checked = segment.chain(head);
        // Every place is signed, so that the segment may be cut anywhere.
        segment.heads = (first..)
            .zip(&checked.heads)
            .map(|(n, head)| SignedHead { n, sig: sign_head(&self.keys.signing, &segment.stream, n, head) })
            .collect();
        self.streams.insert(segment.stream.compartment.clone(), (segment.last(), checked.head()));
        segment
    }

    /// The changes of a segment once more, name by name, as the next of the stream that the device writes now.
    pub fn again(&mut self, compartment: &str, of: &Segment) -> Segment {
        let stream = self.stream(compartment);
        let (n, head) = self.head_or_start(compartment);
        let first = n + 1;
        let mut segment =
            Segment { stream, first, entries: of.entries.clone(), runs: Vec::new(), heads: Vec::new(), attestations: Vec::new() };
        let after = segment.chain(head).head();
        let n = segment.last();
        segment.heads = vec![SignedHead { n, sig: sign_head(&self.keys.signing, &segment.stream, n, &after) }];
        self.streams.insert(segment.stream.compartment.clone(), (n, after));
        segment
    }

    /// The chain's place at the stream's end.
    pub fn head(&self, compartment: &str) -> (u64, Head) {
        self.streams[&c(compartment)]
    }
}

impl Device {
    /// The stream's end, or its start.
    pub fn head_or_start(&self, compartment: &str) -> (u64, Head) {
        self.streams.get(&c(compartment)).copied().unwrap_or((0, self.stream(compartment).start()))
    }

    /// Begins a new incarnation, with nothing in it.
    pub fn begin_anew(&mut self) {
        self.incarnation = Incarnation(random());
        self.streams.clear();
    }

    /// Forgets what came after, as a restored backup does.
    pub fn rewind(&mut self, compartment: &str, to: (u64, Head)) {
        self.streams.insert(c(compartment), to);
    }
}

/// Compartment, from and number of each entry of a feed.
pub fn entries(answers: &[Answer]) -> Vec<(&str, u64, u64)> {
    answers
        .iter()
        .filter_map(|a| match a {
            Answer::Item(i) => Some((i.compartment.as_str(), i.from, i.n)),
            Answer::Verdict(v) => Some((v.compartment.as_str(), v.from, v.n)),
            Answer::Receipt(_)
            | Answer::Short(_)
            | Answer::Notice(_)
            | Answer::Loose(_)
            | Answer::LooseVerdict(_)
            | Answer::Rest(..)
            | Answer::Reopened(_)
            | Answer::File(_)
            | Answer::End(_) => None,
        })
        .collect()
}

/// The segments of a compartment that an answer brought, in order, by feed or loose.
pub fn segments(answers: &[Answer], compartment: &str) -> Vec<Segment> {
    answers
        .iter()
        .filter_map(|a| match a {
            Answer::Item(i) => Some(&i.segment),
            Answer::Loose(bytes) => Some(bytes),
            Answer::Receipt(_)
            | Answer::Short(_)
            | Answer::Verdict(_)
            | Answer::LooseVerdict(_)
            | Answer::Rest(..)
            | Answer::Notice(_)
            | Answer::Reopened(_)
            | Answer::File(_)
            | Answer::End(_) => None,
        })
        .map(|bytes| Segment::read(bytes).expect("a segment"))
        .filter(|s| s.stream.compartment.as_str() == compartment)
        .collect()
}

/// Some entries of a segment as one of their own.
pub fn cut(segment: &Segment, from: usize, to: usize) -> Segment {
    let first = segment.first + from as u64;
    let last = segment.first + to as u64 - 1;
    Segment {
        stream: segment.stream.clone(),
        first,
        entries: segment.entries[from..to].to_vec(),
        runs: segment.runs.clone(),
        heads: segment.heads.iter().filter(|h| (first..=last).contains(&h.n)).cloned().collect(),
        attestations: Vec::new(),
    }
}

pub fn receipts(answers: &[Answer]) -> Vec<&Receipt> {
    answers.iter().filter_map(|a| if let Answer::Receipt(r) = a { Some(r) } else { None }).collect()
}

pub fn notices(answers: &[Answer]) -> Vec<&Notice> {
    answers.iter().filter_map(|a| if let Answer::Notice(n) = a { Some(n) } else { None }).collect()
}

pub fn end(answers: &[Answer]) -> &End {
    match answers.last() {
        Some(Answer::End(end)) => end,
        other => panic!("the last word is {other:?}"),
    }
}

/// How far the last receipt says that a stream is held.
pub fn held(answers: &[Answer], stream: &StreamId) -> Option<(u64, Head)> {
    let all = receipts(answers).into_iter().flat_map(|r| &r.held);
    all.rev().find(|s| s.stream == *stream).map(|s| (s.up_to, s.head))
}
