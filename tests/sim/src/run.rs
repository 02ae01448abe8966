//! One seed from its first day to its last: steps, quiet points, and what is said of it. Never goes on after a rule was broken.

use std::collections::BTreeSet;

use daftar_core::compartment::Compartment;

use crate::broken::Checked;
use crate::fault::Fault;
use crate::link::Plan;
use crate::steps;
use crate::trace::Trace;
use crate::world::{Size, World};

/// Days between two quiet points.
const QUIET_EVERY_DAYS: u64 = 6;

/// How a seed went.
#[derive(Debug, Clone)]
pub struct Went {
    /// What happened.
    pub trace: Trace,
    /// Which faults.
    pub seen: BTreeSet<Fault>,
    /// How many steps.
    pub steps: u64,
    /// How many changes were made.
    pub changes: usize,
    /// The rule that was broken.
    pub broken: Option<String>,
}

/// Runs a seed.
pub fn run(seed: u64, size: Size) -> Went {
    match World::new(seed, size) {
        Ok(mut world) => {
            let outcome = live(&mut world);
            went(&world, outcome)
        }
        Err(e) => Went { trace: Trace::default(), seen: BTreeSet::new(), steps: 0, changes: 0, broken: Some(e.0) },
    }
}

/// What is said of a world that was left with this outcome.
pub fn went(world: &World, outcome: Checked) -> Went {
    Went {
        trace: world.trace.clone(),
        seen: world.seen.clone(),
        steps: world.steps,
        changes: world.model.facts().count(),
        broken: outcome.err().map(|e| e.0),
    }
}

/// Lets the world live its days.
pub fn live(world: &mut World) -> Checked {
    let per_day = world.size.acts_per_day * world.size.devices as u64;
    let steps = world.size.days * per_day;
    for step in 1..=steps {
        steps::act(world)?;
        if step % (QUIET_EVERY_DAYS * per_day) == 0 || step == steps {
            quiet(world, step == steps)?;
        }
    }
    Ok(())
}

/// Nothing goes wrong for a while: every officer of every device exchanges twice, and all is compared.
pub fn quiet(world: &mut World, thorough: bool) -> Checked {
    world.tablets.iter_mut().for_each(|t| t.away = 0);
    world.warp.0 = 0;
    steps::life::settle(world)?;
    each_officer(world, |world, t| steps::sync::sync(world, t, Plan::Clean))?;
    world.check_hq()?;
    let one = world.rng.place(world.tablets.len());
    each_officer(world, |world, t| {
        steps::sync::sync(world, t, Plan::Clean)?;
        world.check_quiet(t, thorough || t == one)
    })?;
    settle(world);
    world.happened(Fault::Quiet);
    world.trace.say(format!("{:05} quiet: headquarters has {} changes", world.steps, world.at_hq.len()));
    world.check_errors()
}

/// Everybody has heard of every grant and revocation: what a device may have had to give up is gone.
fn settle(world: &mut World) {
    for tablet in &mut world.tablets {
        tablet.may_lose.clear();
        let readable: BTreeSet<Compartment> = tablet.people.iter().flat_map(|p| world.policy.reads(&p.id)).collect();
        tablet.disk.held.retain(|(c, _), _| readable.contains(c));
    }
}

fn each_officer(world: &mut World, mut f: impl FnMut(&mut World, usize) -> Checked) -> Checked {
    for t in 0..world.tablets.len() {
        for person in 0..world.tablets[t].people.len() {
            steps::unlock(world, t, person)?;
            f(world, t)?;
            world.check_errors()?;
        }
        world.tablet(t)?.lock()?;
    }
    Ok(())
}
