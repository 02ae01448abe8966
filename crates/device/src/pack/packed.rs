//! Counts what of the files found room in a pack, and has it written down once the pack is. Never reads a file.

use std::sync::Arc;

use daftar_core::ids::DeviceId;

use crate::sync::blocking;
use crate::vault::{FileAlong, FilesAlong, Store};

/// What went into a pack.
pub(super) struct Packed {
    /// Photos and other files with all that their reader lacks, as far as he has said.
    pub(super) files: u64,
    /// Those of which a part went.
    pub(super) files_part: u64,
    /// Those of which nothing did.
    pub(super) files_left: u64,
    went: Vec<FileAlong>,
    is_all: bool,
}

impl Packed {
    /// Nothing yet, of what is to go along.
    pub(super) fn of(along: &FilesAlong) -> Self {
        Self { files: 0, files_part: 0, files_left: along.stay, went: Vec::new(), is_all: along.is_all }
    }

    /// What was to go of a file went, or not all of it could be read.
    pub(super) fn add(&mut self, f: FileAlong, went: bool) {
        let counted = match (went, f.is_all) {
            (true, true) => &mut self.files,
            (true, false) => &mut self.files_part,
            (false, _) => &mut self.files_left,
        };
        *counted += u64::from(f.is_original);
        self.is_all &= went;
        self.went.extend(went.then_some(f));
    }

    /// The pack stands in its place: the next goes on behind it. Where that cannot be written down, the next carries the same again.
    pub(super) async fn keep(&mut self, store: &Arc<Store>, to: DeviceId) {
        let (went, is_all) = (std::mem::take(&mut self.went), self.is_all);
        if let Err(error) = blocking(store, move |s| s.files_packed(&to, &went, is_all)).await {
            tracing::warn!(%error, "how far a pack carries the files is not noted");
        }
    }
}
