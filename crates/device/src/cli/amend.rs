//! `amend`: fields of one record are set. Never settles a conflict: that is a decision.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use daftar_core::change::Op;
use daftar_core::ids::RecordId;
use daftar_device::Store;
use daftar_device::vault::Act;
use daftar_wire::json::{parse_path, read_value_text};
use serde_json::json;

use super::fault::Fault;
use super::out::Out;

/// The arguments.
#[derive(Args)]
pub struct Amend {
    /// The record's id.
    id: String,
    /// What is set: `vehicle.colour=green`, `persons.2.phone=null`, `zones=[]`.
    #[arg(required = true, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Why, in a few words that stay with the change.
    #[arg(long)]
    reason: Option<String>,
}

impl Amend {
    /// Amends.
    pub fn run(&self, store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
        let id: RecordId = self.id.parse().map_err(|e: daftar_core::ids::BadId| Fault::refused(e.to_string()))?;
        let compartment = super::status::compartment_of(store, &id)?;
        let kind = store.show(&compartment, &id)?.item.kind;
        let mut set = BTreeMap::new();
        for pair in &self.set {
            let (path, value) = pair.split_once('=').ok_or_else(|| Fault::usage(format!("`{pair}` is not PATH=VALUE")))?;
            let path = parse_path(kind, path).map_err(|e| Fault::refused(e.to_string()))?;
            let value = read_value_text(kind, &path, value).map_err(|e| Fault::refused(e.to_string()))?;
            if set.insert(path, value).is_some() {
                return Err(Fault::refused(format!("`{pair}`: this path is set twice")));
            }
        }
        let act = Act { reason: self.reason.clone(), ..Act::on(compartment, id, Op::Amend, set) };
        let saved = store.save(&act)?;
        store.sign_own(&act.compartment)?;
        out.say(|| json!({"id": id.to_string(), "change": saved.name.to_string()}), || vec![format!("Saved: {id} is amended.")]);
        Ok(0)
    }
}
