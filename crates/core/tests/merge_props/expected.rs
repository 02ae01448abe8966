//! What must come out of merge by the letter of its rules, computed the slow way. Never calls merge.

use std::collections::{BTreeMap, BTreeSet};

use daftar_core::change::{Change, Op};
use daftar_core::ids::ChangeName;
use daftar_core::merge::RecordState;
use daftar_core::value::{ELEMENT_REMOVED, ElementKey, Path, Value};

/// Each change's known ancestors, by asking every parent again and again until nothing is new.
fn ancestors(log: &BTreeMap<ChangeName, &Change>) -> BTreeMap<ChangeName, BTreeSet<ChangeName>> {
    let known = |c: &Change| c.header.parents.iter().filter(|p| log.contains_key(p)).copied().collect::<Vec<_>>();
    let mut out = BTreeMap::new();
    for (name, change) in log {
        let mut above = BTreeSet::new();
        let mut ask = known(change);
        while let Some(parent) = ask.pop() {
            if above.insert(parent) {
                ask.extend(known(log[&parent]));
            }
        }
        out.insert(*name, above);
    }
    out
}

/// What the change says of its paths, under the keys by which elements are stored.
fn stored(change: &Change) -> Vec<(Path, Value)> {
    let of = |path: &Path| match path {
        Path::Element(list, ElementKey::New(n), field) => Path::Element(*list, ElementKey::Added(change.name, *n), *field),
        Path::Element(..) | Path::Field(_) => path.clone(),
    };
    change.payload.set.iter().map(|(path, value)| (of(path), value.clone())).collect()
}

/// What stands of something voided: (hidden, revived), by the letter of the rule.
fn standing(acts: &[(ChangeName, Op)], above: &BTreeMap<ChangeName, BTreeSet<ChangeName>>) -> (bool, bool) {
    let saw = |a: &ChangeName, b: &ChangeName| above[a].contains(b);
    let open: Vec<ChangeName> = acts
        .iter()
        .filter(|(v, op)| *op == Op::Void && !acts.iter().any(|(u, op)| *op == Op::Unvoid && saw(u, v)))
        .map(|(v, _)| *v)
        .collect();
    let overtaken = |v: &ChangeName| acts.iter().any(|(c, op)| *op != Op::Void && c != v && !saw(c, v) && !saw(v, c));
    let hidden = open.iter().any(|v| !overtaken(v));
    (hidden, !hidden && !open.is_empty())
}

/// Checks a state against the letter of the rules, computed the slow way.
pub fn check(state: &RecordState, log: &[Change]) {
    let log: BTreeMap<ChangeName, &Change> = log.iter().map(|c| (c.name, c)).collect();
    let above = ancestors(&log);
    let mut sets: BTreeMap<Path, Vec<(usize, ChangeName, Value)>> = BTreeMap::new();
    for (name, change) in &log {
        for (path, value) in stored(change) {
            sets.entry(path).or_default().push((above[name].len(), *name, value));
        }
    }
    assert_eq!(state.fields.keys().collect::<Vec<_>>(), sets.keys().collect::<Vec<_>>());
    let mut acts: BTreeMap<(u32, ElementKey), Vec<(ChangeName, Op)>> = BTreeMap::new();
    for (path, sets) in &sets {
        let mut maximal: Vec<_> =
            sets.iter().filter(|(_, name, _)| !sets.iter().any(|(_, other, _)| above[other].contains(name))).collect();
        maximal.sort_by_key(|(ancestors, name, _)| std::cmp::Reverse((*ancestors, *name)));
        assert_eq!(state.fields[path], maximal[0].2, "shown is the greatest (ancestors, name)");
        let distinct: BTreeSet<&Value> = maximal.iter().map(|m| &m.2).collect();
        let sides: Vec<&Value> = state.conflicts.get(path).into_iter().flatten().map(|s| &s.value).collect();
        let kept: BTreeSet<&Value> = sides.iter().copied().chain([&state.fields[path]]).collect();
        assert_eq!(kept, distinct, "every value that nothing supersedes is kept, and no other");
        assert_eq!(sides.is_empty(), distinct.len() == 1, "a conflict is more than one distinct value");
        assert!(sides.is_empty() || sides.len() == distinct.len(), "each value is one side");
        assert!(sides.first().is_none_or(|first| **first == state.fields[path]), "the first side is shown");
        if let Path::Element(list, key, field) = path {
            let act = |value: &Value| match (*field == ELEMENT_REMOVED, *value == Value::Bool(true)) {
                (true, true) => Op::Void,
                (true, false) => Op::Unvoid,
                (false, _) => Op::Amend,
            };
            acts.entry((*list, key.clone())).or_default().extend(sets.iter().map(|(_, n, value)| (*n, act(value))));
        }
    }
    for (element, acts) in &acts {
        let stands = (state.is_removed(element.0, &element.1), state.revived_elements.contains(element));
        assert_eq!(stands, standing(acts, &above), "the element stands by the rule of voids");
    }
    let acts: Vec<_> = log.iter().map(|(name, change)| (*name, change.header.op)).collect();
    assert_eq!((state.hidden, state.flags.revived), standing(&acts, &above), "the record stands by the rule of voids");
    let heads: Vec<_> = log.keys().filter(|n| !above.values().any(|a| a.contains(n))).copied().collect();
    assert_eq!(state.heads, heads);
    let missing = log.values().flat_map(|c| &c.header.parents).any(|p| !log.contains_key(p));
    assert_eq!((state.flags.missing_parent, state.changes as usize), (missing, log.len()));
    let order: Vec<_> = state.elements.iter().map(|(list, key, ancestors)| (list, ancestors, key)).collect();
    assert!(order.is_sorted(), "added elements stand in the order in which they are shown");
}
