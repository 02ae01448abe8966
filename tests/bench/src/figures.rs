//! The figures as they are collected: a table for people, JSON lines for machines.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::json;

/// What was measured.
#[derive(Default)]
pub struct Figures(Vec<Row>);

struct Row {
    name: &'static str,
    value: f64,
    unit: &'static str,
    peer: Option<(&'static str, f64)>,
    bar: Option<f64>,
}

/// The middle of a list of measurements.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value below which so many of a hundred lie.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

impl Figures {
    /// A figure by itself.
    pub fn add(&mut self, name: &'static str, value: f64, unit: &'static str) {
        self.0.push(Row { name, value, unit, peer: None, bar: None });
    }

    /// A figure with the most that it should come to.
    pub fn bar(&mut self, name: &'static str, value: f64, unit: &'static str, bar: f64) {
        self.0.push(Row { name, value, unit, peer: None, bar: Some(bar) });
    }

    /// A figure beside the same of a peer in this run; the bar is the most that their ratio should come to.
    pub fn beside(&mut self, name: &'static str, value: f64, unit: &'static str, peer: (&'static str, f64), ratio_bar: Option<f64>) {
        self.0.push(Row { name, value, unit, peer: Some(peer), bar: ratio_bar });
    }

    /// The corpus's size, plain and by xz where there is one.
    pub fn corpus(&mut self, path: &Path) {
        let bytes = std::fs::metadata(path).map_or(f64::NAN, |m| m.len() as f64);
        self.add("corpus as JSON lines", bytes / 1e6, "MB");
        self.add("corpus, records", daftar_tests::corpus::lines(path).len() as f64, "");
        if let Ok(out) = Command::new("xz").args(["-9e", "-c", "-k"]).arg(path).output() {
            self.add("corpus by xz -9e", out.stdout.len() as f64 / 1e6, "MB");
        }
    }

    /// Prints both.
    pub fn print(&self) {
        let mut out = std::io::stdout().lock();
        for row in &self.0 {
            let peer = row.peer.map(|(name, v)| json!({"name": name, "value": v, "ratio": row.value / v}));
            let line = json!({"figure": row.name, "value": row.value, "unit": row.unit, "peer": peer, "bar": row.bar});
            let _ = writeln!(out, "{line}");
        }
        let _ = writeln!(out, "\n{:<44} {:>12} {:<5} {:>26} {:>8} {:>8}", "figure", "value", "unit", "peer in this run", "ratio", "bar");
        for row in &self.0 {
            let (peer, ratio) =
                row.peer.map_or((String::new(), String::new()), |(n, v)| (format!("{n} {v:.3}"), format!("{:.2}", row.value / v)));
            let bar = row.bar.map_or(String::new(), |b| format!("{b}"));
            let _ = writeln!(out, "{:<44} {:>12.3} {:<5} {:>26} {:>8} {:>8}", row.name, row.value, row.unit, peer, ratio, bar);
        }
    }
}
