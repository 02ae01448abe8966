//! Calling another device: TLS first, then who it is, and only then a word. Never says anything to a stranger.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daftar_core::ids::DeviceId;
use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body, Frame};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::exchange::{End, exchange};
use super::limits::{CONNECT_WAIT, MESSAGES_WAITING, PATIENCE, SILENCE_MAX};
use super::{Nearby, PeerError, PeerReport, Stop, Told, tls};
use crate::share::readers_with_key;
use crate::vault::{OtherDevice, Store};

/// Where a device answers another.
pub(super) const PATH: &str = "/v1/peer";
/// What the two say is a sequence of CBOR byte strings.
pub(super) const SEQUENCE: &str = "application/cbor-seq";

/// Frames as a body.
pub(super) type Frames = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// A body of the frames that come, until nobody sends any more.
pub(super) fn frames(frames: Receiver<Vec<u8>>) -> Frames {
    let stream = unfold(frames, |mut frames| async move { frames.recv().await.map(|bytes| (Ok(Frame::data(Bytes::from(bytes))), frames)) });
    StreamBody::new(stream.boxed())
}

/// Reads a body piece by piece, until it ends or nothing is heard for too long.
pub(super) async fn pieces<B: Body<Data = Bytes> + Unpin>(mut body: B, to: Sender<Vec<u8>>) {
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(SILENCE_MAX, body.frame()).await {
        let Ok(data) = frame.into_data() else { continue };
        if to.send(data.to_vec()).await.is_err() {
            return;
        }
    }
}

/// Who answers at an address. It hears nothing but the handshake.
pub async fn meet(store: &Arc<Store>, address: SocketAddr) -> Result<Nearby, PeerError> {
    let (_, device) = connect(store, address).await?;
    Ok(Nearby { address, device: device.id, name: device.name })
}

/// Who answers nearby, each device once, heard within a time. `passed_over` is told of what answers and is no device to talk to.
pub async fn near(store: &Arc<Store>, time: Duration, passed_over: &(dyn Fn(&PeerError) + Send + Sync)) -> Result<Vec<Nearby>, PeerError> {
    let mut calls = JoinSet::new();
    for address in super::look(time).await? {
        let store = store.clone();
        calls.spawn(async move { meet(&store, address).await });
    }
    let mut near: BTreeMap<DeviceId, Nearby> = BTreeMap::new();
    let mut unreached = Vec::new();
    while let Some(met) = calls.join_next().await {
        match met {
            Ok(Ok(met)) => {
                near.entry(met.device).or_insert(met);
            }
            Ok(Err(PeerError::Store(e))) => return Err(e.into()),
            // A device has several addresses, and not each is reached from here.
            Ok(Err(e @ PeerError::NoLink(..))) => unreached.push(e),
            Ok(Err(e)) => passed_over(&e),
            Err(e) => return Err(crate::Error::Unexpected(e.to_string()).into()),
        }
    }
    if near.is_empty() {
        unreached.iter().for_each(passed_over);
        return Err(PeerError::Nobody);
    }
    Ok(near.into_values().collect())
}

/// Exchanges with the device at an address.
pub async fn exchange_with(store: &Arc<Store>, address: SocketAddr, told: Told<'_>, stop: &Stop) -> Result<PeerReport, PeerError> {
    tokio::select! {
        done = call(store, address, told) => done,
        () = stop.told() => Err(PeerError::Stopped),
    }
}

async fn call(store: &Arc<Store>, address: SocketAddr, told: Told<'_>) -> Result<PeerReport, PeerError> {
    let (tls, device) = connect(store, address).await?;
    let no_link = |e: hyper::Error| PeerError::NoLink(address, e.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await.map_err(no_link)?;
    // It ends with the call, whichever way that ends.
    let mut running = JoinSet::new();
    running.spawn(connection);
    let (out, said) = channel(MESSAGES_WAITING);
    let (to, bytes) = channel(MESSAGES_WAITING);
    let request = Request::builder()
        .method(Method::POST)
        .uri(PATH)
        .header(hyper::header::HOST, address.to_string())
        .header(CONTENT_TYPE, SEQUENCE)
        .body(frames(said))
        .map_err(|e| PeerError::NoLink(address, e.to_string()))?;
    let asked = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
    let response = match asked {
        Ok(Ok(response)) => response,
        // TLS 1.3 says only now that the other end did not take our certificate.
        Ok(Err(e)) => return Err(refused_or_lost(address, &e)),
        Err(_) => return Err(PeerError::NoLink(address, "it does not answer".into())),
    };
    match response.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(PeerError::Refused(address)),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => return Err(PeerError::Busy(address)),
        other => return Err(PeerError::Status(address, other.as_u16())),
    }
    running.spawn(async move {
        pieces(response.into_body(), to).await;
        Ok(())
    });
    exchange(store, &device, End::Asks, out, bytes, told).await
}

fn refused_or_lost(address: SocketAddr, error: &hyper::Error) -> PeerError {
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(e) = at {
        let held = e.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = e.downcast_ref::<rustls::Error>().or_else(|| held.and_then(|h| h.downcast_ref::<rustls::Error>()));
        if let Some(rustls::Error::AlertReceived(_)) = tls {
            return PeerError::Refused(address);
        }
        at = e.source();
    }
    PeerError::NoLink(address, error.to_string())
}

/// A connection to a device whose certificate headquarters gave and that the reference here knows; closed at once if it is a stranger.
async fn connect(store: &Arc<Store>, address: SocketAddr) -> Result<(TlsStream<TcpStream>, OtherDevice), PeerError> {
    let no_link = |e: std::io::Error| PeerError::NoLink(address, e.to_string());
    let late = || PeerError::NoLink(address, "it does not answer".into());
    let config = tls::calling(store.device()).map_err(|e| PeerError::NotOurs(address, e.to_string()))?;
    let socket = tokio::time::timeout(CONNECT_WAIT, TcpStream::connect(address)).await.map_err(|_| late())?.map_err(no_link)?;
    let _ = socket.set_nodelay(true);
    let connector = TlsConnector::from(Arc::new(config));
    let shaken = tokio::time::timeout(PATIENCE, connector.connect(ServerName::from(address.ip()), socket)).await.map_err(|_| late())?;
    let tls = shaken.map_err(|e| match e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        Some(tls) => PeerError::NotOurs(address, tls.to_string()),
        None => PeerError::NoLink(address, e.to_string()),
    })?;
    let key = tls::key_of(tls.get_ref().1.peer_certificates());
    let key = key.ok_or_else(|| PeerError::NotOurs(address, "its key is of another sort".into()))?;
    match judged(store, key).await? {
        Ok(device) => Ok((tls, device)),
        Err(stranger) => Err(PeerError::Stranger(address, stranger)),
    }
}

/// Who has the key, if he may be talked to.
pub(super) async fn judged(store: &Arc<Store>, key: [u8; 32]) -> crate::Result<Result<OtherDevice, crate::share::Stranger>> {
    let store = store.clone();
    let found = tokio::task::spawn_blocking(move || readers_with_key(&store, &key)).await;
    found.unwrap_or_else(|_| Err(crate::Error::Unexpected("a task of the store stopped".into()))).map(|r| r.map(|r| r.device))
}
