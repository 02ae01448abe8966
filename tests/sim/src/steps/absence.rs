//! A device that nobody sees for months, while the others go on. Never more than one at a time.

use crate::broken::Checked;
use crate::fault::Fault;
use crate::world::{DAY_MS, World};

/// So many steps of the others.
const STEPS: u32 = 120;

pub fn can(world: &World, _: usize) -> bool {
    world.tablets.len() > 2 && world.tablets.iter().all(|t| t.away == 0)
}

/// Away for 90 or 400 days, which pass in fewer steps than usual.
pub fn begin(world: &mut World, t: usize) -> Checked {
    let (days, fault) = if world.rng.in_hundred(50) { (90, Fault::Away90) } else { (400, Fault::Away400) };
    world.tablet(t)?.away = STEPS;
    world.warp = (STEPS, days * DAY_MS / u64::from(STEPS));
    world.happened(fault);
    world.say(t, &format!("is away for {days} days"));
    Ok(())
}
