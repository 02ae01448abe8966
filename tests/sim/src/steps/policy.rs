//! What headquarters gives and takes: grants in further compartments, to read or to write, and revocations, unsent work or not. Never tells a
//! device: that hears of it at its next contact.

use daftar_core::authorize::Grant;
use daftar_core::compartment::Compartment;

use crate::broken::Checked;
use crate::fault::Fault;
use crate::hq::Person;
use crate::policy::{May, compartments};
use crate::world::World;

/// So many grants that a role brings are taken or narrowed at the same time: the teams must go on to meet.
const TAKEN_MAX: usize = 4;

/// One of the device's officers.
fn officer(world: &mut World, t: usize) -> Option<Person> {
    let people = world.tablets[t].people.clone();
    world.rng.pick(&people).cloned()
}

/// An officer gets something that he has not, or not so.
pub fn grant(world: &mut World, t: usize) -> Checked {
    let Some(person) = officer(world, t) else { return Ok(()) };
    let may = May { read: true, write: world.rng.in_hundred(70) };
    let wanted: Vec<Compartment> = compartments()?.into_iter().filter(|c| world.policy.may(&person.id, c) != Some(may)).collect();
    let writes = |c: &Compartment| world.policy.may(&person.id, c).is_some_and(|may| may.write);
    let missing: Vec<Compartment> = person.may_write().into_iter().filter(|c| !writes(c)).collect();
    // What a role brings and was taken is given back sooner or later.
    let is_whole = missing.is_empty() && taken(world) < TAKEN_MAX;
    let from = if missing.is_empty() || world.rng.in_hundred(40) { wanted } else { missing };
    let Some(c) = world.rng.pick(&from).cloned() else { return Ok(()) };
    let may = if person.may_write().contains(&c) && !is_whole { May { read: true, write: true } } else { may };
    world.hq.grant(&person, &c, Grant { read: may.read, write: may.write, until_ms: None })?;
    let fault = match (may.write, world.policy.was_revoked(&person.id, &c)) {
        (_, true) => Fault::GrantedAgain,
        (false, false) if world.policy.may(&person.id, &c).is_some_and(|before| before.write) => Fault::Narrowed,
        (false, false) => Fault::GrantedToRead,
        (true, false) => Fault::Granted,
    };
    world.happened(fault);
    world.policy.grant(person.id, &c, may);
    world.touched(&person.id, &c);
    let how = if may.write { "write" } else { "read" };
    world.say(t, &format!("{} is given {c} to {how}", person.handle));
    Ok(())
}

/// An officer loses something.
pub fn revoke(world: &mut World, t: usize) -> Checked {
    let Some(person) = officer(world, t) else { return Ok(()) };
    let by_role = person.may_write();
    let may_take = taken(world) < TAKEN_MAX;
    let has: Vec<Compartment> =
        compartments()?.into_iter().filter(|c| world.policy.may(&person.id, c).is_some() && (may_take || !by_role.contains(c))).collect();
    let Some(c) = world.rng.pick(&has).cloned() else { return Ok(()) };
    let unsent = unsent(world, &person, &c)?;
    world.hq.revoke(&person, &c)?;
    world.happened(if unsent > 0 { Fault::RevokedUnsent } else { Fault::Revoked });
    world.policy.revoke(person.id, &c);
    world.touched(&person.id, &c);
    world.say(t, &format!("{} has {c} no more, {unsent} changes are unsent", person.handle));
    Ok(())
}

/// Grants by role that are taken now, or are to read alone.
fn taken(world: &World) -> usize {
    let people: Vec<&Person> = world.tablets.iter().flat_map(|t| &t.people).collect();
    people
        .iter()
        .flat_map(|p| p.may_write().into_iter().map(|c| (p.id, c)))
        .filter(|(id, c)| !world.policy.may(id, c).is_some_and(|may| may.write))
        .count()
}

/// His changes there that headquarters has not.
fn unsent(world: &World, person: &Person, c: &Compartment) -> Checked<usize> {
    let at_hq = world.hq.counted(c)?;
    let is_his = |f: &&crate::model::Fact| f.compartment == *c && f.author == person.id;
    Ok(world.model.facts().filter(is_his).filter(|f| !at_hq.contains_key(&f.name) && !world.model.is_gone(&f.name)).count())
}
