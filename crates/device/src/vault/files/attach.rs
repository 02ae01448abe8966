//! A photo or another file goes to a record: its bytes are kept sealed, and an ordinary amendment names it. The record itself is saved
//! whatever becomes of the file. Never waits for the network.

use std::collections::BTreeMap;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};

use daftar_core::authorize::Action;
use daftar_core::change::Op;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{FileHash, RecordId};
use daftar_core::record::{self as schema, FILES, Kind};
use daftar_core::value::{ElementKey, Path, Value};
use daftar_wire::file::chest::ChestKey;
use daftar_wire::file::{Bitmap, Manifest, Manifesting, chunk_count};
use daftar_wire::limits::{FILE_BYTES_MAX, FILE_CHUNK_BYTES, PHOTO_BYTES_MAX};
use rusqlite::TransactionBehavior;

use super::super::record;
use super::super::save::{Act, Saved};
use super::{FileRow, Store, find, put};
use crate::blob::{is_photo, media_type, thumbnail};
use crate::error::{Error, Result};
use crate::random::{random, random_name};
use crate::sql::{int, uint};

/// The setting by which an administrator says how many bytes files may have on this device.
const BYTES_MAX_SETTING: &str = "files_bytes_max";
/// Media types that get a thumbnail.
const PICTURES: [&str; 2] = ["image/jpeg", "image/png"];

/// What an officer says of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// When it was taken, in milliseconds of UTC.
    pub taken_ms: Option<i64>,
    /// Where, as a value of the group `place`.
    pub place: Option<Value>,
    /// What he writes under it.
    pub caption: Option<String>,
}

/// A file whose bytes are kept here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFile {
    /// Its name in its compartment.
    pub sha256: FileHash,
    /// Its bytes.
    pub size_bytes: u64,
    /// What it is, by how it begins.
    pub media_type: &'static str,
    /// The small picture that stands for it.
    pub thumbnail: Option<FileHash>,
}

/// A file that a record names now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The file.
    pub file: KeptFile,
    /// The amendment; `None`: the record named the file already.
    pub saved: Option<Saved>,
}

impl KeptFile {
    /// The file as an element of a record's list of files: for a record that is created with it, with a given key.
    pub fn element(&self, about: &Attachment, key: &ElementKey) -> BTreeMap<Path, Value> {
        let text = |t: &str| Value::Text(t.to_owned());
        let fields = [
            (2, Some(Value::Bytes(self.sha256.0.to_vec()))),
            (3, Some(about.name.as_str()).filter(|n| !n.is_empty()).map(text)),
            (4, Some(text(self.media_type))),
            (5, Some(Value::Int(int(self.size_bytes)))),
            (6, about.taken_ms.map(Value::Int)),
            (7, about.place.clone()),
            (8, self.thumbnail.map(|t| Value::Bytes(t.0.to_vec()))),
            (9, about.caption.as_deref().map(text)),
        ];
        fields.into_iter().filter_map(|(n, value)| Some((Path::Element(FILES, key.clone(), n), value?))).collect()
    }
}

impl Store {
    /// Keeps a file and has the record name it. Whatever goes wrong with the file, the record stays as it was saved.
    pub fn attach(&self, c: &Compartment, id: &RecordId, source: &mut (impl Read + Seek), about: &Attachment) -> Result<Attached> {
        self.authorize(Action::Write, c)?;
        self.may_name_files(c, id)?;
        let file = self.keep_file(c, source)?;
        let named = self.show(c, id)?.item.state.files().iter().any(|f| f.sha256 == file.sha256);
        if named {
            return Ok(Attached { file, saved: None });
        }
        let set = file.element(about, &ElementKey::New(0));
        let saved = self.save(&Act::on(c.clone(), *id, Op::Amend, set))?;
        Ok(Attached { file, saved: Some(saved) })
    }

    fn may_name_files(&self, c: &Compartment, id: &RecordId) -> Result<()> {
        let vault = self.vault(c)?;
        let kind = record::find(&vault.conn(), id)?.ok_or(Error::NoRecord(*id))?.kind;
        if kind == Kind::CustodyEvent {
            return Err(Error::Input("a hand-over is a fact and is not amended; give its files when it is recorded".into()));
        }
        match schema::field(kind, FILES) {
            Some(_) => Ok(()),
            None => Err(Error::Input("a record of this kind has no files".into())),
        }
    }

    /// Keeps a file's bytes, sealed, with a thumbnail if it is a JPEG or PNG. Reads it chunk by chunk.
    pub fn keep_file(&self, c: &Compartment, source: &mut (impl Read + Seek)) -> Result<KeptFile> {
        self.authorize(Action::Write, c)?;
        let size_bytes = source.seek(SeekFrom::End(0))?;
        source.rewind()?;
        let mut first = Vec::new();
        source.by_ref().take(32).read_to_end(&mut first)?;
        let media_type = media_type(&first);
        let (what, max_bytes) = if is_photo(media_type) { ("photo", PHOTO_BYTES_MAX) } else { ("file", FILE_BYTES_MAX) };
        if size_bytes > max_bytes {
            return Err(Error::FileTooLarge { what, got_bytes: size_bytes, max_bytes });
        }
        if size_bytes == 0 {
            return Err(Error::Input("the file is empty".into()));
        }
        self.room_for(size_bytes)?;
        source.rewind()?;
        let sha256 = self.keep(c, source, size_bytes).map_err(not_kept)?;
        let thumbnail = if PICTURES.contains(&media_type) { self.keep_thumbnail(c, source) } else { None };
        Ok(KeptFile { sha256, size_bytes, media_type, thumbnail })
    }

    /// Whatever goes wrong with it, there is only no thumbnail.
    fn keep_thumbnail(&self, c: &Compartment, source: &mut (impl Read + Seek)) -> Option<FileHash> {
        source.rewind().ok()?;
        let bytes = thumbnail(BufReader::new(source))?;
        let size = bytes.len() as u64;
        let kept = self.room_for(size).and_then(|()| self.keep(c, &mut Cursor::new(bytes), size));
        kept.inspect_err(|error| tracing::warn!(%error, "a thumbnail was not kept")).ok()
    }

    /// Files on this device may have so many bytes together; records need none of them.
    pub fn set_files_bytes_max(&self, bytes: u64) -> Result<()> {
        self.shared.keyring.set_setting(BYTES_MAX_SETTING, &bytes.to_string())
    }

    pub(super) fn room_for(&self, size: u64) -> Result<()> {
        let Some(max) = self.shared.keyring.setting(BYTES_MAX_SETTING)?.and_then(|v| v.parse::<u64>().ok()) else { return Ok(()) };
        let mut kept = 0;
        for c in self.compartments() {
            let vault = self.vault(&c)?;
            kept += uint(vault.conn().query_row("SELECT coalesce(sum(size), 0) FROM file", [], |r| r.get(0))?);
        }
        if kept.saturating_add(size) > max { Err(Error::FileStorageFull) } else { Ok(()) }
    }

    fn keep(&self, c: &Compartment, source: &mut impl Read, size: u64) -> Result<FileHash> {
        let vault = self.vault(c)?;
        let blobs = vault.blobs();
        let (name, key) = (random_name()?, ChestKey::new(random()?));
        let written = blobs.begin(&name, key.clone(), size).and_then(|mut chest| {
            let manifest = write_all(&mut chest, source, c, size)?;
            chest.file().sync_all()?;
            Ok(manifest)
        });
        let manifest = written.inspect_err(|_| blobs.abandon(&name))?;
        let sha256 = manifest.file.sha256;
        let row = FileRow { id: 0, sha256, size, held: Bitmap::full(chunk_count(size)), whole: true, blob: name, key };
        let mut conn = vault.conn();
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if find(&tx, &sha256)?.is_some_and(|known| known.whole) {
            blobs.abandon(&row.blob);
            return Ok(sha256);
        }
        let before = put(&tx, &manifest, &row).inspect_err(|_| blobs.abandon(&row.blob))?;
        tx.commit()?;
        // If power fails here, the next opening finds the name written down and gives it to the file.
        blobs.settle(&row.blob)?;
        if let Some(before) = before {
            blobs.remove(&before)?;
        }
        Ok(sha256)
    }
}

fn write_all(chest: &mut crate::blob::Chest, source: &mut impl Read, c: &Compartment, size: u64) -> Result<Manifest> {
    let mut making = Manifesting::default();
    let mut chunk = Vec::with_capacity(FILE_CHUNK_BYTES);
    for index in 0.. {
        chunk.clear();
        source.by_ref().take(FILE_CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            break;
        }
        if making.size() + chunk.len() as u64 > size {
            return Err(Error::Input("the file grew while it was read; try again when it is finished".into()));
        }
        chest.write(random()?, index, &chunk)?;
        making.push(&chunk);
    }
    if making.size() != size {
        return Err(Error::Input("the file shrank while it was read; try again when it is finished".into()));
    }
    Ok(making.finish(c.clone()))
}

/// The record stands: what did not fit was the file.
fn not_kept(e: Error) -> Error {
    if matches!(e, Error::StorageFull) { Error::FileStorageFull } else { e }
}
