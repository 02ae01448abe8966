//! Headquarters loses what it had: restored from a backup, which an administrator confirms later, or put back by a copy of its folder, of which
//! nobody tells it. Never tells a device: that finds out by itself.

use std::collections::BTreeSet;

use daftar_core::compartment::Compartment;
use daftar_core::ids::ChangeName;

use crate::broken::{Checked, hold};
use crate::fault::Fault;
use crate::world::World;

/// So often a world's headquarters is restored.
const RESTORES_MAX: u32 = 2;

pub fn can_restore(world: &World) -> bool {
    world.hq.lives.has_backup() && world.hq.lives.restored < RESTORES_MAX
}

pub fn can_confirm(world: &World) -> bool {
    world.hq.is_unconfirmed().unwrap_or(false)
}

pub fn can_copy(world: &World) -> bool {
    world.size.losses && !world.hq.lives.has_copy() && world.hq.lives.set_back == 0
}

pub fn can_set_back(world: &World) -> bool {
    world.hq.lives.has_copy()
}

/// Headquarters is backed up.
pub fn back_up(world: &mut World, t: usize) -> Checked {
    world.hq.back_up()?;
    world.say(t, "sees headquarters backed up");
    Ok(())
}

/// Headquarters is restored: what was refused since the backup stays refused, and what was given since is to come back from a device.
pub fn restore(world: &mut World, t: usize) -> Checked {
    let (refused, before) = (world.policy.refused(), before(world)?);
    world.hq.restore()?;
    world.happened(Fault::Restored);
    lost(world, t, &before, "restored")?;
    let open: Vec<_> = refused.into_iter().filter(|(officer, c)| world.policy.may(officer, c).is_some()).collect();
    hold!(open.is_empty(), "what was refused since the backup is open again: {open:?}");
    Ok(())
}

/// An administrator confirms the restore: from now on all is served again.
pub fn confirm(world: &mut World, t: usize) -> Checked {
    hold!(world.hq.confirm()?, "there was nothing to confirm");
    world.say(t, "sees headquarters confirmed");
    Ok(())
}

/// Somebody copies headquarters' folder.
pub fn copy(world: &mut World, t: usize) -> Checked {
    world.hq.copy()?;
    world.say(t, "sees headquarters' folder copied");
    Ok(())
}

/// The copy is put in the folder's place.
pub fn set_back(world: &mut World, t: usize) -> Checked {
    let before = before(world)?;
    world.hq.set_back()?;
    world.policy.set_back();
    world.happened(Fault::SetBack);
    lost(world, t, &before, "put back")
}

/// Before a quiet point everything is served, and who has no engine has brought what he has.
pub fn settle(world: &mut World) -> Checked {
    world.expect_unaware();
    world.rogue.bring_all(&world.hq)?;
    if world.hq.is_unconfirmed()? {
        world.hq.confirm()?;
        world.trace.say(format!("{:05} headquarters is confirmed", world.steps));
    }
    Ok(())
}

/// The changes that headquarters holds. What it has ruled of them stands where it was heard.
fn before(world: &mut World) -> Checked<BTreeSet<ChangeName>> {
    let compartments: BTreeSet<Compartment> = world.model.records().keys().map(|(c, _)| c.clone()).collect();
    for c in &compartments {
        world.reviews.extend(world.hq.reviews(c)?);
    }
    world.names()
}

/// What headquarters has lost is still to be had, but for what no device holds.
fn lost(world: &mut World, t: usize, before: &BTreeSet<ChangeName>, how: &str) -> Checked {
    world.set_clocks();
    world.follow_life()?;
    let after = world.names()?;
    let lost: BTreeSet<ChangeName> = before.difference(&after).copied().collect();
    let orphans = world.orphans(&lost);
    orphans.iter().for_each(|name| world.model.lose(*name));
    world.lost.extend(lost.difference(&orphans));
    world.say(t, &format!("sees headquarters {how}, {} changes are lost there and {} everywhere", lost.len(), orphans.len()));
    Ok(())
}
