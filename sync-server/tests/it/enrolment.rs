//! What a code is good for.

use daftar_core::authorize::Role;
use daftar_core::compartment::{Agency, Compartment};
use daftar_sync_server::service::EnrolError;
use daftar_wire::message::Access;

use crate::support::{DeviceKeys, NOW_MS, World};

#[tokio::test]
async fn a_code_enrols_one_device_and_answers_it_alike_again() {
    let world = World::new();
    world.officer("a", Agency::Moi, "imt-1", Role::Officer);
    let code = world.hq.make_code("a", false, 24).expect("a code");
    let keys = DeviceKeys::new();
    let first = world.enrol(&code, &keys).await.expect("enrolled");
    let again = world.enrol(&code, &keys).await.expect("a retry is answered");
    assert_eq!(first.write(), again.write());
    assert!(matches!(world.enrol(&code, &DeviceKeys::new()).await, Err(EnrolError::Used)));
    let names: Vec<&str> = first.compartments.iter().map(|(c, _)| c.as_str()).collect();
    assert_eq!(names, ["agency/moi/imt-1", "operation/op-qorachiroq", "reference", "team/imt-1"]);
    let reference = first.compartments.iter().find(|(c, _)| *c == Compartment::reference()).map(|c| c.1);
    assert_eq!(reference, Some(Access { read: true, write: false }));
    world.clock.set(NOW_MS + 25 * 3_600_000);
    assert_eq!(world.enrol(&code, &keys).await.expect("nor does time matter then").device, first.device);
}

#[tokio::test]
async fn a_code_that_is_over_or_never_was_enrols_nobody() {
    let world = World::new();
    world.officer("a", Agency::Moi, "imt-1", Role::Officer);
    let mut code = world.hq.make_code("a", false, 24).expect("a code");
    world.clock.set(NOW_MS + 24 * 3_600_000 + 1);
    assert!(matches!(world.enrol(&code, &DeviceKeys::new()).await, Err(EnrolError::Over)));
    code.secret[3] ^= 1;
    assert!(matches!(world.enrol(&code, &DeviceKeys::new()).await, Err(EnrolError::Unknown)));
}

#[tokio::test]
async fn a_second_officer_shares_the_device_and_devices_of_a_team_have_different_digits() {
    let world = World::new();
    for (handle, team) in [("a", "imt-1"), ("b", "imt-1"), ("c", "imt-2")] {
        world.officer(handle, Agency::Scc, team, Role::Officer);
    }
    let code = |handle| world.hq.make_code(handle, false, 24).expect("a code");
    let mut keys = DeviceKeys::new();
    let a = world.enrol(&code("a"), &keys).await.expect("enrolled");
    keys.officer = DeviceKeys::new().officer;
    let b = world.enrol(&code("b"), &keys).await.expect("enrolled");
    assert_eq!((a.device, &a.certificate, a.digit), (b.device, &b.certificate, b.digit));
    assert_ne!(a.officer, b.officer);
    let other = world.enrol(&code("a"), &DeviceKeys::new()).await.expect("enrolled");
    let elsewhere = world.enrol(&code("c"), &DeviceKeys::new()).await.expect("enrolled");
    assert_eq!((a.digit, other.digit, elsewhere.digit), (1, 2, 1));
    let again = world.enrol(&code("a"), &keys).await.expect("new keys for an officer on his device");
    assert_eq!(again.device, a.device);
}

#[tokio::test]
async fn enrolling_for_all_compartments_opens_all_but_the_reference_to_writing() {
    let world = World::new();
    world.officer("a", Agency::Moi, "imt-1", Role::Officer);
    let device = world.enrolled("a", true).await;
    let all = &device.enrolled.compartments;
    assert_eq!(all.len(), 27, "six teams, three agencies in each, two operations and the reference");
    assert!(all.iter().all(|(c, a)| a.read && a.write == (*c != Compartment::reference())));
}
