//! Logging in and out. A wrong name, a wrong password and an officer without the console are answered alike, in the same time.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use daftar_core::ids::OfficerId;
use hyper::Response;
use hyper::header::{HeaderValue, SET_COOKIE};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::answer::json;
use super::attempts::Attempts;
use super::error::ConsoleError;
use super::reader::Reader;
use super::sessions::{IDLE_MAX, Sessions};
use super::{blocking, dto};
use crate::admin::{HANDLE_CHARS_MAX, hash_password, make_password, password_matches};
use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::http::{App, Body};
use crate::store::{enrolment, people};

/// The cookie's name: only its own host sets it, for all paths, over TLS alone.
pub(super) const COOKIE: &str = "__Host-daftar";
/// A password has at most so many bytes.
const PASSWORD_BYTES_MAX: usize = 1024;
/// Passwords that are compared at once: each comparison takes memory and a processor.
const COMPARED_AT_ONCE_MAX: usize = 4;
/// And how long one waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(10);
const TURN_RETRY_SECONDS: u32 = 5;

/// What the console remembers between requests.
pub struct State {
    pub(super) sessions: Sessions,
    attempts: Attempts,
    comparing: Semaphore,
    /// What is compared where there is no password.
    nobodys: OnceLock<String>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            sessions: Sessions::default(),
            attempts: Attempts::default(),
            comparing: Semaphore::new(COMPARED_AT_ONCE_MAX),
            nobodys: OnceLock::new(),
        }
    }
}

/// Opens a session for the right name and password.
pub(super) async fn login(app: &App, address: IpAddr, body: &Bytes) -> std::result::Result<Response<Body>, ConsoleError> {
    let dto::LoginInput { name, password } = serde_json::from_slice(body).map_err(|_| ConsoleError::BadRequest)?;
    let password = Zeroizing::new(password);
    if password.len() > PASSWORD_BYTES_MAX || name.len() > HANDLE_CHARS_MAX {
        return Err(ConsoleError::LoginWrong);
    }
    let state = &app.console;
    if let Err(retry_seconds) = state.attempts.take(&name, address, Instant::now()) {
        tracing::warn!(%address, "too many attempts to log in");
        return Err(ConsoleError::TooMany { retry_seconds });
    }
    let turn = tokio::time::timeout(TURN_WAIT, state.comparing.acquire()).await;
    let Ok(Ok(_turn)) = turn else { return Err(ConsoleError::TooMany { retry_seconds: TURN_RETRY_SECONDS }) };
    let wanted = name.clone();
    let found = blocking(app, move |hq, _| account(hq, &wanted)).await?;
    let (officer, hash) = match found {
        Some((officer, hash)) => (Some(officer), hash),
        None => (None, nobodys(app).await?),
    };
    let is_right = tokio::task::spawn_blocking(move || password_matches(&password, &hash)).await.map_err(Error::stopped)?;
    let Some(officer) = officer.filter(|_| is_right) else {
        tracing::warn!(%address, "a login was refused");
        return Err(ConsoleError::LoginWrong);
    };
    state.attempts.give_back(&name, address);
    let opened = state.sessions.open(officer, Instant::now())?;
    let view = blocking(app, move |hq, _| view(hq, &officer, &opened.csrf).map(|v| (v, opened.token))).await?;
    let (Some(view), token) = view else { return Err(ConsoleError::LoginWrong) };
    tracing::info!(%officer, %address, "logged in");
    let mut response = json(&view);
    response.headers_mut().insert(SET_COOKIE, cookie(&token, None)?);
    Ok(response)
}

/// Ends the session and takes the cookie away.
pub(super) fn logout(app: &App, token: &str, officer: &OfficerId) -> std::result::Result<Response<Body>, ConsoleError> {
    app.console.sessions.end(token);
    tracing::info!(%officer, "logged out");
    let mut response = json(&serde_json::json!({}));
    response.headers_mut().insert(SET_COOKIE, cookie("", Some(0))?);
    Ok(response)
}

fn cookie(token: &str, max_age: Option<u32>) -> Result<HeaderValue> {
    let end = max_age.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
    let text = format!("{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Strict{end}");
    HeaderValue::from_str(&text).map_err(|_| Error::Unexpected("a cookie that is no header".into()))
}

/// The officer of this name and his password's hash, if he has one and may use the console.
fn account(hq: &Headquarters, name: &str) -> Result<Option<(OfficerId, String)>> {
    hq.store.read(|tx| {
        let Some(officer) = people::officer_named(tx, name)?.filter(|o| o.active && o.role.uses_console()) else { return Ok(None) };
        Ok(enrolment::password(tx, &officer.id)?.map(|hash| (officer.id, hash)))
    })
}

/// The hash of a password that nobody has.
async fn nobodys(app: &App) -> Result<String> {
    if let Some(hash) = app.console.nobodys.get() {
        return Ok(hash.clone());
    }
    let made = tokio::task::spawn_blocking(|| make_password().and_then(|p| hash_password(&p))).await.map_err(Error::stopped)??;
    Ok(app.console.nobodys.get_or_init(|| made).clone())
}

/// What the page is told of the session; `None` if the officer may not use the console (any more).
pub(super) fn view(hq: &Headquarters, officer: &OfficerId, csrf: &str) -> Result<Option<dto::SessionView>> {
    let Some(Reader { officer, places }) = Reader::of(hq, officer)? else { return Ok(None) };
    let mut teams: Vec<String> = places.iter().filter_map(|p| super::reader::team_of(&p.name)).map(str::to_owned).collect();
    teams.sort_unstable();
    teams.dedup();
    let (posts, operations) = hq.store.read(|tx| {
        let posts = people::posts(tx)?.into_iter().map(|p| (p.code, p.name)).collect();
        let operations = people::operations(tx)?.into_iter().filter(|o| places.iter().any(|p| p.name.as_str() == o.compartment));
        let code = |name: &str| name.rsplit_once('/').map_or(name, |(_, code)| code).to_owned();
        Ok((posts, operations.map(|o| (code(&o.compartment), o.code_name)).collect()))
    })?;
    Ok(Some(dto::SessionView {
        officer: dto::OfficerView {
            handle: officer.handle,
            name: officer.full_name,
            role: officer.role.code().to_owned(),
            agency: officer.agency.code().to_owned(),
            team: officer.team,
        },
        csrf: csrf.to_owned(),
        sees_records: !places.is_empty(),
        compartments: places.into_iter().map(|p| p.name.to_string()).collect(),
        teams,
        posts,
        operations,
        idle_seconds: u32::try_from(IDLE_MAX.as_secs()).unwrap_or(u32::MAX),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }))
}
