//! What the device remembers of headquarters between exchanges, and the settings of the screens. Holds no secret.

use daftar_core::time::{ClockQuality, ClockReading};
use rusqlite::{Connection, OptionalExtension, params};

use super::Keyring;
use crate::error::Result;
use crate::sql::{int, uint};
use crate::sync::LinkMemory;

/// A comparison with headquarters' time is recent for so long.
const RECENT_MS: u64 = 24 * 60 * 60 * 1000;

/// The setting that holds what is remembered of the link: `cut` or `whole`, and bytes a second or `-`.
const LINK: &str = "link";
/// A rate that differs by less than this part is about the same.
const LINK_STEP: u64 = 4;

/// How the last attempt to reach headquarters ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactOutcome {
    /// The exchange completed.
    Finished {
        /// Headquarters' time, in milliseconds of UTC.
        hq_time_ms: u64,
    },
    /// It did not.
    Failed {
        /// Why: `no_link`, `portal`, `not_hq`, …
        code: String,
    },
}

/// What the sync strip says of headquarters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Headquarters' time when it was last reached, in milliseconds of UTC.
    pub hq_time_ms: Option<u64>,
    /// The device's time then.
    pub device_time_ms: Option<u64>,
    /// Why the last attempt failed; `None` if it did not.
    pub error: Option<String>,
    /// The device's time of the last attempt.
    pub tried_ms: u64,
}

impl Keyring {
    /// Notes an attempt to reach headquarters.
    /// `also` is done in the same transaction.
    pub(crate) fn note_contact(&self, outcome: &ContactOutcome, now_ms: u64, also: impl FnOnce(&Connection) -> Result<()>) -> Result<()> {
        let (reached, code) = match outcome {
            ContactOutcome::Finished { hq_time_ms } => (Some(int(*hq_time_ms)), None),
            ContactOutcome::Failed { code } => (None, Some(code.as_str())),
        };
        self.db.write(|tx| {
            tx.execute(
                "INSERT INTO contact(one, hq_time_ms, device_time_ms, error, tried_ms) VALUES (1, ?1, iif(?1 IS NULL, NULL, ?2), ?3, ?2)
             ON CONFLICT(one) DO UPDATE SET hq_time_ms = coalesce(excluded.hq_time_ms, hq_time_ms),
             device_time_ms = coalesce(excluded.device_time_ms, device_time_ms), error = excluded.error, tried_ms = excluded.tried_ms",
                params![reached, int(now_ms), code],
            )?;
            also(tx)
        })
    }

    /// What is remembered of headquarters.
    pub fn contact(&self) -> Result<Option<Contact>> {
        let row = self.conn().query_row("SELECT hq_time_ms, device_time_ms, error, tried_ms FROM contact", [], |r| {
            Ok(Contact {
                hq_time_ms: r.get::<_, Option<i64>>(0)?.map(uint),
                device_time_ms: r.get::<_, Option<i64>>(1)?.map(uint),
                error: r.get(2)?,
                tried_ms: uint(r.get(3)?),
            })
        });
        Ok(row.optional()?)
    }

    /// How well the device knows the time.
    pub(crate) fn clock_reading(&self, now_ms: u64) -> Result<ClockReading> {
        let Some(Contact { hq_time_ms: Some(hq), device_time_ms: Some(device), .. }) = self.contact()? else {
            return Ok(ClockReading::default());
        };
        let recent = now_ms >= device && now_ms - device <= RECENT_MS;
        // Headquarters' time has gone on since: where the clock has gone back, it is behind by what that shows at the least.
        let offset = i128::from(hq) - i128::from(device.min(now_ms));
        Ok(ClockReading {
            offset_ms: i64::try_from(offset).unwrap_or(0),
            quality: if recent { ClockQuality::Recent } else { ClockQuality::Stale },
        })
    }

    /// What the device remembers of its link.
    pub(crate) fn link(&self) -> Result<LinkMemory> {
        let text = self.setting(LINK)?.unwrap_or_default();
        let (cut, rate) = text.split_once(' ').unwrap_or_default();
        Ok(LinkMemory { was_cut: cut == "cut", bytes_per_second: rate.parse().ok() })
    }

    /// Keeps that. A rate that is about the same is not worth a write.
    pub(crate) fn set_link(&self, memory: &LinkMemory) -> Result<()> {
        let before = self.link()?;
        let is_near = match (before.bytes_per_second, memory.bytes_per_second) {
            (Some(a), Some(b)) => a.abs_diff(b) <= a / LINK_STEP,
            (a, b) => a == b,
        };
        if is_near && before.was_cut == memory.was_cut {
            return Ok(());
        }
        let rate = memory.bytes_per_second.map_or_else(|| "-".to_owned(), |n| n.to_string());
        self.set_setting(LINK, &format!("{} {rate}", if memory.was_cut { "cut" } else { "whole" }))
    }

    /// A setting of the screens: language, theme, text size.
    pub fn setting(&self, key: &str) -> Result<Option<String>> {
        Ok(self.conn().query_row("SELECT v FROM setting WHERE k = ?1", [key], |r| r.get(0)).optional()?)
    }

    /// Keeps a setting of the screens.
    pub fn set_setting(&self, key: &str, value: &str) -> Result<()> {
        self.db.write(|tx| {
            tx.execute("INSERT INTO setting(k, v) VALUES (?1, ?2) ON CONFLICT(k) DO UPDATE SET v = excluded.v", params![key, value])?;
            Ok(())
        })
    }
}
