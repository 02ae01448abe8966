//! Changes that do not count, and verdicts that persons give on them. Never decides one.

use daftar_core::ids::{ChangeName, DeviceId, OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_wire::message::{FeedVerdict, Verdict};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::feed::{self, Rule};
use super::meta::Place;
use crate::error::{Error, Result};
use crate::sql::{int, uint};

/// A change with what was ruled about it, as the console's tables have it.
#[derive(Debug, Clone)]
pub struct JudgedRow {
    /// The row's number; rises in the order of projection.
    pub id: i64,
    /// The compartment's row.
    pub place: i64,
    /// The change.
    pub name: ChangeName,
    /// Its record, kind and author; `None`: it cannot be read.
    pub said: Option<(RecordId, Kind, OfficerId)>,
    /// Whose stream brought it.
    pub device: DeviceId,
    /// When it came, by the server's clock, in milliseconds of UTC.
    pub received_ms: u64,
    /// When it was written, by the device's clock.
    pub stamp_ms: Option<u64>,
    /// Whether it counts.
    pub verdict: Verdict,
    /// Why not.
    pub reason: Option<String>,
    /// What it says.
    pub(crate) header: Vec<u8>,
    pub(crate) payload: Option<Vec<u8>>,
}

const JUDGED: &str =
    "SELECT id, compartment, name, record, kind, author, device, received_ms, stamp_ms, verdict, reason, header, payload FROM change";

fn judged(r: &Row<'_>) -> Result<JudgedRow> {
    let (record, kind, author): (Option<[u8; 16]>, Option<u32>, Option<[u8; 16]>) = (r.get(3)?, r.get(4)?, r.get(5)?);
    let said = match (record, kind, author) {
        (Some(record), Some(kind), Some(author)) => Some((RecordId(record), Kind::from_number(kind), OfficerId(author))),
        (Some(_) | None, _, _) => None,
    };
    Ok(JudgedRow {
        id: r.get(0)?,
        place: r.get(1)?,
        name: ChangeName(r.get(2)?),
        said,
        device: DeviceId(r.get(6)?),
        received_ms: uint(r.get(7)?),
        stamp_ms: r.get::<_, Option<i64>>(8)?.map(uint),
        verdict: Verdict::from_number(r.get(9)?).ok_or_else(|| Error::Damaged("a change's verdict".into()))?,
        reason: r.get(10)?,
        header: r.get(11)?,
        payload: r.get(12)?,
    })
}

/// The change of this name in the console's tables.
pub fn change(tables: &Connection, name: &ChangeName) -> Result<Option<JudgedRow>> {
    let mut rows = tables.prepare_cached(&format!("{JUDGED} WHERE name = ?1"))?;
    let mut rows = rows.query([name.0])?;
    rows.next()?.map(judged).transpose()
}

/// Changes of a compartment that do not count, the newest first, of those before the row `before`.
pub fn standing(tables: &Connection, place: i64, verdict: Option<Verdict>, before: i64, limit: u32) -> Result<Vec<JudgedRow>> {
    let mut rows = tables.prepare_cached(&format!(
        "{JUDGED} WHERE verdict <> 0 AND compartment = ?1 AND id < ?2 AND (?3 IS NULL OR verdict = ?3) ORDER BY id DESC LIMIT ?4"
    ))?;
    let mut rows = rows.query(params![place, before, verdict.map(Verdict::number), limit])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(judged(row)?);
    }
    Ok(all)
}

/// Writes a verdict as a feed's next entry. Returns its number.
pub(crate) fn append(conn: &Connection, place: &Place, at_ms: u64, by: Option<&OfficerId>, rule: &Rule<'_>) -> Result<u64> {
    let before = feed::head(conn, place)?;
    let n = before.n + 1;
    let (rulings, sig) = rule(n);
    let chain = FeedVerdict::chain_after(before.chain, &rulings);
    conn.prepare_cached("INSERT INTO feed(compartment, n, kind, chain, sig, at_ms, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![place.id, int(n), feed::VERDICT, chain.0, sig, int(at_ms), FeedVerdict::write_rulings(&rulings)])?;
    for ruling in &rulings {
        conn.prepare_cached("INSERT INTO decision(change, compartment, n, officer) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            ruling.change.0,
            place.id,
            int(n),
            by.map(|b| b.0)
        ])?;
    }
    conn.prepare_cached("UPDATE feed_head SET n = ?2, chain = ?3 WHERE compartment = ?1")?.execute(params![place.id, int(n), chain.0])?;
    Ok(n)
}

/// Who ruled last on a change: `Some(None)`: at the command line; `None`: nobody but the server, as it came.
pub fn decided_by(conn: &Connection, change: &ChangeName) -> Result<Option<Option<OfficerId>>> {
    let mut rows = conn.prepare_cached("SELECT officer FROM decision WHERE change = ?1 ORDER BY n DESC LIMIT 1")?;
    let row = rows.query_row([change.0], |r| r.get::<_, Option<[u8; 16]>>(0)).optional()?;
    Ok(row.map(|by| by.map(OfficerId)))
}
