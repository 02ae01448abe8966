//! Which path is answered by whom, and the exchange's two streams between HTTP and the service. Never decides what is said.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use daftar_core::ids::DeviceId;
use daftar_wire::enrol::EnrolRequest;
use daftar_wire::limits::ENROL_BYTES_MAX;
use daftar_wire::message::{Answer, Ask, FrameReader, Hello};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::limits::{ENROL_FAILED_COST, PATIENCE, Pace, RETRY_SECONDS_BUSY, TooSlow};
use super::{App, Body, Caller};
use crate::service::EnrolError;
use crate::store::people::Device;

const CBOR_SEQUENCE: HeaderValue = HeaderValue::from_static("application/cbor-seq");
/// Messages between body and service; the link waits behind them.
const ASKS_WAITING: usize = 4;
const ANSWERS_WAITING: usize = 32;
/// Answers that are ready go into one piece of about so many bytes.
const PIECE_BYTES: usize = 32 * 1024;
const PIECES_WAITING: usize = 4;
/// Of a question that is refused so many bytes are read.
const PASSED_OVER_BYTES_MAX: usize = 1024 * 1024;

/// Answers a device.
pub(super) async fn device(app: &Arc<App>, caller: &Caller, request: Request<Incoming>) -> Response<Body> {
    if let Err(seconds) = app.limits.addresses.take(caller.address, 1.0) {
        return later(StatusCode::TOO_MANY_REQUESTS, seconds);
    }
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/v1/sync") => sync(app, caller, request.into_body()).await,
        (&Method::POST, "/v1/files") => super::files::files(app, caller, request.into_body()).await,
        (&Method::POST, "/v1/enrol") => enrol(app, caller, request.into_body()).await,
        (&Method::GET, "/v1/health") => said(StatusCode::OK, "well"),
        (_, "/v1/sync" | "/v1/files" | "/v1/enrol") => not_allowed("POST"),
        (_, "/v1/health") => not_allowed("GET"),
        _ => said(StatusCode::NOT_FOUND, "not found"),
    }
}

/// Answers a browser.
pub(super) async fn console(app: &Arc<App>, caller: &Caller, request: Request<Incoming>) -> Response<Body> {
    if let Err(seconds) = app.limits.addresses.take(caller.address, 1.0) {
        return later(StatusCode::TOO_MANY_REQUESTS, seconds);
    }
    crate::console::handle(request, app, caller).await
}

pub(super) fn said(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

fn later(status: StatusCode, seconds: u64) -> Response<Body> {
    let mut response = said(status, "later");
    response.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
    response
}

fn not_allowed(allowed: &'static str) -> Response<Body> {
    let mut response = said(StatusCode::METHOD_NOT_ALLOWED, "not so");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

pub(super) fn cbor(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, CBOR_SEQUENCE);
    response
}

async fn enrol(app: &Arc<App>, caller: &Caller, body: Incoming) -> Response<Body> {
    if let Err(seconds) = app.limits.enrolments.take(caller.address, 1.0) {
        return later(StatusCode::TOO_MANY_REQUESTS, seconds);
    }
    let bytes = match whole(body, ENROL_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(refused) => return refused,
    };
    let Ok(request) = EnrolRequest::read(&bytes) else {
        return said(StatusCode::BAD_REQUEST, "not of this form");
    };
    match app.service.enrol(request).await {
        Ok(enrolled) => cbor(Body::from(enrolled.write())),
        Err(EnrolError::Failed(error)) => {
            tracing::error!(%error, "an enrolment failed");
            later(StatusCode::SERVICE_UNAVAILABLE, RETRY_SECONDS_BUSY)
        }
        Err(error) => {
            tracing::warn!(%error, "an enrolment was refused");
            let _ = app.limits.enrolments.take(caller.address, ENROL_FAILED_COST);
            said(
                StatusCode::FORBIDDEN,
                match error {
                    EnrolError::Used => "code_used",
                    EnrolError::Over => "code_over",
                    EnrolError::BadKey => "bad_key",
                    EnrolError::StruckOff => "device_revoked",
                    EnrolError::TooManyDevices => "too_many_devices",
                    EnrolError::Unknown | EnrolError::Failed(_) => "code_unknown",
                },
            )
        }
    }
}

/// A short body, whole.
async fn whole(mut body: Incoming, bytes_max: u64) -> Result<Vec<u8>, Response<Body>> {
    let (mut pace, mut bytes) = (Pace::new(), Vec::new());
    loop {
        let Ok(frame) = pace.wait(body.frame()).await else {
            return Err(said(StatusCode::REQUEST_TIMEOUT, "too slow"));
        };
        let Some(frame) = frame else { return Ok(bytes) };
        let Ok(frame) = frame else { return Err(said(StatusCode::BAD_REQUEST, "cut")) };
        let Ok(data) = frame.into_data() else { continue };
        bytes.extend_from_slice(&data);
        if bytes.len() as u64 > bytes_max {
            return Err(said(StatusCode::PAYLOAD_TOO_LARGE, "too large"));
        }
        if pace.came(data.len()).is_err() {
            return Err(said(StatusCode::REQUEST_TIMEOUT, "too slow"));
        }
    }
}

async fn sync(app: &Arc<App>, caller: &Caller, body: Incoming) -> Response<Body> {
    let device = match admitted(app, caller).await {
        Ok(device) => device,
        Err(refused) => {
            // While the answer goes out, so that it is not lost with a connection that is cut in mid-question.
            tokio::spawn(passed_over(body));
            return refused;
        }
    };
    let mut questions = Questions::of(body);
    let hello = match questions.next().await {
        Ok(Some(Ask::Hello(hello))) => hello,
        Ok(Some(_) | None) => return said(StatusCode::BAD_REQUEST, "no hello"),
        Err(error) => {
            tracing::warn!(device = %device.id, %error, "a question could not be read");
            return said(StatusCode::BAD_REQUEST, "not of this form");
        }
    };
    let (pieces, answer) = channel(PIECES_WAITING);
    // In a task of its own: what was sent is kept even if the other end goes away in mid-sentence.
    tokio::spawn(exchange(app.clone(), device, hello, questions, pieces));
    cbor(Body::Pieces(answer))
}

/// The device that may exchange now, or what it is told.
pub(super) async fn admitted(app: &App, caller: &Caller) -> Result<Device, Response<Body>> {
    let Some(key) = caller.key else {
        return Err(said(StatusCode::UNAUTHORIZED, "no certificate"));
    };
    let device = match app.service.device_with_key(key).await {
        Ok(Some(device)) => device,
        Ok(None) => return Err(said(StatusCode::FORBIDDEN, "not a known device")),
        Err(error) => {
            tracing::error!(%error, "a device could not be looked up");
            return Err(later(StatusCode::SERVICE_UNAVAILABLE, RETRY_SECONDS_BUSY));
        }
    };
    app.limits.devices.take(device.id, 1.0).map_err(|seconds| later(StatusCode::TOO_MANY_REQUESTS, seconds))?;
    if app.limits.exchanges.available_permits() == 0 {
        return Err(later(StatusCode::SERVICE_UNAVAILABLE, RETRY_SECONDS_BUSY));
    }
    Ok(device)
}

/// Reads a body that is not wanted, for a while.
pub(super) async fn passed_over(mut body: Incoming) {
    let mut left = PASSED_OVER_BYTES_MAX;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(PATIENCE, reading).await;
}

/// One exchange: reads the question, runs the service and writes the answer, all at once.
async fn exchange(app: Arc<App>, device: Device, hello: Hello, questions: Questions, pieces: Sender<io::Result<Bytes>>) {
    let Ok(_place) = app.limits.exchanges.acquire().await else { return };
    let id = device.id;
    let (ask, asks) = channel(ASKS_WAITING);
    let (answers, said) = channel(ANSWERS_WAITING);
    let service = async {
        let done = app.service.sync(&device, asks, &answers).await;
        drop(answers);
        done
    };
    let (read, done, ()) = tokio::join!(questions.ask_all(hello, id, ask), service, write(said, &pieces));
    match done {
        Ok(done) => tracing::info!(device = %id, taken = done.taken, sent = done.sent, ended = done.ended && read, "exchange"),
        Err(error) => {
            tracing::error!(device = %id, %error, "an exchange failed");
            let _ = pieces.send(Err(io::ErrorKind::Other.into())).await;
        }
    }
}

/// Writes answers as they come, those that are ready in one piece.
async fn write(mut said: Receiver<Answer>, pieces: &Sender<io::Result<Bytes>>) {
    while let Some(answer) = said.recv().await {
        let mut piece = BytesMut::from(&answer.write()[..]);
        while piece.len() < PIECE_BYTES
            && let Ok(more) = said.try_recv()
        {
            piece.extend_from_slice(&more.write());
        }
        if pieces.send(Ok(piece.freeze())).await.is_err() {
            return;
        }
    }
}

/// What a device asks, read frame by frame from a body.
pub(super) struct Questions {
    body: Incoming,
    reader: FrameReader,
    pace: Pace,
}

/// Why a question could not be read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    #[error(transparent)]
    Slow(#[from] TooSlow),
    #[error(transparent)]
    Wire(#[from] daftar_wire::WireError),
    #[error("the body was cut: {0}")]
    Cut(#[from] hyper::Error),
    #[error("the body ended within a frame")]
    Short,
}

impl Questions {
    pub(super) fn of(body: Incoming) -> Self {
        Self { body, reader: FrameReader::default(), pace: Pace::new() }
    }

    /// The next message that this version knows; `None` at the body's end.
    async fn next(&mut self) -> Result<Option<Ask>, Unread> {
        while let Some(frame) = self.frame().await? {
            if let Some(ask) = Ask::read(&frame)? {
                return Ok(Some(ask));
            }
        }
        Ok(None)
    }

    /// The next frame; `None` at the body's end.
    pub(super) async fn frame(&mut self) -> Result<Option<Vec<u8>>, Unread> {
        loop {
            if let Some(frame) = self.reader.next()? {
                return Ok(Some(frame));
            }
            let Some(frame) = self.pace.wait(self.body.frame()).await? else {
                return if self.reader.is_empty() { Ok(None) } else { Err(Unread::Short) };
            };
            if let Ok(data) = frame?.into_data() {
                self.pace.came(data.len())?;
                self.reader.push(&data);
            }
        }
    }

    /// Hands everything on to the service. True if the body came whole.
    async fn ask_all(mut self, hello: Hello, device: DeviceId, asks: Sender<Ask>) -> bool {
        let _ = asks.send(Ask::Hello(hello)).await;
        loop {
            match self.next().await {
                // After the end the body is read on to its own end, so that the connection can be used again.
                Ok(Some(ask)) => drop(asks.send(ask).await),
                Ok(None) => return true,
                Err(error) => {
                    tracing::info!(%device, %error, "a question broke off");
                    return false;
                }
            }
        }
    }
}
