//! Giving: what the other end lacks of a compartment, whoever wrote it, with the signatures that prove it; then headquarters' receipts for it.

use std::collections::BTreeSet;

use daftar_core::compartment::Compartment;
use daftar_core::ids::OfficerId;
use daftar_wire::limits::{SEGMENT_CHANGES_MAX, SEGMENT_PLAIN_BYTES_MAX};
use daftar_wire::message::{Heads, PeerMessage};

use super::readers::{Readers, readers_of};
use crate::error::{Error, Result};
use crate::vault::{Store, Unsent};

/// What was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gave {
    /// Changes.
    pub changes: u64,
    /// Receipts of headquarters.
    pub receipts: u64,
}

/// What is held here of each compartment that they may read, in the order in which it is given.
pub fn heads(store: &Store, to: &Readers) -> Result<Vec<Heads>> {
    to.in_order().iter().filter(|c| store.fetching().contains(c)).map(|c| store.heads(c)).collect()
}

/// Gives what the other end lacks of a compartment by its own word of what it holds (without a branch: all of it). Segments stand before
/// the receipts for them. `say` answers whether anybody still listens. Of a compartment that they may not read nothing is said, whatever is asked.
pub fn give(store: &Store, to: &Readers, theirs: &Heads, say: &mut dyn FnMut(PeerMessage) -> bool) -> Result<Gave> {
    let c = &theirs.compartment;
    let mut gave = Gave::default();
    if !may_have(store, to, c)? {
        return Ok(gave);
    }
    for unsent in store.lacking(theirs)? {
        // A long exchange may outlast a grant.
        if !may_have(store, to, c)? || !give_stream(store, &unsent, say, &mut gave)? {
            return Ok(gave);
        }
    }
    if !may_have(store, to, c)? {
        return Ok(gave);
    }
    let mut given: BTreeSet<Vec<u8>> = BTreeSet::new();
    for (_, receipt) in store.kept_receipts(c)? {
        // One signature covers streams of several compartments, and names them: it goes only to who may read each.
        let readers = reading(to, c);
        if receipt.held.iter().all(|r| r.stream.compartment == *c || readers.is_subset(&reading(to, &r.stream.compartment)))
            && given.insert(receipt.write())
        {
            if !say(PeerMessage::Receipt(receipt)) {
                return Ok(gave);
            }
            gave.receipts += 1;
        }
    }
    Ok(gave)
}

/// Whether one of them may read it at this moment.
pub(super) fn may_have(store: &Store, to: &Readers, c: &Compartment) -> Result<bool> {
    let Some(readers) = to.open.get(c) else { return Ok(false) };
    let now = readers_of(store, &to.device.id, c)?;
    Ok(readers.iter().any(|r| now.iter().any(|n| n.id == r.id)))
}

pub(super) fn reading(to: &Readers, c: &Compartment) -> BTreeSet<OfficerId> {
    to.open.get(c).into_iter().flatten().map(|r| r.id).collect()
}

/// False: nobody listens any more.
fn give_stream(store: &Store, unsent: &Unsent, say: &mut dyn FnMut(PeerMessage) -> bool, gave: &mut Gave) -> Result<bool> {
    let mut from = unsent.from;
    while from <= unsent.last {
        let segment = match store.cut(unsent, from, SEGMENT_CHANGES_MAX, SEGMENT_PLAIN_BYTES_MAX) {
            Ok(segment) => segment,
            // Its lease ended meanwhile.
            Err(Error::NoCompartment(_)) => break,
            // Another's work that his device has not signed here: the rest goes on.
            Err(Error::Input(why)) => {
                tracing::warn!(compartment = %unsent.stream.compartment, why, "a stream cannot be given");
                break;
            }
            Err(e) => return Err(e),
        };
        from = segment.last() + 1;
        if !say(PeerMessage::Segment(segment.write()?)) {
            return Ok(false);
        }
        gave.changes += segment.entries.len() as u64;
    }
    Ok(true)
}
