//! The rules of keyed lists, one claim each.

use std::collections::BTreeMap;

use super::*;
use crate::value::{ELEMENT_PLACE, ELEMENT_REMOVED};

#[test]
fn elements_added_later_bear_their_changes_name_and_come_after_the_given_ones_by_ancestors_name_and_ordinal() {
    let new = |n| of(ElementKey::New(n), 2);
    let given = |n| of(ElementKey::Given(n), 2);
    let place = of(ElementKey::Given(1), ELEMENT_PLACE);
    let log = [
        create(1, &[(given(1), int(1)), (given(2), int(2)), (given(3), int(3)), (place, int(3)), (Path::Field(LIST), Value::List(vec![]))]),
        amend(9, &[1], &[(new(2), int(92)), (new(1), int(91))]),
        amend(5, &[1], &[(new(1), int(51)), (of(ElementKey::Code("x".into()), 2), int(0))]),
        amend(3, &[5], &[(new(1), int(31))]),
        amend(2, &[1], &[(of(ElementKey::Added(ChangeName([77; 32]), 1), 2), int(77))]),
    ];
    let s = state(&log);
    let added = |name, n| ElementKey::Added(ChangeName([name; 32]), n);
    let expected = [
        ElementKey::Given(2),
        ElementKey::Given(1),
        ElementKey::Given(3),
        ElementKey::Code("x".into()),
        added(5, 1),
        added(9, 1),
        added(9, 2),
        added(3, 1),
        added(77, 1),
    ];
    assert_eq!(s.shown_elements(LIST), expected);
    assert_eq!(s.fields[&of(added(9, 2), 2)], int(92));
    assert_eq!(s.elements.last(), Some(&(LIST, added(77, 1), ELEMENT_ADDER_MISSING)), "its adding change is missing");
    assert!(s.shown_elements(LIST - 1).is_empty() && s.shown_elements(u32::MAX).is_empty());
}

#[test]
fn a_removed_element_keeps_its_values_and_comes_back_for_an_amendment_that_did_not_see_the_removal() {
    let key = ElementKey::Given(1);
    let removed = of(key.clone(), ELEMENT_REMOVED);
    let mut log = vec![create(1, &[(of(key.clone(), 2), int(1))]), amend(2, &[1], &[(removed.clone(), Value::Bool(true))])];
    let s = state(&log);
    assert!(s.is_removed(LIST, &key) && s.shown_elements(LIST).is_empty());
    assert_eq!(s.fields[&of(key.clone(), 2)], int(1), "nothing is lost");
    log.push(amend(3, &[1], &[(of(key.clone(), 2), int(3))]));
    let s = state(&log);
    assert_eq!(s.shown_elements(LIST), std::slice::from_ref(&key));
    assert!(s.revived_elements.contains(&(LIST, key.clone())), "and the officer is told");
    for keep in [true, false] {
        let settles = change(4, Op::Resolve, &[2, 3], &[(removed.clone(), Value::Bool(!keep))]);
        assert_eq!(check_amend(&s, &settles.payload, Op::Resolve), Ok(()));
        let after = apply(Some(s.clone()), &settles);
        assert_eq!((after.is_removed(LIST, &key), after.revived_elements.len()), (!keep, 0));
        let mut whole = log.clone();
        whole.push(settles);
        assert_eq!(after, state(&whole));
    }
}

#[test]
fn a_conflict_within_a_removed_element_waits_and_may_be_settled_without_bringing_it_back() {
    let key = ElementKey::Given(1);
    let field = of(key.clone(), 2);
    let removes = amend(4, &[2, 3], &[(of(key.clone(), ELEMENT_REMOVED), Value::Bool(true))]);
    let log =
        [create(1, &[(field.clone(), int(1))]), amend(2, &[1], &[(field.clone(), int(2))]), amend(3, &[1], &[(field.clone(), int(3))])];
    let s = state(&log);
    assert_eq!(s.open_conflicts().count(), 1);
    let s = apply(Some(s), &removes);
    assert_eq!((s.open_conflicts().count(), s.conflicts.len()), (0, 1), "nobody is asked about what is removed");
    let settles = Payload { set: BTreeMap::from([(field, int(2))]), reason: None };
    assert_eq!(check_amend(&s, &settles, Op::Resolve), Ok(()));
}
