//! What the console's page is sent and sends, as JSON. Holds no sentence: the page has the words, in four languages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Who logs in.
#[derive(Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct LoginInput {
    /// The officer's handle.
    pub(super) name: String,
    /// His password.
    pub(super) password: String,
}

/// A session, as it begins and whenever it is asked for.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct SessionView {
    /// Whose.
    pub(super) officer: OfficerView,
    /// What every request that changes something must bear in the header `x-csrf-token`.
    pub(super) csrf: String,
    /// Whether he sees records at all.
    pub(super) sees_records: bool,
    /// The compartments that are open to him now.
    pub(super) compartments: Vec<String>,
    /// The teams that he may narrow a list to.
    pub(super) teams: Vec<String>,
    /// The posts' names by code.
    pub(super) posts: BTreeMap<String, String>,
    /// The operations' names by the last part of their compartment.
    pub(super) operations: BTreeMap<String, String>,
    /// After so many seconds without an act the session ends.
    pub(super) idle_seconds: u32,
    /// The program's version.
    pub(super) version: String,
}

/// An officer.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct OfficerView {
    /// His handle.
    pub(super) handle: String,
    /// What is shown.
    pub(super) name: String,
    /// `leader`, `oct`, `analyst` or `admin`.
    pub(super) role: String,
    /// `sss`, `moi` or `scc`.
    pub(super) agency: String,
    /// His team's code.
    pub(super) team: Option<String>,
}

/// How far the console is behind.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct LagView {
    /// Entries of feeds that are not in the console's tables yet.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) lag: u64,
}

/// A record in a list.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct RecordRow {
    /// Its compartment.
    pub(super) compartment: String,
    /// Its identity within the compartment.
    pub(super) id: String,
    /// Its kind.
    pub(super) kind: String,
    /// Its number for people.
    pub(super) number: Option<String>,
    /// When it was, milliseconds of UTC.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) at_ms: i64,
    /// The team's code.
    pub(super) team: Option<String>,
    /// The post's code.
    pub(super) post: Option<String>,
    /// The plate that it is about.
    pub(super) plate: Option<String>,
    /// What it is about, in the words of the record.
    pub(super) headline: String,
    /// The code that tells most: result, purpose, handling.
    pub(super) detail: Option<String>,
    /// The first person's name.
    pub(super) person: Option<String>,
    /// The code of the vehicle's kind.
    pub(super) vehicle_kind: Option<String>,
    /// The code of the direction.
    pub(super) direction: Option<String>,
    /// The first words of remarks or observations.
    pub(super) excerpt: Option<String>,
    /// Fields with more than one value.
    pub(super) conflicts: u32,
    /// It was declared void.
    pub(super) voided: bool,
    /// It was declared void and stands again, because a change did not see that.
    pub(super) revived: bool,
    /// A change before one of its changes has not come.
    pub(super) missing_earlier: bool,
    /// How many changes count.
    pub(super) changes: u32,
    /// When its last change came, by the server's clock, milliseconds of UTC.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) touched_ms: u64,
}

/// A page of a list.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct RecordList {
    /// Newest first.
    pub(super) rows: Vec<RecordRow>,
    /// What `before` is for the next page; `null`: this was the last.
    pub(super) next: Option<String>,
}

/// A record's page.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct RecordPage {
    /// The row that stands for it.
    pub(super) row: RecordRow,
    /// Its fields, as the forms hold them.
    #[cfg_attr(test, ts(type = "Record<string, unknown>"))]
    pub(super) data: Json,
    /// Elements that were removed and stand again, as paths: `persons.2`.
    pub(super) revived_elements: Vec<String>,
    /// Fields with more than one value.
    pub(super) conflicts: Vec<Conflict>,
    /// The acts on it, newest first; of very many only the newest.
    pub(super) history: Vec<HistoryEntry>,
    /// How many acts there are.
    pub(super) history_total: u32,
    /// Records that it names.
    pub(super) links: Vec<RecordRow>,
    /// Names of the officers in it, by handle.
    pub(super) people: BTreeMap<String, String>,
    /// The files that it names.
    pub(super) files: Vec<FileView>,
    /// How many of them are here whole.
    pub(super) files_at_hq: u32,
}

/// A file that a record names.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct FileView {
    /// Its 64 hexadecimal digits: `/api/files/<compartment>/<these>` gives its bytes once it is whole.
    pub(super) sha256: String,
    /// Its name, as the officer knows it.
    pub(super) name: Option<String>,
    /// What it is said to be, such as `image/jpeg`.
    pub(super) media_type: Option<String>,
    /// Its bytes; `null` as long as nobody has said.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub(super) size_bytes: Option<u64>,
    /// What the officer wrote under it.
    pub(super) caption: Option<String>,
    /// Its chunks.
    pub(super) chunks: u32,
    /// Those that are here.
    pub(super) chunks_held: u32,
    /// All of it is here and fits its name.
    pub(super) whole: bool,
    /// The thumbnail's digits, once that is here: `/api/thumbnails/<compartment>/<these>` shows it.
    pub(super) thumbnail: Option<String>,
}

/// A field with more than one value.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct Conflict {
    /// The field's path.
    pub(super) path: String,
    /// The values, the one that is shown first.
    pub(super) versions: Vec<Version>,
}

/// One of a field's values.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct Version {
    /// The change that set it.
    pub(super) change: String,
    /// The value.
    #[cfg_attr(test, ts(type = "unknown"))]
    pub(super) value: Json,
    /// Who wrote it; `null` if that change is not among those that are shown.
    pub(super) author: Option<String>,
    /// On which device.
    pub(super) device: Option<String>,
    /// When, by that device's clock, milliseconds of UTC.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub(super) at_ms: Option<u64>,
}

/// One act on a record.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct HistoryEntry {
    /// The change's 64 hexadecimal digits.
    pub(super) change: String,
    /// `create`, `amend`, `resolve`, `void` or `unvoid`.
    pub(super) op: String,
    /// The officer's name; his 32 hexadecimal digits if he is not known.
    pub(super) author: String,
    /// The officer's agency.
    pub(super) agency: Option<String>,
    /// The device's name; its 32 hexadecimal digits if it is not known.
    pub(super) device: String,
    /// When, by the device's clock, milliseconds of UTC.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) at_ms: u64,
    /// When it came, by the server's clock, milliseconds of UTC.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) received_ms: u64,
    /// `unknown`, `recent` or `stale`.
    pub(super) clock_quality: String,
    /// Headquarters' time minus the device's, milliseconds.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) clock_offset_ms: i64,
    /// The officer's own signature covers it, and holds.
    pub(super) attested: bool,
    /// `accepted`, `review` or `quarantined`.
    pub(super) verdict: String,
    /// Why it does not count, as a code.
    pub(super) verdict_reason: Option<String>,
    /// Why, in the officer's words.
    pub(super) reason: Option<String>,
    /// What it set was erased by order.
    pub(super) erased: bool,
    /// What it set.
    pub(super) changed: Vec<FieldChange>,
}

/// A field that an act set.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct FieldChange {
    /// The field's path.
    pub(super) path: String,
    /// What the officer saw there before; absent where nothing had been asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "unknown"))]
    pub(super) before: Option<Json>,
    /// What he wrote.
    #[cfg_attr(test, ts(type = "unknown"))]
    pub(super) after: Json,
}

/// The state of things.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct Overview {
    /// The server's time, milliseconds of UTC.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) now_ms: u64,
    /// Since when the server is one that was restored and not confirmed: it takes what devices send, and sends nothing.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub(super) restored_ms: Option<u64>,
    /// When its database was found set back without a restore.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub(super) set_back_ms: Option<u64>,
    /// Entries of feeds that are not in the console's tables yet.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) lag: u64,
    /// Records that need a decision.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) conflicts: u64,
    /// Changes under review.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) in_review: u64,
    /// Changes that were set aside.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) quarantined: u64,
    /// Files that records name and that are not whole here.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) files_waiting: u64,
    /// Files that are here and that no record names yet.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) files_without_record: u64,
    /// Records by compartment and kind.
    pub(super) counts: Vec<Count>,
    /// Devices, those that were heard last first.
    pub(super) devices: Vec<DeviceView>,
}

/// How many records of a kind a compartment holds.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct Count {
    /// Which compartment.
    pub(super) compartment: String,
    /// The team that it belongs to.
    pub(super) team: Option<String>,
    /// The kind.
    pub(super) kind: String,
    /// Since midnight in Uzbekistan.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) today: u64,
    /// All.
    #[cfg_attr(test, ts(type = "number"))]
    pub(super) all: u64,
}

/// A device.
#[derive(Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(export, export_to = "../../ui/shared/generated/console/"))]
pub(super) struct DeviceView {
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
}
