//! What to do with a change that has come, and the short way of doing it. Never reads the log: the caller says
//! whether it knows the change, and replays where the plan says so.

use std::collections::BTreeMap;

use super::state::{ELEMENT_ADDER_MISSING, RecordState, resolved, sort_elements};
use crate::change::{Change, Op};
use crate::ids::RecordId;
use crate::value::{ELEMENT_REMOVED, ElementKey, Path};

/// What to do with a change that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Its parents are exactly the record's heads: `apply` gives what a replay would.
    Take,
    /// It is counted already: nothing to do.
    Same,
    /// It is concurrent with something, or something is missing: `replay` the record's whole set, this one included.
    Replay,
}

/// Plans one change against the record as it stands; `known` says that the log holds the change already.
pub fn plan(state: Option<&RecordState>, change: &Change, known: bool) -> Plan {
    let heads = state.map_or(&[][..], |s| &s.heads);
    if known || heads.contains(&change.name) {
        Plan::Same
    } else if change.header.parents == heads {
        Plan::Take
    } else {
        Plan::Replay
    }
}

/// Applies a change for which the plan is `Take`: it descends from everything, so what it sets settles its paths.
pub fn apply(state: Option<RecordState>, change: &Change) -> RecordState {
    let mut state = state.unwrap_or_else(|| RecordState::empty(change.header.kind));
    debug_assert_eq!(state.heads, change.header.parents, "apply is for Plan::Take only");
    let added = state.elements.len();
    for (written, value) in &change.payload.set {
        let path = resolved(written, change.name);
        if let Path::Element(list, key, field) = path.as_ref() {
            element(&mut state, written, *list, key, *field);
        }
        state.conflicts.remove(path.as_ref());
        state.fields.insert(path.into_owned(), value.clone());
    }
    if state.elements.len() > added {
        sort_elements(&mut state.elements);
    }
    match change.header.op {
        Op::Void => {
            state.hidden = true;
            state.flags.revived = false;
        }
        Op::Unvoid => {
            state.hidden = false;
            state.flags.revived = false;
        }
        Op::Create | Op::Amend | Op::Resolve => {}
    }
    state.heads = vec![change.name];
    state.changes = state.changes.saturating_add(1);
    state.last = state.last.max(change.header.stamp);
    state
}

/// What a set of an element's path says beyond its value: that the element is there, or how it stands.
fn element(state: &mut RecordState, written: &Path, list: u32, key: &ElementKey, field: u32) {
    if matches!(key, ElementKey::Added(..)) && !state.has_element(list, key) {
        let by_this_change = matches!(written, Path::Element(_, ElementKey::New(_), _));
        let ancestors = if by_this_change { state.changes } else { ELEMENT_ADDER_MISSING };
        state.elements.push((list, key.clone(), ancestors));
    }
    // To remove is in force at once, not to remove lifts; either settles what was brought back.
    if field == ELEMENT_REMOVED {
        state.revived_elements.remove(&(list, key.clone()));
    }
}

/// A page of changes by record, in the order in which they came; a record that gets several is replayed once.
pub fn group(page: Vec<Change>) -> BTreeMap<RecordId, Vec<Change>> {
    let mut records: BTreeMap<RecordId, Vec<Change>> = BTreeMap::new();
    for change in page {
        records.entry(change.header.record).or_default().push(change);
    }
    records
}
