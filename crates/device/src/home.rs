//! A home folder: what lies where, and who has it open. Never reads a record.

use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::reserve::Reserve;

/// SQLite before this loses data when a write-ahead log is reset at the wrong moment.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// A folder that this process alone has open.
#[derive(Debug)]
pub struct Home {
    dir: PathBuf,
    reserve: Arc<Reserve>,
    /// Held for as long as the home is open.
    _lock: File,
}

impl Home {
    /// Opens a home, made if it is not there; `AlreadyOpen` if another process has it.
    pub fn open(dir: &Path) -> Result<Self> {
        check_build()?;
        for d in [dir.to_owned(), dir.join("vault"), dir.join("officer"), dir.join("files")] {
            fs::create_dir_all(&d)?;
            private(&d, 0o700)?;
        }
        let path = dir.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path)?;
        private(&path, 0o600)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), reserve: Arc::new(Reserve::at(dir.join("reserve"))), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::AlreadyOpen),
            Err(TryLockError::Error(e)) => Err(e.into()),
        }
    }

    /// What is given back when the medium is full.
    pub(crate) fn reserve(&self) -> &Arc<Reserve> {
        &self.reserve
    }

    /// Removes everything whose name belongs to a compartment's file, whatever room it lies in: the file, what SQLite keeps beside it,
    /// a folder of photos. What stood there is overwritten as far as the medium allows. Doing it again changes nothing.
    pub(crate) fn remove_compartment(&self, file: &str) -> Result<()> {
        for room in fs::read_dir(&self.dir)? {
            let room = room?.path();
            if !room.is_dir() {
                continue;
            }
            let mut touched = false;
            for entry in fs::read_dir(&room)? {
                let entry = entry?;
                let name = entry.file_name();
                let is_its = name.to_str().and_then(|n| n.strip_prefix(file)).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
                if is_its {
                    remove(&entry.path())?;
                    touched = true;
                }
            }
            if touched {
                sync_folder(&room)?;
            }
        }
        Ok(())
    }

    /// The keyring's file.
    pub fn keyring(&self) -> PathBuf {
        self.dir.join("keyring.db")
    }

    /// A compartment's file, by its random name.
    pub fn vault(&self, file: &str) -> PathBuf {
        self.dir.join("vault").join(format!("{file}.db"))
    }

    /// Keeps a compartment's key, as sealed to headquarters, beside its file: whoever loses the keyring has not lost the way in for
    /// headquarters. It goes with the file.
    pub(crate) fn keep_escrow(&self, file: &str, escrow: &[u8]) -> Result<()> {
        let path = self.dir.join("vault").join(format!("{file}.escrow"));
        if path.exists() {
            return Ok(());
        }
        let part = path.with_extension("escrow.part");
        let mut made = File::create(&part)?;
        private(&part, 0o600)?;
        made.write_all(escrow)?;
        made.sync_all()?;
        fs::rename(&part, &path)?;
        sync_folder(&self.dir.join("vault"))
    }

    /// An officer's own file, by its random name.
    pub fn own(&self, file: &str) -> PathBuf {
        self.dir.join("officer").join(format!("{file}.db"))
    }
}

/// The folder of a compartment's files, by the random name of its file.
pub(crate) fn files_dir(home: &Path, file: &str) -> PathBuf {
    home.join("files").join(file)
}

/// Overwrites, where that can be done, and removes.
fn remove(path: &Path) -> Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            remove(&entry?.path())?;
        }
        fs::remove_dir(path)?;
        return Ok(());
    }
    if let Err(e) = overwrite(path) {
        tracing::warn!(error = %e, "a file was removed without being overwritten");
    }
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn overwrite(path: &Path) -> std::io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    let len = file.metadata()?.len();
    std::io::copy(&mut std::io::repeat(0).take(len), &mut file)?;
    file.sync_all()
}

/// Names that are gone stay gone after a power cut.
fn sync_folder(dir: &Path) -> Result<()> {
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

/// Makes a file or folder its owner's alone, where the system knows such a thing.
pub(crate) fn private(path: &Path, mode: u32) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    #[cfg(not(unix))]
    let _ = (path, mode);
    Ok(())
}

fn check_build() -> Result<()> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(Error::Build(format!("SQLite {} is too old", rusqlite::version())));
    }
    let memory = rusqlite::Connection::open_in_memory()?;
    let cipher: Option<String> = memory.query_row("PRAGMA cipher_version", [], |r| r.get(0)).ok();
    if cipher.is_none_or(|v| v.is_empty()) {
        return Err(Error::Build("SQLCipher is missing".into()));
    }
    Ok(())
}
