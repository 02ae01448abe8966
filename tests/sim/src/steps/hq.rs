//! Headquarters' machine: restarts, and a clock that is wrong. Never touches its folder: `life` does.

use crate::broken::Checked;
use crate::fault::Fault;
use crate::world::{DAY_MS, World};

/// The server's process ends and begins again.
pub fn restart(world: &mut World, t: usize) -> Checked {
    world.hq.restart()?;
    world.set_clocks();
    world.happened(Fault::ServerRestart);
    world.say(t, "sees headquarters restart");
    Ok(())
}

/// The server's clock is set to something else.
pub fn clock(world: &mut World, t: usize) -> Checked {
    let day = DAY_MS as i64;
    world.hq.skew_ms = [0, 0, -2 * day, 40 * day, -3650 * day][world.rng.place(5)];
    world.set_clocks();
    if world.hq.skew_ms != 0 {
        world.happened(Fault::ServerClock);
    }
    let days = world.hq.skew_ms / day;
    world.say(t, &format!("sees headquarters' clock off by {days} days"));
    Ok(())
}
