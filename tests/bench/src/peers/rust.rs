//! TaskChampion and Automerge, by the program of `peers/rust`. Never part of the workspace's own build.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{answer, run, sources};

/// One of them.
pub struct RustPeer {
    pub(super) program: PathBuf,
    pub(super) name: &'static str,
}

/// Builds the program into a target folder of its own.
pub fn build(place: &Path) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--locked", "--manifest-path"]).arg(sources().join("rust/Cargo.toml"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
    run(command.env("CARGO_TARGET_DIR", place), "cargo build of the peers")?;
    Ok(place.join("release/daftar-bench-peers"))
}

/// A package's version in the peers' own lock.
pub fn version(package: &str) -> String {
    let lock = std::fs::read_to_string(sources().join("rust/Cargo.lock")).unwrap_or_default();
    let after = lock.split_once(&format!("name = \"{package}\"\nversion = \"")).map_or("", |(_, after)| after);
    after.split('"').next().unwrap_or_default().to_owned()
}

impl RustPeer {
    /// One measurement in a fresh folder.
    pub fn measure(&self, what: &str, corpus: &Path, dir: &Path) -> Result<Value, String> {
        let mut command = Command::new(&self.program);
        command.args([&self.name.to_lowercase(), what]).arg(corpus).arg(dir);
        let name = format!("{} {what}", self.name);
        answer(&run(&mut command, &name)?, &name)
    }
}
