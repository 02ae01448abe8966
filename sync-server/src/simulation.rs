//! What a simulation puts in place of the system: random bytes that replay, and no race
//! for what is committed together. Compiled for `tests/sim` alone, and even then
//! nothing changes until `begin` is called. Never decides anything else.

use std::sync::{Mutex, PoisonError};

/// Fills a slice with bytes that follow from a seed.
pub type Source = Box<dyn FnMut(&mut [u8]) + Send>;

static SOURCE: Mutex<Option<Source>> = Mutex::new(None);

/// From now on this process's headquarters draws from `source`.
pub fn begin(source: Source) {
    *SOURCE.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
}

/// The system's random bytes again.
pub fn end() {
    *SOURCE.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Fills the slice, if a simulation has begun.
pub(crate) fn fill(bytes: &mut [u8]) -> bool {
    let mut source = SOURCE.lock().unwrap_or_else(PoisonError::into_inner);
    source.as_mut().map(|fill| fill(bytes)).is_some()
}

/// Whether one has begun.
pub(crate) fn has_begun() -> bool {
    SOURCE.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}
