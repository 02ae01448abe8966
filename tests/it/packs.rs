//! Courier packs by the real commands: devices and a server that never share a link, what a stick brings late, twice or not at all, and photos.

use std::path::{Path, PathBuf};

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::server::Server;
use serde_json::{Value, json};

use super::exchange::{assert_all_equal, assert_has_corpus};

/// A stick with packs on it.
struct Stick(PathBuf);

impl Stick {
    fn of(dir: &Path) -> Self {
        let stick = dir.join("stick");
        std::fs::create_dir(&stick).expect("a folder");
        Self(stick)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

/// A device writes a question.
fn ask(device: &Device, pack: &str) -> Value {
    device.json(&["pack", "write", "--for", "hq", pack])
}

/// Headquarters reads a question and writes its answer.
fn answer(server: &Server, question: &str, to: &str) -> Value {
    let out = server.run(&["pack", "read", question, "--answer", to, "--json"]);
    assert!(out.status.success(), "{}", daftar_tests::told(&out));
    daftar_tests::json(&out)
}

#[test]
fn records_travel_by_packs_alone_and_only_the_answers_receipt_clears_the_queue() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let corpus = corpus::write(dir.path(), 60, 3, &[]);
    let stick = Stick::of(dir.path());
    let mut server = Server::init_direct(dir.path());
    server.start();
    let a = Device::enrolled(dir.path(), "a", &server.officer_everywhere("aziz"));
    let b = Device::enrolled(dir.path(), "b", &server.officer_everywhere("bobur"));
    let lines = corpus::lines(&corpus).len();
    a.import(&corpus);

    let (q, r) = (stick.path("a.pack"), stick.path("to-a.pack"));
    let written = ask(&a, &q);
    assert_eq!((&written["changes"], &written["more"]), (&json!(lines), &json!(false)), "{written}");
    assert_eq!(a.json(&["status"])["waiting"], lines, "what is on a stick waits on");
    let again = a.json_with(1, &["pack", "write", "--for", "hq", &q]);
    assert_eq!(again["error"]["code"], "pack_exists", "a pack takes no other's place unasked");
    a.json(&["pack", "write", "--for", "hq", &q, "--force"]);

    // Beside the running server, as an administrator does it.
    let taken = answer(&server, &q, &r);
    assert_eq!(taken["taken"], lines, "{taken}");
    assert_eq!(a.json(&["status"])["waiting"], lines, "that headquarters has it is known only by its receipt");
    let read = a.json(&["pack", "read", &r]);
    assert_eq!((&read["purpose"], &read["receipted"], &read["waiting"]), (&json!("answer"), &json!(lines), &json!(0)), "{read}");

    // Without a server running.
    server.kill();
    let (q, r) = (stick.path("b.pack"), stick.path("to-b.pack"));
    assert_eq!(ask(&b, &q)["changes"], 0);
    answer(&server, &q, &r);
    let read = b.json(&["pack", "read", &r]);
    assert!(read["received_changes"].as_u64() >= Some(lines as u64), "{read}");
    assert_all_equal(&a, &b, &server);
    assert_has_corpus(&b, &corpus);

    // One change more goes the other way; then a link finds nothing left to do.
    let id = b.list("inspection")[3]["id"].as_str().expect("an id").to_owned();
    b.json(&["amend", &id, "vehicle.colour=green"]);
    for (device, name) in [(&b, "b2"), (&a, "a2")] {
        let (q, r) = (stick.path(&format!("{name}.pack")), stick.path(&format!("to-{name}.pack")));
        ask(device, &q);
        answer(&server, &q, &r);
        device.json(&["pack", "read", &r]);
    }
    assert_eq!(a.json(&["show", &id])["data"]["vehicle"]["colour"], "green");
    assert_all_equal(&a, &b, &server);
    server.start();
    for device in [&a, &b] {
        let sync = device.json(&["sync"]);
        assert_eq!((&sync["sent_changes"], &sync["received_changes"]), (&json!(0), &json!(0)), "{sync}");
        assert_eq!(device.json(&["verify"])["bad"], json!([]));
    }
    server.must(&["verify"]);
}

#[test]
fn one_record_by_gift_by_two_packs_and_by_a_link_arrives_once_and_a_strangers_stick_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let corpus = corpus::write(dir.path(), 12, 5, &["--team", "imt-1"]);
    let stick = Stick::of(dir.path());
    let mut server = Server::init_direct(dir.path());
    server.start();
    let a = Device::enrolled(dir.path(), "a", &server.officer_everywhere("aziz"));
    let b = Device::enrolled(dir.path(), "b", &server.officer_everywhere("bobur"));
    // Each knows of the other, and nothing else yet.
    for device in [&a, &b] {
        device.json(&["sync"]);
    }
    a.json(&["sync"]);
    server.kill();
    let lines = corpus::lines(&corpus).len();
    a.import(&corpus);

    let b_id = id_of(&server, "bobur");
    let (gift, q, lost, r) = (stick.path("gift"), stick.path("q"), stick.path("lost"), stick.path("r"));
    assert!(a.json(&["pack", "write", "--for", &b_id, &gift])["changes"].as_u64() >= Some(lines as u64));
    let given = b.json(&["pack", "read", &gift]);
    assert_eq!((&given["purpose"], &given["received_changes"], &given["receipted"]), (&json!("gift"), &json!(lines), &json!(0)), "{given}");
    assert_eq!(a.json_with(1, &["pack", "read", &gift])["error"]["code"], "pack_not_for_us");
    assert_eq!(b.list("inspection").len(), a.list("inspection").len());

    // The first answer is lost; the second pack comes from the other device, which carries the same work.
    ask(&a, &q);
    assert_eq!(answer(&server, &q, &lost)["taken"], lines);
    let (q2, r2) = (stick.path("q2"), stick.path("r2"));
    assert!(ask(&b, &q2)["changes"].as_u64() >= Some(lines as u64), "who took a gift offers it to headquarters");
    assert_eq!(answer(&server, &q2, &r2)["taken"], 0, "it is there already");
    assert_eq!(a.json_with(1, &["pack", "read", &r2])["error"]["code"], "pack_not_for_us");
    b.json(&["pack", "read", &r2]);
    answer(&server, &q, &r);
    assert_eq!(a.json(&["pack", "read", &r])["waiting"], 0);
    assert_eq!(a.json(&["pack", "read", &lost])["receipted"], 0, "what was lost and is found says nothing new");

    server.start();
    for device in [&a, &b, &a] {
        device.json(&["sync"]);
    }
    assert_all_equal(&a, &b, &server);
    for device in [&a, &b] {
        assert_has_corpus(device, &corpus);
        assert_eq!(device.json(&["verify"])["bad"], json!([]));
    }
    let bytes = std::fs::read(&q).expect("read");
    std::fs::write(&q, &bytes[..bytes.len() - 1]).expect("cut");
    let cut = server.run(&["pack", "read", &q, "--answer", &stick.path("none")]);
    assert_eq!(cut.status.code(), Some(1), "{}", daftar_tests::told(&cut));
    assert!(String::from_utf8_lossy(&cut.stderr).contains("cut or changed"), "{}", daftar_tests::told(&cut));
}

/// A photo goes to a record; its bytes.
fn attach(device: &Device, dir: &Path, record: &str, n: u8, size: usize) -> Vec<u8> {
    let bytes: Vec<u8> = (0..size).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ n).collect();
    let path = dir.join(format!("photo-{n}.bin"));
    std::fs::write(&path, &bytes).expect("written");
    device.json(&["attach", record, &path.display().to_string()]);
    bytes
}

/// How many of a record's photos are at headquarters by its word, and how many are here.
fn photos(device: &Device, record: &str) -> (Value, usize) {
    let here = device.json(&["files", record]).as_array().expect("a list").iter().filter(|f| f["here"] == true).count();
    (device.json(&["show", record])["files_at_hq"].clone(), here)
}

#[test]
fn photos_go_to_headquarters_by_pack_alone_the_smallest_first_and_its_word_and_others_photos_come_back() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let corpus = corpus::write(dir.path(), 3, 5, &["--team", "imt-1"]);
    let stick = Stick::of(dir.path());
    let mut server = Server::init_direct(dir.path());
    server.start();
    let a = Device::enrolled(dir.path(), "a", &server.officer_everywhere("aziz"));
    let b = Device::enrolled(dir.path(), "b", &server.officer_everywhere("bobur"));
    server.kill();
    a.import(&corpus);
    let id = a.list("inspection")[0]["id"].as_str().expect("an id").to_owned();
    // Chunks of 256 KiB: one, some, and more than fit.
    let sizes = [2_500_000, 40_000, 700_000, 90_000, 1_400_000];
    let bytes: Vec<Vec<u8>> = (0..5).map(|n| attach(&a, dir.path(), &id, n, sizes[n as usize])).collect();

    let (q, r) = (stick.path("q"), stick.path("r"));
    let written = a.json(&["pack", "write", "--for", "hq", &q, "--photos-max", "1"]);
    assert_eq!((&written["files"], &written["files_left"]), (&json!(3), &json!(2)), "what fits into 1 MiB, the smallest first: {written}");
    let told = String::from_utf8(a.run(&["pack", "write", "--for", "hq", &q, "--force", "--photos-max", "1"]).stdout).expect("text");
    assert!(told.contains("3 photos and other files go along") && told.contains("2 photos and other files found no room"), "{told}");
    let taken = answer(&server, &q, &r);
    assert_eq!(taken["files"], 3, "{taken}");
    assert_eq!(photos(&a, &id).0, 0, "that headquarters has them is known only by its word");
    let read = a.json(&["pack", "read", &r]);
    assert_eq!((&read["files_receipted"], &read["waiting"]), (&json!(3), &json!(0)), "{read}");
    let shown = String::from_utf8(a.run(&["show", &id]).stdout).expect("text");
    assert!(shown.contains("3 of 5 photos at HQ"), "{shown}");

    let written = a.json(&["pack", "write", "--for", "hq", &q, "--force"]);
    assert_eq!(
        (&written["changes"], &written["files"], &written["files_left"]),
        (&json!(0), &json!(2), &json!(0)),
        "only the rest: {written}"
    );
    // Read twice, and the answer too: nothing changes.
    for _ in 0..2 {
        assert_eq!(server.run(&["pack", "read", &q, "--answer", &r, "--force", "--json"]).status.code(), Some(0));
    }
    assert_eq!(a.json(&["pack", "read", &r])["files_receipted"], 2);
    assert_eq!(a.json(&["pack", "read", &r])["files_receipted"], 0);
    assert_eq!(photos(&a, &id), (json!(5), 5));

    // Another device hears of the records, and by its next pack gets the photos that a link would bring unasked, and headquarters' word for all.
    let (q, r) = (stick.path("qb"), stick.path("rb"));
    for (received, here) in [(0, 0), (3, 3)] {
        b.json(&["pack", "write", "--for", "hq", &q, "--force"]);
        assert_eq!(server.run(&["pack", "read", &q, "--answer", &r, "--force", "--json"]).status.code(), Some(0));
        let read = b.json(&["pack", "read", &r]);
        assert_eq!((&read["files_received"], photos(&b, &id).1), (&json!(received), here), "{read}");
    }
    assert_eq!(photos(&b, &id).0, 5);
    b.json(&["fetch", &id]);
    b.json(&["pack", "write", "--for", "hq", &q, "--force"]);
    assert_eq!(server.run(&["pack", "read", &q, "--answer", &r, "--force", "--json"]).status.code(), Some(0));
    assert_eq!(b.json(&["pack", "read", &r])["files_received"], 2, "what was asked for");
    let out = dir.path().join("out");
    b.json(&["fetch", &id, "--to", &out.display().to_string()]);
    let mut found: Vec<Vec<u8>> =
        std::fs::read_dir(out).expect("a folder").flatten().map(|e| std::fs::read(e.path()).expect("read")).collect();
    let mut wanted = bytes;
    found.sort();
    wanted.sort();
    assert!(found == wanted, "the photos are what they were");
    for device in [&a, &b] {
        assert_eq!(device.json(&["verify"])["bad"], json!([]));
    }
    server.must(&["verify"]);
    // A link finds nothing left to do.
    server.start();
    let sync = a.json(&["sync"]);
    assert_eq!((&sync["files"]["chunks_sent"], &sync["files"]["waiting"]), (&json!(0), &json!(0)), "{sync}");
}

/// The id of an officer's device.
fn id_of(server: &Server, officer: &str) -> String {
    let all = daftar_tests::json(&server.run(&["device", "list", "--json"]));
    let found = all.as_array().expect("a list").iter().find(|d| d["officers"][0]["handle"] == officer).expect("enrolled");
    found["id"].as_str().expect("an id").to_owned()
}
