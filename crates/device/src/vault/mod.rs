//! The unlocked officer's open compartments. Each is one file and every act is one transaction in one of them. Never talks
//! to the network.

mod apply;
mod cursor;
mod directory;
mod erase;
pub(crate) mod file;
mod fork;
mod form;
mod grants;
mod log;
mod number;
mod page;
mod query;
mod record;
mod save;
mod search;
mod send;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use daftar_core::authorize::Grant;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, Epoch, OfficerId};
use daftar_core::time::Stamp;
use daftar_wire::sign::{SigningKey, VerifyingKey, verifying_key};

use crate::device::Shared;
use crate::draft::OwnFile;
use crate::error::{Error, Result};
use crate::keyring::{Door, Session};
use directory::Directory;
use file::Vault;

pub use crate::keyring::ContactOutcome;
pub use apply::{Applied, AppliedItem, AppliedWhat, Refusal};
pub use query::{Conflict, Counts, HistoryEntry, Page, PageCursor, RecordItem, RecordView};
pub use save::{Act, Imported, Saved};
pub use search::{Encounter, EncounterQuery};
pub use send::{Standing, Unsent};
pub use verify::{Bad, Verified};

/// What stands before an Ed25519 key's 32 bytes in PKCS#8 (RFC 8410, 7).
const PKCS8_ED25519: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

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
    /// The device's digit in record numbers.
    pub digit: u32,
    /// Headquarters' time at the last contact, in milliseconds of UTC.
    pub last_hq_ms: Option<u64>,
    server_signing: [u8; 32],
    signing: SigningKey,
}

impl DeviceInfo {
    /// Headquarters' Ed25519 key.
    pub fn server_key(&self) -> Result<VerifyingKey> {
        Ok(verifying_key(&self.server_signing)?)
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
    /// Compartments whose file is damaged, missing or not handed over yet.
    closed: RwLock<BTreeSet<Compartment>>,
    directory: Directory,
    /// The greatest stamp given or seen.
    stamp: Mutex<Stamp>,
    /// The newest life of the server that signed something.
    epoch: Mutex<Epoch>,
    own: OwnFile,
}

impl Store {
    pub(crate) fn open(shared: Arc<Shared>, session: Session) -> Result<Self> {
        let d = shared.keyring.device()?;
        let info = DeviceInfo {
            id: d.device,
            name: d.name,
            address: d.address,
            certificate: d.certificate,
            ca: d.ca,
            server: d.server,
            epoch: d.epoch,
            digit: d.digit,
            last_hq_ms: shared.keyring.contact()?.and_then(|c| c.hq_time_ms),
            server_signing: d.server_signing,
            signing: d.signing,
        };
        let own = OwnFile::open(&shared, &session)?;
        let doors = shared.keyring.doors(&session)?;
        shared.keyring.hand_over(&doors)?;
        let store = Self {
            epoch: Mutex::new(info.epoch),
            shared,
            session,
            info,
            vaults: RwLock::default(),
            access: RwLock::default(),
            closed: RwLock::default(),
            directory: Directory::default(),
            stamp: Mutex::default(),
            own,
        };
        store.open_doors(&doors)?;
        store.repeat_draft_deletes()?;
        Ok(store)
    }

    /// Opens every compartment that a door leads to, on as many cores as there are. A damaged file closes its compartment alone.
    fn open_doors(&self, doors: &[Door]) -> Result<()> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
        let share = doors.len().div_ceil(threads).max(1);
        let opened: Vec<Result<()>> = std::thread::scope(|scope| {
            let tasks: Vec<_> = doors
                .chunks(share)
                .map(|part| scope.spawn(move || part.iter().try_for_each(|door| self.open_door(door, doors.len()))))
                .collect();
            tasks.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(Error::Unexpected("a file's opening stopped".into())))).collect()
        });
        opened.into_iter().collect::<Result<()>>()?;
        for c in self.compartments() {
            self.refresh_grant(&c)?;
        }
        Ok(())
    }

    fn open_door(&self, door: &Door, files: usize) -> Result<()> {
        let opened = match &door.key {
            Some(key) => Vault::open(self.shared.home.vault(&door.file), key, !door.made, files, door.compartment.clone(), &self.info.id),
            None => Err(Error::NoCompartment(door.compartment.to_string())),
        };
        match opened {
            Ok(vault) => {
                if !door.made {
                    self.shared.keyring.file_made(&door.file)?;
                }
                write(&self.access).insert(door.compartment.clone(), door.access);
                write(&self.vaults).insert(door.compartment.clone(), Arc::new(vault));
                Ok(())
            }
            Err(Error::Damaged { .. } | Error::NoCompartment(_)) => {
                tracing::error!(file = door.file, "a compartment's file does not open");
                write(&self.closed).insert(door.compartment.clone());
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    fn repeat_draft_deletes(&self) -> Result<()> {
        for draft in self.own.drafts()? {
            if let Some(compartment) = &draft.compartment
                && !draft.amends
                && let Ok(vault) = self.vault(compartment)
                && record::find(&vault.conn(), &draft.record)?.is_some()
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

    /// The officer's compartments whose file is damaged, missing, or waits for a colleague who hands over its key.
    pub fn closed(&self) -> Vec<Compartment> {
        read(&self.closed).iter().cloned().collect()
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

    pub(crate) fn now_ms(&self) -> u64 {
        self.shared.clock.now_ms()
    }

    pub(crate) fn vault(&self, c: &Compartment) -> Result<Arc<Vault>> {
        read(&self.vaults).get(c).cloned().ok_or_else(|| Error::NoCompartment(c.to_string()))
    }

    /// What follows behind saves and pages: the search index and the write-ahead logs. Call it when nobody waits.
    pub fn tend(&self) -> Result<()> {
        for c in self.compartments() {
            let vault = self.vault(&c)?;
            while search::index_some(&mut vault.conn(), search::BATCH)? > 0 {}
            vault.checkpoint()?;
        }
        self.check_unchecked()
    }

    /// Attests what is the officer's and signs the own heads, as it is done when he locks.
    pub fn lock(&self) -> Result<()> {
        for c in self.compartments() {
            self.sign_own(&c)?;
        }
        Ok(())
    }
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
