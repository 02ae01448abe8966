//! What the first screen asks before anybody has unlocked.

use tauri::State;
use tauri::ipc::Channel;

use crate::dto::start::StartView;
use crate::dto::sync::WatchEvent;
use crate::error::UiResult;
use crate::state::AppState;

/// The state of the device at start.
#[tauri::command]
pub async fn app_start(state: State<'_, AppState>) -> UiResult<StartView> {
    state.run(|engine| engine.start()).await
}

/// Sends through `channel` what happens unasked, until another screen takes its place.
#[tauri::command]
pub async fn app_watch(state: State<'_, AppState>, channel: Channel<WatchEvent>) -> UiResult<()> {
    state.listen(channel);
    Ok(())
}

/// Somebody touched the screen: the idle lock starts again.
#[tauri::command]
pub async fn app_touch(state: State<'_, AppState>) -> UiResult<()> {
    state.touch();
    Ok(())
}
