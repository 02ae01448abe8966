//! Officers come and go on a device. Never uses a wrong PIN.

use daftar_device::Store;
use daftar_device::vault::Why;
use std::sync::Arc;

use crate::broken::Checked;
use crate::fault::Fault;
use crate::world::World;

pub fn can_unlock(world: &World, t: usize) -> bool {
    world.tablets[t].unlocked.is_none()
}

pub fn can_lock(world: &World, t: usize) -> bool {
    world.tablets[t].unlocked.is_some()
}

pub fn can_change(world: &World, t: usize) -> bool {
    world.tablets[t].unlocked.is_some() && world.tablets[t].people.len() > 1
}

/// One of the device's officers unlocks; mostly its first.
pub fn unlock_any(world: &mut World, t: usize) -> Checked {
    let people = world.tablets[t].people.len();
    let person = if world.rng.in_hundred(50) { 0 } else { world.rng.place(people) };
    if world.tablets[t].unlocked.is_some() {
        world.tablets[t].lock()?;
        world.happened(Fault::OfficerChanged);
    }
    world.tablets[t].forms.clear();
    unlock(world, t, person).map(drop)
}

/// This officer unlocks.
pub fn unlock(world: &mut World, t: usize, person: usize) -> Checked<Arc<Store>> {
    let store = world.tablet(t)?.unlock(person)?;
    let closed = store.closed_why();
    if closed.iter().any(|(_, why)| *why == Why::Waits) {
        // His colleague has not unlocked since he was enrolled.
        world.happened(Fault::DoorWaits);
    }
    world.check_leases(t)?;
    let open = world.tablets[t].open().len();
    world.say(t, &format!("unlocks, {open} open, {} closed", closed.len()));
    Ok(store)
}

/// The officer locks.
pub fn lock(world: &mut World, t: usize) -> Checked {
    world.tablet(t)?.lock()?;
    world.say(t, "locks");
    Ok(())
}
