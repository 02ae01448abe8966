//! Claims about the schema as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::value::{ELEMENT_FIELD_FIRST, ElementKey, Value};

#[test]
fn every_kind_comes_back_from_its_number_and_its_name() {
    for (kind, number, name) in Kind::ALL {
        assert_eq!((kind.number(), kind.name()), (number, Some(name)));
        assert_eq!((Kind::from_number(number), Kind::from_name(name)), (kind, Some(kind)));
    }
    assert_eq!(Kind::from_number(900), Kind::Other(900));
    assert_eq!((Kind::Other(900).number(), Kind::Other(900).name()), (900, None));
}

fn check(fields: &'static [Field], least: u32) {
    assert!(fields.first().is_none_or(|f| f.number >= least));
    assert!(fields.windows(2).all(|w| w[0].number < w[1].number), "numbers rise, so that a search finds them: {fields:?}");
    let names: BTreeSet<_> = fields.iter().map(|f| f.name).collect();
    assert_eq!(names.len(), fields.len(), "a name stands once");
    for f in fields {
        if let Shape::Group(inner) | Shape::Groups(inner) = f.shape {
            check(inner, 1);
        } else if let Shape::List(inner) = f.shape {
            check(inner, ELEMENT_FIELD_FIRST);
            let reserved = |n| ["key", "removed", "position"].contains(&n);
            assert!(!inner.iter().any(|f| reserved(f.name) || f.shape.elements().is_some()), "{} cannot be written as a path", f.name);
        }
    }
}

#[test]
fn every_schema_has_rising_numbers_and_names_of_its_own() {
    Kind::ALL.iter().for_each(|(kind, ..)| check(fields(*kind), 1));
}

#[test]
fn only_what_the_schema_holds_is_known() {
    let element = |list, number| Path::Element(list, ElementKey::Given(1), number);
    for (path, known) in [
        (Path::Field(1), true),
        (Path::Field(29), true),
        (Path::Field(9001), false),
        (element(29, 0), true),
        (element(29, 1), true),
        (element(29, 9), true),
        (element(29, 900), false),
        (element(22, 2), true),
        (element(22, 3), false),
        (element(1, 2), false),
        (element(8, 1), false),
        (element(9001, 2), false),
    ] {
        assert_eq!(knows(Kind::Inspection, &path), known, "{path:?}");
    }
    assert!(!knows(Kind::Other(900), &Path::Field(1)));
}

#[test]
fn a_list_shows_what_tells_records_apart() {
    let text = |t: &str| Value::Text(t.to_owned());
    let inspection: BTreeMap<_, _> = [
        (Path::Field(1), text("IMT-1-2026-100001")),
        (Path::Field(5), Value::Int(1000)),
        (Path::Field(27), text("nothing")),
        (Path::Field(41), text("01 A 123 BC")),
        (Path::Field(43), text("Chevrolet")),
        (Path::Element(29, ElementKey::Given(1), 3), text("Karimov")),
        (Path::Element(22, ElementKey::Code("new_owner".into()), 2), text("seen")),
    ]
    .into();
    let s = summary(Kind::Inspection, &inspection);
    assert_eq!((s.headline.as_str(), s.detail.as_deref(), s.occurred_ms), ("01 A 123 BC Chevrolet", Some("nothing"), Some(1000)));
    assert_eq!(searchable(Kind::Inspection, &inspection), ["IMT-1-2026-100001", "01 A 123 BC", "Chevrolet", "Karimov"]);
    let view = inspection::InspectionView(&inspection);
    assert_eq!((view.plate(), view.risk_score_hundredths()), (Some("01 A 123 BC"), 30));
    let note = [(Path::Element(20, ElementKey::Given(1), 3), text("20 B 456 CD"))].into();
    assert_eq!(summary(Kind::SurveillanceNote, &note).headline, "20 B 456 CD");
}
