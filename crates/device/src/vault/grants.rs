//! What the unlocked officer may do, asked of core's one `authorize`. Knows his doors and the grant records; decides nothing itself.

use daftar_core::authorize::{Action, Grant, Register, authorize};
use daftar_core::compartment::Compartment;
use daftar_core::ids::{DeviceId, OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_core::record::reference::{GrantView, OfficerView};
use rusqlite::Connection;

use super::others::of_headquarters;
use super::{Store, held, read, record, write};
use crate::error::{Error, Result};
use daftar_wire::message::Access;

struct Known<'a> {
    store: &'a Store,
    active: bool,
}

impl Register for Known<'_> {
    fn is_active(&self, officer: &OfficerId) -> bool {
        self.active && *officer == self.store.session.officer.id
    }

    fn is_enrolled(&self, officer: &OfficerId, device: &DeviceId) -> bool {
        *officer == self.store.session.officer.id && *device == self.store.info.id
    }

    fn grant(&self, _: &OfficerId, compartment: &Compartment) -> Option<Grant> {
        let grant = read(&self.store.access).get(compartment).copied()?;
        // Once its time is over the file is closed. What is written then is only handed in, and headquarters judges it.
        Some(if self.store.is_closed(compartment) { Grant { until_ms: None, ..grant } } else { grant })
    }
}

impl Store {
    /// May the officer do this there, now?
    pub fn authorize(&self, action: Action, compartment: &Compartment) -> Result<()> {
        self.sweep()?;
        let known = Known { store: self, active: self.directory.is_active() };
        authorize(&self.session.officer.id, Some(&self.info.id), action, compartment, self.shared.lease_now_ms()?, &known)
            .map_err(|why| Error::Denied { compartment: compartment.clone(), why })?;
        match action {
            Action::Read => self.readable_now(compartment),
            Action::Write => Ok(()),
        }
    }

    /// The compartments that he may read or write now. Where reading is closed writing goes on.
    pub fn allowed(&self, action: Action) -> Vec<Compartment> {
        let mut known = self.compartments();
        match action {
            Action::Read => {}
            Action::Write => known.extend(self.closed()),
        }
        known.sort();
        known.dedup();
        known.retain(|c| self.authorize(action, c).is_ok());
        known
    }

    /// A compartment is open to the officer: makes its key and its file.
    pub fn grant_notice(&self, c: &Compartment, access: Access) -> Result<()> {
        let _one = held(&self.opening);
        let now_ms = self.shared.lease_now_ms()?;
        self.shared.keyring.grant(&self.session, c, access, now_ms)?;
        write(&self.let_in).insert(c.clone());
        write(&self.access).insert(c.clone(), Grant { read: access.read, write: access.write, until_ms: None });
        let back = write(&self.leaving).remove(c);
        if let Some(vault) = back {
            write(&self.vaults).insert(c.clone(), vault);
        }
        if self.vault(c).is_err() {
            let doors = self.shared.keyring.doors(&self.session, now_ms)?;
            if let Some(door) = doors.iter().find(|d| d.compartment == *c) {
                self.open_door(door, doors.len())?;
                if !door.made && self.vault(c).is_ok() {
                    self.number_apart(c)?;
                }
            }
            // Its key has not been handed over: it stays closed, and all else goes on.
            if self.vault(c).is_err() {
                return Ok(());
            }
        }
        self.refresh_grant(c)
    }

    /// Takes the officer's grant record in the compartment, if there is one, instead of what enrolment or a notice said; and in the
    /// reference his standing.
    pub(super) fn refresh_grant(&self, c: &Compartment) -> Result<()> {
        // What captures holds no grant; and what is closed is asked when it opens.
        if self.vault(c).is_err() || self.is_closed(c) {
            return Ok(());
        }
        self.within(c, |vault| {
            let conn = vault.conn();
            if *c == Compartment::reference() {
                self.directory.set_active(is_active(&conn, &self.session.officer.id)?);
            }
            let grant = granted(&conn, &self.session.officer.id, &self.info.server)?;
            drop(conn);
            // The feed tells the past in its order: an earlier revocation comes before the grant that was just said.
            let is_past = |grant: &Grant| !grant.read && read(&self.let_in).contains(c);
            if let Some(grant) = grant.filter(|g| !is_past(g))
                && write(&self.access).insert(c.clone(), grant) != Some(grant)
            {
                self.shared.keyring.set_access(&self.session, vault.name(), c, grant)?;
            }
            Ok(())
        })
    }
}

fn is_active(conn: &Connection, officer: &OfficerId) -> Result<bool> {
    let Some(row) = record::find(conn, &RecordId(officer.0))? else { return Ok(true) };
    let state = record::load(conn, &row)?;
    Ok(state.is_none_or(|s| !s.hidden && OfficerView(&s.fields).active() != Some(false)))
}

/// What headquarters granted an officer in the file's compartment.
pub(super) fn granted(conn: &Connection, officer: &OfficerId, server: &DeviceId) -> Result<Option<Grant>> {
    let sql = format!("SELECT {} FROM record WHERE kind = ?1 AND listed", record::COLUMNS);
    let mut rows = conn.prepare_cached(&sql)?;
    let rows = rows.query_map([Kind::Grant.number()], record::row)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut found = None;
    for row in &rows {
        let Some(state) = of_headquarters(conn, row, server)? else { continue };
        let g = GrantView(&state.fields);
        if g.officer() == Some(&officer.0[..]) {
            let active = g.active() != Some(false);
            let grant = Grant {
                read: active && g.read() == Some(true),
                write: active && g.write() == Some(true),
                until_ms: g.until_ms().and_then(|t| u64::try_from(t).ok()),
            };
            found = Some((state.last, grant)).filter(|f| found.is_none_or(|(last, _)| f.0 >= last)).or(found);
        }
    }
    Ok(found.map(|f| f.1))
}
