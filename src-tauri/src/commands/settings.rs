//! Language, colours and size.

use tauri::State;

use crate::dto::settings::Settings;
use crate::error::UiResult;
use crate::state::AppState;

/// What the device remembers.
#[tauri::command]
pub async fn settings_get(state: State<'_, AppState>) -> UiResult<Settings> {
    state.run(|engine| engine.settings()).await
}

/// Remembers.
#[tauri::command]
pub async fn settings_put(state: State<'_, AppState>, settings: Settings) -> UiResult<()> {
    state.run(move |engine| engine.put_settings(settings)).await
}
