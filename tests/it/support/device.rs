//! A real device: a home folder on which the command `daftar` is run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Every test officer's PIN.
pub const PIN: &str = "48151623";

/// A device's home.
pub struct Device {
    /// Its folder.
    pub home: PathBuf,
}

impl Device {
    /// A device that is not enrolled yet.
    pub fn new(dir: &Path, name: &str) -> Self {
        Self { home: dir.join(name) }
    }

    /// A device enrolled with this code.
    pub fn enrolled(dir: &Path, name: &str, code: &str) -> Self {
        let device = Self::new(dir, name);
        let out = device.run(&["enrol", code, "--json"]);
        assert!(out.status.success(), "enrol: {}", super::told(&out));
        device
    }

    /// The command, ready to be given arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(super::bin_dir().join("daftar"));
        command.arg("--home").arg(&self.home).env("DAFTAR_PIN", PIN);
        command
    }

    /// Runs a command.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().expect("daftar is built")
    }

    /// Runs a command with `--json` that has to end with this status, and gives what it printed.
    pub fn json_with(&self, status: i32, args: &[&str]) -> Value {
        let out = self.run(&[args, &["--json"]].concat());
        assert_eq!(out.status.code(), Some(status), "daftar {args:?}: {}", super::told(&out));
        super::json(&out)
    }

    /// Runs a command with `--json` that has to succeed.
    pub fn json(&self, args: &[&str]) -> Value {
        self.json_with(0, args)
    }

    /// Imports a file that has to go in whole.
    pub fn import(&self, file: &Path) -> Value {
        self.json(&["import", &file.display().to_string()])
    }

    /// Every record of a kind.
    pub fn list(&self, kind: &str) -> Vec<Value> {
        self.json(&["list", kind]).as_array().cloned().expect("list gives an array")
    }
}
