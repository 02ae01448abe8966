//! Leases: how long an officer's copy of a key stays on the device without a contact, and the time by which that is counted.
//! A clock set back lengthens nothing. Headquarters' sealed copy of a key is never touched.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use daftar_core::authorize::LEASE_MS;
use daftar_core::ids::OfficerId;
use rusqlite::{Connection, OptionalExtension, params};

use super::{ContactOutcome, Keyring};
use crate::clock::Clock;
use crate::error::Result;
use crate::sql::{int, uint};

/// The greatest time is written down when it has grown by so much.
const SEEN_EVERY_MS: u64 = 60_000;

/// The time as leases count it.
#[derive(Debug, Default)]
pub(super) struct LeaseClock {
    /// The greatest time seen, and the uptime then.
    seen_ms: u64,
    seen_uptime_ms: u64,
    /// How far the device's clock was ahead of headquarters' at the last contact.
    ahead_ms: u64,
    written_ms: u64,
    /// The next lease's end; `None`: to be looked up.
    next_end_ms: Option<u64>,
}

impl LeaseClock {
    /// The greatest of what was seen plus the uptime since, and the device's clock as far as it was not ahead of headquarters'.
    fn now_ms(&mut self, clock: &dyn Clock) -> u64 {
        let uptime_ms = clock.uptime_ms();
        let by_uptime = self.seen_ms.saturating_add(uptime_ms.saturating_sub(self.seen_uptime_ms));
        let by_clock = clock.now_ms().saturating_sub(self.ahead_ms);
        (self.seen_ms, self.seen_uptime_ms) = (by_uptime.max(by_clock), uptime_ms);
        self.seen_ms
    }
}

/// A door whose lease has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) officer: OfficerId,
    pub(crate) file: String,
}

/// What an answer of headquarters that was heard to its end brings an officer's doors.
#[derive(Debug, Clone)]
pub(crate) struct Renewal {
    pub(crate) officer: OfficerId,
    /// His grants' ends that are known by their records, by file; for other doors an admission's end stands.
    pub(crate) grants: BTreeMap<String, Option<u64>>,
    /// Files whose feed is here to its end: from now on its last word counts.
    pub(crate) arrived: Vec<String>,
}

impl Keyring {
    fn lease(&self) -> MutexGuard<'_, LeaseClock> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on from what was written down.
    pub(crate) fn begin_leases(&self, clock: &dyn Clock) -> Result<()> {
        let contact = self.contact()?;
        let seen = self.conn().query_row("SELECT ms FROM seen", [], |r| r.get(0).map(uint)).optional()?;
        let (hq, device) = contact.map_or((None, None), |c| (c.hq_time_ms, c.device_time_ms));
        let seen_ms = seen.or(hq).unwrap_or(0);
        let ahead_ms = hq.zip(device).map_or(0, |(hq, device)| device.saturating_sub(hq));
        *self.lease() = LeaseClock { seen_ms, seen_uptime_ms: clock.uptime_ms(), ahead_ms, written_ms: seen_ms, next_end_ms: None };
        Ok(())
    }

    /// The time as leases and grants count it, in milliseconds of UTC. Written down at most once a minute.
    pub(crate) fn lease_now_ms(&self, clock: &dyn Clock) -> Result<u64> {
        let (now_ms, is_due) = {
            let mut lease = self.lease();
            let now_ms = lease.now_ms(clock);
            (now_ms, now_ms.saturating_sub(lease.written_ms) >= SEEN_EVERY_MS)
        };
        if is_due {
            self.write_seen(now_ms)?;
        }
        Ok(now_ms)
    }

    /// Writes the time down, as at unlock and lock.
    pub(crate) fn write_seen(&self, now_ms: u64) -> Result<()> {
        self.db.write(|tx| keep_seen(tx, now_ms))?;
        self.lease().written_ms = now_ms;
        Ok(())
    }

    /// How an attempt to reach headquarters went, in one act with what follows: time is counted from headquarters' own, whatever the device's
    /// clock said before, and the leases of who was unlocked begin again, none beyond its grant.
    pub(crate) fn contacted(&self, outcome: &ContactOutcome, clock: &dyn Clock, renewal: Option<&Renewal>) -> Result<()> {
        let reached = match outcome {
            ContactOutcome::Finished { hq_time_ms } => Some(*hq_time_ms),
            ContactOutcome::Failed { .. } => None,
        };
        self.note_contact(outcome, clock.now_ms(), |tx| {
            let Some(hq_time_ms) = reached else { return Ok(()) };
            keep_seen(tx, hq_time_ms)?;
            renewal.map_or(Ok(()), |renewal| renew(tx, hq_time_ms, renewal))
        })?;
        if let Some(hq_time_ms) = reached {
            let mut lease = self.lease();
            lease.seen_ms = hq_time_ms;
            lease.seen_uptime_ms = clock.uptime_ms();
            lease.ahead_ms = clock.now_ms().saturating_sub(hq_time_ms);
            lease.written_ms = hq_time_ms;
            drop(lease);
            self.doors_changed();
        }
        Ok(())
    }

    /// Headquarters' time of the newest word of it that was heard to its end, by whatever road.
    pub(crate) fn newest_word_ms(&self) -> Result<u64> {
        let carried: Option<i64> = self.conn().query_row("SELECT carried_ms FROM lineage", [], |r| r.get(0))?;
        let heard = self.contact()?.and_then(|c| c.hq_time_ms);
        Ok(heard.max(carried.map(uint)).unwrap_or(0))
    }

    /// An answer that came by courier was read to its end, and is newer than all that was heard: leases are counted from when headquarters
    /// said it. It sets no clock, for nobody knows how long it was on its way.
    pub(crate) fn carried(&self, hq_time_ms: u64, renewal: &Renewal) -> Result<()> {
        self.db.write(|tx| {
            tx.execute("UPDATE lineage SET carried_ms = max(?1, coalesce(carried_ms, 0))", [int(hq_time_ms)])?;
            renew(tx, hq_time_ms, renewal)
        })?;
        let mut lease = self.lease();
        lease.seen_ms = lease.seen_ms.max(hq_time_ms);
        drop(lease);
        self.doors_changed();
        Ok(())
    }

    /// Doors changed: the next lease's end is to be looked up.
    pub(super) fn doors_changed(&self) {
        self.lease().next_end_ms = None;
    }

    /// The doors whose lease is over and whose keys are still here. Asks the disk only when one can be.
    pub(crate) fn ending(&self, now_ms: u64) -> Result<Vec<Ended>> {
        if self.lease().next_end_ms.is_some_and(|end| now_ms < end) {
            return Ok(Vec::new());
        }
        // A door from before leases were kept begins one.
        let begin = "UPDATE door SET lease_until_ms = ?1 WHERE lease_until_ms IS NULL";
        self.db.write(|tx| Ok(tx.execute(begin, [int(now_ms.saturating_add(LEASE_MS))]).map(drop)?))?;
        let conn = self.conn();
        let mut rows = conn.prepare_cached("SELECT officer, file FROM door WHERE key IS NOT NULL AND lease_until_ms <= ?1")?;
        let ended = rows.query_map([int(now_ms)], |r| Ok(Ended { officer: OfficerId(r.get(0)?), file: r.get(1)? }))?;
        let ended = ended.collect::<rusqlite::Result<Vec<_>>>()?;
        let next: Option<i64> =
            conn.query_row("SELECT min(lease_until_ms) FROM door WHERE key IS NOT NULL AND lease_until_ms > ?1", [int(now_ms)], |r| {
                r.get(0)
            })?;
        if ended.is_empty() {
            self.lease().next_end_ms = Some(next.map_or(u64::MAX, uint));
        }
        Ok(ended)
    }

    /// Destroys the officers' copies of the keys whose leases are over, and says which.
    pub(crate) fn sweep(&self, now_ms: u64) -> Result<Vec<Ended>> {
        let ended = self.ending(now_ms)?;
        if ended.is_empty() {
            return Ok(ended);
        }
        let end = "UPDATE door SET key = NULL WHERE key IS NOT NULL AND lease_until_ms <= ?1";
        self.db.write(|tx| Ok(tx.execute(end, [int(now_ms)]).map(drop)?))?;
        self.conn().noted(|conn| rewrite(conn))?;
        self.doors_changed();
        tracing::warn!(doors = ended.len(), "leases ended; these keys are gone from the device");
        Ok(ended)
    }
}

fn renew(conn: &Connection, hq_time_ms: u64, Renewal { officer, grants, arrived }: &Renewal) -> Result<()> {
    for (file, until_ms) in grants {
        conn.prepare_cached("UPDATE door SET until_ms = ?3 WHERE officer = ?1 AND file = ?2")?.execute(params![
            officer.0,
            file,
            until_ms.map(int)
        ])?;
    }
    let lease = int(hq_time_ms.saturating_add(LEASE_MS));
    conn.execute("UPDATE door SET lease_until_ms = min(?2, coalesce(until_ms, ?2)) WHERE officer = ?1", params![officer.0, lease])?;
    for file in arrived {
        conn.prepare_cached("UPDATE door SET let_in = 0 WHERE officer = ?1 AND file = ?2")?.execute(params![officer.0, file])?;
    }
    Ok(())
}

fn keep_seen(conn: &Connection, now_ms: u64) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO seen(one, ms) VALUES (1, ?1)")?.execute([int(now_ms)])?;
    Ok(())
}

/// Writes the whole keyring anew and empties its write-ahead log, so that what was destroyed stands in no old page.
pub(super) fn rewrite(conn: &Connection) -> Result<()> {
    conn.execute_batch("VACUUM")?;
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}
