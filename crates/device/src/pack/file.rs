//! A pack's file: opened to be read, or written beside its place and put there whole. Never knows what is in it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use daftar_wire::pack::Blocks;

use super::PackError;
use crate::home::private;

/// A pack to be read.
pub(super) fn open(path: &Path) -> Result<Blocks<File>, PackError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(PackError::Broken(format!("{} is no file", path.display())));
    }
    Ok(Blocks::new(file, metadata.len())?)
}

/// Where a pack is to stand.
pub(super) struct Made {
    path: PathBuf,
    folder: PathBuf,
}

impl Made {
    pub(super) fn check(path: &Path, replace: bool) -> Result<Self, PackError> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        if path.is_dir() || !folder.is_dir() {
            return Err(std::io::Error::other(format!("{} is no place for one", path.display())).into());
        }
        if path.exists() && !replace {
            return Err(PackError::Exists(path.display().to_string()));
        }
        Ok(Self { path: path.to_owned(), folder })
    }

    pub(super) fn begin(self) -> Result<Written, PackError> {
        let mut part = self.path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part)?;
        // A stick may know no such thing; what is in it is sealed.
        let _ = private(&part, 0o600);
        Ok(Written { made: self, part: Some(part), file, bytes: 0 })
    }
}

/// A pack that is written; gone again unless it is kept.
pub(super) struct Written {
    made: Made,
    part: Option<PathBuf>,
    file: File,
    bytes: u64,
}

impl Written {
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        self.file.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Its bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts it in its place when it has reached the disk, and says how long it is.
    pub(super) fn keep(mut self) -> Result<u64, PackError> {
        self.file.sync_all()?;
        if let Some(part) = self.part.take() {
            fs::rename(&part, &self.made.path)?;
        }
        if cfg!(unix) {
            File::open(&self.made.folder)?.sync_all()?;
        }
        Ok(self.bytes)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if let Some(part) = self.part.take() {
            let _ = fs::remove_file(part);
        }
    }
}
