//! Values to JSON, as `read` takes them. Never loses a value: what the schema does not foresee is written as its CBOR.

use std::collections::BTreeMap;

use daftar_core::record::{self, CODE_MAP_VALUE, ElementField, Field, Kind, Shape};
use daftar_core::time;
use daftar_core::value::{ELEMENT_PLACE, ELEMENT_REMOVED, ElementKey, Path, Value};
use serde_json::{Map, Value as Json, json};

use super::hex;
use super::path::{At, at, format_key, list_of};
use crate::cbor;

type Set = BTreeMap<Path, Value>;

/// Writes a record's data object. `order` says which elements of a list are shown and in which order; elements outweigh
/// what is said of the list as a whole.
pub fn write_data(kind: Kind, fields: &Set, order: &dyn Fn(u32, &[ElementKey]) -> Vec<ElementKey>) -> Map<String, Json> {
    let mut out = Map::new();
    let mut lists: BTreeMap<u32, Vec<ElementKey>> = BTreeMap::new();
    for path in fields.keys() {
        if let Path::Element(list, key, _) = path {
            let keys = lists.entry(*list).or_default();
            if keys.last() != Some(key) {
                keys.push(key.clone());
            }
        }
    }
    for (path, value) in fields {
        if let Path::Field(number) = path {
            match record::field(kind, *number) {
                Some(field) => put(&mut out, field.name, write_shape(field.shape, value)),
                None => put(&mut out, &format!("#{number}"), as_cbor(value)),
            }
        }
    }
    for (list, keys) in lists {
        let shown = order(list, &keys);
        let Some(field) = list_of(kind, list) else {
            let elements = shown.iter().map(|key| write_element(None, fields, list, key)).collect();
            match out.get_mut(&format!("#{list}")).and_then(Json::as_object_mut) {
                Some(entry) => entry.insert("elements".to_owned(), Json::Array(elements)),
                None => out.insert(format!("#{list}"), json!({ "elements": elements })),
            };
            continue;
        };
        if shown.is_empty() && fields.contains_key(&Path::Field(list)) {
            continue;
        }
        let json = if field.shape == Shape::CodeMap {
            Json::Object(shown.iter().filter_map(|key| Some((format_key(key), write_code(field, fields, key)?))).collect())
        } else {
            Json::Array(shown.iter().map(|key| write_element(Some(field), fields, list, key)).collect())
        };
        put(&mut out, field.name, json);
    }
    out
}

/// The order for a record as it was created: by place or key, without the removed ones.
pub fn given_order(fields: &Set) -> impl Fn(u32, &[ElementKey]) -> Vec<ElementKey> {
    move |list, keys| {
        let stored = |key: &ElementKey, number| fields.get(&Path::Element(list, key.clone(), number));
        let mut keys: Vec<ElementKey> = keys.to_vec();
        keys.retain(|key| stored(key, ELEMENT_REMOVED) != Some(&Value::Bool(true)));
        // A stable sort: what has neither a place nor a number stays in the order of the keys.
        keys.sort_by_key(|key| match (stored(key, ELEMENT_PLACE), key) {
            (Some(Value::Int(place)), _) => *place,
            (_, ElementKey::Given(n)) => (*n).into(),
            (_, ElementKey::Code(_) | ElementKey::Added(..) | ElementKey::New(_)) => i64::MAX,
        });
        keys
    }
}

/// Writes the value of one path.
pub fn write_value(kind: Kind, path: &Path, value: &Value) -> Json {
    match at(kind, path) {
        At::Shape(shape) => write_shape(shape, value),
        At::Removed => write_shape(Shape::Bool, value),
        At::Place => write_shape(Shape::Int { min: 0, max: i64::MAX }, value),
        At::Unknown => as_cbor(value),
    }
}

/// Puts a field of the vehicle within `vehicle`.
fn put(out: &mut Map<String, Json>, name: &str, json: Json) {
    match name.split_once('.') {
        Some((outer, inner)) => {
            let entry = out.entry(outer).or_insert_with(|| Json::Object(Map::new()));
            if let Some(entry) = entry.as_object_mut() {
                entry.insert(inner.to_owned(), json);
            }
        }
        None => {
            out.insert(name.to_owned(), json);
        }
    }
}

fn element_fields<'a>(fields: &'a Set, list: u32, key: &ElementKey) -> impl Iterator<Item = (u32, &'a Value)> {
    fields.range(Path::Element(list, key.clone(), 0)..=Path::Element(list, key.clone(), u32::MAX)).map(|(path, value)| match path {
        Path::Element(_, _, number) | Path::Field(number) => (*number, value),
    })
}

fn write_element(list: Option<&Field>, fields: &Set, number: u32, key: &ElementKey) -> Json {
    let mut out = Map::new();
    let name = if let ElementKey::Given(n) = key { json!(n) } else { Json::String(format_key(key)) };
    out.insert("key".to_owned(), name);
    for (number, value) in element_fields(fields, number, key) {
        match list.and_then(|list| list.shape.element(number)) {
            Some(ElementField::Removed | ElementField::Place) => {}
            Some(ElementField::Field(field)) => put(&mut out, field.name, write_shape(field.shape, value)),
            None => put(&mut out, &format!("#{number}"), as_cbor(value)),
        }
    }
    Json::Object(out)
}

/// An entry of a map of codes: its code alone, unless there is more than this version knows.
fn write_code(map: &Field, fields: &Set, key: &ElementKey) -> Option<Json> {
    if element_fields(fields, map.number, key).all(|(number, _)| number <= CODE_MAP_VALUE) {
        let value = fields.get(&Path::Element(map.number, key.clone(), CODE_MAP_VALUE))?;
        return Some(write_shape(Shape::Code, value));
    }
    let mut entry = write_element(Some(map), fields, map.number, key);
    entry.as_object_mut()?.remove("key");
    Some(entry)
}

fn write_shape(shape: Shape, value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(b) => json!(b),
        Value::Int(n) => write_int(shape, *n),
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => match <[u8; 16]>::try_from(bytes.as_slice()) {
            Ok(id) if shape == Shape::Record => json!(daftar_core::ids::RecordId(id).to_string()),
            Ok(_) | Err(_) => json!(hex(bytes)),
        },
        Value::List(items) if items.is_empty() => {
            if shape == Shape::CodeMap {
                json!({})
            } else {
                json!([])
            }
        }
        Value::List(items) => match shape {
            Shape::Codes | Shape::Texts => items.iter().map(|item| write_shape(Shape::Code, item)).collect(),
            Shape::Groups(fields) => items.iter().map(|item| write_shape(Shape::Group(fields), item)).collect(),
            Shape::Code
            | Shape::Text { .. }
            | Shape::Int { .. }
            | Shape::Time
            | Shape::Date
            | Shape::Degrees { .. }
            | Shape::Bool
            | Shape::Record
            | Shape::Bytes { .. }
            | Shape::Officer
            | Shape::Key
            | Shape::Group(_)
            | Shape::List(_)
            | Shape::CodeMap => as_cbor(value),
        },
        Value::Map(entries) => {
            let Shape::Group(fields) = shape else {
                return as_cbor(value);
            };
            let named = entries.iter().map(|(number, v)| match fields.iter().find(|f| f.number == *number) {
                Some(field) => (field.name.to_owned(), write_shape(field.shape, v)),
                None => (format!("#{number}"), as_cbor(v)),
            });
            Json::Object(named.collect())
        }
        Value::Raw(_) => as_cbor(value),
    }
}

/// Times, dates and degrees as they are read, other numbers as numbers.
fn write_int(shape: Shape, n: i64) -> Json {
    if let Shape::Degrees { .. } = shape {
        // Both are exact, so the quotient is the nearest to the decimal and is printed as it.
        return json!(n as f64 / 1e7);
    }
    let text = if shape == Shape::Time {
        Some(time::format_time(n)).filter(|t| time::parse_time(t) == Some(n))
    } else if shape == Shape::Date {
        Some(time::format_date(n)).filter(|t| time::parse_date(t) == Some(n))
    } else {
        None
    };
    text.map_or_else(|| json!(n), Json::String)
}

fn as_cbor(value: &Value) -> Json {
    json!({ "cbor": hex(&cbor::encode(|e| cbor::put_value(e, &value.into()))) })
}
