//! Claims about opening a home: PINs, second instances, damage, drafts.

use daftar_core::record::Kind;

use super::world::{Hq, NOW_MS, PIN, c, id, open, stop};
use crate::draft::Draft;
use crate::{Device, Error};

#[test]
fn wrong_pins_slow_down_and_a_new_start_does_not_forget_it() {
    let tablet = Hq::new().tablet(1, &["team/imt-1"]);
    let (dir, clock, handle) = (tablet.dir, tablet.clock, tablet.handle);
    drop(tablet.store);
    let open = || Device::open_with(dir.path(), Box::new(clock.clone())).expect("the home is free");
    for (try_, expected) in [(1, 0), (2, 0), (3, 5)] {
        let e = open().unlock(&handle, "00000000").err();
        assert!(matches!(e, Some(Error::PinWrong { wait_seconds }) if wait_seconds == expected), "try {try_}: {e:?}");
    }
    assert!(matches!(open().unlock(&handle, PIN), Err(Error::PinWrong { wait_seconds: 5 })), "even the right PIN waits");
    clock.set(NOW_MS - 1_000_000_000);
    let back = open().unlock(&handle, PIN).err();
    assert!(matches!(back, Some(Error::PinWrong { wait_seconds: 900 })), "a clock set back waits, but never for ever: {back:?}");
    clock.set(NOW_MS + 5_000);
    assert!(open().unlock(&handle, PIN).is_ok(), "nothing was destroyed");
    assert!(matches!(open().unlock(&handle, "0"), Err(Error::PinWrong { wait_seconds: 0 })), "the right PIN began anew");
}

#[test]
fn a_second_instance_is_refused() {
    let tablet = Hq::new().tablet(1, &[]);
    assert!(matches!(open(tablet.dir.path()), Err(Error::AlreadyOpen)));
    let dir = tablet.dir;
    drop(tablet.store);
    assert!(open(dir.path()).is_ok());
}

#[test]
fn a_missing_file_closes_its_compartment_alone_and_is_no_fresh_start() {
    let tablet = Hq::new().tablet(1, &["team/imt-1", "agency/moi/imt-1"]);
    let (dir, handle) = (tablet.dir, tablet.handle);
    tablet.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    drop(tablet.store);
    // The largest file is the one with the record.
    let vault = std::fs::read_dir(dir.path().join("vault")).expect("files").flatten();
    let largest = vault.max_by_key(|f| f.metadata().map_or(0, |m| m.len())).expect("a file");
    std::fs::remove_file(largest.path()).expect("removed");
    let store = open(dir.path()).expect("free").unlock(&handle, PIN).expect("the others open");
    assert_eq!((store.closed().len(), store.compartments().len()), (1, 2));
    assert!(!largest.path().exists(), "nothing was made in its place");
}

#[test]
fn a_draft_survives_and_the_start_repeats_the_delete_of_a_saved_one() {
    let tablet = Hq::new().tablet(1, &["team/imt-1"]);
    let (dir, handle) = (tablet.dir, tablet.handle);
    for n in [1, 2] {
        let form = b"{\"plate\":\"01 A 123 BC\"}".to_vec();
        let draft =
            Draft { record: id(n), kind: Kind::Inspection, compartment: Some(c("team/imt-1")), amends: false, form, kept_ms: NOW_MS };
        tablet.store.own().keep_draft(&draft).expect("kept");
    }
    // The power fails between the save and the delete of the draft.
    tablet.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    drop(tablet.store);
    let store = open(dir.path()).expect("free").unlock(&handle, PIN).expect("opens");
    let left: Vec<_> = store.own().drafts().expect("drafts").into_iter().map(|d| d.record).collect();
    assert_eq!(left, [id(2)]);
}

#[test]
fn a_second_officer_gets_the_keys_that_a_colleague_holds_when_he_unlocks() {
    let mut hq = Hq::new();
    let tablet = hq.tablet(1, &["team/imt-1"]);
    let (dir, first) = (tablet.dir, tablet.handle);
    tablet.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    drop(tablet.store);
    let device = open(dir.path()).expect("free");
    let second = hq.enrol(&device, 2, &["team/imt-1", "operation/op-x"]);
    let store = device.unlock(&second, PIN).expect("opens");
    assert_eq!(store.closed(), [c("reference"), c("team/imt-1")], "what the device has already waits for the colleague");
    // Headquarters tells him of it at his first sync: that ends nothing, what he can open he uses.
    let both = daftar_wire::message::Access { read: true, write: true };
    store.grant_notice(&c("team/imt-1"), both).expect("it waits on");
    assert_eq!(store.closed(), [c("reference"), c("team/imt-1")]);
    drop(store);
    drop(device.unlock(&first, PIN).expect("opens"));
    let store = device.unlock(&second, PIN).expect("opens");
    assert_eq!(store.closed(), []);
    assert_eq!(store.show(&c("team/imt-1"), &id(1)).expect("the colleague's record").history.len(), 1);
    drop(store);
    assert!(!device.unlock(&first, PIN).expect("opens").compartments().contains(&c("operation/op-x")), "not the other way round");
}
