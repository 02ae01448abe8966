//! Device clocks: wrong by decades, days and seconds, and fast. Never touches the true time.

use crate::broken::Checked;
use crate::fault::Fault;
use crate::world::{DAY_MS, World};

const YEAR_MS: i64 = 365 * DAY_MS as i64;

/// The device's clock is set to something else, sometimes to the right time.
pub fn jump(world: &mut World, t: usize) -> Checked {
    let day = DAY_MS as i64;
    let (skew_ms, drift_ppm, fault, what) = match world.rng.below(8) {
        0 => (73 * YEAR_MS, 0, Some(Fault::ClockIn2099), "2099"),
        1 => (-56 * YEAR_MS, 0, Some(Fault::ClockIn1970), "1970"),
        2 => (-day, 0, Some(Fault::ClockBack), "a day back"),
        3 => (3 * day, 0, Some(Fault::ClockAhead), "three days ahead"),
        4 => (0, 200, Some(Fault::ClockDrift), "fast"),
        _ => (0, 0, None, "right"),
    };
    let tablet = world.tablet(t)?;
    (tablet.skew_ms, tablet.drift_ppm) = (skew_ms, drift_ppm);
    tablet.doubt_leases();
    world.set_clocks();
    fault.into_iter().for_each(|f| world.happened(f));
    world.say(t, &format!("has its clock {what}"));
    Ok(())
}
