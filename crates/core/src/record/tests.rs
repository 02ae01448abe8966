//! Claims about the schema as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::value::{ELEMENT_FIELD_FIRST, ElementKey, Path, Value};

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
    for (number, of_element, known) in [
        (1, None, true),
        (29, None, true),
        (9001, None, false),
        (29, Some(0), true),
        (29, Some(1), true),
        (29, Some(9), true),
        (29, Some(900), false),
        (22, Some(2), true),
        (22, Some(3), false),
        (1, Some(2), false),
        (8, Some(1), false),
        (9001, Some(2), false),
    ] {
        assert_eq!(knows(Kind::Inspection, number, of_element), known, "{number} {of_element:?}");
    }
    assert!(!knows(Kind::Other(900), 1, None));
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
