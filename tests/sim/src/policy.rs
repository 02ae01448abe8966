//! What headquarters has given to whom, in the model's own count: by role, then by every grant and revocation since. Never asks an engine.

use std::collections::{BTreeMap, BTreeSet};

use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::OfficerId;

use crate::broken::{Broken, Checked};
use crate::hq::Person;

/// What an officer may do in a compartment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct May {
    /// See its records.
    pub read: bool,
    /// Add to them.
    pub write: bool,
}

/// What each officer may do in one compartment.
pub type Grants = BTreeMap<OfficerId, May>;

/// Every grant of a run.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    now: BTreeMap<(OfficerId, Compartment), May>,
    ever_wrote: BTreeSet<(OfficerId, Compartment)>,
    ever_read: BTreeSet<(OfficerId, Compartment)>,
    touched: BTreeSet<(OfficerId, Compartment)>,
    revoked: BTreeSet<(OfficerId, Compartment)>,
    refused: BTreeSet<(OfficerId, Compartment)>,
    stopped: BTreeSet<(OfficerId, Compartment)>,
    had: BTreeSet<(OfficerId, Compartment)>,
    acts: u64,
}

impl Policy {
    /// A new officer has what his role brings.
    pub fn enlist(&mut self, person: &Person) {
        for c in person.may_write() {
            self.put(person.id, &c, May { read: true, write: true });
        }
    }

    /// A leader let an officer in to this for a while: what of it he writes in time counts, and what comes late is in review.
    pub fn admit(&mut self, officer: OfficerId, given: &[(Compartment, May)]) {
        for (c, may) in given {
            let key = (officer, c.clone());
            self.ever_wrote.extend(may.write.then(|| key.clone()));
            self.ever_read.extend(may.read.then(|| key.clone()));
            self.stopped.insert(key);
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
        self.had.remove(&key);
        self.touched.insert(key.clone());
        self.stopped.insert(key.clone());
        self.revoked.insert(key.clone());
        self.refused.insert(key);
        self.acts += 1;
    }

    /// Headquarters came to another life, in which it knows other acts: what it has given in this compartment is this. Returns whose it is not
    /// as it was.
    pub fn relive(&mut self, c: &Compartment, given: &Grants) -> BTreeSet<OfficerId> {
        let before: Grants = self.now.iter().filter(|((_, at), _)| at == c).map(|((o, _), may)| (*o, *may)).collect();
        let changed: BTreeSet<OfficerId> = before.keys().chain(given.keys()).filter(|o| before.get(o) != given.get(o)).copied().collect();
        for officer in &changed {
            match given.get(officer) {
                Some(may) => self.grant(*officer, c, *may),
                None => self.forget(*officer, c),
            }
            let is_lost = given.get(officer).is_none_or(|may| !may.read) && before.get(officer).is_some_and(|may| may.read);
            self.had.extend(is_lost.then(|| (*officer, c.clone())));
        }
        changed
    }

    /// Headquarters' folder was put back, and with it the list of what it took: it knows no refusal for sure until it hears of it from a device.
    pub fn set_back(&mut self) {
        self.refused.clear();
    }

    /// What he had was given since the backup: he may write it no more, and nobody refused him.
    fn forget(&mut self, officer: OfficerId, c: &Compartment) {
        let key = (officer, c.clone());
        self.now.remove(&key);
        self.touched.insert(key.clone());
        self.stopped.insert(key);
        self.acts += 1;
    }

    /// What an earlier life of headquarters let him read, and this one neither gives nor refuses: his device goes by it until it hears otherwise.
    pub fn had(&self, officer: &OfficerId) -> BTreeSet<Compartment> {
        self.had.iter().filter(|(o, _)| o == officer).map(|(_, c)| c.clone()).collect()
    }

    /// Who was refused what he had and given nothing there since, in any life of headquarters that it remembers.
    pub fn refused(&self) -> BTreeSet<(OfficerId, Compartment)> {
        self.refused.clone()
    }

    fn put(&mut self, officer: OfficerId, c: &Compartment, may: May) {
        let key = (officer, c.clone());
        if may.write {
            self.ever_wrote.insert(key.clone());
        }
        if may.read {
            self.ever_read.insert(key.clone());
        }
        self.had.remove(&key);
        self.refused.remove(&key);
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

    /// What he could read at some time: until a device has heard otherwise it hands in what another life of headquarters had of others.
    pub fn ever_read(&self, officer: &OfficerId) -> BTreeSet<Compartment> {
        self.ever_read.iter().filter(|(o, _)| o == officer).map(|(_, c)| c.clone()).collect()
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

/// Every compartment in which officers of this world may be given something.
pub fn compartments() -> Checked<BTreeSet<Compartment>> {
    let mut names = vec!["operation/op-qorachiroq".to_owned(), "operation/op-shamol".to_owned()];
    for team in ["imt-1", "imt-2", "imt-3"] {
        names.push(format!("team/{team}"));
        names.extend(Agency::ALL.iter().map(|a| format!("agency/{}/{team}", a.code())));
    }
    names.iter().map(|n| n.parse().map_err(|e| Broken(format!("`{n}`: {e}")))).collect()
}
