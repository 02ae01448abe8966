//! `serve`: the server as a process. Logs to the standard error, without personal data.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{open, print};
use crate::error::Result;
use crate::http::{App, Server};
use crate::keys::{Folder, Keys};
use crate::project::Projector;
use crate::service::Service;

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Headquarters' folder.
    #[arg(long)]
    data: PathBuf,
    /// Where devices are listened for.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where the console is listened for; without it there is none.
    #[arg(long)]
    console: Option<SocketAddr>,
    /// Files may have so many bytes together; what would be more is refused, and records still come in.
    #[arg(long, value_name = "BYTES")]
    files_bytes_max: Option<u64>,
}

impl Serve {
    pub(super) fn run(self) -> Result<()> {
        let filter = EnvFilter::try_from_env("DAFTAR_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_target(false)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init();
        let folder = Folder::new(&self.data);
        // A lock is left in no folder that is not a headquarters; and nobody puts another database in the place of the one that is opened.
        Keys::read(&folder)?;
        let _alone = folder.hold()?;
        let hq = Arc::new(open(self.data)?);
        hq.blobs.set_bytes_max(self.files_bytes_max.unwrap_or(u64::MAX));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let projector = Arc::new(Projector::open(&hq)?);
            let app = Arc::new(App::new(Arc::new(Service::new(hq)), projector));
            let server = Server::bind(app, self.listen, self.console).await?;
            let stopper = server.stopper();
            let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            tokio::spawn(async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                tracing::info!("stopping");
                stopper.send_replace(true);
            });
            let console = server.console_address()?.map_or_else(String::new, |at| format!(" (console on https://{at})"));
            print(format_args!("listening on {}{console}", server.address()?))?;
            server.run().await
        })
    }
}
