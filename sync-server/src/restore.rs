//! A server from a backup: another life, whose devices offer again what the backup lacks. Never deletes what stood there before.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backup;
use crate::blob::Blobs;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::keys::{Folder, Keys};
use crate::store::Store;
use crate::store::files::FileRow;
use crate::store::meta::{self, Doubt, Life};
use crate::verify::{self, Report};
use crate::{epoch, erase};

/// What a restore came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The life that begins.
    pub life: Life,
    /// What the backup holds.
    pub report: Report,
    /// Where the database that stood there was put.
    pub set_aside: Option<PathBuf>,
    /// Changes that were erased since the backup, and are erased again.
    pub erased: usize,
    /// Files that came back.
    pub files: u64,
    /// Files that are named, and are neither here nor beside the backup: a device that offers one again is asked for it.
    pub files_missing: u64,
}

/// Puts a backup in the place of the database in a folder that has its keys. Until `confirm` only uploads are served.
pub fn restore(folder: &Folder, from: &Path, clock: Arc<dyn Clock>) -> Result<Restored> {
    if !from.is_file() {
        return Err(Error::Refused(format!("there is no backup {}", from.display())));
    }
    let keys = Keys::read(folder)?;
    let _alone = folder.hold()?;
    let key = folder.backup_key()?;
    let (opened, copy) = (backup::beside(&folder.database(), "restoring"), backup::beside(&folder.database(), "copy"));
    backup::remove(&opened)?;
    backup::remove(&copy)?;
    // The backup itself is only read, whatever it lies on.
    fs::copy(from, &copy)?;
    let source = backup::open_whole(&copy, key, from)?;
    source.copy_to(&opened, &keys.database, |_| Ok(()))?;
    source.close()?;
    backup::remove(&copy)?;
    let store = Store::open(opened.clone(), keys.database.clone(), false)?;
    let identity = store.read(|tx| meta::identity(tx))?;
    let blobs = Blobs::new(folder.files(), keys.database.clone());
    let hq = Headquarters { folder: folder.clone(), identity, keys, store, blobs, clock };
    let report = hq.store.read(|tx| verify::verified(tx, &hq.identity.device, &hq.keys.signing.verifying_key()))?;
    if let Some(first) = report.bad.first() {
        return Err(Error::Damaged(format!("{}: {} things do not hold; the first: {first}", from.display(), report.bad.len())));
    }
    let (life, erased) = hq.store.write(|tx| {
        let life = epoch::begin(&hq, tx)?;
        meta::set_doubt(tx, Doubt::Restored, Some(hq.clock.now_ms()))?;
        crate::store::branch::set_all_backed_up(tx)?;
        Ok((life, erase::enforce(&hq, tx)?))
    })?;
    let (files, files_missing) = files_back(&hq, from)?;
    let now = hq.clock.now_ms();
    hq.store.close()?;
    let set_aside = set_aside(folder, now)?;
    fs::rename(&opened, folder.database())?;
    fs::File::open(folder.path())?.sync_all()?;
    Ok(Restored { life, report, set_aside, erased, files, files_missing })
}

/// Brings back the files that the folder lacks; what is here is left as it is.
fn files_back(hq: &Headquarters, from: &Path) -> Result<(u64, u64)> {
    let whole = hq.store.read(|tx| backup::whole_files(tx))?;
    let lacking: Vec<FileRow> = whole.into_iter().filter(|row| !hq.blobs.is_there(row)).collect();
    let beside = from.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    backup::copy_files(&lacking, &beside.join("files"), &hq.folder.files())
}

/// Moves the database that stands there out of the way, with what belongs to it.
fn set_aside(folder: &Folder, now_ms: u64) -> Result<Option<PathBuf>> {
    let database = folder.database();
    if !database.exists() {
        return Ok(None);
    }
    let aside = backup::beside(&database, &format!("set-aside-{now_ms}"));
    if aside.exists() {
        return Err(Error::Refused(format!("{} is there already", aside.display())));
    }
    // The log first: it is nothing without the database, and the database is less without it.
    for end in ["-wal", "-shm"] {
        let file = backup::wal(&database, end);
        if file.exists() {
            fs::rename(file, backup::wal(&aside, end))?;
        }
    }
    fs::rename(&database, &aside)?;
    Ok(Some(aside))
}

/// An administrator has seen to the revocations: everything is served again, and the alarm of a server that was set back is over.
/// True if there was anything to confirm.
pub fn confirm(hq: &Headquarters) -> Result<bool> {
    hq.store.write(|tx| {
        let mut was = false;
        for what in [Doubt::Restored, Doubt::SetBack] {
            was |= meta::doubt(tx, what)?.is_some();
            meta::set_doubt(tx, what, None)?;
        }
        Ok(was)
    })
}
