//! Elements of keyed lists: added, amended, removed, brought back. Never touches a list that is amended as a whole.

use std::collections::BTreeMap;

use daftar_core::change::{Op, PARENTS_MAX};
use daftar_core::value::{ELEMENT_REMOVED, ElementKey, Path, Value};
use daftar_device::vault::Act;

use super::record::{choose, parents, state};
use super::save::save;
use crate::broken::Checked;
use crate::content;
use crate::world::World;

/// An officer adds an element, or touches one that is there.
pub fn touch(world: &mut World, t: usize) -> Checked {
    let Some((c, record)) = choose(world, t) else { return Ok(()) };
    let Some(now) = state(world, t, &c, &record).filter(|s| !s.hidden && s.heads.len() <= PARENTS_MAX) else { return Ok(()) };
    let Some((list, field)) = content::list(now.kind) else { return Ok(()) };
    let shown = now.shown_elements(list);
    let key = world.rng.pick(&shown).cloned();
    let value = content::element(now.kind, &mut world.rng);
    let set = match (world.rng.below(4), key) {
        (0, Some(key)) => BTreeMap::from([(Path::Element(list, key, ELEMENT_REMOVED), Value::Bool(true))]),
        (1 | 2, Some(key)) => BTreeMap::from([(Path::Element(list, key, field), value)]),
        (_, _) => BTreeMap::from([(Path::Element(list, ElementKey::New(0), field), value)]),
    };
    if set.keys().any(|path| now.conflicts.contains_key(path)) {
        return Ok(());
    }
    let parents = parents(world, t, &c, &record, &now);
    save(world, t, &Act { parents: Some(parents), ..Act::on(c, record, Op::Amend, set) }).map(drop)
}
