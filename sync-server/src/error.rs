//! What can go wrong at headquarters, and the exit status that each comes to. Never holds personal data.

use daftar_wire::WireError;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked is not done, and the reason is for a person.
    #[error("{0}")]
    Refused(String),
    /// The medium is full; nothing of this act was kept, all earlier ones were.
    #[error("the storage is full: this was not saved; all that was saved before is kept")]
    StorageFull,
    /// The database.
    #[error("database: {0}")]
    Database(rusqlite::Error),
    /// The file system.
    #[error("file: {0}")]
    File(std::io::Error),
    /// Bytes that are not what they should be.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// What the database holds contradicts itself.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// Our own mistake.
    #[error("unexpected: {0}")]
    Unexpected(String),
}

/// What most functions here return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The exit status of a command that ends with this.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::File(_) | Self::Wire(_) | Self::Damaged(_) => 1,
            Self::StorageFull => 7,
            Self::Database(e) => match e.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::CannotOpen) => 1,
                _ => 70,
            },
            Self::Unexpected(_) => 70,
        }
    }

    /// A task of ours that stopped.
    pub(crate) fn stopped(_: tokio::task::JoinError) -> Self {
        Self::Unexpected("a task stopped".into())
    }
}

impl From<rusqlite::Error> for Error {
    fn from(e: rusqlite::Error) -> Self {
        match e.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::StorageFull,
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => Self::Damaged(e.to_string()),
            _ => Self::Database(e),
        }
    }
}

impl From<rusqlite_migration::Error> for Error {
    fn from(e: rusqlite_migration::Error) -> Self {
        if let rusqlite_migration::Error::RusqliteError { err, .. } = e { err.into() } else { Self::Unexpected(e.to_string()) }
    }
}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        if matches!(e.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) {
            Self::StorageFull
        } else {
            Self::File(e)
        }
    }
}

impl From<rcgen::Error> for Error {
    fn from(e: rcgen::Error) -> Self {
        Self::Unexpected(format!("certificate: {e}"))
    }
}

impl From<rustls::Error> for Error {
    fn from(e: rustls::Error) -> Self {
        Self::Unexpected(format!("tls: {e}"))
    }
}
