//! Photos and other files: kept with a record, sent after the records. Never waits for a link.

use std::io::Cursor;

use daftar_core::change::{Op, PARENTS_MAX};
use daftar_core::record::{self, FILES};
use daftar_core::value::ElementKey;
use daftar_device::vault::{Act, Attachment};

use super::record::{choose, state};
use super::save::told;
use crate::broken::Checked;
use crate::content;
use crate::fault::Fault;
use crate::world::World;

/// An officer takes a picture of what he records, or adds a file.
pub fn attach(world: &mut World, t: usize) -> Checked {
    let Some((c, record)) = choose(world, t) else { return Ok(()) };
    let Some(now) = state(world, t, &c, &record).filter(|s| !s.hidden && s.heads.len() <= PARENTS_MAX) else { return Ok(()) };
    if record::field(now.kind, FILES).is_none() {
        return Ok(());
    }
    let bytes = content::file(&mut world.rng)?;
    let about = Attachment { name: format!("{}.png", world.rng.below(1000)), ..Attachment::default() };
    let attached = world.tablet(t)?.unlocked_store()?.attach(&c, &record, &mut Cursor::new(bytes), &about)?;
    let Some(saved) = attached.saved else { return Ok(()) };
    let set = attached.file.element(&about, &ElementKey::New(0));
    world.photos.insert((c.clone(), record));
    world.happened(Fault::Photo);
    let act = Act { kind: now.kind, parents: Some(now.heads.clone()), ..Act::on(c, record, Op::Amend, set) };
    told(world, t, &act, now.kind, &saved)
}
