//! Whether a change counts: decided once, as it enters the feed. Never looks at what a change sets.

use daftar_core::authorize::{Action, Denied, authorize};
use daftar_core::change::Header;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, DeviceId, OfficerId};
use daftar_core::record::Kind;
use daftar_wire::message::{Ruling, Verdict};
use rusqlite::Connection;

use crate::error::Result;
use crate::register::Known;

/// What must be known of a change to judge it; `None`: it cannot be read.
pub(super) type Facts = Option<Claim>;

/// Who says to have written a change, of what kind and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    author: OfficerId,
    device: DeviceId,
    stamp_ms: u64,
    kind: Kind,
}

impl Claim {
    pub(super) fn of(header: &Header) -> Self {
        Self { author: header.author, device: header.device, stamp_ms: header.stamp.ms, kind: header.kind }
    }

    /// Whether this officer is said to have written it.
    pub(super) fn is_by(&self, officer: &OfficerId) -> bool {
        self.author == *officer
    }
}

/// Judges changes of a device's stream; those without a ruling are accepted. `known` is learned as it is needed.
pub(super) fn judge(
    conn: &Connection,
    known: &mut Known,
    device: &DeviceId,
    compartment: &Compartment,
    changes: &[(ChangeName, Facts)],
    now_ms: u64,
) -> Result<Vec<Ruling>> {
    let mut rulings = Vec::new();
    for (name, facts) in changes {
        let (verdict, reason) = match facts {
            None => (Verdict::Quarantined, Some("undecodable")),
            Some(claim) => (Verdict::Review, refusal(conn, known, device, compartment, claim, now_ms)?),
        };
        rulings.extend(reason.map(|r| Ruling { change: *name, verdict, reason: r.to_owned() }));
    }
    Ok(rulings)
}

fn refusal(
    conn: &Connection,
    known: &mut Known,
    device: &DeviceId,
    compartment: &Compartment,
    claim: &Claim,
    now_ms: u64,
) -> Result<Option<&'static str>> {
    if claim.device != *device {
        return Ok(Some("not_this_device"));
    }
    if claim.kind.is_of_headquarters() {
        return Ok(Some("headquarters_only"));
    }
    known.learn(conn, &claim.author, Some(device))?;
    if known.is_struck_off(device) {
        return Ok(Some("device_revoked"));
    }
    // A grant must have been open when the officer wrote; a clock that is ahead gains nothing.
    let at = claim.stamp_ms.min(now_ms);
    let denied = authorize(&claim.author, Some(device), Action::Write, compartment, at, known).err();
    let is_his = !matches!(denied, Some(Denied::NotActive | Denied::NotEnrolled));
    Ok(if is_his && known.is_revoked(&claim.author, compartment, at) { Some("after_revoke") } else { denied.map(|d| d.code()) })
}
