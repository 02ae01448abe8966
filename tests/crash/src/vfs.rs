//! The VFS: the system's own, with every write, sync and name told to the watched folder first. The one file with `unsafe`; it hands
//! pointers through and keeps none beyond the life that SQLite gives them.
#![expect(unsafe_code, reason = "a VFS is a table of C functions")]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Once};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_io_methods, sqlite3_vfs};

use crate::disk::{Disk, Kind, Op, disk_of};

/// A file that is open on a watched folder.
struct Watched {
    disk: Arc<Disk>,
    name: String,
    /// The next sync takes the folder's names along, as the system's VFS does for a new log or journal.
    syncs_dir: bool,
}

/// What SQLite holds as a file: our head, and the system's own handle behind it.
#[repr(C)]
struct Handle {
    head: sqlite3_file,
    watched: *mut Watched,
}

const REAL: usize = size_of::<Handle>().next_multiple_of(16);

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Makes the VFS the process's default, once.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: SQLite initialises itself here; the table that it returns lives as long as the process.
        let system = unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) };
        assert!(!system.is_null(), "the system has a VFS");
        // SAFETY: not null, and a `sqlite3_vfs` is plain data.
        let mut ours = unsafe { *system };
        // Without the methods of later versions: nobody here replaces system calls.
        ours.iVersion = 2;
        ours.szOsFile += REAL as c_int;
        ours.pNext = std::ptr::null_mut();
        ours.zName = c"daftar-crash".as_ptr();
        // The system's methods that we keep are given our table, and find what they need in its `pAppData`, a copy of their own.
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        SYSTEM.store(system, std::sync::atomic::Ordering::SeqCst);
        // SAFETY: the table is never freed nor moved.
        let code = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(ours)), 1) };
        assert_eq!(code, ffi::SQLITE_OK, "the VFS is registered");
    });
}

static SYSTEM: std::sync::atomic::AtomicPtr<sqlite3_vfs> = std::sync::atomic::AtomicPtr::new(std::ptr::null_mut());

fn system() -> *mut sqlite3_vfs {
    SYSTEM.load(std::sync::atomic::Ordering::SeqCst)
}

/// The system's handle behind ours, and its methods.
///
/// # Safety
/// `file` was opened by `open` with success and is not closed yet.
unsafe fn real(file: *mut sqlite3_file) -> (*mut sqlite3_file, &'static sqlite3_io_methods) {
    // SAFETY: SQLite allotted `szOsFile` bytes, which are REAL and the system's own size.
    let real = unsafe { file.cast::<u8>().add(REAL) }.cast::<sqlite3_file>();
    // SAFETY: `open` succeeded, so the system set its methods, which are static.
    (real, unsafe { &*(*real).pMethods })
}

/// The watch on a file, if there is one.
///
/// # Safety
/// As for `real`; SQLite calls one file's methods from one thread at a time, so that the borrow is alone.
unsafe fn watched<'a>(file: *mut sqlite3_file) -> Option<&'a mut Watched> {
    // SAFETY: `open` set the pointer to null or to a box that `close` alone frees.
    unsafe { (*file.cast::<Handle>()).watched.as_mut() }
}

fn path<'a>(name: *const c_char) -> Option<&'a Path> {
    // SAFETY: SQLite's names are zero-terminated and outlive the call that they were given to.
    (!name.is_null()).then(|| Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes())))
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let handle = file.cast::<Handle>();
    // SAFETY: SQLite allotted the handle; without methods it never calls `close` on it.
    unsafe { handle.write(Handle { head: sqlite3_file { pMethods: std::ptr::null() }, watched: std::ptr::null_mut() }) };
    let found = path(name).and_then(|p| Some((p, disk_of(p)?)));
    let is_new = found.as_ref().is_some_and(|(p, _)| flags & ffi::SQLITE_OPEN_CREATE != 0 && !p.exists());
    if let (true, Some((_, (disk, name)))) = (is_new, &found)
        && let Err(code) = disk.admit(Kind::Name, name, 0)
    {
        return code;
    }
    // SAFETY: as for `real`; the system's `xOpen` writes the handle behind ours.
    let real = unsafe { file.cast::<u8>().add(REAL) }.cast::<sqlite3_file>();
    // SAFETY: the system's table and method live as long as the process; the arguments are SQLite's own.
    let code = unsafe { (*system()).xOpen.map_or(ffi::SQLITE_ERROR, |f| f(system(), name, real, flags, out)) };
    if code != ffi::SQLITE_OK {
        return code;
    }
    let journal = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL;
    let syncs_dir = flags & ffi::SQLITE_OPEN_CREATE != 0 && flags & journal != 0;
    let watched = found.map_or(std::ptr::null_mut(), |(_, (disk, name))| {
        disk.note_open();
        if is_new {
            disk.done(Op::Create { name: name.clone() });
        }
        Box::into_raw(Box::new(Watched { disk, name, syncs_dir }))
    });
    // SAFETY: as above; from here on `close` will be called.
    unsafe { handle.write(Handle { head: sqlite3_file { pMethods: &raw const METHODS }, watched }) };
    code
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync_dir: c_int) -> c_int {
    let found = path(name).filter(|p| p.exists()).and_then(disk_of);
    if let Some((disk, name)) = &found
        && let Err(code) = disk.admit(Kind::Name, name, 0)
    {
        return code;
    }
    // SAFETY: the system's table and method live as long as the process. Nothing here outlives it, so the folder need not be synced.
    let code = unsafe { (*system()).xDelete.map_or(ffi::SQLITE_ERROR, |f| f(system(), name, 0)) };
    if let (ffi::SQLITE_OK, Some((disk, name))) = (code, found) {
        disk.done(Op::Delete { name, with_dir: sync_dir != 0 });
    }
    code
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes what `open` opened, once; the box is freed here alone.
    unsafe {
        let handle = file.cast::<Handle>();
        if !(*handle).watched.is_null() {
            drop(Box::from_raw((*handle).watched));
        }
        let (real, methods) = real(file);
        methods.xClose.map_or(ffi::SQLITE_ERROR, |f| f(real))
    }
}

unsafe extern "C" fn write(file: *mut sqlite3_file, bytes: *const c_void, count: c_int, at: i64) -> c_int {
    // SAFETY: SQLite writes to what `open` opened.
    let (watched, (real, methods)) = unsafe { (watched(file), real(file)) };
    let from = u64::try_from(at).unwrap_or(0);
    if let Some(w) = &watched {
        let mut size = 0;
        // SAFETY: the system's own handle and a place for its answer.
        unsafe { methods.xFileSize.map(|f| f(real, &raw mut size)) };
        let grows = (from + count.unsigned_abs() as u64).saturating_sub(u64::try_from(size).unwrap_or(0));
        if let Err(code) = w.disk.admit(Kind::Write, &w.name, grows) {
            return code;
        }
    }
    // SAFETY: the system's own handle; the bytes are SQLite's, so many as it says.
    let code = unsafe { methods.xWrite.map_or(ffi::SQLITE_ERROR, |f| f(real, bytes, count, at)) };
    if let (ffi::SQLITE_OK, Some(w)) = (code, watched) {
        // SAFETY: SQLite hands over `count` bytes for the time of the call.
        let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), count.unsigned_abs() as usize) };
        w.disk.done(Op::Write { name: w.name.clone(), at: from, bytes: bytes.into() });
    }
    code
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, len: i64) -> c_int {
    // SAFETY: SQLite cuts what `open` opened.
    let (watched, (real, methods)) = unsafe { (watched(file), real(file)) };
    if let Some(Err(code)) = watched.as_ref().map(|w| w.disk.admit(Kind::Write, &w.name, 0)) {
        return code;
    }
    // SAFETY: the system's own handle.
    let code = unsafe { methods.xTruncate.map_or(ffi::SQLITE_ERROR, |f| f(real, len)) };
    if let (ffi::SQLITE_OK, Some(w)) = (code, watched) {
        w.disk.done(Op::Truncate { name: w.name.clone(), len: u64::try_from(len).unwrap_or(0) });
    }
    code
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite syncs what `open` opened.
    let (watched, (real, methods)) = unsafe { (watched(file), real(file)) };
    let Some(w) = watched else {
        // SAFETY: the system's own handle.
        return unsafe { methods.xSync.map_or(ffi::SQLITE_ERROR, |f| f(real, flags)) };
    };
    // What is durable is ours to say: the real disk is not made to wait.
    if let Err(code) = w.disk.admit(Kind::Sync, &w.name, 0) {
        return code;
    }
    w.disk.done(Op::Sync { name: w.name.clone(), with_dir: std::mem::take(&mut w.syncs_dir) });
    ffi::SQLITE_OK
}

/// A method that the system's VFS answers alone.
macro_rules! forward {
    ($($ours:ident = $theirs:ident($($arg:ident: $kind:ty),*) -> $back:ty, $default:expr;)*) => {
        $(unsafe extern "C" fn $ours(file: *mut sqlite3_file $(, $arg: $kind)*) -> $back {
            // SAFETY: SQLite calls this on what `open` opened, with arguments that are the system's to judge.
            unsafe {
                let (real, methods) = real(file);
                methods.$theirs.map_or($default, |f| f(real $(, $arg)*))
            }
        })*
    };
}

forward! {
    read = xRead(bytes: *mut c_void, count: c_int, at: i64) -> c_int, ffi::SQLITE_ERROR;
    file_size = xFileSize(size: *mut i64) -> c_int, ffi::SQLITE_ERROR;
    lock = xLock(level: c_int) -> c_int, ffi::SQLITE_ERROR;
    unlock = xUnlock(level: c_int) -> c_int, ffi::SQLITE_ERROR;
    check_reserved = xCheckReservedLock(out: *mut c_int) -> c_int, ffi::SQLITE_ERROR;
    control = xFileControl(op: c_int, arg: *mut c_void) -> c_int, ffi::SQLITE_NOTFOUND;
    sector_size = xSectorSize() -> c_int, 4096;
    characteristics = xDeviceCharacteristics() -> c_int, 0;
    shm_map = xShmMap(page: c_int, size: c_int, extend: c_int, at: *mut *mut c_void) -> c_int, ffi::SQLITE_IOERR_SHMMAP;
    shm_lock = xShmLock(at: c_int, count: c_int, flags: c_int) -> c_int, ffi::SQLITE_IOERR_SHMLOCK;
    shm_barrier = xShmBarrier() -> (), ();
    shm_unmap = xShmUnmap(remove: c_int) -> c_int, ffi::SQLITE_OK;
}
