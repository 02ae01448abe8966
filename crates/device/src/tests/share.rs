//! Claims about what devices give each other: who gets what, what is believed of it, and that no road and no repetition changes anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::{DeviceId, Epoch, Incarnation, OfficerId, RecordId};
use daftar_core::record::Kind;
use daftar_core::value::{Path, Value};
use daftar_wire::message::{Heads, PeerMessage, Receipt, Receipted};
use daftar_wire::segment::Segment;
use daftar_wire::sign::SigningKey;
use daftar_wire::stream::StreamId;

use super::reference::Held;
use super::simulated::{Weather, publish, sync};
use super::world::{Granting, Hq, NOW_MS, Tablet, c, granting, id, officer_id, stop, stop_in};
use crate::Store;
use crate::share::{Stranger, Took, give, heads, readers, readers_with_key, take_receipt, take_segment};
use crate::vault::AppliedWhat;

pub(super) const ALL: [&str; 4] = ["team/imt-1", "agency/moi/imt-1", "agency/scc/imt-1", "operation/op-x"];

pub(super) fn team() -> Compartment {
    c("team/imt-1")
}

pub(super) fn may(officer: u8) -> Granting {
    Granting { officer: officer_id(officer), read: true, until_ms: None, active: true }
}

/// Headquarters' word reaches a device.
pub(super) fn tell(hq: &Hq, t: &Tablet, grants: &[(&str, Vec<Granting>)]) {
    t.store.apply(&Compartment::reference(), &[hq.reference()], None).expect("applied");
    for (name, grants) in grants {
        t.store.apply(&c(name), &[hq.grant_items(&c(name), grants)], None).expect("applied");
    }
}

/// All that a device would say to another that says to hold nothing.
pub(super) fn given(store: &Store, to: &DeviceId, present: Option<&[OfficerId]>) -> Vec<PeerMessage> {
    let mut to = readers(store, to).expect("read").expect("no stranger");
    if let Some(present) = present {
        to = to.present(present);
    }
    let mut said: Vec<PeerMessage> = heads(store, &to).expect("read").into_iter().map(PeerMessage::Heads).collect();
    let known = store.compartments();
    for c in known {
        give(store, &to, &Heads { compartment: c, branches: Vec::new() }, &mut |m| {
            said.push(m);
            true
        })
        .expect("given");
    }
    said
}

/// Every compartment that is named in what was said, however deep.
fn named(said: &[PeerMessage]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for m in said {
        match m {
            PeerMessage::Heads(h) => {
                names.insert(h.compartment.to_string());
            }
            PeerMessage::Segment(bytes) => {
                names.insert(Segment::read(bytes).expect("a segment").stream.compartment.to_string());
            }
            PeerMessage::Receipt(r) => names.extend(r.held.iter().map(|r| r.stream.compartment.to_string())),
            PeerMessage::Hello(_)
            | PeerMessage::Listed
            | PeerMessage::Given
            | PeerMessage::File(_)
            | PeerMessage::Here
            | PeerMessage::End => {}
        }
    }
    names
}

/// One gives the other what it lacks; says how many changes were new there.
fn pass(from: &Tablet, to: &Tablet) -> u64 {
    let theirs = readers(&from.store, &to.store.device().id).expect("read").expect("no stranger");
    let mut new = 0;
    for c in theirs.in_order() {
        let held = if to.store.compartments().contains(&c) { to.store.heads(&c).expect("read") } else { continue };
        let mut said = Vec::new();
        give(&from.store, &theirs, &held, &mut |m| {
            said.push(m);
            true
        })
        .expect("given");
        new += said.iter().map(|m| take(&to.store, m)).sum::<u64>();
    }
    new
}

pub(super) fn take(store: &Store, m: &PeerMessage) -> u64 {
    let took = match m {
        PeerMessage::Segment(bytes) => take_segment(store, bytes),
        PeerMessage::Receipt(r) => take_receipt(store, r),
        PeerMessage::Heads(_)
        | PeerMessage::Hello(_)
        | PeerMessage::Listed
        | PeerMessage::Given
        | PeerMessage::File(_)
        | PeerMessage::Here
        | PeerMessage::End => return 0,
    };
    match took.expect("looked at") {
        Took::New(n) if matches!(m, PeerMessage::Segment(_)) => n,
        Took::New(_) => 0,
        Took::Refused(why) => panic!("refused: {why}"),
    }
}

#[test]
fn a_device_is_given_what_its_officers_may_read_at_that_moment_and_learns_of_nothing_else() {
    let mut hq = Hq::new();
    let a = hq.tablet(1, &ALL);
    // One device of the others, each with his own standing.
    let (_dir, _, device) = hq.device();
    for (n, agency) in [(2, Agency::Moi), (3, Agency::Scc), (4, Agency::Moi), (5, Agency::Moi), (6, Agency::Moi), (7, Agency::Moi)] {
        hq.enrol_as(&device, n, (agency, "officer"), &["team/imt-1"]);
        // Of 7 the reference says nothing.
        if n != 7 {
            hq.know(n, n != 4);
        }
    }
    let ended = |n| Granting { until_ms: Some(NOW_MS - 1), ..may(n) };
    let back = |n| Granting { active: false, ..may(n) };
    let writes = |n| Granting { read: false, ..may(n) };
    tell(
        &hq,
        &a,
        &[
            ("team/imt-1", vec![may(1), may(2), may(3), may(4), may(7), writes(5), back(6), may(8)]),
            ("agency/moi/imt-1", vec![may(1), may(2), may(4), ended(5), ended(6)]),
            ("agency/scc/imt-1", vec![may(1), may(3)]),
            ("operation/op-x", vec![may(1), ended(2), back(3), may(8)]),
        ],
    );
    for name in ALL {
        a.store.save(&stop_in(name, name.len() as u8, "01 A 123", name)).expect("saved");
    }
    let other = device.info().expect("enrolled").id;
    let everybody = "reference";
    let rows: [(&[u8], &[&str]); 8] = [
        (&[2], &[everybody, "team/imt-1", "agency/moi/imt-1"]),
        (&[3], &[everybody, "team/imt-1", "agency/scc/imt-1"]),
        (&[4], &[]),
        (&[5], &[everybody]),
        (&[6], &[everybody]),
        (&[7], &[]),
        (&[8], &[]),
        (&[2, 3], &[everybody, "team/imt-1", "agency/moi/imt-1", "agency/scc/imt-1"]),
    ];
    for (officers, expected) in rows {
        let present: Vec<OfficerId> = officers.iter().map(|n| officer_id(*n)).collect();
        let said = given(&a.store, &other, Some(&present));
        let expected: BTreeSet<String> = expected.iter().map(|s| (*s).to_owned()).collect();
        assert_eq!(named(&said), expected, "officers {officers:?}");
    }
    let all = readers(&a.store, &other).expect("read").expect("no stranger");
    let table: BTreeMap<String, Vec<OfficerId>> = all.open.iter().map(|(c, r)| (c.to_string(), r.iter().map(|o| o.id).collect())).collect();
    assert_eq!(table["team/imt-1"], [officer_id(2), officer_id(3)]);
    assert!(!table.contains_key("operation/op-x"));
    let sealing: BTreeSet<_> = all.open[&team()].iter().map(|o| o.sealing).collect();
    assert_eq!(sealing, BTreeSet::from([hq.sealing[&officer_id(2)], hq.sealing[&officer_id(3)]]), "the keys that a gift is sealed to");
    // What our own officer may not read now goes to nobody.
    a.clock.set(NOW_MS + 15 * 24 * 3_600_000);
    assert_eq!(readers(&a.store, &other).expect("read"), Err(Stranger::NoReference), "our own lease is over");
}

#[test]
fn who_is_dismissed_while_he_is_given_something_is_given_no_more_of_it() {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &ALL), hq.tablet(2, &ALL));
    (1..3).for_each(|n| hq.know(n, true));
    tell(&hq, &a, &[("team/imt-1", vec![may(1), may(2)])]);
    a.store.save(&stop(1, "x", "y")).expect("saved");
    let to = readers(&a.store, &b.store.device().id).expect("read").expect("known");
    let nothing = Heads { compartment: team(), branches: Vec::new() };
    let mut said = 0;
    let whole = give(&a.store, &to, &nothing, &mut |_| true).expect("given");
    assert_eq!(whole.changes, 3, "two streams, his own and headquarters'");
    hq.say(Kind::Officer, RecordId(officer_id(2).0), [(Path::Field(24), Value::Bool(false))].into());
    let gave = give(&a.store, &to, &nothing, &mut |_| {
        said += 1;
        a.store.apply(&Compartment::reference(), &[hq.reference()], None).expect("applied");
        true
    });
    assert_eq!((gave.expect("given").changes, said), (1, 1), "the rest stays here, although he was a reader when it began");
    assert_eq!(give(&a.store, &to, &nothing, &mut |_| true).expect("looked at").changes, 0);
}

#[test]
fn a_device_that_is_struck_off_not_known_or_this_one_gets_nothing() {
    let mut hq = Hq::new();
    let (a, b, late) = (hq.tablet(1, &ALL), hq.tablet(2, &ALL), hq.tablet(3, &ALL));
    (1..4).for_each(|n| hq.know(n, true));
    tell(&hq, &a, &[("team/imt-1", vec![may(1), may(2)])]);
    let key = |t: &Tablet| hq.keys[&t.store.device().id].to_bytes();
    assert_eq!(readers_with_key(&a.store, &key(&b)).expect("read").expect("known").device.id, b.store.device().id);
    assert_eq!(readers_with_key(&a.store, &key(&a)).expect("read"), Err(Stranger::Itself));
    assert_eq!(readers_with_key(&a.store, &[3; 32]).expect("read"), Err(Stranger::Unknown));
    let off = [(Path::Field(24), Value::Bool(false))].into();
    hq.say(Kind::Device, RecordId(b.store.device().id.0), off);
    tell(&hq, &a, &[]);
    assert_eq!(readers(&a.store, &b.store.device().id).expect("read"), Err(Stranger::StruckOff));
    assert_eq!(readers(&a.store, &DeviceId([1; 16])).expect("read"), Err(Stranger::Unknown));
    assert!(readers(&a.store, &late.store.device().id).expect("read").is_ok());
}

#[test]
fn what_others_write_of_grants_and_devices_opens_nothing() {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &ALL), hq.tablet(2, &ALL));
    let mallory = (SigningKey::from_bytes(&[66; 32]), DeviceId([66; 16]));
    (1..4).for_each(|n| hq.know(n, true));
    let key = Value::Bytes(mallory.0.verifying_key().to_bytes().to_vec());
    hq.say(Kind::Device, RecordId(mallory.1.0), [(Path::Field(22), key)].into());
    tell(&hq, &a, &[("team/imt-1", vec![may(1), Granting { active: false, ..may(2) }])]);
    let stream = |c: Compartment| StreamId { compartment: c, device: mallory.1, incarnation: Incarnation([6; 16]) };
    // The same record as headquarters' own grant, made anew: it is kept as evidence, and says nothing.
    let forged = granting(&mallory.0, stream(team()), &[may(2), may(2), may(2)]).write().expect("well formed");
    assert_eq!(take_segment(&a.store, &forged).expect("looked at"), Took::New(3));
    let open = readers(&a.store, &b.store.device().id).expect("read").expect("known").open;
    assert_eq!(open.keys().map(Compartment::to_string).collect::<Vec<_>>(), ["reference"]);
    let forged = granting(&mallory.0, stream(Compartment::reference()), &[may(2)]).write().expect("well formed");
    assert_eq!(take_segment(&a.store, &forged).expect("looked at"), Took::Refused("headquarters_only"));
}

#[test]
fn what_nobody_known_signed_is_not_taken_and_stops_nothing() {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &ALL), hq.tablet(2, &ALL));
    (1..3).for_each(|n| hq.know(n, true));
    tell(&hq, &a, &[("team/imt-1", vec![may(1), may(2)])]);
    for n in 1..=3 {
        a.store.save(&stop(n, "x", "y")).expect("saved");
    }
    let own = a.store.unsent(&team()).expect("read").remove(0);
    let good = a.store.segment(&own.stream, 1, 256, 1 << 20).expect("cut").write().expect("well formed");
    assert_eq!(take_segment(&b.store, &good).expect("looked at"), Took::Refused("unknown_device"), "b has not heard of a yet");
    tell(&hq, &b, &[("team/imt-1", vec![may(1), may(2)])]);
    let late = a.store.segment(&own.stream, 3, 256, 1 << 20).expect("cut").write().expect("well formed");
    assert_eq!(take_segment(&b.store, &late).expect("looked at"), Took::Refused("gap"));
    // An officer's own signature that does not hold is left out alone; of all else every byte counts.
    let mut bare = Segment::read(&good).expect("well formed");
    bare.attestations.clear();
    let bare = bare.write().expect("well formed");
    for at in (0..bare.len()).step_by(7) {
        let mut bad = bare.clone();
        bad[at] ^= 0x10;
        match take_segment(&b.store, &bad).expect("looked at") {
            Took::Refused(_) => {}
            Took::New(n) => panic!("byte {at} was altered, and {n} changes were taken"),
        }
    }
    assert_eq!(take_segment(&b.store, &good).expect("looked at"), Took::New(3));
    assert_eq!(take_segment(&b.store, &good).expect("looked at"), Took::New(0), "twice is once");
    assert_eq!(b.store.digest(&team()).expect("computed"), a.store.digest(&team()).expect("computed"));
    assert_eq!(b.store.verify().expect("checked").bad, []);
}

#[test]
fn a_record_that_goes_from_hand_to_hand_is_not_yet_judged_until_headquarters_feed_has_it() {
    let mut hq = Hq::new();
    let (a, b, d) = (hq.tablet(1, &ALL), hq.tablet(2, &ALL), hq.tablet(3, &ALL));
    (1..4).for_each(|n| hq.know(n, true));
    let grants = [("team/imt-1", vec![may(1), may(2), may(3)])];
    for t in [&a, &b, &d] {
        tell(&hq, t, &grants);
    }
    a.store.save(&stop(1, "x", "y")).expect("saved");
    assert_eq!((pass(&a, &b), pass(&b, &d), pass(&a, &d)), (1, 1, 0), "two roads, one record");
    let shown = |t: &Tablet| t.store.show(&team(), &id(1)).expect("there");
    assert!(shown(&d).item.unjudged && shown(&d).history[0].unjudged);
    assert!(!shown(&a).item.unjudged && shown(&a).item.waiting, "one's own work waits for its receipt");
    assert_eq!(a.store.waiting().expect("counted"), 1, "that another device has it clears nothing");

    // d reaches headquarters: what it was given goes along.
    let held = Mutex::new(Held::new(hq.keys.clone()));
    publish(&hq, &held);
    if let AppliedWhat::Segment(bytes) = hq.grant_items(&team(), &grants[0].1).what {
        held.lock().expect("nobody panics with it").keep(&Segment::read(&bytes).expect("headquarters' own"), bytes);
    }
    let told = sync(&hq, &held, &d, Weather::default()).expect("a whole link");
    assert_eq!(told.sent_changes, 1);
    assert!(!shown(&d).item.unjudged && !shown(&d).history[0].unjudged);
    assert_eq!(held.lock().expect("nobody panics with it").digest(&team()), a.store.digest(&team()).expect("computed"));
    // b hears from d that headquarters has it, and offers it no more; it is judged only by the feed.
    assert_eq!(b.store.offered(&team()).expect("read").len(), 1);
    assert_eq!(pass(&d, &b), 0);
    assert_eq!(b.store.offered(&team()).expect("read"), []);
    assert!(shown(&b).item.unjudged);
    // a hears it at two hops, and its queue is clear by headquarters' own signature.
    pass(&b, &a);
    assert_eq!(a.store.waiting().expect("counted"), 0);
    for t in [&a, &b, &d] {
        sync(&hq, &held, t, Weather::default()).expect("a whole link");
        assert_eq!(t.store.verify().expect("checked").bad, []);
        assert_eq!((shown(t).history.len(), shown(t).item.unjudged), (1, false));
        assert_eq!(t.store.digest(&team()).expect("computed"), a.store.digest(&team()).expect("computed"));
    }
}

#[test]
fn a_receipt_that_names_a_compartment_which_the_other_may_not_read_stays_here() {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &ALL), hq.tablet(2, &["team/imt-1"]));
    (1..3).for_each(|n| hq.know(n, true));
    tell(&hq, &a, &[("team/imt-1", vec![may(1), may(2)]), ("agency/moi/imt-1", vec![may(1)])]);
    let receipted = |names: &[&str]| {
        let of = |name: &&str| {
            let own = a.store.unsent(&c(name)).expect("read").remove(0);
            let head = a.store.segment(&own.stream, 1, 256, 1 << 20).expect("cut").chain(own.stream.start()).head();
            Receipted { stream: own.stream, up_to: own.last, head, backed_up: 0 }
        };
        Receipt::sign(&hq.key, Epoch([7; 16]), NOW_MS, names.iter().map(of).collect())
    };
    for name in ["team/imt-1", "agency/moi/imt-1"] {
        a.store.save(&stop_in(name, 1, "x", "y")).expect("saved");
    }
    let (alone, both) = (receipted(&["team/imt-1"]), receipted(&["team/imt-1", "agency/moi/imt-1"]));
    let receipts = |said: &[PeerMessage]| said.iter().filter(|m| matches!(m, PeerMessage::Receipt(_))).count();
    take_receipt(&a.store, &both).expect("taken");
    let said = given(&a.store, &b.store.device().id, None);
    assert_eq!((receipts(&said), named(&said).contains("agency/moi/imt-1")), (0, false));
    take_receipt(&a.store, &alone).expect("taken");
    assert_eq!(receipts(&given(&a.store, &b.store.device().id, None)), 1);
}

#[test]
fn only_headquarters_own_receipt_of_its_present_life_clears_the_queue() {
    let mut hq = Hq::new();
    let a = hq.tablet(1, &ALL);
    a.store.save(&stop(1, "x", "y")).expect("saved");
    let (r, _) = hq.receipt(&a.store, &team());
    let by =
        |key: &SigningKey, epoch, r: &Receipted| take_receipt(&a.store, &Receipt::sign(key, Epoch([epoch; 16]), NOW_MS, vec![r.clone()]));
    let other = Receipted { head: daftar_core::ids::Head([1; 32]), ..r.clone() };
    assert_eq!(by(&SigningKey::from_bytes(&[3; 32]), 7, &r).expect("looked at"), Took::Refused("bad_signature"));
    assert_eq!(by(&hq.key, 6, &r).expect("looked at"), Took::Refused("other_epoch"));
    assert_eq!(by(&hq.key, 7, &other).expect("looked at"), Took::New(0), "of another history");
    assert_eq!(a.store.waiting().expect("counted"), 1);
    assert_eq!(by(&hq.key, 7, &r).expect("looked at"), Took::New(1));
    assert_eq!(a.store.waiting().expect("counted"), 0);
}

#[test]
fn what_another_signed_at_once_is_offered_at_once_where_the_link_would_have_less() {
    let mut hq = Hq::new();
    let (a, b) = (hq.tablet(1, &ALL), hq.tablet(2, &ALL));
    (1..3).for_each(|n| hq.know(n, true));
    for t in [&a, &b] {
        tell(&hq, t, &[]);
    }
    for n in 1..=60 {
        a.store.save(&stop(n, "x", "y")).expect("saved");
    }
    let own = a.store.unsent(&team()).expect("read").remove(0);
    let whole = a.store.segment(&own.stream, 1, 256, 1 << 20).expect("cut").write().expect("well formed");
    assert_eq!(take_segment(&b.store, &whole).expect("looked at"), Took::New(60));
    let offered = b.store.offered(&team()).expect("read").remove(0);
    let cut = b.store.cut(&offered, 1, 24, 1 << 20).expect("a slow link wants 24 changes");
    assert_eq!((cut.first, cut.last()), (1, 60), "no place before the last bears a signature");
}
