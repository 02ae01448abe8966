//! A small headquarters for tests: it enrols devices, says who they are in the reference, and hands segments from one to the other.

use std::collections::{BTreeMap, HashMap};
use std::path::Path as FilePath;
use std::sync::Arc;

use daftar_core::change::{Header, Op, Payload};
use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::{DeviceId, Epoch, Incarnation, OfficerId, RecordId};
use daftar_core::record::{Kind, fields};
use daftar_core::time::{ClockReading, Stamp};
use daftar_core::value::{ElementKey, Path, Value};
use daftar_wire::change::{Entry, salt};
use daftar_wire::enrol::{Code, Enrolled};
use daftar_wire::message::{Access, Receipt, Receipted};
use daftar_wire::seal;
use daftar_wire::segment::{Run, Segment, SignedHead};
use daftar_wire::sign::{SigningKey, VerifyingKey, sign_head, verifying_key};
use daftar_wire::stream::StreamId;

use crate::clock::FixedClock;
use crate::vault::{Act, AppliedItem, AppliedWhat};
use crate::{Device, Store};

pub const PIN: &str = "48151623";
pub const NOW_MS: u64 = 1_790_000_000_000;

pub struct Hq {
    pub key: SigningKey,
    /// Officers' keys to seal to.
    pub sealing: HashMap<OfficerId, seal::SealingKey>,
    /// Every device's key, and headquarters' own.
    pub keys: HashMap<DeviceId, VerifyingKey>,
    stream: StreamId,
    entries: Vec<Entry>,
}

pub fn c(name: &str) -> Compartment {
    name.parse().expect("a compartment")
}

/// An open device with its officer unlocked.
pub struct Tablet {
    pub dir: tempfile::TempDir,
    pub clock: Arc<FixedClock>,
    pub store: Arc<Store>,
    pub handle: String,
}

/// A device that is switched off.
pub struct Closed {
    pub dir: tempfile::TempDir,
    clock: Arc<FixedClock>,
    handle: String,
}

impl Tablet {
    /// Locks it and switches it off.
    pub fn close(self) -> Closed {
        drop(Arc::into_inner(self.store).expect("nobody else has the store"));
        Closed { dir: self.dir, clock: self.clock, handle: self.handle }
    }

    /// Switches it off and on again.
    pub fn again(self) -> Self {
        self.close().open()
    }
}

impl Closed {
    /// The same home in another folder: a clone, or a backup.
    pub fn copy(&self) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (name, bytes) in files(self.dir.path()) {
            let to = dir.path().join(FilePath::new(&name).strip_prefix(self.dir.path()).expect("below the home"));
            std::fs::create_dir_all(to.parent().expect("a file is in a folder")).expect("a folder");
            std::fs::write(to, bytes).expect("a file");
        }
        Self { dir, clock: Arc::new(FixedClock::at(NOW_MS)), handle: self.handle.clone() }
    }

    /// Switches it on and unlocks its officer.
    pub fn open(self) -> Tablet {
        let device = Device::open_with(self.dir.path(), Box::new(self.clock.clone())).expect("the home is free");
        let store = Arc::new(device.unlock(&self.handle, PIN).expect("the PIN is right"));
        Tablet { dir: self.dir, clock: self.clock, store, handle: self.handle }
    }
}

impl Hq {
    pub fn new() -> Self {
        let stream = StreamId { compartment: Compartment::reference(), device: DeviceId([9; 16]), incarnation: Incarnation([9; 16]) };
        let key = SigningKey::from_bytes(&[9; 32]);
        let keys = HashMap::from([(stream.device, key.verifying_key())]);
        Self { key, keys, stream, sealing: HashMap::new(), entries: Vec::new() }
    }

    /// Enrols a new device with one officer, who may use these compartments.
    pub fn tablet(&mut self, n: u8, compartments: &[&str]) -> Tablet {
        let (dir, clock, device) = self.device();
        let handle = self.enrol(&device, n, compartments);
        let store = Arc::new(device.unlock(&handle, PIN).expect("the PIN is right"));
        Tablet { dir, clock, store, handle }
    }

    /// A new device on which nobody is enrolled yet.
    pub fn device(&self) -> (tempfile::TempDir, Arc<FixedClock>, Device) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let clock = Arc::new(FixedClock::at(NOW_MS));
        let device = Device::open_with(dir.path(), Box::new(clock.clone())).expect("a new home");
        (dir, clock, device)
    }

    /// Enrols officer `n` on a device.
    pub fn enrol(&mut self, device: &Device, n: u8, compartments: &[&str]) -> String {
        self.enrol_as(device, n, (Agency::Moi, "officer"), compartments)
    }

    /// The same with an agency and a role.
    pub fn enrol_as(&mut self, device: &Device, n: u8, (agency, role): (Agency, &str), compartments: &[&str]) -> String {
        let code = Code { address: "127.0.0.1:1".into(), ca_sha256: [0; 32], secret: [n; 16] };
        let (enrolling, request) = device.enrol_request(&code, "tablet", PIN).expect("keys are drawn");
        let known = device.keyring().device().ok().map(|d| d.device);
        let id = known.unwrap_or(DeviceId(RecordId::new(NOW_MS, [n; 10]).0));
        let mut all = vec![(Compartment::reference(), Access { read: true, write: false })];
        all.extend(compartments.iter().map(|name| (c(name), Access { read: true, write: true })));
        let answer = Enrolled {
            device: id,
            certificate: vec![1],
            ca: vec![2],
            server: self.stream.device,
            server_signing: self.key.verifying_key().to_bytes(),
            server_sealing: seal::key_pair(&[8; 32]).1,
            epoch: Epoch([7; 16]),
            officer: officer_id(n),
            handle: format!("imt-1-{}-{n}", agency.code()),
            full_name: format!("Officer {n}"),
            agency,
            team: Some("imt-1".into()),
            role: role.into(),
            digit: u32::from(n),
            compartments: all,
        };
        device.enrolled(&enrolling, &answer, &code, PIN, None).expect("a good answer");
        self.sealing.insert(answer.officer, request.officer_sealing);
        let bytes = |b: &[u8]| Value::Bytes(b.to_vec());
        let set = BTreeMap::from([
            (Path::Field(22), bytes(&request.device_signing)),
            (Path::Element(26, ElementKey::Given(n.into()), 2), bytes(&answer.officer.0)),
            (Path::Element(26, ElementKey::Given(n.into()), 3), bytes(&request.officer_signing)),
            (Path::Element(26, ElementKey::Given(n.into()), 4), bytes(&request.officer_sealing)),
        ]);
        self.say(Kind::Device, RecordId(id.0), set);
        self.keys.insert(id, verifying_key(&request.device_signing).expect("a key"));
        answer.handle
    }

    /// The reference knows officer `n`.
    pub fn know(&mut self, n: u8, active: bool) {
        let mut set = BTreeMap::from([(Path::Field(1), Value::Text(format!("imt-1-{n}")))]);
        if !active {
            set.insert(Path::Field(24), Value::Bool(false));
        }
        self.say(Kind::Officer, RecordId(officer_id(n).0), set);
    }

    /// Headquarters writes a record into the reference.
    pub fn say(&mut self, kind: Kind, record: RecordId, set: BTreeMap<Path, Value>) {
        let header = Header {
            device: self.stream.device,
            record,
            kind,
            author: OfficerId([0; 16]),
            op: Op::Create,
            stamp: Stamp { ms: NOW_MS, count: 0 },
            clock: ClockReading::default(),
            parents: Vec::new(),
        };
        let salt = salt(&[5; 32], self.entries.len() as u64);
        self.entries.push(Entry::write(&header, &Payload { set, reason: None }, salt).expect("a small change"));
    }

    /// All of headquarters' stream as one item.
    pub fn reference(&self) -> AppliedItem {
        let mut segment = Segment {
            stream: self.stream.clone(),
            first: 1,
            entries: self.entries.clone(),
            runs: vec![Run { first: 1, seed: [5; 32] }],
            heads: Vec::new(),
            attestations: Vec::new(),
        };
        let head = segment.chain(self.stream.start()).head();
        let sig = sign_head(&self.key, &self.stream, segment.last(), &head);
        segment.heads.push(SignedHead { n: segment.last(), sig });
        item(1, &segment)
    }

    /// Headquarters' grant to an officer, as an item of the compartment that it opens.
    pub fn grant_item(&self, compartment: &Compartment, officer: OfficerId, until_ms: Option<u64>) -> AppliedItem {
        self.grant_said(compartment, officer, until_ms, true)
    }

    /// The same, or that it is taken back.
    pub fn grant_said(&self, compartment: &Compartment, officer: OfficerId, until_ms: Option<u64>, active: bool) -> AppliedItem {
        self.grant_items(compartment, &[Granting { officer, read: true, until_ms, active }])
    }

    /// Headquarters' grants in a compartment, as one item of it.
    pub fn grant_items(&self, compartment: &Compartment, grants: &[Granting]) -> AppliedItem {
        let stream = StreamId { compartment: compartment.clone(), ..self.stream.clone() };
        item(1, &granting(&self.key, stream, grants))
    }

    /// A receipt for all that a device has of a compartment.
    pub fn receipt(&self, store: &Store, compartment: &Compartment) -> (Receipted, Vec<u8>) {
        let unsent = store.unsent(compartment).expect("an open compartment").remove(0);
        let segment = store.segment(&unsent.stream, 1, 256, 1 << 20).expect("changes");
        let head = segment.chain(unsent.stream.start()).head();
        let r = Receipted { stream: unsent.stream, up_to: segment.last(), head, backed_up: 0 };
        let receipt = Receipt::sign(&self.key, Epoch([7; 16]), NOW_MS, vec![r.clone()]);
        (r, receipt.write())
    }
}

/// What a grant record says.
#[derive(Clone, Copy)]
pub struct Granting {
    pub officer: OfficerId,
    pub read: bool,
    pub until_ms: Option<u64>,
    pub active: bool,
}

/// A stream of nothing but grants, signed by whoever has the key.
pub fn granting(key: &SigningKey, stream: StreamId, grants: &[Granting]) -> Segment {
    let field = |name: &str| Path::Field(fields(Kind::Grant).iter().find(|f| f.name == name).expect("a grant has it").number);
    let entry = |(n, g): (usize, &Granting)| {
        let mut set = BTreeMap::from([
            (field("officer"), Value::Bytes(g.officer.0.to_vec())),
            (field("read"), Value::Bool(g.read)),
            (field("write"), Value::Bool(true)),
            (field("active"), Value::Bool(g.active)),
        ]);
        set.extend(g.until_ms.map(|t| (field("until"), Value::Int(t as i64))));
        let header = Header {
            device: stream.device,
            record: RecordId::new(NOW_MS, [77 + n as u8; 10]),
            kind: Kind::Grant,
            author: OfficerId([0; 16]),
            op: Op::Create,
            stamp: Stamp { ms: NOW_MS, count: n as u32 },
            clock: ClockReading::default(),
            parents: Vec::new(),
        };
        Entry::write(&header, &Payload { set, reason: None }, salt(&[6; 32], n as u64)).expect("a small change")
    };
    let entries = grants.iter().enumerate().map(entry).collect();
    let runs = vec![Run { first: 1, seed: [6; 32] }];
    let mut segment = Segment { stream, first: 1, entries, runs, heads: Vec::new(), attestations: Vec::new() };
    let head = segment.chain(segment.stream.start()).head();
    let (n, sig) = (segment.last(), sign_head(key, &segment.stream, segment.last(), &head));
    segment.heads.push(SignedHead { n, sig });
    segment
}

/// The identity of officer `n`.
pub fn officer_id(n: u8) -> OfficerId {
    OfficerId(RecordId::new(NOW_MS, [n + 100; 10]).0)
}

pub fn item(n: u64, segment: &Segment) -> AppliedItem {
    AppliedItem { from: n, n, chain: [0; 8], what: AppliedWhat::Segment(segment.write().expect("a good segment")) }
}

/// All that a device has of its own in a compartment, as items.
pub fn items(store: &Store, compartment: &Compartment) -> Vec<AppliedItem> {
    let mut out = Vec::new();
    for u in store.unsent(compartment).expect("an open compartment") {
        let mut from = u.from;
        while from <= u.last {
            let segment = store.segment(&u.stream, from, 100, 1 << 20).expect("changes");
            from = segment.last() + 1;
            out.push(item(out.len() as u64 + 1, &segment));
        }
    }
    out
}

pub fn id(n: u8) -> RecordId {
    RecordId::new(NOW_MS + u64::from(n), [n; 10])
}

/// A new inspection with a plate and a person.
pub fn stop(n: u8, plate: &str, family_name: &str) -> Act {
    stop_in("team/imt-1", n, plate, family_name)
}

/// The same in a compartment.
pub fn stop_in(compartment: &str, n: u8, plate: &str, family_name: &str) -> Act {
    let text = |t: &str| Value::Text(t.into());
    let set = BTreeMap::from([
        (Path::Field(2), text("imt-1")),
        (Path::Field(5), Value::Int(NOW_MS as i64 + i64::from(n))),
        (Path::Field(41), text(plate)),
        (Path::Element(29, ElementKey::Given(1), 2), text("driver")),
        (Path::Element(29, ElementKey::Given(1), 3), text(family_name)),
    ]);
    Act::create(c(compartment), Kind::Inspection, id(n), set)
}

/// Sets one field of a stop.
pub fn set(n: u8, path: Path, value: Value) -> Act {
    Act::on(c("team/imt-1"), id(n), Op::Amend, BTreeMap::from([(path, value)]))
}

/// Opens a home again at the time of these tests: the machine's own is beyond every lease.
pub fn open(dir: &FilePath) -> crate::Result<Device> {
    Device::open_with(dir, Box::new(FixedClock::at(NOW_MS)))
}

/// True if these bytes stand in a file of the home.
pub fn stands(dir: &FilePath, bytes: &[u8]) -> bool {
    files(dir).iter().any(|(_, all)| all.windows(bytes.len()).any(|w| w == bytes))
}

/// Every file of a home, as bytes.
pub fn files(dir: &FilePath) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the folder can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            out.extend(files(&path));
        } else {
            out.push((path.display().to_string(), std::fs::read(&path).expect("the file can be read")));
        }
    }
    out
}
