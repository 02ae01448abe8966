//! Claims about a device as a whole, each on real files.

mod exchange;
mod figures;
mod files;
mod opening;
mod saving;
mod simulated;
mod world;
