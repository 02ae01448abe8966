//! What waits goes into the sealed outbox, and receipts that came while a file was closed are written down in it. Never takes anything
//! off the queue but by a receipt.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use daftar_core::compartment::Compartment;
use daftar_core::ids::Head;
use daftar_wire::limits::SEGMENT_PLAIN_BYTES_MAX;
use daftar_wire::stream::StreamId;

use super::file::Vault;
use super::stream::StreamRow;
use super::{Store, Unsent, log, read, send, stream};
use crate::error::{Error, Result};
use crate::keyring::{Boxed, ToBox};

/// Segments sealed in one transaction of the keyring.
const BATCH: usize = 32;

/// A segment that was cut and waits to be sealed.
struct Cut {
    first: u64,
    last: u64,
    head: Head,
    bytes: Vec<u8>,
}

impl Store {
    /// Signs and attests a file's own stream at its end.
    pub(super) fn sign_end(&self, c: &Compartment, vault: &Vault) -> Result<()> {
        vault.write(|tx| {
            let row = stream::own(tx)?;
            if row.n > 0 && send::signed_heads(tx, row.id, row.n, row.n)?.is_empty() {
                self.sign(tx, &row, &row.id(c), row.n, &row.head, true)?;
            }
            Ok(())
        })
    }

    /// Seals what of a file's own stream is neither receipted nor in the outbox. Afterwards the file is not dirty, unless somebody
    /// saved meanwhile or headquarters has another life since.
    pub(super) fn put_into_outbox(&self, c: &Compartment, vault: &Vault) -> Result<()> {
        if !vault.is_dirty() {
            return Ok(());
        }
        loop {
            let row = stream::own(&vault.conn())?;
            let stream = row.id(c);
            let boxed = self.shared.keyring.boxed_span(&stream.incarnation)?.map_or(0, |(_, last)| last);
            let mut from = row.acked.max(boxed) + 1;
            let mut cuts: Vec<Cut> = Vec::new();
            while from <= row.n && cuts.len() < BATCH {
                let cut = self.cut_to_seal(vault, &row, &stream, from, row.n)?;
                from = cut.last + 1;
                cuts.push(cut);
            }
            if !cuts.is_empty() {
                self.seal(vault, &stream, &cuts)?;
                continue;
            }
            // Whoever saves holds the file, and soils it before he commits.
            let conn = vault.conn();
            if stream::all(&conn)?.iter().any(|s| s.device == self.info.id && s.confirm) {
                // Headquarters, in another life, has not said again what it holds.
                return Ok(());
            }
            let now = stream::own(&conn)?;
            if now.incarnation == stream.incarnation && now.n < from {
                self.shared.keyring.clean(vault.name())?;
                vault.set_dirty(false);
                return Ok(());
            }
        }
    }

    /// Headquarters lacks what it had receipted of a stream that captures: it goes into the outbox again, before what lies there.
    pub(super) fn seal_again(&self, stream: &StreamId, vault: &Vault) -> Result<()> {
        let row = stream::own(&vault.conn())?;
        if row.id(&stream.compartment) != *stream {
            return Ok(());
        }
        let before = self.shared.keyring.boxed_span(&stream.incarnation)?.map_or(row.n + 1, |(first, _)| first);
        let (mut from, mut cuts) = (row.acked + 1, Vec::new());
        while from < before {
            let cut = self.cut_to_seal(vault, &row, stream, from, before - 1)?;
            from = cut.last + 1;
            cuts.push(cut);
        }
        // All or none: what is in the outbox of a stream has no gap.
        self.seal(vault, stream, &cuts)
    }

    /// A segment of a file's own stream from one change on, not beyond another.
    fn cut_to_seal(&self, vault: &Vault, row: &StreamRow, stream: &StreamId, from: u64, to: u64) -> Result<Cut> {
        let most = self.shared.keyring.link()?.sealed_changes().min(u32::try_from(to + 1 - from).unwrap_or(u32::MAX));
        let segment = self.segment_of(vault, stream, from, most, SEGMENT_PLAIN_BYTES_MAX)?;
        let last = segment.last();
        let head = send::signed_heads(&vault.conn(), row.id, last, last)?.first().map(|s| s.1);
        let head = head.ok_or_else(|| Error::Unexpected("a segment without a signed head".into()))?;
        Ok(Cut { first: from, last, head, bytes: segment.write()? })
    }

    fn seal(&self, vault: &Vault, stream: &StreamId, cuts: &[Cut]) -> Result<()> {
        let rows = cuts.iter().map(|cut| ToBox {
            file: vault.name(),
            incarnation: stream.incarnation,
            first: cut.first,
            last: cut.last,
            head: cut.head,
            segment: &cut.bytes,
        });
        self.shared.keyring.put_boxed(&rows.collect::<Vec<_>>())
    }

    /// What was sealed of this very stream from this change on, and lies in the outbox.
    pub(crate) fn boxed_at(&self, unsent: &Unsent, from: u64) -> Result<Option<Boxed>> {
        // Its lease ended meanwhile: what waits is in the outbox, and goes with that.
        let Ok(vault) = self.sending_vault(&unsent.stream.compartment) else { return Ok(None) };
        let Some((boxed, head)) = self.shared.keyring.boxed_at(vault.name(), &unsent.stream.incarnation, from)? else { return Ok(None) };
        let is_here = (from..=unsent.last).contains(&boxed.last);
        // A stream that went two ways has other heads on each.
        let heads =
            self.within_file(&unsent.stream.compartment, &vault, |v| send::signed_heads(&v.conn(), unsent.row, boxed.last, boxed.last))?;
        Ok(Some(boxed).filter(|_| is_here && heads.iter().any(|signed| signed.1 == head)))
    }

    /// Whether what is in the outbox may be sent instead of the same out of its file. What headquarters may not have been able to open is cut
    /// again the next time, until a sync has left nothing.
    pub(crate) fn relies_on_boxes(&self) -> bool {
        !self.boxes_in_doubt.swap(true, Ordering::Relaxed)
    }

    /// A sync is over and has left so many changes.
    pub(crate) fn synced(&self, waiting: u64) {
        self.boxes_in_doubt.store(waiting > 0, Ordering::Relaxed);
    }

    /// What headquarters holds by its feed, and not by a receipt of this device's own sending, leaves the outbox too: a copy of the disk sent it.
    pub(crate) fn unbox_held(&self) -> Result<()> {
        if self.shared.keyring.outbox()? == 0 {
            return Ok(());
        }
        for c in self.sending() {
            let vault = self.sending_vault(&c)?;
            self.within_file(&c, &vault, |vault| {
                let conn = vault.conn();
                let mut rows = stream::all(&conn)?;
                rows.retain(|row| row.device == self.info.id);
                // Where nothing waits, what was kept back of a stream went on in another, under the same names.
                let none_waits = rows.iter().all(|row| row.receipted() >= row.end());
                for row in &rows {
                    let (stream, at_hq, mut held) = (row.id(&c), if none_waits { row.n } else { row.receipted() }, None);
                    for (last, head) in self.shared.keyring.boxed_ends(&stream.incarnation)? {
                        if last > at_hq || log::head_at(&conn, &c, row, last)? != Some(head) {
                            break;
                        }
                        held = Some(last);
                    }
                    held.map_or(Ok(()), |last| self.shared.keyring.unbox(&stream, last))?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Notes, before the first commit since all was sealed, that the file holds more.
    pub(super) fn soil(&self, vault: &Vault) -> Result<()> {
        if !vault.is_dirty() {
            self.shared.keyring.soil(vault.name())?;
            vault.set_dirty(true);
        }
        Ok(())
    }

    /// Writes down the receipts that came while the officer was away.
    pub(super) fn take_kept_receipts(&self) -> Result<()> {
        let kept = self.shared.keyring.kept_receipts(&self.session)?;
        if kept.is_empty() {
            return Ok(());
        }
        let server = self.info.server_key()?;
        let open: Vec<(Compartment, Arc<Vault>)> =
            read(&self.vaults).iter().chain(read(&self.leaving).iter()).map(|(c, v)| (c.clone(), v.clone())).collect();
        let mut taken = Vec::new();
        for (file, receipt) in kept {
            let Some((c, _)) = open.iter().find(|(_, v)| v.name() == file) else { continue };
            taken.push(file);
            if receipt.verify(&server).is_err() {
                tracing::error!(compartment = %c, "a receipt that was kept is not headquarters'; the work is sent again");
                continue;
            }
            let bytes = receipt.write();
            for r in receipt.held.iter().filter(|r| r.stream.device == self.info.id && r.stream.compartment == *c) {
                match self.receipted(r, &bytes) {
                    Ok(_) => {}
                    // The next exchange says it again, and is where a fork is settled.
                    Err(Error::Fork(_)) => tracing::error!(compartment = %c, "headquarters holds another history of this stream"),
                    Err(e) => return Err(e),
                }
            }
        }
        self.shared.keyring.receipts_taken(&self.officer(), &taken)
    }
}
