//! Push of the corpus and pull by a second device: real commands, real server, loopback; the peers do the same.

use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;

use crate::RUNS;
use crate::daftar::{Pair, Synced, each, peak_mb, sync, unseal, xz_bytes};
use crate::figures::{Bar, Figures, Row};
use crate::peers::{Answers, Peers};

/// The peers' answers, of which every measurement shows its part; a peer's run takes long.
pub struct Others(Vec<(&'static str, crate::peers::Medians)>);

impl Others {
    /// Measures them, and notes who could not be.
    pub fn measure(peers: &Peers, corpus: &Path, dir: &Path, figures: &mut Figures) -> Self {
        eprintln!("── exchange of the peers");
        Self::heard(peers.exchange(corpus, dir), "exchange", figures)
    }

    fn heard(answers: Answers, what: &str, figures: &mut Figures) -> Self {
        let mut all = Vec::new();
        for (name, answer) in answers {
            let answer = figures.heard(&format!("{name}, {what}"), answer);
            all.extend(answer.map(|medians| (name, medians)));
        }
        Self(all)
    }

    /// Sets every peer's figure beside ours; `per` units make one of the row's.
    pub fn beside(&self, row: Row, key: &str, per: f64) -> Row {
        self.0.iter().fold(row, |row, (name, medians)| row.beside(name, medians.get(key).map(|v| v / per)))
    }

    /// How many runs each peer's median is of.
    pub fn runs(&self) -> Vec<(&'static str, usize)> {
        self.0.iter().map(|(name, medians)| (*name, medians.runs())).collect()
    }
}

/// The corpus's payloads in one transaction of a bare SQLCipher table: what storing alone takes, in seconds.
fn bare_bulk(dir: &Path, corpus: &Path) -> f64 {
    let text = std::fs::read_to_string(corpus).expect("the corpus is there");
    let rows: Vec<_> = text.lines().map(|l| daftar_wire::json::read_line(l).expect("the generator writes records")).collect();
    let rows: Vec<_> = rows
        .into_iter()
        .map(|l| (l.id, daftar_wire::change::write_payload(&daftar_core::change::Payload { set: l.fields, reason: None })))
        .collect();
    let mut conn = Connection::open(dir.join("bulk.db")).expect("the folder can be written");
    conn.execute_batch(
        "PRAGMA key = \"x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'\";
         PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE record(id BLOB PRIMARY KEY, data BLOB NOT NULL);",
    )
    .expect("SQLCipher is linked");
    let began = Instant::now();
    let tx = conn.transaction().expect("a transaction");
    for (id, data) in &rows {
        tx.prepare_cached("INSERT INTO record VALUES(?1, ?2)")
            .and_then(|mut s| s.execute(rusqlite::params![id.0, data]))
            .expect("an insert");
    }
    tx.commit().expect("a commit");
    began.elapsed().as_secs_f64()
}

/// Measures ours, beside what the peers said. Gives the last pair: both its devices hold the corpus.
pub fn measure(dir: &Path, corpus: &Path, is_standard: bool, others: &Others, figures: &mut Figures) -> Pair {
    eprintln!("── exchange");
    let (mut pushes, mut pulls, mut bulks, mut peaks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut anew, mut last) = (Vec::new(), None);
    for _ in 0..RUNS {
        let pair = Pair::new(dir);
        pair.a.import(corpus);
        unseal(&pair.a);
        anew.push(sync(&pair.a));
        let pair = Pair::new(dir);
        bulks.push(bare_bulk(pair.dir.path(), corpus));
        pair.a.import(corpus);
        pushes.push(sync(&pair.a));
        peaks.push(peak_mb(pair.server.pid()).unwrap_or(f64::NAN));
        pair.server.settled();
        pulls.push(sync(&pair.b));
        last = Some(pair);
    }
    figures.add(Row::of("storing the corpus in a bare SQLCipher", &bulks, "s"));
    push(&pushes, corpus, is_standard, others, figures);
    figures.add(others.beside(Row::of("the same with nothing sealed before, seconds", &each(&anew, "seconds"), "s"), "push_s", 1.0));
    let row = Row::of("the same with nothing sealed before, up", &millions(&anew, "bytes_up"), "MB");
    let row = row.beside("xz -9e", xz_bytes(corpus).map(|b| b / 1e6));
    figures.add(others.beside(row, "push_up", 1e6).bars_if(is_standard, &[Bar::AtMost(1.55), Bar::Goal("xz -9e", 1.0)]));
    pull(&pulls, is_standard, others, figures);
    figures.add(Row::of("push, peak memory of the server", &peaks, "MB").bars_if(is_standard, &[Bar::AtMost(40.0)]));
    last.expect("there is at least one run")
}

fn millions(all: &[Synced], key: &str) -> Vec<f64> {
    each(all, key).iter().map(|v| v / 1e6).collect()
}

fn push(all: &[Synced], corpus: &Path, is_standard: bool, others: &Others, figures: &mut Figures) {
    let row = others.beside(Row::of("push of the corpus, seconds", &each(all, "seconds"), "s"), "push_s", 1.0);
    figures.add(row.bars_if(is_standard, &[Bar::AtMost(0.8), Bar::BestPeer(5.0)]));
    let row = Row::of("push of the corpus, up", &millions(all, "bytes_up"), "MB").beside("xz -9e", xz_bytes(corpus).map(|b| b / 1e6));
    figures.add(others.beside(row, "push_up", 1e6).bars_if(is_standard, &[Bar::AtMost(1.55), Bar::Goal("xz -9e", 1.0)]));
    figures.add(others.beside(Row::of("push of the corpus, down", &millions(all, "bytes_down"), "MB"), "push_down", 1e6));
    figures.add(others.beside(Row::of("push of the corpus, requests", &each(all, "requests"), ""), "push_requests", 1.0));
    figures.add(Row::of("push, peak memory with Argon2id", &all.iter().map(|s| s.peak_mb).collect::<Vec<_>>(), "MB"));
}

fn pull(all: &[Synced], is_standard: bool, others: &Others, figures: &mut Figures) {
    let row = others.beside(Row::of("pull by a second device, seconds", &each(all, "seconds"), "s"), "pull_s", 1.0);
    figures.add(row.bars_if(is_standard, &[Bar::AtMost(1.5), Bar::BestPeer(2.5)]));
    figures.add(others.beside(Row::of("pull by a second device, down", &millions(all, "bytes_down"), "MB"), "pull_down", 1e6));
    figures.add(others.beside(Row::of("pull by a second device, requests", &each(all, "requests"), ""), "pull_requests", 1.0));
    figures.add(Row::of("pull, peak memory with Argon2id", &all.iter().map(|s| s.peak_mb).collect::<Vec<_>>(), "MB"));
}
