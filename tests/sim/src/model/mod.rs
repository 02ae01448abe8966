//! What must come out: every change that anybody made, and by the book what any set of them comes to. Shares no code with `core::merge`,
//! knows no database, and is slow on purpose.

mod state;

use std::collections::{BTreeMap, BTreeSet};

use daftar_core::change::Op;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, DeviceId, OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_core::value::{Path, Value};

pub use state::{Rules, State, evaluate};

/// A change as the model knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Its name.
    pub name: ChangeName,
    /// Where.
    pub compartment: Compartment,
    /// Of which record.
    pub record: RecordId,
    /// The record's kind.
    pub kind: Kind,
    /// Who made it.
    pub author: OfficerId,
    /// On which device it was made.
    pub device: DeviceId,
    /// What it does.
    pub op: Op,
    /// What it was written upon.
    pub parents: BTreeSet<ChangeName>,
    /// What it sets.
    pub set: BTreeMap<Path, Value>,
    /// No version can read it.
    pub is_poison: bool,
}

/// All changes of a run.
#[derive(Debug, Default)]
pub struct Model {
    facts: BTreeMap<ChangeName, Fact>,
    records: BTreeMap<(Compartment, RecordId), BTreeSet<ChangeName>>,
    /// Those that were lost with a disk that was put back before they had been sent: nobody can have them.
    gone: BTreeSet<ChangeName>,
    labels: BTreeMap<RecordId, usize>,
}

impl Model {
    /// Takes in a change that was made.
    pub fn add(&mut self, fact: Fact) {
        let next = self.labels.len() + 1;
        self.labels.entry(fact.record).or_insert(next);
        self.records.entry((fact.compartment.clone(), fact.record)).or_default().insert(fact.name);
        self.gone.remove(&fact.name);
        self.facts.insert(fact.name, fact);
    }

    /// A change by its name.
    pub fn fact(&self, name: &ChangeName) -> Option<&Fact> {
        self.facts.get(name)
    }

    /// Every change.
    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.facts.values()
    }

    /// Every record with its changes.
    pub fn records(&self) -> &BTreeMap<(Compartment, RecordId), BTreeSet<ChangeName>> {
        &self.records
    }

    /// How the trace calls a record.
    pub fn label(&self, record: &RecordId) -> String {
        self.labels.get(record).map_or_else(|| "r?".to_owned(), |n| format!("r{n}"))
    }

    /// This change went with a disk.
    pub fn lose(&mut self, name: ChangeName) {
        self.gone.insert(name);
    }

    /// Whether a disk took it along.
    pub fn is_gone(&self, name: &ChangeName) -> bool {
        self.gone.contains(name)
    }

    /// What these changes of one record come to; `None` if none of them counts.
    pub fn state(&self, names: &BTreeSet<ChangeName>, rules: Rules) -> Option<State> {
        let facts: BTreeMap<ChangeName, &Fact> =
            names.iter().filter_map(|n| self.facts.get(n)).filter(|f| !f.is_poison).map(|f| (f.name, f)).collect();
        evaluate(&facts, rules)
    }
}
