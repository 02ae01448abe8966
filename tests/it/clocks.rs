//! Real commands under clocks of 1970 and 2099, ten years off either way, and 400 days later: a clock loses nothing and stops no sync.

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::server::Server;
use serde_json::{Value, json};

use crate::exchange::assert_all_equal;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const YEAR_MS: i64 = 365 * DAY_MS;
const YEAR_2099_MS: i64 = 4_083_004_800_000;

/// Milliseconds of UTC by this machine's clock.
#[expect(clippy::disallowed_methods, reason = "the devices' clocks are set off from the true time")]
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(since.as_millis()).expect("and long before the end of time")
}

/// Runs a command of the device under a clock that stands, and gives what it printed.
fn at(device: &Device, now_ms: i64, args: &[&str]) -> Value {
    let out = device.command().args(args).arg("--json").env("DAFTAR_TEST_CLOCK_MS", now_ms.to_string()).output().expect("daftar is built");
    assert!(out.status.success(), "daftar {args:?} at {now_ms}: {}", daftar_tests::told(&out));
    daftar_tests::json(&out)
}

/// Whether the last change of the record was written under a clock that was known to be wrong.
fn is_flagged(device: &Device, id: &str, now_ms: i64, colour: &str) -> bool {
    let shown = at(device, now_ms, &["show", id]);
    let history = shown["history"].as_array().expect("a history").clone();
    let entry = history.iter().find(|h| h["set"]["vehicle.colour"] == colour).expect("the change is there");
    entry["clock"]["ahead"].as_bool().expect("it is said")
}

#[test]
fn no_clock_loses_anything_or_stops_a_sync() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init_direct(dir.path());
    server.start();
    let other = Device::enrolled(dir.path(), "other", &server.officer_everywhere("bobur"));
    let now = now_ms();
    let clocks = [("1970", 1000), ("2099", YEAR_2099_MS), ("before", now - 10 * YEAR_MS), ("after", now + 10 * YEAR_MS)];
    for (i, (name, wrong)) in clocks.into_iter().enumerate() {
        let device = Device::new(dir.path(), name);
        at(&device, wrong, &["enrol", &server.officer_everywhere(name)]);
        let file = corpus::write(dir.path(), 30, 40 + u32::try_from(i).expect("few"), &["--team", "imt-1"]);
        at(&device, wrong, &["import", &file.display().to_string()]);
        let synced = at(&device, wrong, &["sync"]);
        assert_eq!((&synced["waiting"], &synced["differ"]), (&json!(0), &json!(0)), "{name}: {synced}");
        let id = at(&device, wrong, &["list", "inspection"])[0]["id"].as_str().expect("an id").to_owned();
        at(&device, wrong, &["amend", &id, "vehicle.colour=green"]);
        assert!(is_flagged(&device, &id, wrong, "green"), "{name}: headquarters' time shows it");
        // And back.
        at(&device, now, &["sync"]);
        at(&device, now, &["amend", &id, "vehicle.colour=beige"]);
        assert!(!is_flagged(&device, &id, now, "beige"), "{name}: the right time is not flagged");
        let later = now + 400 * DAY_MS;
        // The lease is over: what is read is closed, what is written is kept and goes, and the contact opens all of it again.
        let late = corpus::write(dir.path(), 5, 80 + u32::try_from(i).expect("few"), &["--team", "imt-1"]);
        at(&device, later, &["import", &late.display().to_string()]);
        assert_eq!(at(&device, later, &["list", "inspection"]), json!([]), "{name}");
        let synced = at(&device, later, &["sync"]);
        assert_eq!(synced["waiting"], 0, "{name}, 400 days later: {synced}");
        at(&device, later, &["amend", &id, "search_level=full"]);
        assert_eq!(at(&device, later, &["sync"])["waiting"], 0, "{name}");
        let shown = at(&device, now, &["show", &id]);
        assert_eq!((&shown["data"]["vehicle"]["colour"], &shown["data"]["search_level"]), (&json!("beige"), &json!("full")), "{name}");
        other.json(&["sync"]);
        device.json(&["sync"]);
        assert_all_equal(&device, &other, &server);
        assert_eq!(device.json(&["verify"])["bad"], json!([]));
    }
}
