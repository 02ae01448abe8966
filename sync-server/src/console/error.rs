//! What goes wrong at the console, as a code and data. Never a sentence, and never what went wrong inside.

use hyper::header::RETRY_AFTER;
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::answer::json;
use crate::error::Error;
use crate::http::Body;
use crate::random::{hex, random};

/// What a request is answered when it does not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "code")]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) enum ConsoleError {
    /// The name or the password is not right, or this officer may not use the console.
    LoginWrong,
    /// Too many attempts.
    TooMany {
        /// The next is heard after so many seconds.
        retry_seconds: u32,
    },
    /// Nobody is logged in, or the session is over.
    NoSession,
    /// The token is not this session's.
    BadToken,
    /// His role does not do this.
    NotAllowed,
    /// There is no such thing for him.
    NotFound,
    /// There is such a thing, and this is not done to it.
    BadMethod,
    /// The question is not of the form that is asked for.
    BadRequest,
    /// The question has too many bytes, or came too slowly.
    TooLarge,
    /// Our own mistake, or the disk's; the log has more under this word.
    Unexpected {
        /// The word.
        trace: String,
    },
}

impl ConsoleError {
    fn status(&self) -> StatusCode {
        match self {
            Self::LoginWrong | Self::NoSession => StatusCode::UNAUTHORIZED,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::BadToken | Self::NotAllowed => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::BadMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unexpected { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(super) fn response(&self) -> Response<Body> {
        let mut response = json(self);
        *response.status_mut() = self.status();
        if let Self::TooMany { retry_seconds } = self {
            response.headers_mut().insert(RETRY_AFTER, (*retry_seconds).into());
        }
        response
    }
}

impl From<Error> for ConsoleError {
    fn from(error: Error) -> Self {
        let trace = random::<4>().map_or_else(|_| "none".to_owned(), |b| hex(&b));
        tracing::error!(trace, %error, "a question of the console failed");
        Self::Unexpected { trace }
    }
}
