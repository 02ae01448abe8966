//! Claims about an officer whom a leader lets in without headquarters.

use std::sync::{Arc, Mutex};

use daftar_core::authorize::{ADMISSION_MS_MAX, Action};
use daftar_core::compartment::Agency;
use daftar_wire::message::Admission;

use super::reference::Held;
use super::simulated::{Weather, sync_locked, sync_store};
use super::world::{Hq, NOW_MS, PIN, c, id, officer_id, stop, stop_in};
use crate::vault::Newcomer;
use crate::{Device, Error, Store};

const NEW_PIN: &str = "23421623";
const TEAM: &str = "team/imt-1";
const MOI: &str = "agency/moi/imt-1";
const HOUR_MS: u64 = 3_600_000;

fn who(agency: Agency) -> Newcomer {
    Newcomer { handle: "imt-1-new-9".into(), full_name: "A. Replacement".into(), agency }
}

fn led(hq: &mut Hq) -> (tempfile::TempDir, Arc<crate::clock::FixedClock>, Device, String) {
    let (dir, clock, device) = hq.device();
    let leader = hq.enrol_as(&device, 1, (Agency::Moi, "leader"), &[TEAM, MOI]);
    (dir, clock, device, leader)
}

fn unlock(device: &Device, handle: &str, pin: &str) -> Arc<Store> {
    Arc::new(device.unlock(handle, pin).expect("the PIN is right"))
}

#[test]
fn a_leader_lets_in_for_72_hours_at_most_and_only_where_he_may_go_himself() {
    let mut hq = Hq::new();
    let (_dir, _, device, leader) = led(&mut hq);
    let store = unlock(&device, &leader, PIN);
    assert!(matches!(store.admit(&who(Agency::Moi), NEW_PIN, None, 73), Err(Error::NotAdmitted(_))), "73 hours");
    assert!(matches!(store.admit(&who(Agency::Moi), NEW_PIN, None, 0), Err(Error::NotAdmitted(_))), "none");
    assert!(matches!(store.admit(&who(Agency::Moi), "123", None, 24), Err(Error::PinTooShort { .. })));
    let elsewhere = [c("team/imt-2")];
    assert!(matches!(store.admit(&who(Agency::Moi), NEW_PIN, Some(&elsewhere), 24), Err(Error::NoCompartment(_))), "what he has not open");
    let notes = [c(MOI)];
    assert!(matches!(store.admit(&who(Agency::Scc), NEW_PIN, Some(&notes), 24), Err(Error::NotAdmitted(_))), "another agency's notes");
    assert_eq!(device.keyring().officers().expect("read").len(), 1, "nobody was let in");
    let admitted = store.admit(&who(Agency::Scc), NEW_PIN, None, 72).expect("let in");
    let opened: Vec<String> = admitted.compartments.iter().map(|(c, _)| c.to_string()).collect();
    assert_eq!(opened, ["reference", TEAM], "his agency's, not the leader's");
    assert_eq!(admitted.verify(&store.session().signing.verifying_key()), Ok(()), "the leader's own word");
    assert!(store.admit(&who(Agency::Scc), NEW_PIN, None, 72).is_err(), "not twice");
    drop(store);
    let newcomer = unlock(&device, "imt-1-new-9", NEW_PIN);
    assert!(
        matches!(newcomer.admit(&Newcomer { handle: "other".into(), ..who(Agency::Scc) }, NEW_PIN, None, 1), Err(Error::NotAdmitted(_))),
        "no leader"
    );
}

#[test]
fn whom_a_leader_let_in_works_until_it_ends_and_headquarters_hears_of_it_first() {
    let mut hq = Hq::new();
    let (_dir, clock, device, leader) = led(&mut hq);
    let store = unlock(&device, &leader, PIN);
    store.save(&stop(1, "01 A 123 BC", "Yusupov")).expect("saved");
    store.save(&stop_in(MOI, 2, "x", "Karimov")).expect("saved");
    let admitted: Admission = store.admit(&who(Agency::Moi), NEW_PIN, Some(&[c(TEAM)]), 24).expect("let in");
    drop(store);
    let newcomer = unlock(&device, "imt-1-new-9", NEW_PIN);
    assert!(newcomer.show(&c(TEAM), &id(1)).is_ok(), "he reads what was opened to him");
    assert!(newcomer.show(&c(MOI), &id(2)).is_err(), "and nothing else");
    newcomer.save(&stop(3, "80 B 222 CC", "Tursunov")).expect("he records under his own name");
    drop(newcomer);
    let held = Mutex::new(Held::new(hq.keys.clone()));
    let cut = sync_locked(&hq, &held, &device, Weather { cut_after: Some(2), ..Weather::default() });
    assert!(cut.is_err() && held.lock().expect("no panic").came.is_empty(), "the admission goes before any work");
    sync_locked(&hq, &held, &device, Weather::default()).expect("a whole link");
    sync_locked(&hq, &held, &device, Weather::default()).expect("a whole link");
    assert_eq!(
        held.lock().expect("no panic").admissions,
        [admitted.clone(), admitted.clone()],
        "said until an exchange has finished, then no more"
    );

    let newcomer = unlock(&device, "imt-1-new-9", NEW_PIN);
    clock.set(NOW_MS + 24 * HOUR_MS);
    assert!(newcomer.authorize(Action::Read, &c(TEAM)).is_err(), "it closes like a lease");
    newcomer.save(&stop(4, "x", "Rahimov")).expect("and what he still writes is kept for headquarters to judge");
    drop(newcomer);
    let leader = unlock(&device, &leader, PIN);
    sync_store(&hq, &held, &leader, Weather { time_ms: Some(NOW_MS + 24 * HOUR_MS), ..Weather::default() }).expect("a whole link");
    assert_eq!(held.lock().expect("no panic").taken, 4);
    drop(leader);
    let newcomer = unlock(&device, "imt-1-new-9", NEW_PIN);
    assert_eq!(newcomer.closed().len(), 2, "nor does the leader's key come back to him");
    assert_eq!(admitted.until_ms - admitted.from_ms, 24 * HOUR_MS);
}

#[test]
fn an_admission_outlives_neither_the_leaders_lease_nor_its_own_end_by_a_contact() {
    let mut hq = Hq::new();
    let (_dir, clock, device, leader) = led(&mut hq);
    clock.set(NOW_MS + 13 * 24 * HOUR_MS);
    let store = unlock(&device, &leader, PIN);
    store.admit(&who(Agency::Moi), NEW_PIN, None, 72).expect("let in");
    drop(store);
    let newcomer = unlock(&device, "imt-1-new-9", NEW_PIN);
    assert!(newcomer.authorize(Action::Read, &c(TEAM)).is_ok());
    let held = Mutex::new(Held::new(hq.keys.clone()));
    let now = NOW_MS + 13 * 24 * HOUR_MS;
    sync_store(&hq, &held, &newcomer, Weather { time_ms: Some(now), ..Weather::default() }).expect("a whole link");
    clock.set(now + ADMISSION_MS_MAX - 1);
    assert!(newcomer.authorize(Action::Read, &c(TEAM)).is_ok());
    clock.set(now + ADMISSION_MS_MAX);
    assert!(newcomer.authorize(Action::Read, &c(TEAM)).is_err(), "a contact does not lengthen it");
    drop(newcomer);
    let (_dir, clock, device, leader) = led(&mut hq);
    clock.set(now);
    let store = unlock(&device, &leader, PIN);
    store.admit(&who(Agency::Moi), NEW_PIN, None, 72).expect("let in");
    drop(store);
    clock.set(NOW_MS + 14 * 24 * HOUR_MS);
    let newcomer = unlock(&device, "imt-1-new-9", NEW_PIN);
    assert_eq!(newcomer.closed().len(), newcomer.allowed(Action::Write).len() + 1, "the keys went with the leader's");
}

#[test]
fn headquarters_own_identity_of_the_newcomer_is_used_and_whom_it_dismissed_is_not_let_in() {
    use daftar_core::ids::RecordId;
    use daftar_core::record::Kind;
    use daftar_core::value::{Path, Value};
    let mut hq = Hq::new();
    let (_dir, _, device, leader) = led(&mut hq);
    let text = |t: &str| Value::Text(t.into());
    for (n, handle, active) in [(7, "imt-1-new-9", true), (8, "gone", false)] {
        let set = [(1, text(handle)), (3, text("moi")), (24, Value::Bool(active))].map(|(f, v)| (Path::Field(f), v)).into();
        hq.say(Kind::Officer, RecordId(officer_id(n).0), set);
    }
    let store = unlock(&device, &leader, PIN);
    store.apply(&c("reference"), &[hq.reference()], None).expect("applied");
    assert!(matches!(store.admit(&Newcomer { handle: "gone".into(), ..who(Agency::Moi) }, NEW_PIN, None, 1), Err(Error::NotAdmitted(_))));
    assert!(matches!(store.admit(&who(Agency::Sss), NEW_PIN, None, 1), Err(Error::NotAdmitted(_))), "of another agency");
    assert_eq!(store.admit(&who(Agency::Moi), NEW_PIN, None, 1).expect("let in").officer, officer_id(7));
}
