//! Claims about courier packs on a device: what is refused before it is read, what an old answer may not say, and that neither repetition nor
//! order changes anything.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use daftar_core::authorize::{Action, LEASE_MS};
use daftar_core::ids::Epoch;
use daftar_wire::limits::PACK_FILES_BYTES_MAX;
use daftar_wire::message::{Answer, Cursor, End, FeedItem, Notice, Receipt, Revocation, frame};
use daftar_wire::pack::{Header, Purpose};

use super::world::{Hq, NOW_MS, Tablet, c, files, items, officer_id, stop, stop_in};
use crate::Store;
use crate::pack::{PackError, PackRead, read, write_gift, write_question};
use crate::share::readers;
use crate::vault::{AppliedItem, AppliedWhat};

#[path = "../../../wire/tests/support/hostile.rs"]
pub(super) mod hostile;

use hostile::Good;

const DAY_MS: u64 = 24 * 3_600_000;
const TEAM: &str = "team/imt-1";
const LIFE: Epoch = Epoch([7; 16]);

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

/// Reads bytes as a pack from a stick.
pub(super) fn read_bytes(store: &Arc<Store>, bytes: &[u8]) -> Result<PackRead, PackError> {
    let stick = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(stick.path(), bytes).expect("written");
    runtime().block_on(read(store, stick.path(), &|_| {}))
}

/// Headquarters' answer to officer `n` on his tablet, written so long after now.
pub(super) fn answer(hq: &Hq, to: &Tablet, n: u8, after_ms: u64, said: &[Answer]) -> Good {
    let device = to.store.device();
    let header = Header {
        purpose: Purpose::Answer,
        writer: device.server,
        reader: device.id,
        at_ms: NOW_MS + after_ms,
        id: [3; 16],
        officer: Some(officer_id(n)),
        epoch: Some(LIFE),
    };
    let frames = said.iter().flat_map(Answer::write).collect();
    Good { header, key: hq.key.clone(), to: hq.sealing[&officer_id(n)], frames }
}

pub(super) fn end(after_ms: u64, cursors: Vec<Cursor>) -> Answer {
    Answer::End(End { time_ms: NOW_MS + after_ms, cursors, more: false })
}

pub(super) fn feed_item(n: u64, item: &AppliedItem) -> Answer {
    match &item.what {
        AppliedWhat::Segment(segment) => {
            Answer::Item(FeedItem { compartment: c(TEAM), from: n, n, chain: [n as u8; 8], segment: segment.clone() })
        }
        AppliedWhat::Rulings(_) => panic!("a device rules on nothing"),
    }
}

fn pair(names: &[&str]) -> (Hq, Tablet, Tablet) {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, names), hq.tablet(2, names));
    hq.know(1, true);
    hq.know(2, true);
    for t in [&a, &b] {
        t.store.apply(&daftar_core::compartment::Compartment::reference(), &[hq.reference()], None).expect("applied");
    }
    (hq, a, b)
}

#[test]
fn a_hostile_pack_is_refused_before_it_is_read_and_changes_nothing_on_the_device() {
    let (hq, a, _) = pair(&[TEAM]);
    a.store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    let (_, receipt) = hq.receipt(&a.store, &c(TEAM));
    // If any of it were read, it would take the change off the queue.
    let said = Answer::Receipt(<Receipt>::read(&receipt).expect("a receipt"));
    let mut good = answer(&hq, &a, 1, 1, &[said]);
    for _ in 0..3 {
        good.frames.extend(frame(200, &[0x5a; 70_000]));
    }
    good.frames.extend(end(1, Vec::new()).write());
    let hostile = good.hostile();
    assert!(hostile.len() >= 200, "only {} hostile packs", hostile.len());
    // SQLite's own marks of who reads are no content.
    let on_disk = || files(a.dir.path()).into_iter().filter(|(name, _)| !name.ends_with("-shm")).collect::<BTreeMap<_, _>>();
    let before = on_disk();
    for (what, bytes) in &hostile {
        let outcome = read_bytes(&a.store, bytes);
        assert!(matches!(outcome, Err(PackError::Broken(_) | PackError::NotForUs(_) | PackError::Writer(_))), "{what}: {outcome:?}");
        assert_eq!(a.store.waiting().expect("counted"), 1, "{what}");
    }
    let changed: Vec<String> =
        on_disk().into_iter().filter(|(name, bytes)| before.get(name) != Some(bytes)).map(|(name, _)| name).collect();
    assert!(changed.is_empty(), "hostile packs left something on the disk: {changed:?}");
    let whole = read_bytes(&a.store, &good.pack()).expect("the good one is read");
    assert_eq!((whole.receipted, whole.waiting), (1, 0));
}

#[test]
fn packs_that_come_late_twice_or_in_another_order_bring_what_fits_and_the_cursor_says_no_more() {
    let (hq, a, b) = pair(&[TEAM]);
    for n in 1..=150 {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
    }
    let fed = items(&a.store, &c(TEAM));
    assert_eq!(fed.len(), 2, "two segments");
    let b_has = |range: (u64, u64)| {
        let cursor = b.store.cursor(&c(TEAM)).expect("read");
        assert_eq!(cursor.map(|k| k.ranges).unwrap_or_default(), vec![range]);
    };
    let up_to = |from, n: u64| {
        let digest = a.store.digest(&c(TEAM)).expect("a digest");
        Cursor { compartment: c(TEAM), epoch: LIFE, ranges: vec![(from, n)], chain: [n as u8; 8], digest }
    };
    let first = answer(&hq, &b, 2, 1, &[feed_item(1, &fed[0]), end(1, vec![up_to(1, 1)])]).pack();
    let second = answer(&hq, &b, 2, 2, &[feed_item(2, &fed[1]), end(2, vec![up_to(2, 2)])]).pack();
    let early = read_bytes(&b.store, &second).expect("read");
    assert_eq!((early.received_changes, early.refused), (50, 0), "its beginning is not here: it is shown, and waits");
    b_has((2, 2));
    assert_eq!(read_bytes(&b.store, &first).expect("late").received_changes, 100);
    b_has((1, 2));
    assert_eq!(read_bytes(&b.store, &second).expect("again").received_changes, 0);
    b_has((1, 2));
    for pack in [&first, &second, &first] {
        let again = read_bytes(&b.store, pack).expect("again");
        assert_eq!((again.received_changes, again.refused), (0, 0));
        let cursor = b.store.cursor(&c(TEAM)).expect("read").expect("there");
        assert_eq!((cursor.ranges, cursor.chain), (vec![(1, 2)], [2; 8]), "an old pack moves nothing back");
    }
    assert_eq!(b.store.verify().expect("checked").bad, []);
    let digest = |t: &Tablet| t.store.digest(&c(TEAM)).expect("a digest");
    assert_eq!(digest(&b), digest(&a));
}

#[test]
fn an_old_answer_says_nothing_of_who_may_read_what_nor_of_another_life() {
    let (hq, a, _) = pair(&[TEAM, "agency/moi/imt-1"]);
    let revoked = |of: &str| Answer::Notice(Notice::Revoked(Revocation::sign(&hq.key, officer_id(1), c(of), NOW_MS)));
    read_bytes(&a.store, &answer(&hq, &a, 1, 50, &[end(50, Vec::new())]).pack()).expect("read");
    let old = answer(&hq, &a, 1, 49, &[revoked(TEAM), end(49, Vec::new())]);
    read_bytes(&a.store, &old.pack()).expect("read");
    assert!(a.store.compartments().contains(&c(TEAM)), "headquarters has spoken since");
    let mut of_another_life = answer(&hq, &a, 1, 49, &[end(49, Vec::new())]);
    of_another_life.header.epoch = Some(Epoch([8; 16]));
    let refused = read_bytes(&a.store, &of_another_life.pack());
    assert!(matches!(refused, Err(PackError::Late(_))), "{refused:?}");
    assert_eq!(a.store.epoch(), LIFE);
    read_bytes(&a.store, &answer(&hq, &a, 1, 51, &[revoked(TEAM), end(51, Vec::new())]).pack()).expect("read");
    assert!(!a.store.compartments().contains(&c(TEAM)), "the newest word counts");
    let granted =
        Answer::Notice(Notice::Granted { compartment: c(TEAM), access: daftar_wire::message::Access { read: true, write: true } });
    read_bytes(&a.store, &answer(&hq, &a, 1, 50, &[granted, end(50, Vec::new())]).pack()).expect("read");
    assert!(!a.store.compartments().contains(&c(TEAM)), "what was taken back stays so, whatever old pack is found");
}

#[test]
fn an_answer_lengthens_a_lease_from_when_headquarters_wrote_it_and_sets_no_clock() {
    let (hq, a, _) = pair(&[TEAM]);
    let reads = |at_ms| {
        a.clock.set(at_ms);
        a.store.authorize(Action::Read, &c(TEAM)).is_ok()
    };
    assert!(reads(NOW_MS + 12 * DAY_MS));
    for day in [10, 5] {
        read_bytes(&a.store, &answer(&hq, &a, 1, day * DAY_MS, &[end(day * DAY_MS, Vec::new())]).pack()).expect("read");
    }
    assert_eq!(a.store.shared().keyring.contact().expect("read"), None, "nobody knows how long it was on its way");
    assert!(reads(NOW_MS + 10 * DAY_MS + LEASE_MS - 1), "from the newest word on, whatever old one was read after it");
    assert!(!reads(NOW_MS + 10 * DAY_MS + LEASE_MS));
}

#[test]
fn a_pack_says_for_whom_it_is_when_another_reads_it() {
    let (mut hq, a, b) = pair(&[TEAM]);
    let (_dir, _, device) = hq.device();
    hq.enrol(&device, 5, &[TEAM]);
    hq.enrol(&device, 6, &[TEAM]);
    let store = Arc::new(device.unlock("imt-1-moi-6", super::world::PIN).expect("unlocked"));
    let info = store.device();
    let header = Header {
        purpose: Purpose::Answer,
        writer: info.server,
        reader: info.id,
        at_ms: NOW_MS + 1,
        id: [3; 16],
        officer: Some(officer_id(5)),
        epoch: Some(LIFE),
    };
    let good = Good { header, key: hq.key.clone(), to: hq.sealing[&officer_id(5)], frames: end(1, Vec::new()).write() };
    let said = |e: Result<PackRead, PackError>| e.expect_err("refused").to_string();
    assert!(said(read_bytes(&store, &good.pack())).contains("officer imt-1-moi-5"));
    let for_a = answer(&hq, &a, 1, 1, &[end(1, Vec::new())]).pack();
    assert!(said(read_bytes(&b.store, &for_a)).contains(&a.store.device().id.to_string()), "it names the device");
    let dir = tempfile::tempdir().expect("a folder");
    let question = dir.path().join("q");
    runtime().block_on(write_question(&a.store, &question, false, PACK_FILES_BYTES_MAX, &|_| {})).expect("written");
    for t in [&a, &b] {
        let refused = runtime().block_on(read(&t.store, &question, &|_| {}));
        assert!(said(refused).contains("for headquarters"));
    }
}

#[test]
fn a_gift_brings_what_its_reader_may_read_and_still_only_a_receipt_clears_the_queue() {
    let mut hq = Hq::new();
    let (a, b, x) = (hq.tablet(1, &[TEAM, "agency/moi/imt-1"]), hq.tablet(2, &[TEAM]), hq.tablet(3, &[TEAM]));
    for n in 1..=3 {
        hq.know(n, true);
    }
    for t in [&a, &b, &x] {
        t.store.apply(&daftar_core::compartment::Compartment::reference(), &[hq.reference()], None).expect("applied");
        t.store.apply(&c(TEAM), &[hq.grant_items(&c(TEAM), &[may(1), may(2)])], None).expect("applied");
    }
    a.store.apply(&c("agency/moi/imt-1"), &[hq.grant_items(&c("agency/moi/imt-1"), &[may(1)])], None).expect("applied");
    for n in 1..=20 {
        a.store.save(&stop(n, "01 A 123 BC", "Yusupov")).expect("saved");
    }
    a.store.save(&stop_in("agency/moi/imt-1", 40, "80 B 222 CC", "Karimov")).expect("saved");
    let dir = tempfile::tempdir().expect("a folder");
    let gift: PathBuf = dir.path().join("gift");
    let to = b.store.device().id.to_string();
    let written = runtime().block_on(write_gift(&a.store, &to, &gift, false, PACK_FILES_BYTES_MAX, &|_| {})).expect("written");
    assert!(readers(&a.store, &b.store.device().id).expect("read").is_ok_and(|r| !r.open.contains_key(&c("agency/moi/imt-1"))));
    for expected in [20, 0] {
        let got = runtime().block_on(read(&b.store, &gift, &|_| {})).expect("read");
        assert_eq!((got.purpose, got.received_changes, got.receipted, got.refused), (Purpose::Gift, expected, 0, 0), "{written:?}");
    }
    assert_eq!(a.store.waiting().expect("counted"), 21, "a gift clears nothing");
    let waits: u64 = b.store.offered(&c(TEAM)).expect("read").iter().map(|u| u.last + 1 - u.from).sum();
    assert_eq!(waits, 20, "who took it offers it to headquarters too");
    let stranger = runtime().block_on(read(&x.store, &gift, &|_| {})).expect_err("another device");
    assert!(matches!(stranger, PackError::NotForUs(_)));
    // The reader's own key and a hostile copy: the writer signs what he gives.
    let mut bytes = std::fs::read(&gift).expect("read");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    assert!(matches!(read_bytes(&b.store, &bytes), Err(PackError::Broken(_))));
}

fn may(officer: u8) -> super::world::Granting {
    super::world::Granting { officer: officer_id(officer), read: true, until_ms: None, active: true }
}
