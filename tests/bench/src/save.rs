//! The durable save of one inspection, beside a bare insert of the same bytes into a SQLCipher table with `synchronous=FULL`.
//! The two take turns, so that the disk's moods fall on both.

use std::path::Path;
use std::time::Instant;

use daftar_core::compartment::Compartment;
use daftar_core::record::Kind;
use daftar_device::vault::Act;
use daftar_tests::device::{Device as Command, PIN};
use daftar_tests::server::Server;
use rusqlite::Connection;

use crate::figures::{Figures, median, percentile};

const SAVES: u32 = 1000;

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

/// Measures saves, unlocking and the first search.
pub fn measure(dir: &Path, figures: &mut Figures) {
    let dir = dir.join("save");
    std::fs::create_dir(&dir).expect("the folder can be written");
    let mut server = Server::init_direct(&dir);
    server.start();
    let home = Command::enrolled(&dir, "a", &server.officer_everywhere("aziz")).home;
    server.kill();
    let corpus = daftar_tests::corpus::write(&dir, SAVES, 23, &["--team", "imt-1"]);
    let lines = std::fs::read_to_string(corpus).expect("the corpus is there");
    let records: Vec<_> = lines
        .lines()
        .map(|l| daftar_wire::json::read_line(l).expect("the generator writes records"))
        .filter(|l| l.kind == Kind::Inspection)
        .collect();
    let device = daftar_device::Device::open(&home).expect("the home opens");
    let store = device.unlock("aziz", PIN).expect("the PIN is right");
    let conn = bare(&dir);
    let team = Compartment::team("imt-1").expect("a team");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for line in records {
        let bytes = daftar_wire::change::write_payload(&daftar_core::change::Payload { set: line.fields.clone(), reason: None });
        let began = Instant::now();
        let mut insert = conn.prepare_cached("INSERT INTO record(id, data) VALUES(?1, ?2)").expect("a statement");
        insert.execute(rusqlite::params![line.id.0, bytes]).expect("an insert");
        theirs.push(began.elapsed().as_secs_f64() * 1e3);
        let act = Act::create(team.clone(), line.kind, line.id, line.fields);
        let began = Instant::now();
        store.save(&act).expect("it is saved");
        ours.push(began.elapsed().as_secs_f64() * 1e3);
    }
    figures.beside("durable save of one inspection, p50", median(ours.clone()), "ms", ("bare insert", median(theirs.clone())), None);
    figures.beside("durable save of one inspection, p99", percentile(&ours, 99), "ms", ("bare insert", percentile(&theirs, 99)), Some(3.0));
}
