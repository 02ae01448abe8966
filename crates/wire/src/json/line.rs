//! One line of an NDJSON file. Never decides where the record goes: that is whoever imports.

use std::collections::BTreeMap;

use daftar_core::compartment::Compartment;
use daftar_core::ids::RecordId;
use daftar_core::record::Kind;
use daftar_core::value::{Path, Value};
use serde_json::{Map, Value as Json};

use super::path::a_kind;
use super::read::{expected, read_data};
use super::{Refused, refuse, shortened};

/// A line has at most so many bytes.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

/// A record as a line brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it is about.
    pub kind: Kind,
    /// Its identity.
    pub id: RecordId,
    /// Its audience.
    pub compartment: Compartment,
    /// Its values.
    pub fields: BTreeMap<Path, Value>,
}

/// Reads a line. Its `device` is not read: the device that imports writes in its own name.
pub fn read_line(text: &str) -> Result<Line, Refused> {
    if text.len() > LINE_BYTES_MAX {
        return refuse(format!("the line has {} bytes, at most {LINE_BYTES_MAX}", text.len()));
    }
    let json: Json = serde_json::from_str(text).or_else(|e| refuse(format!("the line is not JSON: {e}")))?;
    let Some(line) = json.as_object() else {
        return refuse("the line is not a JSON object");
    };
    if let Some(name) = line.keys().find(|name| !["kind", "id", "compartment", "device", "data"].contains(&name.as_str())) {
        return refuse("no such member of a line").map_err(|e: Refused| e.within(shortened(name)));
    }
    let kind = member(line, "kind", |name| Kind::from_name(name).ok_or_else(|| format!("`{}` is no kind of record", shortened(name))))?;
    if !kind.is_field_record() {
        return refuse(format!("{} is not brought in by import", a_kind(kind))).map_err(|e: Refused| e.within("kind"));
    }
    let id = member(line, "id", |id| id.parse::<RecordId>().map_err(|e| e.to_string()))?;
    let compartment = member(line, "compartment", |name| name.parse::<Compartment>().map_err(|e| e.to_string()))?;
    match line.get("data") {
        Some(Json::Object(data)) => Ok(Line { kind, id, compartment, fields: read_data(kind, data)? }),
        Some(other) => expected("an object", other).map_err(|e: Refused| e.within("data")),
        None => refuse("it is missing").map_err(|e: Refused| e.within("data")),
    }
}

fn member<T>(line: &Map<String, Json>, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<T, Refused> {
    let value = match line.get(name) {
        Some(Json::String(text)) => read(text).map_err(Refused::new),
        Some(other) => expected("a text", other),
        None => refuse("it is missing"),
    };
    value.map_err(|e| e.within(name))
}
