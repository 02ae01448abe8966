//! Files: their names, chunks, manifests and bitmaps. What is said about them stands in `message`, how a chunk travels in parts in `parts`,
//! how it lies on a disk in `chest`. Never reads a disk.

pub mod chest;
mod message;
mod parts;

use daftar_core::compartment::Compartment;
use daftar_core::ids::FileHash;
use sha2::{Digest as _, Sha256};

use crate::change::sha256;
use crate::limits::{FILE_BYTES_MAX, FILE_CHUNK_BYTES, FILE_CHUNKS_MAX};
use crate::{WireError, bounded};

pub use message::{FileAnswer, FileAsk, FileReceipt, ReceiptedFile};
pub use parts::{FileBegun, FilePart, Joining, parts, still_missing};

/// A file's name: bytes are never shared between two compartments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// The compartment.
    pub compartment: Compartment,
    /// The SHA-256 of the plain bytes.
    pub sha256: FileHash,
}

/// A chunk of a file, as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChunk {
    /// The file.
    pub file: FileId,
    /// Which chunk, from 0.
    pub index: u32,
    /// Its plain bytes, unchecked.
    pub bytes: Vec<u8>,
}

/// How many chunks a file of so many bytes has.
pub fn chunk_count(size: u64) -> u32 {
    u32::try_from(size.div_ceil(FILE_CHUNK_BYTES as u64)).unwrap_or(u32::MAX)
}

/// Collects a file's bytes into a manifest, one chunk at a time.
#[derive(Debug, Clone, Default)]
pub struct Manifesting {
    whole: Sha256,
    size: u64,
    chunks: Vec<[u8; 32]>,
}

impl Manifesting {
    /// Takes the next chunk: `FILE_CHUNK_BYTES` bytes, only the last has less.
    pub fn push(&mut self, chunk: &[u8]) {
        self.whole.update(chunk);
        self.size += chunk.len() as u64;
        self.chunks.push(sha256(&[chunk]));
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What the file is.
    pub fn finish(self, compartment: Compartment) -> Manifest {
        let sha256 = FileHash(self.whole.finalize().into());
        Manifest { file: FileId { compartment, sha256 }, size: self.size, chunks: self.chunks }
    }
}

/// What a file is made of. That its chunks come to the whole is known only when all are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The file.
    pub file: FileId,
    /// Its bytes, from 1 to `FILE_BYTES_MAX`.
    pub size: u64,
    /// The SHA-256 of each chunk.
    pub chunks: Vec<[u8; 32]>,
}

impl Manifest {
    /// Whether size and number of chunks fit each other and the limits.
    pub fn check(&self) -> Result<(), WireError> {
        bounded("the bytes of a file", self.size, FILE_BYTES_MAX)?;
        if self.size == 0 {
            return Err(WireError::Malformed("a file without a byte"));
        }
        if self.chunks.len() as u64 != u64::from(chunk_count(self.size)) {
            return Err(WireError::Malformed("a manifest whose chunks are not those of its size"));
        }
        Ok(())
    }

    /// How many chunks it has.
    pub fn count(&self) -> u32 {
        chunk_count(self.size)
    }

    /// Bytes of a chunk; `None`: it has no such chunk.
    pub fn chunk_bytes(&self, index: u32) -> Option<usize> {
        chunk_bytes(self.size, index)
    }

    /// Whether these are the bytes of that chunk.
    pub fn holds(&self, index: u32, bytes: &[u8]) -> bool {
        self.chunk_bytes(index) == Some(bytes.len()) && self.chunks.get(index as usize) == Some(&sha256(&[bytes]))
    }
}

/// Bytes of a chunk of a file of so many bytes; `None`: it has no such chunk.
pub fn chunk_bytes(size: u64, index: u32) -> Option<usize> {
    let from = u64::from(index) * FILE_CHUNK_BYTES as u64;
    let left = size.checked_sub(from).filter(|left| *left > 0)?;
    Some(left.min(FILE_CHUNK_BYTES as u64) as usize)
}

/// Which chunks somebody holds: bit `i mod 8`, from the lowest, of byte `i / 8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap {
    count: u32,
    bytes: Vec<u8>,
}

impl Bitmap {
    /// No chunk of so many, at most `FILE_CHUNKS_MAX`.
    pub fn empty(count: u32) -> Self {
        let count = count.min(FILE_CHUNKS_MAX);
        Self { count, bytes: vec![0; count.div_ceil(8) as usize] }
    }

    /// Every chunk of so many.
    pub fn full(count: u32) -> Self {
        let mut all = Self::empty(count);
        (0..all.count).for_each(|i| all.set(i, true));
        all
    }

    /// Reads the bits of so many chunks; `None`: other bytes than those have, or bits beyond the last.
    pub fn read(count: u32, bytes: &[u8]) -> Option<Self> {
        let rest = bytes.last().map_or(0, |last| if count.is_multiple_of(8) { 0 } else { last >> (count % 8) });
        let fits = count <= FILE_CHUNKS_MAX && bytes.len() == count.div_ceil(8) as usize && rest == 0;
        fits.then(|| Self { count, bytes: bytes.to_vec() })
    }

    /// The bits.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Of how many chunks it tells.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether the chunk is held; one that the file does not have is not.
    pub fn has(&self, index: u32) -> bool {
        index < self.count && self.bytes[(index / 8) as usize] >> (index % 8) & 1 == 1
    }

    /// Says whether a chunk is held.
    pub fn set(&mut self, index: u32, held: bool) {
        if index < self.count {
            let byte = &mut self.bytes[(index / 8) as usize];
            *byte = if held { *byte | 1 << (index % 8) } else { *byte & !(1 << (index % 8)) };
        }
    }

    /// How many chunks are held.
    pub fn held(&self) -> u32 {
        self.bytes.iter().map(|b| b.count_ones()).sum()
    }

    /// Whether all are.
    pub fn is_full(&self) -> bool {
        self.held() == self.count
    }

    /// The chunks that are not held, ascending.
    pub fn missing(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        (0..self.count).filter(|i| !self.has(*i))
    }
}

#[cfg(test)]
mod tests;
