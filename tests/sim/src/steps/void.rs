//! Voids and their end. Never decides which of two acts wins.

use std::collections::BTreeMap;

use daftar_core::change::{Op, PARENTS_MAX};
use daftar_device::vault::Act;

use super::record::{choose, parents, state};
use super::save::save;
use crate::broken::Checked;
use crate::fault::Fault;
use crate::world::World;

/// An officer voids a record that is shown.
pub fn void(world: &mut World, t: usize) -> Checked {
    let Some((c, record)) = choose(world, t) else { return Ok(()) };
    let Some(now) = state(world, t, &c, &record).filter(|s| !s.hidden && s.heads.len() <= PARENTS_MAX) else { return Ok(()) };
    let parents = parents(world, t, &c, &record, &now);
    save(world, t, &Act { parents: Some(parents), ..Act::on(c, record, Op::Void, BTreeMap::new()) }).map(drop)
}

/// An officer lifts a void, or says of a record that came back that it stays.
pub fn unvoid(world: &mut World, t: usize) -> Checked {
    for _ in 0..8 {
        let Some((c, record)) = choose(world, t) else { return Ok(()) };
        let now = state(world, t, &c, &record).filter(|s| (s.hidden || s.flags.revived) && s.heads.len() <= PARENTS_MAX);
        if now.is_some() {
            world.happened(Fault::Unvoided);
            return save(world, t, &Act::on(c, record, Op::Unvoid, BTreeMap::new())).map(drop);
        }
    }
    Ok(())
}
