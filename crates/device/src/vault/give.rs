//! What another holder of a compartment lacks of it, by comparing heads; and the receipts of headquarters that are kept here. Never asks who may
//! have it.

use std::collections::HashMap;

use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, Incarnation};
use daftar_wire::branch::Branch as _;
use daftar_wire::message::{Branch, Heads, Receipt};
use daftar_wire::stream::StreamId;
use rusqlite::{Connection, OptionalExtension};

use super::send::Unsent;
use super::stream::{self, Held, StreamRow};
use super::{Store, log, repair};
use crate::error::Result;

/// What somebody says to hold of one stream is looked up in so many branches at most; of what goes beyond he is sent more than he lacks.
const BRANCHES_SAID_MAX: usize = 64;

impl Store {
    /// What the other end lacks of all that is here of the compartment, stream by stream, each branch behind the one that it left.
    pub fn lacking(&self, theirs: &Heads) -> Result<Vec<Unsent>> {
        let c = &theirs.compartment;
        let mut said: HashMap<(DeviceId, Incarnation), Vec<&Branch>> = HashMap::new();
        for b in &theirs.branches {
            said.entry((b.device, b.incarnation)).or_default().push(b);
        }
        self.within(c, |vault| {
            let conn = vault.conn();
            let all = stream::all(&conn)?;
            let mut lacking = Vec::new();
            for row in &all {
                let rows: Vec<&StreamRow> = all.iter().filter(|r| (r.device, r.incarnation) == (row.device, row.incarnation)).collect();
                let same = said.get(&(row.device, row.incarnation)).map_or(&[][..], Vec::as_slice);
                let has = has(&conn, c, &rows, row, &same[..same.len().min(BRANCHES_SAID_MAX)])?;
                if has < row.end() {
                    lacking.push(Unsent::of(row, c, has + 1));
                }
            }
            Ok(lacking)
        })
    }

    /// Headquarters' receipts of its present life that are kept here, with the streams of the compartment that they were kept for.
    pub fn kept_receipts(&self, c: &Compartment) -> Result<Vec<(StreamId, Receipt)>> {
        self.within(c, |vault| {
            let conn = vault.conn();
            let mut kept = Vec::new();
            for row in stream::all(&conn)? {
                kept.extend(receipt_of(&conn, &row)?.map(|r| (row.id(c), r)));
            }
            Ok(kept)
        })
    }
}

/// The receipt that is kept for a row, if it is of the server's present life.
fn receipt_of(conn: &Connection, row: &StreamRow) -> Result<Option<Receipt>> {
    let bytes: Option<Vec<u8>> =
        conn.prepare_cached("SELECT bytes FROM receipt WHERE stream = ?1")?.query_row([row.id], |r| r.get(0)).optional()?;
    let present = repair::epoch(conn)?;
    Ok(bytes.and_then(|b| <Receipt>::read(&b).ok()).filter(|r| Some(r.epoch) == present))
}

/// How far headquarters has a row by the receipt that is kept for it; it may have come by another device.
pub(super) fn receipted_to(conn: &Connection, c: &Compartment, row: &StreamRow) -> Result<u64> {
    let Some(receipt) = receipt_of(conn, row)? else { return Ok(0) };
    let id = row.id(c);
    let mut to = 0;
    for r in receipt.held.iter().filter(|r| r.stream == id) {
        if log::head_at(conn, c, row, r.up_to)? == Some(r.head) {
            to = r.up_to.max(to);
        }
    }
    Ok(to)
}

/// The last change of the row that the other has. What he says is looked for in every branch here; where he says more of the row than is
/// here, he is taken to have it.
fn has(conn: &Connection, c: &Compartment, rows: &[&StreamRow], row: &StreamRow, said: &[&Branch]) -> Result<u64> {
    let mut has = row.split_n;
    for b in said {
        let mut found = None;
        for r in rows.iter().filter(|r| r.n >= b.n) {
            if (Held { conn, compartment: c, row: r }).head_at(b.n)? == b.head {
                found = Some(*r);
                break;
            }
        }
        match found {
            Some(r) => has = has.max(shared(rows, r, row, b.n)),
            None if b.split == row.split && b.n > row.n => has = row.n,
            None => {}
        }
    }
    Ok(has)
}

/// The last change of `row` that whoever has `of` up to `n` has, too; zero for none.
fn shared(rows: &[&StreamRow], of: &StreamRow, row: &StreamRow, n: u64) -> u64 {
    let (mut at, mut n) = (of, n);
    loop {
        if at.id == row.id {
            return n.min(row.n);
        }
        n = n.min(at.split_n);
        match rows.iter().find(|r| Some(r.id) == at.parent) {
            Some(parent) => at = parent,
            None => return 0,
        }
    }
}
