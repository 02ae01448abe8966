//! A leader lets a replacement in where there is no network: the newcomer works on the leader's device for a while and goes again. Headquarters
//! hears of it by whoever syncs there next.

use std::collections::BTreeSet;

use daftar_core::authorize::Action;
use daftar_core::compartment::{Agency, Compartment};
use daftar_device::keyring::Newcomer;

use super::record;
use crate::broken::{Checked, hold};
use crate::fault::Fault;
use crate::hq::Person;
use crate::policy::May;
use crate::tablet::PIN;
use crate::world::World;

/// So many of a world's officers come so.
const ADMITTED_MAX: usize = 4;

pub fn can(world: &World, t: usize) -> bool {
    let tablet = &world.tablets[t];
    // A device's first officer leads.
    tablet.unlocked == Some(0) && world.admitted < ADMITTED_MAX && tablet.open().contains(&Compartment::reference())
}

/// The leader lets somebody in, who records something and goes.
pub fn admit(world: &mut World, t: usize) -> Checked {
    let store = world.tablet(t)?.unlocked_store()?;
    let Some(leader) = world.tablets[t].person().cloned() else { return Ok(()) };
    let agency = if world.rng.in_hundred(50) { leader.agency } else { Agency::ALL[world.rng.place(3)] };
    let hours = [1, 24, 72][world.rng.place(3)];
    world.admitted += 1;
    let handle = format!("{}-n{}", world.tablets[t].label, world.admitted);
    let newcomer = Newcomer { handle: handle.clone(), full_name: "N. Newcomer".into(), agency };
    let admission = store.admit(&newcomer, PIN, None, hours)?;
    drop(store);
    let person = Person { id: admission.officer, handle, agency, team: leader.team.clone() };
    let given: Vec<(Compartment, May)> =
        admission.compartments.iter().map(|(c, access)| (c.clone(), May { read: access.read, write: access.write })).collect();
    let foreign: Vec<&Compartment> = given.iter().map(|(c, _)| c).filter(|c| !world.tablets[t].open().contains(c)).collect();
    hold!(foreign.is_empty(), "{}: {} was let into {foreign:?}, which the leader had not open", world.tablets[t].label, person.handle);
    world.policy.admit(person.id, &given);
    world.happened(Fault::Admitted);
    world.say(t, &format!("lets {} into {} compartments for {hours} hours", person.handle, given.len()));
    world.tablet(t)?.lock()?;
    world.tablets[t].people.push(person);
    let worked = work(world, t, &given);
    world.tablet(t)?.lock()?;
    world.tablets[t].people.pop();
    worked?;
    super::unlock(world, t, 0).map(drop)
}

/// The newcomer sees what he was let into and nothing else, and records something.
fn work(world: &mut World, t: usize, given: &[(Compartment, May)]) -> Checked {
    let last = world.tablets[t].people.len() - 1;
    let store = super::unlock(world, t, last)?;
    let reads: BTreeSet<Compartment> = given.iter().filter(|(_, may)| may.read).map(|(c, _)| c.clone()).collect();
    let open = world.tablets[t].open();
    hold!(open == reads, "{}: open to the newcomer are {open:?}, and not {reads:?}", world.tablets[t].label);
    let writes = store.allowed(Action::Write);
    hold!(writes.iter().all(|c| given.iter().any(|(g, may)| g == c && may.write)), "the newcomer may write in {writes:?}");
    for _ in 0..1 + world.rng.below(2) {
        if record::can_create(world, t) {
            record::create(world, t)?;
        }
    }
    Ok(())
}
