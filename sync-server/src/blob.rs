//! The folder in which files' bytes lie, each sealed under its own key, beside the database. Never knows what a file is named or whose it is.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use daftar_wire::file::FileBegun;
use daftar_wire::file::chest::{self, ChestKey, SEAL_BYTES, open_begun, seal_begun};
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
        Ok(Chest::new(file, self.key(row), row.size))
    }

    fn key(&self, row: &FileRow) -> ChestKey {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_slice()).expect("HMAC takes a key of any length");
        mac.update(b"daftar file key 1");
        mac.update(&row.salt);
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    fn begun(&self, name: &str) -> PathBuf {
        self.dir.join(name).with_extension("begun")
    }

    /// Keeps the beginning of a chunk until the rest comes, in place of what was kept before. Should it not reach the disk, it comes again.
    pub(crate) fn keep_begun(&self, row: &FileRow, index: u32, bytes: &[u8]) -> Result<()> {
        fs::create_dir_all(&self.dir)?;
        let path = self.begun(&row.blob);
        fs::write(&path, seal_begun(&self.key(row), random()?, index, bytes))?;
        private_file(&path)
    }

    /// The beginning that is kept of a chunk that is lacking: which chunk, and its first bytes.
    pub(crate) fn read_begun(&self, row: &FileRow) -> Result<Option<(u32, Vec<u8>)>> {
        match fs::read(self.begun(&row.blob)) {
            Ok(sealed) => Ok(open_begun(&self.key(row), &sealed).filter(|(index, _)| !row.held.has(*index))),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// How much is kept of it.
    pub(crate) fn how_much_begun(&self, row: &FileRow) -> Result<FileBegun> {
        let begun = self.read_begun(row)?;
        Ok(begun.map_or_else(FileBegun::default, |(index, bytes)| FileBegun { index, bytes: bytes.len() as u32 }))
    }

    /// Takes it away.
    pub(crate) fn forget_begun(&self, name: &str) -> Result<()> {
        gone(fs::remove_file(self.begun(name)))
    }

    /// Makes sure that names in the folder are on the disk.
    pub(crate) fn sync(&self) -> Result<()> {
        Ok(sync_dir(&self.dir)?)
    }

    /// Takes a file's bytes away for good: overwritten first, as far as the medium allows.
    pub(crate) fn erase(&self, name: &str) -> Result<()> {
        for path in [self.begun(name), self.dir.join(name)] {
            match File::options().write(true).open(path) {
                Ok(mut file) => {
                    let len = file.metadata()?.len();
                    std::io::copy(&mut std::io::repeat(0).take(len), &mut file)?;
                    file.sync_all()?;
                }
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e.into()),
            }
        }
        self.remove(name)?;
        self.sync()
    }

    /// Takes a file's bytes away.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        self.forget_begun(name)?;
        gone(fs::remove_file(self.dir.join(name)))
    }
}

fn gone(done: std::io::Result<()>) -> Result<()> {
    match done {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync_dir(dir: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}
