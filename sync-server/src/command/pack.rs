//! `pack`: a courier's pack is taken and answered. Never judges what is in it.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use daftar_core::time::format_time;
use serde_json::json;

use super::{open, print, print_json};
use crate::error::Result;
use crate::pack::{self, Answered, PACK_FILES_BYTES_MAX};
use crate::service::Service;
use crate::sql::int;

const MIB: u64 = 1024 * 1024;
/// Progress is said after so long, and as often.
const SAY_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum Act {
    /// Take what a device wrote, as if it had a link, and write the answer that the courier takes back.
    Read(Read),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  daftar-server pack read --data D /media/stick/tablet-7.pack --answer /media/stick/to-tablet-7.pack")]
pub(super) struct Read {
    /// Headquarters' folder.
    #[arg(long)]
    data: PathBuf,
    /// The pack that the device wrote.
    file: PathBuf,
    /// Where the answer is written.
    #[arg(long, value_name = "OUT")]
    answer: PathBuf,
    /// A file that stands there may go.
    #[arg(long)]
    force: bool,
    /// The answer brings photos and other files in at most so many MiB, thumbnails first, then the smallest; 0: none.
    #[arg(long, value_name = "MIB", default_value_t = PACK_FILES_BYTES_MAX / MIB)]
    photos_max: u64,
    /// For programs.
    #[arg(long)]
    json: bool,
}

impl Act {
    pub(super) fn run(self) -> Result<()> {
        match self {
            Self::Read(read) => read.run(),
        }
    }
}

impl Read {
    fn run(self) -> Result<()> {
        let service = Arc::new(Service::new(Arc::new(open(self.data)?)));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (began, said) = (Instant::now(), AtomicU64::new(0));
        let told = |at: u64, of: u64| {
            let second = began.elapsed().as_secs() / SAY_EVERY.as_secs();
            if io::stderr().is_terminal() && said.swap(second, Ordering::Relaxed) < second {
                let _ = writeln!(io::stderr(), "{} of {} KiB read", at / 1024, of / 1024);
            }
        };
        let files_max = self.photos_max.saturating_mul(MIB);
        let answered = runtime.block_on(pack::answer(&service, &self.file, &self.answer, self.force, files_max, &told))?;
        let Answered { device, written_ms, taken, files, files_part, sent, bytes } = answered;
        if self.json {
            return print_json(&json!({
                "device": device.id.to_string(), "name": device.name, "written_ms": written_ms,
                "taken": taken, "files": files, "files_part": files_part, "sent": sent, "bytes": bytes, "answer": self.answer,
            }));
        }
        print(format_args!("{taken} changes of device {} taken; its pack was written {}", device.name, format_time(int(written_ms))))?;
        if files > 0 {
            print(format_args!("{files} files, thumbnails included, are here whole, and the answer says so"))?;
        }
        if files_part > 0 {
            print(format_args!("of {files_part} more files a part is here; the device's next pack goes on there"))?;
        }
        print(format_args!("the answer is {}: {sent} entries, {bytes} bytes; take it back to that device", self.answer.display()))
    }
}
