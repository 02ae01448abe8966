//! CBOR (RFC 8949) as this protocol uses it: deterministic writing, bounded reading of values and paths.

use std::cmp::Ordering;
use std::convert::Infallible;

use daftar_core::record::Kind;
use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Error};

use crate::limits::VALUE_DEPTH_MAX;
use crate::view::{KeyView, PathView, View};
use crate::{WireError, bounded};

pub(crate) type Enc<'a> = Encoder<&'a mut Vec<u8>>;
pub(crate) type Put = Result<(), Error<Infallible>>;

/// Room for what is written mostly: a header, a small payload.
const ENCODED_BYTES: usize = 256;
/// Room for the fields that a change sets mostly.
pub(crate) const SET_FIELDS: usize = 64;

/// Writes to memory, which cannot fail.
pub(crate) fn encode(f: impl FnOnce(&mut Enc<'_>) -> Put) -> Vec<u8> {
    let mut out = Vec::with_capacity(ENCODED_BYTES);
    encode_to(&mut out, f);
    out
}

/// The same behind what is there.
pub(crate) fn encode_to(out: &mut Vec<u8>, f: impl FnOnce(&mut Enc<'_>) -> Put) {
    f(&mut Encoder::new(out)).expect("writing CBOR to memory does not fail");
}

pub(crate) fn put_value(e: &mut Enc<'_>, value: &View<'_>) -> Put {
    match value {
        View::Null => e.null()?.ok(),
        View::Bool(b) => e.bool(*b)?.ok(),
        View::Int(i) => e.i64(*i)?.ok(),
        View::Text(t) => e.str(t)?.ok(),
        View::Bytes(b) => e.bytes(b)?.ok(),
        View::List(items) => {
            e.array(items.len() as u64)?;
            items.iter().try_for_each(|v| put_value(e, v))
        }
        View::Map(entries) => {
            e.map(entries.len() as u64)?;
            entries.iter().try_for_each(|(n, v)| {
                e.u32(*n)?;
                put_value(e, v)
            })
        }
        View::Raw(item) => {
            e.writer_mut().extend_from_slice(item);
            e.ok()
        }
    }
}

fn put_path(e: &mut Enc<'_>, path: PathView<'_>) -> Put {
    match path {
        PathView::Field(f) => e.u32(f)?.ok(),
        PathView::Element(list, key, field) => {
            e.array(3)?.u32(list)?;
            match key {
                KeyView::Given(n) => e.u32(n)?,
                KeyView::Code(c) => e.str(c)?,
                KeyView::New(n) => e.i64(-1 - i64::from(n))?,
                KeyView::Added(name, n) => e.array(2)?.bytes(name)?.u32(n)?,
            };
            e.u32(field)?.ok()
        }
    }
}

/// The bytewise order of the paths' encodings (RFC 8949, 4.2.1).
fn by_encoding(a: &PathView<'_>, b: &PathView<'_>) -> Ordering {
    // Numbers before numbers below zero, texts by their length first, lists last.
    let rank = |key: &KeyView<'_>| match key {
        KeyView::Given(n) => (0, *n as usize),
        KeyView::New(n) => (1, *n as usize),
        KeyView::Code(c) => (2, c.len()),
        KeyView::Added(..) => (3, 0),
    };
    match (a, b) {
        (PathView::Field(a), PathView::Field(b)) => a.cmp(b),
        (PathView::Field(_), PathView::Element(..)) => Ordering::Less,
        (PathView::Element(..), PathView::Field(_)) => Ordering::Greater,
        (PathView::Element(a_list, a_key, a_field), PathView::Element(b_list, b_key, b_field)) => {
            let lists = a_list.cmp(b_list).then_with(|| rank(a_key).cmp(&rank(b_key)));
            lists.then_with(|| a_key.cmp(b_key)).then_with(|| a_field.cmp(b_field))
        }
    }
}

/// Puts paths in the bytewise order of their encodings. None may come twice.
pub(crate) fn order(set: &mut [(PathView<'_>, View<'_>)]) -> Result<(), WireError> {
    order_by(set, by_encoding)
}

/// Mostly they are in order already.
fn order_by(set: &mut [(PathView<'_>, View<'_>)], by: impl Fn(&PathView<'_>, &PathView<'_>) -> Ordering) -> Result<(), WireError> {
    let rises = |set: &[(PathView<'_>, View<'_>)]| set.is_sorted_by(|a, b| by(&a.0, &b.0).is_lt());
    if !rises(set) {
        set.sort_unstable_by(|a, b| by(&a.0, &b.0));
        if !rises(set) {
            return Err(WireError::Malformed("a path that is set twice"));
        }
    }
    Ok(())
}

/// A map of paths and values that are in order.
pub(crate) fn put_set(e: &mut Enc<'_>, set: &[(PathView<'_>, View<'_>)]) -> Put {
    e.map(set.len() as u64)?;
    set.iter().try_for_each(|(path, value)| {
        put_path(e, *path)?;
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
    raw_within(d, 0)
}

fn raw_within<'b>(d: &mut Decoder<'b>, depth: u32) -> Result<&'b [u8], WireError> {
    let from = d.position();
    skip(d, depth)?;
    Ok(&d.input()[from..d.position()])
}

/// True if the bytes are exactly one well-formed item of bounded depth.
pub(crate) fn is_one_item(bytes: &[u8]) -> bool {
    let mut d = Decoder::new(bytes);
    skip(&mut d, 0).is_ok() && d.position() == bytes.len()
}

/// Reads a value that this version understands; whatever it cannot hold otherwise stays `Raw`.
pub(crate) fn get_value<'b>(d: &mut Decoder<'b>) -> Result<View<'b>, WireError> {
    value_within(d, 0)
}

fn value_within<'b>(d: &mut Decoder<'b>, depth: u32) -> Result<View<'b>, WireError> {
    bounded("the depth of a value", depth.into(), VALUE_DEPTH_MAX.into())?;
    let from = d.position();
    let Some(&first) = d.input().get(from) else {
        return Err(WireError::Malformed("a value that ends early"));
    };
    let known = match first >> 5 {
        0 | 1 => d.i64().ok().map(View::Int),
        2 => Some(View::Bytes(d.bytes()?)),
        3 => Some(View::Text(d.str()?)),
        4 => {
            let n = definite(d.array()?)?;
            let mut items = Vec::with_capacity(room(n, d));
            for _ in 0..n {
                items.push(value_within(d, depth + 1)?);
            }
            Some(View::List(items))
        }
        5 => group_within(d, depth)?.map(View::Map),
        _ => {
            let simple = match first {
                0xf4 => Some(View::Bool(false)),
                0xf5 => Some(View::Bool(true)),
                0xf6 => Some(View::Null),
                _ => None,
            };
            d.set_position(from + usize::from(simple.is_some()));
            simple
        }
    };
    match known {
        Some(value) => Ok(value),
        None => {
            d.set_position(from);
            raw_within(d, depth).map(View::Raw)
        }
    }
}

/// The numbers and values of a group; `None`: it is no group of ours.
fn group_within<'b>(d: &mut Decoder<'b>, depth: u32) -> Result<Option<Vec<(u32, View<'b>)>>, WireError> {
    let n = definite(d.map()?)?;
    let mut entries: Vec<(u32, View<'b>)> = Vec::with_capacity(room(n, d));
    for _ in 0..n {
        let Ok(number) = d.u32() else { return Ok(None) };
        if entries.last().is_some_and(|(last, _)| *last >= number) {
            return Ok(None);
        }
        entries.push((number, value_within(d, depth + 1)?));
    }
    Ok(Some(entries))
}

fn get_path<'b>(d: &mut Decoder<'b>) -> Result<PathView<'b>, WireError> {
    let first = d.input().get(d.position()).copied().unwrap_or(0);
    if first >> 5 == 0 {
        return Ok(PathView::Field(d.u32()?));
    }
    if d.array()? != Some(3) {
        return Err(WireError::Malformed("a path that is neither a field nor an element's"));
    }
    let list = d.u32()?;
    let key = match d.input().get(d.position()).copied().unwrap_or(0) >> 5 {
        0 => KeyView::Given(d.u32()?),
        1 => KeyView::New(u32::try_from(-1 - d.i64()?).map_err(|_| WireError::Malformed("an element's ordinal out of range"))?),
        3 => KeyView::Code(d.str()?),
        _ => {
            if d.array()? != Some(2) {
                return Err(WireError::Malformed("an element's key of an unknown form"));
            }
            let name = d.bytes()?.try_into().map_err(|_| WireError::Malformed("bytes of another length"))?;
            KeyView::Added(name, d.u32()?)
        }
    };
    Ok(PathView::Element(list, key, d.u32()?))
}

/// Whether a map of paths and values can be read, without holding it.
pub(crate) fn check_set<'b>(d: &mut Decoder<'b>, kind: Kind) -> Result<(), WireError> {
    let begins = d.position();
    let mut last = None;
    for _ in 0..definite(d.map()?)? {
        let (path, _) = get_pair(d, kind)?;
        if last.is_some_and(|last| last >= path) {
            // Only where the paths go up is it plain that none comes twice.
            d.set_position(begins);
            return get_set(d, kind).map(drop);
        }
        last = Some(path);
    }
    Ok(())
}

fn get_pair<'b>(d: &mut Decoder<'b>, kind: Kind) -> Result<(PathView<'b>, View<'b>), WireError> {
    let path = get_path(d)?;
    // A field that this version does not know keeps its bytes, whatever they say.
    let value = if path.is_known(kind) { get_value(d)? } else { View::Raw(raw_item(d)?) };
    Ok((path, value))
}

/// A map of paths and values, in the order of the paths.
pub(crate) fn get_set<'b>(d: &mut Decoder<'b>, kind: Kind) -> Result<Vec<(PathView<'b>, View<'b>)>, WireError> {
    let declared = definite(d.map()?)?;
    let mut set = Vec::with_capacity(room(declared, d).min(SET_FIELDS));
    for _ in 0..declared {
        set.push(get_pair(d, kind)?);
    }
    order_by(&mut set, |a, b| a.cmp(b))?;
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_ordered_as_the_bytes_that_they_are_written_in() {
        let numbers = [0, 1, 23, 24, 255, 256, 65_535, 65_536, u32::MAX];
        let codes = ["", "a", "b", "aa", "Ж", "a code of twenty-four by", "another of twenty-five by"];
        let names = [[0; 32], [9; 32]];
        let keys = numbers
            .iter()
            .flat_map(|n| [KeyView::Given(*n), KeyView::New(*n), KeyView::Added(&names[0], *n), KeyView::Added(&names[1], *n)]);
        let keys: Vec<KeyView<'_>> = keys.chain(codes.map(KeyView::Code)).collect();
        let elements =
            numbers.iter().flat_map(|n| keys.iter().flat_map(|k| [(0, *n), (*n, 2)].map(|(list, sub)| PathView::Element(list, *k, sub))));
        let paths: Vec<PathView<'_>> = numbers.iter().map(|n| PathView::Field(*n)).chain(elements).collect();
        let bytes: Vec<Vec<u8>> = paths.iter().map(|p| encode(|e| put_path(e, *p))).collect();
        for (a, a_bytes) in paths.iter().zip(&bytes) {
            for (b, b_bytes) in paths.iter().zip(&bytes) {
                assert_eq!(by_encoding(a, b), a_bytes.cmp(b_bytes), "{a:?} and {b:?}");
            }
        }
    }
}
