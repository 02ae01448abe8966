//! One device's engine: its keyring, its compartments' files, its log and search, and the exchange with headquarters.
//! Knows nothing of the window: whoever shows something calls this.

mod blob;
pub mod clock;
mod database;
pub mod device;
pub mod draft;
mod error;
pub mod form;
mod home;
pub mod keyring;
pub mod pack;
pub mod peer;
mod random;
mod reserve;
pub mod share;
#[cfg(feature = "simulation")]
pub mod simulation;
mod sql;
pub mod sync;
#[cfg(test)]
mod tests;
pub mod vault;

pub use daftar_wire::limits::{FILE_BYTES_MAX, PHOTO_BYTES_MAX};
pub use daftar_wire::{WireError, json, message::Verdict};
pub use device::{Device, read_code};
pub use error::{Error, NotAdmitted, Result};
pub use reserve::RESERVE_BYTES;
pub use vault::Store;
