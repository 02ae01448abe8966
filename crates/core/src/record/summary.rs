//! What a list shows of a record, and which of its texts are searched. Never folds a text: that is `fold`.

use std::collections::BTreeMap;

use super::view::{View, as_text};
use super::{ElementField, Field, Kind, Shape, field};
use crate::value::{Path, Value};

/// What a list shows of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Its number for people.
    pub number: Option<String>,
    /// When it was, in milliseconds of UTC.
    pub occurred_ms: Option<i64>,
    /// What it is about: plate and make, substance, number, the first subject's plate.
    pub headline: String,
    /// The code that tells most: result, purpose, handling.
    pub detail: Option<String>,
    /// The team's code.
    pub team: Option<String>,
    /// The post's code.
    pub post: Option<String>,
}

/// What a list shows of a record with these fields.
pub fn summary(kind: Kind, fields: &BTreeMap<Path, Value>) -> Summary {
    let v = View(fields);
    let (headline, detail, post): (&[Option<&str>], _, _) = match kind {
        Kind::Inspection => (&[v.text(41), v.text(43)], v.text(27), v.text(4)),
        Kind::Seizure => (&[v.text(1)], v.text(31), v.text(4)),
        Kind::Exhibit => (&[v.text(21), v.text(1)], v.text(22), None),
        Kind::CustodyEvent => (&[v.text(29).or(v.text(28)).or(v.text(24))], v.text(22), None),
        Kind::SurveillanceNote => (&[first_subject(v).or(v.text(1))], v.text(27), v.text(4)),
        Kind::JointOperation => (&[v.text(20)], v.text(21), None),
        Kind::Officer => (&[v.text(1), v.text(20)], v.text(21), None),
        Kind::Team | Kind::Post => (&[v.text(20).or(v.text(1))], None, None),
        Kind::Device => (&[v.text(20)], None, None),
        Kind::Grant => (&[v.text(25)], None, None),
        Kind::Shift
        | Kind::Task
        | Kind::Warning
        | Kind::WatchlistEntry
        | Kind::Asset
        | Kind::Qualification
        | Kind::CodeList
        | Kind::Other(_) => return Summary::default(),
    };
    let has = |number, name: &[&str]| field(kind, number).is_some_and(|f| name.contains(&f.name));
    Summary {
        number: has(1, &["number", "exhibit_number"]).then(|| v.text(1)).flatten().map(str::to_owned),
        occurred_ms: has(5, &["occurred_from", "occurred_at", "at"]).then(|| v.int(5)).flatten(),
        headline: headline.iter().copied().flatten().collect::<Vec<_>>().join(" "),
        detail: detail.map(str::to_owned),
        team: has(2, &["team"]).then(|| v.text(2)).flatten().map(str::to_owned),
        post: post.map(str::to_owned),
    }
}

/// The first subject's plate, or else its name or description.
fn first_subject(v: View<'_>) -> Option<&str> {
    [3, 7, 4].into_iter().find_map(|wanted| v.elements(20).find(|(_, n, _)| *n == wanted).and_then(|(_, _, value)| as_text(value)))
}

/// All texts worth finding the record by: names, plates, numbers, phones, remarks; no codes of closed lists.
pub fn searchable(kind: Kind, fields: &BTreeMap<Path, Value>) -> Vec<&str> {
    let mut out = Vec::new();
    for (path, value) in fields {
        let known = match path {
            Path::Field(number) => field(kind, *number),
            Path::Element(list, _, number) => match field(kind, *list).and_then(|f| f.shape.element(*number)) {
                Some(ElementField::Field(f)) => Some(f),
                Some(ElementField::Removed | ElementField::Place) | None => None,
            },
        };
        if let Some(f) = known {
            texts(f, value, &mut out);
        }
    }
    out
}

fn texts<'a>(field: &Field, value: &'a Value, out: &mut Vec<&'a str>) {
    let items = if let Value::List(items) = value { items.as_slice() } else { &[] };
    match field.shape {
        Shape::Text { .. } | Shape::Officer => out.extend(as_text(value)),
        Shape::Texts => out.extend(items.iter().filter_map(as_text)),
        Shape::Group(inner) => {
            let entries = if let Value::Map(entries) = value { entries.as_slice() } else { &[] };
            for (number, v) in entries {
                if let Some(f) = inner.iter().find(|f| f.number == *number) {
                    texts(f, v, out);
                }
            }
        }
        Shape::Groups(inner) => {
            let group = Field { shape: Shape::Group(inner), ..*field };
            items.iter().for_each(|item| texts(&group, item, out));
        }
        Shape::Code
        | Shape::Int { .. }
        | Shape::Time
        | Shape::Date
        | Shape::Degrees { .. }
        | Shape::Bool
        | Shape::Record
        | Shape::Bytes { .. }
        | Shape::Key
        | Shape::Codes
        | Shape::List(_)
        | Shape::CodeMap => {}
    }
}
