//! A record by the book: for each path the sets that nothing supersedes, conflicts, voids, elements. Quadratic, and obviously right.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use daftar_core::change::Op;
use daftar_core::ids::ChangeName;
use daftar_core::value::{ELEMENT_PLACE, ELEMENT_REMOVED, ElementKey, Path, Value};

use super::Fact;

/// By which rules a set of changes is read. The wrong ones are there so that the checks can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rules {
    /// Ours.
    #[default]
    Book,
    /// Wrong: the last writer wins, nothing is ever in conflict.
    LastWriterWins,
    /// Wrong: a void hides a record whatever it did not see.
    VoidAlwaysWins,
}

/// What a record comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The shown value of each path.
    pub fields: BTreeMap<Path, Value>,
    /// Paths with more than one value: (change, value), the shown one first.
    pub conflicts: BTreeMap<Path, Vec<(ChangeName, Value)>>,
    /// Changes from which none descends.
    pub heads: Vec<ChangeName>,
    /// How many count.
    pub changes: usize,
    /// A void is in force.
    pub hidden: bool,
    /// A void was overtaken by a change that did not see it.
    pub revived: bool,
    /// A change names a parent that is not there.
    pub missing_parent: bool,
    /// Elements whose removal was overtaken.
    pub revived_elements: BTreeSet<(u32, ElementKey)>,
    /// The elements of each list that are shown, in order.
    pub shown: BTreeMap<u32, Vec<ElementKey>>,
}

impl State {
    /// Whether an officer is asked to decide: a conflict within a removed element waits until that comes back.
    pub fn is_in_conflict(&self) -> bool {
        self.conflicts.keys().any(|path| match path {
            Path::Field(_) => true,
            Path::Element(list, key, _) => self.shown.get(list).is_some_and(|keys| keys.contains(key)),
        })
    }
}

type Above = BTreeMap<ChangeName, BTreeSet<ChangeName>>;

/// What these changes come to; `None` of none.
pub fn evaluate(facts: &BTreeMap<ChangeName, &Fact>, rules: Rules) -> Option<State> {
    if facts.is_empty() {
        return None;
    }
    let above = above(facts);
    let rank = |name: &ChangeName| Reverse((above[name].len(), *name));
    let mut sets: BTreeMap<Path, Vec<(ChangeName, Value)>> = BTreeMap::new();
    for fact in facts.values() {
        for (path, value) in &fact.set {
            sets.entry(stored(path, fact.name)).or_default().push((fact.name, value.clone()));
        }
    }
    let (mut fields, mut conflicts) = (BTreeMap::new(), BTreeMap::new());
    let mut acts: BTreeMap<(u32, ElementKey), Vec<(ChangeName, Act)>> = BTreeMap::new();
    for (path, all) in &sets {
        let is_overtaken = |name: &ChangeName| all.iter().any(|(other, _)| above[other].contains(name));
        let mut live: Vec<&(ChangeName, Value)> = all.iter().filter(|(name, _)| !is_overtaken(name)).collect();
        live.sort_by_key(|(name, _)| rank(name));
        let mut values: Vec<(ChangeName, Value)> = Vec::new();
        for (name, value) in live {
            if values.iter().all(|(_, known)| known != value) {
                values.push((*name, value.clone()));
            }
        }
        fields.insert(path.clone(), values[0].1.clone());
        if values.len() > 1 && rules != Rules::LastWriterWins {
            conflicts.insert(path.clone(), values);
        }
        if let Path::Element(list, key, field) = path {
            let of = all.iter().map(|(name, value)| (*name, Act::on_element(*field, value)));
            acts.entry((*list, key.clone())).or_default().extend(of);
        }
    }
    let mut removed = BTreeSet::new();
    let mut revived_elements = BTreeSet::new();
    for (element, acts) in &acts {
        let (is_removed, is_revived) = standing(acts, &above, Rules::Book);
        removed.extend(is_removed.then(|| element.clone()));
        revived_elements.extend(is_revived.then(|| element.clone()));
    }
    let whole: Vec<(ChangeName, Act)> = facts.values().map(|f| (f.name, Act::on_record(f.op))).collect();
    let (hidden, revived) = standing(&whole, &above, rules);
    let heads = facts.keys().filter(|name| above.values().all(|a| !a.contains(name))).copied().collect();
    let missing_parent = facts.values().flat_map(|f| &f.parents).any(|p| !facts.contains_key(p));
    let shown = shown(&fields, &acts, &removed, facts, &above);
    Some(State { fields, conflicts, heads, changes: facts.len(), hidden, revived, missing_parent, revived_elements, shown })
}

/// Each change's ancestors that are here.
fn above(facts: &BTreeMap<ChangeName, &Fact>) -> Above {
    facts
        .iter()
        .map(|(name, fact)| {
            let mut all = BTreeSet::new();
            let mut ask: Vec<ChangeName> = fact.parents.iter().copied().collect();
            while let Some(parent) = ask.pop() {
                if let Some(fact) = facts.get(&parent)
                    && all.insert(parent)
                {
                    ask.extend(&fact.parents);
                }
            }
            (*name, all)
        })
        .collect()
}

/// Under which path a set is kept: an element that the change adds bears its name.
fn stored(path: &Path, change: ChangeName) -> Path {
    match path {
        Path::Element(list, ElementKey::New(n), field) => Path::Element(*list, ElementKey::Added(change, *n), *field),
        Path::Element(..) | Path::Field(_) => path.clone(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Void,
    Unvoid,
    Other,
}

impl Act {
    fn on_record(op: Op) -> Self {
        match op {
            Op::Void => Self::Void,
            Op::Unvoid => Self::Unvoid,
            Op::Create | Op::Amend | Op::Resolve => Self::Other,
        }
    }

    fn on_element(field: u32, value: &Value) -> Self {
        match (field == ELEMENT_REMOVED, *value == Value::Bool(true)) {
            (true, true) => Self::Void,
            (true, false) => Self::Unvoid,
            (false, _) => Self::Other,
        }
    }
}

/// (hidden, revived): a void that no unvoid has seen hides, while every act that is no void is its ancestor or its descendant.
fn standing(acts: &[(ChangeName, Act)], above: &Above, rules: Rules) -> (bool, bool) {
    let saw = |a: &ChangeName, b: &ChangeName| above[a].contains(b);
    let open: Vec<&ChangeName> = acts
        .iter()
        .filter(|(void, act)| *act == Act::Void && !acts.iter().any(|(u, act)| *act == Act::Unvoid && saw(u, void)))
        .map(|(void, _)| void)
        .collect();
    let is_overtaken = |void: &ChangeName| acts.iter().any(|(c, act)| *act != Act::Void && c != void && !saw(c, void) && !saw(void, c));
    let hidden = match rules {
        Rules::VoidAlwaysWins => !open.is_empty(),
        Rules::Book | Rules::LastWriterWins => open.iter().any(|void| !is_overtaken(void)),
    };
    (hidden, !hidden && !open.is_empty())
}

/// Given elements by place or key, then codes, then added ones by (ancestors, name, place or ordinal).
fn shown(
    fields: &BTreeMap<Path, Value>,
    acts: &BTreeMap<(u32, ElementKey), Vec<(ChangeName, Act)>>,
    removed: &BTreeSet<(u32, ElementKey)>,
    facts: &BTreeMap<ChangeName, &Fact>,
    above: &Above,
) -> BTreeMap<u32, Vec<ElementKey>> {
    let mut lists: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for (list, key) in acts.keys().filter(|element| !removed.contains(element)) {
        let place = match fields.get(&Path::Element(*list, key.clone(), ELEMENT_PLACE)) {
            Some(Value::Int(n)) => Some(*n),
            Some(_) | None => None,
        };
        let rank = match key {
            ElementKey::Given(n) => (0, 0, ChangeName([0; 32]), place.unwrap_or(i64::from(*n))),
            ElementKey::Code(_) => (1, 0, ChangeName([0; 32]), place.unwrap_or(i64::MAX)),
            ElementKey::Added(name, n) => {
                let adds = |f: &&Fact| f.set.keys().any(|p| matches!(p, Path::Element(l, ElementKey::New(m), _) if l == list && m == n));
                let ancestors = facts.get(name).copied().filter(|f| adds(f)).map_or(usize::MAX, |f| above[&f.name].len());
                (2, ancestors, *name, place.unwrap_or(i64::from(*n)))
            }
            ElementKey::New(n) => (3, 0, ChangeName([0; 32]), i64::from(*n)),
        };
        lists.entry(*list).or_default().push((rank, key.clone()));
    }
    lists
        .into_iter()
        .map(|(list, mut keys)| {
            keys.sort();
            (list, keys.into_iter().map(|(_, key)| key).collect())
        })
        .collect()
}
