//! The field app's window: commands and their shapes. Never SQL, HTTP or a rule of the domain.

mod commands;
mod dialog;
mod dto;
mod engine;
mod error;
mod state;

use std::path::PathBuf;
use std::process::ExitCode;

use commands::{admit, draft, encounter, file, officer, pack, record, settings, shift, start, sync};
use daftar_device::sync::AutoSync;
use tauri::Manager;

/// The notebook's folder: what `--home` or `DAFTAR_HOME` says, else the platform's place for the app's data.
fn home(app: &tauri::App) -> Result<PathBuf, tauri::Error> {
    let mut args = std::env::args_os().skip(1);
    let given = args.find(|a| a == "--home").and_then(|_| args.next()).or_else(|| std::env::var_os("DAFTAR_HOME"));
    given.map_or_else(|| app.path().app_data_dir(), |dir| Ok(dir.into()))
}

/// Opens the window and runs until it is closed.
pub fn run() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let app = tauri::Builder::default()
        .setup(|app| {
            let clock = AutoSync::default();
            let state = state::AppState::new(engine::Engine::open(&home(app)?, clock.nudge()));
            app.manage(state.clone());
            tauri::async_runtime::spawn(state.clone().sync_by_itself(clock));
            tauri::async_runtime::spawn(state.lock_when_idle());
            Ok(())
        })
        .invoke_handler(tauri::generate_handler![
            start::app_start,
            start::app_touch,
            start::app_watch,
            admit::admit_officer,
            admit::admit_options,
            draft::draft_amend,
            draft::draft_discard,
            draft::draft_get,
            draft::draft_list,
            draft::draft_put,
            draft::draft_save,
            draft::draft_start,
            encounter::encounter_list,
            file::file_attach,
            file::file_drop,
            file::file_keep,
            file::file_pick,
            file::file_show,
            file::file_want,
            officer::officer_enrol,
            officer::officer_lock,
            officer::officer_unlock,
            pack::pack_read,
            pack::pack_write,
            record::record_get,
            record::record_list,
            record::record_resolve,
            record::record_search,
            record::record_void,
            settings::settings_get,
            settings::settings_put,
            shift::shift_home,
            shift::shift_put,
            sync::sync_now,
            sync::sync_salvage,
            sync::sync_stop,
            sync::sync_strip,
            sync::sync_taken_seen,
            sync::sync_view,
        ])
        .run(tauri::generate_context!());
    match app {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            tracing::error!("the window did not open: {cause}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(mobile)]
#[tauri::mobile_entry_point]
fn run_on_a_tablet() {
    run();
}
