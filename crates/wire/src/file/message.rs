//! What the two ends say to each other about files: `POST /v1/files`, in frames of their own numbers. Never a record's words.

use daftar_core::ids::{FileHash, OfficerId};
use minicbor::decode::Decoder;

use super::{FileBegun, FileChunk, FileId, FilePart, Manifest};
use crate::cbor::{Enc, Put, definite, encode, fixed, raw_item};
use crate::limits::{FILE_BYTES_MAX, FILE_CHUNK_BYTES, FILE_CHUNKS_MAX, FILE_RECEIPT_FILES_MAX, HELLO_OFFICERS_MAX};
use crate::message::{Held, Receipt, frame, get_compartment};
use crate::{WireError, bounded};

const HELLO: u8 = 1;
const OFFER: u8 = 2;
const CHUNK: u8 = 3;
const WANT: u8 = 4;
const END: u8 = 5;
const HELD: u8 = 6;
const MISSING: u8 = 7;
const REFUSED: u8 = 8;
const RECEIPT: u8 = 9;
const HERE: u8 = 10;
const PART: u8 = 11;
const MORE: u8 = 12;

/// Bytes of a reason.
const REASON_BYTES_MAX: usize = 64;

/// What a device says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileAsk {
    /// The officers who are unlocked; always first. What they may read is sent.
    Hello(Vec<OfficerId>),
    /// It has this file; what of it is lacking is asked for by a bitmap.
    Offer(Manifest),
    /// A chunk of a file that was offered before in this exchange.
    Chunk(FileChunk),
    /// A part of such a chunk, to a server that takes them.
    Part(FilePart),
    /// It wants a file.
    Want {
        /// Which.
        file: FileId,
        /// What it has of it; `None`: not even the manifest.
        held: Option<Vec<u8>>,
        /// At most so many chunks; 0: only whether headquarters has it whole.
        chunks_max: u32,
        /// What it has of the next; `None`: it takes no parts.
        begun: Option<FileBegun>,
    },
    /// All has been said.
    End,
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileAnswer {
    /// What is held of a file that was offered; `None`: all of it.
    Held {
        /// Which.
        file: FileId,
        /// The bits of its chunks.
        held: Option<Vec<u8>>,
        /// What is here of the next; `None`: no parts are taken.
        begun: Option<FileBegun>,
    },
    /// What a file that is wanted is made of.
    Offer(Manifest),
    /// A chunk of a file that is wanted.
    Chunk(FileChunk),
    /// A part of such a chunk, to a device that takes them.
    Part(FilePart),
    /// There is no such file for whoever asks: it is not there, not whole yet, or not his. One answer for all.
    Missing(FileId),
    /// Something of this file was not taken; the reason is a code.
    Refused {
        /// Which.
        file: FileId,
        /// Why: `storage_full`, `bad_chunk`, `bad_file`, `too_many`, `not_offered`.
        reason: String,
    },
    /// The server's signed word that it holds files whole.
    Receipt(FileReceipt),
    /// The server is there and listens.
    Here,
    /// All has been said.
    End,
}

/// A file in a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptedFile {
    /// Which.
    pub file: FileId,
    /// Its bytes.
    pub size: u64,
}

/// The server's signed word for files that it holds whole, checked against their names.
pub type FileReceipt = Receipt<ReceiptedFile>;

impl FileAsk {
    /// The message as one frame.
    pub fn write(&self) -> Vec<u8> {
        let (byte, content) = self.parts();
        frame(byte, &content)
    }

    /// The message as it stands in a frame of the exchange of records.
    pub fn word(&self) -> Vec<u8> {
        word(self.parts())
    }

    fn parts(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Hello(officers) => (HELLO, write_hello(officers)),
            Self::Offer(m) => (OFFER, write_manifest(m)),
            Self::Chunk(c) => (CHUNK, write_chunk(c)),
            Self::Part(part) => write_part(part),
            Self::Want { file, held, chunks_max, begun } => (WANT, write_file(file, held.as_deref(), Some(*chunks_max), *begun)),
            Self::End => (END, Vec::new()),
        }
    }

    /// Reads what stood in a frame. `None`: a message that this version does not know, to be passed over.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let (kind, body) = bytes.split_first().ok_or(WireError::Malformed("an empty frame"))?;
        Ok(match *kind {
            HELLO => Some(Self::Hello(read_hello(body)?)),
            OFFER => Some(Self::Offer(read_manifest(body)?)),
            CHUNK => Some(Self::Chunk(read_chunk(body)?)),
            WANT => {
                let f = read_file(body)?;
                Some(Self::Want { file: f.file, held: f.bits, chunks_max: f.number.unwrap_or(FILE_CHUNKS_MAX), begun: f.begun })
            }
            PART | MORE => Some(Self::Part(read_part(*kind, body)?)),
            END => Some(Self::End),
            _ => None,
        })
    }
}

impl FileAnswer {
    /// The message as one frame.
    pub fn write(&self) -> Vec<u8> {
        let (byte, content) = self.parts();
        frame(byte, &content)
    }

    /// The message as it stands in a frame of the exchange of records.
    pub fn word(&self) -> Vec<u8> {
        word(self.parts())
    }

    fn parts(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Held { file, held, begun } => (HELD, write_file(file, held.as_deref(), None, *begun)),
            Self::Offer(m) => (OFFER, write_manifest(m)),
            Self::Chunk(c) => (CHUNK, write_chunk(c)),
            Self::Part(part) => write_part(part),
            Self::Missing(file) => (MISSING, write_file(file, None, None, None)),
            Self::Refused { file, reason } => (REFUSED, write_refused(file, reason)),
            Self::Receipt(r) => (RECEIPT, r.write()),
            Self::Here => (HERE, Vec::new()),
            Self::End => (END, Vec::new()),
        }
    }

    /// Reads what stood in a frame. `None`: a message that this version does not know, to be passed over.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        let (kind, body) = bytes.split_first().ok_or(WireError::Malformed("an empty frame"))?;
        Ok(match *kind {
            HELD => {
                let f = read_file(body)?;
                Some(Self::Held { file: f.file, held: f.bits, begun: f.begun })
            }
            PART | MORE => Some(Self::Part(read_part(*kind, body)?)),
            OFFER => Some(Self::Offer(read_manifest(body)?)),
            CHUNK => Some(Self::Chunk(read_chunk(body)?)),
            MISSING => Some(Self::Missing(read_file(body)?.file)),
            REFUSED => {
                let f = read_file(body)?;
                Some(Self::Refused { file: f.file, reason: f.reason.unwrap_or_default() })
            }
            RECEIPT => Some(Self::Receipt(FileReceipt::read(body)?)),
            HERE => Some(Self::Here),
            END => Some(Self::End),
            _ => None,
        })
    }
}

fn word((byte, mut content): (u8, Vec<u8>)) -> Vec<u8> {
    content.insert(0, byte);
    content
}

impl Held for ReceiptedFile {
    const PURPOSE: &'static [u8] = b"daftar file receipt 1";
    const RECEIPT: &'static str = "a receipt for files";
    const LIST: (&'static str, u64) = ("the files of a receipt", FILE_RECEIPT_FILES_MAX);

    fn put(&self, e: &mut Enc<'_>) -> Put {
        e.array(3)?.str(self.file.compartment.as_str())?.bytes(&self.file.sha256.0)?.u64(self.size)?.ok()
    }

    fn get(d: &mut Decoder<'_>) -> Result<Self, WireError> {
        if d.array()? != Some(3) {
            return Err(WireError::Malformed("a receipt's entry of another length"));
        }
        let file = FileId { compartment: get_compartment(d)?, sha256: FileHash(fixed(d)?) };
        Ok(Self { file, size: d.u64()? })
    }
}

fn put_name(e: &mut Enc<'_>, file: &FileId) -> Put {
    e.u8(1)?.str(file.compartment.as_str())?.u8(2)?.bytes(&file.sha256.0)?.ok()
}

fn write_hello(officers: &[OfficerId]) -> Vec<u8> {
    encode(|e| {
        e.map(1)?.u8(3)?.array(officers.len() as u64)?;
        officers.iter().try_for_each(|o| e.bytes(&o.0)?.ok())
    })
}

fn read_hello(bytes: &[u8]) -> Result<Vec<OfficerId>, WireError> {
    let mut d = Decoder::new(bytes);
    let mut officers = Vec::new();
    for _ in 0..definite(d.map()?)? {
        match d.u32()? {
            3 => {
                let n = definite(d.array()?)?;
                bounded("the officers of a hello", n, HELLO_OFFICERS_MAX)?;
                for _ in 0..n {
                    officers.push(OfficerId(fixed(&mut d)?));
                }
            }
            _ => {
                raw_item(&mut d)?;
            }
        }
    }
    Ok(officers)
}

fn write_manifest(m: &Manifest) -> Vec<u8> {
    let list: Vec<u8> = m.chunks.concat();
    encode(|e| {
        e.map(4)?;
        put_name(e, &m.file)?;
        e.u8(3)?.u64(m.size)?.u8(4)?.bytes(&list)?.ok()
    })
}

fn write_chunk(c: &FileChunk) -> Vec<u8> {
    encode(|e| {
        e.map(4)?;
        put_name(e, &c.file)?;
        e.u8(5)?.u32(c.index)?.u8(6)?.bytes(&c.bytes)?.ok()
    })
}

fn write_part(part: &FilePart) -> (u8, Vec<u8>) {
    match part {
        FilePart::From { file, index, at, bytes } => {
            let content = encode(|e| {
                e.map(5)?;
                put_name(e, file)?;
                e.u8(5)?.u32(*index)?.u8(6)?.bytes(bytes)?.u8(9)?.u32(*at)?.ok()
            });
            (PART, content)
        }
        FilePart::More(bytes) => (MORE, bytes.clone()),
    }
}

fn write_file(file: &FileId, bits: Option<&[u8]>, number: Option<u32>, begun: Option<FileBegun>) -> Vec<u8> {
    encode(|e| {
        e.map(2 + u64::from(bits.is_some()) + u64::from(number.is_some()) + u64::from(begun.is_some()))?;
        put_name(e, file)?;
        if let Some(number) = number {
            e.u8(5)?.u32(number)?;
        }
        if let Some(bits) = bits {
            e.u8(7)?.bytes(bits)?;
        }
        if let Some(FileBegun { index, bytes }) = begun {
            e.u8(10)?.array(2)?.u32(index)?.u32(bytes)?;
        }
        e.ok()
    })
}

fn write_refused(file: &FileId, reason: &str) -> Vec<u8> {
    encode(|e| {
        e.map(3)?;
        put_name(e, file)?;
        e.u8(8)?.str(reason)?.ok()
    })
}

/// What stands in a message about one file.
struct About {
    file: FileId,
    size: Option<u64>,
    list: Option<Vec<u8>>,
    number: Option<u32>,
    bytes: Option<Vec<u8>>,
    bits: Option<Vec<u8>>,
    reason: Option<String>,
    at: Option<u32>,
    begun: Option<FileBegun>,
}

fn short(d: &mut Decoder<'_>, what: &'static str, max: usize) -> Result<Vec<u8>, WireError> {
    let bytes = d.bytes()?;
    bounded(what, bytes.len() as u64, max as u64)?;
    Ok(bytes.to_vec())
}

fn read_file(bytes: &[u8]) -> Result<About, WireError> {
    let mut d = Decoder::new(bytes);
    let (mut compartment, mut sha256) = (None, None);
    let (mut size, mut list, mut number, mut chunk, mut bits, mut reason) = (None, None, None, None, None, None);
    let (mut at, mut begun) = (None, None);
    for _ in 0..definite(d.map()?)? {
        match d.u32()? {
            1 => compartment = Some(get_compartment(&mut d)?),
            2 => sha256 = Some(FileHash(fixed(&mut d)?)),
            3 => size = Some(d.u64()?),
            4 => list = Some(short(&mut d, "the chunks of a manifest", FILE_CHUNKS_MAX as usize * 32)?),
            5 => number = Some(d.u32()?),
            6 => chunk = Some(short(&mut d, "the bytes of a chunk", FILE_CHUNK_BYTES)?),
            7 => bits = Some(short(&mut d, "the bytes of a bitmap", FILE_CHUNKS_MAX as usize / 8)?),
            8 => reason = Some(d.str()?).filter(|r| r.len() <= REASON_BYTES_MAX).map(str::to_owned),
            9 => at = Some(d.u32()?),
            10 => begun = Some(read_begun(&mut d)?),
            _ => {
                raw_item(&mut d)?;
            }
        }
    }
    let unnamed = WireError::Malformed("a message about a file that it does not name");
    let file = FileId { compartment: compartment.ok_or(unnamed.clone())?, sha256: sha256.ok_or(unnamed)? };
    Ok(About { file, size, list, number, bytes: chunk, bits, reason, at, begun })
}

fn read_begun(d: &mut Decoder<'_>) -> Result<FileBegun, WireError> {
    if d.array()? != Some(2) {
        return Err(WireError::Malformed("a chunk that was begun, in another length"));
    }
    let begun = FileBegun { index: d.u32()?, bytes: d.u32()? };
    bounded("the bytes of a chunk that was begun", u64::from(begun.bytes), FILE_CHUNK_BYTES as u64)?;
    Ok(begun)
}

fn read_part(kind: u8, body: &[u8]) -> Result<FilePart, WireError> {
    if kind == MORE {
        bounded("the bytes of a part", body.len() as u64, FILE_CHUNK_BYTES as u64)?;
        return Ok(FilePart::More(body.to_vec()));
    }
    let about = read_file(body)?;
    let lacks = || WireError::Malformed("a part that lacks a part");
    let (index, at) = (about.number.ok_or_else(lacks)?, about.at.ok_or_else(lacks)?);
    Ok(FilePart::From { file: about.file, index, at, bytes: about.bytes.ok_or_else(lacks)? })
}

fn read_manifest(bytes: &[u8]) -> Result<Manifest, WireError> {
    let about = read_file(bytes)?;
    let lacks = || WireError::Malformed("a manifest that lacks a part");
    let (size, list) = (about.size.ok_or_else(lacks)?, about.list.ok_or_else(lacks)?);
    bounded("the bytes of a file", size, FILE_BYTES_MAX)?;
    let (chunks, rest) = list.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(WireError::Malformed("a manifest with a part of a hash"));
    }
    let manifest = Manifest { file: about.file, size, chunks: chunks.to_vec() };
    manifest.check()?;
    Ok(manifest)
}

fn read_chunk(bytes: &[u8]) -> Result<FileChunk, WireError> {
    let about = read_file(bytes)?;
    let lacks = || WireError::Malformed("a chunk that lacks a part");
    Ok(FileChunk { file: about.file, index: about.number.ok_or_else(lacks)?, bytes: about.bytes.ok_or_else(lacks)? })
}
