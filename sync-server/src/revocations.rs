//! What was revoked, kept outside the database: a restored one must not open again what was closed since its backup.

use daftar_core::change::{Change, Op};
use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_core::record::reference::GrantView;
use daftar_core::value::{Path, Value};
use daftar_wire::message::{Answer, FrameReader, Notice, Revocation};
use daftar_wire::sign::{VerifyingKey, sign, verify};
use rusqlite::Connection;

use crate::apart;
use crate::error::Result;
use crate::hq::{Draft, Headquarters};
use crate::sql::int;
use crate::store::meta::{self, Place};
use crate::store::{access, people};

/// Writes down, signed, that an officer may use a compartment no more since `at_ms` (milliseconds of UTC). It has reached the disk when
/// this returns. Called in the act of revoking, before its transaction is committed: of the two, the file may know more.
pub fn record(hq: &Headquarters, officer: OfficerId, compartment: &Compartment, at_ms: u64) -> Result<Revocation> {
    let revocation = Revocation::sign(&hq.keys.signing, officer, compartment.clone(), at_ms);
    // In the form in which a device is told.
    apart::append(&hq.folder.revocations(), &Answer::Notice(Notice::Revoked(revocation.clone())).write())?;
    Ok(revocation)
}

/// Writes down, signed, that an officer was dismissed or a device struck off at `at_ms` (milliseconds of UTC): who has no grant to take
/// may get one. Like `record`.
pub fn record_inactive(hq: &Headquarters, kind: Kind, record: RecordId, at_ms: u64) -> Result<()> {
    let inactive = Inactive { kind, record, at_ms };
    let mut line = inactive.signed_bytes();
    line.extend(sign(&hq.keys.signing, &inactive.signed_bytes()));
    apart::append(&hq.folder.revocations(), &line)
}

const INACTIVE: &[u8] = b"daftar inactive 1";

/// An officer who was dismissed, or a device that was struck off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Inactive {
    kind: Kind,
    record: RecordId,
    at_ms: u64,
}

impl Inactive {
    fn signed_bytes(&self) -> Vec<u8> {
        [INACTIVE, &self.kind.number().to_be_bytes(), &self.record.0, &self.at_ms.to_be_bytes()].concat()
    }

    /// `None`: it is not headquarters' word.
    fn read(line: &[u8], key: &VerifyingKey) -> Option<Self> {
        let (kind, rest) = line.strip_prefix(INACTIVE)?.split_first_chunk::<4>()?;
        let (record, rest) = rest.split_first_chunk::<16>()?;
        let (at_ms, sig) = rest.split_first_chunk::<8>()?;
        let kind = Kind::from_number(u32::from_be_bytes(*kind));
        let inactive = Self { kind, record: RecordId(*record), at_ms: u64::from_be_bytes(*at_ms) };
        verify(key, &inactive.signed_bytes(), sig.try_into().ok()?, "a line of `revocations`").ok()?;
        Some(inactive)
    }

    /// The same act again, if the record stands as it did before it.
    fn again(&self, tx: &Connection, reference: &Place) -> Result<Option<Draft>> {
        let is_active = if self.kind == Kind::Device {
            people::device(tx, &DeviceId(self.record.0))?.is_some_and(|d| d.active)
        } else {
            people::officer(tx, &OfficerId(self.record.0))?.is_some_and(|o| o.active)
        };
        let later = people::record_heads(tx, reference, &self.record)?.into_iter().any(|h| h.1 > self.at_ms);
        let set = [(Path::Field(24), Value::Bool(false))].into();
        Ok((is_active && !later).then_some(Draft { record: self.record, kind: self.kind, op: Op::Amend, set }))
    }
}

enum Line {
    Revoked(Revocation),
    Inactive(Inactive),
}

/// All that was ever revoked and bears headquarters' signature, in the order in which it was written down.
pub fn all(hq: &Headquarters) -> Result<Vec<Revocation>> {
    let revoked = |line| if let Line::Revoked(r) = line { Some(r) } else { None };
    Ok(lines(hq)?.into_iter().filter_map(revoked).collect())
}

fn lines(hq: &Headquarters) -> Result<Vec<Line>> {
    let key = hq.keys.signing.verifying_key();
    let mut all = Vec::new();
    for line in apart::read(&hq.folder.revocations())? {
        let revoked = || read(&line).filter(|r| r.verify(&key).is_ok()).map(Line::Revoked);
        match Inactive::read(&line, &key).map(Line::Inactive).or_else(revoked) {
            Some(line) => all.push(line),
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
        | Answer::LooseVerdict(_)
        | Answer::Rest(..)
        | Answer::Short(_)
        | Answer::Reopened(_)
        | Answer::File(_)
        | Answer::End(_) => None,
    }
}

/// Writes down what headquarters' own changes take, where it is not written down yet: a folder that was put back whole lost these lines too, and
/// a restore after that must not open what a device has brought the word of.
pub(crate) fn keep(hq: &Headquarters, place: &Place, changes: &[Change]) -> Result<()> {
    let taking = |change: &&Change| change.payload.set.get(&Path::Field(24)) == Some(&Value::Bool(false));
    let mut known = None;
    for change in changes.iter().filter(taking) {
        let (record, at_ms) = (change.header.record, change.header.stamp.ms);
        let lines = match &known {
            Some(lines) => lines,
            None => known.insert(lines(hq)?),
        };
        match change.header.kind {
            Kind::Grant => {
                let officer = GrantView(&change.payload.set).officer().and_then(|o| o.try_into().ok()).map(OfficerId);
                let is_known = |line: &Line, officer| matches!(line, Line::Revoked(r) if r.officer == officer && r.compartment == place.name && r.at_ms >= at_ms);
                if let Some(officer) = officer.filter(|officer| !lines.iter().any(|line| is_known(line, *officer))) {
                    self::record(hq, officer, &place.name, at_ms)?;
                }
            }
            kind @ (Kind::Officer | Kind::Device) => {
                let is_known = |line: &Line| matches!(line, Line::Inactive(i) if i.record == record && i.at_ms >= at_ms);
                if !lines.iter().any(is_known) {
                    record_inactive(hq, kind, record, at_ms)?;
                }
            }
            Kind::Inspection
            | Kind::Seizure
            | Kind::Exhibit
            | Kind::CustodyEvent
            | Kind::SurveillanceNote
            | Kind::JointOperation
            | Kind::Shift
            | Kind::Task
            | Kind::Warning
            | Kind::WatchlistEntry
            | Kind::Asset
            | Kind::Qualification
            | Kind::Team
            | Kind::Post
            | Kind::CodeList
            | Kind::Other(_) => {}
        }
    }
    Ok(())
}

/// Takes back every grant that stands and was last given before its officer's revocation there was written down, and dismisses and strikes
/// off again. Returns how many. What the devices of those officers may hold is written down too, so that they are told to purge it.
pub(crate) fn enforce(hq: &Headquarters, tx: &Connection) -> Result<usize> {
    let mut closed = 0;
    for line in lines(hq)? {
        let (place, draft) = match line {
            Line::Revoked(r) => {
                let Some(place) = meta::compartment(tx, &r.compartment)? else { continue };
                let draft = undo(tx, &place, &r)?;
                (place, draft)
            }
            Line::Inactive(inactive) => {
                let Some(place) = meta::compartment(tx, &Compartment::reference())? else { continue };
                let draft = inactive.again(tx, &place)?;
                (place, draft)
            }
        };
        if let Some(draft) = draft {
            hq.append(tx, &place, &[draft])?;
            closed += 1;
        }
    }
    access::suppose_doors(tx)?;
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
