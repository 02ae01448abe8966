//! Frames: a CBOR sequence (RFC 8742) of byte strings; the first byte of each says which message it holds.

use crate::limits::ITEM_BYTES_MAX;
use crate::{WireError, bounded};

/// One message as a frame.
pub fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(body.len() + 1);
    whole.push(kind);
    whole.extend_from_slice(body);
    crate::cbor::encode(|e| e.bytes(&whole)?.ok())
}

/// Collects bytes as they come and gives frames as they are whole. Holds at most one item and what came with it.
#[derive(Debug, Default)]
pub struct FrameReader {
    bytes: Vec<u8>,
    at: usize,
}

impl FrameReader {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at > 0 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame's content, if it is there.
    #[expect(clippy::should_implement_trait, reason = "an error ends the reading, which an Iterator cannot say")]
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, WireError> {
        let rest = &self.bytes[self.at..];
        let Some(&first) = rest.first() else { return Ok(None) };
        let width = match first {
            0x40..=0x57 => 0,
            0x58 => 1,
            0x59 => 2,
            0x5a => 4,
            _ => return Err(WireError::Malformed("a frame that is not a byte string")),
        };
        let Some(head) = rest.get(1..1 + width) else { return Ok(None) };
        let len = if width == 0 { u64::from(first - 0x40) } else { head.iter().fold(0u64, |n, b| n << 8 | u64::from(*b)) };
        bounded("the bytes of an item", len, ITEM_BYTES_MAX)?;
        let (from, to) = (1 + width, 1 + width + len as usize);
        let Some(body) = rest.get(from..to) else { return Ok(None) };
        let body = body.to_vec();
        self.at += to;
        Ok(Some(body))
    }

    /// What is there of a frame's content that has not come whole.
    pub fn begun(&self) -> &[u8] {
        let rest = &self.bytes[self.at..];
        let from = match rest.first() {
            Some(0x40..=0x57) => 1,
            Some(0x58) => 2,
            Some(0x59) => 3,
            Some(0x5a) => 5,
            _ => rest.len(),
        };
        rest.get(from..).unwrap_or_default()
    }

    /// True if nothing is left over.
    pub fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }
}
