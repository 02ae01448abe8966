//! What the screens say about the way to headquarters. Read from committed rows alone; never a guess about the network.

use serde::Serialize;
use ts_rs::TS;

use super::pack::PackProgress;
use super::record::RecordRow;

/// Why the way to headquarters is not free. A code; the words are the screens'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum SyncTrouble {
    /// No network.
    NoLink,
    /// A network, but headquarters does not answer.
    NoAnswer,
    /// Something else answered in headquarters' place, such as a sign-in page.
    NotHq,
    /// Headquarters asked to come back later.
    Busy,
    /// Headquarters has withdrawn this device's access; unsent work is still taken.
    Revoked,
    /// Headquarters speaks a newer protocol than this program can.
    TooOld,
    /// The disk is full.
    StorageFull,
    /// Headquarters set some changes aside because it could not read them; the rest went through.
    SomeSetAside,
    /// The device found that its own copy was restored or cloned and starts a new branch.
    Forked,
    /// The officer stopped it.
    Stopped,
    /// Something else, to be found in the diagnostic log.
    Unexpected,
}

/// The strip on every screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct SyncStrip {
    /// Records with changes that have no receipt.
    pub waiting: u32,
    /// The time of the last receipt, milliseconds of UTC by headquarters' clock.
    #[ts(type = "number | null")]
    pub last_hq_ms: Option<i64>,
    /// Whether an exchange runs now.
    pub running: bool,
    /// What is stuck and why.
    pub trouble: Option<SyncTrouble>,
    /// Records that need a decision.
    pub needs_decision: u32,
    /// Compartments that headquarters took from the officer and of which he has not been told.
    pub taken: u32,
}

/// The sync screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct SyncView {
    /// The strip.
    pub strip: SyncStrip,
    /// The records that wait, oldest first, at most 200.
    pub waiting: Vec<RecordRow>,
    /// What headquarters has confirmed, by compartment.
    pub receipts: Vec<ReceiptRow>,
    /// The last attempts, newest first.
    pub attempts: Vec<AttemptRow>,
    /// Compartments that are not open here, each with why.
    pub closed: Vec<ClosedRow>,
    /// Photos and other files of this device that headquarters has not.
    pub files_waiting: u32,
    /// Headquarters' address, without secrets.
    pub server: Option<String>,
}

/// What headquarters has confirmed of one compartment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct ReceiptRow {
    /// The compartment.
    pub compartment: String,
    /// Changes of this device that headquarters holds.
    pub held: u32,
    /// Changes of this device.
    pub written: u32,
    /// Of those that are held, so many are in a backup too.
    pub backed_up: u32,
    /// The time of the receipt, milliseconds of UTC.
    #[ts(type = "number | null")]
    pub at_ms: Option<i64>,
}

/// Why a compartment is not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum ClosedWhy {
    /// Its file is damaged or missing.
    Damaged,
    /// A colleague who holds its key, or headquarters, has to hand it over.
    Waits,
    /// The time without a contact is over; a contact opens it again.
    LeaseEnded,
    /// Headquarters took it back; what was not sent is still taken.
    Revoked,
    /// The same, and all that was there is gone from this device; said until the officer has seen it.
    Taken,
}

/// A compartment that is not open to the officer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct ClosedRow {
    /// The compartment.
    pub compartment: String,
    /// Why.
    pub why: ClosedWhy,
    /// Whether work can be saved there all the same; it waits sealed for headquarters.
    pub may_write: bool,
}

/// What a damaged file still held, now in a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct SalvageView {
    /// Changes that were found whole.
    pub found: u32,
    /// Changes of this device that were not found, and of which nothing says that headquarters has them.
    pub missing: u32,
}

/// One attempt to reach headquarters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct AttemptRow {
    /// When, milliseconds of UTC.
    #[ts(type = "number")]
    pub at_ms: i64,
    /// Absent where it went well.
    pub trouble: Option<SyncTrouble>,
    /// Changes sent.
    pub sent: u32,
    /// Changes received.
    pub received: u32,
    /// Parts and files that headquarters did not take; they wait.
    pub refused: u32,
    /// Why parts were not taken, each reason once.
    pub why: Vec<RefusedWhy>,
}

/// Why headquarters did not take a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum RefusedWhy {
    /// It cannot be read there.
    Malformed,
    /// It is of a later version.
    Newer,
    /// It is too large.
    TooLarge,
    /// The signature does not fit.
    BadSignature,
    /// The device that wrote it is not known there.
    UnknownDevice,
    /// The compartment is not known there.
    NoCompartment,
    /// The storage there is full.
    StorageFull,
    /// It could not be kept just now, or for another reason.
    Unavailable,
}

/// How far the running exchange is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct SyncProgress {
    /// Changes confirmed so far.
    pub sent: u32,
    /// Changes to send in all.
    pub to_send: u32,
    /// Changes received so far.
    pub received: u32,
    /// Bytes that went up so far, above TLS.
    #[ts(type = "number")]
    pub bytes_up: u64,
    /// Bytes that came down so far.
    #[ts(type = "number")]
    pub bytes_down: u64,
}

/// What happens without the screen having asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case", tag = "event", content = "data")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum WatchEvent {
    /// The engine was locked, by a command or because nobody touched it.
    Locked,
    /// The strip is another one now.
    Strip(SyncStrip),
    /// The running exchange moved on.
    Progress(SyncProgress),
    /// The pack that is written or read moved on.
    Pack(PackProgress),
}
