//! Daftar as the measurements use it: a server with two devices, the command `daftar sync`, and the memory of processes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use daftar_tests::device::Device;
use daftar_tests::server::Server;
use serde_json::Value;
use tempfile::TempDir;

/// A server that runs, and two devices of officers who may read everything.
pub struct Pair {
    /// Headquarters.
    pub server: Server,
    /// The device that writes.
    pub a: Device,
    /// The device that reads.
    pub b: Device,
    /// Removed with the pair: a corpus three times over is large.
    pub dir: TempDir,
}

impl Pair {
    /// In a folder of its own below `dir`.
    pub fn new(dir: &Path) -> Self {
        let dir = tempfile::tempdir_in(dir).expect("the folder can be written");
        let mut server = Server::init_direct(dir.path());
        server.start();
        let a = Device::enrolled(dir.path(), "a", &server.officer_everywhere("aziz"));
        let b = Device::enrolled(dir.path(), "b", &server.officer_everywhere("bobur"));
        Self { server, a, b, dir }
    }

    /// The same, with a corpus on both.
    pub fn with(dir: &Path, corpus: &Path) -> Self {
        let pair = Self::new(dir);
        pair.a.import(corpus);
        sync(&pair.a);
        pair.server.settled();
        sync(&pair.b);
        pair
    }
}

/// A folder that was not there before.
pub fn folder(dir: &Path, name: &str) -> PathBuf {
    let dir = dir.join(name);
    std::fs::create_dir(&dir).expect("the folder can be written");
    dir
}

/// What `daftar sync --json` reported.
pub struct Synced {
    /// The report.
    pub report: Value,
    /// The greatest memory that the process had, Argon2id's included.
    pub peak_mb: f64,
}

impl Synced {
    /// A number of the report.
    pub fn get(&self, key: &str) -> f64 {
        self.report[key].as_f64().unwrap_or(f64::NAN)
    }
}

/// A number of several reports.
pub fn each(all: &[Synced], key: &str) -> Vec<f64> {
    all.iter().map(|s| s.get(key)).collect()
}

/// Runs `daftar sync --json`, watching its memory.
pub fn sync(device: &Device) -> Synced {
    let mut child = device.command().args(["sync", "--json"]).stdout(Stdio::piped()).spawn().expect("daftar is built");
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
    Synced { report: daftar_tests::json(&out), peak_mb: peak }
}

/// Takes away what was sealed when the last command ended: what waits is cut anew, as it is where a link is slow or nobody has locked.
pub fn unseal(device: &Device) {
    let keyring = rusqlite::Connection::open(device.home.join("keyring.db")).expect("the device has a keyring");
    keyring.execute("DELETE FROM outbox", []).expect("the keyring has an outbox");
}

/// The greatest memory that a process had, in MB.
pub fn peak_mb(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kb| kb / 1e3)
}

/// What `xz -9e` makes of a file; nothing where there is no xz.
pub fn xz_bytes(path: &Path) -> Option<f64> {
    let out = Command::new("xz").args(["-9e", "-c", "-k"]).arg(path).output().ok()?;
    out.status.success().then_some(out.stdout.len() as f64)
}
