//! One device of several officers, by the real commands: a leader lets one in, and a locked device sends.

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::server::Server;
use serde_json::json;

const NEW_PIN: &str = "23421623";

#[test]
fn a_leader_lets_an_officer_in_without_a_link_and_a_locked_device_sends_without_a_pin() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let corpus = corpus::write(dir.path(), 20, 3, &[]);
    let mut server = Server::init_direct(dir.path());
    server.start();
    server.must(&["officer", "add", "--name", "lola", "--agency", "moi", "--team", "imt-1", "--role", "leader"]);
    let device = Device::enrolled(dir.path(), "a", &server.code("lola", true));
    let lines = device.import(&corpus)["imported"].clone();

    let admit = ["admit", "--handle", "guest", "--name", "A. Guest", "--agency", "moi", "--compartment", "team/imt-1", "--json"];
    let run = |args: &[&str], pin: Option<&str>| {
        let mut command = device.command();
        command.args(args).env_remove("DAFTAR_NEW_PIN");
        pin.into_iter().for_each(|p| {
            command.env("DAFTAR_NEW_PIN", p);
        });
        command.output().expect("daftar is built")
    };
    let longer = run(&[&admit[..], &["--hours", "73"]].concat(), Some(NEW_PIN));
    assert_eq!(longer.status.code(), Some(1), "{}", daftar_tests::told(&longer));
    assert_eq!(run(&admit, None).status.code(), Some(3), "without a terminal or DAFTAR_NEW_PIN there is no PIN");
    let agency = run(&["admit", "--handle", "g", "--name", "G", "--agency", "fbi", "--json"], Some(NEW_PIN));
    assert_eq!(agency.status.code(), Some(2), "{}", daftar_tests::told(&agency));
    let admitted = run(&admit, Some(NEW_PIN));
    assert_eq!(admitted.status.code(), Some(0), "{}", daftar_tests::told(&admitted));
    assert_eq!(daftar_tests::json(&admitted)["compartments"], json!(["reference", "team/imt-1"]));

    let guest = |args: &[&str]| {
        let mut command = device.command();
        command.args(args).args(["--officer", "guest", "--json"]).env("DAFTAR_PIN", NEW_PIN).env("DAFTAR_NEW_PIN", NEW_PIN);
        command.output().expect("daftar is built")
    };
    let listed = guest(&["list", "inspection"]);
    let listed = daftar_tests::json(&listed);
    let seen = listed.as_array().expect("an array");
    assert!(!seen.is_empty() && seen.iter().all(|r| r["compartment"] == "team/imt-1"), "he sees what was opened to him");
    let further = guest(&["admit", "--handle", "other", "--name", "O", "--agency", "moi"]);
    assert_eq!(further.status.code(), Some(1), "who is no leader lets nobody in");

    let sent = device.command().args(["sync", "--locked", "--json"]).env_remove("DAFTAR_PIN").output().expect("daftar is built");
    assert_eq!(sent.status.code(), Some(0), "{}", daftar_tests::told(&sent));
    assert_eq!(daftar_tests::json(&sent)["sent_changes"], lines, "all that waited went, and nobody unlocked");
}
