//! Courier packs: an exchange in one file, for a stick that somebody carries. Signed by its writer over every byte, sealed to its readers,
//! and verified whole before anything in it is read. No names, no paths, no archive: only frames. Opens no file itself.
//!
//! A pack is a magic word and *items*: four bytes of length, a kind, and the item. A header says who writes to whom; each section has a key of
//! its own, sealed to those who may read it, and chunks of ciphertext; the last item is the writer's signature.

mod blocks;
mod read;
mod write;

pub use blocks::{BlockError, Blocks};
pub use read::{Opened, Reader, Verifier};
pub use write::Writer;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use daftar_core::ids::{DeviceId, Epoch, OfficerId};
use minicbor::decode::Decoder;
use zeroize::Zeroizing;

use crate::WireError;
use crate::cbor::{definite, encode, fixed, raw_item};

/// What every pack begins with: the format and its version.
pub const MAGIC: [u8; 8] = *b"DAFTARP1";
const KEY_PURPOSE: &str = "daftar pack key 1";

const HEADER: u8 = 1;
const SECTION: u8 = 2;
const CHUNK: u8 = 3;
const SIGNATURE: u8 = 4;
/// An item's length and kind.
const ITEM_HEAD_BYTES: usize = 5;

/// What a pack holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A device's question to headquarters.
    Question,
    /// Headquarters' answer to a device.
    Answer,
    /// What one device gives another.
    Gift,
}

impl Purpose {
    fn number(self) -> u8 {
        match self {
            Self::Question => 1,
            Self::Answer => 2,
            Self::Gift => 3,
        }
    }

    fn from_number(n: u8) -> Option<Self> {
        [Self::Question, Self::Answer, Self::Gift].into_iter().find(|p| p.number() == n)
    }
}

/// Who writes to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What it holds.
    pub purpose: Purpose,
    /// The device that writes; headquarters' own for an answer.
    pub writer: DeviceId,
    /// The device that reads; headquarters' own for a question.
    pub reader: DeviceId,
    /// When, by the writer's clock, in milliseconds of UTC.
    pub at_ms: u64,
    /// Random: tells one pack from another, and stands in every seal.
    pub id: [u8; 16],
    /// The officer of the reading device to whom it is sealed; `None`: each section says it by its seals.
    pub officer: Option<OfficerId>,
    /// In an answer: the server's life.
    pub epoch: Option<Epoch>,
}

impl Header {
    fn write(&self) -> Vec<u8> {
        encode(|e| {
            let optional = u64::from(self.officer.is_some()) + u64::from(self.epoch.is_some());
            e.map(5 + optional)?.u8(1)?.u8(self.purpose.number())?.u8(2)?.bytes(&self.writer.0)?.u8(3)?.bytes(&self.reader.0)?;
            e.u8(4)?.u64(self.at_ms)?.u8(5)?.bytes(&self.id)?;
            if let Some(officer) = self.officer {
                e.u8(6)?.bytes(&officer.0)?;
            }
            if let Some(epoch) = self.epoch {
                e.u8(7)?.bytes(&epoch.0)?;
            }
            e.ok()
        })
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut d = Decoder::new(bytes);
        let (mut purpose, mut writer, mut reader, mut at_ms, mut id) = (None, None, None, None, None);
        let (mut officer, mut epoch) = (None, None);
        for _ in 0..definite(d.map()?)? {
            match d.u32()? {
                1 => purpose = Some(Purpose::from_number(d.u8()?).ok_or(WireError::Malformed("a pack of an unknown purpose"))?),
                2 => writer = Some(DeviceId(fixed(&mut d)?)),
                3 => reader = Some(DeviceId(fixed(&mut d)?)),
                4 => at_ms = Some(d.u64()?),
                5 => id = Some(fixed(&mut d)?),
                6 => officer = Some(OfficerId(fixed(&mut d)?)),
                7 => epoch = Some(Epoch(fixed(&mut d)?)),
                _ => {
                    raw_item(&mut d)?;
                }
            }
        }
        let missing = WireError::Malformed("a pack's header that lacks a part");
        Ok(Self {
            purpose: purpose.ok_or(missing.clone())?,
            writer: writer.ok_or(missing.clone())?,
            reader: reader.ok_or(missing.clone())?,
            at_ms: at_ms.ok_or(missing.clone())?,
            id: id.ok_or(missing)?,
            officer,
            epoch,
        })
    }
}

/// What a section's key is sealed for: this pack and this place in it.
fn context(header: &Header, section: u32) -> Vec<u8> {
    let mut context = header.id.to_vec();
    context.extend_from_slice(&header.writer.0);
    context.extend_from_slice(&header.reader.0);
    context.extend_from_slice(&section.to_be_bytes());
    context
}

/// Ciphers one section: each chunk under its number, and the last one under a mark, so that none can be left out or moved.
struct Cipher {
    cipher: XChaCha20Poly1305,
    next: u64,
}

impl Cipher {
    fn new(key: &Zeroizing<[u8; 32]>) -> Self {
        Self { cipher: XChaCha20Poly1305::new(&Key::from(**key)), next: 0 }
    }

    fn nonce(&mut self, is_last: bool) -> XNonce {
        let mut nonce = [0; 24];
        nonce[0] = u8::from(is_last);
        nonce[16..].copy_from_slice(&self.next.to_be_bytes());
        self.next += 1;
        XNonce::from(nonce)
    }

    fn seal(&mut self, plain: &[u8], is_last: bool) -> Vec<u8> {
        let nonce = self.nonce(is_last);
        let sealed = self.cipher.encrypt(&nonce, Payload { msg: plain, aad: &[] }).expect("a chunk is far from the cipher's limit");
        [&[u8::from(is_last)][..], &sealed].concat()
    }

    /// The plain bytes and whether they are the section's last.
    fn open(&mut self, chunk: &[u8]) -> Result<(Vec<u8>, bool), WireError> {
        const BAD: WireError = WireError::Malformed("a chunk of a pack that does not open");
        let (mark, sealed) = chunk.split_first().filter(|(m, _)| **m <= 1).ok_or(BAD)?;
        let nonce = self.nonce(*mark == 1);
        let plain = self.cipher.decrypt(&nonce, Payload { msg: sealed, aad: &[] }).map_err(|_| BAD)?;
        Ok((plain, *mark == 1))
    }
}

#[cfg(test)]
mod tests;
