//! How the changes of one record become what is shown of it. Never judges whether a change counts (the server
//! did, once), never reads a clock, and never writes: only a person's resolve settles a conflict.
//!
//! The result is a function of the *set* of changes: order, grouping and repetition change nothing.
//!
//! - A path keeps the sets that no descendant set supersedes. More than one distinct value is a conflict until a
//!   change that descends from all of them sets the path. Shown meanwhile is the value whose change has the
//!   greatest (number of known ancestors, name).
//! - A void hides the record while every other change is its ancestor or its descendant. Whatever did not see the
//!   void (a create, an amendment, a resolve, an unvoid of another void) brings the record back, flagged `revived`,
//!   until an unvoid or a void that descends from it settles the matter. A second void is no reason to show what
//!   both officers wanted hidden: concurrent voids hide together, and each is judged by itself.
//! - An element's `ELEMENT_REMOVED` is a void of the element and follows the same rule: an amendment of one of its
//!   fields that did not see the removal brings the element back, flagged in `revived_elements`. Setting
//!   `ELEMENT_REMOVED` again, to `true` or `false`, in knowledge of both settles it. A removed element's values stay
//!   stored.
//! - `Path::Field(list) = List([])` says *none* of a keyed list; it and the elements are different paths and merge
//!   without a conflict. Elements that are shown win over *none*.
//! - A parent that is not in the set is an edge to nothing. The caller leaves quarantined changes out. An erased
//!   change may be left out too; handed in with its header and an empty payload it keeps the lines of descent, so
//!   that what it superseded does not come back.

mod check;
mod order;
mod plan;
mod replay;
mod state;
#[cfg(test)]
mod tests;

pub use check::{AmendError, check_amend};
pub use plan::{Plan, apply, group, plan};
pub use replay::replay;
pub use state::{ELEMENT_ADDER_MISSING, Flags, RecordState, Side};
