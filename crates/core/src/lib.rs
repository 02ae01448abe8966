//! The domain of Daftar: what a record, a change and a compartment are, how changes merge and who may
//! see them. Pure: no I/O, no clock, no randomness; time and identity are handed in.

pub mod authorize;
pub mod change;
pub mod compartment;
pub mod fold;
pub mod ids;
pub mod merge;
pub mod record;
pub mod time;
pub mod value;
