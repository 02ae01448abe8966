//! A compartment's file is damaged, by the real commands: what is said of it, what goes on, and how all of it comes back.

use std::path::PathBuf;

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::server::Server;
use serde_json::{Value, json};

/// Damages one file after the other until it is that of a compartment as is wanted, and puts each back: the file and the compartment's name.
fn file_of(device: &Device, is_wanted: &dyn Fn(&str) -> bool) -> (PathBuf, String) {
    let files = std::fs::read_dir(device.home.join("vault")).expect("files").flatten().map(|f| f.path());
    for file in files.filter(|f| f.extension().is_some_and(|e| e == "db")) {
        let whole = std::fs::read(&file).expect("read");
        let mut bytes = whole.clone();
        bytes[200] ^= 1;
        std::fs::write(&file, &bytes).expect("written");
        let closed = device.json(&["status"])["closed"][0].as_str().expect("it is named").to_owned();
        std::fs::write(&file, &whole).expect("as it was");
        if is_wanted(&closed) {
            return (file, closed);
        }
    }
    panic!("no file of such a compartment");
}

#[test]
fn a_damaged_compartment_is_named_where_a_record_is_not_found_and_salvage_and_sync_bring_all_back() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let corpus = corpus::write(dir.path(), 40, 3, &[]);
    let mut server = Server::init_direct(dir.path());
    server.start();
    server.must(&["officer", "add", "--name", "lola", "--agency", "moi", "--team", "imt-1", "--role", "officer"]);
    let device = Device::enrolled(dir.path(), "a", &server.code("lola", true));
    device.import(&corpus);
    device.json(&["sync"]);
    let before = device.json(&["status"]);
    // Every file is tried until the damaged one is a team's with inspections.
    let listed = device.list("inspection");
    let (file, team) = file_of(&device, &|team| listed.iter().any(|r| r["compartment"] == *team));
    let shown = listed.iter().find(|r| r["compartment"] == *team).expect("a record of the team");
    let id = shown["id"].as_str().expect("it has an id").to_owned();
    let amended = device.run(&["amend", &id, "vehicle.colour=green"]);
    assert!(amended.status.success(), "{}", daftar_tests::told(&amended));

    let mut bytes = std::fs::read(&file).expect("read");
    bytes[200] ^= 1;
    std::fs::write(&file, &bytes).expect("written");
    assert_eq!(device.json(&["status"])["closed"], json!([team]));
    let not_found = device.json_with(1, &["show", &id]);
    assert_eq!(not_found["error"]["code"], "closed");
    let said = not_found["error"]["message"].as_str().expect("a sentence");
    assert!(said.contains(&team) && said.contains("damaged") && said.contains("daftar salvage"), "{said}");

    let told = device.json(&["salvage", &team]);
    let told = &told["salvaged"][0];
    let kept = device.home.join("damaged").join(told["set_aside"].as_str().expect("it was there"));
    assert!(std::fs::read(kept).expect("kept") == bytes, "the damaged file is kept as it was");
    assert_eq!((&told["own_missing"], &told["broken_pages"], &told["waiting"]), (&json!(0), &json!(1), &json!(1)), "{told}");
    assert_eq!(device.json(&["show", &id])["data"]["vehicle"]["colour"], "green", "what was not sent is there before any sync");
    let synced = device.json(&["sync"]);
    assert_eq!(synced["waiting"], 0, "{synced}");
    let after = device.json(&["status"]);
    assert_eq!(after["closed"], json!([]));
    let records = |status: &Value| status["compartments"][&team]["records"].clone();
    assert_eq!(records(&after), records(&before));
    assert_eq!(device.json(&["verify"])["bad"], json!([]));
    assert_eq!(device.json(&["salvage"])["salvaged"], json!([]), "nothing is damaged any more");
    device.json_with(1, &["salvage", &team]);
    // Headquarters has the amendment, and a new device gets it.
    let other = Device::enrolled(dir.path(), "b", &server.code("lola", true));
    other.json(&["sync"]);
    assert_eq!(other.json(&["show", &id])["data"]["vehicle"]["colour"], "green");
    assert_eq!(other.json(&["status"])["compartments"][&team]["digest"], after["compartments"][&team]["digest"]);
}
