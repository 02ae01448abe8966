//! A real `daftar-server` in a folder of its own, started, killed and started again.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A server's folder, ports and, while it runs, its process.
pub struct Server {
    /// Its data.
    pub data: PathBuf,
    /// Where it listens for devices.
    pub port: u16,
    /// Where its console listens.
    pub console_port: u16,
    /// Files may have so many bytes together.
    pub files_bytes_max: Option<u64>,
    child: Option<Child>,
}

impl Server {
    /// Makes a new server with the sample's teams; devices are told `address_port`.
    pub fn init(dir: &Path, address_port: u16) -> Self {
        let server = Self {
            data: dir.join("server"),
            port: super::free_port(),
            console_port: super::free_port(),
            files_bytes_max: None,
            child: None,
        };
        let address = format!("127.0.0.1:{address_port}");
        server.must(&["init", "--address", &address, "--sample"]);
        server
    }

    /// Makes a server that devices reach directly.
    pub fn init_direct(dir: &Path) -> Self {
        let port = super::free_port();
        let mut server = Self::init(dir, port);
        server.port = port;
        server
    }

    /// A server whose folder is there already; devices know it at this port of loopback.
    pub fn found_in(data: PathBuf, port: u16) -> Self {
        Self { data, port, console_port: super::free_port(), files_bytes_max: None, child: None }
    }

    /// Runs a command on the server's data.
    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(super::bin_dir().join("daftar-server"));
        // `officer add` and the like are two words; the data comes behind them.
        let words = if ["device", "officer", "pack"].contains(&args[0]) { 2 } else { 1 };
        command.args(&args[..words]).arg("--data").arg(&self.data).args(&args[words..]);
        command.output().expect("daftar-server is built")
    }

    /// Runs a command that has to succeed and gives what it printed.
    pub fn must(&self, args: &[&str]) -> String {
        let out = self.run(args);
        assert!(out.status.success(), "daftar-server {args:?}: {}", super::told(&out));
        String::from_utf8(out.stdout).expect("commands print UTF-8")
    }

    /// Adds an officer of imt-1 and gives a code for a device of his with every compartment.
    pub fn officer_everywhere(&self, name: &str) -> String {
        self.must(&["officer", "add", "--name", name, "--agency", "moi", "--team", "imt-1"]);
        self.code(name, true)
    }

    /// A code for a further device of an officer.
    pub fn code(&self, name: &str, everywhere: bool) -> String {
        let mut args = vec!["enrol", "--officer", name];
        if everywhere {
            args.push("--all-compartments");
        }
        self.must(&args).trim().to_owned()
    }

    /// Starts it and waits until it listens.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let mut child = Command::new(super::bin_dir().join("daftar-server"))
            .arg("serve")
            .arg("--data")
            .arg(&self.data)
            .args(["--listen", &format!("127.0.0.1:{}", self.port), "--console", &format!("127.0.0.1:{}", self.console_port)])
            .args(self.files_bytes_max.map(|max| format!("--files-bytes-max={max}")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(if std::env::var_os("DAFTAR_TEST_LOGS").is_some() { Stdio::inherit() } else { Stdio::null() })
            .spawn()
            .expect("daftar-server is built");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("the server says when it listens");
        assert!(line.starts_with("listening"), "the server says `listening …` first, not {line:?}");
        self.child = Some(child);
    }

    /// Ends it at once, as a power cut would (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends it as an administrator does (SIGTERM): what it keeps stands in its files afterwards.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(told.is_ok_and(|s| s.success()), "the server is told to stop");
        assert!(child.wait().is_ok_and(|s| s.success()), "it ends well");
    }

    /// The running server's process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// `status --json`.
    pub fn status(&self) -> Value {
        super::json(&self.run(&["status", "--json"]))
    }

    /// Waits until the projection has caught up, and gives the status.
    pub fn settled(&self) -> Value {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let status = self.status();
            if status["lag"] == 0 {
                return status;
            }
            assert!(Instant::now() < until, "the projection stays behind: {status}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
