//! A record's state from all of its changes, in whatever order they came. Never asks what was shown before.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::order::{Bits, Graph, Members};
use super::state::{ELEMENT_ADDER_MISSING, RecordState, Side, resolved, sort_elements};
use crate::change::{Change, Op};
use crate::value::{ELEMENT_REMOVED, ElementKey, Path, Value};

/// The state of the record whose changes these are, all of one record, each any number of times; `None` of none.
///
/// Costs about n²/64 steps, and n²/8 bytes at the worst, for n changes.
pub fn replay(changes: &[Change]) -> Option<RecordState> {
    let graph = Graph::of(changes);
    let mut fold = Fold::new(&graph.changes);
    let walked = graph.walk(|i, seen| fold.visit(i, seen));
    let mut state = fold.finish()?;
    state.heads = walked.heads.into_iter().map(|i| graph.changes[i].name).collect();
    state.flags.missing_parent = walked.missing_parent;
    Some(state)
}

/// What is gathered on the way, parents before children.
struct Fold<'a> {
    changes: &'a [&'a Change],
    /// How many ancestors each change has, by place.
    ancestors: Vec<u32>,
    /// The sets of each path that none supersedes.
    paths: BTreeMap<Cow<'a, Path>, Members>,
    record: Standing,
    /// Of the elements that some change removes; the others need none.
    elements: BTreeMap<(u32, ElementKey), Standing>,
}

impl<'a> Fold<'a> {
    fn new(changes: &'a [&'a Change]) -> Self {
        let removed = |change: &&'a Change| {
            let name = change.name;
            change.payload.set.iter().filter(|(_, value)| **value == Value::Bool(true)).filter_map(move |(path, _)| {
                match resolved(path, name).into_owned() {
                    Path::Element(list, key, ELEMENT_REMOVED) => Some((list, key)),
                    Path::Element(..) | Path::Field(_) => None,
                }
            })
        };
        Self {
            changes,
            ancestors: vec![0; changes.len()],
            paths: BTreeMap::new(),
            record: Standing::default(),
            elements: changes.iter().flat_map(removed).map(|element| (element, Standing::default())).collect(),
        }
    }

    /// Takes the change at place `i`, which has seen `seen`: its ancestors and itself.
    fn visit(&mut self, i: usize, seen: &Bits) {
        let n = self.changes.len();
        let change = self.changes[i];
        self.ancestors[i] = seen.count() - 1;
        let act = match change.header.op {
            Op::Void => Act::Void,
            Op::Unvoid => Act::Unvoid,
            Op::Create | Op::Amend | Op::Resolve => Act::Touch,
        };
        self.record.take(act, i, seen, n);
        for (path, value) in &change.payload.set {
            let path = resolved(path, change.name);
            if !self.elements.is_empty()
                && let Path::Element(list, key, field) = path.as_ref()
                && let Some(standing) = self.elements.get_mut(&(*list, key.clone()))
            {
                let act = match (*field == ELEMENT_REMOVED, *value == Value::Bool(true)) {
                    (true, true) => Act::Void,
                    (true, false) => Act::Unvoid,
                    (false, _) => Act::Touch,
                };
                standing.take(act, i, seen, n);
            }
            let live = self.paths.entry(path).or_default();
            live.supersede(seen);
            live.insert(i, n);
        }
    }

    fn finish(self) -> Option<RecordState> {
        let first = (0..self.changes.len()).min_by_key(|i| (self.ancestors[*i], *i))?;
        let mut state = RecordState::empty(self.changes[first].header.kind);
        state.changes = u32::try_from(self.changes.len()).unwrap_or(u32::MAX);
        state.last = self.changes.iter().map(|c| c.header.stamp).max().unwrap_or_default();
        state.hidden = self.record.in_force();
        state.flags.revived = self.record.revived();
        state.elements = self.added();
        state.revived_elements = self.elements.iter().filter(|(_, s)| s.revived()).map(|(e, _)| e.clone()).collect();
        for (path, live) in &self.paths {
            let sides = self.sides(path, live);
            if let Some(shown) = sides.first() {
                state.fields.insert(path.as_ref().clone(), shown.value.clone());
            }
            if sides.len() > 1 {
                state.conflicts.insert(path.as_ref().clone(), sides);
            }
        }
        Some(state)
    }

    /// The distinct values of a path, the shown one first.
    fn sides(&self, path: &Path, live: &Members) -> Vec<Side> {
        let mut live = live.to_vec();
        live.sort_by_key(|i| std::cmp::Reverse((self.ancestors[*i], *i)));
        let mut values = BTreeSet::new();
        live.into_iter()
            .filter_map(|i| {
                let value = set_by(self.changes[i], path)?;
                values.insert(value).then(|| Side { change: self.changes[i].name, ancestors: self.ancestors[i], value: value.clone() })
            })
            .collect()
    }

    /// Every element that a change added, in the order of `RecordState::elements`.
    fn added(&self) -> Vec<(u32, ElementKey, u32)> {
        let mut elements: Vec<(u32, ElementKey, u32)> = Vec::new();
        for path in self.paths.keys() {
            let Path::Element(list, key @ ElementKey::Added(name, ordinal), _) = path.as_ref() else {
                continue;
            };
            if elements.last().is_some_and(|(l, k, _)| l == list && k == key) {
                continue;
            }
            let adder = self.changes.binary_search_by_key(name, |c| c.name).ok();
            let ancestors = adder.filter(|i| adds(self.changes[*i], *list, *ordinal)).map_or(ELEMENT_ADDER_MISSING, |i| self.ancestors[i]);
            elements.push((*list, key.clone(), ancestors));
        }
        sort_elements(&mut elements);
        elements
    }
}

/// What the change set at a stored path.
fn set_by<'a>(change: &'a Change, path: &Path) -> Option<&'a Value> {
    let set = &change.payload.set;
    if let Path::Element(list, ElementKey::Added(name, n), field) = path
        && *name == change.name
        && let Some(value) = set.get(&Path::Element(*list, ElementKey::New(*n), *field))
    {
        return Some(value);
    }
    set.get(path)
}

fn adds(change: &Change, list: u32, ordinal: u32) -> bool {
    let path = |field| Path::Element(list, ElementKey::New(ordinal), field);
    change.payload.set.range(path(0)..=path(u32::MAX)).next().is_some()
}

enum Act {
    Void,
    Unvoid,
    Touch,
}

/// Whether something that can be voided, the record or an element, stands.
#[derive(Default)]
struct Standing {
    /// Voids that every act has seen or was seen by.
    in_force: Members,
    /// Voids that an act did not see, not lifted yet.
    overtaken: Members,
    /// The last acts that are no void, from which no other such act descends.
    touches: Members,
}

impl Standing {
    /// Takes the act of the change at place `i` of `n`; parents first.
    fn take(&mut self, act: Act, i: usize, seen: &Bits, n: usize) {
        match act {
            // Whatever came before and was not seen is concurrent; if any touch is, one of the last is.
            Act::Void if self.touches.any_outside(seen) => self.overtaken.insert(i, n),
            Act::Void => self.in_force.insert(i, n),
            Act::Unvoid => {
                self.touch(i, seen, n);
                self.in_force.supersede(seen);
                self.overtaken.supersede(seen);
            }
            Act::Touch => self.touch(i, seen, n),
        }
    }

    fn touch(&mut self, i: usize, seen: &Bits, n: usize) {
        for void in self.in_force.take_outside(seen) {
            self.overtaken.insert(void, n);
        }
        self.touches.supersede(seen);
        self.touches.insert(i, n);
    }

    fn in_force(&self) -> bool {
        !self.in_force.is_empty()
    }

    fn revived(&self) -> bool {
        self.in_force.is_empty() && !self.overtaken.is_empty()
    }
}
