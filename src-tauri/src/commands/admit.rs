//! A leader lets an officer in. The PIN goes straight to the engine and is kept nowhere here.

use tauri::State;

use crate::dto::admit::{AdmitInput, AdmitOptions, Admitted};
use crate::error::UiResult;
use crate::state::AppState;

/// What this officer may open to a newcomer.
#[tauri::command]
pub async fn admit_options(state: State<'_, AppState>) -> UiResult<AdmitOptions> {
    state.run(|engine| engine.admit_options()).await
}

/// Lets the newcomer in on this device.
#[tauri::command]
pub async fn admit_officer(state: State<'_, AppState>, input: AdmitInput) -> UiResult<Admitted> {
    state.run(move |engine| engine.admit(input)).await
}
