//! What headquarters has given to whom, in the model's own count: by role, then by every grant and revocation since. Never asks an engine.

use std::collections::{BTreeMap, BTreeSet};

use daftar_core::compartment::Compartment;
use daftar_core::ids::OfficerId;

use crate::hq::Person;

/// What an officer may do in a compartment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct May {
    /// See its records.
    pub read: bool,
    /// Add to them.
    pub write: bool,
}

/// Every grant of a run.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    now: BTreeMap<(OfficerId, Compartment), May>,
    ever_wrote: BTreeSet<(OfficerId, Compartment)>,
    touched: BTreeSet<(OfficerId, Compartment)>,
    revoked: BTreeSet<(OfficerId, Compartment)>,
    stopped: BTreeSet<(OfficerId, Compartment)>,
    acts: u64,
}

impl Policy {
    /// A new officer has what his role brings.
    pub fn enlist(&mut self, person: &Person) {
        for c in person.may_write() {
            self.put(person.id, &c, May { read: true, write: true });
        }
    }

    /// An officer was given this, in place of what he had there.
    pub fn grant(&mut self, officer: OfficerId, c: &Compartment, may: May) {
        if self.may(&officer, c).is_some_and(|before| before.write && !may.write) {
            self.stopped.insert((officer, c.clone()));
        }
        self.put(officer, c, may);
        self.touched.insert((officer, c.clone()));
        self.acts += 1;
    }

    /// All that an officer had in a compartment was taken.
    pub fn revoke(&mut self, officer: OfficerId, c: &Compartment) {
        let key = (officer, c.clone());
        self.now.remove(&key);
        self.touched.insert(key.clone());
        self.stopped.insert(key.clone());
        self.revoked.insert(key);
        self.acts += 1;
    }

    fn put(&mut self, officer: OfficerId, c: &Compartment, may: May) {
        let key = (officer, c.clone());
        if may.write {
            self.ever_wrote.insert(key.clone());
        }
        self.now.insert(key, may);
    }

    /// What he may read; everybody reads the reference.
    pub fn reads(&self, officer: &OfficerId) -> BTreeSet<Compartment> {
        self.of(officer).filter(|(_, may)| may.read).map(|(c, _)| c.clone()).chain([Compartment::reference()]).collect()
    }

    /// What he may write.
    pub fn writes(&self, officer: &OfficerId) -> BTreeSet<Compartment> {
        self.of(officer).filter(|(_, may)| may.write).map(|(c, _)| c.clone()).collect()
    }

    fn of(&self, officer: &OfficerId) -> impl Iterator<Item = (&Compartment, &May)> {
        self.now.iter().filter(move |((o, _), _)| o == officer).map(|((_, c), may)| (c, may))
    }

    /// What he could write at some time: a device that has not heard of a revocation goes on, and hands in what was written.
    pub fn ever_wrote(&self, officer: &OfficerId) -> BTreeSet<Compartment> {
        self.ever_wrote.iter().filter(|(o, _)| o == officer).map(|(_, c)| c.clone()).collect()
    }

    /// Whether a grant or a revocation ever followed what his role brought there.
    pub fn is_touched(&self, officer: &OfficerId, c: &Compartment) -> bool {
        self.touched.contains(&(*officer, c.clone()))
    }

    /// Where somebody was given or refused something since the beginning.
    pub fn touched(&self) -> &BTreeSet<(OfficerId, Compartment)> {
        &self.touched
    }

    /// Whether he was ever refused what he had there.
    pub fn was_revoked(&self, officer: &OfficerId, c: &Compartment) -> bool {
        self.revoked.contains(&(*officer, c.clone()))
    }

    /// Whether he ever lost the writing that he had there, with the reading or without: what reaches headquarters after that is in review.
    pub fn was_stopped(&self, officer: &OfficerId, c: &Compartment) -> bool {
        self.stopped.contains(&(*officer, c.clone()))
    }

    /// What he may do there now.
    pub fn may(&self, officer: &OfficerId, c: &Compartment) -> Option<May> {
        self.now.get(&(*officer, c.clone())).copied()
    }

    /// How many grants and revocations there were.
    pub fn acts(&self) -> u64 {
        self.acts
    }
}
