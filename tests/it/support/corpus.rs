//! Reproducible field records from `tests/corpus/generate.py`.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Writes the corpus of so many inspections into `dir` and gives its path; `more` are further arguments (`--team`, `imt-1`).
pub fn write(dir: &Path, inspections: u32, seed: u32, more: &[&str]) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find_map(|d| {
        let here = d.join("tests/corpus/generate.py");
        here.exists().then_some(here)
    });
    let out = Command::new("python3")
        .arg(script.expect("the generator stands in tests/corpus"))
        .args(["--inspections", &inspections.to_string(), "--seed", &seed.to_string()])
        .args(more)
        .output()
        .expect("python3 runs");
    assert!(out.status.success(), "{}", super::told(&out));
    let path = dir.join(format!("corpus-{inspections}-{seed}.ndjson"));
    std::fs::write(&path, out.stdout).expect("the folder can be written");
    path
}

/// The lines of a corpus.
pub fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("the corpus is there");
    text.lines().map(|l| serde_json::from_str(l).expect("the generator writes JSON")).collect()
}
