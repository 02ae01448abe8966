//! The engine's errors as the screens' codes.

use daftar_core::merge::AmendError;
use daftar_device::json::Refused;
use daftar_device::sync::{LinkError, SyncError};
use daftar_device::{Error, NotAdmitted};

use crate::error::{AdmitWhy, FieldWhy, UiError};

/// A code for the screen; what has none is logged under a word.
pub fn ui(e: Error) -> UiError {
    match e {
        Error::AlreadyOpen => UiError::AlreadyOpen,
        Error::NotEnrolled => UiError::NotEnrolled,
        Error::NoOfficer(_) | Error::NoRecord(_) => UiError::NotFound,
        Error::PinWrong { wait_seconds } => UiError::PinWrong { wait_seconds: u32::try_from(wait_seconds).unwrap_or(u32::MAX) },
        Error::PinTooShort { min } => UiError::PinShort { chars_min: u32::try_from(min).unwrap_or(u32::MAX) },
        Error::StorageFull => UiError::StorageFull,
        Error::FileStorageFull => UiError::FileStorageFull,
        Error::FileTooLarge { max_bytes, what: _, got_bytes: _ } => UiError::FileTooLarge { max_bytes },
        Error::FileNotHere => UiError::FileNotHere,
        Error::NoCompartment(_) | Error::Denied { .. } => UiError::NotAllowed,
        Error::Closed(_) => UiError::Closed,
        Error::AccessEnded => UiError::AccessEnded,
        Error::NotAdmitted(why) => UiError::NotAdmitted { why: admission(&why) },
        Error::Amend(AmendError::InConflict { .. }) => UiError::NeedsDecision,
        Error::Amend(AmendError::Hidden | AmendError::NotVoided) => UiError::VoidState,
        Error::Damaged { .. } => UiError::Damaged,
        Error::Wire(daftar_device::WireError::TooLarge { .. }) => UiError::TooLarge,
        other @ (Error::WhichOfficer(_)
        | Error::Amend(_)
        | Error::Input(_)
        | Error::Fork(_)
        | Error::OtherDevice
        | Error::Wire(_)
        | Error::Database(_)
        | Error::File(_)
        | Error::Unexpected(_)
        | Error::Build(_)) => UiError::unexpected(other),
    }
}

fn admission(why: &NotAdmitted) -> AdmitWhy {
    match why {
        NotAdmitted::NotLeader => AdmitWhy::NotLeader,
        NotAdmitted::Hours { .. } => AdmitWhy::Hours,
        NotAdmitted::Name { .. } => AdmitWhy::Name,
        NotAdmitted::TooMany { .. } => AdmitWhy::TooMany,
        NotAdmitted::OthersCompartment { .. } => AdmitWhy::OthersCompartment,
        NotAdmitted::Dismissed(_) => AdmitWhy::Dismissed,
        NotAdmitted::OtherAgency(_) => AdmitWhy::OtherAgency,
    }
}

/// Why an enrolment did not succeed.
pub fn enrolment(e: &SyncError) -> UiError {
    match e {
        SyncError::Link(LinkError::NoLink(_) | LinkError::Busy { .. } | LinkError::Status(_) | LinkError::Portal) => UiError::NoLink,
        SyncError::Link(LinkError::NotHq(_)) => UiError::NotHq,
        SyncError::Link(LinkError::Refused(_)) => UiError::CodeInvalid,
        SyncError::Store(_) | SyncError::Protocol(_) | SyncError::Cut | SyncError::Cancelled { .. } | SyncError::Running => {
            UiError::unexpected(e)
        }
    }
}

/// What is wrong with a form's field.
pub fn field(refused: Refused) -> UiError {
    let why = if refused.reason.contains("at most") {
        FieldWhy::Long
    } else if refused.reason.contains("no such field") {
        FieldWhy::Unknown
    } else {
        FieldWhy::Form
    };
    UiError::FieldInvalid { field: refused.path, why }
}
