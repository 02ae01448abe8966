//! Paths and values as an officer types them and as exports show them.

use daftar_core::ids::ChangeName;
use daftar_core::record::Kind;
use daftar_core::value::{ElementKey, Path, Value};
use daftar_wire::json::{format_path, given_order, parse_path, read_data, read_value, read_value_text, write_data, write_value};
use serde_json::json;

const NAME: &str = "00000000000000000000000000000000000000000000000000000000000000ab";

fn name() -> ChangeName {
    NAME.parse().expect("64 digits")
}

#[test]
fn a_path_comes_back_as_it_was_written() {
    let of = |list, key, number| Path::Element(list, key, number);
    for (text, path) in [
        ("vehicle.colour".to_owned(), Path::Field(45)),
        ("place".to_owned(), Path::Field(8)),
        ("persons".to_owned(), Path::Field(29)),
        ("persons.2.phone".to_owned(), of(29, ElementKey::Given(2), 9)),
        ("persons.new1.phone".to_owned(), of(29, ElementKey::New(1), 9)),
        ("persons.2.removed".to_owned(), of(29, ElementKey::Given(2), 0)),
        ("persons.2.position".to_owned(), of(29, ElementKey::Given(2), 1)),
        ("persons.2.#77".to_owned(), of(29, ElementKey::Given(2), 77)),
        (format!("persons.{NAME}:1.phone"), of(29, ElementKey::Added(name(), 1), 9)),
        ("risk_indicators.nervous_driver".to_owned(), of(22, ElementKey::Code("nervous_driver".into()), 2)),
        ("risk_indicators.nervous_driver.removed".to_owned(), of(22, ElementKey::Code("nervous_driver".into()), 0)),
        ("risk_indicators.nervous_driver.#9".to_owned(), of(22, ElementKey::Code("nervous_driver".into()), 9)),
        ("#9001".to_owned(), Path::Field(9001)),
        ("#9001.2.#5".to_owned(), of(9001, ElementKey::Given(2), 5)),
        ("#9001.red.#5".to_owned(), of(9001, ElementKey::Code("red".into()), 5)),
        ("#1.2.#5".to_owned(), of(1, ElementKey::Given(2), 5)),
    ] {
        assert_eq!(parse_path(Kind::Inspection, &text), Ok(path.clone()), "{text}");
        assert_eq!(format_path(Kind::Inspection, &path), text);
    }
}

#[test]
fn a_path_that_is_refused_says_why() {
    for (text, sentence) in [
        ("", "``: no such field of an inspection"),
        ("foo", "`foo`: no such field of an inspection"),
        ("foo.bar", "`foo.bar`: no such field of an inspection"),
        ("vehicle", "`vehicle`: no such field of an inspection"),
        ("place.latitude", "`place.latitude`: `place` is amended as a whole"),
        ("persons.2", "`persons.2`: name a field of the element, as in `persons.2.role`"),
        ("persons.0.phone", "`persons.0.phone`: `0` is no key of an element: a number, `new1`, or 64 hexadecimal digits and `:1`"),
        ("persons.2.wings", "`persons.2.wings`: no such field of the elements of `persons`"),
        ("persons.2.#9", "`persons.2.#9`: this version knows the field by its name"),
        ("risk_indicators.", "`risk_indicators.`: a code is missing, as in `risk_indicators.CODE`"),
        ("#1", "`#1`: this version knows the field as `number`"),
        ("#29.1.#5", "`#29.1.#5`: this version knows the field as `persons`"),
        ("#+1", "`#+1`: a field's number is expected after `#`"),
        ("#9001.2", "`#9001.2`: an element of an unknown list is written as `#9001.2.#5`"),
    ] {
        let refused = parse_path(Kind::Inspection, text).expect_err("it must be refused");
        let sentence = if text.is_empty() { "no such field of an inspection" } else { sentence };
        assert_eq!(refused.to_string(), sentence);
    }
}

#[test]
fn the_shape_of_the_field_decides_what_a_typed_value_is() {
    let text = |t: &str| Value::Text(t.to_owned());
    let added = format!("{NAME}:1");
    for (path, typed, value) in [
        ("vehicle.year", "2014", Value::Int(2014)),
        ("vehicle.year", "null", Value::Null),
        ("vehicle.plate", "2014", text("2014")),
        ("remarks", "[]", text("[]")),
        ("zones", "boot, cab", Value::List(vec![text("boot"), text("cab")])),
        ("zones", "[]", Value::List(vec![])),
        ("persons", "[]", Value::List(vec![])),
        ("risk_indicators", "[]", Value::List(vec![])),
        ("risk_indicators", "{}", Value::List(vec![])),
        ("risk_indicators.new_owner", "seen", text("seen")),
        ("occurred_from", "2026-11-24T05:00:00+05:00", Value::Int(1_795_478_400_000)),
        ("persons.1.date_of_birth", "1987-05", Value::Int(19_870_500)),
        ("persons.1.nominal", "true", Value::Bool(true)),
        ("persons.1.removed", "true", Value::Bool(true)),
        ("documents.1.holder", "2", Value::Int(2)),
        ("documents.new1.holder", "new2", text("new2")),
        ("documents.1.holder", &added, text(&added)),
        ("place", "{\"latitude\": 37.5}", Value::Map(vec![(1, Value::Int(375_000_000))])),
        ("#9001", "f5", Value::Raw(vec![0xf5])),
        ("#9001", "{\"cbor\": \"01\"}", Value::Raw(vec![1])),
    ] {
        let path = parse_path(Kind::Inspection, path).expect("a path");
        assert_eq!(read_value_text(Kind::Inspection, &path, typed), Ok(value.clone()), "{path:?}={typed}");
        let json = write_value(Kind::Inspection, &path, &value);
        assert_eq!(read_value(Kind::Inspection, &path, &json), Ok(value), "{json} is what the export shows");
    }
    for (path, typed, sentence) in [
        ("vehicle.year", "old", "`vehicle.year`: a whole number is expected, not a text"),
        ("vehicle.year", "3000", "`vehicle.year`: 3000 is not between 1900 and 2100"),
        ("persons.1.nominal", "yes", "`persons.1.nominal`: true or false is expected, not a text"),
        ("persons.1.removed", "null", "`persons.1.removed`: true or false is expected, not a text"),
        ("persons", "[{\"key\": 1}]", "`persons`: each field of an element has a path of its own"),
        ("persons", "Karimov", "`persons`: `Karimov` is not JSON"),
        ("place", "post", "`place`: `post` is not JSON"),
        ("#9001", "zz", "`#9001`: not one well-formed CBOR item in hexadecimal digits"),
    ] {
        let path = parse_path(Kind::Inspection, path).expect("a path");
        assert_eq!(read_value_text(Kind::Inspection, &path, typed).expect_err("it must be refused").to_string(), sentence);
    }
}

#[test]
fn what_this_version_does_not_know_is_kept_byte_for_byte() {
    let data = json!({
        "#9001": { "cbor": "a10102" },
        "#9002": { "elements": [{ "key": 1, "#5": { "cbor": "f5" } }, { "key": "red", "#0": { "cbor": "f4" } }], "cbor": "80" },
        "persons": [{ "key": 1, "#900": { "cbor": "1864" }, "phone": "+998" }],
        "place": { "latitude": 37.5, "#70": { "cbor": "8101" } },
        "risk_indicators": { "new_owner": { "value": "seen", "#3": { "cbor": "01" } } }
    });
    let fields = read_data(Kind::Inspection, data.as_object().expect("an object"));
    // An unknown list's elements with keys of another form come only from `write_data`, never from an import.
    assert!(fields.is_err(), "an import gives its elements numbers");
    let mut data = data;
    data["#9002"]["elements"] = json!([{ "key": 1, "#5": { "cbor": "f5" } }]);
    let fields = read_data(Kind::Inspection, data.as_object().expect("an object")).expect("all of it is well-formed");
    assert_eq!(fields[&Path::Field(9001)], Value::Raw(vec![0xa1, 1, 2]));
    assert_eq!(fields[&Path::Element(29, ElementKey::Given(1), 900)], Value::Raw(vec![0x18, 0x64]));
    assert_eq!(serde_json::Value::Object(write_data(Kind::Inspection, &fields, &given_order(&fields))), data);
}

#[test]
fn a_record_shows_the_elements_that_the_order_names_and_says_none_where_all_are_gone() {
    let of = |key: &ElementKey, number| Path::Element(29, key.clone(), number);
    let (first, later) = (ElementKey::Given(1), ElementKey::Added(name(), 1));
    let mut fields: std::collections::BTreeMap<Path, Value> = [
        (Path::Field(29), Value::List(vec![])),
        (of(&first, 9), Value::Text("+998".into())),
        (of(&later, 2), Value::Text("driver".into())),
    ]
    .into();
    let reversed = |_: u32, keys: &[ElementKey]| keys.iter().rev().cloned().collect();
    let shown = json!({ "persons": [{ "key": format!("{NAME}:1"), "role": "driver" }, { "key": 1, "phone": "+998" }] });
    assert_eq!(serde_json::Value::Object(write_data(Kind::Inspection, &fields, &reversed)), shown);
    fields.remove(&Path::Field(29));
    let none = |_: u32, _: &[ElementKey]| Vec::new();
    assert_eq!(serde_json::Value::Object(write_data(Kind::Inspection, &fields, &none)), json!({ "persons": [] }));
    for (list, json) in [(Value::Null, json!(null)), (Value::List(vec![]), json!([]))] {
        fields.insert(Path::Field(29), list);
        assert_eq!(write_data(Kind::Inspection, &fields, &none)["persons"], json);
    }
}
