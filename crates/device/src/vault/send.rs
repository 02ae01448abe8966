//! What waits for headquarters, cut into segments and signed. Never sends anything itself.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{Head, OfficerId};
use daftar_wire::change::Entry;
use daftar_wire::limits::{SEGMENT_CHANGES_MAX, SEGMENT_PLAIN_BYTES_MAX};
use daftar_wire::segment::{Attestation, Segment, SignedHead};
use daftar_wire::sign::{Sig, attest, sign_head};
use daftar_wire::stream::{StreamId, next};
use rusqlite::{Connection, params};

use super::file::Vault;
use super::stream::{self, StreamRow};
use super::{Store, log};
use crate::error::{Error, Result};
use crate::sql::{int, uint};

/// Places of a stream that are signed in one commit, at most.
const PLACES_AHEAD: usize = 64;

/// A stream, or a branch of one, that the other end may lack the end of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// The stream.
    pub stream: StreamId,
    /// Which row of the file's: one stream has several if it went two ways.
    pub row: i64,
    /// The first change that waits.
    pub from: u64,
    /// The last.
    pub last: u64,
}

impl Unsent {
    pub(super) fn of(s: &StreamRow, c: &Compartment, from: u64) -> Self {
        Self { stream: s.id(c), row: s.id, from, last: s.end() }
    }
}

impl Store {
    /// What of this device's own waits in a compartment, its later incarnations last. Where all was receipted in an earlier life of the server,
    /// the last change goes again, so that the server says what it has.
    pub fn unsent(&self, c: &Compartment) -> Result<Vec<Unsent>> {
        let vault = self.sending_vault(c)?;
        let rows = self.within_file(c, &vault, |vault| stream::all(&vault.conn()))?;
        let own = rows.iter().filter(|s| s.device == self.info.id && s.receipted() < s.end());
        Ok(own.map(|s| Unsent::of(s, c, (s.at_hq() + 1).min(s.end()))).collect())
    }

    /// How many changes of this device wait for a receipt, those in the outbox with them, whoever wrote them.
    pub fn waiting(&self) -> Result<u64> {
        let mut n = self.shared.keyring.boxed_waiting(&self.sending_files())?;
        for c in self.sending() {
            let vault = self.sending_vault(&c)?;
            let rows = self.within_file(&c, &vault, |vault| stream::all(&vault.conn()))?;
            n += rows.iter().filter(|s| s.device == self.info.id).map(|s| s.end().saturating_sub(s.receipted())).sum::<u64>();
        }
        Ok(n)
    }

    /// Changes of a stream from `from` on; see `cut`. Of one that went two ways, the way that was known here first.
    pub fn segment(&self, stream: &StreamId, from: u64, max_changes: u32, max_bytes: u64) -> Result<Segment> {
        let vault = self.sending_vault(&stream.compartment)?;
        self.within_file(&stream.compartment, &vault, |vault| self.segment_of(vault, stream, from, max_changes, max_bytes))
    }

    /// The same, of a file that is named.
    pub(super) fn segment_of(&self, vault: &Vault, stream: &StreamId, from: u64, max_changes: u32, max_bytes: u64) -> Result<Segment> {
        let row = stream::family(&vault.conn(), &stream.device, &stream.incarnation)?.into_iter().next();
        let row = row.ok_or_else(|| Error::Input(format!("no change {from} in that stream")))?;
        vault.write(|tx| self.cut_in(tx, &Unsent::of(&row, &stream.compartment, from), from, max_changes, max_bytes))
    }

    /// Changes from `from` on, at most so many and so large, with the signatures that prove them. For the stream that this device writes to
    /// the head at the segment's end is signed and attested; any other is cut where its writer signed. From now on these bytes never change.
    pub fn cut(&self, unsent: &Unsent, from: u64, max_changes: u32, max_bytes: u64) -> Result<Segment> {
        let c = &unsent.stream.compartment;
        let vault = self.sending_vault(c)?;
        self.within_file(c, &vault, |vault| vault.write(|tx| self.cut_in(tx, unsent, from, max_changes, max_bytes)))
    }

    fn cut_in(&self, tx: &Connection, unsent: &Unsent, from: u64, max_changes: u32, max_bytes: u64) -> Result<Segment> {
        let stream = &unsent.stream;
        let missing = || Error::Input(format!("no change {from} in that stream"));
        let row = stream::by_id(tx, unsent.row)?;
        if !(row.split_n + 1..=row.n).contains(&from) {
            return Err(missing());
        }
        let most = u64::from(max_changes.clamp(1, SEGMENT_CHANGES_MAX));
        let bytes = max_bytes.min(SEGMENT_PLAIN_BYTES_MAX);
        let mut changes = log::changes_within(tx, row.id, from, row.n.min(from + most - 1), bytes)?;
        let last = from + (changes.len() as u64).saturating_sub(1);
        let last = if row.own {
            if row.sent < last || signed_heads(tx, row.id, last, last)?.is_empty() {
                self.prepare(tx, &row, stream, from, most, bytes)?;
            }
            last
        } else {
            let within = signed_heads(tx, row.id, from, last.min(row.end()))?.last().map(|s| s.0);
            // He signed nothing so near: it goes as far as he did.
            let beyond = || signed_heads(tx, row.id, last, row.end().min(from + u64::from(SEGMENT_CHANGES_MAX) - 1));
            match within {
                Some(last) => last,
                None => beyond()?.first().map(|s| s.0).ok_or_else(missing)?,
            }
        };
        let n = (last - from + 1) as usize;
        if n > changes.len() {
            changes = log::changes(tx, row.id, from, last)?;
        }
        changes.truncate(n);
        let runs = log::runs(tx, row.id, from, last)?;
        let entries: Vec<Entry> = changes.into_iter().map(|r| r.entry(&runs)).collect::<Result<_>>()?;
        let heads = signed_heads(tx, row.id, last, last)?.into_iter().map(|(n, _, sig)| SignedHead { n, sig }).collect();
        let mut attestations = attested(tx, row.id, from, last)?;
        if row.own {
            // An officer's last one stands for all before it: an earlier sending may have been cut into smaller runs.
            let all = attestations.clone();
            attestations.retain(|a| !all.iter().any(|b| b.officer == a.officer && b.n > a.n));
        }
        Ok(Segment { stream: stream.clone(), first: from, entries, runs, heads, attestations })
    }

    /// Signs an own stream at every place where it will be cut from here to its end, so that sending it costs one commit and not one
    /// for each segment; and closes its last run.
    fn prepare(&self, conn: &Connection, row: &StreamRow, stream: &StreamId, mut from: u64, most: u64, bytes: u64) -> Result<()> {
        let missing = || Error::Unexpected("a stream that has no such change".into());
        let mut head = log::head_at(conn, &stream.compartment, row, from - 1)?.ok_or_else(missing)?;
        // What lies further off is signed when it is come to: by then it may be cut elsewhere.
        for _ in 0..PLACES_AHEAD {
            if from > row.n {
                break;
            }
            let names = log::names_within(conn, row.id, from, row.n.min(from + most - 1), bytes)?;
            let last = from + (names.len() as u64).saturating_sub(1);
            head = names.into_iter().fold(head, next);
            let mine = log::is_author(conn, row.id, from, last, &self.officer())?;
            self.sign(conn, row, stream, last, &head, mine)?;
            from = last + 1;
        }
        stream::keep(conn, &StreamRow { sent: row.n, ..row.clone() })
    }

    /// Signs a head of an own stream, and attests it where the officer's work is below it.
    pub(super) fn sign(&self, conn: &Connection, row: &StreamRow, stream: &StreamId, n: u64, head: &Head, mine: bool) -> Result<()> {
        let sig = sign_head(&self.info.signing, stream, n, head);
        keep_head(conn, row.id, n, head, &sig)?;
        if mine {
            let sig = attest(&self.session.signing, &self.officer(), stream, n, head);
            keep_attestation(conn, row.id, &Attestation { officer: self.officer(), n, sig })?;
        }
        Ok(())
    }

    /// Signs and attests the own stream's end, where nothing is signed there yet: whoever unlocks next sends it as his.
    pub fn sign_own(&self, c: &Compartment) -> Result<()> {
        let vault = self.vault(c)?;
        self.within_file(c, &vault, |vault| self.sign_end(c, vault))
    }
}

pub(super) fn keep_head(conn: &Connection, stream: i64, n: u64, head: &Head, sig: &Sig) -> Result<()> {
    conn.prepare_cached("INSERT OR IGNORE INTO signed_head(stream, n, head, sig) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        stream,
        int(n),
        head.0,
        sig
    ])?;
    Ok(())
}

pub(super) fn keep_attestation(conn: &Connection, stream: i64, a: &Attestation) -> Result<()> {
    conn.prepare_cached("INSERT OR IGNORE INTO attestation(stream, n, officer, sig) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        stream,
        int(a.n),
        a.officer.0,
        a.sig
    ])?;
    Ok(())
}

/// The signed places of a stream from `from` to `to`: number, chain, signature.
pub(super) fn signed_heads(conn: &Connection, stream: i64, from: u64, to: u64) -> Result<Vec<(u64, Head, Sig)>> {
    let mut rows = conn.prepare_cached("SELECT n, head, sig FROM signed_head WHERE stream = ?1 AND n BETWEEN ?2 AND ?3 ORDER BY n")?;
    let heads = rows.query_map(params![stream, int(from), int(to)], |r| Ok((uint(r.get(0)?), Head(r.get(1)?), r.get(2)?)))?;
    Ok(heads.collect::<rusqlite::Result<_>>()?)
}

/// The attestations of a stream from `from` to `to`.
pub(super) fn attested(conn: &Connection, stream: i64, from: u64, to: u64) -> Result<Vec<Attestation>> {
    let mut rows =
        conn.prepare_cached("SELECT officer, n, sig FROM attestation WHERE stream = ?1 AND n BETWEEN ?2 AND ?3 ORDER BY n, officer")?;
    let list = rows.query_map(params![stream, int(from), int(to)], |r| {
        Ok(Attestation { officer: OfficerId(r.get(0)?), n: uint(r.get(1)?), sig: r.get(2)? })
    })?;
    Ok(list.collect::<rusqlite::Result<_>>()?)
}
