//! Whether small things stay small as the notebook grows: one amendment, nothing new and a save, at 1 k, 10 k and 100 k
//! records. The sizes take turns, so that the disk's moods fall on all of them.

use std::path::Path;

use daftar_device::Device;
use daftar_tests::device::PIN;
use daftar_wire::json::Line;

use crate::daftar::{Pair, Synced, each, sync};
use crate::figures::{Bar, Figures, Row, median};
use crate::save::{inspections, save};

/// A thousand records are about so many inspections.
const INSPECTIONS_OF_1K: u32 = 721;
/// In thousands of records.
const SIZES: [u32; 3] = [1, 10, 100];
const RUNS: usize = 11;
/// Inspections whose sixth part, imt-1's, is saved.
const SAVES: u32 = 3_000;
const FIRST: &str = "1 k records";

/// A notebook of one size, and what was measured on it.
struct Size {
    pair: Pair,
    records: usize,
    amended: Vec<Synced>,
    idle: Vec<Synced>,
    saves_ms: Vec<f64>,
}

fn filled(dir: &Path, thousands: u32) -> Size {
    eprintln!("── growth: filling a notebook with {thousands} k records");
    let corpus = daftar_tests::corpus::write(dir, INSPECTIONS_OF_1K * thousands, 41, &[]);
    let pair = Pair::new(dir);
    pair.a.import(&corpus);
    sync(&pair.a);
    pair.server.settled();
    sync(&pair.a);
    let records = daftar_tests::corpus::lines(&corpus).len();
    Size { pair, records, amended: Vec::new(), idle: Vec::new(), saves_ms: Vec::new() }
}

fn exchanges(sizes: &mut [Size]) {
    let newest = |size: &Size| {
        let list = size.pair.a.json(&["list", "inspection", "--limit", &RUNS.to_string()]);
        list.as_array().into_iter().flatten().filter_map(|r| r["id"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let ids: Vec<Vec<String>> = sizes.iter().map(newest).collect();
    for run in 0..RUNS {
        for (size, ids) in sizes.iter_mut().zip(&ids) {
            size.pair.a.json(&["amend", &ids[run], "vehicle.colour=green"]);
            size.amended.push(sync(&size.pair.a));
            size.idle.push(sync(&size.pair.a));
        }
    }
}

fn saves(dir: &Path, sizes: &mut [Size]) {
    let open = |size: &Size| Device::open(&size.pair.a.home).expect("the home opens").unlock("aziz", PIN).expect("the PIN is right");
    let stores: Vec<_> = sizes.iter().map(open).collect();
    let read = |_: &Size| -> Vec<Line> { inspections(&daftar_tests::corpus::write(dir, SAVES, 43, &["--team", "imt-1"])) };
    let mut lines: Vec<_> = sizes.iter().map(read).map(Vec::into_iter).collect();
    loop {
        for ((size, store), lines) in sizes.iter_mut().zip(&stores).zip(&mut lines) {
            match lines.next() {
                Some(line) => size.saves_ms.push(save(store, line)),
                None => return,
            }
        }
    }
}

/// Measures every size; each beside the first.
pub fn measure(dir: &Path, figures: &mut Figures) {
    let mut sizes: Vec<Size> = SIZES.into_iter().map(|thousands| filled(dir, thousands)).collect();
    exchanges(&mut sizes);
    saves(dir, &mut sizes);
    let mut add = |name: &str, unit, of: &dyn Fn(&Size) -> Vec<f64>| {
        let first = sizes.first().map(|s| median(&of(s)));
        for (n, size) in sizes.iter().enumerate() {
            let row = Row::of(format!("{name} at {} records", size.records), &of(size), unit);
            figures.add(if n == 0 { row } else { row.beside(FIRST, first).bar(Bar::Ratio(FIRST, 1.2)) });
        }
    };
    let ms = |all: &[Synced]| each(all, "seconds").iter().map(|v| v * 1e3).collect();
    add("growth, one amendment, up", "B", &|s| each(&s.amended, "bytes_up"));
    add("growth, one amendment", "ms", &|s| ms(&s.amended));
    add("growth, nothing new, up", "B", &|s| each(&s.idle, "bytes_up"));
    add("growth, nothing new", "ms", &|s| ms(&s.idle));
    add("growth, save", "ms", &|s| s.saves_ms.clone());
}
