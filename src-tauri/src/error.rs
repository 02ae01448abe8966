//! What goes wrong, as a code and data. Never a sentence: the screens have the words, in four languages.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use serde::Serialize;
use ts_rs::TS;

/// What a command answers when it does not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case", tag = "code")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum UiError {
    /// A field cannot be stored as it is.
    FieldInvalid {
        /// The field's path.
        field: String,
        /// What is wrong with it.
        why: FieldWhy,
    },
    /// The PIN is not the officer's.
    PinWrong {
        /// The next attempt is heard after so many seconds.
        wait_seconds: u32,
    },
    /// Too many wrong PINs: the officer's key on this device is gone, headquarters can restore it.
    #[expect(dead_code, reason = "the screens can say it; nothing is destroyed until escrow can give it back")]
    PinDestroyed,
    /// The new PIN is too short.
    PinShort {
        /// It needs so many characters.
        chars_min: u32,
    },
    /// Nobody has unlocked.
    Locked,
    /// The disk is full; nothing was lost, nothing was saved.
    StorageFull,
    /// Another window or command holds the notebook.
    AlreadyOpen,
    /// The device is not enrolled.
    NotEnrolled,
    /// No network.
    NoLink,
    /// Something else answered in headquarters' place.
    NotHq,
    /// The enrolment code is not right, or was used, or has run out.
    CodeInvalid,
    /// The officer has no grant for this.
    NotAllowed,
    /// There is no such record or draft here.
    NotFound,
    /// Fields are in conflict: decide first.
    NeedsDecision,
    /// The record is larger than can be sent; a long text belongs in a file.
    TooLarge,
    /// None of these; the log has more under this word.
    Unexpected {
        /// A short word to find it in the log by.
        trace: String,
    },
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum FieldWhy {
    /// It must be answered before the record is saved.
    Missing,
    /// It is not of the form that the field has.
    Form,
    /// It is too long.
    Long,
    /// No such field in a record of this kind.
    Unknown,
}

/// The answer of every command.
pub type UiResult<T> = Result<T, UiError>;

impl UiError {
    /// Logs `cause` under a fresh word and says only the word.
    pub fn unexpected(cause: impl std::fmt::Display) -> Self {
        let trace = format!("{:08x}", RandomState::new().build_hasher().finish() as u32);
        tracing::error!(trace, "a command failed: {cause}");
        Self::Unexpected { trace }
    }
}
