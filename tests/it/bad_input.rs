//! Bad input, bad codes, bad PINs: a clear sentence with the right exit status, and nothing lost.

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::server::Server;
use serde_json::json;

#[test]
fn each_bad_line_is_named_with_its_reason_and_the_good_lines_go_in() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init_direct(dir.path());
    server.start();
    // No grant beyond his own team's.
    server.must(&["officer", "add", "--name", "aziz", "--agency", "moi", "--team", "imt-1"]);
    let a = Device::enrolled(dir.path(), "a", &server.code("aziz", false));
    let good = corpus::lines(&corpus::write(dir.path(), 40, 13, &["--team", "imt-1"]));
    let good: Vec<_> = good.into_iter().filter(|l| l["compartment"] == "team/imt-1" && l["kind"] == "inspection").collect();
    let with = |n: usize, change: &dyn Fn(&mut serde_json::Value)| {
        let mut line = good[n].clone();
        change(&mut line);
        line.to_string()
    };
    let foreign = with(5, &|l| l["compartment"] = "team/imt-2".into());
    let lines = [
        good[0].to_string(),
        "this is not JSON".into(),
        with(1, &|l| l["kind"] = "spaceship".into()),
        with(1, &|l| l["compartment"] = "team/../x".into()),
        with(1, &|l| l["data"]["vehicle"]["year"] = "old".into()),
        with(1, &|l| l["data"]["vehicle"]["year"] = 99_999.into()),
        with(1, &|l| l["id"] = "42".into()),
        with(1, &|l| l["data"]["remarks"] = "ю".repeat(5_000_000).into()),
        foreign,
        good[1].to_string(),
        good[0].to_string(),
        with(0, &|l| l["data"]["remarks"] = "something else".into()),
        String::new(),
        with(2, &|l| l["data"]["colour_of_the_sky"] = "blue".into()),
    ];
    let file = dir.path().join("mixed.ndjson");
    std::fs::write(&file, lines.join("\n")).expect("the folder can be written");
    let told = a.json_with(1, &["import", &file.display().to_string()]);
    assert_eq!((&told["imported"], &told["skipped"]), (&json!(2), &json!(1)), "{told}");
    let errors: Vec<(u64, String)> = told["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|e| (e["line"].as_u64().expect("a line"), e["reason"].as_str().expect("a reason").to_lowercase()))
        .collect();
    let expected = [
        (2, "json"),
        (3, "spaceship"),
        (4, "team/../x"),
        (5, "vehicle.year"),
        (6, "vehicle.year"),
        (7, "42"),
        (8, "at most"),
        (9, "team/imt-2"),
        (12, "id"),
        (14, "colour_of_the_sky"),
    ];
    assert_eq!(errors.iter().map(|e| e.0).collect::<Vec<_>>(), expected.map(|e| e.0), "{errors:?}");
    for ((line, reason), (_, word)) in errors.iter().zip(expected) {
        assert!(reason.contains(word), "line {line}: `{reason}` does not name `{word}`");
        assert!(reason.len() < 400, "line {line}: a reason is a sentence, not the whole line");
    }
    assert_eq!(a.list("inspection").len(), 2);
}

#[test]
fn codes_pins_and_second_instances_are_refused_in_plain_words_and_nothing_is_lost() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init_direct(dir.path());
    server.start();
    let code = server.officer_everywhere("aziz");
    let a = Device::enrolled(dir.path(), "a", &code);
    let corpus = corpus::write(dir.path(), 5, 17, &[]);
    a.import(&corpus);
    let waiting = a.json(&["status"])["waiting"].clone();

    let misused = a.json_with(2, &["amend"]);
    assert_eq!(misused["error"]["code"], "usage", "{misused}");

    let other = Device::new(dir.path(), "other");
    let used = other.json_with(5, &["enrol", &code]);
    assert_eq!(used["error"]["code"], "refused", "a used code: {used}");
    let cut = other.run(&["enrol", &code[..code.len() - 9], "--json"]);
    assert_eq!(cut.status.code(), Some(2), "half a code: {}", daftar_tests::told(&cut));
    let wrong_server = Server::init_direct(&dir.path().join("elsewhere"));
    let mut wrong_server = wrong_server;
    // Another headquarters at the address that the first one's code names.
    let port = server.port;
    server.kill();
    wrong_server.port = port;
    wrong_server.start();
    let not_hq = a.json_with(5, &["sync"]);
    assert_eq!(not_hq["error"]["code"], "not_hq", "{not_hq}");
    wrong_server.kill();

    let wrong =
        |device: &Device| device.command().env("DAFTAR_PIN", "00000000").args(["status", "--json"]).output().expect("daftar is built");
    for _ in 0..3 {
        assert_eq!(wrong(&a).status.code(), Some(3));
    }
    let slowed = a.json_with(3, &["status"]);
    assert!(
        slowed["error"]["message"].as_str().is_some_and(|m| m.chars().any(|c| c.is_ascii_digit())),
        "it says how long to wait: {slowed}"
    );
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(a.json(&["status"])["waiting"], waiting, "after the wait the right PIN opens everything");

    let mut import = a.command().args(["import", "/dev/stdin"]).stdin(std::process::Stdio::piped()).spawn().expect("daftar is built");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let second = a.json_with(6, &["status"]);
    assert_eq!(second["error"]["code"], "already_open", "{second}");
    drop(import.stdin.take());
    assert!(import.wait().expect("the import ends").success());
    assert_eq!(a.json(&["verify"])["bad"], json!([]));
}
