//! What can happen, and how often. Each noun has a file with two functions: may it happen here now, and do it.

mod absence;
mod admission;
mod backup;
mod clock;
mod courier;
mod element;
mod form;
mod hq;
pub mod life;
pub mod meeting;
mod person;
mod photo;
mod policy;
mod process;
mod record;
mod refused;
mod rogue;
mod save;
pub mod sync;
mod void;

use crate::broken::Checked;
use crate::world::World;

/// Something that can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// An officer records something new.
    Create,
    /// He amends a field, on what he sees or on a form opened earlier.
    Amend,
    /// He adds, amends or removes an element of a list.
    Element,
    /// He opens a form and leaves it open.
    OpenForm,
    /// He decides between values.
    Resolve,
    /// He voids a record.
    Void,
    /// He lifts a void.
    Unvoid,
    /// He does what must be refused.
    Refused,
    /// An officer unlocks.
    Unlock,
    /// He locks.
    Lock,
    /// Another one unlocks instead.
    Change,
    /// The process is killed.
    Kill,
    /// A sync over a good or bad link.
    Sync,
    /// He adds a photo or another file to a record.
    Attach,
    /// He writes a courier pack.
    WritePack,
    /// Headquarters reads one and answers.
    AnswerPack,
    /// One arrives at a device.
    ReadPack,
    /// Two devices exchange with no server between.
    Meet,
    /// A leader lets a replacement in.
    Admit,
    /// The device's clock jumps.
    Clock,
    /// The device is away for long.
    Absence,
    /// The rogue device sends something.
    Rogue,
    /// A copy of the folder is taken.
    Backup,
    /// The copy is put back.
    PutBack,
    /// The folder is copied and both run.
    Clone,
    /// Headquarters gives an officer a compartment.
    Grant,
    /// It takes one from him.
    Revoke,
    /// Headquarters restarts.
    ServerRestart,
    /// Headquarters' clock jumps.
    ServerClock,
    /// Headquarters is backed up.
    ServerBackup,
    /// It is restored from its backup.
    Restore,
    /// An administrator confirms that.
    Confirm,
    /// A copy of its folder is taken.
    ServerCopy,
    /// The copy is put back.
    SetBack,
}

/// Every step with its weight: how often it comes beside the others that are possible.
const ALL: [(Step, u64); 34] = [
    (Step::Create, 160),
    (Step::Amend, 200),
    (Step::Element, 90),
    (Step::OpenForm, 80),
    (Step::Resolve, 120),
    (Step::Void, 20),
    (Step::Unvoid, 40),
    (Step::Refused, 20),
    (Step::Unlock, 900),
    (Step::Lock, 20),
    (Step::Change, 20),
    (Step::Kill, 20),
    (Step::Sync, 220),
    (Step::Attach, 16),
    (Step::WritePack, 16),
    (Step::AnswerPack, 12),
    (Step::ReadPack, 60),
    (Step::Meet, 24),
    (Step::Admit, 4),
    (Step::Clock, 10),
    (Step::Absence, 1),
    (Step::Rogue, 12),
    (Step::Backup, 6),
    (Step::PutBack, 20),
    (Step::Clone, 1),
    (Step::Grant, 6),
    (Step::Revoke, 5),
    (Step::ServerRestart, 8),
    (Step::ServerClock, 3),
    (Step::ServerBackup, 3),
    (Step::Restore, 4),
    (Step::Confirm, 20),
    (Step::ServerCopy, 2),
    (Step::SetBack, 1),
];

impl Step {
    fn is_possible(self, world: &World, t: usize) -> bool {
        match self {
            Self::Create => record::can_create(world, t),
            Self::Attach | Self::Amend | Self::Element | Self::OpenForm | Self::Void | Self::Refused => record::can_act(world, t),
            Self::Resolve | Self::Unvoid => record::can_act(world, t),
            Self::Unlock => person::can_unlock(world, t),
            Self::Lock => person::can_lock(world, t),
            Self::Change => person::can_change(world, t),
            Self::Kill => true,
            Self::Sync => sync::can(world, t),
            Self::WritePack => courier::can_write(world, t),
            Self::AnswerPack => courier::can_answer(world),
            Self::ReadPack => courier::can_read(world, t),
            Self::Meet => meeting::can(world, t),
            Self::Admit => admission::can(world, t),
            Self::Grant | Self::Revoke | Self::Clock | Self::Rogue | Self::ServerRestart | Self::ServerClock => true,
            Self::ServerBackup => world.size.losses,
            Self::Restore => life::can_restore(world),
            Self::Confirm => life::can_confirm(world),
            Self::ServerCopy => life::can_copy(world),
            Self::SetBack => life::can_set_back(world),
            Self::Absence => absence::can(world, t),
            Self::Backup => backup::can_take(world, t),
            Self::PutBack => backup::can_put_back(world, t),
            Self::Clone => backup::can_clone(world, t),
        }
    }

    fn take(self, world: &mut World, t: usize) -> Checked {
        match self {
            Self::Create => record::create(world, t),
            Self::Amend => record::amend(world, t),
            Self::Element => element::touch(world, t),
            Self::OpenForm => form::open(world, t),
            Self::Resolve => record::resolve(world, t),
            Self::Void => void::void(world, t),
            Self::Unvoid => void::unvoid(world, t),
            Self::Refused => refused::attempt(world, t),
            Self::Unlock => person::unlock_any(world, t),
            Self::Lock => person::lock(world, t),
            Self::Change => person::unlock_any(world, t),
            Self::Kill => process::kill(world, t),
            Self::Sync => sync::step(world, t),
            Self::Attach => photo::attach(world, t),
            Self::WritePack => courier::write(world, t),
            Self::AnswerPack => courier::answer(world, t),
            Self::ReadPack => courier::arrive(world, t),
            Self::Meet => meeting::meet(world, t),
            Self::Admit => admission::admit(world, t),
            Self::Clock => clock::jump(world, t),
            Self::Absence => absence::begin(world, t),
            Self::Rogue => rogue::act(world),
            Self::Backup => backup::take(world, t),
            Self::PutBack => backup::put_back(world, t),
            Self::Clone => backup::clone(world, t),
            Self::Grant => policy::grant(world, t),
            Self::Revoke => policy::revoke(world, t),
            Self::ServerRestart => hq::restart(world, t),
            Self::ServerClock => hq::clock(world, t),
            Self::ServerBackup => life::back_up(world, t),
            Self::Restore => life::restore(world, t),
            Self::Confirm => life::confirm(world, t),
            Self::ServerCopy => life::copy(world, t),
            Self::SetBack => life::set_back(world, t),
        }
    }
}

/// Something happens somewhere.
pub fn act(world: &mut World) -> Checked {
    world.steps += 1;
    world.pass_time();
    for tablet in &mut world.tablets {
        tablet.away = tablet.away.saturating_sub(1);
    }
    let here: Vec<usize> = (0..world.tablets.len()).filter(|t| world.tablets[*t].away == 0).collect();
    let Some(t) = world.rng.pick(&here).copied() else { return Ok(()) };
    if world.tablets[t].unlocked.is_some() {
        world.check_leases(t)?;
    }
    let possible: Vec<(Step, u64)> = ALL.into_iter().filter(|(step, _)| step.is_possible(world, t)).collect();
    let mut at = world.rng.below(possible.iter().map(|p| p.1).sum());
    for (step, weight) in possible {
        if at < weight {
            step.take(world, t)?;
            break;
        }
        at -= weight;
    }
    world.check_errors()
}

pub use person::unlock;
pub use record::create;
