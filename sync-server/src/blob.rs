//! The folder in which files' bytes lie, each sealed under its own key, beside the database. Never knows what a file is named or whose it is.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use daftar_wire::file::chest::{self, SEAL_BYTES};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::Result;
use crate::keys::private_file;
use crate::random::{hex, random};
use crate::store::DatabaseKey;
use crate::store::files::FileRow;

/// The folder.
pub struct Blobs {
    dir: PathBuf,
    key: DatabaseKey,
    bytes_max: AtomicU64,
}

/// One file's bytes, chunk by chunk.
pub(crate) type Chest = chest::Chest<File>;

impl Blobs {
    /// The folder at this path, made when something is first kept; its files' keys come from the database's.
    pub(crate) fn new(dir: PathBuf, key: DatabaseKey) -> Self {
        Self { dir, key, bytes_max: AtomicU64::new(u64::MAX) }
    }

    /// All files together may have so many bytes.
    pub fn set_bytes_max(&self, bytes: u64) {
        self.bytes_max.store(bytes, Ordering::Relaxed);
    }

    /// How many bytes all files together may have.
    pub fn bytes_max(&self) -> u64 {
        self.bytes_max.load(Ordering::Relaxed)
    }

    /// A name and a salt for a new file.
    pub(crate) fn draw() -> Result<(String, [u8; 32])> {
        Ok((hex(&random::<16>()?), random()?))
    }

    /// Whether the bytes of a row that says to be whole are there, in their length.
    pub(crate) fn is_there(&self, row: &FileRow) -> bool {
        let length = row.size + u64::from(row.held.count()) * SEAL_BYTES as u64;
        fs::metadata(self.dir.join(&row.blob)).is_ok_and(|m| m.len() == length)
    }

    /// Opens a file's chest; `make`: it may be new.
    pub(crate) fn open(&self, row: &FileRow, make: bool) -> Result<Chest> {
        if make {
            fs::create_dir_all(&self.dir)?;
        }
        let path = self.dir.join(&row.blob);
        let file = File::options().read(true).write(true).create(make).truncate(false).open(&path)?;
        if make {
            private_file(&path)?;
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_slice()).expect("HMAC takes a key of any length");
        mac.update(b"daftar file key 1");
        mac.update(&row.salt);
        Ok(Chest::new(file, Zeroizing::new(mac.finalize().into_bytes().into()), row.size))
    }

    /// Makes sure that names in the folder are on the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        Ok(sync_dir(&self.dir)?)
    }

    /// Takes a file's bytes away for good: overwritten first, as far as the medium allows.
    pub(crate) fn erase(&self, name: &str) -> Result<()> {
        match File::options().write(true).open(self.dir.join(name)) {
            Ok(mut file) => {
                let len = file.metadata()?.len();
                std::io::copy(&mut std::io::repeat(0).take(len), &mut file)?;
                file.sync_all()?;
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e.into()),
        }
        self.remove(name)?;
        self.sync()
    }

    /// Takes a file's bytes away.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        match fs::remove_file(self.dir.join(name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn sync_dir(dir: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}
