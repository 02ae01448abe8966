//! What a device is sent: of each compartment that its unlocked officers may read at this moment, what it lacks.
//! Never a byte of any other.

use std::collections::HashMap;

use daftar_core::compartment::{Audience, Compartment};
use daftar_core::ids::{Digest, OfficerId};
use daftar_wire::message::{Access, Answer, Cursor, End, Notice, Root, root};
use daftar_wire::stream::digest;
use rusqlite::Connection;
use tokio::sync::mpsc::Sender;

use super::access::{Doors, Opening, access as may};
use super::regroup::{self, chain8};
use super::{Gone, Peer, Road, Service, merged, present, say, where_room};
use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::register::Known;
use crate::store::cursor;
use crate::store::feed::{self, FeedHead};
use crate::store::meta::{self, Life, Place};

/// Bytes of entries that are read at once, and joined where that is worth it: at most, and for a device on the slowest link.
const PAGE_BYTES: usize = 256 * 1024;
const PAGE_BYTES_MIN: usize = 8 * 1024;
/// A page is such a part of what a device wants in one answer: what is joined covers the feed with its last segment only, so a cut costs a page.
const PAGE_PART: u64 = 16;

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
    /// Bytes of a page.
    pub(super) page: usize,
    /// Something was left out already.
    pub(super) more: bool,
}

/// Bytes of a page for a device that wants so many bytes in answer.
pub(super) fn page_bytes(budget: Option<u64>) -> usize {
    let part = budget.map_or(u64::MAX, |budget| budget / PAGE_PART);
    usize::try_from(part).unwrap_or(PAGE_BYTES).clamp(PAGE_BYTES_MIN, PAGE_BYTES)
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
    /// The device is to be told what its officers may do there.
    is_news: bool,
    openings: Vec<Opening>,
}

impl Serving {
    /// Where the device stands when it has all of this.
    fn reached(&self, life: &Life, road: Road) -> Cursor {
        if !self.access.read {
            // Nothing of a feed that he may only write to is told; the cursor says that he was told of it.
            return cursor_at(life, &self.place, (1, 0), [0; 8], Digest([0; 32]));
        }
        cursor_at(life, &self.place, (self.begins(road), self.to.n), chain8(&self.to.chain), self.digest)
    }

    /// The first number of which its cursor speaks: a pack says only what it brings, for nobody knows what its reader holds by then.
    fn begins(&self, road: Road) -> u64 {
        match road {
            Road::Link => 1,
            Road::Pack => self.after + 1,
        }
    }

    /// Whether a cursor is to be said.
    fn is_told(&self, cursor: &Cursor, road: Road) -> bool {
        let brings_nothing = self.access.read && self.after == self.to.n;
        match road {
            Road::Link => self.cursor.as_ref() != Some(cursor),
            Road::Pack => self.cursor.is_none() || !(brings_nothing || cursor.ranges.is_empty()),
        }
    }
}

fn cursor_at(life: &Life, place: &Place, (from, n): (u64, u64), chain: [u8; 8], digest: Digest) -> Cursor {
    let ranges = if n < from { Vec::new() } else { vec![(from, n)] };
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
        let Down { life, officers, began, list, mut left, page, mut more } = down;
        let device = peer.device;
        let (list, mut serving) =
            self.blocking(move |hq| hq.store.read(|tx| serving(hq, tx, &life, &device, &officers, &list)).map(|s| (list, s))).await?;
        let opened: Vec<bool> = serving.iter().map(|s| !s.openings.is_empty()).collect();
        if !self.open_doors(device, serving.iter_mut().flat_map(|s| s.openings.drain(..)).collect()).await? {
            // Behind a door that is not written down nothing leaves: it could not be called back.
            let mut opened = opened.into_iter();
            serving.retain(|_| opened.next() == Some(false));
        }
        for s in serving.iter().filter(|s| s.is_news) {
            let notice = Notice::Granted { compartment: s.place.name.clone(), access: s.access };
            if say(answers, Answer::Notice(notice)).await.is_err() {
                return Ok(Err(Gone));
            }
        }
        let (mut cursors, mut sent) = (Vec::new(), 0);
        for s in serving {
            let Ok(feed) = self.send_feed(peer, &life, &s, (&mut left, page), answers).await? else {
                return Ok(Err(Gone));
            };
            sent += feed.sent;
            more |= feed.cursor.as_ref().is_none_or(|(_, is_all)| !is_all);
            cursors.extend(feed.cursor.map(|(c, _)| c).filter(|c| s.is_told(c, peer.road)));
        }
        let after = merged(list, cursors.clone());
        let ends = root(&after);
        // An answer that is carried may never arrive: what a link's exchanges left stays what it is.
        if ends != began && peer.road == Road::Link {
            // Kept before it is said: the device may come back with it at once.
            self.blocking(move |hq| where_room(hq.store.write(|tx| cursor::keep(tx, &device, &began, &ends, &after)))).await?;
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
        (left, page_bytes): (&mut u64, usize),
        answers: &Sender<Answer>,
    ) -> Result<std::result::Result<Fed, Gone>> {
        let (mut at, mut sent, mut covered) = (s.after, 0, s.after);
        while s.access.read && at < s.to.n {
            if *left == 0 {
                return Ok(Ok(Fed { sent, cursor: self.partly(life, s, covered, peer.road).await? }));
            }
            let (place, to, device) = (s.place.clone(), s.to.n, peer.device);
            let began = *life;
            // What is joined covers the feed with its last entry only, so a page that was begun is said whole.
            let bytes = page_bytes.min(usize::try_from(*left).unwrap_or(page_bytes));
            let page = self
                .blocking(move |hq| {
                    hq.store.read(|tx| {
                        let page = feed::page(tx, &place, at, to, Some(&device), bytes)?;
                        Ok((meta::life(tx)? == began).then_some(page))
                    })
                })
                .await?;
            // In another life the feed has another chain: what was begun is not ended.
            let Some(page) = page else { return Ok(Err(Gone)) };
            let Some(last) = page.last().map(|e| e.n) else { break };
            let (name, began) = (s.place.name.clone(), covered);
            let said = self.blocking(move |hq| regroup::answers(&name, &hq.identity.device, began, page)).await?;
            for answer in said {
                let (reaches, bytes) = extent(&answer);
                if say(answers, answer).await.is_err() {
                    return Ok(Err(Gone));
                }
                covered = reaches.unwrap_or(covered);
                sent += 1;
                *left = left.saturating_sub(bytes);
            }
            at = last;
        }
        Ok(Ok(Fed { sent, cursor: Some((s.reached(life, peer.road), true)) }))
    }

    /// Where the device stands when it has the feed up to `n` and no further.
    async fn partly(&self, life: &Life, s: &Serving, n: u64, road: Road) -> Result<Option<(Cursor, bool)>> {
        if n == s.after {
            return Ok(None);
        }
        let (place, life, from) = (s.place.clone(), *life, s.begins(road));
        let cursor = self
            .blocking(move |hq| {
                hq.store.read(|tx| {
                    let chain = feed::chain_at(tx, &place, n)?.map_or([0; 8], |c| chain8(&c));
                    Ok(cursor_at(&life, &place, (from, n), chain, feed::digest_at(tx, &place, n)?))
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

/// How far an answer covers the feed, and its bytes.
fn extent(answer: &Answer) -> (Option<u64>, u64) {
    match answer {
        Answer::Item(i) => (Some(i.n), i.segment.len() as u64),
        Answer::Verdict(v) => (Some(v.n), 0),
        Answer::Loose(segment) => (None, segment.len() as u64),
        Answer::Receipt(_) | Answer::Short(_) | Answer::Notice(_) | Answer::Reopened(_) | Answer::End(_) => (None, 0),
    }
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
    let now = hq.clock.now_ms();
    let officers = present(tx, device, officers, now)?;
    let doors = Doors::of(tx, device)?;
    let mut register = Known::default();
    for officer in &officers {
        register.learn(tx, officer, Some(device))?;
    }
    let by_name: HashMap<&Compartment, &Cursor> = list.iter().map(|c| (&c.compartment, c)).collect();
    let mut serving = Vec::new();
    for place in meta::compartments(tx)? {
        let each: Vec<Access> = officers.iter().map(|o| may(&register, o, device, &place.name, now)).collect();
        let access = Access { read: each.iter().any(|a| a.read), write: each.iter().any(|a| a.write) };
        let cursor = by_name.get(&place.name).copied().cloned().filter(|_| !doors.are_shut(&officers, &place));
        // Who may only write there is told so once, and again if he could read: the cursor says which of it the device knows.
        let was_told = cursor.as_ref().is_some_and(|c| c.ranges.is_empty() != access.read);
        if access.read || (access.write && !was_told) {
            let openings: Vec<Opening> = officers.iter().zip(each).filter_map(|(o, a)| doors.news(o, &place, a)).collect();
            let to = feed::head(tx, &place)?;
            let after = cursor.as_ref().map_or(Ok(0), |c| has(life, tx, &place, c, &to))?;
            let digest = digest(&feed::stream_heads(tx, &place)?);
            serving.push(Serving { place, access, cursor, after, to, digest, is_news: !was_told || !openings.is_empty(), openings });
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
