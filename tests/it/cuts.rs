//! The link is cut at every sort of place and the server is killed; nothing is lost, nothing comes twice.

use std::time::{Duration, Instant};

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::proxy::{Proxy, Weather};
use daftar_tests::server::Server;
use serde_json::Value;

use crate::exchange::{assert_all_equal, assert_has_corpus};

const KILLS: usize = 20;
const KILLS_BEFORE_RECEIPT: usize = 5;

fn changes(status: &Value) -> u64 {
    status["compartments"].as_object().expect("compartments").values().filter_map(|c| c["changes"].as_u64()).sum()
}

fn waiting(device: &Device) -> u64 {
    device.json(&["status"])["waiting"].as_u64().expect("a number")
}

/// Syncs in weather that may break it. Whatever happens, what is acknowledged stays acknowledged.
fn try_sync(device: &Device) -> bool {
    let before = waiting(device);
    let out = device.run(&["sync", "--json"]);
    let after = waiting(device);
    assert!(after <= before, "what was acknowledged waits again: {before} before, {after} after");
    match out.status.code() {
        Some(0) => {
            let sent = daftar_tests::json(&out)["sent_changes"].as_u64();
            // What arrived before a cut is told of by a receipt, and need not go again.
            assert!(sent.is_some_and(|sent| sent <= before), "an acknowledged change is not sent again: {}", daftar_tests::told(&out));
            assert_eq!(after, 0, "a sync that says it is done leaves nothing: {}", daftar_tests::told(&out));
            true
        }
        Some(4) => false,
        _ => panic!("a cut link is no other trouble: {}", daftar_tests::told(&out)),
    }
}

/// A sync whose answer is swallowed: the server commits, is killed, and the receipt never comes.
fn commit_without_receipt(device: &Device, server: &mut Server, proxy: &Proxy, handshake: u64) {
    proxy.set(Weather { swallow_down_after: Some(handshake), ..Weather::default() });
    let (before, waits) = (changes(&server.status()), waiting(device));
    let mut sync = device.command().args(["sync", "--json"]).stdout(std::process::Stdio::null()).spawn().expect("daftar is built");
    let until = Instant::now() + Duration::from_secs(20);
    while changes(&server.status()) == before {
        assert!(Instant::now() < until, "the server commits although nobody hears it");
        std::thread::sleep(Duration::from_millis(20));
    }
    server.kill();
    assert_eq!(sync.wait().expect("sync ends").code(), Some(4));
    assert_eq!(waiting(device), waits, "nothing but a receipt takes work off the queue");
}

#[test]
fn cut_links_and_killed_servers_lose_nothing_and_repeat_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (proxy, direct_to) = Proxy::start();
    let mut server = Server::init(dir.path(), proxy.port);
    direct_to(server.port);
    server.start();
    let a = Device::enrolled(dir.path(), "a", &server.officer_everywhere("aziz"));
    let b = Device::enrolled(dir.path(), "b", &server.officer_everywhere("bobur"));
    assert!(try_sync(&a) && try_sync(&b));
    let down = proxy.down_bytes();
    assert!(try_sync(&a));
    let idle_down = proxy.down_bytes() - down;

    let whole = corpus::write(dir.path(), 500, 9, &[]);
    let lines: Vec<String> = std::fs::read_to_string(&whole).expect("the corpus").lines().map(str::to_owned).collect();
    let portions = lines.chunks(lines.len().div_ceil(KILLS));
    for (round, portion) in portions.enumerate() {
        let file = dir.path().join(format!("portion-{round}.ndjson"));
        std::fs::write(&file, portion.join("\n")).expect("the folder can be written");
        a.import(&file);
        // Offsets that fall into the handshake, the head, the segments, the receipts and the end.
        let at = [700, 2600, 3300, 4096, 6000, 9000, 14000][round % 7] + 131 * round as u64;
        proxy.set(Weather { cut_up_at: Some(at), ..Weather::default() });
        try_sync(&a);
        proxy.set(Weather { cut_down_at: Some(idle_down - 200 + 61 * round as u64), ..Weather::default() });
        try_sync(&a);
        try_sync(&b);
        if round % (KILLS / KILLS_BEFORE_RECEIPT) == 0 {
            let extra = dir.path().join(format!("extra-{round}.ndjson"));
            std::fs::write(&extra, one_more(&lines[round], round)).expect("the folder can be written");
            a.import(&extra);
            commit_without_receipt(&a, &mut server, &proxy, idle_down - 100);
        } else {
            proxy.set(Weather::default());
            let mut sync = a.command().args(["sync", "--json"]).stdout(std::process::Stdio::null()).spawn().expect("daftar is built");
            std::thread::sleep(Duration::from_millis(150 + 13 * round as u64));
            server.kill();
            let _ = sync.wait();
        }
        server.start();
        proxy.set(Weather::default());
        assert!(try_sync(&a), "with a whole link everything goes through");
    }
    assert!(proxy.cuts() >= KILLS as u64, "the link was cut {} times only", proxy.cuts());
    assert!(try_sync(&b) && try_sync(&a));
    assert_eq!(waiting(&a), 0);
    assert_all_equal(&a, &b, &server);
    server.must(&["verify"]);

    let all = dir.path().join("all.ndjson");
    let mut text = lines.join("\n");
    for round in (0..KILLS).step_by(KILLS / KILLS_BEFORE_RECEIPT) {
        text.push('\n');
        text.push_str(&one_more(&lines[round], round));
    }
    std::fs::write(&all, text).expect("the folder can be written");
    assert_has_corpus(&b, &all);
    for device in [&a, &b] {
        for record in device.list("inspection").iter().step_by(50) {
            let shown = device.json(&["show", record["id"].as_str().expect("an id")]);
            assert_eq!(shown["history"].as_array().map(Vec::len), Some(1), "nothing came twice");
        }
    }
}

/// The same record under another id.
fn one_more(line: &str, round: usize) -> String {
    let mut record: Value = serde_json::from_str(line).expect("a line of the corpus");
    record["id"] = format!("01a09fff-0000-7000-8000-{round:012x}").into();
    record.to_string()
}
