//! `./x bench` and `./x soak`. Figures and endurance; neither is part of the gate.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::child::{self, Show};
use crate::place::Place;
use crate::{say, setup, sim};

const SOAK_MINUTES: u64 = 60;
const SOAK_KILLS: u64 = 500;

/// The figures, in release mode; the words go to the benchmark itself, which also knows its `--help`.
pub fn figures(place: &Place, words: &[String]) -> Result<()> {
    say::begin("build, in release mode: some minutes the first time");
    let mut command = place.cargo(&["run", "--release", "--quiet"]);
    command.args(place.locked()).args(["-p", "daftar-bench", "--"]).args(words);
    if !words.iter().any(|word| word == "--help" || word == "-h") {
        command.env("DAFTAR_BIN_DIR", setup::release_commands(place)?);
    }
    say::begin("bench");
    child::must(&mut command, "daftar-bench", Show::Build).map(drop)
}

/// Kills of real commands first; then the process tests again and again, with `DAFTAR_SOAK=1`, until the time is over or one fails.
/// Whoever asks for one of the two gets that one alone.
pub fn soak(place: &Place, words: &[String]) -> Result<()> {
    match words {
        [] => kills(place, SOAK_KILLS, None).and_then(|()| rounds(place, SOAK_MINUTES)),
        [flag, number] if flag == "--minutes" => rounds(place, number.parse().context("--minutes wants a number")?),
        [flag, number] if flag == "--kills" => kills(place, number.parse().context("--kills wants a number")?, None),
        [flag, number, seed, value] if flag == "--kills" && seed == "--seed" => {
            let seed = value.parse().context("--seed wants a number")?;
            kills(place, number.parse().context("--kills wants a number")?, Some(seed))
        }
        [flag, number] if flag == "--seeds" => sim::soak(place, number),
        [flag] if flag == "--faults" => faults(place),
        _ => bail!("soak takes --minutes N, --kills N [--seed S], --seeds N or --faults"),
    }
}

/// A failing disk at every write and sync of every workload, where the gate plays some.
fn faults(place: &Place) -> Result<()> {
    let began = Instant::now();
    let mut command = place.cargo(&["test", "-p", "daftar-crash", "--test", "crash"]);
    command.args(place.locked()).args(["--", "--nocapture", "faults::"]).env("DAFTAR_EVERY_PLACE", "1");
    child::must(&mut command, "a failing disk at every place", Show::All)?;
    say::done("faults", began.elapsed());
    Ok(())
}

/// Real commands killed at random moments; the seed is printed first and last, and plays the same moments again.
fn kills(place: &Place, kills: u64, seed: Option<u64>) -> Result<()> {
    ensure!(kills > 0, "--kills wants at least 1");
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(kills) >> 32);
    say::line(&format!("seed {seed}"));
    let bin_dir = setup::commands(place)?;
    let began = Instant::now();
    let mut command = place.cargo(&["test", "-p", "daftar-tests", "--test", "it"]);
    command.args(place.locked()).args(["--", "--nocapture", "kills_at_random_moments"]);
    command.env("DAFTAR_BIN_DIR", bin_dir).env("DAFTAR_KILLS", kills.to_string()).env("DAFTAR_SEED", seed.to_string());
    child::must(&mut command, &format!("{kills} kills with seed {seed}"), Show::All)?;
    say::done(&format!("{kills} kills"), began.elapsed());
    say::line(&format!("seed {seed}"));
    Ok(())
}

fn rounds(place: &Place, minutes: u64) -> Result<()> {
    ensure!(minutes > 0, "--minutes wants at least 1");
    say::note(&format!("the process tests of tests/it, with DAFTAR_SOAK=1, again and again for {minutes} minutes"));
    let bin_dir = setup::binaries(place)?;
    let until = Instant::now() + Duration::from_secs(minutes * 60);
    let mut rounds = 0_u32;
    while Instant::now() < until {
        rounds += 1;
        let began = Instant::now();
        let mut command = place.cargo(&["test", "-p", "daftar-tests", "--test", "it"]);
        command.args(place.locked()).env("DAFTAR_BIN_DIR", &bin_dir).env("DAFTAR_SOAK", "1");
        child::must(&mut command, &format!("round {rounds}"), Show::Nothing)?;
        say::done(&format!("round {rounds}"), began.elapsed());
    }
    say::line(&format!("{rounds} rounds passed in {minutes} minutes"));
    Ok(())
}
