//! What an officer may do to a record as it stands, one claim each.

use std::collections::BTreeMap;

use super::*;
use crate::change::PARENTS_MAX;
use crate::value::ELEMENT_REMOVED;

#[test]
fn an_amendment_of_a_path_in_conflict_is_refused_and_a_resolve_of_one_that_is_not() {
    let s = state(&[create(1, &[(B, int(1))]), amend(2, &[1], &[(A, int(2))]), amend(3, &[1], &[(A, int(3))])]);
    let sets = |path: Path| Payload { set: BTreeMap::from([(path, int(9))]), reason: None };
    assert_eq!(check_amend(&s, &sets(A), Op::Amend), Err(AmendError::InConflict { path: A }));
    assert_eq!(check_amend(&s, &sets(A), Op::Resolve), Ok(()));
    assert_eq!(check_amend(&s, &sets(B), Op::Amend), Ok(()));
    assert_eq!(check_amend(&s, &sets(B), Op::Resolve), Err(AmendError::NotInConflict));
    assert_eq!(check_amend(&s, &sets(B), Op::Create), Err(AmendError::Exists));
    assert_eq!(check_amend(&s, &sets(B), Op::Void), Err(AmendError::VoidSets));
    assert_eq!(check_amend(&s, &Payload::default(), Op::Amend), Err(AmendError::Nothing));
    assert_eq!(check_amend(&s, &Payload::default(), Op::Resolve), Ok(()), "an empty resolve folds the heads");
    assert_eq!(check_amend(&s, &Payload::default(), Op::Unvoid), Err(AmendError::NotVoided));
}

#[test]
fn a_hidden_record_is_neither_amended_nor_voided_again() {
    let s = state(&[create(1, &[]), change(2, Op::Void, &[1], &[])]);
    let sets = Payload { set: BTreeMap::from([(A, int(9))]), reason: None };
    for (payload, op) in [(&sets, Op::Amend), (&sets, Op::Resolve), (&Payload::default(), Op::Void)] {
        assert_eq!(check_amend(&s, payload, op), Err(AmendError::Hidden));
    }
    assert_eq!(check_amend(&s, &Payload::default(), Op::Unvoid), Ok(()));
}

#[test]
fn an_element_is_amended_only_where_it_is_and_stands() {
    let gone = ElementKey::Given(2);
    let s = state(&[create(
        1,
        &[(of(ElementKey::Given(1), 2), int(1)), (of(gone.clone(), 2), int(1)), (of(gone.clone(), ELEMENT_REMOVED), Value::Bool(true))],
    )]);
    let check = |sets: &[(Path, Value)]| check_amend(&s, &Payload { set: sets.iter().cloned().collect(), reason: None }, Op::Amend);
    for key in [ElementKey::Given(1), ElementKey::New(1), ElementKey::Code("x".into())] {
        assert_eq!(check(&[(of(key, 3), int(1))]), Ok(()));
    }
    for key in [ElementKey::Given(3), ElementKey::Added(ChangeName([9; 32]), 1)] {
        assert_eq!(check(&[(of(key.clone(), 3), int(1))]), Err(AmendError::NoSuchElement { list: LIST, key }));
    }
    let amends = (of(gone.clone(), 2), int(5));
    assert_eq!(check(std::slice::from_ref(&amends)), Err(AmendError::ElementRemoved { list: LIST, key: gone.clone() }));
    assert_eq!(check(&[amends, (of(gone, ELEMENT_REMOVED), Value::Bool(false))]), Ok(()), "it is brought back with it");
}

#[test]
fn more_heads_than_parents_are_folded_by_empty_resolves_first() {
    let mut log = vec![create(1, &[])];
    log.extend((2..=40).map(|n| amend(n, &[1], &[(A, int(i64::from(n)))])));
    let mut s = state(&log);
    let sets = Payload { set: BTreeMap::from([(A, int(9))]), reason: None };
    assert_eq!(check_amend(&s, &sets, Op::Resolve), Err(AmendError::TooManyHeads { heads: 39 }));
    let mut fold = change(200, Op::Resolve, &[], &[]);
    fold.header.parents = s.heads[..PARENTS_MAX].to_vec();
    assert_eq!(check_amend(&s, &fold.payload, Op::Resolve), Ok(()));
    log.push(fold);
    s = state(&log);
    assert_eq!((s.heads.len(), s.conflicts[&A].len()), (8, 39), "folding settles no conflict");
    assert_eq!(check_amend(&s, &sets, Op::Resolve), Ok(()));
}
