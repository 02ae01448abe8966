//! Claims about a device as a whole, each on real files.

mod admit;
mod ahead;
mod carried;
mod clocks;
mod erasure;
mod exchange;
mod figures;
mod files;
mod identity;
mod lease;
mod officers;
mod opening;
mod packs;
mod parts;
mod peer;
mod peer_files;
mod reference;
mod repair;
mod revoke;
mod salvage;
mod saving;
mod share;
mod simulated;
mod versions;
mod world;
