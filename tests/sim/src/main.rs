//! `./x sim`: runs seeds of the simulated world, and says how to replay one that failed. Never changes a file.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use daftar_sim::run::{Went, run};
use daftar_sim::set::{self, Set};
use daftar_sim::world::Size;

/// Seeds that failed once: they always run.
const KEPT: &str = include_str!("../seeds.txt");
/// Lines of the trace that are shown of a seed that failed.
const TAIL: usize = 40;

/// The simulation.
#[derive(Debug, Parser)]
#[command(name = "daftar-sim", about = "One server, a dozen devices, thirty days, and every fault that a simulation can inject.")]
struct Words {
    /// Runs this seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Runs the kept seeds and these: `1..9` is 1 to 8; `N` is N seeds from 1 on.
    #[arg(long, value_parser = seeds, conflicts_with = "seed")]
    seeds: Option<(u64, u64)>,
    /// Simulated days.
    #[arg(long, default_value_t = Size::default().days)]
    days: u64,
    /// Devices.
    #[arg(long, default_value_t = Size::default().devices)]
    devices: usize,
    /// What happens on each device in a day.
    #[arg(long, default_value_t = Size::default().acts_per_day)]
    acts: u64,
    /// Begins no seed after so many minutes; with `--covers`, once every fault has happened.
    #[arg(long)]
    minutes: Option<u64>,
    /// Headquarters is restored from backups and put back without a word, too.
    #[arg(long)]
    losses: bool,
    /// The same in every so many seeds alone.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), conflicts_with_all = ["losses", "seed"])]
    losses_every: Option<u64>,
    /// So many seeds at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Runs the seed twice and compares what happened.
    #[arg(long)]
    twice: bool,
    /// Prints the whole trace.
    #[arg(long)]
    trace: bool,
    /// Fails unless every fault happened in some seed.
    #[arg(long)]
    covers: bool,
}

fn seeds(text: &str) -> Result<(u64, u64), String> {
    let number = |t: &str| t.parse::<u64>().map_err(|e| format!("`{t}`: {e}"));
    match text.split_once("..") {
        Some((from, to)) => Ok((number(from)?, number(to)?)),
        None => Ok((1, number(text)?.saturating_add(1))),
    }
}

fn main() -> ExitCode {
    let words = Words::parse();
    let mut out = io::stdout().lock();
    match act(&words, &mut out) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            let _ = writeln!(out, "the output cannot be written, or a seed not be started: {e}");
            ExitCode::FAILURE
        }
    }
}

fn act(words: &Words, out: &mut dyn Write) -> io::Result<bool> {
    let size = Size { devices: words.devices.max(1), days: words.days, acts_per_day: words.acts.max(1), losses: words.losses };
    if let Some(seed) = words.seed {
        return one(seed, size, words, out);
    }
    let (from, to) = words.seeds.unwrap_or((1, 9));
    let kept = KEPT.lines().filter_map(|l| l.split('#').next()?.trim().parse::<u64>().ok());
    let mut seeds: Vec<u64> = kept.collect();
    let new: Vec<u64> = (from..to).filter(|s| !seeds.contains(s)).collect();
    seeds.extend(new);
    let losses_every = if words.losses { Some(1) } else { words.losses_every };
    let set = Set { seeds, size, losses_every, jobs: words.jobs, minutes: words.minutes, covers: words.covers };
    writeln!(out, "{} seeds from {from} at commit {}", set.seeds.len(), commit())?;
    out.flush()?;
    let is_well = set::run(&set, out)?;
    writeln!(out, "seeds from {from} at commit {}", commit())?;
    Ok(is_well)
}

fn commit() -> String {
    std::env::var("DAFTAR_COMMIT").unwrap_or_else(|_| "unknown".into())
}

fn one(seed: u64, size: Size, words: &Words, out: &mut dyn Write) -> io::Result<bool> {
    writeln!(out, "seed {seed} at commit {}", commit())?;
    out.flush()?;
    let mut went = run(seed, size);
    if words.twice && went.broken.is_none() {
        let again = run(seed, size);
        if again.trace != went.trace {
            let at = again.trace.lines().iter().zip(went.trace.lines()).position(|(a, b)| a != b).unwrap_or(0);
            let line = |w: &Went| w.trace.lines().get(at).cloned().unwrap_or_default();
            went.broken = Some(format!("the same seed went two ways at line {at}:\n  {}\n  {}", line(&went), line(&again)));
        }
    }
    let lines = if words.trace {
        went.trace.lines().len()
    } else if went.broken.is_some() {
        TAIL
    } else {
        0
    };
    for line in went.trace.tail(lines) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{}", set::result(&went))?;
    if let Some(broken) = &went.broken {
        writeln!(out, "BROKEN: {broken}")?;
        let losses = if size.losses { " --losses" } else { "" };
        let size = format!("--days {} --devices {} --acts {}", size.days, size.devices, size.acts_per_day);
        writeln!(out, "to replay: ./x sim --seed {seed} {size}{losses}")?;
    }
    writeln!(out, "seed {seed} at commit {}", commit())?;
    Ok(went.broken.is_none())
}
