//! A form in the making as bytes: the JSON that a screen holds, written as CBOR, so that no database holds JSON.
//! Knows no field.

use daftar_wire::WireError;
use minicbor::decode::Decoder;
use minicbor::encode::Encoder;
use serde_json::{Map, Number, Value};

use crate::error::{Error, Result};

/// Containers within containers, at most.
const DEPTH_MAX: u32 = 32;

type Enc<'a> = Encoder<&'a mut Vec<u8>>;
type Put = std::result::Result<(), minicbor::encode::Error<std::convert::Infallible>>;

/// The form as bytes.
pub fn write(form: &Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    put_map(&mut Encoder::new(&mut out), form).expect("writing CBOR to memory does not fail");
    out
}

fn put_map(e: &mut Enc<'_>, map: &Map<String, Value>) -> Put {
    e.map(map.len() as u64)?;
    map.iter().try_for_each(|(key, value)| {
        e.str(key)?;
        put(e, value)
    })
}

fn put(e: &mut Enc<'_>, value: &Value) -> Put {
    match value {
        Value::Null => e.null()?.ok(),
        Value::Bool(b) => e.bool(*b)?.ok(),
        Value::Number(n) => match n.as_i64() {
            Some(i) => e.i64(i)?.ok(),
            None => e.f64(n.as_f64().unwrap_or(0.0))?.ok(),
        },
        Value::String(s) => e.str(s)?.ok(),
        Value::Array(items) => {
            e.array(items.len() as u64)?;
            items.iter().try_for_each(|v| put(e, v))
        }
        Value::Object(map) => put_map(e, map),
    }
}

/// The form that these bytes hold.
pub fn read(bytes: &[u8]) -> Result<Map<String, Value>> {
    let bad = || Error::Wire(WireError::Malformed("a draft that is no form"));
    match get(&mut Decoder::new(bytes), 0) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | Err(_) => Err(bad()),
    }
}

fn get(d: &mut Decoder<'_>, depth: u32) -> std::result::Result<Value, minicbor::decode::Error> {
    let bad = || minicbor::decode::Error::message("not a form");
    let first = d.input().get(d.position()).copied().ok_or_else(bad)?;
    if depth > DEPTH_MAX {
        return Err(bad());
    }
    Ok(match first >> 5 {
        0 | 1 => Value::from(d.i64()?),
        3 => Value::from(d.str()?),
        4 => {
            let n = d.array()?.ok_or_else(bad)?;
            Value::Array((0..n).map(|_| get(d, depth + 1)).collect::<std::result::Result<_, _>>()?)
        }
        5 => {
            let n = d.map()?.ok_or_else(bad)?;
            let mut map = Map::new();
            for _ in 0..n {
                let key = d.str()?.to_owned();
                map.insert(key, get(d, depth + 1)?);
            }
            Value::Object(map)
        }
        _ => match first {
            0xf4 | 0xf5 => Value::Bool(d.bool()?),
            0xf6 => {
                d.null()?;
                Value::Null
            }
            0xfb => Number::from_f64(d.f64()?).map_or(Value::Null, Value::Number),
            _ => return Err(bad()),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_form_comes_back_as_it_was_and_is_no_json() {
        let form = json!({"vehicle": {"plate": "01 A 123 BC", "year": 2011}, "cargo": [], "remarks": "Ўғри эмас", "patronymic": null,
            "place": {"latitude": 37.224001, "longitude": -0.5}, "risk_indicators": {"new_owner": "seen"}, "yes": true});
        let form = form.as_object().expect("an object").clone();
        let bytes = write(&form);
        assert_eq!(read(&bytes).expect("it is a form"), form);
        assert!(serde_json::from_slice::<Value>(&bytes).is_err());
        assert!((0..bytes.len()).all(|n| read(&bytes[..n]).is_err()), "a cut form is none");
    }
}
