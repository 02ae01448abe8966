//! Figures on this machine: `cargo test --release -p daftar-device figures -- --ignored --nocapture`. Asserts nothing but that all is there.

use std::collections::BTreeMap;
use std::time::Instant;

use daftar_core::compartment::Compartment;
use daftar_core::value::{Path, Value};
use daftar_wire::json::read_line;

use super::world::{Hq, PIN, c, items, open, stop};
use crate::vault::Act;

fn ms(from: Instant) -> u128 {
    from.elapsed().as_millis()
}

fn percentiles(mut all: Vec<u128>) -> String {
    all.sort_unstable();
    format!("p50 {} us, p99 {} us", all[all.len() / 2], all[all.len() * 99 / 100])
}

#[test]
#[ignore = "figures, with DAFTAR_CORPUS naming an NDJSON file"]
fn figures() {
    let file = std::env::var("DAFTAR_CORPUS").expect("DAFTAR_CORPUS names a file");
    let text = std::fs::read_to_string(file).expect("the file can be read");
    let start = Instant::now();
    let mut acts: BTreeMap<Compartment, Vec<Act>> = BTreeMap::new();
    for line in text.lines() {
        let l = read_line(line).expect("a good line");
        acts.entry(l.compartment.clone()).or_default().push(Act::create(l.compartment, l.kind, l.id, l.fields));
    }
    println!("parse: {} lines in {} ms", text.lines().count(), ms(start));
    let names: Vec<&str> = acts.keys().map(Compartment::as_str).collect();
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &names), hq.tablet(2, &names));
    let start = Instant::now();
    for (compartment, acts) in &acts {
        for batch in acts.chunks(256) {
            a.store.import(compartment, batch).expect("imported");
        }
    }
    println!("import: {} ms", ms(start));
    let start = Instant::now();
    a.store.lock().expect("locked");
    println!("sealed into the outbox: {} ms", ms(start));
    let start = Instant::now();
    let pages: Vec<_> = acts.keys().map(|c| (c.clone(), items(&a.store, c))).collect();
    println!("segments, encoded: {} ms on one core", ms(start));
    b.store.apply(&c("reference"), &[hq.reference()], None).expect("applied");
    let start = Instant::now();
    let queue = std::sync::Mutex::new(pages.iter());
    let changes: u64 = std::thread::scope(|scope| {
        let work = || {
            let mut n = 0;
            loop {
                let next = queue.lock().expect("no panic").next();
                let Some((c, page)) = next else { return n };
                n += page.chunks(16).map(|p| b.store.apply(c, p, None).expect("applied").changes).sum::<u64>();
            }
        };
        let tasks: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        tasks.into_iter().map(|t| t.join().expect("no panic")).sum()
    });
    println!("apply: {changes} changes in {} ms on two cores", ms(start));
    assert_eq!(changes, acts.values().map(|a| a.len() as u64).sum::<u64>());
    let start = Instant::now();
    let found = b.store.search("Yusupov", None, 50).expect("searched");
    println!("search that indexes all first: {} ms, {} found", ms(start), found.len());
    let start = Instant::now();
    for text in ["Юсупов", "01 A", "Toshmatov Ulug‘bek", "heroin"] {
        b.store.search(text, None, 50).expect("searched");
    }
    println!("four searches: {} ms", ms(start));
    let start = Instant::now();
    b.store.list(&[daftar_core::record::Kind::Inspection], None, 50).expect("listed");
    println!("a page of 50: {} ms", ms(start));
    saves(&a.store, &a.dir);
    let start = Instant::now();
    println!("verify: {:?} in {} ms", b.store.verify().expect("checked").bad, ms(start));
    let (dir, handle) = (a.dir, a.handle);
    drop(a.store);
    let device = open(dir.path()).expect("free");
    let start = Instant::now();
    let session = device.keyring().unlock(&handle, PIN, device.now_ms()).expect("the PIN");
    println!("argon2 and keys: {} ms", ms(start));
    drop(session);
    let start = Instant::now();
    let store = device.unlock(&handle, PIN).expect("opens");
    println!("unlock with {} files: {} ms", store.compartments().len(), ms(start));
}

/// Saves beside bare inserts of the same size into a SQLCipher file on the same disk.
fn saves(store: &crate::Store, dir: &tempfile::TempDir) {
    let bare = rusqlite::Connection::open(dir.path().join("bare.db")).expect("opened");
    bare.execute_batch(
        "PRAGMA key = 'x'; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB);",
    )
    .expect("made");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for n in 0..250u8 {
        let mut act = stop(n, "01 A 123 BC", "Yusupov");
        act.record = daftar_core::ids::RecordId::new(1_795_000_000_000 + u64::from(n), [n; 10]);
        act.set.insert(Path::Field(13), Value::Text("12 qop tushirildi, ramaning chap tomoni ochildi. ".repeat(20)));
        let start = Instant::now();
        store.save(&act).expect("saved");
        ours.push(start.elapsed().as_micros());
        let start = Instant::now();
        bare.prepare_cached("INSERT INTO t(b) VALUES (?1)").expect("prepared").execute([vec![b'x'; 1400]]).expect("inserted");
        theirs.push(start.elapsed().as_micros());
    }
    println!("save: {}; bare insert: {}", percentiles(ours), percentiles(theirs));
}
