//! Disks that are copied: a backup put back, a clone that runs beside its original. Both carry on, and what was taken from an officer is taken
//! from every copy. Never copies a copy.

use crate::broken::Checked;
use crate::fault::Fault;
use crate::world::World;

/// So many devices of a world may be copied: the others must go on to agree.
const COPIES_MAX: usize = 3;

fn copied(world: &World) -> usize {
    world.tablets.iter().filter(|t| t.was_copied).count()
}

pub fn can_take(world: &World, t: usize) -> bool {
    world.tablets[t].backup.is_none() && !world.tablets[t].was_copied
}

pub fn can_put_back(world: &World, t: usize) -> bool {
    world.tablets[t].backup.is_some() && !world.tablets[t].was_copied && copied(world) < COPIES_MAX
}

pub fn can_clone(world: &World, t: usize) -> bool {
    world.clones == 0 && !world.tablets[t].was_copied && copied(world) < COPIES_MAX
}

/// A copy of the folder is taken.
pub fn take(world: &mut World, t: usize) -> Checked {
    let tablet = world.tablet(t)?;
    let image = tablet.image()?;
    tablet.backup = Some((image, tablet.disk.clone()));
    world.say(t, "is backed up");
    Ok(())
}

/// The copy is put in place of the folder: what came after it and was not sent went with the disk.
pub fn put_back(world: &mut World, t: usize) -> Checked {
    let tablet = world.tablet(t)?;
    let Some((image, disk)) = tablet.backup.take() else { return Ok(()) };
    let gone: Vec<_> = tablet.disk.own.difference(&disk.own).copied().collect();
    tablet.put_back(image, disk)?;
    tablet.was_copied = true;
    tablet.doubt_leases();
    gone.iter().for_each(|name| world.model.lose(*name));
    let orphans = world.orphans(&world.lost);
    orphans.into_iter().for_each(|name| world.model.lose(name));
    world.happened(Fault::PutBack);
    world.say(t, &format!("is put back, {} saves went with the disk", gone.len()));
    Ok(())
}

/// The folder is copied to a second device, and both run.
pub fn clone(world: &mut World, t: usize) -> Checked {
    world.clones += 1;
    let (label, now) = (format!("c{:02}", world.clones), world.now_ms);
    let tablet = world.tablet(t)?;
    tablet.was_copied = true;
    let twin = tablet.cloned(&label, now)?;
    world.tablets.push(twin);
    world.set_clocks();
    world.happened(Fault::Cloned);
    world.say(t, &format!("is cloned as {label}"));
    Ok(())
}
