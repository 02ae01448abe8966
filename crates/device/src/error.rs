//! What can go wrong on a device, each named so that a person can be told what to do. Never a sentence for the screen.

use daftar_core::authorize::Denied;
use daftar_core::compartment::Compartment;
use daftar_core::ids::RecordId;
use daftar_core::merge::AmendError;
use daftar_wire::WireError;
use daftar_wire::stream::StreamId;

/// What can go wrong on a device. Whatever it is, what was saved before is kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has this home open.
    #[error("this notebook is already open in another window or command")]
    AlreadyOpen,
    /// Nobody is enrolled here yet.
    #[error("nobody is enrolled on this device yet")]
    NotEnrolled,
    /// No such officer on this device.
    #[error("no officer `{0}` is enrolled on this device")]
    NoOfficer(String),
    /// The home has several officers and none was named.
    #[error("several officers are enrolled on this device; name one of: {0}")]
    WhichOfficer(String),
    /// The PIN is wrong, or comes before the wait after wrong ones is over. Nothing is destroyed.
    #[error("{}", pin_wrong(*wait_seconds))]
    PinWrong {
        /// Seconds until the next try counts.
        wait_seconds: u64,
    },
    /// The chosen PIN is too short.
    #[error("a PIN has at least {min} characters")]
    PinTooShort {
        /// The least number of characters.
        min: usize,
    },
    /// The medium is full; nothing of this act was saved, all earlier ones were.
    #[error("the storage is full: this was not saved; all that was saved before is kept")]
    StorageFull,
    /// A photo or file is larger than one may be; nothing of it was kept, its record stays as it was saved.
    #[error("the {what} has {got_bytes} bytes, at most {max_bytes} ({} MiB) are kept: take it smaller; the record stays as it was saved", max_bytes / (1024 * 1024))]
    FileTooLarge {
        /// `photo` or `file`.
        what: &'static str,
        /// What it has.
        got_bytes: u64,
        /// What it may have.
        max_bytes: u64,
    },
    /// There is no room for the file; its record stays as it was saved.
    #[error("there is no room for this file: it was not kept; the record stays as it was saved")]
    FileStorageFull,
    /// The file's bytes, or some of them, are not on this device.
    #[error("this file is not on this device, or not all of it; ask for it and sync")]
    FileNotHere,
    /// The compartment is not open here.
    #[error("compartment `{0}` is not on this device for this officer")]
    NoCompartment(String),
    /// The officer's lease there has ended, or a colleague or headquarters has to hand over the key first.
    #[error("`{0}` cannot be read on this device before it has reached headquarters; what you save there is kept and will be sent")]
    Closed(Compartment),
    /// Headquarters ended the officer's access to this device.
    #[error("your access to this device was ended by headquarters")]
    AccessEnded,
    /// The officer may not do this there.
    #[error("not allowed in `{compartment}`: {why}")]
    Denied {
        /// Where.
        compartment: Compartment,
        /// Why.
        why: Denied,
    },
    /// A leader's admission that does not stand.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// No such record among those that the officer may read.
    #[error("no record {0}")]
    NoRecord(RecordId),
    /// The act does not fit the record as it stands.
    #[error(transparent)]
    Amend(#[from] AmendError),
    /// The input is not what it should be: which line, path or field, and why.
    #[error("{0}")]
    Input(String),
    /// Headquarters holds, or gives, another history of a stream than this device.
    #[error("headquarters holds another history of stream {0:?}")]
    Fork(StreamId),
    /// A file of the vault is missing or does not decrypt; it is left as it is.
    #[error("the file of `{what}` is damaged or missing; it is left as it is and the others still work")]
    Damaged {
        /// The compartment, or the keyring.
        what: String,
    },
    /// The keyring belongs to another device than headquarters says.
    #[error("headquarters knows this device under another identity")]
    OtherDevice,
    /// Bytes that are not what they should be.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The database.
    #[error("database: {0}")]
    Database(rusqlite::Error),
    /// The file system.
    #[error("file: {0}")]
    File(std::io::Error),
    /// Our own mistake.
    #[error("unexpected: {0}")]
    Unexpected(String),
    /// The libraries that this program was linked with are not fit for it.
    #[error("this build must not run: {0}")]
    Build(String),
}

/// Why a leader cannot let an officer in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// Who asks is no leader.
    #[error("only a leader can let an officer in without headquarters")]
    NotLeader,
    /// For longer than may be, or for no time.
    #[error("an officer is let in for 1 to {most} hours, not {hours}")]
    Hours {
        /// What was asked.
        hours: u64,
        /// At most.
        most: u64,
    },
    /// Handle or name is missing or too long.
    #[error("handle and name have 1 to {bytes_max} bytes")]
    Name {
        /// At most.
        bytes_max: usize,
    },
    /// Too many compartments at once.
    #[error("an admission opens at most {most} compartments")]
    TooMany {
        /// At most.
        most: u64,
    },
    /// The compartment is another agency's.
    #[error("`{compartment}` is another agency's; an officer of {agency} is not let in there")]
    OthersCompartment {
        /// Which.
        compartment: Compartment,
        /// The newcomer's agency.
        agency: &'static str,
    },
    /// Headquarters dismissed the officer of this handle.
    #[error("headquarters dismissed `{0}`; he is not let in")]
    Dismissed(String),
    /// Headquarters knows the handle in another agency.
    #[error("headquarters knows `{0}` in another agency")]
    OtherAgency(String),
}

fn pin_wrong(wait_seconds: u64) -> String {
    match wait_seconds {
        0 => "the PIN is wrong; nothing is lost, try again".into(),
        n => format!("the PIN is wrong, or comes too early after wrong ones; nothing is lost, try again in {n} s"),
    }
}

/// What most functions here return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A short code for programs and the window.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AlreadyOpen => "already_open",
            Self::NotEnrolled => "not_enrolled",
            Self::NoOfficer(_) => "no_officer",
            Self::WhichOfficer(_) => "which_officer",
            Self::PinWrong { .. } => "pin_wrong",
            Self::PinTooShort { .. } => "pin_too_short",
            Self::StorageFull => "storage_full",
            Self::FileTooLarge { .. } => "file_too_large",
            Self::FileStorageFull => "file_storage_full",
            Self::FileNotHere => "file_not_here",
            Self::NoCompartment(_) => "no_compartment",
            Self::Closed(_) => "closed",
            Self::AccessEnded => "access_ended",
            Self::Denied { why, .. } => why.code(),
            Self::NotAdmitted(_) => "not_admitted",
            Self::NoRecord(_) => "no_record",
            Self::Amend(_) => "not_amendable",
            Self::Input(_) => "input",
            Self::Fork(_) => "fork",
            Self::Damaged { .. } => "damaged",
            Self::OtherDevice => "other_device",
            Self::Wire(_) => "malformed",
            Self::Database(_) => "database",
            Self::File(_) => "file",
            Self::Unexpected(_) => "unexpected",
            Self::Build(_) => "build",
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Self {
        match e.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::StorageFull,
            // SQLCipher says that it is out of memory where a page is not what was written.
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::OutOfMemory) => {
                Self::Damaged { what: "a file".into() }
            }
            _ => Self::Database(e),
        }
    }
}

impl From<rusqlite_migration::Error> for Error {
    fn from(e: rusqlite_migration::Error) -> Self {
        if let rusqlite_migration::Error::RusqliteError { err, .. } = e { err.into() } else { Self::Build(e.to_string()) }
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        if e.kind() == std::io::ErrorKind::StorageFull || e.kind() == std::io::ErrorKind::QuotaExceeded {
            Self::StorageFull
        } else {
            Self::File(e)
        }
    }
}
