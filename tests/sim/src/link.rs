//! The simulated link: carries one exchange between the real engine and the real service, and does to it what its plan says. Stands where
//! HTTP stands; everything that is random about it was drawn before it began.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, RecordId};
use daftar_device::sync::{LinkError, Transport};
use daftar_sync_server::service::Service;
use daftar_sync_server::store::people::Device as DeviceRow;
use daftar_wire::file::FileAsk;
use daftar_wire::message::{Answer, Ask, Begun, FrameReader, Notice};
use daftar_wire::segment::Segment;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// What the link does to the first exchange of a sync; those that follow are left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Nothing.
    Clean,
    /// It fails before a byte is heard.
    Fails(LinkError),
    /// The question is cut after so many thousandths of its bytes; `heard`: what the server said until then is heard.
    CutQuestion { thousandths: u64, heard: bool },
    /// The answer is cut after so many thousandths of what comes behind the receipts.
    CutAnswer { thousandths: u64 },
    /// The server does everything and nothing of its answer is heard.
    ReplyLost,
    /// The question arrives twice; the second answer is heard.
    Twice,
    /// Segments of earlier exchanges arrive once more, and all of them in another order.
    Replayed { old: Vec<Vec<u8>>, order: u64 },
    /// A byte of a segment is altered on the way up.
    AlteredQuestion { segment: u64, byte: u64 },
    /// A byte of what headquarters or a device signed is altered on the way down.
    AlteredAnswer { answer: u64, byte: u64 },
    /// Records go whole; of what the device says of files behind them so many words arrive.
    CutFiles { words: u64 },
    /// For the checks of the checks: an entry of the feed is left out, and nobody told.
    DropsSilently,
    /// For the checks of the checks: somebody else's segment is put into the answer.
    Leaks(Vec<u8>),
}

/// What was said over a link.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// Segments that the device sent.
    pub segments: Vec<Vec<u8>>,
    /// Every compartment that was named in an answer.
    pub named: BTreeSet<Compartment>,
    /// Every compartment whose segments were sent up.
    pub sent: BTreeSet<Compartment>,
    /// The changes of each record that were handed to the device.
    pub delivered: BTreeMap<(Compartment, RecordId), BTreeSet<ChangeName>>,
    /// Segments that were handed down joined.
    pub loose: usize,
    /// Why segments were not taken.
    pub refused: Vec<String>,
    /// Streams of which another number was wanted.
    pub wanted: usize,
    /// What was said of files was cut.
    pub files_cut: bool,
    /// Answers heard by the device.
    pub answers: usize,
    /// What the device said to have of messages that were cut.
    pub begun: Vec<Begun>,
    /// Messages that were cut and of which the rest was said.
    pub resumed: usize,
    /// Ends that left the device with the newest of a feed and not with what is before it.
    pub ahead: usize,
}

/// The link of one sync.
pub struct Link {
    service: Arc<Service>,
    device: DeviceRow,
    plan: Mutex<Option<Plan>>,
    /// Words about files that arrive, where these are cut.
    files: Option<u64>,
    /// Bytes that the device wants in one answer.
    budget: Option<u64>,
    heard: Mutex<Heard>,
    cut: Cut,
}

/// Messages that were cut in this world so far: of which a rest may be said.
pub type Cut = Arc<Mutex<Vec<Answer>>>;

impl Link {
    /// A link of this device to headquarters.
    pub fn new(service: Arc<Service>, device: DeviceRow, plan: Plan, budget: Option<u64>, cut: Cut) -> Self {
        let files = if let Plan::CutFiles { words } = plan { Some(words) } else { None };
        Self { service, device, plan: Mutex::new(Some(plan)), files, budget, heard: Mutex::default(), cut }
    }

    /// What was said.
    pub fn heard(self) -> Heard {
        self.heard.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, f: impl FnOnce(&mut Heard)) {
        f(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn note_question(&self, frames: &[Vec<u8>]) {
        for frame in frames {
            match read_ask(frame) {
                Some(Ask::Segment(bytes)) => {
                    let compartment = Segment::outline(&bytes).map(|o| o.stream.compartment).ok();
                    self.note(|h| {
                        h.sent.extend(compartment);
                        h.segments.push(bytes);
                    });
                }
                Some(Ask::Hello(hello)) => self.note(|h| h.begun = hello.begun),
                _ => {}
            }
        }
    }

    /// Lets the service hear these bytes, and gives what it answers and whether the question was whole.
    async fn serve(&self, bytes: &[u8]) -> Result<Vec<Answer>, LinkError> {
        let (ask, asks) = channel(4);
        let (answers, mut said) = channel(4);
        let asking = async move {
            let mut reader = FrameReader::default();
            reader.push(bytes);
            // Bytes that are no message end the question, as they do over HTTP.
            while let Ok(Some(frame)) = reader.next() {
                match Ask::read(&frame) {
                    Ok(Some(message)) => drop(ask.send(message).await),
                    Ok(None) => {}
                    Err(_) => return,
                }
            }
        };
        let serving = async {
            let done = self.service.sync(&self.device, asks, &answers).await;
            drop(answers);
            done
        };
        let hearing = async {
            let mut all = Vec::new();
            while let Some(answer) = said.recv().await {
                all.push(answer);
            }
            all
        };
        let ((), done, all) = tokio::join!(asking, serving, hearing);
        match done {
            Ok(_) => Ok(all),
            Err(error) => {
                tracing::error!(%error, "an exchange failed");
                Err(LinkError::NoLink(error.to_string()))
            }
        }
    }

    /// The message that was cut and of which this is the rest, behind what the device said to have of it.
    fn whole(&self, which: usize, rest: &[u8]) -> Option<Answer> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = *heard.begun.get(which)?;
        let cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        let is_whole = |a: &&Answer| {
            let bytes = a.write();
            bytes.strip_suffix(rest).is_some_and(|there| {
                let head = there.len().checked_sub(usize::try_from(begun.bytes).unwrap_or(usize::MAX));
                head.is_some_and(|head| Begun::of(&there[head..]) == begun)
            })
        };
        cut.iter().find(is_whole).cloned()
    }

    fn note_answer(&self, answer: &Answer) {
        if let Answer::Rest(which, rest) = answer {
            self.note(|h| h.resumed += 1);
            let whole = self.whole(usize::from(*which), rest).expect("a rest is that of a message that was cut");
            return self.note_answer(&whole);
        }
        self.note(|h| {
            h.answers += 1;
            h.named.extend(named(answer));
            match answer {
                Answer::Item(item) => deliver(h, &item.segment),
                Answer::Loose(segment) => {
                    h.loose += 1;
                    deliver(h, segment);
                }
                Answer::Notice(Notice::Refused { reason, .. }) => h.refused.push(reason.clone()),
                Answer::Notice(Notice::Want { .. }) => h.wanted += 1,
                Answer::Receipt(_) | Answer::Short(_) | Answer::Notice(_) => {}
                Answer::Verdict(_) | Answer::LooseVerdict(_) | Answer::Rest(..) | Answer::Reopened(_) | Answer::File(_) => {}
                Answer::End(end) => h.ahead += usize::from(end.cursors.iter().any(|c| c.ranges.len() > 1)),
            }
        });
    }

    async fn say(&self, answers: Vec<Answer>, to: &Sender<Vec<u8>>) -> Result<(), LinkError> {
        for answer in answers {
            self.note_answer(&answer);
            if to.send(answer.write()).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Says answers until so many thousandths of what comes behind the receipts are said: how many receipts there are depends on how commits
    /// were grouped, so the cut is counted from behind them.
    async fn say_cut(&self, answers: Vec<Answer>, thousandths: u64, to: &Sender<Vec<u8>>) -> Result<(), LinkError> {
        let first = answers.iter().position(|a| !is_of_the_way_up(a)).unwrap_or(answers.len());
        let (up, down) = answers.split_at(first);
        let mut left = part(down.iter().map(|a| a.write().len()).sum(), thousandths);
        self.say(up.to_vec(), to).await?;
        for answer in down {
            let bytes = answer.write();
            if bytes.len() > left {
                if !matches!(answer, Answer::Rest(..)) {
                    self.cut.lock().unwrap_or_else(PoisonError::into_inner).push(answer.clone());
                }
                let _ = to.send(bytes[..left].to_vec()).await;
                break;
            }
            left -= bytes.len();
            self.say(vec![answer.clone()], to).await?;
        }
        Ok(())
    }

    /// Says answers with one byte of one entry of the feed altered.
    async fn say_altered(&self, answers: Vec<Answer>, (answer, byte): (u64, u64), to: &Sender<Vec<u8>>) {
        let down: Vec<usize> = (0..answers.len()).filter(|i| matches!(answers[*i], Answer::Item(_) | Answer::Verdict(_))).collect();
        let at = down.get(usize::try_from(answer).unwrap_or(0) % down.len().max(1)).copied();
        for (i, mut answer) in answers.into_iter().enumerate() {
            self.note_answer(&answer);
            match &mut answer {
                Answer::Item(item) if at == Some(i) => flip_within(&mut item.segment, byte),
                Answer::Verdict(v) if at == Some(i) => flip(&mut v.sig, byte),
                Answer::Item(_) | Answer::Verdict(_) | Answer::Receipt(_) | Answer::Short(_) | Answer::Notice(_) => {}
                Answer::Loose(_) | Answer::LooseVerdict(_) | Answer::Rest(..) => {}
                Answer::Reopened(_) | Answer::File(_) | Answer::End(_) => {}
            }
            if to.send(answer.write()).await.is_err() {
                return;
            }
        }
    }

    async fn carry(&self, plan: Plan, frames: Vec<Vec<u8>>, to: &Sender<Vec<u8>>) -> Result<(), LinkError> {
        let whole: Vec<u8> = frames.concat();
        let cut = || Err(LinkError::NoLink("cut".into()));
        match plan {
            Plan::Fails(error) => Err(error),
            Plan::Clean | Plan::CutFiles { .. } => self.say(self.serve(&whole).await?, to).await,
            Plan::CutQuestion { thousandths, heard } => {
                let answers = self.serve(&whole[..part(whole.len(), thousandths)]).await?;
                if heard {
                    self.say(answers, to).await?;
                }
                cut()
            }
            Plan::CutAnswer { thousandths } => {
                self.say_cut(self.serve(&whole).await?, thousandths, to).await?;
                cut()
            }
            Plan::ReplyLost => {
                self.serve(&whole).await?;
                cut()
            }
            Plan::Twice => {
                self.serve(&whole).await?;
                self.say(self.serve(&whole).await?, to).await
            }
            Plan::Replayed { old, order } => {
                let again = old.into_iter().map(|bytes| Ask::Segment(bytes).write());
                let mut frames: Vec<Vec<u8>> = frames.into_iter().chain(again).collect();
                let Some(hello) = frames.first().cloned() else { return cut() };
                let end = Ask::End.write();
                frames.retain(|f| *f != hello && *f != end);
                let mut rng = crate::rng::Rng::of(order);
                for i in (1..frames.len()).rev() {
                    frames.swap(i, rng.place(i + 1));
                }
                // Each as a request of its own that came late and whose answer nobody hears: how a service groups what comes in one request is
                // left to its threads, and so would be what it says of an order that is none.
                for frame in frames {
                    self.serve(&[hello.clone(), frame, end.clone()].concat()).await?;
                }
                self.say(self.serve(&whole).await?, to).await
            }
            Plan::AlteredQuestion { segment, byte } => self.say(self.serve(&altered(frames, segment, byte)).await?, to).await,
            Plan::AlteredAnswer { answer, byte } => {
                self.say_altered(self.serve(&whole).await?, (answer, byte), to).await;
                Ok(())
            }
            Plan::DropsSilently => {
                let mut answers = self.serve(&whole).await?;
                if let Some(i) = answers.iter().rposition(|a| matches!(a, Answer::Item(i) if i.compartment != Compartment::reference())) {
                    answers.remove(i);
                }
                // The end's digest would tell, so it is made to lie too.
                if let Some(Answer::End(end)) = answers.last_mut() {
                    end.cursors.clear();
                }
                self.say(answers, to).await
            }
            Plan::Leaks(segment) => {
                let mut answers = self.serve(&whole).await?;
                answers.insert(answers.len().saturating_sub(1), Answer::Loose(segment));
                self.say(answers, to).await
            }
        }
    }
}

impl Transport for Link {
    async fn exchange(&self, mut asks: Receiver<Vec<u8>>, answers: Sender<Vec<u8>>) -> Result<(), LinkError> {
        // Heard to its end even where nothing is carried: how far the encoders come before a link fails is left to no race.
        let plan = {
            let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
            // A link that drops goes on dropping; the others do what they do once.
            let now = plan.take().unwrap_or(Plan::Clean);
            *plan = Some(Plan::DropsSilently).filter(|p| *p == now);
            now
        };
        let mut frames = Vec::new();
        while let Some(frame) = asks.recv().await {
            frames.push(frame);
        }
        // Encoders race for the link; each stream's own order is kept.
        frames.sort_by_cached_key(|frame| order(frame));
        self.note_question(&frames);
        self.carry(plan, frames, &answers).await
    }

    async fn exchange_files(&self, mut asks: Receiver<Vec<u8>>, answers: Sender<Vec<u8>>) -> Result<(), LinkError> {
        let ((ask, asked), (say, mut said)) = (channel(1), channel(1));
        // What is cut is what the device says: how far headquarters' words came meanwhile is left to no race.
        let asking = async {
            let (mut reader, mut left) = (FrameReader::default(), self.files);
            while let Some(bytes) = asks.recv().await {
                reader.push(&bytes);
                while let Ok(Some(frame)) = reader.next() {
                    if left == Some(0) {
                        drop(ask);
                        return false;
                    }
                    left = left.map(|left| left - 1);
                    if let Ok(Some(word)) = FileAsk::read(&frame) {
                        let _ = ask.send(word).await;
                    }
                }
            }
            drop(ask);
            true
        };
        let serving = async {
            let done = self.service.files(&self.device, asked, &say).await;
            drop(say);
            done
        };
        let hearing = async {
            while let Some(answer) = said.recv().await {
                let _ = answers.send(answer.write()).await;
            }
            drop(answers);
        };
        let (is_whole, done, ()) = tokio::join!(asking, serving, hearing);
        self.note(|h| h.files_cut |= !is_whole);
        match done {
            Ok(_) if is_whole => Ok(()),
            Ok(_) => Err(LinkError::NoLink("cut".into())),
            Err(error) => {
                tracing::error!(%error, "an exchange of files failed");
                Err(LinkError::NoLink(error.to_string()))
            }
        }
    }

    fn budget(&self) -> Option<u64> {
        self.budget
    }

    fn counted(&self) -> (u64, u64) {
        (0, 0)
    }
}

/// The compartment of a segment's stream.
pub fn compartment_of(segment: &[u8]) -> Option<Compartment> {
    Segment::outline(segment).ok().map(|o| o.stream.compartment)
}

/// Runs something to its end, and with it every thread that it started.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(future)
}

fn part(of: usize, thousandths: u64) -> usize {
    usize::try_from(of as u64 * thousandths.min(1000) / 1000).unwrap_or(of)
}

fn read_ask(frame: &[u8]) -> Option<Ask> {
    let mut reader = FrameReader::default();
    reader.push(frame);
    reader.next().ok().flatten().and_then(|f| Ask::read(&f).ok().flatten())
}

/// Hello, then segments by stream and number, then the rest, then the end.
fn order(frame: &[u8]) -> (u8, Option<daftar_wire::stream::StreamId>, u64) {
    match read_ask(frame) {
        Some(Ask::Hello(_)) => (0, None, 0),
        Some(Ask::Segment(bytes)) => match Segment::outline(&bytes) {
            Ok(outline) => (1, Some(outline.stream), outline.first),
            Err(_) => (2, None, 0),
        },
        Some(Ask::Heads(_) | Ask::Sealed(_) | Ask::Purged(_) | Ask::Reopen(_) | Ask::Admission(_) | Ask::Recall) | None => (2, None, 0),
        Some(Ask::End | Ask::File(_)) => (3, None, 0),
    }
}

/// What the server says while it takes what comes.
fn is_of_the_way_up(answer: &Answer) -> bool {
    match answer {
        Answer::Receipt(_) | Answer::Short(_) => true,
        Answer::Notice(Notice::Want { .. } | Notice::Refused { .. } | Notice::Forked { .. }) => true,
        Answer::Item(_)
        | Answer::Verdict(_)
        | Answer::Notice(_)
        | Answer::Loose(_)
        | Answer::LooseVerdict(_)
        | Answer::Rest(..)
        | Answer::Reopened(_)
        | Answer::File(_)
        | Answer::End(_) => false,
    }
}

/// The compartments that an answer names.
fn named(answer: &Answer) -> Vec<Compartment> {
    let of_segment = |bytes: &[u8]| Segment::outline(bytes).map(|o| o.stream.compartment).ok();
    match answer {
        Answer::Item(i) => std::iter::once(i.compartment.clone()).chain(of_segment(&i.segment)).collect(),
        Answer::Loose(bytes) => of_segment(bytes).into_iter().collect(),
        Answer::Verdict(v) | Answer::LooseVerdict(v) => vec![v.compartment.clone()],
        Answer::Notice(Notice::Granted { compartment, .. }) => vec![compartment.clone()],
        // These repeat what the question named.
        Answer::Receipt(_) | Answer::Short(_) => Vec::new(),
        Answer::Notice(Notice::Want { .. } | Notice::Refused { .. } | Notice::Forked { .. }) => Vec::new(),
        // It says to whom it was open once that it is so no more.
        Answer::Notice(Notice::Revoked(_)) => Vec::new(),
        Answer::Notice(Notice::RootUnknown | Notice::Anew { .. } | Notice::NewEpoch { .. }) => Vec::new(),
        // What it is the rest of is asked instead.
        Answer::Rest(..) => Vec::new(),
        Answer::Reopened(r) => vec![r.compartment.clone()],
        // Over a link files have an exchange of their own.
        Answer::File(_) => Vec::new(),
        Answer::End(end) => end.cursors.iter().map(|c| c.compartment.clone()).collect(),
    }
}

fn deliver(heard: &mut Heard, segment: &[u8]) {
    let Ok(segment) = Segment::read(segment) else { return };
    let c = segment.stream.compartment;
    for change in segment.entries.iter().filter_map(|e| e.read(&c).ok()) {
        heard.delivered.entry((c.clone(), change.header.record)).or_default().insert(change.name);
    }
}

fn flip(bytes: &mut [u8], byte: u64) {
    let len = bytes.len().max(1);
    if let Some(b) = bytes.get_mut(usize::try_from(byte).unwrap_or(0) % len) {
        *b ^= 1 << (byte % 8);
    }
}

/// Alters a byte of a segment but leaves whose it is: a device that is not known here cannot be checked, and its work is taken as it comes.
fn flip_within(segment: &mut [u8], byte: u64) {
    let stream = Segment::outline(segment).map(|o| o.stream);
    for next in 0..segment.len() as u64 {
        flip(segment, byte.wrapping_add(next * 8));
        if Segment::outline(segment).map(|o| o.stream).is_ok_and(|s| stream.as_ref().is_ok_and(|was| *was == s)) {
            return;
        }
        flip(segment, byte.wrapping_add(next * 8));
    }
}

/// The question with one byte of one of its segments altered; unaltered if it has none.
fn altered(mut frames: Vec<Vec<u8>>, segment: u64, byte: u64) -> Vec<u8> {
    let segments: Vec<usize> = (0..frames.len()).filter(|i| matches!(read_ask(&frames[*i]), Some(Ask::Segment(_)))).collect();
    if let Some(i) = segments.get(usize::try_from(segment).unwrap_or(0) % segments.len().max(1))
        && let Some(Ask::Segment(mut bytes)) = read_ask(&frames[*i])
    {
        flip(&mut bytes, byte);
        frames[*i] = Ask::Segment(bytes).write();
    }
    frames.concat()
}
