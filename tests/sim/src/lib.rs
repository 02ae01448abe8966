//! The seeded simulation: one server and a dozen devices over thirty days, the real core, wire, device and server, everything else simulated.
//! Never part of a program that ships.

mod broken;
mod check;
mod content;
mod courier;
pub mod errors;
pub mod fault;
mod folder;
pub mod hq;
mod lease;
pub mod link;
mod lives;
pub mod model;
pub mod policy;
pub mod rng;
mod rogue;
pub mod run;
pub mod set;
pub mod steps;
pub mod tablet;
pub mod trace;
pub mod world;

pub use broken::{Broken, Checked};
