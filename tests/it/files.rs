//! Photos and other files with the real commands: cut links, two devices, a headquarters without room, a disk that rots, a video.

use std::path::{Path, PathBuf};
use std::time::Duration;

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::proxy::{Proxy, Weather};
use daftar_tests::server::Server;
use serde_json::{Value, json};

const CHUNK: u64 = 256 * 1024;
/// A link that is cut loses at most a record of TLS, the part in it, and the words before: handshakes, hello, offer.
const LOST_BY_A_CUT: u64 = 32 * 1024;

/// Bytes that nothing can make smaller, as a photo's.
fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(next).collect()
}

fn file(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).expect("the folder can be written");
    path
}

fn attach(device: &Device, id: &str, path: &Path) -> Value {
    device.json(&["attach", id, &path.display().to_string(), "--caption", "Under the boot floor"])
}

/// A server behind a proxy, two devices of one team that both have a record.
struct Scene {
    dir: tempfile::TempDir,
    proxy: Proxy,
    server: Server,
    a: Device,
    b: Device,
    id: String,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let corpus = corpus::write(dir.path(), 30, 7, &["--team", "imt-1"]);
        let (proxy, direct_to) = Proxy::start();
        let mut server = Server::init(dir.path(), proxy.port);
        direct_to(server.port);
        server.start();
        let a = Device::enrolled(dir.path(), "a", &server.officer_everywhere("aziz"));
        let b = Device::enrolled(dir.path(), "b", &server.officer_everywhere("bobur"));
        a.import(&corpus);
        a.json(&["sync"]);
        b.json(&["sync"]);
        let id = a.list("inspection")[0]["id"].as_str().expect("an id").to_owned();
        Self { dir, proxy, server, a, b, id }
    }

    fn states(&self, device: &Device) -> Vec<Value> {
        device.json(&["files", &self.id]).as_array().expect("a list").clone()
    }

    fn fetched(&self, device: &Device, sha256: &Value) -> Option<Vec<u8>> {
        let to = self.dir.path().join(format!("out-{}", device.home.file_name()?.to_string_lossy()));
        device.run(&["fetch", &self.id, "--to", &to.display().to_string(), "--json"]);
        let found =
            std::fs::read_dir(to).ok()?.flatten().find(|e| e.file_name().to_string_lossy().starts_with(sha256.as_str().unwrap_or("-")));
        found.and_then(|e| std::fs::read(e.path()).ok())
    }
}

#[test]
fn a_photo_cut_at_any_place_goes_on_where_it_was_cut_both_ways() {
    let s = Scene::new();
    let photo = [&[0xff, 0xd8, 0xff][..], &noise(1, 3_000_000)].concat();
    let kept = attach(&s.a, &s.id, &file(s.dir.path(), "boot.jpg", &photo));
    assert_eq!((&kept["media_type"], &kept["thumbnail"]), (&json!("image/jpeg"), &Value::Null));
    let size = photo.len() as u64;

    let before = s.proxy.up_bytes();
    let offsets = [2_500, 60_000, 290_000, 700_000, 20_000, 1_100_001];
    for at in offsets {
        s.proxy.set(Weather { cut_up_at: Some(at), ..Weather::default() });
        let out = s.a.run(&["sync", "--json"]);
        assert!(matches!(out.status.code(), Some(0 | 4)), "a cut link is no other trouble: {}", daftar_tests::told(&out));
    }
    s.proxy.set(Weather::default());
    let done = s.a.json(&["sync"]);
    assert_eq!((&done["files"]["waiting"], &done["files"]["error"], &done["waiting"]), (&json!(0), &Value::Null, &json!(0)), "{done}");
    let sent = s.proxy.up_bytes() - before;
    assert!(s.proxy.cuts() >= offsets.len() as u64, "the link was cut {} times only", s.proxy.cuts());
    let most = size + (offsets.len() as u64 + 1) * LOST_BY_A_CUT;
    assert!(sent <= most, "{sent} bytes went up for a photo of {size}: chunks that headquarters had went again");
    assert!(done["files"]["chunks_sent"].as_u64() < Some(size.div_ceil(CHUNK)), "the last sitting sends the rest alone: {done}");

    let seen = s.b.json(&["sync"]);
    assert_eq!(seen["files"]["chunks_received"], 0, "a large photo comes when it is asked for: {seen}");
    let state = &s.states(&s.b)[0];
    assert_eq!((&state["here"], &state["at_hq"], &state["name"]), (&json!(false), &json!(true), &json!("boot.jpg")), "{state}");
    s.b.json(&["fetch", &s.id]);
    let (before, mut here) = (s.proxy.down_bytes(), 0);
    for at in [8_000, 300_000, 600_000, 9_000, 900_000] {
        s.proxy.set(Weather { cut_down_at: Some(at), ..Weather::default() });
        s.b.run(&["sync", "--json"]);
        let now = s.states(&s.b)[0]["chunks_here"].as_u64().expect("a number");
        assert!(now >= here, "what came is kept: {here} chunks before, {now} after");
        here = now;
    }
    assert!(here > 0, "some chunks came through the cuts");
    s.proxy.set(Weather::default());
    let rest = s.b.json(&["sync"]);
    assert_eq!(rest["files"]["chunks_received"], size.div_ceil(CHUNK) - here, "only what was missing came: {rest}");
    let got = s.proxy.down_bytes() - before;
    assert!(got <= size + 6 * LOST_BY_A_CUT, "{got} bytes came down for a photo of {size}");
    assert_eq!(s.fetched(&s.b, &kept["sha256"]), Some(photo), "the photo is the photo");
    s.server.must(&["verify"]);
    for device in [&s.a, &s.b] {
        let idle = device.json(&["sync"]);
        assert_eq!((&idle["files"]["requests"], &idle["requests"]), (&json!(0), &json!(1)), "with nothing to do nothing is asked: {idle}");
    }
}

#[test]
fn of_five_photos_three_are_at_headquarters_and_every_side_says_so() {
    let mut s = Scene::new();
    for n in 0..5 {
        attach(&s.a, &s.id, &file(s.dir.path(), &format!("photo-{n}.bin"), &noise(n, 100_000)));
    }
    s.server.kill();
    s.server.files_bytes_max = Some(350_000);
    s.server.start();
    let sent = s.a.json(&["sync"]);
    assert_eq!(sent["waiting"], 0, "the records go through although there is no room for photos: {sent}");
    assert_eq!(
        (&sent["files"]["receipted"], &sent["files"]["waiting"], &sent["files"]["refused"]),
        (&json!(3), &json!(2), &json!(2)),
        "{sent}"
    );
    s.b.json(&["sync"]);
    for device in [&s.a, &s.b] {
        let shown = device.json(&["show", &s.id]);
        assert_eq!((&shown["files_at_hq"], shown["files"].as_array().map(Vec::len)), (&json!(3), Some(5)), "{shown}");
        assert_eq!(shown["data"]["files"].as_array().map(Vec::len), Some(5));
        let told = String::from_utf8(device.run(&["show", &s.id]).stdout).expect("text");
        assert!(told.contains("3 of 5 photos at HQ"), "{told}");
    }
    assert_eq!(s.states(&s.b).iter().filter(|f| f["here"] == true).count(), 3, "small photos come unasked");
    s.server.kill();
    s.server.files_bytes_max = None;
    s.server.start();
    assert_eq!(s.a.json(&["sync"])["files"]["receipted"], 2, "what waited goes once there is room");
    s.b.json(&["sync"]);
    for device in [&s.a, &s.b] {
        assert_eq!(device.json(&["show", &s.id])["files_at_hq"], 5);
        assert_eq!(device.json(&["verify"])["bad"], json!([]));
    }
    s.server.must(&["verify"]);
}

#[test]
fn what_cannot_be_attached_says_why_and_leaves_the_record() {
    let s = Scene::new();
    let large = [&[0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a][..], &vec![0; 40 * 1024 * 1024]].concat();
    let path = file(s.dir.path(), "large.png", &large).display().to_string();
    let refused = s.a.json_with(1, &["attach", &s.id, &path]);
    assert_eq!(refused["error"]["code"], "file_too_large", "{refused}");
    assert!(refused["error"]["message"].as_str().is_some_and(|m| m.contains("40 MiB")), "the limit is named: {refused}");
    let nowhere = s.dir.path().join("nowhere.jpg").display().to_string();
    assert_eq!(s.a.json_with(1, &["attach", &s.id, &nowhere])["error"]["code"], "input");
    assert_eq!(s.a.json_with(1, &["attach", &s.id, &s.dir.path().display().to_string()])["error"]["code"], "input");
    let custody = s.a.list("custody_event");
    if let Some(id) = custody.first().and_then(|r| r["id"].as_str()) {
        let small = file(s.dir.path(), "small.bin", &noise(1, 10)).display().to_string();
        assert_eq!(s.a.json_with(1, &["attach", id, &small])["error"]["code"], "input", "a fact is not amended");
    }
    assert_eq!(s.a.json(&["show", &s.id])["history"].as_array().map(Vec::len), Some(1), "the record is as it was");
    assert_eq!(s.a.json(&["status"])["waiting"], 0);
}

/// Every file of a folder and what is below it.
fn all_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()) {
        if path.is_dir() { found.extend(all_files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn a_photo_that_rots_on_the_device_comes_back_from_headquarters() {
    let s = Scene::new();
    let photo = noise(4, 1_500_000);
    let kept = attach(&s.a, &s.id, &file(s.dir.path(), "a.bin", &photo));
    s.a.json(&["sync"]);
    let sealed = all_files(&s.a.home.join("files"));
    assert_eq!(sealed.len(), 1);
    let mut bytes = std::fs::read(&sealed[0]).expect("a file");
    assert!(!bytes.windows(32).any(|w| w == &photo[..32]), "nothing lies there in plain");
    for at in [700, 900_000] {
        bytes[at] ^= 0x10;
    }
    std::fs::write(&sealed[0], bytes).expect("written");
    assert_ne!(s.fetched(&s.a, &kept["sha256"]).unwrap_or_default(), photo, "damaged bytes are not given out");
    // The second damaged chunk is met when the first is mended.
    for _ in 0..2 {
        s.a.json(&["sync"]);
    }
    assert_eq!(s.fetched(&s.a, &kept["sha256"]), Some(photo));
    assert_eq!(s.states(&s.a)[0]["here"], true);
}

/// The most memory that a process has had, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

/// Runs a command that has to succeed and gives the most memory that it had, in KiB.
fn memory(device: &Device, args: &[&str]) -> u64 {
    let mut child = device.command().args(args).stdout(std::process::Stdio::null()).spawn().expect("daftar is built");
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_kib(child.id()));
        if let Some(status) = child.try_wait().expect("it ends") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "daftar {args:?}");
    peak
}

#[test]
fn a_video_goes_through_chunk_by_chunk_and_never_whole_in_memory() {
    const VIDEO_BYTES: usize = 40 * 1024 * 1024;
    const MORE_KIB: u64 = 20 * 1024;
    let s = Scene::new();
    let (device_before, server_before) = (memory(&s.a, &["sync"]), peak_kib(s.server.pid()));
    let video = noise(9, VIDEO_BYTES);
    let path = file(s.dir.path(), "video.mp4", &video);
    let attaching = memory(&s.a, &["attach", &s.id, &path.display().to_string()]);
    let sending = memory(&s.a, &["sync"]);
    s.b.json(&["sync"]);
    let sha256 = s.states(&s.b)[0]["sha256"].clone();
    s.b.json(&["fetch", &s.id]);
    let fetching = memory(&s.b, &["sync"]);
    let server = peak_kib(s.server.pid());
    for (what, peak, before) in [
        ("attach", attaching, device_before),
        ("send", sending, device_before),
        ("fetch", fetching, device_before),
        ("serve", server, server_before),
    ] {
        assert!(peak <= before + MORE_KIB, "{what} took {peak} KiB, without the video {before} KiB");
    }
    assert!(s.fetched(&s.b, &sha256).is_some_and(|got| got == video), "the video is the video");
    assert_eq!(s.a.json(&["show", &s.id])["files_at_hq"], 1);
    s.server.must(&["verify"]);
}
