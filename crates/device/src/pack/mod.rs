//! Courier packs: what a device and headquarters, or two devices, would say to each other, in one file that somebody carries. Written whole
//! or not at all, verified before anything in it is read. Never opens a socket, and never moves the device's lineage.

mod answer;
mod file;
mod gift;
mod packed;
mod question;
mod read;

pub use daftar_wire::limits::PACK_FILES_BYTES_MAX;
pub use daftar_wire::pack::Purpose;

use daftar_wire::pack::BlockError;

use crate::sync::SyncError;
use crate::{Error, WireError};

pub use gift::write as write_gift;
pub use question::write as write_question;
pub use read::read;

/// How far the writing or reading of a pack is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PackProgress {
    /// Bytes of the file so far.
    pub bytes: u64,
    /// Its bytes in all, where they are known: of a pack that is read.
    pub of: Option<u64>,
}

/// Who is told how far it is.
pub type Told<'a> = &'a (dyn Fn(PackProgress) + Send + Sync);

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PackWritten {
    /// Changes in it.
    pub changes: u64,
    /// Photos and other files in it, with all that their reader lacks as far as he has said; thumbnails are not counted.
    pub files: u64,
    /// Photos and other files of which only a part found room. The next pack goes on there.
    pub files_part: u64,
    /// Photos and other files that found no room: for another pack, or for a link.
    pub files_left: u64,
    /// The pack's bytes.
    pub bytes: u64,
    /// It was full: the rest goes into another pack.
    pub more: bool,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackRead {
    /// What it held.
    pub purpose: Purpose,
    /// Who wrote it: `headquarters`, or the device's name.
    pub from: String,
    /// When, by the writer's clock, in milliseconds of UTC.
    pub written_ms: u64,
    /// Changes of others that are new here.
    pub received_changes: u64,
    /// Changes of this device that its receipts took off the queue.
    pub receipted: u64,
    /// Photos and other files that came whole, or of which the last part came.
    pub files_received: u64,
    /// Photos and other files of which a part came, and more is lacking.
    pub files_part: u64,
    /// Photos and other files for which headquarters gave its word.
    pub files_receipted: u64,
    /// Entries that were not taken: what they go on from is not here, or they are not what they should be.
    pub refused: u64,
    /// Changes that still wait for a receipt.
    pub waiting: u64,
    /// The answer was full: headquarters has more for this device.
    pub more: bool,
}

/// Why a pack was not written or not read. All that was saved is kept.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It is for somebody else; the sentence says for whom.
    #[error("{0}")]
    NotForUs(String),
    /// Its writer is not known here, or not who he says he is.
    #[error("{0}")]
    Writer(String),
    /// It is no pack, was cut or changed, or is larger than one may be. Nothing of it was taken.
    #[error("{0}; nothing of it was taken")]
    Broken(String),
    /// It counts no more: it is of an earlier life of headquarters' server.
    #[error("{0}")]
    Late(String),
    /// There is a file of this name.
    #[error("{0} is there already; write to another name, or say that it may be replaced")]
    Exists(String),
    /// The stick, or whatever the file lies on.
    #[error("the file: {0}")]
    File(#[from] std::io::Error),
    /// This device's own store.
    #[error(transparent)]
    Store(#[from] Error),
}

impl PackError {
    /// A code for programs and the window.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotForUs(_) => "pack_not_for_us",
            Self::Writer(_) => "pack_writer",
            Self::Broken(_) => "pack_broken",
            Self::Late(_) => "pack_late",
            Self::Exists(_) => "pack_exists",
            Self::File(_) => "pack_file",
            Self::Store(e) => e.code(),
        }
    }
}

impl From<SyncError> for PackError {
    fn from(e: SyncError) -> Self {
        match e {
            SyncError::Store(e) => Self::Store(e),
            SyncError::Protocol(e) => Self::Broken(format!("what the pack says cannot be read ({e})")),
            // A file is no link, and nobody stops or shares its reading.
            SyncError::Cut | SyncError::Link(_) | SyncError::Cancelled { .. } | SyncError::Running => {
                Self::Broken("the pack ends before its writer had finished".into())
            }
        }
    }
}

impl From<BlockError> for PackError {
    fn from(e: BlockError) -> Self {
        match e {
            BlockError::File(e) => e.into(),
            BlockError::Pack(e) => e.into(),
        }
    }
}

impl From<WireError> for PackError {
    fn from(e: WireError) -> Self {
        Self::Broken(format!("this is no courier pack, or it was cut or changed on the way ({e})"))
    }
}
