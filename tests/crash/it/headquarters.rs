//! The power fails at headquarters: what was receipted is held, an act of the administrator is whole or not there, the projection follows.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use daftar_core::authorize::Role;
use daftar_core::change::{Header, Op, Payload};
use daftar_core::compartment::Agency;
use daftar_core::ids::{Incarnation, RecordId};
use daftar_core::record::Kind;
use daftar_core::time::{ClockReading, Stamp};
use daftar_core::value::{Path, Value};
use daftar_crash::{Medium, watch, watch_quietly};
use daftar_sync_server::admin::{self, NewOfficer};
use daftar_sync_server::clock::FixedClock;
use daftar_sync_server::hq::Headquarters;
use daftar_sync_server::keys::Folder;
use daftar_sync_server::project::{self, Projector};
use daftar_sync_server::service::Service;
use daftar_sync_server::store::people;
use daftar_sync_server::verify::verify;
use daftar_wire::change::{Entry, salt};
use daftar_wire::enrol::{Code, EnrolRequest, Enrolled};
use daftar_wire::message::{Answer, Ask, Hello, Notice};
use daftar_wire::segment::{Run, Segment, SignedHead};
use daftar_wire::sign::{SigningKey, sign_head};
use daftar_wire::stream::StreamId;
use tokio::sync::mpsc::channel;

use crate::cuts::{Files, Played, is_kept, lay_out};
use crate::world::{NOW_MS, c, copy, scratch};

const TEAM: &str = "team/imt-1";
const AGENCY: &str = "agency/moi/imt-1";

/// A headquarters at work.
pub(super) struct Desk {
    pub(super) hq: Arc<Headquarters>,
    service: Arc<Service>,
    projector: Option<Projector>,
}

/// A device that has only its keys and the segments that it will send.
struct Sender {
    enrolled: Enrolled,
    key: SigningKey,
    /// By compartment, in their order.
    segments: BTreeMap<&'static str, Vec<Vec<u8>>>,
}

pub(super) struct World {
    _dir: tempfile::TempDir,
    pub(super) home: PathBuf,
    senders: Vec<Sender>,
    /// A code that nobody has used yet.
    code: Code,
}

pub(super) type Step = fn(&World, &mut Desk) -> Result<(), String>;

fn said(e: impl std::fmt::Display) -> String {
    e.to_string()
}

fn run<T>(f: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(f)
}

pub(super) fn open(home: &FilePath) -> Result<Desk, String> {
    let hq = Arc::new(Headquarters::open(Folder::new(home), Arc::new(FixedClock::at(NOW_MS))).map_err(said)?);
    Ok(Desk { service: Arc::new(Service::new(hq.clone())), hq, projector: None })
}

pub(super) fn officer(handle: &str, team: &str) -> NewOfficer {
    let (agency, role, team) = (Agency::Moi, Role::Officer, Some(team.to_owned()));
    NewOfficer { handle: handle.into(), full_name: None, agency, team, role, password: None }
}

fn request(code: &Code, n: u8) -> EnrolRequest {
    let key = |k: u8| SigningKey::from_bytes(&[k; 32]).verifying_key().to_bytes();
    EnrolRequest {
        secret: code.secret,
        device_name: "tablet".into(),
        device_signing: key(n),
        device_sealing: [9; 32],
        officer_signing: key(n + 100),
        officer_sealing: [8; 32],
    }
}

impl World {
    pub(super) fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| Self::make().expect("a headquarters"))
    }

    fn make() -> Result<Self, String> {
        let dir = scratch();
        let home = dir.path().join("hq");
        let _quick = watch_quietly(dir.path());
        let clock = Arc::new(FixedClock::at(NOW_MS));
        drop(admin::found(&Folder::new(&home), "127.0.0.1:8443", true, clock).map_err(said)?);
        let desk = open(&home)?;
        let mut senders = Vec::new();
        for n in [1, 2] {
            let handle = format!("officer-{n}");
            desk.hq.add_officer(&officer(&handle, "imt-1")).map_err(said)?;
            let code = desk.hq.make_code(&handle, false, 24).map_err(said)?;
            let enrolled = run(desk.service.enrol(request(&code, n))).map_err(said)?;
            senders.push(Sender::new(enrolled, n));
        }
        desk.hq.add_officer(&officer("officer-3", "imt-1")).map_err(said)?;
        let code = desk.hq.make_code("officer-3", false, 24).map_err(said)?;
        drop(desk);
        Ok(Self { _dir: dir, home, senders, code })
    }
}

impl Sender {
    fn new(enrolled: Enrolled, n: u8) -> Self {
        let key = SigningKey::from_bytes(&[n; 32]);
        let segments = [TEAM, AGENCY].map(|name| (name, segments(&enrolled, &key, name, n)));
        Self { enrolled, key, segments: segments.into() }
    }
}

fn segments(enrolled: &Enrolled, key: &SigningKey, name: &str, n: u8) -> Vec<Vec<u8>> {
    let stream = StreamId { compartment: c(name), device: enrolled.device, incarnation: Incarnation([n; 16]) };
    let mut head = stream.start();
    let mut out = Vec::new();
    for part in 0..3_u64 {
        let first = part * 5 + 1;
        let seed = [n + 50; 32];
        let entries: Vec<Entry> = (0..5)
            .map(|i| {
                let record = RecordId::new(NOW_MS + first + i, [n; 10]);
                let header = Header {
                    device: enrolled.device,
                    record,
                    kind: Kind::Inspection,
                    author: enrolled.officer,
                    op: Op::Create,
                    stamp: Stamp { ms: NOW_MS, count: 0 },
                    clock: ClockReading::default(),
                    parents: Vec::new(),
                };
                let set = [(Path::Field(13), Value::Text(format!("{name} {n} stop {i} of {part}")))].into();
                Entry::write(&header, &Payload { set, reason: None }, salt(&seed, i)).expect("a small change")
            })
            .collect();
        let runs = vec![Run { first, seed }];
        let mut segment = Segment { stream: stream.clone(), first, entries, runs, heads: Vec::new(), attestations: Vec::new() };
        head = segment.chain(head).head();
        segment.heads.push(SignedHead { n: segment.last(), sig: sign_head(key, &stream, segment.last(), &head) });
        out.push(segment.write().expect("a good segment"));
    }
    out
}

/// Sends segments; well only if every stream was receipted to its end.
fn send(w: &World, desk: &Desk, n: usize, what: &[(&str, usize)]) -> Result<(), String> {
    let sender = &w.senders[n];
    let segments: Vec<Vec<u8>> = what.iter().map(|(name, i)| sender.segments[name][*i].clone()).collect();
    let hello = Hello {
        root: [0; 16],
        officers: vec![sender.enrolled.officer],
        cursors: Vec::new(),
        budget: None,
        lineage: None,
        begun: Vec::new(),
    };
    let answers = run(async {
        let row = desk.service.device_with_key(sender.key.verifying_key().to_bytes()).await.map_err(said)?.ok_or("not enrolled")?;
        let (ask, asks) = channel(64);
        let (answers, mut heard) = channel(4096);
        for one in std::iter::once(Ask::Hello(hello)).chain(segments.iter().cloned().map(Ask::Segment)).chain([Ask::End]) {
            ask.send(one).await.map_err(said)?;
        }
        drop(ask);
        desk.service.sync(&row, asks, &answers).await.map_err(said)?;
        drop(answers);
        let mut all = Vec::new();
        while let Some(answer) = heard.recv().await {
            all.push(answer);
        }
        Ok::<_, String>(all)
    })?;
    let mut receipts = answers.iter().filter_map(|a| if let Answer::Receipt(r) = a { Some(r) } else { None }).flat_map(|r| &r.held);
    let is_held = |bytes: &Vec<u8>| {
        let segment = Segment::read(bytes).expect("our own");
        receipts.clone().any(|r| r.stream == segment.stream && r.up_to >= segment.last())
    };
    let all = segments.iter().all(is_held);
    if all && receipts.next().is_some() {
        return Ok(());
    }
    let refused = |a: &Answer| if let Answer::Notice(Notice::Refused { reason, .. }) = a { Some(reason.clone()) } else { None };
    let reasons: Vec<String> = answers.iter().filter_map(refused).collect();
    Err(format!("no receipt: {}", reasons.join(", ")))
}

fn project(desk: &mut Desk) -> Result<(), String> {
    let projector = match desk.projector.take() {
        Some(projector) => projector,
        None => Projector::open(&desk.hq).map_err(said)?,
    };
    let done = projector.catch_up(Instant::now() + Duration::from_secs(60)).map_err(said)?;
    desk.projector = Some(projector);
    if done { Ok(()) } else { Err("it lags".into()) }
}

/// What is held, by compartment, and who is known.
pub(super) fn picture(hq: &Headquarters) -> Result<BTreeMap<String, String>, String> {
    let report = project::report(hq).map_err(said)?;
    let mut all: BTreeMap<String, String> =
        report.compartments.into_iter().map(|held| (held.name.to_string(), format!("{} {:?}", held.changes, held.digest))).collect();
    let people = hq.store.read(|tx| Ok(format!("{:?} {:?}", people::officers(tx)?, people::devices(tx)?))).map_err(said)?;
    all.insert("people".into(), people);
    Ok(all)
}

pub(super) type Picture = BTreeMap<String, String>;

pub(super) fn workloads() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        ("a segment is taken", vec![|w, d| send(w, d, 0, &[(TEAM, 0)])]),
        (
            "segments of one stream are taken",
            vec![|w, d| send(w, d, 0, &[(TEAM, 0)]), |w, d| send(w, d, 0, &[(TEAM, 1)]), |w, d| send(w, d, 0, &[(TEAM, 2)])],
        ),
        ("segments of two compartments are taken", vec![|w, d| send(w, d, 0, &[(TEAM, 0), (AGENCY, 0)])]),
        ("a segment comes twice", vec![|w, d| send(w, d, 0, &[(TEAM, 0)]), |w, d| send(w, d, 0, &[(TEAM, 0)])]),
        (
            "two devices send in turn",
            vec![|w, d| send(w, d, 0, &[(TEAM, 0)]), |w, d| send(w, d, 1, &[(TEAM, 0)]), |w, d| send(w, d, 0, &[(TEAM, 1)])],
        ),
        ("an officer is added", vec![|_, d| d.hq.add_officer(&officer("officer-4", "imt-1")).map(drop).map_err(said)]),
        ("an officer of a new team is added", vec![|_, d| d.hq.add_officer(&officer("officer-5", "imt-9")).map(drop).map_err(said)]),
        ("all compartments are granted with a code", vec![|_, d| d.hq.make_code("officer-1", true, 24).map(drop).map_err(said)]),
        ("a device is enrolled", vec![|w, d| run(d.service.enrol(request(&w.code, 3))).map(drop).map_err(said)]),
        (
            "an enrolment is asked for twice",
            vec![|w, d| run(d.service.enrol(request(&w.code, 3))).map(drop).map_err(said), |w, d| {
                run(d.service.enrol(request(&w.code, 3))).map(drop).map_err(said)
            }],
        ),
        (
            "the projection follows",
            vec![|w, d| send(w, d, 0, &[(TEAM, 0)]), |_, d| project(d), |w, d| send(w, d, 1, &[(AGENCY, 0)]), |_, d| project(d)],
        ),
        ("contacts are written down", vec![|w, d| send(w, d, 0, &[(TEAM, 0)]), |_, d| d.service.keep_contacts().map_err(said)]),
    ]
}

fn play(name: &str, steps: &[Step]) -> Played<Picture> {
    let dir = scratch();
    let home = dir.path().join("hq");
    copy(&World::get().home, &home);
    let disk = watch(&home);
    let before = Medium::of(&home, &is_kept);
    let mut desk = open(&home).expect("a good home");
    let first = disk.len();
    let mut marks = vec![(first, picture(&desk.hq).expect("readable"))];
    for (i, step) in steps.iter().enumerate() {
        step(World::get(), &mut desk).unwrap_or_else(|e| panic!("{name}: step {i}: {e}"));
        marks.push((disk.len(), picture(&desk.hq).expect("readable")));
    }
    drop(desk);
    Played { before, ops: disk.ops(), first, marks }
}

pub(super) fn judge(what: &str, files: &Files, now: &Picture, next: &Picture) {
    let dir = scratch();
    let home = dir.path().join("hq");
    lay_out(files, &home);
    let _quick = watch_quietly(&home);
    let mut desk = open(&home).unwrap_or_else(|e| panic!("{what}: {e}"));
    let got = picture(&desk.hq).unwrap_or_else(|e| panic!("{what}: it cannot be read: {e}"));
    for part in now.keys().chain(got.keys()) {
        let found = got.get(part);
        assert!(found == now.get(part) || found == next.get(part), "{what}: {part} is neither as before nor as after: {found:?}");
    }
    desk.hq.add_officer(&officer("officer-99", "imt-1")).unwrap_or_else(|e| panic!("{what}: the next act: {e}"));
    project(&mut desk).unwrap_or_else(|e| panic!("{what}: the projection: {e}"));
    assert_eq!(project::report(&desk.hq).expect("readable").lag, 0, "{what}");
    assert_eq!(verify(&desk.hq).expect("readable").bad, [""; 0], "{what}");
    let pages: String = desk.hq.store.read(|tx| Ok(tx.query_row("PRAGMA integrity_check", [], |r| r.get(0))?)).expect("checked");
    assert_eq!(pages, "ok", "{what}");
}

#[test]
fn what_headquarters_receipted_survives_power_loss_at_every_write_and_sync() {
    let mut states = 0;
    for (name, steps) in workloads() {
        let judged = play(name, &steps).each_state(name, 8, judge);
        println!("{judged:>5} states  {name}");
        states += judged;
    }
    assert!(states >= 100, "only {states} states were judged");
}
