//! Whether small things stay small as the notebook grows: one amendment, nothing new and a save, at 1 k, 10 k and 100 k records.

use std::path::Path;

use daftar_device::Device;
use daftar_tests::device::PIN;

use crate::daftar::{Pair, Synced, each, sync};
use crate::figures::{Bar, Figures, Row, median};
use crate::save::{inspections, save};

/// A thousand records are about so many inspections.
const INSPECTIONS_OF_1K: u32 = 721;
const RUNS: usize = 11;
/// Inspections whose sixth part, imt-1's, is saved.
const SAVES: u32 = 1_800;
/// In thousands of records; the last takes long.
const SIZES: [u32; 3] = [1, 10, 100];
const FIRST: &str = "1 k records";

struct Size {
    records: usize,
    amended: Vec<Synced>,
    idle: Vec<Synced>,
    saves_ms: Vec<f64>,
}

fn at(dir: &Path, thousands: u32) -> Size {
    eprintln!("── growth, {thousands} k records");
    let corpus = daftar_tests::corpus::write(dir, INSPECTIONS_OF_1K * thousands, 41, &[]);
    let pair = Pair::new(dir);
    pair.a.import(&corpus);
    sync(&pair.a);
    pair.server.settled();
    sync(&pair.a);
    let newest = pair.a.json(&["list", "inspection", "--limit", &RUNS.to_string()]);
    let ids: Vec<&str> = newest.as_array().into_iter().flatten().filter_map(|r| r["id"].as_str()).collect();
    let (mut amended, mut idle) = (Vec::new(), Vec::new());
    for id in ids {
        pair.a.json(&["amend", id, "vehicle.colour=green"]);
        amended.push(sync(&pair.a));
        idle.push(sync(&pair.a));
    }
    let store = Device::open(&pair.a.home).expect("the home opens").unlock("aziz", PIN).expect("the PIN is right");
    let more = daftar_tests::corpus::write(pair.dir.path(), SAVES, 43, &["--team", "imt-1"]);
    let saves_ms = inspections(&more).into_iter().map(|line| save(&store, line)).collect();
    Size { records: daftar_tests::corpus::lines(&corpus).len(), amended, idle, saves_ms }
}

/// Measures every size; each beside the first.
pub fn measure(dir: &Path, is_full: bool, figures: &mut Figures) {
    let sizes: Vec<Size> = SIZES.into_iter().filter(|k| is_full || *k < 100).map(|k| at(dir, k)).collect();
    let mut add = |name: &str, unit, of: &dyn Fn(&Size) -> Vec<f64>| {
        let first = sizes.first().map(|s| median(&of(s)));
        for (n, size) in sizes.iter().enumerate() {
            let row = Row::of(format!("{name} at {} records", size.records), &of(size), unit);
            figures.add(if n == 0 { row } else { row.beside(FIRST, first).bar(Bar::Ratio(FIRST, 1.2)) });
        }
    };
    add("growth, one amendment, up", "B", &|s| each(&s.amended, "bytes_up"));
    add("growth, one amendment", "ms", &|s| each(&s.amended, "seconds").iter().map(|v| v * 1e3).collect());
    add("growth, nothing new, up", "B", &|s| each(&s.idle, "bytes_up"));
    add("growth, nothing new", "ms", &|s| each(&s.idle, "seconds").iter().map(|v| v * 1e3).collect());
    add("growth, save", "ms", &|s| s.saves_ms.clone());
}
