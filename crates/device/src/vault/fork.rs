//! A stream that went two ways, because this disk was cloned or put back: the device takes a new incarnation and appends there what
//! headquarters has not receipted, with the same bytes and hence the same names. Nothing is dropped: the other branch stays as it is.

use std::sync::atomic::Ordering;

use daftar_core::compartment::Compartment;
use daftar_core::ids::Incarnation;
use daftar_wire::stream::StreamId;
use rusqlite::{Connection, params};

use super::file::{Vault, meta, set_meta};
use super::{Store, log, repair, stream};
use crate::error::Result;
use crate::random::random;

/// The life of the device that this file's own stream was begun in.
pub(super) const LIFE: &str = "life";

impl Store {
    /// Begins a new stream in the compartment and appends there what waits; says how many changes that were. What headquarters holds there is
    /// compared with the next exchange.
    pub fn begin_anew(&self, c: &Compartment) -> Result<u64> {
        let n = self.within(c, |vault| vault.write(|tx| self.begin_stream(tx, c)))?;
        tracing::warn!(compartment = %c, changes = n, "a new incarnation was begun");
        Ok(n)
    }

    /// Whether this is the stream that the compartment's new changes go to.
    pub fn writes_to(&self, stream: &StreamId) -> Result<bool> {
        if self.vault(&stream.compartment).is_err() {
            return Ok(false);
        }
        let own = self.within(&stream.compartment, |vault| stream::own(&vault.conn()))?;
        Ok(own.device == stream.device && own.incarnation == stream.incarnation)
    }

    fn begin_stream(&self, tx: &Connection, c: &Compartment) -> Result<u64> {
        let mut before = stream::own(tx)?;
        let id = StreamId { compartment: c.clone(), device: self.info.id, incarnation: Incarnation(random()?) };
        repair::set_differs(tx, true)?;
        if before.n == 0 {
            // Nobody has heard of it.
            tx.execute("UPDATE stream SET incarnation = ?2, head = ?3 WHERE id = ?1", params![before.id, id.incarnation.0, id.start().0])?;
            return Ok(0);
        }
        tx.execute("UPDATE stream SET own = 0 WHERE id = ?1", [before.id])?;
        stream::begin(tx, &id, true)?;
        let mut anew = stream::own(tx)?;
        anew.stamp = before.stamp;
        let runs = log::runs(tx, before.id, before.acked + 1, before.n)?;
        for row in log::changes(tx, before.id, before.acked + 1, before.n)? {
            let (name, record) = (row.name, row.record);
            // The old run's seed stays with the old stream, so each salt goes along by itself.
            log::append(tx, &mut anew, record, name, &row.entry(&runs)?, false)?;
        }
        // What goes on in the new stream is not shown in the old one, unless headquarters turns out to have it.
        before.shown = (before.acked < before.n).then_some(before.acked);
        stream::keep(tx, &before)?;
        stream::keep(tx, &anew)?;
        Ok(anew.n)
    }

    /// Headquarters says that the device was cloned or put back. On the disk before anything follows from it; the open files follow with
    /// `renew`, the others when they are opened.
    pub fn anew(&self, digit: u32) -> Result<()> {
        self.shared.keyring.anew(digit)?;
        self.digit.store(digit, Ordering::Relaxed);
        Ok(())
    }

    /// Begins a new stream wherever that was not done since the device was last told to.
    pub fn renew(&self) -> Result<()> {
        for c in self.compartments() {
            self.within_each(&c, |vault| self.catch_up(vault, &c))?;
        }
        Ok(())
    }

    /// A file follows what the device was told while it was closed: that it was cloned, or that the server has another life.
    pub(super) fn catch_up(&self, vault: &Vault, c: &Compartment) -> Result<()> {
        let (life, epoch) = (self.shared.keyring.life()?, self.epoch());
        let begun = meta(&vault.conn(), LIFE)?.and_then(|b| b.try_into().ok()).map_or(0, u64::from_be_bytes);
        if begun == life && repair::epoch(&vault.conn())? == Some(epoch) {
            return Ok(());
        }
        vault.write(|tx| {
            if begun != life {
                self.begin_stream(tx, c)?;
                set_meta(tx, LIFE, &life.to_be_bytes())?;
            }
            repair::follow(tx, &epoch, &self.info.id)
        })
    }
}
