//! `./x bench`: the figures of this version, beside peers in the same run. Measures and judges; a figure that misses its bar
//! fails nothing. Wants a release build of `daftar` and `daftar-server`.

mod conflict;
mod daftar;
mod exchange;
mod figures;
mod growth;
mod handshake;
mod linked;
mod machine;
mod memory;
mod opening;
mod options;
mod peers;
mod plain;
mod print;
mod save;
mod small;
mod unseen;
mod weak;

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;

use daftar::Pair;
use exchange::Others;
use figures::{Figures, Row};
use machine::Machine;
use options::Options;
use peers::Peers;

/// Runs of each short measurement; the median counts.
const RUNS: usize = 5;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [word, home] = words.as_slice()
        && word == memory::CHILD
    {
        memory::child(Path::new(home));
        return ExitCode::SUCCESS;
    }
    if words.iter().any(|w| w == "--help" || w == "-h") {
        eprint!("{}", options::help());
        return ExitCode::SUCCESS;
    }
    match Options::read(&words) {
        Ok(options) => measure(&options),
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn measure(options: &Options) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut figures = Figures::default();
    let asks_peers = ["save", "exchange", "small", "weak", "cut", "conflict"].iter().any(|name| options.wants(name));
    let peers = Peers::install(options.peers && asks_peers, options.full);
    let machine = Machine::look();
    let corpus = daftar_tests::corpus::write(dir.path(), options.inspections, 1, &[]);
    let (corpus, is_standard) = (corpus.as_path(), options.is_standard());
    let mut others = None;
    let links = (options.wants("weak"), options.wants("cut"));
    let mut run = Run { dir: dir.path(), figures: &mut figures };
    run.step(options.wants("save"), "save", |dir, figures| save::measure(dir, &peers, figures));
    let wants_corpus = ["exchange", "small", "opening"].iter().any(|name| options.wants(name));
    run.step(wants_corpus, "exchange, small, opening", |dir, f| others = corpus_wide(options, &peers, dir, corpus, f));
    run.step(options.wants("memory"), "memory", |dir, figures| memory::measure(dir, corpus, is_standard, figures));
    run.step(options.wants("handshake"), "handshake", handshake::measure);
    run.step(links.0 || links.1, "weak, cut", |dir, figures| weak::measure(dir, &peers, links, figures));
    run.step(options.wants("unseen"), "unseen", |dir, figures| unseen::measure(dir, corpus, figures));
    run.step(options.wants("growth"), "growth", growth::measure);
    run.step(options.wants("conflict"), "conflict", |dir, figures| conflict::measure(dir, &peers, figures));
    print::print(&figures, &machine.describe(&peers, others.as_ref()));
}

/// One measurement after the other.
struct Run<'a> {
    dir: &'a Path,
    figures: &'a mut Figures,
}

impl Run<'_> {
    /// A measurement in a folder of its own. One that breaks off is named, keeps what it had found, and costs no other its figures.
    fn step(&mut self, is_wanted: bool, name: &str, measure: impl FnOnce(&Path, &mut Figures)) {
        if !is_wanted {
            return;
        }
        let done = tempfile::tempdir_in(self.dir).map_err(|e| e.to_string()).and_then(|dir| {
            let step = AssertUnwindSafe(|| measure(dir.path(), self.figures));
            std::panic::catch_unwind(step).map_err(|_| "it broke off; what it said stands above".to_owned())
        });
        self.figures.heard(name, done);
    }
}

/// What needs the corpus on a pair of devices: exchange, small, opening.
fn corpus_wide(options: &Options, peers: &Peers, dir: &Path, corpus: &Path, figures: &mut Figures) -> Option<Others> {
    let (exchange, small) = (options.wants("exchange"), options.wants("small"));
    let others = (exchange || small).then(|| Others::measure(peers, corpus, dir, figures));
    let pair = match &others {
        Some(others) if exchange => {
            let bytes = std::fs::metadata(corpus).map_or(f64::NAN, |m| m.len() as f64);
            figures.add(Row::one("corpus, records", daftar_tests::corpus::lines(corpus).len() as f64, ""));
            figures.add(Row::one("corpus as JSON lines", bytes / 1e6, "MB"));
            exchange::measure(dir, corpus, options.is_standard(), others, figures)
        }
        Some(_) | None => Pair::with(dir, corpus),
    };
    if let Some(others) = others.as_ref().filter(|_| small) {
        small::measure(&pair, others, figures);
    }
    if options.wants("opening") {
        opening::measure(&pair, figures);
    }
    others
}
