//! `escrow`: unsent work of a device whose keys are lost. Never says what is in a record.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{open, print, print_json};
use crate::error::Result;
use crate::escrow::{Report, recover};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cp -a /media/tablet-7/daftar /srv/recovered/tablet-7 && daftar-server escrow --data D --home /srv/recovered/tablet-7"
)]
pub(super) struct Escrow {
    /// Headquarters' folder, with its `keys`.
    #[arg(long)]
    data: PathBuf,
    /// A copy of the device's home folder; nothing in it is changed, and no record is shown.
    #[arg(long)]
    home: PathBuf,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl Escrow {
    /// Status 0: nothing is left behind; 1: something is, and is named.
    pub(super) fn run(self) -> Result<ExitCode> {
        let report = recover(&Arc::new(open(self.data)?), &self.home)?;
        let status = ExitCode::from(u8::from(!report.trouble.is_empty()));
        if self.json {
            print_json(&said(&report))?;
            return Ok(status);
        }
        let keyring = if report.has_keyring { "its keyring is there" } else { "its keyring is lost" };
        print(format_args!("device {}: {keyring}; compartments were opened with headquarters' copies of their keys", report.device))?;
        for (name, r) in &report.compartments {
            print(format_args!("{name}: {} changes waited; {} of {} files were taken", r.waited, r.files_taken, r.files))?;
            if r.signed_now > 0 {
                let n = r.signed_now;
                print(format_args!(
                    "  {n} of them were signed only now, with the device's key from its keyring; no officer has attested them"
                ))?;
            }
        }
        print(format_args!(
            "{} changes that headquarters did not have are in the feeds now, judged as if the device had sent them",
            report.taken
        ))?;
        report.trouble.iter().try_for_each(|t| print(format_args!("NOT TAKEN: {t}")))?;
        Ok(status)
    }
}

fn said(report: &Report) -> Value {
    let Report { device, has_keyring, compartments, taken, trouble } = report;
    let compartments: Map<String, Value> = compartments
        .iter()
        .map(|(name, r)| {
            let r = json!({
                "waited": r.waited, "signed_now": r.signed_now, "unsigned": r.unsigned, "files": r.files, "files_taken": r.files_taken,
            });
            (name.to_string(), r)
        })
        .collect();
    json!({ "device": device, "keyring": has_keyring, "taken": taken, "compartments": compartments, "trouble": trouble })
}
