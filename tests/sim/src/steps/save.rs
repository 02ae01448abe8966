//! An act is saved, and the model told. Never saves what the step did not choose.

use std::collections::BTreeSet;

use daftar_core::record::{Kind, field_named};
use daftar_core::value::{Path, Value};
use daftar_device::vault::{Act, Saved};

use crate::broken::{Checked, hold};
use crate::fault::Fault;
use crate::model::Fact;
use crate::trace::short;
use crate::world::World;

/// Saves, tells the model what was made, and checks what the device shows now.
pub fn save(world: &mut World, t: usize, act: &Act) -> Checked<Saved> {
    let store = world.tablet(t)?.unlocked_store()?;
    let before = store.show(&act.compartment, &act.record).ok().map(|v| v.item.state);
    let saved = store.save(act)?;
    let kind = before.as_ref().map_or(act.kind, |s| s.kind);
    let heads = before.map(|s| s.heads).unwrap_or_default();
    let parents = Some(act.parents.clone().unwrap_or(heads));
    told(world, t, &Act { parents, ..act.clone() }, kind, &saved)?;
    Ok(saved)
}

/// Tells the model of an act that was saved on what its parents say, and checks what the device shows now.
pub fn told(world: &mut World, t: usize, act: &Act, kind: Kind, saved: &Saved) -> Checked {
    add(world, t, act, kind, saved)?;
    let disk = &mut world.tablets[t].disk;
    disk.held.entry((act.compartment.clone(), act.record)).or_default().insert(saved.name);
    world.check_stamp(t, &act.compartment, &act.record, &saved.name)?;
    world.check_record(t, &act.compartment, &act.record)?;
    let label = world.model.label(&act.record);
    world.say(t, &format!("{} {label} in {} as {}", act.op.name(), act.compartment, short(&saved.name.0)));
    Ok(())
}

/// Saves something new where the way into the compartment is closed: capture never stops.
pub fn capture(world: &mut World, t: usize, act: &Act) -> Checked {
    let store = world.tablet(t)?.unlocked_store()?;
    let saved = store.save(act)?;
    let open = world.tablets[t].open();
    hold!(!open.contains(&act.compartment), "{}: a save opened {}", world.tablets[t].label, act.compartment);
    add(world, t, act, act.kind, &saved)?;
    world.happened(Fault::Captured);
    let label = world.model.label(&act.record);
    world.say(t, &format!("captures {label} for {} as {}", act.compartment, short(&saved.name.0)));
    Ok(())
}

/// The model takes in what was made.
fn add(world: &mut World, t: usize, act: &Act, kind: Kind, saved: &Saved) -> Checked {
    let parents: BTreeSet<_> = act.parents.clone().unwrap_or_default().into_iter().collect();
    let mut set = act.set.clone();
    if let Some(number) = &saved.number {
        // A headquarters that lost what it had may give a digit once more.
        let may_be_twice = world.tablets[t].was_copied || world.hq.lives.lost() > 0;
        hold!(world.numbers.insert((act.compartment.clone(), number.clone())) || may_be_twice, "number {number} is given twice");
        set.extend(field_named(kind, "number").map(|f| (Path::Field(f.number), Value::Text(number.clone()))));
    }
    hold!(world.model.fact(&saved.name).is_none(), "two acts have one name");
    let device = world.tablets[t].id;
    let Some(author) = world.tablets[t].person().map(|p| p.id) else { return Ok(()) };
    let ever = world.policy.ever_wrote(&author);
    hold!(ever.contains(&act.compartment), "{}: a save in {} was taken, which was never his", world.tablets[t].label, act.compartment);
    world.model.add(Fact {
        name: saved.name,
        compartment: act.compartment.clone(),
        record: act.record,
        kind,
        author,
        device,
        op: act.op,
        parents,
        set,
        is_poison: false,
    });
    world.tablets[t].disk.own.insert(saved.name);
    Ok(())
}
