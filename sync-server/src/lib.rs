//! Headquarters' server: takes streams in, gives feeds out, judges once, signs what it holds. Never writes a
//! field record of its own and never shows a window.

pub mod admin;
mod apart;
pub mod backup;
pub mod blob;
mod ca;
pub mod clock;
pub mod command;
pub mod console;
mod derive;
pub mod epoch;
pub mod erase;
mod error;
pub mod escrow;
pub mod hq;
pub mod http;
pub mod keys;
pub mod pack;
pub mod project;
mod random;
pub mod register;
pub mod restore;
pub mod revocations;
mod sample;
pub mod service;
#[cfg(feature = "simulation")]
pub mod simulation;
mod sql;
pub mod store;
pub mod verify;

pub use error::{Error, Result};
