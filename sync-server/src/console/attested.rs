//! Which of a record's acts the officer's own signature covers, checked anew in the segments that brought them. Never trusts a mark.

use std::collections::HashMap;

use daftar_core::ids::OfficerId;
use daftar_wire::segment::Segment;
use daftar_wire::sign::{verify_attestation, verifying_key};
use rusqlite::Connection;

use super::history::Act;
use crate::error::Result;
use crate::store::feed::{Kind, Whose};
use crate::store::meta::Place;
use crate::store::{console, feed, people};

/// At most so many segments are opened for one page.
const SEGMENTS_MAX: usize = 64;

/// What is proven of the segments that were opened: by their place in the feed, which officer up to which change.
pub(super) struct Attested(HashMap<u64, Vec<(OfficerId, u64)>>);

impl Attested {
    /// Opens the segments of the acts, the newest acts first.
    pub(super) fn check<'a>(conn: &Connection, place: &Place, acts: impl Iterator<Item = &'a Act>) -> Result<Self> {
        let mut proven = HashMap::new();
        for act in acts {
            let n = act.row.feed_n;
            if proven.len() < SEGMENTS_MAX && !proven.contains_key(&n) {
                proven.insert(n, segment(conn, place, n)?);
            }
        }
        Ok(Self(proven))
    }

    /// True if the act's officer has signed for it.
    pub(super) fn covers(&self, act: &Act) -> bool {
        self.0.get(&act.row.feed_n).is_some_and(|all| all.iter().any(|(who, n)| *who == act.change.header.author && *n >= act.row.n))
    }
}

/// Whose attestation of the segment holds, and up to which change.
fn segment(conn: &Connection, place: &Place, n: u64) -> Result<Vec<(OfficerId, u64)>> {
    let page = feed::page(conn, place, (n, n), &Whose::Everybody, 1)?;
    let Some(entry) = page.first() else { return Ok(Vec::new()) };
    let Kind::Segment { row, .. } = entry.kind else { return Ok(Vec::new()) };
    let segment = Segment::read(&entry.bytes)?;
    if segment.attestations.is_empty() {
        return Ok(Vec::new());
    }
    let Some(before) = console::chain_before(conn, place, &segment.stream, row, segment.first)? else { return Ok(Vec::new()) };
    let heads = segment.chain(before).heads;
    let mut proven = Vec::new();
    for a in &segment.attestations {
        let head = usize::try_from(a.n - segment.first).ok().and_then(|at| heads.get(at));
        let (Some(head), Some(keys)) = (head, people::officer_keys(conn, &segment.stream.device, &a.officer)?) else { continue };
        if verify_attestation(&verifying_key(&keys.signing_key)?, &a.officer, &segment.stream, a.n, head, &a.sig).is_ok() {
            proven.push((a.officer, a.n));
        }
    }
    Ok(proven)
}
