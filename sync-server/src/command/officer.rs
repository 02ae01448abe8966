//! `officer`: who may write and look. Never shows a password that was not just made.

use std::io::BufRead as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use daftar_core::authorize::Role;
use daftar_core::compartment::Agency;

use super::grant::said;
use super::{open, print};
use crate::admin::{Added, NewOfficer};
use crate::error::Result;

#[derive(Debug, Subcommand)]
pub(super) enum Act {
    /// Add an officer, with what his role opens.
    Add(Add),
    /// Dismiss an officer: he may do nothing any more, and his devices purge what only he could open.
    #[command(after_help = "Example:\n  daftar-server officer dismiss --data D --name karimov")]
    Dismiss(Named),
    /// Take a dismissed officer back, with what his role opens.
    Activate(Named),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// Headquarters' folder.
    #[arg(long)]
    data: PathBuf,
    /// His handle.
    #[arg(long, visible_alias = "officer")]
    name: String,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Headquarters' folder.
    #[arg(long)]
    data: PathBuf,
    /// His unique handle.
    #[arg(long)]
    name: String,
    /// sss, moi or scc.
    #[arg(long)]
    agency: Agency,
    /// His team; one that does not exist yet is added.
    #[arg(long)]
    team: Option<String>,
    /// officer, leader, oct, analyst or admin.
    #[arg(long, default_value = "officer")]
    role: Role,
    /// What is shown.
    #[arg(long)]
    full_name: Option<String>,
    /// Read the console password, of 12 characters or more, from the standard input.
    #[arg(long)]
    password_stdin: bool,
}

impl Act {
    pub(super) fn run(self) -> Result<()> {
        match self {
            Self::Add(add) => add.run(),
            Self::Dismiss(named) => said(&named.name, "revoked", &open(named.data)?.dismiss(&named.name)?, named.json),
            Self::Activate(named) => said(&named.name, "granted", &open(named.data)?.activate(&named.name)?, named.json),
        }
    }
}

impl Add {
    fn run(self) -> Result<()> {
        let password = if self.password_stdin {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line)?;
            Some(line.trim_end_matches(['\r', '\n']).to_owned())
        } else {
            None
        };
        let new =
            NewOfficer { handle: self.name, full_name: self.full_name, agency: self.agency, team: self.team, role: self.role, password };
        let Added { officer: _, new_compartments, granted, password } = open(self.data)?.add_officer(&new)?;
        if !new_compartments.is_empty() {
            let names: Vec<&str> = new_compartments.iter().map(|c| c.as_str()).collect();
            print(format_args!("team {} is new, with {}", new.team.as_deref().unwrap_or_default(), names.join(", ")))?;
        }
        let granted: Vec<&str> = granted.iter().map(|c| c.as_str()).collect();
        let opens = if granted.is_empty() { "no compartment".to_owned() } else { granted.join(", ") };
        print(format_args!("officer {} is added as {}; open to him: {opens}", new.handle, new.role))?;
        if let Some(password) = password {
            print(format_args!("first console password, shown only here: {password}"))?;
        }
        Ok(())
    }
}
