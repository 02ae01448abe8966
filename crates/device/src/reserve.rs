//! A file that only takes up room, so that there is some when the medium is full: for the draft, the lock and the way out. Holds nothing.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::Result;

/// What is kept free: many drafts and a log for each compartment.
pub const RESERVE_BYTES: u64 = 4 * 1024 * 1024;

/// The reserve of a home.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// The reserve at this path, made where there is room.
    pub(crate) fn at(path: PathBuf) -> Self {
        let reserve = Self { path };
        reserve.make();
        reserve
    }

    /// Makes it again, where as much again stays free: otherwise it would take the last room from what it is there for.
    pub(crate) fn make(&self) {
        let is_there = fs::metadata(&self.path).is_ok_and(|m| m.len() == RESERVE_BYTES);
        if !is_there && fill(&self.path).is_err() {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// The medium is full: the room is given back.
    pub(crate) fn free(&self) {
        if fs::remove_file(&self.path).is_ok() {
            tracing::warn!(bytes = RESERVE_BYTES, "the storage is full; the reserve was given back");
        }
    }
}

fn fill(path: &Path) -> Result<()> {
    let mut file = File::create(path)?;
    crate::home::private(path, 0o600)?;
    let piece = vec![0; 64 * 1024];
    for _ in 0..2 * RESERVE_BYTES / piece.len() as u64 {
        file.write_all(&piece)?;
    }
    file.set_len(RESERVE_BYTES)?;
    Ok(())
}
