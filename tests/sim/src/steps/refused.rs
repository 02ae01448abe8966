//! Acts that must be refused and change nothing. Never expects a certain sentence, only that it is refused.

use std::collections::BTreeMap;

use daftar_core::change::Op;
use daftar_core::compartment::Compartment;
use daftar_core::value::{ElementKey, Path, Value};
use daftar_device::vault::Act;

use super::record::{choose, state};
use crate::broken::{Checked, hold};
use crate::fault::Fault;
use crate::world::World;

/// Something that the record as it stands does not allow.
pub fn attempt(world: &mut World, t: usize) -> Checked {
    let Some((c, record)) = choose(world, t) else { return Ok(()) };
    let Some(now) = state(world, t, &c, &record) else { return Ok(()) };
    let store = world.tablet(t)?.unlocked_store()?;
    let on = |op, set: BTreeMap<Path, Value>| Act::on(c.clone(), record, op, set);
    let word = |n: u32| BTreeMap::from([(Path::Field(n), Value::Text("x".into()))]);
    let bad = match world.rng.below(6) {
        0 => Act::create(c.clone(), now.kind, record, word(13)),
        1 => on(Op::Amend, BTreeMap::new()),
        2 => on(Op::Amend, word(2)),
        3 if now.hidden => on(Op::Void, BTreeMap::new()),
        3 => on(if now.flags.revived { Op::Amend } else { Op::Unvoid }, BTreeMap::new()),
        4 => match now.conflicts.keys().next() {
            Some(path) => on(Op::Amend, BTreeMap::from([(path.clone(), Value::Null)])),
            None => on(Op::Resolve, word(13)),
        },
        _ => on(Op::Amend, BTreeMap::from([(Path::Element(29, ElementKey::Given(999), 3), Value::Null)])),
    };
    let outcome = store.save(&bad);
    let label = world.model.label(&record);
    hold!(outcome.is_err(), "{label}: {bad:?} was not refused");
    let elsewhere: Compartment = "team/imt-6".parse().map_err(|_| crate::broken::Broken("a name of the sample".into()))?;
    let foreign = Act { compartment: elsewhere, ..bad };
    hold!(store.save(&foreign).is_err(), "an act in a compartment that is not his was not refused");
    world.happened(Fault::Refused);
    world.say(t, &format!("is refused on {label}"));
    world.check_record(t, &c, &record)
}
