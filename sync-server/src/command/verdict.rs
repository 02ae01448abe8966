//! `verdict`: what does not count, and a person's word on it. Never what a change says.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use daftar_core::compartment::Compartment;
use daftar_core::ids::ChangeName;
use daftar_core::time::format_time;
use daftar_wire::message::Verdict;
use serde::Serialize;
use serde_json::json;

use super::grant::one_of;
use super::{open, print, print_json};
use crate::admin::verdict_name;
use crate::error::{Error, Result};
use crate::project::Projector;
use crate::sql::int;
use crate::store::{meta, people, verdict};

/// How long the console's tables are waited for.
const CATCH_UP_MAX: Duration = Duration::from_secs(120);

/// Rule on a change, or list those that do not count.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Example:\n  daftar-server verdict list --data D\n  \
                        daftar-server verdict --data D --change 3f…64 digits…9a --accept --reason 'Written on duty, seen by the leader'")]
pub(super) struct Verdicts {
    #[command(subcommand)]
    act: Option<Act>,
    #[command(flatten)]
    rule: Option<Rule>,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Changes that do not count: where, who, when, why.
    List(List),
}

#[derive(Debug, Args)]
struct Rule {
    /// Headquarters' folder.
    #[arg(long)]
    data: PathBuf,
    /// The change's 64 hexadecimal digits, as `verdict list` shows them.
    #[arg(long)]
    change: ChangeName,
    /// It counts.
    #[arg(long)]
    accept: bool,
    /// It does not count until it is ruled upon again.
    #[arg(long)]
    review: bool,
    /// It is set aside.
    #[arg(long)]
    quarantine: bool,
    /// Why, in your words; everybody who reads the compartment sees it.
    #[arg(long)]
    reason: String,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct List {
    /// Headquarters' folder.
    #[arg(long)]
    data: PathBuf,
    /// Only of this compartment.
    #[arg(long)]
    compartment: Option<Compartment>,
    /// At most so many of each compartment, the newest.
    #[arg(long, default_value_t = 1000)]
    limit: u32,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Standing {
    change: String,
    compartment: String,
    verdict: &'static str,
    reason: Option<String>,
    kind: Option<String>,
    record: Option<String>,
    author: Option<String>,
    device: String,
    received_ms: u64,
    stamp_ms: Option<u64>,
}

impl Verdicts {
    pub(super) fn run(self) -> Result<()> {
        match (self.act, self.rule) {
            (Some(Act::List(list)), _) => list.run(),
            (None, Some(rule)) => rule.run(),
            (None, None) => Err(Error::Refused("say `list`, or a change, a verdict and a reason".into())),
        }
    }
}

impl Rule {
    fn run(self) -> Result<()> {
        let choices = [(self.accept, Verdict::Accepted), (self.review, Verdict::Review), (self.quarantine, Verdict::Quarantined)];
        let verdict = one_of(choices, "--accept, --review, --quarantine")?;
        let hq = Arc::new(open(self.data)?);
        let projector = Projector::open(&hq)?;
        let change = hq.judged(&projector, &self.change)?;
        let decided = hq.decide(&change, verdict, &self.reason, None)?;
        let (now, before) = (verdict_name(verdict), verdict_name(decided.before));
        if self.json {
            return print_json(&json!({
                "change": self.change.to_string(), "compartment": decided.compartment.as_str(),
                "verdict": now, "before": before, "n": decided.n,
            }));
        }
        match decided.n {
            Some(n) => print(format_args!("{} entry {n}: the change was {before} and is {now}", decided.compartment)),
            None => print(format_args!("the change is {now} already")),
        }
    }
}

impl List {
    fn run(self) -> Result<()> {
        let hq = Arc::new(open(self.data)?);
        let projector = Projector::open(&hq)?;
        projector.catch_up(Instant::now() + CATCH_UP_MAX)?;
        let places = hq.store.read(|tx| meta::compartments(tx))?;
        if let Some(name) = &self.compartment
            && !places.iter().any(|p| p.name == *name)
        {
            return Err(Error::Refused(format!("no compartment `{name}`")));
        }
        let mut all = Vec::new();
        for place in places.iter().filter(|p| self.compartment.as_ref().is_none_or(|c| *c == p.name)) {
            let rows = projector.read(|tx| verdict::standing(tx, place.id, None, i64::MAX, self.limit))?;
            hq.store.read(|tx| {
                for row in rows {
                    let author =
                        row.said.map(|(_, _, a)| Ok::<_, Error>(people::officer(tx, &a)?.map_or_else(|| a.to_string(), |o| o.handle)));
                    all.push(Standing {
                        change: row.name.to_string(),
                        compartment: place.name.to_string(),
                        verdict: verdict_name(row.verdict),
                        reason: row.reason,
                        kind: row.said.map(|(_, k, _)| k.name().map_or_else(|| format!("#{}", k.number()), str::to_owned)),
                        record: row.said.map(|(r, _, _)| r.to_string()),
                        author: author.transpose()?,
                        device: people::device(tx, &row.device)?.map_or_else(|| row.device.to_string(), |d| d.name),
                        received_ms: row.received_ms,
                        stamp_ms: row.stamp_ms,
                    });
                }
                Ok(())
            })?;
        }
        if self.json {
            return print_json(&all);
        }
        for s in &all {
            let (who, what) = (s.author.as_deref().unwrap_or("unknown"), s.kind.as_deref().unwrap_or("unreadable"));
            let (at, why) = (format_time(int(s.received_ms)), s.reason.as_deref().unwrap_or("no reason"));
            print(format_args!("{} {} {}: {what} by {who} on {}, came {at}: {why}", s.change, s.verdict, s.compartment, s.device))?;
        }
        if all.is_empty() { print("every change counts") } else { Ok(()) }
    }
}
