//! A record's files as headquarters holds them, and their bytes for whoever may read that compartment. Never shows a page of a file's own.

use std::io;

use bytes::Bytes;
use daftar_core::compartment::Compartment;
use daftar_core::ids::FileHash;
use daftar_core::merge::RecordState;
use daftar_core::record::FileRole;
use daftar_wire::file::chunk_count;
use daftar_wire::limits::THUMBNAIL_BYTES_MAX;
use hyper::Response;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue};
use rusqlite::Connection;
use tokio::sync::mpsc::channel;

use super::dto;
use super::reader::Reader;
use crate::error::Result;
use crate::hq::Headquarters;
use crate::http::{App, Body};
use crate::project::Projector;
use crate::service::files::read_chunk;
use crate::store::files::{self, FileRow};
use crate::store::meta::Place;
use crate::store::projection;

/// Chunks that are read ahead of the link.
const AHEAD: usize = 1;
const JPEG: &[u8] = &[0xff, 0xd8, 0xff];
const PNG: &[u8] = &[0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a];

/// The files that a record names, and what is here of each.
pub(super) fn of_record(tx: &Connection, place: &Place, state: &RecordState) -> Result<Vec<dto::FileView>> {
    let mut all = Vec::new();
    for file in state.files().into_iter().filter(|f| f.role == FileRole::Original) {
        let row = files::best(tx, place, &file.sha256)?;
        let size = file.size_bytes.or(row.as_ref().map(|r| r.size));
        let thumbnail = match &file.thumbnail {
            Some(t) => files::whole(tx, place, t)?.map(|_| t.to_string()),
            None => None,
        };
        all.push(dto::FileView {
            sha256: file.sha256.to_string(),
            name: file.name,
            media_type: file.media_type,
            size_bytes: size,
            caption: file.caption,
            chunks: size.map_or(0, chunk_count),
            chunks_held: row.as_ref().map_or(0, |r| r.held.held()),
            whole: row.is_some_and(|r| r.whole),
            thumbnail,
        });
    }
    Ok(all)
}

/// How many files records name that are not whole here, and how many are here that no record names.
pub(super) fn apart(hq: &Headquarters, projector: &Projector, reader: &Reader) -> Result<(u64, u64)> {
    let (mut waiting, mut without) = (0, 0);
    for place in &reader.places {
        let named = projector.read(|tx| projection::files(tx, place))?;
        let whole: std::collections::HashSet<FileHash> =
            hq.store.read(|tx| files::of_place(tx, place))?.into_iter().filter(|f| f.whole).map(|f| f.sha256).collect();
        waiting += named.iter().filter(|f| !whole.contains(f)).count() as u64;
        without += whole.iter().filter(|f| !named.contains(f)).count() as u64;
    }
    Ok((waiting, without))
}

/// Reads `team/imt-1/<64 hexadecimal digits>`.
pub(super) fn address(path: &str) -> Option<(Compartment, FileHash)> {
    let (compartment, sha256) = path.rsplit_once('/')?;
    Some((compartment.parse().ok()?, sha256.parse().ok()?))
}

/// The whole file, if it is here and in a compartment that is open to him.
pub(super) fn find(hq: &Headquarters, reader: &Reader, at: &(Compartment, FileHash)) -> Result<Option<FileRow>> {
    let Some(place) = reader.place(&at.0) else { return Ok(None) };
    hq.store.read(|tx| files::whole(tx, place, &at.1))
}

/// A small JPEG or PNG, to be shown in the page; `None`: it is neither, or not small.
pub(super) fn thumbnail(hq: &Headquarters, row: &FileRow) -> Result<Option<Response<Body>>> {
    if row.size > THUMBNAIL_BYTES_MAX {
        return Ok(None);
    }
    let Some(bytes) = read_chunk(hq, row, 0)? else { return Ok(None) };
    let media_type = match &bytes {
        b if b.starts_with(JPEG) => "image/jpeg",
        b if b.starts_with(PNG) => "image/png",
        _ => return Ok(None),
    };
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static("inline"));
    Ok(Some(response))
}

/// The file's bytes to be put away, never to be shown: what an officer brought in is nobody's page.
pub(super) fn download(app: &App, row: FileRow) -> Response<Body> {
    let (pieces, body) = channel(AHEAD);
    let (hq, size, count) = (app.hq().clone(), row.size, chunk_count(row.size));
    let name = format!("attachment; filename=\"{}\"", row.sha256);
    tokio::task::spawn_blocking(move || {
        for index in 0..count {
            let piece = match read_chunk(&hq, &row, index) {
                Ok(Some(bytes)) => Ok(Bytes::from(bytes)),
                Ok(None) | Err(_) => Err(io::ErrorKind::InvalidData.into()),
            };
            let is_cut = piece.is_err();
            if pieces.blocking_send(piece).is_err() || is_cut {
                return;
            }
        }
    });
    let mut response = Response::new(Body::Pieces(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, size.into());
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(CONTENT_DISPOSITION, name);
    }
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(HeaderName::from_static("x-download-options"), HeaderValue::from_static("noopen"));
    response
}
