//! A device in the simulation: the real engine over real files, its officers, its clock. Never reaches headquarters but through a link.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use daftar_core::authorize::Action;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, DeviceId, OfficerId, RecordId};
use daftar_core::time::Stamp;
use daftar_device::clock::FixedClock;
use daftar_device::{Device, Store};
use daftar_wire::stream::StreamId;

use crate::broken::{Broken, Checked};
use crate::folder::copy;
use crate::hq::{Hq, Person};

/// Everybody's PIN.
pub const PIN: &str = "48151623";

/// A form that an officer has open: what he saw.
#[derive(Debug, Clone)]
pub struct Form {
    /// Where.
    pub compartment: Compartment,
    /// Of which record.
    pub record: RecordId,
    /// Its heads then.
    pub heads: Vec<ChangeName>,
}

/// What the simulation remembers of a device's disk: it goes with the disk when that is copied or put back.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    /// The changes of each record that are here: none may go.
    pub held: BTreeMap<(Compartment, RecordId), BTreeSet<ChangeName>>,
    /// Changes that it knows to be in review.
    pub review: BTreeSet<ChangeName>,
    /// Saves that were acknowledged on this disk.
    pub own: BTreeSet<ChangeName>,
    /// The last stamp written in each compartment.
    pub stamps: BTreeMap<Compartment, Stamp>,
    /// How far each own stream was receipted.
    pub receipted: BTreeMap<StreamId, u64>,
    /// How often headquarters had been restored, put back or had noticed it when an exchange of each compartment last finished.
    pub heard: BTreeMap<Compartment, u64>,
    /// Each officer's last contact that finished.
    pub contacts: BTreeMap<OfficerId, Contact>,
}

/// A contact that finished: from it leases count.
#[derive(Debug, Clone)]
pub struct Contact {
    /// When, by the true time.
    pub at_ms: u64,
    /// What was open then.
    pub open: BTreeSet<Compartment>,
    /// No clock was wrong then or set since: what the device counts is the true time.
    pub is_sure: bool,
}

/// A device.
pub struct Tablet {
    /// How the trace calls it.
    pub label: String,
    /// Where it stands.
    pub home: PathBuf,
    /// Its clock.
    pub clock: Arc<FixedClock>,
    /// How far that is off, in milliseconds.
    pub skew_ms: i64,
    /// By how much it runs fast, in millionths.
    pub drift_ppm: i64,
    /// The greatest time that it ever showed.
    pub latest_ms: u64,
    /// Who is enrolled on it.
    pub people: Vec<Person>,
    /// As headquarters knows it.
    pub id: DeviceId,
    device: Option<Device>,
    store: Option<Arc<Store>>,
    /// Who is unlocked.
    pub unlocked: Option<usize>,
    /// What its disk must hold.
    pub disk: Remembered,
    /// Forms that were opened.
    pub forms: Vec<Form>,
    /// So many steps more nobody sees it.
    pub away: u32,
    /// Its disk was cloned or put back.
    pub was_copied: bool,
    /// Until when its uptime was counted, in milliseconds of UTC.
    pub ran_to_ms: u64,
    /// Compartments that it may purge or fetch anew: an officer was given or refused something there since the last quiet point.
    pub may_lose: BTreeSet<Compartment>,
    /// What each officer has there, closed to him for good, of what headquarters may have lost: it keeps that until it is given to him again.
    pub locked: BTreeMap<OfficerId, BTreeSet<Compartment>>,
    /// A copy of its folder, taken earlier.
    pub backup: Option<(PathBuf, Remembered)>,
    /// Generations of its folder so far.
    copies: u32,
}

impl Tablet {
    /// A new device, with its first officer.
    pub fn new(label: &str, folder: &Path, now_ms: u64) -> Checked<Self> {
        let home = folder.join(label);
        let clock = Arc::new(FixedClock::at(now_ms));
        let device = Device::open_with(&home, Box::new(clock.clone()))?;
        Ok(Self {
            label: label.to_owned(),
            home,
            clock,
            skew_ms: 0,
            drift_ppm: 0,
            latest_ms: now_ms,
            people: Vec::new(),
            id: DeviceId([0; 16]),
            device: Some(device),
            store: None,
            unlocked: None,
            disk: Remembered::default(),
            forms: Vec::new(),
            away: 0,
            was_copied: false,
            ran_to_ms: now_ms,
            may_lose: BTreeSet::new(),
            locked: BTreeMap::new(),
            backup: None,
            copies: 0,
        })
    }

    /// The device.
    pub fn device(&self) -> &Device {
        self.device.as_ref().expect("a device is open between two steps")
    }

    /// The unlocked store.
    pub fn store(&self) -> Option<Arc<Store>> {
        self.store.clone()
    }

    /// The unlocked store; the step was possible only with one.
    pub fn unlocked_store(&self) -> Checked<Arc<Store>> {
        self.store().ok_or_else(|| Broken("a step wants an unlocked device".into()))
    }

    /// Who is unlocked.
    pub fn person(&self) -> Option<&Person> {
        self.unlocked.and_then(|i| self.people.get(i))
    }

    /// The compartments whose own file is open to whoever is unlocked.
    pub fn open(&self) -> BTreeSet<Compartment> {
        let Some(store) = &self.store else { return BTreeSet::new() };
        // Whoever asks closes what is over.
        let readable = store.allowed(Action::Read);
        let closed = store.closed();
        readable.into_iter().filter(|c| !closed.contains(c)).collect()
    }

    /// From now on nobody knows when its leases end.
    pub fn doubt_leases(&mut self) {
        self.disk.contacts.values_mut().for_each(|c| c.is_sure = false);
    }

    /// Enrols an officer; `handed`: the officer who is unlocked hands over the keys.
    pub fn enrol(&mut self, hq: &Hq, person: Person, handed: bool) -> Checked {
        let code = hq.code(&person)?;
        let device = self.device();
        let (enrolling, request) = device.enrol_request(&code, &self.label, PIN)?;
        let answer = hq.enrol(request)?;
        let present = self.store.as_deref().filter(|_| handed);
        device.enrolled(&enrolling, &answer, &code, PIN, present)?;
        self.id = answer.device;
        self.people.push(person);
        Ok(())
    }

    /// Unlocks an officer.
    pub fn unlock(&mut self, person: usize) -> Checked<Arc<Store>> {
        self.store = None;
        self.unlocked = None;
        let store = Arc::new(self.device().unlock(&self.people[person].handle, PIN)?);
        self.store = Some(store.clone());
        self.unlocked = Some(person);
        Ok(store)
    }

    /// Locks, as the app does.
    pub fn lock(&mut self) -> Checked {
        if let Some(store) = self.store.take() {
            store.lock()?;
        }
        self.unlocked = None;
        Ok(())
    }

    /// The process dies: what is on the disk at this moment, write-ahead logs and all, is what the next one finds.
    pub fn kill(&mut self) -> Checked {
        let image = self.image()?;
        self.store = None;
        self.unlocked = None;
        self.device = None;
        self.forms.clear();
        fs::remove_dir_all(&self.home)?;
        self.move_to(image)
    }

    /// A copy of the folder as it is now.
    pub fn image(&mut self) -> Checked<PathBuf> {
        self.copies += 1;
        let to = self.home.with_file_name(format!("{}.{}", self.label, self.copies));
        copy(&self.home, &to)?;
        Ok(to)
    }

    /// Puts an earlier copy of the folder in place of the folder.
    pub fn put_back(&mut self, image: PathBuf, disk: Remembered) -> Checked {
        self.store = None;
        self.unlocked = None;
        self.device = None;
        self.forms.clear();
        fs::remove_dir_all(&self.home)?;
        self.disk = disk;
        self.move_to(image)
    }

    fn move_to(&mut self, home: PathBuf) -> Checked {
        self.home = home;
        self.device = Some(Device::open_with(&self.home, Box::new(self.clock.clone()))?);
        Ok(())
    }

    /// A second device with the same folder.
    pub fn cloned(&mut self, label: &str, now_ms: u64) -> Checked<Self> {
        let image = self.image()?;
        let clock = Arc::new(FixedClock::at(now_ms));
        let device = Device::open_with(&image, Box::new(clock.clone()))?;
        Ok(Self {
            label: label.to_owned(),
            home: image,
            clock,
            people: self.people.clone(),
            id: self.id,
            device: Some(device),
            disk: self.disk.clone(),
            store: None,
            unlocked: None,
            forms: Vec::new(),
            backup: None,
            ran_to_ms: now_ms,
            may_lose: self.may_lose.clone(),
            locked: self.locked.clone(),
            ..*self
        })
    }
}
