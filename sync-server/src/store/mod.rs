//! What headquarters keeps: feeds, streams, people, codes, cursors. All SQL of the server stands in this folder, and nothing else does;
//! `home` alone reads what is not headquarters': a device's files, given in for recovery.

pub mod access;
pub mod branch;
pub(crate) mod console;
pub mod cursor;
pub mod enrolment;
pub mod erasure;
pub mod feed;
pub mod files;
pub(crate) mod home;
pub mod lineage;
pub mod meta;
pub mod people;
pub mod projection;
mod sqlite;
pub mod verdict;

pub(crate) use sqlite::DatabaseKey;
pub use sqlite::Store;
