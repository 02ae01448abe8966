//! A run's payloads as columns: reasons, then for each kind its fields, its maps of codes and its keyed lists.

use std::collections::{BTreeMap, BTreeSet};

use daftar_core::change::Payload;
use daftar_core::ids::ChangeName;
use daftar_core::record::Kind;
use daftar_core::value::{ElementKey, Path, Value};

use super::values::{Records, get_values, lengths, put_values};
use super::{Row, SHORT, Source, Streams, take};
use crate::WireError;
use crate::limits::SEGMENT_COLUMNS_MAX;

const KEYS_IN_ORDER: u8 = 0;
const KEYS_WRITTEN: u8 = 1;

/// Writes the payloads of the rows that have one. `None`: they do not fit the form.
pub(super) fn write(s: &mut Streams, rows: &[Row], ids: &[[u8; 16]]) -> Option<()> {
    let records = Records::new(ids);
    let whole: Vec<(usize, Kind, &Payload)> =
        rows.iter().enumerate().filter_map(|(i, r)| r.payload.as_ref().map(|p| (i, r.header.kind, p))).collect();
    let reasons: Vec<Option<Value>> = whole.iter().map(|(_, _, p)| p.reason.clone().map(Value::Text)).collect();
    let places: Vec<usize> = whole.iter().map(|w| w.0).collect();
    put_values(s, &reasons.iter().map(Option::as_ref).collect::<Vec<_>>(), &places, &records, 0)?;
    for kind in whole.iter().map(|w| w.1).collect::<BTreeSet<_>>() {
        let (places, sets): (Vec<usize>, Vec<&BTreeMap<Path, Value>>) =
            whole.iter().filter(|w| w.1 == kind).map(|w| (w.0, &w.2.set)).unzip();
        write_kind(s, &places, &sets, &records)?;
    }
    Some(())
}

fn write_kind(s: &mut Streams, places: &[usize], sets: &[&BTreeMap<Path, Value>], records: &Records<'_>) -> Option<()> {
    let (mut fields, mut codes, mut lists) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for path in sets.iter().flat_map(|s| s.keys()) {
        match path {
            Path::Field(f) => {
                fields.insert(*f);
            }
            Path::Element(list, ElementKey::Code(code), sub) => {
                codes.insert((*list, code.as_str(), *sub));
            }
            Path::Element(list, ElementKey::Given(_) | ElementKey::Added(..) | ElementKey::New(_), _) => {
                lists.insert(*list);
            }
        }
    }
    if fields.len() + codes.len() + lists.len() > SEGMENT_COLUMNS_MAX / 8 {
        return None;
    }
    s.uint(fields.len() as u64);
    // Fields come first in every set, and in the same order: each set is walked once.
    let mut walks: Vec<_> = sets.iter().map(|set| set.iter().peekable()).collect();
    for f in fields {
        s.uint(f.into());
        let column: Vec<_> = walks.iter_mut().map(|w| w.next_if(|(path, _)| **path == Path::Field(f)).map(|(_, value)| value)).collect();
        put_values(s, &column, places, records, 0)?;
    }
    s.uint(codes.len() as u64);
    for (list, code, sub) in codes {
        s.uint(list.into());
        s.uint(sub.into());
        s.uint(code.len() as u64);
        s.text.extend_from_slice(code.as_bytes());
        let path = Path::Element(list, ElementKey::Code(code.to_owned()), sub);
        put_values(s, &sets.iter().map(|set| set.get(&path)).collect::<Vec<_>>(), places, records, 0)?;
    }
    s.uint(lists.len() as u64);
    for list in lists {
        s.uint(list.into());
        write_list(s, list, places, sets, records)?;
    }
    Some(())
}

/// An element of a keyed list in one change: its key and its fields.
type Element<'a> = (&'a ElementKey, BTreeMap<u32, &'a Value>);

fn elements(set: &BTreeMap<Path, Value>, of: u32) -> Vec<Element<'_>> {
    let mut out: Vec<Element<'_>> = Vec::new();
    for (path, value) in set {
        let Path::Element(list, key, sub) = path else { continue };
        if *list != of || matches!(key, ElementKey::Code(_)) {
            continue;
        }
        match out.last_mut().filter(|e| e.0 == key) {
            Some(e) => e.1.insert(*sub, value),
            None => {
                out.push((key, BTreeMap::from([(*sub, value)])));
                None
            }
        };
    }
    out
}

fn write_list(s: &mut Streams, list: u32, places: &[usize], sets: &[&BTreeMap<Path, Value>], records: &Records<'_>) -> Option<()> {
    let per_set: Vec<Vec<Element<'_>>> = sets.iter().map(|set| elements(set, list)).collect();
    super::put_ints(s, &per_set.iter().map(|e| e.len() as i64).collect::<Vec<_>>(), None);
    let in_order = per_set.iter().all(|set| set.iter().enumerate().all(|(i, e)| *e.0 == ElementKey::Given(i as u32 + 1)));
    let rows: Vec<usize> = per_set.iter().zip(places).flat_map(|(set, r)| std::iter::repeat_n(*r, set.len())).collect();
    let flat: Vec<&Element<'_>> = per_set.iter().flatten().collect();
    if in_order {
        s.control.push(KEYS_IN_ORDER);
    } else {
        s.control.push(KEYS_WRITTEN);
        put_keys(s, &flat);
    }
    let subs: BTreeSet<u32> = flat.iter().flat_map(|e| e.1.keys().copied()).collect();
    s.uint(subs.len() as u64);
    for sub in subs {
        s.uint(sub.into());
        put_values(s, &flat.iter().map(|e| e.1.get(&sub).copied()).collect::<Vec<_>>(), &rows, records, 0)?;
    }
    Some(())
}

/// Keys one by one: 0 and the number given; 1 and the ordinal of a new one; 2, the change and the ordinal.
fn put_keys(s: &mut Streams, elements: &[&Element<'_>]) {
    for (key, _) in elements {
        match key {
            ElementKey::Given(n) => {
                s.uint(0);
                s.uint((*n).into());
            }
            ElementKey::New(n) => {
                s.uint(1);
                s.uint((*n).into());
            }
            ElementKey::Added(name, n) => {
                s.uint(2);
                s.uint((*n).into());
                s.random.extend_from_slice(&name.0);
            }
            // A map of codes is written as columns by code.
            ElementKey::Code(_) => {}
        }
    }
}

fn number(s: &mut Source<'_>) -> Result<u32, WireError> {
    u32::try_from(s.uint()?).map_err(|_| WireError::Malformed("a field's number out of range"))
}

fn get_key(s: &mut Source<'_>) -> Result<ElementKey, WireError> {
    Ok(match s.uint()? {
        0 => ElementKey::Given(number(s)?),
        1 => ElementKey::New(number(s)?),
        2 => {
            let n = number(s)?;
            ElementKey::Added(ChangeName(take(&mut s.random, 32)?.try_into().expect("take gives 32 bytes")), n)
        }
        _ => return Err(WireError::Malformed("an element's key of an unknown form")),
    })
}

/// A payload as it is read column by column: each path once, in order.
#[derive(Default)]
pub(super) struct Columns {
    pub(super) set: Vec<(Path, Value)>,
    pub(super) reason: Option<String>,
}

impl Columns {
    fn in_order(mut self) -> Result<Self, WireError> {
        self.set.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let is_once = self.set.windows(2).all(|w| w[0].0 != w[1].0);
        if is_once { Ok(self) } else { Err(WireError::Malformed("a path that is set twice")) }
    }
}

/// Reads the payloads of rows of these kinds; `erased` says which rows have none.
pub(super) fn read(
    s: &mut Source<'_>,
    kinds: &[Kind],
    ids: &[[u8; 16]],
    erased: &dyn Fn(usize) -> bool,
) -> Result<Vec<Option<Columns>>, WireError> {
    let records = Records::new(ids);
    let places: Vec<usize> = (0..kinds.len()).filter(|i| !erased(*i)).collect();
    let mut out: Vec<Option<Columns>> = (0..kinds.len()).map(|i| (!erased(i)).then(Columns::default)).collect();
    for (i, reason) in places.iter().zip(get_values(s, &places, &records, 0)?) {
        let reason = match reason {
            None => None,
            Some(Value::Text(t)) => Some(t),
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
    out.into_iter().map(|columns| columns.map(Columns::in_order).transpose()).collect()
}

fn set_all(out: &mut [Option<Columns>], rows: &[usize], paths: impl Iterator<Item = Path>, values: Vec<Option<Value>>) {
    for ((row, path), value) in rows.iter().zip(paths).zip(values) {
        if let (Some(p), Some(v)) = (&mut out[*row], value) {
            p.set.push((path, v));
        }
    }
}

fn read_kind(s: &mut Source<'_>, places: &[usize], records: &Records<'_>, out: &mut [Option<Columns>]) -> Result<(), WireError> {
    for _ in 0..s.count(SEGMENT_COLUMNS_MAX)? {
        let f = number(s)?;
        let values = get_values(s, places, records, 0)?;
        set_all(out, places, std::iter::repeat(Path::Field(f)), values);
    }
    for _ in 0..s.count(SEGMENT_COLUMNS_MAX)? {
        let (list, sub, len) = (number(s)?, number(s)?, s.count(SEGMENT_COLUMNS_MAX)?);
        let code = String::from_utf8(take(&mut s.text, len)?.to_vec()).map_err(|_| WireError::Malformed("a code that is not UTF-8"))?;
        let values = get_values(s, places, records, 0)?;
        s.pay(code.len() * values.iter().flatten().count())?;
        set_all(out, places, std::iter::repeat(Path::Element(list, ElementKey::Code(code), sub)), values);
    }
    for _ in 0..s.count(SEGMENT_COLUMNS_MAX)? {
        let list = number(s)?;
        let counts = lengths(s, places.len())?;
        let rows: Vec<usize> = counts.iter().zip(places).flat_map(|(n, r)| std::iter::repeat_n(*r, *n)).collect();
        let keys: Vec<ElementKey> = match s.byte()? {
            KEYS_IN_ORDER => counts.iter().flat_map(|n| (1..=*n as u32).map(ElementKey::Given)).collect(),
            KEYS_WRITTEN => rows.iter().map(|_| get_key(s)).collect::<Result<_, _>>()?,
            _ => return Err(SHORT),
        };
        for _ in 0..s.count(SEGMENT_COLUMNS_MAX)? {
            let sub = number(s)?;
            let values = get_values(s, &rows, records, 0)?;
            set_all(out, &rows, keys.iter().map(|k| Path::Element(list, k.clone(), sub)), values);
        }
    }
    Ok(())
}
