//! Answering other devices while the officer has it switched on: each connection is held to its limits, shows headquarters' certificate, and
//! has one exchange. Never says a word to a stranger.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use daftar_core::ids::DeviceId;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::call::{Frames, PATH, SEQUENCE, frames, judged, pieces};
use super::exchange::{End, exchange};
use super::limits::{CONNECTIONS_EACH_MAX, CONNECTIONS_MAX, EXCHANGES_MAX, HEADER_BYTES_MAX, HEADERS_MAX, MESSAGES_WAITING, PATIENCE};
use super::{PeerError, PeerProgress, PeerReport, Stop, tls};
use crate::share::Stranger;
use crate::vault::{OtherDevice, Store};

/// What is waited when the system gives no connection.
const ACCEPT_WAIT: Duration = Duration::from_millis(100);
/// Events that wait to be told.
const EVENTS_WAITING: usize = 32;

/// What came about while this device listened.
#[derive(Debug)]
pub enum Met {
    /// An exchange goes on.
    Progress(PeerProgress),
    /// An exchange is done.
    Exchanged(PeerReport),
    /// An exchange broke off; the next goes on from there.
    Failed(PeerError),
    /// Somebody called who is not to be talked to; nothing was said to him.
    Refused(SocketAddr, Stranger),
}

/// A device that answers others. It holds the store: whoever locks ends it first.
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    answering: Answering,
}

/// What the connections share.
#[derive(Clone)]
struct Answering {
    store: Arc<Store>,
    tls: Arc<ServerConfig>,
    busy: Arc<Mutex<HashSet<DeviceId>>>,
    events: Option<Sender<Met>>,
}

/// A device's place among the exchanges that run; given up when it is dropped.
struct Place(Arc<Mutex<HashSet<DeviceId>>>, DeviceId);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

impl Listener {
    /// Binds an address; port 0 takes any that is free. Nothing is accepted yet.
    pub async fn bind(store: &Arc<Store>, address: SocketAddr) -> Result<Self, PeerError> {
        let cannot = |e: std::io::Error| PeerError::Listen(address, e.to_string());
        let tcp = TcpListener::bind(address).await.map_err(cannot)?;
        let address = tcp.local_addr().map_err(cannot)?;
        let tls = tls::listening(store.device()).map_err(|e| PeerError::NotOurs(address, e.to_string()))?;
        let answering = Answering { store: store.clone(), tls: Arc::new(tls), busy: Arc::default(), events: None };
        Ok(Self { tcp, address, answering })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is told to stop; with `once`, until the first exchange is over. `met` is told what comes about.
    pub async fn run(self, once: bool, stop: &Stop, met: &(dyn Fn(&Met) + Send + Sync)) -> Result<(), PeerError> {
        let (events, mut happened) = channel(EVENTS_WAITING);
        let answering = Answering { events: Some(events), ..self.answering };
        // Dropped at the end, and all that runs with it.
        let mut connections: JoinSet<IpAddr> = JoinSet::new();
        let mut from_each: HashMap<IpAddr, usize> = HashMap::new();
        loop {
            tokio::select! {
                accepted = self.tcp.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                    Ok((socket, from)) => {
                        let of_his = from_each.entry(from.ip()).or_default();
                        if *of_his < CONNECTIONS_EACH_MAX {
                            *of_his += 1;
                            let answering = answering.clone();
                            connections.spawn(async move {
                                serve(answering, socket, from).await;
                                from.ip()
                            });
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_WAIT).await;
                    }
                },
                Some(event) = happened.recv() => {
                    met(&event);
                    match event {
                        Met::Exchanged(_) | Met::Failed(_) if once => break,
                        Met::Exchanged(_) | Met::Failed(_) | Met::Progress(_) | Met::Refused(..) => {}
                    }
                }
                Some(ended) = connections.join_next() => {
                    // One that panicked goes on counting, until the listener ends.
                    if let Some(of_his) = ended.ok().and_then(|ip| from_each.get_mut(&ip)) {
                        *of_his -= 1;
                    }
                    from_each.retain(|_, n| *n > 0);
                }
                () = stop.told() => return Ok(()),
            }
        }
        // The answer's last bytes are on their way still.
        drop(self.tcp);
        let _ = tokio::time::timeout(PATIENCE, async { while connections.join_next().await.is_some() {} }).await;
        Ok(())
    }
}

async fn serve(answering: Answering, socket: TcpStream, from: SocketAddr) {
    let _ = socket.set_nodelay(true);
    let acceptor = TlsAcceptor::from(answering.tls.clone());
    let Ok(Ok(tls)) = tokio::time::timeout(PATIENCE, acceptor.accept(socket)).await else { return };
    let Some(key) = tls::key_of(tls.get_ref().1.peer_certificates()) else { return };
    let answer = service_fn(move |request: Request<Incoming>| {
        let answering = answering.clone();
        async move { Ok::<_, Infallible>(answering.answer(key, from, request).await) }
    });
    // The header's time begins with the connection, so it guards the first byte and idling too.
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(HEADER_BYTES_MAX).max_headers(HEADERS_MAX);
    http.keep_alive(false).auto_date_header(false);
    if let Err(error) = http.serve_connection(TokioIo::new(tls), answer).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

fn bare(status: StatusCode) -> Response<Frames> {
    // Nobody sends a frame: the body is empty.
    let mut response = Response::new(frames(channel(1).1));
    *response.status_mut() = status;
    response
}

impl Answering {
    async fn answer(&self, key: [u8; 32], from: SocketAddr, request: Request<Incoming>) -> Response<Frames> {
        if request.uri().path() != PATH {
            return bare(StatusCode::NOT_FOUND);
        }
        if request.method() != Method::POST {
            return bare(StatusCode::METHOD_NOT_ALLOWED);
        }
        let device = match judged(&self.store, key).await {
            Ok(Ok(device)) => device,
            Ok(Err(stranger)) => {
                tracing::warn!(%from, why = stranger.code(), "a device that called was refused");
                self.tell(Met::Refused(from, stranger)).await;
                // What he says first is read and dropped, so that the answer is not lost with a connection that is cut in mid-sentence.
                tokio::spawn(pieces(request.into_body(), channel(1).0));
                return bare(StatusCode::FORBIDDEN);
            }
            Err(error) => {
                tracing::error!(%error, "a device that called could not be looked up");
                return bare(StatusCode::SERVICE_UNAVAILABLE);
            }
        };
        let Some(place) = self.place(device.id) else { return bare(StatusCode::SERVICE_UNAVAILABLE) };
        let (out, said) = channel(MESSAGES_WAITING);
        let (to, bytes) = channel(MESSAGES_WAITING);
        tokio::spawn(pieces(request.into_body(), to));
        // In a task of its own: what was taken is told even if the other end goes away in mid-sentence.
        tokio::spawn(self.clone().exchange(device, place, out, bytes));
        let mut response = Response::new(frames(said));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(SEQUENCE));
        response
    }

    fn place(&self, device: DeviceId) -> Option<Place> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        (busy.len() < EXCHANGES_MAX && busy.insert(device)).then(|| Place(self.busy.clone(), device))
    }

    async fn exchange(self, device: OtherDevice, place: Place, out: Sender<Vec<u8>>, bytes: tokio::sync::mpsc::Receiver<Vec<u8>>) {
        let progress = |p| {
            // Whoever is not told of this step is told of a later one.
            if let Some(events) = &self.events {
                let _ = events.try_send(Met::Progress(p));
            }
        };
        let done = exchange(&self.store, &device, End::Answers, out, bytes, &progress).await;
        drop(place);
        self.tell(done.map_or_else(Met::Failed, Met::Exchanged)).await;
    }

    async fn tell(&self, event: Met) {
        if let Some(events) = &self.events {
            let _ = events.send(event).await;
        }
    }
}
