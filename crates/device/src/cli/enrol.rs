//! `enrol`: an officer is taken in on this device. Never keeps a code or a PIN.

use std::sync::Arc;

use clap::Args;
use daftar_device::sync::{self, HttpTransport};
use daftar_device::{Store, read_code};
use serde_json::json;

use super::fault::Fault;
use super::out::Out;
use super::{Common, pin};

/// The arguments.
#[derive(Args)]
pub struct Enrol {
    /// The code: one line that begins with `daftar1.`
    code: String,
    /// What people shall call this device.
    #[arg(long, value_name = "NAME", default_value = "device")]
    device_name: String,
    /// A colleague enrolled here, who hands over the compartments that both may use.
    #[arg(long, value_name = "NAME")]
    with: Option<String>,
}

impl Enrol {
    /// Enrols, and syncs for the first time if the link holds.
    pub fn run(&self, common: &Common, out: &Out) -> Result<u8, Fault> {
        let code = read_code(&self.code).map_err(|e| Fault::usage(e.to_string()))?;
        let device = common.device()?;
        let present: Option<Store> = match &self.with {
            Some(handle) => Some(device.unlock(handle, &pin(&format!("PIN of {handle}: "))?)?),
            None => None,
        };
        let new_pin = pin("New PIN: ")?;
        let (enrolling, request) = device.enrol_request(&code, &self.device_name, &new_pin)?;
        let runtime = super::sync::runtime()?;
        let answer = runtime.block_on(sync::enrol(&code, &request))?;
        device.enrolled(&enrolling, &answer, &code, &new_pin, present.as_ref())?;
        drop(present);
        let store = Arc::new(device.unlock(&answer.handle, &new_pin)?);
        let synced = runtime.block_on(async {
            let transport = HttpTransport::new(store.device())?;
            sync::run(&store, &transport, &|_| {}).await
        });
        let compartments: Vec<String> = store.compartments().iter().map(ToString::to_string).collect();
        out.say(
            || {
                json!({"officer": answer.handle, "name": answer.full_name, "device": answer.device.to_string(), "digit": answer.digit,
                       "compartments": compartments, "synced": synced.is_ok()})
            },
            || {
                let state = if synced.is_ok() { "The first sync is done." } else { "The first sync will follow when the link holds." };
                vec![
                    format!("{} ({}) is enrolled on this device.", answer.full_name, answer.handle),
                    format!("Open to this officer: {}.", compartments.join(", ")),
                    state.to_owned(),
                ]
            },
        );
        Ok(0)
    }
}
