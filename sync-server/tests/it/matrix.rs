//! Every way out of the server, asked by every sort of officer for every sort of compartment: never a byte without a grant. What is
//! expected is written here a second time, from the rules and not from the code. A new way out is a new row of `Way`.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use daftar_core::authorize::{Grant, Role};
use daftar_core::change::Op;
use daftar_core::compartment::Agency;
use daftar_core::ids::{Digest, OfficerId, RecordId};
use daftar_sync_server::store::meta;
use daftar_wire::message::{Answer, Ask, Cursor, Heads, Hello, Notice, Reopen};
use daftar_wire::seal;
use daftar_wire::segment::Segment;
use hyper::StatusCode;

use crate::console::{Browser, Desk};
use crate::support::{Device, NOW_MS, c, random};

/// One of each sort, and neighbours that must stay apart.
const TARGETS: [&str; 11] = [
    "team/imt-1",
    "team/imt-2",
    "agency/moi/imt-1",
    "agency/sss/imt-1",
    "agency/moi/imt-2",
    "operation/op-qorachiroq",
    "operation/op-shamol",
    "watchlist/plates",
    "hits/plates",
    "audit/moi",
    "audit/scc",
];
const REFERENCE: &str = "reference";

/// An officer of the matrix.
#[derive(Clone)]
struct Who {
    handle: String,
    agency: Agency,
    team: Option<&'static str>,
    role: Role,
}

impl Who {
    /// What the rules of the design give him by his role, in words of their own.
    fn reads(&self, target: &str) -> bool {
        let parts: Vec<&str> = target.split('/').collect();
        let in_field = matches!(self.role, Role::Officer | Role::Leader);
        let at_desk = matches!(self.role, Role::Oct | Role::Analyst);
        match parts[..] {
            ["reference"] => true,
            ["team", team] => at_desk || in_field && self.team == Some(team),
            ["agency", agency, team] => agency == self.agency.code() && (self.role == Role::Analyst || in_field && self.team == Some(team)),
            // The sample's operations: one of the first two teams, one of others.
            ["operation", "op-qorachiroq"] => at_desk || in_field,
            ["operation", _] => at_desk,
            _ => false,
        }
    }
}

/// A way out of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    SyncFromNothing,
    SyncWithCursors,
    SyncHeads,
    SyncReopen,
    Session,
    List,
    NamedList,
    Search,
    Record,
    Overview,
    Review,
    NamedReview,
    Grants,
    Devices,
}

impl Way {
    const SYNC: [Self; 4] = [Self::SyncFromNothing, Self::SyncWithCursors, Self::SyncHeads, Self::SyncReopen];
    const CONSOLE: [Self; 10] = [
        Self::Session,
        Self::List,
        Self::NamedList,
        Self::Search,
        Self::Record,
        Self::Overview,
        Self::Review,
        Self::NamedReview,
        Self::Grants,
        Self::Devices,
    ];

    /// Ways that show everything that is open, and not only what is asked for.
    fn shows_all(self) -> bool {
        matches!(
            self,
            Self::SyncFromNothing
                | Self::Session
                | Self::List
                | Self::NamedList
                | Self::Search
                | Self::Record
                | Self::Overview
                | Self::Grants
        )
    }
}

struct Matrix {
    desk: Desk,
    /// A record in each target.
    records: Vec<(&'static str, RecordId)>,
    people: Vec<Who>,
}

impl Matrix {
    async fn new() -> Self {
        let desk = Desk::new();
        let hq = desk.world.hq.clone();
        let epoch = hq.life().expect("a life").epoch;
        hq.store
            .write(|tx| TARGETS.iter().try_for_each(|t| meta::add_compartment(tx, &c(t), &epoch).map(|_| ())))
            .expect("compartments of every sort");
        desk.world.officer("writer", Agency::Moi, "imt-6", Role::Officer);
        let mut writer = desk.world.enrolled("writer", true).await;
        let (mut records, mut segments) = (Vec::new(), Vec::new());
        for target in TARGETS {
            let id = RecordId::new(NOW_MS, random());
            let counts = writer.entry(id, Op::Create, Vec::new(), &format!("canary {}", target.replace('/', " ")));
            writer.author = OfficerId([5; 16]);
            let review = writer.entry(RecordId::new(NOW_MS, random()), Op::Create, Vec::new(), "canary in review");
            writer.author = writer.enrolled.officer;
            segments.push(writer.segment(target, vec![counts, review]).write().expect("a segment"));
            records.push((target, id));
        }
        desk.world.exchange(&writer, writer.hello(), &segments).await;
        let mut people = Vec::new();
        for agency in Agency::ALL {
            for team in ["imt-1", "imt-2"] {
                for role in [Role::Officer, Role::Leader] {
                    people.push(Who { handle: format!("{}-{team}-{role}", agency.code()), agency, team: Some(team), role });
                }
            }
            for role in [Role::Oct, Role::Analyst, Role::Admin] {
                people.push(Who { handle: format!("{}-{role}", agency.code()), agency, team: None, role });
            }
        }
        for who in &people {
            desk.officer(&who.handle, who.agency, who.team, who.role);
        }
        desk.caught_up();
        Self { desk, records, people }
    }

    /// One question of a device with this hello, and every name in what it is answered.
    async fn sync(&self, way: Way, device: &Device, mut hello: Hello) -> BTreeSet<&'static str> {
        let mut asks = Vec::new();
        for target in TARGETS.iter().chain([&REFERENCE]) {
            match way {
                Way::SyncWithCursors => hello.cursors.push(Cursor {
                    compartment: c(target),
                    epoch: device.enrolled.epoch,
                    ranges: vec![(1, 1)],
                    chain: random(),
                    digest: Digest([1; 32]),
                }),
                Way::SyncHeads => asks.push(Ask::Heads(Heads { compartment: c(target), branches: Vec::new() })),
                Way::SyncReopen => {
                    let mut plain = vec![0x82, 0x60 | target.len() as u8];
                    plain.extend([target.as_bytes(), &[0x58, 0x20], &[7; 32]].concat());
                    let escrow = seal::seal(&device.enrolled.server_sealing, "daftar compartment key 1", b"f", &plain).expect("sealed");
                    asks.extend(
                        hello
                            .officers
                            .iter()
                            .map(|o| Ask::Reopen(Reopen { officer: *o, compartment: c(target), file: "f".into(), escrow: escrow.clone() })),
                    );
                }
                Way::SyncFromNothing
                | Way::Session
                | Way::List
                | Way::NamedList
                | Way::Search
                | Way::Record
                | Way::Overview
                | Way::Review
                | Way::NamedReview
                | Way::Grants
                | Way::Devices => {}
            }
        }
        hello.cursors.sort_by(|a, b| a.compartment.cmp(&b.compartment));
        let answers = self.desk.world.say(device, hello, asks).await;
        let told = answers.iter().filter(|a| !matches!(a, Answer::Notice(Notice::Revoked(_)) | Answer::Receipt(_)));
        let bytes: Vec<Vec<u8>> = told.clone().map(Answer::write).collect();
        for item in told.filter_map(|a| if let Answer::Item(i) = a { Some(i) } else { None }) {
            let segment = Segment::read(&item.segment).expect("a segment");
            assert_eq!(segment.stream.compartment, item.compartment, "what stands in an item is of its compartment");
        }
        named(&bytes.concat())
    }

    /// The same at the console.
    async fn console(&self, way: Way, browser: &Browser, who: &Who) -> BTreeSet<&'static str> {
        let desk = &self.desk;
        let mut seen = BTreeSet::new();
        let whole = |path: &'static str| async move {
            let said = desk.get(browser, path).await;
            assert!(said.status.is_success() || said.status == StatusCode::FORBIDDEN, "{path}: {:?}", said.body);
            named(said.body.to_string().as_bytes())
        };
        let each = match way {
            Way::Session => return whole("/api/session").await,
            Way::List => return whole("/api/records?limit=200").await,
            Way::Search => return whole("/api/records?q=canary&limit=200").await,
            Way::Overview => return whole("/api/overview").await,
            Way::Review => return whole("/api/review?limit=200").await,
            Way::Devices => return whole("/api/devices").await,
            Way::NamedList => "/api/records?compartment=",
            Way::NamedReview => "/api/review?compartment=",
            Way::Grants => "/api/grants?compartment=",
            Way::Record => "/api/records/",
            Way::SyncFromNothing | Way::SyncWithCursors | Way::SyncHeads | Way::SyncReopen => return seen,
        };
        for (target, id) in &self.records {
            let path = if way == Way::Record { format!("{each}{target}/{id}") } else { format!("{each}{target}") };
            let said = desk.get(browser, &path).await;
            match (said.status.as_u16(), who.role) {
                (200, _) => drop(seen.insert(*target)),
                (404, _) => assert_eq!(said.body, serde_json::json!({ "code": "not_found" }), "{path}: nothing is said of it"),
                (403, Role::Admin) => {}
                _ => panic!("{} asked {path} and was answered {:?}", who.handle, said.body),
            }
        }
        seen
    }
}

/// The targets that these bytes name.
fn named(bytes: &[u8]) -> BTreeSet<&'static str> {
    let has = |t: &&str| bytes.windows(t.len()).any(|w| w == t.as_bytes());
    TARGETS.into_iter().filter(|t| has(t)).collect()
}

fn readable(who: &Who) -> BTreeSet<&'static str> {
    TARGETS.into_iter().filter(|t| who.reads(t)).collect()
}

fn address(n: usize) -> IpAddr {
    IpAddr::from([10, 2, (n / 200) as u8, (n % 200) as u8 + 1])
}

#[tokio::test]
async fn never_a_byte_of_a_compartment_leaves_without_a_grant_by_any_way() {
    let matrix = Matrix::new().await;
    let mut asked = 0;
    for (n, who) in matrix.people.iter().enumerate() {
        let expected = readable(who);
        let device = matrix.desk.world.enrolled(&who.handle, false).await;
        for way in Way::SYNC {
            let seen = matrix.sync(way, &device, device.hello()).await;
            assert!(seen.is_subset(&expected), "{} saw {seen:?} by {way:?}", who.handle);
            assert!(!way.shows_all() || seen == expected, "{} lacks of {expected:?} by {way:?}: {seen:?}", who.handle);
            asked += TARGETS.len();
        }
        if !who.role.uses_console() {
            continue;
        }
        let browser = matrix.desk.login_from(address(n), &who.handle).await;
        for way in Way::CONSOLE {
            // An administrator reads no record; who is cleared for what he may see, for he gives and takes it.
            let is_his_work = who.role == Role::Admin && matches!(way, Way::Grants | Way::Devices);
            let expected = if is_his_work { TARGETS.into_iter().collect() } else { expected.clone() };
            let seen = matrix.console(way, &browser, who).await;
            assert!(seen.is_subset(&expected), "{} saw {seen:?} by {way:?}", who.handle);
            assert!(!way.shows_all() || seen == expected, "{} lacks of {expected:?} by {way:?}: {seen:?}", who.handle);
            asked += TARGETS.len();
        }
    }
    assert_eq!(asked, TARGETS.len() * (21 * Way::SYNC.len() + 15 * Way::CONSOLE.len()), "every officer, way and compartment");
}

#[tokio::test]
async fn who_has_no_right_now_is_shown_nothing_by_any_way() {
    let matrix = Matrix::new().await;
    let world = &matrix.desk.world;
    let hq = &world.hq;
    let both = Grant { read: true, write: true, until_ms: None };
    let nothing = BTreeSet::new();
    let check = async |case: &str, device: &Device, officers: Vec<OfficerId>, expected: &BTreeSet<&'static str>| {
        for way in Way::SYNC {
            let seen = matrix.sync(way, device, Hello { officers: officers.clone(), ..device.hello() }).await;
            assert!(seen.is_subset(expected), "{case}: {seen:?} by {way:?}");
            assert!(!way.shows_all() || seen == *expected, "{case}: {seen:?} is not all by {way:?}");
        }
    };
    let who = |handle: &str| matrix.people.iter().find(|w| w.handle == handle).cloned().expect("one of them");
    let moi = who("moi-imt-1-officer");
    let device = world.enrolled(&moi.handle, false).await;
    let me = device.enrolled.officer;
    let other = world.enrolled("sss-imt-2-leader", false).await;
    check("not enrolled there, but named", &device, vec![other.enrolled.officer], &nothing).await;
    check("nobody", &device, Vec::new(), &nothing).await;
    // A grant beside the role opens what it says, until it ends.
    let until_ms = Some(NOW_MS + 1000);
    hq.grant(&moi.handle, &c("watchlist/plates"), Grant { until_ms, ..both }).expect("granted");
    let with = |more: &[&'static str], less: &[&str]| {
        let own = readable(&moi).into_iter().filter(|t| !less.contains(t));
        own.chain(more.iter().copied()).collect::<BTreeSet<_>>()
    };
    check("granted", &device, vec![me], &with(&["watchlist/plates"], &[])).await;
    world.clock.set(NOW_MS + 1001);
    check("a grant that has ended", &device, vec![me], &with(&[], &[])).await;
    hq.revoke(&moi.handle, Some(&c("agency/moi/imt-1"))).expect("revoked");
    check("revoked", &device, vec![me], &with(&[], &["agency/moi/imt-1"])).await;
    hq.set_device(&device.enrolled.device.to_string(), false).expect("struck off");
    check("a device that was struck off", &device, vec![me], &nothing).await;
    hq.set_device(&device.enrolled.device.to_string(), true).expect("taken back");
    hq.dismiss(&moi.handle).expect("dismissed");
    check("dismissed", &device, vec![me], &nothing).await;
    // At the console too, in the session that he has.
    let analyst = who("moi-analyst");
    let browser = matrix.desk.login("moi-analyst").await;
    hq.revoke("moi-analyst", Some(&c("team/imt-2"))).expect("revoked");
    for way in Way::CONSOLE {
        let seen = matrix.console(way, &browser, &analyst).await;
        assert!(!seen.contains("team/imt-2") && (!way.shows_all() || seen.contains("team/imt-1")), "{way:?}: {seen:?}");
    }
    hq.dismiss("moi-analyst").expect("dismissed");
    assert_eq!(matrix.desk.get(&browser, "/api/records").await.code(), (401, "no_session"));
}

#[tokio::test]
async fn who_may_only_write_is_told_the_name_and_not_a_byte_of_what_is_there() {
    let matrix = Matrix::new().await;
    let world = &matrix.desk.world;
    let device = world.enrolled("moi-imt-1-officer", false).await;
    let hits = c("hits/plates");
    world.hq.grant("moi-imt-1-officer", &hits, Grant { read: false, write: true, until_ms: None }).expect("granted");
    let answers = world.exchange(&device, device.hello(), &[]).await;
    let mentions: Vec<&Answer> =
        answers.iter().filter(|a| !matches!(a, Answer::End(_)) && named(&a.write()).contains("hits/plates")).collect();
    assert!(matches!(mentions[..], [Answer::Notice(Notice::Granted { .. })]), "{mentions:?}");
    let Some(Answer::End(end)) = answers.last() else { panic!("an end") };
    let cursor = end.cursors.iter().find(|c| c.compartment == hits).expect("a cursor that says that he was told");
    assert_eq!((cursor.ranges.len(), cursor.digest), (0, Digest([0; 32])), "not even how much there is");
}

#[tokio::test]
async fn what_is_asked_for_in_vain_is_not_there_and_is_logged_without_a_name() {
    let matrix = Matrix::new().await;
    let browser = matrix.desk.login("scc-analyst").await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    for path in ["/api/records/agency/moi/imt-1/x", "/api/records?compartment=watchlist/plates", "/api/grants?compartment=audit/moi"] {
        let path = path.replace("/x", &format!("/{}", matrix.records[2].1));
        let nowhere = path.replace("imt-1", "imt-99").replace("plates", "none").replace("audit/moi", "hits/none");
        let (there, not) = (matrix.desk.get(&browser, &path).await, matrix.desk.get(&browser, &nowhere).await);
        assert_eq!((there.code(), &there.body), ((404, "not_found"), &not.body), "what is closed and what is not are one answer");
        assert_eq!(there.headers, not.headers);
    }
    drop(guard);
    let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
    let lines: Vec<&str> = log.lines().filter(|l| l.contains("not there or not open to him")).collect();
    assert_eq!(lines.len(), 6, "{log}");
    assert!(lines.iter().all(|l| !l.contains("analyst") && l.contains("officer=")), "by his identity: {log}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
