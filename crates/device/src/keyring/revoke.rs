//! What headquarters took from an officer: kept from its word until headquarters has heard that the way in is gone, so that a power
//! cut between two steps is made good at the next start, and then until he has seen it. Never destroys a key while work waits behind it.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, OfficerId};
use daftar_wire::message::{Admission, Purged, Revocation};
use daftar_wire::seal;
use daftar_wire::sign::SigningKey;
use rusqlite::{Connection, OptionalExtension, params};
use zeroize::Zeroizing;

use super::lease::rewrite;
use super::officer::Session;
use super::{Keyring, door};
use crate::error::{Error, Result};
use crate::home::Home;
use crate::random::hex;
use crate::sql::int;

const NAME: &str = "daftar revoked compartment 1";
const NOTICE: &str = "daftar compartment taken 1";
const ADMISSION: &str = "daftar kept admission 1";

/// Unsent work waits.
const WAITS: i64 = 0;
/// The key is gone; files follow.
const PURGING: i64 = 1;
/// To be said to headquarters.
const PURGED: i64 = 2;
/// To be said to headquarters and to the officer, from whom it was taken.
const TAKEN: i64 = 3;
/// Headquarters has heard; to be said to the officer, to whom alone the name is sealed now.
const HEARD: i64 = 4;

/// A revocation that has not been carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revoked {
    pub(crate) officer: OfficerId,
    pub(crate) file: String,
    pub(crate) compartment: Compartment,
}

/// The device's keys, as far as this file needs them.
struct Keys {
    device: DeviceId,
    signing: SigningKey,
    opening: seal::OpeningKey,
    sealing: seal::SealingKey,
}

fn keys(conn: &Connection) -> Result<Keys> {
    let row = conn.query_row("SELECT device, signing, sealing FROM device WHERE device IS NOT NULL", [], |r| {
        Ok((r.get::<_, [u8; 16]>(0)?, Zeroizing::new(r.get::<_, [u8; 32]>(1)?), Zeroizing::new(r.get::<_, [u8; 32]>(2)?)))
    });
    let (device, signing, random) = row.optional()?.ok_or(Error::NotEnrolled)?;
    let (opening, sealing) = seal::key_pair(&random);
    Ok(Keys { device: DeviceId(device), signing: SigningKey::from_bytes(&signing), opening, sealing })
}

impl Keyring {
    /// Keeps headquarters' word. Where the device has no such door there is nothing to take, and that is to be said.
    pub(crate) fn note_revocation(&self, r: &Revocation) -> Result<()> {
        self.db.write(|tx| {
            let keys = keys(tx)?;
            let tag = door::tag(&keys.signing, &r.compartment);
            let known: Option<String> = tx.query_row("SELECT file FROM compartment WHERE tag = ?1", [tag], |row| row.get(0)).optional()?;
            let file = known.clone().unwrap_or_else(|| hex(&tag));
            tx.execute("UPDATE door SET let_in = 0 WHERE officer = ?1 AND file = ?2", params![r.officer.0, file])?;
            let has_door = tx.prepare("SELECT 1 FROM door WHERE officer = ?1 AND file = ?2")?.exists(params![r.officer.0, file])?;
            let name = seal::seal(&keys.sealing, NAME, file.as_bytes(), r.compartment.as_str().as_bytes())?;
            tx.execute(
                "INSERT INTO revocation(officer, file, name, state, removed) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET name = excluded.name, state = iif(excluded.state = ?6, ?7, excluded.state), removed = excluded.removed
                 WHERE state = ?8",
                params![r.officer.0, file, name, if has_door { WAITS } else { PURGED }, known.is_none(), PURGED, TAKEN, HEARD],
            )?;
            Ok(())
        })
    }

    /// Headquarters lets the officer in again before anything was destroyed.
    pub(super) fn forget_revocation(conn: &Connection, officer: &OfficerId, file: &str) -> Result<()> {
        conn.execute("DELETE FROM revocation WHERE officer = ?1 AND file = ?2 AND state <> ?3", params![officer.0, file, PURGING])?;
        Ok(())
    }

    /// The revocations that wait for unsent work.
    pub(crate) fn revoked(&self) -> Result<Vec<Revoked>> {
        self.in_state(WAITS)
    }

    fn in_state(&self, state: i64) -> Result<Vec<Revoked>> {
        let conn = self.conn();
        let mut rows = conn.prepare("SELECT officer, file, name FROM revocation WHERE state = ?1")?;
        let rows = rows.query_map([state], |r| Ok((OfficerId(r.get(0)?), r.get::<_, String>(1)?, r.get::<_, Vec<u8>>(2)?)))?;
        let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let keys = keys(&conn)?;
        rows.into_iter()
            .map(|(officer, file, name)| {
                let name = seal::open(&keys.opening, NAME, file.as_bytes(), &name)?;
                let compartment = std::str::from_utf8(&name).ok().and_then(|n| n.parse().ok());
                Ok(Revoked { officer, compartment: compartment.ok_or_else(|| Error::Damaged { what: "keyring".into() })?, file })
            })
            .collect()
    }

    /// First step: the officer's key and door are destroyed. From here on a purge goes forward only.
    pub(crate) fn begin_purge(&self, r: &Revoked, now_ms: u64) -> Result<()> {
        self.db.write(|tx| {
            tx.execute("DELETE FROM door WHERE officer = ?1 AND file = ?2", params![r.officer.0, r.file])?;
            tx.execute("DELETE FROM kept_receipt WHERE officer = ?1 AND file = ?2", params![r.officer.0, r.file])?;
            let last = !tx.prepare("SELECT 1 FROM door WHERE file = ?1")?.exists([&r.file])?;
            tx.execute(
                "UPDATE revocation SET state = ?3, removed = ?4 WHERE officer = ?1 AND file = ?2",
                params![r.officer.0, r.file, PURGING, last],
            )?;
            tx.execute(
                "UPDATE officer SET ended_ms = ?2 WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM door WHERE officer = ?1)",
                params![r.officer.0, int(now_ms)],
            )?;
            Ok(())
        })?;
        self.conn().noted(|conn| rewrite(conn))?;
        self.doors_changed();
        Ok(())
    }

    /// The steps that follow, for every purge that has begun: with the last door the files go. Doing it again changes nothing.
    pub(crate) fn finish_purges(&self, home: &Home) -> Result<()> {
        for r in self.in_state(PURGING)? {
            let removed: bool = self.conn().query_row(
                "SELECT removed FROM revocation WHERE officer = ?1 AND file = ?2",
                params![r.officer.0, r.file],
                |row| row.get(0),
            )?;
            if removed {
                let captures = {
                    let conn = self.conn();
                    let mut rows = conn.prepare("SELECT file FROM capture WHERE compartment = ?1")?;
                    let files = rows.query_map([&r.file], |row| row.get::<_, String>(0))?;
                    files.collect::<rusqlite::Result<Vec<_>>>()?
                };
                for file in captures.iter().chain([&r.file]) {
                    home.remove_compartment(file)?;
                }
            }
            self.db.write(|tx| {
                if removed {
                    tx.execute("DELETE FROM capture WHERE compartment = ?1", [&r.file])?;
                    tx.execute("DELETE FROM compartment WHERE file = ?1", [&r.file])?;
                }
                tx.execute("UPDATE revocation SET state = ?3 WHERE officer = ?1 AND file = ?2", params![r.officer.0, r.file, TAKEN])?;
                Ok(())
            })?;
            self.conn().noted(|conn| rewrite(conn))?;
            tracing::warn!(removed, "a revoked officer's way into a compartment is gone from this device");
        }
        Ok(())
    }

    /// What headquarters has not heard yet: purges, signed, each with its file.
    pub(crate) fn purged(&self, now_ms: u64) -> Result<Vec<(String, Purged)>> {
        let all = [self.in_state(PURGED)?, self.in_state(TAKEN)?].concat();
        let conn = self.conn();
        let mut out = Vec::new();
        for r in all {
            let keys = keys(&conn)?;
            let removed =
                conn.query_row("SELECT removed FROM revocation WHERE officer = ?1 AND file = ?2", params![r.officer.0, r.file], |row| {
                    row.get(0)
                })?;
            out.push((r.file, Purged::sign(&keys.signing, &keys.device, r.officer, r.compartment, now_ms, removed)));
        }
        Ok(out)
    }

    /// An exchange in which this was said has finished. What was taken from the officer waits for him still.
    pub(crate) fn purge_heard(&self, officer: &OfficerId, file: &str, name: &Compartment) -> Result<()> {
        self.db.write(|tx| {
            let of = "officer = ?1 AND file = ?2";
            tx.execute(&format!("DELETE FROM revocation WHERE {of} AND state = ?3"), params![officer.0, file, PURGED])?;
            let sql = "SELECT sealing_key FROM officer WHERE id = ?1";
            let Some(to) = tx.query_row(sql, [officer.0], |r| r.get::<_, seal::SealingKey>(0)).optional()? else { return Ok(()) };
            let sealed = seal::seal(&to, NOTICE, file.as_bytes(), name.as_str().as_bytes())?;
            let sql = format!("UPDATE revocation SET state = ?3, name = ?4 WHERE {of} AND state = ?5");
            Ok(tx.execute(&sql, params![officer.0, file, HEARD, sealed, TAKEN]).map(drop)?)
        })
    }

    /// What was taken from this officer and is gone from this device, until he has seen it: each with its file.
    pub(crate) fn taken(&self, session: &Session) -> Result<Vec<(String, Compartment)>> {
        let officer = &session.officer.id;
        let mut all: Vec<_> =
            self.in_state(TAKEN)?.into_iter().filter(|r| r.officer == *officer).map(|r| (r.file, r.compartment)).collect();
        let conn = self.conn();
        let mut rows = conn.prepare("SELECT file, name FROM revocation WHERE officer = ?1 AND state = ?2")?;
        let rows = rows.query_map(params![officer.0, HEARD], |r| Ok((r.get::<_, String>(0)?, r.get::<_, Vec<u8>>(1)?)))?;
        for row in rows {
            let (file, sealed) = row?;
            let name = seal::open(&session.opening, NOTICE, file.as_bytes(), &sealed)?;
            let name = std::str::from_utf8(&name).ok().and_then(|n| n.parse().ok());
            all.push((file, name.ok_or_else(|| Error::Damaged { what: "keyring".into() })?));
        }
        all.sort_by(|a, b| a.1.cmp(&b.1));
        Ok(all)
    }

    /// He has seen it.
    pub(crate) fn taken_seen(&self, session: &Session, file: &str) -> Result<()> {
        let of = "officer = ?1 AND file = ?2";
        self.db.write(|tx| {
            let values = params![session.officer.id.0, file, HEARD];
            tx.execute(&format!("DELETE FROM revocation WHERE {of} AND state = ?3"), values)?;
            tx.execute(
                &format!("UPDATE revocation SET state = ?3 WHERE {of} AND state = ?4"),
                params![session.officer.id.0, file, PURGED, TAKEN],
            )?;
            Ok(())
        })
    }

    /// Keeps an admission until headquarters has heard of it.
    pub(super) fn keep_admission(conn: &Connection, a: &Admission) -> Result<()> {
        let keys = keys(conn)?;
        let sealed = seal::seal(&keys.sealing, ADMISSION, &a.officer.0, &a.write())?;
        conn.execute("INSERT OR REPLACE INTO admission(officer, sealed) VALUES (?1, ?2)", params![a.officer.0, sealed])?;
        Ok(())
    }

    /// The admissions that headquarters has not heard of.
    pub(crate) fn admissions(&self) -> Result<Vec<Admission>> {
        let conn = self.conn();
        let mut rows = conn.prepare("SELECT officer, sealed FROM admission")?;
        let rows = rows.query_map([], |r| Ok((r.get::<_, [u8; 16]>(0)?, r.get::<_, Vec<u8>>(1)?)))?;
        let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        rows.into_iter()
            .map(|(officer, sealed)| Ok(Admission::read(&seal::open(&keys(&conn)?.opening, ADMISSION, &officer, &sealed)?)?))
            .collect()
    }

    /// An exchange in which this admission was said has finished.
    pub(crate) fn admission_heard(&self, officer: &OfficerId) -> Result<()> {
        self.db.write(|tx| Ok(tx.execute("DELETE FROM admission WHERE officer = ?1", [officer.0]).map(drop)?))
    }
}
