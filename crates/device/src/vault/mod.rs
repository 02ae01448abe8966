//! The unlocked officer's open compartments. Each is one file and every act is one transaction in one of them. Never talks
//! to the network.

mod admit;
mod ahead;
mod apply;
mod boxed;
mod capture;
mod closing;
mod cursor;
mod directory;
mod erase;
pub(crate) mod file;
mod files;
mod fork;
mod form;
mod give;
mod grants;
mod log;
mod names;
mod number;
mod others;
mod page;
mod query;
mod receipt;
mod record;
mod repair;
mod salvage;
mod save;
mod search;
mod send;
mod stream;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use daftar_core::authorize::Grant;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, Epoch, OfficerId};
use daftar_core::time::Stamp;
use daftar_wire::sign::{SigningKey, VerifyingKey, verifying_key};
use zeroize::Zeroizing;

use crate::device::Shared;
use crate::draft::OwnFile;
use crate::error::{Error, Result};
use crate::keyring::{Door, Session};
use closing::Closed;
use directory::Directory;
use file::{At, Vault};

pub use crate::keyring::ContactOutcome;
pub use crate::keyring::Newcomer;
pub use admit::ADMISSION_HOURS_MAX;
pub use apply::{Applied, AppliedItem, AppliedWhat, Refusal};
pub use closing::Why;
pub(crate) use closing::{Words, purge};
pub use files::{Attached, Attachment, Brought, FileAlong, FilePlan, FileState, FilesAlong, FilesAtHq, KeptFile, Put, WantedFile};
pub use others::{OtherDevice, OtherOfficer};
pub use page::Via;
pub use query::{Conflict, Counts, HistoryEntry, Page, PageCursor, RecordItem, RecordView};
pub use receipt::{Standing, Taken};
pub use salvage::Salvaged;
pub(crate) use salvage::{drafts as salvaged_drafts, finish as finish_salvages};
pub use save::{Act, Imported, Saved};
pub use search::{Encounter, EncounterQuery};
pub use send::Unsent;
pub use verify::{Bad, Verified};

/// What stands before an Ed25519 key's 32 bytes in PKCS#8 (RFC 8410, 7).
const PKCS8_ED25519: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// Files are opened on so many cores at most.
const OPENERS_MAX: usize = 4;

/// The device as headquarters knows it.
pub struct DeviceInfo {
    /// Its identity.
    pub id: DeviceId,
    /// What people call it.
    pub name: String,
    /// Headquarters' `host:port`.
    pub address: String,
    /// Its certificate (DER).
    pub certificate: Vec<u8>,
    /// Headquarters' CA certificate (DER).
    pub ca: Vec<u8>,
    /// Headquarters' own device: the writer of its signed stream.
    pub server: DeviceId,
    /// The life of the server at enrolment.
    pub epoch: Epoch,
    /// Headquarters' time at the last contact, in milliseconds of UTC.
    pub last_hq_ms: Option<u64>,
    server_signing: [u8; 32],
    signing: SigningKey,
}

impl DeviceInfo {
    pub(crate) fn read(shared: &Shared) -> Result<Self> {
        let d = shared.keyring.device()?;
        Ok(Self {
            id: d.device,
            name: d.name,
            address: d.address,
            certificate: d.certificate,
            ca: d.ca,
            server: d.server,
            epoch: d.epoch,
            last_hq_ms: shared.keyring.contact()?.and_then(|c| c.hq_time_ms),
            server_signing: d.server_signing,
            signing: d.signing,
        })
    }

    /// Headquarters' Ed25519 key.
    pub fn server_key(&self) -> Result<VerifyingKey> {
        Ok(verifying_key(&self.server_signing)?)
    }

    /// The device's Ed25519 key.
    pub(crate) fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The device's Ed25519 key in PKCS#8 (DER), for mutual TLS.
    pub fn key_pkcs8(&self) -> Vec<u8> {
        [&PKCS8_ED25519[..], self.signing.as_bytes()].concat()
    }
}

/// The unlocked officer's open compartments. His keys are wiped when this is dropped.
pub struct Store {
    shared: Arc<Shared>,
    session: Session,
    info: DeviceInfo,
    vaults: RwLock<BTreeMap<Compartment, Arc<Vault>>>,
    /// What he may do, by compartment: doors at first, grant records as they come.
    access: RwLock<BTreeMap<Compartment, Grant>>,
    /// Where headquarters has let the officer in and the past is on its way: what it says of earlier grants takes nothing from him.
    let_in: RwLock<BTreeSet<Compartment>>,
    /// Compartments whose own file is not open, each with why. One that is in `vaults` too is open to what is written meanwhile alone.
    closed: RwLock<BTreeMap<Compartment, Closed>>,
    /// Compartments that headquarters took back, open to what is sent alone.
    leaving: RwLock<BTreeMap<Compartment, Arc<Vault>>>,
    /// Held by whoever opens, replaces or takes away a compartment's file: one at a time, or a file is opened twice and taken into itself.
    opening: Mutex<()>,
    directory: Directory,
    /// The greatest stamp given or seen.
    stamp: Mutex<Stamp>,
    /// The newest life of the server that is known.
    epoch: Mutex<Epoch>,
    /// The device's digit in record numbers.
    digit: AtomicU32,
    /// Its officer has locked: what can wait for him waits.
    is_left: AtomicBool,
    /// What is in the outbox was sent as it is, and it is not known yet that all of it was taken.
    boxes_in_doubt: AtomicBool,
    own: OwnFile,
}

fn openers() -> usize {
    // Whoever makes a file, or begins a stream in one, draws its identity: in a simulation, in the order of their names.
    #[cfg(feature = "simulation")]
    if crate::simulation::has_begun() {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, usize::from).min(OPENERS_MAX)
}

impl Store {
    pub(crate) fn open(shared: Arc<Shared>, session: Session) -> Result<Self> {
        let info = DeviceInfo::read(&shared)?;
        let own = OwnFile::open(&shared, &session)?;
        let now_ms = shared.lease_now_ms()?;
        let doors = shared.keyring.doors(&session, now_ms)?;
        shared.keyring.hand_over(&doors, now_ms)?;
        let store = Self {
            epoch: Mutex::new(shared.keyring.epoch()?.unwrap_or(info.epoch)),
            digit: AtomicU32::new(shared.keyring.device()?.digit),
            shared,
            session,
            info,
            vaults: RwLock::default(),
            access: RwLock::default(),
            let_in: RwLock::default(),
            closed: RwLock::default(),
            leaving: RwLock::default(),
            opening: Mutex::default(),
            directory: Directory::default(),
            stamp: Mutex::default(),
            is_left: AtomicBool::new(false),
            boxes_in_doubt: AtomicBool::new(false),
            own,
        };
        store.open_doors(&doors)?;
        store.take_kept_receipts()?;
        store.repeat_draft_deletes()?;
        store.drop_foreign_drafts(&doors)?;
        Ok(store)
    }

    /// Opens every compartment that a door leads to, on as many cores as there are. A damaged file closes its compartment alone.
    fn open_doors(&self, doors: &[Door]) -> Result<()> {
        let share = doors.len().div_ceil(openers()).max(1);
        let opened: Vec<Result<()>> = std::thread::scope(|scope| {
            let tasks: Vec<_> = doors
                .chunks(share)
                .map(|part| scope.spawn(move || part.iter().try_for_each(|door| self.open_door(door, doors.len()))))
                .collect();
            tasks.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(Error::Unexpected("a file's opening stopped".into())))).collect()
        });
        opened.into_iter().collect::<Result<()>>()?;
        for c in self.compartments() {
            match self.refresh_grant(&c) {
                Ok(()) | Err(Error::Damaged { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn open_door(&self, door: &Door, files: usize) -> Result<()> {
        let c = &door.compartment;
        if door.let_in {
            write(&self.let_in).insert(c.clone());
        }
        let Some(key) = &door.key else {
            let why = if door.is_ended { Why::LeaseEnded } else { Why::Waits };
            self.keep_closed(c, &door.file, why, (!door.is_revoked).then_some(door.access));
            return Ok(());
        };
        match self.open_file(door, key, files) {
            Ok(vault) if door.is_revoked => {
                write(&self.leaving).insert(c.clone(), vault);
                Ok(())
            }
            Ok(vault) => {
                write(&self.access).insert(c.clone(), door.access);
                self.is_open(c, vault)
            }
            Err(Error::Damaged { .. }) => {
                tracing::error!(file = door.file, "a compartment's file does not open");
                self.keep_closed(c, &door.file, Why::Damaged, Some(door.access));
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    /// From here on a compartment's own file is read and written; what was captured meanwhile is taken into it.
    fn is_open(&self, c: &Compartment, vault: Arc<Vault>) -> Result<()> {
        let captured = write(&self.vaults).insert(c.clone(), vault.clone());
        write(&self.closed).remove(c);
        captured.map_or(Ok(()), |captured| self.take_captured(c, &vault, &captured))
    }

    fn open_file(&self, door: &Door, key: &Zeroizing<[u8; 32]>, files: usize) -> Result<Arc<Vault>> {
        let at = At { file: &door.file, key, make: !door.made, files, name: &door.compartment };
        let vault = Vault::open(&self.shared.home, &at, &self.info.id)?;
        vault.set_dirty(door.is_dirty);
        self.catch_up(&vault, &door.compartment)?;
        if !door.made {
            self.shared.keyring.file_made(&door.file)?;
        }
        self.keep_escrow(&door.file);
        Ok(Arc::new(vault))
    }

    /// Headquarters' copy of the key lies beside the file, too. Where that cannot be done now, it is tried again at the next opening.
    fn keep_escrow(&self, file: &str) {
        let escrow = self.shared.keyring.escrow(file);
        let kept = escrow.and_then(|escrow| escrow.map_or(Ok(()), |escrow| self.shared.home.keep_escrow(file, &escrow)));
        if let Err(error) = kept {
            tracing::warn!(file, %error, "headquarters' copy of a key could not be put beside its file");
        }
    }

    fn repeat_draft_deletes(&self) -> Result<()> {
        for draft in self.own.drafts()? {
            if let Some(compartment) = &draft.compartment
                && !draft.amends
                && self.compartments().contains(compartment)
                && self.within_each(compartment, |vault| record::find(&vault.conn(), &draft.record))?.flatten().is_some()
            {
                self.own.delete_draft(&draft.record)?;
            }
        }
        Ok(())
    }

    /// The compartments that are open here, by name.
    pub fn compartments(&self) -> Vec<Compartment> {
        read(&self.vaults).keys().cloned().collect()
    }

    /// Whose compartments these are.
    pub fn officer(&self) -> OfficerId {
        self.session.officer.id
    }

    /// The unlocked officer, with his keys.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The device.
    pub fn device(&self) -> &DeviceInfo {
        &self.info
    }

    /// The officer's own file: drafts.
    pub fn own(&self) -> &OwnFile {
        &self.own
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.shared.clock.now_ms()
    }

    /// Does something in a compartment's file. Where the file turns out to be damaged, its compartment alone is closed.
    pub(crate) fn within<T>(&self, c: &Compartment, f: impl FnOnce(&Vault) -> Result<T>) -> Result<T> {
        self.within_file(c, &*self.vault(c)?, f)
    }

    /// The same in a file that is named: one that captures, or that headquarters took back.
    pub(crate) fn within_file<T>(&self, c: &Compartment, vault: &Vault, f: impl FnOnce(&Vault) -> Result<T>) -> Result<T> {
        let done = f(vault);
        if !matches!(done, Err(Error::Damaged { .. })) {
            return done;
        }
        tracing::error!(compartment = %c, "a compartment's file is damaged; it is left as it is");
        vault.leave_as_it_is();
        write(&self.vaults).remove(c);
        // Of a file that captures the compartment's own stays the one that is closed.
        if !self.is_closed(c) {
            self.keep_closed(c, vault.name(), Why::Damaged, None);
        }
        Err(Error::Damaged { what: c.to_string() })
    }

    /// The same where other compartments have more to say: a damaged file says nothing.
    pub(crate) fn within_each<T>(&self, c: &Compartment, f: impl FnOnce(&Vault) -> Result<T>) -> Result<Option<T>> {
        match self.within(c, f) {
            Ok(done) => Ok(Some(done)),
            Err(Error::Damaged { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    pub(crate) fn vault(&self, c: &Compartment) -> Result<Arc<Vault>> {
        read(&self.vaults).get(c).cloned().ok_or_else(|| Error::NoCompartment(c.to_string()))
    }

    /// What follows behind saves and pages: the search index, the write-ahead logs, the reserve. Call it when nobody waits. Ends soon behind a lock.
    pub fn tend(&self) -> Result<()> {
        self.sweep()?;
        self.shared.home.reserve().make();
        for c in self.compartments() {
            self.within_each(&c, |vault| {
                loop {
                    if self.is_left.load(Ordering::Relaxed) || search::index_some(&mut vault.conn(), search::BATCH)? == 0 {
                        break;
                    }
                }
                vault.conn().write(|tx| names::follow(tx))?;
                vault.checkpoint()
            })?;
        }
        self.check_unchecked()
    }
}

/// Who forgets to lock has locked.
impl Drop for Store {
    fn drop(&mut self) {
        if let Err(e) = self.lock() {
            tracing::error!(error = %e, "what waits could not be put into the outbox; it is kept in its file");
        }
    }
}

/// The life of the server that an open file has followed.
#[cfg(test)]
pub(crate) fn followed(vault: &Vault) -> Option<Epoch> {
    repair::epoch(&vault.conn()).ok().flatten()
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
