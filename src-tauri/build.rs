//! Names the commands that the main window may call; a command that is missing here cannot be called at all.

const COMMANDS: &[&str] = &[
    "admit_officer",
    "admit_options",
    "app_start",
    "app_touch",
    "app_watch",
    "draft_amend",
    "draft_discard",
    "draft_get",
    "draft_list",
    "draft_put",
    "draft_save",
    "draft_start",
    "encounter_list",
    "file_attach",
    "file_drop",
    "file_keep",
    "file_pick",
    "file_show",
    "file_want",
    "officer_enrol",
    "officer_lock",
    "officer_unlock",
    "pack_read",
    "pack_write",
    "record_get",
    "record_list",
    "record_resolve",
    "record_search",
    "record_void",
    "settings_get",
    "settings_put",
    "shift_home",
    "shift_put",
    "sync_now",
    "sync_salvage",
    "sync_stop",
    "sync_strip",
    "sync_taken_seen",
    "sync_view",
];

fn main() {
    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)).expect("the window's configuration is sound");
}
