//! What the console's page is sent of devices, grants and changes under review, and how it rules. Holds no sentence.

use serde::{Deserialize, Serialize};

use super::dto::FieldChange;

/// A device with what it may hold.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct DeviceState {
    /// Its 32 hexadecimal digits.
    pub(super) id: String,
    /// What people call it.
    pub(super) name: String,
    /// The team's code.
    pub(super) team: Option<String>,
    /// Its digit in record numbers.
    pub(super) digit: u32,
    /// Not struck off.
    pub(super) active: bool,
    /// When it was last heard, milliseconds of UTC.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub(super) contact_ms: Option<u64>,
    /// How many changes were taken from it.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) taken: u64,
    /// Who is enrolled on it.
    pub(super) officers: Vec<DeviceOfficer>,
    /// What it may hold, of the compartments that are open to the reader; an administrator sees all.
    pub(super) doors: Vec<DoorView>,
    /// `struck_off`, `purge_awaited`, `silent` (not heard for as long as a lease), `admitted` (somebody was let in by a leader).
    pub(super) alarms: Vec<String>,
}

/// An officer on a device.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct DeviceOfficer {
    /// His handle.
    pub(super) handle: String,
    /// What is shown.
    pub(super) name: String,
    /// The handle of the leader who let him in; `null`: headquarters enrolled him.
    pub(super) admitted_by: Option<String>,
}

/// What a device may hold of a compartment for an officer.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct DoorView {
    /// His handle.
    pub(super) officer: String,
    /// Which compartment.
    pub(super) compartment: String,
    /// He may see its records.
    pub(super) read: bool,
    /// He may add to them.
    pub(super) write: bool,
    /// Since when, milliseconds of UTC.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) opened_ms: u64,
    /// Since when it should be shut.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub(super) revoked_ms: Option<u64>,
    /// When the device's word came that it is.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub(super) purged_ms: Option<u64>,
    /// File, photos and index went too.
    pub(super) removed: bool,
}

/// What somebody may do in a compartment.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct GrantView {
    /// His handle.
    pub(super) officer: String,
    /// What is shown.
    pub(super) name: String,
    /// His agency.
    pub(super) agency: String,
    /// His role.
    pub(super) role: String,
    /// He may see its records.
    pub(super) read: bool,
    /// He may add to them.
    pub(super) write: bool,
    /// Until when, milliseconds of UTC; `null`: until it is taken back.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub(super) until_ms: Option<u64>,
    /// When it was taken back.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub(super) revoked_ms: Option<u64>,
    /// It opens the compartment to him at this moment.
    pub(super) open: bool,
}

/// A change that does not count.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct ReviewRow {
    /// The change's 64 hexadecimal digits.
    pub(super) change: String,
    /// Where it is.
    pub(super) compartment: String,
    /// The record's identity; `null`: it cannot be read.
    pub(super) record: Option<String>,
    /// The record's kind.
    pub(super) kind: Option<String>,
    /// `create`, `amend`, `resolve`, `void` or `unvoid`.
    pub(super) op: Option<String>,
    /// The officer's name; his 32 hexadecimal digits if he is not known.
    pub(super) author: Option<String>,
    /// The device's name.
    pub(super) device: String,
    /// When it was written, by the device's clock, milliseconds of UTC.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub(super) at_ms: Option<u64>,
    /// When it came, by the server's clock, milliseconds of UTC.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) received_ms: u64,
    /// `review` or `quarantined`.
    pub(super) verdict: String,
    /// Why: a code, or the words of whoever ruled.
    pub(super) reason: Option<String>,
    /// A person ruled so.
    pub(super) decided: bool,
    /// His handle; `null`: nobody, or at the command line.
    pub(super) decided_by: Option<String>,
    /// What it sets.
    pub(super) changed: Vec<FieldChange>,
    /// The reader may rule on it.
    pub(super) may_decide: bool,
}

/// A page of changes that do not count.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct ReviewList {
    /// What came last first.
    pub(super) rows: Vec<ReviewRow>,
    /// What `before` is for the next page; `null`: this was the last.
    pub(super) next: Option<String>,
}

/// A verdict that somebody gives.
#[derive(Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct VerdictInput {
    /// The change's 64 hexadecimal digits.
    pub(super) change: String,
    /// `accepted`, `review` or `quarantined`.
    pub(super) verdict: String,
    /// Why, in his words.
    pub(super) reason: String,
}

/// What came of it.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct VerdictView {
    /// What stands.
    pub(super) verdict: String,
    /// What stood before.
    pub(super) before: String,
    /// An entry was written; otherwise it stood so already.
    pub(super) written: bool,
}
