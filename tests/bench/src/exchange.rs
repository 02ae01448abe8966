//! Push and pull of the corpus, one change more, and nothing new: real commands, real server, loopback.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use daftar_core::compartment::Compartment;
use daftar_core::record::Kind;
use daftar_tests::device::{Device, PIN};
use daftar_tests::server::Server;
use rusqlite::Connection;
use serde_json::Value;

use crate::RUNS;
use crate::figures::{Figures, median};

/// The kinds of the records screen.
const KINDS: [Kind; 2] = [Kind::Inspection, Kind::SurveillanceNote];

/// The greatest memory that a process had, in MB.
fn peak_mb(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kb| kb / 1e3)
}

/// Runs `daftar sync --json`, watching its memory.
fn sync(device: &Device) -> (Value, f64) {
    let mut child: Child = device.command().args(["sync", "--json"]).stdout(Stdio::piped()).spawn().expect("daftar is built");
    let mut peak = 0.0f64;
    loop {
        peak = peak.max(peak_mb(child.id()).unwrap_or(0.0));
        if child.try_wait().expect("the child can be asked").is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let out = child.wait_with_output().expect("the child has ended");
    assert!(out.status.success(), "{}", daftar_tests::told(&out));
    (daftar_tests::json(&out), peak)
}

/// The corpus's payloads in one transaction of a bare SQLCipher table: what storing alone takes.
fn bare_bulk(dir: &Path, corpus: &Path) -> f64 {
    let text = std::fs::read_to_string(corpus).expect("the corpus is there");
    let rows: Vec<_> = text.lines().map(|l| daftar_wire::json::read_line(l).expect("the generator writes records")).collect();
    let rows: Vec<_> = rows
        .into_iter()
        .map(|l| (l.id, daftar_wire::change::write_payload(&daftar_core::change::Payload { set: l.fields, reason: None })))
        .collect();
    let mut conn = Connection::open(dir.join("bulk.db")).expect("the folder can be written");
    conn.execute_batch(
        "PRAGMA key = \"x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'\";
         PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE record(id BLOB PRIMARY KEY, data BLOB NOT NULL);",
    )
    .expect("SQLCipher is linked");
    let began = Instant::now();
    let tx = conn.transaction().expect("a transaction");
    for (id, data) in &rows {
        tx.prepare_cached("INSERT INTO record VALUES(?1, ?2)")
            .and_then(|mut s| s.execute(rusqlite::params![id.0, data]))
            .expect("an insert");
    }
    tx.commit().expect("a commit");
    began.elapsed().as_secs_f64()
}

fn number(report: &Value, key: &str) -> f64 {
    report[key].as_f64().unwrap_or(f64::NAN)
}

/// Measures exchanges.
pub fn measure(dir: &Path, corpus: &Path, figures: &mut Figures) {
    let (mut pushes, mut pulls, mut bulks) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = None;
    for run in 0..RUNS {
        let dir = dir.join(format!("exchange-{run}"));
        std::fs::create_dir(&dir).expect("the folder can be written");
        let mut server = Server::init_direct(&dir);
        server.start();
        let a = Device::enrolled(&dir, "a", &server.officer_everywhere("aziz"));
        let b = Device::enrolled(&dir, "b", &server.officer_everywhere("bobur"));
        bulks.push(bare_bulk(&dir, corpus));
        a.import(corpus);
        pushes.push(sync(&a));
        let server_peak = peak_mb(server.pid()).unwrap_or(f64::NAN);
        server.settled();
        pulls.push(sync(&b));
        last = Some((server, a, b, server_peak));
    }
    let of = |all: &[(Value, f64)], key: &str| median(all.iter().map(|(r, _)| number(r, key)).collect());
    let peaks = |all: &[(Value, f64)]| median(all.iter().map(|(_, p)| *p).collect());
    let bulk = median(bulks);
    figures.add("bare bulk insert of the corpus", bulk, "s");
    figures.bar("push of the corpus, seconds", of(&pushes, "seconds"), "s", 1.5);
    figures.bar("push of the corpus, bytes up", of(&pushes, "bytes_up") / 1e6, "MB", 2.0);
    figures.add("push of the corpus, bytes down", of(&pushes, "bytes_down") / 1e3, "kB");
    figures.add("push of the corpus, requests", of(&pushes, "requests"), "");
    figures.add("push, peak memory of the client", peaks(&pushes), "MB");
    figures.bar("pull by a second device, seconds", of(&pulls, "seconds"), "s", 2.5);
    figures.add("pull by a second device, bytes down", of(&pulls, "bytes_down") / 1e6, "MB");
    figures.add("pull by a second device, requests", of(&pulls, "requests"), "");
    figures.add("pull, peak memory of the client", peaks(&pulls), "MB");
    if let Some((mut server, a, b, server_peak)) = last {
        figures.add("push, peak memory of the server", server_peak, "MB");
        small(&a, &b, figures);
        server.kill();
        opening(&a, figures);
    }
}

fn small(a: &Device, b: &Device, figures: &mut Figures) {
    sync(a);
    let idle: Vec<_> = (0..RUNS).map(|_| sync(a)).collect();
    let of = |all: &[(Value, f64)], key: &str| median(all.iter().map(|(r, _)| number(r, key)).collect());
    figures.bar("nothing new, bytes up", of(&idle, "bytes_up"), "B", 600.0);
    figures.bar("nothing new, bytes down", of(&idle, "bytes_down"), "B", 600.0);
    figures.bar("nothing new, requests", of(&idle, "requests"), "", 1.0);
    figures.add("nothing new, seconds", of(&idle, "seconds"), "s");
    let ids: Vec<String> = b.list("inspection").iter().take(RUNS).filter_map(|r| r["id"].as_str().map(str::to_owned)).collect();
    let amended: Vec<_> = ids
        .iter()
        .map(|id| {
            a.json(&["amend", id, "vehicle.colour=green"]);
            sync(a)
        })
        .collect();
    figures.add("one amendment, bytes up", of(&amended, "bytes_up"), "B");
    figures.add("one amendment, bytes down", of(&amended, "bytes_down"), "B");
    figures.add("one amendment, requests", of(&amended, "requests"), "");
}

/// From the PIN to the first answer, with the corpus on the device.
fn opening(a: &Device, figures: &mut Figures) {
    let (mut unlock, mut first, mut second) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let device = daftar_device::Device::open(&a.home).expect("the home opens");
        let began = Instant::now();
        let store = device.unlock("aziz", PIN).expect("the PIN is right");
        unlock.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        let page = store.list(&KINDS, None, 50).expect("records are listed");
        assert_eq!(page.items.len(), 50, "the corpus is on the device");
        first.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        store.search("Юсупов", None, 50).expect("records are found");
        second.push(began.elapsed().as_secs_f64());
        assert!(store.compartments().contains(&Compartment::reference()));
    }
    figures.add("unlocking (Argon2id and 27 files)", median(unlock) * 1e3, "ms");
    figures.add("first page of records after unlocking", median(first) * 1e3, "ms");
    figures.add("search after unlocking", median(second) * 1e3, "ms");
}
