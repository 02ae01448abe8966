//! Whatever the schema allows comes back from JSON as it was, and from any text comes a reason and never a panic.

use std::collections::BTreeMap;

use daftar_core::record::{self, Field, Kind, Shape};
use daftar_core::time::{format_date, parse_date};
use daftar_core::value::{ELEMENT_PLACE, ELEMENT_REMOVED, ElementKey, Path, Value};
use daftar_wire::json::{format_path, given_order, parse_path, read_data, read_line, read_value_text, write_data};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::subsequence;

type Strategy1<T> = BoxedStrategy<T>;

fn text() -> Strategy1<Value> {
    "[^\u{0}]{0,12}".prop_map(Value::Text).boxed()
}

fn known(shape: Shape) -> Strategy1<Value> {
    match shape {
        Shape::Code | Shape::Officer | Shape::Text { .. } => text(),
        Shape::Int { min, max } => (min..=max).prop_map(Value::Int).boxed(),
        Shape::Time => (-62_135_596_800_000i64..=253_402_300_799_999).prop_map(Value::Int).boxed(),
        Shape::Date => (1900i64..2100, 0i64..=12, 0i64..=31)
            .prop_map(|(y, m, d)| y * 10_000 + m * 100 + if m == 0 { 0 } else { d })
            .prop_filter("a date of the calendar", |n| parse_date(&format_date(*n)) == Some(*n))
            .prop_map(Value::Int)
            .boxed(),
        Shape::Degrees { max_e7 } => (-max_e7..=max_e7).prop_map(Value::Int).boxed(),
        Shape::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Shape::Record => {
            any::<(u64, [u8; 10])>().prop_map(|(ms, random)| Value::Bytes(daftar_core::ids::RecordId::new(ms, random).0.to_vec())).boxed()
        }
        Shape::Bytes { max } => vec(any::<u8>(), 0..=max as usize).prop_map(Value::Bytes).boxed(),
        Shape::Key => {
            prop_oneof![(1..=i64::from(u32::MAX)).prop_map(Value::Int), any::<u32>().prop_map(|n| Value::Text(format!("new{n}")))].boxed()
        }
        Shape::Codes | Shape::Texts => vec(text(), 0..4).prop_map(Value::List).boxed(),
        Shape::Group(fields) => group(fields),
        Shape::Groups(fields) => vec(group(fields), 0..3).prop_map(Value::List).boxed(),
        Shape::List(_) | Shape::CodeMap => Just(Value::List(vec![])).boxed(),
    }
}

fn value(shape: Shape) -> Strategy1<Value> {
    prop_oneof![1 => Just(Value::Null), 6 => known(shape)].boxed()
}

fn some_fields(fields: &'static [Field]) -> Strategy1<Vec<(Field, Value)>> {
    subsequence(fields.to_vec(), 0..=fields.len())
        .prop_flat_map(|fields| fields.into_iter().map(|f| value(f.shape).prop_map(move |v| (f, v))).collect::<Vec<_>>())
        .boxed()
}

fn group(fields: &'static [Field]) -> Strategy1<Value> {
    some_fields(fields).prop_map(|fields| Value::Map(fields.into_iter().map(|(f, v)| (f.number, v)).collect())).boxed()
}

type Set = BTreeMap<Path, Value>;

/// A list's elements as an import makes them: places only where the order is not that of the keys.
fn elements(list: u32, fields: &'static [Field]) -> Strategy1<Set> {
    btree_map(1..50u32, some_fields(fields), 1..4)
        .prop_flat_map(|elements| Just(elements.into_iter().collect::<Vec<_>>()).prop_shuffle())
        .prop_map(move |elements| {
            let rising = elements.is_sorted_by_key(|(key, _)| *key);
            let mut set = Set::new();
            for (place, (key, fields)) in (1..).zip(elements) {
                let at = |number| Path::Element(list, ElementKey::Given(key), number);
                if fields.is_empty() {
                    set.insert(at(ELEMENT_REMOVED), Value::Bool(false));
                }
                if !rising {
                    set.insert(at(ELEMENT_PLACE), Value::Int(place));
                }
                set.extend(fields.into_iter().map(|(f, v)| (at(f.number), v)));
            }
            set
        })
        .boxed()
}

fn codes(map: u32) -> Strategy1<Set> {
    btree_map("[a-z_]{1,10}", value(Shape::Code), 1..5)
        .prop_map(move |codes| codes.into_iter().map(|(code, v)| (Path::Element(map, ElementKey::Code(code), 2), v)).collect())
        .boxed()
}

fn data(kind: Kind) -> Strategy1<Set> {
    let field = |f: &Field| {
        let number = f.number;
        let whole = value(f.shape).prop_map(move |v| Set::from([(Path::Field(number), v)]));
        match f.shape.elements() {
            Some(_) if f.shape == Shape::CodeMap => prop_oneof![whole, codes(number), Just(Set::new())].boxed(),
            Some(inner) => prop_oneof![whole, elements(number, inner), Just(Set::new())].boxed(),
            None => prop_oneof![3 => whole, 1 => Just(Set::new())].boxed(),
        }
    };
    let unknown = btree_map(9000..9100u32, any::<u8>(), 0..3)
        .prop_map(|raw| raw.into_iter().map(|(n, b)| (Path::Field(n), Value::Raw(vec![0x18, b]))).collect::<Set>());
    (record::fields(kind).iter().map(field).collect::<Vec<_>>(), unknown)
        .prop_map(|(sets, unknown)| sets.into_iter().flatten().chain(unknown).collect())
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_the_schema_allows_comes_back_from_json_as_it_was(
        (kind, fields) in prop::sample::select(kinds()).prop_flat_map(|kind| (Just(kind), data(kind)))
    ) {
        let json = write_data(kind, &fields, &given_order(&fields));
        // Through text, as files are.
        let text = serde_json::to_string(&json).expect("maps have texts for keys");
        let json = serde_json::from_str(&text).expect("it was just written");
        prop_assert_eq!(read_data(kind, &json), Ok(fields.clone()), "{}", text);
        for path in fields.keys() {
            prop_assert_eq!(parse_path(kind, &format_path(kind, path)), Ok(path.clone()));
        }
    }

    #[test]
    fn no_text_makes_the_readers_panic(line in any::<String>(), path in "[a-z#.:0-9]{0,20}|persons\\..{0,10}|#[0-9]{1,12}.{0,5}", typed in any::<String>()) {
        let _ = read_line(&line);
        if let Ok(path) = parse_path(Kind::Inspection, &path) {
            let _ = read_value_text(Kind::Inspection, &path, &typed);
            prop_assert_eq!(parse_path(Kind::Inspection, &format_path(Kind::Inspection, &path)), Ok(path));
        }
    }
}

/// The kinds whose fields this version knows.
fn kinds() -> Vec<Kind> {
    Kind::ALL.into_iter().map(|(kind, ..)| kind).filter(|kind| !record::fields(*kind).is_empty()).collect()
}
