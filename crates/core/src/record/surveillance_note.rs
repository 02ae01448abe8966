//! What was observed, with its grades and handling: fields and code lists. Never holds who a source is, only his number.

use super::schema::{ACCURACY_M, FILES_FIELD, Field, LATITUDE, LINE, LINKS, LONG, LONGITUDE, NAME, NUMBER, PLACE, Shape, UTC_OFFSET, f};
use super::view::view;

/// Whom or what it is about.
pub const SUBJECT: &[Field] = &[
    f(2, "kind", Shape::Code),
    f(3, "plate", NUMBER),
    f(4, "description", LINE),
    f(5, "plate_country", Shape::Code),
    f(6, "record", Shape::Record),
    f(7, "family_name", NAME),
    f(8, "given_name", NAME),
    f(9, "patronymic", NAME),
    f(10, "date_of_birth", Shape::Date),
    f(11, "nationality", Shape::Code),
    f(12, "phone", NUMBER),
    f(13, "aliases", Shape::Texts),
];

/// What was seen at one time and place.
pub const OBSERVATION: &[Field] =
    &[f(2, "at", Shape::Time), f(3, "place", Shape::Group(PLACE)), f(4, "text", LONG), f(5, "photo", super::schema::HASH)];

const TRACK_POINT: &[Field] =
    &[f(1, "at", Shape::Time), f(2, "latitude", LATITUDE), f(3, "longitude", LONGITUDE), f(4, "accuracy_m", ACCURACY_M)];

/// The fields of a surveillance note.
pub const FIELDS: &[Field] = &[
    f(1, "number", NUMBER),
    f(2, "team", Shape::Code),
    f(3, "agency", Shape::Code),
    f(4, "post", Shape::Code),
    f(5, "occurred_from", Shape::Time),
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
    f(20, "subjects", Shape::List(SUBJECT)),
    f(21, "observations", Shape::List(OBSERVATION)),
    f(22, "track", Shape::Groups(TRACK_POINT)),
    f(23, "source_reference", NUMBER),
    f(24, "grading_scheme", Shape::Code),
    f(25, "source_grade", Shape::Code),
    f(26, "information_grade", Shape::Int { min: 1, max: 6 }),
    f(27, "handling", Shape::Code),
    f(28, "recipients", Shape::Texts),
    f(29, "action_requested", Shape::Code),
    f(30, "review_date", Shape::Date),
    f(31, "sanitised_as", Shape::Record),
    f(32, "source_grade_4x4", Shape::Code),
    f(33, "information_grade_4x4", Shape::Int { min: 1, max: 4 }),
    f(34, "operation", Shape::Code),
];

/// The schemes of grading.
pub const GRADING_SCHEMES: &[&str] = &["europol_4x4", "admiralty_6x6", "uk_3x5x2"];
/// The grades of a source in the widest scheme.
pub const SOURCE_GRADES: &[&str] = &["A", "B", "C", "D", "E", "F"];
/// What may be done with it: H0 crime prevention only; H1 not in court without permission; H2 originator's agency and named
/// recipients; H3 listed recipients.
pub const HANDLING: &[&str] = &["H0", "H1", "H2", "H3"];
/// What is asked for.
pub const ACTIONS: &[&str] = &["check_vehicle", "task_team"];
/// What a subject is.
pub const SUBJECT_KINDS: &[&str] = &["vehicle", "person", "place"];

view! {
    /// A surveillance note's values by name.
    SurveillanceNoteView {
        text number = 1;
        text team = 2;
        text agency = 3;
        int occurred_from_ms = 5;
        int occurred_to_ms = 6;
        text remarks = 13;
        text source_reference = 23;
        text grading_scheme = 24;
        text source_grade = 25;
        int information_grade = 26;
        text handling = 27;
        text action_requested = 29;
        int review_date = 30;
        record sanitised_as = 31;
        text operation = 34;
    }
}
