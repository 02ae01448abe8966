//! `attach`, `files`, `fetch`: a record's photos and other files. Never decides what goes over the link.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use daftar_core::compartment::Compartment;
use daftar_core::ids::RecordId;
use daftar_core::time::format_time;
use daftar_device::Store;
use daftar_device::sync::FilesReport;
use daftar_device::vault::{Attachment, FileState, FilesAtHq};
use serde_json::{Value, json};

use super::fault::Fault;
use super::out::Out;

/// A file's name as it is kept has at most so many characters.
const NAME_CHARS_MAX: usize = 100;

/// The arguments of `attach`.
#[derive(Args)]
pub struct Attach {
    /// The record's id.
    id: String,
    /// The file.
    file: PathBuf,
    /// What is written under it.
    #[arg(long)]
    caption: Option<String>,
}

/// The arguments of `files`.
#[derive(Args)]
pub struct Files {
    /// The record's id.
    id: String,
}

/// The arguments of `fetch`.
#[derive(Args)]
pub struct Fetch {
    /// The record's id.
    id: String,
    /// Where those that are here are written, each under the digits of its SHA-256.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

fn record(store: &Store, id: &str) -> Result<(Compartment, RecordId), Fault> {
    let id: RecordId = id.parse().map_err(|e: daftar_core::ids::BadId| Fault::refused(e.to_string()))?;
    Ok((super::status::compartment_of(store, &id)?, id))
}

/// A file's state for programs.
pub fn state(s: &FileState) -> Value {
    json!({
        "sha256": s.sha256.to_string(),
        "name": s.name,
        "media_type": s.media_type,
        "size_bytes": s.size_bytes,
        "caption": s.caption,
        "thumbnail": s.thumbnail.map(|t| t.to_string()),
        "chunks": s.chunks,
        "chunks_here": s.chunks_here,
        "here": s.here,
        "at_hq": s.at_hq_ms.is_some(),
        "at_hq_at": s.at_hq_ms.map(|ms| format_time(i64::try_from(ms).unwrap_or(i64::MAX))),
        "wanted": s.wanted,
    })
}

/// How many of a record's files headquarters has, for people; nothing where it has none.
pub fn at_hq(states: &[FileState]) -> Option<String> {
    let FilesAtHq { held, of } = FilesAtHq::of(states);
    (of > 0).then(|| format!("{held} of {of} photos at HQ"))
}

/// What a sync did with files, for people.
pub fn synced(r: &FilesReport) -> Vec<String> {
    let mut lines = Vec::new();
    if r.requests > 0 {
        lines.push(format!("Files: headquarters confirmed {}, {} came whole.", r.receipted, r.received));
    }
    if r.waiting > 0 {
        lines.push(format!("{} files are kept here and still wait.", r.waiting));
    }
    lines.extend(r.error.as_ref().map(|code| format!("The files broke off ({code}); they go on with the next sync.")));
    lines
}

impl Attach {
    /// Attaches.
    pub fn run(&self, store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
        let (c, id) = record(store, &self.id)?;
        let unreadable = |e: std::io::Error| Fault::refused(format!("{} cannot be read: {e}", self.file.display()));
        let mut source = File::open(&self.file).map_err(unreadable)?;
        if !source.metadata().map_err(unreadable)?.is_file() {
            return Err(Fault::refused(format!("{} is no file", self.file.display())));
        }
        let name = self.file.file_name().map(|n| n.to_string_lossy().chars().take(NAME_CHARS_MAX).collect()).unwrap_or_default();
        let about = Attachment { name, caption: self.caption.clone(), ..Attachment::default() };
        let done = store.attach(&c, &id, &mut source, &about)?;
        out.say(
            || {
                json!({
                    "sha256": done.file.sha256.to_string(),
                    "size_bytes": done.file.size_bytes,
                    "media_type": done.file.media_type,
                    "thumbnail": done.file.thumbnail.map(|t| t.to_string()),
                    "change": done.saved.as_ref().map(|s| s.name.to_string()),
                })
            },
            || {
                let what = if done.saved.is_some() { "Kept and attached" } else { "Attached already" };
                vec![format!("{what}: {} bytes, {}.", done.file.size_bytes, done.file.media_type)]
            },
        );
        Ok(0)
    }
}

impl Files {
    /// Says how far they are.
    pub fn run(&self, store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
        let (c, id) = record(store, &self.id)?;
        say(store, &c, &id, out)
    }
}

fn say(store: &Store, c: &Compartment, id: &RecordId, out: &Out) -> Result<u8, Fault> {
    let states = store.file_states(c, id)?;
    out.say(
        || states.iter().map(state).collect::<Vec<_>>().into(),
        || {
            let mut lines: Vec<String> = states.iter().map(line).collect();
            lines.push(at_hq(&states).unwrap_or_else(|| "No file.".to_owned()));
            lines
        },
    );
    Ok(0)
}

fn line(s: &FileState) -> String {
    let here = if s.here { "here".to_owned() } else { format!("{} of {} chunks here", s.chunks_here, s.chunks) };
    let at_hq = if s.at_hq_ms.is_some() { "at HQ" } else { "not at HQ yet" };
    format!("{}  {}  {here}, {at_hq}", s.name.as_deref().unwrap_or(&s.sha256.to_string()), s.size_bytes.unwrap_or(0))
}

impl Fetch {
    /// Asks for them.
    pub fn run(&self, store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
        let (c, id) = record(store, &self.id)?;
        for s in store.file_states(&c, &id)? {
            if !s.here {
                store.want_file(&c, &s.sha256)?;
            } else if let Some(dir) = &self.to {
                let unwritable = |e: std::io::Error| Fault::refused(format!("{} cannot be written: {e}", dir.display()));
                fs::create_dir_all(dir).map_err(unwritable)?;
                let mut file = File::create(dir.join(s.file_name())).map_err(unwritable)?;
                store.write_file(&c, &s.sha256, &mut file)?;
            }
        }
        say(store, &c, &id, out)
    }
}
