//! Columns of values: what sort each is, then each sort by itself; lists and groups are columns within.

use std::collections::HashMap;

use daftar_core::ids::RecordId;

use super::ints::{get_ints, put_ints};
use super::texts::{get_texts, put_texts};
use super::{SHORT, Source, Streams, base, take};
use crate::WireError;
use crate::view::View;

const ABSENT: i64 = 0;
const NULL: i64 = 1;
const FALSE: i64 = 2;
const TRUE: i64 = 3;
const INT: i64 = 4;
const TEXT: i64 = 5;
const BYTES: i64 = 6;
const LIST: i64 = 7;
const MAP: i64 = 8;
const RAW: i64 = 9;

/// Columns within columns, no deeper than this; what is deeper is sent plain.
const DEPTH_MAX: u32 = 4;
/// Numbers that a group may have.
const GROUP_NUMBERS_MAX: usize = 256;

const PLAIN: u8 = 0;
const IDS: u8 = 1;

/// The records of the run: times lie near them and references point to them.
pub(super) struct Records<'a> {
    pub(super) ids: &'a [[u8; 16]],
    places: HashMap<[u8; 16], usize>,
}

impl<'a> Records<'a> {
    pub(super) fn new(ids: &'a [[u8; 16]]) -> Self {
        let mut places = HashMap::with_capacity(ids.len());
        for (i, id) in ids.iter().enumerate() {
            places.entry(*id).or_insert(i);
        }
        Self { ids, places }
    }

    fn near(&self, rows: &[usize]) -> Vec<i64> {
        rows.iter().map(|r| base(&RecordId(self.ids[*r]))).collect()
    }
}

/// Ids as their times, which go up slowly, and their random halves, which do not compress.
pub(super) fn put_ids(s: &mut Streams, ids: &[[u8; 16]]) {
    let times: Vec<i64> = ids.iter().map(|i| super::record_ms(&RecordId(*i))).collect();
    put_ints(s, &times, None);
    for id in ids {
        s.random.extend_from_slice(&id[6..]);
    }
}

pub(super) fn get_ids(s: &mut Source<'_>, n: usize) -> Result<Vec<[u8; 16]>, WireError> {
    let times = get_ints(s, n, None)?;
    times
        .into_iter()
        .map(|t| {
            let t = u64::try_from(t).ok().filter(|t| *t < 1 << 48).ok_or(WireError::Malformed("an id's time out of range"))?;
            let mut id = [0; 16];
            id[..6].copy_from_slice(&t.to_be_bytes()[2..]);
            id[6..].copy_from_slice(take(&mut s.random, 10)?);
            Ok(id)
        })
        .collect()
}

fn sort(v: Option<&View<'_>>) -> i64 {
    match v {
        None => ABSENT,
        Some(View::Null) => NULL,
        Some(View::Bool(false)) => FALSE,
        Some(View::Bool(true)) => TRUE,
        Some(View::Int(_)) => INT,
        Some(View::Text(_)) => TEXT,
        Some(View::Bytes(_)) => BYTES,
        Some(View::List(_)) => LIST,
        Some(View::Map(_)) => MAP,
        Some(View::Raw(_)) => RAW,
    }
}

/// The values of one sort in a column, and the rows they stand in.
fn of_sort<'v, 'b, T>(values: &[Option<&'v View<'b>>], rows: &[usize], f: impl Fn(&'v View<'b>) -> Option<T>) -> (Vec<T>, Vec<usize>) {
    values.iter().zip(rows).filter_map(|(v, r)| v.and_then(&f).map(|t| (t, *r))).unzip()
}

/// Writes a column; `rows` says in which row of the run each value stands. `None`: it does not fit the form.
pub(super) fn put_values(s: &mut Streams, values: &[Option<&View<'_>>], rows: &[usize], records: &Records<'_>, depth: u32) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    let sorts: Vec<i64> = values.iter().map(|v| sort(*v)).collect();
    put_ints(s, &sorts, None);
    let has = |sort: i64| sorts.contains(&sort);
    if has(INT) {
        let (ints, rows) = of_sort(values, rows, |v| if let View::Int(i) = v { Some(*i) } else { None });
        put_ints(s, &ints, Some(&records.near(&rows)));
    }
    if has(TEXT) {
        let (texts, _) = of_sort(values, rows, |v| if let View::Text(t) = v { Some(*t) } else { None });
        put_texts(s, &texts);
    }
    if has(BYTES) {
        let (bytes, rows) = of_sort(values, rows, |v| if let View::Bytes(b) = v { Some(*b) } else { None });
        put_bytes(s, &bytes, &rows, records);
    }
    if has(LIST) {
        let (lists, rows) = of_sort(values, rows, |v| if let View::List(l) = v { Some(l) } else { None });
        put_ints(s, &lists.iter().map(|l| l.len() as i64).collect::<Vec<_>>(), None);
        let items: Vec<Option<&View<'_>>> = lists.iter().flat_map(|l| l.iter().map(Some)).collect();
        let item_rows: Vec<usize> = lists.iter().zip(&rows).flat_map(|(l, r)| std::iter::repeat_n(*r, l.len())).collect();
        put_values(s, &items, &item_rows, records, depth + 1)?;
    }
    if has(MAP) {
        let (maps, rows) = of_sort(values, rows, |v| if let View::Map(m) = v { Some(m) } else { None });
        let mut numbers: Vec<u32> = maps.iter().flat_map(|m| m.iter().map(|e| e.0)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() > GROUP_NUMBERS_MAX {
            return None;
        }
        s.uint(numbers.len() as u64);
        for number in numbers {
            s.uint(number.into());
            let column: Vec<Option<&View<'_>>> = maps.iter().map(|m| m.iter().find(|e| e.0 == number).map(|e| &e.1)).collect();
            put_values(s, &column, &rows, records, depth + 1)?;
        }
    }
    if has(RAW) {
        let (raw, _) = of_sort(values, rows, |v| if let View::Raw(r) = v { Some(*r) } else { None });
        put_ints(s, &raw.iter().map(|r| r.len() as i64).collect::<Vec<_>>(), None);
        raw.iter().for_each(|r| s.text.extend_from_slice(r));
    }
    Some(())
}

fn put_bytes(s: &mut Streams, values: &[&[u8]], rows: &[usize], records: &Records<'_>) {
    let ids: Option<Vec<[u8; 16]>> = values.iter().map(|b| (*b).try_into().ok()).collect();
    match ids {
        Some(ids) => {
            s.control.push(IDS);
            let back: Vec<i64> = ids
                .iter()
                .zip(rows)
                .map(|(id, row)| records.places.get(id).filter(|at| *at < row).map_or(0, |at| (row - at) as i64))
                .collect();
            put_ints(s, &back, None);
            let others: Vec<[u8; 16]> = ids.into_iter().zip(back).filter(|(_, b)| *b == 0).map(|(id, _)| id).collect();
            put_ids(s, &others);
        }
        None => {
            s.control.push(PLAIN);
            put_ints(s, &values.iter().map(|b| b.len() as i64).collect::<Vec<_>>(), None);
            values.iter().for_each(|b| s.random.extend_from_slice(b));
        }
    }
}

/// Reads `rows.len()` values.
pub(super) fn get_values<'b>(
    s: &mut Source<'b>,
    rows: &[usize],
    records: &Records<'_>,
    depth: u32,
) -> Result<Vec<Option<View<'b>>>, WireError> {
    if depth > DEPTH_MAX {
        return Err(WireError::Malformed("columns too deep"));
    }
    s.open(1)?;
    let sorts = get_ints(s, rows.len(), None)?;
    s.pay(sorts.iter().filter(|t| **t != ABSENT).count())?;
    let of = |sort: i64| -> Vec<usize> { sorts.iter().zip(rows).filter(|(t, _)| **t == sort).map(|(_, r)| *r).collect() };
    let mut ints = {
        let near = records.near(&of(INT));
        get_ints(s, near.len(), Some(&near))?.into_iter()
    };
    let mut texts = get_texts(s, of(TEXT).len())?.into_iter();
    let mut bytes = get_bytes(s, &of(BYTES), records)?.into_iter();
    let mut lists = get_lists(s, &of(LIST), records, depth)?.into_iter();
    let mut maps = get_maps(s, &of(MAP), records, depth)?.into_iter();
    let mut raw = {
        let lengths = get_ints(s, of(RAW).len(), None)?;
        lengths.into_iter().map(|len| raw_item(s, len)).collect::<Result<Vec<_>, _>>()?.into_iter()
    };
    sorts
        .into_iter()
        .map(|sort| {
            Ok(Some(match sort {
                ABSENT => return Ok(None),
                NULL => View::Null,
                FALSE => View::Bool(false),
                TRUE => View::Bool(true),
                INT => View::Int(ints.next().ok_or(SHORT)?),
                TEXT => View::Text(texts.next().ok_or(SHORT)?),
                BYTES => View::Bytes(bytes.next().ok_or(SHORT)?),
                LIST => View::List(lists.next().ok_or(SHORT)?),
                MAP => View::Map(maps.next().ok_or(SHORT)?),
                RAW => View::Raw(raw.next().ok_or(SHORT)?),
                _ => return Err(WireError::Malformed("a value of an unknown sort")),
            }))
        })
        .collect()
}

fn raw_item<'b>(s: &mut Source<'b>, len: i64) -> Result<&'b [u8], WireError> {
    let len = usize::try_from(len).map_err(|_| WireError::Malformed("bytes of negative length"))?;
    s.pay(len)?;
    let item = take(&mut s.text, len)?;
    if crate::cbor::is_one_item(item) { Ok(item) } else { Err(WireError::Malformed("a raw value that is not one item")) }
}

fn get_bytes<'b>(s: &mut Source<'b>, rows: &[usize], records: &Records<'_>) -> Result<Vec<&'b [u8]>, WireError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    match s.byte()? {
        IDS => {
            s.pay(16 * rows.len())?;
            let back = get_ints(s, rows.len(), None)?;
            let mut others = get_ids(s, back.iter().filter(|b| **b == 0).count())?.into_iter();
            let find =
                |row: usize, b: i64| usize::try_from(b).ok().and_then(|b| row.checked_sub(b)).and_then(|at| records.ids.get(at)).copied();
            back.into_iter()
                .zip(rows)
                .map(|(b, row)| {
                    let id = if b == 0 { others.next() } else { find(*row, b) };
                    let id = id.ok_or(WireError::Malformed("a reference beyond the run"))?;
                    Ok(&*s.made.alloc_slice_copy(&id))
                })
                .collect()
        }
        PLAIN => {
            let lengths = get_ints(s, rows.len(), None)?;
            lengths
                .into_iter()
                .map(|len| {
                    let len = usize::try_from(len).map_err(|_| WireError::Malformed("bytes of negative length"))?;
                    s.pay(len)?;
                    take(&mut s.random, len)
                })
                .collect()
        }
        _ => Err(WireError::Malformed("a column of bytes in an unknown form")),
    }
}

fn get_lists<'b>(s: &mut Source<'b>, rows: &[usize], records: &Records<'_>, depth: u32) -> Result<Vec<Vec<View<'b>>>, WireError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let lengths = lengths(s, rows.len())?;
    let item_rows: Vec<usize> = lengths.iter().zip(rows).flat_map(|(n, r)| std::iter::repeat_n(*r, *n)).collect();
    let mut items = get_values(s, &item_rows, records, depth + 1)?.into_iter();
    lengths
        .into_iter()
        .map(|n| (0..n).map(|_| items.next().flatten().ok_or(WireError::Malformed("an absent item in a list"))).collect())
        .collect()
}

/// `n` lengths whose sum is within what a segment may hold.
pub(super) fn lengths(s: &mut Source<'_>, n: usize) -> Result<Vec<usize>, WireError> {
    let lengths = get_ints(s, n, None)?;
    let lengths: Vec<usize> = lengths
        .into_iter()
        .map(|n| usize::try_from(n).map_err(|_| WireError::Malformed("a list of negative length")))
        .collect::<Result<_, _>>()?;
    lengths.iter().try_for_each(|n| s.hold(*n))?;
    Ok(lengths)
}

fn get_maps<'b>(s: &mut Source<'b>, rows: &[usize], records: &Records<'_>, depth: u32) -> Result<Vec<Vec<(u32, View<'b>)>>, WireError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut maps = vec![Vec::new(); rows.len()];
    let mut last = None;
    for _ in 0..s.count(GROUP_NUMBERS_MAX)? {
        let number = u32::try_from(s.uint()?)
            .ok()
            .filter(|n| last.is_none_or(|l| l < *n))
            .ok_or(WireError::Malformed("numbers of a group out of order"))?;
        last = Some(number);
        for (map, value) in maps.iter_mut().zip(get_values(s, rows, records, depth + 1)?) {
            map.extend(value.map(|v| (number, v)));
        }
    }
    Ok(maps)
}
