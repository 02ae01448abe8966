//! Values as an officer types them on the command line: `amend ID vehicle.year=2014`. Never guesses: the field's shape decides.

use daftar_core::record::{Kind, Shape};
use daftar_core::value::{Path, Value};
use serde_json::Value as Json;

use super::path::{At, at, format_path};
use super::read::{read_cbor, read_shape, read_value};
use super::{Refused, refuse, shortened};

/// Reads the value of one path from a text: `null` is *not known* for every field, `[]` is *none* for every list; codes and texts of a
/// list are separated by commas; groups are written as JSON.
pub fn read_value_text(kind: Kind, path: &Path, text: &str) -> Result<Value, Refused> {
    match at(kind, path) {
        At::Shape(shape) => read_shape_text(shape, text).map_err(|e| e.within(format_path(kind, path))),
        At::Removed => read_value(kind, path, &flag(text)),
        At::Place => read_value(kind, path, &number(text)),
        At::Unknown => {
            let json = if text.starts_with('{') { json(text) } else { Ok(serde_json::json!({ "cbor": text })) };
            json.and_then(|json| read_cbor(&json)).map(Value::Raw).map_err(|e| e.within(format_path(kind, path)))
        }
    }
}

fn read_shape_text(shape: Shape, text: &str) -> Result<Value, Refused> {
    if text == "null" {
        return Ok(Value::Null);
    }
    let json = match shape {
        Shape::Code | Shape::Text { .. } | Shape::Officer | Shape::Time | Shape::Date | Shape::Record | Shape::Bytes { .. } => {
            Json::String(text.to_owned())
        }
        Shape::Int { .. } | Shape::Degrees { .. } | Shape::Key => number(text),
        Shape::Bool => flag(text),
        Shape::Codes | Shape::Texts if !text.starts_with('[') => {
            Json::Array(text.split(',').map(|item| Json::String(item.trim().to_owned())).collect())
        }
        Shape::Codes | Shape::Texts | Shape::Group(_) | Shape::Groups(_) | Shape::List(_) | Shape::CodeMap => json(text)?,
    };
    read_shape(shape, &json)
}

/// What is not a number stays a text, which the reader then refuses by name.
fn number(text: &str) -> Json {
    match serde_json::from_str::<Json>(text.trim()) {
        Ok(json) if json.is_number() => json,
        Ok(_) | Err(_) => Json::String(text.to_owned()),
    }
}

fn flag(text: &str) -> Json {
    match text {
        "true" => Json::Bool(true),
        "false" => Json::Bool(false),
        _ => Json::String(text.to_owned()),
    }
}

fn json(text: &str) -> Result<Json, Refused> {
    serde_json::from_str(text).or_else(|_| refuse(format!("`{}` is not JSON", shortened(text))))
}
