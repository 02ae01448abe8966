//! What was said to be saved survives: power cuts at every write and sync, failing disks, bit rot. On the real code, in its own folders.
#![cfg(unix)]

mod desk;
mod faults;
mod power;
mod table;
mod world;
