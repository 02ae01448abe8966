//! A photo or another file of a record as the screens show it. Never its bytes, never a path on the disk.

use serde::Serialize;
use serde_json::{Map, Value};
use ts_rs::TS;

/// How far one of a record's files is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct FileRow {
    /// The 64 hexadecimal digits of its SHA-256.
    pub sha256: String,
    /// Its name.
    pub name: Option<String>,
    /// What it is, such as `image/jpeg`, by how it begins.
    pub media_type: Option<String>,
    /// Its bytes; absent as long as nobody has said.
    #[ts(type = "number | null")]
    pub size_bytes: Option<u64>,
    /// What the officer wrote under it.
    pub caption: Option<String>,
    /// The digits of the small picture that stands for it, where that is on this device.
    pub thumbnail: Option<String>,
    /// Its parts.
    pub chunks: u32,
    /// Those that are on this device.
    pub chunks_here: u32,
    /// All of it is on this device.
    pub here: bool,
    /// Headquarters gave its word that it holds all of it.
    pub at_hq: bool,
    /// The officer asked for it; it comes with the next exchange.
    pub wanted: bool,
}

/// A file that is kept for a record that is not saved yet: what the record says of it, as an element of `files` without its key.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct KeptFile {
    /// The element's fields.
    #[ts(type = "Record<string, unknown>")]
    pub element: Map<String, Value>,
}
