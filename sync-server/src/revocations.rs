//! What was revoked, kept outside the database: a restored one must not open again what was closed since its backup.

use daftar_core::change::Op;
use daftar_core::compartment::Compartment;
use daftar_core::ids::OfficerId;
use daftar_core::record::Kind;
use daftar_core::value::{Path, Value};
use daftar_wire::message::{Answer, FrameReader, Notice, Revocation};
use rusqlite::Connection;

use crate::apart;
use crate::error::Result;
use crate::hq::{Draft, Headquarters};
use crate::sql::int;
use crate::store::meta::{self, Place};
use crate::store::people;

/// Writes down, signed, that an officer may use a compartment no more since `at_ms` (milliseconds of UTC). It has reached the disk when
/// this returns. Called in the act of revoking, before its transaction is committed: of the two, the file may know more.
pub fn record(hq: &Headquarters, officer: OfficerId, compartment: &Compartment, at_ms: u64) -> Result<Revocation> {
    let revocation = Revocation::sign(&hq.keys.signing, officer, compartment.clone(), at_ms);
    // In the form in which a device is told.
    apart::append(&hq.folder.revocations(), &Answer::Notice(Notice::Revoked(revocation.clone())).write())?;
    Ok(revocation)
}

/// All that was ever revoked and bears headquarters' signature, in the order in which it was written down.
pub fn all(hq: &Headquarters) -> Result<Vec<Revocation>> {
    let mut all = Vec::new();
    for line in apart::read(&hq.folder.revocations())? {
        match read(&line).filter(|r| r.verify(&hq.keys.signing.verifying_key()).is_ok()) {
            Some(revocation) => all.push(revocation),
            None => tracing::error!("a line in `revocations` is not headquarters' word"),
        }
    }
    Ok(all)
}

fn read(line: &[u8]) -> Option<Revocation> {
    let mut reader = FrameReader::default();
    reader.push(line);
    match Answer::read(&reader.next().ok()??).ok()?? {
        Answer::Notice(Notice::Revoked(revocation)) => Some(revocation),
        Answer::Notice(
            Notice::RootUnknown
            | Notice::Granted { .. }
            | Notice::Want { .. }
            | Notice::Refused { .. }
            | Notice::Anew { .. }
            | Notice::Forked { .. }
            | Notice::NewEpoch { .. },
        )
        | Answer::Receipt(_)
        | Answer::Item(_)
        | Answer::Verdict(_)
        | Answer::Loose(_)
        | Answer::Reopened(_)
        | Answer::End(_) => None,
    }
}

/// Takes back every grant that stands and was last given before its officer's revocation there was written down. Returns how many.
pub(crate) fn enforce(hq: &Headquarters, tx: &Connection) -> Result<usize> {
    let mut closed = 0;
    for revocation in all(hq)? {
        if let Some(place) = meta::compartment(tx, &revocation.compartment)?
            && let Some(draft) = undo(tx, &place, &revocation)?
        {
            hq.append(tx, &place, &[draft])?;
            closed += 1;
        }
    }
    Ok(closed)
}

fn undo(tx: &Connection, place: &Place, revocation: &Revocation) -> Result<Option<Draft>> {
    let Some(row) = people::grant(tx, &revocation.officer, place)?.filter(|g| g.active) else { return Ok(None) };
    let given_ms = people::record_heads(tx, place, &row.id)?.into_iter().map(|h| h.1).max().unwrap_or(0);
    if given_ms > revocation.at_ms {
        return Ok(None);
    }
    let set = [
        (20, Value::Bytes(revocation.officer.0.to_vec())),
        (21, Value::Bool(row.grant.read)),
        (22, Value::Bool(row.grant.write)),
        (23, row.grant.until_ms.map_or(Value::Null, |ms| Value::Int(int(ms)))),
        (24, Value::Bool(false)),
        (25, Value::Text(place.name.to_string())),
    ];
    let set = set.into_iter().map(|(n, v)| (Path::Field(n), v)).collect();
    Ok(Some(Draft { record: row.id, kind: Kind::Grant, op: Op::Amend, set }))
}
