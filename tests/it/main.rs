//! What no single crate can show, with the real commands on this machine's loopback. One binary, so that it links once.

mod bad_input;
mod cuts;
mod exchange;
mod fake_server;
mod golden;
mod identity;
mod unknown_fields;
