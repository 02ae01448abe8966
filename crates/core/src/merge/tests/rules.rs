//! The rules of paths, conflicts, voids and parents, one claim each. Never asks for speed.

use std::collections::BTreeMap;

use super::*;

#[test]
fn a_set_supersedes_what_it_descends_from_and_nothing_else() {
    let s = state(&[create(1, &[(A, int(1)), (B, int(1))]), amend(2, &[1], &[(A, int(2))])]);
    assert_eq!(s.fields, BTreeMap::from([(A, int(2)), (B, int(1))]));
    assert!(s.conflicts.is_empty(), "there was nothing concurrent");
    assert_eq!((s.heads.as_slice(), s.changes), (&[ChangeName([2; 32])][..], 2));
    assert_eq!(s.last.ms, 999, "the greatest stamp is shown, whoever has it");
}

#[test]
fn different_fields_merge_without_a_conflict() {
    let s = state(&[create(1, &[]), amend(2, &[1], &[(A, int(2))]), amend(3, &[1], &[(B, int(3))])]);
    assert_eq!(s.fields, BTreeMap::from([(A, int(2)), (B, int(3))]));
    assert!(s.conflicts.is_empty(), "each field has one value");
    assert_eq!(s.heads, [ChangeName([2; 32]), ChangeName([3; 32])]);
}

#[test]
fn the_shown_side_has_the_most_ancestors_then_the_greatest_name_whatever_the_clocks_say() {
    let root = create(1, &[(A, int(0))]);
    let s = state(&[root.clone(), amend(2, &[1], &[(A, int(2))]), amend(3, &[1], &[(A, int(3))])]);
    assert_eq!(values(&s, &A), [int(3), int(2)], "of equally many ancestors the greater name is shown");
    assert_eq!(s.fields[&A], int(3), "its stamp is the earlier, but no clock decides");
    let longer = [root, amend(9, &[1], &[(A, int(9))]), amend(4, &[1], &[(B, int(4))]), amend(2, &[4], &[(A, int(2))])];
    let s = state(&longer);
    assert_eq!(values(&s, &A), [int(2), int(9)], "two ancestors beat one");
    assert_eq!(s.conflicts[&A][0], Side { change: ChangeName([2; 32]), ancestors: 2, value: int(2) });
}

#[test]
fn equal_concurrent_values_are_no_conflict() {
    let same = [create(1, &[]), amend(2, &[1], &[(A, int(5))]), amend(3, &[1], &[(A, int(5))])];
    assert!(state(&same).conflicts.is_empty(), "both officers wrote the same");
    let mut third = same.to_vec();
    third.push(amend(4, &[1], &[(A, int(6))]));
    let s = state(&third);
    assert_eq!(values(&s, &A), [int(6), int(5)]);
    assert_eq!(s.conflicts[&A][1].change, ChangeName([3; 32]), "the greater of the two speaks for the value");
}

#[test]
fn a_conflict_is_open_until_a_change_that_descends_from_all_sides_sets_the_path() {
    let mut log = vec![
        create(1, &[]),
        amend(2, &[1], &[(A, int(2)), (B, int(2))]),
        amend(3, &[1], &[(A, int(3)), (B, int(3))]),
        amend(4, &[2], &[(A, int(4))]),
    ];
    assert_eq!(values(&state(&log), &A), [int(4), int(3)], "4 descends from one side only");
    log.push(change(5, Op::Resolve, &[3, 4], &[(A, int(3))]));
    let s = state(&log);
    assert_eq!(values(&s, &A), [], "5 descends from both and sets it");
    assert_eq!(values(&s, &B), [int(3), int(2)], "5 did not set this one");
}

#[test]
fn a_change_on_all_heads_is_taken_without_replay_and_settles_only_what_it_sets() {
    let mut log = vec![create(1, &[]), amend(2, &[1], &[(A, int(2)), (B, int(2))]), amend(3, &[1], &[(A, int(3)), (B, int(3))])];
    let before = state(&log);
    let settles = change(4, Op::Resolve, &[2, 3], &[(A, int(2))]);
    assert_eq!(plan(Some(&before), &settles, false), Plan::Take);
    let after = apply(Some(before.clone()), &settles);
    log.push(settles.clone());
    assert_eq!(after, state(&log));
    assert_eq!(after.conflicts.keys().collect::<Vec<_>>(), [&B]);
    assert_eq!(plan(Some(&after), &settles, false), Plan::Same, "it is a head");
    assert_eq!(plan(Some(&after), &log[0], true), Plan::Same, "the log has it");
    assert_eq!(plan(Some(&after), &amend(9, &[2], &[]), false), Plan::Replay, "it did not see everything");
    assert_eq!(plan(None, &amend(9, &[8], &[]), false), Plan::Replay, "its parent is missing");
    assert_eq!(plan(None, &log[0], false), Plan::Take);
}

#[test]
fn a_void_hides_and_only_an_unvoid_that_saw_it_lifts_it() {
    let mut log = vec![create(1, &[(A, int(1))]), change(2, Op::Void, &[1], &[])];
    assert!(state(&log).hidden, "everything else is its ancestor");
    log.push(amend(3, &[2], &[(A, int(3))]));
    assert!(state(&log).hidden, "an amendment that saw the void does not lift it");
    log.push(change(4, Op::Unvoid, &[3], &[]));
    let s = state(&log);
    assert!(!s.hidden && !s.flags.revived, "lifted, and nothing to tell");
    assert_eq!(s.fields[&A], int(3), "what was written meanwhile is there");
}

#[test]
fn an_amendment_that_did_not_see_the_void_brings_the_record_back_flagged() {
    let mut log = vec![create(1, &[]), change(2, Op::Void, &[1], &[]), amend(3, &[1], &[(A, int(3))])];
    let s = state(&log);
    assert!(!s.hidden && s.flags.revived, "3 did not know of the void");
    let merged = amend(4, &[2, 3], &[(B, int(4))]);
    let s4 = apply(Some(s.clone()), &merged);
    assert!(s4.flags.revived, "to write on settles nothing");
    let kept = apply(Some(s.clone()), &change(5, Op::Unvoid, &[2, 3], &[]));
    assert!(!kept.hidden && !kept.flags.revived, "an unvoid says: it shall stay");
    let voided = change(6, Op::Void, &[2, 3], &[]);
    let gone = apply(Some(s), &voided);
    assert!(gone.hidden && !gone.flags.revived, "a void in knowledge of both says: it shall go");
    log.push(voided);
    assert_eq!(gone, state(&log));
}

#[test]
fn concurrent_voids_hide_together_and_an_unvoid_that_saw_only_one_shows_the_record_flagged() {
    let mut log = vec![create(1, &[]), change(2, Op::Void, &[1], &[]), change(3, Op::Void, &[1], &[])];
    assert!(state(&log).hidden, "both officers wanted it hidden");
    log.push(change(4, Op::Unvoid, &[2], &[]));
    let s = state(&log);
    assert!(!s.hidden && s.flags.revived, "one wants it shown and did not see the other's void: people decide");
}

#[test]
fn a_missing_parent_is_an_edge_to_nothing_until_it_comes() {
    let (one, two, three) = (create(1, &[(A, int(1))]), amend(2, &[1], &[(B, int(2))]), amend(3, &[2], &[(A, int(3))]));
    let s = state(&[one.clone(), three.clone()]);
    assert!(s.flags.missing_parent, "3 names a parent that is not here");
    assert_eq!(values(&s, &A), [int(3), int(1)], "nothing is withheld");
    let s = state(&[one, two, three]);
    assert!(!s.flags.missing_parent && s.conflicts.is_empty(), "the parent's arrival recomputes it");
}

#[test]
fn a_circle_of_changes_neither_hangs_nor_loses_a_value() {
    let log =
        [amend(1, &[3], &[(A, int(1))]), amend(2, &[1], &[(B, int(2))]), amend(3, &[2], &[]), amend(4, &[4], &[(Path::Field(12), int(4))])];
    let s = state(&log);
    assert_eq!((s.fields.len(), s.changes, s.flags.missing_parent), (3, 4, true));
    assert_eq!(s.heads, [ChangeName([3; 32]), ChangeName([4; 32])], "the circle is cut at its least name");
}
