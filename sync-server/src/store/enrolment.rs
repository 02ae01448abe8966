//! Enrolment codes, installations and console passwords: what is known at headquarters alone. Never holds a secret in the clear.

use daftar_core::ids::{DeviceId, OfficerId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Result;
use crate::sql::{int, uint};

/// A code that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRow {
    /// For whom.
    pub officer: OfficerId,
    /// Until when, in milliseconds of UTC.
    pub expires_ms: u64,
    /// The device key that used it and what that was answered.
    pub used: Option<(Vec<u8>, Vec<u8>)>,
}

/// Keeps a new code by its hash.
pub fn add_code(conn: &Connection, secret_hash: &[u8; 32], officer: &OfficerId, expires_ms: u64) -> Result<()> {
    conn.prepare_cached("INSERT INTO code(secret_hash, officer, expires_ms) VALUES (?1, ?2, ?3)")?.execute(params![
        secret_hash,
        officer.0,
        int(expires_ms)
    ])?;
    Ok(())
}

/// The code with this hash.
pub fn code(conn: &Connection, secret_hash: &[u8; 32]) -> Result<Option<CodeRow>> {
    let mut rows = conn.prepare_cached("SELECT officer, expires_ms, used_by, reply FROM code WHERE secret_hash = ?1")?;
    let row = rows.query_row([secret_hash], |r| {
        let used_by: Option<Vec<u8>> = r.get(2)?;
        let reply: Option<Vec<u8>> = r.get(3)?;
        Ok(CodeRow { officer: OfficerId(r.get(0)?), expires_ms: uint(r.get(1)?), used: used_by.zip(reply) })
    });
    Ok(row.optional()?)
}

/// Marks a code as used.
pub fn use_code(conn: &Connection, secret_hash: &[u8; 32], used_by: &[u8; 32], reply: &[u8]) -> Result<()> {
    conn.prepare_cached("UPDATE code SET used_by = ?2, reply = ?3 WHERE secret_hash = ?1")?.execute(params![
        secret_hash,
        used_by,
        reply
    ])?;
    Ok(())
}

/// Ends every code that was not used, as far as is known here.
pub fn end_codes(conn: &Connection) -> Result<()> {
    conn.execute("UPDATE code SET expires_ms = 0 WHERE used_by IS NULL", [])?;
    Ok(())
}

/// Keeps a device's sealing key and certificate.
pub fn add_installation(conn: &Connection, device: &DeviceId, sealing_key: &[u8; 32], certificate: &[u8]) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO installation(device, sealing_key, certificate) VALUES (?1, ?2, ?3)")?.execute(params![
        device.0,
        sealing_key,
        certificate
    ])?;
    Ok(())
}

/// A device's certificate (DER).
pub fn certificate(conn: &Connection, device: &DeviceId) -> Result<Option<Vec<u8>>> {
    let mut rows = conn.prepare_cached("SELECT certificate FROM installation WHERE device = ?1")?;
    Ok(rows.query_row([device.0], |r| r.get(0)).optional()?)
}

/// Sets an officer's console password by its Argon2id hash (PHC string).
pub fn set_password(conn: &Connection, officer: &OfficerId, hash: &str, changed_ms: u64) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO password(officer, hash, changed_ms) VALUES (?1, ?2, ?3)")?.execute(params![
        officer.0,
        hash,
        int(changed_ms)
    ])?;
    Ok(())
}

/// An officer's console password as its Argon2id hash (PHC string).
pub fn password(conn: &Connection, officer: &OfficerId) -> Result<Option<String>> {
    Ok(conn.prepare_cached("SELECT hash FROM password WHERE officer = ?1")?.query_row([officer.0], |r| r.get(0)).optional()?)
}
