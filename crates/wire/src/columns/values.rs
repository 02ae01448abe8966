//! Columns of values: what sort each is, then each sort by itself; lists and groups are columns within.

use std::collections::HashMap;

use daftar_core::ids::RecordId;
use daftar_core::value::Value;

use super::ints::{get_ints, put_ints};
use super::texts::{get_texts, put_texts};
use super::{SHORT, Source, Streams, base, take};
use crate::WireError;

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

fn sort(v: Option<&Value>) -> i64 {
    match v {
        None => ABSENT,
        Some(Value::Null) => NULL,
        Some(Value::Bool(false)) => FALSE,
        Some(Value::Bool(true)) => TRUE,
        Some(Value::Int(_)) => INT,
        Some(Value::Text(_)) => TEXT,
        Some(Value::Bytes(_)) => BYTES,
        Some(Value::List(_)) => LIST,
        Some(Value::Map(_)) => MAP,
        Some(Value::Raw(_)) => RAW,
    }
}

/// The values of one sort in a column, with the rows they stand in.
struct Sorted<'a, T> {
    values: Vec<T>,
    rows: Vec<usize>,
    _of: std::marker::PhantomData<&'a ()>,
}

fn of_sort<'a, T>(values: &[Option<&'a Value>], rows: &[usize], f: impl Fn(&'a Value) -> Option<T>) -> Sorted<'a, T> {
    let (values, rows) = values.iter().zip(rows).filter_map(|(v, r)| v.and_then(&f).map(|t| (t, *r))).unzip();
    Sorted { values, rows, _of: std::marker::PhantomData }
}

/// Writes a column; `rows` says in which row of the run each value stands. `None`: it does not fit the form.
pub(super) fn put_values(s: &mut Streams, values: &[Option<&Value>], rows: &[usize], records: &Records<'_>, depth: u32) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    let sorts: Vec<i64> = values.iter().map(|v| sort(*v)).collect();
    put_ints(s, &sorts, None);
    let ints = of_sort(values, rows, |v| if let Value::Int(i) = v { Some(*i) } else { None });
    put_ints(s, &ints.values, Some(&records.near(&ints.rows)));
    let texts = of_sort(values, rows, |v| if let Value::Text(t) = v { Some(t.as_str()) } else { None });
    put_texts(s, &texts.values);
    let bytes = of_sort(values, rows, |v| if let Value::Bytes(b) = v { Some(b.as_slice()) } else { None });
    put_bytes(s, &bytes.values, &bytes.rows, records);

    let lists = of_sort(values, rows, |v| if let Value::List(l) = v { Some(l) } else { None });
    if !lists.values.is_empty() {
        put_ints(s, &lists.values.iter().map(|l| l.len() as i64).collect::<Vec<_>>(), None);
        let items: Vec<Option<&Value>> = lists.values.iter().flat_map(|l| l.iter().map(Some)).collect();
        let item_rows: Vec<usize> = lists.values.iter().zip(&lists.rows).flat_map(|(l, r)| std::iter::repeat_n(*r, l.len())).collect();
        put_values(s, &items, &item_rows, records, depth + 1)?;
    }
    let maps = of_sort(values, rows, |v| if let Value::Map(m) = v { Some(m) } else { None });
    if !maps.values.is_empty() {
        let mut numbers: Vec<u32> = maps.values.iter().flat_map(|m| m.iter().map(|e| e.0)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        if numbers.len() > GROUP_NUMBERS_MAX {
            return None;
        }
        s.uint(numbers.len() as u64);
        for number in numbers {
            s.uint(number.into());
            let column: Vec<Option<&Value>> = maps.values.iter().map(|m| m.iter().find(|e| e.0 == number).map(|e| &e.1)).collect();
            put_values(s, &column, &maps.rows, records, depth + 1)?;
        }
    }
    let raw = of_sort(values, rows, |v| if let Value::Raw(r) = v { Some(r.as_slice()) } else { None });
    put_ints(s, &raw.values.iter().map(|r| r.len() as i64).collect::<Vec<_>>(), None);
    raw.values.iter().for_each(|r| s.text.extend_from_slice(r));
    Some(())
}

fn put_bytes(s: &mut Streams, values: &[&[u8]], rows: &[usize], records: &Records<'_>) {
    if values.is_empty() {
        return;
    }
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
pub(super) fn get_values(s: &mut Source<'_>, rows: &[usize], records: &Records<'_>, depth: u32) -> Result<Vec<Option<Value>>, WireError> {
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
                NULL => Value::Null,
                FALSE => Value::Bool(false),
                TRUE => Value::Bool(true),
                INT => Value::Int(ints.next().ok_or(SHORT)?),
                TEXT => Value::Text(texts.next().ok_or(SHORT)?),
                BYTES => Value::Bytes(bytes.next().ok_or(SHORT)?),
                LIST => Value::List(lists.next().ok_or(SHORT)?),
                MAP => Value::Map(maps.next().ok_or(SHORT)?),
                RAW => Value::Raw(raw.next().ok_or(SHORT)?),
                _ => return Err(WireError::Malformed("a value of an unknown sort")),
            }))
        })
        .collect()
}

fn raw_item(s: &mut Source<'_>, len: i64) -> Result<Vec<u8>, WireError> {
    let len = usize::try_from(len).map_err(|_| WireError::Malformed("bytes of negative length"))?;
    s.pay(len)?;
    let item = take(&mut s.text, len)?;
    if crate::cbor::is_one_item(item) { Ok(item.to_vec()) } else { Err(WireError::Malformed("a raw value that is not one item")) }
}

fn get_bytes(s: &mut Source<'_>, rows: &[usize], records: &Records<'_>) -> Result<Vec<Vec<u8>>, WireError> {
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
                    id.map(|id| id.to_vec()).ok_or(WireError::Malformed("a reference beyond the run"))
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
                    take(&mut s.random, len).map(<[u8]>::to_vec)
                })
                .collect()
        }
        _ => Err(WireError::Malformed("a column of bytes in an unknown form")),
    }
}

fn get_lists(s: &mut Source<'_>, rows: &[usize], records: &Records<'_>, depth: u32) -> Result<Vec<Vec<Value>>, WireError> {
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

fn get_maps(s: &mut Source<'_>, rows: &[usize], records: &Records<'_>, depth: u32) -> Result<Vec<Vec<(u32, Value)>>, WireError> {
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
