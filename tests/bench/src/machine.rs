//! What the figures were taken on. Names no person, host or folder.

use serde_json::{Value, json};

use crate::exchange::Others;
use crate::peers::Peers;

fn line(file: &str, start: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with(start)).unwrap_or_default();
    line.rsplit(':').next().unwrap_or_default().trim().to_owned()
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

fn node() -> String {
    let out = std::process::Command::new("node").arg("--version").output();
    out.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
}

/// The load before anything was measured: another program's work shows in every figure.
pub struct Machine(String);

impl Machine {
    /// Looks before the run.
    pub fn look() -> Self {
        Self(load())
    }

    /// The machine and the versions, after the run.
    pub fn describe(&self, peers: &Peers, others: Option<&Others>) -> Value {
        let mut versions = json!({
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "processor": line("/proc/cpuinfo", "model name"),
            "memory": line("/proc/meminfo", "MemTotal"),
            "load_before": self.0,
            "load_after": load(),
            "daftar": env!("CARGO_PKG_VERSION"),
            "sqlite": rusqlite::version(),
        });
        for (name, version) in peers.versions() {
            versions[name] = json!(version);
        }
        if peers.pouch.is_ok() {
            versions["node"] = json!(node());
        }
        for (name, runs) in others.map(Others::runs).unwrap_or_default() {
            versions[format!("runs_of_{name}")] = json!(runs);
        }
        versions
    }
}
