//! The server as devices meet it: the service in the process, and the whole of it over TLS on loopback.

mod access;
mod admission;
mod clocks;
mod commands;
mod console;
mod enrolment;
mod erasure;
mod exchange;
mod faults;
mod feeds;
mod files;
mod lives;
mod matrix;
mod overtls;
mod pack_files;
mod packs;
mod projection;
mod replica;
mod support;
mod verdicts;
mod versions;
