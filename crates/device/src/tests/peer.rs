//! Claims about one exchange between two devices, in memory: cut anywhere, or beside every other road at once.

use std::sync::Mutex;

use daftar_core::value::{Path, Value};
use daftar_wire::message::PeerMessage;

use super::reference::Held;
use super::share::{ALL, given, may, take, team, tell};
use super::simulated::{Weather, publish, sync};
use super::world::{Hq, Tablet, id, set, stop};
use crate::peer::{Cut, Exchanged, PeerError, PeerReport, exchange_in_memory};
use crate::share::take_segment;
use crate::vault::AppliedWhat;

/// A link that nothing cuts.
pub(super) const WHOLE: [Cut; 2] = [Cut::Never; 2];

/// One exchange of devices that know each other.
pub(super) fn meet(asks: &Tablet, answers: &Tablet, cuts: [Cut; 2]) -> Exchanged {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let met = runtime.block_on(exchange_in_memory(&asks.store, &answers.store, cuts)).expect("read");
    met.unwrap_or_else(|stranger| panic!("{stranger}"))
}

pub(super) fn whole(met: Exchanged) -> [PeerReport; 2] {
    met.ends.map(|r| r.expect("a whole link"))
}

/// Two devices whose officers may read the same, and headquarters' word of it on both.
pub(super) fn two() -> (Hq, Tablet, Tablet) {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &ALL), hq.tablet(2, &ALL));
    (1..3).for_each(|n| hq.know(n, true));
    for t in [&a, &b] {
        tell(&hq, t, &[("team/imt-1", vec![may(1), may(2)])]);
    }
    (hq, a, b)
}

#[test]
fn an_exchange_of_devices_cut_at_any_byte_keeps_what_came_and_the_next_goes_on() {
    let (_hq, a, b) = two();
    a.store.save(&stop(1, "x", "y")).expect("saved");
    b.store.save(&stop(2, "x", "y")).expect("saved");
    let whole_bytes = meet(&a, &b, WHOLE).carried;
    let (mut cuts, mut broken) = (0, 0);
    for at in (0..whole_bytes[0].max(whole_bytes[1])).step_by(5) {
        // Both have something to give each time.
        for (t, n) in [(&a, 1), (&b, 2)] {
            t.store.save(&set(n, Path::Field(45), Value::Text(format!("colour {at}")))).expect("amended");
        }
        let cut = if at % 2 == 0 { [Cut::Bytes(at), Cut::Never] } else { [Cut::Never, Cut::Bytes(at)] };
        let [asked, answered] = meet(&a, &b, cut).ends;
        cuts += 1;
        for end in [asked, answered] {
            match end {
                Ok(_) => {}
                Err(PeerError::Cut) => broken += 1,
                Err(e) => panic!("cut at byte {at}: {e}"),
            }
        }
    }
    assert!(broken >= cuts, "{broken} of {cuts} cuts were felt");
    whole(meet(&a, &b, WHOLE));
    let idle = whole(meet(&b, &a, WHOLE));
    assert!(idle.iter().all(|r| (r.sent_changes, r.received_changes, r.refused) == (0, 0, 0)), "{idle:?}");
    assert_eq!(a.store.digest(&team()).expect("computed"), b.store.digest(&team()).expect("computed"));
    for t in [&a, &b] {
        assert_eq!(t.store.show(&team(), &id(1)).expect("there").history.len(), 1 + cuts);
        assert_eq!(t.store.verify().expect("checked").bad, []);
        assert_eq!(t.store.waiting().expect("counted"), 1 + cuts as u64, "nothing but a receipt clears the queue");
    }
}

#[test]
fn a_record_that_travels_by_a_device_by_headquarters_and_by_a_gift_at_once_arrives_once() {
    let mut hq = Hq::new();
    let (a, b, d) = (hq.tablet(1, &ALL), hq.tablet(2, &ALL), hq.tablet(3, &ALL));
    (1..4).for_each(|n| hq.know(n, true));
    let grants = vec![may(1), may(2), may(3)];
    for t in [&a, &b, &d] {
        tell(&hq, t, &[("team/imt-1", grants.clone())]);
    }
    let held = Mutex::new(Held::new(hq.keys.clone()));
    publish(&hq, &held);
    if let AppliedWhat::Segment(bytes) = hq.grant_items(&team(), &grants).what {
        held.lock().expect("nobody panics with it").keep(&daftar_wire::segment::Segment::read(&bytes).expect("headquarters' own"), bytes);
    }
    for n in 1..=40 {
        a.store.save(&stop(n, "x", "y")).expect("saved");
        a.store.save(&set(n, Path::Field(45), Value::Text("green".into()))).expect("amended");
    }
    sync(&hq, &held, &a, Weather::default()).expect("a whole link");
    assert_eq!(whole(meet(&d, &a, WHOLE))[0].received_changes, 80);
    let gift = given(&a.store, &b.store.device().id, None);
    // b hears of it from d, from headquarters and out of the gift, all at the same time.
    let begin = std::sync::Barrier::new(3);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            begin.wait();
            whole(meet(&b, &d, WHOLE))
        });
        scope.spawn(|| {
            begin.wait();
            sync(&hq, &held, &b, Weather::default()).expect("a whole link")
        });
        scope.spawn(|| {
            begin.wait();
            // In its order, and backwards.
            for m in gift.iter().chain(gift.iter().rev()) {
                if let PeerMessage::Segment(bytes) = m {
                    take_segment(&b.store, bytes).expect("looked at");
                }
            }
        });
    });
    sync(&hq, &held, &b, Weather::default()).expect("a whole link");
    for t in [&a, &b, &d] {
        sync(&hq, &held, t, Weather::default()).expect("a whole link");
        assert_eq!(t.store.digest(&team()).expect("computed"), held.lock().expect("nobody panics with it").digest(&team()));
        assert_eq!(t.store.verify().expect("checked").bad, []);
        for n in 1..=40 {
            let shown = t.store.show(&team(), &id(n)).expect("there");
            assert_eq!((shown.history.len(), shown.item.unjudged, shown.conflicts.len()), (2, false, 0));
        }
    }
    gift.iter().for_each(|m| assert_eq!(take(&b.store, m), 0, "twice is once"));
}
