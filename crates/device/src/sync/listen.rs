//! Listens to one answer, step by step, and has it written down. Never decides what is asked next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use daftar_core::ids::Epoch;
use daftar_wire::file::FileAnswer;
use daftar_wire::message::{End, FrameReader, Receipt};
use tokio::sync::mpsc::Receiver;

use super::apply::{Tally, Writers};
use super::identity::Identity;
use super::pace::Pace;
use super::run::blocking;
use super::session::{Session, Step};
use super::{Progress, Refused, Road, SyncError, access};
use crate::share::{Bringer, FilesIn, FilesTook};
use crate::vault::Store;

/// Entries of a feed are not kept from the disk for longer than this.
const PAGE_AGE: Duration = Duration::from_secs(1);

/// Who is told how far it is.
pub(crate) struct Told<'a> {
    pub(crate) to_send: u64,
    pub(crate) tally: Arc<Tally>,
    pub(crate) progress: &'a (dyn Fn(Progress) + Send + Sync),
    /// Bytes up and down so far.
    pub(crate) counted: &'a (dyn Fn() -> (u64, u64) + Send + Sync),
}

impl Told<'_> {
    pub(crate) fn tell(&self) {
        let of = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let (bytes_up, bytes_down) = (self.counted)();
        (self.progress)(Progress {
            to_send: self.to_send,
            receipted: of(&self.tally.receipted).min(self.to_send),
            received: of(&self.tally.received),
            bytes_up,
            bytes_down,
        });
    }
}

/// What an answer came to.
pub(crate) struct Heard {
    /// Segments that the server did not take.
    pub(crate) refused: Vec<Refused>,
    /// Entries of feeds that were not taken here.
    pub(crate) untaken: u64,
    /// What was taken of the files that it brought.
    pub(crate) files: FilesTook,
    /// What it said of this device's identity.
    pub(crate) identity: Identity,
    /// Something waits again that did not: the server wants it, or has another life.
    pub(crate) news: bool,
    /// Its end, and whether it did not know the root.
    pub(crate) outcome: Result<(End, bool), SyncError>,
}

/// Listens until the answer ends, whole or cut.
pub(crate) async fn listen(
    store: &Arc<Store>,
    mut heard: Receiver<Vec<u8>>,
    told: &Told<'_>,
    road: Road,
    begun: Vec<Vec<u8>>,
    pace: Option<&Arc<Pace>>,
) -> Result<Heard, SyncError> {
    let had_begun = !begun.is_empty();
    let mut listener = Listener::new(store, &told.tally, road, begun, pace)?;
    let mut reader = FrameReader::default();
    let mut trouble = None;
    let mut written = Instant::now();
    'pieces: loop {
        // On a real link what was heard is written down every second, whatever it was.
        if pace.is_some() && written.elapsed() >= PAGE_AGE {
            listener.pause(told).await?;
            written = Instant::now();
        }
        let next = match pace {
            Some(_) => tokio::time::timeout(PAGE_AGE, heard.recv()).await,
            None => Ok(heard.recv().await),
        };
        let piece = match next {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(_) => continue,
        };
        reader.push(&piece);
        loop {
            let steps = match reader.next() {
                Ok(Some(frame)) => listener.session.hear(&frame),
                Ok(None) => break,
                Err(e) => Err(e),
            };
            match steps {
                Ok(steps) => listener.take(steps, told).await?,
                Err(e) => {
                    trouble = Some(e);
                    break 'pieces;
                }
            }
        }
    }
    drop(heard);
    // A cut keeps what was heard before it.
    listener.pause(told).await?;
    if trouble.is_some() || listener.end.as_ref().is_some_and(|end| !end.more) {
        if had_begun {
            blocking(store, Store::forget_cut_messages).await?;
        }
    } else if let Some((compartment, begun)) = listener.session.begun(reader.begun()).filter(|_| road == Road::Link) {
        blocking(store, move |s| s.keep_cut_message(&compartment, &begun)).await?;
    }
    listener.finish(trouble.map(SyncError::from)).await
}

/// Whether it opens or closes compartments, or begins their streams anew: what was said before it is written first.
fn opens_or_closes(step: &Step) -> bool {
    match step {
        Step::Granted(..) | Step::Anew(_) | Step::Revoked(_) | Step::Reopened(_) => true,
        Step::Receipted(_)
        | Step::Short(_)
        | Step::Page(..)
        | Step::Want(..)
        | Step::Refused(..)
        | Step::Forked(_)
        | Step::NewEpoch(_)
        | Step::Loose(_)
        | Step::File(_)
        | Step::RootUnknown
        | Step::Ended(_) => false,
    }
}

struct Listener<'a> {
    store: &'a Arc<Store>,
    road: Road,
    pace: Option<&'a Arc<Pace>>,
    session: Session,
    writers: Writers,
    identity: Identity,
    news: bool,
    root_unknown: bool,
    end: Option<End>,
    refused: Vec<Refused>,
    /// What takes files; with it while one is taken.
    files: Option<FilesIn>,
    /// Records came that may not be written yet.
    unsettled: bool,
}

impl<'a> Listener<'a> {
    fn new(
        store: &'a Arc<Store>,
        tally: &Arc<Tally>,
        road: Road,
        begun: Vec<Vec<u8>>,
        pace: Option<&'a Arc<Pace>>,
    ) -> Result<Self, SyncError> {
        Ok(Self {
            session: Session::new(store.device().server_key()?, begun),
            writers: Writers::start(store, tally, road),
            store,
            road,
            pace,
            identity: Identity::default(),
            news: false,
            root_unknown: false,
            end: None,
            refused: Vec::new(),
            files: Some(FilesIn::new(Bringer::Headquarters { is_news: road.is_news() })),
            unsettled: false,
        })
    }

    async fn take(&mut self, steps: Vec<Step>, told: &Told<'_>) -> Result<(), SyncError> {
        for step in steps {
            if self.is_past(&step) {
                tracing::info!("an old word of headquarters is passed over: it has spoken since");
                continue;
            }
            if opens_or_closes(&step) {
                self.writers.settled().await;
            }
            match step {
                Step::Receipted(receipt) => self.receipted(receipt).await?,
                Step::Short(short) => match blocking(self.store, move |s| s.whole_receipt(short)).await? {
                    Some(receipt) => self.receipted(receipt).await?,
                    None => {
                        tracing::warn!("a short receipt is not of our streams as they stand; whole ones are asked for");
                        self.root_unknown = true;
                        blocking(self.store, |s| s.set_confirmed(&[])).await?;
                    }
                },
                Step::Page(compartment, items) => {
                    self.unsettled = true;
                    self.writers.page(compartment, items).await;
                }
                Step::Granted(compartment, access) => blocking(self.store, move |s| s.grant_notice(&compartment, access)).await?,
                Step::Want(stream, from) => self.writers.want(stream, from).await,
                Step::Refused(stream, reason) => {
                    tracing::warn!(compartment = %stream.compartment, reason, "a segment was not taken; it waits");
                    Refused { compartment: stream.compartment, reason, segments: 1 }.add(&mut self.refused);
                }
                Step::Anew(digit) => {
                    tracing::warn!(digit, "this device was cloned or put back");
                    blocking(self.store, move |s| s.anew(digit)).await?;
                    self.identity.anew = true;
                }
                Step::Forked(stream) => {
                    self.identity.forked.insert(stream);
                }
                Step::NewEpoch(epoch) => self.epoch(epoch).await?,
                Step::Loose(segment) => {
                    self.unsettled = true;
                    self.writers.loose(segment).await;
                }
                Step::Revoked(revocation) => access::revoked(self.store, revocation).await?,
                Step::Reopened(reopened) => {
                    access::reopened(self.store, reopened).await?;
                    // Behind it may wait what was in no outbox.
                    self.news = true;
                }
                Step::File(word) => self.file(word).await?,
                Step::RootUnknown => self.root_unknown = true,
                Step::Ended(end) => {
                    for c in &end.cursors {
                        self.epoch(c.epoch).await?;
                        self.writers.end(c.clone()).await;
                    }
                    self.end = Some(end);
                }
            }
            told.tell();
        }
        Ok(())
    }

    /// Whether something newer may have been said since.
    fn is_past(&self, step: &Step) -> bool {
        match step {
            Step::Receipted(_) | Step::Short(_) | Step::Page(..) | Step::Loose(_) | Step::Refused(..) | Step::File(_) | Step::Ended(_) => {
                false
            }
            Step::Granted(..)
            | Step::Want(..)
            | Step::RootUnknown
            | Step::Anew(_)
            | Step::Forked(_)
            | Step::Revoked(_)
            | Step::NewEpoch(_)
            | Step::Reopened(_) => !self.road.is_news(),
        }
    }

    async fn pause(&mut self, told: &Told<'_>) -> Result<(), SyncError> {
        let steps = self.session.pause().into_iter().collect();
        self.take(steps, told).await
    }

    async fn receipted(&mut self, receipt: Receipt) -> Result<(), SyncError> {
        self.epoch(receipt.epoch).await?;
        let bytes = Arc::new(receipt.write());
        let recalling = self.pace.filter(|pace| pace.awaits_recall());
        for r in receipt.held {
            if let Some(pace) = self.pace {
                pace.receipted(&r.stream.incarnation, r.up_to);
            }
            self.writers.receipt(r, bytes.clone(), recalling.is_some()).await;
        }
        if let Some(pace) = recalling {
            self.writers.settled().await;
            pace.recalled();
        }
        Ok(())
    }

    /// A file's word is judged alone: whatever is wrong with it, the rest is heard.
    async fn file(&mut self, word: Vec<u8>) -> Result<(), SyncError> {
        if std::mem::take(&mut self.unsettled) {
            // It is taken because a record names it, and that may have come just before.
            self.writers.settled().await;
        }
        let Some(mut files) = self.files.take() else { return Ok(()) };
        let files = blocking(self.store, move |s| {
            match FileAnswer::read(&word) {
                Ok(Some(told)) => files.take(s, told),
                Ok(None) => {}
                Err(_) => files.refuse("malformed"),
            }
            Ok(files)
        })
        .await?;
        self.files = Some(files);
        Ok(())
    }

    /// The server's life as it says itself; another one than is known is taken up before anything that it says.
    async fn epoch(&mut self, epoch: Epoch) -> Result<(), SyncError> {
        if self.store.epoch() != epoch {
            if self.road == (Road::Pack { is_news: false }) {
                return Err(daftar_wire::WireError::Malformed("words of another life of headquarters' server").into());
            }
            self.news = true;
            self.writers.settled().await;
            blocking(self.store, move |s| s.adopt_epoch(epoch)).await?;
        }
        Ok(())
    }

    async fn finish(mut self, trouble: Option<SyncError>) -> Result<Heard, SyncError> {
        let written = self.writers.finish().await?;
        self.identity.foreign.extend(written.foreign);
        let outcome = match (trouble, self.end) {
            (Some(e), _) => Err(e),
            (None, Some(end)) => Ok((end, self.root_unknown)),
            (None, None) => Err(SyncError::Cut),
        };
        let files = self.files.map(|f| f.took()).unwrap_or_default();
        let news = self.news || written.wanted;
        Ok(Heard { refused: self.refused, untaken: written.refused, files, identity: self.identity, news, outcome })
    }
}
