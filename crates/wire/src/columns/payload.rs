//! A run's payloads as columns: reasons, then for each kind its fields, its maps of codes and its keyed lists.

use std::collections::BTreeSet;

use daftar_core::record::Kind;

use super::values::{Records, get_values, lengths, put_values};
use super::{Row, SHORT, Source, Streams, take};
use crate::WireError;
use crate::cbor::{SET_FIELDS, order};
use crate::limits::SEGMENT_COLUMNS_MAX;
use crate::view::{KeyView, PathView, PayloadView, View};

const KEYS_IN_ORDER: u8 = 0;
const KEYS_WRITTEN: u8 = 1;

/// A path and what is set there; and those of one payload, in the order of the paths.
type Pair<'b> = (PathView<'b>, View<'b>);
type Set<'p, 'b> = &'p [Pair<'b>];

/// Writes the payloads of the rows that have one. `None`: they do not fit the form.
pub(super) fn write(s: &mut Streams, rows: &[Row<'_>], ids: &[[u8; 16]]) -> Option<()> {
    let records = Records::new(ids);
    let whole: Vec<(usize, Kind, &PayloadView<'_>)> =
        rows.iter().enumerate().filter_map(|(i, r)| r.payload.as_ref().map(|p| (i, r.header.kind, p))).collect();
    let reasons: Vec<Option<View<'_>>> = whole.iter().map(|(_, _, p)| p.reason.map(View::Text)).collect();
    let places: Vec<usize> = whole.iter().map(|w| w.0).collect();
    put_values(s, &reasons.iter().map(Option::as_ref).collect::<Vec<_>>(), &places, &records, 0)?;
    for kind in whole.iter().map(|w| w.1).collect::<BTreeSet<_>>() {
        let (places, sets): (Vec<usize>, Vec<Set<'_, '_>>) =
            whole.iter().filter(|w| w.1 == kind).map(|w| (w.0, w.2.set.as_slice())).unzip();
        write_kind(s, &places, &sets, &records)?;
    }
    Some(())
}

/// What a set begins with, taken off it, if that stands at this path.
fn first<'p, 'b>(set: &mut Set<'p, 'b>, at: PathView<'_>) -> Option<&'p View<'b>> {
    let ((_, value), rest) = set.split_first().filter(|((path, _), _)| *path == at)?;
    *set = rest;
    Some(value)
}

/// What stands at this path in a set.
fn at<'p>(set: Set<'p, '_>, path: PathView<'_>) -> Option<&'p View<'p>> {
    set.binary_search_by(|pair| pair.0.cmp(&path)).ok().map(|at| &set[at].1)
}

fn write_kind(s: &mut Streams, places: &[usize], sets: &[Set<'_, '_>], records: &Records<'_>) -> Option<()> {
    // Fields stand first in every set: each is walked once.
    let (mut fields, elements): (Vec<Set<'_, '_>>, Vec<Set<'_, '_>>) =
        sets.iter().map(|set| set.split_at(set.partition_point(|(path, _)| matches!(path, PathView::Field(_))))).unzip();
    let (mut codes, mut lists) = (BTreeSet::new(), BTreeSet::new());
    for (path, _) in elements.iter().copied().flatten() {
        match path {
            PathView::Element(list, KeyView::Code(code), sub) => drop(codes.insert((*list, *code, *sub))),
            PathView::Element(list, ..) => drop(lists.insert(*list)),
            PathView::Field(_) => {}
        }
    }
    let mut numbers: Vec<u32> = fields.iter().copied().flatten().map(|(path, _)| path.number()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() + codes.len() + lists.len() > SEGMENT_COLUMNS_MAX / 8 {
        return None;
    }
    s.uint(numbers.len() as u64);
    for f in numbers {
        s.uint(f.into());
        let column: Vec<_> = fields.iter_mut().map(|set| first(set, PathView::Field(f))).collect();
        put_values(s, &column, places, records, 0)?;
    }
    s.uint(codes.len() as u64);
    for (list, code, sub) in codes {
        s.uint(list.into());
        s.uint(sub.into());
        s.uint(code.len() as u64);
        s.text.extend_from_slice(code.as_bytes());
        let path = PathView::Element(list, KeyView::Code(code), sub);
        put_values(s, &elements.iter().map(|set| at(set, path)).collect::<Vec<_>>(), places, records, 0)?;
    }
    s.uint(lists.len() as u64);
    for list in lists {
        s.uint(list.into());
        write_list(s, list, places, &elements, records)?;
    }
    Some(())
}

/// An element of a keyed list in one change: its key and its fields.
type Element<'p, 'b> = (KeyView<'b>, Set<'p, 'b>);

/// The elements of a list in a set, the maps of codes left out.
fn elements<'p, 'b>(set: Set<'p, 'b>, of: u32) -> Vec<Element<'p, 'b>> {
    let list = &set[set.partition_point(|(path, _)| path.number() < of)..];
    let list = &list[..list.partition_point(|(path, _)| path.number() == of)];
    let chunks = list.chunk_by(|a, b| a.0.key() == b.0.key());
    chunks.filter_map(|fields| Some((fields.first()?.0.key()?, fields))).filter(|(key, _)| !matches!(key, KeyView::Code(_))).collect()
}

fn write_list(s: &mut Streams, list: u32, places: &[usize], sets: &[Set<'_, '_>], records: &Records<'_>) -> Option<()> {
    let per_set: Vec<Vec<Element<'_, '_>>> = sets.iter().map(|set| elements(set, list)).collect();
    super::put_ints(s, &per_set.iter().map(|e| e.len() as i64).collect::<Vec<_>>(), None);
    let in_order = per_set.iter().all(|set| set.iter().enumerate().all(|(i, e)| e.0 == KeyView::Given(i as u32 + 1)));
    let rows: Vec<usize> = per_set.iter().zip(places).flat_map(|(set, r)| std::iter::repeat_n(*r, set.len())).collect();
    let (keys, mut fields): (Vec<KeyView<'_>>, Vec<Set<'_, '_>>) = per_set.iter().flatten().copied().unzip();
    if in_order {
        s.control.push(KEYS_IN_ORDER);
    } else {
        s.control.push(KEYS_WRITTEN);
        keys.iter().for_each(|key| put_key(s, key));
    }
    let subs: BTreeSet<u32> = fields.iter().copied().flatten().filter_map(|(path, _)| path.of_element()).collect();
    s.uint(subs.len() as u64);
    for sub in subs {
        s.uint(sub.into());
        let column: Vec<_> = keys.iter().zip(&mut fields).map(|(key, set)| first(set, PathView::Element(list, *key, sub))).collect();
        put_values(s, &column, &rows, records, 0)?;
    }
    Some(())
}

/// 0 and the number given; 1 and the ordinal of a new one; 2, the change and the ordinal.
fn put_key(s: &mut Streams, key: &KeyView<'_>) {
    match key {
        KeyView::Given(n) => {
            s.uint(0);
            s.uint((*n).into());
        }
        KeyView::New(n) => {
            s.uint(1);
            s.uint((*n).into());
        }
        KeyView::Added(name, n) => {
            s.uint(2);
            s.uint((*n).into());
            s.random.extend_from_slice(*name);
        }
        // A map of codes is written as columns by code.
        KeyView::Code(_) => {}
    }
}

fn number(s: &mut Source<'_>) -> Result<u32, WireError> {
    u32::try_from(s.uint()?).map_err(|_| WireError::Malformed("a field's number out of range"))
}

fn get_key<'b>(s: &mut Source<'b>) -> Result<KeyView<'b>, WireError> {
    Ok(match s.uint()? {
        0 => KeyView::Given(number(s)?),
        1 => KeyView::New(number(s)?),
        2 => {
            let n = number(s)?;
            KeyView::Added(take(&mut s.random, 32)?.try_into().expect("take gives 32 bytes"), n)
        }
        _ => return Err(WireError::Malformed("an element's key of an unknown form")),
    })
}

/// Reads the payloads of rows of these kinds; `erased` says which rows have none.
pub(super) fn read<'b>(
    s: &mut Source<'b>,
    kinds: &[Kind],
    ids: &[[u8; 16]],
    erased: &dyn Fn(usize) -> bool,
) -> Result<Vec<Option<PayloadView<'b>>>, WireError> {
    let records = Records::new(ids);
    let places: Vec<usize> = (0..kinds.len()).filter(|i| !erased(*i)).collect();
    let empty = || PayloadView { set: Vec::with_capacity(SET_FIELDS), reason: None };
    let mut out: Vec<Option<PayloadView<'b>>> = (0..kinds.len()).map(|i| (!erased(i)).then(empty)).collect();
    for (i, reason) in places.iter().zip(get_values(s, &places, &records, 0)?) {
        let reason = match reason {
            None => None,
            Some(View::Text(t)) => Some(t),
            Some(_) => return Err(WireError::Malformed("a reason that is not text")),
        };
        if let Some(p) = &mut out[*i] {
            p.reason = reason;
        }
    }
    for kind in places.iter().map(|i| kinds[*i]).collect::<BTreeSet<_>>() {
        let places: Vec<usize> = places.iter().copied().filter(|i| kinds[*i] == kind).collect();
        read_kind(s, &places, &records, &mut out)?;
    }
    out.iter_mut().flatten().try_for_each(|payload| order(&mut payload.set))?;
    Ok(out)
}

fn set_all<'b>(
    out: &mut [Option<PayloadView<'b>>],
    rows: &[usize],
    paths: impl Iterator<Item = PathView<'b>>,
    values: Vec<Option<View<'b>>>,
) {
    for ((row, path), value) in rows.iter().zip(paths).zip(values) {
        if let (Some(p), Some(v)) = (&mut out[*row], value) {
            p.set.push((path, v));
        }
    }
}

fn read_kind<'b>(
    s: &mut Source<'b>,
    places: &[usize],
    records: &Records<'_>,
    out: &mut [Option<PayloadView<'b>>],
) -> Result<(), WireError> {
    for _ in 0..s.count(SEGMENT_COLUMNS_MAX)? {
        let f = number(s)?;
        let values = get_values(s, places, records, 0)?;
        set_all(out, places, std::iter::repeat(PathView::Field(f)), values);
    }
    for _ in 0..s.count(SEGMENT_COLUMNS_MAX)? {
        let (list, sub, len) = (number(s)?, number(s)?, s.count(SEGMENT_COLUMNS_MAX)?);
        let code = std::str::from_utf8(take(&mut s.text, len)?).map_err(|_| WireError::Malformed("a code that is not UTF-8"))?;
        let values = get_values(s, places, records, 0)?;
        s.pay(code.len() * values.iter().flatten().count())?;
        set_all(out, places, std::iter::repeat(PathView::Element(list, KeyView::Code(code), sub)), values);
    }
    for _ in 0..s.count(SEGMENT_COLUMNS_MAX)? {
        let list = number(s)?;
        let counts = lengths(s, places.len())?;
        let rows: Vec<usize> = counts.iter().zip(places).flat_map(|(n, r)| std::iter::repeat_n(*r, *n)).collect();
        let keys: Vec<KeyView<'b>> = match s.byte()? {
            KEYS_IN_ORDER => counts.iter().flat_map(|n| (1..=*n as u32).map(KeyView::Given)).collect(),
            KEYS_WRITTEN => rows.iter().map(|_| get_key(s)).collect::<Result<_, _>>()?,
            _ => return Err(SHORT),
        };
        for _ in 0..s.count(SEGMENT_COLUMNS_MAX)? {
            let sub = number(s)?;
            let values = get_values(s, &rows, records, 0)?;
            set_all(out, &rows, keys.iter().map(|k| PathView::Element(list, *k, sub)), values);
        }
    }
    Ok(())
}
