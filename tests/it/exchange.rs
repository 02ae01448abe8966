//! One record all the way: a device without a link, the server, the team's other device, and back.

use std::collections::BTreeMap;
use std::path::Path;

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::server::Server;
use serde_json::{Value, json};

pub const KINDS: [&str; 5] = ["inspection", "seizure", "exhibit", "custody_event", "surveillance_note"];

/// Compartment and digest of all that a status names.
pub fn digests(status: &Value) -> BTreeMap<String, String> {
    let compartments = status["compartments"].as_object().expect("a status names compartments");
    compartments.iter().map(|(name, c)| (name.clone(), c["digest"].as_str().expect("a digest is text").to_owned())).collect()
}

/// Asserts that both devices and the server hold the same logs.
pub fn assert_all_equal(a: &Device, b: &Device, server: &Server) {
    let (a, b, s) = (digests(&a.json(&["status"])), digests(&b.json(&["status"])), digests(&server.status()));
    assert_eq!(a, b, "the two devices differ");
    for (name, digest) in &a {
        assert_eq!(Some(digest), s.get(name), "device and server differ in {name}");
    }
}

/// Asserts that a device has exactly the corpus's records, field by field.
pub fn assert_has_corpus(device: &Device, corpus: &Path) {
    let mut expected: BTreeMap<String, Value> = BTreeMap::new();
    for line in corpus::lines(corpus) {
        let id = line["id"].as_str().expect("a line has an id").to_owned();
        let record = json!({"id": id, "kind": line["kind"], "compartment": line["compartment"], "data": line["data"]});
        assert!(expected.insert(id, record).is_none(), "the generator repeats an id");
    }
    let mut found = 0;
    for record in KINDS.iter().flat_map(|k| device.list(k)) {
        let id = record["id"].as_str().expect("a record has an id");
        assert_eq!(Some(&record), expected.get(id), "record {id} is not what was imported");
        found += 1;
    }
    assert_eq!(found, expected.len(), "records are missing");
}

#[test]
fn what_was_recorded_without_a_link_reaches_headquarters_and_the_other_device() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let corpus = corpus::write(dir.path(), 1000, 3, &[]);
    let mut server = Server::init_direct(dir.path());
    server.start();
    let a = Device::enrolled(dir.path(), "a", &server.officer_everywhere("aziz"));
    let b = Device::enrolled(dir.path(), "b", &server.officer_everywhere("bobur"));
    server.kill();

    let lines = corpus::lines(&corpus).len();
    let told = a.import(&corpus);
    assert_eq!((&told["imported"], &told["skipped"], &told["errors"]), (&json!(lines), &json!(0), &json!([])));
    let refused = a.json_with(4, &["sync"]);
    assert_eq!(refused["error"]["code"], "no_link", "{refused}");
    assert_eq!(a.json(&["status"])["waiting"], lines, "without a link everything is kept and waits");

    server.start();
    let sent = a.json(&["sync"]);
    assert_eq!((&sent["sent_changes"], &sent["waiting"]), (&json!(lines), &json!(0)), "{sent}");
    let received = b.json(&["sync"]);
    assert_eq!(received["sent_changes"], 0);
    assert!(received["received_changes"].as_u64() >= Some(lines as u64), "{received}");
    assert_all_equal(&a, &b, &server);
    assert_has_corpus(&b, &corpus);
    assert_has_corpus(&a, &corpus);
    let status = server.settled();
    let at_hq: u64 = status["compartments"].as_object().expect("compartments").values().filter_map(|c| c["records"].as_u64()).sum();
    let with_records = |c: &str| ["team/", "agency/", "operation/"].iter().any(|p| c.starts_with(p));
    let field: u64 = status["compartments"]
        .as_object()
        .expect("compartments")
        .iter()
        .filter(|(c, _)| with_records(c))
        .filter_map(|(_, v)| v["records"].as_u64())
        .sum();
    assert!(field >= lines as u64 && at_hq >= field, "the console's tables have every record: {status}");

    let id = a.list("inspection")[7]["id"].as_str().expect("an id").to_owned();
    b.json(&["amend", &id, "vehicle.colour=green", "persons.1.phone=null"]);
    assert_eq!(b.json(&["sync"])["sent_changes"], 1);
    assert_eq!(a.json(&["sync"])["received_changes"], 1);
    let shown = a.json(&["show", &id]);
    assert_eq!((&shown["data"]["vehicle"]["colour"], &shown["data"]["persons"][0]["phone"]), (&json!("green"), &Value::Null));
    assert_eq!(shown["history"].as_array().map(Vec::len), Some(2), "{shown}");
    assert_eq!(shown["conflicts"], json!({}));
    assert_all_equal(&a, &b, &server);

    let idle = a.json(&["sync"]);
    assert_eq!((&idle["requests"], &idle["sent_changes"], &idle["received_changes"]), (&json!(1), &json!(0), &json!(0)));
    for way in ["bytes_up", "bytes_down"] {
        assert!(idle[way].as_u64().is_some_and(|n| n > 0 && n <= 600), "a sync with nothing new is small: {idle}");
    }
    for device in [&a, &b] {
        assert_eq!(device.json(&["verify"])["bad"], json!([]));
    }
    server.must(&["verify"]);
}
