//! What must hold of leases: reading ends when nobody has spoken with headquarters for fourteen days, and not before. Never asks an engine
//! what time it counts.

use daftar_core::authorize::LEASE_MS;
use daftar_device::vault::Why;

use crate::broken::{Checked, hold};
use crate::fault::Fault;
use crate::tablet::Contact;
use crate::world::World;

/// What a device may count otherwise: it writes its time down once a minute, and a clock that runs fast gains four minutes.
const GRACE_MS: u64 = 3_600_000;

impl World {
    /// An exchange of whoever is unlocked has finished: his leases begin again.
    pub fn contact(&mut self, t: usize, is_sound: bool) -> Checked {
        let (at_ms, hq_is_right) = (self.now_ms, self.hq.skew_ms == 0);
        let tablet = self.tablet(t)?;
        let Some(officer) = tablet.person().map(|p| p.id) else { return Ok(()) };
        if !hq_is_right {
            // Whose leases do not begin again counts by headquarters' wrong time too.
            tablet.doubt_leases();
        }
        let contact = Contact { at_ms, open: tablet.open(), is_sure: is_sound && hq_is_right && tablet.skew_ms == 0 };
        tablet.disk.contacts.insert(officer, contact);
        Ok(())
    }

    /// What is open to whoever is unlocked, and what is closed, follows from his last contact.
    pub fn check_leases(&mut self, t: usize) -> Checked {
        let now_ms = self.now_ms;
        let tablet = self.tablet(t)?;
        let (store, open) = (tablet.unlocked_store()?, tablet.open());
        let ended: Vec<_> = store.closed_why().into_iter().filter(|(_, why)| *why == Why::LeaseEnded).map(|(c, _)| c).collect();
        let (label, officer) = (tablet.label.clone(), store.officer());
        let contact = tablet.disk.contacts.get(&officer).filter(|c| c.is_sure).cloned();
        if let Some(Contact { at_ms, open: then, is_sure: _ }) = contact {
            let gone_ms = now_ms.saturating_sub(at_ms);
            let early: Vec<_> = ended.iter().filter(|c| then.contains(c)).collect();
            hold!(gone_ms > LEASE_MS - GRACE_MS || early.is_empty(), "{label}: leases of {early:?} ended {gone_ms} ms after a contact");
            let role: Vec<_> = open.iter().filter(|c| then.contains(c) && !self.policy.is_touched(&officer, c)).collect();
            hold!(gone_ms < LEASE_MS + GRACE_MS || role.is_empty(), "{label}: {role:?} are open {gone_ms} ms after the last contact");
        }
        if !ended.is_empty() {
            self.happened(Fault::LeaseEnded);
        }
        Ok(())
    }
}
