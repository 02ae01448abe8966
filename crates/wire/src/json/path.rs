//! Paths as text: `vehicle.colour`, `persons.2.phone`, `persons.new1.phone`, `risk_indicators.new_owner`, `#9001`.
//! Never reads a value.

use daftar_core::ids::ChangeName;
use daftar_core::record::{self, CODE_MAP_VALUE, ElementField, Field, Kind, Shape};
use daftar_core::value::{ELEMENT_PLACE, ELEMENT_REMOVED, ElementKey, Path};

use super::{POSITION, REMOVED, Refused, refuse, shortened};

/// What this version knows of what stands at a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum At {
    Shape(Shape),
    Removed,
    Place,
    Unknown,
}

pub(super) fn at(kind: Kind, path: &Path) -> At {
    match path {
        Path::Field(number) => record::field(kind, *number).map_or(At::Unknown, |f| At::Shape(f.shape)),
        Path::Element(list, _, number) => match list_of(kind, *list).and_then(|f| f.shape.element(*number)) {
            Some(ElementField::Field(f)) => At::Shape(f.shape),
            Some(ElementField::Removed) => At::Removed,
            Some(ElementField::Place) => At::Place,
            None => At::Unknown,
        },
    }
}

/// The keyed list or map of codes of this number.
pub(super) fn list_of(kind: Kind, number: u32) -> Option<&'static Field> {
    record::field(kind, number).filter(|f| f.shape.elements().is_some())
}

/// The kind with its article: "an inspection".
pub(super) fn a_kind(kind: Kind) -> String {
    match kind.name() {
        Some(name) => {
            let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
            format!("{article} {}", name.replace('_', " "))
        }
        None => format!("a record of kind {}", kind.number()),
    }
}

pub(super) fn no_such_field<T>(kind: Kind, name: &str) -> Result<T, Refused> {
    refuse(format!("no such field of {}", a_kind(kind))).map_err(|e: Refused| e.within(shortened(name)))
}

/// The number of `#9001`; `None` if it is not written just so.
pub(super) fn hash_number(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('#')?;
    let plain = digits == "0" || !digits.starts_with('0');
    (plain && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Reads a path of the kind.
pub fn parse_path(kind: Kind, text: &str) -> Result<Path, Refused> {
    parse(kind, text).map_err(|e| if e.path.is_empty() { e.within(shortened(text)) } else { e })
}

fn parse(kind: Kind, text: &str) -> Result<Path, Refused> {
    if let Some(field) = record::field_named(kind, text) {
        return Ok(Path::Field(field.number));
    }
    if text.starts_with('#') {
        return parse_unknown(kind, text);
    }
    let Some((head, rest)) = text.split_once('.') else {
        return no_such_field(kind, text);
    };
    let Some(field) = record::field_named(kind, head) else {
        return no_such_field(kind, text);
    };
    if let Shape::CodeMap = field.shape {
        let (code, number) = split_code(rest);
        if code.is_empty() {
            return refuse(format!("a code is missing, as in `{head}.CODE`"));
        }
        return Ok(Path::Element(field.number, ElementKey::Code(code.to_owned()), number));
    }
    let Some(fields) = field.shape.elements() else {
        return refuse(format!("`{head}` is amended as a whole"));
    };
    let Some((key, name)) = rest.split_once('.') else {
        return refuse(format!("name a field of the element, as in `{head}.2.{}`", fields.first().map_or("removed", |f| f.name)));
    };
    let Some(key) = parse_key(key) else {
        return refuse(format!("`{}` is no key of an element: a number, `new1`, or 64 hexadecimal digits and `:1`", shortened(key)));
    };
    Ok(Path::Element(field.number, key, element_number(field, name)?))
}

/// The number of a field of a list's elements, by its name.
fn element_number(list: &Field, name: &str) -> Result<u32, Refused> {
    match name {
        REMOVED => return Ok(ELEMENT_REMOVED),
        POSITION => return Ok(ELEMENT_PLACE),
        _ => {}
    }
    if let Some(number) = hash_number(name) {
        return if list.shape.element(number).is_some() { refuse("this version knows the field by its name") } else { Ok(number) };
    }
    match list.shape.elements().unwrap_or_default().iter().find(|f| f.name == name) {
        Some(f) => Ok(f.number),
        None => refuse(format!("no such field of the elements of `{}`", list.name)),
    }
}

/// A code may hold dots, so its end is looked for from behind.
fn split_code(rest: &str) -> (&str, u32) {
    match rest.rsplit_once('.') {
        Some((code, REMOVED)) => (code, ELEMENT_REMOVED),
        Some((code, POSITION)) => (code, ELEMENT_PLACE),
        Some((code, last)) => hash_number(last).filter(|n| *n > CODE_MAP_VALUE).map_or((rest, CODE_MAP_VALUE), |n| (code, n)),
        None => (rest, CODE_MAP_VALUE),
    }
}

fn parse_unknown(kind: Kind, text: &str) -> Result<Path, Refused> {
    let (head, rest) = text.split_once('.').map_or((text, None), |(head, rest)| (head, Some(rest)));
    let Some(number) = hash_number(head) else {
        return refuse("a field's number is expected after `#`");
    };
    let Some(rest) = rest else {
        return match record::field(kind, number) {
            Some(field) => refuse(format!("this version knows the field as `{}`", field.name)),
            None => Ok(Path::Field(number)),
        };
    };
    if let Some(field) = list_of(kind, number) {
        return refuse(format!("this version knows the field as `{}`", field.name));
    }
    match rest.rsplit_once('.').map(|(key, field)| (key, hash_number(field))) {
        Some((key, Some(field))) => {
            let key = parse_key(key).unwrap_or_else(|| ElementKey::Code(key.to_owned()));
            Ok(Path::Element(number, key, field))
        }
        Some((_, None)) | None => refuse("an element of an unknown list is written as `#9001.2.#5`"),
    }
}

fn plain_number(text: &str) -> Option<u32> {
    hash_number(&format!("#{text}"))
}

pub(super) fn parse_added(text: &str) -> Option<ElementKey> {
    let (name, ordinal) = text.split_once(':')?;
    Some(ElementKey::Added(name.parse::<ChangeName>().ok()?, plain_number(ordinal)?))
}

pub(super) fn parse_new(text: &str) -> Option<ElementKey> {
    text.strip_prefix("new").and_then(plain_number).map(ElementKey::New)
}

fn parse_key(text: &str) -> Option<ElementKey> {
    plain_number(text).filter(|n| *n > 0).map(ElementKey::Given).or_else(|| parse_new(text)).or_else(|| parse_added(text))
}

/// An element's key as it stands in a path.
pub(super) fn format_key(key: &ElementKey) -> String {
    match key {
        ElementKey::Given(n) => n.to_string(),
        ElementKey::Code(code) => code.clone(),
        ElementKey::Added(name, n) => format!("{name}:{n}"),
        ElementKey::New(n) => format!("new{n}"),
    }
}

/// Writes a path as `parse_path` reads it; what this version does not know by its number.
pub fn format_path(kind: Kind, path: &Path) -> String {
    match path {
        Path::Field(number) => record::field(kind, *number).map_or_else(|| format!("#{number}"), |f| f.name.to_owned()),
        Path::Element(list, key, number) => {
            let key = format_key(key);
            let Some(field) = list_of(kind, *list) else {
                return format!("#{list}.{key}.#{number}");
            };
            let list = field.name;
            match field.shape.element(*number) {
                Some(ElementField::Removed) => format!("{list}.{key}.{REMOVED}"),
                Some(ElementField::Place) => format!("{list}.{key}.{POSITION}"),
                Some(ElementField::Field(_)) if field.shape == Shape::CodeMap => format!("{list}.{key}"),
                Some(ElementField::Field(f)) => format!("{list}.{key}.{}", f.name),
                None => format!("{list}.{key}.#{number}"),
            }
        }
    }
}
