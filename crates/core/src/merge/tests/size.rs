//! Records of a size that no officer makes, but a hostile device might.

use std::collections::BTreeSet;

use super::*;
use crate::merge::order::{Bits, Members};

/// The names of the large records below: any number, not only a byte's worth.
fn numbered(n: u32, op: Op, parents: &[u32], set: &[(Path, Value)]) -> Change {
    let name = |n: u32| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        ChangeName(bytes)
    };
    let mut change = change(0, op, &[], set);
    change.name = name(n);
    change.header.parents = parents.iter().map(|p| name(*p)).collect();
    change
}

#[test]
fn ten_thousand_changes_on_one_record_merge_in_a_line_and_side_by_side() {
    let n = 10_000;
    let sets = |i: u32| -> Vec<(Path, Value)> { (0..8).map(|f| (Path::Field(f), int(i64::from(i)))).collect() };
    let line: Vec<Change> = (1..=n).map(|i| numbered(i, Op::Amend, &[i - 1][..usize::from(i > 1)], &sets(i))).collect();
    let s = replay(&line).expect("there are changes");
    assert_eq!((s.heads.len(), s.conflicts.len(), &s.fields[&Path::Field(0)]), (1, 0, &int(i64::from(n))));
    // Half a line, then as many side by side, each with a void or an amendment: the worst for sets and standing.
    let fan: Vec<Change> = (1..=n)
        .map(|i| match (i <= n / 2, i % 2) {
            (true, _) => line[i as usize - 1].clone(),
            (false, 0) => numbered(i, Op::Amend, &[n / 2], &sets(i)),
            (false, _) => numbered(i, Op::Void, &[n / 2], &[]),
        })
        .collect();
    let s = replay(&fan).expect("there are changes");
    assert_eq!((s.heads.len(), s.conflicts[&Path::Field(0)].len()), (5000, 2500));
    assert!(!s.hidden && s.flags.revived, "no void was seen by every amendment");
}

#[test]
fn a_set_of_changes_answers_the_same_whether_it_is_a_list_or_bits() {
    let n = 1000;
    let seen_of = |step: usize| {
        let mut seen = Bits::new(n);
        (0..n).step_by(step).for_each(|i| seen.set(i));
        seen
    };
    let (mut members, mut expected) = (Members::default(), BTreeSet::new());
    for (round, step) in [7, 3, 11, 2, 5].into_iter().enumerate() {
        for i in (round..n).step_by(9) {
            if expected.insert(i) {
                members.insert(i, n);
            }
        }
        let seen = seen_of(step);
        assert_eq!(members.any_outside(&seen), expected.iter().any(|i| !seen.has(*i)));
        if round % 2 == 0 {
            members.supersede(&seen);
            expected.retain(|i| !seen.has(*i));
        } else {
            let outside: Vec<usize> = expected.iter().copied().filter(|i| !seen.has(*i)).collect();
            assert_eq!(members.take_outside(&seen), outside);
            expected.retain(|i| seen.has(*i));
        }
        assert_eq!(members.to_vec(), expected.iter().copied().collect::<Vec<_>>());
        assert_eq!(members.is_empty(), expected.is_empty());
    }
    assert!(matches!(members, Members::Many(_)), "the test must have gone beyond the list");
}
