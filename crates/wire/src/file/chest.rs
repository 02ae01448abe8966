//! A chunk as it lies on a disk: sealed (XChaCha20-Poly1305) under its file's own random key. Key and nonce are handed in; never reads a disk.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::WireError;
use crate::limits::FILE_CHUNK_BYTES;

/// A file's key.
pub type ChestKey = Zeroizing<[u8; 32]>;

/// Bytes of a chunk's nonce.
pub const NONCE_BYTES: usize = 24;
/// Bytes that a sealed chunk has more than a plain one.
pub const SEAL_BYTES: usize = NONCE_BYTES + 16;
/// Bytes from one chunk's place to the next.
pub const SLOT_BYTES: u64 = (FILE_CHUNK_BYTES + SEAL_BYTES) as u64;

fn bound(index: u32) -> Vec<u8> {
    [&b"daftar chunk 1"[..], &index.to_be_bytes()].concat()
}

/// Seals a chunk for its place. The nonce is random: a place may be written again.
pub fn seal_chunk(key: &ChestKey, nonce: [u8; NONCE_BYTES], index: u32, plain: &[u8]) -> Vec<u8> {
    let payload = Payload { msg: plain, aad: &bound(index) };
    let sealed = XChaCha20Poly1305::new((&**key).into()).encrypt(&XNonce::from(nonce), payload).expect("a chunk is not too long to seal");
    [&nonce[..], &sealed].concat()
}

/// Opens what was sealed for this place with this key.
pub fn open_chunk(key: &ChestKey, index: u32, sealed: &[u8]) -> Result<Vec<u8>, WireError> {
    const BAD: WireError = WireError::Malformed("a chunk that this key does not open");
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(BAD)?;
    let payload = Payload { msg: rest, aad: &bound(index) };
    XChaCha20Poly1305::new((&**key).into()).decrypt(&XNonce::from(*nonce), payload).map_err(|_| BAD)
}
