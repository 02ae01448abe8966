//! HTTP/1.1 over TLS 1.3: two listeners, one for devices and one for the console. Never decides what is answered.

mod auth;
mod body;
mod files;
mod limits;
mod listen;
mod patient;
mod route;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::project::Projector;
use crate::service::Service;
use limits::Limits;

pub use auth::Caller;
pub use body::Body;

/// How long exchanges that run may go on after the server was told to stop.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// What both listeners answer from.
pub struct App {
    /// The exchange and the enrolment.
    pub service: Arc<Service>,
    /// What the console reads.
    pub projector: Arc<Projector>,
    /// Who is logged in to the console.
    pub(crate) console: crate::console::State,
    limits: Limits,
}

impl App {
    /// An application over a service and what is projected of it.
    pub fn new(service: Arc<Service>, projector: Arc<Projector>) -> Self {
        Self { service, projector, console: crate::console::State::default(), limits: Limits::default() }
    }

    /// Headquarters.
    pub fn hq(&self) -> &Arc<Headquarters> {
        self.service.hq()
    }
}

/// Two listeners that are bound.
pub struct Server {
    app: Arc<App>,
    devices: TcpListener,
    console: Option<TcpListener>,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Binds the listeners; nothing is accepted yet.
    pub async fn bind(app: Arc<App>, devices: SocketAddr, console: Option<SocketAddr>) -> Result<Self> {
        let bind =
            async |at: SocketAddr| TcpListener::bind(at).await.map_err(|e| Error::Refused(format!("{at} cannot be listened on: {e}")));
        let devices = bind(devices).await?;
        let console = match console {
            Some(at) => Some(bind(at).await?),
            None => None,
        };
        Ok(Self { app, devices, console, stop: watch::Sender::new(false) })
    }

    /// Where devices are listened for.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.devices.local_addr()?)
    }

    /// Where the console is listened for.
    pub fn console_address(&self) -> Result<Option<SocketAddr>> {
        Ok(self.console.as_ref().map(TcpListener::local_addr).transpose()?)
    }

    /// Tells the server to stop: what runs is finished, nothing new is accepted.
    pub fn stopper(&self) -> watch::Sender<bool> {
        self.stop.clone()
    }

    /// Serves until it is told to stop, and then at most ten seconds more.
    pub async fn run(self) -> Result<()> {
        let keys = &self.app.hq().keys;
        let for_devices = auth::devices_config(keys)?;
        let for_console = auth::console_config(keys)?;
        // Each connection holds a sender; when all are dropped, all connections have ended.
        let (running, mut all_ended) = mpsc::channel::<()>(1);
        let projecting = tokio::spawn(self.app.projector.clone().run(self.app.service.clone(), self.stop.subscribe()));
        let devices = listen::Listener {
            app: self.app.clone(),
            tls: for_devices.into(),
            audience: listen::Audience::Devices,
            stop: self.stop.subscribe(),
            running: running.clone(),
        };
        let console = listen::Listener {
            app: self.app.clone(),
            tls: for_console.into(),
            audience: listen::Audience::Console,
            stop: self.stop.subscribe(),
            running,
        };
        let second = async {
            match self.console {
                Some(listener) => console.accept(listener).await,
                None => drop(console),
            }
        };
        tokio::join!(devices.accept(self.devices), second);
        if tokio::time::timeout(STOP_WAIT, all_ended.recv()).await.is_err() {
            tracing::warn!("connections that did not end in time were cut");
        }
        projecting.await.map_err(Error::stopped)
    }
}
