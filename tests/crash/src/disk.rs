//! A watched folder: what SQLite does to its files, in order, and which of it is made to fail. Never touches a file itself.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::ffi;

/// One thing that was done to a file; names are relative to the folder.
#[derive(Debug, Clone)]
pub enum Op {
    /// The file was made.
    Create { name: String },
    /// Bytes were written.
    Write { name: String, at: u64, bytes: Arc<[u8]> },
    /// The file was cut, or grown, to this length.
    Truncate { name: String, len: u64 },
    /// What was written has reached the medium; `with_dir`: so have the names of its folder.
    Sync { name: String, with_dir: bool },
    /// It has not: the system reported an error, and forgets what was waiting.
    SyncFailed { name: String },
    /// The file was removed.
    Delete { name: String, with_dir: bool },
}

impl Op {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Write { .. } | Self::Truncate { .. } => Kind::Write,
            Self::Sync { .. } | Self::SyncFailed { .. } => Kind::Sync,
            Self::Create { .. } | Self::Delete { .. } => Kind::Name,
        }
    }
}

/// What can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A write or a truncation.
    Write,
    /// A sync.
    Sync,
    /// The making or removing of a file.
    Name,
}

/// A fault to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What fails.
    pub on: Kind,
    /// So many of that kind go well first.
    pub after: u64,
    /// What SQLite is told, such as `SQLITE_IOERR_FSYNC`.
    pub code: i32,
    /// It goes on failing until it is lifted.
    pub lasts: bool,
}

#[derive(Default)]
struct Inner {
    ops: Vec<Op>,
    /// Nothing is written down.
    forgets: bool,
    /// How often a file was opened.
    opened: u64,
    fault: Option<Fault>,
    /// How often the fault has struck.
    struck: u64,
    /// The folder holds at most so many bytes.
    room: Option<u64>,
}

/// A watched folder.
pub struct Disk {
    root: PathBuf,
    inner: Mutex<Inner>,
}

static DISKS: Mutex<Vec<Arc<Disk>>> = Mutex::new(Vec::new());

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches what SQLite does in a folder, until the watch is dropped. Every connection of the process goes through the VFS from here on.
pub fn watch(root: &Path) -> Watch {
    crate::vfs::register();
    let root = root.canonicalize().expect("the folder is there");
    let disk = Arc::new(Disk { root, inner: Mutex::default() });
    held(&DISKS).push(disk.clone());
    Watch(disk)
}

/// The same without a memory: nothing is ever synced for real, which is fast.
pub fn watch_quietly(root: &Path) -> Watch {
    let watch = watch(root);
    held(&watch.inner).forgets = true;
    watch
}

/// Ends the watch when dropped.
pub struct Watch(Arc<Disk>);

impl std::ops::Deref for Watch {
    type Target = Disk;
    fn deref(&self) -> &Disk {
        &self.0
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        held(&DISKS).retain(|d| !Arc::ptr_eq(d, &self.0));
    }
}

/// The disk that a file is on, and its name there.
pub(crate) fn disk_of(path: &Path) -> Option<(Arc<Disk>, String)> {
    let disks = held(&DISKS);
    disks.iter().find_map(|d| Some((d.clone(), path.strip_prefix(&d.root).ok()?.to_str()?.to_owned())))
}

impl Disk {
    /// How much was done so far.
    pub fn len(&self) -> usize {
        held(&self.inner).ops.len()
    }

    /// Nothing was done so far.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All that was done.
    pub fn ops(&self) -> Vec<Op> {
        held(&self.inner).ops.clone()
    }

    /// How often a file was opened.
    pub fn opened(&self) -> u64 {
        held(&self.inner).opened
    }

    pub(crate) fn note_open(&self) {
        held(&self.inner).opened += 1;
    }

    /// Makes something fail; `None` lifts it.
    pub fn fail(&self, fault: Option<Fault>) {
        held(&self.inner).fault = fault;
    }

    /// How often a fault has struck.
    pub fn struck(&self) -> u64 {
        held(&self.inner).struck
    }

    /// The folder holds at most so many bytes from now on; `None`: as many as there are.
    pub fn set_room(&self, bytes: Option<u64>) {
        held(&self.inner).room = bytes;
    }

    /// Bytes in the folder's files.
    pub fn used_bytes(&self) -> u64 {
        sizes(&self.root)
    }

    /// May this be done? Otherwise what SQLite is told. `grows`: by so many bytes.
    pub(crate) fn admit(&self, kind: Kind, name: &str, grows: u64) -> Result<(), i32> {
        let mut inner = held(&self.inner);
        if let Some(fault) = inner.fault.as_mut().filter(|f| f.on == kind) {
            if fault.after > 0 {
                fault.after -= 1;
            } else {
                let code = fault.code;
                if !fault.lasts {
                    inner.fault = None;
                }
                inner.struck += 1;
                if kind == Kind::Sync {
                    inner.ops.push(Op::SyncFailed { name: name.to_owned() });
                }
                return Err(code);
            }
        }
        match inner.room {
            Some(room) if grows > 0 && sizes(&self.root) + grows > room => {
                inner.struck += 1;
                Err(ffi::SQLITE_FULL)
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(crate) fn done(&self, op: Op) {
        let mut inner = held(&self.inner);
        if !inner.forgets {
            inner.ops.push(op);
        }
    }
}

fn sizes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.flatten().map(|e| if e.path().is_dir() { sizes(&e.path()) } else { e.metadata().map_or(0, |m| m.len()) }).sum()
}
