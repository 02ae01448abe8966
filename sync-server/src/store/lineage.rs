//! The tokens by which copies of one device are told apart. Never says what follows from a strange one.

use daftar_core::ids::{DeviceId, Epoch};
use daftar_wire::message::Token;
use rusqlite::{Connection, params};

use crate::error::Result;
use crate::sql::int;

/// Of so many copies of a device the last tokens are kept.
const COPIES_MAX: u32 = 32;

/// A token that a copy of a device was last answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The token.
    pub token: Token,
    /// In which life of the server.
    pub epoch: Epoch,
    /// The digit that the device was told with it.
    pub anew: Option<u32>,
}

/// What the device's copies were last answered.
pub fn answered(conn: &Connection, device: &DeviceId) -> Result<Vec<Answered>> {
    let mut rows = conn.prepare_cached("SELECT token, epoch, anew FROM device_lineage WHERE device = ?1")?;
    let rows = rows.query_map([device.0], |r| Ok(Answered { token: r.get(0)?, epoch: Epoch(r.get(1)?), anew: r.get(2)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Keeps what a copy is answered now, in the place of what it was answered before. Tokens of other lives are forgotten.
pub fn keep(conn: &Connection, device: &DeviceId, before: Option<&Token>, now: &Answered, at_ms: u64) -> Result<()> {
    conn.prepare_cached("DELETE FROM device_lineage WHERE device = ?1 AND (token IS ?2 OR epoch <> ?3)")?.execute(params![
        device.0,
        before,
        now.epoch.0
    ])?;
    conn.prepare_cached("INSERT OR REPLACE INTO device_lineage(device, token, epoch, anew, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![device.0, now.token, now.epoch.0, now.anew, int(at_ms)])?;
    conn.prepare_cached(
        "DELETE FROM device_lineage WHERE device = ?1 AND token NOT IN
         (SELECT token FROM device_lineage WHERE device = ?1 ORDER BY at_ms DESC LIMIT ?2)",
    )?
    .execute(params![device.0, COPIES_MAX])?;
    Ok(())
}
