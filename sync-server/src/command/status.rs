//! `status`: what headquarters holds, for people and programs. Never what is in a record.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{open, print};
use crate::error::{Error, Result};
use crate::project;

#[derive(Debug, Args)]
pub(super) struct Status {
    /// Headquarters' folder.
    #[arg(long)]
    data: PathBuf,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Holds {
    /// Entries of feeds that are not projected yet.
    lag: u64,
    /// Since when only uploads are served: restored, and not confirmed. Milliseconds of UTC.
    restored_unconfirmed_ms: Option<u64>,
    /// When the database was found set back without a restore.
    set_back_ms: Option<u64>,
    compartments: BTreeMap<String, Held>,
}

#[derive(Debug, Serialize)]
struct Held {
    /// Records other than grants, as projected.
    records: u64,
    /// Changes in all streams.
    changes: u64,
    /// Of all streams' heads, as hexadecimal digits.
    digest: String,
}

impl Status {
    pub(super) fn run(self) -> Result<()> {
        let hq = open(self.data)?;
        let report = project::report(&hq)?;
        let compartments = report
            .compartments
            .into_iter()
            .map(|c| (c.name.to_string(), Held { records: c.records, changes: c.changes, digest: c.digest.to_string() }))
            .collect();
        let holds = Holds { lag: report.lag, restored_unconfirmed_ms: report.restored_ms, set_back_ms: report.set_back_ms, compartments };
        if self.json {
            return print(serde_json::to_string(&holds).map_err(|e| Error::Unexpected(e.to_string()))?);
        }
        for (name, held) in &holds.compartments {
            print(format_args!("{name:<28} {:>8} records {:>8} changes  {}", held.records, held.changes, held.digest))?;
        }
        if holds.restored_unconfirmed_ms.is_some() {
            print("restored and not confirmed: devices send, and are sent nothing; see to the revocations, then `restore --confirm`")?;
        }
        if holds.set_back_ms.is_some() {
            print(
                "ALARM: this database was set back without `restore`; a new epoch was begun. Find out how; `restore --confirm` ends the alarm",
            )?;
        }
        print(format_args!("{} entries wait to be projected", holds.lag))
    }
}
