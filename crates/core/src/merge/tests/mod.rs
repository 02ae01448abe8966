//! How the tests of merge make changes. Never random: tests/merge_props is.

mod check;
mod elements;
mod rules;
mod size;

use super::*;
use crate::change::{Change, Header, Op, Payload};
use crate::ids::{ChangeName, DeviceId, OfficerId, RecordId};
use crate::record::Kind;
use crate::time::{ClockReading, Stamp};
use crate::value::{ElementKey, Path, Value};

const A: Path = Path::Field(10);
const B: Path = Path::Field(11);
const LIST: u32 = 20;

/// A change with a name of our choosing; the names order as the numbers do.
fn change(name: u8, op: Op, parents: &[u8], set: &[(Path, Value)]) -> Change {
    let mut parents: Vec<_> = parents.iter().map(|n| ChangeName([*n; 32])).collect();
    parents.sort();
    Change {
        name: ChangeName([name; 32]),
        header: Header {
            device: DeviceId([1; 16]),
            record: RecordId([7; 16]),
            kind: Kind::Other(900),
            author: OfficerId([2; 16]),
            op,
            stamp: Stamp { ms: 1000 - u64::from(name), count: 0 },
            clock: ClockReading::default(),
            parents,
        },
        payload: Payload { set: set.iter().cloned().collect(), reason: None },
    }
}

fn create(name: u8, set: &[(Path, Value)]) -> Change {
    change(name, Op::Create, &[], set)
}

fn amend(name: u8, parents: &[u8], set: &[(Path, Value)]) -> Change {
    change(name, Op::Amend, parents, set)
}

fn of(key: ElementKey, field: u32) -> Path {
    Path::Element(LIST, key, field)
}

fn int(n: i64) -> Value {
    Value::Int(n)
}

fn state(changes: &[Change]) -> RecordState {
    let forward = replay(changes).expect("the test hands in a change");
    let mut backward: Vec<Change> = changes.iter().rev().cloned().collect();
    backward.extend_from_slice(changes);
    assert_eq!(replay(&backward).as_ref(), Some(&forward), "order and repetition must change nothing");
    forward
}

fn values(state: &RecordState, path: &Path) -> Vec<Value> {
    state.conflicts.get(path).into_iter().flatten().map(|side| side.value.clone()).collect()
}
