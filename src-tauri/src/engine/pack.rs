//! The packs' calls. What a pack holds and whether it is taken is the engine's to judge.

use std::path::Path;

use daftar_device::pack::{self, PACK_FILES_BYTES_MAX, PackError, PackProgress, Purpose};

use super::Engine;
use super::fault::ui;
use crate::dto::pack::{PackProgress as Progress, PackPurpose, PackRead, PackWritten};
use crate::dto::sync::WatchEvent;
use crate::error::{UiError, UiResult};

/// How a pack of this program is called at its end.
const EXTENSION: &str = "pack";
/// The screen is told again after so many bytes.
const TOLD_EVERY_BYTES: u64 = 256 * 1024;

impl Engine {
    /// The name that is proposed for a pack: the device and the time, and nothing of what is in it.
    pub fn pack_name(&self) -> UiResult<String> {
        let store = self.store()?;
        let now = i64::try_from(self.device()?.now_ms()).unwrap_or(0);
        let time: String = daftar_core::time::format_time(now).chars().filter(char::is_ascii_digit).take(12).collect();
        let device: String = store.device().name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
        Ok(format!("daftar-{}-{time}.{EXTENSION}", device.trim_matches('-')))
    }

    /// Writes a question for headquarters. The dialog has asked whether a file of that name may go.
    pub fn write_pack(&self, path: &Path) -> UiResult<PackWritten> {
        let store = self.store()?;
        let told = self.pack_told();
        let written =
            tauri::async_runtime::block_on(pack::write_question(&store, path, true, PACK_FILES_BYTES_MAX, &told)).map_err(refused)?;
        Ok(PackWritten {
            changes: count(written.changes),
            files: count(written.files),
            files_part: count(written.files_part),
            files_left: count(written.files_left),
            bytes: written.bytes,
            more: written.more,
        })
    }

    /// Reads an answer of headquarters or a gift of another device.
    pub fn read_pack(&self, path: &Path) -> UiResult<PackRead> {
        let store = self.store()?;
        let told = self.pack_told();
        let read = tauri::async_runtime::block_on(pack::read(&store, path, &told)).map_err(refused)?;
        store.tend().map_err(ui)?;
        self.tell_strip();
        Ok(PackRead {
            purpose: match read.purpose {
                Purpose::Question => PackPurpose::Question,
                Purpose::Answer => PackPurpose::Answer,
                Purpose::Gift => PackPurpose::Gift,
            },
            from: matches!(read.purpose, Purpose::Gift | Purpose::Question).then_some(read.from),
            written_ms: i64::try_from(read.written_ms).unwrap_or(i64::MAX),
            received: count(read.received_changes),
            receipted: count(read.receipted),
            files_received: count(read.files_received),
            files_part: count(read.files_part),
            files_receipted: count(read.files_receipted),
            refused: count(read.refused),
            waiting: count(read.waiting),
            more: read.more,
        })
    }

    /// Tells the screen, though not of every block.
    fn pack_told(&self) -> impl Fn(PackProgress) + Send + Sync + '_ {
        let last = std::sync::atomic::AtomicU64::new(0);
        move |p: PackProgress| {
            let step = p.bytes / TOLD_EVERY_BYTES + 1;
            if last.swap(step, std::sync::atomic::Ordering::Relaxed) != step {
                self.tell(WatchEvent::Pack(Progress { bytes: p.bytes, of: p.of }));
            }
        }
    }
}

fn count(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A code for the screen. The sentence, which may name devices, is for the log's reader.
fn refused(e: PackError) -> UiError {
    tracing::info!(code = e.code(), "a pack was not written or not taken");
    match e {
        PackError::NotForUs(_) => UiError::PackNotForUs,
        PackError::Writer(_) => UiError::PackWriter,
        PackError::Broken(_) => UiError::PackBroken,
        PackError::Late(_) => UiError::PackLate,
        PackError::Exists(_) => UiError::PackExists,
        PackError::File(e) if e.kind() == std::io::ErrorKind::StorageFull => UiError::PackStorageFull,
        PackError::File(_) => UiError::FileUnreadable,
        PackError::Store(e) => ui(e),
    }
}
