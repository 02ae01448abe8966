//! Many seeds, each in a process of its own, some at a time; what all of them must have met together. Never ends a process that it did not start.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::fault::Fault;
use crate::run::Went;
use crate::world::Size;

/// Every so many seeds one is run twice and its traces compared; the first always.
const TWICE_EVERY: u64 = 100;
/// So many times the minutes seeds begin while a fault has not happened that must.
const LONGER: u64 = 3;
/// A seed's line of results begins so.
const RESULT: &str = "result ";
/// How often it is looked whether a seed has ended.
const POLL: Duration = Duration::from_millis(20);
const DAYS_OF_A_YEAR: f64 = 365.25;

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Set {
    /// The seeds.
    pub seeds: Vec<u64>,
    /// How large each world is.
    pub size: Size,
    /// In every so many seeds headquarters loses what it had.
    pub losses_every: Option<u64>,
    /// So many at a time.
    pub jobs: usize,
    /// No seed begins after so many minutes.
    pub minutes: Option<u64>,
    /// Every fault must have happened in some seed: until then seeds go on beginning, for three times these minutes at most.
    pub covers: bool,
}

/// What a seed says of itself in one line, for whoever started it.
pub fn result(went: &Went) -> String {
    let seen: Vec<&str> = went.seen.iter().map(|f| f.name()).collect();
    format!("{RESULT}{} {} {} {}", u8::from(went.broken.is_none()), went.steps, went.changes, seen.join(","))
}

struct Running {
    seed: u64,
    child: Child,
}

#[derive(Default)]
struct Sum {
    seen: BTreeSet<Fault>,
    steps: u64,
    changes: u64,
    passed: u64,
    failed: Vec<u64>,
}

/// Runs them all; true if every rule held and, where it is wanted, every fault happened.
pub fn run(set: &Set, out: &mut dyn Write) -> io::Result<bool> {
    let began = Instant::now();
    let after = |minutes: u64| began + Duration::from_secs(minutes * 60);
    let (mut sum, mut running, mut place) = (Sum::default(), Vec::<Running>::new(), 0);
    loop {
        let enough = if set.covers && !missing(set, &sum).is_empty() { LONGER } else { 1 };
        let is_over = set.minutes.is_some_and(|m| Instant::now() >= after(m * enough)) || !sum.failed.is_empty();
        while running.len() < set.jobs.max(1) && place < set.seeds.len() && !is_over {
            let twice = (place as u64).is_multiple_of(TWICE_EVERY);
            let seed = set.seeds[place];
            let losses = set.losses_every.is_some_and(|every| seed.is_multiple_of(every));
            running.push(start(seed, Size { losses, ..set.size }, twice)?);
            place += 1;
        }
        if running.is_empty() {
            break;
        }
        std::thread::sleep(POLL);
        let mut i = 0;
        while i < running.len() {
            if running[i].child.try_wait()?.is_some() {
                end(running.remove(i), &mut sum, out)?;
            } else {
                i += 1;
            }
        }
    }
    say(set, &sum, began.elapsed(), out)
}

fn start(seed: u64, size: Size, twice: bool) -> io::Result<Running> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--seed", &seed.to_string(), "--days", &size.days.to_string(), "--devices", &size.devices.to_string()]);
    command.args(["--acts", &size.acts_per_day.to_string()]);
    if size.losses {
        command.arg("--losses");
    }
    if twice {
        command.arg("--twice");
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    Ok(Running { seed, child })
}

fn end(mut running: Running, sum: &mut Sum, out: &mut dyn Write) -> io::Result<()> {
    let mut said = String::new();
    if let Some(mut stdout) = running.child.stdout.take() {
        stdout.read_to_string(&mut said)?;
    }
    let status = running.child.wait()?;
    let words: Vec<&str> = said.lines().find_map(|l| l.strip_prefix(RESULT)).map(|l| l.split(' ').collect()).unwrap_or_default();
    let number = |i: usize| words.get(i).and_then(|w| w.parse::<u64>().ok()).unwrap_or(0);
    sum.steps += number(1);
    sum.changes += number(2);
    sum.seen.extend(words.get(3).into_iter().flat_map(|w| w.split(',')).filter_map(Fault::named));
    if status.success() && number(0) == 1 {
        sum.passed += 1;
        writeln!(
            out,
            "seed {}: {} steps, {} changes, {} kinds of fault",
            running.seed,
            number(1),
            number(2),
            words.get(3).map_or(0, |w| w.split(',').count())
        )?;
    } else {
        sum.failed.push(running.seed);
        write!(out, "{said}")?;
        writeln!(out, "seed {} FAILED ({status})", running.seed)?;
    }
    out.flush()
}

/// The kinds of fault that no seed has met.
fn missing(set: &Set, sum: &Sum) -> Vec<&'static str> {
    let is_missing = |f: &Fault| !sum.seen.contains(f) && (set.losses_every.is_some() || !f.is_loss());
    Fault::ALL.iter().filter(|(f, _)| is_missing(f)).map(|(_, name)| *name).collect()
}

fn say(set: &Set, sum: &Sum, took: Duration, out: &mut dyn Write) -> io::Result<bool> {
    let seconds = took.as_secs_f64().max(0.001);
    let ran = sum.passed + sum.failed.len() as u64;
    let years = (ran * set.size.days * set.size.devices as u64) as f64 / DAYS_OF_A_YEAR;
    writeln!(
        out,
        "{ran} seeds, {} steps, {} changes in {seconds:.0} s: {:.0} device-years an hour",
        sum.steps,
        sum.changes,
        years * 3600.0 / seconds
    )?;
    let missing = missing(set, sum);
    if !missing.is_empty() {
        writeln!(out, "{} in no seed: {}", if set.covers { "MISSING" } else { "not seen" }, missing.join(", "))?;
    }
    let covered = missing.is_empty() || !set.covers;
    writeln!(out, "{} passed, {} failed", sum.passed, sum.failed.len() + usize::from(!covered))?;
    Ok(sum.failed.is_empty() && covered)
}
