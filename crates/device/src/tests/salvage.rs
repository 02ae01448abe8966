//! Claims about damaged files: what verifies is found again, the rest comes back, and nothing that is damaged is written to.

use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use daftar_core::compartment::Compartment;
use daftar_core::ids::RecordId;
use daftar_core::value::{Path, Value};
use daftar_wire::message::Access;

use super::reference::Held;
use super::simulated::{Weather, sync, sync_store, world};
use super::world::{Hq, PIN, c, id, open, set, stop};
use crate::vault::{Act, Why};
use crate::{Error, Store};

/// What headquarters has, of this device and of the other.
const AT_HQ: std::ops::Range<u8> = 0..24;
/// What it has not.
fn unsent() -> std::ops::Range<u8> {
    100..136
}
/// So many save at a time while a file is salvaged.
const SAVERS: u8 = 4;
/// Bits that are flipped in each page, one at a time.
const FLIPS_A_PAGE: usize = 4;
const PAGE_BYTES: usize = 4096;
/// Each waits for the disk most of the time.
const WORKERS: usize = 4;
/// A flipped bit spoils two blocks of a page's cipher, which two changes may share.
const LOST_MAX: usize = 2;
/// So many changes of this size fit on a page.
const ON_A_PAGE_MAX: usize = 13;

fn team() -> Compartment {
    c("team/imt-1")
}

/// A device with a team's file in which all sorts of rows stand, switched off.
struct Base {
    hq: Hq,
    held: Mutex<Held>,
    dir: tempfile::TempDir,
    handle: String,
}

impl Base {
    fn new() -> Self {
        let (hq, held, a, b) = world();
        for n in AT_HQ {
            let by = if n % 3 == 0 { &b } else { &a };
            by.store.save(&stop(n, "01 A 123 BC", &"Yusupov ".repeat(12))).expect("saved");
            sync(&hq, &held, by, Weather::default()).expect("a whole link");
        }
        sync(&hq, &held, &a, Weather::default()).expect("a whole link");
        for n in unsent() {
            a.store.save(&stop(n, "80 B 222 CC", &"Karimov ".repeat(12))).expect("saved");
        }
        a.store.save(&set(1, Path::Field(45), Value::Text("green".into()))).expect("amended");
        a.store.tend().expect("tended");
        let handle = a.handle.clone();
        Self { hq, held, dir: a.close().dir, handle }
    }

    fn copy(&self) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (name, bytes) in super::world::files(self.dir.path()) {
            let to = dir.path().join(FilePath::new(&name).strip_prefix(self.dir.path()).expect("below the home"));
            std::fs::create_dir_all(to.parent().expect("a file is in a folder")).expect("a folder");
            std::fs::write(to, bytes).expect("a file");
        }
        dir
    }

    fn unlock(&self, dir: &FilePath) -> Arc<Store> {
        Arc::new(open(dir).expect("a home").unlock(&self.handle, PIN).expect("the PIN"))
    }
}

fn largest(room: &FilePath) -> PathBuf {
    let files = std::fs::read_dir(room).expect("files").flatten().filter(|f| f.path().extension().is_some_and(|e| e == "db"));
    files.max_by_key(|f| f.metadata().map_or(0, |m| m.len())).expect("a file").path()
}

/// Flips bits of one byte of a file; says what it holds then.
fn spoil(file: &FilePath, at: usize, bits: u8) -> Vec<u8> {
    let mut bytes = std::fs::read(file).expect("read");
    bytes[at] ^= bits;
    std::fs::write(file, &bytes).expect("written");
    bytes
}

fn has(store: &Store, n: u8) -> bool {
    store.show(&team(), &id(n)).is_ok()
}

/// What is there after a salvage goes to headquarters, and what headquarters had comes back.
fn all_comes_back(base: &Base, store: &Arc<Store>, what: &str) {
    let held = Mutex::new(base.held.lock().expect("nobody panics with it").clone());
    let here: Vec<u8> = unsent().filter(|n| has(store, *n)).collect();
    let told = sync_store(&base.hq, &held, store, Weather::default()).unwrap_or_else(|e| panic!("{what}: a sync: {e:?}"));
    assert_eq!(told.refused, [], "{what}: {told:?}");
    let told = sync_store(&base.hq, &held, store, Weather::default()).unwrap_or_else(|e| panic!("{what}: a sync: {e:?}"));
    assert_eq!((told.waiting, told.differ), (0, 0), "{what}: {told:?}");
    assert!(AT_HQ.chain(here.iter().copied()).all(|n| has(store, n)), "{what}: something is gone again");
    let held = held.lock().expect("nobody panics with it");
    assert_eq!(store.digest(&team()).expect("computed"), held.digest(&team()), "{what}: the logs differ");
    let own = |n: u8| store.show(&team(), &id(n)).expect("there").history[0].change;
    let names = held.names(&team()).0;
    assert!(here.iter().all(|n| names.contains(&own(*n))), "{what}: unsent work did not arrive");
    let bad = store.verify().expect("checked").bad;
    assert_eq!(bad, [], "{what}");
}

#[test]
fn a_flipped_bit_in_any_page_loses_only_what_stands_on_it_and_headquarters_gives_back_the_rest() {
    let base = Base::new();
    let len = std::fs::metadata(largest(&base.dir.path().join("vault"))).expect("there").len() as usize;
    let pages = len / PAGE_BYTES;
    assert!(pages * FLIPS_A_PAGE > 100, "{pages} pages");
    let (next, lost_in_all, whole) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= pages * FLIPS_A_PAGE {
                return;
            }
            let lost = flipped(&base, place);
            lost_in_all.fetch_add(lost, Ordering::Relaxed);
            whole.fetch_add(usize::from(lost == 0), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| (0..WORKERS).for_each(|_| drop(scope.spawn(work))));
    let (lost, whole) = (lost_in_all.into_inner(), whole.into_inner());
    assert!(lost > 0 && whole > pages, "{lost} lost in all, nothing in {whole} of {} cases", pages * FLIPS_A_PAGE);
}

/// Flips one bit and salvages; says how many unsent records were lost.
fn flipped(base: &Base, place: usize) -> usize {
    let home = base.copy();
    let file = largest(&home.path().join("vault"));
    // In each page its beginning, its end with IV and HMAC, and places between.
    let within = [3, 40 + place * 7 % 1900, 2000 + place * 29 % 2000, 4017 + place % 79][place % FLIPS_A_PAGE];
    let at = place / FLIPS_A_PAGE * PAGE_BYTES + within;
    let bytes = spoil(&file, at, 1 << (place % 8));
    let what = format!("a bit at byte {within} of page {}", at / PAGE_BYTES + 1);
    let store = base.unlock(home.path());
    let salvaged = store.salvage(&team()).unwrap_or_else(|e| panic!("{what}: {e:?}"));
    let kept = home.path().join("damaged").join(salvaged.set_aside.as_deref().expect("it was there"));
    assert!(std::fs::read(kept).expect("kept") == bytes, "{what}: what was set aside is another file");
    let lost = unsent().filter(|n| !has(&store, *n)).count();
    assert!(lost <= LOST_MAX, "{what}: {lost} unsent records are gone: {salvaged:?}");
    assert!(lost as u64 <= salvaged.own_missing, "{what}: {lost} are gone, and it says {salvaged:?}");
    assert_eq!(store.closed(), [], "{what}: it is open again");
    all_comes_back(base, &store, &what);
    lost
}

#[test]
fn whole_pages_that_are_gone_cost_their_own_rows_and_a_file_that_is_gone_comes_back_from_headquarters() {
    let base = Base::new();
    let len = std::fs::metadata(largest(&base.dir.path().join("vault"))).expect("there").len() as usize;
    // From the end: there stand the latest changes.
    for page in (0..len / PAGE_BYTES).rev().step_by(3) {
        let home = base.copy();
        let file = largest(&home.path().join("vault"));
        let mut bytes = std::fs::read(&file).expect("read");
        bytes[page * PAGE_BYTES..(page + 1) * PAGE_BYTES].fill(0x5a);
        std::fs::write(&file, &bytes).expect("written");
        let what = format!("page {} of rubbish", page + 1);
        let store = base.unlock(home.path());
        let salvaged = store.salvage(&team()).unwrap_or_else(|e| panic!("{what}: {e:?}"));
        let lost = unsent().filter(|n| !has(&store, *n)).count();
        assert!(lost <= ON_A_PAGE_MAX, "{what}: {lost} unsent records are gone: {salvaged:?}");
        all_comes_back(&base, &store, &what);
        assert!(unsent().all(|n| has(&store, n)), "{what}: what was sealed at the lock went to headquarters, and came back from there");
    }
    let home = base.copy();
    std::fs::remove_file(largest(&home.path().join("vault"))).expect("removed");
    let store = base.unlock(home.path());
    assert_eq!(store.salvage(&team()).expect("begun anew").set_aside, None);
    all_comes_back(&base, &store, "no file");
    assert!(unsent().all(|n| has(&store, n)), "the outbox had all of it");
}

#[test]
fn a_salvage_that_is_cut_at_any_step_is_finished_by_the_next_start_or_begins_again() {
    let base = Base::new();
    let home = base.copy();
    let file = largest(&home.path().join("vault"));
    let mut bytes = std::fs::read(&file).expect("read");
    bytes[5 * PAGE_BYTES + 700] ^= 4;
    std::fs::write(&file, &bytes).expect("written");
    let name = file.file_stem().and_then(|s| s.to_str()).expect("a name").to_owned();
    let beside = |ending: &str| home.path().join("vault").join(format!("{name}.{ending}"));
    // Cut while the fresh file was written: the damaged one is still in its place.
    std::fs::write(beside("fresh.db"), b"half").expect("written");
    std::fs::write(beside("fresh.db-wal"), b"half").expect("written");
    let store = base.unlock(home.path());
    let first = store.salvage(&team()).expect("salvaged");
    assert_eq!(first.set_aside, Some(format!("{name}.1.db")));
    drop(store);
    // Cut when it was ready: the damaged file, with a log of its own, is still in its place, and must not be mixed with the other.
    std::fs::rename(beside("db"), beside("ready.db")).expect("renamed");
    std::fs::write(beside("db"), &bytes).expect("written");
    std::fs::write(beside("db-wal"), &bytes[..9000]).expect("written");
    let store = base.unlock(home.path());
    assert!(!beside("ready.db").exists(), "it is in its place");
    assert_eq!((store.closed(), store.verify().expect("checked").bad), (vec![], vec![]));
    drop(store);
    // Damaged again, in another way: what was set aside before stays.
    let mut again = std::fs::read(&file).expect("read");
    again[3 * PAGE_BYTES + 50] ^= 1;
    std::fs::write(&file, &again).expect("written");
    let store = base.unlock(home.path());
    let second = store.salvage(&team()).expect("salvaged");
    assert_eq!(second.set_aside, Some(format!("{name}.2.db")));
    let kept = |n: u8| std::fs::read(home.path().join("damaged").join(format!("{name}.{n}.db"))).expect("kept");
    assert!(kept(1) == bytes && kept(2) == again);
    all_comes_back(&base, &store, "after all");
}

#[test]
fn work_goes_on_in_a_damaged_compartment_and_what_is_saved_meanwhile_is_in_it_after_the_salvage() {
    let base = Base::new();
    let home = base.copy();
    spoil(&largest(&home.path().join("vault")), 100, 1);
    let store = base.unlock(home.path());
    assert!(matches!(store.salvage(&Compartment::reference()), Err(Error::Input(_))), "what is whole is left alone");
    assert_eq!(store.closed_why(), [(team(), Why::Damaged)]);
    store.save(&stop(200, "10 C 333 DD", "Aliyev")).expect("capture never stops");
    let salvaged = store.salvage(&team()).expect("salvaged");
    assert!(has(&store, 200) && unsent().filter(|n| !has(&store, *n)).count() <= LOST_MAX, "{salvaged:?}");
    all_comes_back(&base, &store, "with what was captured");
    assert!(has(&store, 200));
}

#[test]
fn a_damaged_file_of_drafts_stops_nobody_and_whole_forms_are_taken_over() {
    let base = Base::new();
    let form = |n: u8| crate::draft::Draft {
        record: id(n),
        kind: daftar_core::record::Kind::Inspection,
        compartment: Some(team()),
        amends: false,
        form: vec![n; 1500],
        kept_ms: u64::from(n),
    };
    {
        let store = base.unlock(base.dir.path());
        (201..213).try_for_each(|n| store.own().keep_draft(&form(n))).expect("kept");
    }
    let len = std::fs::metadata(largest(&base.dir.path().join("officer"))).expect("there").len() as usize;
    for page in 0..len / PAGE_BYTES {
        let home = base.copy();
        let bytes = spoil(&largest(&home.path().join("officer")), page * PAGE_BYTES + 1000, 1);
        let store = base.unlock(home.path());
        let drafts = store.own().drafts().expect("read");
        assert!(drafts.len() >= 12 - 3 && drafts.iter().all(|d| *d == form(d.kept_ms as u8)), "page {page}: {} forms", drafts.len());
        let damaged = largest(&home.path().join("damaged"));
        assert!(std::fs::read(damaged).expect("kept") == bytes, "the damaged file is kept as it was");
        store.save(&stop(220, "x", "y")).expect("capture never stops");
        store.own().keep_draft(&form(221)).expect("nor does a form");
    }
    std::fs::remove_file(largest(&base.dir.path().join("officer"))).expect("removed");
    assert_eq!(base.unlock(base.dir.path()).own().drafts().expect("read"), []);
}

#[test]
fn what_is_saved_and_heard_in_the_midst_of_a_salvage_stays() {
    let base = Base::new();
    let home = base.copy();
    spoil(&largest(&home.path().join("vault")), 200, 1);
    let store = base.unlock(home.path());
    assert_eq!(store.closed_why(), [(team(), Why::Damaged)]);
    let is_over = AtomicBool::new(false);
    let save = |record| store.save(&Act { record, ..stop(200, "01 A 123 BC", "Yusupov") }).map(|_| record).expect("saved");
    let not_over = || !is_over.load(Ordering::Relaxed);
    let saved = std::thread::scope(|scope| {
        // Headquarters lets the officer in where he is in already: the file is not opened beside the one that salvages.
        scope.spawn(|| {
            while not_over() {
                store.grant_notice(&team(), Access { read: true, write: true }).expect("heard");
            }
        });
        // What is captured is taken over while the officer goes on saving.
        let saves: Vec<_> = (0..SAVERS)
            .map(|saver| {
                let records = (0..).map(move |n| RecordId::new(n, [saver; 10])).take_while(|_| not_over());
                scope.spawn(move || records.map(save).collect::<Vec<_>>())
            })
            .collect();
        let salvaged = store.salvage(&team());
        is_over.store(true, Ordering::Relaxed);
        salvaged.expect("salvaged");
        saves.into_iter().flat_map(|s| s.join().expect("no panic")).collect::<Vec<_>>()
    });
    assert!(!saved.is_empty());
    assert_eq!(store.closed_why(), []);
    drop(store);
    let store = base.unlock(home.path());
    assert!(AT_HQ.chain(unsent()).all(|n| has(&store, n)), "something is gone");
    let gone = saved.iter().filter(|record| store.show(&team(), record).is_err()).count();
    assert_eq!(gone, 0, "of {} that were saved meanwhile", saved.len());
    all_comes_back(&base, &store, "in the midst");
}
