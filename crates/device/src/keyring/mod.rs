//! The keyring: who is enrolled on this device and the keys that are theirs. A plain database: every secret in it but
//! the device's own keys is sealed to an officer. Never holds a record, and never says in plain which compartments there are.

mod admit;
mod capture;
mod contact;
mod door;
mod lease;
mod lineage;
mod officer;
mod outbox;
mod pin;
mod revoke;

use std::path::Path;
use std::sync::{Arc, Mutex};

use daftar_core::ids::{DeviceId, Epoch};
use daftar_wire::enrol::{EnrolRequest, Enrolled};
use daftar_wire::seal;
use daftar_wire::sign::SigningKey;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use rusqlite_migration::{M, Migrations};
use zeroize::Zeroizing;

use crate::database::{Database, Held, keep_log};
use crate::error::{Error, Result};
use crate::random::random;
use crate::reserve::Reserve;

pub(crate) use admit::Admitting;
pub use admit::Newcomer;
pub use contact::{Contact, ContactOutcome};
pub use door::Door;
use lease::LeaseClock;
pub(crate) use lease::Renewal;
pub(crate) use officer::TakingIn;
pub use officer::{OfficerEntry, Session};
use officer::{OfficerKeys, Sealed};
pub(crate) use outbox::{Boxed, ToBox};
pub use pin::PIN_CHARS_MIN;
pub(crate) use revoke::Revoked;

const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("1.sql")),
    M::up(include_str!("2.sql")),
    M::up(include_str!("3.sql")),
    M::up(include_str!("4.sql")),
    M::up(include_str!("5.sql")),
];

/// The setting that names the device's team.
const TEAM: &str = "device team";

/// What protects the device's own private keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// The file's permissions alone: no hardware key store is used on this platform yet.
    FilePermissions,
}

impl Protection {
    fn number(self) -> u32 {
        match self {
            Self::FilePermissions => 0,
        }
    }
}

/// The keyring's database.
pub struct Keyring {
    db: Database,
    lease: Mutex<LeaseClock>,
}

/// Keys made for an officer who is being enrolled, until headquarters has answered.
pub struct Enrolling {
    officer: OfficerKeys,
    secret: [u8; 16],
    device_name: String,
}

/// The device as headquarters knows it, with its keys.
pub(crate) struct DeviceRow {
    pub(crate) name: String,
    pub(crate) device: DeviceId,
    pub(crate) signing: SigningKey,
    pub(crate) certificate: Vec<u8>,
    pub(crate) ca: Vec<u8>,
    pub(crate) address: String,
    pub(crate) server: DeviceId,
    pub(crate) server_signing: [u8; 32],
    pub(crate) epoch: Epoch,
    pub(crate) digit: u32,
}

impl Keyring {
    /// Opens the keyring, made if it is not there.
    pub(crate) fn open(path: &Path, reserve: &Arc<Reserve>) -> Result<Self> {
        let mut conn = connect(path)?;
        Migrations::from_slice(MIGRATIONS).to_latest(&mut conn)?;
        // A power cut after something was destroyed may have left its old page in the log.
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        let path = path.to_owned();
        Ok(Self { db: Database::over(conn, reserve.clone(), move || connect(&path)), lease: Mutex::default() })
    }

    fn conn(&self) -> Held<'_> {
        self.db.conn()
    }

    /// What protects the device's own private keys.
    pub fn protection(&self) -> Protection {
        Protection::FilePermissions
    }

    /// Makes the keys for an enrolment and what is to be asked. The device's keys are made once and kept; the officer's are kept under
    /// his new PIN until headquarters has answered, so that a question whose answer was lost is asked again and not another one.
    pub fn enrol_request(&self, secret: [u8; 16], device_name: &str, pin: &str) -> Result<(Enrolling, EnrolRequest)> {
        pin::check(pin)?;
        let (signing, device_sealing) = self.device_keys(device_name)?;
        let officer = self.pending(secret, pin)?;
        let request = EnrolRequest {
            secret,
            device_name: device_name.to_owned(),
            device_signing: signing.verifying_key().to_bytes(),
            device_sealing,
            officer_signing: officer.signing.verifying_key().to_bytes(),
            officer_sealing: officer.sealing,
        };
        Ok((Enrolling { officer, secret, device_name: device_name.to_owned() }, request))
    }

    fn pending(&self, secret: [u8; 16], pin: &str) -> Result<OfficerKeys> {
        let mut conn = self.conn();
        let kept: Option<Sealed> = conn
            .query_row("SELECT salt, memory_kib, passes, lanes, nonce, sealed FROM pending WHERE secret = ?1", [secret], |r| {
                Sealed::row(r, 0)
            })
            .optional()?;
        if let Some(keys) = kept.map(|s| s.open(pin)).transpose()?.flatten() {
            return Ok(keys);
        }
        let keys = OfficerKeys::draw()?;
        let s = Sealed::seal(pin, &keys)?;
        conn.write(|tx| {
            tx.execute(
                "INSERT OR REPLACE INTO pending(secret, salt, memory_kib, passes, lanes, nonce, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![secret, s.salt, s.cost.memory_kib, s.cost.passes, s.cost.lanes, s.nonce, s.sealed],
            )?;
            Ok(())
        })?;
        Ok(keys)
    }

    /// The device's Ed25519 key and the public half of its X25519 key.
    fn device_keys(&self, name: &str) -> Result<(SigningKey, seal::SealingKey)> {
        let mut conn = self.conn();
        let kept = conn
            .query_row("SELECT signing, sealing FROM device", [], |r| Ok((Zeroizing::new(r.get(0)?), Zeroizing::new(r.get(1)?))))
            .optional()?;
        let (signing, sealing): (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) = match kept {
            Some(keys) => keys,
            None => {
                let keys = (Zeroizing::new(random()?), Zeroizing::new(random()?));
                conn.write(|tx| {
                    tx.execute(
                        "INSERT INTO device(one, name, signing, sealing, protection) VALUES (1, ?1, ?2, ?3, ?4)",
                        params![name, *keys.0, *keys.1, self.protection().number()],
                    )?;
                    Ok(())
                })?;
                keys
            }
        };
        Ok((SigningKey::from_bytes(&signing), seal::key_pair(&sealing).1))
    }

    /// Keeps what headquarters answered about the device.
    fn keep_device(conn: &Connection, enrolling: &Enrolling, e: &Enrolled, address: &str) -> Result<()> {
        let known: Option<Vec<u8>> = conn.query_row("SELECT device FROM device", [], |r| r.get(0)).optional()?.flatten();
        if known.is_some_and(|d| d != e.device.0) {
            return Err(Error::OtherDevice);
        }
        conn.execute(
            "UPDATE device SET name = coalesce(nullif(?1, ''), name), device = ?2, certificate = ?3, ca = ?4, address = ?5,
             server = ?6, server_signing = ?7, server_sealing = ?8, epoch = ?9, digit = ?10",
            params![
                enrolling.device_name,
                e.device.0,
                e.certificate,
                e.ca,
                address,
                e.server.0,
                e.server_signing,
                e.server_sealing,
                e.epoch.0,
                e.digit
            ],
        )?;
        // Whoever is enrolled first makes the device his team's: there its digit is its own.
        let team = e.team.as_deref().unwrap_or_default();
        conn.execute("INSERT OR IGNORE INTO setting(k, v) VALUES (?1, ?2)", [TEAM, team])?;
        Ok(())
    }

    /// The team within which the device's digit is its own. `None`: none, or the device was enrolled before that was written down.
    pub(crate) fn team(&self) -> Result<Option<String>> {
        Ok(self.setting(TEAM)?.filter(|t| !t.is_empty()))
    }

    /// The device, once somebody is enrolled.
    pub(crate) fn device(&self) -> Result<DeviceRow> {
        self.conn()
            .query_row(
                "SELECT name, device, signing, certificate, ca, address, server, server_signing, epoch, digit
                 FROM device WHERE device IS NOT NULL",
                [],
                |r| {
                    Ok(DeviceRow {
                        name: r.get(0)?,
                        device: DeviceId(r.get(1)?),
                        signing: SigningKey::from_bytes(&Zeroizing::new(r.get(2)?)),
                        certificate: r.get(3)?,
                        ca: r.get(4)?,
                        address: r.get(5)?,
                        server: DeviceId(r.get(6)?),
                        server_signing: r.get(7)?,
                        epoch: Epoch(r.get(8)?),
                        digit: r.get(9)?,
                    })
                },
            )
            .optional()?
            .ok_or(Error::NotEnrolled)
    }

    /// Headquarters' address is another now; its CA is not.
    pub fn set_address(&self, address: &str) -> Result<()> {
        self.db.write(|tx| Ok(tx.execute("UPDATE device SET address = ?1", [address]).map(drop)?))
    }
}

fn connect(path: &Path) -> Result<Connection> {
    let conn = Connection::open(path)?;
    crate::home::private(path, 0o600)?;
    conn.execute_batch(
        "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY;
         PRAGMA foreign_keys=ON; PRAGMA mmap_size=0; PRAGMA busy_timeout=5000; PRAGMA cache_size=-1024;",
    )
    .and_then(|()| keep_log(&conn))
    .map_err(|e| {
        tracing::error!(error = %e, "the keyring does not open");
        match e.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Error::Damaged { what: "keyring".into() },
            _ => e.into(),
        }
    })?;
    Ok(conn)
}
