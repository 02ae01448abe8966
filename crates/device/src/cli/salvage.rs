//! `salvage`: what a damaged file still holds is taken into a new one. Never decides what holds.

use std::sync::Arc;

use clap::Args;
use daftar_core::compartment::Compartment;
use daftar_device::Store;
use daftar_device::vault::Salvaged;
use serde_json::{Value, json};

use super::fault::Fault;
use super::out::Out;

/// The arguments.
#[derive(Args)]
pub struct Salvage {
    /// The compartment; without it every one whose file is damaged, for which all files are looked through.
    #[arg(value_name = "COMPARTMENT")]
    compartment: Option<Compartment>,
}

impl Salvage {
    /// Salvages. Something that this device wrote and that was not found is a refusal, so that nobody passes over it.
    pub fn run(&self, store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
        let damaged = match &self.compartment {
            Some(c) => vec![c.clone()],
            None => store.damaged()?,
        };
        let done = damaged.iter().map(|c| store.salvage(c)).collect::<daftar_device::Result<Vec<_>>>()?;
        out.say(
            || json!({"salvaged": done.iter().map(value).collect::<Vec<_>>()}),
            || {
                if done.is_empty() {
                    return vec!["Every file is whole: there is nothing to salvage.".into()];
                }
                done.iter().flat_map(lines).chain(["Sync to have the rest from headquarters.".to_owned()]).collect()
            },
        );
        Ok(u8::from(done.iter().any(|s| s.own_missing > 0)))
    }
}

fn value(s: &Salvaged) -> Value {
    json!({
        "compartment": s.compartment.to_string(),
        "set_aside": s.set_aside,
        "pages": s.pages,
        "broken_pages": s.broken_pages,
        "own": s.own,
        "waiting": s.waiting,
        "own_missing": s.own_missing,
        "others": s.others,
        "others_missing": s.others_missing,
    })
}

fn lines(s: &Salvaged) -> Vec<String> {
    let mut lines = vec![match &s.set_aside {
        Some(name) => format!(
            "{}: {} of {} pages are damaged. The file is kept as it was, as damaged/{name}.",
            s.compartment, s.broken_pages, s.pages
        ),
        None => format!("{}: the file is gone; a new one was begun.", s.compartment),
    }];
    lines.push(format!("  {} changes of this device were found whole; {} of them wait for headquarters.", s.own, s.waiting));
    lines.push(format!("  {} changes of others were found whole.", s.others));
    if s.own_missing > 0 {
        lines.push(format!(
            "  {} changes of this device were not found, and may not have reached headquarters: look at the last records, and keep the damaged file.",
            s.own_missing
        ));
    }
    if s.others_missing > 0 {
        lines.push(format!("  {} changes that headquarters has were not found; the next sync brings them.", s.others_missing));
    }
    lines
}
