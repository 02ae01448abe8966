//! What the rogue device sends: bytes that are no payload, children before their parents, parents that never come. Never a forged signature.

use std::collections::{BTreeMap, BTreeSet};

use daftar_core::change::{Header, Op};
use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, RecordId};
use daftar_core::record::Kind;
use daftar_core::value::{Path, Value};
use daftar_wire::change::Entry;
use daftar_wire::message::Answer;

use crate::broken::{Broken, Checked, hold};
use crate::fault::Fault;
use crate::model::Fact;
use crate::trace::short;
use crate::world::World;

/// Something that no engine would send.
pub fn act(world: &mut World) -> Checked {
    let c = Compartment::team("imt-1").map_err(|e| Broken(e.to_string()))?;
    match world.rng.below(4) {
        0 => poison(world, &c),
        1 => child_first(world, &c),
        2 => parent_late(world),
        _ => parent_never(world, &c),
    }
}

fn value(world: &mut World) -> BTreeMap<Path, Value> {
    BTreeMap::from([(Path::Field(45), Value::Text(format!("rogue {}", world.rng.below(3))))])
}

fn fact(c: &Compartment, header: &Header, name: ChangeName, set: BTreeMap<Path, Value>, is_poison: bool) -> Fact {
    let parents: BTreeSet<ChangeName> = header.parents.iter().copied().collect();
    let (record, kind, author, device, op) = (header.record, header.kind, header.author, header.device, header.op);
    Fact { name, compartment: c.clone(), record, kind, author, device, op, parents, set, is_poison }
}

fn send(world: &mut World, c: &Compartment, entries: Vec<Entry>, what: &str) -> Checked {
    let names: Vec<String> = entries.iter().map(|e| short(&e.name(c).0)).collect();
    let count = entries.len();
    world.expect_unaware();
    let answers = world.rogue.send(&world.hq, c, entries, &mut world.rng)?;
    world.follow_life()?;
    let receipted = answers.iter().any(|a| matches!(a, Answer::Receipt(_) | Answer::Short(_)));
    hold!(receipted, "the rogue's {what} was not receipted: {count} changes");
    world.trace.say(format!("{:05} rogue sends {what} {}", world.steps, names.join(" ")));
    Ok(())
}

/// A change that cannot be read, between two that can: it alone is quarantined.
fn poison(world: &mut World, c: &Compartment) -> Checked {
    let mut entries = Vec::new();
    for is_poison in [false, true, false] {
        let record = RecordId::new(world.now_ms, world.rng.bytes());
        let header = world.rogue.header(record, Op::Create, Vec::new(), world.now_ms);
        let salt = world.rng.bytes();
        let set = if is_poison { BTreeMap::new() } else { value(world) };
        let entry = if is_poison { world.rogue.poison(&header, salt) } else { world.rogue.entry(&header, set.clone(), salt)? };
        world.model.add(fact(c, &header, entry.name(c), set, is_poison));
        entries.push(entry);
    }
    world.happened(Fault::Poison);
    send(world, c, entries, "poison")
}

/// An amendment whose create is held back.
fn child_first(world: &mut World, c: &Compartment) -> Checked {
    let record = RecordId::new(world.now_ms, world.rng.bytes());
    let (header, set, salt) = (world.rogue.header(record, Op::Create, Vec::new(), world.now_ms), value(world), world.rng.bytes());
    let create = world.rogue.entry(&header, set, salt)?;
    let header = world.rogue.header(record, Op::Amend, vec![create.name(c)], world.now_ms);
    let (set, salt) = (value(world), world.rng.bytes());
    let amend = world.rogue.entry(&header, set.clone(), salt)?;
    world.model.add(fact(c, &header, amend.name(c), set, false));
    world.rogue.owed.push((c.clone(), create));
    world.happened(Fault::ChildFirst);
    send(world, c, vec![amend], "a child first")
}

/// A create that was held back comes.
fn parent_late(world: &mut World) -> Checked {
    if world.rogue.owed.is_empty() {
        return Ok(());
    }
    let (c, create) = world.rogue.owed.remove(0);
    let change = create.read(&c)?;
    world.model.add(fact(&c, &change.header, change.name, change.payload.set, false));
    world.happened(Fault::ParentLate);
    send(world, &c, vec![create], "a parent late")
}

/// An amendment of somebody's record upon a change that nobody has.
fn parent_never(world: &mut World, c: &Compartment) -> Checked {
    let stops: BTreeSet<RecordId> =
        world.model.facts().filter(|f| f.compartment == *c && f.kind == Kind::Inspection && !f.is_poison).map(|f| f.record).collect();
    let Some(record) = world.rng.pick(&stops.into_iter().collect::<Vec<_>>()).copied() else { return Ok(()) };
    let nobody = ChangeName(world.rng.bytes());
    let header = world.rogue.header(record, Op::Amend, vec![nobody], world.now_ms);
    let (set, salt) = (value(world), world.rng.bytes());
    let entry = world.rogue.entry(&header, set.clone(), salt)?;
    world.model.add(fact(c, &header, entry.name(c), set, false));
    world.happened(Fault::ParentNever);
    send(world, c, vec![entry], "a child of nobody")
}
