//! Finding records by what people type, across scripts. The index follows behind the saves; a search catches up first. Never answers
//! from another officer's compartments.

use daftar_core::authorize::Action;
use daftar_core::compartment::Compartment;
use daftar_core::fold::{index_terms, query_terms};
use daftar_core::record::plate::fold_plate;
use daftar_core::record::{Kind, searchable};
use rusqlite::{Connection, params};

use super::query::RecordItem;
use super::{Store, record};
use crate::database::Held;
use crate::error::{Error, Result};

/// Records indexed in one transaction.
pub(super) const BATCH: usize = 512;

/// What is asked before a stop is finished: was this seen before?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncounterQuery {
    /// A plate, as written.
    Plate(String),
    /// A person's names, in any order and script.
    Name(String),
    /// A document's number.
    Document(String),
}

/// A record in which it was seen.
#[derive(Debug, Clone)]
pub struct Encounter {
    /// The record.
    pub item: RecordItem,
    /// The text that matched.
    pub matched: String,
}

/// Indexes up to `most` records; says how many.
pub(super) fn index_some(conn: &mut Held<'_>, most: usize) -> Result<usize> {
    conn.write(|tx| index(tx, most))
}

fn index(tx: &Connection, most: usize) -> Result<usize> {
    let (searched, most) = (record::searched(tx)?, i64::try_from(most)?);
    let again = format!("SELECT r.{} FROM unsearched u JOIN record r ON r.id = u.record LIMIT ?1", record::COLUMNS.replace(", ", ", r."));
    let mut waiting: Vec<record::RecordRow> =
        tx.prepare_cached(&again)?.query_map([most], record::row)?.collect::<rusqlite::Result<_>>()?;
    let unseen = format!("SELECT {} FROM record WHERE id > ?1 ORDER BY id LIMIT ?2", record::COLUMNS);
    let room = most - i64::try_from(waiting.len())?;
    waiting.extend(tx.prepare_cached(&unseen)?.query_map([searched, room], record::row)?.collect::<rusqlite::Result<Vec<_>>>()?);
    for row in &waiting {
        let state = if row.listed { record::load(tx, row)? } else { None };
        match state {
            Some(s) => {
                let terms: Vec<String> = searchable(row.kind, &s.fields).into_iter().map(index_terms).collect();
                tx.prepare_cached("INSERT OR REPLACE INTO search(rowid, terms) VALUES (?1, ?2)")?
                    .execute(params![row.id, terms.join(" ")])?;
            }
            None => {
                tx.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([row.id])?;
            }
        }
        tx.prepare_cached("DELETE FROM unsearched WHERE record = ?1")?.execute([row.id])?;
    }
    if let Some(last) = waiting.iter().map(|r| r.id).max().filter(|last| *last > searched) {
        tx.prepare_cached("INSERT OR REPLACE INTO meta(k, v) VALUES ('searched', ?1)")?.execute([last])?;
    }
    Ok(waiting.len())
}

/// The records of one file in which it stands, once the index has caught up.
fn hits(conn: &mut Held<'_>, asked: &str, kind: Option<Kind>, limit: usize) -> Result<Vec<(i64, i64)>> {
    while index_some(conn, BATCH)? > 0 {}
    let tx = conn.transaction()?;
    let mut rows = tx.prepare_cached(
        "SELECT r.occurred_ms, r.id FROM search s JOIN record r ON r.id = s.rowid
         WHERE search MATCH ?1 AND r.listed AND (?2 IS NULL OR r.kind = ?2) ORDER BY r.occurred_ms DESC, r.id DESC LIMIT ?3",
    )?;
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = rows.query_map(params![asked, kind.map(Kind::number), most], |r| Ok((r.get(0)?, r.get(1)?)))?;
    let hits = rows.collect::<rusqlite::Result<_>>()?;
    // The index passes over a page that cannot be read without a word; in the same transaction the file itself does not.
    let is_whole = tx.query_row("SELECT count(*) FROM meta", [], |_| Ok(())).is_ok();
    if !is_whole {
        return Err(Error::Damaged { what: "a file".into() });
    }
    Ok(hits)
}

/// The words of a text as the index is asked; `None` if it has none.
fn asked(text: &str) -> Option<String> {
    let terms: Vec<String> = query_terms(text).iter().map(|t| format!("\"{}\"*", t.replace('"', ""))).collect();
    (!terms.is_empty()).then(|| terms.join(" AND "))
}

/// A plate that is still being typed meets others from so many letters on; shorter ones would meet half the country.
const PLATE_BEGUN: usize = 4;

fn met(plate: &str, typed: &str) -> bool {
    plate == typed || (typed.chars().count() >= PLATE_BEGUN && plate.starts_with(typed))
}

impl Store {
    /// The records in which every word of `text` stands, the latest first; `kind`: only those.
    pub fn search(&self, text: &str, kind: Option<Kind>, limit: usize) -> Result<Vec<RecordItem>> {
        let Some(asked) = asked(text) else { return Ok(Vec::new()) };
        let mut found: Vec<(i64, Compartment, i64)> = Vec::new();
        for c in self.allowed(Action::Read) {
            let hits = self.within_each(&c, |vault| hits(&mut vault.conn(), &asked, kind, limit))?;
            found.extend(hits.into_iter().flatten().map(|(occurred, id)| (occurred, c.clone(), id)));
        }
        found.sort_by(|a, b| (b.0, &a.1, b.2).cmp(&(a.0, &b.1, a.2)));
        found.truncate(limit);
        let mut items = Vec::with_capacity(found.len());
        for (_, c, id) in found {
            items.extend(self.item_if_whole(&c, id)?);
        }
        Ok(items)
    }

    /// Where a plate, a person or a document was seen before, from this device alone, the latest first.
    pub fn encounters(&self, query: &EncounterQuery, limit: usize) -> Result<Vec<Encounter>> {
        let (text, plate) = match query {
            EncounterQuery::Plate(p) => (p, true),
            EncounterQuery::Name(t) | EncounterQuery::Document(t) => (t, false),
        };
        let folded = fold_plate(text);
        let wanted = query_terms(text);
        let mut out = Vec::new();
        for item in self.search(text, None, limit.saturating_mul(4))? {
            let matches = |t: &&str| {
                if plate {
                    met(&fold_plate(t), &folded)
                } else {
                    let terms = index_terms(t);
                    wanted.iter().any(|w| terms.split(' ').any(|term| term.starts_with(w.as_str())))
                }
            };
            let hit = searchable(item.kind, &item.state.fields).into_iter().find(matches).map(str::to_owned);
            out.extend(hit.map(|matched| Encounter { item, matched }));
            if out.len() >= limit {
                break;
            }
        }
        Ok(out)
    }
}
