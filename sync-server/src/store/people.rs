//! Officers, teams, posts, operations, devices and grants as rows. Derived from headquarters' own stream; never the truth by themselves.

use daftar_core::authorize::{Grant, Role};
use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::{ChangeName, DeviceId, OfficerId, RecordId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::meta::Place;
use crate::error::{Error, Result};
use crate::sql::{int, uint};

/// An officer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Officer {
    /// Who; also his record's id in `reference`.
    pub id: OfficerId,
    /// His unique handle.
    pub handle: String,
    /// What is shown.
    pub full_name: String,
    /// His agency.
    pub agency: Agency,
    /// His team's code.
    pub team: Option<String>,
    /// What he does.
    pub role: Role,
    /// Not dismissed.
    pub active: bool,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Which; also its record's id in `reference`.
    pub id: DeviceId,
    /// What people call it.
    pub name: String,
    /// The team's code.
    pub team: Option<String>,
    /// Its Ed25519 key.
    pub signing_key: [u8; 32],
    /// Its digit in record numbers.
    pub digit: u32,
    /// Not struck off.
    pub active: bool,
}

/// A mobile team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Its record.
    pub id: RecordId,
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
}

/// A joint operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its record.
    pub id: RecordId,
    /// Its compartment's name.
    pub compartment: String,
    /// What it is called.
    pub code_name: String,
    /// The teams in it.
    pub teams: Vec<String>,
}

/// A grant with its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantRow {
    /// Its record in the compartment that it opens.
    pub id: RecordId,
    /// What it gives.
    pub grant: Grant,
    /// Not taken back.
    pub active: bool,
    /// When it was taken back, in milliseconds of UTC.
    pub revoked_ms: Option<u64>,
}

/// An officer's keys on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfficerKeys {
    /// The change that added him to the device's record; `None`: its create.
    pub adder: Option<ChangeName>,
    /// His Ed25519 key there.
    pub signing_key: [u8; 32],
    /// His X25519 key there.
    pub sealing_key: [u8; 32],
}

const OFFICER: &str = "SELECT id, handle, full_name, agency, team, role, active FROM officer";
const DEVICE: &str = "SELECT id, name, team, signing_key, digit, active FROM device";

fn officer_row(r: &Row<'_>) -> Result<Officer> {
    let (agency, role): (String, String) = (r.get(3)?, r.get(5)?);
    Ok(Officer {
        id: OfficerId(r.get(0)?),
        handle: r.get(1)?,
        full_name: r.get(2)?,
        agency: agency.parse().map_err(|_| Error::Damaged("an officer's agency".into()))?,
        team: r.get(4)?,
        role: role.parse().map_err(|_| Error::Damaged("an officer's role".into()))?,
        active: r.get(6)?,
    })
}

fn device_row(r: &Row<'_>) -> Result<Device> {
    Ok(Device { id: DeviceId(r.get(0)?), name: r.get(1)?, team: r.get(2)?, signing_key: r.get(3)?, digit: r.get(4)?, active: r.get(5)? })
}

/// The officer with this id.
pub fn officer(conn: &Connection, id: &OfficerId) -> Result<Option<Officer>> {
    let mut rows = conn.prepare_cached(&format!("{OFFICER} WHERE id = ?1"))?;
    let mut rows = rows.query([id.0])?;
    rows.next()?.map(officer_row).transpose()
}

/// The officer with this handle.
pub fn officer_named(conn: &Connection, handle: &str) -> Result<Option<Officer>> {
    let mut rows = conn.prepare_cached(&format!("{OFFICER} WHERE handle = ?1"))?;
    let mut rows = rows.query([handle])?;
    rows.next()?.map(officer_row).transpose()
}

/// All officers by handle.
pub fn officers(conn: &Connection) -> Result<Vec<Officer>> {
    let mut rows = conn.prepare_cached(&format!("{OFFICER} ORDER BY handle"))?;
    let mut rows = rows.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(officer_row(row)?);
    }
    Ok(all)
}

/// Writes an officer's row.
pub fn put_officer(conn: &Connection, o: &Officer) -> Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO officer(id, handle, full_name, agency, team, role, active) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![o.id.0, o.handle, o.full_name, o.agency.code(), o.team, o.role.code(), o.active])?;
    Ok(())
}

/// The device with this id.
pub fn device(conn: &Connection, id: &DeviceId) -> Result<Option<Device>> {
    let mut rows = conn.prepare_cached(&format!("{DEVICE} WHERE id = ?1"))?;
    let mut rows = rows.query([id.0])?;
    rows.next()?.map(device_row).transpose()
}

/// The device with this Ed25519 key.
pub fn device_with_key(conn: &Connection, key: &[u8]) -> Result<Option<Device>> {
    let mut rows = conn.prepare_cached(&format!("{DEVICE} WHERE signing_key = ?1"))?;
    let mut rows = rows.query([key])?;
    rows.next()?.map(device_row).transpose()
}

/// All devices by name; headquarters' own among them.
pub fn devices(conn: &Connection) -> Result<Vec<Device>> {
    let mut rows = conn.prepare_cached(&format!("{DEVICE} ORDER BY name, id"))?;
    let mut rows = rows.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(device_row(row)?);
    }
    Ok(all)
}

/// Writes a device's row.
pub fn put_device(conn: &Connection, d: &Device) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO device(id, name, team, signing_key, digit, active) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![d.id.0, d.name, d.team, d.signing_key, d.digit, d.active])?;
    conn.prepare_cached("INSERT OR IGNORE INTO device_digit(device, digit) VALUES (?1, ?2)")?.execute(params![d.id.0, d.digit])?;
    Ok(())
}

/// The officer's keys on a device; `None`: he is not enrolled there.
pub fn officer_keys(conn: &Connection, device: &DeviceId, officer: &OfficerId) -> Result<Option<OfficerKeys>> {
    let mut rows = conn.prepare_cached("SELECT adder, signing_key, sealing_key FROM officer_device WHERE device = ?1 AND officer = ?2")?;
    let row = rows.query_row(params![device.0, officer.0], |r| {
        let adder: Option<[u8; 32]> = r.get(0)?;
        Ok(OfficerKeys { adder: adder.map(ChangeName), signing_key: r.get(1)?, sealing_key: r.get(2)? })
    });
    Ok(row.optional()?)
}

/// Who is enrolled where.
pub fn enrolled(conn: &Connection) -> Result<Vec<(DeviceId, OfficerId)>> {
    let mut rows = conn.prepare_cached("SELECT device, officer FROM officer_device ORDER BY device, officer")?;
    let rows = rows.query_map([], |r| Ok((DeviceId(r.get(0)?), OfficerId(r.get(1)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Writes an officer's keys on a device.
pub fn put_officer_keys(conn: &Connection, device: &DeviceId, officer: &OfficerId, keys: &OfficerKeys) -> Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO officer_device(device, officer, adder, signing_key, sealing_key) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![device.0, officer.0, keys.adder.map(|a| a.0), keys.signing_key, keys.sealing_key])?;
    Ok(())
}

/// All teams by code.
pub fn teams(conn: &Connection) -> Result<Vec<Team>> {
    let mut rows = conn.prepare_cached("SELECT id, code, name FROM team WHERE active ORDER BY code")?;
    let rows = rows.query_map([], |r| Ok(Team { id: RecordId(r.get(0)?), code: r.get(1)?, name: r.get(2)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Writes a team's row.
pub fn put_team(conn: &Connection, id: &RecordId, code: &str, name: &str, active: bool) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO team(id, code, name, active) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id.0, code, name, active])?;
    Ok(())
}

/// A post's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Its record.
    pub id: RecordId,
    /// Its code.
    pub code: String,
    /// The team that stands there.
    pub team: String,
    /// Its name.
    pub name: String,
    /// Latitude and longitude in degrees times 10^7.
    pub at_e7: Option<(i64, i64)>,
    /// Still in use.
    pub active: bool,
}

/// All posts by code.
pub fn posts(conn: &Connection) -> Result<Vec<Post>> {
    let mut rows = conn.prepare_cached("SELECT id, code, team, name, latitude_e7, longitude_e7, active FROM post ORDER BY code")?;
    let rows = rows.query_map([], |r| {
        let (latitude, longitude): (Option<i64>, Option<i64>) = (r.get(4)?, r.get(5)?);
        Ok(Post {
            id: RecordId(r.get(0)?),
            code: r.get(1)?,
            team: r.get(2)?,
            name: r.get(3)?,
            at_e7: latitude.zip(longitude),
            active: r.get(6)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Writes a post's row.
pub fn put_post(conn: &Connection, p: &Post) -> Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO post(id, code, team, name, latitude_e7, longitude_e7, active) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![p.id.0, p.code, p.team, p.name, p.at_e7.map(|a| a.0), p.at_e7.map(|a| a.1), p.active])?;
    Ok(())
}

/// All operations by compartment.
pub fn operations(conn: &Connection) -> Result<Vec<Operation>> {
    let mut rows = conn.prepare_cached("SELECT id, compartment, code_name FROM operation WHERE active ORDER BY compartment")?;
    let rows = rows.query_map([], |r| Ok((RecordId(r.get(0)?), r.get(1)?, r.get(2)?)))?;
    let mut all = Vec::new();
    for row in rows {
        let (id, compartment, code_name) = row?;
        let mut teams = conn.prepare_cached("SELECT team FROM operation_team WHERE operation = ?1 ORDER BY team")?;
        let teams = teams.query_map([id.0], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
        all.push(Operation { id, compartment, code_name, teams });
    }
    Ok(all)
}

/// Writes an operation's rows.
pub fn put_operation(conn: &Connection, o: &Operation, active: bool) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO operation(id, compartment, code_name, active) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![o.id.0, o.compartment, o.code_name, active])?;
    conn.prepare_cached("DELETE FROM operation_team WHERE operation = ?1")?.execute([o.id.0])?;
    for team in &o.teams {
        conn.prepare_cached("INSERT INTO operation_team(operation, team) VALUES (?1, ?2)")?.execute(params![o.id.0, team])?;
    }
    Ok(())
}

/// An officer's grant in a compartment.
pub fn grant(conn: &Connection, officer: &OfficerId, place: &Place) -> Result<Option<GrantRow>> {
    let mut rows =
        conn.prepare_cached("SELECT id, read, write, until_ms, active, revoked_ms FROM grant_ WHERE officer = ?1 AND compartment = ?2")?;
    Ok(rows.query_row(params![officer.0, place.id], |r| grant_row(r, 0)).optional()?)
}

/// An officer's grants in all compartments.
pub fn grants_of(conn: &Connection, officer: &OfficerId) -> Result<Vec<(Compartment, GrantRow)>> {
    let mut rows = conn.prepare_cached(
        "SELECT c.name, g.id, g.read, g.write, g.until_ms, g.active, g.revoked_ms FROM grant_ g JOIN compartment c ON c.id = g.compartment
         WHERE g.officer = ?1 ORDER BY c.name",
    )?;
    let rows = rows.query_map([officer.0], |r| Ok((r.get::<_, String>(0)?, grant_row(r, 1)?)))?;
    rows.map(|row| {
        let (name, grant) = row?;
        Ok((name.parse().map_err(|_| Error::Damaged("a compartment's name".into()))?, grant))
    })
    .collect()
}

fn grant_row(r: &Row<'_>, at: usize) -> rusqlite::Result<GrantRow> {
    let until: Option<i64> = r.get(at + 3)?;
    Ok(GrantRow {
        id: RecordId(r.get(at)?),
        grant: Grant { read: r.get(at + 1)?, write: r.get(at + 2)?, until_ms: until.map(uint) },
        active: r.get(at + 4)?,
        revoked_ms: r.get::<_, Option<i64>>(at + 5)?.map(uint),
    })
}

/// All grants in a compartment.
pub fn grants_in(conn: &Connection, place: &Place) -> Result<Vec<(OfficerId, GrantRow)>> {
    let mut rows = conn.prepare_cached(
        "SELECT g.officer, g.id, g.read, g.write, g.until_ms, g.active, g.revoked_ms FROM grant_ g WHERE g.compartment = ?1 ORDER BY g.officer",
    )?;
    let rows = rows.query_map([place.id], |r| Ok((OfficerId(r.get(0)?), grant_row(r, 1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Writes a grant's row.
pub fn put_grant(conn: &Connection, officer: &OfficerId, place: &Place, g: &GrantRow) -> Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO grant_(officer, compartment, id, read, write, until_ms, active, revoked_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        officer.0,
        place.id,
        g.id.0,
        g.grant.read,
        g.grant.write,
        g.grant.until_ms.map(int),
        g.active,
        g.revoked_ms.map(int)
    ])?;
    Ok(())
}

/// A head of one of headquarters' own records, and when it was written by headquarters' clock, in milliseconds of UTC.
pub type RecordHead = (ChangeName, u64);

/// The heads of one of headquarters' own records.
pub fn record_heads(conn: &Connection, place: &Place, record: &RecordId) -> Result<Vec<RecordHead>> {
    let mut rows = conn.prepare_cached("SELECT head, at_ms FROM hq_head WHERE compartment = ?1 AND record = ?2 ORDER BY head")?;
    let rows = rows.query_map(params![place.id, record.0], |r| Ok((ChangeName(r.get(0)?), uint(r.get(1)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Puts other heads in their place.
pub fn set_record_heads(conn: &Connection, place: &Place, record: &RecordId, heads: &[RecordHead]) -> Result<()> {
    conn.prepare_cached("DELETE FROM hq_head WHERE compartment = ?1 AND record = ?2")?.execute(params![place.id, record.0])?;
    for (head, at_ms) in heads {
        conn.prepare_cached("INSERT OR REPLACE INTO hq_head(compartment, record, head, at_ms) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![place.id, record.0, head.0, int(*at_ms)])?;
    }
    Ok(())
}

/// Every digit that a device of the team has or has had.
pub fn digits(conn: &Connection, team: Option<&str>, without: &DeviceId) -> Result<Vec<u32>> {
    let mut rows =
        conn.prepare_cached("SELECT d.digit FROM device_digit d JOIN device v ON v.id = d.device WHERE v.team IS ?1 AND v.id <> ?2")?;
    let rows = rows.query_map(params![team, without.0], |r| r.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
