//! Field records as they are imported and exported: what goes in comes out. Never looks at a change.

use daftar_core::record;
use daftar_core::value::Path;
use daftar_wire::json::{given_order, read_line, write_data};
use serde_json::Value as Json;

/// Equal as JSON, numbers by what they are worth.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= 1e-12 * a.abs()),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same(v, w))),
        _ => a == b,
    }
}

fn round_trip(text: &str) -> record::Kind {
    let line = read_line(text).unwrap_or_else(|e| panic!("{e} in {text}"));
    let data = Json::Object(write_data(line.kind, &line.fields, &given_order(&line.fields)));
    let whole: Json = serde_json::from_str(text).expect("read_line took it");
    assert!(same(&data, &whole["data"]), "went in: {}\ncame out: {data}", whole["data"]);
    let is_known = |path: &Path| match path {
        Path::Field(number) => record::knows(line.kind, *number, None),
        Path::Element(list, _, number) => record::knows(line.kind, *list, Some(*number)),
    };
    assert!(line.fields.keys().all(is_known), "all that is imported is known");
    line.kind
}

#[test]
fn every_kind_of_field_record_comes_back_as_it_was_imported() {
    let kinds: std::collections::BTreeSet<_> = include_str!("corpus_sample.ndjson").lines().map(round_trip).collect();
    assert_eq!(kinds.len(), 5, "the sample holds every kind of field record");
}

#[test]
fn a_whole_corpus_comes_back_as_it_was_imported() {
    let Some(path) = std::env::var_os("DAFTAR_CORPUS") else { return };
    let text = std::fs::read_to_string(&path).expect("DAFTAR_CORPUS names a file of field records");
    text.lines().for_each(|line| {
        round_trip(line);
    });
}
