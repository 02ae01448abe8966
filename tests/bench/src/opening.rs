//! From the PIN to the first answer, with the corpus on the device.

use std::time::Instant;

use daftar_core::compartment::Compartment;
use daftar_core::record::Kind;
use daftar_device::Device;
use daftar_tests::device::PIN;

use crate::RUNS;
use crate::daftar::Pair;
use crate::figures::{Figures, Row};

/// The kinds of the records screen.
const KINDS: [Kind; 2] = [Kind::Inspection, Kind::SurveillanceNote];

/// Measures unlocking, the first page and the first search.
pub fn measure(pair: &Pair, figures: &mut Figures) {
    eprintln!("── opening");
    let (mut unlock, mut first, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let device = Device::open(&pair.a.home).expect("the home opens");
        let began = Instant::now();
        let store = device.unlock("aziz", PIN).expect("the PIN is right");
        unlock.push(began.elapsed().as_secs_f64() * 1e3);
        let began = Instant::now();
        let page = store.list(&KINDS, None, 50).expect("records are listed");
        assert_eq!(page.items.len(), 50, "the corpus is on the device");
        first.push(began.elapsed().as_secs_f64() * 1e3);
        let began = Instant::now();
        store.search("Юсупов", None, 50).expect("records are found");
        found.push(began.elapsed().as_secs_f64() * 1e3);
        assert!(store.compartments().contains(&Compartment::reference()), "an officer reads the reference");
    }
    figures.add(Row::of("unlocking (Argon2id and 27 files)", &unlock, "ms"));
    figures.add(Row::of("first page of records after unlocking", &first, "ms"));
    figures.add(Row::of("search after unlocking", &found, "ms"));
}
