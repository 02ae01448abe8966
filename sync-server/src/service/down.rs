//! What a device is sent: of each compartment that its unlocked officers may read at this moment, what it lacks.
//! Never a byte of any other.

use daftar_core::ids::OfficerId;
use daftar_wire::message::{Answer, Cursor, End, FeedVerdict, Notice, Root, root};
use tokio::sync::mpsc::Sender;

use super::regroup::{self, Joining};
use super::resume::Resume;
use super::serving::{Serving, serving};
use super::{Gone, Peer, Road, Service, merged, say, where_room};
use crate::error::Result;
use crate::hq::Headquarters;
use crate::store::cursor;
use crate::store::feed::{self, Range, Whose};
use crate::store::meta::{self, Life, Place};

/// Bytes of entries that are read at once, and joined where that is worth it: at most, and for a device on the slowest link.
const PAGE_BYTES: usize = 256 * 1024;
const PAGE_BYTES_MIN: usize = 16 * 1024;
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
    /// What it has of messages that were cut.
    pub(super) resume: Resume,
    /// Something was left out already.
    pub(super) more: bool,
}

/// Bytes of a page for a device that wants so many bytes in answer. In steps: what is joined anew behind a cut is to be the same again, although
/// the link was measured a little otherwise meanwhile.
pub(super) fn page_bytes(budget: Option<u64>) -> usize {
    let part = budget.map_or(u64::MAX, |budget| budget / PAGE_PART);
    let bytes = usize::try_from(part).unwrap_or(PAGE_BYTES).clamp(PAGE_BYTES_MIN, PAGE_BYTES);
    1 << bytes.ilog2()
}

impl Service {
    /// Sends what the device lacks and the end. Returns how many entries were sent.
    pub(super) async fn send_down(&self, peer: &Peer, down: Down, answers: &Sender<Answer>) -> Result<std::result::Result<u64, Gone>> {
        let Down { life, officers, began, list, left, page, resume, mut more } = down;
        let (device, road) = (peer.device, peer.road);
        let (list, mut serving) =
            self.blocking(move |hq| hq.store.read(|tx| serving(hq, tx, &life, &device, &officers, &list, road)).map(|s| (list, s))).await?;
        let opened: Vec<bool> = serving.iter().map(|s| !s.openings.is_empty()).collect();
        if !self.open_doors(device, serving.iter_mut().flat_map(|s| s.openings.drain(..)).collect()).await? {
            // Behind a door that is not written down nothing leaves: it could not be called back.
            let mut opened = opened.into_iter();
            serving.retain(|_| opened.next() == Some(false));
        }
        // Who says no cursor, since all was closed to him, may not have heard of another life, in which verdicts are signed anew.
        let epoch = Notice::NewEpoch { epoch: life.epoch };
        if list.is_empty() && !serving.is_empty() && say(answers, Answer::Notice(epoch)).await.is_err() {
            return Ok(Err(Gone));
        }
        for s in serving.iter().filter(|s| s.is_news) {
            let notice = Notice::Granted { compartment: s.place.name.clone(), access: s.access };
            if say(answers, Answer::Notice(notice)).await.is_err() {
                return Ok(Err(Gone));
            }
        }
        let mut feeds = Feeds { service: self, peer, life, left, page, resume, sent: 0, answers };
        if feeds.send(&mut serving).await?.is_err() {
            return Ok(Err(Gone));
        }
        let sent = feeds.sent;
        more |= serving.iter().any(|s| !s.lacks.is_empty());
        let told = move |hq: &Headquarters| {
            hq.store.read(|tx| {
                let reached = serving.iter().map(|s| Ok(s.reached(tx, &life, road)?.filter(|c| s.is_told(c, road))));
                reached.filter_map(Result::transpose).collect::<Result<Vec<Cursor>>>()
            })
        };
        let cursors = self.blocking(told).await?;
        let after = merged(list, cursors.clone());
        let ends = root(&after);
        // An answer that is carried may never arrive: what a link's exchanges left stays what it is.
        if ends != began && road == Road::Link {
            // Kept before it is said: the device may come back with it at once.
            self.blocking(move |hq| where_room(hq.store.write(|tx| cursor::keep(tx, &device, &began, &ends, &after)))).await?;
        }
        let end = End { time_ms: self.hq.clock.now_ms(), cursors, more };
        Ok(say(answers, Answer::End(end)).await.map(|()| sent))
    }
}

/// The feeds on their way down.
struct Feeds<'a> {
    service: &'a Service,
    peer: &'a Peer,
    life: Life,
    /// Bytes that the device still wants.
    left: u64,
    /// Bytes of a page.
    page: usize,
    resume: Resume,
    sent: u64,
    answers: &'a Sender<Answer>,
}

/// Which entries of a feed make the next page.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// The first that is lacking and what follows.
    Oldest,
    /// The last that is lacking and what is before it, without headquarters' own stream.
    Newest,
}

impl Feeds<'_> {
    /// Sends what is lacking, while bytes are left. Where they are not enough for all: the reference and the watch-lists; of every other feed what
    /// headquarters itself says there; then the newest of each, and so on back.
    async fn send(&mut self, serving: &mut [Serving]) -> Result<std::result::Result<(), Gone>> {
        let lacking = serving.iter().map(|s| (s.place.clone(), s.lacks.clone())).collect();
        let has_room = self.left == u64::MAX || self.fits(lacking, Whose::AllBut(vec![self.peer.device]), self.left).await?;
        let (mut first, mut late) = (Vec::new(), Vec::new());
        for s in serving {
            if has_room || s.is_first() { &mut first } else { &mut late }.push(s);
        }
        for s in first {
            if self.in_order(s).await?.is_err() {
                return Ok(Err(Gone));
            }
        }
        let mut from_the_end = Vec::new();
        for s in late {
            let own = vec![(s.place.clone(), s.newest().into_iter().collect())];
            if !self.fits(own, Whose::Words(self.service.hq.identity.device), self.left / 2).await? {
                if self.in_order(s).await?.is_err() {
                    return Ok(Err(Gone));
                }
            } else if self.own_words(s).await?.is_err() {
                return Ok(Err(Gone));
            } else {
                from_the_end.push(s);
            }
        }
        // Behind its own words each has one page, also where the bytes are spent: without it they would be said again.
        let mut is_first = true;
        while (is_first || self.left > 0) && from_the_end.iter().any(|s| !s.lacks.is_empty()) {
            for s in from_the_end.iter_mut().filter(|s| !s.lacks.is_empty()) {
                if (is_first || self.left > 0) && self.page(s, Next::Newest).await?.is_err() {
                    return Ok(Err(Gone));
                }
            }
            is_first = false;
        }
        Ok(Ok(()))
    }

    async fn in_order(&mut self, s: &mut Serving) -> Result<std::result::Result<(), Gone>> {
        while self.left > 0 && !s.lacks.is_empty() {
            if self.page(s, Next::Oldest).await?.is_err() {
                return Ok(Err(Gone));
            }
        }
        Ok(Ok(()))
    }

    /// Whether entries of these numbers come to no more than so many bytes.
    async fn fits(&self, lacking: Vec<(Place, Vec<Range>)>, whose: Whose, most: u64) -> Result<bool> {
        let count = move |hq: &Headquarters| {
            hq.store.read(|tx| {
                let mut left = most;
                for (place, range) in lacking.iter().flat_map(|(place, ranges)| ranges.iter().map(move |r| (place, *r))) {
                    match feed::bytes(tx, place, range, &whose, left)? {
                        Some(bytes) => left -= bytes,
                        None => return Ok(false),
                    }
                }
                Ok(true)
            })
        };
        self.service.blocking(count).await
    }

    /// Sends what headquarters itself says in the part that is new to the device, ahead of the feed: grants, warnings, tasks and verdicts are
    /// taken before what they concern, and its stream has no hole. A verdict comes in its place again: what was altered on the way is noticed there.
    async fn own_words(&mut self, s: &mut Serving) -> Result<std::result::Result<(), Gone>> {
        let Some((mut from, to)) = s.newest() else { return Ok(Ok(())) };
        loop {
            let (place, bytes) = (s.place.clone(), self.page);
            let page = self
                .service
                .blocking(move |hq| hq.store.read(|tx| feed::page(tx, &place, (from, to), &Whose::Words(hq.identity.device), bytes)))
                .await?;
            let Some(last) = page.last().map(|e| e.n) else { return Ok(Ok(())) };
            for entry in page {
                if self.say(regroup::loose(&s.place.name, entry)?).await.is_err() {
                    return Ok(Err(Gone));
                }
            }
            from = last + 1;
        }
    }

    /// Sends one page of a feed. What is joined covers the feed with its last entry only, so a page that was begun is said whole.
    async fn page(&mut self, s: &mut Serving, next: Next) -> Result<std::result::Result<(), Gone>> {
        let range = match next {
            Next::Oldest => s.lacks.first(),
            Next::Newest => s.lacks.last(),
        };
        let Some(range) = range.copied() else { return Ok(Ok(())) };
        let (place, device, life) = (s.place.clone(), self.peer.device, self.life);
        let joining = if self.page < PAGE_BYTES { Joining::SLOW } else { Joining::QUICK };
        let bytes = self.page.min(usize::try_from(self.left).unwrap_or(self.page));
        let read = move |hq: &Headquarters| {
            let (page, covers) = hq.store.read(|tx| {
                if meta::life(tx)? != life {
                    return Ok((None, range));
                }
                let page = match next {
                    Next::Oldest => feed::page(tx, &place, range, &Whose::AllBut(vec![device]), bytes)?,
                    Next::Newest => feed::newest(tx, &place, range, &Whose::AllBut(vec![device, hq.identity.device]), bytes)?,
                };
                let covers = match (next, page.first(), page.last()) {
                    (_, None, _) | (_, _, None) => range,
                    (Next::Oldest, _, Some(last)) => (range.0, last.n),
                    (Next::Newest, Some(first), _) if page.iter().map(|e| e.bytes.len()).sum::<usize>() >= bytes => (first.n, range.1),
                    (Next::Newest, ..) => range,
                };
                Ok((Some(page), covers))
            })?;
            let said = page.map(|page| regroup::answers(&place.name, &hq.identity.device, covers.0 - 1, page, joining)).transpose()?;
            Ok((said, covers))
        };
        // In another life the feed has another chain: what was begun is not ended.
        let (Some(said), covers) = self.service.blocking(read).await? else { return Ok(Err(Gone)) };
        for answer in said {
            if self.say(answer).await.is_err() {
                return Ok(Err(Gone));
            }
        }
        s.sent(covers);
        Ok(Ok(()))
    }

    async fn say(&mut self, answer: Answer) -> std::result::Result<(), Gone> {
        let answer = self.resume.rest_of(answer);
        self.left = self.left.saturating_sub(bytes_of(&answer));
        self.sent += 1;
        say(self.answers, answer).await
    }
}

/// What an answer takes of what the device wants.
pub(super) fn bytes_of(answer: &Answer) -> u64 {
    match answer {
        Answer::Item(i) => i.segment.len() as u64,
        Answer::Loose(bytes) | Answer::Rest(_, bytes) => bytes.len() as u64,
        Answer::Verdict(v) | Answer::LooseVerdict(v) => FeedVerdict::write_rulings(&v.rulings).len() as u64,
        Answer::Receipt(_) | Answer::Short(_) | Answer::Notice(_) | Answer::Reopened(_) | Answer::File(_) | Answer::End(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_small_part_of_what_is_wanted_so_that_a_cut_costs_little() {
        assert_eq!(page_bytes(None), PAGE_BYTES);
        assert_eq!(page_bytes(Some(u64::MAX)), PAGE_BYTES);
        // 64 kbit/s for half a minute: two seconds of it.
        assert_eq!(page_bytes(Some(256_000)), PAGE_BYTES_MIN);
        assert_eq!(page_bytes(Some(0)), PAGE_BYTES_MIN);
        // Between two steps it is the lower.
        assert_eq!([600_000, 1_000_000, 2_000_000].map(|wanted| page_bytes(Some(wanted)) / 1024), [32, 32, 64]);
    }
}
