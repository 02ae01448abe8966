//! Two devices meet where there is no server, and exchange over their own link, whole or cut. Two copies of one disk refuse each other.

use std::collections::BTreeSet;

use daftar_core::compartment::Compartment;
use daftar_device::peer::{Cut, Exchanged, PeerError, exchange_in_memory};

use crate::broken::{Broken, Checked, hold};
use crate::fault::Fault;
use crate::hq::Person;
use crate::link::block_on;
use crate::tablet::Tablet;
use crate::world::World;

/// A link that is cut is cut within one of so many segments.
const SEGMENTS: u64 = 4;

/// Devices nearby on which somebody is unlocked.
fn near(world: &World, t: usize) -> Vec<usize> {
    let is_near = |u: &usize| *u != t && world.tablets[*u].unlocked.is_some() && world.tablets[*u].away == 0;
    (0..world.tablets.len()).filter(is_near).collect()
}

pub fn can(world: &World, t: usize) -> bool {
    world.tablets[t].unlocked.is_some() && !near(world, t).is_empty()
}

/// The officers of two devices let them exchange.
pub fn meet(world: &mut World, t: usize) -> Checked {
    let near = near(world, t);
    let Some(u) = world.rng.pick(&near).copied() else { return Ok(()) };
    let cut = Cut::Segments(usize::try_from(world.rng.below(SEGMENTS)).unwrap_or(0));
    let cuts = match world.rng.below(6) {
        0 => [cut, Cut::Never],
        1 => [Cut::Never, cut],
        _ => [Cut::Never; 2],
    };
    let (asks, answers) = (world.tablet(t)?.unlocked_store()?, world.tablet(u)?.unlocked_store()?);
    let open = [t, u].map(|at| world.tablets[at].open());
    let label = world.tablets[u].label.clone();
    for at in [t, u] {
        world.expect_of_exchange(world.tablets[at].id);
    }
    let Ok(Exchanged { ends, .. }) = block_on(exchange_in_memory(&asks, &answers, cuts))? else {
        world.say(t, &format!("meets {label}, and they do not know each other"));
        return Ok(());
    };
    let said = ends.each_ref().map(|end| match end {
        Ok(r) => format!("{} given, {} new, {} files", r.sent_changes, r.received_changes, r.received_files),
        Err(e) => e.code().to_owned(),
    });
    world.say(t, &format!("meets {label}: {}; there {}", said[0], said[1]));
    // Of a stream that went two ways a branch may be early, and headquarters' word may be of another life than the other has heard of.
    let may_refuse = world.tablets.iter().any(|t| t.was_copied) || world.hq.lives.lost() > 0;
    for end in &ends {
        match end {
            Ok(r) => hold!(r.refused == 0 || may_refuse, "{label}: {} things were not taken", r.refused),
            Err(PeerError::Cut) => hold!(cuts != [Cut::Never; 2], "{label}: a whole link was told as a cut"),
            Err(e) => hold!(false, "{label}: a meeting failed: {e}"),
        }
    }
    let is_whole = ends.iter().all(Result::is_ok);
    world.happened(if is_whole { Fault::Met } else { Fault::MeetingCut });
    for (at, before) in [t, u].into_iter().zip(&open) {
        let opened: Vec<Compartment> = world.tablets[at].open().difference(before).cloned().collect();
        hold!(opened.is_empty(), "{}: a meeting opened {opened:?}", world.tablets[at].label);
        world.check_all_records(at)?;
        world.check_queue(at)?;
    }
    if is_whole {
        check_alike(world, [t, u])?;
    }
    asks.tend()?;
    answers.tend()?;
    Ok(())
}

/// Behind a whole meeting both hold the same of what both may read by their roles: each has heard of the other's.
pub fn check_alike(world: &World, of: [usize; 2]) -> Checked {
    let [(a, by_a), (b, by_b)] = of.map(|t| (&world.tablets[t], world.tablets[t].person()));
    let (Some(by_a), Some(by_b), Some(here), Some(there)) = (by_a, by_b, a.store(), b.store()) else { return Ok(()) };
    let has_heard = |t: &Tablet, of: &Person| t.disk.contacts.contains_key(&of.id) && !t.was_copied;
    if !has_heard(a, by_a) || !has_heard(b, by_b) || world.hq.lives.lost() > 0 {
        return Ok(());
    }
    for c in &a.open().intersection(&b.open()).cloned().collect::<BTreeSet<Compartment>>() {
        let is_by_role = |p: &Person| p.may_read().contains(c) && !world.policy.is_touched(&p.id, c);
        if is_by_role(by_a) && is_by_role(by_b) {
            let (ours, theirs) = (here.digest(c).map_err(Broken::from)?, there.digest(c).map_err(Broken::from)?);
            hold!(ours == theirs, "{} and {}: after they met, {c} is not the same on both", a.label, b.label);
        }
    }
    Ok(())
}
