//! What waits for headquarters, cut into segments and signed; and what its receipts take off the queue. Never sends anything itself.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{Head, OfficerId};
use daftar_wire::change::Entry;
use daftar_wire::limits::{SEGMENT_CHANGES_MAX, SEGMENT_PLAIN_BYTES_MAX};
use daftar_wire::message::{Receipt, Receipted, ShortReceipt};
use daftar_wire::segment::{Attestation, Segment, SignedHead};
use daftar_wire::sign::{Sig, attest, sign_head};
use daftar_wire::stream::{StreamId, next};
use rusqlite::{Connection, OptionalExtension, params};

use super::file::Vault;
use super::log::StreamRow;
use super::{Store, held, log};
use crate::error::{Error, Result};
use crate::sql::{int, uint};

/// A stream of this device that headquarters has not receipted to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// The stream.
    pub stream: StreamId,
    /// The first change that waits.
    pub from: u64,
    /// The last.
    pub last: u64,
}

/// How far headquarters has this device's work in a compartment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The compartment.
    pub compartment: Compartment,
    /// Receipted up to here.
    pub held: u64,
    /// Written up to here.
    pub written: u64,
    /// The time of the last receipt, milliseconds of UTC.
    pub at_ms: Option<u64>,
}

impl Store {
    /// What of this device's own waits in a compartment.
    pub fn unsent(&self, c: &Compartment) -> Result<Vec<Unsent>> {
        let vault = self.sending_vault(c)?;
        let streams = self.within_file(c, &vault, |vault| log::all(&vault.conn()))?;
        let waiting = streams.into_iter().filter(|s| s.own && s.n > s.acked);
        Ok(waiting.map(|s| Unsent { stream: s.id(c), from: s.acked + 1, last: s.n }).collect())
    }

    /// How many changes of this device wait for a receipt, those in the outbox with them, whoever wrote them.
    pub fn waiting(&self) -> Result<u64> {
        let mut n = self.shared.keyring.boxed_waiting(&self.sending_files())?;
        for c in self.sending() {
            n += self.unsent(&c)?.iter().map(|u| u.last + 1 - u.from).sum::<u64>();
        }
        Ok(n)
    }

    /// Changes from `from` on, at most so many and so large, with the signatures that prove them. For a stream of the device's own the
    /// head at the segment's end is signed and attested; another's is cut where its writer signed. From now on these bytes never change.
    pub fn segment(&self, stream: &StreamId, from: u64, max_changes: u32, max_bytes: u64) -> Result<Segment> {
        let vault = self.sending_vault(&stream.compartment)?;
        self.within_file(&stream.compartment, &vault, |vault| self.segment_of(vault, stream, from, max_changes, max_bytes))
    }

    /// The same, of a file that is named.
    pub(super) fn segment_of(&self, vault: &Vault, stream: &StreamId, from: u64, max_changes: u32, max_bytes: u64) -> Result<Segment> {
        vault.write(|tx| self.segment_in(tx, stream, from, max_changes, max_bytes))
    }

    fn segment_in(&self, tx: &Connection, stream: &StreamId, from: u64, max_changes: u32, max_bytes: u64) -> Result<Segment> {
        let missing = || Error::Input(format!("no change {from} in that stream"));
        let row = log::find(tx, &stream.device, &stream.incarnation)?.filter(|r| (1..=r.n).contains(&from)).ok_or_else(missing)?;
        let most = u64::from(max_changes.clamp(1, SEGMENT_CHANGES_MAX));
        let bytes = max_bytes.min(SEGMENT_PLAIN_BYTES_MAX);
        let last = cut(tx, row.id, from, row.n.min(from + most - 1), bytes)?;
        let last = if row.own {
            if row.sent < last || signed_heads(tx, row.id, last, last)?.is_empty() {
                self.prepare(tx, &row, stream, from, most, bytes)?;
            }
            last
        } else {
            signed_heads(tx, row.id, from, last)?.last().map(|s| s.0).ok_or_else(missing)?
        };
        let runs = log::runs(tx, row.id, from, last)?;
        let entries: Vec<Entry> = log::changes(tx, row.id, from, last)?.into_iter().map(|r| r.entry(&runs)).collect::<Result<_>>()?;
        let heads = signed_heads(tx, row.id, last, last)?.into_iter().map(|(n, _, sig)| SignedHead { n, sig }).collect();
        let attestations = attested(tx, row.id, from, last)?;
        Ok(Segment { stream: stream.clone(), first: from, entries, runs, heads, attestations })
    }

    /// Signs an own stream at every place where it will be cut from here to its end, so that sending it costs one commit and not one
    /// for each segment; and closes its last run.
    fn prepare(&self, conn: &Connection, row: &StreamRow, stream: &StreamId, mut from: u64, most: u64, bytes: u64) -> Result<()> {
        let missing = || Error::Unexpected("a stream that has no such change".into());
        let mut head = log::head_at(conn, &stream.compartment, row, from - 1)?.ok_or_else(missing)?;
        while from <= row.n {
            let last = cut(conn, row.id, from, row.n.min(from + most - 1), bytes)?;
            head = log::names(conn, row.id, from, last)?.into_iter().fold(head, next);
            let mine = log::is_author(conn, row.id, from, last, &self.officer())?;
            self.sign(conn, row, stream, last, &head, mine)?;
            from = last + 1;
        }
        log::keep(conn, &StreamRow { sent: row.n, ..row.clone() })
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

    /// What headquarters has receipted of this device's work, by compartment; where nothing was written there is no row.
    pub fn receipts(&self) -> Result<Vec<Standing>> {
        let mut out = Vec::new();
        for c in self.sending() {
            let vault = self.sending_vault(&c)?;
            let stands = self.within_file(&c, &vault, |vault| {
                let conn = vault.conn();
                let own = log::own(&conn)?;
                let mut rows = conn.prepare_cached("SELECT bytes FROM receipt WHERE stream = ?1")?;
                let bytes: Option<Vec<u8>> = rows.query_row([own.id], |r| r.get(0)).optional()?;
                let at_ms = bytes.and_then(|b| Receipt::read(&b).ok()).map(|r| r.time_ms);
                Ok(Standing { compartment: c.clone(), held: own.acked, written: own.n, at_ms })
            });
            match stands {
                Ok(stands) => out.extend(Some(stands).filter(|s| s.written > 0)),
                Err(Error::Damaged { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(out)
    }

    /// A short receipt made whole from the own streams, if headquarters' signature then holds.
    pub fn whole_receipt(&self, short: ShortReceipt) -> Result<Option<Receipt>> {
        let epoch = *held(&self.epoch);
        let receipt = short.complete(epoch, |c, up_to| -> Result<_> {
            let Ok(vault) = self.vault(c) else { return Ok(None) };
            let conn = vault.conn();
            let own = log::own(&conn)?;
            Ok(log::head_at(&conn, c, &own, up_to)?.map(|head| (own.id(c), head)))
        })?;
        let key = self.info.server_key()?;
        Ok(receipt.filter(|r| r.verify(&key).is_ok()))
    }

    /// Headquarters' signed word that it holds a stream: takes off the queue what it names, and says how many changes that were.
    /// A head that is not ours takes off nothing. What is not in an open file is taken out of the outbox, and the receipt kept for who
    /// can open it. The receipt's signature was checked by whoever heard it.
    pub fn receipted(&self, r: &Receipted, receipt_bytes: &[u8]) -> Result<u64> {
        let c = &r.stream.compartment;
        let Ok(vault) = self.sending_vault(c) else { return self.shared.keyring.boxed_receipted(r, receipt_bytes) };
        let news = self.within_file(c, &vault, |vault| {
            vault.write(|tx| {
                let Some(row) = log::find(tx, &r.stream.device, &r.stream.incarnation)?.filter(|row| row.own || row.device == self.info.id)
                else {
                    return Ok(None);
                };
                if log::head_at(tx, c, &row, r.up_to)? != Some(r.head) {
                    return Err(Error::Fork(r.stream.clone()));
                }
                if let Ok(receipt) = Receipt::read(receipt_bytes) {
                    *held(&self.epoch) = receipt.epoch;
                }
                let news = r.up_to.saturating_sub(row.acked);
                tx.prepare_cached(
                    "UPDATE stream SET acked_head = iif(acked <= ?2, ?3, acked_head), acked = max(acked, ?2), sent = max(sent, ?2),
                     backed_up = max(backed_up, ?4) WHERE id = ?1",
                )?
                .execute(params![row.id, int(r.up_to), r.head.0, int(r.backed_up)])?;
                tx.prepare_cached("INSERT OR REPLACE INTO receipt(stream, bytes) VALUES (?1, ?2)")?
                    .execute(params![row.id, receipt_bytes])?;
                Ok(Some(news))
            })
        })?;
        let Some(news) = news else { return self.shared.keyring.boxed_receipted(r, receipt_bytes) };
        self.shared.keyring.unbox(&r.stream, r.up_to)?;
        Ok(news)
    }
}

/// The last change of a segment that begins at `from`: as many as fit, one at least.
fn cut(conn: &Connection, stream: i64, from: u64, to: u64, max_bytes: u64) -> Result<u64> {
    let mut bytes = 0;
    let mut last = from;
    for (n, len) in (from..).zip(log::sizes(conn, stream, from, to)?) {
        bytes += len;
        if bytes > max_bytes && n > from {
            break;
        }
        last = n;
    }
    Ok(last)
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
