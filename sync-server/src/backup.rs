//! Backups: a copy of the database under a key of its own, checked after it was written, and of the files. Never holds a server's key.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::store::files::FileRow;
use crate::store::meta::{self, Life};
use crate::store::{DatabaseKey, Store, branch, files};
use crate::verify::{self, Report};

/// What a backup came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    /// The file that holds the database.
    pub file: PathBuf,
    /// What was found in it after it was written.
    pub report: Report,
    /// Files that were copied; those that were there already are not. One that is still being sent is no part of a backup: the device
    /// has it.
    pub files: u64,
    /// Files that should be here, and whose bytes are gone.
    pub files_missing: u64,
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
    let (life, held, whole) = hq.store.copy_to(&part, &key, |tx| {
        let mut held: Vec<(i64, u64)> = Vec::new();
        for place in meta::compartments(tx)? {
            held.extend(branch::all(tx, &place)?.into_iter().filter_map(|(_, row)| row.id.map(|id| (id, row.n))));
        }
        Ok((meta::life(tx)?, held, whole_files(tx)?))
    })?;
    let report = checked(hq, &part)?;
    // The files after the database: what it names is there.
    let (files, files_missing) = copy_files(&whole, &hq.folder.files(), &folder.join("files"))?;
    fs::File::open(&part)?.sync_all()?;
    fs::rename(&part, &file)?;
    fs::File::open(&folder)?.sync_all()?;
    note(hq, &life, &held)?;
    Ok(BackedUp { file, report, files, files_missing })
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
    let store = open_whole(file, hq.folder.backup_key()?, file)?;
    let report = store.read(|tx| verify::verified(tx, &hq.identity.device, &hq.keys.signing.verifying_key()))?;
    store.close()?;
    match report.bad.first() {
        None => Ok(report),
        Some(first) => Err(Error::Damaged(format!("{}: {} things do not hold; the first: {first}", file.display(), report.bad.len()))),
    }
}

/// Opens a backup of which every page is what was written; `named` is what is said to be damaged otherwise.
pub(crate) fn open_whole(file: &Path, key: DatabaseKey, named: &Path) -> Result<Store> {
    let damaged = || Error::Damaged(format!("{} does not hold what was written", named.display()));
    let opened = Store::open_copy(file.to_owned(), key).and_then(|store| Ok(store.is_whole()?.then_some(store)));
    match opened {
        Ok(Some(store)) => Ok(store),
        Ok(None) | Err(Error::Damaged(_)) => Err(damaged()),
        Err(e) => Err(e),
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

/// Copies a file's bytes where they are not what was copied before: a place in a file may have been written anew, in the same length.
/// `None`: there is nothing to copy.
fn copy_file(source: &Path, target: &Path) -> Result<Option<bool>> {
    let Some(is) = metadata(source)? else { return Ok(None) };
    let written = is.modified()?;
    if let Some(was) = metadata(target)?
        && was.len() == is.len()
        && was.modified()? == written
    {
        return Ok(Some(false));
    }
    let part = beside(target, "part");
    fs::copy(source, &part)?;
    let copy = fs::File::options().write(true).open(&part)?;
    // As it was before the copying began: what is written meanwhile is copied the next time.
    copy.set_modified(written)?;
    copy.sync_all()?;
    fs::rename(&part, target)?;
    Ok(Some(true))
}

fn metadata(path: &Path) -> Result<Option<fs::Metadata>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Every file that a database names as whole.
pub(crate) fn whole_files(tx: &Connection) -> Result<Vec<FileRow>> {
    let mut whole = Vec::new();
    for place in meta::compartments(tx)? {
        whole.extend(files::of_place(tx, &place)?.into_iter().filter(|row| row.whole));
    }
    Ok(whole)
}

/// Copies these files from one folder to another. Returns how many were copied, and how many are not to be found.
pub(crate) fn copy_files(rows: &[FileRow], from: &Path, to: &Path) -> Result<(u64, u64)> {
    if rows.is_empty() {
        return Ok((0, 0));
    }
    fs::create_dir_all(to)?;
    let (mut copied, mut missing) = (0, 0);
    for row in rows {
        match copy_file(&from.join(&row.blob), &to.join(&row.blob))? {
            Some(is_new) => copied += u64::from(is_new),
            None => {
                tracing::error!(file = row.blob, "a file's bytes are not in the folder, and are not copied");
                missing += 1;
            }
        }
    }
    fs::File::open(to)?.sync_all()?;
    Ok((copied, missing))
}
