//! Small bridges between our numbers and SQLite's. Never runs a statement.

/// A count, place or time as SQLite keeps it.
pub(crate) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The same, read back.
pub(crate) fn uint(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
