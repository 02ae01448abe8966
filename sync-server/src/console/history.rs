//! A record's acts: who, when, on which device, and what each changed from what. Never decides whether one counts.

use std::collections::HashMap;

use daftar_core::change::Change;
use daftar_core::ids::ChangeName;
use daftar_core::value::{ELEMENT_PLACE, ElementKey, Path, Value};
use daftar_wire::change::{read_header, read_payload};
use daftar_wire::json::{format_path, write_value};
use daftar_wire::message::Verdict;

use super::dto::FieldChange;
use crate::error::Result;
use crate::store::console::ChangeRow;

/// One act, read.
pub(super) struct Act {
    pub(super) row: ChangeRow,
    pub(super) change: Change,
    /// The acts that it descends from, one bit for each place among all.
    seen: Vec<u64>,
    /// How many those are.
    pub(super) ancestors: u32,
}

/// All acts of a record, each before those that descend from it.
pub(super) struct History {
    pub(super) acts: Vec<Act>,
    /// Which acts that count have set a path, as places among all.
    setters: HashMap<Path, Vec<usize>>,
}

impl History {
    /// Puts the acts in order.
    pub(super) fn read(rows: Vec<ChangeRow>) -> Result<Self> {
        let mut waiting = Vec::with_capacity(rows.len());
        for row in rows {
            let header = read_header(&row.header)?;
            let payload = row.payload.as_deref().map(|p| read_payload(header.kind, p)).transpose()?.unwrap_or_default();
            waiting.push(Act { change: Change { name: row.name, header, payload }, row, seen: Vec::new(), ancestors: 0 });
        }
        let words = waiting.len().div_ceil(64);
        let known: Vec<ChangeName> = waiting.iter().map(|a| a.change.name).collect();
        let (mut acts, mut places) = (Vec::<Act>::with_capacity(waiting.len()), HashMap::new());
        // What came last stands first, so that parents are found soonest from the end.
        while !waiting.is_empty() {
            let before = acts.len();
            let mut left = Vec::new();
            for mut act in waiting.into_iter().rev() {
                let parents = act.change.header.parents.iter().filter(|p| known.contains(p));
                let Some(parents) = parents.map(|p| places.get(p).copied()).collect::<Option<Vec<usize>>>() else {
                    left.push(act);
                    continue;
                };
                act.seen = vec![0; words];
                for parent in parents {
                    act.seen.iter_mut().zip(&acts[parent].seen).for_each(|(a, b)| *a |= b);
                    act.seen[parent / 64] |= 1 << (parent % 64);
                }
                act.ancestors = act.seen.iter().map(|w| w.count_ones()).sum();
                places.insert(act.change.name, acts.len());
                acts.push(act);
            }
            left.reverse();
            waiting = left;
            if acts.len() == before {
                // Names are hashes over the parents' names: there is no ring of them.
                break;
            }
        }
        let mut setters: HashMap<Path, Vec<usize>> = HashMap::new();
        for (at, act) in acts.iter().enumerate().filter(|(_, a)| a.row.verdict == Verdict::Accepted) {
            for path in act.change.payload.set.keys() {
                setters.entry(resolved(path, act.change.name)).or_default().push(at);
            }
        }
        Ok(Self { acts, setters })
    }

    /// What the act set, and what its officer saw there before.
    pub(super) fn changed(&self, act: &Act) -> Vec<FieldChange> {
        let (kind, name) = (act.change.header.kind, act.change.name);
        let mut out = Vec::new();
        for (written, after) in &act.change.payload.set {
            let path = resolved(written, name);
            if matches!(path, Path::Element(_, _, ELEMENT_PLACE)) {
                continue;
            }
            out.push(FieldChange {
                path: format_path(kind, &path),
                before: self.before(act, &path).map(|v| write_value(kind, &path, v)),
                after: write_value(kind, &path, after),
            });
        }
        out
    }

    /// The value that the act's ancestors come to: of those that set the path, that of the greatest (ancestors, name).
    fn before(&self, act: &Act, path: &Path) -> Option<&Value> {
        let setters = self.setters.get(path)?.iter().filter(|at| act.seen[**at / 64] & (1 << (**at % 64)) != 0);
        let setter = setters.map(|at| &self.acts[*at]).max_by_key(|a| (a.ancestors, a.change.name))?;
        setter.change.payload.set.iter().find(|(p, _)| resolved(p, setter.change.name) == *path).map(|(_, value)| value)
    }

    /// The act of this name.
    pub(super) fn act(&self, name: &ChangeName) -> Option<&Act> {
        self.acts.iter().find(|a| a.change.name == *name)
    }
}

/// The path as it is stored: an element that the change adds bears the change's name.
fn resolved(path: &Path, name: ChangeName) -> Path {
    match path {
        Path::Element(list, ElementKey::New(n), field) => Path::Element(*list, ElementKey::Added(name, *n), *field),
        Path::Element(_, ElementKey::Given(_) | ElementKey::Code(_) | ElementKey::Added(..), _) | Path::Field(_) => path.clone(),
    }
}

#[cfg(test)]
mod tests {
    use daftar_core::change::{Header, Op, Payload};
    use daftar_core::ids::{DeviceId, OfficerId, RecordId};
    use daftar_core::record::Kind;
    use daftar_core::time::{ClockReading, Stamp};
    use daftar_wire::change::{write_header, write_payload};
    use serde_json::json;

    use super::*;

    fn row(name: u8, parents: &[u8], colour: &str) -> ChangeRow {
        let header = Header {
            device: DeviceId([1; 16]),
            record: RecordId([2; 16]),
            kind: Kind::Inspection,
            author: OfficerId([3; 16]),
            op: if parents.is_empty() { Op::Create } else { Op::Amend },
            stamp: Stamp { ms: name.into(), count: 0 },
            clock: ClockReading::default(),
            parents: parents.iter().map(|p| ChangeName([*p; 32])).collect(),
        };
        let set = [(Path::Field(45), Value::Text(colour.into()))].into();
        ChangeRow {
            name: ChangeName([name; 32]),
            n: name.into(),
            feed_n: 1,
            received_ms: 0,
            verdict: Verdict::Accepted,
            reason: None,
            header: write_header(&header),
            payload: Some(write_payload(&Payload { set, reason: None })),
        }
    }

    #[test]
    fn an_act_shows_what_its_officer_saw_and_not_what_another_wrote_meanwhile() {
        // 1 ← 2 ← 4, and 3 beside them; handed over in no order, with a parent (9) that is not held.
        let rows = vec![row(4, &[2], "grey"), row(1, &[], "white"), row(3, &[1], "blue"), row(2, &[1, 9], "black")];
        let history = History::read(rows).expect("readable");
        let changed = |name: u8| {
            let act = history.act(&ChangeName([name; 32])).expect("it is there");
            let all = history.changed(act);
            (all[0].path.clone(), all[0].before.clone(), all[0].after.clone())
        };
        let path = || "vehicle.colour".to_owned();
        assert_eq!(changed(1), (path(), None, json!("white")));
        assert_eq!(changed(2), (path(), Some(json!("white")), json!("black")));
        assert_eq!(changed(3), (path(), Some(json!("white")), json!("blue")), "it did not see 2");
        assert_eq!(changed(4), (path(), Some(json!("black")), json!("grey")));
        let ancestors: Vec<u32> = [1, 2, 3, 4].iter().filter_map(|n| history.act(&ChangeName([*n; 32]))).map(|a| a.ancestors).collect();
        assert_eq!(ancestors, [0, 1, 1, 2]);
    }
}
