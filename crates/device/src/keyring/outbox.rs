//! The sealed outbox: work that a locked device can send, and receipts that wait for an officer. Everything in it is sealed, to
//! headquarters or to an officer; a compartment is named by its random file alone. Only a receipt takes a row out.

use daftar_core::compartment::Compartment;
use daftar_core::ids::{Head, Incarnation, OfficerId};
use daftar_wire::message::{Receipt, Receipted};
use daftar_wire::seal::{self, SealingKey};
use daftar_wire::sign::SigningKey;
use daftar_wire::stream::StreamId;
use rusqlite::{Connection, OptionalExtension, params};
use zeroize::Zeroizing;

use super::{Keyring, Session, door};
use crate::error::{Error, Result};
use crate::sql::{int, uint};

const OUTBOX: &str = "daftar outbox 1";
const RECEIPT: &str = "daftar kept receipt 1";

/// A segment in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Boxed {
    pub(crate) id: i64,
    /// Whose stream's changes are in it.
    pub(crate) incarnation: Incarnation,
    /// The number of the last.
    pub(crate) last: u64,
    /// How many they are.
    pub(crate) changes: u64,
    /// Sealed to headquarters.
    pub(crate) bytes: Vec<u8>,
}

/// A segment that goes into the outbox.
pub(crate) struct ToBox<'a> {
    pub(crate) file: &'a str,
    pub(crate) incarnation: Incarnation,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) head: Head,
    /// The segment as it would travel.
    pub(crate) segment: &'a [u8],
}

impl Keyring {
    /// Seals segments to headquarters and keeps them, all or none.
    pub(crate) fn put_boxed(&self, segments: &[ToBox<'_>]) -> Result<()> {
        let (device, hq) = self.device_and_hq()?;
        let sealed = segments.iter().map(|s| Ok(seal::seal(&hq, OUTBOX, &device, s.segment)?)).collect::<Result<Vec<_>>>()?;
        self.db.write(|tx| {
            let mut insert =
                tx.prepare_cached("INSERT INTO outbox(file, incarnation, first, last, head, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            for (s, bytes) in segments.iter().zip(sealed) {
                insert.execute(params![s.file, s.incarnation.0, int(s.first), int(s.last), s.head.0, bytes])?;
            }
            Ok(())
        })
    }

    /// What is for headquarters alone is sealed to this.
    pub(crate) fn hq_sealing(&self) -> Result<SealingKey> {
        Ok(self.device_and_hq()?.1)
    }

    fn device_and_hq(&self) -> Result<([u8; 16], SealingKey)> {
        let row =
            self.conn().query_row("SELECT device, server_sealing FROM device WHERE device IS NOT NULL", [], |r| Ok((r.get(0)?, r.get(1)?)));
        row.optional()?.ok_or(Error::NotEnrolled)
    }

    /// The first and the last number of a stream that are in the outbox.
    pub(crate) fn boxed_span(&self, incarnation: &Incarnation) -> Result<Option<(u64, u64)>> {
        let (first, last): (Option<i64>, Option<i64>) =
            self.conn().query_row("SELECT min(first), max(last) FROM outbox WHERE incarnation = ?1", [incarnation.0], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })?;
        Ok(first.map(uint).zip(last.map(uint)))
    }

    /// Where the segments of a stream that are in the outbox end, in their order: number and head.
    pub(crate) fn boxed_ends(&self, incarnation: &Incarnation) -> Result<Vec<(u64, Head)>> {
        let conn = self.conn();
        let mut rows = conn.prepare_cached("SELECT last, head FROM outbox WHERE incarnation = ?1 ORDER BY last")?;
        let ends = rows.query_map([incarnation.0], |r| Ok((uint(r.get(0)?), Head(r.get(1)?))))?;
        Ok(ends.collect::<rusqlite::Result<_>>()?)
    }

    /// The next segment after this row, of files that are not among `open`.
    pub(crate) fn next_boxed(&self, after: i64, open: &[String]) -> Result<Option<Boxed>> {
        let conn = self.conn();
        let mut rows = conn.prepare_cached("SELECT id, file FROM outbox WHERE id > ?1 ORDER BY id")?;
        let mut rows = rows.query([after])?;
        while let Some(row) = rows.next()? {
            if open.contains(&row.get::<_, String>(1)?) {
                continue;
            }
            let found = conn.query_row(
                "SELECT id, incarnation, last, last + 1 - first, bytes FROM outbox WHERE id = ?1",
                [row.get::<_, i64>(0)?],
                |r| {
                    let (incarnation, last) = (Incarnation(r.get(1)?), uint(r.get(2)?));
                    Ok(Boxed { id: r.get(0)?, incarnation, last, changes: uint(r.get(3)?), bytes: r.get(4)? })
                },
            )?;
            return Ok(Some(found));
        }
        Ok(None)
    }

    /// The segment of a file's stream that begins with this change, and the head at its end.
    pub(crate) fn boxed_at(&self, file: &str, incarnation: &Incarnation, first: u64) -> Result<Option<(Boxed, Head)>> {
        let conn = self.conn();
        let mut row =
            conn.prepare_cached("SELECT id, last, bytes, head FROM outbox WHERE file = ?1 AND incarnation = ?2 AND first = ?3")?;
        let found = row.query_row(params![file, incarnation.0, int(first)], |r| {
            let last = uint(r.get(1)?);
            let changes = (last + 1).saturating_sub(first);
            Ok((Boxed { id: r.get(0)?, incarnation: *incarnation, last, changes, bytes: r.get(2)? }, Head(r.get(3)?)))
        });
        Ok(found.optional()?)
    }

    /// How many changes wait in the outbox, of files that are not among `open`.
    pub(crate) fn boxed_waiting(&self, open: &[String]) -> Result<u64> {
        let conn = self.conn();
        let mut rows = conn.prepare_cached("SELECT file, sum(last + 1 - first) FROM outbox GROUP BY file")?;
        let rows = rows.query_map([], |r| Ok((r.get::<_, String>(0)?, uint(r.get(1)?))))?.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(rows.into_iter().filter(|(file, _)| !open.contains(file)).map(|(_, n)| n).sum())
    }

    /// How many changes the outbox holds.
    pub fn outbox(&self) -> Result<u64> {
        self.boxed_waiting(&[])
    }

    /// A receipt for a stream whose file is closed: takes its rows out and keeps the receipt for the officers who have a door. Its
    /// signature was checked by whoever heard it. Says how many changes it took out.
    pub(crate) fn boxed_receipted(&self, r: &Receipted, receipt: &[u8]) -> Result<u64> {
        self.db.write(|tx| {
            let row: Option<(String, [u8; 32])> = tx
                .query_row(
                    "SELECT file, head FROM outbox WHERE incarnation = ?1 AND last = ?2",
                    params![r.stream.incarnation.0, int(r.up_to)],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()?;
            // A receipt for another place than a row's end proves nothing without the file: the row waits for it.
            let Some((file, head)) = row else { return Ok(0) };
            if head != r.head.0 {
                return Err(Error::Fork(r.stream.clone()));
            }
            keep_receipt(tx, &file, r, receipt)?;
            take_out(tx, &r.stream.incarnation, r.up_to)
        })
    }

    /// A receipt was written down in the file itself: what it covers leaves the outbox.
    pub(crate) fn unbox(&self, stream: &StreamId, up_to: u64) -> Result<()> {
        self.db.write(|tx| take_out(tx, &stream.incarnation, up_to).map(drop))
    }

    /// The receipts that were kept for this officer, with the file that each is for.
    pub(crate) fn kept_receipts(&self, session: &Session) -> Result<Vec<(String, Receipt)>> {
        let conn = self.conn();
        let mut rows = conn.prepare_cached("SELECT file, sealed FROM kept_receipt WHERE officer = ?1")?;
        let rows = rows.query_map([session.officer.id.0], |r| Ok((r.get::<_, String>(0)?, r.get::<_, Vec<u8>>(1)?)))?;
        let mut kept = Vec::new();
        for row in rows {
            let (file, sealed) = row?;
            // What cannot be read is only a receipt: its work is sent once more.
            let plain = seal::open(&session.opening, RECEIPT, file.as_bytes(), &sealed);
            kept.extend(plain.ok().and_then(|p| <Receipt>::read(&p).ok()).map(|r| (file, r)));
        }
        Ok(kept)
    }

    /// Forgets what was kept for this officer of these files: it is written down where it belongs.
    pub(crate) fn receipts_taken(&self, officer: &OfficerId, files: &[String]) -> Result<()> {
        self.db.write(|tx| {
            for file in files {
                tx.execute("DELETE FROM kept_receipt WHERE officer = ?1 AND file = ?2", params![officer.0, file])?;
            }
            Ok(())
        })
    }

    /// The file may not hold all of its work any more: what lies in the outbox is sent from there, whoever has the file open.
    pub(crate) fn send_boxed(&self, file: &str) -> Result<()> {
        self.db.write(|tx| Ok(tx.execute("UPDATE outbox SET file = file || '.salvaged' WHERE file = ?1", [file]).map(drop)?))
    }

    /// Notes that a file is about to hold work that is in no outbox.
    pub(crate) fn soil(&self, file: &str) -> Result<()> {
        self.db.write(|tx| Ok(tx.execute("UPDATE compartment SET dirty = 1 WHERE file = ?1", [file]).map(drop)?))
    }

    /// Notes that all of a file's work is receipted or in the outbox.
    pub(crate) fn clean(&self, file: &str) -> Result<()> {
        self.db.write(|tx| Ok(tx.execute("UPDATE compartment SET dirty = 0 WHERE file = ?1", [file]).map(drop)?))
    }

    /// True if work of this file, or of a file that captures for it, may not have reached headquarters.
    pub(crate) fn has_unsent(&self, file: &str) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM compartment WHERE file = ?1 AND dirty)
             OR EXISTS (SELECT 1 FROM outbox WHERE file IN (?1, ?1 || '.salvaged') OR file IN (SELECT file FROM capture WHERE compartment = ?1))";
        Ok(self.conn().query_row(sql, [file], |r| r.get(0))?)
    }

    /// The same, of the outbox alone.
    pub(crate) fn has_boxed(&self, file: &str) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE file IN (?1, ?1 || '.salvaged') OR file IN (SELECT file FROM capture WHERE compartment = ?1))";
        Ok(self.conn().query_row(sql, [file], |r| r.get(0))?)
    }
}

fn take_out(conn: &Connection, incarnation: &Incarnation, up_to: u64) -> Result<u64> {
    let n: Option<i64> = conn
        .prepare_cached("SELECT sum(last + 1 - first) FROM outbox WHERE incarnation = ?1 AND last <= ?2")?
        .query_row(params![incarnation.0, int(up_to)], |r| r.get(0))?;
    if n.is_some() {
        conn.prepare_cached("DELETE FROM outbox WHERE incarnation = ?1 AND last <= ?2")?.execute(params![incarnation.0, int(up_to)])?;
    }
    Ok(n.map_or(0, uint))
}

/// Keeps a receipt for every officer with a door to the file. It is kept whole, so that its signature can be checked again, and hence
/// only for who has a door to all that it names.
fn keep_receipt(conn: &Connection, file: &str, r: &Receipted, receipt: &[u8]) -> Result<()> {
    let Ok(whole) = <Receipt>::read(receipt) else { return Ok(()) };
    let device: Zeroizing<[u8; 32]> = conn.query_row("SELECT signing FROM device", [], |r| Ok(Zeroizing::new(r.get(0)?)))?;
    let device = SigningKey::from_bytes(&device);
    let mut named: Vec<&Compartment> = whole.held.iter().map(|s| &s.stream.compartment).collect();
    named.sort_unstable();
    named.dedup();
    let tags: Vec<[u8; 32]> = named.into_iter().map(|c| door::tag(&device, c)).collect();
    let mut rows = conn.prepare("SELECT o.id, o.sealing_key FROM door d JOIN officer o ON o.id = d.officer WHERE d.file = ?1")?;
    let officers = rows.query_map([file], |r| Ok((r.get::<_, [u8; 16]>(0)?, r.get::<_, SealingKey>(1)?)))?;
    for officer in officers.collect::<rusqlite::Result<Vec<_>>>()? {
        let mut opens = conn.prepare_cached("SELECT 1 FROM door JOIN compartment USING (file) WHERE officer = ?1 AND tag = ?2")?;
        let mut all = true;
        for tag in &tags {
            all = all && opens.exists(params![officer.0, tag])?;
        }
        if all {
            let sealed = seal::seal(&officer.1, RECEIPT, file.as_bytes(), receipt)?;
            conn.execute(
                "INSERT OR REPLACE INTO kept_receipt(officer, file, incarnation, sealed) VALUES (?1, ?2, ?3, ?4)",
                params![officer.0, file, r.stream.incarnation.0, sealed],
            )?;
        }
    }
    Ok(())
}
