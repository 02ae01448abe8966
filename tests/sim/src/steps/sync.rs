//! A sync over whatever link there is. Checks what may have been said over it, and what came of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use daftar_core::compartment::Compartment;
use daftar_core::ids::RecordId;
use daftar_device::Store;
use daftar_device::sync::{FilesReport, LinkError, SyncError, SyncReport, run};
use daftar_device::vault::Why;
use daftar_wire::segment::Segment;

use crate::broken::{Checked, hold};
use crate::fault::Fault;
use crate::link::{Heard, Link, Plan, block_on};
use crate::world::World;

/// Every third time it is a link over which an answer is short, so that the newest comes first.
const SLOW_MS: u64 = 7 * 60 * 1000;
const SLOW_BYTES: u64 = 3000;
/// Old segments that come again in one exchange.
const REPLAYED: usize = 5;

pub fn can(world: &World, t: usize) -> bool {
    world.tablets[t].unlocked.is_some()
}

/// The device syncs over a link that is good as often as not.
pub fn step(world: &mut World, t: usize) -> Checked {
    let (plan, fault) = plan(world, t);
    fault.into_iter().for_each(|f| world.happened(f));
    sync(world, t, plan)
}

fn plan(world: &mut World, t: usize) -> (Plan, Option<Fault>) {
    let rng = &mut world.rng;
    match rng.below(20) {
        0 | 1 => (Plan::CutQuestion { thousandths: rng.below(1001), heard: rng.in_hundred(50) }, Some(Fault::CutQuestion)),
        2 | 3 => (Plan::CutAnswer { thousandths: rng.below(1001) }, Some(Fault::CutAnswer)),
        4 => (Plan::ReplyLost, Some(Fault::ReplyLost)),
        5 => (Plan::Twice, Some(Fault::Twice)),
        6 => (replay(world, t), Some(Fault::Replay)),
        7 => (Plan::AlteredQuestion { segment: rng.number(), byte: rng.number() }, Some(Fault::AlteredUp)),
        8 => (Plan::AlteredAnswer { answer: rng.number(), byte: rng.number() }, Some(Fault::AlteredDown)),
        9 => match rng.below(6) {
            0 => (Plan::Fails(LinkError::Portal), Some(Fault::Portal)),
            1 => (Plan::Fails(LinkError::Busy { retry_after_seconds: Some(30) }), Some(Fault::Busy)),
            2 => (Plan::Fails(LinkError::NotHq("another certificate".into())), Some(Fault::LinkError)),
            3 => (Plan::Fails(LinkError::Refused(403)), Some(Fault::LinkError)),
            4 => (Plan::Fails(LinkError::Status(500)), Some(Fault::LinkError)),
            _ => (Plan::Fails(LinkError::NoLink("unreachable".into())), Some(Fault::LinkError)),
        },
        10 => (Plan::CutFiles { words: rng.below(8) }, None),
        _ => (Plan::Clean, None),
    }
}

/// Mostly the device's own earlier segments: others' are refused at the door.
fn replay(world: &mut World, t: usize) -> Plan {
    let id = world.tablets[t].id;
    let is_own = |bytes: &&Vec<u8>| Segment::outline(bytes).is_ok_and(|o| o.stream.device == id);
    let mut old: Vec<Vec<u8>> = world.sent.iter().filter(is_own).take(REPLAYED).cloned().collect();
    old.extend(world.rng.pick(&world.sent).cloned());
    Plan::Replayed { old, order: world.rng.number() }
}

/// One sync of whoever is unlocked. What headquarters had lost may wait behind a good one, and is gone behind the next.
pub fn sync(world: &mut World, t: usize, plan: Plan) -> Checked {
    let is_good = matches!(plan, Plan::Clean | Plan::Twice);
    exchanged(world, t, plan, false)?;
    let waits = is_good && world.hq.lives.lost() > 0 && !world.hq.is_unconfirmed()? && world.tablet(t)?.unlocked_store()?.waiting()? > 0;
    if waits { exchanged(world, t, Plan::Clean, true) } else { Ok(()) }
}

/// `is_second`: what waited behind a good exchange goes by this one.
fn exchanged(world: &mut World, t: usize, plan: Plan, is_second: bool) -> Checked {
    let store = world.tablet(t)?.unlocked_store()?;
    let name = name(&plan);
    if matches!(plan, Plan::AlteredAnswer { .. }) {
        world.expect_error("an entry of the feed was not taken");
    }
    if matches!(plan, Plan::AlteredQuestion { .. }) {
        // What was altered is not taken, and is missed when heads are compared.
        world.expect_error("what headquarters holds is another log still");
    }
    world.expect_of_exchange(world.tablets[t].id);
    let before = store.closed_why();
    let read = world.tablets[t].person().map(|p| world.policy.reads(&p.id)).unwrap_or_default();
    let (outcome, heard) = exchange(world, t, &store, plan.clone())?;
    world.follow_life()?;
    if heard.files_cut {
        world.happened(Fault::FilesCut);
    }
    if heard.loose > 0 {
        world.happened(Fault::Joined);
    }
    if heard.wanted > 0 {
        world.happened(Fault::Gap);
    }
    if heard.resumed > 0 {
        world.happened(Fault::Resumed);
    }
    if heard.ahead > 0 {
        world.happened(Fault::NewestFirst);
    }
    if outcome.is_err() && heard.answers > 0 {
        // A key may have come back before the answer ended.
        world.tablets[t].doubt_leases();
    }
    if outcome.is_ok() {
        let turns = world.hq.lives.turns();
        let open = world.tablets[t].open();
        world.tablets[t].disk.heard.extend(open.into_iter().map(|c| (c, turns)));
        note_locked(world, t, &before);
        check_access(world, t, &before, &plan)?;
    }
    let said = match &outcome {
        Ok(r) => format!("ok up {} down {} waiting {} in {}{}", r.sent_changes, r.received_changes, r.waiting, r.requests, files(&r.files)),
        Err(e) => format!("{} waiting {}", e.code(), store.waiting()?),
    };
    world.say(t, &format!("syncs {name}: {said}"));
    check_confined(world, t, &read, &heard)?;
    check_outcome(world, t, (&plan, is_second), &outcome, &heard)?;
    check_delivered(world, t, outcome.is_ok() && !matches!(plan, Plan::AlteredAnswer { .. }), &heard)?;
    if heard.wanted > 0 {
        // What headquarters wants again waits again.
        world.tablets[t].disk.receipted.clear();
    }
    world.check_queue(t)?;
    world.keep_sent(heard.segments);
    store.tend()?;
    Ok(())
}

/// The exchange itself.
fn exchange(world: &World, t: usize, store: &Arc<Store>, plan: Plan) -> Checked<(Result<SyncReport, SyncError>, Heard)> {
    let row = world.hq.device(&world.tablets[t].id)?;
    // What was altered is noticed when its past has come: by then another exchange would be blamed.
    let is_slow = !matches!(plan, Plan::AlteredAnswer { .. }) && (world.now_ms / SLOW_MS).is_multiple_of(3);
    let link = Link::new(world.hq.service(), row, plan, is_slow.then_some(SLOW_BYTES), world.cut.clone());
    let outcome = block_on(run(store, &link, &|_| ()));
    Ok((outcome, link.heard()))
}

/// Chunks that a cut met on their way are counted or not, as it happens: nothing is said of them.
fn files(r: &FilesReport) -> String {
    match r.requests {
        0 => String::new(),
        _ => format!(", files: {} receipted, {} came, {} wait", r.receipted, r.received, r.waiting),
    }
}

fn name(plan: &Plan) -> &'static str {
    match plan {
        Plan::Clean => "",
        Plan::Fails(_) => "without a link",
        Plan::CutQuestion { .. } => "with its question cut",
        Plan::CutAnswer { .. } => "with the answer cut",
        Plan::ReplyLost => "and hears nothing",
        Plan::Twice => "twice over",
        Plan::Replayed { .. } => "with old segments, reordered",
        Plan::AlteredQuestion { .. } => "with a byte altered upwards",
        Plan::AlteredAnswer { .. } => "with a byte altered downwards",
        Plan::DropsSilently => "over a link that drops",
        Plan::Leaks(_) => "over a link that leaks",
        Plan::CutFiles { .. } => "and its files are cut",
    }
}

/// No compartment is named to, or sent by, an officer who has no grant there. `read`: what he could read when the exchange began, in which his
/// device may itself have brought what headquarters had lost of its own acts.
fn check_confined(world: &World, t: usize, read: &BTreeSet<Compartment>, heard: &Heard) -> Checked {
    let Some(person) = world.tablets[t].person() else { return Ok(()) };
    let reads = world.policy.reads(&person.id);
    // Of a file that they share goes whatever was written in it on this device.
    let wrote: BTreeSet<Compartment> = world.tablets[t].people.iter().flat_map(|p| world.policy.ever_wrote(&p.id)).collect();
    let leaked: Vec<&Compartment> = heard.named.difference(&reads).filter(|c| !read.contains(c)).collect();
    hold!(leaked.is_empty(), "{}: told of {leaked:?}", person.handle);
    // Of what headquarters lost goes all that he could read as far as the device has heard.
    let sends = if world.hq.lives.lost() > 0 { world.policy.ever_read(&person.id) } else { reads };
    let sent: Vec<&Compartment> =
        heard.sent.iter().filter(|c| !wrote.contains(c) && !sends.contains(c) && **c != Compartment::reference()).collect();
    hold!(sent.is_empty(), "{}: sent {sent:?}", person.handle);
    Ok(())
}

/// What a lease had closed before it was taken from whoever is unlocked: nobody on the device opens it now, and it keeps what headquarters lost.
pub(super) fn note_locked(world: &mut World, t: usize, before: &[(Compartment, Why)]) {
    let Some(officer) = world.tablets[t].person().map(|p| p.id) else { return };
    let reads = world.policy.reads(&officer);
    let locked = &mut world.tablets[t].locked;
    let known = locked.remove(&officer).unwrap_or_default();
    let now = before.iter().map(|(c, _)| c.clone()).chain(known).filter(|c| !reads.contains(c)).collect();
    locked.insert(officer, now);
}

/// Behind a good exchange nothing is open to him that headquarters took, and what a lease had closed is open again.
fn check_access(world: &mut World, t: usize, before: &[(Compartment, Why)], plan: &Plan) -> Checked {
    if world.hq.is_unconfirmed()? {
        // Nobody is told anything, and whose leases begin again is not sure.
        world.happened(Fault::UploadsOnly);
        world.tablets[t].doubt_leases();
        return Ok(());
    }
    world.contact(t, !matches!(plan, Plan::AlteredAnswer { .. }))?;
    let tablet = &world.tablets[t];
    let (Some(person), open, label) = (tablet.person(), tablet.open(), &tablet.label) else { return Ok(()) };
    if !matches!(plan, Plan::Clean | Plan::Twice) {
        return Ok(());
    }
    let reads = world.policy.reads(&person.id);
    // Of what was given since its backup headquarters does not know that it should be closed.
    let had = world.policy.had(&person.id);
    let kept: Vec<&Compartment> = open.difference(&reads).filter(|c| !had.contains(c)).collect();
    hold!(kept.is_empty(), "{label}: {kept:?} are open to {} and were taken from him", person.handle);
    let ended = before.iter().filter(|(c, why)| *why == Why::LeaseEnded && reads.contains(c));
    let closed: Vec<&Compartment> = ended.map(|(c, _)| c).filter(|c| !open.contains(c)).collect();
    hold!(closed.is_empty(), "{label}: {closed:?} stay closed after a contact");
    if before.iter().any(|(_, why)| *why == Why::LeaseEnded) {
        world.happened(Fault::LeaseRenewed);
    }
    Ok(())
}

/// A good link leads to a good sync, and a bad one to the error that names it.
fn check_outcome(
    world: &World,
    t: usize,
    (plan, is_second): (&Plan, bool),
    outcome: &Result<SyncReport, SyncError>,
    heard: &Heard,
) -> Checked {
    let label = &world.tablets[t].label;
    match (plan, outcome) {
        (Plan::Clean | Plan::Twice, Ok(r)) => {
            if r.waiting > 0 {
                let store = world.tablets[t].store();
                let unsent = store.map(|s| s.compartments().iter().map(|c| s.unsent(c)).collect::<Result<Vec<_>, _>>()).transpose()?;
                // What headquarters has lost may be in the file of an officer who is away: what is sealed behind it waits for him.
                let is_away = unsent.iter().flatten().all(Vec::is_empty);
                hold!(
                    world.hq.lives.lost() > 0 && (is_away || !is_second || world.hq.is_unconfirmed()?),
                    "{label}: {} changes wait after a good exchange: {unsent:?}; {} segments were asked for",
                    r.waiting,
                    heard.wanted
                );
            }
            // A stream that went two ways comes by others too, and the branch that it carries on may come later: one of a copied disk, or
            // headquarters' own since it was put back.
            let may_be_early = world.tablets.iter().any(|t| t.was_copied) || world.hq.lives.set_back > 0;
            let refused: Vec<_> = heard.refused.iter().filter(|why| !may_be_early || *why != "bad_signature").collect();
            hold!(refused.is_empty(), "{label}: segments were refused: {refused:?}");
            hold!(r.files.error.is_none(), "{label}: files broke off over a good link: {:?}", r.files);
        }
        (Plan::Clean | Plan::Twice, Err(e)) => hold!(false, "{label}: a good link failed: {e}"),
        (Plan::Fails(link), Err(SyncError::Link(e))) => hold!(e == link, "{label}: {link} was told as {e}"),
        (Plan::Fails(link), other) => hold!(false, "{label}: {link} was told as {other:?}"),
        (Plan::CutQuestion { .. } | Plan::CutAnswer { .. } | Plan::ReplyLost, Ok(_)) => hold!(false, "{label}: a cut was told as success"),
        (Plan::CutQuestion { .. } | Plan::CutAnswer { .. } | Plan::ReplyLost, Err(e)) => {
            hold!(matches!(e, SyncError::Link(LinkError::NoLink(_))), "{label}: a cut was told as {e}");
        }
        (Plan::Replayed { .. } | Plan::AlteredQuestion { .. } | Plan::AlteredAnswer { .. }, Ok(_) | Err(_)) => {}
        (Plan::DropsSilently | Plan::Leaks(_) | Plan::CutFiles { .. }, Ok(_) | Err(_)) => {}
    }
    Ok(())
}

/// What was handed over is there, if the exchange was whole; and every record that it touched is what the model says.
fn check_delivered(world: &mut World, t: usize, whole: bool, heard: &Heard) -> Checked {
    let open = world.tablets[t].open();
    for ((c, record), names) in &heard.delivered {
        let key: (Compartment, RecordId) = (c.clone(), *record);
        if !world.model.records().contains_key(&key) || !open.contains(c) {
            continue;
        }
        world.check_record(t, c, record)?;
        let held = world.tablets[t].disk.held.get(&key);
        let missing: Vec<_> = names.iter().filter(|n| held.is_none_or(|h| !h.contains(n))).collect();
        // Of a record of which nothing counts nothing is shown.
        let reviews = if missing.is_empty() { BTreeSet::new() } else { world.hq.reviews(c)? };
        let missing = missing.into_iter().filter(|n| !reviews.contains(n)).count();
        let label = world.model.label(record);
        hold!(!whole || missing == 0, "{label} in {c}: {missing} changes were handed over and are not there");
    }
    Ok(())
}
