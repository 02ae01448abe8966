//! The console's questions and answers, in the process: who gets in, what he is shown, what every answer bears.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use daftar_core::authorize::Role;
use daftar_core::change::{Op, Payload};
use daftar_core::compartment::Agency;
use daftar_core::ids::RecordId;
use daftar_core::value::{ElementKey, Path, Value};
use daftar_sync_server::admin::{NewOfficer, PASSWORD_CHARS_MIN};
use daftar_sync_server::console;
use daftar_sync_server::http::{App, Body, Caller};
use daftar_sync_server::project::Projector;
use daftar_sync_server::restore;
use daftar_sync_server::store::meta::{self, Doubt};
use daftar_wire::change::Entry;
use daftar_wire::segment::Attestation;
use daftar_wire::sign::attest;
use http_body_util::BodyExt as _;
use hyper::{HeaderMap, Request, StatusCode};
use serde_json::{Value as Json, json};

use crate::files::{Photo, said};
use crate::support::{Device, NOW_MS, World, random};

pub const PASSWORD: &str = "correct horse battery";
const TEAM: &str = "team/imt-1";
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 1, 1));

pub struct Desk {
    pub world: World,
    pub app: App,
    pub projector: Arc<Projector>,
}

/// What an answer says.
pub struct Said {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Json,
    pub bytes: Bytes,
}

impl Said {
    pub fn code(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or_default())
    }
}

/// A browser that is logged in.
pub struct Browser {
    pub cookie: String,
    pub csrf: String,
}

impl Desk {
    pub fn new() -> Self {
        let world = World::new();
        let projector = Arc::new(Projector::open(&world.hq).expect("a projection"));
        let app = App::new(world.service.clone(), projector.clone());
        Self { world, app, projector }
    }

    pub fn officer(&self, handle: &str, agency: Agency, team: Option<&str>, role: Role) {
        let team = team.map(str::to_owned);
        let password = Some(PASSWORD.to_owned());
        let new = NewOfficer { handle: handle.into(), full_name: Some(format!("Full {handle}")), agency, team, role, password };
        self.world.hq.add_officer(&new).expect("a new officer");
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Json) -> Said {
        self.ask_from(HERE, method, path, headers, body).await
    }

    pub async fn ask_from(&self, address: IpAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &Json) -> Said {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = request.body(body).expect("a request");
        let (head, body) = console::answer(&self.app, &Caller { address, key: None }, request).await.into_parts();
        let bytes = Body::collect(body).await.expect("whole").to_bytes();
        Said { status: head.status, headers: head.headers, body: serde_json::from_slice(&bytes).unwrap_or(Json::Null), bytes }
    }

    pub async fn try_login(&self, address: IpAddr, name: &str, password: &str) -> Said {
        let body = json!({ "name": name, "password": password });
        self.ask_from(address, "POST", "/api/login", &[("content-type", "application/json")], &body).await
    }

    pub async fn login(&self, name: &str) -> Browser {
        self.login_from(HERE, name).await
    }

    pub async fn login_from(&self, address: IpAddr, name: &str) -> Browser {
        let said = self.try_login(address, name, PASSWORD).await;
        assert_eq!(said.status, StatusCode::OK, "{:?}", said.body);
        let set = said.headers["set-cookie"].to_str().expect("text").to_owned();
        let cookie = set.split(';').next().expect("a pair").to_owned();
        Browser { cookie, csrf: said.body["csrf"].as_str().expect("a token").to_owned() }
    }

    pub async fn get(&self, browser: &Browser, path: &str) -> Said {
        self.ask("GET", path, &[("cookie", &browser.cookie)], &Json::Null).await
    }

    pub async fn post(&self, browser: &Browser, path: &str, body: &Json) -> Said {
        let headers = [("cookie", &*browser.cookie), ("x-csrf-token", &*browser.csrf), ("content-type", "application/json")];
        self.ask("POST", path, &headers, body).await
    }

    pub fn caught_up(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        assert!(self.projector.catch_up(until).expect("readable"), "the tables are behind");
    }
}

/// An inspection with a plate and a person.
fn stop(device: &Device, record: RecordId, op: Op, parents: Vec<daftar_core::ids::ChangeName>, set: &[(u32, Value)]) -> Entry {
    let mut fields: std::collections::BTreeMap<Path, Value> = set.iter().map(|(n, v)| (Path::Field(*n), v.clone())).collect();
    if op == Op::Create {
        fields.insert(Path::Element(29, ElementKey::Given(1), 3), Value::Text("Юсупов".into()));
    }
    Entry::write(&device.header(record, op, parents), &Payload { set: fields, reason: None }, [0; 32]).expect("a small change")
}

fn text(s: &str) -> Value {
    Value::Text(s.into())
}

#[tokio::test]
async fn only_the_right_password_of_an_officer_of_the_console_opens_a_session() {
    let desk = Desk::new();
    desk.officer("analyst", Agency::Moi, None, Role::Analyst);
    desk.officer("field", Agency::Moi, Some("imt-1"), Role::Officer);
    assert!(PASSWORD.len() >= PASSWORD_CHARS_MIN);
    let right = desk.try_login(HERE, "analyst", PASSWORD).await;
    let set = right.headers["set-cookie"].to_str().expect("text");
    assert!(set.starts_with("__Host-daftar="), "{set}");
    for part in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(set.contains(part), "{set} lacks {part}");
    }
    assert!(!set.contains("Domain") && right.body["officer"]["name"] == "Full analyst" && right.body["sees_records"] == true);
    for (name, password) in [("analyst", "wrong horse battery"), ("nobody", PASSWORD), ("field", PASSWORD), ("", "")] {
        let said = desk.try_login(HERE, name, password).await;
        assert_eq!(said.code(), (401, "login_wrong"), "{name} got in, or was told more");
        assert_eq!(said.body, json!({ "code": "login_wrong" }));
        assert!(!said.headers.contains_key("set-cookie"));
    }
    let plain = desk.ask("POST", "/api/login", &[], &json!({ "name": "analyst", "password": PASSWORD })).await;
    assert_eq!(plain.code(), (400, "bad_request"), "a form of another page is no login");
    let foreign = [("content-type", "application/json"), ("sec-fetch-site", "cross-site")];
    let said = desk.ask("POST", "/api/login", &foreign, &json!({ "name": "analyst", "password": PASSWORD })).await;
    assert_eq!(said.code(), (403, "bad_token"));
}

#[tokio::test]
async fn a_session_is_needed_and_a_token_for_what_changes_something() {
    let desk = Desk::new();
    desk.officer("analyst", Agency::Moi, None, Role::Analyst);
    for path in ["/api/session", "/api/lag", "/api/records", "/api/overview", "/api/records/team/imt-1/x", "/api/nothing"] {
        let forged = format!("__Host-daftar={}", "0".repeat(64));
        for cookie in [forged.as_str(), "daftar=1", ""] {
            assert_eq!(desk.ask("GET", path, &[("cookie", cookie)], &Json::Null).await.code(), (401, "no_session"), "{path}");
        }
    }
    let browser = desk.login("analyst").await;
    let again = desk.get(&browser, "/api/session").await;
    assert_eq!((again.status, again.body["csrf"].as_str()), (StatusCode::OK, Some(browser.csrf.as_str())));
    let out = async |token: Option<&str>| {
        let mut headers = vec![("cookie", browser.cookie.as_str())];
        headers.extend(token.map(|t| ("x-csrf-token", t)));
        desk.ask("POST", "/api/logout", &headers, &Json::Null).await
    };
    assert_eq!(out(None).await.code(), (403, "bad_token"));
    assert_eq!(out(Some("0123")).await.code(), (403, "bad_token"));
    assert_eq!(desk.get(&browser, "/api/lag").await.status, StatusCode::OK, "a refused question ends nothing");
    let ended = out(Some(&browser.csrf)).await;
    assert!(ended.status.is_success() && ended.headers["set-cookie"].to_str().expect("text").contains("Max-Age=0"));
    assert_eq!(desk.get(&browser, "/api/lag").await.code(), (401, "no_session"));
}

#[tokio::test]
async fn wrong_passwords_are_slowed_down_by_name_and_address() {
    let desk = Desk::new();
    desk.officer("analyst", Agency::Moi, None, Role::Analyst);
    for _ in 0..5 {
        assert_eq!(desk.try_login(HERE, "analyst", "wrong horse battery").await.code(), (401, "login_wrong"));
    }
    let said = desk.try_login(HERE, "analyst", PASSWORD).await;
    assert_eq!(said.code(), (429, "too_many"));
    let seconds = said.headers["retry-after"].to_str().expect("text").parse::<u64>().expect("seconds");
    assert!((1..=30).contains(&seconds) && said.body["retry_seconds"] == seconds);
    let elsewhere = IpAddr::from([10, 1, 1, 2]);
    assert_eq!(desk.try_login(elsewhere, "analyst", PASSWORD).await.status, StatusCode::OK, "others are not locked out");
}

#[tokio::test]
async fn every_answer_bears_the_headers_that_guard_a_page() {
    let desk = Desk::new();
    for (path, kept) in [("/", "no-cache"), ("/api/session", "no-store"), ("/nothing", "no-store"), ("/../keys/ca.key", "no-store")] {
        let said = desk.ask("GET", path, &[], &Json::Null).await;
        let policy = said.headers["content-security-policy"].to_str().expect("text");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            assert!(policy.contains(part), "{policy} lacks {part}");
        }
        assert!(!policy.contains("unsafe"));
        let header = |name: &str| said.headers[name].to_str().expect("text").to_owned();
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(
            (header("cross-origin-opener-policy"), header("cross-origin-resource-policy")),
            ("same-origin".into(), "same-origin".into())
        );
        assert!(header("strict-transport-security").starts_with("max-age="));
        assert_eq!(header("cache-control"), kept, "{path}");
    }
    assert_eq!(desk.ask("POST", "/", &[], &Json::Null).await.code(), (405, "bad_method"));
}

#[tokio::test]
async fn each_is_shown_what_is_open_to_him_and_the_rest_is_not_there() {
    let desk = Desk::new();
    desk.officer("moi", Agency::Moi, None, Role::Analyst);
    desk.officer("scc", Agency::Scc, None, Role::Analyst);
    desk.officer("leader", Agency::Scc, Some("imt-2"), Role::Leader);
    desk.officer("admin", Agency::Moi, None, Role::Admin);
    let mut device = desk.world.device("a", "imt-1").await;
    let (open, own) = (RecordId::new(NOW_MS, random()), RecordId::new(NOW_MS, random()));
    let result = [(41, text("01 A 123 BC")), (27, text("nothing"))];
    let entries = [stop(&device, open, Op::Create, Vec::new(), &result), stop(&device, own, Op::Create, Vec::new(), &result)];
    let [first, second] = entries;
    let segments = [device.segment(TEAM, vec![first]), device.segment("agency/moi/imt-1", vec![second])];
    let bytes: Vec<Vec<u8>> = segments.iter().map(|s| s.write().expect("a segment")).collect();
    desk.world.exchange(&device, device.hello(), &bytes).await;
    desk.caught_up();
    let ids = async |name: &str| {
        let browser = desk.login(name).await;
        let said = desk.get(&browser, "/api/records?kind=inspection").await;
        let rows = said.body["rows"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<String> = rows.iter().map(|r| r["id"].as_str().expect("an id").to_owned()).collect();
        ids.sort();
        (browser, said.status.as_u16(), ids)
    };
    let mut both = vec![open.to_string(), own.to_string()];
    both.sort();
    let agency = format!("/api/records/agency/moi/imt-1/{own}");
    let (moi, status, seen) = ids("moi").await;
    assert_eq!((status, seen), (200, both));
    assert_eq!(desk.get(&moi, &agency).await.status, StatusCode::OK);
    let (scc, status, seen) = ids("scc").await;
    assert_eq!((status, seen), (200, vec![open.to_string()]), "another agency's notes are not listed");
    for path in [agency.as_str(), "/api/records?compartment=agency/moi/imt-1", &format!("/api/records/team/imt-1/{own}"), "/api/records/x"]
    {
        assert_eq!(desk.get(&scc, path).await.code(), (404, "not_found"), "{path}");
    }
    let found = desk.get(&scc, "/api/records?q=yusupov").await;
    assert_eq!(found.body["rows"].as_array().expect("rows").len(), 1, "search shows no more than the list");
    let (_, status, seen) = ids("leader").await;
    assert_eq!((status, seen), (200, Vec::new()), "another team's records are not listed");
    let (admin, status, _) = ids("admin").await;
    assert_eq!(status, 403, "an administrator sees no records");
    let overview = desk.get(&admin, "/api/overview").await;
    assert_eq!((overview.status, &overview.body["counts"]), (StatusCode::OK, &json!([])));
    assert_eq!(overview.body["devices"][0]["name"], "tablet");
    assert_eq!(overview.body["lag"], 0);
}

#[tokio::test]
async fn a_record_shows_its_acts_its_conflicts_and_who_signed() {
    let desk = Desk::new();
    desk.officer("moi", Agency::Moi, None, Role::Analyst);
    let mut device = desk.world.device("a", "imt-1").await;
    let id = RecordId::new(NOW_MS, random());
    let create = [(41, text("01 A 123 BC")), (45, text("white")), (5, Value::Int(NOW_MS as i64))];
    let entry = stop(&device, id, Op::Create, Vec::new(), &create);
    let (_, before) = device.head_or_start(TEAM);
    let mut first = device.segment(TEAM, vec![entry]);
    let checked = first.chain(before);
    let stream = device.stream(TEAM);
    let sig = attest(&device.keys.officer, &device.author, &stream, first.last(), &checked.head());
    first.attestations.push(Attestation { officer: device.author, n: first.last(), sig });
    let name = checked.names[0];
    let both = ["black", "blue"].map(|c| stop(&device, id, Op::Amend, vec![name], &[(45, text(c))]));
    let second = device.segment(TEAM, both.to_vec());
    let bytes: Vec<Vec<u8>> = [first, second].iter().map(|s| s.write().expect("a segment")).collect();
    desk.world.exchange(&device, device.hello(), &bytes).await;
    desk.caught_up();
    let browser = desk.login("moi").await;
    let page = desk.get(&browser, &format!("/api/records/{TEAM}/{id}")).await.body;
    assert_eq!((&page["row"]["plate"], &page["row"]["conflicts"]), (&json!("01 A 123 BC"), &json!(1)));
    assert_eq!((&page["data"]["persons"][0]["family_name"], &page["history_total"]), (&json!("Юсупов"), &json!(3)));
    let history = page["history"].as_array().expect("acts");
    let ops: Vec<&str> = history.iter().filter_map(|h| h["op"].as_str()).collect();
    assert_eq!(ops, ["amend", "amend", "create"]);
    let signed: Vec<bool> = history.iter().filter_map(|h| h["attested"].as_bool()).collect();
    assert_eq!(signed, [false, false, true], "only what was signed is said to be");
    for act in &history[..2] {
        assert_eq!((&act["changed"][0]["path"], &act["changed"][0]["before"]), (&json!("vehicle.colour"), &json!("white")));
        assert_eq!((&act["author"], &act["device"]), (&json!("a"), &json!("tablet")));
    }
    let versions = page["conflicts"][0]["versions"].as_array().expect("versions");
    let mut values: Vec<&str> = versions.iter().filter_map(|v| v["value"].as_str()).collect();
    values.sort_unstable();
    assert_eq!((page["conflicts"][0]["path"].as_str(), values), (Some("vehicle.colour"), vec!["black", "blue"]));
    let decide = desk.get(&browser, "/api/records?decision=1&kind=inspection&team=imt-1&limit=1").await.body;
    assert_eq!((decide["rows"].as_array().map(Vec::len), &decide["next"]), (Some(1), &Json::Null));
    for bad in ["kind=cat", "limit=0", "limit=9999", "before=x", "compartment=x", "order=asc", "q=%ff"] {
        assert_eq!(desk.get(&browser, &format!("/api/records?{bad}")).await.code(), (400, "bad_request"), "{bad}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap() {
    let desk = Desk::new();
    desk.officer("moi", Agency::Moi, None, Role::Analyst);
    let mut device = desk.world.device("a", "imt-1").await;
    let entries = (0..25).map(|i| stop(&device, RecordId::new(NOW_MS, random()), Op::Create, Vec::new(), &[(5, Value::Int(i / 3))]));
    let entries: Vec<Entry> = entries.collect();
    let segment = device.segment(TEAM, entries).write().expect("a segment");
    desk.world.exchange(&device, device.hello(), &[segment]).await;
    desk.caught_up();
    let browser = desk.login("moi").await;
    for query in ["", "&q=yusupov"] {
        let (mut seen, mut before, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = desk.get(&browser, &format!("/api/records?kind=inspection&limit=10&before={before}{query}")).await.body;
            seen.extend(page["rows"].as_array().expect("rows").iter().map(|r| (r["at_ms"].as_i64(), r["id"].to_string())));
            pages += 1;
            let Some(next) = page["next"].as_str() else { break };
            before = next.to_owned();
        }
        let times: Vec<_> = seen.iter().map(|s| s.0).collect();
        assert!(times.is_sorted_by(|a, b| a >= b), "newest first");
        seen.sort();
        seen.dedup();
        assert_eq!((seen.len(), pages), (25, 3));
    }
}

#[tokio::test]
async fn the_queue_of_review_is_ruled_by_headquarters_people_who_may_write_there() {
    let desk = Desk::new();
    desk.officer("oct", Agency::Moi, None, Role::Oct);
    desk.officer("analyst", Agency::Moi, None, Role::Analyst);
    desk.officer("leader", Agency::Moi, Some("imt-1"), Role::Leader);
    desk.officer("stranger", Agency::Scc, Some("imt-2"), Role::Leader);
    let mut device = desk.world.device("a", "imt-1").await;
    desk.world.hq.revoke("a", Some(&TEAM.parse().expect("a compartment"))).expect("revoked");
    let entries = (0..3).map(|_| stop(&device, RecordId::new(NOW_MS, random()), Op::Create, Vec::new(), &[(45, text("white"))]));
    let entries: Vec<Entry> = entries.collect();
    let segment = device.segment(TEAM, entries).write().expect("a segment");
    desk.world.exchange(&device, device.hello(), &[segment]).await;
    desk.caught_up();
    let oct = desk.login("oct").await;
    let page = desk.get(&oct, "/api/review?limit=2").await.body;
    let first = &page["rows"][0];
    assert_eq!((&first["reason"], &first["verdict"], &first["may_decide"]), (&json!("after_revoke"), &json!("review"), &json!(true)));
    assert_eq!((&first["author"], &first["device"], &first["kind"]), (&json!("a"), &json!("tablet"), &json!("inspection")));
    let path = first["changed"].as_array().expect("fields").iter().find(|f| f["after"] == "white").map(|f| &f["path"]);
    assert_eq!((path, &first["decided"]), (Some(&json!("vehicle.colour")), &json!(false)));
    let before = page["next"].as_str().expect("there is more");
    let rest = desk.get(&oct, &format!("/api/review?limit=2&before={before}")).await.body;
    assert_eq!((rest["rows"].as_array().map(Vec::len), &rest["next"]), (Some(1), &Json::Null));

    let change = first["change"].as_str().expect("a name").to_owned();
    let rule = |verdict: &str, reason: &str| json!({ "change": change, "verdict": verdict, "reason": reason });
    let stranger = desk.login("stranger").await;
    assert_eq!(desk.post(&stranger, "/api/verdict", &rule("accepted", "mine")).await.code(), (404, "not_found"));
    for name in ["leader", "analyst"] {
        let browser = desk.login(name).await;
        let rows = desk.get(&browser, "/api/review").await.body;
        assert_eq!((rows["rows"].as_array().map(Vec::len), &rows["rows"][0]["may_decide"]), (Some(3), &json!(false)));
        assert_eq!(desk.post(&browser, "/api/verdict", &rule("accepted", "I say so")).await.code(), (403, "not_allowed"), "{name}");
    }
    let headers = [("cookie", &*oct.cookie), ("content-type", "application/json")];
    assert_eq!(desk.ask("POST", "/api/verdict", &headers, &rule("accepted", "x")).await.code(), (403, "bad_token"));
    for bad in [rule("accepted", " "), rule("good", "x"), json!({ "change": "zz", "verdict": "accepted", "reason": "x" }), json!([])] {
        assert_eq!(desk.post(&oct, "/api/verdict", &bad).await.code(), (400, "bad_request"), "{bad}");
    }
    let done = desk.post(&oct, "/api/verdict", &rule("accepted", "Written on duty")).await.body;
    assert_eq!(done, json!({ "verdict": "accepted", "before": "review", "written": true }));
    assert_eq!(desk.get(&oct, "/api/records?kind=inspection").await.body["rows"].as_array().map(Vec::len), Some(1), "it counts");
    let done = desk.post(&oct, "/api/verdict", &rule("quarantined", "It was not")).await.body;
    assert_eq!(done["before"], "accepted");
    let aside = desk.get(&oct, "/api/review?verdict=quarantined&compartment=team/imt-1").await.body;
    let row = &aside["rows"][0];
    assert_eq!((&row["change"], &row["reason"], &row["decided_by"]), (&json!(change), &json!("It was not"), &json!("oct")));
}

#[tokio::test]
async fn devices_and_grants_are_shown_to_who_may_know_of_them() {
    let desk = Desk::new();
    desk.officer("admin", Agency::Moi, None, Role::Admin);
    desk.officer("oct", Agency::Moi, None, Role::Oct);
    let device = desk.world.device("a", "imt-1").await;
    let notes = "agency/moi/imt-1".parse().expect("a compartment");
    desk.world.hq.revoke("a", Some(&notes)).expect("revoked");
    desk.world.exchange(&device, device.hello(), &[]).await;
    desk.world.service.keep_contacts().expect("written");
    let (admin, oct) = (desk.login("admin").await, desk.login("oct").await);
    let shown = desk.get(&admin, "/api/devices").await.body;
    assert_eq!((&shown[0]["name"], &shown[0]["alarms"]), (&json!("tablet"), &json!(["purge_awaited"])));
    let doors = shown[0]["doors"].as_array().expect("doors");
    let door = doors.iter().find(|d| d["compartment"] == "agency/moi/imt-1").expect("an administrator sees all");
    assert_eq!((&door["officer"], &door["revoked_ms"], &door["purged_ms"]), (&json!("a"), &json!(NOW_MS), &Json::Null));
    let shown = desk.get(&oct, "/api/devices").await.body;
    let names: Vec<&str> = shown[0]["doors"].as_array().expect("doors").iter().filter_map(|d| d["compartment"].as_str()).collect();
    assert_eq!(names, ["operation/op-qorachiroq", "reference", TEAM], "who is cleared for an agency's notes is not told");
    let grants = desk.get(&admin, "/api/grants?compartment=agency/moi/imt-1").await.body;
    assert_eq!((&grants[0]["officer"], &grants[0]["open"], &grants[0]["revoked_ms"]), (&json!("a"), &json!(false), &json!(NOW_MS)));
    assert_eq!(desk.get(&oct, "/api/grants?compartment=agency/moi/imt-1").await.code(), (404, "not_found"));
    assert_eq!(desk.get(&oct, "/api/grants?compartment=team/imt-1").await.body.as_array().map(Vec::len), Some(2));
    assert_eq!(desk.get(&oct, "/api/grants").await.code(), (400, "bad_request"));
}

/// The fields of a file in a record's list.
fn named(n: u32, photo: &Photo, thumbnail: Option<&Photo>) -> Vec<(Path, Value)> {
    let at = |field| Path::Element(15, ElementKey::Given(n), field);
    let hash = |p: &Photo| Value::Bytes(p.manifest.file.sha256.0.to_vec());
    let size = i64::try_from(photo.manifest.size).expect("small");
    let mut fields = vec![(at(2), hash(photo)), (at(3), text("<boot>.jpg")), (at(5), Value::Int(size))];
    fields.extend(thumbnail.map(|t| (at(8), hash(t))));
    fields
}

#[tokio::test]
async fn a_record_says_which_of_its_photos_are_here_and_gives_them_to_its_readers_alone() {
    let desk = Desk::new();
    desk.officer("moi", Agency::Moi, None, Role::Analyst);
    desk.officer("leader", Agency::Moi, Some("imt-2"), Role::Leader);
    let mut device = desk.world.device("a", "imt-1").await;
    let photos: Vec<Photo> = (0..5).map(|n| Photo::new(TEAM, n, 300_000)).collect();
    let mut picture = Photo::new(TEAM, 50, 900);
    picture.chunks[0][..4].copy_from_slice(&[0xff, 0xd8, 0xff, 0xe0]);
    let picture = Photo::of(TEAM, picture.chunks.concat());
    let stray = Photo::new(TEAM, 60, 50);
    let id = RecordId::new(NOW_MS, random());
    let fields = (1..).zip(&photos).flat_map(|(n, p)| named(n, p, Some(&picture))).collect();
    let entry = Entry::write(&device.header(id, Op::Create, Vec::new()), &Payload { set: fields, reason: None }, [0; 32]);
    let segment = device.segment(TEAM, vec![entry.expect("a small change")]).write().expect("a segment");
    desk.world.exchange(&device, device.hello(), &[segment]).await;
    let mut words = [picture.brought(&[0]), stray.brought(&[0])].concat();
    words.extend(photos[..3].iter().flat_map(|p| p.brought(&[1, 0])));
    words.extend(photos[3].brought(&[1]));
    said(&desk.world, &device, &words).await;
    desk.caught_up();
    let moi = desk.login("moi").await;
    let page = desk.get(&moi, &format!("/api/records/{TEAM}/{id}")).await.body;
    let files = page["files"].as_array().expect("files");
    let held: Vec<(u64, bool)> = files.iter().map(|f| (f["chunks_held"].as_u64().expect("a number"), f["whole"] == true)).collect();
    assert_eq!(held, [(2, true), (2, true), (2, true), (1, false), (0, false)]);
    assert_eq!((&page["files_at_hq"], &files[0]["name"]), (&json!(3), &json!("<boot>.jpg")));
    let overview = desk.get(&moi, "/api/overview").await.body;
    assert_eq!((&overview["files_waiting"], &overview["files_without_record"]), (&json!(2), &json!(1)), "both are said: {overview}");

    let path = |sort: &str, photo: &Photo| format!("/api/{sort}/{TEAM}/{}", photo.manifest.file.sha256);
    let got = desk.get(&moi, &path("files", &photos[0])).await;
    assert_eq!((got.status, got.bytes), (StatusCode::OK, Bytes::from(photos[0].chunks.concat())));
    assert!(got.headers["content-disposition"].to_str().expect("text").starts_with("attachment"), "it is never shown as a page");
    assert_eq!(got.headers["content-type"], "application/octet-stream");
    assert_eq!(got.headers["x-content-type-options"], "nosniff");
    assert!(got.headers["content-security-policy"].to_str().expect("text").contains("sandbox"));
    let small = desk.get(&moi, &path("thumbnails", &picture)).await;
    assert_eq!(small.headers["content-type"], "image/jpeg");
    assert_eq!(small.bytes.len(), 900);
    for foreign in [path("thumbnails", &photos[0]), path("thumbnails", &stray), path("files", &photos[3]), "/api/files/x".to_owned()] {
        assert_eq!(desk.get(&moi, &foreign).await.code(), (404, "not_found"), "{foreign}");
    }
    let leader = desk.login("leader").await;
    for sort in ["files", "thumbnails"] {
        assert_eq!(desk.get(&leader, &path(sort, &picture)).await.code(), (404, "not_found"), "another team's photo is not there for him");
    }
}

#[tokio::test]
async fn after_a_restore_the_console_says_so_and_shows_no_record_until_it_is_confirmed() {
    let desk = Desk::new();
    desk.officer("oct", Agency::Moi, None, Role::Oct);
    let mut device = desk.world.device("a", "imt-1").await;
    let segment = device.write(TEAM, 2).write().expect("a segment");
    desk.world.exchange(&device, device.hello(), &[segment]).await;
    desk.caught_up();
    let browser = desk.login("oct").await;
    let rows = async || desk.get(&browser, "/api/records").await.body["rows"].as_array().map_or(0, Vec::len);
    let before = rows().await;
    assert!(before >= 2);
    desk.world.hq.store.write(|tx| meta::set_doubt(tx, Doubt::Restored, Some(NOW_MS))).expect("written");
    let overview = desk.get(&browser, "/api/overview").await.body;
    assert_eq!((&overview["restored_ms"], rows().await), (&json!(NOW_MS), 0));
    assert!(restore::confirm(&desk.world.hq).expect("confirmed"));
    assert_eq!(rows().await, before);
}
