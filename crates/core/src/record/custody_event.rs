//! A hand-over of an exhibit or an asset: its fields and code lists. Never says that it may not be amended: that is `authorize`.

use super::schema::{FILES_FIELD, Field, LINE, LINKS, LONG, MASS_MG, NUMBER, PLACE, Shape, UTC_OFFSET, f};
use super::view::view;

/// The fields of a custody event.
pub const FIELDS: &[Field] = &[
    f(1, "number", NUMBER),
    f(2, "team", Shape::Code),
    f(5, "at", Shape::Time),
    f(7, "utc_offset_minutes", UTC_OFFSET),
    f(8, "place", Shape::Group(PLACE)),
    f(9, "legal_basis", LINE),
    f(10, "retention_date", Shape::Date),
    f(12, "links", LINKS),
    f(13, "remarks", LONG),
    FILES_FIELD,
    f(20, "exhibit", Shape::Record),
    f(21, "asset", Shape::Record),
    f(22, "purpose", Shape::Code),
    f(23, "from_officer", Shape::Officer),
    f(24, "to_officer", Shape::Officer),
    f(25, "from_agency", Shape::Code),
    f(26, "to_agency", Shape::Code),
    f(27, "location", LINE),
    f(28, "seal_before", NUMBER),
    f(29, "seal_after", NUMBER),
    f(30, "seal_intact", Shape::Bool),
    f(31, "gross_mg", MASS_MG),
    f(32, "from_signature", Shape::Bytes { max: 64 }),
    f(33, "to_signature", Shape::Bytes { max: 64 }),
];

/// Why it changed hands.
pub const PURPOSES: &[&str] = &["seize", "store", "transfer", "laboratory", "court", "return", "destroy"];

view! {
    /// A custody event's values by name.
    CustodyEventView {
        int at_ms = 5;
        record exhibit = 20;
        record asset = 21;
        text purpose = 22;
        text from_officer = 23;
        text to_officer = 24;
        text seal_before = 28;
        text seal_after = 29;
        flag seal_intact = 30;
        int gross_mg = 31;
    }
}
