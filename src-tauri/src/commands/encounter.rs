//! Earlier meetings, from the device alone.

use tauri::State;

use crate::dto::encounter::{Encounter, EncounterQuery};
use crate::error::UiResult;
use crate::state::AppState;

/// Earlier meetings with what is typed, newest first, at most 20.
#[tauri::command]
pub async fn encounter_list(state: State<'_, AppState>, query: EncounterQuery) -> UiResult<Vec<Encounter>> {
    state.run(move |engine| engine.encounters(&query)).await
}
