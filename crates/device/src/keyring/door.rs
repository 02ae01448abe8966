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
    /// `None` until a colleague who holds the key has unlocked once since.
    pub(crate) key: Option<Zeroizing<[u8; 32]>>,
    pub(crate) made: bool,
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

fn seal_key(to: &SealingKey, file: &str, name: &Compartment, key: &[u8; 32]) -> Result<Vec<u8>> {
    let plain = encoded(|e| e.array(2)?.str(name.as_str())?.bytes(key)?.ok());
    Ok(seal::seal(to, KEY, file.as_bytes(), &plain)?)
}

fn read_key(plain: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut d = Decoder::new(plain);
    d.array().ok()?;
    d.skip().ok()?;
    Some(Zeroizing::new(d.bytes().ok()?.try_into().ok()?))
}

/// Finds a compartment's file again without saying its name.
fn tag(device: &SigningKey, name: &Compartment) -> [u8; 32] {
    let sig = device.sign(&[b"daftar compartment tag 1", name.as_str().as_bytes()].concat()).to_bytes();
    let mut tag = [0; 32];
    tag.copy_from_slice(&sig[..32]);
    tag
}

impl Keyring {
    /// Makes an officer's door, and the compartment's key where the device has none. Where it has one, a colleague who holds it hands it over.
    pub(super) fn make_door(
        conn: &Connection,
        officer: &OfficerId,
        name: &Compartment,
        access: Access,
        present: Option<&Session>,
    ) -> Result<()> {
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
        conn.execute(
            "INSERT INTO door(officer, file, access, key) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT(officer, file) DO UPDATE SET access = excluded.access, key = coalesce(excluded.key, key)",
            params![officer.0, file, seal_access(&to, &file, name, access)?, sealed],
        )?;
        Ok(())
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
    pub(crate) fn grant(&self, session: &Session, name: &Compartment, access: Access) -> Result<()> {
        self.db.write(|tx| Self::make_door(tx, &session.officer.id, name, access, Some(session)))
    }

    /// The officer's doors, by compartment.
    pub(crate) fn doors(&self, session: &Session) -> Result<Vec<Door>> {
        let damaged = || Error::Damaged { what: "keyring".into() };
        let conn = self.conn();
        let mut rows =
            conn.prepare("SELECT d.file, d.access, d.key, c.made FROM door d JOIN compartment c USING (file) WHERE d.officer = ?1")?;
        let rows = rows
            .query_map([session.officer.id.0], |r| {
                Ok((r.get::<_, String>(0)?, r.get::<_, Vec<u8>>(1)?, r.get::<_, Option<Vec<u8>>>(2)?, r.get::<_, bool>(3)?))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut doors = Vec::new();
        for (file, access, key, made) in rows {
            let access = seal::open(&session.opening, ACCESS, file.as_bytes(), &access).map_err(|_| damaged())?;
            let (compartment, access) = read_access(&access).ok_or_else(damaged)?;
            let key = match key {
                Some(sealed) => {
                    let plain = seal::open(&session.opening, KEY, file.as_bytes(), &sealed).map_err(|_| damaged())?;
                    Some(read_key(&plain).ok_or_else(damaged)?)
                }
                None => None,
            };
            doors.push(Door { compartment, access, file, key, made });
        }
        doors.sort_by(|a, b| a.compartment.cmp(&b.compartment));
        Ok(doors)
    }

    /// Hands the keys that this officer holds to colleagues whose doors still wait for them.
    pub(crate) fn hand_over(&self, doors: &[Door]) -> Result<()> {
        self.db.write(|conn| {
            let mut waiting = conn.prepare(
                "SELECT d.officer, o.sealing_key FROM door d JOIN officer o ON o.id = d.officer WHERE d.file = ?1 AND d.key IS NULL",
            )?;
            for door in doors {
                let Some(key) = &door.key else { continue };
                let heirs = waiting
                    .query_map([&door.file], |r| Ok((r.get::<_, [u8; 16]>(0)?, r.get::<_, SealingKey>(1)?)))?
                    .collect::<rusqlite::Result<Vec<_>>>()?;
                for (officer, to) in heirs {
                    let sealed = seal_key(&to, &door.file, &door.compartment, key)?;
                    conn.execute("UPDATE door SET key = ?1 WHERE officer = ?2 AND file = ?3", params![sealed, officer, door.file])?;
                }
            }
            Ok(())
        })
    }

    /// Notes that a compartment's file exists: from now on its absence is a loss.
    pub(crate) fn file_made(&self, file: &str) -> Result<()> {
        self.db.write(|tx| Ok(tx.execute("UPDATE compartment SET made = 1 WHERE file = ?1", [file]).map(drop)?))
    }
}
