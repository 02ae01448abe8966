//! Courier packs: written, carried for as long as it takes, and read late, more than once, in another order or never. No pack moves a queue but
//! by headquarters' receipts in it.

use std::collections::BTreeSet;

use daftar_core::compartment::Compartment;
use daftar_device::pack::{PACK_FILES_BYTES_MAX, PackError, read, write_gift, write_question};

use crate::broken::{Broken, Checked, hold};
use crate::courier::{Pack, Reader};
use crate::fault::Fault;
use crate::link::block_on;
use crate::world::World;

/// So many packs are under way at a time; the oldest is lost when another is written.
const CARRIED_MAX: usize = 12;
/// Room for files in a pack that has little.
const SMALL_BYTES: u64 = 300_000;

pub fn can_write(world: &World, t: usize) -> bool {
    world.tablets[t].unlocked.is_some()
}

pub fn can_answer(world: &World) -> bool {
    world.packs.iter().any(Pack::is_for_hq)
}

pub fn can_read(world: &World, t: usize) -> bool {
    world.packs.iter().any(|p| p.is_for(&world.tablets[t]))
}

/// An officer writes a pack: a question for headquarters, or a gift for another device.
pub fn write(world: &mut World, t: usize) -> Checked {
    let store = world.tablet(t)?.unlocked_store()?;
    let room = if world.rng.in_hundred(70) { PACK_FILES_BYTES_MAX } else { SMALL_BYTES };
    let path = world.pack_path();
    let id = world.tablets[t].id;
    if world.rng.in_hundred(60) {
        let written = block_on(write_question(&store, &path, false, room, &|_| ())).map_err(|e| failed(world, t, "write", &e))?;
        world.say(t, &format!("writes a pack for headquarters, {} changes, {} files", written.changes, written.files));
        carry(world, Pack { path, reader: Reader::Hq { from: id, officer: store.officer() }, was_read: false });
        return world.check_queue(t);
    }
    let others: Vec<_> = world.tablets.iter().map(|o| o.id).filter(|other| *other != id).collect();
    let Some(to) = world.rng.pick(&others).copied() else { return Ok(()) };
    match block_on(write_gift(&store, &to.to_string(), &path, false, room, &|_| ())) {
        Ok(written) => {
            world.say(t, &format!("writes a pack for another device, {} changes, {} files", written.changes, written.files));
            carry(world, Pack { path, reader: Reader::Device(to), was_read: false });
        }
        // It has not heard of that device yet, or nobody there may read what is open here.
        Err(PackError::Writer(_)) => world.say(t, "has nothing to give to another device"),
        Err(e) => return Err(failed(world, t, "write", &e)),
    }
    world.check_queue(t)
}

/// A question arrives at headquarters, whose answer sets off.
pub fn answer(world: &mut World, t: usize) -> Checked {
    let at: Vec<usize> = (0..world.packs.len()).filter(|i| world.packs[*i].is_for_hq()).collect();
    let Some(pack) = world.rng.pick(&at).copied().map(|i| taken(world, i)) else { return Ok(()) };
    let Reader::Hq { from, officer } = pack.reader else { return Ok(()) };
    let out = world.pack_path();
    world.expect_of_exchange(from);
    let answered = world.hq.answer(&pack.path, &out)?;
    world.follow_life()?;
    let reads = world.policy.reads(&officer);
    carry(world, Pack { path: out, reader: Reader::Officer { on: from, officer, reads }, was_read: false });
    world.happened(Fault::PackAnswered);
    world.say(t, &format!("sees headquarters read a pack of {} changes and answer with {} entries", answered.taken, answered.sent));
    Ok(())
}

/// A pack arrives at the device that it is for.
pub fn arrive(world: &mut World, t: usize) -> Checked {
    let at: Vec<usize> = (0..world.packs.len()).filter(|i| world.packs[*i].is_for(&world.tablets[t])).collect();
    let Some(pack) = world.rng.pick(&at).copied().map(|i| taken(world, i)) else { return Ok(()) };
    let store = world.tablet(t)?.unlocked_store()?;
    let (before, closed) = (world.tablets[t].open(), store.closed_why());
    world.expect_of_exchange(world.tablets[t].id);
    let outcome = block_on(read(&store, &pack.path, &|_| ()));
    let said = match &outcome {
        Ok(r) => format!("{} changes, {} files, {} receipted, {} not taken", r.received_changes, r.files_received, r.receipted, r.refused),
        Err(e) => e.code().to_owned(),
    };
    let what = match &pack.reader {
        Reader::Officer { .. } => "headquarters' answer",
        Reader::Device(_) | Reader::Hq { .. } => "another device's gift",
    };
    world.say(t, &format!("reads {what}: {said}"));
    match (&pack.reader, outcome) {
        (Reader::Officer { .. }, Ok(_)) => {
            world.happened(if pack.was_read { Fault::PackAgain } else { Fault::PackRead });
            // From when headquarters wrote it a lease may count.
            world.tablets[t].doubt_leases();
            super::sync::note_locked(world, t, &closed);
            if world.hq.lives.lost() > 0 {
                // It may be of another life, in which headquarters held other work: that waits again.
                world.tablets[t].disk.receipted.clear();
            }
        }
        (Reader::Officer { .. }, Err(PackError::Late(_))) if world.hq.lives.lost() > 0 => {}
        (Reader::Device(_), Ok(_)) => world.happened(Fault::PackGift),
        // Nobody who is unlocked here may read it, or the reference here does not know who wrote it.
        (Reader::Device(_), Err(PackError::NotForUs(_) | PackError::Writer(_))) => {}
        (_, Err(e)) => return Err(failed(world, t, "read", &e)),
        (Reader::Hq { .. }, Ok(_)) => hold!(false, "a device read a question for headquarters"),
    }
    check_opened(world, t, &pack, &before)?;
    world.check_all_records(t)?;
    world.check_queue(t)?;
    store.tend()?;
    Ok(())
}

/// What a pack opened is what headquarters gave; a gift opens nothing.
fn check_opened(world: &World, t: usize, pack: &Pack, before: &BTreeSet<Compartment>) -> Checked {
    let tablet = &world.tablets[t];
    let now = tablet.person().map(|p| world.policy.reads(&p.id)).unwrap_or_default();
    let opened = tablet.open().into_iter().filter(|c| !before.contains(c));
    let wrong: Vec<Compartment> = match &pack.reader {
        Reader::Officer { reads, .. } => opened.filter(|c| !reads.contains(c) && !now.contains(c)).collect(),
        Reader::Device(_) | Reader::Hq { .. } => opened.collect(),
    };
    hold!(wrong.is_empty(), "{}: a pack opened {wrong:?}", tablet.label);
    Ok(())
}

fn carry(world: &mut World, pack: Pack) {
    if world.packs.len() >= CARRIED_MAX {
        world.packs.remove(0);
    }
    world.packs.push(pack);
}

/// A pack out of those under way; every fourth is kept, to be read once more.
fn taken(world: &mut World, at: usize) -> Pack {
    let pack = world.packs[at].clone();
    if world.rng.in_hundred(25) {
        world.packs[at].was_read = true;
    } else {
        world.packs.remove(at);
    }
    pack
}

fn failed(world: &World, t: usize, what: &str, e: &PackError) -> Broken {
    Broken(format!("{}: it could not {what} a pack: {} ({e})", world.tablets[t].label, e.code()))
}
