//! The home screen: post, crew, today's records, drafts. Never the whole history.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::draft::DraftRow;
use super::officer::OfficerCard;
use super::record::RecordRow;

/// The home screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct ShiftHome {
    /// The team's code.
    pub team: String,
    /// The post's code, once chosen.
    pub post: Option<String>,
    /// The posts to choose from.
    pub posts: Vec<String>,
    /// Who is on shift.
    pub crew: Vec<OfficerCard>,
    /// Everybody whose name the device knows: the team first.
    pub people: Vec<OfficerCard>,
    /// Today's records, newest first.
    pub today: Vec<RecordRow>,
    /// The figures over the list.
    pub counts: ShiftCounts,
    /// What was begun and not saved.
    pub drafts: Vec<DraftRow>,
}

/// Figures of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct ShiftCounts {
    /// Inspections and quick stops today.
    pub stops: u32,
    /// Of them with a find.
    pub finds: u32,
    /// Surveillance notes today.
    pub notes: u32,
    /// Records that need a decision, of any day.
    pub needs_decision: u32,
}

/// Where the shift stands and who is on it.
#[derive(Debug, Clone, Deserialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct ShiftInput {
    /// The post's code.
    pub post: Option<String>,
    /// The codes of the officers on shift.
    pub crew: Vec<String>,
}
