//! A pack's file at headquarters: read twice in the same blocks, written beside its place and put there whole. Never knows what is in it.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use daftar_wire::limits::PACK_BYTES_MAX;
use daftar_wire::pack::{Header, Twice, Verifier};

use super::broken;
use crate::error::{Error, Result};
use crate::keys::private_file;

/// Bytes that are read at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// A pack that is read.
pub(super) struct Blocks {
    file: File,
    bytes: u64,
    at: u64,
    twice: Twice,
    block: Vec<u8>,
}

impl Blocks {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let unread = |e| Error::Refused(format!("{} cannot be read: {e}", path.display()));
        let file = File::open(path).map_err(unread)?;
        let metadata = file.metadata().map_err(unread)?;
        if !metadata.is_file() {
            return Err(Error::Refused(format!("{} is no file", path.display())));
        }
        let bytes = metadata.len();
        if bytes > PACK_BYTES_MAX {
            return Err(Error::Refused(format!("{} has {bytes} bytes; a courier pack has {PACK_BYTES_MAX} at most", path.display())));
        }
        Ok(Self { file, bytes, at: 0, twice: Twice::default(), block: vec![0; BLOCK_BYTES] })
    }

    /// Its length when it was opened.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes read in the second pass.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The first pass; `who` sees the header as soon as it is there, and may end it.
    pub(super) fn verify(&mut self, mut who: impl FnMut(&Header) -> Result<()>) -> Result<Verifier> {
        let mut verifier = Verifier::default();
        let mut is_asked = false;
        loop {
            let n = self.fill()?;
            if n == 0 {
                break;
            }
            self.twice.first(&self.block[..n]);
            verifier.push(&self.block[..n]).map_err(|e| Error::Refused(broken(&e.to_string())))?;
            if let Some(header) = verifier.header().filter(|_| !is_asked) {
                who(header)?;
                is_asked = true;
            }
        }
        self.file.rewind()?;
        self.at = 0;
        Ok(verifier)
    }

    /// The next block of the second pass, which is what it was in the first; `None` at the end.
    pub(super) fn again(&mut self) -> Result<Option<&[u8]>> {
        let n = self.fill()?;
        let block = &self.block[..n];
        if n > 0 {
            self.twice.again(block).map_err(|e| Error::Refused(broken(&e.to_string())))?;
        }
        Ok((n > 0).then_some(block))
    }

    fn fill(&mut self) -> Result<usize> {
        let mut n = 0;
        while n < self.block.len() {
            match self.file.read(&mut self.block[n..])? {
                0 => break,
                more => n += more,
            }
        }
        self.at += n as u64;
        if self.at > PACK_BYTES_MAX {
            return Err(Error::Refused(broken("it grows while it is read")));
        }
        Ok(n)
    }
}

/// Where a pack is to stand.
pub(super) struct Made {
    path: PathBuf,
    folder: PathBuf,
}

impl Made {
    pub(super) fn check(path: &Path, replace: bool) -> Result<Self> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        if path.is_dir() || !folder.is_dir() {
            return Err(Error::Refused(format!("{} is no place for a file", path.display())));
        }
        if path.exists() && !replace {
            return Err(Error::Refused(format!("{} is there already; --force takes its place", path.display())));
        }
        Ok(Self { path: path.to_owned(), folder })
    }

    pub(super) fn begin(self) -> Result<Written> {
        let mut part = self.path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part)?;
        private_file(&part)?;
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
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Puts it in its place when it has reached the disk, and says how long it is.
    pub(super) fn keep(mut self) -> Result<u64> {
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
