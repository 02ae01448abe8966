//! Earlier meetings with a plate, a name or a document, out of the device's own records. Never asks the network.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What is typed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "snake_case", tag = "by", content = "text")]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub enum EncounterQuery {
    /// A plate, folded before it is compared.
    Plate(String),
    /// A person's name in any script.
    Name(String),
    /// A document's number.
    Document(String),
}

/// One earlier meeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "../../ui/shared/generated/")]
pub struct Encounter {
    /// The record's compartment.
    pub compartment: String,
    /// The record.
    pub id: String,
    /// The record's kind.
    pub kind: String,
    /// The record's number for people.
    pub number: String,
    /// When it happened, milliseconds of UTC.
    #[ts(type = "number")]
    pub at_ms: i64,
    /// The post's code.
    pub post: Option<String>,
    /// The code of the direction.
    pub direction: Option<String>,
    /// The code of the result.
    pub result: Option<String>,
    /// The plate as it was written then.
    pub plate: Option<String>,
    /// The code of the vehicle's kind.
    pub vehicle_kind: Option<String>,
    /// The plate's country.
    pub plate_country: Option<String>,
    /// Make and model.
    pub vehicle: Option<String>,
    /// The first person's name.
    pub person: Option<String>,
}
