//! Files of records that are not saved yet: kept like any other and sent nowhere before a record names them. Never a file that one names.

use std::io::{Read, Seek};

use daftar_core::compartment::Compartment;
use daftar_core::ids::FileHash;
use daftar_core::merge::RecordState;
use rusqlite::{Connection, TransactionBehavior};

use super::super::file::set_meta;
use super::{KeptFile, Store, find};
use crate::error::Result;

/// Before a file's digits in the meta table: a draft alone knows the file.
const DRAFTED: &str = "draft_file:";

/// What `to_offer` leaves out, where a file's row is called `f`.
pub(super) const IS_DRAFTED: &str = "EXISTS (SELECT 1 FROM meta WHERE k = 'draft_file:' || lower(hex(f.sha256)))";

fn mark(sha256: &FileHash) -> String {
    format!("{DRAFTED}{sha256}")
}

fn is_named(conn: &Connection, sha256: &FileHash) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM file_ref WHERE sha256 = ?1")?.exists([sha256.0])?)
}

/// A record names these files: they go to headquarters like all others.
pub(super) fn named(conn: &Connection, state: Option<&RecordState>) -> Result<()> {
    let mut row = conn.prepare_cached("DELETE FROM meta WHERE k = ?1")?;
    for file in state.map(RecordState::files).unwrap_or_default() {
        row.execute([mark(&file.sha256)])?;
    }
    Ok(())
}

impl Store {
    /// Keeps a file for a record that is being written. It is sent once the record is saved; a draft that is thrown away drops it.
    pub fn keep_draft_file(&self, c: &Compartment, source: &mut (impl Read + Seek)) -> Result<KeptFile> {
        let kept = self.keep_file(c, source)?;
        let vault = self.vault(c)?;
        let mut conn = vault.conn();
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for sha256 in [Some(kept.sha256), kept.thumbnail].into_iter().flatten() {
            if !is_named(&tx, &sha256)? {
                set_meta(&tx, &mark(&sha256), &[1])?;
            }
        }
        tx.commit()?;
        Ok(kept)
    }

    /// Drops a file that only a draft knew. One that a record names stays.
    pub fn drop_draft_file(&self, c: &Compartment, sha256: &FileHash) -> Result<()> {
        let vault = self.vault(c)?;
        let blob = {
            let mut conn = vault.conn();
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let is_drafted = tx.prepare_cached("DELETE FROM meta WHERE k = ?1")?.execute([mark(sha256)])? > 0;
            let row = find(&tx, sha256)?.filter(|_| is_drafted);
            if let Some(row) = &row {
                tx.execute("DELETE FROM file WHERE sha256 = ?1", [row.sha256.0])?;
            }
            tx.commit()?;
            row.map(|row| row.blob)
        };
        blob.map_or(Ok(()), |name| vault.blobs().remove(&name))
    }
}
