//! A pack's bytes, read twice in the same blocks: once for its writer's signature, once for what it opens. What they lie in is handed in.

use std::io::{self, Read, Seek};

use sha2::{Digest, Sha256};

use super::Verifier;
use crate::limits::PACK_BYTES_MAX;
use crate::{WireError, bounded};

/// Bytes that are read at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// Why a pack's bytes do not come.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// From what they lie in.
    #[error(transparent)]
    File(#[from] io::Error),
    /// They are no pack, or not what they were a moment ago: a stick can change in between.
    #[error(transparent)]
    Pack(#[from] WireError),
}

/// A pack that is read.
pub struct Blocks<F> {
    file: F,
    bytes: u64,
    /// In this pass, and in those before.
    at: u64,
    before: u64,
    /// SHA-256 of each block of the first pass.
    seen: Vec<[u8; 32]>,
    next: usize,
    block: Vec<u8>,
}

impl<F: Read + Seek> Blocks<F> {
    /// The pack that lies in `file`; `bytes`: its length as it was opened.
    pub fn new(file: F, bytes: u64) -> Result<Self, WireError> {
        bounded("the bytes of a courier pack", bytes, PACK_BYTES_MAX)?;
        Ok(Self { file, bytes, at: 0, before: 0, seen: Vec::new(), next: 0, block: vec![0; BLOCK_BYTES] })
    }

    /// How many bytes were read, of how many: each counts in both passes.
    pub fn progress(&self) -> (u64, u64) {
        (self.before + self.at, 2 * self.bytes)
    }

    /// The next block of the first pass goes to the verifier. False at the end: the second pass may begin.
    pub fn first(&mut self, verifier: &mut Verifier) -> Result<bool, BlockError> {
        let n = self.fill()?;
        if n == 0 {
            self.file.rewind()?;
            (self.before, self.at) = (self.at, 0);
            return Ok(false);
        }
        let block = &self.block[..n];
        self.seen.push(Sha256::digest(block).into());
        verifier.push(block)?;
        Ok(true)
    }

    /// The next block of the second pass, which is what it was in the first; `None` at the end.
    pub fn again(&mut self) -> Result<Option<&[u8]>, BlockError> {
        let n = self.fill()?;
        let block = &self.block[..n];
        let is_the_same = match self.seen.get(self.next) {
            Some(was) => n > 0 && *was == <[u8; 32]>::from(Sha256::digest(block)),
            None => n == 0,
        };
        self.next += 1;
        if !is_the_same {
            return Err(WireError::Malformed("a pack that changed while it was read").into());
        }
        Ok((n > 0).then_some(block))
    }

    fn fill(&mut self) -> Result<usize, BlockError> {
        let mut n = 0;
        while n < self.block.len() {
            match self.file.read(&mut self.block[n..])? {
                0 => break,
                more => n += more,
            }
        }
        self.at += n as u64;
        if self.at > PACK_BYTES_MAX {
            return Err(WireError::Malformed("a pack that grows while it is read").into());
        }
        Ok(n)
    }
}
