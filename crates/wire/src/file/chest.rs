//! A file as it lies on a disk: chunk by chunk, each sealed (XChaCha20-Poly1305) under the file's own random key at a place of its own.
//! Key, nonce and what is written to are handed in.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::chunk_bytes;
use crate::limits::FILE_CHUNK_BYTES;

/// A file's key.
pub type ChestKey = Zeroizing<[u8; 32]>;

/// Bytes of a chunk's nonce.
pub const NONCE_BYTES: usize = 24;
/// Bytes that a sealed chunk has more than a plain one.
pub const SEAL_BYTES: usize = NONCE_BYTES + 16;
/// What a seal is bound to beside the chunk's number.
const CHUNK: &[u8] = b"daftar chunk 1";
const BEGUN: &[u8] = b"daftar begun chunk 1";
/// Bytes from one chunk's place to the next.
const SLOT_BYTES: u64 = (FILE_CHUNK_BYTES + SEAL_BYTES) as u64;

/// One file's bytes, chunk by chunk.
pub struct Chest<F> {
    file: F,
    key: ChestKey,
    size: u64,
}

impl<F> Chest<F> {
    /// The chest that lies in `file`; `size`: how many bytes the file in it has.
    pub fn new(file: F, key: ChestKey, size: u64) -> Self {
        Self { file, key, size }
    }

    /// What it lies in.
    pub fn file(&self) -> &F {
        &self.file
    }
}

impl<F: Read + Write + Seek> Chest<F> {
    /// Writes a chunk at its place. The nonce is random: a place may be written again.
    pub fn write(&mut self, nonce: [u8; NONCE_BYTES], index: u32, plain: &[u8]) -> io::Result<()> {
        let sealed = seal_chunk(&self.key, nonce, index, plain);
        self.file.seek(SeekFrom::Start(u64::from(index) * SLOT_BYTES))?;
        self.file.write_all(&sealed)
    }

    /// Reads a chunk; `None`: what lies there is not what was written.
    pub fn read(&mut self, index: u32) -> io::Result<Option<Vec<u8>>> {
        let Some(plain) = chunk_bytes(self.size, index) else { return Ok(None) };
        let mut sealed = vec![0; plain + SEAL_BYTES];
        self.file.seek(SeekFrom::Start(u64::from(index) * SLOT_BYTES))?;
        match self.file.read_exact(&mut sealed) {
            Ok(()) => Ok(open_chunk(&self.key, index, &sealed)),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// The beginning of a chunk, sealed to be kept beside the chest until the rest comes.
pub fn seal_begun(key: &ChestKey, nonce: [u8; NONCE_BYTES], index: u32, plain: &[u8]) -> Vec<u8> {
    [&index.to_be_bytes()[..], &seal(key, nonce, BEGUN, index, plain)].concat()
}

/// The chunk's number and its beginning; `None`: it is not what was sealed.
pub fn open_begun(key: &ChestKey, sealed: &[u8]) -> Option<(u32, Vec<u8>)> {
    let (index, rest) = sealed.split_first_chunk::<4>()?;
    let index = u32::from_be_bytes(*index);
    Some((index, open(key, BEGUN, index, rest)?))
}

pub(super) fn seal_chunk(key: &ChestKey, nonce: [u8; NONCE_BYTES], index: u32, plain: &[u8]) -> Vec<u8> {
    seal(key, nonce, CHUNK, index, plain)
}

pub(super) fn open_chunk(key: &ChestKey, index: u32, sealed: &[u8]) -> Option<Vec<u8>> {
    open(key, CHUNK, index, sealed)
}

fn seal(key: &ChestKey, nonce: [u8; NONCE_BYTES], what: &[u8], index: u32, plain: &[u8]) -> Vec<u8> {
    let payload = Payload { msg: plain, aad: &[what, &index.to_be_bytes()].concat() };
    let sealed = XChaCha20Poly1305::new((&**key).into()).encrypt(&XNonce::from(nonce), payload).expect("a chunk is not too long to seal");
    [&nonce[..], &sealed].concat()
}

fn open(key: &ChestKey, what: &[u8], index: u32, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload { msg: rest, aad: &[what, &index.to_be_bytes()].concat() };
    XChaCha20Poly1305::new((&**key).into()).decrypt(&XNonce::from(*nonce), payload).ok()
}
