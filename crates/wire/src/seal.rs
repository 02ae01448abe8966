//! Sealing to one reader: HPKE (RFC 9180) with X25519, HKDF-SHA-256 and ChaCha20-Poly1305.
//! The one place in this crate that draws randomness: a seal's ephemeral key.

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use zeroize::Zeroizing;

use crate::WireError;

/// The suite's number in every envelope.
const SUITE: u8 = 1;
const ENCAPPED_BYTES: usize = 32;

type Suite = X25519HkdfSha256;

/// A reader's public key.
pub type SealingKey = [u8; 32];

/// A reader's private key, wiped when dropped.
pub type OpeningKey = Zeroizing<[u8; 32]>;

/// Derives a pair of keys from 32 random bytes.
pub fn key_pair(random: &[u8; 32]) -> (OpeningKey, SealingKey) {
    let (private, public) = Suite::derive_keypair(random);
    let mut opening = Zeroizing::new([0; 32]);
    opening.copy_from_slice(&private.to_bytes());
    let mut sealing = [0; 32];
    sealing.copy_from_slice(&public.to_bytes());
    (opening, sealing)
}

/// Seals `plain` to a reader. `purpose` (`daftar <purpose> <version>`) and `context` must be the same to open it.
pub fn seal(to: &SealingKey, purpose: &str, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, WireError> {
    const BAD: WireError = WireError::Malformed("not a key to seal to");
    let to = <Suite as Kem>::PublicKey::from_bytes(to).map_err(|_| BAD)?;
    let (encapped, sealed) =
        hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, Suite>(&OpModeS::Base, &to, purpose.as_bytes(), plain, context)
            .map_err(|_| BAD)?;
    let mut out = vec![SUITE];
    out.extend_from_slice(&encapped.to_bytes());
    out.extend(sealed);
    Ok(out)
}

/// Opens what was sealed to this key.
pub fn open(with: &OpeningKey, purpose: &str, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, WireError> {
    const BAD: WireError = WireError::Malformed("a seal that this key does not open");
    let (suite, rest) = sealed.split_first().ok_or(BAD)?;
    let (encapped, sealed) = rest.split_at_checked(ENCAPPED_BYTES).filter(|_| *suite == SUITE).ok_or(BAD)?;
    let with = <Suite as Kem>::PrivateKey::from_bytes(with.as_slice()).map_err(|_| BAD)?;
    let encapped = <Suite as Kem>::EncappedKey::from_bytes(encapped).map_err(|_| BAD)?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Suite>(&OpModeR::Base, &with, &encapped, purpose.as_bytes(), sealed, context)
        .map(Zeroizing::new)
        .map_err(|_| BAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_reader_opens_a_seal_and_only_for_its_purpose() {
        let (mine, to_me) = key_pair(&[1; 32]);
        let (other, _) = key_pair(&[2; 32]);
        let sealed = seal(&to_me, "daftar test 1", b"here", b"secret").expect("a good key");
        assert_eq!(open(&mine, "daftar test 1", b"here", &sealed).expect("mine").as_slice(), b"secret");
        assert!(open(&other, "daftar test 1", b"here", &sealed).is_err(), "another's key must not open it");
        assert!(open(&mine, "daftar test 2", b"here", &sealed).is_err(), "nor another purpose");
        assert!(open(&mine, "daftar test 1", b"there", &sealed).is_err(), "nor another context");
        assert!(open(&mine, "daftar test 1", b"here", &sealed[..20]).is_err(), "nor a part of it");
    }
}
