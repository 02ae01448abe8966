//! The world: headquarters, devices, people, time, chance, the model and the trace. Knows no step.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use daftar_core::authorize::Role;
use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::{DeviceId, RecordId};
use tempfile::TempDir;

use crate::broken::{Broken, Checked, hold};
use crate::courier::Pack;
use crate::errors;
use crate::fault::Fault;
use crate::hq::Hq;
use crate::link::Cut;
use crate::model::{Model, Rules};
use crate::policy::Policy;
use crate::rng::Rng;
use crate::rogue::Rogue;
use crate::tablet::Tablet;
use crate::trace::Trace;

/// When every world begins, in milliseconds of UTC.
pub const BEGINS_MS: u64 = 1_790_000_000_000;
/// A day, in milliseconds.
pub const DAY_MS: u64 = 24 * 3_600_000;
/// Segments that were sent are kept for a replay, at most so many.
const SENT_KEPT: usize = 64;
/// In memory, where there is such a place: what a device writes is then on the disk at once.
const MEMORY: &str = "/dev/shm";

/// One world in a process at a time: chance and the ear for errors are the process's.
static ONE: Mutex<()> = Mutex::new(());

/// How large a world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Devices.
    pub devices: usize,
    /// Days.
    pub days: u64,
    /// What happens on each device in a day, on the average.
    pub acts_per_day: u64,
    /// Whether headquarters loses what it had: it is restored, and put back without a word.
    pub losses: bool,
}

impl Default for Size {
    fn default() -> Self {
        Self { devices: 12, days: 30, acts_per_day: 8, losses: false }
    }
}

/// The world.
pub struct World {
    /// Where its chance begins.
    pub seed: u64,
    /// How large it is.
    pub size: Size,
    /// Its chance.
    pub rng: Rng,
    /// What time it is, in milliseconds of UTC.
    pub now_ms: u64,
    /// Headquarters.
    pub hq: Hq,
    /// The devices.
    pub tablets: Vec<Tablet>,
    /// The device that sends what no engine would.
    pub rogue: Rogue,
    /// What must come out.
    pub model: Model,
    /// Who may do what.
    pub policy: Policy,
    /// By which rules the model reads; wrong only in the checks of the checks.
    pub rules: Rules,
    /// What happened.
    pub trace: Trace,
    /// Which faults happened.
    pub seen: BTreeSet<Fault>,
    /// Segments that were sent.
    pub sent: Vec<Vec<u8>>,
    /// Messages of answers that links have cut.
    pub cut: Cut,
    /// Steps so far.
    pub steps: u64,
    /// Milliseconds that pass with each of so many steps more, beside the usual: somebody is far away.
    pub warp: (u32, u64),
    /// Changes that headquarters held at the last quiet point.
    pub at_hq: BTreeSet<daftar_core::ids::ChangeName>,
    /// Those of them that were in review, and those that were when headquarters lost something since.
    pub reviews: BTreeSet<daftar_core::ids::ChangeName>,
    /// Record numbers that were given.
    pub numbers: BTreeSet<(daftar_core::compartment::Compartment, String)>,
    /// Changes that headquarters lost and that are to come back from whoever holds them.
    pub lost: BTreeSet<daftar_core::ids::ChangeName>,
    /// Counts clones.
    pub clones: usize,
    /// Officers whom a leader let in.
    pub admitted: usize,
    /// Records to which a file was added.
    pub photos: BTreeSet<(Compartment, RecordId)>,
    /// Packs that somebody carries.
    pub(crate) packs: Vec<Pack>,
    packed: usize,
    expected: BTreeSet<&'static str>,
    folder: TempDir,
    _one: MutexGuard<'static, ()>,
}

impl World {
    /// A new world.
    pub fn new(seed: u64, size: Size) -> Checked<Self> {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        errors::listen();
        let mut rng = Rng::of(seed);
        for (side, begin) in [(1, daftar_device::simulation::begin as fn(_)), (2, daftar_sync_server::simulation::begin)] {
            let mut chance = Rng::of(rng.number() ^ side);
            begin(Box::new(move |bytes: &mut [u8]| chance.fill(bytes)));
        }
        let folder = match Path::new(MEMORY).is_dir() {
            true => tempfile::tempdir_in(MEMORY),
            false => tempfile::tempdir(),
        }?;
        let hq = Hq::found(&folder.path().join("hq"), BEGINS_MS)?;
        let rogue = Rogue::enrol(&hq, &mut rng)?;
        let mut world = Self {
            seed,
            size,
            rng,
            now_ms: BEGINS_MS,
            hq,
            tablets: Vec::new(),
            rogue,
            model: Model::default(),
            policy: Policy::default(),
            rules: Rules::Book,
            trace: Trace::default(),
            seen: BTreeSet::new(),
            sent: Vec::new(),
            cut: Cut::default(),
            steps: 0,
            warp: (0, 0),
            at_hq: BTreeSet::new(),
            reviews: BTreeSet::new(),
            numbers: BTreeSet::new(),
            lost: BTreeSet::new(),
            clones: 0,
            admitted: 0,
            photos: BTreeSet::new(),
            packs: Vec::new(),
            packed: 0,
            expected: BTreeSet::new(),
            folder,
            _one: one,
        };
        for i in 0..size.devices {
            world.add_tablet(i)?;
        }
        let people = world.tablets.iter().flat_map(|t| &t.people).chain([&world.rogue.person]);
        people.for_each(|p| world.policy.enlist(p));
        world.check_errors()?;
        Ok(world)
    }

    fn add_tablet(&mut self, i: usize) -> Checked {
        let label = format!("d{i:02}");
        let team = format!("imt-{}", i % 3 + 1);
        let agency = Agency::ALL[i / 3 % 3];
        let mut tablet = Tablet::new(&label, self.folder.path(), self.now_ms)?;
        let first = self.hq.person(&format!("{label}-a"), agency, &team, Role::Leader)?;
        tablet.enrol(&self.hq, first, false)?;
        tablet.unlock(0)?;
        if i % 3 != 2 {
            // A colleague of the next agency; on every second device his keys are handed over at once.
            let second = self.hq.person(&format!("{label}-b"), Agency::ALL[(i / 3 + 1) % 3], &team, Role::Officer)?;
            tablet.enrol(&self.hq, second, i.is_multiple_of(2))?;
        }
        if i % 4 == 3 {
            // An officer who has another device too.
            let other = self.tablets[i - 3].people[0].clone();
            tablet.enrol(&self.hq, other, true)?;
        }
        tablet.lock()?;
        self.tablets.push(tablet);
        Ok(())
    }

    /// The folder of everything.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Where the next pack is written.
    pub(crate) fn pack_path(&mut self) -> PathBuf {
        self.packed += 1;
        self.folder.path().join(format!("pack-{}", self.packed))
    }

    /// A line of the trace, about a device.
    pub fn say(&mut self, tablet: usize, what: &str) {
        let t = &self.tablets[tablet];
        let who = t.unlocked.map_or_else(|| "-".to_owned(), |i| i.to_string());
        let (day, minute) = ((self.now_ms - BEGINS_MS) / DAY_MS, (self.now_ms - BEGINS_MS) % DAY_MS / 60_000);
        self.trace.say(format!("{:05} day {day:03} {:02}:{:02} {}/{who} {what}", self.steps, minute / 60, minute % 60, t.label));
    }

    /// This happened.
    pub fn happened(&mut self, fault: Fault) {
        self.seen.insert(fault);
    }

    /// The step may log an ERROR that begins so.
    pub fn expect_error(&mut self, begins: &'static str) {
        self.expected.insert(begins);
    }

    /// An exchange of a device, by whatever road, may log what comes of copied disks and of what headquarters lost.
    pub(crate) fn expect_of_exchange(&mut self, device: DeviceId) {
        if self.tablets.iter().any(|t| t.was_copied) {
            // Of a stream that went two ways the newest may come before the branch that it carries on.
            self.expect_error("an entry of the feed was not taken");
        }
        if self.tablets.iter().any(|t| t.was_copied && t.id == device) {
            self.expect_error("headquarters holds another history of this stream");
        }
        self.expect_unaware();
        if self.hq.lives.lost() > 0 {
            // What was lost comes back in more than one exchange.
            self.expect_error("what headquarters holds is another log still");
        }
    }

    /// No ERROR was logged but those that were expected.
    pub fn check_errors(&mut self) -> Checked {
        let expected = std::mem::take(&mut self.expected);
        let unexpected: Vec<String> = errors::taken().into_iter().filter(|e| !expected.iter().any(|b| e.starts_with(b))).collect();
        hold!(unexpected.is_empty(), "an ERROR was logged: {}", unexpected.join("; "));
        Ok(())
    }

    /// Sets every clock to what it says now.
    pub fn set_clocks(&mut self) {
        let now = self.now_ms;
        let off = |by: i64| now.saturating_add_signed(by);
        self.hq.clock.set(off(self.hq.skew_ms));
        for t in &mut self.tablets {
            let drift = i64::try_from((now - BEGINS_MS) / 1000).unwrap_or(0).saturating_mul(t.drift_ppm) / 1000;
            let shows = off(t.skew_ms.saturating_add(drift));
            t.latest_ms = t.latest_ms.max(shows);
            t.clock.run(now.saturating_sub(t.ran_to_ms));
            t.ran_to_ms = now;
            t.clock.set(shows);
        }
    }

    /// Time goes on.
    pub fn pass_time(&mut self) {
        let mean = DAY_MS / (self.size.acts_per_day * self.size.devices as u64).max(1);
        self.now_ms += 1 + self.rng.below(2 * mean);
        if let Some(left) = self.warp.0.checked_sub(1) {
            self.warp.0 = left;
            self.now_ms += self.warp.1;
        }
        self.set_clocks();
    }

    /// Keeps a segment for a replay.
    pub fn keep_sent(&mut self, segments: Vec<Vec<u8>>) {
        for segment in segments {
            if self.sent.len() < SENT_KEPT {
                self.sent.push(segment);
            } else {
                let at = self.rng.place(SENT_KEPT);
                self.sent[at] = segment;
            }
        }
    }

    /// A device, or the reason why there is none.
    pub fn tablet(&mut self, i: usize) -> Checked<&mut Tablet> {
        self.tablets.get_mut(i).ok_or_else(|| Broken(format!("there is no device {i}")))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.tablets.clear();
        daftar_device::simulation::end();
        daftar_sync_server::simulation::end();
    }
}
