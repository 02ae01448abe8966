//! The page itself, as it was built into the binary. Never reads the disk.

use bytes::Bytes;
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

use super::error::ConsoleError;
use crate::http::Body;

/// Path, type and bytes of each file of `ui/console/dist`; none if it was not built.
const FILES: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// What stands where the page was not built.
const NOT_BUILT: &[u8] = b"<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Daftar</title>\
    <h1>Daftar</h1><p>The console was not built into this server: build the screens (<code>npm run build -w ui/console</code>), then the server.</p></html>";

/// The names of these files change with what is in them.
const HASHED: &str = "/assets/";

/// The file of this path.
pub(super) fn get(path: &str) -> Result<Response<Body>, ConsoleError> {
    let path = if path == "/" { "/index.html" } else { path };
    let (content_type, bytes) = match FILES.iter().find(|f| f.0 == path) {
        Some((_, content_type, bytes)) => (*content_type, *bytes),
        None if FILES.is_empty() && path == "/index.html" => ("text/html; charset=utf-8", NOT_BUILT),
        None => return Err(ConsoleError::NotFound),
    };
    let mut response = Response::new(Body::Whole(Bytes::from_static(bytes)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let kept = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    Ok(response)
}
