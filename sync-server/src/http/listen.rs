//! Accepts connections and holds each to its limits: handshake, first byte, header, idling. Never reads a request's body.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::limits::{CONNECTIONS_MAX, PATIENCE};
use super::patient::Patient;
use super::{App, Caller, auth, route};

/// Bytes of a request's header, and of what is read or written at once.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Lines of a request's header.
const HEADERS_MAX: usize = 64;
/// What is waited when the system gives no connection.
const ACCEPT_WAIT: Duration = Duration::from_millis(100);

/// Whom a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    Devices,
    Console,
}

/// What a listener's connections share.
pub(super) struct Listener {
    pub(super) app: Arc<App>,
    pub(super) tls: Arc<ServerConfig>,
    pub(super) audience: Audience,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) running: mpsc::Sender<()>,
}

impl Listener {
    /// Accepts until it is told to stop.
    pub(super) async fn accept(mut self, listener: TcpListener) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let next = async {
                let place = room.clone().acquire_owned().await;
                (listener.accept().await, place)
            };
            let stopped = self.stop.clone();
            let (accepted, place) = tokio::select! {
                next = next => next,
                () = told(stopped) => return,
            };
            let Ok(place) = place else { return };
            match accepted {
                Ok((socket, from)) => self.serve(socket, from, place),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_WAIT).await;
                }
            }
        }
    }

    fn serve(&mut self, socket: TcpStream, from: SocketAddr, place: OwnedSemaphorePermit) {
        let acceptor = TlsAcceptor::from(self.tls.clone());
        let (app, audience, stop, running) = (self.app.clone(), self.audience, self.stop.clone(), self.running.clone());
        tokio::spawn(async move {
            let _held = (place, running);
            let _ = socket.set_nodelay(true);
            let handshake = tokio::time::timeout(PATIENCE, acceptor.accept(Patient::new(socket))).await;
            let Ok(Ok(tls)) = handshake else { return };
            let shown = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let caller = Arc::new(Caller { address: from.ip(), key: shown.and_then(auth::key_of) });
            let answer = service_fn(move |request: Request<Incoming>| {
                let (app, caller) = (app.clone(), caller.clone());
                async move {
                    Ok::<_, Infallible>(match audience {
                        Audience::Devices => route::device(&app, &caller, request).await,
                        Audience::Console => route::console(&app, &caller, request).await,
                    })
                }
            });
            // The header's time begins with the connection, so it guards the first byte and idling too.
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(HEADER_BYTES_MAX).max_headers(HEADERS_MAX);
            http.auto_date_header(audience == Audience::Console);
            let mut connection = pin!(http.serve_connection(TokioIo::new(tls), answer));
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = told(stop) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}

/// Waits until the server is told to stop.
async fn told(mut stop: watch::Receiver<bool>) {
    // If nobody can tell any more, it stops too.
    let _ = stop.wait_for(|told| *told).await;
}
