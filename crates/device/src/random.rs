//! Random bytes from the system. Never from anywhere else but, in a simulation, from its seed.

use std::fmt::Write as _;

use crate::error::{Error, Result};

/// `N` random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    #[cfg(feature = "simulation")]
    if crate::simulation::fill(&mut bytes) {
        return Ok(bytes);
    }
    getrandom::fill(&mut bytes).map_err(|e| Error::File(std::io::Error::other(e)))?;
    Ok(bytes)
}

/// 32 random hexadecimal digits, for a file's name.
pub(crate) fn random_name() -> Result<String> {
    Ok(hex(&random::<16>()?))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}
