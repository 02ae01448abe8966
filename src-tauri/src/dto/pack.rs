//! Courier packs as the screens show them. Never a path: where a pack lies only the platform's dialog and the engine know.

use serde::Serialize;
use ts_rs::TS;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct PackWritten {
    /// Changes in it.
    pub changes: u32,
    /// Photos and other files in it.
    pub files: u32,
    /// Photos and other files of which only a part found room.
    pub files_part: u32,
    /// Photos and other files that found no room.
    pub files_left: u32,
    /// The pack's bytes.
    #[ts(type = "number")]
    pub bytes: u64,
    /// It was full: the rest goes into another pack.
    pub more: bool,
}

/// Of what sort a pack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum PackPurpose {
    /// A device's question to headquarters.
    Question,
    /// Headquarters' answer.
    Answer,
    /// What another device gives.
    Gift,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct PackRead {
    /// Of what sort it was.
    pub purpose: PackPurpose,
    /// The device that wrote it; nothing where headquarters did.
    pub from: Option<String>,
    /// When it was written, milliseconds of UTC by the writer's clock.
    #[ts(type = "number")]
    pub written_ms: i64,
    /// Changes of others that are new here.
    pub received: u32,
    /// Changes of this device that headquarters confirmed by it.
    pub receipted: u32,
    /// Photos and other files that came.
    pub files_received: u32,
    /// Photos and other files of which a part came, and more is lacking.
    pub files_part: u32,
    /// Photos and other files that headquarters confirmed by it.
    pub files_receipted: u32,
    /// Entries that were not taken.
    pub refused: u32,
    /// Changes that still wait for headquarters.
    pub waiting: u32,
    /// Headquarters has more for this device than fitted in.
    pub more: bool,
}

/// How far the writing or reading of a pack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct PackProgress {
    /// Bytes so far.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Bytes in all, where they are known.
    #[ts(type = "number | null")]
    pub of: Option<u64>,
}
