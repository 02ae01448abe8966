//! `conflicts`, `resolve`, `void`, `unvoid`: what officers wrote apart, and a person's decision between it. Never decides by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use daftar_core::change::Op;
use daftar_core::ids::{BadId, RecordId};
use daftar_core::record::Kind;
use daftar_core::time::format_time;
use daftar_core::value::{Path, Value};
use daftar_device::Store;
use daftar_device::vault::{Act, Conflict, RecordView};
use daftar_wire::json::{format_path, parse_path, read_value_text, write_value};
use serde_json::{Value as Json, json};

use super::fault::Fault;
use super::out::Out;

/// The arguments of `resolve`.
#[derive(Args)]
pub struct Resolve {
    /// The record's id.
    id: String,
    /// The field, as `conflicts` names it: `vehicle.colour`, `persons.2.phone`.
    field: String,
    /// The number of the value that stands, as `conflicts` counts them.
    #[arg(long, value_name = "N", required_unless_present = "value", conflicts_with = "value")]
    take: Option<usize>,
    /// Another value instead of those that were written.
    #[arg(long, value_name = "VALUE")]
    value: Option<String>,
    /// Why, in a few words that stay with the decision.
    #[arg(long)]
    reason: Option<String>,
}

/// The arguments of `void` and `unvoid`.
#[derive(Args)]
pub struct Void {
    /// The record's id.
    id: String,
    /// Why, in a few words that stay with the change.
    #[arg(long)]
    reason: String,
}

fn record_id(text: &str) -> Result<RecordId, Fault> {
    text.parse().map_err(|e: BadId| Fault::refused(e.to_string()))
}

/// One value of a field in conflict, with who wrote it and when.
struct Side {
    value: Value,
    change: String,
    author: String,
    at: String,
}

fn sides(store: &Store, view: &RecordView, conflict: &Conflict) -> Result<Vec<Side>, Fault> {
    let mut sides = Vec::with_capacity(conflict.sides.len());
    for (change, value) in &conflict.sides {
        let entry = view.history.iter().find(|h| h.change == *change);
        let author = match entry {
            Some(h) => store.handle_of(&h.author)?.unwrap_or_else(|| h.author.to_string()),
            None => String::new(),
        };
        let at = entry.map(|h| format_time(i64::try_from(h.stamp.ms).unwrap_or(i64::MAX))).unwrap_or_default();
        sides.push(Side { value: value.clone(), change: change.to_string(), author, at });
    }
    Ok(sides)
}

fn listed(kind: Kind, path: &Path, sides: &[Side]) -> Json {
    let values = sides.iter().zip(1..).map(|(s, n): (_, usize)| {
        json!({"n": n, "value": write_value(kind, path, &s.value), "author": s.author, "at": s.at, "change": s.change, "shown": n == 1})
    });
    json!({"field": format_path(kind, path), "values": values.collect::<Vec<_>>()})
}

/// Lists what needs a decision.
pub fn conflicts(store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
    let (mut all, mut lines) = (Vec::new(), Vec::new());
    for item in store.in_conflict()? {
        let view = store.show(&item.compartment, &item.record)?;
        let (kind, name) = (item.kind, item.summary());
        lines.push(format!("{}  {}  {}  {}", item.record, name.number.unwrap_or_default(), name.headline, item.compartment));
        let mut fields = Vec::new();
        for conflict in &view.conflicts {
            let sides = sides(store, &view, conflict)?;
            lines.push(format!("  {}", format_path(kind, &conflict.path)));
            let value = |s: &Side| write_value(kind, &conflict.path, &s.value);
            lines.extend(sides.iter().zip(1..).map(|(s, n)| format!("    {n}  {}  {}  {}", value(s), s.author, s.at)));
            fields.push(listed(kind, &conflict.path, &sides));
        }
        let kind = kind.name().map_or_else(|| format!("#{}", kind.number()), str::to_owned);
        all.push(json!({"id": item.record.to_string(), "kind": kind, "compartment": item.compartment.to_string(), "conflicts": fields}));
    }
    out.say(
        || all.into(),
        || {
            if lines.is_empty() {
                return vec!["No record needs a decision.".into()];
            }
            lines.push("Decide with: daftar resolve ID FIELD --take N".into());
            lines
        },
    );
    Ok(0)
}

impl Resolve {
    /// Decides.
    pub fn run(&self, store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
        let id = record_id(&self.id)?;
        let compartment = super::status::compartment_of(store, &id)?;
        let view = store.show(&compartment, &id)?;
        let kind = view.item.kind;
        let path = parse_path(kind, &self.field).map_err(|e| Fault::refused(e.to_string()))?;
        let conflict = view.conflicts.iter().find(|c| c.path == path);
        let conflict = conflict.ok_or_else(|| Fault::refused(format!("`{}` is not in conflict in this record", self.field)))?;
        let value = match (&self.value, self.take) {
            (Some(text), _) => read_value_text(kind, &path, text).map_err(|e| Fault::refused(e.to_string()))?,
            (None, n) => {
                let n = n.unwrap_or(0);
                let side = n.checked_sub(1).and_then(|i| conflict.sides.get(i));
                let has = conflict.sides.len();
                side.ok_or_else(|| Fault::refused(format!("`{}` has the values 1 to {has}; there is no value {n}", self.field)))?.1.clone()
            }
        };
        let taken = write_value(kind, &path, &value);
        let set = BTreeMap::from([(path, value)]);
        // On the heads that were looked at: what another officer writes meanwhile stays beside the decision.
        let parents = Some(view.item.state.heads.clone());
        let act = Act { reason: self.reason.clone(), parents, ..Act::on(compartment, id, Op::Resolve, set) };
        let saved = store.save(&act)?;
        store.sign_own(&act.compartment)?;
        out.say(
            || json!({"id": id.to_string(), "field": self.field, "value": taken, "change": saved.name.to_string()}),
            || vec![format!("Saved: `{}` of {id} is {taken}.", self.field)],
        );
        Ok(0)
    }
}

impl Void {
    /// Voids a record, or brings it back.
    pub fn run(&self, store: &Arc<Store>, op: Op, out: &Out) -> Result<u8, Fault> {
        let id = record_id(&self.id)?;
        let act = Act { reason: Some(self.reason.clone()), ..Act::on(super::status::compartment_of(store, &id)?, id, op, BTreeMap::new()) };
        let saved = store.save(&act)?;
        store.sign_own(&act.compartment)?;
        out.say(
            || json!({"id": id.to_string(), "op": op.name(), "change": saved.name.to_string()}),
            || vec![format!("Saved: {id}: {}.", op.name())],
        );
        Ok(0)
    }
}
