//! Claims about a device as a whole, each on real files.

mod erasure;
mod exchange;
mod figures;
mod opening;
mod saving;
mod simulated;
mod world;
