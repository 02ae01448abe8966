//! A segment's body: the changes' bytes, plain or as columns, in streams that are compressed one by one.

use std::cell::RefCell;
use std::sync::OnceLock;

use bumpalo::Bump;
use daftar_core::change::Header;
use minicbor::decode::Decoder;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use super::Parts;
use crate::cbor::encode;
use crate::change::{Body, Entry, read_header, view_payload};
use crate::columns::{self, Row, RowBytes, Source, Streams};
use crate::limits::SEGMENT_PLAIN_BYTES_MAX;
use crate::stream::StreamId;
use crate::{WireError, bounded};

/// Header and payload of each change as CBOR byte strings, in one stream.
pub(super) const PLAIN: u8 = 0;
/// Columns, in four streams.
pub(super) const COLUMNAR: u8 = 1;

const STORED: u8 = 0;
const ZSTD: u8 = 1;
const ZSTD_DICT: u8 = 2;

/// Higher levels win little on streams of this size and cost the officer's battery.
const LEVEL: i32 = 9;

/// The words of the field in four languages and the codes of the format: ships with it and never changes;
/// another dictionary is another number here.
static DICTIONARY: &[u8] = include_bytes!("../../dict/1.txt");

fn encoder_dictionary() -> &'static EncoderDictionary<'static> {
    static PREPARED: OnceLock<EncoderDictionary<'static>> = OnceLock::new();
    PREPARED.get_or_init(|| EncoderDictionary::copy(DICTIONARY, LEVEL))
}

fn decoder_dictionary() -> &'static DecoderDictionary<'static> {
    static PREPARED: OnceLock<DecoderDictionary<'static>> = OnceLock::new();
    PREPARED.get_or_init(|| DecoderDictionary::copy(DICTIONARY))
}

thread_local! {
    static COMPRESS: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESS: RefCell<[Option<Decompressor<'static>>; 2]> = const { RefCell::new([None, None]) };
}

pub(super) fn plain(entries: &[Entry]) -> Vec<u8> {
    let bytes = encode(|e| {
        for entry in entries {
            e.bytes(&entry.header)?;
            match entry.payload() {
                Some(p) => e.bytes(p)?,
                None => e.null()?,
            };
        }
        e.ok()
    });
    let mut out = Vec::new();
    put_stream(&mut out, &bytes, true);
    out
}

/// `None`: the changes do not fit the columns, or say something that this version would not write alike.
pub(super) fn columnar(stream: &StreamId, entries: &[Entry]) -> Option<Vec<u8>> {
    let headers: Vec<Header> = entries.iter().map(|e| read_header(&e.header).ok()).collect::<Option<_>>()?;
    let has_parents = headers.iter().any(|h| !h.parents.is_empty());
    let rows: Vec<Row<'_>> = entries
        .iter()
        .zip(headers)
        .map(|(entry, header)| {
            let payload = entry.payload().map(|p| view_payload(header.kind, p)).transpose().ok()?;
            Some(Row { name: has_parents.then(|| entry.name(&stream.compartment)), header, payload })
        })
        .collect::<Option<_>>()?;
    let Streams { control, text, letters, random } = columns::write(&stream.device, &rows)?;
    let mut out = Vec::new();
    put_stream(&mut out, &control, true);
    put_stream(&mut out, &text, true);
    put_stream(&mut out, &letters, true);
    put_stream(&mut out, &random, false);
    Some(out)
}

fn put_uint(out: &mut Vec<u8>, n: usize) {
    let mut s = Streams::default();
    s.uint(n as u64);
    out.extend(s.control);
}

/// Form, plain length, and where compressed the stored length; then the bytes.
fn put_stream(out: &mut Vec<u8>, bytes: &[u8], compress: bool) {
    let packed = if compress && !bytes.is_empty() { with_compressor(|c| c.compress(bytes).ok()) } else { None };
    match packed.filter(|p| p.len() + 2 < bytes.len()) {
        Some(packed) => {
            out.push(ZSTD_DICT);
            put_uint(out, bytes.len());
            put_uint(out, packed.len());
            out.extend(packed);
        }
        None => {
            out.push(STORED);
            put_uint(out, bytes.len());
            out.extend_from_slice(bytes);
        }
    }
}

fn with_compressor<T>(f: impl FnOnce(&mut Compressor<'static>) -> Option<T>) -> Option<T> {
    COMPRESS.with_borrow_mut(|slot| {
        if slot.is_none() {
            let mut c = Compressor::with_prepared_dictionary(encoder_dictionary()).ok()?;
            c.include_contentsize(false).ok()?;
            c.include_dictid(false).ok()?;
            *slot = Some(c);
        }
        slot.as_mut().and_then(f)
    })
}

fn decompress(form: u8, packed: &[u8], len: usize) -> Result<Vec<u8>, WireError> {
    const BAD: WireError = WireError::Malformed("a stream that does not decompress to its length");
    DECOMPRESS.with_borrow_mut(|slots| {
        let slot = &mut slots[usize::from(form == ZSTD_DICT)];
        if slot.is_none() {
            let made = if form == ZSTD_DICT { Decompressor::with_prepared_dictionary(decoder_dictionary()) } else { Decompressor::new() };
            *slot = Some(made.map_err(|_| BAD)?);
        }
        let bytes = slot.as_mut().ok_or(BAD)?.decompress(packed, len).map_err(|_| BAD)?;
        if bytes.len() == len { Ok(bytes) } else { Err(BAD) }
    })
}

/// A segment's parts on the way to its entries.
pub(super) struct Shell<'p, 'a> {
    pub(super) parts: &'p Parts<'a>,
}

impl Shell<'_, '_> {
    pub(super) fn open(&self) -> Result<Vec<Entry>, WireError> {
        let mut rest = self.parts.body;
        let mut total = 0;
        let mut stream = || get_stream(&mut rest, &mut total);
        let rows = match self.parts.coding {
            PLAIN => self.read_plain(&stream()?)?,
            COLUMNAR => {
                let streams = [stream()?, stream()?, stream()?, stream()?];
                self.read_columns(&streams)?
            }
            _ => return Err(WireError::Newer("a segment in a coding")),
        };
        if !rest.is_empty() {
            return Err(WireError::Malformed("bytes behind a segment's body"));
        }
        let entries: Vec<Entry> = rows
            .into_iter()
            .zip(self.parts.outline.first..)
            .map(|((header, payload), n)| {
                let body = match (payload, self.parts.erased(n)) {
                    (None, Some(k)) => Body::Erased { k },
                    (Some(payload), None) => Body::Whole { payload, salt: self.parts.salt(n)? },
                    (Some(_), Some(_)) | (None, None) => {
                        return Err(WireError::Malformed("a payload that is both there and erased, or neither"));
                    }
                };
                Ok(Entry { header, body })
            })
            .collect::<Result<_, _>>()?;
        let plain: u64 = entries.iter().map(|e| e.len() as u64).sum();
        if plain == self.parts.plain { Ok(entries) } else { Err(WireError::Malformed("a segment of another size than declared")) }
    }

    fn read_plain(&self, bytes: &[u8]) -> Result<Vec<RowBytes>, WireError> {
        let mut d = Decoder::new(bytes);
        let rows = (0..self.parts.outline.count)
            .map(|_| {
                let header = d.bytes()?.to_vec();
                let payload = if bytes.get(d.position()) == Some(&0xf6) {
                    d.null()?;
                    None
                } else {
                    Some(d.bytes()?.to_vec())
                };
                Ok((header, payload))
            })
            .collect::<Result<Vec<_>, WireError>>()?;
        if d.position() == bytes.len() { Ok(rows) } else { Err(WireError::Malformed("bytes behind the changes")) }
    }

    fn read_columns(&self, streams: &[Vec<u8>; 4]) -> Result<Vec<RowBytes>, WireError> {
        let outline = &self.parts.outline;
        let made = Bump::new();
        let source = Source::new([&streams[0], &streams[1], &streams[2], &streams[3]], &made, self.parts.plain);
        let number = |i: usize| outline.first + i as u64;
        let erased = |i: usize| self.parts.erased(number(i)).is_some();
        let name = |i: usize, header: &[u8], payload: Option<&[u8]>| {
            let body = match (payload, self.parts.erased(number(i))) {
                (Some(p), _) => Body::Whole { payload: p.to_vec(), salt: self.parts.salt(number(i)).unwrap_or_default() },
                (None, k) => Body::Erased { k: k.unwrap_or_default() },
            };
            Entry { header: header.to_vec(), body }.name(&outline.stream.compartment)
        };
        columns::read(&outline.stream.device, outline.count as usize, source, &erased, &name)
    }
}

fn get_stream(from: &mut &[u8], total: &mut u64) -> Result<Vec<u8>, WireError> {
    let form = columns::take(from, 1)?[0];
    let len = columns::take_uint(from)?;
    *total = total.saturating_add(len);
    // Columns hold no more than the changes do, and a little for the plain form's lengths.
    bounded("the bytes of a segment's streams", *total, 2 * SEGMENT_PLAIN_BYTES_MAX)?;
    match form {
        STORED => columns::take(from, len as usize).map(<[u8]>::to_vec),
        ZSTD | ZSTD_DICT => {
            let packed = columns::take_uint(from)?;
            let packed = columns::take(from, usize::try_from(packed).unwrap_or(usize::MAX))?;
            decompress(form, packed, len as usize)
        }
        _ => Err(WireError::Newer("a stream in a form")),
    }
}
