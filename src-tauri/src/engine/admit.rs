//! The admission's calls. Judges nothing: the engine does. No PIN outlives its call.

use daftar_core::compartment::{Agency, Compartment};
use daftar_device::keyring::PIN_CHARS_MIN;
use daftar_device::vault::{ADMISSION_HOURS_MAX, Newcomer};
use zeroize::Zeroizing;

use super::Engine;
use super::fault::ui;
use crate::dto::admit::{AdmitInput, AdmitOptions, Admitted};
use crate::error::{AdmitWhy, UiError, UiResult};

impl Engine {
    pub fn admit_options(&self) -> UiResult<AdmitOptions> {
        let store = self.store()?;
        let closed = store.closed();
        let reference = Compartment::reference();
        // The reference is opened to everybody and is no choice.
        let open = store.compartments().into_iter().filter(|c| *c != reference && !closed.contains(c));
        Ok(AdmitOptions {
            may_admit: store.may_admit(),
            compartments: open.map(|c| c.to_string()).collect(),
            hours_max: ADMISSION_HOURS_MAX as u32,
            pin_chars_min: PIN_CHARS_MIN as u32,
        })
    }

    pub fn admit(&self, input: AdmitInput) -> UiResult<Admitted> {
        let pin = Zeroizing::new(input.pin);
        let store = self.store()?;
        let who = Newcomer {
            handle: input.code.trim().to_owned(),
            full_name: input.name.trim().to_owned(),
            agency: input.agency.parse::<Agency>().map_err(|_| UiError::NotFound)?,
        };
        let named: Vec<Compartment> =
            input.compartments.iter().map(|c| c.parse().map_err(|_| UiError::NotFound)).collect::<UiResult<_>>()?;
        if self.device()?.keyring().officers().map_err(ui)?.iter().any(|o| o.handle == who.handle) {
            return Err(UiError::NotAdmitted { why: AdmitWhy::HereAlready });
        }
        let admission = store.admit(&who, &pin, Some(&named), input.hours.into()).map_err(ui)?;
        self.nudge.now();
        Ok(Admitted {
            code: who.handle,
            name: who.full_name,
            until_ms: i64::try_from(admission.until_ms).unwrap_or(i64::MAX),
            compartments: admission.compartments.iter().map(|(c, _)| c.to_string()).collect(),
        })
    }
}
