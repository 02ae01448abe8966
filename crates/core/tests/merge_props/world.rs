//! Three replicas of one record, and what officers and links may do to them. Never says what must come out: that is
//! `expected`.

use std::collections::BTreeSet;

use daftar_core::change::{Change, Header, Op, Payload};
use daftar_core::ids::{ChangeName, DeviceId, OfficerId, RecordId};
use daftar_core::merge::{Plan, RecordState, apply, plan, replay};
use daftar_core::record::Kind;
use daftar_core::time::{ClockReading, Stamp};
use daftar_core::value::{ELEMENT_REMOVED, ElementKey, Path, Value};
use proptest::prelude::*;
use proptest::sample::Index;

const LISTS: [u32; 2] = [50, 51];

/// Something that happens at one of the three replicas.
#[derive(Debug, Clone)]
pub enum Step {
    /// An officer opens the form: later writes name the heads of this moment until the form is opened again.
    Open { at: usize },
    /// An officer writes what `act` draws, on the opened heads or on today's.
    Write { at: usize, on_opened: bool, act: Act, clock: u64 },
    /// Some of one replica's changes reach another, in an order of their own.
    Send { from: usize, to: usize, which: Vec<Index> },
}

/// What an officer writes; `pick` chooses among what is there.
#[derive(Debug, Clone)]
pub enum Act {
    Create,
    Fields(Vec<(u32, i64)>),
    NewElement { list: usize, ordinal: u32, value: i64 },
    AmendElement { pick: Index, field: u32, value: i64 },
    RemoveElement { pick: Index, removed: bool },
    Settle { pick: Index, value: i64 },
    Void,
    Unvoid,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        1 => Just(Act::Create),
        5 => prop::collection::vec((0..4u32, 0..3i64), 1..3).prop_map(Act::Fields),
        2 => (0..2usize, 1..3u32, 0..3i64).prop_map(|(list, ordinal, value)| Act::NewElement { list, ordinal, value }),
        3 => (any::<Index>(), 2..4u32, 0..3i64)
            .prop_map(|(pick, field, value)| Act::AmendElement { pick, field, value }),
        2 => (any::<Index>(), prop::bool::weighted(0.7))
            .prop_map(|(pick, removed)| Act::RemoveElement { pick, removed }),
        3 => (any::<Index>(), 0..9i64).prop_map(|(pick, value)| Act::Settle { pick, value }),
        2 => Just(Act::Void),
        1 => Just(Act::Unvoid),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0..3usize).prop_map(|at| Step::Open { at }),
        5 => (0..3usize, prop::bool::weighted(0.3), act(), 0..5000u64)
            .prop_map(|(at, on_opened, act, clock)| Step::Write { at, on_opened, act, clock }),
        4 => (0..3usize, 0..3usize, prop::collection::vec(any::<Index>(), 1..8))
            .prop_map(|(from, to, which)| Step::Send { from, to, which }),
    ]
}

pub fn history() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..40)
}

/// A device's log of one record, and the state that it keeps beside it.
#[derive(Debug, Clone, Default)]
pub struct Replica {
    pub log: Vec<Change>,
    pub state: Option<RecordState>,
    opened: Vec<ChangeName>,
}

impl Replica {
    pub fn receive(&mut self, change: &Change) {
        let known = self.log.iter().any(|c| c.name == change.name);
        match plan(self.state.as_ref(), change, known) {
            Plan::Same => assert!(known, "only what is in the log may be passed over"),
            Plan::Take => {
                self.log.push(change.clone());
                self.state = Some(apply(self.state.take(), change));
            }
            Plan::Replay => {
                self.log.push(change.clone());
                self.state = replay(&self.log);
            }
        }
        assert_eq!(self.state, replay(&self.log), "the kept state must be what a replay of the log gives");
    }

    fn write(&mut self, on_opened: bool, act: &Act, clock: u64, counter: u64) {
        let heads = self.state.as_ref().map(|s| s.heads.clone()).unwrap_or_default();
        let parents = if on_opened { self.opened.clone() } else { heads };
        let (op, set) = self.draw(act);
        let op = if parents.is_empty() && op == Op::Amend { Op::Create } else { op };
        let parents = if op == Op::Create { Vec::new() } else { parents };
        self.receive(&named(op, parents, set, clock, counter));
    }

    fn draw(&self, act: &Act) -> (Op, Vec<(Path, Value)>) {
        let elements: Vec<(u32, ElementKey)> = self
            .state
            .iter()
            .flat_map(|s| s.fields.keys())
            .filter_map(|path| match path {
                Path::Element(list, key, _) => Some((*list, key.clone())),
                Path::Field(_) => None,
            })
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        match act {
            Act::Create => {
                let given = (1..3).map(|n| (Path::Element(LISTS[0], ElementKey::Given(n), 2), Value::Int(0)));
                (Op::Create, given.chain([(Path::Field(LISTS[1]), Value::List(Vec::new()))]).collect())
            }
            Act::Fields(sets) => (Op::Amend, sets.iter().map(|(f, v)| (Path::Field(*f), Value::Int(*v))).collect()),
            Act::NewElement { list, ordinal, value } => {
                let path = Path::Element(LISTS[*list], ElementKey::New(*ordinal), 2);
                (Op::Amend, vec![(path, Value::Int(*value))])
            }
            Act::AmendElement { pick, field, value } if !elements.is_empty() => {
                let (list, key) = pick.get(&elements).clone();
                (Op::Amend, vec![(Path::Element(list, key, *field), Value::Int(*value))])
            }
            Act::RemoveElement { pick, removed } if !elements.is_empty() => {
                let (list, key) = pick.get(&elements).clone();
                (Op::Amend, vec![(Path::Element(list, key, ELEMENT_REMOVED), Value::Bool(*removed))])
            }
            Act::Settle { pick, value } => {
                let open: Vec<Path> = self.state.iter().flat_map(|s| s.conflicts.keys().cloned()).collect();
                let set = if open.is_empty() { vec![] } else { vec![(pick.get(&open).clone(), Value::Int(*value))] };
                (Op::Resolve, set)
            }
            Act::AmendElement { .. } | Act::RemoveElement { .. } => (Op::Amend, Vec::new()),
            Act::Void => (Op::Void, Vec::new()),
            Act::Unvoid => (Op::Unvoid, Vec::new()),
        }
    }
}

/// A change with a made-up name that depends on its counter; the true ones are the wire's affair.
pub fn named(op: Op, parents: Vec<ChangeName>, set: Vec<(Path, Value)>, clock: u64, counter: u64) -> Change {
    let mut name = [0; 32];
    let mut x = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ clock;
    for chunk in name.chunks_mut(8) {
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ (x >> 27);
        chunk.copy_from_slice(&x.to_be_bytes());
    }
    Change {
        name: ChangeName(name),
        header: Header {
            device: DeviceId([1; 16]),
            record: RecordId([7; 16]),
            kind: Kind::Other(900 + u32::from(name[31] % 2)),
            author: OfficerId([2; 16]),
            op,
            stamp: Stamp { ms: clock, count: 0 },
            clock: ClockReading::default(),
            parents,
        },
        payload: Payload { set: set.into_iter().collect(), reason: None },
    }
}

/// Plays a history; every replica checks itself after every change.
pub fn play(steps: &[Step]) -> [Replica; 3] {
    let mut replicas = [Replica::default(), Replica::default(), Replica::default()];
    for (counter, step) in steps.iter().enumerate() {
        match step {
            Step::Open { at } => {
                replicas[*at].opened = replicas[*at].state.as_ref().map(|s| s.heads.clone()).unwrap_or_default();
            }
            Step::Write { at, on_opened, act, clock } => replicas[*at].write(*on_opened, act, *clock, counter as u64),
            Step::Send { from, to, which } => {
                let log = replicas[*from].log.clone();
                if !log.is_empty() {
                    which.iter().for_each(|i| replicas[*to].receive(i.get(&log)));
                }
            }
        }
    }
    replicas
}

/// Every replica gets everything, each in its own order; `turns` shifts them.
pub fn exchange(replicas: &mut [Replica; 3], turns: usize) {
    let mut all: Vec<Change> = replicas.iter().flat_map(|r| r.log.iter().cloned()).collect();
    for (i, replica) in replicas.iter_mut().enumerate() {
        if !all.is_empty() {
            let by = (turns + i) % all.len();
            all.rotate_left(by);
        }
        if i == 1 {
            all.reverse();
        }
        all.iter().for_each(|c| replica.receive(c));
    }
}
