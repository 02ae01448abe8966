//! The command line: words to acts, errors to exit statuses. Never does the work.

mod device;
mod escrow;
mod grant;
mod keeping;
mod officer;
mod pack;
mod serve;
mod status;
mod verdict;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Parser, Subcommand};

use crate::admin;
use crate::clock::SystemClock;
use crate::error::Result;
use crate::hq::Headquarters;
use crate::keys::Folder;
use crate::verify;

/// What stands before an enrolment code.
const CODE_PREFIX: &str = "daftar1.";
const CODE_HOURS: u64 = 24;

/// Headquarters' server. All commands may be given beside a running server.
///
/// Exit status: 0 done, 1 refused, 2 usage, 7 storage full, 70 our own mistake.
#[derive(Debug, Parser)]
#[command(name = "daftar-server", version)]
struct Cli {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Found headquarters in a new folder.
    Init {
        /// The folder.
        #[arg(long)]
        data: PathBuf,
        /// HOST:PORT at which devices look for headquarters.
        #[arg(long)]
        address: String,
        /// With the teams, posts and operations of the demonstration.
        #[arg(long)]
        sample: bool,
    },
    /// Serve devices and the console until the process is told to stop.
    Serve(serve::Serve),
    /// The people.
    #[command(subcommand)]
    Officer(officer::Act),
    /// Devices, and what each may hold.
    #[command(subcommand)]
    Device(device::Act),
    Grant(grant::Grants),
    Revoke(grant::Revoke),
    Verdict(verdict::Verdicts),
    /// What a courier brings on a stick.
    #[command(subcommand)]
    Pack(pack::Act),
    /// Print a code with which one device can enrol an officer, once.
    Enrol {
        /// Headquarters' folder.
        #[arg(long)]
        data: PathBuf,
        /// The officer's handle.
        #[arg(long)]
        officer: String,
        /// First grant him reading and writing in every compartment but the reference.
        #[arg(long)]
        all_compartments: bool,
        /// How long the code is good.
        #[arg(long, default_value_t = CODE_HOURS, value_parser = clap::value_parser!(u64).range(1..=24 * 30))]
        valid_hours: u64,
    },
    /// Say what headquarters holds.
    Status(status::Status),
    /// Write a backup, encrypted under `keys/backup`, and read it back.
    Backup(keeping::Backup),
    /// Put a backup in the place of the database, or confirm that this was done.
    Restore(keeping::Restore),
    /// Erase the payload of a record's changes, or of one change, by order: here, and on every device at its next contact.
    Erase(keeping::Erase),
    /// Take what was not sent out of the copy of a device's home to which nobody has the PIN any more, or whose keyring is lost.
    Escrow(escrow::Escrow),
    /// Check every chain and signature of every feed.
    Verify {
        /// Headquarters' folder.
        #[arg(long)]
        data: PathBuf,
    },
}

/// Runs the command that the process was given.
pub fn run() -> ExitCode {
    let done = match Cli::parse().act {
        Act::Init { data, address, sample } => init(data, &address, sample),
        Act::Serve(serve) => serve.run(),
        Act::Officer(act) => act.run(),
        Act::Device(act) => act.run(),
        Act::Grant(grant) => grant.run(),
        Act::Revoke(revoke) => revoke.run(),
        Act::Verdict(verdict) => verdict.run(),
        Act::Pack(act) => act.run(),
        Act::Enrol { data, officer, all_compartments, valid_hours } => enrol(data, &officer, all_compartments, valid_hours),
        Act::Status(status) => status.run(),
        Act::Backup(backup) => backup.run(),
        Act::Restore(restore) => restore.run(),
        Act::Erase(erase) => erase.run(),
        Act::Escrow(escrow) => return escrow.run().unwrap_or_else(|error| ended(Err(error))),
        Act::Verify { data } => return verified(data),
    };
    ended(done)
}

fn ended(done: Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "daftar-server: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

fn open(data: PathBuf) -> Result<Headquarters> {
    Headquarters::open(Folder::new(data), Arc::new(SystemClock))
}

/// Prints one line for people or programs.
fn print(line: impl std::fmt::Display) -> Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}

/// Prints one line for programs.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(serde_json::to_string(value).map_err(|e| crate::Error::Unexpected(e.to_string()))?)
}

fn init(data: PathBuf, address: &str, sample: bool) -> Result<()> {
    let hq = admin::found(&Folder::new(data), address, sample, Arc::new(SystemClock))?;
    print(format_args!("headquarters is founded in {}; devices look for it at {address}", hq.folder.path().display()))
}

fn enrol(data: PathBuf, officer: &str, all_compartments: bool, hours: u64) -> Result<()> {
    let code = open(data)?.make_code(officer, all_compartments, hours)?;
    print(format_args!("{CODE_PREFIX}{}", URL_SAFE_NO_PAD.encode(code.write())))
}

fn verified(data: PathBuf) -> ExitCode {
    let checked = open(data).and_then(|hq| verify::verify(&hq)).and_then(|report| {
        report.bad.iter().try_for_each(print)?;
        let verify::Report { compartments, segments, changes, verdicts, files, bad } = report;
        let found = if bad.is_empty() { "all of it holds".to_owned() } else { format!("{} things do not hold", bad.len()) };
        print(format_args!(
            "{compartments} compartments, {segments} segments, {changes} changes, {verdicts} verdicts, {files} files: {found}"
        ))?;
        Ok(bad.is_empty())
    });
    match checked {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => ended(Err(error)),
    }
}
