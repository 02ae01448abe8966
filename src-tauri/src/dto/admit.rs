//! A leader lets an officer in where there is no network. Never keeps a PIN: it goes in and does not come out.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What a leader may choose from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct AdmitOptions {
    /// Whether this officer may let another in.
    pub may_admit: bool,
    /// What this officer has open and may open to another.
    pub compartments: Vec<String>,
    /// For at most so many hours.
    pub hours_max: u32,
    /// The newcomer's PIN has at least so many characters.
    pub pin_chars_min: u32,
}

/// Who is let in. The PIN is typed by the newcomer.
#[derive(Deserialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct AdmitInput {
    /// The newcomer's code, as headquarters writes it.
    pub code: String,
    /// The newcomer's name.
    pub name: String,
    /// `sss`, `moi` or `scc`.
    pub agency: String,
    /// What is opened.
    pub compartments: Vec<String>,
    /// For how many hours.
    pub hours: u32,
    /// The newcomer's PIN.
    pub pin: String,
}

/// An officer who was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct Admitted {
    /// The officer's code.
    pub code: String,
    /// The officer's name.
    pub name: String,
    /// Until when, milliseconds of UTC.
    #[ts(type = "number")]
    pub until_ms: i64,
    /// What is open.
    pub compartments: Vec<String>,
}
