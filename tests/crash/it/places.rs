//! Which faults of a disk are played on a workload, and at which of its operations. Never plays one.

use daftar_crash::{Fault, Kind};
use rusqlite::ffi;

/// What SQLite is told of a sync or a write that fails, and whether it goes on.
const ON_SYNC: &[(i32, bool)] = &[(ffi::SQLITE_IOERR_FSYNC, false)];
const ON_WRITE: &[(i32, bool)] = &[(ffi::SQLITE_IOERR_WRITE, false), (ffi::SQLITE_IOERR_WRITE, true), (ffi::SQLITE_FULL, true)];
/// At so many places, spread evenly, the gate plays each of them.
const EACH_PLACES: u64 = 3;
/// Otherwise one of them in turn: at every place, or where a workload has more than so many, at every second, third, and so on.
const PLACES_MAX: u64 = 64;

/// The faults for a workload of so many syncs and writes: those of the gate, or, with `DAFTAR_EVERY_PLACE` set as `./x soak --faults` does,
/// each at every place.
pub fn faults(syncs: u64, writes: u64) -> Vec<Fault> {
    let is_all = std::env::var_os("DAFTAR_EVERY_PLACE").is_some();
    let of = |on, operations, sorts| at_places(on, operations, sorts, is_all);
    [of(Kind::Sync, syncs, ON_SYNC), of(Kind::Write, writes, ON_WRITE)].concat()
}

fn at_places(on: Kind, operations: u64, sorts: &[(i32, bool)], is_all: bool) -> Vec<Fault> {
    let (each, turn) = (operations.div_ceil(EACH_PLACES).max(1), operations.div_ceil(PLACES_MAX).max(1));
    let mut faults = Vec::new();
    for after in 0..operations {
        for (n, (code, lasts)) in (0..).zip(sorts) {
            let is_its_turn = after % turn == 0 && (after / turn) % sorts.len() as u64 == n;
            if is_all || after % each == 0 || is_its_turn {
                faults.push(Fault { on, after, code: *code, lasts: *lasts });
            }
        }
    }
    faults
}

#[test]
fn the_gate_fails_every_operation_of_a_workload_that_is_not_long() {
    let places = |faults: &[Fault], on| {
        let mut places: Vec<u64> = faults.iter().filter(|f| f.on == on).map(|f| f.after).collect();
        places.dedup();
        places
    };
    let some = at_places(Kind::Write, PLACES_MAX, ON_WRITE, false);
    assert_eq!(places(&some, Kind::Write), (0..PLACES_MAX).collect::<Vec<_>>());
    let of = |code| some.iter().filter(|f| f.code == code).count() as u64;
    assert!(of(ffi::SQLITE_FULL) >= PLACES_MAX / 3 && of(ffi::SQLITE_IOERR_WRITE) >= PLACES_MAX / 2, "each sort has its turn");
    assert!(some.len() as u64 <= PLACES_MAX + EACH_PLACES * 2);
    assert_eq!(at_places(Kind::Write, 435, ON_WRITE, true).len(), 3 * 435, "all of them when they are asked for");
    assert!(at_places(Kind::Sync, 0, ON_SYNC, false).is_empty());
}
