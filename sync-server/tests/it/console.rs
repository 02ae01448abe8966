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

use crate::support::{Device, NOW_MS, World, random};

const PASSWORD: &str = "correct horse battery";
const TEAM: &str = "team/imt-1";
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 1, 1));

struct Desk {
    world: World,
    app: App,
    projector: Arc<Projector>,
}

/// What an answer says.
struct Said {
    status: StatusCode,
    headers: HeaderMap,
    body: Json,
}

impl Said {
    fn code(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or_default())
    }
}

/// A browser that is logged in.
struct Browser {
    cookie: String,
    csrf: String,
}

impl Desk {
    fn new() -> Self {
        let world = World::new();
        let projector = Arc::new(Projector::open(&world.hq).expect("a projection"));
        let app = App::new(world.service.clone(), projector.clone());
        Self { world, app, projector }
    }

    fn officer(&self, handle: &str, agency: Agency, team: Option<&str>, role: Role) {
        let team = team.map(str::to_owned);
        let password = Some(PASSWORD.to_owned());
        let new = NewOfficer { handle: handle.into(), full_name: Some(format!("Full {handle}")), agency, team, role, password };
        self.world.hq.add_officer(&new).expect("a new officer");
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Json) -> Said {
        self.ask_from(HERE, method, path, headers, body).await
    }

    async fn ask_from(&self, address: IpAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &Json) -> Said {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = request.body(body).expect("a request");
        let (head, body) = console::answer(&self.app, &Caller { address, key: None }, request).await.into_parts();
        let bytes = Body::collect(body).await.expect("whole").to_bytes();
        Said { status: head.status, headers: head.headers, body: serde_json::from_slice(&bytes).unwrap_or(Json::Null) }
    }

    async fn try_login(&self, address: IpAddr, name: &str, password: &str) -> Said {
        let body = json!({ "name": name, "password": password });
        self.ask_from(address, "POST", "/api/login", &[("content-type", "application/json")], &body).await
    }

    async fn login(&self, name: &str) -> Browser {
        let said = self.try_login(HERE, name, PASSWORD).await;
        assert_eq!(said.status, StatusCode::OK, "{:?}", said.body);
        let set = said.headers["set-cookie"].to_str().expect("text").to_owned();
        let cookie = set.split(';').next().expect("a pair").to_owned();
        Browser { cookie, csrf: said.body["csrf"].as_str().expect("a token").to_owned() }
    }

    async fn get(&self, browser: &Browser, path: &str) -> Said {
        self.ask("GET", path, &[("cookie", &browser.cookie)], &Json::Null).await
    }

    fn caught_up(&self) {
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
