//! What an older version does not know survives it, byte for byte; and nothing is ever stored as JSON.

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::server::Server;
use serde_json::json;

#[test]
fn a_field_that_nobody_knows_survives_amendment_and_exchange_byte_for_byte() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut record = corpus::lines(&corpus::write(dir.path(), 1, 11, &[]))[0].clone();
    // [1(1740000000.5), {"note": [1, "тест"]}, 0 in two bytes]: nothing that this version would write itself.
    let unknown = json!({"cbor": "83c1fb41d9ed92c0200000a1646e6f7465820168d182d0b5d181d1821800"});
    record["data"]["#9001"] = unknown.clone();
    let file = dir.path().join("one.ndjson");
    std::fs::write(&file, record.to_string()).expect("the folder can be written");

    let mut server = Server::init_direct(dir.path());
    server.start();
    let a = Device::enrolled(dir.path(), "a", &server.officer_everywhere("aziz"));
    let b = Device::enrolled(dir.path(), "b", &server.officer_everywhere("bobur"));
    assert_eq!(a.import(&file)["imported"], 1);
    let id = record["id"].as_str().expect("an id");
    a.json(&["amend", id, "vehicle.colour=green"]);
    a.json(&["sync"]);
    b.json(&["sync"]);
    b.json(&["amend", id, "search_level=full"]);
    b.json(&["sync"]);
    a.json(&["sync"]);
    for device in [&a, &b] {
        let data = &device.json(&["show", id])["data"];
        assert_eq!(data["#9001"], unknown, "{data}");
        assert_eq!((&data["vehicle"]["colour"], &data["search_level"]), (&json!("green"), &json!("full")));
    }
    server.settled();
    server.kill();
    assert_no_json(dir.path());
}

/// Looks through every file of devices and server for JSON and for words of the record in clear.
fn assert_no_json(dir: &std::path::Path) {
    let mut seen = 0;
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder can be read").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|e| e != "ndjson") {
                let bytes = std::fs::read(&path).expect("the file can be read");
                for word in ["\"vehicle\"", "{\"key\":", "family_name", "plate_country"] {
                    let found = bytes.windows(word.len()).any(|w| w == word.as_bytes());
                    assert!(!found, "{} holds `{word}` in clear", path.display());
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} files were looked at");
}
