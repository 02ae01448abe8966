//! What a released version wrote on its disks is opened by every later one: a device's home and a server's folder, frozen in
//! `tests/golden/databases`. They are added when a version is released, and never written again.
//!
//! `DAFTAR_GOLDEN_WRITE=1` makes those of this version if they are not there yet.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::server::Server;
use serde_json::{Value, json};

use crate::exchange::{KINDS, digests};

/// Where the devices of the frozen folders look for headquarters: below the ports that a system gives out by itself. It stands in their
/// keyrings, and no command gives a device another address, so it stays.
const PORT: u16 = 18_431;
const FOLDERS_BYTES_MAX: u64 = 1024 * 1024;
const HOUR_MS: u64 = 3_600_000;

/// The port, for one test of this machine at a time: others wait until the file is closed.
fn port_alone() -> Option<File> {
    // Where another user's file is in the way, there is no waiting.
    let file = File::create(std::env::temp_dir().join("daftar-frozen-port.lock")).ok()?;
    file.lock().ok().map(|()| file)
}

fn databases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/databases")
}

pub fn copy(from: &Path, to: &Path, skip: &[&str]) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the folder can be read").flatten() {
        let name = entry.file_name();
        if skip.iter().any(|s| *s == name) {
            continue;
        }
        match entry.path() {
            path if path.is_dir() => copy(&path, &to.join(name), skip),
            path => drop(fs::copy(path, to.join(name)).expect("a file can be copied")),
        }
    }
}

fn bytes_of(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).expect("the folder can be read").flatten();
    entries.map(|e| if e.path().is_dir() { bytes_of(&e.path()) } else { e.metadata().map_or(0, |m| m.len()) }).sum()
}

/// A device whose clock stands, so that its leases are as they were when it was frozen.
struct Frozen {
    device: Device,
    now_ms: u64,
}

impl Frozen {
    fn json(&self, args: &[&str]) -> Value {
        let mut command = self.device.command();
        let out = command.args(args).arg("--json").env("DAFTAR_TEST_CLOCK_MS", self.now_ms.to_string()).output().expect("daftar is built");
        assert!(out.status.success(), "daftar {args:?}: {}", daftar_tests::told(&out));
        daftar_tests::json(&out)
    }

    fn records(&self) -> Vec<Value> {
        KINDS.iter().flat_map(|k| self.json(&["list", k]).as_array().cloned().expect("an array")).collect()
    }

    /// What must be the same in every later version.
    fn says(&self) -> Value {
        let records = self.records();
        let files: Vec<Value> = records.iter().flat_map(|r| self.files(r["id"].as_str().expect("an id"))).collect();
        let conflicts: Vec<Value> = self.json(&["conflicts"]).as_array().expect("an array").iter().map(|c| c["id"].clone()).collect();
        let status = self.json(&["status"]);
        json!({ "records": records, "files": files, "conflicts": conflicts, "waiting": status["waiting"], "digests": digests(&status) })
    }

    fn files(&self, id: &str) -> Vec<Value> {
        let files = self.json(&["files", id]).as_array().cloned().expect("an array");
        files.iter().map(|f| json!([id, f["sha256"], f["name"], f["here"], f["at_hq"]])).collect()
    }
}

/// The frozen folders of each version, copied, with what they are to say.
fn released() -> Vec<(tempfile::TempDir, Frozen, Server, Value)> {
    let mut versions: Vec<PathBuf> = fs::read_dir(databases()).expect("frozen folders").flatten().map(|e| e.path()).collect();
    versions.sort();
    let open = |version: &PathBuf| {
        let dir = tempfile::tempdir().expect("a temporary folder");
        copy(version, dir.path(), &[]);
        let says: Value = serde_json::from_slice(&fs::read(version.join("says.json")).expect("what it says")).expect("JSON");
        let now_ms = says["now_ms"].as_u64().expect("a time") + HOUR_MS;
        let frozen = Frozen { device: Device::new(dir.path(), "home"), now_ms };
        let server = Server::found_in(dir.path().join("server"), PORT);
        (dir, frozen, server, says)
    };
    let all: Vec<_> = versions.iter().filter(|v| v.is_dir()).map(open).collect();
    assert!(!all.is_empty(), "no frozen folders");
    all
}

#[test]
fn every_released_home_and_server_opens_with_all_that_it_held_and_they_still_work_together() {
    let _alone = port_alone();
    for (dir, home, mut server, says) in released() {
        let now = home.says();
        for key in ["records", "files", "conflicts", "waiting", "digests"] {
            assert_eq!(now[key], says["home"][key], "{key} of a released home");
        }
        assert_eq!(home.json(&["verify"])["bad"], json!([]));
        assert_eq!(json!(digests(&server.status())), says["server"], "a released server holds what it held");
        server.must(&["verify"]);

        server.start();
        let synced = home.json(&["sync"]);
        assert_eq!((&synced["waiting"], &synced["differ"], &synced["files"]["waiting"]), (&json!(0), &json!(0), &json!(0)), "{synced}");
        assert_eq!(home.json(&["status"])["compartments"]["team/imt-1"]["digest"], server.status()["compartments"]["team/imt-1"]["digest"]);
        let records = home.records();
        assert_eq!(Some(records.len()), says["home"]["records"].as_array().map(Vec::len), "no record is lost by an exchange");
        home.json(&["amend", records[0]["id"].as_str().expect("an id"), "remarks=after an update"]);
        assert_eq!(home.json(&["sync"])["waiting"], 0, "and it goes on");
        let newcomer = Device::enrolled(dir.path(), "newcomer", &server.officer_everywhere("newcomer"));
        newcomer.json(&["sync"]);
        let seen: usize = KINDS.iter().map(|k| newcomer.list(k).len()).sum();
        assert_eq!(seen, records.iter().filter(|r| r["compartment"] != "reference").count(), "another device gets all of it");
        assert_eq!((home.json(&["verify"])["bad"].clone(), newcomer.json(&["verify"])["bad"].clone()), (json!([]), json!([])));
        server.must(&["verify"]);
    }
}

#[test]
fn headquarters_opens_the_home_of_every_released_version_whose_keys_are_lost() {
    for (dir, frozen, server, says) in released() {
        let out = server.run(&["escrow", "--home", &frozen.device.home.display().to_string(), "--json"]);
        assert_eq!(out.status.code(), Some(0), "{}", daftar_tests::told(&out));
        let said = daftar_tests::json(&out);
        let team = &said["compartments"]["team/imt-1"];
        assert_eq!((&said["taken"], &team["files_taken"]), (&says["home"]["waiting"], &json!(1)), "{said}");
        server.must(&["verify"]);
        drop(dir);
    }
}

#[test]
fn the_frozen_folders_stay_small() {
    for version in fs::read_dir(databases()).expect("frozen folders").flatten() {
        let bytes = bytes_of(&version.path());
        assert!(bytes <= FOLDERS_BYTES_MAX, "{} has {bytes} bytes", version.path().display());
    }
}

/// With the variable it makes this version's folders if they are not there; without it, it does nothing.
#[test]
fn frozen_folders_are_only_added() {
    let target = databases().join("v3");
    if std::env::var_os("DAFTAR_GOLDEN_WRITE").is_none() || target.exists() {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init(dir.path(), PORT);
    server.port = PORT;
    server.start();
    server.must(&["officer", "add", "--name", "aziz", "--agency", "moi", "--team", "imt-1", "--role", "leader"]);
    server.must(&["officer", "add", "--name", "bobur", "--agency", "moi", "--team", "imt-1"]);
    let (home, other) = (
        Device::enrolled(dir.path(), "home", &server.code("aziz", false)),
        Device::enrolled(dir.path(), "b", &server.code("bobur", false)),
    );
    home.import(&corpus::write(dir.path(), 8, 21, &["--team", "imt-1"]));
    let photo = |name: &str, seed: u8| {
        let path = dir.path().join(name);
        let bytes = [&[0xff, 0xd8, 0xff][..], &[seed; 4_000]].concat();
        fs::write(&path, bytes).expect("the folder can be written");
        path.display().to_string()
    };
    let id = home.list("inspection")[0]["id"].as_str().expect("an id").to_owned();
    home.json(&["attach", &id, &photo("boot.jpg", 1), "--caption", "Under the boot floor"]);
    home.json(&["sync"]);
    other.json(&["sync"]);
    home.json(&["amend", &id, "vehicle.colour=green"]);
    other.json(&["amend", &id, "vehicle.colour=blue"]);
    home.json(&["sync"]);
    other.json(&["sync"]);
    home.json(&["sync"]);
    // What waits when it is frozen.
    home.json(&["amend", &id, "search_level=full"]);
    home.import(&corpus::write(dir.path(), 2, 22, &["--team", "imt-1"]));
    home.json(&["attach", &id, &photo("seat.jpg", 2), "--caption", "Under the seat"]);
    server.settled();
    server.stop();

    let frozen = Frozen { device: home, now_ms: u64::try_from(crate::clocks::now_ms()).expect("after 1970") };
    let says = json!({ "now_ms": frozen.now_ms, "home": frozen.says(), "server": digests(&server.status()) });
    // The projection and the reserve are made again; nobody holds the locks.
    copy(&frozen.device.home, &target.join("home"), &["lock", "reserve"]);
    copy(&server.data, &target.join("server"), &["lock", "projection.db", "projection.db-wal", "projection.db-shm"]);
    fs::write(target.join("says.json"), serde_json::to_string_pretty(&says).expect("JSON")).expect("the folder can be written");
}
