//! Courier packs. Where one is written to or read from the officer says in the platform's dialog; no screen names a path.

use tauri::State;

use crate::dialog::{self, Ask};
use crate::dto::pack::{PackRead, PackWritten};
use crate::error::UiResult;
use crate::state::AppState;

/// Writes a pack for headquarters where the officer says; nothing where no place was chosen.
#[tauri::command]
pub async fn pack_write(state: State<'_, AppState>, title: String) -> UiResult<Option<PackWritten>> {
    let name = state.run(|engine| engine.pack_name()).await?;
    let Some(path) = dialog::ask(Ask::Save(name), &title).await? else { return Ok(None) };
    state.run(move |engine| engine.write_pack(&path).map(Some)).await
}

/// Reads the pack that the officer chooses; nothing where none was chosen.
#[tauri::command]
pub async fn pack_read(state: State<'_, AppState>, title: String) -> UiResult<Option<PackRead>> {
    let Some(path) = dialog::ask(Ask::Open, &title).await? else { return Ok(None) };
    state.run(move |engine| engine.read_pack(&path).map(Some)).await
}
