//! The home screen.

use tauri::State;

use crate::dto::shift::{ShiftHome, ShiftInput};
use crate::error::UiResult;
use crate::state::AppState;

/// Post, crew, today's records and drafts.
#[tauri::command]
pub async fn shift_home(state: State<'_, AppState>) -> UiResult<ShiftHome> {
    state.run(|engine| engine.shift_home()).await
}

/// Chooses post and crew; new drafts begin with them.
#[tauri::command]
pub async fn shift_put(state: State<'_, AppState>, input: ShiftInput) -> UiResult<()> {
    state.run(move |engine| engine.put_shift(input)).await
}
