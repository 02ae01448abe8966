//! A home folder: what lies where, and who has it open. Never reads a record.

use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::reserve::Reserve;

/// SQLite before this loses data when a write-ahead log is reset at the wrong moment.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Where damaged files are kept as they were found.
const ASIDE: &str = "damaged";
/// What a file in the making is called beside the one that it will take the place of.
const FRESH: &str = "fresh";
/// The same once it is whole: from then on it is the truth.
const READY: &str = "ready";

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
        for d in [dir.to_owned(), dir.join("vault"), dir.join("officer"), dir.join("files"), dir.join(ASIDE)] {
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

    /// Keeps a damaged file, with its log, as it is under a name of its own, if it is there. Doing it again changes nothing. Says the name.
    pub(crate) fn set_aside(&self, path: &Path) -> Result<Option<String>> {
        let Some(name) = path.file_stem().and_then(|s| s.to_str()).filter(|_| path.exists()) else { return Ok(None) };
        let room = self.dir.join(ASIDE);
        for n in 1.. {
            let aside = format!("{name}.{n}.db");
            let to = room.join(&aside);
            if to.exists() {
                if is_same(path, &to)? && is_same(&log_of(path), &log_of(&to))? {
                    return Ok(Some(aside));
                }
                continue;
            }
            // The log first: a file is there only with all that belongs to it.
            for (from, to) in [(log_of(path), log_of(&to)), (path.to_owned(), to)] {
                if from.exists() {
                    keep_again(&from, &to)?;
                }
            }
            sync_folder(&room)?;
            return Ok(Some(aside));
        }
        Ok(None)
    }

    /// The name that a file in the making has, free of what an attempt before left.
    pub(crate) fn fresh(&self, path: &Path) -> Result<PathBuf> {
        let fresh = path.with_extension(format!("{FRESH}.db"));
        for stale in [log_of(&fresh), beside(&fresh, "-shm"), fresh.clone()] {
            gone(fs::remove_file(stale))?;
        }
        Ok(fresh)
    }

    /// The file in the making is whole and closed: from here on it takes the damaged one's place, whatever happens.
    pub(crate) fn fresh_is_ready(&self, path: &Path) -> Result<()> {
        let fresh = path.with_extension(format!("{FRESH}.db"));
        File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, path.with_extension(format!("{READY}.db")))?;
        sync_folder(path.parent().unwrap_or(&self.dir))
    }

    /// The random names of the files for which another is ready.
    pub(crate) fn ready(&self) -> Result<Vec<(PathBuf, String)>> {
        let mut ready = Vec::new();
        for room in ["vault", "officer"] {
            for entry in fs::read_dir(self.dir.join(room))? {
                let name = entry?.file_name();
                if let Some(name) = name.to_str().and_then(|n| n.strip_suffix(&format!(".{READY}.db"))) {
                    ready.push((self.dir.join(room).join(format!("{name}.db")), name.to_owned()));
                }
            }
        }
        ready.sort();
        Ok(ready)
    }

    /// Puts a ready file in the place of the damaged one. That one's log goes first: it must not be read as the new file's.
    pub(crate) fn put_in_place(&self, path: &Path) -> Result<()> {
        let room = path.parent().unwrap_or(&self.dir);
        for stale in [log_of(path), beside(path, "-shm")] {
            gone(fs::remove_file(stale))?;
        }
        sync_folder(room)?;
        fs::rename(path.with_extension(format!("{READY}.db")), path)?;
        sync_folder(room)
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

/// What SQLite keeps beside a file.
pub(crate) fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn gone(done: std::io::Result<()>) -> Result<()> {
    match done {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A second name for the same bytes, or where the medium knows no such thing a copy that has reached it.
fn keep_again(from: &Path, to: &Path) -> Result<()> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let part = beside(to, ".part");
    fs::copy(from, &part)?;
    private(&part, 0o600)?;
    File::open(&part)?.sync_all()?;
    Ok(fs::rename(part, to)?)
}

/// Whether two files hold the same; two that are not there do.
fn is_same(a: &Path, b: &Path) -> Result<bool> {
    let (a, b) = match (File::open(a), File::open(b)) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(a), Err(b)) => return Ok(a.kind() == b.kind()),
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => return Ok(false),
    };
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (std::io::BufReader::new(a).bytes(), std::io::BufReader::new(b).bytes());
    Ok(loop {
        match (a.next().transpose()?, b.next().transpose()?) {
            (None, None) => break true,
            (x, y) if x == y => {}
            _ => break false,
        }
    })
}

/// Overwrites, where that can be done, and removes.
pub(crate) fn remove(path: &Path) -> Result<()> {
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
