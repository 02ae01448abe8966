//! `grant` and `revoke`: who may use what. Never decides what follows on devices.

use std::path::PathBuf;

use clap::Args;
use daftar_core::authorize::Grant;
use daftar_core::compartment::Compartment;
use daftar_core::time::{format_time, parse_time};
use serde_json::json;

use super::{open, print, print_json};
use crate::error::{Error, Result};
use crate::sql::int;

const DAY_MS: u64 = 24 * 3_600_000;
/// A date stands for the end of that day in Uzbekistan.
const END_OF_DAY: &str = "T23:59:59+05:00";

/// Let an officer read or write in a compartment, in place of what he may there.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  daftar-server grant --data D --officer karimov --compartment operation/op-qorachiroq --read --write --days 30"
)]
pub(super) struct Grants {
    /// Headquarters' folder.
    #[arg(long)]
    data: PathBuf,
    /// His handle.
    #[arg(long)]
    officer: String,
    /// As `status` names it: team/imt-1, agency/moi/imt-1, operation/….
    #[arg(long)]
    compartment: Compartment,
    /// He may see its records.
    #[arg(long, required_unless_present = "write")]
    read: bool,
    /// He may add to them.
    #[arg(long)]
    write: bool,
    /// Until the end of this day (2026-12-31, in Uzbekistan), or this time (2026-12-31T08:00:00Z). Then it ends by itself.
    #[arg(long, value_parser = until, conflicts_with = "days")]
    until: Option<u64>,
    /// For so many days.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=36_500))]
    days: Option<u64>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

fn until(text: &str) -> std::result::Result<u64, String> {
    let at = parse_time(text).or_else(|| parse_time(&format!("{text}{END_OF_DAY}")));
    at.and_then(|at| u64::try_from(at).ok()).ok_or_else(|| format!("`{text}` is no date such as 2026-12-31"))
}

impl Grants {
    pub(super) fn run(self) -> Result<()> {
        let hq = open(self.data)?;
        let until_ms = self.until.or(self.days.map(|d| hq.clock.now_ms() + d * DAY_MS));
        let grant = Grant { read: self.read, write: self.write, until_ms };
        hq.grant(&self.officer, &self.compartment, grant)?;
        if self.json {
            return print_json(&json!({
                "officer": self.officer, "compartment": self.compartment.as_str(),
                "read": self.read, "write": self.write, "until_ms": until_ms,
            }));
        }
        let what = match (self.read, self.write) {
            (true, true) => "read and write",
            (true, false) => "read",
            (false, _) => "write",
        };
        let end = until_ms.map_or_else(String::new, |ms| format!(", until {}", format_time(int(ms))));
        print(format_args!("officer {} may {what} in {}{end}", self.officer, self.compartment))
    }
}

/// Take what an officer may in a compartment. His devices are told at their next contact: they hand in what waits, and purge.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  daftar-server revoke --data D --officer karimov --compartment agency/moi/imt-3\n  \
                        daftar-server revoke --data D --officer karimov --all")]
pub(super) struct Revoke {
    /// Headquarters' folder.
    #[arg(long)]
    data: PathBuf,
    /// His handle.
    #[arg(long)]
    officer: String,
    /// Where.
    #[arg(long, required_unless_present = "all", conflicts_with = "all")]
    compartment: Option<Compartment>,
    /// In every compartment. He stays active; `officer dismiss` ends that too.
    #[arg(long)]
    all: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl Revoke {
    pub(super) fn run(self) -> Result<()> {
        let taken = open(self.data)?.revoke(&self.officer, self.compartment.as_ref())?;
        said(&self.officer, "revoked", &taken, self.json)
    }
}

/// Says where something was given or taken.
pub(super) fn said(officer: &str, what: &str, compartments: &[Compartment], as_json: bool) -> Result<()> {
    let names: Vec<&str> = compartments.iter().map(Compartment::as_str).collect();
    if as_json {
        return print_json(&json!({ "officer": officer, what: names }));
    }
    let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    print(format_args!("officer {officer}: {what} {names}"))
}

/// Refuses what is said twice in different words.
pub(super) fn one_of<T>(choices: impl IntoIterator<Item = (bool, T)>, words: &str) -> Result<T> {
    let mut chosen = choices.into_iter().filter_map(|(is_chosen, what)| is_chosen.then_some(what));
    match (chosen.next(), chosen.next()) {
        (Some(one), None) => Ok(one),
        (Some(_) | None, _) => Err(Error::Refused(format!("say one of {words}"))),
    }
}
