//! Single values and the list of compartments. Never what is in a compartment.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, Epoch, Incarnation};
use daftar_core::time::Stamp;
use daftar_wire::message::feed_start;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{Error, Result};

/// What the server is: drawn once, at its founding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Headquarters' own device: the writer of its signed stream.
    pub device: DeviceId,
    /// `host:port` at which devices look for it.
    pub address: String,
}

/// Which life of the server this is: drawn at its founding and whenever it was set back. Read in the transaction that uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Of the feeds.
    pub epoch: Epoch,
    /// Of headquarters' own stream.
    pub incarnation: Incarnation,
}

/// Since when something of the server's past is in doubt, in milliseconds of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// It was restored from a backup, and nobody has confirmed that the revocations since then are in force.
    Restored,
    /// Its database was found set back, without a restore.
    SetBack,
    /// When the epoch was last changed by itself.
    OwnEpoch,
}

impl Doubt {
    fn key(self) -> &'static str {
        match self {
            Self::Restored => "restored_unconfirmed",
            Self::SetBack => "set_back",
            Self::OwnEpoch => "own_epoch",
        }
    }
}

/// Since when; `None`: it is not.
pub fn doubt(conn: &Connection, what: Doubt) -> Result<Option<u64>> {
    let bytes: Option<[u8; 8]> = get(conn, what.key())?.and_then(|v| v.try_into().ok());
    Ok(bytes.map(u64::from_be_bytes))
}

/// Says so, or that it is over.
pub fn set_doubt(conn: &Connection, what: Doubt, since_ms: Option<u64>) -> Result<()> {
    match since_ms {
        Some(ms) => set(conn, what.key(), &ms.to_be_bytes()),
        None => {
            conn.prepare_cached("DELETE FROM meta WHERE k = ?1")?.execute([what.key()])?;
            Ok(())
        }
    }
}

/// A compartment with its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The row's id.
    pub id: i64,
    /// The compartment.
    pub name: Compartment,
}

fn get(conn: &Connection, key: &str) -> Result<Option<Vec<u8>>> {
    Ok(conn.prepare_cached("SELECT v FROM meta WHERE k = ?1")?.query_row([key], |r| r.get(0)).optional()?)
}

fn set(conn: &Connection, key: &str, value: &[u8]) -> Result<()> {
    conn.prepare_cached("INSERT INTO meta(k, v) VALUES (?1, ?2) ON CONFLICT(k) DO UPDATE SET v = excluded.v")?
        .execute(params![key, value])?;
    Ok(())
}

/// Writes down what the server is.
pub fn set_identity(conn: &Connection, identity: &Identity) -> Result<()> {
    let Identity { device, address } = identity;
    set(conn, "device", &device.0)?;
    set(conn, "address", address.as_bytes())
}

fn id(conn: &Connection, key: &str) -> Result<[u8; 16]> {
    get(conn, key)?.and_then(|v| v.try_into().ok()).ok_or_else(|| Error::Damaged(format!("no {key}")))
}

/// What the server is.
pub fn identity(conn: &Connection) -> Result<Identity> {
    let address = get(conn, "address")?.and_then(|v| String::from_utf8(v).ok()).ok_or_else(|| Error::Damaged("no address".into()))?;
    Ok(Identity { device: DeviceId(id(conn, "device")?), address })
}

/// Begins a life.
pub fn set_life(conn: &Connection, life: &Life) -> Result<()> {
    let Life { epoch, incarnation } = life;
    set(conn, "epoch", &epoch.0)?;
    set(conn, "incarnation", &incarnation.0)
}

/// Which life this is.
pub fn life(conn: &Connection) -> Result<Life> {
    Ok(Life { epoch: Epoch(id(conn, "epoch")?), incarnation: Incarnation(id(conn, "incarnation")?) })
}

/// The last stamp that headquarters wrote.
pub fn stamp(conn: &Connection) -> Result<Stamp> {
    let bytes: Option<[u8; 12]> = get(conn, "stamp")?.and_then(|v| v.try_into().ok());
    Ok(bytes.map_or(Stamp::default(), |b| {
        let (ms, count) = b.split_at(8);
        Stamp { ms: ms.iter().fold(0, |n, b| n << 8 | u64::from(*b)), count: count.iter().fold(0, |n, b| n << 8 | u32::from(*b)) }
    }))
}

/// Keeps the last stamp.
pub fn set_stamp(conn: &Connection, stamp: Stamp) -> Result<()> {
    let mut bytes = stamp.ms.to_be_bytes().to_vec();
    bytes.extend_from_slice(&stamp.count.to_be_bytes());
    set(conn, "stamp", &bytes)
}

fn place(r: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, String)> {
    Ok((r.get(0)?, r.get(1)?))
}

fn parsed((id, name): (i64, String)) -> Result<Place> {
    let name = name.parse().map_err(|_| Error::Damaged(format!("compartment row {id}")))?;
    Ok(Place { id, name })
}

/// All compartments by name.
pub fn compartments(conn: &Connection) -> Result<Vec<Place>> {
    let mut rows = conn.prepare_cached("SELECT id, name FROM compartment ORDER BY name")?;
    rows.query_map([], place)?.map(|row| parsed(row?)).collect()
}

/// The compartment's row, if it exists.
pub fn compartment(conn: &Connection, name: &Compartment) -> Result<Option<Place>> {
    let row = conn.prepare_cached("SELECT id, name FROM compartment WHERE name = ?1")?.query_row([name.as_str()], place).optional()?;
    row.map(parsed).transpose()
}

/// The compartment of a row.
pub fn compartment_of(conn: &Connection, id: i64) -> Result<Place> {
    parsed(conn.prepare_cached("SELECT id, name FROM compartment WHERE id = ?1")?.query_row([id], place)?)
}

/// Makes a compartment with an empty feed; `None` if it exists.
pub fn add_compartment(conn: &Connection, name: &Compartment, epoch: &Epoch) -> Result<Option<Place>> {
    if conn.prepare_cached("INSERT OR IGNORE INTO compartment(name) VALUES (?1)")?.execute([name.as_str()])? == 0 {
        return Ok(None);
    }
    let id = conn.last_insert_rowid();
    let start = feed_start(name, epoch);
    conn.prepare_cached("INSERT INTO feed_head(compartment, n, chain) VALUES (?1, 0, ?2)")?.execute(params![id, start.0])?;
    Ok(Some(Place { id, name: name.clone() }))
}
