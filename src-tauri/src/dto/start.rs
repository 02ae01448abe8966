//! What the first screen needs before anybody has unlocked. Never anything out of a compartment.

use serde::Serialize;
use ts_rs::TS;

use super::officer::{OfficerCard, Protection};
use super::settings::Settings;

/// The state of the device at start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct StartView {
    /// The program's version.
    pub version: String,
    /// Whether the device is enrolled at headquarters.
    pub enrolled: bool,
    /// The device's name for people, such as `IMT-3 · 2`.
    pub device: Option<String>,
    /// How keys are guarded here.
    pub protection: Protection,
    /// A PIN has at least so many characters.
    pub pin_chars_min: u32,
    /// A photo has at most so many bytes.
    #[ts(type = "number")]
    pub photo_bytes_max: u64,
    /// Any other file has at most so many.
    #[ts(type = "number")]
    pub file_bytes_max: u64,
    /// Who can unlock here.
    pub officers: Vec<OfficerCard>,
    /// Who has unlocked, if anybody.
    pub unlocked: Option<OfficerCard>,
    /// Language, colours and size.
    pub settings: Settings,
}
