//! A chunk in parts: what a link brought of it before it was cut need not come again. Never checks a chunk: whoever has all of it does.

use super::{FileChunk, FileId};
use crate::WireError;
use crate::limits::FILE_CHUNK_BYTES;

/// Bytes of a part, at most: more of a chunk is not lost by a cut.
const PART_BYTES: usize = 4096;

/// How much there is of a chunk that was begun; of none: 0 bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileBegun {
    /// Which chunk.
    pub index: u32,
    /// Its first bytes.
    pub bytes: u32,
}

/// A part of a chunk, as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilePart {
    /// Bytes of a chunk from one on.
    From {
        /// The file.
        file: FileId,
        /// Which chunk, from 0.
        index: u32,
        /// The first byte's number in the chunk.
        at: u32,
        /// Plain bytes, unchecked.
        bytes: Vec<u8>,
    },
    /// The bytes behind those of the part before.
    More(Vec<u8>),
}

/// The chunks that are missing, the one that was begun first, and from which byte each is to be said; `None`: in one message, to somebody
/// who takes no parts.
pub fn still_missing(missing: impl Iterator<Item = u32>, begun: Option<FileBegun>) -> Vec<(u32, Option<u32>)> {
    let mut all: Vec<(u32, Option<u32>)> = missing.map(|index| (index, begun.map(|_| 0))).collect();
    if let Some(begun) = begun
        && let Some(place) = all.iter().position(|(index, _)| *index == begun.index)
    {
        all[..=place].rotate_right(1);
        all[0].1 = Some(begun.bytes);
    }
    all
}

/// A chunk in parts, from this byte on; from the first if it has not so many.
pub fn parts(chunk: FileChunk, at: u32) -> impl Iterator<Item = FilePart> {
    let FileChunk { file, index, bytes } = chunk;
    let at = if (at as usize) < bytes.len() { at } else { 0 };
    let mut from = at as usize;
    let mut first = Some(file);
    std::iter::from_fn(move || {
        let part = bytes.get(from..bytes.len().min(from + PART_BYTES)).filter(|part| !part.is_empty())?.to_vec();
        from += part.len();
        Some(match first.take() {
            Some(file) => FilePart::From { file, index, at, bytes: part },
            None => FilePart::More(part),
        })
    })
}

/// A chunk that comes in parts, as far as it is here.
#[derive(Debug, Default)]
pub struct Joining(Option<(FileChunk, usize)>);

impl Joining {
    /// Begins a chunk of so many bytes with those that are here already. What was begun before is forgotten.
    pub fn begin(&mut self, here: FileChunk, whole: usize) -> Result<(), WireError> {
        self.0 = None;
        if here.bytes.len() >= whole || whole > FILE_CHUNK_BYTES {
            return Err(WireError::Malformed("a part behind the end of its chunk"));
        }
        self.0 = Some((here, whole));
        Ok(())
    }

    /// Takes what goes on behind it; the chunk, once all of it is here. Of a chunk that was not begun it says nothing.
    pub fn more(&mut self, bytes: &[u8]) -> Result<Option<FileChunk>, WireError> {
        let Some((mut chunk, whole)) = self.0.take() else { return Ok(None) };
        if bytes.len() > whole - chunk.bytes.len() {
            return Err(WireError::Malformed("more of a chunk than it has"));
        }
        chunk.bytes.extend_from_slice(bytes);
        if chunk.bytes.len() == whole {
            return Ok(Some(chunk));
        }
        self.0 = Some((chunk, whole));
        Ok(None)
    }

    /// What is here of a chunk, to be kept until the rest comes: nothing more is joined to it.
    pub fn leave(&mut self) -> Option<FileChunk> {
        self.0.take().map(|(chunk, _)| chunk).filter(|chunk| !chunk.bytes.is_empty())
    }
}
