//! What was said to be saved survives: power cuts at every write and sync, failing disks, bit rot. On the real code, in its own folders.
#![cfg(unix)]

mod cuts;
mod desk;
mod faults;
mod headquarters;
mod hq_faults;
mod migration;
mod places;
mod power;
mod rot;
mod table;
mod world;
