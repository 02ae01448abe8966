//! Other programs that do the like, installed below the target folder for the bench alone. A peer that cannot be had is
//! named with the reason, and the run goes on.

mod node;
mod rust;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::figures::median;

pub use node::{Pouch, PouchServer};
pub use rust::RustPeer;

/// Runs of one measurement of a peer, at most.
const RUNS: usize = 5;
/// No further run of a peer begins after this, unless all is asked for.
const PATIENCE: Duration = Duration::from_secs(40);
/// A peer that is not done by then on a link that is cut is not waited for; and when all is asked for.
const CUT_PATIENCE: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(300)];
/// A step of a peer that takes longer is ended.
const STEP_MAX: Duration = Duration::from_secs(600);

/// PouchDB's name in the table.
pub const POUCHDB: &str = "PouchDB";
/// TaskChampion's.
pub const TASKCHAMPION: &str = "TaskChampion";
/// Automerge's.
pub const AUTOMERGE: &str = "Automerge";

/// All peers, as far as they could be had.
pub struct Peers {
    rust: Result<PathBuf, String>,
    is_full: bool,
    /// PouchDB.
    pub pouch: Result<Pouch, String>,
}

/// Medians of a peer's runs, by the names that the peers' programs give them.
pub struct Medians(Vec<Value>);

impl Medians {
    /// A figure; nothing when this peer has none of the kind.
    pub fn get(&self, key: &str) -> Option<f64> {
        let values: Vec<f64> = self.0.iter().filter_map(|v| v[key].as_f64()).collect();
        (!values.is_empty()).then(|| median(&values))
    }

    /// A text.
    pub fn text(&self, key: &str) -> String {
        self.0.first().and_then(|v| v[key].as_str()).unwrap_or_default().to_owned()
    }

    /// Of how many runs.
    pub fn runs(&self) -> usize {
        self.0.len()
    }
}

/// Every peer's answer to one measurement.
pub type Answers = Vec<(&'static str, Result<Medians, String>)>;

impl Peers {
    /// Builds and installs them, or says why not. `is_full`: with all the patience there is.
    pub fn install(wanted: bool, is_full: bool) -> Self {
        if !wanted {
            let why = || "not asked for".to_owned();
            return Self { rust: Err(why()), is_full, pouch: Err(why()) };
        }
        eprintln!("── peers: installing, some minutes the first time");
        let place = target().join("bench-peers");
        Self { rust: rust::build(&place), is_full, pouch: Pouch::install(&place) }
    }

    /// Versions of those that are there.
    pub fn versions(&self) -> Vec<(&'static str, String)> {
        let mut versions = Vec::new();
        if self.rust.is_ok() {
            versions.extend([(TASKCHAMPION, rust::version("taskchampion")), (AUTOMERGE, rust::version("automerge"))]);
        }
        if self.pouch.is_ok() {
            versions.push((POUCHDB, node::version()));
        }
        versions
    }

    fn rust(&self, name: &'static str) -> Result<RustPeer, String> {
        self.rust.clone().map(|program| RustPeer { program, name })
    }

    /// Push, pull, nothing new, one change more, of every peer.
    pub fn exchange(&self, corpus: &Path, dir: &Path) -> Answers {
        let pouch = self.pouch.as_ref().map_err(String::clone);
        let rust = |name| self.again(|| self.rust(name)?.measure("exchange", corpus, fresh(dir)?.path()));
        vec![
            (POUCHDB, self.again(|| pouch.clone()?.exchange(corpus, fresh(dir)?.path()))),
            (TASKCHAMPION, rust(TASKCHAMPION)),
            (AUTOMERGE, rust(AUTOMERGE)),
        ]
    }

    /// Saves of single records.
    pub fn save(&self, corpus: &Path, dir: &Path) -> Answers {
        self.once("save", corpus, dir, |pouch, dir| {
            pouch.step(&["save", &dir.join("a").display().to_string(), &corpus.display().to_string()])
        })
    }

    /// What is left of what two devices write apart.
    pub fn conflict(&self, corpus: &Path, dir: &Path) -> Answers {
        self.once("conflict", corpus, dir, |pouch, dir| pouch.conflict(corpus, dir))
    }

    /// How long a peer may try on a link that is cut.
    pub fn cut_patience(&self) -> Duration {
        CUT_PATIENCE[usize::from(self.is_full)]
    }

    /// Runs it until the median is of enough runs, or patience ends.
    fn again(&self, mut run: impl FnMut() -> Result<Value, String>) -> Result<Medians, String> {
        let began = Instant::now();
        let mut all = Vec::new();
        while all.len() < RUNS && (all.is_empty() || self.is_full || began.elapsed() < PATIENCE) {
            all.push(run()?);
        }
        Ok(Medians(all))
    }

    fn once(&self, what: &str, corpus: &Path, dir: &Path, of_pouch: impl Fn(&Pouch, &Path) -> Result<Value, String>) -> Answers {
        let one = |answer: Result<Value, String>| answer.map(|v| Medians(vec![v]));
        let rust = |name: &'static str| self.rust(name)?.measure(what, corpus, fresh(dir)?.path());
        let pouch = || of_pouch(self.pouch.as_ref().map_err(String::clone)?, fresh(dir)?.path());
        vec![(POUCHDB, one(pouch())), (TASKCHAMPION, one(rust(TASKCHAMPION))), (AUTOMERGE, one(rust(AUTOMERGE)))]
    }
}

fn fresh(dir: &Path) -> Result<TempDir, String> {
    tempfile::tempdir_in(dir).map_err(|e| format!("no folder for it: {e}"))
}

/// Where the peers' sources stand.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// The target folder that this program stands in.
fn target() -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    exe.ancestors().nth(2).map_or_else(|| PathBuf::from("target"), Path::to_path_buf)
}

/// Runs a program to its end; what it said last is the reason when it fails.
fn run(command: &mut Command, what: &str) -> Result<Output, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{what} does not start: {e}"))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err) = (std::thread::spawn(move || whole(out)), std::thread::spawn(move || whole(err)));
    let until = Instant::now() + STEP_MAX;
    let status = loop {
        match child.try_wait().map_err(|e| format!("{what}: {e}"))? {
            Some(status) => break status,
            None if Instant::now() > until => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{what} was not done in {} s", STEP_MAX.as_secs()));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let output = Output { status, stdout: out.join().unwrap_or_default(), stderr: err.join().unwrap_or_default() };
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let told = said.lines().find(|l| l.contains("rror")).or_else(|| said.lines().last()).unwrap_or("it said nothing");
    Err(format!("{what} failed: {}", told.trim()))
}

fn whole(from: Option<impl std::io::Read>) -> Vec<u8> {
    let mut all = Vec::new();
    if let Some(mut from) = from {
        let _ = from.read_to_end(&mut all);
    }
    all
}

fn answer(output: &Output, what: &str) -> Result<Value, String> {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default()).map_err(|e| format!("{what} printed no JSON line: {e}"))
}
