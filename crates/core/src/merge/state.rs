//! A record as it stands: values, open conflicts, heads. Never says how it came about: that is `replay` and `plan`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::ids::ChangeName;
use crate::record::{self, FileRef, Kind};
use crate::time::Stamp;
use crate::value::{ELEMENT_PLACE, ELEMENT_REMOVED, ElementKey, Path, Value};

/// In place of an adding change's number of ancestors while that change is missing: its elements come last.
pub const ELEMENT_ADDER_MISSING: u32 = u32::MAX;

/// One of the values that a path in conflict has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The change that set it; of several that set the same value, the one of greatest (ancestors, name).
    pub change: ChangeName,
    /// How many ancestors of that change are known.
    pub ancestors: u32,
    /// What it set.
    pub value: Value,
}

/// What the officer must be told of the record beside its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// The record was voided and is shown, because a change did not see the void.
    pub revived: bool,
    /// *Earlier version missing*: a change names a parent that is not here.
    pub missing_parent: bool,
}

/// A record as it stands after some set of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordState {
    /// The kind that the first change (least number of ancestors, then name) gave it.
    pub kind: Kind,
    /// The shown value of every path; no key is `ElementKey::New`.
    pub fields: BTreeMap<Path, Value>,
    /// The paths with more than one distinct value; the first side is the one in `fields`, the rest fall in
    /// (ancestors, name).
    pub conflicts: BTreeMap<Path, Vec<Side>>,
    /// The changes from which none descends, ascending.
    pub heads: Vec<ChangeName>,
    /// How many changes are counted.
    pub changes: u32,
    /// A void is in force.
    pub hidden: bool,
    /// What else must be said of it.
    pub flags: Flags,
    /// Elements that were removed and are shown, because a change to them did not see the removal.
    pub revived_elements: BTreeSet<(u32, ElementKey)>,
    /// Every `ElementKey::Added`: its list, its key, the number of ancestors of the change that added it
    /// (or `ELEMENT_ADDER_MISSING`); ascending by (list, ancestors, key).
    pub elements: Vec<(u32, ElementKey, u32)>,
    /// The greatest stamp; for display only.
    pub last: Stamp,
}

impl RecordState {
    /// A record before its first change.
    pub(super) fn empty(kind: Kind) -> Self {
        Self {
            kind,
            fields: BTreeMap::new(),
            conflicts: BTreeMap::new(),
            heads: Vec::new(),
            changes: 0,
            hidden: false,
            flags: Flags::default(),
            revived_elements: BTreeSet::new(),
            elements: Vec::new(),
            last: Stamp::default(),
        }
    }

    /// Whether any path of the element is set, be it removed or not.
    pub fn has_element(&self, list: u32, key: &ElementKey) -> bool {
        self.fields.range(Path::Element(list, key.clone(), 0)..=Path::Element(list, key.clone(), u32::MAX)).next().is_some()
    }

    /// Whether the element is removed; one that a change brought back is not.
    pub fn is_removed(&self, list: u32, key: &ElementKey) -> bool {
        self.fields.get(&Path::Element(list, key.clone(), ELEMENT_REMOVED)) == Some(&Value::Bool(true))
            && !self.revived_elements.contains(&(list, key.clone()))
    }

    /// The files that it names.
    pub fn files(&self) -> Vec<FileRef> {
        record::files(self.kind, &self.fields, &self.shown_elements(record::FILES), &|path| self.is_shown(path))
    }

    /// The conflicts that an officer is asked to settle: those within a removed element wait until it comes back.
    pub fn open_conflicts(&self) -> impl Iterator<Item = (&Path, &[Side])> {
        self.conflicts.iter().filter(|(path, _)| self.is_shown(path)).map(|(path, sides)| (path, sides.as_slice()))
    }

    /// Whether the path is to be shown: all but those of removed elements.
    pub fn is_shown(&self, path: &Path) -> bool {
        match path {
            Path::Field(_) => true,
            Path::Element(list, key, _) => !self.is_removed(*list, key),
        }
    }

    /// The list's elements that are not removed, in the order in which they are shown: those given by the create by
    /// place or key, then codes, then those added later by (ancestors, name, place or ordinal).
    pub fn shown_elements(&self, list: u32) -> Vec<ElementKey> {
        let mut keys: Vec<&ElementKey> = self
            .fields
            .range(Path::Element(list, ElementKey::Given(0), 0)..)
            .map_while(|(path, _)| match path {
                Path::Element(l, key, _) if *l == list => Some(key),
                Path::Element(..) | Path::Field(_) => None,
            })
            .collect();
        keys.dedup();
        let adders: BTreeMap<&ElementKey, u32> = self.elements.iter().filter(|e| e.0 == list).map(|e| (&e.1, e.2)).collect();
        let mut order: Vec<_> = keys
            .into_iter()
            .filter(|key| !self.is_removed(list, key))
            .map(|key| {
                let place = self.place(list, key);
                let rank = match key {
                    ElementKey::Given(n) => (0, 0, ChangeName([0; 32]), place.unwrap_or(i64::from(*n))),
                    ElementKey::Code(_) => (1, 0, ChangeName([0; 32]), place.unwrap_or(i64::MAX)),
                    ElementKey::Added(name, n) => {
                        let ancestors = adders.get(key).copied().unwrap_or(ELEMENT_ADDER_MISSING);
                        (2, ancestors, *name, place.unwrap_or(i64::from(*n)))
                    }
                    ElementKey::New(n) => (3, 0, ChangeName([0; 32]), i64::from(*n)),
                };
                (rank, key)
            })
            .collect();
        order.sort();
        order.into_iter().map(|(_, key)| key.clone()).collect()
    }

    fn place(&self, list: u32, key: &ElementKey) -> Option<i64> {
        match self.fields.get(&Path::Element(list, key.clone(), ELEMENT_PLACE))? {
            Value::Int(n) => Some(*n),
            Value::Null | Value::Bool(_) | Value::Text(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_) | Value::Raw(_) => None,
        }
    }
}

/// The path as it is stored: an element that the change is adding bears the change's name from now on.
pub(super) fn resolved(path: &Path, change: ChangeName) -> Cow<'_, Path> {
    match path {
        Path::Element(list, ElementKey::New(n), field) => Cow::Owned(Path::Element(*list, ElementKey::Added(change, *n), *field)),
        Path::Element(_, ElementKey::Given(_) | ElementKey::Code(_) | ElementKey::Added(..), _) | Path::Field(_) => Cow::Borrowed(path),
    }
}

/// The order in which `RecordState::elements` stands.
pub(super) fn sort_elements(elements: &mut [(u32, ElementKey, u32)]) {
    elements.sort_by(|a, b| (a.0, a.2, &a.1).cmp(&(b.0, b.2, &b.1)));
}
