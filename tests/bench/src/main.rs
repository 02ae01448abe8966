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

use std::path::Path;
use std::process::ExitCode;

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
    let dir = dir.path();
    let mut figures = Figures::default();
    let asks_peers = ["save", "exchange", "small", "weak", "cut", "conflict"].iter().any(|name| options.wants(name));
    let peers = Peers::install(options.peers && asks_peers);
    let machine = Machine::look();
    let corpus = daftar_tests::corpus::write(dir, options.inspections, 1, &[]);
    if options.wants("save") {
        save::measure(dir, &peers, &mut figures);
    }
    let others = corpus_wide(options, &peers, dir, &corpus, &mut figures);
    if options.wants("memory") {
        memory::measure(dir, &corpus, options.is_standard(), &mut figures);
    }
    if options.wants("handshake") {
        handshake::measure(dir, &mut figures);
    }
    if options.wants("weak") || options.wants("cut") {
        weak::measure(dir, &peers, (options.wants("weak"), options.wants("cut")), &mut figures);
    }
    if options.wants("unseen") {
        unseen::measure(dir, &corpus, &mut figures);
    }
    if options.wants("growth") {
        growth::measure(dir, options.full, &mut figures);
    }
    if options.wants("conflict") {
        conflict::measure(dir, &peers, &mut figures);
    }
    print::print(&figures, &machine.describe(&peers, others.as_ref()));
}

/// What needs the corpus on a pair of devices: exchange, small, opening.
fn corpus_wide(options: &Options, peers: &Peers, dir: &Path, corpus: &Path, figures: &mut Figures) -> Option<Others> {
    let (exchange, small, opening) = (options.wants("exchange"), options.wants("small"), options.wants("opening"));
    let others = (exchange || small).then(|| Others::measure(peers, corpus, dir, figures));
    let pair = match &others {
        Some(others) if exchange => {
            let bytes = std::fs::metadata(corpus).map_or(f64::NAN, |m| m.len() as f64);
            figures.add(Row::one("corpus, records", daftar_tests::corpus::lines(corpus).len() as f64, ""));
            figures.add(Row::one("corpus as JSON lines", bytes / 1e6, "MB"));
            exchange::measure(dir, corpus, options.is_standard(), others, figures)
        }
        Some(_) | None if small || opening => daftar::Pair::with(dir, "pair", corpus),
        Some(_) | None => return None,
    };
    if let Some(others) = others.as_ref().filter(|_| small) {
        small::measure(&pair, others, figures);
    }
    if opening {
        opening::measure(&pair, figures);
    }
    others
}
