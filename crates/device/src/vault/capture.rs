//! What an officer writes while the way into a compartment is closed goes to a file of its own, whose key only headquarters has, and at
//! once into the outbox. When the way is open again the file is taken into the compartment's own. Never shows what was there before.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use daftar_core::compartment::Compartment;
use daftar_wire::limits::{SEGMENT_CHANGES_MAX, SEGMENT_PLAIN_BYTES_MAX};
use daftar_wire::message::Reopened;
use rusqlite::Connection;
use zeroize::Zeroizing;

use super::apply::Readable;
use super::closing::{Closed, Why};
use super::file::{At, Vault, meta, set_meta};
use super::page::{Page, Via};
use super::{Store, held, log, read, stream, write};
use crate::error::{Error, Result};
use crate::keyring::{Door, Keyring};

/// Set in a file whose records number a series of their own.
const OWN_SERIES: &str = "own series";
/// Captured records number a series of their own: the count of the compartment's file cannot be read.
const SERIES: u32 = 10_000;

impl Store {
    /// The file that takes what is written: the compartment's own, or where that is closed one that captures.
    pub(super) fn vault_to_write(&self, c: &Compartment) -> Result<Arc<Vault>> {
        if let Ok(vault) = self.vault(c) {
            return Ok(vault);
        }
        let closed: Option<Closed> = read(&self.closed).get(c).cloned();
        match closed {
            None => self.vault(c),
            Some(Closed { why: Why::Damaged | Why::Waits | Why::LeaseEnded, file }) => {
                let mut vaults = write(&self.vaults);
                if let Some(vault) = vaults.get(c) {
                    return Ok(vault.clone());
                }
                let (name, key) = self.shared.keyring.make_capture(&file, c)?;
                let at = At { file: &name, key: &key, make: true, files: vaults.len() + 1, name: c };
                let vault = Vault::open(&self.shared.home, &at, &self.info.id)?;
                self.catch_up(&vault, c)?;
                self.keep_escrow(&name);
                let vault = Arc::new(vault);
                vaults.insert(c.clone(), vault.clone());
                tracing::info!(file = name, "what is written now is captured for headquarters");
                Ok(vault)
            }
        }
    }

    /// The device's digit in the numbers of records of this file.
    pub(super) fn series(&self, c: &Compartment, conn: &Connection, own: &stream::StreamRow) -> Result<u32> {
        if !self.is_closed(c) && meta(conn, OWN_SERIES)?.is_none() {
            return Ok(self.digit.load(Ordering::Relaxed));
        }
        let drawn = u16::from_be_bytes([own.incarnation.0[0], own.incarnation.0[1]]);
        Ok(self.digit.load(Ordering::Relaxed).saturating_mul(SERIES).saturating_add(1000 + u32::from(drawn) % 9000))
    }

    /// A file that was made behind enrolment: there may have been one before it, which was purged with its count.
    pub(super) fn number_apart(&self, c: &Compartment) -> Result<()> {
        self.within(c, |vault| vault.write(|tx| set_meta(tx, OWN_SERIES, &[1])))
    }

    /// What was saved where it captures is sealed before *saved* is said.
    pub(super) fn seal_captured(&self, c: &Compartment, vault: &Vault) -> Result<()> {
        if !self.is_closed(c) {
            return Ok(());
        }
        vault.set_dirty(true);
        self.put_into_outbox(c, vault)
    }

    /// Headquarters handed a key back: opens the officer's door, or takes a file that captured into its compartment.
    pub(crate) fn reopened(&self, r: &Reopened) -> Result<()> {
        if r.officer != self.officer() {
            return Ok(());
        }
        let _one = held(&self.opening);
        let key = Keyring::reopened_key(&self.session, r)?;
        let doors = self.shared.keyring.doors(&self.session, self.shared.lease_now_ms()?)?;
        match doors.iter().find(|d| d.compartment == r.compartment && !d.is_revoked) {
            Some(door) if door.file == r.file => self.reopen_door(door, &key, doors.len()),
            Some(_) => self.reopen_captured(&r.compartment, &r.file, &key),
            None => Ok(()),
        }
    }

    fn reopen_door(&self, door: &Door, key: &Zeroizing<[u8; 32]>, files: usize) -> Result<()> {
        let c = &door.compartment;
        if !self.is_closed(c) {
            return Ok(());
        }
        // Only a key that opens the file is let into the door.
        let vault = match self.open_file(door, key, files) {
            Ok(vault) => vault,
            Err(Error::Damaged { .. }) => {
                tracing::error!(file = door.file, "the key that came back does not open its file");
                self.keep_closed(c, &door.file, Why::Damaged, None);
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        self.shared.keyring.keep_reopened(&self.session, door, key, self.shared.lease_now_ms()?)?;
        write(&self.access).insert(c.clone(), door.access);
        self.is_open(c, vault)?;
        tracing::info!(file = door.file, "headquarters handed a compartment's key back");
        self.refresh_grant(c)
    }

    fn reopen_captured(&self, c: &Compartment, file: &str, key: &Zeroizing<[u8; 32]>) -> Result<()> {
        if self.is_closed(c) {
            return Ok(());
        }
        let into = self.vault(c)?;
        if !self.shared.home.vault(file).exists() {
            return self.shared.keyring.captured(file);
        }
        match Vault::open(&self.shared.home, &At { file, key, make: false, files: usize::MAX, name: c }, &self.info.id) {
            Ok(captured) => {
                captured.set_dirty(true);
                self.take_captured(c, &into, &captured)
            }
            Err(Error::Damaged { .. }) => {
                tracing::error!(file, "a file that captured does not open; what was sealed from it is sent");
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    /// Appends a captured stream to the compartment's log, as if it had come back by the feed, and removes its file.
    pub(super) fn take_captured(&self, c: &Compartment, into: &Vault, captured: &Vault) -> Result<()> {
        captured.end();
        self.sign_end(c, captured)?;
        self.put_into_outbox(c, captured)?;
        let row = stream::own(&captured.conn())?;
        let stream = row.id(c);
        if row.n > 0 {
            let mut segments = Vec::new();
            let mut from = 1;
            while from <= row.n {
                let segment = self.segment_of(captured, &stream, from, SEGMENT_CHANGES_MAX, SEGMENT_PLAIN_BYTES_MAX)?;
                from = segment.last() + 1;
                segments.push(segment);
            }
            let keys = self.keys_of(&self.info.id)?;
            into.write(|tx| {
                let mut page = Page::begin(tx, c, Via::Peer, self.info.id)?;
                for segment in segments {
                    if let Err((_, why)) = page.segment(Readable { segment, keys: keys.clone() })? {
                        return Err(Error::Unexpected(format!("a captured segment was not taken: {why}")));
                    }
                }
                page.merge().map(drop)
            })?;
            // All of it went through the outbox, and only receipts take anything out of there. Asked after the commit: from then on a
            // receipt is written down here.
            let acked = self.shared.keyring.boxed_span(&stream.incarnation)?.map_or(row.n, |(first, _)| first - 1);
            into.write(|tx| {
                let taken = stream::family(tx, &stream.device, &stream.incarnation)?.into_iter().next();
                let mut taken = taken.ok_or_else(|| Error::Unexpected("a captured stream is not there".into()))?;
                if let Some(head) = log::head_at(tx, c, &taken, acked)?.filter(|_| acked > taken.at_hq()) {
                    taken.set_at_hq(acked, head);
                }
                taken.sent = taken.n;
                stream::keep(tx, &taken)
            })?;
        }
        super::files::move_all(captured, into)?;
        self.shared.home.remove_compartment(captured.name())?;
        self.shared.keyring.captured(captured.name())
    }
}
