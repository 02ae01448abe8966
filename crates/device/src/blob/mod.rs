//! A compartment's folder of files: each sealed chunk by chunk under its own key, under a random name. Never knows what a file is called.

mod media;
mod thumbnail;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use daftar_wire::file::chest::{self, ChestKey};

use crate::error::Result;
use crate::home::private;

pub(crate) use media::{extension, is_photo, media_type};
pub(crate) use thumbnail::thumbnail;

/// What the name of a file in the making ends with.
const PART: &str = "part";
/// What the name of the beginning of a file's next chunk ends with.
const BEGUN: &str = "begun";

/// The folder.
pub(crate) struct Blobs(PathBuf);

/// One file's bytes, chunk by chunk.
pub(crate) type Chest = chest::Chest<File>;

impl Blobs {
    /// The folder at this path; made when something is first kept.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    fn part(&self, name: &str) -> PathBuf {
        self.0.join(name).with_extension(PART)
    }

    fn make(&self) -> Result<()> {
        fs::create_dir_all(&self.0)?;
        private(&self.0, 0o700)
    }

    /// Begins a file that is no file yet: until `settle` nothing of it counts.
    pub(crate) fn begin(&self, name: &str, key: ChestKey, size: u64) -> Result<Chest> {
        self.make()?;
        let path = self.part(name);
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        private(&path, 0o600)?;
        Ok(Chest::new(file, key, size))
    }

    /// Gives a file in the making its name. Whoever calls it has written down before that the name exists.
    pub(crate) fn settle(&self, name: &str) -> Result<()> {
        fs::rename(self.part(name), self.0.join(name))?;
        self.sync()
    }

    /// Takes away what was begun.
    pub(crate) fn abandon(&self, name: &str) {
        let _ = fs::remove_file(self.part(name));
    }

    /// Opens a file's chest; `make`: it may be new. `None`: it is not there.
    pub(crate) fn open(&self, name: &str, key: ChestKey, size: u64, make: bool) -> Result<Option<Chest>> {
        if make {
            self.make()?;
        }
        let path = self.0.join(name);
        let file = match File::options().read(true).write(true).create(make).truncate(false).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound && !make => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        if make {
            private(&path, 0o600)?;
        }
        Ok(Some(Chest::new(file, key, size)))
    }

    fn begun(&self, name: &str) -> PathBuf {
        self.0.join(name).with_extension(BEGUN)
    }

    /// Keeps the beginning of a chunk of this file, sealed, in place of what was kept before. Should it not reach the disk, it comes again.
    pub(crate) fn keep_begun(&self, name: &str, sealed: &[u8]) -> Result<()> {
        self.make()?;
        let path = self.begun(name);
        fs::write(&path, sealed)?;
        private(&path, 0o600)
    }

    /// The beginning that is kept.
    pub(crate) fn read_begun(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match fs::read(self.begun(name)) {
            Ok(sealed) => Ok(Some(sealed)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Takes the beginning away.
    pub(crate) fn forget_begun(&self, name: &str) -> Result<()> {
        gone(fs::remove_file(self.begun(name)))
    }

    /// Takes a file's bytes away.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        self.forget_begun(name)?;
        gone(fs::remove_file(self.0.join(name)))
    }

    /// Takes a file's bytes away for good: overwritten first, as far as the medium allows.
    pub(crate) fn erase(&self, name: &str) -> Result<()> {
        let begun = self.begun(name);
        if begun.exists() {
            crate::home::remove(&begun)?;
        }
        crate::home::remove(&self.0.join(name))
    }

    /// Takes files of another folder into this one, as far as they have not been taken already.
    pub(crate) fn take_in(&self, from: &Self, names: &[String]) -> Result<()> {
        self.make()?;
        for name in names {
            gone(fs::rename(from.0.join(name), self.0.join(name)))?;
        }
        self.sync()
    }

    /// Names in the folder have reached the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        if cfg!(unix) {
            File::open(&self.0)?.sync_all()?;
        }
        Ok(())
    }

    /// What is in the making and is written down gets its name; what is not goes, and beginnings of chunks of files that are not.
    pub(crate) fn tidy(&self, known: &HashSet<String>) -> Result<()> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e.into()),
        };
        for path in entries.flatten().map(|e| e.path()) {
            let ending = path.extension().and_then(|e| e.to_str());
            match (ending, path.file_stem().and_then(|s| s.to_str()).filter(|s| known.contains(*s))) {
                (Some(PART), Some(name)) => self.settle(name)?,
                (Some(PART | BEGUN), None) => gone(fs::remove_file(&path))?,
                (Some(_) | None, _) => {}
            }
        }
        Ok(())
    }
}

/// Takes a compartment's folder of files away, all of it: to be done with the compartment's key and database.
pub(crate) fn purge(dir: &Path) -> Result<()> {
    gone(fs::remove_dir_all(dir))
}

fn gone(done: std::io::Result<()>) -> Result<()> {
    match done {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}
