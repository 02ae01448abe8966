//! The way to headquarters.

use tauri::State;

use crate::dto::sync::{SalvageView, SyncStrip, SyncView};
use crate::error::UiResult;
use crate::state::AppState;

/// The strip on every screen. Reads committed rows only.
#[tauri::command]
pub async fn sync_strip(state: State<'_, AppState>) -> UiResult<SyncStrip> {
    state.run(|engine| engine.strip()).await
}

/// The sync screen.
#[tauri::command]
pub async fn sync_view(state: State<'_, AppState>) -> UiResult<SyncView> {
    state.run(|engine| engine.sync_view()).await
}

/// Stops the exchange that runs; what was confirmed stays confirmed, the rest waits.
#[tauri::command]
pub async fn sync_stop(state: State<'_, AppState>) -> UiResult<()> {
    state
        .run(|engine| {
            engine.stop_sync();
            Ok(())
        })
        .await
}

/// Exchanges with headquarters now; the strip tells how it ended.
#[tauri::command]
pub async fn sync_now(state: State<'_, AppState>) -> UiResult<SyncStrip> {
    state.run(|engine| engine.sync_now()).await
}

/// Takes what a compartment's damaged file still holds into a new one; the damaged one is kept.
#[tauri::command]
pub async fn sync_salvage(state: State<'_, AppState>, compartment: String) -> UiResult<SalvageView> {
    state.run(move |engine| engine.salvage(&compartment)).await
}

/// The officer has seen that headquarters took a compartment from him.
#[tauri::command]
pub async fn sync_taken_seen(state: State<'_, AppState>, compartment: String) -> UiResult<()> {
    state.run(move |engine| engine.taken_seen(&compartment)).await
}
