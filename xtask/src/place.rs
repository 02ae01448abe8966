//! Where things are: the checkout, the target folder, the binaries. Never creates or changes a file.

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

/// The checkout and its target folder.
pub struct Place {
    pub root: PathBuf,
    pub target: PathBuf,
}

impl Place {
    pub fn find() -> Result<Self> {
        // Never the folder that this was compiled in: checkouts may share a target folder.
        let here = std::env::current_dir().context("where are we?")?;
        let root = here
            .ancestors()
            .find(|folder| folder.join("xtask/Cargo.toml").is_file())
            .context("run this inside the checkout, by ./x")?
            .to_path_buf();
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// A command that starts in the checkout's root.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// Cargo with our target folder; where a machine builds, the lock file is law.
    pub fn cargo(&self, words: &[&str]) -> Command {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target).args(words);
        // `cargo run` tells xtask of its own package: not of those that xtask builds.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
                command.env_remove(name);
            }
        }
        command
    }

    pub fn locked(&self) -> &'static [&'static str] {
        if std::env::var_os("CI").is_some() { &["--locked"] } else { &[] }
    }

    /// The binaries of this very checkout: the target folder may be shared by several.
    pub fn bin_dir(&self, profile: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        self.root.hash(&mut hasher);
        self.target.join(format!("bin-{profile}-{:016x}", hasher.finish()))
    }
}
