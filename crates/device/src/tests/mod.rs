//! Claims about a device as a whole, each on real files.

mod clocks;
mod exchange;
mod figures;
mod identity;
mod opening;
mod reference;
mod repair;
mod saving;
mod simulated;
mod world;
