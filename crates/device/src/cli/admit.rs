//! `admit`: a leader lets an officer in where there is no network. Decides nothing: the engine judges.

use std::sync::Arc;

use clap::Args;
use daftar_core::compartment::{Agency, BadCompartment, Compartment};
use daftar_core::time::format_time;
use daftar_device::Store;
use daftar_device::vault::Newcomer;
use serde_json::json;

use super::fault::Fault;
use super::out::Out;
use super::{NEW_PIN_VARIABLE, pin_of};

/// The arguments.
#[derive(Args)]
pub struct Admit {
    /// The newcomer's handle, as headquarters writes it.
    #[arg(long)]
    handle: String,
    /// The newcomer's name.
    #[arg(long)]
    name: String,
    /// The newcomer's agency: sss, moi or scc.
    #[arg(long)]
    agency: String,
    /// What is opened to the newcomer; repeat it for more. Without it: what the leader has open and the newcomer's agency may see.
    #[arg(long = "compartment", value_name = "NAME")]
    compartments: Vec<String>,
    /// For how many hours, 72 at most.
    #[arg(long, default_value_t = 24)]
    hours: u64,
}

impl Admit {
    /// Admits.
    pub fn run(&self, store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
        let agency: Agency = self.agency.parse().map_err(|_| Fault::usage(format!("`{}` is no agency: sss, moi or scc", self.agency)))?;
        let named: Vec<Compartment> = self
            .compartments
            .iter()
            .map(|c| c.parse().map_err(|e: BadCompartment| Fault::usage(e.to_string())))
            .collect::<Result<_, _>>()?;
        let who = Newcomer { handle: self.handle.clone(), full_name: self.name.clone(), agency };
        let pin = pin_of(NEW_PIN_VARIABLE, &format!("New PIN of {}: ", self.handle))?;
        let admission = store.admit(&who, &pin, (!named.is_empty()).then_some(&named), self.hours)?;
        let until = format_time(i64::try_from(admission.until_ms).unwrap_or(i64::MAX));
        let opened: Vec<String> = admission.compartments.iter().map(|(c, _)| c.to_string()).collect();
        out.say(
            || json!({"officer": self.handle, "id": admission.officer.to_string(), "until": until, "compartments": opened}),
            || {
                vec![
                    format!("{} ({}) is let in on this device until {until}.", self.name, self.handle),
                    format!("Open to this officer: {}.", opened.join(", ")),
                    "Headquarters is told at the next sync.".to_owned(),
                ]
            },
        );
        Ok(0)
    }
}
