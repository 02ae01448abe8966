//! `./x sim` and `./x soak`: the simulated world, for one seed, for many, and as a stage of the gate. Builds it and reads its last line.

use anyhow::{Result, ensure};

use crate::child::{self, Outcome, Show};
use crate::place::Place;
use crate::say;
use crate::tally::{Runner, Tally, count};

/// The gate's worlds: of three hundred as many as fit four minutes in the profile that the gate builds and show every fault, each of the whole thirty
/// days, every third with losses at headquarters. More, and more that happens in each, are for `./x sim`.
const GATE: [&str; 11] = ["--seeds", "1..301", "--minutes", "4", "--days", "30", "--acts", "4", "--losses-every", "3", "--covers"];

/// Runs the simulation in release mode; the words go to it.
pub fn run(place: &Place, words: &[String]) -> Result<()> {
    say::begin("build, in release mode: some minutes the first time");
    let outcome = simulate(place, &["--release"], words, Show::All)?;
    ensure!(outcome.status.success(), "a rule was broken");
    Ok(())
}

/// So many seeds, in release mode; in these headquarters loses what it had, too.
pub fn soak(place: &Place, seeds: &str) -> Result<()> {
    run(place, &["--seeds".to_owned(), seeds.to_owned(), "--losses".to_owned()])
}

/// The gate's stage. A kind of fault that none of its seeds met fails it.
pub fn stage(place: &Place, tally: &mut Tally) -> Result<()> {
    let outcome = simulate(place, &[], &GATE.map(str::to_owned), Show::All)?;
    let counted = count(Runner::Script, &outcome.lines);
    tally.add(counted);
    ensure!(outcome.status.success(), "a rule was broken, or a fault never happened");
    ensure!(counted.passed > 0, "no seed ran");
    Ok(())
}

fn simulate(place: &Place, profile: &[&str], words: &[String], show: Show) -> Result<Outcome> {
    let mut command = place.cargo(&["run", "--quiet"]);
    command.args(profile).args(place.locked()).args(["-p", "daftar-sim", "--"]).args(words).env("DAFTAR_COMMIT", commit(place));
    child::run(&mut command, "daftar-sim", show)
}

/// The commit that is simulated, so that a seed can be replayed on it.
fn commit(place: &Place) -> String {
    let said = place.command("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    said.ok()
        .filter(|output| output.status.success())
        .map_or_else(|| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
