//! `./x bench`: the figures of this version, beside a bare SQLCipher in the same run. Measures; asserts nothing.
//! Wants a release build of `daftar` and `daftar-server` beside it.

mod exchange;
mod figures;
mod save;

use figures::Figures;

/// Runs of each measurement; the median counts.
const RUNS: usize = 5;

fn main() {
    let mut args = std::env::args().skip(1);
    let inspections = args.next().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let corpus = daftar_tests::corpus::write(dir.path(), inspections, 1, &[]);
    let mut figures = Figures::default();
    figures.corpus(&corpus);
    save::measure(dir.path(), &mut figures);
    exchange::measure(dir.path(), &corpus, &mut figures);
    figures.print();
}
