//! A leader lets an officer in where there is no network: what he may open to whom. Never more than he has open himself.

use daftar_core::authorize::{ADMISSION_MS_MAX, Action, Role};
use daftar_core::compartment::{Audience, Compartment};
use daftar_core::ids::{OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_core::record::reference::OfficerView;
use daftar_wire::limits::{ADMISSION_COMPARTMENTS_MAX, ENROL_TEXT_BYTES_MAX};
use daftar_wire::message::{Access, Admission};

use super::{Store, record};
use crate::error::{Error, NotAdmitted, Result};
use crate::keyring::{Admitting, Newcomer};
use crate::random::random;

const HOUR_MS: u64 = 3_600_000;
/// An officer is let in for at most so many hours.
pub const ADMISSION_HOURS_MAX: u64 = ADMISSION_MS_MAX / HOUR_MS;

impl Store {
    /// Lets an officer in on this device, for so many hours, under a PIN that he chooses: to these compartments, or where none is named
    /// to those of the leader's that his agency may see. Headquarters is told at the next contact.
    pub fn admit(&self, who: &Newcomer, pin: &str, compartments: Option<&[Compartment]>, hours: u64) -> Result<Admission> {
        if self.role()? != Role::Leader {
            return Err(NotAdmitted::NotLeader.into());
        }
        let most = ADMISSION_HOURS_MAX;
        if !(1..=most).contains(&hours) {
            return Err(NotAdmitted::Hours { hours, most }.into());
        }
        for text in [&who.handle, &who.full_name] {
            if text.trim().is_empty() || text.len() > ENROL_TEXT_BYTES_MAX {
                return Err(NotAdmitted::Name { bytes_max: ENROL_TEXT_BYTES_MAX }.into());
            }
        }
        let officer = match self.known_officer(who)? {
            Some(known) => known,
            None => OfficerId(RecordId::new(self.now_ms(), random()?).0),
        };
        let from_ms = self.shared.lease_now_ms()?;
        let admitting = Admitting {
            newcomer: who,
            officer,
            compartments: self.opened_to(who, compartments)?,
            from_ms,
            until_ms: from_ms.saturating_add(hours * HOUR_MS),
        };
        self.shared.keyring.admit(&self.session, admitting, pin)
    }

    /// Whether the officer may let another in here.
    pub fn may_admit(&self) -> bool {
        self.role().is_ok_and(|role| role == Role::Leader)
    }

    /// His role by the reference, else by his enrolment.
    fn role(&self) -> Result<Role> {
        self.authorize(Action::Read, &Compartment::reference())?;
        let mut role = self.session.officer.role.clone();
        if let Ok(vault) = self.vault(&Compartment::reference()) {
            let conn = vault.conn();
            if let Some(row) = record::find(&conn, &RecordId(self.officer().0))?
                && let Some(state) = record::load(&conn, &row)?
                && let Some(newer) = OfficerView(&state.fields).role()
            {
                role = newer.to_owned();
            }
        }
        role.parse().map_err(|e| Error::Input(format!("{e}")))
    }

    /// What is opened to the newcomer: only what the leader has open, with his own rights, and no other agency's notes.
    fn opened_to(&self, who: &Newcomer, named: Option<&[Compartment]>) -> Result<Vec<(Compartment, Access)>> {
        let may_see = |c: &Compartment| match c.audience() {
            Audience::Agency(agency, _) => agency == who.agency,
            Audience::Audit(agency) => agency == who.agency,
            Audience::Team(_) | Audience::Operation(_) | Audience::Reference | Audience::Hits(_) | Audience::Watchlist(_) => true,
        };
        // Who reads a watch-list was cleared by name; it is opened only if the leader names it.
        let is_usual = |c: &Compartment| match c.audience() {
            Audience::Watchlist(_) => false,
            Audience::Team(_)
            | Audience::Agency(..)
            | Audience::Operation(_)
            | Audience::Reference
            | Audience::Hits(_)
            | Audience::Audit(_) => may_see(c),
        };
        let open: Vec<Compartment> = self.compartments().into_iter().filter(|c| !self.is_closed(c)).collect();
        let mut wanted: Vec<Compartment> = match named {
            Some(named) => named.iter().cloned().chain([Compartment::reference()]).collect(),
            None => open.iter().filter(|c| is_usual(c)).cloned().collect(),
        };
        wanted.sort();
        wanted.dedup();
        if wanted.len() as u64 > ADMISSION_COMPARTMENTS_MAX {
            return Err(NotAdmitted::TooMany { most: ADMISSION_COMPARTMENTS_MAX }.into());
        }
        let mut opened = Vec::with_capacity(wanted.len());
        for c in wanted {
            let access = Access { read: self.authorize(Action::Read, &c).is_ok(), write: self.authorize(Action::Write, &c).is_ok() };
            if !open.contains(&c) || !(access.read || access.write) {
                return Err(Error::NoCompartment(c.to_string()));
            }
            if !may_see(&c) {
                return Err(NotAdmitted::OthersCompartment { compartment: c, agency: who.agency.code() }.into());
            }
            opened.push((c, access));
        }
        Ok(opened)
    }

    /// Headquarters' own identity of the newcomer, if the reference here knows his handle.
    fn known_officer(&self, who: &Newcomer) -> Result<Option<OfficerId>> {
        let Ok(vault) = self.vault(&Compartment::reference()) else { return Ok(None) };
        let conn = vault.conn();
        let mut rows = conn.prepare_cached(&format!("SELECT {} FROM record WHERE kind = ?1", record::COLUMNS))?;
        let rows = rows.query_map([Kind::Officer.number()], record::row)?.collect::<rusqlite::Result<Vec<_>>>()?;
        for row in &rows {
            let Some(state) = record::load(&conn, row)? else { continue };
            let known = OfficerView(&state.fields);
            if known.handle() != Some(who.handle.as_str()) {
                continue;
            }
            if state.hidden || known.active() == Some(false) {
                return Err(NotAdmitted::Dismissed(who.handle.clone()).into());
            }
            if known.agency().is_some_and(|a| a != who.agency.code()) {
                return Err(NotAdmitted::OtherAgency(who.handle.clone()).into());
            }
            return Ok(Some(OfficerId(row.uuid.0)));
        }
        Ok(None)
    }
}
