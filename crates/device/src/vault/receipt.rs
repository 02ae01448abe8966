//! What headquarters' receipts take off the queue, and what they say of this device's work. Nothing else takes anything off it.

use daftar_core::compartment::Compartment;
use daftar_core::ids::DeviceId;
use daftar_wire::message::{Receipt, Receipted, ShortReceipt};
use rusqlite::{Connection, OptionalExtension, params};

use super::stream::StreamRow;
use super::{Store, give, log, repair, stream};
use crate::error::{Error, Result};

/// How far headquarters has this device's work in a compartment, over all its incarnations there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The compartment.
    pub compartment: Compartment,
    /// So many changes were receipted by headquarters in its present life.
    pub held: u64,
    /// So many were written.
    pub written: u64,
    /// So many are in a backup, by its receipts.
    pub backed_up_through: u64,
    /// The time of the last receipt, milliseconds of UTC.
    pub at_ms: Option<u64>,
}

/// What a receipt did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// So many changes are receipted that were not.
    Changes(u64),
    /// Its head is none of ours: headquarters holds another history of the stream. Nothing was taken off the queue.
    Foreign,
    /// It is of another life of the server than the present one, or of a stream that is not here.
    Nothing,
}

impl Store {
    /// What headquarters has receipted of this device's work, by compartment; where nothing was written there is no row.
    pub fn receipts(&self) -> Result<Vec<Standing>> {
        let mut out = Vec::new();
        for c in self.sending() {
            let vault = self.sending_vault(&c)?;
            match self.within_file(&c, &vault, |vault| standing(&vault.conn(), &c, &self.info.id)) {
                Ok(standing) => out.extend(Some(standing).filter(|s| s.written > 0)),
                Err(Error::Damaged { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(out)
    }

    /// A short receipt made whole from the streams that this device writes to, if headquarters' signature then holds.
    pub fn whole_receipt(&self, short: ShortReceipt) -> Result<Option<Receipt>> {
        let receipt = short.complete(self.epoch(), |c, up_to| -> Result<_> {
            let Ok(vault) = self.vault(c) else { return Ok(None) };
            let conn = vault.conn();
            let own = stream::own(&conn)?;
            Ok(log::head_at(&conn, c, &own, up_to)?.map(|head| (own.id(c), head)))
        })?;
        let key = self.info.server_key()?;
        Ok(receipt.filter(|r| r.verify(&key).is_ok()))
    }

    /// Headquarters' signed word that it holds a stream, this device's or one that it handed on. A head that is on none of our branches takes
    /// off nothing. What is not in an open file is taken out of the outbox, and the receipt kept for who can open it. The receipt's signature
    /// was checked by whoever heard it.
    pub fn receipted(&self, r: &Receipted, receipt_bytes: &[u8]) -> Result<Taken> {
        let c = &r.stream.compartment;
        let Ok(vault) = self.sending_vault(c) else { return self.boxed(r, receipt_bytes) };
        let taken = self.within_file(c, &vault, |vault| vault.write(|tx| in_file(tx, r, receipt_bytes)))?;
        let Some(taken) = taken else { return self.boxed(r, receipt_bytes) };
        // The file is the truth; what stays in the outbox is only sent once more.
        if matches!(taken, Taken::Changes(_))
            && let Err(error) = self.shared.keyring.unbox(&r.stream, r.up_to)
        {
            tracing::warn!(%error, "what is receipted could not be taken out of the outbox");
        }
        Ok(taken)
    }

    /// A receipt that another device hands on, if it is headquarters': what it says of this device's work takes it off the queue; what it says
    /// of another's is kept, so that headquarters is not offered what it has. Says how many changes of this device it took off.
    pub fn receipt_by_peer(&self, receipt: &Receipt) -> Result<std::result::Result<u64, &'static str>> {
        if receipt.verify(&self.info.server_key()?).is_err() {
            return Ok(Err("bad_signature"));
        }
        // Which of two lives of the server is the later only headquarters says.
        if receipt.epoch != self.epoch() {
            return Ok(Err("other_epoch"));
        }
        let (bytes, mut taken_off) = (receipt.write(), 0);
        for r in &receipt.held {
            if r.stream.device != self.info.id {
                self.keep_receipt(r, &bytes)?;
                continue;
            }
            match self.receipted(r, &bytes)? {
                Taken::Changes(n) => taken_off += n,
                // Headquarters itself says so in the next exchange, and is where a fork is settled.
                Taken::Foreign => tracing::warn!(compartment = %r.stream.compartment, "a receipt is of another history of this stream"),
                Taken::Nothing => {}
            }
        }
        Ok(Ok(taken_off))
    }

    /// Keeps a receipt for another device's stream, if it says more than what is known.
    fn keep_receipt(&self, r: &Receipted, receipt_bytes: &[u8]) -> Result<()> {
        let c = &r.stream.compartment;
        if self.vault(c).is_err() || self.is_closed(c) {
            return Ok(());
        }
        self.within(c, |vault| {
            vault.write(|tx| {
                let Some(row) = on_chain(tx, r)? else { return Ok(()) };
                if r.up_to > row.at_hq().max(give::receipted_to(tx, c, &row)?) && is_present(tx, receipt_bytes)? {
                    keep_bytes(tx, &row, receipt_bytes)?;
                }
                Ok(())
            })
        })
    }

    fn boxed(&self, r: &Receipted, receipt_bytes: &[u8]) -> Result<Taken> {
        match self.shared.keyring.boxed_receipted(r, receipt_bytes) {
            Ok(n) => Ok(Taken::Changes(n)),
            Err(Error::Fork(_)) => Ok(Taken::Foreign),
            Err(e) => Err(e),
        }
    }
}

fn standing(conn: &Connection, c: &Compartment, device: &DeviceId) -> Result<Standing> {
    let mut standing = Standing { compartment: c.clone(), held: 0, written: 0, backed_up_through: 0, at_ms: None };
    for s in stream::all(conn)?.iter().filter(|s| s.device == *device) {
        let beyond = |n: u64| n.saturating_sub(s.split_n);
        standing.held += beyond(s.receipted());
        standing.written += beyond(s.end());
        standing.backed_up_through += beyond(s.backed_up.min(s.receipted()));
        let bytes: Option<Vec<u8>> =
            conn.prepare_cached("SELECT bytes FROM receipt WHERE stream = ?1")?.query_row([s.id], |r| r.get(0)).optional()?;
        standing.at_ms = standing.at_ms.max(bytes.and_then(|b| <Receipt>::read(&b).ok()).map(|r| r.time_ms));
    }
    Ok(standing)
}

/// What a receipt does in a compartment's file; `None`: nothing of the stream is here, or no more than its beginning.
fn in_file(tx: &Connection, r: &Receipted, receipt_bytes: &[u8]) -> Result<Option<Taken>> {
    let family = stream::family(tx, &r.stream.device, &r.stream.incarnation)?;
    if family.is_empty() {
        return Ok(None);
    }
    if !is_present(tx, receipt_bytes)? {
        return Ok(Some(Taken::Nothing));
    }
    // Of an earlier stream that was salvaged the outbox may hold more than the file.
    let is_beyond = family.iter().all(|row| !row.own && row.n < r.up_to);
    let Some(mut row) = on_chain(tx, r)? else { return Ok(if is_beyond { None } else { Some(Taken::Foreign) }) };
    let news = r.up_to.saturating_sub(row.receipted()) + shared(tx, &row)?;
    // An older one, that somebody kept, says nothing new.
    let is_newest = row.confirm || r.up_to >= row.acked;
    if is_newest {
        row.set_at_hq(r.up_to, r.head);
    }
    row.confirm = false;
    row.sent = row.sent.max(r.up_to);
    row.backed_up = row.backed_up.max(r.backed_up);
    stream::keep(tx, &row)?;
    if is_newest {
        keep_bytes(tx, &row, receipt_bytes)?;
    }
    Ok(Some(Taken::Changes(news)))
}

/// A receipt of a branch is one of what it shares with the streams that it left; says how many of those changes were not receipted.
fn shared(tx: &Connection, branch: &StreamRow) -> Result<u64> {
    let (Some(parent), Some(split)) = (branch.parent, branch.split) else { return Ok(0) };
    let mut row = stream::by_id(tx, parent)?;
    let news = branch.split_n.saturating_sub(row.receipted());
    // What lies beyond, receipted in an earlier life only, goes on waiting for this one's word.
    if news > 0 && (!row.confirm || row.acked <= branch.split_n) {
        row.set_at_hq(branch.split_n, split);
        row.confirm = false;
        stream::keep(tx, &row)?;
    }
    Ok(news + shared(tx, &row)?)
}

/// Whether a receipt is of the server's life that the file follows.
fn is_present(tx: &Connection, receipt_bytes: &[u8]) -> Result<bool> {
    let epoch = <Receipt>::read(receipt_bytes).ok().map(|receipt| receipt.epoch);
    Ok(epoch.is_some() && epoch == repair::epoch(tx)?)
}

/// The branch here on whose chain a receipt's head is.
fn on_chain(tx: &Connection, r: &Receipted) -> Result<Option<StreamRow>> {
    let mut found = None;
    let family = stream::family(tx, &r.stream.device, &r.stream.incarnation)?;
    for row in family.into_iter().filter(|row| r.up_to > row.split_n || row.parent.is_none()) {
        if log::head_at(tx, &r.stream.compartment, &row, r.up_to)? == Some(r.head) {
            found = Some(row);
        }
    }
    Ok(found)
}

fn keep_bytes(tx: &Connection, row: &StreamRow, receipt_bytes: &[u8]) -> Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO receipt(stream, bytes) VALUES (?1, ?2)")?.execute(params![row.id, receipt_bytes])?;
    Ok(())
}
