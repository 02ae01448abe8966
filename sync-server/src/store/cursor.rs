//! What each device was last told about where it stands. Never what it may read.

use daftar_core::ids::DeviceId;
use daftar_wire::message::{Cursor, Root, read_cursors, write_cursors};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Result;
use crate::sql::{int, uint};

/// The list of cursors that a device's root stands for; the zero root stands for none.
pub fn list(conn: &Connection, device: &DeviceId, root: &Root) -> Result<Option<Vec<Cursor>>> {
    if *root == [0; 16] {
        return Ok(Some(Vec::new()));
    }
    let mut rows = conn.prepare_cached("SELECT cursors FROM device_root WHERE device = ?1 AND root = ?2")?;
    let bytes: Option<Vec<u8>> = rows.query_row(params![device.0, root], |r| r.get(0)).optional()?;
    Ok(bytes.map(|b| read_cursors(&b)).transpose()?)
}

/// Keeps the list that an exchange leaves beside the one that it began with: its end may never arrive.
pub fn keep(conn: &Connection, device: &DeviceId, began: &Root, left: &Root, cursors: &[Cursor]) -> Result<()> {
    conn.prepare_cached("DELETE FROM device_root WHERE device = ?1 AND root NOT IN (?2, ?3)")?.execute(params![device.0, began, left])?;
    conn.prepare_cached("INSERT OR REPLACE INTO device_root(device, root, cursors) VALUES (?1, ?2, ?3)")?.execute(params![
        device.0,
        left,
        write_cursors(cursors)
    ])?;
    Ok(())
}

/// Notes that a device has spoken: when, and how many changes were taken from it.
pub fn contact(conn: &Connection, device: &DeviceId, at_ms: u64, taken: u64) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO contact(device, at_ms, taken) VALUES (?1, ?2, ?3)
         ON CONFLICT(device) DO UPDATE SET at_ms = max(at_ms, excluded.at_ms), taken = taken + excluded.taken",
    )?
    .execute(params![device.0, int(at_ms), int(taken)])?;
    Ok(())
}

/// When each device has last spoken.
pub fn contacts(conn: &Connection) -> Result<Vec<(DeviceId, u64)>> {
    let mut rows = conn.prepare_cached("SELECT device, at_ms FROM contact")?;
    let rows = rows.query_map([], |r| Ok((DeviceId(r.get(0)?), uint(r.get(1)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
