//! Backups: a copy of the database under a key of its own, checked after it was written, and of the files. Never holds a server's key.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::store::meta::{self, Life};
use crate::store::{Store, branch};
use crate::verify::{self, Report};

/// What a backup came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// The file that holds the database.
    pub file: PathBuf,
    /// What was found in it after it was written.
    pub report: Report,
    /// Files that were copied; those that were there already are not.
    pub files: u64,
}

/// Writes a backup to `to`: a file that is not there yet, or a folder in which one is made. Works beside a running server. Only when
/// the backup was read back and holds are the streams noted as backed up.
pub fn backup(hq: &Headquarters, to: &Path) -> Result<BackedUp> {
    let file = if to.is_dir() { to.join(format!("daftar-{}.backup", hq.clock.now_ms())) } else { to.to_owned() };
    if file.exists() {
        return Err(Error::Refused(format!("{} is there already: a backup never takes another's place", file.display())));
    }
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    if !folder.is_dir() {
        return Err(Error::Refused(format!("there is no folder {}", folder.display())));
    }
    let part = beside(&file, "part");
    remove(&part)?;
    let key = hq.folder.backup_key()?;
    let (life, held) = hq.store.copy_to(&part, &key, |tx| {
        let mut held: Vec<(i64, u64)> = Vec::new();
        for place in meta::compartments(tx)? {
            held.extend(branch::all(tx, &place)?.into_iter().filter_map(|(_, row)| row.id.map(|id| (id, row.n))));
        }
        Ok((meta::life(tx)?, held))
    })?;
    let report = checked(hq, &part)?;
    // The files after the database: what it names is there.
    let files = copy_files(&hq.folder.files(), &folder.join("files"))?;
    fs::File::open(&part)?.sync_all()?;
    fs::rename(&part, &file)?;
    fs::File::open(&folder)?.sync_all()?;
    note(hq, &life, &held)?;
    Ok(BackedUp { file, report, files })
}

/// Says in every receipt from now on how much is in a backup.
fn note(hq: &Headquarters, life: &Life, held: &[(i64, u64)]) -> Result<()> {
    hq.store.write(|tx| {
        // In another life these rows may mean something else.
        if meta::life(tx)? == *life {
            held.iter().try_for_each(|(row, n)| branch::set_backed_up(tx, *row, *n))?;
        }
        Ok(())
    })
}

/// Reads a backup: every page, every chain, every signature.
pub(crate) fn checked(hq: &Headquarters, file: &Path) -> Result<Report> {
    let store = Store::open_copy(file.to_owned(), hq.folder.backup_key()?)?;
    if !store.is_whole()? {
        return Err(Error::Damaged(format!("{} does not hold what was written", file.display())));
    }
    let report = store.read(|tx| verify::verified(tx, &hq.identity.device, &hq.keys.signing.verifying_key()))?;
    store.close()?;
    match report.bad.first() {
        None => Ok(report),
        Some(first) => Err(Error::Damaged(format!("{}: {} things do not hold; the first: {first}", file.display(), report.bad.len()))),
    }
}

/// The same path with another end.
pub(crate) fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    name.into()
}

/// Removes a database that was not finished.
pub(crate) fn remove(file: &Path) -> Result<()> {
    for path in [file.to_owned(), wal(file, "-wal"), wal(file, "-shm")] {
        match fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// A file that stands beside a database.
pub(crate) fn wal(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Copies the files that are not there yet, with the folders that they are in. Files are named by what they hold: one that is there is
/// the same. Returns how many were copied.
pub(crate) fn copy_files(from: &Path, to: &Path) -> Result<u64> {
    if !from.is_dir() {
        return Ok(0);
    }
    fs::create_dir_all(to)?;
    let mut copied = 0;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            copied += copy_files(&source, &target)?;
        } else if kind.is_file() && fs::metadata(&target).map(|m| m.len()).ok() != Some(entry.metadata()?.len()) {
            let part = beside(&target, "part");
            fs::copy(&source, &part)?;
            fs::File::open(&part)?.sync_all()?;
            fs::rename(&part, &target)?;
            copied += 1;
        }
    }
    fs::File::open(to)?.sync_all()?;
    Ok(copied)
}
