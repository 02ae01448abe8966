//! The officers of this device: how one is taken in, how he unlocks. Never keeps a private key but sealed under his PIN.

use daftar_core::compartment::Agency;
use daftar_core::ids::OfficerId;
use daftar_wire::enrol::Enrolled;
use daftar_wire::seal;
use daftar_wire::sign::SigningKey;
use rusqlite::{Connection, OptionalExtension, Row, params};
use zeroize::Zeroizing;

use super::door::DoorTo;
use super::pin::{self, Cost};
use super::{Enrolling, Keyring};
use crate::error::{Error, Result};
use crate::random::{random, random_name};
use crate::sql::{int, uint};

const OWN_KEY: &str = "daftar own file key 1";

/// An officer as the unlock screen names him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficerEntry {
    /// His identity.
    pub id: OfficerId,
    /// His unique handle.
    pub handle: String,
    /// What is shown.
    pub full_name: String,
    /// His agency.
    pub agency: Agency,
    /// His team.
    pub team: Option<String>,
    /// His role's code.
    pub role: String,
}

/// An unlocked officer: his keys, wiped when this is dropped. Never printed.
pub struct Session {
    /// Who.
    pub officer: OfficerEntry,
    pub(crate) signing: SigningKey,
    pub(crate) opening: seal::OpeningKey,
    pub(crate) own_file: String,
    pub(crate) own_key: Zeroizing<[u8; 32]>,
    pub(crate) own_made: bool,
}

/// An officer's private keys on this device.
pub(super) struct OfficerKeys {
    pub(super) signing: SigningKey,
    pub(super) opening: seal::OpeningKey,
    /// The public half of `opening`.
    pub(super) sealing: seal::SealingKey,
}

impl OfficerKeys {
    pub(super) fn draw() -> Result<Self> {
        let (opening, sealing) = seal::key_pair(&Zeroizing::new(random()?));
        Ok(Self { signing: SigningKey::from_bytes(&Zeroizing::new(random()?)), opening, sealing })
    }
}

/// Private keys under a PIN.
pub(super) struct Sealed {
    pub(super) salt: [u8; 16],
    pub(super) cost: Cost,
    pub(super) nonce: [u8; 24],
    pub(super) sealed: Vec<u8>,
}

impl Sealed {
    /// Seals keys under a PIN that is being chosen.
    pub(super) fn choose(pin: &str, keys: &OfficerKeys) -> Result<Self> {
        pin::check(pin)?;
        Self::seal(pin, keys)
    }

    /// Seals keys under a PIN at today's cost.
    pub(super) fn seal(pin: &str, keys: &OfficerKeys) -> Result<Self> {
        Self::seal_halves(pin, keys.signing.as_bytes(), &keys.opening, &keys.sealing)
    }

    fn seal_halves(pin: &str, signing: &[u8; 32], opening: &[u8; 32], sealing: &[u8; 32]) -> Result<Self> {
        let (salt, nonce) = (random()?, random()?);
        let mut plain = Zeroizing::new([0; 96]);
        plain[..32].copy_from_slice(signing);
        plain[32..64].copy_from_slice(opening);
        plain[64..].copy_from_slice(sealing);
        let cost = Cost::now();
        Ok(Self { salt, cost, nonce, sealed: pin::seal(pin, &salt, &nonce, cost, plain.as_slice())? })
    }

    /// Reads six columns from `first` on.
    pub(super) fn row(r: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            salt: r.get(first)?,
            cost: Cost { memory_kib: r.get(first + 1)?, passes: r.get(first + 2)?, lanes: r.get(first + 3)? },
            nonce: r.get(first + 4)?,
            sealed: r.get(first + 5)?,
        })
    }

    /// `None`: the PIN is wrong.
    pub(super) fn open(&self, pin: &str) -> Result<Option<OfficerKeys>> {
        let Some(plain) = pin::open(pin, &self.salt, &self.nonce, self.cost, &self.sealed)? else { return Ok(None) };
        let part = |i: usize| -> Result<Zeroizing<[u8; 32]>> {
            let bytes = plain.get(32 * i..32 * (i + 1)).and_then(|b| b.try_into().ok());
            bytes.map(Zeroizing::new).ok_or_else(|| Error::Damaged { what: "keyring".into() })
        };
        Ok(Some(OfficerKeys { signing: SigningKey::from_bytes(&*part(0)?), opening: part(1)?, sealing: *part(2)? }))
    }
}

const OFFICER_COLUMNS: &str = "id, handle, full_name, agency, team, role";

fn entry(r: &Row<'_>) -> rusqlite::Result<OfficerEntry> {
    let agency: String = r.get(3)?;
    Ok(OfficerEntry {
        id: OfficerId(r.get(0)?),
        handle: r.get(1)?,
        full_name: r.get(2)?,
        agency: agency.parse().map_err(|e| rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, Box::new(e)))?,
        team: r.get(4)?,
        role: r.get(5)?,
    })
}

/// What an enrolment came to.
pub(crate) struct TakingIn<'a> {
    pub(crate) enrolling: &'a Enrolling,
    pub(crate) answer: &'a Enrolled,
    /// Headquarters' `host:port`.
    pub(crate) address: &'a str,
}

/// An officer's row with what his PIN opens.
struct OfficerRow {
    officer: OfficerEntry,
    sealed: Sealed,
    own_file: String,
    own_key: Vec<u8>,
    own_made: bool,
    wrong: u32,
    next_try_ms: u64,
    is_ended: bool,
}

impl Keyring {
    /// Who is enrolled here, by handle.
    pub fn officers(&self) -> Result<Vec<OfficerEntry>> {
        let conn = self.conn();
        let mut rows = conn.prepare(&format!("SELECT {OFFICER_COLUMNS} FROM officer ORDER BY handle"))?;
        let officers = rows.query_map([], entry)?.collect::<rusqlite::Result<_>>()?;
        Ok(officers)
    }

    /// Takes in an officer as headquarters answered: his keys are sealed under his new PIN, the device's certificate is kept, and
    /// each of his compartments gets a door. `present`: a colleague who is unlocked and hands over the keys that he holds too.
    pub(crate) fn enrol(&self, taking: &TakingIn<'_>, pin: &str, present: Option<&Session>, now_ms: u64) -> Result<()> {
        let TakingIn { enrolling, answer: e, address } = taking;
        let s = Sealed::choose(pin, &enrolling.officer)?;
        self.db.write(|tx| {
            Self::keep_device(tx, enrolling, e, address)?;
            let entry = OfficerEntry {
                id: e.officer,
                handle: e.handle.clone(),
                full_name: e.full_name.clone(),
                agency: e.agency,
                team: e.team.clone(),
                role: e.role.clone(),
            };
            Self::insert_officer(tx, &entry, &s, &enrolling.officer)?;
            let of = DoorTo { officer: &e.officer, now_ms, until_ms: None, present, by_hq: true };
            for (compartment, access) in &e.compartments {
                Self::make_door(tx, &of, compartment, *access)?;
            }
            tx.execute("DELETE FROM pending WHERE secret = ?1", [enrolling.secret])?;
            Ok(())
        })?;
        self.doors_changed();
        tracing::info!(compartments = e.compartments.len(), "an officer was enrolled on this device");
        Ok(())
    }

    /// An officer's row with the keys of his own file. Whose access headquarters had ended may come back, with new keys.
    pub(super) fn insert_officer(conn: &Connection, o: &OfficerEntry, s: &Sealed, keys: &OfficerKeys) -> Result<()> {
        conn.execute("DELETE FROM officer WHERE id = ?1 AND ended_ms IS NOT NULL", [o.id.0])?;
        let known: Option<String> = conn
            .query_row("SELECT handle FROM officer WHERE id = ?1 OR handle = ?2", params![o.id.0, o.handle], |r| r.get(0))
            .optional()?;
        if let Some(handle) = known {
            return Err(Error::Input(format!("officer `{handle}` is enrolled on this device already")));
        }
        let own_file = random_name()?;
        let own_key = seal::seal(&keys.sealing, OWN_KEY, own_file.as_bytes(), Zeroizing::new(random::<32>()?).as_slice())?;
        conn.execute(
            "INSERT INTO officer(id, handle, full_name, agency, team, role, salt, memory_kib, passes, lanes, nonce, sealed,
             sealing_key, own_file, own_key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            params![
                o.id.0,
                o.handle,
                o.full_name,
                o.agency.code(),
                o.team,
                o.role,
                s.salt,
                s.cost.memory_kib,
                s.cost.passes,
                s.cost.lanes,
                s.nonce,
                s.sealed,
                keys.sealing,
                own_file,
                own_key
            ],
        )?;
        Ok(())
    }

    fn officer_row(&self, handle: &str) -> Result<OfficerRow> {
        let sql = format!(
            "SELECT {OFFICER_COLUMNS}, salt, memory_kib, passes, lanes, nonce, sealed, own_file, own_key, own_made, wrong, next_try_ms,
             ended_ms IS NOT NULL FROM officer WHERE handle = ?1"
        );
        let row = self.conn().query_row(&sql, [handle], |r| {
            Ok(OfficerRow {
                officer: entry(r)?,
                sealed: Sealed::row(r, 6)?,
                own_file: r.get(12)?,
                own_key: r.get(13)?,
                own_made: r.get(14)?,
                wrong: r.get(15)?,
                next_try_ms: uint(r.get(16)?),
                is_ended: r.get(17)?,
            })
        });
        row.optional()?.ok_or_else(|| Error::NoOfficer(handle.chars().take(80).collect()))
    }

    /// Milliseconds until the next PIN of this officer counts; never more than the longest wait, whatever the clock was set to.
    pub fn wait_ms(&self, handle: &str, now_ms: u64) -> Result<u64> {
        Ok(self.officer_row(handle)?.next_try_ms.saturating_sub(now_ms).min(pin::WAIT_MAX_MS))
    }

    /// Opens an officer's keys. A wrong PIN is counted on disk before it is answered, so that nobody gains by pulling the plug.
    pub fn unlock(&self, handle: &str, pin: &str, now_ms: u64) -> Result<Session> {
        let row = self.officer_row(handle)?;
        let wait = row.next_try_ms.saturating_sub(now_ms).min(pin::WAIT_MAX_MS);
        if wait > 0 {
            return Err(Error::PinWrong { wait_seconds: wait.div_ceil(1000) });
        }
        let wrong = row.wrong.saturating_add(1);
        let wait = pin::wait_ms(wrong);
        let next_try_ms = if wait > 0 { int(now_ms.saturating_add(wait)) } else { 0 };
        self.count_wrong(&row.officer.id, wrong, next_try_ms)?;
        let Some(keys) = row.sealed.open(pin)? else {
            tracing::warn!(wrong, "a wrong PIN");
            return Err(Error::PinWrong { wait_seconds: wait.div_ceil(1000) });
        };
        self.count_wrong(&row.officer.id, 0, 0)?;
        if row.is_ended {
            return Err(Error::AccessEnded);
        }
        Session::open(row, keys)
    }

    fn count_wrong(&self, officer: &OfficerId, wrong: u32, next_try_ms: i64) -> Result<()> {
        self.db.write(|tx| {
            tx.execute("UPDATE officer SET wrong = ?1, next_try_ms = ?2 WHERE id = ?3", params![wrong, next_try_ms, officer.0])?;
            Ok(())
        })
    }

    /// Seals an officer's keys under another PIN.
    pub fn change_pin(&self, session: &Session, pin: &str) -> Result<()> {
        pin::check(pin)?;
        let sql = "SELECT sealing_key FROM officer WHERE id = ?1";
        let sealing: [u8; 32] = self.conn().query_row(sql, [session.officer.id.0], |r| r.get(0))?;
        let s = Sealed::seal_halves(pin, session.signing.as_bytes(), &session.opening, &sealing)?;
        self.db.write(|tx| {
            tx.execute(
                "UPDATE officer SET salt = ?1, memory_kib = ?2, passes = ?3, lanes = ?4, nonce = ?5, sealed = ?6 WHERE id = ?7",
                params![s.salt, s.cost.memory_kib, s.cost.passes, s.cost.lanes, s.nonce, s.sealed, session.officer.id.0],
            )?;
            Ok(())
        })
    }

    /// Notes that the officer's own file exists: from now on its absence is a loss.
    pub(crate) fn own_file_made(&self, officer: &OfficerId) -> Result<()> {
        self.db.write(|tx| Ok(tx.execute("UPDATE officer SET own_made = 1 WHERE id = ?1", [officer.0]).map(drop)?))
    }
}

impl Session {
    fn open(row: OfficerRow, keys: OfficerKeys) -> Result<Self> {
        let damaged = || Error::Damaged { what: "keyring".into() };
        let own = seal::open(&keys.opening, OWN_KEY, row.own_file.as_bytes(), &row.own_key).map_err(|_| damaged())?;
        let own_key = Zeroizing::new(<[u8; 32]>::try_from(own.as_slice()).map_err(|_| damaged())?);
        Ok(Self {
            officer: row.officer,
            signing: keys.signing,
            opening: keys.opening,
            own_file: row.own_file,
            own_key,
            own_made: row.own_made,
        })
    }
}
