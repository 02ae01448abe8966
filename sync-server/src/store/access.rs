//! Doors, gaps in grants, admissions: what each device may hold, and since when it may not. Never decides who may.

use std::collections::HashMap;

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, OfficerId};
use daftar_wire::message::{Access, Admission, Purged};
use rusqlite::{Connection, OptionalExtension, params};

use super::meta::Place;
use crate::error::{Error, Result};
use crate::sql::{int, uint};

/// What a device may hold of a compartment for an officer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// The officer.
    pub officer: OfficerId,
    /// The compartment.
    pub place: Place,
    /// What the device was last told that he may do.
    pub access: Access,
    /// When it was told of it, in milliseconds of UTC.
    pub opened_ms: u64,
    /// Since when it should be shut.
    pub revoked_ms: Option<u64>,
    /// The device's word that it is shut, and when that came.
    pub purged: Option<(Purged, u64)>,
}

/// All doors of a device, by officer and compartment.
pub fn doors(conn: &Connection, device: &DeviceId) -> Result<Vec<Door>> {
    let mut rows = conn.prepare_cached(
        "SELECT d.officer, c.id, c.name, d.read, d.write, d.opened_ms, d.revoked_ms, d.purged, d.purged_ms
         FROM door d JOIN compartment c ON c.id = d.compartment WHERE d.device = ?1 ORDER BY d.officer, c.name",
    )?;
    let mut rows = rows.query([device.0])?;
    let mut all = Vec::new();
    while let Some(r) = rows.next()? {
        let name: String = r.get(2)?;
        let (revoked, purged, purged_ms): (Option<i64>, Option<Vec<u8>>, Option<i64>) = (r.get(6)?, r.get(7)?, r.get(8)?);
        let purged = purged.map(|bytes| Purged::read(&bytes)).transpose()?;
        all.push(Door {
            officer: OfficerId(r.get(0)?),
            place: Place { id: r.get(1)?, name: name.parse().map_err(|_| Error::Damaged("a compartment's name".into()))? },
            access: Access { read: r.get(3)?, write: r.get(4)? },
            opened_ms: uint(r.get(5)?),
            revoked_ms: revoked.map(uint),
            purged: purged.zip(purged_ms.map(uint)),
        });
    }
    Ok(all)
}

/// A door is open (again), with these rights.
pub fn open_door(conn: &Connection, device: &DeviceId, officer: &OfficerId, place: &Place, access: Access, now_ms: u64) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO door(device, officer, compartment, read, write, opened_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT(device, officer, compartment) DO UPDATE SET read = excluded.read, write = excluded.write,
         opened_ms = iif(purged IS NULL, opened_ms, excluded.opened_ms), revoked_ms = NULL, purged = NULL, purged_ms = NULL",
    )?
    .execute(params![device.0, officer.0, place.id, access.read, access.write, int(now_ms)])?;
    Ok(())
}

/// Writes down a door for every grant that there is or was, on every device of its officer: a database that was set back does not know what a
/// device was told since. That it may do nothing there is what the device was told last, so that it is told what it may; and who holds nothing
/// says so when he is told to purge.
pub(crate) fn suppose_doors(conn: &Connection) -> Result<()> {
    conn.execute(
        "INSERT OR IGNORE INTO door(device, officer, compartment, read, write, opened_ms)
         SELECT o.device, o.officer, g.compartment, 0, 0, 0 FROM officer_device o JOIN grant_ g ON g.officer = o.officer",
        [],
    )?;
    Ok(())
}

/// A door should be shut since this time; `None`: it may be open after all.
pub fn mark_door(conn: &Connection, device: &DeviceId, officer: &OfficerId, place: &Place, revoked_ms: Option<u64>) -> Result<()> {
    conn.prepare_cached("UPDATE door SET revoked_ms = ?4 WHERE device = ?1 AND officer = ?2 AND compartment = ?3")?.execute(params![
        device.0,
        officer.0,
        place.id,
        revoked_ms.map(int)
    ])?;
    Ok(())
}

/// Keeps a device's word that a door is shut.
pub fn shut_door(conn: &Connection, device: &DeviceId, place: &Place, purged: &Purged, now_ms: u64) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO door(device, officer, compartment, read, write, opened_ms, purged, purged_ms) VALUES (?1, ?2, ?3, 0, 0, 0, ?4, ?5)
         ON CONFLICT(device, officer, compartment) DO UPDATE SET purged = excluded.purged, purged_ms = excluded.purged_ms",
    )?
    .execute(params![device.0, purged.officer.0, place.id, purged.write(), int(now_ms)])?;
    Ok(())
}

/// Who could write could not from the first time to the second, or still cannot.
pub type Gap = (u64, Option<u64>);

/// Writes down that an officer who could write can no more, or since when until when he could not.
pub(crate) fn add_gap(conn: &Connection, officer: &OfficerId, place: &Place, (from_ms, to_ms): Gap) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO write_gap(officer, compartment, from_ms, to_ms) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![officer.0, place.id, int(from_ms), to_ms.map(int)])?;
    Ok(())
}

/// He can again.
pub(crate) fn end_gap(conn: &Connection, officer: &OfficerId, place: &Place, to_ms: u64) -> Result<()> {
    conn.prepare_cached("UPDATE write_gap SET to_ms = ?3 WHERE officer = ?1 AND compartment = ?2 AND to_ms IS NULL")?.execute(params![
        officer.0,
        place.id,
        int(to_ms)
    ])?;
    Ok(())
}

/// An officer's gaps in all compartments.
pub fn gaps(conn: &Connection, officer: &OfficerId) -> Result<HashMap<Compartment, Vec<Gap>>> {
    let mut rows = conn.prepare_cached(
        "SELECT c.name, g.from_ms, g.to_ms FROM write_gap g JOIN compartment c ON c.id = g.compartment WHERE g.officer = ?1",
    )?;
    let rows = rows.query_map([officer.0], |r| Ok((r.get::<_, String>(0)?, uint(r.get(1)?), r.get::<_, Option<i64>>(2)?.map(uint))))?;
    let mut gaps: HashMap<Compartment, Vec<Gap>> = HashMap::new();
    for row in rows {
        let (name, from, to) = row?;
        gaps.entry(name.parse().map_err(|_| Error::Damaged("a compartment's name".into()))?).or_default().push((from, to));
    }
    Ok(gaps)
}

/// What an officer whom a leader let in may use on a device, and until when; nothing for one who was enrolled there by headquarters.
pub fn admitted(conn: &Connection, device: &DeviceId, officer: &OfficerId) -> Result<HashMap<Compartment, (Access, u64)>> {
    let mut rows = conn.prepare_cached(
        "SELECT c.name, a.read, a.write, a.until_ms FROM admitted a JOIN compartment c ON c.id = a.compartment
         WHERE a.device = ?1 AND a.officer = ?2",
    )?;
    let rows = rows.query_map(params![device.0, officer.0], |r| {
        Ok((r.get::<_, String>(0)?, (Access { read: r.get(1)?, write: r.get(2)? }, uint(r.get(3)?))))
    })?;
    rows.map(|row| {
        let (name, what) = row?;
        Ok((name.parse().map_err(|_| Error::Damaged("a compartment's name".into()))?, what))
    })
    .collect()
}

/// Writes down what he may use there.
pub(crate) fn put_admitted(
    conn: &Connection,
    device: &DeviceId,
    officer: &OfficerId,
    place: &Place,
    access: Access,
    until_ms: u64,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO admitted(device, officer, compartment, read, write, until_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT(device, officer, compartment) DO UPDATE SET read = excluded.read, write = excluded.write,
         until_ms = max(until_ms, excluded.until_ms)",
    )?
    .execute(params![device.0, officer.0, place.id, access.read, access.write, int(until_ms)])?;
    Ok(())
}

/// Headquarters itself has enrolled him there: no leader's word bounds him any more.
pub(crate) fn drop_admitted(conn: &Connection, device: &DeviceId, officer: &OfficerId) -> Result<()> {
    conn.prepare_cached("DELETE FROM admitted WHERE device = ?1 AND officer = ?2")?.execute(params![device.0, officer.0])?;
    Ok(())
}

/// True if this admission was taken before.
pub(crate) fn has_admission(conn: &Connection, admission: &Admission) -> Result<bool> {
    let mut rows = conn.prepare_cached("SELECT 1 FROM admission WHERE sig = ?1")?;
    Ok(rows.query_row([admission.sig], |_| Ok(())).optional()?.is_some())
}

/// Keeps an admission as it came.
pub(crate) fn keep_admission(conn: &Connection, a: &Admission, now_ms: u64) -> Result<()> {
    conn.prepare_cached("INSERT INTO admission(sig, device, officer, leader, taken_ms, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![a.sig, a.device.0, a.officer.0, a.by.0, int(now_ms), a.write()])?;
    Ok(())
}

/// The admissions on a device, the first first.
pub fn admissions(conn: &Connection, device: &DeviceId) -> Result<Vec<Admission>> {
    let mut rows = conn.prepare_cached("SELECT bytes FROM admission WHERE device = ?1 ORDER BY taken_ms, sig")?;
    let rows = rows.query_map([device.0], |r| r.get::<_, Vec<u8>>(0))?;
    rows.map(|bytes| Ok(Admission::read(&bytes?)?)).collect()
}
