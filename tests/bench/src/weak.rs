//! 100 inspections over 64 kbit/s and 600 ms, from a cold connection: once in peace, once with every connection cut after 5 s.

use std::path::Path;
use std::time::{Duration, Instant};

use daftar_tests::device::Device;
use daftar_tests::weak::{Link, WeakLink};

use crate::daftar::{folder, sync};
use crate::figures::{Bar, Figures, Row, median};
use crate::linked::Linked;
use crate::peers::{POUCHDB, Peers, PouchServer};
use crate::plain;

const INSPECTIONS: u32 = 100;
const RUNS: u32 = 3;
const CUT_AFTER: Duration = Duration::from_secs(5);
const CUT: WeakLink = WeakLink { cut_after: Some(CUT_AFTER), ..WeakLink::VALLEY };
/// Tries of `daftar sync` on a link that is cut, at most.
const TRIES_MAX: u32 = 60;

/// What a push over the link took.
struct Took {
    seconds: f64,
    up: f64,
    tries: u32,
}

/// Hands over the corpus of a run to a device that has been in touch, on a fast link.
fn ready(hq: &Linked, dir: &Path, name: &str, seed: u32) -> Device {
    hq.link.set(WeakLink::WIRE);
    let device = hq.device(name);
    device.import(&daftar_tests::corpus::write(dir, INSPECTIONS, seed, &[]));
    device
}

/// Syncs again and again until it is done. Of each try only the exchange counts, not Argon2id.
fn push(hq: &Linked, device: &Device, link: WeakLink) -> Took {
    hq.link.set(link);
    let (before, began) = (hq.link.up_bytes(), Instant::now());
    for tries in 1..=TRIES_MAX {
        if tries == 1 && link.cut_after.is_none() {
            let seconds = sync(device).get("seconds");
            return Took { seconds, up: (hq.link.up_bytes() - before) as f64, tries };
        }
        if device.run(&["sync", "--json"]).status.success() {
            return Took { seconds: began.elapsed().as_secs_f64(), up: (hq.link.up_bytes() - before) as f64, tries };
        }
    }
    Took { seconds: f64::NAN, up: f64::NAN, tries: TRIES_MAX }
}

/// The same by PouchDB, whose device also has been in touch once.
fn pouch(peers: &Peers, dir: &Path, name: &str, link: WeakLink) -> Result<Took, String> {
    let pouch = peers.pouch.as_ref().map_err(String::clone)?;
    let dir = folder(dir, name);
    let corpus = daftar_tests::corpus::write(&dir, INSPECTIONS, 101, &[]);
    let server: PouchServer = pouch.serve(&dir)?;
    let device = dir.join("device").display().to_string();
    pouch.step(&["push", &device, &server.url()])?;
    pouch.step(&["load", &device, &corpus.display().to_string()])?;
    server.link.set(link);
    let patience = if link.cut_after.is_some() { peers.cut_patience() } else { Duration::MAX };
    let (before, began, mut tries) = (server.link.up_bytes(), Instant::now(), 0);
    while began.elapsed() < patience {
        tries += 1;
        let mut child = pouch.client(&["push", &device, &server.url()]);
        let child = child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn();
        let mut child = child.map_err(|e| e.to_string())?;
        let ended = loop {
            match child.try_wait().map_err(|e| e.to_string())? {
                Some(status) => break status.success(),
                None if began.elapsed() > patience => {
                    let _ = child.kill();
                    break false;
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let out = child.wait_with_output().map_err(|e| e.to_string())?;
        if ended {
            let said: serde_json::Value = serde_json::from_slice(&out.stdout).map_err(|e| e.to_string())?;
            let whole = began.elapsed().as_secs_f64();
            let seconds = if tries == 1 { said["seconds"].as_f64().unwrap_or(whole) } else { whole };
            return Ok(Took { seconds, up: (server.link.up_bytes() - before) as f64, tries });
        }
        if link.cut_after.is_none() {
            return Err("PouchDB does not finish".into());
        }
    }
    Err(format!("not done after {} s and {tries} tries, {} kB up", patience.as_secs(), (server.link.up_bytes() - before) / 1000))
}

/// The corpus by `zstd -3` in one plain POST.
fn raw(corpus: &Path) -> std::io::Result<Took> {
    let bytes = zstd::bulk::compress(&std::fs::read(corpus)?, 3)?;
    let link = Link::start(WeakLink::VALLEY);
    link.lead_to(plain::serve());
    let began = Instant::now();
    plain::post(link.port, &bytes)?;
    Ok(Took { seconds: began.elapsed().as_secs_f64(), up: link.up_bytes() as f64, tries: 1 })
}

/// What the measurement without cuts came to; the one with cuts is compared with it.
struct Uncut {
    seconds: Vec<f64>,
    up: Vec<f64>,
    /// Bytes up of a sync that has nothing to bring: what each try more costs by itself, TLS and all.
    idle: Vec<f64>,
}

fn uncut(hq: &Linked, dir: &Path) -> Uncut {
    let mut all = Uncut { seconds: Vec::new(), up: Vec::new(), idle: Vec::new() };
    for run in 0..RUNS {
        let device = ready(hq, dir, &format!("uncut{run}"), 101 + run);
        let took = push(hq, &device, WeakLink::VALLEY);
        all.seconds.push(took.seconds);
        all.up.push(took.up);
        all.idle.push(push(hq, &device, WeakLink::VALLEY).up);
    }
    all
}

/// Measures what is asked for.
pub fn measure(dir: &Path, peers: &Peers, (weak, cut): (bool, bool), figures: &mut Figures) {
    eprintln!("── weak link");
    let dir = folder(dir, "weak");
    let hq = Linked::new(&dir, "hq");
    let calm = uncut(&hq, &dir);
    if weak {
        let raw = raw(&daftar_tests::corpus::write(&dir, INSPECTIONS, 101, &[])).expect("a plain POST is answered");
        let theirs = figures.heard("PouchDB, weak link", pouch(peers, &dir, "pouch", WeakLink::VALLEY));
        let seconds = Row::of("weak link, push of 100 inspections", &calm.seconds, "s").beside("zstd -3, one POST", raw.seconds);
        figures.add(seconds.beside(POUCHDB, theirs.as_ref().map(|t| t.seconds)).bar(Bar::AtMost(6.5)));
        let up = Row::of("weak link, TCP bytes up", &calm.up, "B").beside("zstd -3, one POST", raw.up);
        figures.add(up.beside(POUCHDB, theirs.as_ref().map(|t| t.up)));
    }
    if cut {
        let mut all = Vec::new();
        for run in 0..RUNS {
            let device = ready(&hq, &dir, &format!("cut{run}"), 101 + RUNS + run);
            all.push(push(&hq, &device, CUT));
        }
        let theirs = figures.heard("PouchDB, weak link cut every 5 s", pouch(peers, &dir, "pouch-cut", CUT));
        let of = |name: &str, unit, value: fn(&Took) -> f64| Row::of(name, &all.iter().map(value).collect::<Vec<_>>(), unit);
        let beside = |row: Row, value: fn(&Took) -> f64| row.beside(POUCHDB, theirs.as_ref().map(value));
        figures.add(beside(of("weak link cut every 5 s, until done", "s", |t| t.seconds), |t| t.seconds));
        figures.add(beside(of("weak link cut every 5 s, tries", "", |t| f64::from(t.tries)), |t| f64::from(t.tries)));
        let up = beside(of("weak link cut every 5 s, TCP bytes up", "B", |t| t.up), |t| t.up);
        let (whole, idle) = (median(&calm.up), median(&calm.idle));
        let ratio = up.value / whole;
        figures.add(up);
        figures.add(Row { runs: all.len(), ..Row::one("weak link cut every 5 s, up / uncut", ratio, "×") });
        let twice: Vec<f64> = all.iter().map(|t| (t.up - whole - f64::from(t.tries - 1) * idle) / whole).collect();
        let row = Row::of("weak link cut every 5 s, sent twice / uncut, without the next connections", &twice, "×");
        figures.add(row.bar(Bar::AtMost(0.2)));
    }
}
