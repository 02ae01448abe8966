//! Courier packs by the real commands: devices and a server that never share a link, what a stick brings late, twice or not at all, and photos.

use std::path::{Path, PathBuf};

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::server::Server;
use serde_json::{Value, json};
use tempfile::TempDir;

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

/// Headquarters, two devices of one team, a corpus that neither has yet, and the stick between them.
struct Post {
    dir: TempDir,
    stick: Stick,
    server: Server,
    a: Device,
    b: Device,
    corpus: PathBuf,
}

impl Post {
    /// The server runs.
    fn new(inspections: u32, seed: u32, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (corpus, stick) = (corpus::write(dir.path(), inspections, seed, more), Stick::of(dir.path()));
        let mut server = Server::init_direct(dir.path());
        server.start();
        let [a, b] =
            [("a", "aziz"), ("b", "bobur")].map(|(home, name)| Device::enrolled(dir.path(), home, &server.officer_everywhere(name)));
        Self { dir, stick, server, a, b, corpus }
    }

    /// The server is away, and the first device has the records; one of them.
    fn apart(&mut self) -> String {
        self.server.kill();
        self.a.import(&self.corpus);
        self.a.list("inspection")[0]["id"].as_str().expect("an id").to_owned()
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
    let Post { dir: _dir, stick, mut server, a, b, corpus } = Post::new(60, 3, &[]);
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
    let Post { dir: _dir, stick, mut server, a, b, corpus } = Post::new(12, 5, &["--team", "imt-1"]);
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
    let mut post = Post::new(3, 5, &["--team", "imt-1"]);
    let id = post.apart();
    let Post { dir, stick, mut server, a, b, corpus: _ } = post;
    // Chunks of 256 KiB: one, some, and more than fit.
    let sizes = [2_500_000, 40_000, 700_000, 90_000, 1_400_000];
    let bytes: Vec<Vec<u8>> = (0..5).map(|n| attach(&a, dir.path(), &id, n, sizes[n as usize])).collect();

    let (q, r) = (stick.path("q"), stick.path("r"));
    let written = a.json(&["pack", "write", "--for", "hq", &q, "--photos-max", "1"]);
    assert_eq!((&written["files"], &written["files_left"]), (&json!(3), &json!(2)), "what fits into 1 MiB, the smallest first: {written}");
    let other = stick.path("other");
    let told = String::from_utf8(a.run(&["pack", "write", "--for", "hq", &other, "--photos-max", "1"]).stdout).expect("text");
    let (part, left) = ("Of 1 photos and other files a part goes along", "4 photos and other files found no room");
    assert!(told.contains(part) && told.contains(left), "another pack goes on behind the first: {told}");
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

/// The same with photos in at most so many MiB; what became of it.
fn ask_within(device: &Device, pack: &str, mib: &str) -> (u64, u64, u64) {
    let written = device.json(&["pack", "write", "--for", "hq", pack, "--photos-max", mib]);
    let n = |key: &str| written[key].as_u64().expect("a number");
    (n("files"), n("files_part"), n("files_left"))
}

#[test]
fn a_file_larger_than_a_pack_arrives_by_several_one_of_them_twice_and_one_late_and_goes_on_to_another_device() {
    let mut post = Post::new(3, 5, &["--team", "imt-1"]);
    let id = post.apart();
    let Post { dir, stick, mut server, a, b, corpus: _ } = post;
    // Ten chunks, and one.
    let (video, _) = (attach(&a, dir.path(), &id, 1, 2_500_000), attach(&a, dir.path(), &id, 2, 90_000));

    // Three packs before any answer: each goes on behind the one before, and the third, which has room for more, begins again.
    let packs = ["q1", "q2", "q3"].map(|name| stick.path(name));
    let [first, second, third] = &packs;
    assert_eq!(ask_within(&a, first, "1"), (1, 1, 0), "the small one, and three chunks");
    assert_eq!(ask_within(&a, second, "1"), (0, 1, 1), "four");
    assert_eq!(ask_within(&a, third, "1"), (1, 1, 0), "three; then the small one and the first chunk once more");
    let again = String::from_utf8(a.run(&["pack", "write", "--for", "hq", &stick.path("q"), "--photos-max", "1"]).stdout).expect("text");
    assert!(again.contains("Of 1 photos and other files a part goes along"), "{again}");

    let r = |n: usize| stick.path(&format!("r{n}"));
    let took = |question: &str, to: &str| {
        let taken = answer(&server, question, to);
        (taken["files"].as_u64().expect("a number"), taken["files_part"].as_u64().expect("a number"))
    };
    assert_eq!(took(first, &r(1)), (1, 1));
    assert_eq!(took(third, &r(2)), (1, 1));
    assert_eq!(took(first, &r(3)), (1, 1), "the same once more");
    assert_eq!(photos(&a, &id).0, 0);
    assert_eq!(a.json(&["pack", "read", &r(3)])["files_receipted"], 1, "of what came in part there is no receipt");
    assert_eq!(photos(&a, &id).0, 1);
    // By headquarters' word four chunks are lacking: they fit.
    let rest = stick.path("q4");
    assert_eq!(ask_within(&a, &rest, "1"), (1, 0, 0));
    assert_eq!(took(second, &r(4)), (1, 0), "the late one makes it whole");
    assert_eq!(took(&rest, &r(5)), (1, 0), "and the rest comes once more");
    assert_eq!(a.json(&["pack", "read", &r(4)])["files_receipted"], 1);
    assert_eq!(photos(&a, &id), (json!(2), 2));
    assert_eq!(ask_within(&a, &stick.path("none"), "1"), (0, 0, 0));

    // The way down: as much as the answer has room for, and the next question says what is here.
    let (q, r) = (stick.path("qb"), stick.path("rb"));
    let down = |times: usize| {
        b.json(&["pack", "write", "--for", "hq", &q, "--force"]);
        let out = server.run(&["pack", "read", &q, "--answer", &r, "--force", "--photos-max", "1", "--json"]);
        assert!(out.status.success(), "{}", daftar_tests::told(&out));
        let read: Vec<Value> = (0..times).map(|_| b.json(&["pack", "read", &r])).collect();
        (read[0]["files_received"].as_u64().expect("a number"), read[0]["files_part"].as_u64().expect("a number"))
    };
    assert_eq!(down(1), (0, 0), "the records");
    b.json(&["fetch", &id]);
    assert_eq!((down(2), down(1), down(2)), ((1, 1), (0, 1), (1, 0)), "three chunks and the small one, four, three");
    let out = dir.path().join("out");
    b.json(&["fetch", &id, "--to", &out.display().to_string()]);
    assert!(std::fs::read_dir(out).expect("a folder").flatten().any(|e| std::fs::read(e.path()).expect("read") == video));
    for device in [&a, &b] {
        assert_eq!(device.json(&["verify"])["bad"], json!([]));
    }
    server.must(&["verify"]);
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
