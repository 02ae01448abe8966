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
    /// A photo or file is larger than one may be; nothing of it was kept.
    FileTooLarge {
        /// It may have so many bytes.
        #[ts(type = "number")]
        max_bytes: u64,
    },
    /// There is no room for the file; the record stays as it is.
    FileStorageFull,
    /// The file's bytes are not on this device.
    FileNotHere,
    /// The file has no bytes.
    FileEmpty,
    /// The file cannot be read from where it lies.
    FileUnreadable,
    /// The officer's time there is over, or its key has to come first; what is saved is kept and sent.
    Closed,
    /// Headquarters ended the officer's access to this device.
    AccessEnded,
    /// The file of a compartment is damaged or missing.
    Damaged,
    /// The record is voided, or is not, and the act asks for the other.
    VoidState,
    /// The pack is for somebody else.
    PackNotForUs,
    /// The pack's writer is not known here, or not who he says he is.
    PackWriter,
    /// It is no pack, was cut or changed; nothing of it was taken.
    PackBroken,
    /// The pack is of an earlier life of headquarters' server.
    PackLate,
    /// There is a file of this name.
    PackExists,
    /// There is no room for the pack where it was to be written.
    PackStorageFull,
    /// The officer cannot be let in.
    NotAdmitted {
        /// Why.
        why: AdmitWhy,
    },
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

/// Why an officer cannot be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum AdmitWhy {
    /// Only a leader may.
    NotLeader,
    /// Not for so many hours.
    Hours,
    /// Code or name is missing or too long.
    Name,
    /// Too many compartments at once.
    TooMany,
    /// A compartment of another agency.
    OthersCompartment,
    /// Headquarters dismissed the officer.
    Dismissed,
    /// Headquarters knows the officer in another agency.
    OtherAgency,
    /// The officer is on this device already.
    HereAlready,
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
