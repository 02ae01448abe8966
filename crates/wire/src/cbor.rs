//! CBOR (RFC 8949) as this protocol uses it: deterministic writing, bounded reading of values and paths.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;

use daftar_core::ids::ChangeName;
use daftar_core::record::{self, Kind};
use daftar_core::value::{ElementKey, Path, Value};
use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Error};

use crate::limits::VALUE_DEPTH_MAX;
use crate::{WireError, bounded};

pub(crate) type Enc<'a> = Encoder<&'a mut Vec<u8>>;
pub(crate) type Put = Result<(), Error<Infallible>>;

/// Room for what is written mostly: a header, a small payload.
const ENCODED_BYTES: usize = 256;
/// Room for the fields that a change sets mostly.
const SET_FIELDS: usize = 64;

/// Writes to memory, which cannot fail.
pub(crate) fn encode(f: impl FnOnce(&mut Enc<'_>) -> Put) -> Vec<u8> {
    let mut out = Vec::with_capacity(ENCODED_BYTES);
    f(&mut Encoder::new(&mut out)).expect("writing CBOR to memory does not fail");
    out
}

pub(crate) fn put_value(e: &mut Enc<'_>, value: &Value) -> Put {
    match value {
        Value::Null => e.null()?.ok(),
        Value::Bool(b) => e.bool(*b)?.ok(),
        Value::Int(i) => e.i64(*i)?.ok(),
        Value::Text(t) => e.str(t)?.ok(),
        Value::Bytes(b) => e.bytes(b)?.ok(),
        Value::List(items) => {
            e.array(items.len() as u64)?;
            items.iter().try_for_each(|v| put_value(e, v))
        }
        Value::Map(entries) => {
            e.map(entries.len() as u64)?;
            entries.iter().try_for_each(|(n, v)| {
                e.u32(*n)?;
                put_value(e, v)
            })
        }
        Value::Raw(item) => {
            e.writer_mut().extend_from_slice(item);
            e.ok()
        }
    }
}

fn put_path(e: &mut Enc<'_>, path: &Path) -> Put {
    match path {
        Path::Field(f) => e.u32(*f)?.ok(),
        Path::Element(list, key, field) => {
            e.array(3)?.u32(*list)?;
            match key {
                ElementKey::Given(n) => e.u32(*n)?,
                ElementKey::Code(c) => e.str(c)?,
                ElementKey::New(n) => e.i64(-1 - i64::from(*n))?,
                ElementKey::Added(name, n) => e.array(2)?.bytes(&name.0)?.u32(*n)?,
            };
            e.u32(*field)?.ok()
        }
    }
}

/// A map of paths and values with its keys in the bytewise order of their encodings (RFC 8949, 4.2.1).
pub(crate) fn put_set<'a>(e: &mut Enc<'_>, set: impl ExactSizeIterator<Item = (&'a Path, &'a Value)>) -> Put {
    let mut keyed: Vec<(Range<usize>, &Value)> = Vec::with_capacity(set.len());
    // All keys stand in one piece of memory: a payload has many, and they are short.
    let keys = encode(|e| {
        for (path, value) in set {
            let from = e.writer().len();
            put_path(e, path)?;
            keyed.push((from..e.writer().len(), value));
        }
        e.ok()
    });
    keyed.sort_unstable_by(|a, b| keys[a.0.clone()].cmp(&keys[b.0.clone()]));
    e.map(keyed.len() as u64)?;
    keyed.into_iter().try_for_each(|(key, value)| {
        e.writer_mut().extend_from_slice(&keys[key]);
        put_value(e, value)
    })
}

/// The length of a container; indefinite lengths are not deterministic and are refused.
pub(crate) fn definite(n: Option<u64>) -> Result<u64, WireError> {
    n.ok_or(WireError::Malformed("a length that is not given at the start"))
}

/// How many elements to make room for: what is declared, but never more than the bytes that are left.
pub(crate) fn room(declared: u64, d: &Decoder<'_>) -> usize {
    (declared as usize).min(d.input().len().saturating_sub(d.position()))
}

pub(crate) fn fixed<const N: usize>(d: &mut Decoder<'_>) -> Result<[u8; N], WireError> {
    d.bytes()?.try_into().map_err(|_| WireError::Malformed("bytes of another length"))
}

/// Steps over one well-formed item, no deeper than a value may be.
fn skip(d: &mut Decoder<'_>, depth: u32) -> Result<(), WireError> {
    bounded("the depth of a value", depth.into(), VALUE_DEPTH_MAX.into())?;
    let Some(first) = d.input().get(d.position()) else {
        return Err(WireError::Malformed("a value that ends early"));
    };
    match first >> 5 {
        4 => (0..definite(d.array()?)?).try_for_each(|_| skip(d, depth + 1)),
        5 => (0..definite(d.map()?)?).try_for_each(|_| skip(d, depth + 1).and_then(|()| skip(d, depth + 1))),
        6 => {
            d.tag()?;
            skip(d, depth + 1)
        }
        _ if first & 0x1f == 0x1f => Err(WireError::Malformed("a length that is not given at the start")),
        _ => Ok(d.skip()?),
    }
}

pub(crate) fn raw_item<'b>(d: &mut Decoder<'b>) -> Result<&'b [u8], WireError> {
    let from = d.position();
    skip(d, 0)?;
    Ok(&d.input()[from..d.position()])
}

/// True if the bytes are exactly one well-formed item of bounded depth.
pub(crate) fn is_one_item(bytes: &[u8]) -> bool {
    let mut d = Decoder::new(bytes);
    skip(&mut d, 0).is_ok() && d.position() == bytes.len()
}

/// Reads a value that this version understands; whatever it cannot hold otherwise stays `Raw`.
pub(crate) fn get_value(item: &[u8]) -> Result<Value, WireError> {
    let mut d = Decoder::new(item);
    let Some(&first) = item.first() else {
        return Err(WireError::Malformed("a value that ends early"));
    };
    let raw = || Value::Raw(item.to_vec());
    Ok(match first >> 5 {
        0 | 1 => d.i64().map_or_else(|_| raw(), Value::Int),
        2 => Value::Bytes(d.bytes()?.to_vec()),
        3 => Value::Text(d.str()?.to_owned()),
        4 => {
            let n = definite(d.array()?)?;
            let mut items = Vec::with_capacity(room(n, &d));
            for _ in 0..n {
                items.push(get_value(raw_item(&mut d)?)?);
            }
            Value::List(items)
        }
        5 => {
            let n = definite(d.map()?)?;
            let mut entries: Vec<(u32, Value)> = Vec::with_capacity(room(n, &d));
            for _ in 0..n {
                let Ok(number) = d.u32() else { return Ok(raw()) };
                if entries.last().is_some_and(|(last, _)| *last >= number) {
                    return Ok(raw());
                }
                entries.push((number, get_value(raw_item(&mut d)?)?));
            }
            Value::Map(entries)
        }
        _ => match first {
            0xf4 => Value::Bool(false),
            0xf5 => Value::Bool(true),
            0xf6 => Value::Null,
            _ => raw(),
        },
    })
}

/// Whether `get_value` reads it.
fn check_value(item: &[u8]) -> Result<(), WireError> {
    let mut d = Decoder::new(item);
    match item.first().ok_or(WireError::Malformed("a value that ends early"))? >> 5 {
        2 => d.bytes().map(drop)?,
        3 => d.str().map(drop)?,
        4 => (0..definite(d.array()?)?).try_for_each(|_| check_value(raw_item(&mut d)?))?,
        // What is no group of ours is kept as it is: that is for the whole reader to say.
        5 => get_value(item).map(drop)?,
        _ => {}
    }
    Ok(())
}

fn get_path(d: &mut Decoder<'_>) -> Result<Path, WireError> {
    let first = d.input().get(d.position()).copied().unwrap_or(0);
    if first >> 5 == 0 {
        return Ok(Path::Field(d.u32()?));
    }
    if d.array()? != Some(3) {
        return Err(WireError::Malformed("a path that is neither a field nor an element's"));
    }
    let list = d.u32()?;
    let key = match d.input().get(d.position()).copied().unwrap_or(0) >> 5 {
        0 => ElementKey::Given(d.u32()?),
        1 => ElementKey::New(u32::try_from(-1 - d.i64()?).map_err(|_| WireError::Malformed("an element's ordinal out of range"))?),
        3 => ElementKey::Code(d.str()?.to_owned()),
        _ => {
            if d.array()? != Some(2) {
                return Err(WireError::Malformed("an element's key of an unknown form"));
            }
            ElementKey::Added(ChangeName(fixed(d)?), d.u32()?)
        }
    };
    Ok(Path::Element(list, key, d.u32()?))
}

/// Whether a map of paths and values can be read, without holding it.
pub(crate) fn check_set<'b>(d: &mut Decoder<'b>, kind: Kind) -> Result<(), WireError> {
    let begins = d.position();
    let mut last = None;
    for _ in 0..definite(d.map()?)? {
        let path = get_path(d)?;
        if last.as_ref().is_some_and(|last| *last >= path) {
            // Only where the paths go up is it plain that none comes twice.
            d.set_position(begins);
            return get_set(d, kind).map(drop);
        }
        let item = raw_item(d)?;
        if record::knows(kind, &path) {
            check_value(item)?;
        }
        last = Some(path);
    }
    Ok(())
}

pub(crate) fn get_set(d: &mut Decoder<'_>, kind: Kind) -> Result<BTreeMap<Path, Value>, WireError> {
    let declared = definite(d.map()?)?;
    let mut pairs = Vec::with_capacity(room(declared, d).min(SET_FIELDS));
    for _ in 0..declared {
        let path = get_path(d)?;
        let item = raw_item(d)?;
        // A field that this version does not know keeps its bytes, whatever they say.
        let value = if record::knows(kind, &path) { get_value(item)? } else { Value::Raw(item.to_vec()) };
        pairs.push((path, value));
    }
    let read = pairs.len();
    let set: BTreeMap<Path, Value> = pairs.into_iter().collect();
    if set.len() == read { Ok(set) } else { Err(WireError::Malformed("a path that is set twice")) }
}
