//! PouchDB and its server, by the programs of `peers/pouchdb`, over a link that counts its bytes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use daftar_tests::weak::{Link, WeakLink};
use serde_json::{Value, json};

use super::{answer, run, sources};

const FILES: [&str; 5] = ["package.json", "package-lock.json", ".npmrc", "client.mjs", "server.mjs"];
const STAMP: &str = "node_modules/.daftar-lock";

/// PouchDB, installed.
#[derive(Clone)]
pub struct Pouch(PathBuf);

/// A server that runs, and the link to it.
pub struct PouchServer {
    /// What lies between.
    pub link: Link,
    child: Child,
}

impl Drop for PouchServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl PouchServer {
    /// The database's address, through the link.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/records", self.link.port)
    }
}

/// PouchDB's version in the peers' own lock.
pub fn version() -> String {
    let lock = std::fs::read(sources().join("pouchdb/package-lock.json")).unwrap_or_default();
    let lock: Value = serde_json::from_slice(&lock).unwrap_or_default();
    let of = |name: &str| lock["packages"][format!("node_modules/{name}")]["version"].as_str().unwrap_or_default().to_owned();
    format!("{} (server: express-pouchdb {})", of("pouchdb"), of("express-pouchdb"))
}

impl Pouch {
    /// Installs what the lock says, once.
    pub fn install(place: &Path) -> Result<Self, String> {
        let dir = place.join("pouchdb");
        let fault = |e: std::io::Error| format!("PouchDB cannot be installed: {e}");
        std::fs::create_dir_all(&dir).map_err(fault)?;
        for file in FILES {
            std::fs::copy(sources().join("pouchdb").join(file), dir.join(file)).map_err(fault)?;
        }
        let lock = std::fs::read(dir.join("package-lock.json")).map_err(fault)?;
        if std::fs::read(dir.join(STAMP)).is_ok_and(|have| have == lock) {
            return Ok(Self(dir));
        }
        // leveldown brings its binaries: no package needs to run anything.
        let words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        run(Command::new("npm").current_dir(&dir).args(words), "npm ci of PouchDB")?;
        std::fs::write(dir.join(STAMP), lock).map_err(fault)?;
        Ok(Self(dir))
    }

    /// Runs one step of the client.
    pub fn step(&self, words: &[&str]) -> Result<Value, String> {
        let what = format!("PouchDB's {}", words.first().unwrap_or(&"client"));
        answer(&run(&mut self.client(words), &what)?, &what)
    }

    /// The client, not yet started.
    pub fn client(&self, words: &[&str]) -> Command {
        let mut command = Command::new("node");
        command.current_dir(&self.0).arg("client.mjs").args(words);
        command
    }

    /// Starts a server with its data in this folder.
    pub fn serve(&self, dir: &Path) -> Result<PouchServer, String> {
        let mut command = Command::new("node");
        command.current_dir(&self.0).arg("server.mjs").arg(dir);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut server = PouchServer { link: Link::start(WeakLink::WIRE), child: child.map_err(|e| format!("node does not start: {e}"))? };
        let mut line = String::new();
        let out = server.child.stdout.take().ok_or("PouchDB's server has no output")?;
        BufReader::new(out).read_line(&mut line).map_err(|e| e.to_string())?;
        let port = serde_json::from_str::<Value>(&line).ok().and_then(|v| v["port"].as_u64()).and_then(|p| u16::try_from(p).ok());
        server.link.lead_to(port.ok_or("PouchDB's server does not listen")?);
        Ok(server)
    }

    /// Push by one device, pull by another, nothing new, one amendment.
    pub fn exchange(&self, corpus: &Path, dir: &Path) -> Result<Value, String> {
        let server = self.serve(dir)?;
        let (url, corpus) = (server.url(), corpus.display().to_string());
        let (a, b) = (dir.join("device-a").display().to_string(), dir.join("device-b").display().to_string());
        let count = |words: &[&str]| {
            let before = (server.link.up_bytes(), server.link.down_bytes());
            let said = self.step(words)?;
            Ok::<_, String>((said, server.link.up_bytes() - before.0, server.link.down_bytes() - before.1))
        };
        self.step(&["load", &a, &corpus])?;
        let (push, push_up, push_down) = count(&["push", &a, &url])?;
        let (pull, pull_up, pull_down) = count(&["pull", &b, &url])?;
        if push["docs"] != pull["docs"] {
            return Err("the second device has not all documents".into());
        }
        count(&["sync", &a, &url])?;
        let (idle, idle_up, idle_down) = count(&["sync", &a, &url])?;
        self.step(&["amend", &a])?;
        let (one, one_up, one_down) = count(&["sync", &a, &url])?;
        Ok(json!({
            "push_s": push["seconds"], "push_up": push_up, "push_down": push_down, "push_requests": push["requests"],
            "pull_s": pull["seconds"], "pull_up": pull_up, "pull_down": pull_down, "pull_requests": pull["requests"],
            "idle_s": idle["seconds"], "idle_up": idle_up, "idle_down": idle_down, "idle_requests": idle["requests"],
            "one_s": one["seconds"], "one_up": one_up, "one_down": one_down, "one_requests": one["requests"],
        }))
    }

    /// What is left of what two devices write apart.
    pub fn conflict(&self, corpus: &Path, dir: &Path) -> Result<Value, String> {
        let server = self.serve(dir)?;
        let a = dir.join("device-a").display().to_string();
        self.step(&["load", &a, &corpus.display().to_string()])?;
        self.step(&["conflict", &a, &server.url()])
    }
}
