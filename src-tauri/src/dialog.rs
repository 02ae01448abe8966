//! The platform's own dialog for a place on the disk. Only here does the window learn a path, and no screen ever hears it.

use std::path::PathBuf;

use crate::error::UiResult;

/// What is asked for.
pub enum Ask {
    /// A file that is there.
    Open,
    /// A file to be written, with the name that is proposed.
    Save(String),
}

/// Asks the officer; nothing where none was chosen. `title` is what the dialog says over it, in the screens' language.
#[cfg(desktop)]
pub async fn ask(ask: Ask, title: &str) -> UiResult<Option<PathBuf>> {
    if let Some(path) = answered() {
        return Ok(Some(path));
    }
    let dialog = rfd::AsyncFileDialog::new().set_title(title);
    let chosen = match ask {
        Ask::Open => dialog.pick_file().await,
        Ask::Save(name) => dialog.set_file_name(name).save_file().await,
    };
    Ok(chosen.map(|file| file.path().to_owned()))
}

/// The window's tests cannot reach a dialog of the platform: in a build with debug assertions, and in no other, this answers in its place.
#[cfg(desktop)]
fn answered() -> Option<PathBuf> {
    cfg!(debug_assertions).then(|| std::env::var_os("DAFTAR_TEST_DIALOG")).flatten().map(PathBuf::from)
}

/// A tablet's dialogs hand over no path; what is there comes in through the web view's own chooser.
#[cfg(mobile)]
pub async fn ask(_: Ask, _: &str) -> UiResult<Option<PathBuf>> {
    Err(crate::error::UiError::NotAllowed)
}
