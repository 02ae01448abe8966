//! `backup`, `restore` and `erase`: what an administrator does for the long run. Never asks twice: who may run this may do it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{ArgGroup, Args};
use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, RecordId};

use super::{open, print};
use crate::clock::SystemClock;
use crate::erase::Target;
use crate::error::Result;
use crate::keys::Folder;
use crate::{backup, erase, restore};

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Headquarters' folder.
    #[arg(long)]
    data: PathBuf,
    /// A file that is not there yet, or a folder. Files go into `files` beside it, those that are not there yet.
    #[arg(long)]
    to: PathBuf,
}

impl Backup {
    pub(super) fn run(self) -> Result<()> {
        let backup::BackedUp { file, report, files, files_missing } = backup::backup(&open(self.data)?, &self.to)?;
        print(format_args!(
            "{}: {} compartments, {} changes, and {files} files that were not there; read back, and all of it holds",
            file.display(),
            report.compartments,
            report.changes
        ))?;
        missing(files_missing)
    }
}

fn missing(files: u64) -> Result<()> {
    if files == 0 {
        Ok(())
    } else {
        print(format_args!("{files} files are named and their bytes are not to be found: `verify` says which"))
    }
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("act").required(true).args(["from", "confirm"])))]
pub(super) struct Restore {
    /// Headquarters' folder, with its `keys`; a database that stands there is set aside.
    #[arg(long)]
    data: PathBuf,
    /// The backup.
    #[arg(long)]
    from: Option<PathBuf>,
    /// The revocations since the backup are in force: serve everything again, and end the alarm.
    #[arg(long)]
    confirm: bool,
}

impl Restore {
    pub(super) fn run(self) -> Result<()> {
        let Some(from) = self.from else {
            return print(if restore::confirm(&open(self.data)?)? {
                "confirmed: everything is served"
            } else {
                "there was nothing to confirm"
            });
        };
        let done = restore::restore(&Folder::new(&self.data), &from, Arc::new(SystemClock))?;
        if let Some(aside) = &done.set_aside {
            print(format_args!("the database that was there is now {}", aside.display()))?;
        }
        print(format_args!(
            "restored: {} compartments, {} changes; epoch {}; {} changes erased again; {} files came back",
            done.report.compartments, done.report.changes, done.life.epoch, done.erased, done.files
        ))?;
        missing(done.files_missing)?;
        print(
            "only uploads are served until `restore --confirm`: serve, let devices bring what they have, and see to the revocations first",
        )
    }
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["record", "change"])))]
pub(super) struct Erase {
    /// Headquarters' folder.
    #[arg(long)]
    data: PathBuf,
    /// Where the record is.
    #[arg(long)]
    compartment: Compartment,
    /// All changes of this record, as it stands.
    #[arg(long)]
    record: Option<RecordId>,
    /// This one change, by its name of 64 digits.
    #[arg(long)]
    change: Option<ChangeName>,
    /// The order's reference; kept at headquarters, and not sent to devices.
    #[arg(long)]
    order: String,
}

impl Erase {
    pub(super) fn run(self) -> Result<()> {
        let target = match (self.record, self.change) {
            (Some(record), _) => Target::Record(record),
            (None, Some(change)) => Target::Change(change),
            (None, None) => return Err(crate::error::Error::Refused("say which record or change".into())),
        };
        let erased = erase::erase(&open(self.data)?, &self.compartment, target, &self.order)?;
        print(format_args!(
            "{} changes have lost their payload here, and {} files that nothing else names are gone; devices follow at their next contact. \
             Older backups still hold it",
            erased.changes, erased.files
        ))
    }
}
