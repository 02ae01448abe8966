//! A device's home as it lies in a folder: its keyring and its compartments' files, opened with keys that were sealed to headquarters.
//! Reads alone, and only a copy: nothing is written to it, and what a later version wrote is refused.

use std::fs;
use std::path::{Path, PathBuf};

use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, DeviceId, FileHash, Head, Incarnation, OfficerId};
use daftar_wire::change::{Body, Entry, salt};
use daftar_wire::file::chest::{Chest, ChestKey};
use daftar_wire::file::{FileId, Manifest};
use daftar_wire::limits::{SEGMENT_CHANGES_MAX, SEGMENT_PLAIN_BYTES_MAX};
use daftar_wire::segment::{Attestation, Run, Segment, SignedHead};
use daftar_wire::sign::SigningKey;
use daftar_wire::stream::{StreamId, next};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params};
use zeroize::Zeroizing;

use super::DatabaseKey;
use crate::error::{Error, Result};
use crate::random::hex;
use crate::sql::{int, uint};

/// The forms of a device's files that this version reads.
const KEYRING_VERSION_MAX: i64 = 5;
const VAULT_VERSION_MAX: i64 = 5;
/// Since which streams may go two ways, and since which there are files.
const VAULT_VERSION_BRANCHES: i64 = 3;
const VAULT_VERSION_FILES: i64 = 2;
/// A change's place is its stream's row and its number.
const PLACE_BITS: u32 = 40;
/// What the name of a compartment's key ends with, beside its file.
const ESCROW: &str = "escrow";

/// A compartment's file and its key as sealed to headquarters.
pub(crate) struct Sealed {
    /// The file's random name.
    pub(crate) file: String,
    pub(crate) escrow: Vec<u8>,
}

/// What a home says without any key.
pub(crate) struct Home {
    dir: PathBuf,
    /// What the keyring says of the device, if the keyring is there and whole.
    pub(crate) keyring: Option<Keyring>,
    pub(crate) files: Vec<Sealed>,
}

/// What of a keyring is not under a PIN.
pub(crate) struct Keyring {
    pub(crate) device: DeviceId,
    pub(crate) signing: SigningKey,
    /// Segments sealed to headquarters.
    pub(crate) outbox: Vec<Vec<u8>>,
}

/// Opens a database for reading, without taking its log in.
fn open(path: &Path, key: Option<&DatabaseKey>, version_max: i64, what: &str) -> Result<(Connection, i64)> {
    let damaged = || Error::Damaged(format!("{what} in {} cannot be read", path.display()));
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    if let Some(key) = key {
        let pragma = Zeroizing::new(format!("PRAGMA key = \"x'{}'\";", Zeroizing::new(hex(key.as_slice())).as_str()));
        conn.execute_batch(&pragma)?;
    }
    conn.execute_batch("PRAGMA temp_store=MEMORY; PRAGMA query_only=ON;")?;
    let version: i64 = conn.query_row("PRAGMA user_version", [], |r| r.get(0)).map_err(|_| damaged())?;
    if version > version_max {
        let why = format!("{what} in {} is of a later version than this server: update it first", path.display());
        return Err(Error::Refused(why));
    }
    if version == 0 { Err(damaged()) } else { Ok((conn, version)) }
}

impl Home {
    /// Reads the home in this folder. A keyring that is lost or damaged is passed over: the keys stand beside the files too.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("keyring.db");
        let (keyring, mut files) = if path.exists() {
            match Keyring::read(&path) {
                Ok((keyring, files)) => (Some(keyring), files),
                Err(Error::Refused(why)) => return Err(Error::Refused(why)),
                Err(error) => {
                    tracing::warn!(%error, "the keyring cannot be read and is passed over");
                    (None, Vec::new())
                }
            }
        } else {
            (None, Vec::new())
        };
        let vaults = fs::read_dir(dir.join("vault"));
        let vaults = vaults.map_err(|_| Error::Refused(format!("{} is no device's home: there is no `vault` in it", dir.display())))?;
        for path in vaults.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == ESCROW)) {
            let Some(file) = path.file_stem().and_then(|s| s.to_str()).map(str::to_owned) else { continue };
            if files.iter().all(|f| f.file != file) {
                files.push(Sealed { file, escrow: fs::read(&path)? });
            }
        }
        files.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(Self { dir: dir.to_owned(), keyring, files })
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.join("vault").join(file).with_extension("db")
    }

    /// Whether the compartment's file is there: one that was never used is not made.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.path(file).exists()
    }

    /// Compartments' files for which no key is there at all.
    pub(crate) fn without_key(&self) -> Result<Vec<String>> {
        let paths = fs::read_dir(self.dir.join("vault"))?.flatten().map(|e| e.path());
        let names = paths.filter(|p| p.extension().is_some_and(|e| e == "db")).filter_map(|p| Some(p.file_stem()?.to_str()?.to_owned()));
        Ok(names.filter(|name| self.files.iter().all(|f| f.file != *name)).collect())
    }

    /// Opens a compartment's file.
    pub(crate) fn vault(&self, file: &str, compartment: Compartment, key: &DatabaseKey) -> Result<Vault> {
        let (conn, version) = open(&self.path(file), Some(key), VAULT_VERSION_MAX, "a compartment's file")?;
        Ok(Vault { conn, version, compartment, blobs: self.dir.join("files").join(file) })
    }
}

impl Keyring {
    fn read(path: &Path) -> Result<(Self, Vec<Sealed>)> {
        let (conn, version) = open(path, None, KEYRING_VERSION_MAX, "the keyring")?;
        let (device, signing): ([u8; 16], Zeroizing<[u8; 32]>) =
            conn.query_row("SELECT device, signing FROM device WHERE device IS NOT NULL", [], |r| {
                Ok((r.get(0)?, Zeroizing::new(r.get(1)?)))
            })?;
        let sealed = |sql: &str| -> Result<Vec<Sealed>> {
            let mut rows = conn.prepare(sql)?;
            let rows = rows.query_map([], |r| Ok(Sealed { file: r.get(0)?, escrow: r.get(1)? }))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        };
        let mut files = sealed("SELECT file, escrow FROM compartment")?;
        let mut outbox = Vec::new();
        if version >= 2 {
            files.extend(sealed("SELECT file, escrow FROM capture")?);
            let mut rows = conn.prepare("SELECT bytes FROM outbox ORDER BY id")?;
            outbox = rows.query_map([], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
        }
        Ok((Self { device: DeviceId(device), signing: SigningKey::from_bytes(&signing), outbox }, files))
    }
}

/// A compartment's file, open.
pub(crate) struct Vault {
    conn: Connection,
    version: i64,
    pub(crate) compartment: Compartment,
    blobs: PathBuf,
}

/// A stream that the file's device wrote, with what of it headquarters has not receipted.
pub(crate) struct Unsent {
    id: i64,
    pub(crate) stream: StreamId,
    pub(crate) from: u64,
    pub(crate) last: u64,
    begun: (u64, Head),
}

/// A file of which headquarters has not said that it has it.
pub(crate) struct UnsentFile {
    pub(crate) manifest: Manifest,
    blob: String,
    key: ChestKey,
}

impl Vault {
    /// The device that writes here.
    pub(crate) fn device(&self) -> Result<DeviceId> {
        Ok(self.conn.query_row("SELECT device FROM stream WHERE own", [], |r| r.get(0).map(DeviceId))?)
    }

    /// What this device wrote and headquarters has not receipted, the later incarnations last.
    pub(crate) fn unsent(&self, device: &DeviceId) -> Result<Vec<Unsent>> {
        let branches = if self.version >= VAULT_VERSION_BRANCHES { "split_n, split, coalesce(shown, n)" } else { "0, NULL, n" };
        let sql = format!("SELECT id, incarnation, acked, {branches} FROM stream WHERE device = ?1 ORDER BY id");
        let mut rows = self.conn.prepare(&sql)?;
        let rows = rows.query_map([device.0], |r| {
            let stream = StreamId { compartment: self.compartment.clone(), device: *device, incarnation: Incarnation(r.get(1)?) };
            let (split_n, split) = (uint(r.get(3)?), r.get::<_, Option<[u8; 32]>>(4)?.map(Head));
            let begun = (split_n, split.unwrap_or_else(|| stream.start()));
            Ok(Unsent { id: r.get(0)?, from: uint(r.get(2)?).max(split_n) + 1, last: uint(r.get(5)?), begun, stream })
        })?;
        let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(rows.into_iter().filter(|u| u.from <= u.last).collect())
    }

    /// The next segment from `from` on, as long as one may be and ending where the device signed; and whether it was signed only now, by
    /// `key`. `None`: nothing that the device signed lies so near, and there is no key.
    pub(crate) fn cut(&self, of: &Unsent, from: u64, key: Option<&SigningKey>) -> Result<Option<(Segment, bool)>> {
        let fits = self.fitting(of, from)?;
        let signed = self.signed(of, from, fits)?;
        let last = match (signed.last(), key) {
            (Some(head), None) => head.n,
            (Some(head), Some(_)) if head.n == fits || head.n < of.last && fits < of.last => head.n,
            (_, Some(_)) => fits,
            (None, None) => return Ok(None),
        };
        let runs = self.runs(of, from, last)?;
        let entries = self.entries(of, from, last, &runs)?;
        let heads: Vec<SignedHead> = signed.into_iter().filter(|h| h.n == last).collect();
        let attestations = self.attestations(of, from, last)?;
        let mut segment = Segment { stream: of.stream.clone(), first: from, entries, runs, heads, attestations };
        let is_signed_now = segment.heads.is_empty();
        if let Some(key) = key.filter(|_| is_signed_now) {
            let head = segment.chain(self.head_at(of, from - 1)?).head();
            segment.heads.push(SignedHead { n: last, sig: daftar_wire::sign::sign_head(key, &segment.stream, last, &head) });
        }
        Ok(Some((segment, is_signed_now)))
    }

    /// The last change of a segment that begins at `from`.
    fn fitting(&self, of: &Unsent, from: u64) -> Result<u64> {
        let to = of.last.min(from + u64::from(SEGMENT_CHANGES_MAX) - 1);
        let mut rows = self
            .conn
            .prepare("SELECT length(header) + coalesce(length(payload), 0) FROM change WHERE place BETWEEN ?1 AND ?2 ORDER BY place")?;
        let sizes = rows.query_map(params![place(of.id, from), place(of.id, to)], |r| r.get(0).map(uint))?;
        let (mut bytes, mut last) = (0, from);
        for (n, size) in (from..).zip(sizes) {
            bytes += size?;
            if bytes > SEGMENT_PLAIN_BYTES_MAX && n > from {
                break;
            }
            last = n;
        }
        Ok(last)
    }

    fn signed(&self, of: &Unsent, from: u64, to: u64) -> Result<Vec<SignedHead>> {
        let mut rows = self.conn.prepare("SELECT n, sig FROM signed_head WHERE stream = ?1 AND n BETWEEN ?2 AND ?3 ORDER BY n")?;
        let rows = rows.query_map(params![of.id, int(from), int(to)], |r| Ok(SignedHead { n: uint(r.get(0)?), sig: r.get(1)? }))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn attestations(&self, of: &Unsent, from: u64, to: u64) -> Result<Vec<Attestation>> {
        let mut rows =
            self.conn.prepare("SELECT officer, n, sig FROM attestation WHERE stream = ?1 AND n BETWEEN ?2 AND ?3 ORDER BY n, officer")?;
        let rows = rows.query_map(params![of.id, int(from), int(to)], |r| {
            Ok(Attestation { officer: OfficerId(r.get(0)?), n: uint(r.get(1)?), sig: r.get(2)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn runs(&self, of: &Unsent, from: u64, to: u64) -> Result<Vec<Run>> {
        let mut rows = self.conn.prepare(
            "SELECT first, seed FROM run WHERE stream = ?1 AND first <= ?3
             AND first >= (SELECT coalesce(max(first), 0) FROM run WHERE stream = ?1 AND first <= ?2) ORDER BY first",
        )?;
        let rows = rows.query_map(params![of.id, int(from), int(to)], |r| Ok(Run { first: uint(r.get(0)?), seed: r.get(1)? }))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn entries(&self, of: &Unsent, from: u64, to: u64, runs: &[Run]) -> Result<Vec<Entry>> {
        type Row = (Vec<u8>, Option<Vec<u8>>, Option<[u8; 32]>);
        let mut rows = self.conn.prepare("SELECT header, payload, salt FROM change WHERE place BETWEEN ?1 AND ?2 ORDER BY place")?;
        let rows = rows.query_map(params![place(of.id, from), place(of.id, to)], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
        let rows = rows.collect::<rusqlite::Result<Vec<Row>>>()?;
        let lacks = || Error::Damaged(format!("a stream in {} lacks a change", self.compartment));
        if rows.len() as u64 != to + 1 - from {
            return Err(lacks());
        }
        let entry = |((header, payload, kept), n): (Row, u64)| {
            let body = match (payload, kept) {
                (Some(payload), Some(salt)) => Body::Whole { payload, salt },
                (Some(payload), None) => {
                    let run = runs[..runs.partition_point(|r| r.first <= n)].last().ok_or_else(lacks)?;
                    Body::Whole { payload, salt: salt(&run.seed, n - run.first) }
                }
                (None, Some(k)) => Body::Erased { k },
                (None, None) => return Err(lacks()),
            };
            Ok(Entry { header, body })
        };
        rows.into_iter().zip(from..).map(entry).collect()
    }

    /// The chain after change `n`, from the nearest signed place before it.
    fn head_at(&self, of: &Unsent, n: u64) -> Result<Head> {
        let mut rows =
            self.conn.prepare("SELECT n, head FROM signed_head WHERE stream = ?1 AND n <= ?2 AND n > ?3 ORDER BY n DESC LIMIT 1")?;
        let mut rows = rows.query_map(params![of.id, int(n), int(of.begun.0)], |r| Ok((uint(r.get(0)?), Head(r.get(1)?))))?;
        let (from, head) = rows.next().transpose()?.unwrap_or(of.begun);
        let mut names = self.conn.prepare("SELECT name FROM change WHERE place BETWEEN ?1 AND ?2 ORDER BY place")?;
        let names = names.query_map(params![place(of.id, from + 1), place(of.id, n)], |r| r.get(0).map(ChangeName))?;
        names.into_iter().try_fold(head, |head, name| Ok(next(head, name?)))
    }

    /// Files that are whole here and of which headquarters has not said that it has them.
    pub(crate) fn unsent_files(&self) -> Result<Vec<UnsentFile>> {
        if self.version < VAULT_VERSION_FILES {
            return Ok(Vec::new());
        }
        let mut rows = self.conn.prepare(
            "SELECT f.sha256, f.size, f.blob, f.key, c.list FROM file f JOIN file_chunks c ON c.file = f.id
             WHERE f.whole AND f.sha256 NOT IN (SELECT sha256 FROM file_receipt) ORDER BY f.size",
        )?;
        let rows = rows.query_map([], |r| {
            let file = FileId { compartment: self.compartment.clone(), sha256: FileHash(r.get(0)?) };
            let list: Vec<u8> = r.get(4)?;
            let manifest = Manifest { file, size: uint(r.get(1)?), chunks: list.as_chunks::<32>().0.to_vec() };
            Ok(UnsentFile { manifest, blob: r.get(2)?, key: Zeroizing::new(r.get(3)?) })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Opens a file's bytes; `None`: they are not there.
    pub(crate) fn open_file(&self, file: &UnsentFile) -> Result<Option<Chest<fs::File>>> {
        let path = self.blobs.join(&file.blob);
        match fs::File::open(path) {
            Ok(f) => Ok(Some(Chest::new(f, file.key.clone(), file.manifest.size))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}

fn place(stream: i64, n: u64) -> i64 {
    stream << PLACE_BITS | int(n)
}
