//! Headquarters in the simulation: the real service over a real folder, its clock, its people. Never judges what it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use daftar_core::authorize::{Grant, Role};
use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::{ChangeName, DeviceId, Digest, FileHash, OfficerId};
use daftar_sync_server::admin::{self, NewOfficer};
use daftar_sync_server::clock::FixedClock;
use daftar_sync_server::hq::Headquarters;
use daftar_sync_server::keys::Folder;
use daftar_sync_server::pack::{self, Answered, PACK_FILES_BYTES_MAX};
use daftar_sync_server::service::Service;
use daftar_sync_server::store::feed::Whose;
use daftar_sync_server::store::people::Device as DeviceRow;
use daftar_sync_server::store::{branch, feed, files, meta, people};
use daftar_wire::enrol::{Code, EnrolRequest, Enrolled};
use daftar_wire::message::{FeedVerdict, Ruling, Verdict};
use daftar_wire::segment::Segment;
use daftar_wire::stream::{StreamId, digest};

use crate::broken::{Broken, Checked, hold};
use crate::link::block_on;
use crate::lives::Lives;

const ADDRESS: &str = "127.0.0.1:8443";
/// Bytes of entries that are read at once.
const PAGE_BYTES: usize = 1024 * 1024;
/// The sample's operations and the teams in them.
const OPERATIONS: [(&str, &[&str]); 2] = [("op-qorachiroq", &["imt-1", "imt-2"]), ("op-shamol", &["imt-3", "imt-4", "imt-5"])];

/// An officer, as the simulation knows him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub id: OfficerId,
    /// His handle.
    pub handle: String,
    /// His agency.
    pub agency: Agency,
    /// His team.
    pub team: String,
}

impl Person {
    /// What his role lets him read, said again from the design and not asked of anybody.
    pub fn may_read(&self) -> BTreeSet<Compartment> {
        let mut all = self.may_write();
        all.insert(Compartment::reference());
        all
    }

    /// What his role lets him write.
    pub fn may_write(&self) -> BTreeSet<Compartment> {
        let joint = OPERATIONS.iter().filter(|(_, teams)| teams.contains(&self.team.as_str())).map(|(id, _)| format!("operation/{id}"));
        let names = [format!("team/{}", self.team), format!("agency/{}/{}", self.agency.code(), self.team)];
        names.into_iter().chain(joint).map(|n| n.parse().expect("a compartment of the sample")).collect()
    }
}

/// A change in headquarters' feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its name.
    pub name: ChangeName,
    /// Its device.
    pub device: DeviceId,
    /// Its entry as it came.
    pub entry: daftar_wire::change::Entry,
}

/// Headquarters.
pub struct Hq {
    folder: PathBuf,
    /// Its clock.
    pub clock: Arc<FixedClock>,
    /// How far that clock is off, in milliseconds.
    pub skew_ms: i64,
    service: Option<Arc<Service>>,
    /// Its backups and its folder's copies.
    pub(crate) lives: Lives,
}

impl Hq {
    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Founds it, with the sample's teams and operations.
    pub fn found(folder: &Path, now_ms: u64) -> Checked<Self> {
        let clock = Arc::new(FixedClock::at(now_ms));
        let hq = admin::found(&Folder::new(folder), ADDRESS, true, clock.clone())?;
        Ok(Self {
            folder: folder.to_owned(),
            clock,
            skew_ms: 0,
            service: Some(Arc::new(Service::new(Arc::new(hq)))),
            lives: Lives::default(),
        })
    }

    /// The service.
    pub fn service(&self) -> Arc<Service> {
        self.service.clone().expect("headquarters stands between two steps")
    }

    pub(crate) fn hq(&self) -> Arc<Headquarters> {
        self.service().hq().clone()
    }

    /// Its own device.
    pub fn id(&self) -> DeviceId {
        self.service().hq().identity.device
    }

    /// Ends the process and begins another one over the same folder.
    pub fn restart(&mut self) -> Checked {
        self.stopped(|_, _| Ok(()))
    }

    /// Does something to the folder while no process serves it.
    pub(crate) fn stopped(&mut self, act: impl FnOnce(&Path, Arc<FixedClock>) -> Checked) -> Checked {
        self.service = None;
        act(&self.folder, self.clock.clone())?;
        let hq = Headquarters::open(Folder::new(&self.folder), self.clock.clone())?;
        self.service = Some(Arc::new(Service::new(Arc::new(hq))));
        Ok(())
    }

    /// Adds an officer.
    pub fn person(&self, handle: &str, agency: Agency, team: &str, role: Role) -> Checked<Person> {
        let new = NewOfficer { handle: handle.to_owned(), full_name: None, agency, team: Some(team.to_owned()), role, password: None };
        let added = self.hq().add_officer(&new)?;
        Ok(Person { id: added.officer, handle: handle.to_owned(), agency, team: team.to_owned() })
    }

    /// Gives an officer this in a compartment.
    pub fn grant(&self, person: &Person, c: &Compartment, grant: Grant) -> Checked {
        Ok(self.hq().grant(&person.handle, c, grant)?)
    }

    /// Takes what an officer has in a compartment.
    pub fn revoke(&self, person: &Person, c: &Compartment) -> Checked {
        self.hq().revoke(&person.handle, Some(c))?;
        Ok(())
    }

    /// A code with which a device enrols him.
    pub fn code(&self, person: &Person) -> Checked<Code> {
        Ok(self.hq().make_code(&person.handle, false, 24)?)
    }

    /// Enrols a device.
    pub fn enrol(&self, request: EnrolRequest) -> Checked<Enrolled> {
        let service = self.service();
        block_on(async { service.enrol(request).await }).map_err(|e| Broken(format!("an enrolment was refused: {e}")))
    }

    /// Reads a question from a courier and writes its answer.
    pub(crate) fn answer(&self, question: &Path, out: &Path) -> Checked<Answered> {
        let service = self.service();
        Ok(block_on(pack::answer(&service, question, out, false, PACK_FILES_BYTES_MAX, &|_, _| ()))?)
    }

    /// Whether it holds all of a file.
    pub fn has_file(&self, c: &Compartment, file: &FileHash) -> Checked<bool> {
        let held = self.hq().store.read(|tx| match meta::compartment(tx, c)? {
            Some(place) => Ok(files::whole(tx, &place, file)?.is_some()),
            None => Ok(false),
        });
        Ok(held?)
    }

    /// A device's row.
    pub fn device(&self, id: &DeviceId) -> Checked<DeviceRow> {
        self.hq().store.read(|tx| people::device(tx, id))?.ok_or_else(|| Broken(format!("headquarters does not know device {id}")))
    }

    /// Every change of a compartment's feed, in its order.
    pub fn feed(&self, c: &Compartment) -> Checked<Vec<Held>> {
        self.feed_of(c, |_| true)
    }

    /// The changes of these devices in a compartment's feed.
    pub(crate) fn feed_of(&self, c: &Compartment, whose: impl Fn(&DeviceId) -> bool) -> Checked<Vec<Held>> {
        let mut all = Vec::new();
        let mut at = 0;
        loop {
            let page = self.hq().store.read(|tx| match meta::compartment(tx, c)? {
                Some(place) => feed::page(tx, &place, (at + 1, u64::MAX), &Whose::Everybody, PAGE_BYTES),
                None => Ok(Vec::new()),
            })?;
            let Some(last) = page.last().map(|e| e.n) else { return Ok(all) };
            for entry in page {
                hold!(entry.n == at + 1, "the feed of {c} goes from entry {at} to {}", entry.n);
                at = entry.n;
                if let feed::Kind::Segment { device, .. } = entry.kind
                    && whose(&device)
                {
                    let segment = Segment::read(&entry.bytes)?;
                    all.extend(segment.entries.into_iter().map(|entry| Held { name: entry.name(c), device, entry }));
                }
            }
            hold!(at == last, "the feed of {c} ends elsewhere");
        }
    }

    /// What was ruled in a compartment.
    pub fn rulings(&self, c: &Compartment) -> Checked<Vec<Ruling>> {
        let page = self.hq().store.read(|tx| match meta::compartment(tx, c)? {
            Some(place) => feed::page(tx, &place, (1, u64::MAX), &Whose::Everybody, usize::MAX),
            None => Ok(Vec::new()),
        })?;
        let mut all = Vec::new();
        for entry in page.iter().filter(|e| matches!(e.kind, feed::Kind::Verdict(_))) {
            all.extend(FeedVerdict::read_rulings(&entry.bytes)?);
        }
        Ok(all)
    }

    /// Changes that are in review in a compartment.
    pub fn reviews(&self, c: &Compartment) -> Checked<BTreeSet<ChangeName>> {
        Ok(self.rulings(c)?.into_iter().filter(|r| r.verdict == Verdict::Review).map(|r| r.change).collect())
    }

    /// How far a stream is held, by whichever of its branches goes furthest.
    pub fn held(&self, stream: &StreamId) -> Checked<u64> {
        let row = self.hq().store.read(|tx| match meta::compartment(tx, &stream.compartment)? {
            Some(place) => Ok(branch::rows(tx, &place, stream)?.iter().map(|row| row.n).max().unwrap_or(0)),
            None => Ok(0),
        });
        Ok(row?)
    }

    /// A compartment's digest.
    pub fn digest(&self, c: &Compartment) -> Checked<Digest> {
        let heads = self.hq().store.read(|tx| match meta::compartment(tx, c)? {
            Some(place) => feed::stream_heads(tx, &place),
            None => Ok(Vec::new()),
        })?;
        Ok(digest(&heads))
    }

    /// Checks every chain and signature.
    pub fn verify(&self) -> Checked {
        let report = daftar_sync_server::verify::verify(&self.hq())?;
        hold!(report.bad.is_empty(), "headquarters does not verify: {:?}", report.bad);
        Ok(())
    }

    /// The names in each compartment's feed with how often each stands there.
    pub fn counted(&self, c: &Compartment) -> Checked<BTreeMap<ChangeName, usize>> {
        let mut counted = BTreeMap::new();
        for held in self.feed(c)? {
            *counted.entry(held.name).or_default() += 1;
        }
        Ok(counted)
    }
}
