//! A rule that does not hold: what the run ends with. Never swallowed.

use std::fmt;

/// What was broken, in plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken(pub String);

/// What most of the simulation returns.
pub type Checked<T = ()> = Result<T, Broken>;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<daftar_device::Error> for Broken {
    fn from(e: daftar_device::Error) -> Self {
        Self(format!("a device failed where nothing should fail: {} ({e})", e.code()))
    }
}

impl From<daftar_sync_server::Error> for Broken {
    fn from(e: daftar_sync_server::Error) -> Self {
        Self(format!("headquarters failed where nothing should fail: {e}"))
    }
}

impl From<daftar_wire::WireError> for Broken {
    fn from(e: daftar_wire::WireError) -> Self {
        Self(format!("bytes of our own do not read: {e}"))
    }
}

impl From<std::io::Error> for Broken {
    fn from(e: std::io::Error) -> Self {
        Self(format!("the machine that simulates failed: {e}"))
    }
}

/// Holds, or the run is over.
macro_rules! hold {
    ($cond:expr, $($why:tt)+) => {
        if !$cond {
            return Err($crate::broken::Broken(format!($($why)+)));
        }
    };
}
pub(crate) use hold;
