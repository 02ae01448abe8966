//! Photos and other files of records. Bytes come in as the body of a call, or from a dialog of the platform; never a path from a screen.

use tauri::State;
use tauri::ipc::{InvokeBody, Request, Response};

use crate::dialog::{self, Ask};
use crate::dto::file::{FileRow, KeptFile};
use crate::dto::record::RecordRef;
use crate::engine::Incoming;
use crate::error::{UiError, UiResult};
use crate::state::AppState;

/// Attaches the bytes in the body to a saved record. Heads: `x-compartment`, `x-record`, `x-name`, `x-taken`.
#[tauri::command]
pub async fn file_attach(state: State<'_, AppState>, request: Request<'_>) -> UiResult<Vec<FileRow>> {
    let record = RecordRef { compartment: head(&request, "x-compartment"), id: head(&request, "x-record") };
    let incoming = incoming(&request)?;
    state.run(move |engine| engine.attach(&record, incoming)).await
}

/// Keeps the bytes in the body for a record that is being written. Heads: `x-compartment`, `x-name`, `x-taken`.
#[tauri::command]
pub async fn file_keep(state: State<'_, AppState>, request: Request<'_>) -> UiResult<KeptFile> {
    let compartment = head(&request, "x-compartment");
    let incoming = incoming(&request)?;
    state.run(move |engine| engine.keep_file(&compartment, incoming)).await
}

/// Drops what was kept for a record that is being written: a draft that was kept since then does not name it.
#[tauri::command]
pub async fn file_drop(state: State<'_, AppState>, compartment: String, sha256: String) -> UiResult<()> {
    state.run(move |engine| engine.drop_kept(&compartment, &sha256)).await
}

/// Attaches a file that the officer chooses in the platform's dialog; nothing where none was chosen.
#[tauri::command]
pub async fn file_pick(state: State<'_, AppState>, record: RecordRef, title: String) -> UiResult<Option<Vec<FileRow>>> {
    let Some(path) = dialog::ask(Ask::Open, &title).await? else { return Ok(None) };
    state.run(move |engine| engine.attach_from(&record, &path).map(Some)).await
}

/// A picture's bytes, for the eye.
#[tauri::command]
pub async fn file_show(state: State<'_, AppState>, compartment: String, sha256: String) -> UiResult<Response> {
    state.run(move |engine| engine.picture(&compartment, &sha256)).await.map(Response::new)
}

/// Asks headquarters for a file that is not here, or not all of it.
#[tauri::command]
pub async fn file_want(state: State<'_, AppState>, record: RecordRef, sha256: String) -> UiResult<Vec<FileRow>> {
    state.run(move |engine| engine.want_file(&record, &sha256)).await
}

/// A head of the call, percent-decoded; empty where it is not there.
fn head(request: &Request<'_>, name: &str) -> String {
    let raw = request.headers().get(name).and_then(|h| h.to_str().ok()).unwrap_or_default();
    percent_encoding::percent_decode_str(raw).decode_utf8_lossy().into_owned()
}

fn incoming(request: &Request<'_>) -> UiResult<Incoming> {
    match request.body() {
        InvokeBody::Raw(bytes) => {
            Ok(Incoming { bytes: bytes.clone(), name: head(request, "x-name"), taken_ms: head(request, "x-taken").parse().ok() })
        }
        InvokeBody::Json(_) => Err(UiError::unexpected("a file came as JSON")),
    }
}
