//! The durable save of one inspection, beside a bare insert of the same bytes into a SQLCipher table with `synchronous=FULL`.
//! The two take turns, so that the disk's moods fall on both; the peers save before them, each by its own means.

use std::path::Path;
use std::time::Instant;

use daftar_core::compartment::Compartment;
use daftar_core::record::Kind;
use daftar_device::Store;
use daftar_device::vault::Act;
use daftar_tests::device::{Device as Command, PIN};
use daftar_tests::server::Server;
use daftar_wire::json::Line;
use rusqlite::Connection;

use crate::daftar::folder;
use crate::figures::{Bar, Figures, Outcome, Row, median, percentile};
use crate::peers::Peers;

const SAVES: u32 = 1000;
const BARE: &str = "bare insert";

fn bare(dir: &Path) -> Connection {
    let conn = Connection::open(dir.join("bare.db")).expect("the folder can be written");
    conn.execute_batch(
        "PRAGMA key = \"x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'\";
         PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;
         CREATE TABLE record(id BLOB PRIMARY KEY, data BLOB NOT NULL);",
    )
    .expect("SQLCipher is linked");
    conn
}

/// The inspections of a corpus.
pub fn inspections(corpus: &Path) -> Vec<Line> {
    let lines = std::fs::read_to_string(corpus).expect("the corpus is there");
    let all = lines.lines().map(|l| daftar_wire::json::read_line(l).expect("the generator writes records"));
    all.filter(|l| l.kind == Kind::Inspection).collect()
}

/// Saves one, and gives the milliseconds.
pub fn save(store: &Store, line: Line) -> f64 {
    let team = Compartment::team("imt-1").expect("a team");
    let act = Act::create(team, line.kind, line.id, line.fields);
    let began = Instant::now();
    store.save(&act).expect("it is saved");
    began.elapsed().as_secs_f64() * 1e3
}

/// Measures saves.
pub fn measure(dir: &Path, peers: &Peers, figures: &mut Figures) {
    eprintln!("── save");
    let dir = folder(dir, "save");
    let mut server = Server::init_direct(&dir);
    server.start();
    let home = Command::enrolled(&dir, "a", &server.officer_everywhere("aziz")).home;
    server.kill();
    let corpus = daftar_tests::corpus::write(&dir, SAVES * 6, 23, &["--team", "imt-1"]);
    let lines = inspections(&corpus);
    let device = daftar_device::Device::open(&home).expect("the home opens");
    let store = device.unlock("aziz", PIN).expect("the PIN is right");
    let conn = bare(&dir);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for line in lines {
        let bytes = daftar_wire::change::write_payload(&daftar_core::change::Payload { set: line.fields.clone(), reason: None });
        let began = Instant::now();
        let mut insert = conn.prepare_cached("INSERT INTO record(id, data) VALUES(?1, ?2)").expect("a statement");
        insert.execute(rusqlite::params![line.id.0, bytes]).expect("an insert");
        theirs.push(began.elapsed().as_secs_f64() * 1e3);
        ours.push(save(&store, line));
        // As the window does behind every save.
        store.tend().expect("it is tended");
    }
    let mut p50 = Row::of("durable save of one inspection, p50", &[median(&ours)], "ms").beside(BARE, median(&theirs));
    let mut p99 = Row::of("durable save of one inspection, p99", &[percentile(&ours, 99)], "ms").beside(BARE, percentile(&theirs, 99));
    (p50.runs, p99.runs) = (ours.len(), ours.len());
    for (name, answer) in peers.save(&corpus, &dir) {
        if let Some(medians) = figures.heard(&format!("{name}, save"), answer) {
            (p50, p99) = (p50.beside(name, medians.get("p50_ms")), p99.beside(name, medians.get("p99_ms")));
            let says = "what a save of this peer has reached when it returns".to_owned();
            figures.outcomes.push(Outcome { name: "durability of a save", who: name, code: medians.text("durability"), says });
        }
    }
    figures.add(p50.bar(Bar::Ratio(BARE, 1.5)));
    figures.add(p99.bar(Bar::Ratio(BARE, 2.0)));
}
