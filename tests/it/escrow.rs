//! A device whose keys are lost, by the real commands: headquarters opens the copy of its home and takes in what was not sent.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::server::Server;
use serde_json::{Value, json};

use crate::exchange::KINDS;
use crate::released::copy;

struct Scene {
    dir: tempfile::TempDir,
    server: Server,
    device: Device,
    id: String,
    waiting: u64,
}

impl Scene {
    /// A device that has sent some of its records, and holds others and a photo that it has not.
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut server = Server::init_direct(dir.path());
        server.start();
        let device = Device::enrolled(dir.path(), "tablet", &server.officer_everywhere("aziz"));
        device.import(&corpus::write(dir.path(), 20, 5, &["--team", "imt-1"]));
        device.json(&["sync"]);
        device.import(&corpus::write(dir.path(), 300, 6, &["--team", "imt-1"]));
        let id = device.list("inspection")[0]["id"].as_str().expect("an id").to_owned();
        device.json(&["amend", &id, "remarks=the last word before it was lost"]);
        let photo = dir.path().join("boot.jpg");
        fs::write(&photo, [&[0xff, 0xd8, 0xff][..], &[7; 600_000]].concat()).expect("the folder can be written");
        device.json(&["attach", &id, &photo.display().to_string()]);
        let waiting = device.json(&["status"])["waiting"].as_u64().expect("a number");
        Self { dir, server, device, id, waiting }
    }

    fn copied(&self, name: &str) -> PathBuf {
        let to = self.dir.path().join(name);
        copy(&self.device.home, &to, &["lock"]);
        to
    }

    fn recover(&self, home: &Path, status: i32) -> Value {
        let out = self.server.run(&["escrow", "--home", &home.display().to_string(), "--json"]);
        assert_eq!(out.status.code(), Some(status), "{}", daftar_tests::told(&out));
        daftar_tests::json(&out)
    }

    /// Another officer of the team has all that the lost device held.
    fn is_all_there(&self, records: &[Value]) {
        let other = Device::enrolled(self.dir.path(), "other", &self.server.officer_everywhere("bobur"));
        other.json(&["sync"]);
        let seen: Vec<Value> = KINDS.iter().flat_map(|k| other.list(k)).collect();
        let all = |records: &[Value]| {
            let mut all: Vec<String> = records.iter().map(|r| format!("{} {}", r["id"], r["data"])).collect();
            all.sort();
            all
        };
        assert_eq!(all(&seen), all(records), "records are not what the lost device held");
        let shown = other.json(&["show", &self.id]);
        assert_eq!(shown["data"]["remarks"], "the last word before it was lost");
        assert_eq!(other.json(&["verify"])["bad"], json!([]));
        let files = other.json(&["files", &self.id]);
        assert_eq!((&files[0]["name"], &files[0]["at_hq"]), (&json!("boot.jpg"), &json!(true)), "{files}");
        self.server.must(&["verify"]);
    }
}

fn files_under(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("the folder can be read").flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files_under(&path)),
            path if path.extension().is_some_and(|e| e == "db" || e == "escrow") || path.extension().is_none() => {
                let bytes = fs::read(&path).expect("the file can be read");
                found.push((path, bytes));
            }
            _ => {}
        }
    }
    found.sort();
    found
}

#[test]
fn what_a_device_whose_keyring_is_lost_had_not_sent_is_recovered_by_headquarters() {
    let scene = Scene::new();
    let records: Vec<Value> = KINDS.iter().flat_map(|k| scene.device.list(k)).collect();
    let home = scene.copied("copy");
    fs::remove_file(home.join("keyring.db")).expect("the keyring goes");
    let _ = fs::remove_file(home.join("keyring.db-wal"));
    let before = files_under(&home);
    let said = scene.recover(&home, 0);
    assert_eq!((&said["device"].is_string(), &said["keyring"], &said["trouble"]), (&true, &json!(false), &json!([])), "{said}");
    assert_eq!(said["taken"].as_u64(), Some(scene.waiting), "{said}");
    let waited: u64 = said["compartments"].as_object().expect("compartments").values().filter_map(|c| c["waited"].as_u64()).sum();
    assert_eq!(waited, scene.waiting, "{said}");
    assert_eq!(files_under(&home), before, "nothing in the copy was changed");
    assert_eq!(scene.recover(&home, 0)["taken"], 0, "a second time changes nothing");
    scene.is_all_there(&records);

    // The device turns up after all: all of it is there already, and only receipts come.
    let synced = scene.device.json(&["sync"]);
    assert_eq!((&synced["waiting"], &synced["differ"], &synced["files"]["waiting"]), (&json!(0), &json!(0), &json!(0)), "{synced}");
}

#[test]
fn what_nobody_has_the_pin_for_is_recovered_and_a_foreign_home_is_refused_in_plain_words() {
    let scene = Scene::new();
    let records: Vec<Value> = KINDS.iter().flat_map(|k| scene.device.list(k)).collect();
    let home = scene.copied("copy");
    let wrong = scene.device.command().arg("status").env("DAFTAR_PIN", "00000000").output().expect("daftar is built");
    assert_eq!(wrong.status.code(), Some(3), "the PIN is forgotten: {}", daftar_tests::told(&wrong));

    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let foreign = Server::init(elsewhere.path(), 1);
    let refused = foreign.run(&["escrow", "--home", &home.display().to_string()]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && words.contains("not known here"), "{}", daftar_tests::told(&refused));
    let nothing = scene.server.run(&["escrow", "--home", &elsewhere.path().display().to_string()]);
    let words = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert!(nothing.status.code() == Some(1) && words.contains("no device's home"), "{}", daftar_tests::told(&nothing));

    // One file is spoilt and one has no key any more: what is left behind is named, and the rest is taken.
    let spoilt = scene.copied("spoilt");
    let largest = fs::read_dir(spoilt.join("vault")).expect("vaults").flatten().map(|e| e.path());
    let largest = largest.filter(|p| p.extension().is_some_and(|e| e == "db")).max_by_key(|p| fs::metadata(p).map_or(0, |m| m.len()));
    let largest = largest.expect("a vault");
    let len = fs::metadata(&largest).expect("a size").len();
    fs::write(&largest, vec![0x55; len as usize]).expect("spoilt");
    let said = scene.recover(&spoilt, 1);
    let trouble = said["trouble"].to_string();
    assert!(trouble.contains(&largest.file_name().expect("a name").to_string_lossy().into_owned()), "{said}");
    assert_eq!(said["keyring"], true);

    let said = scene.recover(&home, 0);
    assert_eq!((&said["keyring"], &said["trouble"]), (&json!(true), &json!([])), "{said}");
    scene.is_all_there(&records);
}

/// Only what the device has signed is its word. What it saved and had no time to sign is taken with its own key or left behind, and both are said.
#[test]
fn what_a_device_saved_and_never_signed_is_taken_with_its_own_key_or_named_as_left_behind() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init_direct(dir.path());
    server.start();
    let device = Device::enrolled(dir.path(), "tablet", &server.officer_everywhere("aziz"));
    device.json(&["sync"]);
    let records = corpus::lines(&corpus::write(dir.path(), 600, 8, &[]));
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there").success());
    let mut command = device.command();
    let mut importing = command.args(["import", &pipe.display().to_string()]).stdout(Stdio::null()).spawn().expect("daftar is built");
    // The import never sees the end of its file, so that what it has saved by then is signed by nobody.
    let mut writing = fs::File::options().write(true).open(&pipe).expect("the import opens its file");
    for portion in records.chunks(200) {
        portion.iter().for_each(|r| writeln!(writing, "{r}").expect("the import reads"));
        // What waits is saved when the next line comes after half a second.
        std::thread::sleep(Duration::from_millis(700));
    }
    let recover = |home: &Path| {
        let out = server.run(&["escrow", "--home", &home.display().to_string(), "--json"]);
        (out.status.code(), daftar_tests::json(&out))
    };
    let sum = |said: &Value, what: &str| -> u64 {
        said["compartments"].as_object().expect("compartments").values().filter_map(|c| c[what].as_u64()).sum()
    };
    let until = Instant::now() + Duration::from_secs(60);
    let (home, unsigned) = loop {
        std::thread::sleep(Duration::from_secs(2));
        let home = dir.path().join(format!("copy-{:?}", until.saturating_duration_since(Instant::now())));
        copy(&device.home, &home, &["lock"]);
        let lost = home.with_extension("lost");
        copy(&home, &lost, &["keyring.db", "keyring.db-wal", "keyring.db-shm"]);
        let (status, said) = recover(&lost);
        let unsigned = sum(&said, "unsigned");
        if unsigned >= 256 {
            assert_eq!((status, sum(&said, "waited"), said["taken"].as_u64()), (Some(1), unsigned, Some(0)), "{said}");
            assert!(said["trouble"].to_string().contains("had not signed"), "{said}");
            break (home, unsigned);
        }
        assert!(Instant::now() < until, "the import saves nothing: {said}");
    };
    importing.kill().expect("killed");
    importing.wait().expect("ended");
    let (status, said) = recover(&home);
    assert_eq!((status, said["taken"].as_u64(), sum(&said, "signed_now")), (Some(0), Some(unsigned), unsigned), "{said}");
    server.must(&["verify"]);
    let other = Device::enrolled(dir.path(), "other", &server.officer_everywhere("bobur"));
    other.json(&["sync"]);
    let seen: usize = KINDS.iter().map(|k| other.list(k).len()).sum();
    assert_eq!(seen as u64, unsigned, "another officer reads what was recovered");
}
