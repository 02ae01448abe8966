//! Two holders of a compartment compared stream by stream: what the server lacks is asked for, what the device lacks is sent.
//! Never sends a byte of a compartment that its officers may not read.

use std::collections::{HashMap, HashSet};

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, Head, Incarnation, OfficerId};
use daftar_wire::branch::Branch as _;
use daftar_wire::message::{Access, Answer, Branch, Heads, Notice};
use daftar_wire::stream::{StreamId, next};
use rusqlite::Connection;
use tokio::sync::mpsc::Sender;

use super::access::{Doors, Opening, access};
use super::down::bytes_of;
use super::resume::Resume;
use super::{Gone, Peer, Service, present, say};
use crate::error::Result;
use crate::hq::Headquarters;
use crate::register::Known;
use crate::store::branch::{self, Held, StreamRow};
use crate::store::meta::{self, Place};

/// Bytes of segments that are read at once.
const PAGE_BYTES: usize = 256 * 1024;

/// What comparing came to.
#[derive(Default)]
pub(super) struct Compared {
    /// Segments that were sent.
    pub(super) sent: u64,
    /// Nothing was left out.
    pub(super) is_all: bool,
    /// Compartments of which something was asked for.
    pub(super) wanted: HashSet<Compartment>,
}

/// What comparing one compartment shows.
#[derive(Default)]
struct Differs {
    wants: Vec<(StreamId, u64)>,
    /// Rows of which the device lacks changes from a number on.
    lacks: Vec<(i64, u64)>,
    /// Doors that are to be written down before anything is sent.
    openings: Vec<Opening>,
}

impl Service {
    /// Asks for what the server lacks and sends what the device lacks, while `left` bytes last; of what was cut, the rest.
    pub(super) async fn compare(
        &self,
        peer: &Peer,
        officers: &[OfficerId],
        heads: Vec<Heads>,
        (left, resume): (&mut u64, &mut Resume),
        answers: &Sender<Answer>,
    ) -> Result<std::result::Result<Compared, Gone>> {
        let mut done = Compared { is_all: true, ..Compared::default() };
        for heads in heads {
            let (device, officers) = (peer.device, officers.to_vec());
            let name = heads.compartment.clone();
            let Differs { wants, lacks, openings } =
                self.blocking(move |hq| hq.store.read(|tx| differs(hq, tx, &device, &officers, &heads))).await?;
            for (stream, from) in wants {
                done.wanted.insert(stream.compartment.clone());
                if say(answers, Answer::Notice(Notice::Want { stream, from })).await.is_err() {
                    return Ok(Err(Gone));
                }
            }
            if !openings.is_empty() {
                let may = |f: fn(&Access) -> bool| openings.iter().any(|o| f(&o.access));
                let access = Access { read: may(|a| a.read), write: may(|a| a.write) };
                if !self.open_doors(device, openings).await? {
                    continue;
                }
                if say(answers, Answer::Notice(Notice::Granted { compartment: name, access })).await.is_err() {
                    return Ok(Err(Gone));
                }
            }
            for (row, from) in lacks {
                let mut from = from;
                loop {
                    if *left == 0 {
                        done.is_all = false;
                        break;
                    }
                    let page = self.blocking(move |hq| hq.store.read(|tx| branch::segments(tx, row, from, PAGE_BYTES))).await?;
                    if page.is_empty() {
                        break;
                    }
                    for (last, bytes) in page {
                        if *left == 0 {
                            break;
                        }
                        let answer = resume.rest_of(Answer::Loose(bytes));
                        *left = left.saturating_sub(bytes_of(&answer));
                        (from, done.sent) = (last + 1, done.sent + 1);
                        if say(answers, answer).await.is_err() {
                            return Ok(Err(Gone));
                        }
                    }
                }
            }
        }
        Ok(Ok(done))
    }
}

/// The doors that sending something of a compartment opens; `None`: nobody who is there may read it, or the device has purged it and is
/// sent all of it from the feed.
fn opened(hq: &Headquarters, tx: &Connection, device: &DeviceId, officers: &[OfficerId], place: &Place) -> Result<Option<Vec<Opening>>> {
    let now = hq.clock.now_ms();
    let (officers, doors) = (present(tx, device, officers, now)?, Doors::of(tx, device)?);
    let mut register = Known::default();
    for officer in &officers {
        register.learn(tx, officer, Some(device))?;
    }
    let each: Vec<Access> = officers.iter().map(|o| access(&register, o, device, &place.name, now)).collect();
    if !each.iter().any(|a| a.read) || doors.are_shut(&officers, place) {
        return Ok(None);
    }
    Ok(Some(officers.iter().zip(each).filter_map(|(o, a)| doors.news(o, place, a)).collect()))
}

fn differs(hq: &Headquarters, tx: &Connection, device: &DeviceId, officers: &[OfficerId], heads: &Heads) -> Result<Differs> {
    let id = |b: &Branch| StreamId { compartment: heads.compartment.clone(), device: b.device, incarnation: b.incarnation };
    let Some(place) = meta::compartment(tx, &heads.compartment)? else {
        // Only headquarters' own word makes a compartment.
        let own = heads.branches.iter().filter(|b| b.device == hq.identity.device && b.split.is_none());
        return Ok(Differs { wants: own.map(|b| (id(b), 1)).collect(), ..Differs::default() });
    };
    let mut differs = Differs::default();
    let mut said: Vec<&Branch> = heads.branches.iter().collect();
    said.sort_by_key(|b| (b.device, b.incarnation, b.split));
    // Headquarters' streams first: they say whose the others are.
    said.sort_by_key(|b| b.device != hq.identity.device);
    for same in said.chunk_by(|a, b| (a.device, a.incarnation) == (b.device, b.incarnation)) {
        let stream = id(same[0]);
        let rows = branch::rows(tx, &place, &stream)?;
        let from = same.iter().map(|b| wanted(&branch::held(tx, &stream, &rows), &rows, &stream, b)).collect::<Result<Vec<_>>>()?;
        differs.wants.extend(from.into_iter().flatten().min().map(|from| (stream, from)));
    }
    if let Some(openings) = opened(hq, tx, device, officers, &place)? {
        let mut by_stream: HashMap<(DeviceId, Incarnation), Vec<&Branch>> = HashMap::new();
        for b in &said {
            by_stream.entry((b.device, b.incarnation)).or_default().push(b);
        }
        for (stream, row) in branch::all(tx, &place)? {
            let same = by_stream.get(&(stream.device, stream.incarnation)).map_or(&[][..], Vec::as_slice);
            let rows = branch::rows(tx, &place, &stream)?;
            let at = rows.iter().position(|r| r.id == row.id);
            if let (Some(id), Some(at)) = (row.id, at) {
                let has = has(&branch::held(tx, &stream, &rows), &rows, at, same)?;
                differs.lacks.extend((has < row.n).then_some((id, has + 1)));
            }
        }
        if !differs.lacks.is_empty() {
            differs.openings = openings;
        }
    }
    Ok(differs)
}

/// The number from which the device is to send what it says to have; `None`: all of it is here.
fn wanted(held: &[Held<'_>], rows: &[StreamRow], stream: &StreamId, said: &Branch) -> Result<Option<u64>> {
    if said.n == 0 {
        return Ok(None);
    }
    for branch in held.iter().filter(|b| b.last() >= said.n) {
        if branch.head_at(said.n)? == said.head {
            return Ok(None);
        }
    }
    // It goes on from the row of the same name, unless that has gone another way already.
    let same = rows.iter().filter(|r| r.split == said.split && r.n < said.n).map(|r| r.n).max();
    if let Some(n) = same {
        return Ok(Some(n + 1));
    }
    let Some(split) = said.split else { return Ok(Some(1)) };
    for branch in held {
        if let Some(n) = place_of(branch, stream, split)? {
            return Ok(Some(n + 1));
        }
    }
    Ok(Some(1))
}

/// The number after which the branch's chain stands at this head.
fn place_of(branch: &Held<'_>, stream: &StreamId, head: Head) -> Result<Option<u64>> {
    let mut at = stream.start();
    for (n, name) in (1..).zip(branch.names(1, branch.last())?) {
        if at == head {
            return Ok(Some(n - 1));
        }
        at = next(at, name);
    }
    Ok((at == head).then(|| branch.last()))
}

/// The last change of the row's own that the device has. What it says is looked for among the branches that are here; where it
/// says more than that, it is taken to have the row of the same name, until its changes have come.
fn has(held: &[Held<'_>], rows: &[StreamRow], at: usize, said: &[&Branch]) -> Result<u64> {
    let row = &rows[at];
    let mut has = row.split_n;
    for b in said {
        let mut found = None;
        for (i, branch) in held.iter().enumerate().filter(|(_, h)| h.last() >= b.n) {
            if branch.head_at(b.n)? == b.head {
                found = Some(i);
                break;
            }
        }
        match found {
            Some(i) => has = has.max(shared(rows, i, at, b.n)),
            None if b.split == row.split && b.n > row.n => has = row.n,
            None => {}
        }
    }
    Ok(has)
}

/// The last change of row `of` that whoever has row `i` up to `n` has, too; zero for none.
fn shared(rows: &[StreamRow], i: usize, of: usize, n: u64) -> u64 {
    let (mut at, mut n) = (i, n);
    loop {
        if at == of {
            return n.min(rows[at].n);
        }
        n = n.min(rows[at].split_n);
        match rows.iter().position(|r| r.id.is_some() && r.id == rows[at].parent) {
            Some(parent) => at = parent,
            None => return 0,
        }
    }
}
