//! The console: what headquarters' people see in a browser. Never speaks to devices.

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use crate::http::{App, Body, Caller};

/// Answers one request of a browser.
pub async fn handle(_request: Request<Incoming>, _app: &App, _caller: &Caller) -> Response<Body> {
    let mut response = Response::new(Body::from("not found"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
