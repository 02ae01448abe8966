//! Merge under three replicas that write concurrently and exchange whatever they like. Never checks merge against
//! itself alone: `expected` says by the letter of the rules what must come out.

mod expected;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use daftar_core::change::{Change, Op};
use daftar_core::ids::{ChangeName, RecordId};
use daftar_core::merge::{Plan, check_amend, group, plan, replay};
use daftar_core::value::{ELEMENT_REMOVED, Path, Value};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::expected::check;
use crate::world::{Replica, exchange, history, named, play};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn replicas_that_hold_the_same_changes_show_the_same_whatever_road_they_came(
        steps in history(), turns in any::<usize>(),
    ) {
        let mut replicas = play(&steps);
        exchange(&mut replicas, turns % 1000);
        prop_assert_eq!(&replicas[0].state, &replicas[1].state);
        prop_assert_eq!(&replicas[0].state, &replicas[2].state);
    }

    #[test]
    fn nothing_is_lost_and_nothing_is_made_up(steps in history(), turns in 0..1000usize) {
        let mut replicas = play(&steps);
        replicas.iter().for_each(|r| r.state.iter().for_each(|s| check(s, &r.log)));
        exchange(&mut replicas, turns);
        replicas[0].state.iter().for_each(|s| check(s, &replicas[0].log));
    }

    #[test]
    fn order_and_repetition_change_nothing(
        (log, shuffled) in history()
            .prop_map(|steps| play(&steps).into_iter().flat_map(|r| r.log).collect::<Vec<_>>())
            .prop_flat_map(|log| {
                let twice = log.iter().chain(&log).cloned().collect::<Vec<_>>();
                (Just(log), Just(twice).prop_shuffle())
            }),
    ) {
        prop_assert_eq!(replay(&log), replay(&shuffled));
    }

    #[test]
    fn a_resolve_settles_on_all_replicas_alike(steps in history(), turns in 0..1000usize) {
        let mut replicas = play(&steps);
        exchange(&mut replicas, turns);
        let Some(before) = replicas[0].state.clone() else { return Ok(()) };
        let open = before.conflicts.keys().cloned();
        let back = before.revived_elements.iter().map(|(l, k)| Path::Element(*l, k.clone(), ELEMENT_REMOVED));
        let set: BTreeMap<Path, Value> = open.chain(back).map(|p| (p, Value::Bool(true))).collect();
        if set.is_empty() || before.hidden || before.heads.len() > 32 {
            return Ok(());
        }
        let settles = named(Op::Resolve, before.heads.clone(), set.into_iter().collect(), 0, u64::MAX);
        let refused = check_amend(&before, &settles.payload, Op::Amend);
        prop_assert!(before.conflicts.is_empty() || refused.is_err(), "a plain amendment must not settle");
        prop_assert_eq!(check_amend(&before, &settles.payload, Op::Resolve), Ok(()));
        prop_assert_eq!(plan(Some(&before), &settles, false), Plan::Take);
        for replica in &mut replicas {
            replica.receive(&settles);
            let state = replica.state.as_ref().expect("the replica holds changes");
            prop_assert!(state.conflicts.is_empty() && state.revived_elements.is_empty(), "everything is settled");
        }
        prop_assert_eq!(&replicas[0].state, &replicas[2].state);
    }

    #[test]
    fn missing_parents_heal_when_they_come(steps in history(), left_out in prop::collection::vec(any::<Index>(), 1..6)) {
        let mut replicas = play(&steps);
        exchange(&mut replicas, 0);
        let log = &replicas[0].log;
        if log.is_empty() {
            return Ok(());
        }
        let late: BTreeSet<ChangeName> = left_out.iter().map(|i| i.get(log).name).collect();
        let mut other = Replica::default();
        log.iter().filter(|c| !late.contains(&c.name)).for_each(|c| other.receive(c));
        other.state.iter().for_each(|s| check(s, &other.log));
        log.iter().for_each(|c| other.receive(c));
        prop_assert_eq!(&other.state, &replicas[0].state);
        prop_assert!(!other.state.is_some_and(|s| s.flags.missing_parent), "nobody's parent is missing any more");
    }

    #[test]
    fn a_page_grouped_by_record_loses_nothing_and_keeps_each_records_order(records in prop::collection::vec(0..4u8, 0..40)) {
        let page: Vec<Change> = records.iter().enumerate().map(|(i, record)| {
            let mut change = named(Op::Create, Vec::new(), Vec::new(), 0, i as u64);
            change.header.record = RecordId([*record; 16]);
            change
        }).collect();
        let grouped = group(page.clone());
        prop_assert_eq!(grouped.values().map(Vec::len).sum::<usize>(), page.len());
        for (record, changes) in grouped {
            let expected: Vec<Change> = page.iter().filter(|c| c.header.record == record).cloned().collect();
            prop_assert_eq!(changes, expected);
        }
    }
}
