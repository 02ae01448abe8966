//! What is signed and how: every signature begins with `daftar <purpose> <version>`. Keys are handed in.

use daftar_core::ids::{Head, OfficerId};
use ed25519_dalek::{Signature, Signer};
pub use ed25519_dalek::{SigningKey, VerifyingKey};

use crate::WireError;
use crate::stream::StreamId;

/// An Ed25519 signature (RFC 8032).
pub type Sig = [u8; 64];

fn head_bytes(purpose: &[u8], stream: &StreamId, n: u64, head: &Head) -> Vec<u8> {
    let mut b = purpose.to_vec();
    b.extend_from_slice(stream.compartment.as_str().as_bytes());
    b.extend_from_slice(&stream.device.0);
    b.extend_from_slice(&stream.incarnation.0);
    b.extend_from_slice(&n.to_be_bytes());
    b.extend_from_slice(&head.0);
    b
}

fn attestation_bytes(officer: &OfficerId, stream: &StreamId, n: u64, head: &Head) -> Vec<u8> {
    let mut b = head_bytes(b"daftar attestation 1", stream, n, head);
    b.extend_from_slice(&officer.0);
    b
}

/// Signs bytes that already begin with their purpose.
pub fn sign(key: &SigningKey, bytes: &[u8]) -> Sig {
    key.sign(bytes).to_bytes()
}

/// Checks strictly: no weak keys, no malleable signatures.
pub fn verify(key: &VerifyingKey, bytes: &[u8], sig: &Sig, what: &'static str) -> Result<(), WireError> {
    key.verify_strict(bytes, &Signature::from_bytes(sig)).map_err(|_| WireError::Signature(what))
}

/// The device's word for a stream up to `n`; it covers everything before.
pub fn sign_head(key: &SigningKey, stream: &StreamId, n: u64, head: &Head) -> Sig {
    sign(key, &head_bytes(b"daftar head 1", stream, n, head))
}

/// Checks a device's word.
pub fn verify_head(key: &VerifyingKey, stream: &StreamId, n: u64, head: &Head, sig: &Sig) -> Result<(), WireError> {
    verify(key, &head_bytes(b"daftar head 1", stream, n, head), sig, "a stream's head")
}

/// The officer's word that what bears his name in a stream up to `n` is his.
pub fn attest(key: &SigningKey, officer: &OfficerId, stream: &StreamId, n: u64, head: &Head) -> Sig {
    sign(key, &attestation_bytes(officer, stream, n, head))
}

/// Checks an officer's word.
pub fn verify_attestation(
    key: &VerifyingKey,
    officer: &OfficerId,
    stream: &StreamId,
    n: u64,
    head: &Head,
    sig: &Sig,
) -> Result<(), WireError> {
    verify(key, &attestation_bytes(officer, stream, n, head), sig, "an officer's attestation")
}

/// Reads a public key from its 32 bytes.
pub fn verifying_key(bytes: &[u8]) -> Result<VerifyingKey, WireError> {
    let bytes: &[u8; 32] = bytes.try_into().map_err(|_| WireError::Malformed("a public key of another length"))?;
    VerifyingKey::from_bytes(bytes).map_err(|_| WireError::Malformed("not a public key"))
}
