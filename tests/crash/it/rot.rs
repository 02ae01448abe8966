//! Bits flip in a compartment's file. The damage is named, its compartment alone is closed, the file stays as it is, the others work.

use std::path::{Path, PathBuf};

use daftar_core::record::Kind;
use daftar_crash::watch_quietly;
use daftar_device::{Error, Store};

use crate::world::{AGENCY, Age, PIN, TEAM, World, c, copy, handle, id, open, scratch, stop, stop_in};

/// So many places of the file, spread evenly: every page and more.
const PLACES: usize = 80;
/// Records in the other compartment.
const OTHERS: usize = 6;
/// And in the team's.
const TEAMS: usize = 126;

fn largest(home: &Path) -> PathBuf {
    let files = std::fs::read_dir(home.join("vault")).expect("files").flatten();
    files.max_by_key(|f| f.metadata().map_or(0, |m| m.len())).expect("a file").path()
}

/// A home in which the team's file is the largest, at rest.
fn base(dir: &Path) -> PathBuf {
    let base = dir.join("base");
    copy(World::get().home(Age::Worked), &base);
    let store = open(&base).expect("a home").unlock(&handle(1), PIN).expect("the PIN");
    (130..250).for_each(|n| drop(store.save(&stop(n)).expect("saved")));
    store.tend().expect("tended");
    base
}

/// Each way to look; whatever it says of the damage, it says by name.
fn look(store: &Store, what: &str) {
    let all = || store.list(&[Kind::Inspection], None, 1000);
    let items = all().unwrap_or_else(|e| panic!("{what}: a list goes on without a damaged file: {e:?}")).items;
    assert!(items.iter().filter(|i| i.compartment == c(AGENCY)).count() >= OTHERS, "{what}: the other compartment's records are listed");
    let found = store.search("Yusupov", None, 1000).unwrap_or_else(|e| panic!("{what}: so does a search: {e:?}"));
    let is_whole = found.len() >= OTHERS + TEAMS;
    assert!(is_whole || (found.len() >= OTHERS && store.closed() == [c(TEAM)]), "{what}: {} found, and no word of the rest", found.len());
    for shown in [store.show(&c(TEAM), &id(140)).map(drop), store.digest(&c(TEAM)).map(drop), store.unsent(&c(TEAM)).map(drop)] {
        let is_named = match &shown {
            Ok(()) => true,
            Err(Error::Damaged { what }) => what == TEAM,
            // Once it is closed.
            Err(Error::NoCompartment(_) | Error::Denied { .. }) => !store.compartments().contains(&c(TEAM)),
            Err(e) => panic!("{what}: {e:?}"),
        };
        assert!(is_named, "{what}: {shown:?}");
    }
}

#[test]
fn a_flipped_bit_is_named_closes_its_compartment_alone_and_the_file_is_left_as_it_is() {
    let dir = scratch();
    let _quick = watch_quietly(dir.path());
    let base = base(dir.path());
    let len = std::fs::metadata(largest(&base)).expect("there").len() as usize;
    let (mut at_opening, mut later) = (0, 0);
    for place in 0..PLACES {
        let home = dir.path().join(format!("home-{place}"));
        copy(&base, &home);
        let file = largest(&home);
        let mut bytes = std::fs::read(&file).expect("read");
        let at = (len * place / PLACES + place * 37 % 4000).min(len - 1);
        bytes[at] ^= 1 << (place % 8);
        std::fs::write(&file, &bytes).expect("written");
        let what = format!("a bit at byte {at} of {len}");
        let store = open(&home).expect("a home").unlock(&handle(1), PIN).unwrap_or_else(|e| panic!("{what}: unlocking: {e:?}"));
        let was_closed = store.closed() == [c(TEAM)];
        look(&store, &what);
        let verified = store.verify().unwrap_or_else(|e| panic!("{what}: verify: {e:?}"));
        let is_reported = verified.bad.iter().any(|b| b.compartment == c(TEAM) && b.why == "file");
        assert!(is_reported || store.closed() == [c(TEAM)], "{what}: nobody says so: {:?}", verified.bad);
        assert_eq!(store.closed(), [c(TEAM)], "{what}: it is closed alone");
        store.save(&stop_in(AGENCY, 98)).unwrap_or_else(|e| panic!("{what}: the others work: {e:?}"));
        look(&store, &what);
        store.lock().unwrap_or_else(|e| panic!("{what}: {e:?}"));
        drop(store);
        assert!(std::fs::read(&file).expect("read") == bytes, "{what}: the damaged file is another now");
        *(if was_closed { &mut at_opening } else { &mut later }) += 1;
        std::fs::remove_dir_all(&home).expect("removed");
    }
    assert!(at_opening > 2 && later > 20, "{at_opening} found at the opening, {later} later");
}

#[test]
fn a_deleted_file_is_a_loss_and_never_a_fresh_start() {
    let dir = scratch();
    let home = base(dir.path());
    let _quick = watch_quietly(dir.path());
    let file = largest(&home);
    std::fs::remove_file(&file).expect("removed");
    for _ in 0..2 {
        let store = open(&home).expect("a home").unlock(&handle(1), PIN).expect("the PIN");
        assert_eq!(store.closed(), [c(TEAM)], "it is named, at every start");
        store
            .save(&stop_in(AGENCY, 97))
            .map(drop)
            .or_else(|e| if matches!(e, Error::Amend(_)) { Ok(()) } else { Err(e) })
            .expect("the others work");
        assert!(!file.exists(), "nothing is made in its place");
    }
}
