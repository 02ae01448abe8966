//! A find that was taken: its fields and code lists. Holds no exhibit: each is a record of its own.

use super::schema::{FILES_FIELD, Field, LINE, LINKS, LONG, MONEY, NAME, NUMBER, OFFICERS, PLACE, Shape, UTC_OFFSET, f};
use super::view::view;

/// An attesting witness.
pub const WITNESS: &[Field] = &[
    f(2, "family_name", NAME),
    f(3, "given_name", NAME),
    f(4, "patronymic", NAME),
    f(5, "phone", NUMBER),
    f(6, "address", LINE),
    f(7, "document_number", NUMBER),
];

/// The fields of a seizure.
pub const FIELDS: &[Field] = &[
    f(1, "number", NUMBER),
    f(2, "team", Shape::Code),
    f(3, "agency", Shape::Code),
    f(4, "post", Shape::Code),
    f(5, "occurred_at", Shape::Time),
    f(6, "occurred_to", Shape::Time),
    f(7, "utc_offset_minutes", UTC_OFFSET),
    f(8, "place", Shape::Group(PLACE)),
    f(9, "legal_basis", LINE),
    f(10, "retention_date", Shape::Date),
    f(11, "status", Shape::Code),
    f(12, "links", LINKS),
    f(13, "remarks", LONG),
    f(14, "occurred_precision", Shape::Code),
    FILES_FIELD,
    f(20, "inspection", Shape::Record),
    f(21, "operation", Shape::Code),
    f(22, "phase", Shape::Code),
    f(23, "routing", Shape::Code),
    f(24, "installation", Shape::Code),
    f(25, "transport", Shape::Code),
    f(26, "hiding_place", Shape::Code),
    f(27, "producing_country", Shape::Code),
    f(28, "departure_country", Shape::Code),
    f(29, "transit_country", Shape::Code),
    f(30, "destination_country", Shape::Code),
    f(31, "concealment_type", Shape::Code),
    f(32, "concealment_zone", Shape::Code),
    f(33, "detection_method", Shape::Code),
    f(34, "legal_article", NUMBER),
    f(35, "protocol_number", NUMBER),
    f(36, "witnesses", Shape::List(WITNESS)),
    f(37, "video_reference", NUMBER),
    f(38, "value_minor", MONEY),
    f(39, "value_currency", Shape::Code),
    f(40, "officers", OFFICERS),
];

/// How it was hidden.
pub const CONCEALMENT_TYPES: &[&str] =
    &["natural_void", "modified_void", "built_compartment", "in_load", "in_goods", "on_body", "in_body", "cache", "airborne"];
/// Where it was hidden.
pub const CONCEALMENT_ZONES: &[&str] = &[
    "door_panel",
    "fuel_tank",
    "floor",
    "cargo_area",
    "baggage",
    "persons",
    "spare_tyre",
    "roadside",
    "roof",
    "engine_bay",
    "undercarriage",
    "cab",
];
/// Where the seizure was made, in the values of the IDS.
pub const INSTALLATIONS: &[&str] = &["Checkpoint", "Frontier", "Road", "Customs facilities", "Airport", "Seaport"];
/// By what it was carried, in the values of the IDS.
pub const TRANSPORTS: &[&str] = &["Commercial road", "Private road", "Commercial air", "Rail"];
/// Under which article of the criminal code.
pub const LEGAL_ARTICLES: &[&str] = &["246", "273", "276"];

view! {
    /// A seizure's values by name.
    SeizureView {
        text number = 1;
        text team = 2;
        text post = 4;
        int occurred_at_ms = 5;
        text remarks = 13;
        record inspection = 20;
        text routing = 23;
        text installation = 24;
        text transport = 25;
        text hiding_place = 26;
        text producing_country = 27;
        text departure_country = 28;
        text transit_country = 29;
        text destination_country = 30;
        text concealment_type = 31;
        text concealment_zone = 32;
        text detection_method = 33;
        text legal_article = 34;
        text protocol_number = 35;
    }
}
