//! Whether the officers' signatures in a segment hold, before it is kept: what was altered on its way is refused and comes again, and a
//! court is never shown a signature that does not hold. Never asks whether the officer may write.

use daftar_core::ids::{ChangeName, Head};
use daftar_wire::segment::Segment;
use daftar_wire::sign::{verify_attestation, verifying_key};
use daftar_wire::stream::next;
use rusqlite::Connection;

use crate::error::Result;
use crate::store::people;

/// Checks the attestations for changes from `first` on, whose names these are, after `before`. An officer of whom nobody has heard attests
/// nothing; of one who is known and not enrolled on that device yet, his enrolment decides later.
pub(super) fn holds(conn: &Connection, segment: &Segment, names: &[ChangeName], first: u64, before: Head) -> Result<bool> {
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
            None => people::officer(conn, &a.officer)?.is_some(),
        };
        if !holds {
            tracing::warn!(device = %segment.stream.device, compartment = %segment.stream.compartment, n = a.n, "an attestation does not hold");
            return Ok(false);
        }
    }
    Ok(true)
}
