//! Which changes were erased by order. Never holds what they said.

use daftar_core::ids::{ChangeName, FileHash};
use daftar_wire::change::Seed;
use daftar_wire::enrol::fingerprint;
use rusqlite::{Connection, params};

use super::meta::Place;
use crate::error::Result;
use crate::sql::int;

/// Notes that a change was erased.
pub fn add(conn: &Connection, place: &Place, name: &ChangeName, at_ms: u64) -> Result<()> {
    conn.prepare_cached("INSERT OR IGNORE INTO erased(compartment, name, at_ms) VALUES (?1, ?2, ?3)")?.execute(params![
        place.id,
        name.0,
        int(at_ms)
    ])?;
    Ok(())
}

/// Notes that a run's seed gave way with the payload of one of its changes. Only its hash is kept.
pub fn add_seed(conn: &Connection, place: &Place, seed: &Seed, at_ms: u64) -> Result<()> {
    add(conn, place, &ChangeName(fingerprint(seed)), at_ms)
}

/// Whether a seed did.
pub fn is_seed_erased(conn: &Connection, place: &Place, seed: &Seed) -> Result<bool> {
    is_erased(conn, place, &ChangeName(fingerprint(seed)))
}

/// Notes that a file was erased. Only its name's hash is kept.
pub fn add_file(conn: &Connection, place: &Place, file: &FileHash, at_ms: u64) -> Result<()> {
    add(conn, place, &ChangeName(fingerprint(&file.0)), at_ms)
}

/// Whether a file was.
pub fn is_file_erased(conn: &Connection, place: &Place, file: &FileHash) -> Result<bool> {
    is_erased(conn, place, &ChangeName(fingerprint(&file.0)))
}

/// Whether anything was erased in the compartment.
pub fn any(conn: &Connection, place: &Place) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM erased WHERE compartment = ?1 LIMIT 1")?.exists([place.id])?)
}

/// Whether this change was.
pub fn is_erased(conn: &Connection, place: &Place, name: &ChangeName) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM erased WHERE compartment = ?1 AND name = ?2")?.exists(params![place.id, name.0])?)
}
