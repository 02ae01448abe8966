//! Claims about a device as a whole, each on real files.

mod admit;
mod erasure;
mod exchange;
mod figures;
mod files;
mod lease;
mod officers;
mod opening;
mod revoke;
mod saving;
mod simulated;
mod world;
