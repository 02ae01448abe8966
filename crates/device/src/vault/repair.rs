//! How this device and headquarters find what the other lacks: heads are compared, and what is wanted waits again. Never a wipe, and never
//! because of an epoch.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, Epoch};
use daftar_wire::limits::HEADS_MAX;
use daftar_wire::message::{Branch, Heads};
use daftar_wire::stream::StreamId;
use rusqlite::Connection;

use super::file::{meta, set_meta};
use super::send::Unsent;
use super::stream::StreamRow;
use super::{Store, ahead, cursor, give, held, log, read, stream};
use crate::error::Result;

/// Set while headquarters may hold another log of the compartment.
const DIFFERS: &str = "differs";
/// The server's life for which `acked` and `confirm` of the streams stand.
const EPOCH: &str = "epoch";

impl Store {
    /// The newest life of the server that this device knows.
    pub fn epoch(&self) -> Epoch {
        *held(&self.epoch)
    }

    /// The server has another life. Nothing is dropped: receipts of the one before count no more until they are said again, and all
    /// compartments are compared.
    pub fn adopt_epoch(&self, epoch: Epoch) -> Result<()> {
        if self.epoch() == epoch {
            return Ok(());
        }
        tracing::warn!("headquarters has another life; what it may lack is offered again");
        self.shared.keyring.set_epoch(&epoch)?;
        for vault in read(&self.vaults).values().chain(read(&self.leaving).values()) {
            vault.set_dirty(true);
        }
        *held(&self.epoch) = epoch;
        self.set_confirmed(&[])?;
        self.renew()
    }

    /// The compartments in which headquarters may hold another log.
    pub fn differing(&self) -> Result<Vec<Compartment>> {
        let mut out = Vec::new();
        for c in self.compartments() {
            if self.within_each(&c, |vault| meta(&vault.conn(), DIFFERS))?.flatten().is_some() {
                out.push(c);
            }
        }
        Ok(out)
    }

    /// Headquarters may hold another log of the compartment: the next exchange compares heads.
    pub fn suspect(&self, c: &Compartment) -> Result<()> {
        if self.vault(c).is_err() {
            return Ok(());
        }
        self.within(c, |vault| vault.write(|tx| set_differs(tx, true)))
    }

    /// After heads were compared: whether the compartment still differs from what headquarters last said of it. What was taken from the
    /// officer meanwhile does not.
    pub fn compare(&self, c: &Compartment) -> Result<bool> {
        if self.vault(c).is_err() {
            return Ok(false);
        }
        self.within(c, |vault| {
            vault.write(|tx| {
                let at_hq = stream::digest_at_hq(tx)?;
                let differs = cursor::cursor(tx)?.is_some_and(|k| !k.ranges.is_empty() && k.digest != at_hq);
                set_differs(tx, differs)?;
                Ok(differs)
            })
        })
    }

    /// All that this device holds of a compartment.
    pub fn heads(&self, c: &Compartment) -> Result<Heads> {
        let vault = self.vault(c)?;
        let conn = vault.conn();
        let mut branches = Vec::new();
        for s in stream::all(&conn)? {
            if let Some(at) = stream::stands(&conn, c, &s)? {
                branches.push(Branch { device: at.device, incarnation: at.incarnation, split: s.split, n: at.n, head: at.head });
            }
        }
        branches.truncate(usize::try_from(HEADS_MAX).unwrap_or(usize::MAX));
        Ok(Heads { compartment: c.clone(), branches })
    }

    /// Somebody wants a stream from a change on: it waits again, whoever wrote it. True if something of it is here.
    pub fn want(&self, id: &StreamId, from: u64) -> Result<bool> {
        let Ok(vault) = self.sending_vault(&id.compartment) else { return Ok(false) };
        self.within_file(&id.compartment, &vault, |vault| {
            let here = vault.write(|tx| {
                let mut here = false;
                show_what_branches_stand_on(tx, id)?;
                for mut row in stream::family(tx, &id.device, &id.incarnation)? {
                    let lacks = from.saturating_sub(1).max(row.split_n);
                    here |= row.end() > lacks;
                    if lacks < row.acked {
                        row.acked_head = log::head_at(tx, &id.compartment, &row, lacks)?.filter(|_| lacks > row.split_n);
                        row.acked = lacks;
                        row.backed_up = row.backed_up.min(lacks);
                        stream::keep(tx, &row)?;
                    }
                    if row.device != self.info.id {
                        // Whatever receipt was handed on for it: headquarters says that it lacks it.
                        tx.prepare_cached("DELETE FROM receipt WHERE stream = ?1")?.execute([row.id])?;
                    }
                }
                Ok(here)
            })?;
            if here && self.is_closed(&id.compartment) {
                self.seal_again(id, vault)?;
            }
            Ok(here)
        })
    }

    /// What is here of a stream from a change on, branch by branch; its segments are cut by `cut`.
    pub fn relay(&self, id: &StreamId, from: u64) -> Result<Vec<Unsent>> {
        let vault = self.vault(&id.compartment)?;
        let rows = stream::family(&vault.conn(), &id.device, &id.incarnation)?;
        let from = |s: &StreamRow| from.max(s.split_n + 1);
        Ok(rows.iter().filter(|s| from(s) <= s.end()).map(|s| Unsent::of(s, &id.compartment, from(s))).collect())
    }

    /// Streams of other devices that headquarters may lack: they came by peer or pack, or it wanted them.
    pub fn offered(&self, c: &Compartment) -> Result<Vec<Unsent>> {
        let vault = self.sending_vault(c)?;
        self.within_file(c, &vault, |vault| {
            let conn = vault.conn();
            let mut offered = Vec::new();
            for s in stream::all(&conn)?.iter().filter(|s| s.device != self.info.id && s.at_hq() < s.end()) {
                // Another device may have handed on headquarters' receipt.
                let held = s.at_hq().max(give::receipted_to(&conn, c, s)?);
                offered.extend((held < s.end()).then(|| Unsent::of(s, c, held + 1)));
            }
            Ok(offered)
        })
    }
}

pub(super) fn set_differs(conn: &Connection, differs: bool) -> Result<()> {
    if differs {
        return set_meta(conn, DIFFERS, &[1]);
    }
    conn.prepare_cached("DELETE FROM meta WHERE k = ?1")?.execute([DIFFERS])?;
    Ok(())
}

/// The server's life that the file has followed.
pub(super) fn epoch(conn: &Connection) -> Result<Option<Epoch>> {
    Ok(meta(conn, EPOCH)?.and_then(|b| b.try_into().ok()).map(Epoch))
}

/// What was kept back of a stream that went on elsewhere, and is what a branch of it stands on, is kept back no longer: the branch came by
/// headquarters, and cannot come there again without.
fn show_what_branches_stand_on(tx: &Connection, id: &StreamId) -> Result<()> {
    for branch in stream::family(tx, &id.device, &id.incarnation)?.iter().rev() {
        let Some(parent) = branch.parent else { continue };
        let mut parent = stream::by_id(tx, parent)?;
        if parent.end() < branch.split_n {
            parent.show_to(branch.split_n);
            stream::keep(tx, &parent)?;
        }
    }
    Ok(())
}

/// The file follows the server's life: in another one than it knew, this device's receipts are to be said again.
pub(super) fn follow(conn: &Connection, to: &Epoch, device: &DeviceId) -> Result<()> {
    let known = epoch(conn)?;
    if known == Some(*to) {
        return Ok(());
    }
    set_meta(conn, EPOCH, &to.0)?;
    if known.is_some() {
        ahead::forget_numbers(conn)?;
        conn.prepare_cached("UPDATE stream SET confirm = 1, backed_up = 0 WHERE device = ?1 AND acked > split_n")?.execute([device.0])?;
        set_differs(conn, true)?;
    }
    Ok(())
}
