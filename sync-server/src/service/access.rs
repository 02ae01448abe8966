//! What a device holds for its officers, and what it is told when they may use it no more; keys that it had sealed to headquarters.
//! Every doubt is answered by nothing and a line in the log.

use std::collections::{HashMap, HashSet};

use daftar_core::authorize::{Action, authorize};
use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, OfficerId};
use daftar_wire::message::{Access, Answer, Notice, Purged, Reopen, Reopened, Revocation};
use daftar_wire::seal;
use rusqlite::Connection;
use tokio::sync::mpsc::Sender;

use super::{Gone, Peer, Road, Service, present, say, where_room};
use crate::error::Result;
use crate::hq::Headquarters;
use crate::register::Known;
use crate::store::access::{self, Door};
use crate::store::meta::{self, Doubt, Place};
use crate::store::people;

/// What a compartment's key is sealed for; the additional data is the name of its file on the device.
const KEY: &str = "daftar compartment key 1";
/// What a segment in an outbox is sealed for; the additional data is the device.
const OUTBOX: &str = "daftar outbox 1";

/// What an officer may do in a compartment from this device at this moment.
pub(super) fn access(known: &Known, officer: &OfficerId, device: &DeviceId, name: &Compartment, now_ms: u64) -> Access {
    let may = |action| !known.is_over(officer, now_ms) && authorize(officer, Some(device), action, name, now_ms, known).is_ok();
    Access { read: may(Action::Read), write: may(Action::Write) }
}

fn opens(access: Access) -> bool {
    access.read || access.write
}

/// The doors of a device as it was told of them.
pub(super) struct Doors(HashMap<(OfficerId, i64), Door>);

/// A door that the device is to be told of.
pub(super) struct Opening {
    officer: OfficerId,
    place: Place,
    pub(super) access: Access,
}

impl Doors {
    pub(super) fn of(tx: &Connection, device: &DeviceId) -> Result<Self> {
        Ok(Self(access::doors(tx, device)?.into_iter().map(|d| ((d.officer, d.place.id), d)).collect()))
    }

    /// True if the device has shut all doors of these officers there: whatever it says that it holds, it holds no more.
    pub(super) fn are_shut(&self, officers: &[OfficerId], place: &Place) -> bool {
        let mut doors = officers.iter().filter_map(|o| self.0.get(&(*o, place.id))).peekable();
        doors.peek().is_some() && doors.all(|d| d.purged.is_some())
    }

    /// The officer's door, if the device does not know it as it is.
    pub(super) fn news(&self, officer: &OfficerId, place: &Place, access: Access) -> Option<Opening> {
        let told = self.0.get(&(*officer, place.id)).filter(|d| d.purged.is_none()).map(|d| d.access);
        (opens(access) && told != Some(access)).then(|| Opening { officer: *officer, place: place.clone(), access })
    }
}

/// Says to each officer of the device what he may use no more, until the device's word comes that it is shut.
struct Lost {
    officer: OfficerId,
    place: Place,
    at_ms: u64,
    /// It is not written down yet.
    is_news: bool,
}

/// What of a device's doors is to be said, when these officers are unlocked there and it says that it holds these compartments.
fn lost(
    hq: &Headquarters,
    tx: &Connection,
    device: &DeviceId,
    (officers, held): (&[OfficerId], &HashSet<Compartment>),
) -> Result<(Vec<Lost>, Vec<Door>)> {
    let now_ms = hq.clock.now_ms();
    let mut known = Known::default();
    for officer in officers {
        known.learn(tx, officer, Some(device))?;
    }
    let (mut lost, mut regained) = (Vec::new(), Vec::new());
    for door in access::doors(tx, device)? {
        known.learn(tx, &door.officer, Some(device))?;
        let is_open_to = |officer: &OfficerId| opens(access(&known, officer, device, &door.place.name, now_ms));
        let is_open = is_open_to(&door.officer);
        if door.purged.is_some() {
            // It was purged, and yet is held: by a copy of the disk, or one that was put back.
            let is_held = held.contains(&door.place.name) && officers.contains(&door.officer) && !officers.iter().any(is_open_to);
            if is_held {
                let at_ms = door.revoked_ms.unwrap_or(now_ms);
                lost.push(Lost { officer: door.officer, place: door.place, at_ms, is_news: false });
            }
            continue;
        }
        match (is_open, door.revoked_ms) {
            (true, None) => {}
            (true, Some(_)) => regained.push(door),
            (false, Some(at_ms)) => lost.push(Lost { officer: door.officer, place: door.place, at_ms, is_news: false }),
            (false, None) => {
                let grant = people::grant(tx, &door.officer, &door.place)?;
                let ended = grant.and_then(|g| g.grant.until_ms).filter(|until| *until < now_ms);
                let at_ms = grant.and_then(|g| g.revoked_ms).or(ended).unwrap_or(now_ms);
                lost.push(Lost { officer: door.officer, place: door.place, at_ms, is_news: true });
            }
        }
    }
    Ok((lost, regained))
}

impl Service {
    /// Says what was revoked, unlocked or not, and goes on saying it until the purge receipt has come, and after it to who says that it is
    /// `held` still; of `not_yet` in a later exchange.
    pub(super) async fn send_revoked(
        &self,
        peer: &Peer,
        held: HashSet<Compartment>,
        not_yet: &HashSet<Compartment>,
        answers: &Sender<Answer>,
    ) -> Result<std::result::Result<(), Gone>> {
        let (device, officers) = (peer.device, peer.officers.clone());
        let lost = self
            .blocking(move |hq| {
                let (lost, regained) = hq.store.read(|tx| lost(hq, tx, &device, (&officers, &held)))?;
                if !regained.is_empty() || lost.iter().any(|l| l.is_news) {
                    where_room(hq.store.write(|tx| {
                        let lost = lost.iter().filter(|l| l.is_news);
                        lost.map(|l| (&l.officer, &l.place, Some(l.at_ms)))
                            .chain(regained.iter().map(|d| (&d.officer, &d.place, None)))
                            .try_for_each(|(officer, place, at)| access::mark_door(tx, &device, officer, place, at))
                    }))?;
                }
                Ok(lost)
            })
            .await?;
        let lost: Vec<Lost> = lost.into_iter().filter(|l| !not_yet.contains(&l.place.name)).collect();
        if !lost.is_empty() {
            // Whoever is to purge knows first in which life: what this one may lack is offered before it goes.
            let epoch = self.blocking(|hq| hq.store.read(|tx| Ok(meta::life(tx)?.epoch))).await?;
            if say(answers, Answer::Notice(Notice::NewEpoch { epoch })).await.is_err() {
                return Ok(Err(Gone));
            }
        }
        for Lost { officer, place, at_ms, is_news } in lost {
            if is_news {
                tracing::warn!(%device, %officer, compartment = %place.name, "a revocation is said for the first time");
            }
            let revocation = Revocation::sign(&self.hq.keys.signing, officer, place.name, at_ms);
            if say(answers, Answer::Notice(Notice::Revoked(revocation))).await.is_err() {
                return Ok(Err(Gone));
            }
        }
        Ok(Ok(()))
    }

    /// Writes down doors before the device is told of them; false: there is no room, and it is not told.
    pub(super) async fn open_doors(&self, device: DeviceId, openings: Vec<Opening>) -> Result<bool> {
        if openings.is_empty() {
            return Ok(true);
        }
        self.blocking(move |hq| {
            let now_ms = hq.clock.now_ms();
            let open = |o: &Opening, tx: &_| access::open_door(tx, &device, &o.officer, &o.place, o.access, now_ms);
            Ok(where_room(hq.store.write(|tx| openings.iter().try_for_each(|o| open(o, tx))))?.is_some())
        })
        .await
    }

    /// Keeps a device's word that a door is shut.
    pub(super) async fn purged(&self, peer: &Peer, purged: Purged) -> Result<()> {
        let (device, key, road) = (peer.device, peer.key, peer.road);
        self.blocking(move |hq| {
            let (officer, compartment) = (purged.officer, purged.compartment.clone());
            if let Err(error) = purged.verify(&key, &device) {
                tracing::warn!(%device, %officer, %error, "a purge receipt was passed over");
                return Ok(());
            }
            let kept = hq.store.write(|tx| {
                let place = meta::compartment(tx, &compartment)?;
                if let (Road::Pack, Some(place)) = (road, &place)
                    && access::doors(tx, &device)?
                        .iter()
                        .any(|d| d.officer == officer && d.place.id == place.id && d.opened_ms >= purged.at_ms)
                {
                    // It may be the word of a pack that lay in a drawer while the door was opened again.
                    return Ok(false);
                }
                match (place, people::officer_keys(tx, &device, &officer)?) {
                    (Some(place), Some(_)) => access::shut_door(tx, &device, &place, &purged, hq.clock.now_ms()).map(|()| true),
                    (Some(_) | None, _) => Ok(false),
                }
            })?;
            if kept {
                tracing::info!(%device, %officer, %compartment, removed = purged.removed, "a device has purged");
            } else {
                tracing::warn!(%device, %officer, "a purge receipt for what is not known, or was opened since, was passed over");
            }
            Ok(())
        })
        .await
    }

    /// Opens what a device had sealed in its outbox: a segment's bytes.
    pub(super) async fn unseal(&self, peer: &Peer, sealed: Vec<u8>) -> Result<Option<Vec<u8>>> {
        let device = peer.device;
        self.blocking(move |hq| match seal::open(&hq.keys.opening, OUTBOX, &device.0, &sealed) {
            Ok(plain) => Ok(Some(plain.to_vec())),
            Err(error) => {
                tracing::warn!(%device, %error, "something sealed could not be opened and was passed over");
                Ok(None)
            }
        })
        .await
    }

    /// Hands a compartment's key back to an unlocked officer who may use it.
    pub(super) async fn reopen(&self, peer: &Peer, asked: Reopen, answers: &Sender<Answer>) -> Result<()> {
        let (device, named) = (peer.device, peer.officers.contains(&asked.officer));
        let handed = self
            .blocking(move |hq| {
                let handed = if named { hand_back(hq, &device, &asked)? } else { Err("the officer is not unlocked") };
                if let Err(why) = handed {
                    tracing::warn!(%device, officer = %asked.officer, why, "a compartment's key was asked for and is not handed back");
                }
                Ok(handed.ok())
            })
            .await?;
        if let Some((reopened, opening)) = handed
            && self.open_doors(device, vec![opening]).await?
        {
            let _ = say(answers, Answer::Reopened(reopened)).await;
        }
        Ok(())
    }
}

type Handed = std::result::Result<(Reopened, Opening), &'static str>;

fn hand_back(hq: &Headquarters, device: &DeviceId, asked: &Reopen) -> Result<Handed> {
    let Ok(plain) = seal::open(&hq.keys.opening, KEY, asked.file.as_bytes(), &asked.escrow) else {
        return Ok(Err("what was sealed cannot be opened"));
    };
    if Reopen::compartment_of(&plain).as_ref() != Ok(&asked.compartment) {
        return Ok(Err("the key is of another compartment"));
    }
    hq.store.read(|tx| {
        if meta::doubt(tx, Doubt::Restored)?.is_some() {
            return Ok(Err("nobody has confirmed yet who may still read"));
        }
        let (Some(place), [_]) =
            (meta::compartment(tx, &asked.compartment)?, present(tx, device, &[asked.officer], hq.clock.now_ms())?.as_slice())
        else {
            return Ok(Err("no such officer or compartment there"));
        };
        let mut known = Known::default();
        known.learn(tx, &asked.officer, Some(device))?;
        let access = access(&known, &asked.officer, device, &asked.compartment, hq.clock.now_ms());
        let Some(keys) = people::officer_keys(tx, device, &asked.officer)?.filter(|_| opens(access)) else {
            return Ok(Err("it is not open to him"));
        };
        let sealed = seal::seal(&keys.sealing_key, KEY, asked.file.as_bytes(), &plain)?;
        let Reopen { officer, compartment, file, escrow: _ } = asked.clone();
        Ok(Ok((Reopened { officer, compartment, file, sealed }, Opening { officer, place, access })))
    })
}
