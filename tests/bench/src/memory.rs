//! The device's memory once Argon2id has given its own back: a child unlocks, sets its peak to what it holds then, and syncs.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use daftar_device::Device;
use daftar_device::sync::{HttpTransport, run};
use daftar_tests::device::PIN;
use serde_json::{Value, json};

use crate::daftar::{Pair, peak_mb, unseal};
use crate::figures::{Bar, Figures, Row};

const RUNS: usize = 3;
/// The word by which this program knows that it is the child.
pub const CHILD: &str = "sync-and-tell-memory";

/// What carries an exchange.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads can be had")
}

/// In the child: unlocks, syncs, prints.
#[expect(clippy::print_stdout, reason = "the child's one line is its answer")]
pub fn child(home: &Path) {
    let device = Device::open(home).expect("the home opens");
    let officer = device.officer(None).expect("there is one officer");
    let store = Arc::new(device.unlock(&officer.handle, PIN).expect("the PIN is right"));
    let me = std::process::id();
    let with_argon2 = peak_mb(me);
    std::fs::write("/proc/self/clear_refs", "5").expect("a Linux process may reset its own peak");
    let before = peak_mb(me);
    let report = runtime().block_on(async {
        let transport = HttpTransport::new(store.device()).expect("a link is prepared");
        run(&store, &transport, &|_| {}).await.expect("the exchange finishes")
    });
    println!("{}", json!({"report": report, "with_argon2": with_argon2, "before": before, "peak": peak_mb(me)}));
}

fn measured(home: &Path) -> Value {
    let me = std::env::current_exe().expect("a running program has a path");
    let out = Command::new(me).arg(CHILD).arg(home).output().expect("this program starts again");
    assert!(out.status.success(), "{}", daftar_tests::told(&out));
    daftar_tests::json(&out)
}

/// Measures push and pull.
pub fn measure(dir: &Path, corpus: &Path, is_standard: bool, figures: &mut Figures) {
    eprintln!("── memory");
    let (mut before, mut pushes, mut pulls) = (Vec::new(), Vec::new(), Vec::new());
    let peak = |v: &Value| v["peak"].as_f64().unwrap_or(f64::NAN);
    for _ in 0..RUNS {
        let pair = Pair::new(dir);
        pair.a.import(corpus);
        // Cutting takes more than handing out what is sealed.
        unseal(&pair.a);
        let push = measured(&pair.a.home);
        pair.server.settled();
        let pull = measured(&pair.b.home);
        let count = |v: &Value, key: &str| v["report"][key].as_u64();
        assert!(count(&pull, "received_changes") >= count(&push, "sent_changes"), "all that was sent is received");
        before.push(push["before"].as_f64().unwrap_or(f64::NAN));
        pushes.push(peak(&push));
        pulls.push(peak(&pull));
    }
    let bars = [Bar::AtMost(60.0)];
    figures.add(Row::of("memory after unlocking, before the sync", &before, "MB"));
    figures.add(Row::of("memory after unlocking, push", &pushes, "MB").bars_if(is_standard, &bars));
    figures.add(Row::of("memory after unlocking, pull", &pulls, "MB").bars_if(is_standard, &bars));
}
