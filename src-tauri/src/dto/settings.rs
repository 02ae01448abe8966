//! How the screens look and in which language they speak. Kept on the device, readable before an unlock; holds nothing of a record.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The four languages of the screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum Language {
    /// Uzbek in Latin letters.
    #[default]
    #[serde(rename = "uz-Latn")]
    UzLatn,
    /// Uzbek in Cyrillic letters.
    #[serde(rename = "uz-Cyrl")]
    UzCyrl,
    /// Russian.
    #[serde(rename = "ru")]
    Ru,
    /// English.
    #[serde(rename = "en")]
    En,
}

/// The colours of the screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum Theme {
    /// Dark on light, for the sun.
    #[default]
    Day,
    /// Light on dark.
    Night,
    /// Red on black: keeps the eye used to the dark.
    Red,
}

/// The size of letters and of what is touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum TextSize {
    /// 16 px.
    #[default]
    Normal,
    /// 18 px.
    Large,
    /// 21 px.
    Largest,
}

/// What the device remembers for its screens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct Settings {
    /// The language.
    pub language: Language,
    /// The colours.
    pub theme: Theme,
    /// The size.
    pub text_size: TextSize,
}
