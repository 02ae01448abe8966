//! JSON to values. Refuses what has no place in the schema or is out of its range; never refuses an unknown code.

use std::collections::{BTreeMap, BTreeSet};

use daftar_core::ids::RecordId;
use daftar_core::record::{self, CODE_BYTES_MAX, CODE_MAP_VALUE, Field, Kind, Shape};
use daftar_core::time;
use daftar_core::value::{ELEMENT_PLACE, ELEMENT_REMOVED, ElementKey, Path, Value};
use minicbor::decode::Decoder;
use serde_json::{Map, Value as Json};

use super::path::{At, at, format_key, format_path, hash_number, list_of, no_such_field, parse_added, parse_new};
use super::{Refused, refuse, shortened, unhex};
use crate::cbor;

/// A text in a list of texts has at most so many bytes.
const LIST_TEXT_BYTES_MAX: u32 = 2000;
/// Degrees times 10^7 may be off by so much and still have seven decimals: `f64` holds 180 to within 3·10^-14.
const DEGREES_SLACK: f64 = 1e-4;
/// Whole numbers up to this are exact as `f64`.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

type Set = BTreeMap<Path, Value>;

/// Reads a record's data object.
pub fn read_data(kind: Kind, data: &Map<String, Json>) -> Result<Set, Refused> {
    let mut set = Set::new();
    for (name, json) in data {
        if name.starts_with('#') {
            read_unknown(kind, name, json, &mut set).map_err(|e| e.within(shortened(name)))?;
        } else if let Some(field) = record::field_named(kind, name).filter(|f| !f.name.contains('.')) {
            read_field(field, json, &mut set).map_err(|e| e.within(name))?;
        } else if record::fields(kind).iter().any(|f| f.name.split_once('.').is_some_and(|(prefix, _)| prefix == name)) {
            let Some(inner) = json.as_object() else {
                return expected("an object", json).map_err(|e: Refused| e.within(name));
            };
            for (key, json) in inner {
                let whole = format!("{name}.{key}");
                let Some(field) = record::field_named(kind, &whole) else {
                    return no_such_field(kind, &whole);
                };
                read_field(field, json, &mut set).map_err(|e| e.within(&whole))?;
            }
        } else {
            return no_such_field(kind, name);
        }
    }
    Ok(set)
}

/// Reads the value of one path; an element's fields have paths of their own.
pub fn read_value(kind: Kind, path: &Path, json: &Json) -> Result<Value, Refused> {
    match at(kind, path) {
        At::Shape(shape) => read_shape(shape, json),
        At::Removed => json.as_bool().map_or_else(|| expected("true or false", json), |b| Ok(Value::Bool(b))),
        At::Place => read_int(json, 0, u32::MAX.into()),
        At::Unknown => read_cbor(json).map(Value::Raw),
    }
    .map_err(|e| e.within(format_path(kind, path)))
}

fn read_field(field: &Field, json: &Json, set: &mut Set) -> Result<(), Refused> {
    if let (Shape::CodeMap, Some(entries)) = (field.shape, json.as_object().filter(|e| !e.is_empty())) {
        return entries.iter().try_for_each(|(code, json)| read_code(field, code, json, set).map_err(|e| e.within(shortened(code))));
    }
    if let (Shape::List(_), Some(items)) = (field.shape, json.as_array().filter(|items| !items.is_empty())) {
        return read_elements(field.number, items, set, &|element| read_element(field, element));
    }
    set.insert(Path::Field(field.number), read_shape(field.shape, json)?);
    Ok(())
}

type ReadElement<'a> = &'a dyn Fn(&Map<String, Json>) -> Result<Vec<(u32, Value)>, Refused>;

/// Reads the elements of a keyed list. Their order is written down only where it is not that of their keys.
fn read_elements(list: u32, items: &[Json], set: &mut Set, read: ReadElement<'_>) -> Result<(), Refused> {
    let mut elements = Vec::with_capacity(items.len());
    for (place, item) in (1u32..).zip(items) {
        let Some(element) = item.as_object() else {
            return expected("an object", item).map_err(|e: Refused| e.within(place));
        };
        elements.push((place, element, element.get("key")));
    }
    let keyless = elements.iter().all(|(.., key)| key.is_none());
    let mut taken = BTreeSet::new();
    let mut read_keys = Vec::with_capacity(elements.len());
    for (place, _, key) in &elements {
        let key = if keyless { Ok(*place) } else { read_key(*key) };
        let key = key.and_then(|key| if taken.insert(key) { Ok(key) } else { refuse(format!("{key} is a duplicate key")) });
        read_keys.push(key.map_err(|e| e.within("key").within(place))?);
    }
    let rising = read_keys.is_sorted();
    for ((place, element, _), key) in elements.into_iter().zip(read_keys) {
        let key = ElementKey::Given(key);
        let at = |number| Path::Element(list, key.clone(), number);
        let fields = read(element).map_err(|e| e.within(format_key(&key)))?;
        if fields.is_empty() {
            set.insert(at(ELEMENT_REMOVED), Value::Bool(false));
        }
        set.extend(fields.into_iter().map(|(number, value)| (at(number), value)));
        if !rising {
            set.insert(at(ELEMENT_PLACE), Value::Int(place.into()));
        }
    }
    Ok(())
}

fn read_key(json: Option<&Json>) -> Result<u32, Refused> {
    let Some(json) = json else {
        return refuse("it is missing, while other elements have one");
    };
    let key = if let Value::Int(n) = read_int(json, 1, u32::MAX.into())? { u32::try_from(n).ok() } else { None };
    Ok(key.expect("read_int gives a whole number between its bounds"))
}

fn read_element(list: &Field, element: &Map<String, Json>) -> Result<Vec<(u32, Value)>, Refused> {
    let fields = list.shape.elements().unwrap_or_default();
    let mut out = Vec::with_capacity(element.len());
    for (name, json) in element.iter().filter(|(name, _)| *name != "key") {
        let value = if let Some(number) = hash_number(name) {
            if list.shape.element(number).is_some() {
                return refuse("this version knows the field by its name").map_err(|e: Refused| e.within(name));
            }
            read_cbor(json).map(|item| (number, Value::Raw(item)))
        } else if let Some(field) = fields.iter().find(|f| f.name == name) {
            read_shape(field.shape, json).map(|value| (field.number, value))
        } else {
            refuse(format!("no such field of the elements of `{}`", list.name))
        };
        out.push(value.map_err(|e| e.within(shortened(name)))?);
    }
    Ok(out)
}

/// Reads an entry of a map of codes: a code, or an object where there is more than this version knows.
fn read_code(map: &Field, code: &str, json: &Json, set: &mut Set) -> Result<(), Refused> {
    if code.is_empty() || code.len() > CODE_BYTES_MAX as usize || code.contains(|c: char| c == '.' || c.is_control()) {
        return refuse(format!("not a code: 1 to {CODE_BYTES_MAX} bytes without a full stop"));
    }
    let at = |number| Path::Element(map.number, ElementKey::Code(code.to_owned()), number);
    match json.as_object() {
        Some(entry) if !entry.contains_key("key") => set.extend(read_element(map, entry)?.into_iter().map(|(n, v)| (at(n), v))),
        Some(_) | None => {
            set.insert(at(CODE_MAP_VALUE), read_shape(Shape::Code, json)?);
        }
    }
    Ok(())
}

/// Reads `"#9001": {"cbor": …}`, or `{"elements": [{"key": 1, "#5": {"cbor": …}}]}` for a list that this version does not know.
fn read_unknown(kind: Kind, name: &str, json: &Json, set: &mut Set) -> Result<(), Refused> {
    let Some(number) = hash_number(name) else {
        return refuse("a field's number is expected after `#`");
    };
    if let Some(Json::Array(items)) = json.get("elements") {
        if let Some(field) = list_of(kind, number) {
            return refuse(format!("this version knows the field as `{}`", field.name));
        }
        read_elements(number, items, set, &read_unknown_element)?;
        if json.as_object().is_some_and(|o| o.len() == 1) {
            return Ok(());
        }
    }
    if let Some(field) = record::field(kind, number) {
        return refuse(format!("this version knows the field as `{}`", field.name));
    }
    let item = match json.as_object() {
        Some(o) if o.contains_key("elements") && o.len() == 2 => read_hex_item(o.get("cbor"))?,
        Some(_) | None => read_cbor(json)?,
    };
    set.insert(Path::Field(number), Value::Raw(item));
    Ok(())
}

fn read_unknown_element(element: &Map<String, Json>) -> Result<Vec<(u32, Value)>, Refused> {
    (element.iter().filter(|(name, _)| *name != "key"))
        .map(|(name, json)| match hash_number(name) {
            Some(number) => Ok((number, Value::Raw(read_cbor(json).map_err(|e| e.within(name))?))),
            None => refuse("only numbered fields stand in an unknown list").map_err(|e: Refused| e.within(shortened(name))),
        })
        .collect()
}

/// Reads `{"cbor": "<hex>"}`.
pub(super) fn read_cbor(json: &Json) -> Result<Vec<u8>, Refused> {
    match json.as_object() {
        Some(o) if o.len() == 1 && o.contains_key("cbor") => read_hex_item(o.get("cbor")),
        Some(_) | None => refuse("a field given by its number is written as {\"cbor\": \"<hexadecimal digits>\"}"),
    }
}

fn read_hex_item(json: Option<&Json>) -> Result<Vec<u8>, Refused> {
    let item = json.and_then(Json::as_str).and_then(unhex);
    item.filter(|bytes| cbor::is_one_item(bytes)).ok_or_else(|| Refused::new("not one well-formed CBOR item in hexadecimal digits"))
}

/// Reads a value of this shape.
pub(super) fn read_shape(shape: Shape, json: &Json) -> Result<Value, Refused> {
    if json.is_null() {
        return Ok(Value::Null);
    }
    match shape {
        Shape::Code | Shape::Officer => read_text(json, CODE_BYTES_MAX),
        Shape::Text { bytes_max } => read_text(json, bytes_max),
        Shape::Int { min, max } => read_int(json, min, max),
        Shape::Time => parsed(json, "a time such as 2026-11-24T08:00:00Z", |t| time::parse_time(t).map(Value::Int)),
        Shape::Date => parsed(json, "a date such as 1987-05-31, 1987-05 or 1987", |t| time::parse_date(t).map(Value::Int)),
        Shape::Degrees { max_e7 } => read_degrees(json, max_e7),
        Shape::Bool => json.as_bool().map_or_else(|| expected("true or false", json), |b| Ok(Value::Bool(b))),
        Shape::Record => parsed(json, "a record's id, a UUIDv7", |t| t.parse().ok().map(|id: RecordId| Value::Bytes(id.0.to_vec()))),
        Shape::Bytes { max } => {
            let bytes = parsed(json, "an even number of hexadecimal digits", |t| unhex(t).map(Value::Bytes))?;
            at_most(json.as_str().map_or(0, str::len) / 2, max).map(|()| bytes)
        }
        Shape::Key if json.is_number() => read_int(json, 1, u32::MAX.into()),
        Shape::Key => parsed(json, "an element's key", |t| parse_added(t).or_else(|| parse_new(t)).map(|_| Value::Text(t.to_owned()))),
        Shape::Codes => read_list(json, |item| read_text(item, CODE_BYTES_MAX)),
        Shape::Texts => read_list(json, |item| read_text(item, LIST_TEXT_BYTES_MAX)),
        Shape::Group(fields) => read_group(fields, json),
        Shape::Groups(fields) => read_list(json, |item| read_group(fields, item)),
        Shape::List(_) => match json.as_array() {
            Some(items) if items.is_empty() => Ok(Value::List(Vec::new())),
            Some(_) => refuse("each field of an element has a path of its own"),
            None => expected("a list", json),
        },
        Shape::CodeMap => match (json.as_object(), json.as_array()) {
            (Some(codes), _) if codes.is_empty() => Ok(Value::List(Vec::new())),
            (_, Some(items)) if items.is_empty() => Ok(Value::List(Vec::new())),
            (Some(_), _) => refuse("each code has a path of its own"),
            (None, _) => expected("an object", json),
        },
    }
}

fn read_group(fields: &'static [Field], json: &Json) -> Result<Value, Refused> {
    let Some(group) = json.as_object() else {
        return expected("an object", json);
    };
    let mut entries = Vec::with_capacity(group.len());
    for (name, json) in group {
        let entry = match (hash_number(name), fields.iter().find(|f| f.name == name)) {
            (_, Some(field)) => read_shape(field.shape, json).map(|value| (field.number, value)),
            (Some(n), None) if fields.iter().any(|f| f.number == n) => refuse("this version knows the field by its name"),
            // What came as bytes within a group was decoded, so it must be decoded here to be the same value.
            (Some(n), None) => read_cbor(json)
                .and_then(|item| {
                    let value = cbor::get_value(&mut Decoder::new(&item)).map(Value::from);
                    value.map_err(|_| Refused::new("not one well-formed CBOR item in hexadecimal digits"))
                })
                .map(|value| (n, value)),
            (None, None) => refuse("no such field of the group"),
        };
        entries.push(entry.map_err(|e| e.within(shortened(name)))?);
    }
    entries.sort_unstable_by_key(|(number, _)| *number);
    Ok(Value::Map(entries))
}

fn read_list(json: &Json, read: impl Fn(&Json) -> Result<Value, Refused>) -> Result<Value, Refused> {
    let Some(items) = json.as_array() else {
        return expected("a list", json);
    };
    (1u32..).zip(items).map(|(place, item)| read(item).map_err(|e| e.within(place))).collect::<Result<_, _>>().map(Value::List)
}

fn read_text(json: &Json, bytes_max: u32) -> Result<Value, Refused> {
    let Some(text) = json.as_str() else {
        return expected("a text", json);
    };
    at_most(text.len(), bytes_max)?;
    // PostgreSQL's texts cannot hold it.
    if text.contains('\0') { refuse("the character U+0000 stands in it") } else { Ok(Value::Text(text.to_owned())) }
}

fn at_most(bytes: usize, max: u32) -> Result<(), Refused> {
    if bytes > max as usize { refuse(format!("{bytes} bytes, at most {max}")) } else { Ok(()) }
}

fn read_int(json: &Json, min: i64, max: i64) -> Result<Value, Refused> {
    // Some programs write every number with decimals: 4.0 is 4.
    let whole = |x: &f64| x.fract() == 0.0 && x.abs() <= EXACT_MAX;
    let number = json.as_i64().or_else(|| json.as_f64().filter(whole).map(|x| x as i64));
    match number {
        Some(n) if (min..=max).contains(&n) => Ok(Value::Int(n)),
        None if !json.is_number() || json.as_f64().is_some_and(|x| x.fract() != 0.0) => expected("a whole number", json),
        Some(_) | None => refuse(format!("{json} is not between {min} and {max}")),
    }
}

fn read_degrees(json: &Json, max_e7: i64) -> Result<Value, Refused> {
    let Some(degrees) = json.as_f64() else {
        return expected("a number of degrees", json);
    };
    let (e7, max) = (degrees * 1e7, max_e7 as f64);
    if e7.abs() > max + DEGREES_SLACK {
        return refuse(format!("{json} is not between -{0} and {0}", max_e7 / 10_000_000));
    }
    if (e7 - e7.round()).abs() > DEGREES_SLACK { refuse("at most 7 decimals") } else { Ok(Value::Int(e7.round() as i64)) }
}

fn parsed(json: &Json, what: &str, read: impl Fn(&str) -> Option<Value>) -> Result<Value, Refused> {
    match json.as_str() {
        Some(text) => read(text).ok_or_else(|| Refused::new(format!("`{}` is not {what}", shortened(text)))),
        None => expected(what, json),
    }
}

/// Names what is there instead of what is expected.
pub(super) fn expected<T>(what: &str, json: &Json) -> Result<T, Refused> {
    let is = match json {
        Json::Null => "null".to_owned(),
        Json::Bool(b) => b.to_string(),
        Json::Number(n) => n.to_string(),
        Json::String(_) => "a text".to_owned(),
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
    };
    refuse(format!("{what} is expected, not {is}"))
}
