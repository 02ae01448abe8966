//! The files' calls: bytes or an open file go to the engine, states and pictures come back. Decides no limit: the engine does.

use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::path::Path as DiskPath;

use daftar_core::compartment::Compartment;
use daftar_core::ids::FileHash;
use daftar_core::record::{FILES, Kind};
use daftar_core::value::ElementKey;
use daftar_device::json::write_data;
use daftar_device::vault::{Attachment, FileState};
use daftar_device::{PHOTO_BYTES_MAX, Store};
use serde_json::{Map, Value as Json};

use super::Engine;
use super::fault::ui;
use super::record::parse;
use crate::dto::file::{FileRow, KeptFile};
use crate::dto::record::RecordRef;
use crate::error::{UiError, UiResult};

/// A file's name as it is kept has at most so many characters.
const NAME_CHARS_MAX: usize = 100;
/// What a screen shows as a picture, by how it begins.
const PICTURES: [&[u8]; 4] = [&[0xff, 0xd8, 0xff], &[0x89, b'P', b'N', b'G'], b"GIF8", b"RIFF"];

/// A file whose bytes a screen handed in.
pub struct Incoming {
    pub bytes: Vec<u8>,
    pub name: String,
    /// When it was taken, milliseconds of UTC.
    pub taken_ms: Option<i64>,
}

impl Engine {
    pub fn attach(&self, record: &RecordRef, incoming: Incoming) -> UiResult<Vec<FileRow>> {
        let about = about(&incoming);
        self.attach_to(record, &mut Cursor::new(incoming.bytes), &about)
    }

    /// The same from the disk, where a dialog of the platform led.
    pub fn attach_from(&self, record: &RecordRef, path: &DiskPath) -> UiResult<Vec<FileRow>> {
        let unreadable = |_| UiError::FileUnreadable;
        let mut source = File::open(path).map_err(unreadable)?;
        if !source.metadata().map_err(unreadable)?.is_file() {
            return Err(UiError::FileUnreadable);
        }
        let name = path.file_name().map(|n| n.to_string_lossy().chars().take(NAME_CHARS_MAX).collect()).unwrap_or_default();
        self.attach_to(record, &mut source, &Attachment { name, ..Attachment::default() })
    }

    fn attach_to(&self, record: &RecordRef, source: &mut (impl Read + Seek), about: &Attachment) -> UiResult<Vec<FileRow>> {
        let store = self.store()?;
        let (compartment, id) = parse(record)?;
        not_empty(source)?;
        store.attach(&compartment, &id, source, about).map_err(ui)?;
        self.nudge.now();
        self.file_rows(record)
    }

    /// Keeps a file for a record that is being written.
    pub fn keep_file(&self, compartment: &str, incoming: Incoming) -> UiResult<KeptFile> {
        let store = self.store()?;
        let compartment: Compartment = compartment.parse().map_err(|_| UiError::NotFound)?;
        let about = about(&incoming);
        let mut source = Cursor::new(incoming.bytes);
        not_empty(&mut source)?;
        let kept = store.keep_draft_file(&compartment, &mut source).map_err(ui)?;
        let key = ElementKey::Given(1);
        let data = write_data(Kind::Inspection, &kept.element(&about, &key), &|list, _| {
            if list == FILES { vec![key.clone()] } else { Vec::new() }
        });
        let mut element = data.get("files").and_then(|f| f.get(0)).and_then(Json::as_object).cloned().unwrap_or_else(Map::new);
        element.remove("key");
        Ok(KeptFile { element })
    }

    /// Drops a file that was kept for a record which shall not name it, unless another draft does.
    pub fn drop_kept(&self, compartment: &str, sha256: &str) -> UiResult<()> {
        let store = self.store()?;
        let compartment: Compartment = compartment.parse().map_err(|_| UiError::NotFound)?;
        if self.is_in_a_draft(&store, sha256)? {
            return Ok(());
        }
        store.drop_draft_file(&compartment, &hash(sha256)?).map_err(ui)
    }

    pub fn file_rows(&self, record: &RecordRef) -> UiResult<Vec<FileRow>> {
        let (compartment, id) = parse(record)?;
        Ok(self.store()?.file_states(&compartment, &id).map_err(ui)?.iter().map(file_row).collect())
    }

    pub fn want_file(&self, record: &RecordRef, sha256: &str) -> UiResult<Vec<FileRow>> {
        let store = self.store()?;
        let (compartment, _) = parse(record)?;
        store.want_file(&compartment, &hash(sha256)?).map_err(ui)?;
        self.nudge.now();
        self.file_rows(record)
    }

    /// The bytes of a photo or thumbnail that is here.
    pub fn picture(&self, compartment: &str, sha256: &str) -> UiResult<Vec<u8>> {
        let compartment: Compartment = compartment.parse().map_err(|_| UiError::NotFound)?;
        picture(&*self.store()?, &compartment, &hash(sha256)?)
    }
}

fn picture(store: &Store, compartment: &Compartment, sha256: &FileHash) -> UiResult<Vec<u8>> {
    let mut bytes = Bounded(Vec::new());
    store.write_file(compartment, sha256, &mut bytes).map_err(ui)?;
    if PICTURES.iter().any(|p| bytes.0.starts_with(p)) { Ok(bytes.0) } else { Err(UiError::NotFound) }
}

/// Takes no more than a photo may have.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> std::io::Result<usize> {
        if (self.0.len() + more.len()) as u64 > PHOTO_BYTES_MAX {
            return Err(std::io::Error::other("larger than a photo may be"));
        }
        self.0.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn not_empty(source: &mut impl Seek) -> UiResult<()> {
    let end = source.seek(std::io::SeekFrom::End(0)).map_err(|_| UiError::FileUnreadable)?;
    if end == 0 { Err(UiError::FileEmpty) } else { Ok(()) }
}

fn about(incoming: &Incoming) -> Attachment {
    let name = incoming.name.chars().take(NAME_CHARS_MAX).collect();
    Attachment { name, taken_ms: incoming.taken_ms.map(|ms| ms / 1000 * 1000), ..Attachment::default() }
}

fn hash(sha256: &str) -> UiResult<FileHash> {
    sha256.parse().map_err(|_| UiError::NotFound)
}

pub(super) fn file_row(s: &FileState) -> FileRow {
    FileRow {
        sha256: s.sha256.to_string(),
        name: s.name.clone(),
        media_type: s.media_type.clone(),
        size_bytes: s.size_bytes,
        caption: s.caption.clone(),
        thumbnail: s.thumbnail.map(|t| t.to_string()),
        chunks: s.chunks,
        chunks_here: s.chunks_here,
        here: s.here,
        at_hq: s.at_hq_ms.is_some(),
        wanted: s.wanted,
    }
}
