//! What is written and not yet saved.

use tauri::State;

use crate::dto::draft::{DraftForm, DraftInput, DraftKept, DraftRow, DraftView};
use crate::dto::record::{RecordRef, SavedView};
use crate::error::UiResult;
use crate::state::AppState;

/// The officer's drafts, newest first.
#[tauri::command]
pub async fn draft_list(state: State<'_, AppState>) -> UiResult<Vec<DraftRow>> {
    state.run(|engine| engine.drafts()).await
}

/// Begins a record: identity, post, crew and time are filled in. Nothing is on the disk before the first `draft_put`.
#[tauri::command]
pub async fn draft_start(state: State<'_, AppState>, form: DraftForm) -> UiResult<DraftView> {
    state.run(move |engine| engine.start_draft(form)).await
}

/// Begins an amendment of a saved record: its heads become the parents.
#[tauri::command]
pub async fn draft_amend(state: State<'_, AppState>, record: RecordRef) -> UiResult<DraftView> {
    state.run(move |engine| engine.amend(&record)).await
}

/// One draft.
#[tauri::command]
pub async fn draft_get(state: State<'_, AppState>, id: String) -> UiResult<DraftView> {
    state.run(move |engine| engine.draft(&id)).await
}

/// Puts the form's state on the disk.
#[tauri::command]
pub async fn draft_put(state: State<'_, AppState>, input: DraftInput) -> UiResult<DraftKept> {
    state.run(move |engine| engine.put_draft(input)).await
}

/// Throws a draft away.
#[tauri::command]
pub async fn draft_discard(state: State<'_, AppState>, id: String) -> UiResult<()> {
    state.run(move |engine| engine.discard_draft(&id)).await
}

/// Makes the draft a record: commits it, then deletes the draft. Answers only after the commit reached the disk.
#[tauri::command]
pub async fn draft_save(state: State<'_, AppState>, input: DraftInput) -> UiResult<SavedView> {
    state.run(move |engine| engine.save(input)).await
}
