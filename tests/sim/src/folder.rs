//! Folders that are copied as they lie on the disk. Never looks into a file.

use std::fs;
use std::path::Path;

use crate::broken::Checked;

/// Copies a folder, all but the shared memory of SQLite, which no other process has.
pub(crate) fn copy(from: &Path, to: &Path) -> Checked {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            copy(&path, &to.join(name))?;
        } else if !name.to_string_lossy().ends_with("-shm") {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
