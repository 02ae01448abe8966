//! What is refused, and the sentence that says why.

use daftar_core::record::Kind;
use daftar_wire::json::{LINE_BYTES_MAX, read_data, read_line};
use serde_json::{Map, Value as Json, json};

fn refused(kind: Kind, data: Json) -> String {
    let data: Map<String, Json> = data.as_object().expect("the test gives an object").clone();
    read_data(kind, &data).expect_err("it must be refused").to_string()
}

#[test]
fn a_field_that_is_refused_is_named_with_the_reason() {
    let long = "x".repeat(10 * 1024 * 1024);
    for (data, sentence) in [
        (json!({ "foo": 1 }), "`foo`: no such field of an inspection"),
        (json!({ "vehicle.plate": "x" }), "`vehicle.plate`: no such field of an inspection"),
        (json!({ "vehicle": { "wings": 2 } }), "`vehicle.wings`: no such field of an inspection"),
        (json!({ "vehicle": null }), "`vehicle`: an object is expected, not null"),
        (json!({ "vehicle": { "year": 3000 } }), "`vehicle.year`: 3000 is not between 1900 and 2100"),
        (json!({ "vehicle": { "year": 2014.5 } }), "`vehicle.year`: a whole number is expected, not 2014.5"),
        (json!({ "vehicle": { "year": "2014" } }), "`vehicle.year`: a whole number is expected, not a text"),
        (json!({ "utc_offset_minutes": u64::MAX }), "`utc_offset_minutes`: 18446744073709551615 is not between -900 and 900"),
        (json!({ "remarks": long }), "`remarks`: 10485760 bytes, at most 16384"),
        (json!({ "remarks": 5 }), "`remarks`: a text is expected, not 5"),
        (json!({ "remarks": "a\0b" }), "`remarks`: the character U+0000 stands in it"),
        (json!({ "place": { "latitude": 37.12345678 } }), "`place.latitude`: at most 7 decimals"),
        (json!({ "place": { "latitude": 90.1 } }), "`place.latitude`: 90.1 is not between -90 and 90"),
        (json!({ "place": { "height": 1 } }), "`place.height`: no such field of the group"),
        (json!({ "place": [] }), "`place`: an object is expected, not a list"),
        (json!({ "zones": "boot" }), "`zones`: a list is expected, not a text"),
        (json!({ "zones": ["boot", 5] }), "`zones.2`: a text is expected, not 5"),
        (json!({ "risk_indicators": [1] }), "`risk_indicators`: an object is expected, not a list"),
        (json!({ "risk_indicators": { "a.b": "seen" } }), "`risk_indicators.a.b`: not a code: 1 to 128 bytes without a full stop"),
        (json!({ "occurred_from": "yesterday" }), "`occurred_from`: `yesterday` is not a time such as 2026-11-24T08:00:00Z"),
        (json!({ "persons": {} }), "`persons`: a list is expected, not an object"),
        (json!({ "persons": [5] }), "`persons.1`: an object is expected, not 5"),
        (json!({ "persons": [{ "key": 1 }, { "key": 1 }] }), "`persons.2.key`: 1 is a duplicate key"),
        (json!({ "persons": [{ "key": 0 }] }), "`persons.1.key`: 0 is not between 1 and 4294967295"),
        (json!({ "persons": [{ "key": null }] }), "`persons.1.key`: a whole number is expected, not null"),
        (json!({ "persons": [{ "key": 1 }, {}] }), "`persons.2.key`: it is missing, while other elements have one"),
        (json!({ "persons": [{ "key": 7, "wings": 2 }] }), "`persons.7.wings`: no such field of the elements of `persons`"),
        (
            json!({ "persons": [{ "key": 7, "date_of_birth": "1987-02-30" }] }),
            "`persons.7.date_of_birth`: `1987-02-30` is not a date such as 1987-05-31, 1987-05 or 1987",
        ),
        (json!({ "documents": [{ "holder": "x" }] }), "`documents.1.holder`: `x` is not an element's key"),
        (json!({ "#1": { "cbor": "01" } }), "`#1`: this version knows the field as `number`"),
        (json!({ "#29": { "elements": [] } }), "`#29`: this version knows the field as `persons`"),
        (json!({ "persons": [{ "#9": { "cbor": "01" } }] }), "`persons.1.#9`: this version knows the field by its name"),
        (json!({ "#9001": { "cbor": "0101" } }), "`#9001`: not one well-formed CBOR item in hexadecimal digits"),
        (json!({ "#9001": { "cbor": "0" } }), "`#9001`: not one well-formed CBOR item in hexadecimal digits"),
        (json!({ "#9001": 5 }), "`#9001`: a field given by its number is written as {\"cbor\": \"<hexadecimal digits>\"}"),
        (json!({ "#09": { "cbor": "01" } }), "`#09`: a field's number is expected after `#`"),
        (json!({ "#x": { "cbor": "01" } }), "`#x`: a field's number is expected after `#`"),
    ] {
        assert_eq!(refused(Kind::Inspection, data), sentence);
    }
    assert_eq!(
        refused(Kind::Exhibit, json!({ "seizure": "01a090a1-522e-48c7-acfe-9ea9e1fab9d7" })),
        "`seizure`: `01a090a1-522e-48c7-acfe-9ea9e1fab9d7` is not a record's id, a UUIDv7"
    );
    assert_eq!(
        refused(Kind::CustodyEvent, json!({ "to_signature": "00".repeat(65), "seal_intact": true })),
        "`to_signature`: 65 bytes, at most 64"
    );
    assert_eq!(refused(Kind::CustodyEvent, json!({ "seal_intact": 1 })), "`seal_intact`: true or false is expected, not 1");
    assert_eq!(refused(Kind::SurveillanceNote, json!({ "information_grade": 7 })), "`information_grade`: 7 is not between 1 and 6");
}

#[test]
fn an_officer_may_write_what_no_list_foresees() {
    let data = json!({
        "direction": "sideways", "vehicle": { "plate": "???", "kind": "camel", "year": 2014.0 }, "zones": [], "risk_indicators": {},
        "risk_indicators": { "two_heads": "seen" }, "persons": [{ "sex": null }], "place": { "latitude": -90, "longitude": 180.0 }
    });
    let data = data.as_object().expect("an object");
    assert!(read_data(Kind::Inspection, data).is_ok(), "codes and plates are hints");
}

#[test]
fn a_line_that_is_refused_says_what_is_wrong_with_it() {
    let good = json!({
        "kind": "inspection", "id": "01a090a1-522e-78c7-acfe-9ea9e1fab9d7", "compartment": "team/imt-1", "device": 3, "data": {}
    });
    assert!(read_line(&good.to_string()).is_ok());
    let with = |name: &str, value: Json| {
        let mut line = good.clone();
        line[name] = value;
        line.to_string()
    };
    let without = |name: &str| {
        let mut line = good.clone();
        line.as_object_mut().expect("an object").remove(name);
        line.to_string()
    };
    for (line, sentence) in [
        ("5".to_owned(), "the line is not a JSON object"),
        (with("kind", json!("spaceship")), "`kind`: `spaceship` is no kind of record"),
        (with("kind", json!("joint_operation")), "`kind`: a joint operation is not brought in by import"),
        (with("kind", json!("officer")), "`kind`: an officer is not brought in by import"),
        (with("kind", json!(1)), "`kind`: a text is expected, not 1"),
        (without("kind"), "`kind`: it is missing"),
        (with("compartment", json!("team/../x")), "`compartment`: `team/../x` is not the name of a compartment"),
        (without("compartment"), "`compartment`: it is missing"),
        (with("id", json!("01a090a1-522e-48c7-acfe-9ea9e1fab9d7")), "`id`: `01a090a1-522e-48c7-acfe-9ea9e1fab9d7` is not a UUIDv7"),
        (without("data"), "`data`: it is missing"),
        (with("data", json!([])), "`data`: an object is expected, not a list"),
        (with("data", json!({ "foo": 1 })), "`foo`: no such field of an inspection"),
        (with("date", json!({})), "`date`: no such member of a line"),
        (" ".repeat(LINE_BYTES_MAX + 1), "the line has 1048577 bytes, at most 1048576"),
    ] {
        assert_eq!(read_line(&line).expect_err("it must be refused").to_string(), sentence);
    }
    assert!(read_line("{\"kind\":").expect_err("cut short").to_string().starts_with("the line is not JSON: "));
}
