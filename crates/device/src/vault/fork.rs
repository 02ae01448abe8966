//! A stream that went two ways, because this disk was cloned or put back: the device takes a new incarnation and appends there what
//! headquarters has not receipted, with the same bytes and hence the same names. Nothing is dropped: the other branch stays as it is.

use daftar_core::compartment::Compartment;
use daftar_core::ids::Incarnation;
use daftar_wire::stream::StreamId;
use rusqlite::{Connection, params};

use super::{Store, log};
use crate::error::Result;
use crate::random::random;

impl Store {
    /// Begins a new stream in the compartment and appends there what waits; says how many changes that were.
    pub fn begin_anew(&self, c: &Compartment) -> Result<u64> {
        let anew = self.within(c, |vault| vault.write(|tx| self.anew(tx, c)))?;
        tracing::warn!(compartment = %c, changes = anew, "a new incarnation was begun");
        Ok(anew)
    }

    fn anew(&self, tx: &Connection, c: &Compartment) -> Result<u64> {
        let before = log::own(tx)?;
        tx.execute("UPDATE stream SET own = 0 WHERE id = ?1", [before.id])?;
        let id = StreamId { compartment: c.clone(), device: self.info.id, incarnation: Incarnation(random()?) };
        tx.execute(
            "INSERT INTO stream(device, incarnation, own, head) VALUES (?1, ?2, 1, ?3)",
            params![id.device.0, id.incarnation.0, id.start().0],
        )?;
        let mut anew = log::own(tx)?;
        anew.stamp = before.stamp;
        let runs = log::runs(tx, before.id, before.acked + 1, before.n)?;
        for row in log::changes(tx, before.id, before.acked + 1, before.n)? {
            let (name, record) = (row.name, row.record);
            // The old run's seed stays with the old stream, so each salt goes along by itself.
            log::append(tx, &mut anew, record, name, &row.entry(&runs)?, false)?;
        }
        log::keep(tx, &anew)?;
        Ok(anew.n)
    }
}
