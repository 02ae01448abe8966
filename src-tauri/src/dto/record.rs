//! A saved record as a row and as a page with its history. Never the stored form of a change.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use ts_rs::TS;

use super::file::FileRow;

/// How far a record has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum RecordState {
    /// Saved here, no receipt yet for all of it.
    Waiting,
    /// Headquarters holds all of it, by signed receipts.
    AtHq,
    /// Two officers wrote different values: somebody must decide.
    NeedsDecision,
    /// Came by another device or a pack; headquarters has not judged it.
    NotJudged,
    /// Headquarters reviews it.
    InReview,
    /// Headquarters could not read a part of it and keeps it aside.
    Quarantined,
    /// Declared void.
    Voided,
}

/// A record in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct RecordRow {
    /// Its compartment.
    pub compartment: String,
    /// Its identity within the compartment.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its number for people.
    pub number: String,
    /// When it happened, milliseconds of UTC.
    #[ts(type = "number")]
    pub at_ms: i64,
    /// How far it has come.
    pub state: RecordState,
    /// The first plate.
    pub plate: Option<String>,
    /// The code of the vehicle's kind.
    pub vehicle_kind: Option<String>,
    /// The first person's name.
    pub person: Option<String>,
    /// The post's code.
    pub post: Option<String>,
    /// The code of the direction.
    pub direction: Option<String>,
    /// The code of the result.
    pub result: Option<String>,
    /// The handling code of a note.
    pub handling: Option<String>,
    /// The substance of an exhibit.
    pub substance: Option<String>,
    /// The first words of remarks or observations.
    pub excerpt: Option<String>,
}

/// A page of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct RecordPage {
    /// The rows, newest first.
    pub rows: Vec<RecordRow>,
    /// Give this back for the next page; absent at the end.
    pub next: Option<String>,
}

/// A record's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct RecordRef {
    /// Its compartment.
    pub compartment: String,
    /// Its identity within the compartment.
    pub id: String,
}

/// A record's page.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct RecordView {
    /// The row that stands for it.
    pub row: RecordRow,
    /// Its fields as the forms hold them.
    #[ts(type = "Record<string, unknown>")]
    pub data: Map<String, Value>,
    /// Whether this officer may amend it here.
    pub may_amend: bool,
    /// Fields with two values.
    pub conflicts: Vec<ConflictView>,
    /// Every act on it, newest first.
    pub history: Vec<HistoryEntry>,
    /// Other records that this one names or that name it.
    pub links: Vec<RecordRow>,
    /// Photos and other files that it names, in the order in which they are shown.
    pub files: Vec<FileRow>,
    /// Whether photos can be put to it: its kind has them and the officer may write there.
    pub may_attach: bool,
    /// What must be said of it beside its values.
    pub flags: RecordFlags,
}

/// What an officer must be told of a record beside its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct RecordFlags {
    /// A change names an earlier one that is not here yet.
    pub earlier_missing: bool,
    /// It was declared void and is shown, for a change did not see the void.
    pub revived: bool,
    /// So many elements of its lists were removed and are shown, for a change did not see the removal.
    pub revived_elements: u32,
    /// Some change was written by a clock that was wrong by more than five minutes.
    pub clock_off: bool,
}

/// A field with more than one value.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct ConflictView {
    /// The field's path, such as `vehicle.plate` or `persons.1.family_name`.
    pub path: String,
    /// The values, with who wrote them.
    pub versions: Vec<ConflictVersion>,
}

/// One of the values of a field in conflict.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct ConflictVersion {
    /// The change's 64 hexadecimal digits.
    pub change: String,
    /// The officer's code.
    pub author: String,
    /// When it was written by that device's clock, milliseconds of UTC.
    #[ts(type = "number")]
    pub at_ms: i64,
    /// The value.
    #[ts(type = "unknown")]
    pub value: Value,
}

/// An officer's choice for a field in conflict: one of the values, or another.
#[derive(Debug, Clone, PartialEq, Deserialize, TS)]
#[serde(rename_all = "snake_case", tag = "take")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum ConflictChoice {
    /// One that was written.
    Written {
        /// The field's path.
        path: String,
        /// The change whose value shall stand.
        change: String,
    },
    /// A value that nobody wrote before.
    Other {
        /// The field's path.
        path: String,
        /// The value, as the forms hold it.
        #[ts(type = "unknown")]
        value: Value,
    },
}

/// What an officer does to a whole record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum VoidAct {
    /// Declares it void.
    Void,
    /// Brings it back.
    Unvoid,
}

/// One act on a record.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct HistoryEntry {
    /// The change's 64 hexadecimal digits.
    pub change: String,
    /// `create`, `amend`, `resolve`, `void` or `unvoid`.
    pub op: String,
    /// The officer's code.
    pub author: String,
    /// The device's name for people.
    pub device: String,
    /// Whether that device is this one.
    pub here: bool,
    /// When, by that device's clock, milliseconds of UTC.
    #[ts(type = "number")]
    pub at_ms: i64,
    /// `unknown`, `recent` or `stale`.
    pub clock_quality: String,
    /// Headquarters' time minus the device's, milliseconds.
    #[ts(type = "number")]
    pub clock_offset_ms: i64,
    /// Whether headquarters holds it, by receipt.
    pub at_hq: bool,
    /// Whether the officer's own key signed it too.
    pub attested: bool,
    /// What headquarters ruled of it, where it did.
    pub ruling: Option<RulingView>,
    /// Why, in the officer's words.
    pub reason: Option<String>,
    /// What it set.
    pub changed: Vec<FieldChange>,
}

/// Headquarters' ruling of an act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct RulingView {
    /// `accepted`, `review`, `quarantined` or `erased`.
    pub verdict: String,
    /// Why: a code of the server's judge, or an officer's own words.
    pub reason: String,
}

/// A field that an act set.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct FieldChange {
    /// The field's path.
    pub path: String,
    /// The value before; absent where it was not asked.
    #[ts(type = "unknown")]
    pub before: Option<Value>,
    /// The value after.
    #[ts(type = "unknown")]
    pub after: Option<Value>,
}

/// The word that a record is on the disk: only this makes the screen say "saved".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct SavedView {
    /// Its compartment.
    pub compartment: String,
    /// Its identity within the compartment.
    pub id: String,
    /// Its number for people.
    pub number: String,
    /// When it was committed, milliseconds of UTC.
    #[ts(type = "number")]
    pub saved_at_ms: i64,
    /// How many changes wait for headquarters now.
    pub waiting: u32,
}
