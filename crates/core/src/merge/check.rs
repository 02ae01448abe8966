//! Whether an officer may do this to the record as it stands. Never asks who the officer is: that is `authorize`.

use super::state::RecordState;
use crate::change::{Op, PARENTS_MAX, Payload};
use crate::value::{ELEMENT_REMOVED, ElementKey, Path, Value};

/// Why an act on a record is refused before it becomes a change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmendError {
    /// The record is there already.
    #[error("the record exists: it is amended, not created")]
    Exists,
    /// The record is voided; it must be brought back first.
    #[error("the record is voided")]
    Hidden,
    /// There is no void to lift.
    #[error("the record is not voided")]
    NotVoided,
    /// More heads than a change may have parents: empty resolves fold them first.
    #[error("the record has {heads} heads; fold them by an empty resolve first")]
    TooManyHeads {
        /// How many there are.
        heads: usize,
    },
    /// Nothing is set.
    #[error("the amendment sets nothing")]
    Nothing,
    /// A void or an unvoid sets no paths.
    #[error("a void sets no values")]
    VoidSets,
    /// The path has more than one value: to set it is a resolve.
    #[error("{path:?} is in conflict: to set it is a resolve")]
    InConflict {
        /// Which.
        path: Path,
    },
    /// None of the paths is in conflict: to set them is an amendment.
    #[error("none of these paths is in conflict: to set them is an amendment")]
    NotInConflict,
    /// The element is not in the list, and this key is none that an amendment may give.
    #[error("list {list} has no element {key:?}")]
    NoSuchElement {
        /// The list's number.
        list: u32,
        /// The key.
        key: ElementKey,
    },
    /// The element is removed; it must be brought back first or by the same change.
    #[error("element {key:?} of list {list} is removed")]
    ElementRemoved {
        /// The list's number.
        list: u32,
        /// The key.
        key: ElementKey,
    },
}

/// Checks an act on a record that exists, for a change whose parents are all of `state.heads`.
pub fn check_amend(state: &RecordState, payload: &Payload, op: Op) -> Result<(), AmendError> {
    let folds = op == Op::Resolve && payload.set.is_empty() && state.heads.len() > 1;
    if state.heads.len() > PARENTS_MAX && !folds {
        return Err(AmendError::TooManyHeads { heads: state.heads.len() });
    }
    match op {
        Op::Create => Err(AmendError::Exists),
        Op::Void | Op::Unvoid if !payload.set.is_empty() => Err(AmendError::VoidSets),
        Op::Void if state.hidden => Err(AmendError::Hidden),
        // Where a void was overtaken, unvoid is how an officer says that the record shall stay.
        Op::Unvoid if !state.hidden && !state.flags.revived => Err(AmendError::NotVoided),
        Op::Void | Op::Unvoid => Ok(()),
        // Folding says nothing about the record, so it may be done to a hidden one too.
        Op::Resolve if folds => Ok(()),
        Op::Amend | Op::Resolve if state.hidden => Err(AmendError::Hidden),
        Op::Amend | Op::Resolve if payload.set.is_empty() => Err(AmendError::Nothing),
        Op::Amend => {
            if let Some(path) = payload.set.keys().find(|path| state.conflicts.contains_key(path)) {
                return Err(AmendError::InConflict { path: path.clone() });
            }
            payload.set.keys().try_for_each(|path| check_element(state, payload, path))
        }
        // Other paths may ride along: the officer settles a form, not a field.
        Op::Resolve if !payload.set.keys().any(|path| is_open(state, path)) => Err(AmendError::NotInConflict),
        // A conflict within a removed element may be settled without bringing the element back.
        Op::Resolve => {
            (payload.set.keys().filter(|path| !state.conflicts.contains_key(path))).try_for_each(|path| check_element(state, payload, path))
        }
    }
}

/// Whether a resolve has something to settle at this path: a conflict, or an element brought back against a removal.
fn is_open(state: &RecordState, path: &Path) -> bool {
    state.conflicts.contains_key(path)
        || match path {
            Path::Element(list, key, ELEMENT_REMOVED) => state.revived_elements.contains(&(*list, key.clone())),
            Path::Element(..) | Path::Field(_) => false,
        }
}

fn check_element(state: &RecordState, payload: &Payload, path: &Path) -> Result<(), AmendError> {
    let Path::Element(list, key, field) = path else {
        return Ok(());
    };
    match key {
        ElementKey::New(_) => return Ok(()),
        // A code is its own key, so whoever first names it makes the element.
        ElementKey::Code(_) => {}
        ElementKey::Given(_) | ElementKey::Added(..) if !state.has_element(*list, key) => {
            return Err(AmendError::NoSuchElement { list: *list, key: key.clone() });
        }
        ElementKey::Given(_) | ElementKey::Added(..) => {}
    }
    let standing = payload.set.get(&Path::Element(*list, key.clone(), ELEMENT_REMOVED));
    if *field != ELEMENT_REMOVED && state.is_removed(*list, key) && standing.is_none_or(|v| *v == Value::Bool(true)) {
        return Err(AmendError::ElementRemoved { list: *list, key: key.clone() });
    }
    Ok(())
}
