//! The console: what headquarters' people see in a browser. Never speaks to devices, and never answers without asking who reads.

mod access_dto;
mod answer;
mod assets;
mod attempts;
mod attested;
mod devices;
mod dto;
mod error;
mod files;
mod history;
mod login;
mod overview;
mod query;
mod reader;
mod record;
mod records;
mod review;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daftar_core::ids::OfficerId;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, COOKIE};
use hyper::{HeaderMap, Method, Request, Response};
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::http::{App, Body, Caller};
use crate::project::Projector;
use answer::{guarded, json};
use error::ConsoleError;
use query::Query;
use reader::Reader;
use sessions::Session;

pub use login::State;

/// A question has at most so many bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// And is there after so long.
const BODY_WAIT: Duration = Duration::from_secs(10);
/// A page that only looks again says so, and keeps no session open.
const PASSIVE: &str = "x-daftar-passive";
const CSRF: &str = "x-csrf-token";

/// Answers one request of a browser.
pub async fn handle(request: Request<Incoming>, app: &App, caller: &Caller) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = tokio::time::timeout(BODY_WAIT, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    match body {
        Ok(Ok(whole)) => answer(app, caller, Request::from_parts(parts, whole.to_bytes())).await,
        Ok(Err(_)) | Err(_) => guarded(ConsoleError::TooLarge.response()),
    }
}

/// The same, of a request whose body is there.
pub async fn answer(app: &App, caller: &Caller, request: Request<Bytes>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let answered = match path.strip_prefix("/api/") {
        Some(path) => api(app, caller, &head, path, &body).await,
        None if head.method == Method::GET || head.method == Method::HEAD => assets::get(path),
        None => Err(ConsoleError::BadMethod),
    };
    guarded(answered.unwrap_or_else(|error| error.response()))
}

type Answered = std::result::Result<Response<Body>, ConsoleError>;

async fn api(app: &App, caller: &Caller, head: &hyper::http::request::Parts, path: &str, body: &Bytes) -> Answered {
    if !is_ours(&head.headers) {
        return Err(ConsoleError::BadToken);
    }
    if path == "login" {
        return match head.method {
            Method::POST if is_json(&head.headers) => login::login(app, caller.address, body).await,
            Method::POST => Err(ConsoleError::BadRequest),
            _ => Err(ConsoleError::BadMethod),
        };
    }
    let token = cookie(&head.headers).ok_or(ConsoleError::NoSession)?;
    let is_act = !head.headers.contains_key(PASSIVE);
    let session = app.console.sessions.find(token, is_act, Instant::now()).ok_or(ConsoleError::NoSession)?;
    if head.method == Method::POST {
        let is_right = head.headers.get(CSRF).and_then(|t| t.to_str().ok()).is_some_and(|t| session.is_token(t));
        return match path {
            _ if !is_right => Err(ConsoleError::BadToken),
            "logout" => login::logout(app, token, &session.officer),
            "verdict" if is_json(&head.headers) => verdict(app, token, session.officer, body).await,
            "verdict" => Err(ConsoleError::BadRequest),
            "session" | "lag" | "overview" | "records" | "devices" | "grants" | "review" => Err(ConsoleError::BadMethod),
            _ => Err(ConsoleError::NotFound),
        };
    }
    if head.method != Method::GET {
        return Err(ConsoleError::BadMethod);
    }
    read(app, token, session, path, head.uri.query()).await
}

/// What is asked without changing anything.
async fn read(app: &App, token: &str, session: Session, path: &str, query: Option<&str>) -> Answered {
    let id = session.officer;
    match path {
        "session" => {
            let view = blocking(app, move |hq, _| login::view(hq, &id, &session.csrf)).await?;
            view.map(|v| json(&v)).ok_or_else(|| over(app, token))
        }
        "lag" => {
            reader(app, token, id).await?;
            Ok(json(&dto::LagView { lag: app.projector.lag() }))
        }
        "overview" => {
            let reader = reader(app, token, id).await?;
            blocking(app, move |hq, projector| overview::overview(hq, projector, &reader)).await.map(|v| json(&v))
        }
        "records" => {
            let asked = records::Asked::read(&Query::read(query)?)?;
            let reader = seeing(reader(app, token, id).await?)?;
            let list = blocking(app, move |_, projector| records::list(projector, &reader, &asked)).await?;
            list.map(|l| json(&l)).ok_or_else(|| closed(&id, "a list"))
        }
        "devices" => {
            let reader = reader(app, token, id).await?;
            blocking(app, move |hq, _| devices::devices(hq, &reader)).await.map(|v| json(&v))
        }
        "grants" => {
            let asked = Query::read(query)?;
            let name = asked.pairs().find(|(name, _)| name == "compartment").and_then(|(_, name)| name.parse().ok());
            let name = name.ok_or(ConsoleError::BadRequest)?;
            let reader = reader(app, token, id).await?;
            let grants = blocking(app, move |hq, _| devices::grants(hq, &reader, &name)).await?;
            grants.map(|g| json(&g)).ok_or_else(|| closed(&id, "grants"))
        }
        "review" => {
            let asked = review::Asked::read(&Query::read(query)?)?;
            let reader = seeing(reader(app, token, id).await?)?;
            let list = blocking(app, move |hq, projector| review::list(hq, projector, &reader, &asked)).await?;
            list.map(|l| json(&l)).ok_or_else(|| closed(&id, "a list"))
        }
        "logout" | "verdict" => Err(ConsoleError::BadMethod),
        _ if path.starts_with("files/") || path.starts_with("thumbnails/") => file(app, token, id, path).await,
        _ => {
            let at = path.strip_prefix("records/").and_then(record::address).ok_or(ConsoleError::NotFound)?;
            let reader = seeing(reader(app, token, id).await?)?;
            let (compartment, record) = (at.0.clone(), at.1);
            let page = blocking(app, move |hq, projector| record::page(hq, projector, &reader, &at)).await?;
            let page = page.ok_or_else(|| closed(&id, "a record"))?;
            tracing::info!(officer = %id, %compartment, %record, "a record was read");
            Ok(json(&page))
        }
    }
}

/// Rules on a change; written with who and why.
async fn verdict(app: &App, token: &str, id: OfficerId, body: &Bytes) -> Answered {
    let ruling = review::Ruling::read(body)?;
    let reader = seeing(reader(app, token, id).await?)?;
    blocking(app, move |hq, projector| review::decide(hq, projector, &reader, &ruling)).await?.map(|v| json(&v))
}

/// A file's bytes; those of a thumbnail to be shown.
async fn file(app: &App, token: &str, id: OfficerId, path: &str) -> Answered {
    let (to_show, rest) = match path.strip_prefix("thumbnails/") {
        Some(rest) => (true, rest),
        None => (false, path.strip_prefix("files/").unwrap_or(path)),
    };
    let at = files::address(rest).ok_or(ConsoleError::NotFound)?;
    let reader = seeing(reader(app, token, id).await?)?;
    let compartment = at.0.clone();
    let row = blocking(app, move |hq, _| files::find(hq, &reader, &at)).await?.ok_or_else(|| closed(&id, "a file"))?;
    tracing::info!(officer = %id, %compartment, file = row.blob, "a file was read");
    if !to_show {
        return Ok(files::download(app, row));
    }
    blocking(app, move |hq, _| files::thumbnail(hq, &row)).await?.ok_or(ConsoleError::NotFound)
}

/// Who reads; his session is over once he may not use the console any more.
async fn reader(app: &App, token: &str, id: OfficerId) -> std::result::Result<Reader, ConsoleError> {
    blocking(app, move |hq, _| Reader::of(hq, &id)).await?.ok_or_else(|| over(app, token))
}

/// An administrator sees no records.
fn seeing(reader: Reader) -> std::result::Result<Reader, ConsoleError> {
    if reader.places.is_empty() { Err(ConsoleError::NotAllowed) } else { Ok(reader) }
}

fn over(app: &App, token: &str) -> ConsoleError {
    app.console.sessions.end(token);
    ConsoleError::NoSession
}

/// What is not there and what is not open to him are one answer; the log knows that he asked.
fn closed(officer: &OfficerId, what: &str) -> ConsoleError {
    tracing::warn!(%officer, "{what} was asked for that is not there or not open to him");
    ConsoleError::NotFound
}

/// Does what waits for the disk where it holds nobody up.
async fn blocking<T: Send + 'static>(
    app: &App,
    f: impl FnOnce(&Headquarters, &Projector) -> Result<T> + Send + 'static,
) -> std::result::Result<T, ConsoleError> {
    let (hq, projector) = (Arc::clone(app.hq()), Arc::clone(&app.projector));
    let done = tokio::task::spawn_blocking(move || f(&hq, &projector)).await.map_err(Error::stopped)?;
    Ok(done?)
}

/// Whether our own page asks. Browsers that do not say so are held by the cookie's `SameSite` and the token.
fn is_ours(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin")
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|t| t.to_str().ok()).is_some_and(|t| t.split(';').next() == Some("application/json"))
}

/// The session's token of the request's cookies.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|c| c.to_str().ok()).flat_map(|c| c.split(';'));
    let mut ours = pairs.filter_map(|p| p.trim().split_once('=')).filter(|(name, _)| *name == login::COOKIE);
    ours.next().map(|(_, value)| value)
}
