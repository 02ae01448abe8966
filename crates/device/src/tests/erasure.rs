//! What headquarters orders to be erased is gone from the device, and all that it proved still holds.

use daftar_core::ids::{ChangeName, Epoch};
use daftar_core::value::{Path, Value};
use daftar_wire::change::Body;
use daftar_wire::message::{FeedVerdict, Ruling, Verdict};
use daftar_wire::segment::Segment;

use super::world::{Hq, Tablet, c, id, items, set, stop};
use crate::vault::{AppliedItem, AppliedWhat};

fn ruling(hq: &Hq, n: u64, change: ChangeName, verdict: Verdict, reason: &str) -> AppliedItem {
    let (team, rulings) = (c("team/imt-1"), vec![Ruling { change, verdict, reason: reason.into() }]);
    let sig = FeedVerdict::sign_rulings(&hq.key, &team, &Epoch([7; 16]), n, &rulings);
    let v = FeedVerdict { compartment: team, from: n, n, chain: [0; 8], rulings, sig };
    AppliedItem { from: n, n, chain: [0; 8], what: AppliedWhat::Rulings(v) }
}

fn pages(t: &Tablet) -> Vec<u8> {
    t.store.vault(&c("team/imt-1")).expect("open").conn().serialize("main").expect("pages").to_vec()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

fn seeds(t: &Tablet) -> i64 {
    t.store.vault(&c("team/imt-1")).expect("open").conn().query_row("SELECT count(*) FROM run", [], |r| r.get(0)).expect("counted")
}

#[test]
fn an_erased_change_is_gone_from_log_record_search_and_pages_and_still_proves() {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &["team/imt-1"]), hq.tablet(2, &["team/imt-1"]));
    let team = c("team/imt-1");
    for t in [&a, &b] {
        t.store.apply(&c("reference"), &[hq.reference()], None).expect("applied");
    }
    let erased = a.store.save(&stop(1, "01 A 123 BC", "Qwxyzkova")).expect("saved").name;
    a.store.save(&stop(2, "01 A 456 BC", "Yusupov")).expect("saved");
    a.store.save(&set(1, Path::Field(45), Value::Text("green".into()))).expect("amended");
    b.store.apply(&team, &items(&a.store, &team), None).expect("applied");
    let digest = a.store.digest(&team).expect("computed");
    for t in [&a, &b] {
        assert_eq!(t.store.search("Qwxyzkova", None, 9).expect("searched").len(), 1);
        assert!(contains(&pages(t), b"Qwxyzkova") && seeds(t) > 0);
        let mut forged = ruling(&hq, 8, erased, Verdict::Erased, "erased");
        if let AppliedWhat::Rulings(v) = &mut forged.what {
            v.sig = [0; 64];
        }
        t.store.apply(&team, &[forged], None).expect("applied");
        assert!(contains(&pages(t), b"Qwxyzkova"), "only headquarters' signature erases");

        t.store.apply(&team, &[ruling(&hq, 8, erased, Verdict::Erased, "erased")], None).expect("applied");
        assert!(!contains(&pages(t), b"Qwxyzkova") && !contains(&pages(t), b"qwxyzkova"), "no page holds it");
        assert_eq!(seeds(t), 0, "nor the seed, from which a guess could be checked");
        assert_eq!(t.store.search("Qwxyzkova", None, 9).expect("searched").len(), 0);
        assert_eq!(t.store.search("Yusupov", None, 9).expect("searched").len(), 1);
        let view = t.store.show(&team, &id(1)).expect("there");
        assert_eq!(view.item.state.fields.keys().cloned().collect::<Vec<_>>(), [Path::Field(45)], "the later amendment stays");
        assert_eq!((view.history.len(), view.item.state.flags.missing_parent), (2, false), "and its place in the history");
        assert_eq!((t.store.verify().expect("checked").bad, t.store.digest(&team).expect("computed")), (vec![], digest));
    }
    // The writer goes on, and what waits is sent without it.
    a.store.save(&stop(3, "x", "y")).expect("saved");
    let again = items(&a.store, &team);
    let AppliedWhat::Segment(bytes) = &again[0].what else { panic!("a segment") };
    let segment = Segment::read(bytes).expect("a segment");
    assert!(matches!(segment.entries[0].body, Body::Erased { .. }) && matches!(segment.entries[1].body, Body::Whole { .. }));
    assert_eq!(b.store.apply(&team, &again, None).expect("applied").changes, 1);
}

#[test]
fn what_was_erased_before_it_came_is_kept_without_its_payload_and_stays_as_it_was_ruled() {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &["team/imt-1"]), hq.tablet(2, &["team/imt-1"]));
    let team = c("team/imt-1");
    let [first, second] = [(1, "Qwxyzkova"), (2, "Vbnmzkova")].map(|(n, name)| a.store.save(&stop(n, "x", name)).expect("saved").name);
    let whole = items(&a.store, &team);
    let before = [
        ruling(&hq, 1, first, Verdict::Erased, "erased"),
        ruling(&hq, 2, second, Verdict::Review, "no_grant"),
        ruling(&hq, 3, second, Verdict::Erased, "erased"),
    ];
    b.store.apply(&team, &before, None).expect("applied");
    b.store.apply(&team, &whole, None).expect("applied");
    assert!(!contains(&pages(&b), b"Qwxyzkova") && !contains(&pages(&b), b"Vbnmzkova"), "from whom it comes makes no difference");
    assert_eq!(seeds(&b), 0);
    assert!(b.store.show(&team, &id(1)).is_ok(), "one that counts counts");
    let changes = |n| b.store.show(&team, &id(n)).map(|v| v.item.state.changes);
    assert_eq!((changes(1).ok(), changes(2).ok()), (Some(1), None), "one that is under review does not");
    b.store.apply(&team, &[ruling(&hq, 5, second, Verdict::Accepted, "")], None).expect("applied");
    assert_eq!(changes(2).ok(), Some(1), "until a person accepts it; erased it stays");
    b.store.apply(&team, &whole, None).expect("applied");
    assert!(!contains(&pages(&b), b"Vbnmzkova"));
    assert_eq!(b.store.verify().expect("checked").bad, []);
}

#[test]
fn the_photos_of_an_erased_record_go_with_it_but_not_those_that_another_record_names() {
    let mut hq = Hq::new();
    let a = hq.tablet(1, &["team/imt-1"]);
    let team = c("team/imt-1");
    a.store.apply(&c("reference"), &[hq.reference()], None).expect("applied");
    let attach = |n: u8, bytes: &[u8]| {
        let about = crate::vault::Attachment { name: "boot.jpg".into(), ..Default::default() };
        let done = a.store.attach(&team, &id(n), &mut std::io::Cursor::new(bytes), &about).expect("attached");
        (done.file.sha256, done.saved.expect("it is named").name)
    };
    let created = a.store.save(&stop(1, "01 A 123 BC", "Qwxyzkova")).expect("saved").name;
    a.store.save(&stop(2, "01 A 456 BC", "Yusupov")).expect("saved");
    let (only, shared) = (vec![7; 400_000], vec![8; 3000]);
    let ((gone, first), (kept, second)) = (attach(1, &only), attach(1, &shared));
    attach(2, &shared);
    let here = || super::world::files(&a.dir.path().join("files")).len();
    assert_eq!(here(), 2);
    let digest = a.store.digest(&team).expect("computed");
    for (n, change) in (1..).zip([first, second]) {
        a.store.apply(&team, &[ruling(&hq, n, change, Verdict::Erased, "erased")], None).expect("applied");
    }
    assert_eq!(here(), 1, "the bytes are gone, and what another record names is not");
    a.store.apply(&team, &[ruling(&hq, 3, created, Verdict::Erased, "erased")], None).expect("applied");
    let read = |sha256| a.store.write_file(&team, sha256, &mut Vec::new());
    assert!(matches!(read(&gone), Err(crate::Error::FileNotHere)) && read(&kept).is_ok());
    assert!(!contains(&pages(&a), &gone.0), "not even its name stands on a page");
    assert_eq!((a.store.verify().expect("checked").bad, a.store.digest(&team).expect("computed")), (vec![], digest));
    assert_eq!(a.store.files_waiting().expect("counted"), 1);
}
