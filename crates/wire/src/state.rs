//! A record's state as bytes, as devices and the console's tables keep it. Derived data: another version here only means to replay. Never JSON.

use std::collections::{BTreeMap, BTreeSet};

use daftar_core::change::Payload;
use daftar_core::ids::ChangeName;
use daftar_core::merge::{Flags, RecordState, Side};
use daftar_core::record::Kind;
use daftar_core::time::Stamp;
use daftar_core::value::{ElementKey, Path, Value};
use minicbor::{Decoder, Encoder};

use crate::change::{read_payload, write_payload};

/// The form's version; a state of another is replayed from the log.
const VERSION: u8 = 1;

type Put = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

/// Writes a state.
pub fn write(s: &RecordState) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    put(&mut Encoder::new(&mut out), s).expect("writing CBOR to memory does not fail");
    out
}

fn put(e: &mut Encoder<&mut Vec<u8>>, s: &RecordState) -> Put {
    let RecordState { kind: _, fields, conflicts, heads, changes, hidden, flags, revived_elements, elements, last } = s;
    let Flags { revived, missing_parent } = flags;
    e.array(10)?.u8(VERSION)?.u32(*changes)?.bool(*hidden)?.bool(*revived)?.bool(*missing_parent)?;
    e.array(2)?.u64(last.ms)?.u32(last.count)?;
    e.array(heads.len() as u64)?;
    heads.iter().try_for_each(|h| e.bytes(&h.0)?.ok())?;
    e.bytes(&set(fields.clone()))?;
    e.array(conflicts.len() as u64)?;
    for (path, sides) in conflicts {
        e.array(sides.len() as u64)?;
        for Side { change, ancestors, value } in sides {
            e.array(3)?.bytes(&change.0)?.u32(*ancestors)?.bytes(&set([(path.clone(), value.clone())].into()))?;
        }
    }
    e.array(3)?.bytes(&set(revived_elements.iter().map(|(list, key)| (Path::Element(*list, key.clone(), 0), Value::Null)).collect()))?;
    let added: BTreeMap<Path, u32> = elements.iter().map(|(list, key, n)| (Path::Element(*list, key.clone(), 0), *n)).collect();
    e.bytes(&set(added.keys().map(|p| (p.clone(), Value::Null)).collect()))?;
    e.array(added.len() as u64)?;
    added.values().try_for_each(|n| e.u32(*n)?.ok())
}

/// Paths and values in the form of a change's payload, which keeps what this version does not know.
fn set(set: BTreeMap<Path, Value>) -> Vec<u8> {
    write_payload(&Payload { set, reason: None })
}

/// Reads a state; `None` if it is of another version or not whole.
pub fn read(kind: Kind, bytes: &[u8]) -> Option<RecordState> {
    let mut d = Decoder::new(bytes);
    if d.array().ok()? != Some(10) || d.u8().ok()? != VERSION {
        return None;
    }
    let changes = d.u32().ok()?;
    let (hidden, revived, missing_parent) = (d.bool().ok()?, d.bool().ok()?, d.bool().ok()?);
    d.array().ok()?;
    let last = Stamp { ms: d.u64().ok()?, count: d.u32().ok()? };
    let heads = (0..d.array().ok()??).map(|_| name(&mut d)).collect::<Option<_>>()?;
    let fields = get(kind, &mut d)?;
    let mut conflicts = BTreeMap::new();
    for _ in 0..d.array().ok()?? {
        let (mut at, mut sides) = (None, Vec::new());
        for _ in 0..d.array().ok()?? {
            d.array().ok()?;
            let (change, ancestors) = (name(&mut d)?, d.u32().ok()?);
            let (path, value) = get(kind, &mut d)?.pop_first()?;
            sides.push(Side { change, ancestors, value });
            at = Some(path);
        }
        conflicts.insert(at?, sides);
    }
    d.array().ok()?;
    let revived_elements: BTreeSet<(u32, ElementKey)> = get(kind, &mut d)?.into_keys().filter_map(element).collect();
    let added: Vec<(u32, ElementKey)> = get(kind, &mut d)?.into_keys().filter_map(element).collect();
    d.array().ok()?;
    let mut elements = added.into_iter().map(|(list, key)| Some((list, key, d.u32().ok()?))).collect::<Option<Vec<_>>>()?;
    elements.sort_by(|a, b| (a.0, a.2, &a.1).cmp(&(b.0, b.2, &b.1)));
    let flags = Flags { revived, missing_parent };
    Some(RecordState { kind, fields, conflicts, heads, changes, hidden, flags, revived_elements, elements, last })
}

fn name(d: &mut Decoder<'_>) -> Option<ChangeName> {
    d.bytes().ok()?.try_into().ok().map(ChangeName)
}

fn get(kind: Kind, d: &mut Decoder<'_>) -> Option<BTreeMap<Path, Value>> {
    Some(read_payload(kind, d.bytes().ok()?).ok()?.set)
}

fn element(path: Path) -> Option<(u32, ElementKey)> {
    match path {
        Path::Element(list, key, _) => Some((list, key)),
        Path::Field(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_state_comes_back() {
        let added = ElementKey::Added(ChangeName([7; 32]), 2);
        let state = RecordState {
            kind: Kind::Inspection,
            fields: BTreeMap::from([
                (Path::Field(13), Value::Text("ўт".into())),
                (Path::Field(27), Value::Null),
                (Path::Field(9001), Value::Raw(vec![0x18, 0x00])),
                (Path::Element(29, added.clone(), 3), Value::Text("x".into())),
                (Path::Element(9002, ElementKey::Given(1), 2), Value::Raw(vec![0x01])),
            ]),
            conflicts: BTreeMap::from([(
                Path::Field(45),
                [1, 2].map(|n| Side { change: ChangeName([n; 32]), ancestors: n.into(), value: Value::Int(n.into()) }).into(),
            )]),
            heads: vec![ChangeName([1; 32]), ChangeName([2; 32])],
            changes: 9,
            hidden: false,
            flags: Flags { revived: true, missing_parent: true },
            revived_elements: BTreeSet::from([(29, added.clone()), (9002, ElementKey::Given(1))]),
            elements: vec![(29, ElementKey::Added(ChangeName([9; 32]), 1), 1), (29, added, 3)],
            last: Stamp { ms: 5, count: 6 },
        };
        assert_eq!(read(Kind::Inspection, &write(&state)), Some(state));
    }
}
