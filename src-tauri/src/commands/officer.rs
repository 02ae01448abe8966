//! Enrol, unlock, lock. The PIN goes straight to the engine and is kept nowhere here.

use tauri::State;

use crate::dto::officer::{EnrolInput, OfficerCard};
use crate::dto::start::StartView;
use crate::dto::sync::WatchEvent;
use crate::engine::Engine;
use crate::error::UiResult;
use crate::state::AppState;

/// Enrols the device or one more officer on it with headquarters' code.
#[tauri::command]
pub async fn officer_enrol(state: State<'_, AppState>, input: EnrolInput) -> UiResult<StartView> {
    state.run(move |engine| engine.enrol(input)).await
}

/// Opens the officer's key with the PIN.
#[tauri::command]
pub async fn officer_unlock(state: State<'_, AppState>, officer: String, pin: String) -> UiResult<OfficerCard> {
    state.touch();
    state.run(move |engine| engine.unlock(&officer, pin)).await
}

/// Forgets the keys and closes the files.
#[tauri::command]
pub async fn officer_lock(state: State<'_, AppState>) -> UiResult<()> {
    if state.run(Engine::lock).await? {
        state.tell(WatchEvent::Locked);
    }
    Ok(())
}
