//! Doors: an officer's way into a compartment's file. Name, rights and key are sealed to him. Never opens the file.

use daftar_core::authorize::Grant;
use daftar_core::compartment::Compartment;
use daftar_core::ids::OfficerId;
use daftar_wire::message::Access;
use daftar_wire::seal::{self, SealingKey};
use ed25519_dalek::Signer;
use minicbor::{Decoder, Encoder};
use rusqlite::{Connection, OptionalExtension, params};
use zeroize::Zeroizing;

use super::{Keyring, Session};
use crate::error::{Error, Result};
use crate::random::{random, random_name};
use crate::sql::int;
use daftar_core::authorize::LEASE_MS;
use daftar_wire::sign::SigningKey;

const KEY: &str = "daftar compartment key 1";
const ACCESS: &str = "daftar access 1";

/// An officer's way into a compartment.
pub struct Door {
    /// The compartment.
    pub compartment: Compartment,
    /// What he may do there, by enrolment and notices; a grant record says it newer.
    pub access: Grant,
    pub(crate) file: String,
    /// `None` until a colleague who holds the key has unlocked once since, or headquarters hands it back; and when the lease has ended.
    pub(crate) key: Option<Zeroizing<[u8; 32]>>,
    pub(crate) made: bool,
    /// The lease is over.
    pub(crate) is_ended: bool,
    /// Headquarters took it back; what is unsent behind it still goes there.
    pub(crate) is_revoked: bool,
    /// Some of its work may be in no outbox.
    pub(crate) is_dirty: bool,
    /// Headquarters opened it, and the feed has not been heard to its end since.
    pub(crate) let_in: bool,
}

/// Whom a door is made for, and for how long.
pub(super) struct DoorTo<'a> {
    pub(super) officer: &'a OfficerId,
    /// By the time that leases count.
    pub(super) now_ms: u64,
    /// An admission's end.
    pub(super) until_ms: Option<u64>,
    /// A colleague who is unlocked and hands his key over.
    pub(super) present: Option<&'a Session>,
    /// It is headquarters' word that opens it.
    pub(super) by_hq: bool,
}

fn encoded(
    f: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> std::result::Result<(), minicbor::encode::Error<std::convert::Infallible>>,
) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::new());
    f(&mut Encoder::new(&mut out)).expect("writing CBOR to memory does not fail");
    out
}

fn seal_access(to: &SealingKey, file: &str, name: &Compartment, access: Grant) -> Result<Vec<u8>> {
    let plain = encoded(|e| {
        e.array(4)?.str(name.as_str())?.bool(access.read)?.bool(access.write)?;
        match access.until_ms {
            Some(until) => e.u64(until)?.ok(),
            None => e.null()?.ok(),
        }
    });
    Ok(seal::seal(to, ACCESS, file.as_bytes(), &plain)?)
}

fn read_access(plain: &[u8]) -> Option<(Compartment, Grant)> {
    let mut d = Decoder::new(plain);
    d.array().ok()?;
    let name = d.str().ok()?.parse().ok()?;
    let (read, write) = (d.bool().ok()?, d.bool().ok()?);
    Some((name, Grant { read, write, until_ms: d.u64().ok() }))
}

pub(super) fn seal_key(to: &SealingKey, file: &str, name: &Compartment, key: &[u8; 32]) -> Result<Vec<u8>> {
    let plain = encoded(|e| e.array(2)?.str(name.as_str())?.bytes(key)?.ok());
    Ok(seal::seal(to, KEY, file.as_bytes(), &plain)?)
}

fn read_key(plain: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut d = Decoder::new(plain);
    d.array().ok()?;
    d.skip().ok()?;
    Some(Zeroizing::new(d.bytes().ok()?.try_into().ok()?))
}

/// The key that was sealed to this officer for this file.
pub(super) fn open_key(session: &Session, file: &str, sealed: &[u8]) -> Result<Zeroizing<[u8; 32]>> {
    let plain = seal::open(&session.opening, KEY, file.as_bytes(), sealed)?;
    read_key(&plain).ok_or_else(|| Error::Damaged { what: "keyring".into() })
}

/// Finds a compartment's file again without saying its name.
pub(super) fn tag(device: &SigningKey, name: &Compartment) -> [u8; 32] {
    let sig = device.sign(&[b"daftar compartment tag 1", name.as_str().as_bytes()].concat()).to_bytes();
    let mut tag = [0; 32];
    tag.copy_from_slice(&sig[..32]);
    tag
}

impl Keyring {
    /// Makes an officer's door, and the compartment's key where the device has none. Where it has one, a colleague who holds it hands it over.
    pub(super) fn make_door(conn: &Connection, of: &DoorTo<'_>, name: &Compartment, access: Access) -> Result<()> {
        let (officer, present) = (of.officer, of.present);
        let to: SealingKey = conn.query_row("SELECT sealing_key FROM officer WHERE id = ?1", [officer.0], |r| r.get(0))?;
        let (device, hq): (Zeroizing<[u8; 32]>, SealingKey) =
            conn.query_row("SELECT signing, server_sealing FROM device", [], |r| Ok((Zeroizing::new(r.get(0)?), r.get(1)?)))?;
        let tag = tag(&SigningKey::from_bytes(&device), name);
        let known: Option<String> = conn.query_row("SELECT file FROM compartment WHERE tag = ?1", [tag], |r| r.get(0)).optional()?;
        let (file, key) = match known {
            Some(file) => {
                let key = present.map(|p| Self::held_key(conn, p, &file)).transpose()?.flatten();
                (file, key)
            }
            None => {
                let (file, key) = (random_name()?, Zeroizing::new(random::<32>()?));
                let escrow = seal_key(&hq, &file, name, &key)?;
                conn.execute("INSERT INTO compartment(file, tag, escrow) VALUES (?1, ?2, ?3)", params![file, tag, escrow])?;
                (file, Some(key))
            }
        };
        let access = Grant { read: access.read, write: access.write, until_ms: None };
        let sealed = key.map(|key| seal_key(&to, &file, name, &key)).transpose()?;
        let lease = of.now_ms.saturating_add(LEASE_MS).min(of.until_ms.unwrap_or(u64::MAX));
        conn.execute(
            "INSERT INTO door(officer, file, access, key, lease_until_ms, until_ms, let_in) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT(officer, file) DO UPDATE SET access = excluded.access, key = coalesce(excluded.key, key),
             let_in = max(excluded.let_in, let_in), until_ms = coalesce(excluded.until_ms, until_ms),
             lease_until_ms = min(excluded.lease_until_ms, coalesce(until_ms, excluded.lease_until_ms))",
            params![officer.0, file, seal_access(&to, &file, name, access)?, sealed, int(lease), of.until_ms.map(int), of.by_hq],
        )?;
        Self::forget_revocation(conn, officer, &file)
    }

    fn held_key(conn: &Connection, session: &Session, file: &str) -> Result<Option<Zeroizing<[u8; 32]>>> {
        let sealed: Option<Vec<u8>> = conn
            .query_row("SELECT key FROM door WHERE officer = ?1 AND file = ?2", params![session.officer.id.0, file], |r| r.get(0))
            .optional()?
            .flatten();
        let plain = sealed.map(|s| seal::open(&session.opening, KEY, file.as_bytes(), &s)).transpose()?;
        Ok(plain.and_then(|p| read_key(&p)))
    }

    /// A compartment is open to the officer by a notice.
    pub(crate) fn grant(&self, session: &Session, name: &Compartment, access: Access, now_ms: u64) -> Result<()> {
        let of = DoorTo { officer: &session.officer.id, now_ms, until_ms: None, present: Some(session), by_hq: true };
        self.db.write(|tx| Self::make_door(tx, &of, name, access))?;
        self.doors_changed();
        Ok(())
    }

    /// What the officer may do there is what his grant record says: it is needed when the file cannot be read.
    pub(crate) fn set_access(&self, session: &Session, file: &str, name: &Compartment, access: Grant) -> Result<()> {
        self.db.write(|tx| {
            let to: SealingKey = tx.query_row("SELECT sealing_key FROM officer WHERE id = ?1", [session.officer.id.0], |r| r.get(0))?;
            let sealed = seal_access(&to, file, name, access)?;
            tx.execute("UPDATE door SET access = ?1 WHERE officer = ?2 AND file = ?3", params![sealed, session.officer.id.0, file])?;
            Ok(())
        })
    }

    /// The officer's doors, by compartment.
    pub(crate) fn doors(&self, session: &Session, now_ms: u64) -> Result<Vec<Door>> {
        let damaged = || Error::Damaged { what: "keyring".into() };
        let conn = self.conn();
        let mut rows = conn.prepare(
            "SELECT d.file, d.access, d.key, c.made, coalesce(d.lease_until_ms <= ?2, 0), c.dirty, d.let_in,
             EXISTS (SELECT 1 FROM revocation r WHERE r.officer = d.officer AND r.file = d.file)
             FROM door d JOIN compartment c USING (file) WHERE d.officer = ?1",
        )?;
        let mut rows = rows.query(params![session.officer.id.0, int(now_ms)])?;
        let mut doors = Vec::new();
        while let Some(r) = rows.next()? {
            let file: String = r.get(0)?;
            let access = seal::open(&session.opening, ACCESS, file.as_bytes(), &r.get::<_, Vec<u8>>(1)?).map_err(|_| damaged())?;
            let (compartment, access) = read_access(&access).ok_or_else(damaged)?;
            let key: Option<Vec<u8>> = r.get(2)?;
            let key = key.map(|sealed| open_key(session, &file, &sealed).map_err(|_| damaged())).transpose()?;
            let (made, is_ended, is_dirty, let_in, is_revoked) = (r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?, r.get(7)?);
            doors.push(Door { compartment, access, file, key, made, is_ended, is_revoked, is_dirty, let_in });
        }
        doors.sort_by(|a, b| a.compartment.cmp(&b.compartment));
        Ok(doors)
    }

    /// Hands the keys that this officer holds to colleagues whose doors still wait for them. A lease that has ended is not mended so.
    pub(crate) fn hand_over(&self, doors: &[Door], now_ms: u64) -> Result<()> {
        self.db.write(|conn| {
            let mut waiting = conn.prepare(
                "SELECT d.officer, o.sealing_key FROM door d JOIN officer o ON o.id = d.officer
                 WHERE d.file = ?1 AND d.key IS NULL AND d.lease_until_ms > ?2
                 AND NOT EXISTS (SELECT 1 FROM revocation r WHERE r.officer = d.officer AND r.file = d.file)",
            )?;
            for door in doors.iter().filter(|d| !d.is_revoked) {
                let Some(key) = &door.key else { continue };
                let heirs = waiting
                    .query_map(params![door.file, int(now_ms)], |r| Ok((r.get::<_, [u8; 16]>(0)?, r.get::<_, SealingKey>(1)?)))?
                    .collect::<rusqlite::Result<Vec<_>>>()?;
                for (officer, to) in heirs {
                    let sealed = seal_key(&to, &door.file, &door.compartment, key)?;
                    conn.execute("UPDATE door SET key = ?1 WHERE officer = ?2 AND file = ?3", params![sealed, officer, door.file])?;
                }
            }
            Ok(())
        })?;
        self.doors_changed();
        Ok(())
    }

    /// The ends of this officer's leases, by file.
    pub(super) fn lease_ends(conn: &Connection, officer: &OfficerId) -> Result<Vec<(String, u64)>> {
        let mut rows = conn.prepare("SELECT file, lease_until_ms FROM door WHERE officer = ?1")?;
        let rows = rows.query_map([officer.0], |r| Ok((r.get(0)?, r.get::<_, Option<i64>>(1)?.map_or(u64::MAX, crate::sql::uint))))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The key of a compartment's file, or of one that captures, as sealed to headquarters.
    pub(crate) fn escrow(&self, file: &str) -> Result<Option<Vec<u8>>> {
        let conn = self.conn();
        let mut rows =
            conn.prepare_cached("SELECT escrow FROM compartment WHERE file = ?1 UNION ALL SELECT escrow FROM capture WHERE file = ?1")?;
        Ok(rows.query_row([file], |r| r.get(0)).optional()?)
    }

    /// Notes that a compartment's file exists: from now on its absence is a loss.
    pub(crate) fn file_made(&self, file: &str) -> Result<()> {
        self.db.write(|tx| Ok(tx.execute("UPDATE compartment SET made = 1 WHERE file = ?1", [file]).map(drop)?))
    }
}
