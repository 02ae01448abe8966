//! An officer whom a leader lets in where there is no network: his keys are made here, and the leader hands over his own. Never for a
//! compartment that the leader has not open, nor for longer than the leader's own lease.

use daftar_core::authorize::Role;
use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::OfficerId;
use daftar_wire::message::{Access, Admission};
use rusqlite::params;

use super::Keyring;
use super::door::DoorTo;
use super::officer::{OfficerEntry, OfficerKeys, Sealed, Session};
use crate::error::Result;
use crate::sql::int;

/// Who is to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newcomer {
    /// His handle, as headquarters writes it.
    pub handle: String,
    /// His name.
    pub full_name: String,
    /// His agency.
    pub agency: Agency,
}

/// An admission that was judged and is to be carried out.
pub(crate) struct Admitting<'a> {
    pub(crate) newcomer: &'a Newcomer,
    pub(crate) officer: OfficerId,
    pub(crate) compartments: Vec<(Compartment, Access)>,
    pub(crate) from_ms: u64,
    pub(crate) until_ms: u64,
}

impl Keyring {
    /// Takes the newcomer in, all or nothing: his row, his doors with the leader's keys, and the leader's word for headquarters.
    pub(crate) fn admit(&self, leader: &Session, a: Admitting<'_>, pin: &str) -> Result<Admission> {
        let keys = OfficerKeys::draw()?;
        let sealed = Sealed::choose(pin, &keys)?;
        let device = self.device()?.device;
        let entry = OfficerEntry {
            id: a.officer,
            handle: a.newcomer.handle.clone(),
            full_name: a.newcomer.full_name.clone(),
            agency: a.newcomer.agency,
            team: leader.officer.team.clone(),
            role: Role::Officer.code().into(),
        };
        let admission = Admission {
            device,
            officer: a.officer,
            handle: entry.handle.clone(),
            full_name: entry.full_name.clone(),
            agency: entry.agency,
            signing: keys.signing.verifying_key().to_bytes(),
            sealing: keys.sealing,
            compartments: a.compartments,
            from_ms: a.from_ms,
            until_ms: a.until_ms,
            by: leader.officer.id,
            sig: [0; 64],
        }
        .signed(&leader.signing);
        self.db.write(|tx| {
            Self::insert_officer(tx, &entry, &sealed, &keys)?;
            let (officer, until_ms) = (&a.officer, Some(a.until_ms));
            let of = DoorTo { officer, now_ms: a.from_ms, until_ms, present: Some(leader), by_hq: false };
            for (name, access) in &admission.compartments {
                Self::make_door(tx, &of, name, *access)?;
            }
            for (file, end) in Self::lease_ends(tx, &leader.officer.id)? {
                tx.execute(
                    "UPDATE door SET lease_until_ms = min(lease_until_ms, ?3) WHERE officer = ?1 AND file = ?2",
                    params![a.officer.0, file, int(end)],
                )?;
            }
            Self::keep_admission(tx, &admission)
        })?;
        self.doors_changed();
        tracing::info!(compartments = admission.compartments.len(), "a leader let an officer in");
        Ok(admission)
    }
}
