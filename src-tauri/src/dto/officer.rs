//! An officer as a card on a screen. Never holds a PIN or a key.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// An officer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct OfficerCard {
    /// The officer's 32 hexadecimal digits; empty where the device knows only the code.
    pub id: String,
    /// The code in records, such as `imt-3-moi-1`.
    pub code: String,
    /// The name in the officer's own writing.
    pub name: String,
    /// `sss`, `moi` or `scc`.
    pub agency: String,
    /// The team's code.
    pub team: String,
    /// `leader` or `officer`.
    pub role: String,
}

/// How the officers' keys are guarded on this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum Protection {
    /// By the PIN alone: it should have eight characters or more.
    PinOnly,
    /// By the device's key store and the PIN.
    #[expect(dead_code, reason = "the screens can say it; no platform has a key store yet")]
    KeyStore,
}

/// What an officer types to enrol.
#[derive(Debug, Clone, Deserialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct EnrolInput {
    /// The code that headquarters gave.
    pub code: String,
    /// What people shall call this device.
    pub name: String,
    /// The new PIN.
    pub pin: String,
}
