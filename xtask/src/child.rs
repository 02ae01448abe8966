//! Programs that we start: their lines, their end, and ours. Never ends a process that it did not start.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::say;

static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
/// How long a child may take to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);
/// Between two lines that tell how far a build is.
const BUILD_LINE_EVERY: Duration = Duration::from_secs(20);

/// Ctrl-C, hang-up and termination become a flag, so that children are ended in order.
pub fn listen_for_stop() -> Result<()> {
    let flag = STOP.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag)).context("listening for Ctrl-C")?;
    }
    Ok(())
}

pub fn asked_to_stop() -> bool {
    STOP.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// Sleeps, unless a stop is asked for.
pub fn rest(time: Duration) -> Result<()> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        if asked_to_stop() {
            bail!("stopped");
        }
        std::thread::sleep(POLL.min(time));
    }
    Ok(())
}

/// A child and all that it starts: one process group, ended when this is dropped.
pub struct Running {
    child: Child,
    name: String,
}

impl Running {
    pub fn start(command: &mut Command, name: &str) -> Result<Self> {
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {name} ({})", command.get_program().to_string_lossy()))?;
        Ok(Self { child, name: name.to_owned() })
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("waiting for {}", self.name))
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn output(&mut self) -> Option<impl Read + use<>> {
        self.child.stdout.take()
    }

    fn tell_group(&self, signal: &str) {
        // The shell's own `kill`: a bare Debian has no program of that name.
        let words = ["-c", "kill -s \"$1\" -- \"-$2\" 2>/dev/null", "sh", signal, &self.child.id().to_string()];
        if let Err(error) = Command::new("sh").args(words).status() {
            say::fault(&format!("could not send {signal} to {}: {error}", self.name));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let is_over = |child: &mut Child| !matches!(child.try_wait(), Ok(None));
        if is_over(&mut self.child) {
            return;
        }
        self.tell_group("TERM");
        let until = Instant::now() + GRACE;
        while Instant::now() < until {
            if is_over(&mut self.child) {
                return;
            }
            std::thread::sleep(POLL);
        }
        self.tell_group("KILL");
        if let Err(error) = self.child.wait() {
            say::fault(&format!("{} did not end: {error}", self.name));
        }
    }
}

/// What of a program's lines is passed on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Every line.
    All,
    /// All but cargo's «Compiling …», which become a line now and then.
    Build,
    /// Nothing; the lines are kept for who asks.
    Nothing,
}

/// What a program said and how it ended.
pub struct Outcome {
    pub status: ExitStatus,
    /// Both streams, as they came.
    pub lines: Vec<String>,
    /// Standard output alone.
    pub output: String,
}

enum Line {
    Out(String),
    Err(String),
}

/// Runs a program to its end, passing its lines on as they come.
pub fn run(command: &mut Command, name: &str, show: Show) -> Result<Outcome> {
    // It writes to a pipe, whatever it guesses from the environment.
    command.env("NO_COLOR", "1").env_remove("FORCE_COLOR");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::start(command, name)?;
    let (sender, lines) = channel();
    if let Some(stream) = running.child.stdout.take() {
        read(stream, sender.clone(), Line::Out);
    }
    if let Some(stream) = running.child.stderr.take() {
        read(stream, sender, Line::Err);
    }
    follow(&mut running, &lines, show)
}

/// Runs a program and refuses any end but a good one, with its last lines as the reason.
pub fn must(command: &mut Command, name: &str, show: Show) -> Result<Outcome> {
    let outcome = run(command, name, show)?;
    if outcome.status.success() {
        return Ok(outcome);
    }
    if show == Show::Nothing {
        let first = outcome.lines.len().saturating_sub(30);
        outcome.lines[first..].iter().for_each(|line| say::fault(line));
    }
    bail!("{name} failed ({})", outcome.status);
}

fn read(stream: impl Read + Send + 'static, sender: Sender<Line>, wrap: fn(String) -> Line) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(1..)) {
            let text = String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned();
            bytes.clear();
            if sender.send(wrap(text)).is_err() {
                return;
            }
        }
    });
}

fn follow(running: &mut Running, incoming: &Receiver<Line>, show: Show) -> Result<Outcome> {
    let (mut lines, mut output) = (Vec::new(), String::new());
    let mut build = Build { crates: 0, told: Instant::now() };
    let mut over_since = None;
    loop {
        if asked_to_stop() {
            bail!("stopped");
        }
        match incoming.recv_timeout(POLL) {
            Ok(line) => {
                let (text, is_out) = match line {
                    Line::Out(text) => (text, true),
                    Line::Err(text) => (text, false),
                };
                if is_out {
                    output.push_str(&text);
                    output.push('\n');
                }
                match show {
                    Show::Nothing => {}
                    Show::Build if build.took(&text) => {}
                    Show::All | Show::Build if is_out => say::line(&text),
                    Show::All | Show::Build => say::fault(&text),
                }
                lines.push(text);
            }
            // A grandchild may hold the pipe open: the child's own end is what counts.
            Err(RecvTimeoutError::Timeout) => {
                if running.ended()?.is_some() {
                    let since = *over_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > Duration::from_secs(2) {
                        break;
                    }
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    loop {
        if let Some(status) = running.ended()? {
            return Ok(Outcome { status, lines, output });
        }
        rest(Duration::from_millis(10))?;
    }
}

/// Cargo's progress, a line now and then.
struct Build {
    crates: u32,
    told: Instant,
}

impl Build {
    /// Whether the line was only progress.
    fn took(&mut self, line: &str) -> bool {
        let mut words = line.split_whitespace();
        let (Some(first), second) = (words.next(), words.next()) else {
            return false;
        };
        match first {
            "Compiling" | "Checking" => self.crates += 1,
            "Downloaded" | "Downloading" | "Updating" | "Locking" | "Adding" | "Blocking" => {}
            _ => return false,
        }
        if self.told.elapsed() > BUILD_LINE_EVERY {
            self.told = Instant::now();
            say::note(&format!("… {} crates, now {}", self.crates, second.unwrap_or("?")));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_are_kept_and_the_status_is_the_childs() {
        let outcome = run(Command::new("sh").args(["-c", "echo one; echo two >&2; exit 3"]), "sh", Show::Nothing).unwrap();
        assert_eq!(outcome.status.code(), Some(3));
        assert_eq!(outcome.output, "one\n");
        assert!(outcome.lines.contains(&"two".to_owned()));
    }

    #[test]
    fn a_dropped_child_is_ended_with_what_it_started() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo $!; wait"]).stdout(Stdio::piped());
        let mut running = Running::start(&mut command, "sleeper").unwrap();
        let mut line = String::new();
        BufReader::new(running.output().unwrap()).read_line(&mut line).unwrap();
        let grandchild = std::path::PathBuf::from(format!("/proc/{}/stat", line.trim()));
        assert!(grandchild.exists());
        drop(running);
        let until = Instant::now() + Duration::from_secs(3);
        let is_alive = || std::fs::read_to_string(&grandchild).is_ok_and(|stat| !stat.contains(") Z "));
        while is_alive() && Instant::now() < until {
            std::thread::sleep(POLL);
        }
        assert!(!is_alive(), "the sleeping grandchild outlived the group");
    }

    #[test]
    fn a_grandchild_that_holds_the_pipe_does_not_hold_us() {
        let began = Instant::now();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 30 & echo up"]);
        let outcome = run(&mut command, "sh", Show::Nothing).unwrap();
        assert_eq!(outcome.output, "up\n");
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn cargos_progress_is_swallowed_and_its_warnings_are_not() {
        let mut build = Build { crates: 0, told: Instant::now() };
        assert!(build.took("   Compiling serde v1.0.0"));
        assert!(!build.took("warning: unused variable"));
        assert!(!build.took(""));
        assert_eq!(build.crates, 1);
    }
}
