//! How far a record's files are: here, and at headquarters by its signed word. Never guesses.

use daftar_core::authorize::Action;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{FileHash, RecordId};
use daftar_core::record::{FileRef, FileRole};
use daftar_wire::file::chunk_count;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::held;
use super::super::record;
use super::{Store, find};
use crate::blob::extension;
use crate::error::{Error, Result};
use crate::sql::uint;

/// How far one of a record's files is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// Which.
    pub sha256: FileHash,
    /// Its name, as the officer knows it.
    pub name: Option<String>,
    /// What it is, such as `image/jpeg`.
    pub media_type: Option<String>,
    /// Its bytes; `None` as long as nobody has said.
    pub size_bytes: Option<u64>,
    /// What the officer wrote under it.
    pub caption: Option<String>,
    /// The thumbnail, if it is here.
    pub thumbnail: Option<FileHash>,
    /// Its chunks.
    pub chunks: u32,
    /// Those that are here.
    pub chunks_here: u32,
    /// All of it is here.
    pub here: bool,
    /// When headquarters gave its word that it holds all of it, in milliseconds of its time.
    pub at_hq_ms: Option<u64>,
    /// The officer asked for it.
    pub wanted: bool,
}

/// How many of a record's files headquarters holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FilesAtHq {
    /// By its signed word.
    pub held: u32,
    /// Of so many.
    pub of: u32,
}

impl FileState {
    /// A name for the file outside: its digits and what its media type is usually called. Nothing that an officer wrote.
    pub fn file_name(&self) -> String {
        format!("{}.{}", self.sha256, extension(self.media_type.as_deref().unwrap_or_default()))
    }
}

impl FilesAtHq {
    /// Counts them.
    pub fn of(states: &[FileState]) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { held: count(states.iter().filter(|s| s.at_hq_ms.is_some()).count()), of: count(states.len()) }
    }
}

impl Store {
    /// The files that a record names, thumbnails with what they stand for, in the order in which they are shown.
    pub fn file_states(&self, c: &Compartment, id: &RecordId) -> Result<Vec<FileState>> {
        self.authorize(Action::Read, c)?;
        let vault = self.vault(c)?;
        let conn = vault.conn();
        let row = record::find(&conn, id)?.ok_or(Error::NoRecord(*id))?;
        let files = record::load(&conn, &row)?.map(|state| state.files()).unwrap_or_default();
        let epoch = held(&self.epoch).0;
        files.into_iter().filter(|f| f.role == FileRole::Original).map(|f| state(&conn, &epoch, f)).collect()
    }
}

fn state(conn: &Connection, epoch: &[u8; 16], file: FileRef) -> Result<FileState> {
    let row = find(conn, &file.sha256)?;
    let size_bytes = row.as_ref().map(|r| r.size).or(file.size_bytes);
    let at_hq: Option<i64> = conn
        .prepare_cached("SELECT at_ms FROM file_receipt WHERE sha256 = ?1 AND epoch = ?2")?
        .query_row(params![file.sha256.0, epoch], |r| r.get(0))
        .optional()?;
    let thumbnail = match file.thumbnail {
        Some(t) => find(conn, &t)?.filter(|t| t.whole).map(|t| t.sha256),
        None => None,
    };
    Ok(FileState {
        sha256: file.sha256,
        name: file.name,
        media_type: file.media_type,
        size_bytes,
        caption: file.caption,
        thumbnail,
        chunks: size_bytes.map_or(0, chunk_count),
        chunks_here: row.as_ref().map_or(0, |r| r.held.held()),
        here: row.is_some_and(|r| r.whole),
        at_hq_ms: at_hq.map(uint),
        wanted: conn.prepare_cached("SELECT 1 FROM file_wanted WHERE sha256 = ?1")?.exists([file.sha256.0])?,
    })
}
