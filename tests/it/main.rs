//! What no single crate can show, with the real commands on this machine's loopback. One binary, so that it links once.

mod bad_input;
mod clocks;
mod conflicts;
mod cuts;
mod escrow;
mod exchange;
mod fake_server;
mod files;
mod golden;
mod identity;
mod kills;
mod released;
mod salvage;
mod shared_device;
mod unknown_fields;
mod weak;
