//! Feeds and streams: numbered entries in the order of commits, and how far each stream is held. Never judges a change.

use daftar_core::ids::{DeviceId, Digest, Head, Incarnation};
use daftar_wire::message::{FeedVerdict, Ruling, feed_next};
use daftar_wire::sign::Sig;
use daftar_wire::stream::{StreamHead, StreamId, digest};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::branch::StreamRow;
use super::meta::Place;
use crate::error::{Error, Result};
use crate::sql::{int, uint};

const SEGMENT: i64 = 1;
pub(super) const VERDICT: i64 = 2;
/// Bytes of entries that are chained anew at once.
const RECHAIN_BYTES: usize = 4 * 1024 * 1024;

/// A feed's last number and the chain after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedHead {
    /// The number; zero for an empty feed.
    pub n: u64,
    /// The chain.
    pub chain: Head,
}

/// A segment that is to be kept, checked before.
#[derive(Debug, Clone, Copy)]
pub struct NewSegment<'a> {
    /// The stream; its compartment is the feed's.
    pub stream: &'a StreamId,
    /// The number of the first change.
    pub first: u64,
    /// How many changes.
    pub count: u32,
    /// The stream's chain after the last.
    pub head: Head,
    /// As it came.
    pub bytes: &'a [u8],
}

/// What an entry of a feed is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A segment.
    Segment {
        /// Whose stream.
        device: DeviceId,
        /// Which life of it.
        incarnation: Incarnation,
        /// The number of the first change.
        first: u64,
        /// How many changes.
        count: u32,
        /// The stream's chain after the last.
        head: Head,
        /// The stream's row, or its branch's.
        row: i64,
    },
    /// Rulings, with headquarters' signature.
    Verdict(Sig),
}

/// An entry of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub n: u64,
    /// What it is.
    pub kind: Kind,
    /// The feed's chain after it.
    pub chain: Head,
    /// When it was committed, in milliseconds of UTC.
    pub at_ms: u64,
    /// The segment as it came, or the rulings.
    pub bytes: Vec<u8>,
}

/// Signs what was ruled, as the feed's entry of this number.
pub type Rule<'a> = dyn Fn(u64) -> (Vec<Ruling>, Sig) + 'a;

/// The feed's end.
pub fn head(conn: &Connection, place: &Place) -> Result<FeedHead> {
    let row = conn
        .prepare_cached("SELECT n, chain FROM feed_head WHERE compartment = ?1")?
        .query_row([place.id], |r| Ok(FeedHead { n: uint(r.get(0)?), chain: Head(r.get(1)?) }));
    Ok(row?)
}

/// The feed's chain after entry `n`; `None` if there is no such entry.
pub fn chain_at(conn: &Connection, place: &Place, n: u64) -> Result<Option<Head>> {
    let mut rows = conn.prepare_cached("SELECT chain FROM feed WHERE compartment = ?1 AND n = ?2")?;
    Ok(rows.query_row(params![place.id, int(n)], |r| r.get(0).map(Head)).optional()?)
}

/// How far a stream is held, without its branches; one that is not known stands at its start.
pub fn stream(conn: &Connection, place: &Place, stream: &StreamId) -> Result<StreamRow> {
    let first = super::branch::rows(conn, place, stream)?.into_iter().find(|r| r.split.is_none());
    Ok(first.unwrap_or_else(|| StreamRow::empty(stream)))
}

/// The heads of all streams of a compartment and their branches.
pub fn stream_heads(conn: &Connection, place: &Place) -> Result<Vec<StreamHead>> {
    let mut rows = conn.prepare_cached("SELECT device, incarnation, n, head FROM stream WHERE compartment = ?1")?;
    let heads = rows.query_map([place.id], stream_head)?;
    Ok(heads.collect::<rusqlite::Result<_>>()?)
}

fn stream_head(r: &Row<'_>) -> rusqlite::Result<StreamHead> {
    Ok(StreamHead { device: DeviceId(r.get(0)?), incarnation: Incarnation(r.get(1)?), n: uint(r.get(2)?), head: Head(r.get(3)?) })
}

/// The compartment's digest when the feed had ended at `n`.
pub fn digest_at(conn: &Connection, place: &Place, n: u64) -> Result<Digest> {
    let mut rows = conn.prepare_cached(
        "SELECT s.device, s.incarnation, f.first + f.count - 1, f.head FROM stream s JOIN feed f ON f.stream = s.id
         WHERE s.compartment = ?1 AND f.n = (SELECT max(g.n) FROM feed g WHERE g.stream = s.id AND g.n <= ?2)",
    )?;
    let heads = rows.query_map(params![place.id, int(n)], stream_head)?;
    Ok(digest(&heads.collect::<rusqlite::Result<Vec<_>>>()?))
}

/// Keeps a segment that carries its stream on from `held`, and what was ruled about it, as the feed's next entries.
/// The feed's own number is changed last.
pub fn append(
    conn: &Connection,
    place: &Place,
    held: &StreamRow,
    new: &NewSegment<'_>,
    at_ms: u64,
    verdict: Option<&Rule<'_>>,
) -> Result<StreamRow> {
    let last = new.first + u64::from(new.count) - 1;
    let id = match held.id {
        Some(id) => {
            conn.prepare_cached("UPDATE stream SET n = ?2, head = ?3 WHERE id = ?1")?.execute(params![id, int(last), new.head.0])?;
            id
        }
        None => {
            conn.prepare_cached("INSERT INTO stream(compartment, device, incarnation, n, head) VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![place.id, new.stream.device.0, new.stream.incarnation.0, int(last), new.head.0])?;
            conn.last_insert_rowid()
        }
    };
    let before = head(conn, place)?;
    let mut now = FeedHead { n: before.n + 1, chain: feed_next(before.chain, new.stream, new.first, new.count, &new.head) };
    conn.prepare_cached(
        "INSERT INTO feed(compartment, n, kind, stream, first, count, head, chain, at_ms, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![place.id, int(now.n), SEGMENT, id, int(new.first), new.count, new.head.0, now.chain.0, int(at_ms), new.bytes])?;
    if let Some(rule) = verdict {
        now = add_verdict(conn, place, now, at_ms, rule)?;
    }
    set_head(conn, place, &now)?;
    Ok(StreamRow { id: Some(id), n: last, head: new.head, ..held.clone() })
}

/// Adds what was ruled about changes that are held, as the feed's next entry.
pub fn rule(conn: &Connection, place: &Place, at_ms: u64, rule: &Rule<'_>) -> Result<()> {
    let now = add_verdict(conn, place, head(conn, place)?, at_ms, rule)?;
    set_head(conn, place, &now)
}

fn add_verdict(conn: &Connection, place: &Place, before: FeedHead, at_ms: u64, rule: &Rule<'_>) -> Result<FeedHead> {
    let n = before.n + 1;
    let (rulings, sig) = rule(n);
    let chain = FeedVerdict::chain_after(before.chain, &rulings);
    conn.prepare_cached("INSERT INTO feed(compartment, n, kind, chain, sig, at_ms, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![place.id, int(n), VERDICT, chain.0, sig, int(at_ms), FeedVerdict::write_rulings(&rulings)])?;
    Ok(FeedHead { n, chain })
}

fn set_head(conn: &Connection, place: &Place, head: &FeedHead) -> Result<()> {
    conn.prepare_cached("UPDATE feed_head SET n = ?2, chain = ?3 WHERE compartment = ?1")?.execute(params![
        place.id,
        int(head.n),
        head.chain.0
    ])?;
    Ok(())
}

/// Computes the feed's chain anew from another start, entry by entry; verdicts are signed anew, for the signature names the epoch.
pub fn rechain(conn: &Connection, place: &Place, start: Head, sign: &dyn Fn(u64, &[Ruling]) -> Sig) -> Result<()> {
    let mut at = FeedHead { n: 0, chain: start };
    loop {
        let page = page(conn, place, (at.n + 1, u64::MAX), &Whose::Everybody, RECHAIN_BYTES)?;
        if page.is_empty() {
            return set_head(conn, place, &at);
        }
        for entry in page {
            let (chain, sig) = match entry.kind {
                Kind::Segment { device, incarnation, first, count, head, row: _ } => {
                    let stream = StreamId { compartment: place.name.clone(), device, incarnation };
                    (feed_next(at.chain, &stream, first, count, &head), None)
                }
                Kind::Verdict(_) => {
                    let rulings = FeedVerdict::read_rulings(&entry.bytes)?;
                    (FeedVerdict::chain_after(at.chain, &rulings), Some(sign(entry.n, &rulings)))
                }
            };
            conn.prepare_cached("UPDATE feed SET chain = ?3, sig = ?4 WHERE compartment = ?1 AND n = ?2")?.execute(params![
                place.id,
                int(entry.n),
                chain.0,
                sig
            ])?;
            at = FeedHead { n: entry.n, chain };
        }
    }
}

/// Puts other bytes in the place of a segment's: the same changes, written otherwise.
pub fn rewrite(conn: &Connection, place: &Place, n: u64, bytes: &[u8]) -> Result<()> {
    conn.prepare_cached("UPDATE feed SET bytes = ?3 WHERE compartment = ?1 AND n = ?2")?.execute(params![place.id, int(n), bytes])?;
    Ok(())
}

/// Numbers of a feed, both included.
pub type Range = (u64, u64);

/// Of whose streams entries are read. Verdicts are nobody's, and read with all but somebody's.
#[derive(Debug, Clone)]
pub enum Whose {
    /// Everybody's.
    Everybody,
    /// Everybody's but these.
    AllBut(Vec<DeviceId>),
    /// What headquarters says there: its own device's, and verdicts.
    Words(DeviceId),
}

impl Whose {
    fn is_read(&self, device: Option<DeviceId>) -> bool {
        match self {
            Self::Everybody => true,
            Self::AllBut(left_out) => device.is_none_or(|d| !left_out.contains(&d)),
            Self::Words(hq) => device.is_none_or(|d| d == *hq),
        }
    }
}

const ENTRIES: &str = "SELECT f.n, f.kind, s.device, s.incarnation, f.first, f.count, f.head, f.chain, f.sig, f.at_ms, f.bytes, f.stream
    FROM feed f LEFT JOIN stream s ON s.id = f.stream WHERE f.compartment = ?1 AND f.n BETWEEN ?2 AND ?3";

/// Entries of a range in order, until their bytes come to about `bytes_max`; at least one if there is one. What is left out is not read.
pub fn page(conn: &Connection, place: &Place, range: Range, whose: &Whose, bytes_max: usize) -> Result<Vec<Entry>> {
    entries(conn, &format!("{ENTRIES} ORDER BY f.n"), place, range, whose, bytes_max)
}

/// The last entries of a range in order, in the same bounds.
pub fn newest(conn: &Connection, place: &Place, range: Range, whose: &Whose, bytes_max: usize) -> Result<Vec<Entry>> {
    let mut page = entries(conn, &format!("{ENTRIES} ORDER BY f.n DESC"), place, range, whose, bytes_max)?;
    page.reverse();
    Ok(page)
}

fn entries(conn: &Connection, sql: &str, place: &Place, range: Range, whose: &Whose, bytes_max: usize) -> Result<Vec<Entry>> {
    let mut rows = conn.prepare_cached(sql)?;
    let mut rows = rows.query(params![place.id, int(range.0), int(range.1)])?;
    let (mut page, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        if !whose.is_read(row.get::<_, Option<[u8; 16]>>(2)?.map(DeviceId)) {
            continue;
        }
        let entry = entry(row)?;
        bytes += entry.bytes.len();
        page.push(entry);
        if bytes >= bytes_max {
            break;
        }
    }
    Ok(page)
}

/// The bytes of a range's entries; `None`: more than `most`.
pub fn bytes(conn: &Connection, place: &Place, range: Range, whose: &Whose, most: u64) -> Result<Option<u64>> {
    let mut rows = conn.prepare_cached(
        "SELECT s.device, length(f.bytes) FROM feed f LEFT JOIN stream s ON s.id = f.stream
         WHERE f.compartment = ?1 AND f.n BETWEEN ?2 AND ?3 ORDER BY f.n DESC",
    )?;
    let mut rows = rows.query(params![place.id, int(range.0), int(range.1)])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        if whose.is_read(row.get::<_, Option<[u8; 16]>>(0)?.map(DeviceId)) {
            bytes += uint(row.get(1)?);
        }
        if bytes > most {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}

fn entry(r: &Row<'_>) -> Result<Entry> {
    let n = uint(r.get(0)?);
    let kind = match r.get(1)? {
        SEGMENT => Kind::Segment {
            device: DeviceId(r.get(2)?),
            incarnation: Incarnation(r.get(3)?),
            first: uint(r.get(4)?),
            count: r.get(5)?,
            head: Head(r.get(6)?),
            row: r.get(11)?,
        },
        VERDICT => Kind::Verdict(r.get(8)?),
        _ => return Err(Error::Damaged(format!("feed entry {n} of an unknown kind"))),
    };
    Ok(Entry { n, kind, chain: Head(r.get(7)?), at_ms: uint(r.get(9)?), bytes: r.get(10)? })
}

/// How many changes a compartment holds.
pub fn changes(conn: &Connection, place: &Place) -> Result<u64> {
    let n = conn
        .prepare_cached("SELECT coalesce(sum(n - split_n), 0) FROM stream WHERE compartment = ?1")?
        .query_row([place.id], |r| r.get(0))?;
    Ok(uint(n))
}
