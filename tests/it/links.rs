//! Links as they are out there: slow, far, cut again and again, stalling, swallowing. What is sent twice is counted in bytes at the link.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::server::Server;
use daftar_tests::weak::{Link, WeakLink};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// 40 kbit/s and 600 ms.
const SECOND_GENERATION: WeakLink = WeakLink { bits_per_second: 40_000, ..WeakLink::VALLEY };
/// The same, and it never lasts.
const FLEETING: WeakLink = WeakLink { cut_after: Some(Duration::from_secs(5)), ..SECOND_GENERATION };
/// What a link of 64 kbit/s has in flight in a round trip of 600 ms.
const IN_FLIGHT_BYTES: u64 = 64_000 / 8 * 6 / 10;
/// A run of a second: while a link is not known, or was cut, runs are shorter than that.
const RUN_BYTES: u64 = 64_000 / 8;
/// A TLS record that was under way.
const RECORD_BYTES: u64 = 4 * 1024;
/// A run that is sealed: 109 changes.
const SEALED_RUN_BYTES: u64 = 2 * RUN_BYTES;
/// What a new device is sent before it is cut: the reference, and some pages of its team's feed.
const FIRST_BYTES: u64 = 60_000;
/// A connection is cut when so many bytes went up: about three seconds of the link.
const CUT_AT_BYTES: u64 = 20_000;

/// Headquarters behind a link that is loopback as it is.
struct Post {
    dir: tempfile::TempDir,
    link: Link,
    server: Server,
}

impl Post {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let link = Link::start(WeakLink::WIRE);
        let mut server = Server::init(dir.path(), link.port);
        server.start();
        link.lead_to(server.port);
        Self { dir, link, server }
    }

    /// A device that has been in touch once, with a corpus that waits.
    fn device(&self, name: &str, inspections: u32, seed: u32) -> Device {
        let device = Device::enrolled(self.dir.path(), name, &self.server.officer_everywhere(name));
        device.json(&["sync"]);
        device.import(&corpus::write(self.dir.path(), inspections, seed, &[]));
        device
    }

    /// Bytes that a sync takes up, TLS and all.
    fn up(&self, sync: impl FnOnce()) -> u64 {
        let before = self.link.up_bytes();
        sync();
        self.link.up_bytes() - before
    }
}

fn waiting(device: &Device) -> u64 {
    device.json(&["status"])["waiting"].as_u64().expect("a number")
}

fn begin(device: &Device, more: &[(&str, &str)]) -> Child {
    begin_as(&["sync"], device, more)
}

fn begin_as(words: &[&str], device: &Device, more: &[(&str, &str)]) -> Child {
    let mut command = device.command();
    command.args(words).arg("--json").envs(more.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("daftar is built")
}

/// Waits until so many more bytes went up; the sync must not have ended by then.
fn carried(link: &Link, bytes: u64, sync: &mut Child) {
    let (from, until) = (link.up_bytes(), Instant::now() + Duration::from_secs(30));
    while link.up_bytes() < from + bytes {
        assert!(sync.try_wait().expect("a child can be asked").is_none(), "the sync ended before it was disturbed");
        assert!(Instant::now() < until, "the link carries nothing");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn ended(sync: Child, within: Duration) -> Output {
    let began = Instant::now();
    let out = sync.wait_with_output().expect("sync ends");
    assert!(began.elapsed() < within, "it took {:?}: {}", began.elapsed(), daftar_tests::told(&out));
    out
}

fn records_at(server: &Server) -> u64 {
    let status = server.settled();
    let all = status["compartments"].as_object().expect("compartments").iter();
    let field = |c: &str| ["team/", "agency/", "operation/"].iter().any(|p| c.starts_with(p));
    all.filter(|(c, _)| field(c)).filter_map(|(_, v)| v["records"].as_u64()).sum()
}

fn lines(dir: &Path, inspections: u32, seed: u32) -> u64 {
    corpus::lines(&dir.join(format!("corpus-{inspections}-{seed}.ndjson"))).len() as u64
}

#[test]
fn on_a_link_that_is_cut_what_is_sent_twice_was_in_flight_or_is_one_run() {
    cut_again_and_again(&["sync"], RUN_BYTES);
}

#[test]
fn on_a_link_that_is_cut_a_locked_device_sends_little_twice_either() {
    // What was sealed is not cut smaller when it goes.
    cut_again_and_again(&["sync", "--locked"], SEALED_RUN_BYTES);
}

/// Syncs by these words over a link that is cut again and again, until nothing waits. Twice went at most what was in flight and one run for each cut.
fn cut_again_and_again(words: &[&str], run_bytes: u64) {
    const INSPECTIONS: u32 = 100;
    // The same records to two headquarters, in peace and over the link.
    let (calm, post) = (Post::new(), Post::new());
    let (a, b) = (calm.device("aziz", INSPECTIONS, 101), post.device("aziz", INSPECTIONS, 101));
    let once = calm.up(|| drop(a.json(words)));
    let idle = calm.up(|| drop(a.json(words)));

    post.link.set(WeakLink::VALLEY);
    let (mut tries, mut waits) = (0, waiting(&b));
    let up = post.up(|| {
        while waits > 0 {
            tries += 1;
            assert!(tries <= 12, "{waits} changes wait after {tries} tries");
            let mut sync = begin_as(words, &b, &[]);
            let from = post.link.up_bytes();
            while sync.try_wait().expect("a child can be asked").is_none() {
                if post.link.up_bytes() >= from + CUT_AT_BYTES {
                    post.link.cut_all();
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            let now = waiting(&b);
            assert!(now <= waits, "what was acknowledged waits again");
            waits = now;
        }
    });
    let cuts = tries - 1;
    // A try that finds nothing more to send is a handshake and a hello, as every one is.
    let twice = up.saturating_sub(once + cuts * idle);
    eprintln!("{once} bytes once, {up} in {tries} tries, {twice} of them twice");
    assert!(tries > 1, "the link was cut before all was through");
    assert!(twice <= cuts * (IN_FLIGHT_BYTES + run_bytes), "{twice} bytes went twice in {cuts} cuts");
    assert_eq!(records_at(&post.server), records_at(&calm.server));
}

#[test]
fn on_a_link_of_the_second_generation_that_stalls_a_hundred_records_arrive_and_no_request_takes_long() {
    let post = Post::new();
    let device = post.device("aziz", 100, 7);
    let records = lines(post.dir.path(), 100, 7);
    assert!(records >= 100);
    let held = records_at(&post.server);
    post.link.set(SECOND_GENERATION);
    let mut sync = begin(&device, &[]);
    // Two seconds of nothing in every five.
    while sync.try_wait().expect("a child can be asked").is_none() {
        post.link.stall(Duration::from_secs(2));
        std::thread::sleep(Duration::from_secs(5));
    }
    let out = ended(sync, Duration::from_secs(1));
    assert!(out.status.success(), "{}", daftar_tests::told(&out));
    let report = daftar_tests::json(&out);
    let (seconds, requests) = (report["seconds"].as_f64().expect("a number"), report["requests"].as_f64().expect("a number"));
    assert_eq!((report["sent_changes"].as_u64(), report["waiting"].as_u64()), (Some(records), Some(0)), "{report}");
    assert!(seconds <= 30.0 * requests && requests <= 2.0, "{seconds} s in {requests} requests");
    assert_eq!(records_at(&post.server) - held, records);
}

#[test]
fn on_a_slow_link_a_new_device_has_the_newest_first_and_after_a_cut_the_rest() {
    let post = Post::new();
    let enrolled = |name: &str| Device::enrolled(post.dir.path(), name, &post.server.officer_everywhere(name));
    let (a, b) = (enrolled("aziz"), enrolled("bobur"));
    let ids = |device: &Device| -> BTreeSet<String> {
        device.list("inspection").iter().map(|r| r["id"].as_str().expect("an id").to_owned()).collect()
    };
    let sends = |inspections, seed| {
        a.import(&corpus::write(post.dir.path(), inspections, seed, &["--team", "imt-1"]));
        assert_eq!(a.json(&["sync"])["waiting"], 0);
    };
    sends(8000, 11);
    let old = ids(&a);
    sends(30, 12);
    let new: BTreeSet<String> = ids(&a).difference(&old).cloned().collect();
    assert!(old.len() > 1000 && !new.is_empty(), "{} and {}", old.len(), new.len());

    post.link.set(WeakLink::VALLEY);
    let mut sync = begin(&b, &[]);
    let from = post.link.down_bytes();
    while post.link.down_bytes() < from + FIRST_BYTES {
        assert!(sync.try_wait().expect("a child can be asked").is_none(), "the sync ended before it was cut");
        std::thread::sleep(Duration::from_millis(10));
    }
    post.link.cut_all();
    let out = ended(sync, Duration::from_secs(30));
    assert_eq!(daftar_tests::json(&out)["error"]["code"], "no_link", "{}", daftar_tests::told(&out));
    let seen = ids(&b);
    eprintln!("{} of {} after {} bytes", seen.len(), old.len() + new.len(), post.link.down_bytes() - from);
    assert!(new.is_subset(&seen), "what was written last is there: {} of {}", new.intersection(&seen).count(), new.len());
    assert!(seen.len() < old.len() / 2, "and most of the past is not: {}", seen.len());

    post.link.set(WeakLink::WIRE);
    let rest = b.json(&["sync"]);
    assert_eq!((&rest["differ"], ids(&b)), (&json!(0), ids(&a)), "{rest}");
    assert_eq!(b.json(&["verify"])["bad"], json!([]));
}

/// The same records with remarks that nothing makes shorter: a run of them takes longer than the link lasts.
fn talkative(corpus: &Path) -> PathBuf {
    let mut lines = corpus::lines(corpus);
    for (n, line) in lines.iter_mut().enumerate() {
        let noise = (0..4).flat_map(|k| Sha256::digest(format!("{n} {k}")));
        let words: Vec<String> = noise.map(|byte| format!("{byte:02x}")).collect();
        line["data"]["remarks"] = words.join(" ").into();
    }
    let path = corpus.with_extension("talkative");
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    std::fs::write(&path, text.join("\n")).expect("the folder can be written");
    path
}

#[test]
fn a_link_that_is_cut_every_five_seconds_brings_what_a_device_lacks_and_most_of_it_once() {
    let post = Post::new();
    let [a, calm, b] = ["aziz", "bobur", "vali"].map(|name| Device::enrolled(post.dir.path(), name, &post.server.officer_everywhere(name)));
    for device in [&calm, &b] {
        device.json(&["sync"]);
    }
    a.import(&talkative(&corpus::write(post.dir.path(), 700, 13, &["--team", "imt-1"])));
    assert_eq!(a.json(&["sync"])["waiting"], 0);
    let down = |sync: &dyn Fn()| {
        let before = post.link.down_bytes();
        sync();
        post.link.down_bytes() - before
    };
    let once = down(&|| drop(calm.json(&["sync"])));
    let idle = down(&|| drop(calm.json(&["sync"])));

    post.link.set(FLEETING);
    let tries = std::cell::Cell::new(0);
    let all = down(&|| {
        loop {
            tries.set(tries.get() + 1);
            assert!(tries.get() <= 12, "nothing whole comes through in {} tries", tries.get());
            let out = ended(begin(&b, &[]), Duration::from_secs(60));
            if out.status.success() {
                break;
            }
        }
    });
    let cuts = tries.get() - 1;
    eprintln!("{once} bytes once, {all} in {} tries, {idle} for a word", tries.get());
    assert!(once > 3 * IN_FLIGHT_BYTES && cuts > 0, "the link was cut before all was through");
    let twice = all.saturating_sub(once + cuts * idle);
    assert!(twice <= cuts * (IN_FLIGHT_BYTES + RECORD_BYTES), "{twice} bytes came twice in {cuts} cuts");
    assert_eq!(b.list("inspection"), calm.list("inspection"));
    assert_eq!(b.json(&["verify"])["bad"], json!([]));
}

#[test]
fn a_link_that_never_lasts_as_long_as_a_chunk_carries_a_photo_both_ways_and_most_of_it_once() {
    const PHOTO_BYTES: usize = 26_000;
    let post = Post::new();
    let [a, b] = ["aziz", "bobur"].map(|name| Device::enrolled(post.dir.path(), name, &post.server.officer_everywhere(name)));
    a.import(&corpus::write(post.dir.path(), 30, 17, &["--team", "imt-1"]));
    let id = a.list("inspection")[0]["id"].as_str().expect("an id").to_owned();
    for device in [&a, &b, &a] {
        device.json(&["sync"]);
    }
    let photo: Vec<u8> = (0..PHOTO_BYTES / 32 + 1).flat_map(|n| Sha256::digest(n.to_be_bytes())).take(PHOTO_BYTES).collect();
    let path = post.dir.path().join("boot.bin");
    std::fs::write(&path, &photo).expect("the folder can be written");
    a.json(&["attach", &id, &path.display().to_string()]);

    let idle = post.link.up_bytes() + post.link.down_bytes();
    b.json(&["sync"]);
    let idle = post.link.up_bytes() + post.link.down_bytes() - idle;
    post.link.set(FLEETING);
    let carries = |device: &Device, is_done: &dyn Fn(&Value) -> bool| {
        let before = post.link.up_bytes() + post.link.down_bytes();
        for tries in 1..=14 {
            let out = ended(begin(device, &[]), Duration::from_secs(60));
            let report = daftar_tests::json(&out);
            if out.status.success() && is_done(&report) {
                let all = post.link.up_bytes() + post.link.down_bytes() - before;
                eprintln!("{all} bytes in {tries} tries for a photo of {PHOTO_BYTES}, {idle} for a word");
                let twice = all.saturating_sub(PHOTO_BYTES as u64 + (tries + 1) * idle);
                assert!(tries > 2, "the link was cut before all was through");
                assert!(twice <= tries * (IN_FLIGHT_BYTES + RECORD_BYTES), "{twice} bytes came twice in {tries} tries");
                return;
            }
        }
        panic!("no photo comes through");
    };
    carries(&a, &|report| report["files"]["waiting"] == 0 && report["files"]["error"].is_null());
    carries(&b, &|report| report["files"]["error"].is_null());
    let state = &b.json(&["files", &id])[0];
    assert_eq!((&state["here"], &state["at_hq"]), (&json!(true), &json!(true)), "{state}");
    post.server.must(&["verify"]);
}

#[test]
fn a_link_that_swallows_everything_is_given_up_and_the_next_sync_goes_on() {
    const PATIENCE: Duration = Duration::from_secs(3);
    let post = Post::new();
    let device = post.device("aziz", 200, 8);
    let (before, held) = (waiting(&device), records_at(&post.server));
    post.link.set(WeakLink::VALLEY);
    let mut sync = begin(&device, &[("DAFTAR_TEST_READ_TIMEOUT_MS", &PATIENCE.as_millis().to_string())]);
    carried(&post.link, 20_000, &mut sync);
    post.link.swallow(true);
    let out = ended(sync, PATIENCE + Duration::from_secs(5));
    assert_eq!(out.status.code(), Some(4), "{}", daftar_tests::told(&out));
    assert_eq!(daftar_tests::json(&out)["error"]["code"], "no_link");
    let waits = waiting(&device);
    assert!(waits > 0 && waits < before, "what was acknowledged before stays acknowledged: {waits} of {before} wait");
    post.link.swallow(false);
    post.link.set(WeakLink::WIRE);
    let done = device.json(&["sync"]);
    assert_eq!(done["waiting"], 0, "the half-open connection at headquarters holds nothing up: {done}");
    assert_eq!(records_at(&post.server) - held, lines(post.dir.path(), 200, 8));
}

#[test]
fn ctrl_c_stops_a_sync_says_what_waits_and_keeps_what_was_acknowledged() {
    let post = Post::new();
    let device = post.device("aziz", 200, 9);
    let (before, held) = (waiting(&device), records_at(&post.server));
    post.link.set(WeakLink::VALLEY);
    let mut sync = begin(&device, &[]);
    carried(&post.link, 20_000, &mut sync);
    let pid = sync.id().to_string();
    let told = std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill is there");
    assert!(told.success());
    let out = ended(sync, Duration::from_secs(5));
    assert_eq!(out.status.code(), Some(8), "{}", daftar_tests::told(&out));
    let error = &daftar_tests::json(&out)["error"];
    let waits = waiting(&device);
    assert!(waits > 0 && waits < before, "{waits} of {before} wait");
    assert_eq!(error["code"], "cancelled");
    assert!(error["message"].as_str().is_some_and(|m| m.contains(&format!("{waits} changes are kept here and wait"))), "{error}");
    post.link.set(WeakLink::WIRE);
    let done = device.json(&["sync"]);
    assert_eq!(done["waiting"], 0, "{done}");
    assert_eq!(records_at(&post.server) - held, lines(post.dir.path(), 200, 9));
}
