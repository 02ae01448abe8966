//! Reading a pack: first the whole is hashed and its signature checked, item by item and without a look into any; then, in a second
//! pass over the same bytes, what is sealed to the reader is opened. Holds one item at most.

use ed25519_dalek::VerifyingKey;
use minicbor::decode::Decoder;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{CHUNK, Cipher, HEADER, Header, ITEM_HEAD_BYTES, KEY_PURPOSE, MAGIC, SECTION, SIGNATURE, context};
use crate::cbor::{definite, room};
use crate::limits::{PACK_ITEM_BYTES_MAX, PACK_READERS_MAX, PACK_SECTIONS_MAX};
use crate::seal::{OpeningKey, open};
use crate::sign::{Sig, verify};
use crate::{WireError, bounded};

/// Cuts a pack's bytes into items as they come.
#[derive(Default)]
struct Items {
    bytes: Vec<u8>,
    at: usize,
    begun: bool,
    seen: u64,
    ended: bool,
}

/// An item's kind, its whole bytes, and where its content begins.
struct Item {
    kind: u8,
    whole: Vec<u8>,
}

impl Item {
    fn body(&self) -> &[u8] {
        &self.whole[ITEM_HEAD_BYTES..]
    }
}

impl Items {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.at);
        self.at = 0;
        self.bytes.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Result<Option<Item>, WireError> {
        if !self.begun {
            let Some(magic) = self.bytes.get(..MAGIC.len()) else { return Ok(None) };
            if magic != MAGIC {
                return Err(WireError::Malformed("not a courier pack of this version"));
            }
            (self.begun, self.at) = (true, MAGIC.len());
        }
        let rest = &self.bytes[self.at..];
        if self.ended {
            return if rest.is_empty() { Ok(None) } else { Err(WireError::Malformed("bytes after a pack's signature")) };
        }
        let Some(head) = rest.get(..ITEM_HEAD_BYTES) else { return Ok(None) };
        let len = head[..4].iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
        bounded("the bytes of a pack's item", len, PACK_ITEM_BYTES_MAX)?;
        let kind = head[4];
        match (self.seen, kind) {
            (0, HEADER) | (1.., SECTION | CHUNK | SIGNATURE) => {}
            _ => return Err(WireError::Malformed("a pack's items out of order")),
        }
        let whole = ITEM_HEAD_BYTES + usize::try_from(len).unwrap_or(usize::MAX);
        let Some(whole) = rest.get(..whole) else { return Ok(None) };
        let whole = whole.to_vec();
        self.at += whole.len();
        self.seen += 1;
        self.ended = kind == SIGNATURE;
        Ok(Some(Item { kind, whole }))
    }
}

/// The first pass: nothing in a pack is looked at but who says to have written it, before his signature over all of it holds.
pub struct Verifier {
    items: Items,
    hash: Sha256,
    header: Option<Header>,
    sig: Option<Sig>,
}

impl Default for Verifier {
    fn default() -> Self {
        let mut hash = Sha256::new();
        hash.update(MAGIC);
        Self { items: Items::default(), hash, header: None, sig: None }
    }
}

impl Verifier {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        self.items.push(bytes);
        while let Some(item) = self.items.next()? {
            match item.kind {
                SIGNATURE => {
                    self.sig = Some(item.body().try_into().map_err(|_| WireError::Malformed("a pack's signature of another length"))?);
                    continue;
                }
                HEADER => self.header = Some(Header::read(item.body())?),
                _ => {}
            }
            self.hash.update(&item.whole);
        }
        Ok(())
    }

    /// Who says to have written it: whose key is to be found.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// All bytes were pushed: the pack is whole, and this key signed it.
    pub fn finish(self, writer: &VerifyingKey) -> Result<Header, WireError> {
        let (Some(header), Some(sig), true) = (self.header, self.sig, self.items.at == self.items.bytes.len()) else {
            return Err(WireError::Malformed("a pack that was cut"));
        };
        verify(writer, &[b"daftar pack 1", self.hash.finalize().as_slice()].concat(), &sig, "a courier pack")?;
        Ok(header)
    }
}

/// What the second pass finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// A section begins, by its number; its content follows if it is sealed to the reader.
    Section {
        /// From 0.
        number: u32,
        /// Which of the reader's keys opens it; `None`: none does, and its content is passed over.
        by: Option<usize>,
    },
    /// The next bytes of the section's frames.
    Frames(Vec<u8>),
}

/// The second pass over a pack that was verified.
pub struct Reader {
    items: Items,
    keys: Vec<OpeningKey>,
    header: Option<Header>,
    sections: u32,
    state: State,
}

enum State {
    /// Between sections.
    Between,
    /// In a section that is not for us.
    Closed,
    /// In one that is.
    Open(Cipher),
}

impl Reader {
    /// Begins to read with these keys.
    pub fn new(keys: Vec<OpeningKey>) -> Self {
        Self { items: Items::default(), keys, header: None, sections: 0, state: State::Between }
    }

    /// Takes the next bytes and gives what they open.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Opened>, WireError> {
        self.items.push(bytes);
        let mut opened = Vec::new();
        while let Some(item) = self.items.next()? {
            match item.kind {
                HEADER => self.header = Some(Header::read(item.body())?),
                SECTION => opened.push(self.section(item.body())?),
                CHUNK => opened.extend(self.chunk(item.body())?),
                _ if matches!(self.state, State::Open(_)) => return Err(WireError::Malformed("a section without its last chunk")),
                _ => {}
            }
        }
        Ok(opened)
    }

    fn section(&mut self, body: &[u8]) -> Result<Opened, WireError> {
        if matches!(self.state, State::Open(_)) {
            return Err(WireError::Malformed("a section without its last chunk"));
        }
        let header = self.header.as_ref().ok_or(WireError::Malformed("a section before the header"))?;
        bounded("the sections of a pack", u64::from(self.sections) + 1, PACK_SECTIONS_MAX)?;
        let mut d = Decoder::new(body);
        let n = definite(d.array()?)?;
        bounded("the readers of a section", n, PACK_READERS_MAX)?;
        let mut sealed = Vec::with_capacity(room(n, &d));
        for _ in 0..n {
            sealed.push(d.bytes()?);
        }
        let context = context(header, self.sections);
        let found = sealed.iter().find_map(|s| {
            let opens = |k: &OpeningKey| open(k, KEY_PURPOSE, &context, s).ok();
            self.keys.iter().enumerate().find_map(|(i, k)| opens(k).map(|key| (i, key)))
        });
        let number = self.sections;
        self.sections += 1;
        let by = match found {
            Some((i, key)) => {
                let key: [u8; 32] = key.as_slice().try_into().map_err(|_| WireError::Malformed("a section's key of another length"))?;
                self.state = State::Open(Cipher::new(&Zeroizing::new(key)));
                Some(i)
            }
            None => {
                self.state = State::Closed;
                None
            }
        };
        Ok(Opened::Section { number, by })
    }

    fn chunk(&mut self, body: &[u8]) -> Result<Option<Opened>, WireError> {
        match &mut self.state {
            State::Between => Err(WireError::Malformed("a chunk outside a section")),
            State::Closed => Ok(None),
            State::Open(cipher) => {
                let (plain, is_last) = cipher.open(body)?;
                if is_last {
                    self.state = State::Between;
                }
                Ok(Some(Opened::Frames(plain)))
            }
        }
    }
}
