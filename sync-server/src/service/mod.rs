//! The exchange and the enrolment, without HTTP: who asks is known when it begins. Never opens a socket.

mod access;
mod admission;
mod attest;
mod down;
mod enrol;
pub(crate) mod files;
mod heads;
mod judge;
mod keep;
mod lineage;
mod prepare;
mod regroup;
mod relay;
mod resume;
mod serving;
mod turns;
mod up;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use daftar_core::authorize::Register as _;
use daftar_core::ids::{DeviceId, Epoch, OfficerId};
use daftar_wire::message::{Answer, Ask, Cursor, End, Hello, Notice, Root};
use daftar_wire::sign::{VerifyingKey, verifying_key};
use daftar_wire::stream::StreamId;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::watch;

use crate::epoch::{self, Past};
use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::register::Known;
use crate::store::meta::{self, Doubt, Life};
use crate::store::people::Device;
use crate::store::{cursor, people};

pub use enrol::EnrolError;
pub use files::FilesExchanged;

use down::{Down, page_bytes};
use heads::Compared;
use resume::Resume;
use up::Holds;

/// What an exchange came to; for logs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// Changes that were taken.
    pub taken: u64,
    /// Entries of feeds that were sent.
    pub sent: u64,
    /// The device was told that all was said.
    pub ended: bool,
}

/// The service that devices speak to.
pub struct Service {
    hq: Arc<Headquarters>,
    /// When a segment was last committed here.
    committed: watch::Sender<Option<Instant>>,
    /// When each device has spoken and how many changes were taken from it, not written down yet.
    contacts: Mutex<HashMap<DeviceId, (u64, u64)>>,
    /// When each stream was last asked for from its beginning.
    asked_anew: Mutex<HashMap<StreamId, u64>>,
}

/// The other end of an exchange.
struct Peer {
    device: DeviceId,
    key: VerifyingKey,
    /// The life of the server whose receipts may leave out what the device knows: it goes on from an exchange with it, and knows its own
    /// streams as they stand.
    short: Option<Epoch>,
    /// Something came from its outbox: of such streams it may know nothing now.
    sealed: AtomicBool,
    /// Who is unlocked, as the hello says.
    officers: Vec<OfficerId>,
    /// By which road it speaks.
    road: Road,
}

/// By which road a device's question came and its answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Road {
    /// A link: the device hears the answer at once.
    Link,
    /// Courier packs: question and answer may be late, lost, or read twice.
    Pack,
}

/// What the server is to a device, at one moment.
struct Standing {
    life: Life,
    /// The device's cursors name another.
    is_new_epoch: bool,
    /// What it says of who may read is confirmed.
    is_confirmed: bool,
}

/// The other end has gone: there is nobody to tell.
struct Gone;

impl Service {
    /// A service over an opened headquarters.
    pub fn new(hq: Arc<Headquarters>) -> Self {
        Self { hq, committed: watch::Sender::new(None), contacts: Mutex::default(), asked_anew: Mutex::default() }
    }

    /// The headquarters that it serves.
    pub fn hq(&self) -> &Arc<Headquarters> {
        &self.hq
    }

    /// Says when a segment was last committed, and wakes whoever waits for the next.
    pub fn commits(&self) -> watch::Receiver<Option<Instant>> {
        self.committed.subscribe()
    }

    /// The device that holds this Ed25519 key, if it is known and not headquarters' own.
    pub async fn device_with_key(&self, key: [u8; 32]) -> Result<Option<Device>> {
        let own = self.hq.identity.device;
        let found = self.blocking(move |hq| hq.store.read(|tx| people::device_with_key(tx, &key))).await?;
        Ok(found.filter(|d| d.id != own))
    }

    /// One exchange with a device whose key was proven. Takes segments as they come and answers each when it is
    /// committed; after the end of the question it sends what the unlocked officers may read and the device lacks.
    pub async fn sync(&self, device: &Device, asks: Receiver<Ask>, answers: &Sender<Answer>) -> Result<Exchanged> {
        self.exchange(device, asks, answers, Road::Link).await
    }

    /// The same by either road.
    pub(crate) async fn exchange(
        &self,
        device: &Device,
        mut asks: Receiver<Ask>,
        answers: &Sender<Answer>,
        road: Road,
    ) -> Result<Exchanged> {
        let mut exchanged = Exchanged::default();
        let Some(Ask::Hello(hello)) = asks.recv().await else {
            return Ok(exchanged);
        };
        let (id, root) = (device.id, hello.root);
        let mut is_anew = false;
        if let Some(lineage) = hello.lineage.filter(|_| road == Road::Link) {
            // Kept before it is answered, and before anything that a copy brings.
            let anew = self.blocking(move |hq| where_room(hq.store.write(|tx| lineage::follow(hq, tx, &id, &lineage)))).await?;
            if let Some(digit) = anew.flatten() {
                is_anew = true;
                let _ = say(answers, Answer::Notice(Notice::Anew { digit })).await;
            }
        }
        let (known, epoch) =
            self.blocking(move |hq| hq.store.read(|tx| Ok((cursor::list(tx, &id, &root)?, meta::life(tx)?.epoch)))).await?;
        let goes_on = !is_anew && root != Root::default();
        let is_of_this_life = |known: &Vec<Cursor>| known.iter().chain(&hello.cursors).all(|c| c.epoch == epoch);
        let peer = Peer {
            device: device.id,
            key: verifying_key(&device.signing_key)?,
            short: (goes_on && known.as_ref().is_some_and(is_of_this_life)).then_some(epoch),
            sealed: AtomicBool::new(false),
            officers: hello.officers.clone(),
            road,
        };
        let up = self.take(&peer, asks, answers).await?;
        exchanged.taken = up.taken;
        self.note_contact(device.id, up.taken);
        let Some(holds) = up.holds else { return Ok(exchanged) };
        let (ended, sent) = match self.answer(&peer, hello, known, holds, answers).await? {
            Ok(sent) => (true, sent),
            Err(Gone) => (false, 0),
        };
        (exchanged.ended, exchanged.sent) = (ended, sent);
        Ok(exchanged)
    }

    async fn answer(
        &self,
        peer: &Peer,
        hello: Hello,
        known: Option<Vec<Cursor>>,
        Holds { heads, locked }: Holds,
        answers: &Sender<Answer>,
    ) -> Result<std::result::Result<u64, Gone>> {
        let (is_known, began) = (known.is_some(), hello.root);
        let list = merged(known.unwrap_or_default(), hello.cursors);
        let standing = self.standing(list.clone()).await?;
        if standing.is_new_epoch && say(answers, Answer::Notice(Notice::NewEpoch { epoch: standing.life.epoch })).await.is_err() {
            return Ok(Err(Gone));
        }
        let (mut left, page) = (hello.budget.unwrap_or(u64::MAX), page_bytes(hello.budget));
        // After a restore nothing leaves before an administrator has confirmed who may still read.
        let reading = if standing.is_confirmed { hello.officers } else { Vec::new() };
        // Who reads a pack goes on with nothing.
        let mut resume = Resume::new(if peer.road == Road::Link { hello.begun } else { Vec::new() });
        let Ok(Compared { sent, is_all, wanted }) = self.compare(peer, &reading, heads, (&mut left, &mut resume), answers).await? else {
            return Ok(Err(Gone));
        };
        if standing.is_confirmed {
            // What another life of this server held, and this one lacks, is asked for before the device is told to purge it.
            let not_yet = if standing.is_new_epoch { wanted } else { HashSet::new() };
            let held = list.iter().map(|c| c.compartment.clone()).chain(locked).collect();
            if self.send_revoked(peer, held, &not_yet, answers).await?.is_err() {
                return Ok(Err(Gone));
            }
        }
        if !is_known && say(answers, Answer::Notice(Notice::RootUnknown)).await.is_err() {
            return Ok(Err(Gone));
        }
        if !is_known || !standing.is_confirmed {
            let end = Answer::End(End { time_ms: self.hq.clock.now_ms(), cursors: Vec::new(), more: false });
            return Ok(say(answers, end).await.map(|()| sent));
        }
        let down = Down { life: standing.life, officers: reading, began, list, left, page, resume, more: !is_all };
        Ok(self.send_down(peer, down, answers).await?.map(|down| sent + down))
    }

    /// What this server is to a device with these cursors; a server that was set back notices it here.
    async fn standing(&self, cursors: Vec<Cursor>) -> Result<Standing> {
        self.blocking(move |hq| {
            let past = hq.store.read(|tx| epoch::past(tx, &meta::life(tx)?, &cursors))?;
            if past == Past::SetBack {
                hq.store.write(|tx| {
                    // Another exchange may have noticed the same meanwhile.
                    if epoch::past(tx, &meta::life(tx)?, &cursors)? == Past::SetBack { epoch::set_back(hq, tx) } else { Ok(false) }
                })?;
            }
            hq.store.read(|tx| {
                let life = meta::life(tx)?;
                Ok(Standing {
                    life,
                    is_new_epoch: cursors.iter().any(|c| c.epoch != life.epoch),
                    is_confirmed: meta::doubt(tx, Doubt::Restored)?.is_none(),
                })
            })
        })
        .await
    }

    /// Remembers that a device has spoken: no exchange waits for the disk only for this.
    fn note_contact(&self, device: DeviceId, taken: u64) {
        let mut contacts = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
        let contact = contacts.entry(device).or_default();
        *contact = (self.hq.clock.now_ms(), contact.1 + taken);
    }

    /// Writes down which devices have spoken.
    pub fn keep_contacts(&self) -> Result<()> {
        let contacts = std::mem::take(&mut *self.contacts.lock().unwrap_or_else(PoisonError::into_inner));
        if contacts.is_empty() {
            return Ok(());
        }
        let kept = self.hq.store.write(|tx| contacts.iter().try_for_each(|(device, (at, taken))| cursor::contact(tx, device, *at, *taken)));
        if kept.is_err() {
            // Written down with the next.
            let mut waiting = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
            for (device, (at, taken)) in contacts {
                let contact = waiting.entry(device).or_default();
                *contact = (contact.0.max(at), contact.1 + taken);
            }
        }
        kept
    }

    async fn blocking<T: Send + 'static>(&self, f: impl FnOnce(&Headquarters) -> Result<T> + Send + 'static) -> Result<T> {
        let hq = self.hq.clone();
        tokio::task::spawn_blocking(move || f(&hq)).await.map_err(Error::stopped)?
    }
}

/// The list with some of its cursors replaced.
fn merged(mut list: Vec<Cursor>, changed: Vec<Cursor>) -> Vec<Cursor> {
    for c in changed {
        list.retain(|l| l.compartment != c.compartment);
        list.push(c);
    }
    list.sort_by(|a, b| a.compartment.cmp(&b.compartment));
    list
}

async fn say(answers: &Sender<Answer>, answer: Answer) -> std::result::Result<(), Gone> {
    answers.send(answer).await.map_err(|_| Gone)
}

/// Officers who are enrolled on the device and active, of those that a hello names; nobody on a device that was struck off.
fn present(tx: &rusqlite::Connection, device: &DeviceId, officers: &[OfficerId], now_ms: u64) -> Result<Vec<OfficerId>> {
    let mut present = Vec::new();
    let mut known = Known::default();
    for officer in officers {
        known.learn(tx, officer, Some(device))?;
        if known.is_active(officer) && known.is_enrolled(officer, device) && !known.is_over(officer, now_ms) {
            present.push(*officer);
        } else {
            tracing::warn!(%device, %officer, "an officer who is not enrolled there was named");
        }
    }
    Ok(present)
}

/// What a full disk cannot write down without harm: the next exchange does it again, and what is held can be read meanwhile.
fn where_room<T>(done: Result<T>) -> Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(Error::StorageFull) => {
            tracing::error!("the storage is full: what is held is still sent, nothing new is kept");
            Ok(None)
        }
        Err(e) => Err(e),
    }
}
