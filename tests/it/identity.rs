//! A backup is made beside a running server, a record is erased by order, and the server is restored: all by its commands.

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::server::Server;
use serde_json::json;

#[test]
fn a_backup_brings_the_server_back_without_what_was_erased_since_and_silent_until_it_is_confirmed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = corpus::write(dir.path(), 6, 12, &[]);
    let mut server = Server::init_direct(dir.path());
    server.start();
    let a = Device::enrolled(dir.path(), "a", &server.officer_everywhere("aziz"));
    let b = Device::enrolled(dir.path(), "b", &server.officer_everywhere("bobur"));
    a.import(&file);
    let record = a.list("inspection")[0].clone();
    let (id, place) = (record["id"].as_str().expect("an id"), record["compartment"].as_str().expect("a compartment"));
    for device in [&a, &b] {
        device.json(&["sync"]);
    }
    let backup = dir.path().join("yesterday");
    let said = server.must(&["backup", "--to", &backup.display().to_string()]);
    assert!(said.contains("all of it holds"), "{said}");
    assert!(server.data.join("keys/backup").exists() && !std::fs::read(&backup).expect("a backup").starts_with(b"SQLite"));

    let data = |device: &Device| device.json(&["show", id])["data"].clone();
    assert_ne!(data(&b), json!({}));
    server.must(&["erase", "--compartment", place, "--record", id, "--order", "order 7"]);
    b.json(&["sync"]);
    assert_eq!(data(&b), json!({}), "a device follows at its next contact");
    server.settled();
    assert!(server.must(&["verify"]).contains("all of it holds"));

    let restore = ["restore", "--from", &backup.display().to_string()];
    assert!(!server.run(&restore).status.success(), "not under a server that runs");
    server.kill();
    let said = server.must(&restore);
    assert!(said.contains("1 changes erased again") && said.contains("--confirm"), "{said}");
    assert!(server.status()["restored_unconfirmed_ms"].is_u64(), "it says so: {}", server.status());
    server.start();
    let c = Device::enrolled(dir.path(), "c", &server.code("bobur", true));
    c.json(&["sync"]);
    assert_eq!(c.list("inspection").len(), 0, "nothing leaves before it is confirmed");
    server.must(&["restore", "--confirm"]);
    c.json(&["sync"]);
    assert_eq!(data(&c), json!({}), "what was erased since the backup stays erased");
    assert!(c.list("inspection").iter().any(|r| r["id"] != record["id"]), "and the rest is there");
    assert!(server.must(&["verify"]).contains("all of it holds"));
    assert!(server.settled()["restored_unconfirmed_ms"].is_null());
}
