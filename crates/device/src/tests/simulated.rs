//! The exchange against a simulated end: the same session and the same store as over HTTP, in memory, in any weather.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, Epoch, Head, OfficerId};
use daftar_wire::message::{
    Admission, Answer, Ask, Cursor, End, FeedItem, FrameReader, Notice, Purged, Receipt, Receipted, Reopen, Reopened, Revocation, Root,
    feed_next, feed_start, root,
};
use daftar_wire::seal;
use daftar_wire::segment::Segment;
use daftar_wire::stream::{StreamHead, StreamId, digest};
use tokio::sync::mpsc::{Receiver, Sender};

use super::world::{Hq, NOW_MS, Tablet, c, stop};
use crate::sync::{LinkError, Progress, Session, Step, SyncError, SyncReport, Transport, run, run_locked};
use crate::vault::AppliedWhat;
use crate::{Device, Store};

const EPOCH: Epoch = Epoch([7; 16]);

/// What the link and the other end do.
#[derive(Default)]
pub(super) struct Weather {
    /// The link breaks after so many messages of the device.
    pub(super) cut_after: Option<usize>,
    /// Segments are kept and receipts never said.
    pub(super) no_receipts: bool,
    /// Every root is forgotten.
    pub(super) forgets: bool,
    /// Every segment is refused.
    pub(super) refuses: bool,
    /// Headquarters' time; `None`: that of these tests.
    pub(super) time_ms: Option<u64>,
    /// Another key comes back than the one that was sealed.
    pub(super) wrong_key: bool,
}

#[derive(Default)]
pub(super) struct Held {
    feeds: BTreeMap<Compartment, Vec<(StreamId, Head, Vec<u8>)>>,
    streams: HashMap<StreamId, (u64, Head)>,
    roots: HashMap<Root, Vec<Cursor>>,
    pub(super) taken: u64,
    /// What it takes back, until a purge receipt comes.
    pub(super) revoked: Vec<Revocation>,
    /// Purge receipts and admissions, as they came.
    pub(super) purged: Vec<Purged>,
    pub(super) admissions: Vec<Admission>,
    /// What came, and whether sealed.
    pub(super) came: Vec<(Segment, bool)>,
}

/// A headquarters in memory, as one device's link sees it.
pub(super) struct Simulated<'a> {
    pub(super) hq: &'a Hq,
    pub(super) device: DeviceId,
    pub(super) held: &'a Mutex<Held>,
    pub(super) weather: Weather,
}

/// Where one device's exchange is.
#[derive(Default)]
struct Said {
    /// Where the device stands, once it has said hello and its root is known.
    known: Option<Vec<Cursor>>,
    officers: Vec<OfficerId>,
}

impl Held {
    pub(super) fn keep(&mut self, segment: &Segment, bytes: Vec<u8>) -> Option<Receipted> {
        let stream = segment.stream.clone();
        let (n, before) = self.streams.get(&stream).copied().unwrap_or((0, stream.start()));
        if segment.first == n + 1 {
            let head = segment.chain(before).head();
            self.taken += segment.entries.len() as u64;
            let feed = self.feeds.entry(stream.compartment.clone()).or_default();
            let chain = feed.last().map_or(feed_start(&stream.compartment, &EPOCH), |e| e.1);
            feed.push((stream.clone(), feed_next(chain, &stream, segment.first, segment.entries.len() as u32, &head), bytes));
            self.streams.insert(stream.clone(), (segment.last(), head));
        }
        let (up_to, head) = *self.streams.get(&stream)?;
        Some(Receipted { stream, up_to, head, backed_up: 0 })
    }

    fn cursor(&self, compartment: &Compartment) -> Cursor {
        let feed = &self.feeds[compartment];
        let heads: Vec<StreamHead> = self
            .streams
            .iter()
            .filter(|(s, _)| s.compartment == *compartment)
            .map(|(s, (n, head))| StreamHead { device: s.device, incarnation: s.incarnation, n: *n, head: *head })
            .collect();
        Cursor {
            compartment: compartment.clone(),
            epoch: EPOCH,
            ranges: vec![(1, feed.len() as u64)],
            chain: *feed.last().expect("a feed has entries").1.0.first_chunk().expect("32 bytes"),
            digest: digest(&heads),
        }
    }
}

impl Simulated<'_> {
    /// What is said when the device has said all.
    fn close(&self, held: &mut Held, known: &[Cursor], officers: &[OfficerId]) -> Vec<Answer> {
        let time_ms = self.weather.time_ms.unwrap_or(NOW_MS);
        let mut said: Vec<Answer> = held.revoked.iter().cloned().map(|r| Answer::Notice(Notice::Revoked(r))).collect();
        if officers.is_empty() {
            said.push(Answer::End(End { time_ms, cursors: Vec::new(), more: false }));
            return said;
        }
        let mut changed = Vec::new();
        for (compartment, feed) in &held.feeds {
            let at = known.iter().find(|k| k.compartment == *compartment);
            let after = at.and_then(|k| k.ranges.first()).map_or(0, |r| r.1);
            let mut from = after + 1;
            for (n, (stream, chain, bytes)) in (1..).zip(feed).skip(after as usize) {
                if stream.device == self.device {
                    continue;
                }
                let chain = *chain.0.first_chunk().expect("32 bytes");
                said.push(Answer::Item(FeedItem { compartment: compartment.clone(), from, n, chain, segment: bytes.clone() }));
                from = n + 1;
            }
            let now = held.cursor(compartment);
            if at != Some(&now) {
                changed.push(now);
            }
        }
        let mut list: Vec<Cursor> = known.iter().filter(|k| changed.iter().all(|c| c.compartment != k.compartment)).cloned().collect();
        list.extend(changed.clone());
        held.roots.insert(root(&list), list);
        said.push(Answer::End(End { time_ms, cursors: changed, more: false }));
        said
    }

    fn take(&self, held: &mut Held, bytes: Vec<u8>, sealed: bool) -> Vec<Answer> {
        let segment = Segment::read(&bytes).expect("a device sends segments");
        assert_eq!(segment.stream.device, self.device);
        if self.weather.refuses {
            let (stream, first) = (segment.stream, segment.first);
            return vec![Answer::Notice(Notice::Refused { stream, first, reason: "storage_full".into() })];
        }
        held.came.push((segment.clone(), sealed));
        let receipted = held.keep(&segment, bytes).filter(|_| !self.weather.no_receipts);
        receipted.map(|r| Answer::Receipt(Receipt::sign(&self.hq.key, EPOCH, NOW_MS, vec![r]))).into_iter().collect()
    }

    /// Hands a key back to an officer who is unlocked and may use it.
    fn reopen(&self, held: &Held, r: Reopen) -> Vec<Answer> {
        const KEY: &str = "daftar compartment key 1";
        let is_revoked = held.revoked.iter().any(|x| x.officer == r.officer && x.compartment == r.compartment);
        let Some(to) = self.hq.sealing.get(&r.officer).filter(|_| !is_revoked) else { return Vec::new() };
        let mut plain = seal::open(&seal::key_pair(&[8; 32]).0, KEY, r.file.as_bytes(), &r.escrow).expect("sealed to headquarters");
        if self.weather.wrong_key {
            *plain.last_mut().expect("a key") ^= 1;
        }
        let sealed = seal::seal(to, KEY, r.file.as_bytes(), &plain).expect("sealed");
        vec![Answer::Reopened(Reopened { officer: r.officer, compartment: r.compartment, file: r.file, sealed })]
    }

    /// Answers one message.
    fn hear(&self, ask: Ask, exchange: &mut Said) -> Vec<Answer> {
        let mut held = self.held.lock().expect("nobody panics with it");
        match ask {
            Ask::Hello(hello) => {
                let base = if hello.root == [0; 16] { Some(Vec::new()) } else { held.roots.get(&hello.root).cloned() };
                exchange.officers = hello.officers.clone();
                exchange.known = base.filter(|_| !self.weather.forgets || hello.root == [0; 16]).map(|mut list| {
                    list.retain(|k| hello.cursors.iter().all(|c| c.compartment != k.compartment));
                    list.extend(hello.cursors);
                    list
                });
                Vec::new()
            }
            Ask::Segment(bytes) => self.take(&mut held, bytes, false),
            Ask::Sealed(sealed) => {
                let plain =
                    seal::open(&seal::key_pair(&[8; 32]).0, "daftar outbox 1", &self.device.0, &sealed).expect("sealed to headquarters");
                self.take(&mut held, plain.to_vec(), true)
            }
            Ask::Purged(p) => {
                held.revoked.retain(|r| (r.officer, &r.compartment) != (p.officer, &p.compartment));
                held.purged.push(p);
                Vec::new()
            }
            Ask::Reopen(r) => {
                assert!(exchange.officers.contains(&r.officer), "only who is unlocked asks a key back");
                self.reopen(&held, r)
            }
            Ask::Admission(a) => {
                held.admissions.push(a);
                Vec::new()
            }
            Ask::Heads(_) => Vec::new(),
            Ask::End => match &exchange.known {
                Some(known) => self.close(&mut held, known, &exchange.officers),
                None => vec![Answer::Notice(Notice::RootUnknown), Answer::End(End { time_ms: NOW_MS, cursors: Vec::new(), more: false })],
            },
        }
    }
}

impl Transport for Simulated<'_> {
    async fn exchange(&self, mut asks: Receiver<Vec<u8>>, answers: Sender<Vec<u8>>) -> Result<(), LinkError> {
        let mut reader = FrameReader::default();
        let (mut exchange, mut heard) = (Said::default(), 0);
        while let Some(piece) = asks.recv().await {
            reader.push(&piece);
            while let Some(frame) = reader.next().expect("a device sends frames") {
                if self.weather.cut_after == Some(heard) {
                    return Err(LinkError::NoLink("cut".into()));
                }
                heard += 1;
                let ask = Ask::read(&frame).expect("a device keeps to the protocol").expect("and to this version of it");
                for answer in self.hear(ask, &mut exchange) {
                    if answers.send(answer.write()).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn counted(&self) -> (u64, u64) {
        (0, 0)
    }
}

pub(super) fn sync_store(hq: &Hq, held: &Mutex<Held>, store: &Arc<Store>, weather: Weather) -> Result<SyncReport, SyncError> {
    let transport = Simulated { hq, device: store.device().id, held, weather };
    runtime().block_on(run(store, &transport, &|_| ()))
}

pub(super) fn sync_locked(hq: &Hq, held: &Mutex<Held>, device: &Device, weather: Weather) -> Result<SyncReport, SyncError> {
    let transport = Simulated { hq, device: device.info().expect("enrolled").id, held, weather };
    runtime().block_on(run_locked(device, &transport, &|_| ()))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime")
}

fn sync(hq: &Hq, held: &Mutex<Held>, tablet: &Tablet, weather: Weather) -> Result<SyncReport, SyncError> {
    sync_telling(hq, held, tablet, weather, &|_| ())
}

fn sync_telling(
    hq: &Hq,
    held: &Mutex<Held>,
    tablet: &Tablet,
    weather: Weather,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<SyncReport, SyncError> {
    let transport = Simulated { hq, device: tablet.store.device().id, held, weather };
    runtime().block_on(run(&tablet.store, &transport, progress))
}

/// Headquarters with two devices of one team, which both know each other's keys.
fn world() -> (Hq, Mutex<Held>, Tablet, Tablet) {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &["team/imt-1"]), hq.tablet(2, &["team/imt-1"]));
    let held = Mutex::new(Held::default());
    if let AppliedWhat::Segment(bytes) = hq.reference().what {
        let segment = Segment::read(&bytes).expect("headquarters' own");
        held.lock().expect("nobody panics with it").keep(&segment, bytes);
    }
    (hq, held, a, b)
}

#[test]
fn a_sync_cut_after_any_message_is_finished_by_the_next_and_nothing_receipted_goes_again() {
    let (hq, held, a, b) = world();
    for n in 0..250 {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
        a.store
            .save(&super::world::set(n, daftar_core::value::Path::Field(45), daftar_core::value::Value::Text("green".into())))
            .expect("amended");
    }
    let mut waits = a.store.waiting().expect("counted");
    assert_eq!(waits, 500);
    for cut in 0..3 {
        let broken = sync(&hq, &held, &a, Weather { cut_after: Some(cut), ..Weather::default() });
        assert!(matches!(broken, Err(SyncError::Link(LinkError::NoLink(_)))), "cut after {cut}: {broken:?}");
        let now = a.store.waiting().expect("counted");
        assert!(now <= waits, "what was receipted waits again");
        waits = now;
    }
    let done = sync(&hq, &held, &a, Weather::default()).expect("a whole link");
    assert_eq!((done.sent_changes, done.waiting, done.requests), (waits, 0, 1), "only what was not receipted is sent");
    assert_eq!(held.lock().expect("nobody panics with it").taken, 500 + 2, "no change is kept twice");
    let got = sync(&hq, &held, &b, Weather::default()).expect("a whole link");
    assert_eq!((got.received_changes, got.requests), (502, 1));
    let team = c("team/imt-1");
    assert_eq!(a.store.digest(&team).expect("computed"), b.store.digest(&team).expect("computed"));
    let idle = sync(&hq, &held, &b, Weather::default()).expect("a whole link");
    assert_eq!((idle.sent_changes, idle.received_changes, idle.requests), (0, 0, 1), "nothing new is one request");
}

#[test]
fn without_a_receipt_everything_waits_although_the_server_has_it() {
    let (hq, held, a, _) = world();
    for n in 0..10 {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
    }
    let silent = sync(&hq, &held, &a, Weather { no_receipts: true, ..Weather::default() }).expect("the answer is whole");
    // Headquarters' digest says that it has them; without its signed word they are offered again, and wait.
    assert_eq!(silent.waiting, 10, "only a receipt takes work off the queue");
    let again = sync(&hq, &held, &a, Weather::default()).expect("a whole link");
    assert_eq!((again.sent_changes, again.waiting), (10, 0));
    assert_eq!(held.lock().expect("nobody panics with it").taken, 10 + 2, "what was sent twice is kept once");
}

#[test]
fn a_server_that_forgot_the_root_costs_one_more_request_and_nothing_else() {
    let (hq, held, a, b) = world();
    a.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    sync(&hq, &held, &a, Weather::default()).expect("a whole link");
    sync(&hq, &held, &b, Weather::default()).expect("a whole link");
    a.store.save(&stop(2, "80 B 222 CC", "Karimov")).expect("saved");
    sync(&hq, &held, &a, Weather::default()).expect("a whole link");
    let got = sync(&hq, &held, &b, Weather { forgets: true, ..Weather::default() }).expect("a whole link");
    assert_eq!((got.received_changes, got.requests), (1, 2));
    assert_eq!(b.store.verify().expect("checked").bad, []);
}

#[test]
fn the_bar_counts_changes_and_ends_full() {
    let (hq, held, a, b) = world();
    for n in 0..40 {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
    }
    for (tablet, to_send, received) in [(&a, 40, 2), (&b, 0, 42)] {
        let last = Mutex::new(Progress::default());
        sync_telling(&hq, &held, tablet, Weather::default(), &|p| *last.lock().expect("nobody panics with it") = p).expect("a whole link");
        let last = *last.lock().expect("nobody panics with it");
        assert_eq!(last, Progress { to_send, receipted: to_send, received });
    }
}

#[test]
fn a_refused_segment_waits_and_is_counted() {
    let (hq, held, a, _) = world();
    a.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    let refused = sync(&hq, &held, &a, Weather { refuses: true, ..Weather::default() }).expect("the answer is whole");
    assert_eq!((refused.refused, refused.waiting), (1, 1));
}

#[test]
fn what_comes_outside_the_feed_is_taken_after_the_page_that_was_said_before_it() {
    let (hq, _, a, _) = world();
    a.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    let segment = match super::world::items(&a.store, &c("team/imt-1")).remove(0).what {
        AppliedWhat::Segment(bytes) => bytes,
        AppliedWhat::Rulings(_) => panic!("a device rules on nothing"),
    };
    let item = FeedItem { compartment: c("team/imt-1"), from: 1, n: 1, chain: [0; 8], segment: segment.clone() };
    let mut session = Session::new(hq.key.verifying_key());
    let mut heard = Vec::new();
    for answer in [Answer::Item(item), Answer::Loose(segment)] {
        let mut reader = FrameReader::default();
        reader.push(&answer.write());
        let frame = reader.next().expect("a frame").expect("a whole one");
        heard.extend(session.hear(&frame).expect("of the protocol"));
    }
    assert!(matches!(heard[..], [Step::Page(..), Step::Loose(..)]), "it may carry on what the page brings: {heard:?}");
}
