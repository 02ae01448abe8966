//! `./x bench` and `./x soak`. Figures and endurance; neither is part of the gate.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::child::{self, Show};
use crate::place::Place;
use crate::{say, setup};

const SOAK_MINUTES: u64 = 60;

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

/// The process tests again and again, with `DAFTAR_SOAK=1`, until the time is over or one fails.
pub fn soak(place: &Place, words: &[String]) -> Result<()> {
    let minutes = match words {
        [] => SOAK_MINUTES,
        [flag, number] if flag == "--minutes" => number.parse().context("--minutes wants a number")?,
        _ => bail!("soak takes --minutes N"),
    };
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
