//! Saved records: list, search, page, decision.

use tauri::State;

use crate::dto::record::{ConflictChoice, RecordPage, RecordRef, RecordView, SavedView, VoidAct};
use crate::error::UiResult;
use crate::state::AppState;

/// Records of a kind or of all kinds, newest first.
#[tauri::command]
pub async fn record_list(state: State<'_, AppState>, kind: Option<String>, cursor: Option<String>) -> UiResult<RecordPage> {
    state.run(move |engine| engine.records(kind.as_deref(), cursor.as_deref())).await
}

/// Records in which every word of `text` is found, whatever the script.
#[tauri::command]
pub async fn record_search(state: State<'_, AppState>, text: String, kind: Option<String>) -> UiResult<RecordPage> {
    state.run(move |engine| engine.search(&text, kind.as_deref())).await
}

/// A record's page.
#[tauri::command]
pub async fn record_get(state: State<'_, AppState>, record: RecordRef) -> UiResult<RecordView> {
    state.run(move |engine| engine.record(&record)).await
}

/// Settles fields in conflict; the decision is itself a change.
#[tauri::command]
pub async fn record_resolve(
    state: State<'_, AppState>,
    record: RecordRef,
    choices: Vec<ConflictChoice>,
    reason: Option<String>,
) -> UiResult<SavedView> {
    state.run(move |engine| engine.resolve(&record, &choices, reason)).await
}

/// Declares a record void, or brings it back; the reason stays with it.
#[tauri::command]
pub async fn record_void(state: State<'_, AppState>, record: RecordRef, act: VoidAct, reason: String) -> UiResult<SavedView> {
    state.run(move |engine| engine.void(&record, act, reason)).await
}
