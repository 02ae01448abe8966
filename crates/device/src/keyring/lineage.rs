//! The device's place in its lineage, and the lives of itself and of headquarters that it was told of. Holds no secret; never judges who was
//! cloned: headquarters does.

use daftar_core::ids::Epoch;
use daftar_wire::message::{Lineage, Token};
use rusqlite::{OptionalExtension, params};

use super::Keyring;
use crate::error::Result;
use crate::random::random;
use crate::sql::uint;

impl Keyring {
    /// Where the next exchange that brings something moves the lineage. Drawn once, and on the disk before it is sent, so that a kill in
    /// between sends the same pair again.
    pub(crate) fn lineage(&self) -> Result<Lineage> {
        let (previous, next): (Option<Token>, Option<Token>) =
            self.conn().query_row("SELECT previous, next FROM lineage", [], |r| Ok((r.get(0)?, r.get(1)?)))?;
        if let Some(next) = next {
            return Ok(Lineage { previous, next });
        }
        let next: Token = random()?;
        self.db.write(|tx| Ok(tx.execute("UPDATE lineage SET next = ?1", [next]).map(drop)?))?;
        Ok(Lineage { previous, next })
    }

    /// The exchange that carried this token was answered to its end.
    pub(crate) fn lineage_answered(&self, next: &Token) -> Result<()> {
        let answered = "UPDATE lineage SET previous = next, next = NULL WHERE next = ?1";
        self.db.write(|tx| Ok(tx.execute(answered, [next]).map(drop)?))
    }

    /// Headquarters says that the device was cloned or put back: a new life for every file, and another digit in record numbers.
    pub(crate) fn anew(&self, digit: u32) -> Result<()> {
        self.db.write(|tx| {
            tx.execute("UPDATE lineage SET life = life + 1", [])?;
            tx.execute("UPDATE device SET digit = ?1", [digit])?;
            Ok(())
        })
    }

    /// How often the device was told to begin anew.
    pub(crate) fn life(&self) -> Result<u64> {
        Ok(self.conn().query_row("SELECT life FROM lineage", [], |r| r.get(0)).map(uint)?)
    }

    /// Headquarters' life, where it is another than at enrolment.
    pub(crate) fn epoch(&self) -> Result<Option<Epoch>> {
        Ok(self.conn().query_row("SELECT epoch FROM lineage", [], |r| r.get(0)).optional()?.flatten().map(Epoch))
    }

    /// Headquarters has another life, and may lack what any file holds: none is destroyed before its work was offered again.
    pub(crate) fn set_epoch(&self, epoch: &Epoch) -> Result<()> {
        self.db.write(|tx| {
            tx.execute("UPDATE lineage SET epoch = ?1", params![epoch.0])?;
            tx.execute("UPDATE compartment SET dirty = 1 WHERE made", [])?;
            Ok(())
        })
    }
}
