//! What a device is sent: of each compartment that its unlocked officers may read at this moment, what it lacks.
//! Never a byte of any other.

use std::collections::HashMap;

use daftar_core::authorize::{Action, authorize};
use daftar_core::compartment::{Audience, Compartment};
use daftar_core::ids::{Digest, Head, OfficerId};
use daftar_wire::message::{Access, Answer, Cursor, End, FeedItem, FeedVerdict, Notice, Root, root};
use daftar_wire::stream::digest;
use rusqlite::Connection;
use tokio::sync::mpsc::Sender;

use super::{Gone, Peer, Service, merged, present, say};
use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::register::Known;
use crate::store::cursor;
use crate::store::feed::{self, Entry, FeedHead, Kind};
use crate::store::meta::{self, Life, Place};

/// Bytes of entries that are read at once.
const PAGE_BYTES: usize = 256 * 1024;

/// What is to be sent to whom, and within which bounds.
pub(super) struct Down {
    pub(super) life: Life,
    pub(super) officers: Vec<OfficerId>,
    /// The root of the list that the device began with.
    pub(super) began: Root,
    /// Where it stands.
    pub(super) list: Vec<Cursor>,
    /// Bytes that it still wants.
    pub(super) left: u64,
    /// Something was left out already.
    pub(super) more: bool,
}

/// A compartment that is served: from where to where.
struct Serving {
    place: Place,
    access: Access,
    /// What the device said of it.
    cursor: Option<Cursor>,
    /// The last number that the device has.
    after: u64,
    to: FeedHead,
    digest: Digest,
}

fn chain8(chain: &Head) -> [u8; 8] {
    *chain.0.first_chunk().expect("a head has 32 bytes")
}

impl Serving {
    /// Where the device stands when it has all of this.
    fn reached(&self, life: &Life) -> Cursor {
        if !self.access.read {
            // Nothing of a feed that he may only write to is told; the cursor says that he was told of it.
            return cursor_at(life, &self.place, 0, [0; 8], Digest([0; 32]));
        }
        cursor_at(life, &self.place, self.to.n, chain8(&self.to.chain), self.digest)
    }
}

fn cursor_at(life: &Life, place: &Place, n: u64, chain: [u8; 8], digest: Digest) -> Cursor {
    let ranges = if n == 0 { Vec::new() } else { vec![(1, n)] };
    Cursor { compartment: place.name.clone(), epoch: life.epoch, ranges, chain, digest }
}

/// What comes first: the reference, then watch-lists, then by name.
fn order(name: &Compartment) -> (u8, &str) {
    let rank = match name.audience() {
        Audience::Reference => 0,
        Audience::Watchlist(_) => 1,
        Audience::Team(_) | Audience::Agency(..) | Audience::Operation(_) | Audience::Hits(_) | Audience::Audit(_) => 2,
    };
    (rank, name.as_str())
}

impl Service {
    /// Sends what the device lacks and the end. Returns how many entries were sent.
    pub(super) async fn send_down(&self, peer: &Peer, down: Down, answers: &Sender<Answer>) -> Result<std::result::Result<u64, Gone>> {
        let Down { life, officers, began, list, mut left, mut more } = down;
        let device = peer.device;
        let (list, serving) =
            self.blocking(move |hq| hq.store.read(|tx| serving(hq, tx, &life, &device, &officers, &list)).map(|s| (list, s))).await?;
        for s in serving.iter().filter(|s| s.cursor.is_none()) {
            let notice = Notice::Granted { compartment: s.place.name.clone(), access: s.access };
            if say(answers, Answer::Notice(notice)).await.is_err() {
                return Ok(Err(Gone));
            }
        }
        let (mut cursors, mut sent) = (Vec::new(), 0);
        for s in serving {
            let Ok(feed) = self.send_feed(peer, &life, &s, &mut left, answers).await? else {
                return Ok(Err(Gone));
            };
            sent += feed.sent;
            more |= feed.cursor.as_ref().is_none_or(|(_, is_all)| !is_all);
            cursors.extend(feed.cursor.map(|(c, _)| c).filter(|c| s.cursor.as_ref() != Some(c)));
        }
        let after = merged(list, cursors.clone());
        let ends = root(&after);
        if ends != began {
            // Kept before it is said: the device may come back with it at once.
            self.blocking(move |hq| hq.store.write(|tx| cursor::keep(tx, &device, &began, &ends, &after))).await?;
        }
        let end = End { time_ms: self.hq.clock.now_ms(), cursors, more };
        Ok(say(answers, Answer::End(end)).await.map(|()| sent))
    }

    /// Sends one feed, page by page, while `left` bytes last.
    async fn send_feed(
        &self,
        peer: &Peer,
        life: &Life,
        s: &Serving,
        left: &mut u64,
        answers: &Sender<Answer>,
    ) -> Result<std::result::Result<Fed, Gone>> {
        let (mut at, mut sent, mut covered) = (s.after, 0, s.after);
        while s.access.read && at < s.to.n {
            if *left == 0 {
                return Ok(Ok(Fed { sent, cursor: self.partly(life, s, covered).await? }));
            }
            let (place, to, device) = (s.place.clone(), s.to.n, peer.device);
            let began = *life;
            let page = self
                .blocking(move |hq| {
                    hq.store.read(|tx| {
                        let page = feed::page(tx, &place, at, to, Some(&device), PAGE_BYTES)?;
                        Ok((meta::life(tx)? == began).then_some(page))
                    })
                })
                .await?;
            // In another life the feed has another chain: what was begun is not ended.
            let Some(page) = page else { return Ok(Err(Gone)) };
            if page.is_empty() {
                break;
            }
            for entry in page {
                if *left == 0 {
                    break;
                }
                let (n, bytes) = (entry.n, entry.bytes.len() as u64);
                let answer = answer(&s.place.name, covered + 1, entry)?;
                if say(answers, answer).await.is_err() {
                    return Ok(Err(Gone));
                }
                (at, covered) = (n, n);
                sent += 1;
                *left = left.saturating_sub(bytes);
            }
        }
        Ok(Ok(Fed { sent, cursor: Some((s.reached(life), true)) }))
    }

    /// Where the device stands when it has the feed up to `n` and no further.
    async fn partly(&self, life: &Life, s: &Serving, n: u64) -> Result<Option<(Cursor, bool)>> {
        if n == s.after {
            return Ok(None);
        }
        let (place, life) = (s.place.clone(), *life);
        let cursor = self
            .blocking(move |hq| {
                hq.store.read(|tx| {
                    let chain = feed::chain_at(tx, &place, n)?.map_or([0; 8], |c| chain8(&c));
                    Ok(cursor_at(&life, &place, n, chain, feed::digest_at(tx, &place, n)?))
                })
            })
            .await?;
        Ok(Some((cursor, false)))
    }
}

/// What was sent of a feed.
struct Fed {
    sent: u64,
    /// Where that leaves the device, and whether that is the feed's end; `None`: where it was.
    cursor: Option<(Cursor, bool)>,
}

fn answer(compartment: &Compartment, from: u64, entry: Entry) -> Result<Answer> {
    let (compartment, n, chain) = (compartment.clone(), entry.n, chain8(&entry.chain));
    Ok(match entry.kind {
        Kind::Segment { .. } => Answer::Item(FeedItem { compartment, from, n, chain, segment: entry.bytes }),
        Kind::Verdict(sig) => {
            let rulings = FeedVerdict::read_rulings(&entry.bytes)?;
            Answer::Verdict(FeedVerdict { compartment, from, n, chain, rulings, sig })
        }
    })
}

/// What is served to whom: everything as at one moment.
fn serving(
    hq: &Headquarters,
    tx: &Connection,
    life: &Life,
    device: &daftar_core::ids::DeviceId,
    officers: &[daftar_core::ids::OfficerId],
    list: &[Cursor],
) -> Result<Vec<Serving>> {
    if meta::life(tx)? != *life {
        return Err(Error::Unexpected("the server began another life within an exchange".into()));
    }
    let officers = present(tx, device, officers)?;
    let mut register = Known::default();
    for officer in &officers {
        register.learn(tx, officer, Some(device))?;
    }
    let now = hq.clock.now_ms();
    let by_name: HashMap<&Compartment, &Cursor> = list.iter().map(|c| (&c.compartment, c)).collect();
    let mut serving = Vec::new();
    for place in meta::compartments(tx)? {
        let may = |action| officers.iter().any(|o| authorize(o, Some(device), action, &place.name, now, &register).is_ok());
        let access = Access { read: may(Action::Read), write: may(Action::Write) };
        let cursor = by_name.get(&place.name).copied().cloned();
        // Who may only write there is told so once.
        if access.read || (access.write && cursor.is_none()) {
            let to = feed::head(tx, &place)?;
            let after = cursor.as_ref().map_or(Ok(0), |c| has(life, tx, &place, c, &to))?;
            let digest = digest(&feed::stream_heads(tx, &place)?);
            serving.push(Serving { place, access, cursor, after, to, digest });
        }
    }
    serving.sort_by(|a, b| order(&a.place.name).cmp(&order(&b.place.name)));
    Ok(serving)
}

/// The last number of the unbroken beginning of the feed that a device has by its cursor; zero if the cursor is not of this feed.
fn has(life: &Life, tx: &Connection, place: &Place, cursor: &Cursor, to: &FeedHead) -> Result<u64> {
    let (Some((1, has)), Some((_, last))) = (cursor.ranges.first(), cursor.ranges.last()) else {
        return Ok(0);
    };
    if cursor.epoch != life.epoch {
        return Ok(0);
    }
    let chain = if *last == to.n { Some(to.chain) } else { feed::chain_at(tx, place, *last)? };
    if chain.is_some_and(|c| chain8(&c) == cursor.chain) {
        return Ok(*has);
    }
    // Said, and followed up, where the cursors are first looked at.
    Ok(0)
}
