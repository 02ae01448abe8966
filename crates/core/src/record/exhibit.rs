//! One item of a seizure: its fields and code lists. Never says who holds it: that is `custody_event`.

use super::schema::{COUNT, FILES_FIELD, Field, HASH, LINE, LINKS, LONG, MASS_MG, NAME, NUMBER, Shape, f};
use super::view::view;

/// A presumptive test.
pub const TEST: &[Field] = &[
    f(2, "reagent", NAME),
    f(3, "colour", NAME),
    f(4, "reading", Shape::Code),
    f(5, "by", Shape::Officer),
    f(6, "kit", NAME),
    f(7, "lot", NUMBER),
    f(8, "expires", Shape::Date),
    f(9, "at", Shape::Time),
    f(10, "remarks", LINE),
];

/// A sample that was taken.
pub const SAMPLE: &[Field] = &[
    f(2, "sample_number", NUMBER),
    f(3, "mass_mg", MASS_MG),
    f(4, "purpose", Shape::Code),
    f(5, "seal_number", NUMBER),
    f(6, "by", Shape::Officer),
    f(7, "at", Shape::Time),
    f(8, "remarks", LINE),
];

/// What a laboratory found.
pub const LABORATORY: &[Field] = &[
    f(2, "laboratory", NAME),
    f(3, "report_number", NUMBER),
    f(4, "reported", Shape::Date),
    f(5, "substance", NAME),
    f(6, "net_mg", MASS_MG),
    f(7, "purity_per_mille", Shape::Int { min: 0, max: 1000 }),
    f(8, "remarks", LINE),
];

/// The fields of an exhibit.
pub const FIELDS: &[Field] = &[
    f(1, "exhibit_number", NUMBER),
    f(2, "team", Shape::Code),
    f(3, "agency", Shape::Code),
    f(9, "legal_basis", LINE),
    f(10, "retention_date", Shape::Date),
    f(11, "status", Shape::Code),
    f(12, "links", LINKS),
    f(13, "remarks", LONG),
    FILES_FIELD,
    f(20, "seizure", Shape::Record),
    f(21, "substance", NAME),
    f(22, "form", Shape::Code),
    f(23, "gross_mg", MASS_MG),
    f(24, "net_mg", MASS_MG),
    f(25, "mass_basis", Shape::Code),
    f(26, "count", COUNT),
    f(27, "count_unit", Shape::Code),
    f(28, "packages", COUNT),
    f(29, "packaging", NAME),
    f(30, "logo", NAME),
    f(31, "bag_number", NUMBER),
    f(32, "seal_number", NUMBER),
    f(33, "tests", Shape::List(TEST)),
    f(34, "scale", Shape::Record),
    f(35, "samples", Shape::List(SAMPLE)),
    f(36, "laboratory_results", Shape::List(LABORATORY)),
    f(37, "rest_mg", MASS_MG),
    f(38, "photo", HASH),
];

/// The substances offered first, in the values of the IDS where it has one.
pub const SUBSTANCES: &[&str] = &["Heroin", "Opium", "Hashish", "Cannabis herb", "Methamphetamine", "Tramadol", "Pregabalin"];
/// What it looks like.
pub const FORMS: &[&str] = &["powder", "resin", "plant", "crystal", "tablet", "capsule", "liquid", "seed", "other"];
/// How the masses were come by.
pub const MASS_BASES: &[&str] = &["measured", "estimated", "declared", "not_measured"];
/// What a test showed.
pub const READINGS: &[&str] = &["positive", "negative", "unclear"];

view! {
    /// An exhibit's values by name.
    ExhibitView {
        text exhibit_number = 1;
        text remarks = 13;
        record seizure = 20;
        text substance = 21;
        text form = 22;
        int gross_mg = 23;
        int net_mg = 24;
        text mass_basis = 25;
        int count = 26;
        int packages = 28;
        text packaging = 29;
        text bag_number = 31;
        text seal_number = 32;
    }
}
