//! Claims about several officers on one device: nobody reads another's, and nobody's work waits for its writer.

use std::sync::{Arc, Mutex};

use daftar_core::authorize::Action;
use daftar_core::compartment::Agency;
use daftar_core::ids::RecordId;
use daftar_core::record::Kind;
use daftar_core::value::{Path, Value};
use daftar_wire::message::Cursor;

use super::reference::Held;
use super::simulated::{Weather, sync_locked, sync_store};
use super::world::{Hq, NOW_MS, PIN, c, id, item, items, officer_id, set, stands, stop, stop_in};
use crate::draft::Draft;
use crate::sync::SyncError;
use crate::vault::{Act, EncounterQuery};
use crate::{Device, Error, Store};

const MOI: &str = "agency/moi/imt-1";
const SSS: &str = "agency/sss/imt-1";
const TEAM: &str = "team/imt-1";

fn unlock(device: &Device, handle: &str) -> Arc<Store> {
    Arc::new(device.unlock(handle, PIN).expect("the PIN is right"))
}

/// A device of two officers, who share the team's compartment and have each his agency's.
fn two(hq: &mut Hq) -> (tempfile::TempDir, Device, String, String) {
    let (dir, _, device) = hq.device();
    let a = hq.enrol_as(&device, 1, (Agency::Moi, "officer"), &[TEAM, MOI]);
    let b = hq.enrol_as(&device, 2, (Agency::Sss, "officer"), &[TEAM, SSS]);
    // The colleague hands over what both share.
    drop(unlock(&device, &a));
    (dir, device, a, b)
}

#[test]
fn no_officer_reads_the_notes_of_another_agency_by_any_road() {
    let mut hq = Hq::new();
    let (dir, device, a, b) = two(&mut hq);
    let first = unlock(&device, &a);
    first.save(&stop_in(MOI, 1, "01 A 123 BC", "Yusupov")).expect("saved");
    first.save(&stop_in(TEAM, 2, "80 B 222 CC", "Karimov")).expect("saved");
    let draft =
        |n| Draft { record: id(n), kind: Kind::Inspection, compartment: Some(c(MOI)), amends: false, form: vec![1], kept_ms: NOW_MS };
    first.own().keep_draft(&draft(3)).expect("kept");
    let his_page = items(&first, &c(MOI));
    drop(first);
    let second = unlock(&device, &b);
    assert_eq!(second.compartments(), [c(SSS), c("reference"), c(TEAM)]);
    let all: Vec<Kind> = Kind::ALL.iter().map(|k| k.0).collect();
    let listed = second.list(&all, None, 100).expect("listed");
    assert_eq!(listed.items.iter().map(|i| i.record).collect::<Vec<_>>(), [id(2)], "only what both share");
    assert!(second.search("Yusupov", None, 10).expect("searched").is_empty(), "search");
    assert!(second.encounters(&EncounterQuery::Plate("01A123BC".into()), 10).expect("asked").is_empty(), "encounters");
    assert_eq!(second.find(&id(1)).expect("asked"), [], "by id");
    assert!(matches!(second.compartment_of(&id(1)), Err(Error::NoRecord(_))), "by id");
    assert!(matches!(second.show(&c(MOI), &id(1)), Err(Error::Denied { .. })), "with its history");
    assert!(matches!(second.counts(&c(MOI)), Err(Error::Denied { .. })), "counts");
    assert_eq!(second.count_since(Kind::Inspection, 0).expect("counted"), 1, "counts over all");
    assert_eq!(second.own().drafts().expect("read"), [], "drafts");
    assert_eq!(second.allowed(Action::Write), [c(SSS), c(TEAM)]);
    assert!(matches!(second.save(&stop_in(MOI, 4, "x", "y")), Err(Error::Denied { .. })), "nor does he write there");
    assert!(matches!(second.amend_form(&c(MOI), id(1), &[], &serde_json::Map::new(), None), Err(Error::Denied { .. })), "nor amend");
    assert_eq!(second.apply(&c(MOI), &his_page, None).expect("passed over").changes, 0, "what comes for another is not taken");
    assert_eq!(second.receipts().expect("read").len(), 1, "receipts name his own alone");
    drop(second);
    assert!(!stands(dir.path(), MOI.as_bytes()) && !stands(dir.path(), b"Yusupov"), "nothing of it stands in clear anywhere");
}

#[test]
fn a_page_of_what_he_may_not_read_is_not_taken_until_it_says_that_he_may() {
    let mut hq = Hq::new();
    let (a, writer) = (hq.tablet(1, &[TEAM]), hq.tablet(2, &[TEAM]));
    writer.store.save(&stop(1, "x", "y")).expect("saved");
    let page = items(&writer.store, &c(TEAM));
    a.store.grant_notice(&c(TEAM), daftar_wire::message::Access { read: false, write: true }).expect("noted");
    assert_eq!(a.store.apply(&c(TEAM), &page, None).expect("passed over").changes, 0);
    assert_eq!(a.store.cursor(&c(TEAM)).expect("read"), None::<Cursor>, "it is asked for again");
    a.store.grant_notice(&c(TEAM), daftar_wire::message::Access { read: true, write: true }).expect("noted");
    assert_eq!(a.store.apply(&c(TEAM), &page, None).expect("taken").changes, 1);
}

#[test]
fn who_locked_is_sent_by_who_unlocks_next_and_what_he_wrote_is_attested_by_him() {
    let mut hq = Hq::new();
    let (_dir, device, a, b) = two(&mut hq);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    let first = unlock(&device, &a);
    for n in 1..=3 {
        first.save(&stop_in(MOI, n, "01 A 123 BC", "Yusupov")).expect("saved");
        first.save(&stop_in(TEAM, 10 + n, "80 B 222 CC", "Karimov")).expect("saved");
    }
    first.lock().expect("locked");
    drop(first);
    let second = unlock(&device, &b);
    second.save(&stop_in(TEAM, 20, "x", "y")).expect("saved");
    assert_eq!(second.waiting().expect("counted"), 3 + 4, "a colleague's work is counted too");
    let done = sync_store(&hq, &held, &second, Weather::default()).expect("a whole link");
    assert_eq!((done.sent_changes, done.waiting), (7, 0));
    let came = std::mem::take(&mut held.lock().expect("no panic").came);
    for (name, changes, by_seal) in [(MOI, 3, true), (TEAM, 4, false)] {
        let (segment, sealed) = came.iter().find(|(s, _)| s.stream.compartment == c(name)).expect("it came");
        assert_eq!((segment.entries.len(), *sealed), (changes, by_seal), "{name}");
        assert!(segment.attestations.iter().any(|t| t.officer == officer_id(1) && t.n >= 3), "the writer's own word goes along: {name}");
    }
    assert!(came.iter().all(|(s, sealed)| !sealed || s.attestations.iter().all(|t| t.officer == officer_id(1))), "nobody else's");
    drop(second);
    // The receipt was kept for him, and is written down when he comes back.
    let first = unlock(&device, &a);
    assert_eq!(first.unsent(&c(MOI)).expect("counted"), [], "nothing waits any more");
    let standing = first.receipts().expect("read").into_iter().find(|s| s.compartment == c(MOI)).expect("he wrote there");
    assert_eq!((standing.held, standing.written, standing.at_ms), (3, 3, Some(NOW_MS)), "with headquarters' signed word");
}

#[test]
fn a_locked_device_sends_and_only_receipts_empty_its_outbox() {
    let mut hq = Hq::new();
    let (dir, device, a, _) = two(&mut hq);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    let first = unlock(&device, &a);
    for n in 1..=40 {
        first.save(&stop_in(MOI, n, "01 A 123 BC", "Yusupov")).expect("saved");
    }
    // He forgets to lock.
    drop(first);
    assert_eq!(device.keyring().outbox().expect("counted"), 40);
    assert!(!stands(dir.path(), b"Yusupov") && !stands(dir.path(), MOI.as_bytes()), "it is sealed, and names nothing");
    let cut = sync_locked(&hq, &held, &device, Weather { cut_after: Some(1), ..Weather::default() });
    assert!(matches!(cut, Err(SyncError::Link(_))), "{cut:?}");
    let silent = sync_locked(&hq, &held, &device, Weather { no_receipts: true, ..Weather::default() }).expect("a whole link");
    assert_eq!((silent.sent_changes, silent.waiting), (40, 40), "without a receipt all of it waits");
    let done = sync_locked(&hq, &held, &device, Weather::default()).expect("a whole link");
    assert_eq!((done.sent_changes, done.waiting), (40, 0));
    assert_eq!(held.lock().expect("no panic").taken, 40, "and what was sent twice is kept once");
    let idle = sync_locked(&hq, &held, &device, Weather::default()).expect("a whole link");
    assert_eq!(idle.sent_changes, 0);
    let first = unlock(&device, &a);
    assert_eq!((first.waiting().expect("counted"), first.verify().expect("checked").bad), (0, vec![]));
    first.save(&set_in_moi(1)).expect("amended");
    drop(first);
    let more = sync_locked(&hq, &held, &device, Weather::default()).expect("a whole link");
    assert_eq!(more.sent_changes, 1, "only what is new");
}

#[test]
fn what_was_sealed_at_a_lock_goes_as_it_is_and_what_headquarters_cannot_open_is_cut_again() {
    let mut hq = Hq::new();
    let (dir, device, a, _) = two(&mut hq);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    let save = |store: &Store, from: u64, n: u64| {
        for at in from..from + n {
            store.save(&Act { record: RecordId::new(at, [7; 10]), ..stop_in(MOI, 1, "01 A 123 BC", "Yusupov") }).expect("saved");
        }
    };
    // What a sync brought of this: changes that were sealed, and others.
    let came = |store: &Arc<Store>| {
        sync_store(&hq, &held, store, Weather::default()).expect("a whole link");
        let came = std::mem::take(&mut held.lock().expect("no panic").came);
        let of = |sealed: bool| came.iter().filter(|c| c.1 == sealed).map(|c| c.0.entries.len()).sum::<usize>();
        (of(true), of(false))
    };
    save(&unlock(&device, &a), 1, 300);
    let first = unlock(&device, &a);
    save(&first, 301, 5);
    assert_eq!(came(&first), (300, 5), "what was sealed, and what was saved since");
    assert_eq!((first.waiting().expect("counted"), device.keyring().outbox().expect("counted")), (0, 0));
    save(&first, 401, 40);
    drop(first);
    let first = unlock(&device, &a);
    assert_eq!(came(&first), (0, 40), "of a little the smaller form goes");
    save(&first, 501, 300);
    drop(first);
    let keyring = rusqlite::Connection::open(dir.path().join("keyring.db")).expect("the keyring");
    keyring.execute("UPDATE outbox SET bytes = zeroblob(100) WHERE id > (SELECT min(id) FROM outbox)", []).expect("spoilt");
    let first = unlock(&device, &a);
    let (sealed, _) = came(&first);
    assert!(sealed > 0 && sealed < 300 && first.waiting().expect("counted") > 0, "{sealed} could be opened");
    came(&first);
    assert_eq!(first.waiting().expect("counted"), 0, "the rest was cut again");
    assert_eq!(first.verify().expect("checked").bad, []);
}

fn set_in_moi(n: u8) -> Act {
    Act { compartment: c(MOI), ..set(n, Path::Field(45), Value::Text("green".into())) }
}

#[test]
fn a_receipt_of_another_history_takes_nothing_out_of_the_outbox() {
    let mut hq = Hq::new();
    let (_dir, device, a, _) = two(&mut hq);
    let first = unlock(&device, &a);
    first.save(&stop_in(MOI, 1, "x", "y")).expect("saved");
    let (mut receipted, bytes) = hq.receipt(&first, &c(MOI));
    let _ = item(1, &first.segment(&receipted.stream, 1, 256, 1 << 20).expect("cut"));
    drop(first);
    receipted.head.0[0] ^= 1;
    assert!(matches!(device.keyring().boxed_receipted(&receipted, &bytes), Err(Error::Fork(_))));
    assert_eq!(device.keyring().outbox().expect("counted"), 1);
    receipted.head.0[0] ^= 1;
    assert_eq!(device.keyring().boxed_receipted(&receipted, &bytes).expect("ours"), 1);
}
