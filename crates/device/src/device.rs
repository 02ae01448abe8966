//! One device: its home, its keyring and its clock. Whoever unlocks it gets a `Store`. Never reads a record itself.

use std::path::Path;
use std::sync::Arc;

use daftar_core::ids::RecordId;
use daftar_wire::enrol::{Code, EnrolRequest, Enrolled};

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::home::Home;
use crate::keyring::{Enrolling, Keyring, OfficerEntry, TakingIn};
use crate::random::random;
use crate::vault::{DeviceInfo, Store};

const CODE_PREFIX: &str = "daftar1.";

/// What the device and its unlocked stores share.
pub(crate) struct Shared {
    pub(crate) home: Home,
    pub(crate) keyring: Keyring,
    pub(crate) clock: Box<dyn Clock>,
    /// Held by the one sync that runs.
    pub(crate) syncing: tokio::sync::Mutex<()>,
}

impl Shared {
    /// The time as leases and grants count it, in milliseconds of UTC: a clock set back does not lengthen them.
    pub(crate) fn lease_now_ms(&self) -> Result<u64> {
        self.keyring.lease_now_ms(self.clock.as_ref())
    }

    /// Destroys the keys whose leases are over.
    pub(crate) fn sweep(&self) -> Result<()> {
        self.keyring.sweep(self.lease_now_ms()?)?;
        Ok(())
    }
}

/// An open home folder.
pub struct Device {
    shared: Arc<Shared>,
}

impl Device {
    /// Opens a home, made if it is not there.
    pub fn open(home: &Path) -> Result<Self> {
        Self::open_with(home, Box::new(SystemClock))
    }

    /// The same for the command `daftar`, whose clock tests may set.
    pub fn open_for_process(home: &Path) -> Result<Self> {
        Self::open_with(home, crate::clock::of_process())
    }

    /// The same with another clock.
    pub fn open_with(home: &Path, clock: Box<dyn Clock>) -> Result<Self> {
        let home = Home::open(home)?;
        let keyring = Keyring::open(&home.keyring(), home.reserve())?;
        keyring.begin_leases(clock.as_ref())?;
        let shared = Shared { home, keyring, clock, syncing: tokio::sync::Mutex::default() };
        crate::vault::finish_salvages(&shared)?;
        shared.keyring.finish_purges(&shared.home)?;
        shared.sweep()?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Destroys the officers' copies of keys whose leases are over. To be called once a minute; an unlocked store does so by itself.
    pub fn sweep(&self) -> Result<()> {
        self.shared.sweep()
    }

    /// The device as headquarters knows it, whoever is unlocked.
    pub fn info(&self) -> Result<DeviceInfo> {
        DeviceInfo::read(&self.shared)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Who is enrolled here, what protects the keys, settings, and what is remembered of headquarters.
    pub fn keyring(&self) -> &Keyring {
        &self.shared.keyring
    }

    /// Milliseconds of UTC by the device's clock.
    pub fn now_ms(&self) -> u64 {
        self.shared.clock.now_ms()
    }

    /// The officer of this handle; without one, the only officer there is.
    pub fn officer(&self, handle: Option<&str>) -> Result<OfficerEntry> {
        let mut officers = self.keyring().officers()?;
        match (handle, officers.len()) {
            (_, 0) => Err(Error::NotEnrolled),
            (Some(h), _) => officers.into_iter().find(|o| o.handle == h).ok_or_else(|| Error::NoOfficer(h.chars().take(80).collect())),
            (None, 1) => Ok(officers.remove(0)),
            (None, _) => Err(Error::WhichOfficer(officers.iter().map(|o| o.handle.as_str()).collect::<Vec<_>>().join(", "))),
        }
    }

    /// Makes the keys for an enrolment by this code, and what headquarters is to be asked.
    pub fn enrol_request(&self, code: &Code, device_name: &str, pin: &str) -> Result<(Enrolling, EnrolRequest)> {
        self.shared.keyring.enrol_request(code.secret, device_name, pin)
    }

    /// Takes in the officer as headquarters answered. `present`: a colleague who is unlocked here and hands over the keys he shares.
    pub fn enrolled(&self, enrolling: &Enrolling, answer: &Enrolled, code: &Code, pin: &str, present: Option<&Store>) -> Result<()> {
        let taking = TakingIn { enrolling, answer, address: &code.address };
        self.shared.keyring.enrol(&taking, pin, present.map(Store::session), self.shared.lease_now_ms()?)
    }

    /// Opens an officer's keys by his PIN, and his compartments with them.
    pub fn unlock(&self, handle: &str, pin: &str) -> Result<Store> {
        let session = self.shared.keyring.unlock(handle, pin, self.now_ms())?;
        self.shared.sweep()?;
        self.shared.keyring.write_seen(self.shared.lease_now_ms()?)?;
        let opened = Store::open(self.shared.clone(), session);
        if matches!(opened, Err(Error::StorageFull)) {
            self.shared.home.reserve().free();
        }
        opened
    }

    /// An identity for a record that is begun now.
    pub fn new_record(&self) -> Result<RecordId> {
        Ok(RecordId::new(self.now_ms(), random()?))
    }
}

/// Reads the text of an enrolment code.
pub fn read_code(text: &str) -> Result<Code> {
    use base64::Engine as _;
    let bad = |why: &str| Error::Input(format!("this is not an enrolment code: {why}"));
    let rest = text.trim().strip_prefix(CODE_PREFIX).ok_or_else(|| bad("it begins with `daftar1.`"))?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(rest).map_err(|_| bad("it is cut or mistyped"))?;
    Code::read(&bytes).map_err(|_| bad("it is cut or mistyped"))
}
