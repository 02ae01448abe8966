//! What is written and not yet saved. A draft is the record's data as the form holds it; never signed, never sent.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use ts_rs::TS;

/// The form that a draft is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum DraftForm {
    /// The short form of an inspection.
    QuickStop,
    /// The full form of an inspection.
    Inspection,
    /// A surveillance note.
    SurveillanceNote,
}

/// A draft in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct DraftRow {
    /// The record's identity to be.
    pub id: String,
    /// The form to open.
    pub form: DraftForm,
    /// When it was last written, milliseconds of UTC.
    #[ts(type = "number")]
    pub kept_at_ms: i64,
    /// A plate, a name or the first words; empty where nothing says more than the form.
    pub title: String,
    /// The number of the saved record that it amends.
    pub amends: Option<String>,
}

/// A draft with its data.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct DraftView {
    /// The record's identity to be.
    pub id: String,
    /// The form to open.
    pub form: DraftForm,
    /// When it was last written, milliseconds of UTC.
    #[ts(type = "number")]
    pub kept_at_ms: i64,
    /// The number of the saved record that it amends.
    pub amends: Option<String>,
    /// The compartment that it will be saved in, once that is settled.
    pub compartment: Option<String>,
    /// For a note: the compartments that each handling code allows this officer.
    pub audiences: Vec<NoteAudience>,
    /// The record's fields: absent is not asked, null is not known, an empty list is none.
    #[ts(type = "Record<string, unknown>")]
    pub data: Map<String, Value>,
}

/// Where a note with this handling code may be saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct NoteAudience {
    /// `H0` to `H3`.
    pub handling: String,
    /// The compartments to choose from; none where the officer has no grant that fits.
    pub compartments: Vec<String>,
}

/// A form's state on its way to the disk.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct DraftInput {
    /// The draft.
    pub id: String,
    /// The form.
    pub form: DraftForm,
    /// The compartment chosen for it, where the form chooses.
    pub compartment: Option<String>,
    /// The record's fields.
    #[ts(type = "Record<string, unknown>")]
    pub data: Map<String, Value>,
}

/// The answer once a draft is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct DraftKept {
    /// When, milliseconds of UTC.
    #[ts(type = "number")]
    pub kept_at_ms: i64,
}
