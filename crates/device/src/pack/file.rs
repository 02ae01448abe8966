//! A pack's file: read twice in the same blocks, written beside its place and put there whole. Never knows what is in it.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use daftar_wire::limits::PACK_BYTES_MAX;
use daftar_wire::pack::{Header, Twice, Verifier};

use super::{PackError, PackProgress, Told};
use crate::home::private;

/// Bytes that are read at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// A pack that is read.
pub(super) struct Blocks {
    file: File,
    bytes: u64,
    at: u64,
    /// Bytes of the first pass.
    before: u64,
    twice: Twice,
    block: Vec<u8>,
}

impl Blocks {
    pub(super) fn open(path: &Path) -> Result<Self, PackError> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(PackError::Broken(format!("{} is no file", path.display())));
        }
        let bytes = metadata.len();
        if bytes > PACK_BYTES_MAX {
            return Err(PackError::Broken(format!(
                "{} has {bytes} bytes, and a courier pack has {PACK_BYTES_MAX} at most",
                path.display()
            )));
        }
        Ok(Self { file, bytes, at: 0, before: 0, twice: Twice::default(), block: vec![0; BLOCK_BYTES] })
    }

    /// How far it is read: each byte counts in both passes.
    pub(super) fn progress(&self) -> PackProgress {
        PackProgress { bytes: self.before + self.at, of: Some(2 * self.bytes) }
    }

    /// The first pass; `who` sees the header as soon as it is there, and may end it.
    pub(super) async fn verify(
        &mut self,
        progress: Told<'_>,
        mut who: impl FnMut(&Header) -> Result<(), PackError> + Send,
    ) -> Result<Verifier, PackError> {
        let mut verifier = Verifier::default();
        let mut is_asked = false;
        loop {
            let n = self.fill()?;
            if n == 0 {
                break;
            }
            self.twice.first(&self.block[..n]);
            verifier.push(&self.block[..n])?;
            if let Some(header) = verifier.header().filter(|_| !is_asked) {
                who(header)?;
                is_asked = true;
            }
            progress(self.progress());
            // Others get their turn: a stick is slow.
            tokio::task::yield_now().await;
        }
        self.file.rewind()?;
        (self.before, self.at) = (self.at, 0);
        Ok(verifier)
    }

    /// The next block of the second pass, which is what it was in the first; `None` at the end.
    pub(super) fn again(&mut self) -> Result<Option<&[u8]>, PackError> {
        let n = self.fill()?;
        let block = &self.block[..n];
        if n > 0 {
            self.twice.again(block)?;
        }
        Ok((n > 0).then_some(block))
    }

    fn fill(&mut self) -> Result<usize, PackError> {
        let mut n = 0;
        while n < self.block.len() {
            match self.file.read(&mut self.block[n..])? {
                0 => break,
                more => n += more,
            }
        }
        self.at += n as u64;
        if self.at > PACK_BYTES_MAX {
            return Err(PackError::Broken("the file grows while it is read".into()));
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
