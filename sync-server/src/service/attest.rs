//! Whether the officers' signatures in a segment hold, before it is kept: what was altered on its way is refused and comes again, and a
//! court is never shown a signature that does not hold. Never asks whether the officer may write.

use daftar_core::ids::Head;
use daftar_wire::sign::{verify_attestation, verifying_key};
use daftar_wire::stream::next;
use rusqlite::Connection;

use super::prepare::Prepared;
use crate::error::Result;
use crate::store::people;

/// Checks the attestations for changes from number `first` on, after `before`. Of an officer who is known and not enrolled on that device yet, his
/// enrolment decides later. So it is with one of whom nobody has heard and who wrote some of it: he was let in where there was no network, and
/// the word of it is on its way, or is not taken; what he wrote is kept under review. Any other attests nothing.
pub(super) fn holds(conn: &Connection, p: &Prepared, first: u64, before: Head) -> Result<bool> {
    let segment = &p.segment;
    let held = usize::try_from(first - segment.first).unwrap_or(usize::MAX);
    let names = p.names.get(held..).unwrap_or_default();
    let mut fresh = segment.attestations.iter().filter(|a| a.n >= first).peekable();
    if fresh.peek().is_none() {
        return Ok(true);
    }
    let heads: Vec<Head> = names
        .iter()
        .scan(before, |at, name| {
            *at = next(*at, *name);
            Some(*at)
        })
        .collect();
    for a in fresh {
        let holds = match people::officer_keys(conn, &segment.stream.device, &a.officer)? {
            Some(keys) => {
                let head = usize::try_from(a.n - first).ok().and_then(|i| heads.get(i));
                let key = verifying_key(&keys.signing_key)?;
                head.is_some_and(|head| verify_attestation(&key, &a.officer, &segment.stream, a.n, head, &a.sig).is_ok())
            }
            None => p.facts.iter().flatten().any(|claim| claim.is_by(&a.officer)) || people::officer(conn, &a.officer)?.is_some(),
        };
        if !holds {
            tracing::warn!(device = %segment.stream.device, compartment = %segment.stream.compartment, n = a.n, "an attestation does not hold");
            return Ok(false);
        }
    }
    Ok(true)
}
