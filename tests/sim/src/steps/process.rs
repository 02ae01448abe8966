//! The process of a device ends without a word. Never damages what the disk has.

use crate::broken::Checked;
use crate::fault::Fault;
use crate::world::World;

/// Killed; what was saved is there when it starts again.
pub fn kill(world: &mut World, t: usize) -> Checked {
    let was = world.tablets[t].unlocked;
    world.tablet(t)?.kill()?;
    world.happened(Fault::Kill);
    world.say(t, "is killed");
    if let Some(person) = was {
        super::unlock(world, t, person)?;
        world.check_all_records(t)?;
        world.check_queue(t)?;
    }
    Ok(())
}
