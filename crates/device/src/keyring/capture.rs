//! Capture files: where new work goes while the way into a compartment is closed. Their keys are sealed to headquarters alone; whoever
//! writes has the key in memory until he locks. Never lets anybody read the compartment's own file.

use daftar_core::compartment::Compartment;
use daftar_wire::message::{Reopen, Reopened};
use daftar_wire::seal::SealingKey;
use rusqlite::params;
use zeroize::Zeroizing;

use super::door::{self, Door, seal_key};
use super::{Keyring, Session};
use crate::error::{Error, Result};
use crate::random::{random, random_name};
use crate::sql::int;
use daftar_core::authorize::LEASE_MS;

impl Keyring {
    /// Makes a file's name and key to capture for this compartment. Nobody on the device but the caller has the key.
    pub(crate) fn make_capture(&self, of: &str, name: &Compartment) -> Result<(String, Zeroizing<[u8; 32]>)> {
        let (file, key) = (random_name()?, Zeroizing::new(random::<32>()?));
        self.db.write(|tx| {
            let hq: SealingKey = tx.query_row("SELECT server_sealing FROM device", [], |r| r.get(0))?;
            let escrow = seal_key(&hq, &file, name, &key)?;
            tx.execute("INSERT INTO capture(file, compartment, escrow) VALUES (?1, ?2, ?3)", params![file, of, escrow])?;
            Ok(())
        })?;
        Ok((file, key))
    }

    /// A capture file was taken into its compartment.
    pub(crate) fn captured(&self, file: &str) -> Result<()> {
        self.db.write(|tx| Ok(tx.execute("DELETE FROM capture WHERE file = ?1", [file]).map(drop)?))
    }

    /// What this officer asks back: his doors without a key, and then what was captured for any door of his. `open`: capture files
    /// whose key is in memory.
    pub(crate) fn reopens(&self, session: &Session, doors: &[Door], open: &[String]) -> Result<Vec<Reopen>> {
        let ask = |c: &Compartment, file: String, escrow| Reopen { officer: session.officer.id, compartment: c.clone(), file, escrow };
        let conn = self.conn();
        let mut asks = Vec::new();
        for d in doors.iter().filter(|d| d.key.is_none() && !d.is_revoked) {
            let escrow = conn.query_row("SELECT escrow FROM compartment WHERE file = ?1", [&d.file], |r| r.get(0))?;
            asks.push(ask(&d.compartment, d.file.clone(), escrow));
        }
        for d in doors.iter().filter(|d| !d.is_revoked) {
            let mut rows = conn.prepare_cached("SELECT file, escrow FROM capture WHERE compartment = ?1")?;
            for row in rows.query_map([&d.file], |r| Ok((r.get::<_, String>(0)?, r.get(1)?)))? {
                let (file, escrow) = row?;
                if !open.contains(&file) {
                    asks.push(ask(&d.compartment, file, escrow));
                }
            }
        }
        Ok(asks)
    }

    /// The key that headquarters handed back.
    pub(crate) fn reopened_key(session: &Session, r: &Reopened) -> Result<Zeroizing<[u8; 32]>> {
        door::open_key(session, &r.file, &r.sealed)
    }

    /// Puts a key that opened its file into the officer's door; its lease begins again.
    pub(crate) fn keep_reopened(&self, session: &Session, door: &Door, key: &[u8; 32], now_ms: u64) -> Result<()> {
        {
            let conn = self.conn();
            let to: SealingKey = conn.query_row("SELECT sealing_key FROM officer WHERE id = ?1", [session.officer.id.0], |r| r.get(0))?;
            let sealed = seal_key(&to, &door.file, &door.compartment, key)?;
            let kept = conn.execute(
                "UPDATE door SET key = ?1, lease_until_ms = min(?4, coalesce(until_ms, ?4)) WHERE officer = ?2 AND file = ?3",
                params![sealed, session.officer.id.0, door.file, int(now_ms.saturating_add(LEASE_MS))],
            )?;
            if kept == 0 {
                return Err(Error::NoCompartment(door.compartment.to_string()));
            }
        }
        self.doors_changed();
        Ok(())
    }
}
