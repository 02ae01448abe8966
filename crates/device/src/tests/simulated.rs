//! The exchange against a simulated end: the same session and the same store as over HTTP, in memory, in any weather.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use daftar_core::ids::{DeviceId, Head, OfficerId};
use daftar_wire::message::{Answer, Ask, Begun, Cursor, End, FeedItem, FrameReader, Notice, Receipt, Receipted, Reopen, Reopened};
use daftar_wire::seal;
use daftar_wire::segment::Segment;
use tokio::sync::mpsc::{Receiver, Sender};

use super::reference::{Held, Kept};
use super::world::{Hq, NOW_MS, Tablet, c, stop};
use crate::sync::{
    Cancel, LinkError, Pace, Progress, Refused, Session, Step, SyncError, SyncReport, Transport, run, run_locked, run_until,
};
use crate::vault::AppliedWhat;
use crate::{Device, Store};

/// What the link and the other end do.
#[derive(Default)]
pub struct Weather {
    /// The link breaks after so many messages of the device.
    pub cut_after: Option<usize>,
    /// Everything is heard and taken, and so many messages of the answer come through.
    pub hears_only: Option<usize>,
    /// So many messages of the answer come through; then nothing moves any more and nobody says so.
    pub hangs_after: Option<usize>,
    /// Segments are kept and receipts never said.
    pub no_receipts: bool,
    /// Receipts are said of another history.
    pub foreign_receipts: bool,
    /// Every root is forgotten.
    pub forgets: bool,
    /// Every segment is refused.
    pub refuses: bool,
    /// This entry of every feed is left out.
    pub skips: Option<u64>,
    /// Every digest is another one.
    pub wrong_digests: bool,
    /// Headquarters' time; `None`: that of these tests.
    pub time_ms: Option<u64>,
    /// Of the first entry of the team's feed so many bytes come through.
    pub cuts_within: Option<usize>,
    /// What the device says to have of a message is gone on with by these bytes, whatever it is.
    pub wrong_rest: Option<Vec<u8>>,
    /// Another key comes back than the one that was sealed.
    pub wrong_key: bool,
}

/// A headquarters in memory, as one device's link sees it.
pub struct Simulated<'a> {
    hq: &'a Hq,
    device: DeviceId,
    held: &'a Mutex<Held>,
    weather: Weather,
    said: AtomicUsize,
    pace: Option<Arc<Pace>>,
}

/// What is remembered within one request.
#[derive(Default)]
struct Request {
    /// Where the device stands, once it has said hello and its root is known.
    known: Option<Vec<Cursor>>,
    officers: Vec<OfficerId>,
    notices: Vec<Notice>,
    /// What the device has of messages that were cut.
    begun: Vec<Begun>,
}

impl<'a> Simulated<'a> {
    pub fn new(hq: &'a Hq, held: &'a Mutex<Held>, device: DeviceId, weather: Weather) -> Self {
        Self { hq, device, held, weather, said: AtomicUsize::new(0), pace: None }
    }

    /// The same as a link that keeps a pace, as a real one does.
    fn paced(self) -> Self {
        let pace = Pace::default();
        pace.connected(Duration::from_millis(1));
        Self { pace: Some(Arc::new(pace)), ..self }
    }

    /// The answer, or the rest of it.
    fn rest_of(&self, request: &Request, answer: Answer) -> Answer {
        let [begun] = request.begun[..] else { return answer };
        if let Some(rest) = &self.weather.wrong_rest {
            return Answer::Rest(0, rest.clone());
        }
        let mut reader = FrameReader::default();
        reader.push(&answer.write());
        let message = reader.next().expect("a frame").expect("a whole one");
        match message.split_at_checked(begun.bytes as usize) {
            Some((there, rest)) if Begun::of(there) == begun => Answer::Rest(0, rest.to_vec()),
            _ => answer,
        }
    }

    fn receipt(&self, held: &Held, mut r: Receipted) -> Vec<Answer> {
        if self.weather.no_receipts {
            return Vec::new();
        }
        if self.weather.foreign_receipts {
            r.head = Head([1; 32]);
        }
        vec![Answer::Receipt(Receipt::sign(&self.hq.key, held.epoch, NOW_MS, vec![r]))]
    }

    fn take(&self, held: &mut Held, request: &mut Request, bytes: Vec<u8>, sealed: bool) -> Vec<Answer> {
        let segment = Segment::read(&bytes).expect("a device sends segments");
        let (stream, first) = (segment.stream.clone(), segment.first);
        let refused = |reason: &str| Notice::Refused { stream: stream.clone(), first, reason: reason.into() };
        if self.weather.refuses {
            return vec![Answer::Notice(refused("storage_full"))];
        }
        held.came.push((segment.clone(), sealed));
        match held.keep(&segment, bytes) {
            Kept::Receipted(r) => self.receipt(held, r),
            Kept::Forked(r, at) => {
                request.notices.push(Notice::Forked { stream, at });
                self.receipt(held, r)
            }
            Kept::Want(stream, from) => {
                request.notices.push(Notice::Want { stream, from });
                Vec::new()
            }
            Kept::BadSignature => {
                request.notices.push(refused("bad_signature"));
                Vec::new()
            }
        }
    }

    /// Hands a key back to an officer who is unlocked and may use it.
    fn reopen(&self, held: &Held, r: Reopen) -> Vec<Answer> {
        const KEY: &str = "daftar compartment key 1";
        let is_revoked = held.revoked.iter().any(|x| x.officer == r.officer && x.compartment == r.compartment);
        let Some(to) = self.hq.sealing.get(&r.officer).filter(|_| !is_revoked) else { return Vec::new() };
        let mut plain = seal::open(&headquarters(), KEY, r.file.as_bytes(), &r.escrow).expect("sealed to headquarters");
        if self.weather.wrong_key {
            *plain.last_mut().expect("a key") ^= 1;
        }
        let sealed = seal::seal(to, KEY, r.file.as_bytes(), &plain).expect("sealed");
        vec![Answer::Reopened(Reopened { officer: r.officer, compartment: r.compartment, file: r.file, sealed })]
    }

    /// Answers one message.
    fn hear(&self, ask: Ask, request: &mut Request) -> Vec<Answer> {
        let mut held = self.held.lock().expect("nobody panics with it");
        match ask {
            Ask::Hello(hello) => {
                request.known = held.known(&hello).filter(|_| !self.weather.forgets || hello.root == [0; 16]);
                request.officers.clone_from(&hello.officers);
                request.begun.clone_from(&hello.begun);
                request.notices.extend(held.follow(self.device, hello.lineage).map(|digit| Notice::Anew { digit }));
                Vec::new()
            }
            Ask::Segment(bytes) => self.take(&mut held, request, bytes, false),
            Ask::Sealed(sealed) => {
                // What is not sealed to headquarters is passed over.
                let plain = seal::open(&headquarters(), "daftar outbox 1", &self.device.0, &sealed);
                plain.map_or_else(|_| Vec::new(), |plain| self.take(&mut held, request, plain.to_vec(), true))
            }
            Ask::Purged(p) => {
                held.revoked.retain(|r| (r.officer, &r.compartment) != (p.officer, &p.compartment));
                held.purged.push(p);
                Vec::new()
            }
            Ask::Reopen(r) => {
                assert!(request.officers.contains(&r.officer), "only who is unlocked asks a key back");
                self.reopen(&held, r)
            }
            Ask::Admission(a) => {
                held.admissions.push(a);
                Vec::new()
            }
            Ask::File(_) => Vec::new(),
            Ask::Recall => {
                let own = held.own(self.device);
                vec![Answer::Receipt(Receipt::sign(&self.hq.key, held.epoch, NOW_MS, own))]
            }
            Ask::Heads(heads) => match request.known {
                Some(_) => held.compare(&heads),
                None => Vec::new(),
            },
            Ask::End => {
                let mut said: Vec<Answer> = std::mem::take(&mut request.notices).into_iter().map(Answer::Notice).collect();
                said.extend((!held.revoked.is_empty()).then_some(Answer::Notice(Notice::NewEpoch { epoch: held.epoch })));
                said.extend(held.revoked.iter().cloned().map(|r| Answer::Notice(Notice::Revoked(r))));
                match &request.known {
                    Some(known) => match request.officers.is_empty() {
                        true => said.push(Answer::End(End { time_ms: NOW_MS, cursors: Vec::new(), more: false })),
                        false => said.extend(held.close(&self.device, known, self.weather.skips)),
                    },
                    None => {
                        said.push(Answer::Notice(Notice::RootUnknown));
                        said.push(Answer::End(End { time_ms: NOW_MS, cursors: Vec::new(), more: false }));
                    }
                }
                for answer in &mut said {
                    if let Answer::End(end) = answer {
                        end.time_ms = self.weather.time_ms.unwrap_or(NOW_MS);
                        end.cursors.iter_mut().filter(|_| self.weather.wrong_digests).for_each(|c| c.digest.0[0] ^= 1);
                    }
                }
                said
            }
        }
    }
}

impl Transport for Simulated<'_> {
    async fn exchange(&self, mut asks: Receiver<Vec<u8>>, answers: Sender<Vec<u8>>) -> Result<(), LinkError> {
        let mut reader = FrameReader::default();
        let (mut request, mut heard) = (Request::default(), 0);
        let mut cut = false;
        while let Some(piece) = asks.recv().await {
            reader.push(&piece);
            while let Some(frame) = reader.next().expect("a device sends frames") {
                if self.weather.cut_after == Some(heard) {
                    return Err(LinkError::NoLink("cut".into()));
                }
                heard += 1;
                let ask = Ask::read(&frame).expect("a device keeps to the protocol").expect("and to this version of it");
                for answer in self.hear(ask, &mut request) {
                    if self.weather.hangs_after.is_some_and(|most| self.said.load(Ordering::Relaxed) >= most) {
                        std::future::pending::<()>().await;
                    }
                    cut |= self.weather.hears_only.is_some_and(|most| self.said.fetch_add(1, Ordering::Relaxed) >= most);
                    if self.weather.hears_only.is_none() {
                        self.said.fetch_add(1, Ordering::Relaxed);
                    }
                    let is_of_team = matches!(&answer, Answer::Item(i) if i.compartment == c("team/imt-1"));
                    let mut said = self.rest_of(&request, answer).write();
                    if let Some(most) = self.weather.cuts_within.filter(|_| is_of_team && !cut) {
                        said.truncate(most);
                        let _ = answers.send(said.clone()).await;
                        cut = true;
                    }
                    if !cut && answers.send(said).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
        if cut { Err(LinkError::NoLink("cut".into())) } else { Ok(()) }
    }

    fn pace(&self) -> Option<&Arc<Pace>> {
        self.pace.as_ref()
    }

    fn counted(&self) -> (u64, u64) {
        (0, 0)
    }
}

pub fn sync(hq: &Hq, held: &Mutex<Held>, tablet: &Tablet, weather: Weather) -> Result<SyncReport, SyncError> {
    sync_store(hq, held, &tablet.store, weather)
}

pub fn sync_store(hq: &Hq, held: &Mutex<Held>, store: &Arc<Store>, weather: Weather) -> Result<SyncReport, SyncError> {
    sync_telling(hq, held, store, weather, &|_| ())
}

pub fn sync_locked(hq: &Hq, held: &Mutex<Held>, device: &Device, weather: Weather) -> Result<SyncReport, SyncError> {
    let transport = Simulated::new(hq, held, device.info().expect("enrolled").id, weather);
    runtime().block_on(run_locked(device, &transport, &|_| ()))
}

fn sync_telling(
    hq: &Hq,
    held: &Mutex<Held>,
    store: &Arc<Store>,
    weather: Weather,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<SyncReport, SyncError> {
    let transport = Simulated::new(hq, held, store.device().id, weather);
    runtime().block_on(run(store, &transport, progress))
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime")
}

/// Headquarters' key, to which devices seal.
fn headquarters() -> seal::OpeningKey {
    seal::key_pair(&[8; 32]).0
}

/// Headquarters with two devices of one team, which both know each other's keys.
pub fn world() -> (Hq, Mutex<Held>, Tablet, Tablet) {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &["team/imt-1"]), hq.tablet(2, &["team/imt-1"]));
    let held = Mutex::new(Held::new(hq.keys.clone()));
    publish(&hq, &held);
    (hq, held, a, b)
}

/// What headquarters has written into the reference goes into its feed.
pub fn publish(hq: &Hq, held: &Mutex<Held>) {
    if let AppliedWhat::Segment(bytes) = hq.reference().what {
        let segment = Segment::read(&bytes).expect("headquarters' own");
        held.lock().expect("nobody panics with it").keep(&segment, bytes);
    }
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
        sync_telling(&hq, &held, &tablet.store, Weather::default(), &|p| *last.lock().expect("nobody panics with it") = p)
            .expect("a whole link");
        let last = *last.lock().expect("nobody panics with it");
        assert_eq!(last, Progress { to_send, receipted: to_send, received, ..Progress::default() });
    }
}

#[test]
fn a_refused_segment_waits_and_is_counted() {
    let (hq, held, a, _) = world();
    a.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    let refused = sync(&hq, &held, &a, Weather { refuses: true, ..Weather::default() }).expect("the answer is whole");
    let why = Refused { compartment: c("team/imt-1"), reason: "storage_full".into(), segments: 1 };
    assert_eq!((&refused.refused, refused.waiting, why.why()), (&vec![why.clone()], 1, "its storage is full"));
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
    let mut session = Session::new(hq.key.verifying_key(), Vec::new());
    let mut heard = Vec::new();
    for answer in [Answer::Item(item), Answer::Loose(segment)] {
        let mut reader = FrameReader::default();
        reader.push(&answer.write());
        let frame = reader.next().expect("a frame").expect("a whole one");
        heard.extend(session.hear(&frame).expect("of the protocol"));
    }
    assert!(matches!(heard[..], [Step::Page(..), Step::Loose(..)]), "it may carry on what the page brings: {heard:?}");
}

#[test]
fn a_sync_that_is_stopped_keeps_what_was_acknowledged_says_what_waits_and_only_one_runs() {
    let (hq, held, a, _) = world();
    for n in 0..250 {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
        a.store
            .save(&super::world::set(n, daftar_core::value::Path::Field(45), daftar_core::value::Value::Text("green".into())))
            .expect("amended");
    }
    let hanging = Simulated::new(&hq, &held, a.store.device().id, Weather { hangs_after: Some(1), ..Weather::default() });
    let (cancel, second) = (Cancel::default(), Mutex::new(None));
    let stopped = runtime().block_on(async {
        let told = |p: Progress| {
            if p.receipted > 0 {
                cancel.cancel();
            }
        };
        let other = async {
            tokio::task::yield_now().await;
            let outcome = run(&a.store, &Simulated::new(&hq, &held, a.store.device().id, Weather::default()), &|_| ()).await;
            *second.lock().expect("nobody panics with it") = Some(outcome);
            // The receipt may be written down after the last word of the answer was told.
            while a.store.waiting().expect("counted") == 500 {
                tokio::task::yield_now().await;
            }
            cancel.cancel();
        };
        tokio::join!(run_until(&a.store, &hanging, &told, &cancel), other).0
    });
    let waits = a.store.waiting().expect("counted");
    assert!(waits > 0 && waits < 500, "the one receipt that was heard is written down: {waits} wait");
    assert!(matches!(stopped, Err(SyncError::Cancelled { waiting }) if waiting == waits), "{stopped:?}");
    let second = second.into_inner().expect("nobody panics with it");
    assert!(matches!(second, Some(Err(SyncError::Running))), "one sync at a time: {second:?}");
    assert_eq!(a.store.device().last_hq_ms, None, "a stop says nothing of headquarters");
    let done = sync(&hq, &held, &a, Weather::default()).expect("a whole link");
    assert_eq!((done.sent_changes, done.waiting), (waits, 0), "the next goes on where it was stopped");
}

#[test]
fn an_answer_that_is_cut_leaves_what_was_heard_of_it() {
    let (hq, held, a, b) = world();
    let team = c("team/imt-1");
    for n in 0..3 {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
        sync(&hq, &held, &a, Weather::default()).expect("a whole link");
    }
    // The reference, and two of three entries of the team's feed: less than a page.
    let cut = sync(&hq, &held, &b, Weather { hears_only: Some(3), ..Weather::default() });
    assert!(matches!(cut, Err(SyncError::Link(LinkError::NoLink(_)))), "{cut:?}");
    let cursor = b.store.cursor(&team).expect("readable").expect("something came");
    assert_eq!(cursor.ranges, [(1, 2)], "both entries are written down with the cursor");
    let rest = sync(&hq, &held, &b, Weather::default()).expect("a whole link");
    assert_eq!(rest.received_changes, 1, "and are not asked for again");
    assert_eq!(a.store.digest(&team).expect("computed"), b.store.digest(&team).expect("computed"));
}

#[test]
fn a_message_that_is_cut_is_gone_on_with_behind_a_lock_and_forgotten_where_it_cannot_be_read() {
    let (hq, held, a, b) = world();
    let team = c("team/imt-1");
    for n in 0..120 {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
    }
    sync(&hq, &held, &a, Weather::default()).expect("a whole link");
    let there = |b: &Tablet| b.store.cut_messages().expect("readable").iter().map(Vec::len).collect::<Vec<_>>();
    let cut_at = |b: &Tablet, bytes| {
        let cut = sync(&hq, &held, b, Weather { cuts_within: Some(bytes), ..Weather::default() });
        assert!(matches!(cut, Err(SyncError::Link(LinkError::NoLink(_)))), "{cut:?}");
    };
    // A frame of this size begins with three bytes that are no message's.
    cut_at(&b, 603);
    assert_eq!(there(&b), [600]);
    let b = b.again();
    // The rest is cut, too: behind its kind, and which message it is of.
    cut_at(&b, 405);
    assert_eq!(there(&b), [1000]);
    cut_at(&b, 2);
    assert_eq!(there(&b), [1000], "what brings nothing takes nothing");

    let nonsense = Weather { wrong_rest: Some(vec![0xff; 50]), ..Weather::default() };
    let heard = sync(&hq, &held, &b, nonsense);
    assert!(heard.is_err(), "what came of it cannot be read: {heard:?}");
    assert!(there(&b).is_empty(), "nobody goes on with it again");
    cut_at(&b, 603);
    let done = sync(&hq, &held, &b, Weather::default()).expect("a whole link");
    assert_eq!((done.received_changes, there(&b)), (120, vec![]));
    assert_eq!(a.store.digest(&team).expect("computed"), b.store.digest(&team).expect("computed"));
    let mut session = Session::new(hq.key.verifying_key(), Vec::new());
    let mut reader = FrameReader::default();
    reader.push(&Answer::Rest(0, vec![1; 9]).write());
    session.hear(&reader.next().expect("a frame").expect("a whole one")).expect_err("the rest of nothing");
    // However often it is cut, no more is kept than a message may have.
    let begun = [&[5, 0xa5, 1, 0x69][..], b"reference", &vec![0; 600_000]].concat();
    let session = Session::new(hq.key.verifying_key(), vec![begun]);
    assert!(session.begun(&[&[27, 0][..], &[0; 400]].concat()).is_some());
    assert!(session.begun(&[&[27, 0][..], &vec![0; 600_000]].concat()).is_none());
}

#[test]
fn what_is_heard_is_written_down_while_the_answer_still_hangs() {
    let (hq, held, a, b) = world();
    let team = c("team/imt-1");
    for n in 0..3 {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
        sync(&hq, &held, &a, Weather::default()).expect("a whole link");
    }
    let weather = Weather { hangs_after: Some(3), ..Weather::default() };
    let (hanging, cancel) = (Simulated::new(&hq, &held, b.store.device().id, weather).paced(), Cancel::default());
    let cursor = || b.store.cursor(&team).expect("readable").map(|k| k.ranges);
    runtime().block_on(async {
        let looking = async {
            let until = Instant::now() + Duration::from_secs(30);
            while cursor().is_none() && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let seen = cursor();
            cancel.cancel();
            assert_eq!(seen, Some(vec![(1, 2)]), "two entries are less than a page, and nothing more comes");
        };
        let _ = tokio::join!(run_until(&b.store, &hanging, &|_| (), &cancel), looking);
    });
}
