//! Forms that stay open while others write. Never saves: `record` does, on what the form showed.

use super::record::{choose, state};
use crate::broken::Checked;
use crate::tablet::Form;
use crate::world::World;

/// So many forms stay open on a device.
const OPEN_MAX: usize = 6;

/// An officer opens a record's form and goes on to something else.
pub fn open(world: &mut World, t: usize) -> Checked {
    let Some((compartment, record)) = choose(world, t) else { return Ok(()) };
    let Some(now) = state(world, t, &compartment, &record) else { return Ok(()) };
    let label = world.model.label(&record);
    let forms = &mut world.tablet(t)?.forms;
    if forms.len() < OPEN_MAX && !forms.iter().any(|f| f.record == record && f.compartment == compartment) {
        forms.push(Form { compartment, record, heads: now.heads });
        world.say(t, &format!("opens {label}"));
    }
    Ok(())
}
