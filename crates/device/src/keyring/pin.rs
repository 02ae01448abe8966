//! From a PIN to a key, and how wrong PINs slow down. Never stores a PIN.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// A PIN has at least so many characters: no hardware key store slows down who holds the disk.
pub const PIN_CHARS_MIN: usize = 8;
/// So many wrong PINs cost nothing.
const WRONG_FREE: u32 = 2;
/// The first wait after that.
const WAIT_FIRST_MS: u64 = 5_000;
/// The longest wait.
pub(super) const WAIT_MAX_MS: u64 = 15 * 60_000;

const PURPOSE: &[u8] = b"daftar officer keys 1";

/// The cost of a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

impl Cost {
    /// What new PINs cost.
    const NOW: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
    /// What they cost in a simulation, which unlocks a thousand times.
    #[cfg(feature = "simulation")]
    const SIMULATED: Self = Self { memory_kib: 8, passes: 1, lanes: 1 };

    /// What a new PIN costs.
    pub(super) fn now() -> Self {
        #[cfg(feature = "simulation")]
        if crate::simulation::has_begun() {
            return Self::SIMULATED;
        }
        Self::NOW
    }
}

/// How long to wait after so many wrong PINs.
pub(super) fn wait_ms(wrong: u32) -> u64 {
    match wrong.checked_sub(WRONG_FREE + 1) {
        None => 0,
        Some(n) => WAIT_FIRST_MS.saturating_mul(1 << n.min(16)).min(WAIT_MAX_MS),
    }
}

/// Refuses a PIN that is too short to be chosen.
pub(super) fn check(pin: &str) -> Result<()> {
    if pin.chars().count() < PIN_CHARS_MIN { Err(Error::PinTooShort { min: PIN_CHARS_MIN }) } else { Ok(()) }
}

fn cipher(pin: &str, salt: &[u8], cost: Cost) -> Result<XChaCha20Poly1305> {
    let bad = |e: argon2::Error| Error::Build(format!("Argon2id: {e}"));
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(bad)?;
    let mut key = Zeroizing::new([0u8; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(pin.as_bytes(), salt, key.as_mut_slice()).map_err(bad)?;
    Ok(XChaCha20Poly1305::new(&Key::from(*key)))
}

/// Seals an officer's keys under his PIN.
pub(super) fn seal(pin: &str, salt: &[u8; 16], nonce: &[u8; 24], cost: Cost, plain: &[u8]) -> Result<Vec<u8>> {
    cipher(pin, salt, cost)?
        .encrypt(&XNonce::from(*nonce), Payload { msg: plain, aad: PURPOSE })
        .map_err(|_| Error::Build("XChaCha20-Poly1305 does not seal".into()))
}

/// Opens them; `None` if the PIN is wrong.
pub(super) fn open(pin: &str, salt: &[u8; 16], nonce: &[u8; 24], cost: Cost, sealed: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
    Ok(cipher(pin, salt, cost)?.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: PURPOSE }).ok().map(Zeroizing::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_begin_with_the_third_wrong_pin_and_double_up_to_a_quarter_of_an_hour() {
        let waits: Vec<u64> = (1..=12).map(|n| wait_ms(n) / 1000).collect();
        assert_eq!(waits, [0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
    }
}
