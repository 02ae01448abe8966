//! Checks everything again from the bytes up: pages, names, chains, signatures, and that the records are what their changes say. Never mends.

use daftar_core::compartment::Compartment;
use daftar_core::record::Kind;
use daftar_wire::sign::{verify_attestation, verify_head};
use daftar_wire::state;
use daftar_wire::stream::next;
use rusqlite::Connection;

use super::directory::Keys;
use super::file::Vault;
use super::stream::{self, StreamRow};
use super::{Store, file, log, record, send};
use crate::error::{Error, Result};

/// Changes read at a time.
const BATCH: u64 = 256;

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// Where.
    pub compartment: Compartment,
    /// The stream, record, page or file, as text.
    pub what: String,
    /// The change's number in the stream, where it is one.
    pub n: Option<u64>,
    /// Why: `name`, `chain`, `signature`, `attestation`, `state`, `file`.
    pub why: &'static str,
}

/// What was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Streams and branches with a change.
    pub streams: u64,
    /// Changes.
    pub changes: u64,
    /// Files that are here whole.
    pub files: u64,
    /// What does not hold.
    pub bad: Vec<Bad>,
}

impl Store {
    /// Checks all open compartments.
    pub fn verify(&self) -> Result<Verified> {
        let mut all = Verified::default();
        for c in self.compartments() {
            match self.within(&c, |vault| self.verify_file(vault, &c, &mut all)) {
                Err(Error::Damaged { .. }) => all.bad.push(bad_file(&c, "a page of it is not what was written".into())),
                other => other?,
            }
        }
        Ok(all)
    }

    fn verify_file(&self, vault: &Vault, c: &Compartment, all: &mut Verified) -> Result<()> {
        // The pages first: whatever else is said rests on them.
        let faults = vault.conn().noted(|conn| file::faults(conn))?;
        if !faults.is_empty() {
            all.bad.extend(faults.into_iter().map(|what| bad_file(c, what)));
            return Err(Error::Damaged { what: c.to_string() });
        }
        let streams: Vec<StreamRow> = stream::all(&vault.conn())?.into_iter().filter(|s| s.n > s.split_n).collect();
        for stream in streams {
            let keys = self.keys_of(&stream.device)?;
            check_stream(&vault.conn(), c, &stream, keys.as_ref(), all)?;
        }
        check_records(&vault.conn(), c, all)?;
        let (files, spoilt) = self.check_files(c)?;
        all.files += files;
        all.bad.extend(spoilt.into_iter().map(|f| Bad { compartment: c.clone(), what: f.to_string(), n: None, why: "photo" }));
        Ok(())
    }
}

fn bad_file(c: &Compartment, what: String) -> Bad {
    Bad { compartment: c.clone(), what, n: None, why: "file" }
}

fn check_stream(conn: &Connection, c: &Compartment, s: &StreamRow, keys: Option<&Keys>, all: &mut Verified) -> Result<()> {
    let id = s.id(c);
    let bad = |n, why| Bad { compartment: c.clone(), what: format!("{}/{}", s.device, s.incarnation), n: Some(n), why };
    let (mut n, mut head) = (s.split_n, s.split.unwrap_or_else(|| id.start()));
    if let Some(parent) = s.parent
        && log::head_at(conn, c, &stream::by_id(conn, parent)?, s.split_n)? != s.split
    {
        all.bad.push(bad(s.split_n, "chain"));
    }
    while n < s.n {
        let (from, to) = (n + 1, s.n.min(n + BATCH));
        let runs = log::runs(conn, s.id, from, to)?;
        let signed = send::signed_heads(conn, s.id, from, to)?;
        let attested = send::attested(conn, s.id, from, to)?;
        for row in log::changes(conn, s.id, from, to)? {
            n += 1;
            let name = row.name;
            if log::at(row.place).1 != n {
                all.bad.push(bad(n, "chain"));
                return Ok(());
            }
            if row.entry(&runs)?.name(c) != name {
                all.bad.push(bad(n, "name"));
            }
            head = next(head, name);
            for (_, kept, sig) in signed.iter().filter(|h| h.0 == n) {
                let holds = keys.is_none_or(|k| verify_head(&k.device, &id, n, &head, sig).is_ok());
                if *kept != head || !holds {
                    all.bad.push(bad(n, "signature"));
                }
            }
            for a in attested.iter().filter(|a| a.n == n) {
                let key = keys.and_then(|k| k.officers.get(&a.officer));
                if key.is_some_and(|key| verify_attestation(key, &a.officer, &id, n, &head, &a.sig).is_err()) {
                    all.bad.push(bad(n, "attestation"));
                }
            }
        }
        if n < to {
            all.bad.push(bad(n + 1, "chain"));
            return Ok(());
        }
    }
    if head != s.head {
        all.bad.push(bad(s.n, "chain"));
    }
    all.streams += 1;
    all.changes += s.n - s.split_n;
    Ok(())
}

fn check_records(conn: &Connection, c: &Compartment, all: &mut Verified) -> Result<()> {
    let out = record::ruled_out(conn)?;
    let mut rows = conn.prepare(&format!("SELECT {}, conflicts FROM record", record::COLUMNS))?;
    let mut rows = rows.query([])?;
    while let Some(r) = rows.next()? {
        let (row, conflicts) = (record::row(r)?, r.get::<_, i64>(5)?);
        let (replayed, _) = record::replayed(conn, row.id, &out)?;
        let kept = row.state.as_deref().and_then(|bytes| state::read(row.kind, bytes));
        let holds = match (&replayed, &kept) {
            (Some(r), Some(k)) => r == k,
            (Some(r), None) => r.changes == 1 && row.state.is_none(),
            (None, None) => !row.listed,
            (None, Some(_)) => false,
        };
        let kind: Kind = replayed.as_ref().map_or(row.kind, |s| s.kind);
        let shown = replayed.as_ref().is_some_and(|s| !s.hidden) == row.listed;
        let counted = replayed.as_ref().map_or(0, |s| s.open_conflicts().count()) as i64 == conflicts;
        if !(holds && shown && counted && kind == row.kind) {
            all.bad.push(Bad { compartment: c.clone(), what: row.uuid.to_string(), n: None, why: "state" });
        }
    }
    Ok(())
}
