//! A real device: a home folder on which the command `daftar` is run.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

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

    /// Answers other devices on a free loopback port; `more` are further arguments of `peers --listen`.
    pub fn listens(&self, more: &[&str]) -> Listening {
        let mut child = self
            .command()
            .args(["peers", "--listen", "127.0.0.1:0", "--json"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("daftar is built");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut listening = Listening { address: String::new(), announced: false, child, stdout };
        let first = listening.says();
        listening.address = first["listening"].as_str().unwrap_or_else(|| panic!("it listens: {first}")).to_owned();
        listening.announced = first["announced"] == true;
        listening
    }
}

/// A device that answers others, until this is dropped.
pub struct Listening {
    /// Where.
    pub address: String,
    /// Whether it could be announced on the network.
    pub announced: bool,
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Listening {
    /// The next that it says.
    pub fn says(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("it says something");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("not JSON ({e}): {line:?}"))
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.rsplit(':').next().and_then(|p| p.parse().ok()).expect("an address has a port")
    }

    /// Ctrl-C.
    pub fn interrupt(&self) {
        let done = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(done.success(), "it runs");
    }

    /// Waits until it ends by itself, after `--once` or Ctrl-C.
    pub fn ends(mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
