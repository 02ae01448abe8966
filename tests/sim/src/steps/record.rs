//! Records: new ones, amendments, decisions between values. Chooses what officers do and never what it comes to.

use std::collections::BTreeMap;

use daftar_core::authorize::Action;
use daftar_core::change::{Op, PARENTS_MAX};
use daftar_core::compartment::Compartment;
use daftar_core::ids::{ChangeName, RecordId};
use daftar_core::merge::RecordState;
use daftar_core::record::Kind;
use daftar_core::value::{ELEMENT_REMOVED, ElementKey, Path, Value};
use daftar_device::vault::Act;

use super::save::{capture, save};
use crate::broken::Checked;
use crate::content;
use crate::fault::Fault;
use crate::world::World;

/// Officers mostly touch the records of the last days.
const HOT: usize = 10;

/// The compartments that the unlocked officer may write, as far as the device has heard.
fn places(world: &World, t: usize) -> Vec<Compartment> {
    world.tablets[t].store().map(|store| store.allowed(Action::Write)).unwrap_or_default()
}

/// Those of them that are open.
fn writes(world: &World, t: usize) -> Vec<Compartment> {
    let open = world.tablets[t].open();
    places(world, t).into_iter().filter(|c| open.contains(c)).collect()
}

pub fn can_create(world: &World, t: usize) -> bool {
    !places(world, t).is_empty()
}

pub fn can_act(world: &World, t: usize) -> bool {
    let writes = writes(world, t);
    world.tablets[t].disk.held.keys().any(|(c, _)| writes.contains(c))
}

/// A record that the device holds and the officer may write.
pub fn choose(world: &mut World, t: usize) -> Option<(Compartment, RecordId)> {
    let writes = writes(world, t);
    let mut known: Vec<(RecordId, Compartment)> =
        world.tablets[t].disk.held.keys().filter(|(c, _)| writes.contains(c)).map(|(c, r)| (*r, c.clone())).collect();
    known.sort();
    if world.rng.in_hundred(80) {
        known.drain(..known.len().saturating_sub(HOT));
    }
    world.rng.pick(&known).cloned().map(|(r, c)| (c, r))
}

/// The record as the device shows it.
pub fn state(world: &World, t: usize, c: &Compartment, record: &RecordId) -> Option<RecordState> {
    Some(world.tablets[t].store()?.show(c, record).ok()?.item.state)
}

/// On what the act is written: what is shown, or, sometimes, what a form that was opened earlier showed.
pub fn parents(world: &mut World, t: usize, c: &Compartment, record: &RecordId, now: &RecordState) -> Vec<ChangeName> {
    let forms = &mut world.tablets[t].forms;
    if let Some(at) = forms.iter().position(|f| f.record == *record && f.compartment == *c) {
        let form = forms.remove(at);
        if form.heads != now.heads {
            world.happened(Fault::StaleForm);
        }
        return form.heads;
    }
    now.heads.clone()
}

pub fn create(world: &mut World, t: usize) -> Checked {
    let places = places(world, t);
    let Some(c) = world.rng.pick(&places).cloned() else { return Ok(()) };
    let Some(kind) = world.rng.pick(content::kinds(&c)).copied() else { return Ok(()) };
    let parent = world.model.facts().find(|f| f.compartment == c && f.kind == Kind::Seizure).map(|f| f.record);
    let team = world.tablets[t].person().map(|p| p.team.clone()).unwrap_or_default();
    let now = world.tablets[t].device().now_ms();
    let set = content::record(kind, &team, parent, now, &mut world.rng);
    let record = world.tablets[t].device().new_record()?;
    let act = Act::create(c, kind, record, set);
    if world.tablets[t].open().contains(&act.compartment) { save(world, t, &act).map(drop) } else { capture(world, t, &act) }
}

pub fn amend(world: &mut World, t: usize) -> Checked {
    let Some((c, record)) = choose(world, t) else { return Ok(()) };
    let Some(now) = state(world, t, &c, &record) else { return Ok(()) };
    if now.heads.len() > PARENTS_MAX {
        let fold = Act::on(c, record, Op::Resolve, BTreeMap::new());
        return save(world, t, &fold).map(drop);
    }
    let (path, value) = content::field(now.kind, &mut world.rng);
    let is_removed = matches!(&path, Path::Element(list, key, _) if now.is_removed(*list, key));
    if now.hidden || now.conflicts.contains_key(&path) || is_removed {
        return Ok(());
    }
    if world.rng.in_hundred(20) {
        return amend_by_form(world, t, &c, &record, &now);
    }
    let parents = parents(world, t, &c, &record, &now);
    let set = BTreeMap::from([(path, value)]);
    save(world, t, &Act { parents: Some(parents), ..Act::on(c, record, Op::Amend, set) }).map(drop)
}

/// The same by a whole form with one field changed, as the screen does it.
fn amend_by_form(world: &mut World, t: usize, c: &Compartment, record: &RecordId, now: &RecordState) -> Checked {
    let field = Path::Field(13);
    let text = format!("seen again, {}", world.rng.below(4));
    if now.conflicts.contains_key(&field) || now.fields.get(&field) == Some(&Value::Text(text.clone())) || !now.conflicts.is_empty() {
        return Ok(());
    }
    let store = world.tablet(t)?.unlocked_store()?;
    let mut data = store.show(c, record)?.item.data();
    data.insert("remarks".into(), text.clone().into());
    let saved = store.amend_form(c, *record, &now.heads, &data, Some("a closer look".into()))?;
    let set = BTreeMap::from([(field, Value::Text(text))]);
    super::save::told(
        world,
        t,
        &Act { kind: now.kind, parents: Some(now.heads.clone()), ..Act::on(c.clone(), *record, Op::Amend, set) },
        now.kind,
        &saved,
    )
}

pub fn resolve(world: &mut World, t: usize) -> Checked {
    let writes = writes(world, t);
    let store = world.tablet(t)?.unlocked_store()?;
    let mut open: Vec<(RecordId, Compartment)> =
        store.in_conflict()?.into_iter().filter(|i| writes.contains(&i.compartment)).map(|i| (i.record, i.compartment)).collect();
    open.sort();
    let Some((record, c)) = world.rng.pick(&open).cloned() else { return revive(world, t) };
    let Some(now) = state(world, t, &c, &record) else { return Ok(()) };
    if now.heads.len() > PARENTS_MAX {
        let fold = Act::on(c, record, Op::Resolve, BTreeMap::new());
        return save(world, t, &fold).map(drop);
    }
    let all = world.rng.in_hundred(70);
    let mut set = BTreeMap::new();
    for (path, sides) in &now.conflicts {
        if set.is_empty() || all {
            let value = world.rng.pick(sides).map(|s| s.value.clone());
            set.extend(value.map(|v| (path.clone(), v)));
        }
    }
    let parents = parents(world, t, &c, &record, &now);
    world.happened(Fault::Resolved);
    save(world, t, &Act { parents: Some(parents), ..Act::on(c, record, Op::Resolve, set) }).map(drop)
}

/// Says of an element that was brought back against its removal that it stays, or goes.
fn revive(world: &mut World, t: usize) -> Checked {
    let Some((c, record)) = choose(world, t) else { return Ok(()) };
    let Some(now) = state(world, t, &c, &record).filter(|s| !s.hidden && s.heads.len() <= PARENTS_MAX) else { return Ok(()) };
    let back: Vec<(u32, ElementKey)> = now.revived_elements.iter().cloned().collect();
    let Some((list, key)) = world.rng.pick(&back).cloned() else { return Ok(()) };
    let stays = Value::Bool(world.rng.in_hundred(50));
    let set = BTreeMap::from([(Path::Element(list, key, ELEMENT_REMOVED), stays)]);
    save(world, t, &Act::on(c, record, Op::Resolve, set)).map(drop)
}
