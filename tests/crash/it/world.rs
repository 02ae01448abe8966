//! A headquarters made by hand, homes at several stages of life, and pages from another device. Made once in a process; never asserts.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, OnceLock};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload as Sealed};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use daftar_core::change::{Header, Op, Payload};
use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::{DeviceId, Epoch, Incarnation, OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_core::time::{ClockReading, Stamp};
use daftar_core::value::{ElementKey, Path, Value};
use daftar_device::clock::FixedClock;
use daftar_device::draft::Draft;
use daftar_device::keyring::Enrolling;
use daftar_device::vault::{Act, AppliedItem, AppliedWhat};
use daftar_device::{Device, Store};
use daftar_wire::change::{Entry, salt};
use daftar_wire::enrol::{Code, EnrolRequest, Enrolled};
use daftar_wire::message::{Access, Cursor, FeedVerdict, Receipt, Receipted, Ruling, Verdict};
use daftar_wire::seal;
use daftar_wire::segment::{Run, Segment, SignedHead};
use daftar_wire::sign::{SigningKey, sign_head};
use daftar_wire::stream::StreamId;
use rusqlite::{Connection, params};

pub const PIN: &str = "48151623";
pub const NEW_PIN: &str = "31415926";
pub const NOW_MS: u64 = 1_790_000_000_000;
pub const TEAM: &str = "team/imt-1";
pub const AGENCY: &str = "agency/moi/imt-1";
pub const OPERATION: &str = "operation/op-x";
const EPOCH: Epoch = Epoch([7; 16]);

pub fn c(name: &str) -> Compartment {
    name.parse().expect("a compartment")
}

pub fn id(n: u8) -> RecordId {
    RecordId::new(NOW_MS + u64::from(n), [n; 10])
}

pub fn handle(n: u8) -> String {
    format!("imt-1-moi-{n}")
}

fn text(t: &str) -> Value {
    Value::Text(t.into())
}

/// A new inspection with a plate and a person, large enough for several pages when there are many.
pub fn stop_in(compartment: &str, n: u8) -> Act {
    let set = BTreeMap::from([
        (Path::Field(2), text("imt-1")),
        (Path::Field(5), Value::Int(NOW_MS as i64 + i64::from(n))),
        (Path::Field(13), text(&"12 qop tushirildi, ramaning chap tomoni ochildi. ".repeat(4))),
        (Path::Field(41), text(&format!("01 A {n:03} BC"))),
        (Path::Element(29, ElementKey::Given(1), 2), text("driver")),
        (Path::Element(29, ElementKey::Given(1), 3), text("Yusupov")),
    ]);
    Act::create(c(compartment), Kind::Inspection, id(n), set)
}

pub fn stop(n: u8) -> Act {
    stop_in(TEAM, n)
}

/// Sets a stop's colour.
pub fn colour(n: u8, value: &str) -> Act {
    Act::on(c(TEAM), id(n), Op::Amend, BTreeMap::from([(Path::Field(45), text(value))]))
}

pub fn draft(n: u8, form: &str) -> Draft {
    let form = form.as_bytes().to_vec();
    Draft { record: id(n), kind: Kind::Inspection, compartment: Some(c(TEAM)), amends: false, form, kept_ms: NOW_MS }
}

/// Headquarters: its key and what it has written into the reference.
pub struct Hq {
    pub key: SigningKey,
    stream: StreamId,
    entries: Vec<Entry>,
}

impl Hq {
    fn new() -> Self {
        let stream = StreamId { compartment: Compartment::reference(), device: DeviceId([9; 16]), incarnation: Incarnation([9; 16]) };
        Self { key: SigningKey::from_bytes(&[9; 32]), stream, entries: Vec::new() }
    }

    /// What headquarters answers to officer `n` on device `device`.
    pub fn answer(&self, device: u8, n: u8, compartments: &[&str]) -> Enrolled {
        let mut all = vec![(Compartment::reference(), Access { read: true, write: false })];
        all.extend(compartments.iter().map(|name| (c(name), Access { read: true, write: true })));
        Enrolled {
            device: DeviceId(RecordId::new(NOW_MS, [device; 10]).0),
            certificate: vec![1],
            ca: vec![2],
            server: self.stream.device,
            server_signing: self.key.verifying_key().to_bytes(),
            server_sealing: seal::key_pair(&[8; 32]).1,
            epoch: EPOCH,
            officer: OfficerId(RecordId::new(NOW_MS, [n + 100; 10]).0),
            handle: handle(n),
            full_name: format!("Officer {n}"),
            agency: Agency::Moi,
            team: Some("imt-1".into()),
            role: "officer".into(),
            digit: u32::from(device),
            compartments: all,
        }
    }

    /// Says in the reference who uses a device.
    fn introduce(&mut self, request: &EnrolRequest, answer: &Enrolled) {
        let bytes = |b: &[u8]| Value::Bytes(b.to_vec());
        let set = BTreeMap::from([
            (Path::Field(22), bytes(&request.device_signing)),
            (Path::Element(26, ElementKey::Given(1), 2), bytes(&answer.officer.0)),
            (Path::Element(26, ElementKey::Given(1), 3), bytes(&request.officer_signing)),
        ]);
        let header = Header {
            device: self.stream.device,
            record: RecordId(answer.device.0),
            kind: Kind::Device,
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
    fn reference(&self) -> AppliedItem {
        let runs = vec![Run { first: 1, seed: [5; 32] }];
        let (stream, entries) = (self.stream.clone(), self.entries.clone());
        let mut segment = Segment { stream, first: 1, entries, runs, heads: Vec::new(), attestations: Vec::new() };
        let head = segment.chain(self.stream.start()).head();
        segment.heads.push(SignedHead { n: segment.last(), sig: sign_head(&self.key, &self.stream, segment.last(), &head) });
        item(1, &segment)
    }

    /// A receipt for all that a device has of a compartment.
    pub fn receipt(&self, store: &Store, compartment: &Compartment) -> daftar_device::Result<(Receipted, Vec<u8>)> {
        let unsent = store.unsent(compartment)?.remove(0);
        let segment = store.segment(&unsent.stream, 1, 256, 1 << 20)?;
        let head = segment.chain(unsent.stream.start()).head();
        let r = Receipted { stream: unsent.stream, up_to: segment.last(), head, backed_up: 0 };
        let bytes = Receipt::sign(&self.key, EPOCH, NOW_MS, vec![r.clone()]).write();
        Ok((r, bytes))
    }

    /// Verdicts on changes as entry `n` of the team's feed.
    pub fn rulings(&self, n: u64, rulings: Vec<Ruling>) -> AppliedItem {
        let team = c(TEAM);
        let sig = FeedVerdict::sign_rulings(&self.key, &team, &EPOCH, n, &rulings);
        let v = FeedVerdict { compartment: team, from: n, n, chain: [n as u8; 8], rulings, sig };
        AppliedItem { from: n, n, chain: v.chain, what: AppliedWhat::Rulings(v) }
    }
}

fn item(n: u64, segment: &Segment) -> AppliedItem {
    let what = AppliedWhat::Segment(segment.write().expect("a good segment"));
    AppliedItem { from: n, n, chain: [n as u8; 8], what }
}

/// Where the other device's feed ends.
pub fn end(to: u64) -> Cursor {
    let digest = daftar_core::ids::Digest([0; 32]);
    Cursor { compartment: c(TEAM), epoch: EPOCH, ranges: vec![(1, to)], chain: [to as u8; 8], digest }
}

/// Homes and pages, for all tests of a process.
pub struct World {
    _dir: tempfile::TempDir,
    pub hq: Hq,
    /// Headquarters' stream.
    pub reference: AppliedItem,
    /// What another device wrote, as items 1, 2, …; the last amends a stop of the first.
    pub pages: Vec<AppliedItem>,
    /// Sets one of those aside, and takes it up again.
    pub ruled: [AppliedItem; 2],
    empty: PathBuf,
    enrolled: PathBuf,
    worked: PathBuf,
}

/// How old a home is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// Nothing is there.
    Empty,
    /// An officer is enrolled and has not unlocked yet.
    Enrolled,
    /// There are records, drafts, and a reference.
    Worked,
}

impl World {
    pub fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| Self::make().expect("a world"))
    }

    pub fn home(&self, age: Age) -> &FilePath {
        match age {
            Age::Empty => &self.empty,
            Age::Enrolled => &self.enrolled,
            Age::Worked => &self.worked,
        }
    }

    fn make() -> daftar_device::Result<Self> {
        let dir = scratch();
        let at = |name: &str| dir.path().join(name);
        let _quick = daftar_crash::watch_quietly(dir.path());
        let (empty, enrolled, worked, other) = (at("empty"), at("enrolled"), at("worked"), at("other"));
        drop(open(&empty)?);
        let mut hq = Hq::new();
        enrol(&mut hq, &enrolled, 1, &[TEAM, AGENCY])?;
        enrol(&mut hq, &other, 2, &[TEAM])?;
        let reference = hq.reference();
        copy(&enrolled, &worked);
        let store = open(&worked)?.unlock(&handle(1), PIN)?;
        store.apply(&Compartment::reference(), std::slice::from_ref(&reference), None)?;
        for n in 1..=6 {
            store.save(&stop(n))?;
            store.save(&stop_in(AGENCY, n + 100))?;
        }
        store.own().keep_draft(&draft(90, "a form that was begun"))?;
        store.own().keep_draft(&draft(91, "another"))?;
        drop(store);
        let (pages, ruled) = other_pages(&hq, &other)?;
        Ok(Self { _dir: dir, hq, reference, pages, ruled, empty, enrolled, worked })
    }
}

fn other_pages(hq: &Hq, home: &FilePath) -> daftar_device::Result<(Vec<AppliedItem>, [AppliedItem; 2])> {
    let store = open(home)?.unlock(&handle(2), PIN)?;
    let mut pages = Vec::new();
    let mut name = None;
    for page in 0..4u8 {
        (0..12).try_for_each(|n| store.save(&stop(120 + 12 * page + n)).map(drop))?;
        if page == 3 {
            name = Some(store.save(&colour(120, "green"))?.name);
        }
        let unsent = store.unsent(&c(TEAM))?.remove(0);
        let from = 1 + 12 * u64::from(page);
        pages.push(item(pages.len() as u64 + 1, &store.segment(&unsent.stream, from, 100, 1 << 20)?));
    }
    let ruling = |verdict| vec![Ruling { change: name.expect("four pages"), verdict, reason: "no_grant".into() }];
    Ok((pages, [hq.rulings(5, ruling(Verdict::Review)), hq.rulings(6, ruling(Verdict::Accepted))]))
}

pub fn open(home: &FilePath) -> daftar_device::Result<Device> {
    Device::open_with(home, Box::new(Arc::new(FixedClock::at(NOW_MS))))
}

pub fn code(n: u8) -> Code {
    Code { address: "127.0.0.1:1".into(), ca_sha256: [0; 32], secret: [n; 16] }
}

/// Asks for officer `n`'s enrolment.
pub fn ask(device: &Device, n: u8, pin: &str) -> daftar_device::Result<(Enrolling, EnrolRequest)> {
    device.enrol_request(&code(n), "tablet", pin)
}

fn enrol(hq: &mut Hq, home: &FilePath, n: u8, compartments: &[&str]) -> daftar_device::Result<()> {
    let device = open(home)?;
    let (enrolling, request) = ask(&device, n, PIN)?;
    let answer = hq.answer(n, n, compartments);
    device.enrolled(&enrolling, &answer, &code(n), PIN, None)?;
    hq.introduce(&request, &answer);
    drop(device);
    cheapen(home, PIN);
    Ok(())
}

/// Seals an officer's keys anew at a cost that a thousand openings can bear; the cost stands in his row, so the code is the same.
fn cheapen(home: &FilePath, pin: &str) {
    const PURPOSE: &[u8] = b"daftar officer keys 1";
    let cipher = |salt: &[u8], memory_kib, passes| {
        let mut key = [0; 32];
        let params = Params::new(memory_kib, passes, 1, Some(32)).expect("a cost");
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(pin.as_bytes(), salt, &mut key).expect("a key");
        XChaCha20Poly1305::new(&Key::from(key))
    };
    let conn = Connection::open(home.join("keyring.db")).expect("a keyring");
    let (salt, memory, passes, nonce, sealed): ([u8; 16], u32, u32, [u8; 24], Vec<u8>) = conn
        .query_row("SELECT salt, memory_kib, passes, nonce, sealed FROM officer", [], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?))
        })
        .expect("one officer");
    let plain = cipher(&salt, memory, passes).decrypt(&XNonce::from(nonce), Sealed { msg: &sealed, aad: PURPOSE }).expect("the PIN");
    let again = cipher(&salt, 8, 1).encrypt(&XNonce::from(nonce), Sealed { msg: &plain, aad: PURPOSE }).expect("sealed");
    conn.execute("UPDATE officer SET memory_kib = 8, passes = 1, sealed = ?1", params![again]).expect("kept");
}

/// A folder in memory, where the system has one: a thousand homes are laid out here, and none has to last.
pub fn scratch() -> tempfile::TempDir {
    let memory = FilePath::new("/dev/shm");
    if memory.is_dir()
        && let Ok(dir) = tempfile::tempdir_in(memory)
    {
        return dir;
    }
    tempfile::tempdir().expect("a folder")
}

/// Copies a home that nobody has open.
pub fn copy(from: &FilePath, to: &FilePath) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copied");
        }
    }
}
