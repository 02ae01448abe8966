//! `pack`: courier packs, for headquarters or for another device. Decides nothing about what is in them.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::{Args, Subcommand};
use daftar_core::time::format_time;
use daftar_device::Store;
use daftar_device::pack::{self, PACK_FILES_BYTES_MAX, PackProgress, Purpose};
use serde_json::json;

use super::fault::Fault;
use super::out::Out;
use super::sync::runtime;

/// The word for headquarters.
const HQ: &str = "hq";
const MIB: u64 = 1024 * 1024;

/// What to do.
#[derive(Subcommand)]
pub enum Pack {
    /// Write a pack: all that waits for headquarters, or what another device may have of this one.
    #[command(
        after_help = "Examples:\n  daftar --home ~/notebook pack write --for hq /media/stick/tablet-7.pack\n  daftar --home ~/notebook pack write --for 'IMT-3 tablet 2' /media/stick/gift.pack"
    )]
    Write(Write),
    /// Read a pack: headquarters' answer, or another device's gift.
    #[command(after_help = "Example:\n  daftar --home ~/notebook pack read /media/stick/to-tablet-7.pack")]
    Read(Read),
}

/// The arguments of `write`.
#[derive(Args)]
pub struct Write {
    /// For whom: `hq`, or another device's name or id.
    #[arg(long = "for", value_name = "WHOM")]
    to: String,
    /// The file that is written.
    file: PathBuf,
    /// A file that stands there may go.
    #[arg(long)]
    force: bool,
    /// Photos and other files go along in at most so many MiB, the smallest first; 0: none.
    #[arg(long, value_name = "MIB", default_value_t = PACK_FILES_BYTES_MAX / MIB)]
    photos_max: u64,
}

/// The arguments of `read`.
#[derive(Args)]
pub struct Read {
    /// The pack.
    file: PathBuf,
}

impl Pack {
    /// Runs it.
    pub fn run(&self, store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
        match self {
            Self::Write(w) => w.run(store, out),
            Self::Read(r) => r.run(store, out),
        }
    }
}

impl Write {
    fn run(&self, store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
        let (runtime, bar) = (runtime()?, Bar::new(out));
        let progress = |p: PackProgress| bar.say(p);
        let files_max = self.photos_max.saturating_mul(MIB);
        let written = if self.to == HQ {
            runtime.block_on(pack::write_question(store, &self.file, self.force, files_max, &progress))
        } else {
            runtime.block_on(pack::write_gift(store, &self.to, &self.file, self.force, files_max, &progress))
        }?;
        out.say(
            || {
                json!({
                    "changes": written.changes, "files": written.files, "files_part": written.files_part,
                    "files_left": written.files_left, "bytes": written.bytes, "more": written.more,
                })
            },
            || {
                let mut lines = vec![format!("{} holds {} changes in {} bytes.", self.file.display(), written.changes, written.bytes)];
                lines.extend((written.files > 0).then(|| format!("{} photos and other files go along.", written.files)));
                lines.extend(
                    (written.files_part > 0).then(|| {
                        format!("Of {} photos and other files a part goes along; the next pack goes on there.", written.files_part)
                    }),
                );
                lines.extend((written.files_left > 0).then(|| {
                    format!(
                        "{} photos and other files found no room: write another pack, or give more with --photos-max.",
                        written.files_left
                    )
                }));
                lines.push(if self.to == HQ {
                    "They wait here on until headquarters' answer, or a sync, brings its receipt.".to_owned()
                } else {
                    "What waits for headquarters waits here on.".to_owned()
                });
                lines.extend(written.more.then(|| "The pack is full: more is left for another one.".to_owned()));
                lines
            },
        );
        Ok(0)
    }
}

impl Read {
    fn run(&self, store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
        let bar = Bar::new(out);
        let read = runtime()?.block_on(pack::read(store, &self.file, &|p| bar.say(p)))?;
        store.check_unchecked()?;
        let purpose = match read.purpose {
            Purpose::Question => "question",
            Purpose::Answer => "answer",
            Purpose::Gift => "gift",
        };
        let written = format_time(i64::try_from(read.written_ms).unwrap_or(i64::MAX));
        out.say(
            || {
                json!({
                    "purpose": purpose, "from": read.from, "written_ms": read.written_ms, "received_changes": read.received_changes,
                    "receipted": read.receipted, "files_received": read.files_received, "files_part": read.files_part,
                    "files_receipted": read.files_receipted, "refused": read.refused, "waiting": read.waiting, "more": read.more,
                })
            },
            || {
                let mut lines = vec![
                    format!("A{} of {}, written {written}.", if purpose == "answer" { "n answer" } else { " gift" }, read.from),
                    format!("Received {} changes; {} of this device are at headquarters.", read.received_changes, read.receipted),
                    match read.waiting {
                        0 => "Headquarters has everything.".to_owned(),
                        n => format!("{n} changes are kept here and still wait."),
                    },
                ];
                lines.extend((read.files_received > 0).then(|| format!("{} photos and other files came.", read.files_received)));
                lines.extend((read.files_part > 0).then(|| format!("Of {} photos and other files a part came.", read.files_part)));
                lines.extend(
                    (read.files_receipted > 0)
                        .then(|| format!("Headquarters gave its word for {} photos and other files.", read.files_receipted)),
                );
                lines.extend(
                    (read.refused > 0).then(|| format!("{} entries were not taken; a sync or another pack brings them.", read.refused)),
                );
                lines.extend(read.more.then(|| "Headquarters has more: write it another pack.".to_owned()));
                lines
            },
        );
        Ok(0)
    }
}

/// Says on a terminal how far it is, once a second from the first on.
struct Bar {
    shown: bool,
    began: Instant,
    said: AtomicU64,
}

impl Bar {
    fn new(out: &Out) -> Self {
        Self { shown: !out.json && std::io::stderr().is_terminal(), began: Instant::now(), said: AtomicU64::new(0) }
    }

    fn say(&self, p: PackProgress) {
        let second = self.began.elapsed().as_secs();
        if !self.shown || self.said.fetch_max(second, Ordering::Relaxed) >= second {
            return;
        }
        let done = match p.of {
            Some(of) if of > 0 => format!("{} %", 100 * p.bytes / of),
            Some(_) | None => format!("{} KiB", p.bytes / 1024),
        };
        let _ = writeln!(std::io::stderr(), "{done}");
    }
}
