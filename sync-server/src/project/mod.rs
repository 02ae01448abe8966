//! Carries the feeds into the console's tables, in a task of its own that stands back while devices are sending. Never writes a feed.

mod page;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use daftar_core::compartment::Compartment;
use daftar_core::ids::Digest;
use daftar_wire::stream::digest;
use rusqlite::Transaction;
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::hq::Headquarters;
use crate::service::Service;
use crate::store::{Store, feed, meta, projection};

pub use daftar_wire::state::read as read_state;

/// Bytes of entries that are carried over in one transaction.
const PAGE_BYTES: usize = 256 * 1024;
/// A device is taken to be sending for so long after each commit.
const QUIET: Duration = Duration::from_millis(300);
/// And is let go first for so long at the most.
const BEHIND_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether a command has written.
const LOOK: Duration = Duration::from_secs(1);
/// How long the last catching up may take when the server stops.
const LAST_MAX: Duration = Duration::from_secs(10);

/// The console's tables, and who keeps them.
pub struct Projector {
    hq: Arc<Headquarters>,
    tables: Store,
    lag: AtomicU64,
}

impl Projector {
    /// Opens the tables, or makes them.
    pub fn open(hq: &Arc<Headquarters>) -> Result<Self> {
        let tables = projection::open(&hq.folder.projection(), &hq.keys.database, &hq.life()?.epoch)?;
        Ok(Self { hq: hq.clone(), tables, lag: AtomicU64::new(0) })
    }

    /// Reads the tables in one transaction: everything as at one moment.
    pub fn read<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.tables.read(f)
    }

    /// How many entries of feeds are not in the tables yet, as it was last looked.
    pub fn lag(&self) -> u64 {
        self.lag.load(Ordering::Relaxed)
    }

    /// Keeps the tables until it is told to stop; then catches up a last time.
    pub async fn run(self: Arc<Self>, service: Arc<Service>, mut stop: watch::Receiver<bool>) {
        let mut commits = service.commits();
        loop {
            if !*stop.borrow() {
                tokio::select! {
                    _ = commits.changed() => {}
                    () = tokio::time::sleep(LOOK) => {}
                    _ = stop.wait_for(|told| *told) => {}
                }
                wait_until_quiet(&commits, &stop).await;
            }
            let is_last = *stop.borrow();
            let until = Instant::now() + if is_last { LAST_MAX } else { BEHIND_MAX };
            let (this, service) = (self.clone(), service.clone());
            let done = tokio::task::spawn_blocking(move || service.keep_contacts().and_then(|()| this.catch_up(until)));
            if let Err(error) = done.await.map_err(Error::stopped).and_then(|done| done) {
                tracing::error!(%error, "the projection stands still");
            }
            if is_last {
                return;
            }
        }
    }

    /// Carries over what is new, until the given time. True if nothing is left.
    pub fn catch_up(&self, until: Instant) -> Result<bool> {
        loop {
            let (lag, next) = self.next()?;
            self.lag.store(lag, Ordering::Relaxed);
            let Some(Waiting { place, at, to }) = next else { return Ok(true) };
            if Instant::now() >= until {
                return Ok(false);
            }
            let entries = self.hq.store.read(|tx| feed::page(tx, &place, (at + 1, to), &feed::Whose::Everybody, PAGE_BYTES))?;
            let Some(last) = entries.last().map(|e| e.n) else {
                return Err(Error::Damaged(format!("the feed of {} has a gap", place.name)));
            };
            self.tables.write(|tx| {
                // The server and a command may both be at it.
                if projection::progress(tx, &place)? != at {
                    return Ok(());
                }
                projection::set_progress(tx, &place, last)?;
                page::apply(tx, &place, &entries)
            })?;
            if entries.iter().any(|e| matches!(e.kind, feed::Kind::Verdict(_))) {
                // It may have been an erasure: nothing of it shall stay in the log.
                self.tables.settle()?;
            }
        }
    }

    /// How many entries wait, and the first compartment in which some do. Tables of another life, or beyond the feeds, are begun again.
    fn next(&self) -> Result<(u64, Option<Waiting>)> {
        let (epoch, ends) = self.hq.store.read(|tx| Ok((meta::life(tx)?.epoch, ends(tx)?)))?;
        let is_beyond = self.tables.read(|tx| {
            let of_this_life = projection::is_of(tx, &epoch)?;
            let beyond = ends.iter().map(|(place, to)| Ok(projection::progress(tx, place)? > *to)).collect::<Result<Vec<_>>>()?;
            Ok(!of_this_life || beyond.contains(&true))
        })?;
        if is_beyond {
            tracing::warn!("the console's tables are not of these feeds: they are made anew");
            self.tables.write(|tx| projection::begin_again(tx, &epoch))?;
        }
        self.tables.read(|tx| {
            let (mut lag, mut first) = (0, None);
            for (place, to) in ends {
                let at = projection::progress(tx, &place)?;
                if at < to {
                    lag += to - at;
                    first.get_or_insert(Waiting { place, at, to });
                }
            }
            Ok((lag, first))
        })
    }
}

/// A feed of which some is not carried over: from where to where.
struct Waiting {
    place: meta::Place,
    at: u64,
    to: u64,
}

/// Where each feed ends.
fn ends(tx: &Transaction<'_>) -> Result<Vec<(meta::Place, u64)>> {
    meta::compartments(tx)?.into_iter().map(|p| Ok((feed::head(tx, &p)?.n, p))).map(|r| r.map(|(n, p)| (p, n))).collect()
}

/// Waits while devices are sending, but not for ever.
async fn wait_until_quiet(commits: &watch::Receiver<Option<Instant>>, stop: &watch::Receiver<bool>) {
    let began = Instant::now();
    while !*stop.borrow() && began.elapsed() < BEHIND_MAX {
        let Some(left) = commits.borrow().and_then(|at| QUIET.checked_sub(at.elapsed())) else { return };
        tokio::time::sleep(left + Duration::from_millis(5)).await;
    }
}

/// What headquarters holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Entries of feeds that are not in the console's tables yet.
    pub lag: u64,
    /// Since when it is one that was restored and not confirmed, in milliseconds of UTC.
    pub restored_ms: Option<u64>,
    /// When it was found set back without a restore, in milliseconds of UTC.
    pub set_back_ms: Option<u64>,
    /// Each compartment.
    pub compartments: Vec<Held>,
}

/// What a compartment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub name: Compartment,
    /// Records other than grants, as projected.
    pub records: u64,
    /// Changes in all streams.
    pub changes: u64,
    /// Of all streams' heads.
    pub digest: Digest,
}

/// What headquarters holds, from any process. A projection that cannot be opened, half made on a disk that fails or damaged, counts as one that
/// is not there: the feeds can still be read.
pub fn report(hq: &Headquarters) -> Result<Report> {
    let tables = projection::fitting(&hq.folder.projection(), &hq.keys.database, &hq.life()?.epoch).unwrap_or_else(|error| {
        tracing::warn!(%error, "the projection cannot be opened");
        None
    });
    hq.store.read(|tx| {
        let (restored_ms, set_back_ms) = (meta::doubt(tx, meta::Doubt::Restored)?, meta::doubt(tx, meta::Doubt::SetBack)?);
        let mut report = Report { lag: 0, restored_ms, set_back_ms, compartments: Vec::new() };
        for place in meta::compartments(tx)? {
            let (at, records) = match &tables {
                Some(tables) => (projection::progress(tables, &place)?, projection::records(tables, &place)?),
                None => (0, 0),
            };
            report.lag += feed::head(tx, &place)?.n.saturating_sub(at);
            let (changes, digest) = (feed::changes(tx, &place)?, digest(&feed::stream_heads(tx, &place)?));
            report.compartments.push(Held { name: place.name, records, changes, digest });
        }
        Ok(report)
    })
}
