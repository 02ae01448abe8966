//! A disk on which the power fails and writes go wrong, under the real code: a VFS that keeps the order of all that SQLite does to the
//! files of a folder, and what is left of them after a cut. Never knows what is in the files.
#![cfg(unix)]

mod disk;
mod medium;
mod vfs;

pub use disk::{Disk, Fault, Kind, Op, Watch, watch, watch_quietly};
pub use medium::{Cut, Medium, Random};
