//! Writing a pack, piece by piece. Whoever writes brings keys, randomness and a file; nothing is held but one chunk.

use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{CHUNK, Cipher, HEADER, Header, ITEM_HEAD_BYTES, KEY_PURPOSE, MAGIC, SECTION, SIGNATURE, context};
use crate::cbor::encode;
use crate::limits::{PACK_CHUNK_PLAIN_BYTES, PACK_READERS_MAX, PACK_SECTIONS_MAX};
use crate::seal::{SealingKey, seal};
use crate::sign::sign;
use crate::{WireError, bounded};

/// A pack in the making.
pub struct Writer {
    header: Header,
    hash: Sha256,
    sections: u32,
    open: Option<Section>,
    out: Vec<u8>,
}

struct Section {
    cipher: Cipher,
    plain: Zeroizing<Vec<u8>>,
}

impl Writer {
    /// Begins a pack.
    pub fn new(header: Header) -> Self {
        let mut writer = Self { header, hash: Sha256::new(), sections: 0, open: None, out: Vec::new() };
        writer.hash.update(MAGIC);
        writer.out.extend_from_slice(&MAGIC);
        writer.item(HEADER, &header.write());
        writer
    }

    fn item(&mut self, kind: u8, body: &[u8]) {
        let from = self.out.len();
        self.out.reserve(ITEM_HEAD_BYTES + body.len());
        self.out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.out.push(kind);
        self.out.extend_from_slice(body);
        self.hash.update(&self.out[from..]);
    }

    /// Begins a section that these may read, each with his own key. `key`: 32 random bytes, for this section alone.
    pub fn section(&mut self, readers: &[SealingKey], key: &Zeroizing<[u8; 32]>) -> Result<(), WireError> {
        bounded("the readers of a section", readers.len() as u64, PACK_READERS_MAX)?;
        bounded("the sections of a pack", u64::from(self.sections) + 1, PACK_SECTIONS_MAX)?;
        self.close();
        let context = context(&self.header, self.sections);
        let sealed = readers.iter().map(|to| seal(to, KEY_PURPOSE, &context, key.as_slice())).collect::<Result<Vec<_>, _>>()?;
        let body = encode(|e| {
            e.array(sealed.len() as u64)?;
            sealed.iter().try_for_each(|s| e.bytes(s)?.ok())
        });
        self.item(SECTION, &body);
        self.sections += 1;
        self.open = Some(Section { cipher: Cipher::new(key), plain: Zeroizing::default() });
        Ok(())
    }

    /// Adds frames to the open section.
    pub fn put(&mut self, mut bytes: &[u8]) {
        while let Some(section) = self.open.as_mut().filter(|_| !bytes.is_empty()) {
            let (now, later) = bytes.split_at(bytes.len().min(PACK_CHUNK_PLAIN_BYTES - section.plain.len()));
            section.plain.extend_from_slice(now);
            bytes = later;
            // A full chunk waits until there is more: only then is it known not to be the last.
            if section.plain.len() == PACK_CHUNK_PLAIN_BYTES && !bytes.is_empty() {
                let chunk = section.cipher.seal(&section.plain, false);
                section.plain.clear();
                self.item(CHUNK, &chunk);
            }
        }
    }

    fn close(&mut self) {
        if let Some(mut section) = self.open.take() {
            let chunk = section.cipher.seal(&section.plain, true);
            self.item(CHUNK, &chunk);
        }
    }

    /// What has been made and not been taken yet.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Signs the pack and gives the rest of it.
    pub fn finish(mut self, key: &SigningKey) -> Vec<u8> {
        self.close();
        let hash = self.hash.clone().finalize();
        let sig = sign(key, &[b"daftar pack 1", hash.as_slice()].concat());
        self.item(SIGNATURE, &sig);
        self.out
    }
}
