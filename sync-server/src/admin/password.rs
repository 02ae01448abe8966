//! Console passwords: made, hashed with Argon2id, compared. Never kept or logged in the clear.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

use crate::error::{Error, Result};
use crate::random::random;

/// A console password has at least so many characters.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Letters and digits that are not taken for each other: 32 of them, five bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A new password of 80 random bits, in four groups.
pub fn make() -> Result<String> {
    let letters: Vec<char> = random::<16>()?.iter().map(|b| char::from(ALPHABET[usize::from(b % 32)])).collect();
    Ok(letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}

/// The password's Argon2id hash with a new salt, as a PHC string.
pub fn hash(password: &str) -> Result<String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|e| Error::Unexpected(format!("argon2: {e}")))?.to_string())
}

/// True if this is the password that was hashed.
pub fn matches(password: &str, phc: &str) -> bool {
    PasswordHash::new(phc).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_that_was_hashed_matches() {
        let password = make().expect("random bytes");
        assert!(password.chars().count() >= PASSWORD_CHARS_MIN);
        let phc = hash(&password).expect("argon2");
        assert!(phc.starts_with("$argon2id$"), "{phc} is not Argon2id");
        assert!(matches(&password, &phc) && !matches("another-password", &phc) && !matches(&password, "no hash"));
    }
}
