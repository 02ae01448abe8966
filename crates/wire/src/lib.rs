//! Bytes to domain and back: how changes are named, chained, signed, grouped into segments and sent.
//! Everything here is written down in docs/protocol.md. Opens no file and no connection; no clock, no randomness.

pub mod branch;
mod cbor;
pub mod change;
mod columns;
pub mod enrol;
pub mod file;
pub mod json;
pub mod limits;
pub mod message;
pub mod pack;
pub mod seal;
pub mod segment;
pub mod sign;
pub mod state;
pub mod stream;
mod view;

/// Bytes from outside that are not what they should be. Never a panic, always a reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Not well-formed, or not of the form that the protocol gives.
    #[error("{0}")]
    Malformed(&'static str),
    /// A named limit is exceeded.
    #[error("{what}: {got}, at most {max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// What it has.
        got: u64,
        /// What it may have.
        max: u64,
    },
    /// A signature does not hold.
    #[error("the signature of {0} does not hold")]
    Signature(&'static str),
    /// Of a version that this one does not speak.
    #[error("{0} of a later version than this one")]
    Newer(&'static str),
}

impl From<minicbor::decode::Error> for WireError {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed("not the CBOR that was expected")
    }
}

pub(crate) fn bounded(what: &'static str, got: u64, max: u64) -> Result<(), WireError> {
    if got > max { Err(WireError::TooLarge { what, got, max }) } else { Ok(()) }
}
