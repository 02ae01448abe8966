//! Why a command did not do what it was asked: status, code and sentence. Never a sentence that holds a record.

use daftar_core::compartment::Compartment;
use daftar_device::Error;
use daftar_device::pack::PackError;
use daftar_device::peer::PeerError;
use daftar_device::sync::{LinkError, SyncError};

/// Why a command failed.
#[derive(Debug)]
pub struct Fault {
    /// The exit status.
    pub status: u8,
    /// A code for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// Seconds after which headquarters asks to be called again.
    pub retry_after_seconds: Option<u64>,
}

const REFUSED: u8 = 1;
const USAGE: u8 = 2;
const LOCKED: u8 = 3;
const NO_LINK: u8 = 4;
const NOT_HQ: u8 = 5;
const ALREADY_OPEN: u8 = 6;
const STORAGE_FULL: u8 = 7;
/// The officer stopped it.
pub const STOPPED: u8 = 8;
const OURS: u8 = 70;

impl Fault {
    fn new(status: u8, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), retry_after_seconds: None }
    }

    /// The command line is not right.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, "usage", message)
    }

    /// Some input is not right.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(REFUSED, "input", message)
    }

    /// It may be in a compartment that is closed.
    pub fn closed(message: impl Into<String>) -> Self {
        Self::new(REFUSED, "closed", message)
    }

    /// No PIN.
    pub fn locked(message: impl Into<String>) -> Self {
        Self::new(LOCKED, "locked", message)
    }

    /// Our own mistake, with an id by which its line in the log is found.
    pub fn ours(error: impl std::fmt::Display) -> Self {
        let mut id = [0; 4];
        let _ = getrandom::fill(&mut id);
        let trace = id.iter().map(|b| format!("{b:02x}")).collect::<String>();
        tracing::error!(trace, %error, "unexpected");
        Self::new(OURS, "unexpected", format!("something went wrong that should not; all that was saved is kept (trace {trace})"))
    }
}

impl From<Error> for Fault {
    fn from(e: Error) -> Self {
        let status = match &e {
            Error::AlreadyOpen => ALREADY_OPEN,
            Error::NotEnrolled | Error::NoOfficer(_) | Error::WhichOfficer(_) => USAGE,
            Error::PinWrong { .. } | Error::PinTooShort { .. } | Error::AccessEnded => LOCKED,
            Error::StorageFull | Error::FileStorageFull => STORAGE_FULL,
            Error::NoCompartment(_)
            | Error::Closed(_)
            | Error::FileTooLarge { .. }
            | Error::FileNotHere
            | Error::Denied { .. }
            | Error::NotAdmitted(_)
            | Error::NoRecord(_)
            | Error::Amend(_)
            | Error::Input(_)
            | Error::Fork(_)
            | Error::Damaged { .. }
            | Error::OtherDevice
            | Error::Wire(_) => REFUSED,
            Error::Database(_) | Error::File(_) | Error::Unexpected(_) | Error::Build(_) => return Self::ours(e),
        };
        let mut advice = String::new();
        if let Error::Damaged { what } = &e
            && what.parse::<Compartment>().is_ok()
        {
            advice = format!("; `daftar salvage {what}` gets back what the file still holds");
        }
        Self::new(status, e.code(), format!("{e}{advice}"))
    }
}

impl From<SyncError> for Fault {
    fn from(e: SyncError) -> Self {
        let retry_after_seconds = match &e {
            SyncError::Link(LinkError::Busy { retry_after_seconds }) => *retry_after_seconds,
            SyncError::Link(_)
            | SyncError::Store(_)
            | SyncError::Protocol(_)
            | SyncError::Cut
            | SyncError::Cancelled { .. }
            | SyncError::Running => None,
        };
        let status = match e {
            SyncError::Store(e) => return e.into(),
            SyncError::Cancelled { .. } => STOPPED,
            SyncError::Running => ALREADY_OPEN,
            SyncError::Link(LinkError::NotHq(_) | LinkError::Refused(_)) => NOT_HQ,
            SyncError::Link(LinkError::NoLink(_) | LinkError::Portal | LinkError::Busy { .. } | LinkError::Status(_))
            | SyncError::Cut
            | SyncError::Protocol(_) => NO_LINK,
        };
        Self { retry_after_seconds, ..Self::new(status, e.code(), e.to_string()) }
    }
}

impl From<PeerError> for Fault {
    fn from(e: PeerError) -> Self {
        let status = match e {
            PeerError::Store(e) => return e.into(),
            PeerError::NotOurs(..) | PeerError::Stranger(..) | PeerError::Refused(_) => NOT_HQ,
            PeerError::Listen(..) => USAGE,
            PeerError::Nobody
            | PeerError::NoLink(..)
            | PeerError::Busy(_)
            | PeerError::Status(..)
            | PeerError::Cut
            | PeerError::Protocol(_)
            | PeerError::Stopped
            | PeerError::Search(_) => NO_LINK,
        };
        Self::new(status, e.code(), e.to_string())
    }
}

impl From<PackError> for Fault {
    fn from(e: PackError) -> Self {
        let status = match e {
            PackError::Store(e) => return e.into(),
            PackError::NotForUs(_) | PackError::Writer(_) | PackError::Broken(_) | PackError::Late(_) | PackError::Exists(_) => REFUSED,
            PackError::File(ref e) if matches!(e.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) => {
                STORAGE_FULL
            }
            PackError::File(_) => REFUSED,
        };
        Self::new(status, e.code(), e.to_string())
    }
}
