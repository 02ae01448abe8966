//! A stop of a vehicle or a person: its fields and code lists. Never refuses what an officer saw.

use super::schema::{
    COUNT, FILES_FIELD, Field, HASH, LINE, LINKS, LONG, MASS_KG, MONEY, NAME, NUMBER, OFFICERS, PLACE, Shape, UTC_OFFSET, f,
};
use super::view::{View, view};

/// A person in the stop.
pub const PERSON: &[Field] = &[
    f(2, "role", Shape::Code),
    f(3, "family_name", NAME),
    f(4, "given_name", NAME),
    f(5, "patronymic", NAME),
    f(6, "sex", Shape::Code),
    f(7, "date_of_birth", Shape::Date),
    f(8, "nationality", Shape::Code),
    f(9, "phone", NUMBER),
    f(10, "pinfl", NUMBER),
    f(11, "family_name_latin", NAME),
    f(12, "given_name_latin", NAME),
    f(13, "patronymic_latin", NAME),
    f(14, "family_name_cyrillic", NAME),
    f(15, "given_name_cyrillic", NAME),
    f(16, "patronymic_cyrillic", NAME),
    f(17, "aliases", Shape::Texts),
    f(18, "phones", Shape::Texts),
    f(19, "photo", HASH),
    f(20, "nominal", Shape::Bool),
    f(21, "remarks", LINE),
];

/// A document that was shown.
pub const DOCUMENT: &[Field] = &[
    f(2, "holder", Shape::Key),
    f(3, "type", Shape::Code),
    f(4, "number", NUMBER),
    f(5, "issuer", Shape::Code),
    f(6, "issued", Shape::Date),
    f(7, "expires", Shape::Date),
    f(8, "authenticity", Shape::Code),
    f(9, "mrz", NUMBER),
    f(10, "mrz_format", Shape::Code),
    f(11, "checks", Shape::Groups(CHECK)),
    f(12, "remarks", LINE),
    f(13, "photo", HASH),
];

/// A check made on a document.
pub const CHECK: &[Field] = &[f(1, "system", Shape::Code), f(2, "at", Shape::Time), f(3, "result", Shape::Code), f(4, "remarks", LINE)];

/// A load, as declared and as found.
pub const CARGO: &[Field] = &[
    f(2, "declared", LINE),
    f(3, "hs_code", Shape::Code),
    f(4, "gross_weight_kg", MASS_KG),
    f(5, "origin", Shape::Code),
    f(6, "destination", Shape::Code),
    f(7, "found", LINE),
    f(8, "net_weight_kg", MASS_KG),
    f(9, "packages", COUNT),
    f(10, "value_minor", MONEY),
    f(11, "value_currency", Shape::Code),
    f(12, "consignor", NAME),
    f(13, "consignee", NAME),
    f(14, "cover_load", Shape::Bool),
    f(15, "remarks", LINE),
];

const TOOL: &[Field] = &[f(2, "asset", Shape::Record), f(3, "method", Shape::Code), f(4, "remarks", LINE)];
const STAGE: &[Field] = &[f(2, "stage", Shape::Code), f(3, "result", Shape::Code), f(4, "at", Shape::Time), f(5, "remarks", LINE)];

/// The fields of an inspection.
pub const FIELDS: &[Field] = &[
    f(1, "number", NUMBER),
    f(2, "team", Shape::Code),
    f(3, "lead_agency", Shape::Code),
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
    f(20, "direction", Shape::Code),
    f(21, "selection_reason", Shape::Code),
    f(22, "risk_indicators", Shape::CodeMap),
    f(23, "risk_score", Shape::Int { min: 0, max: 1000 }),
    f(24, "search_level", Shape::Code),
    f(25, "zones", Shape::Codes),
    f(26, "methods", Shape::Codes),
    f(27, "result", Shape::Code),
    f(28, "officers", OFFICERS),
    f(29, "persons", Shape::List(PERSON)),
    f(30, "documents", Shape::List(DOCUMENT)),
    f(31, "cargo", Shape::List(CARGO)),
    f(32, "tools", Shape::List(TOOL)),
    f(33, "duration_minutes", Shape::Int { min: 0, max: 100_000 }),
    f(34, "stages", Shape::List(STAGE)),
    f(35, "operation", Shape::Code),
    f(40, "vehicle.kind", Shape::Code),
    f(41, "vehicle.plate", NUMBER),
    f(42, "vehicle.plate_country", Shape::Code),
    f(43, "vehicle.make", NAME),
    f(44, "vehicle.model", NAME),
    f(45, "vehicle.colour", Shape::Code),
    f(46, "vehicle.year", Shape::Int { min: 1900, max: 2100 }),
    f(47, "vehicle.trailer_plate", NUMBER),
    f(48, "vehicle.plate_normalised", NUMBER),
    f(49, "vehicle.trailer_plate_country", Shape::Code),
    f(50, "vehicle.vin", NUMBER),
    f(51, "vehicle.container", NUMBER),
    f(52, "vehicle.owner", NAME),
    f(53, "vehicle.seals", Shape::Texts),
    f(54, "vehicle.tir_number", NUMBER),
    f(55, "vehicle.cmr_number", NUMBER),
    f(56, "vehicle.modifications", LINE),
];

/// Which way the vehicle went (= IDS ROUTING).
pub const DIRECTIONS: &[&str] = &["border_inbound", "border_outbound", "border_transit", "domestic"];
/// Why this vehicle was stopped.
pub const SELECTION_REASONS: &[&str] =
    &["random", "risk_profile", "intelligence", "watchlist_hit", "behaviour", "dog", "scanner", "referral", "full_check"];
/// How deep the search went.
pub const SEARCH_LEVELS: &[&str] = &["visual", "partial", "full", "dismantle"];
/// Where it was searched.
pub const ZONES: &[&str] = &[
    "boot",
    "cab",
    "passenger_area",
    "engine_bay",
    "undercarriage",
    "wheels",
    "fuel_tank",
    "cargo_area",
    "load",
    "roof",
    "persons",
    "baggage",
];
/// With what it was searched.
pub const METHODS: &[&str] =
    &["visual", "physical_search", "dog", "xray_scanner", "density_meter", "borescope", "trace_detector", "document_check"];
/// How the stop ended.
pub const RESULTS: &[&str] = &["nothing", "irregularity", "seizure", "detention", "referred", "refused_entry"];
/// What an indicator may be marked.
pub const RISK_ANSWERS: &[&str] = &["seen", "not_seen", "not_checked"];
/// The indicators and the weight of each, in hundredths.
pub const RISK_INDICATORS: &[(&str, u32)] = &[
    ("nervous_driver", 50),
    ("stories_conflict", 100),
    ("load_unknown_to_driver", 80),
    ("route_illogical", 90),
    ("travel_at_night", 20),
    ("new_owner", 30),
    ("driver_not_owner", 20),
    ("frequent_short_crossings", 40),
    ("masking_smell", 110),
    ("fresh_weld_or_paint", 130),
    ("panel_gap", 130),
    ("second_tank", 100),
    ("fuel_gauge_differs", 90),
    ("spare_tyre_heavy", 140),
    ("dead_wiring", 90),
    ("suspension_low", 90),
    ("seal_differs", 90),
    ("cargo_value_low", 70),
    ("documents_differ", 80),
    ("new_passport", 40),
    ("tools_in_cab", 60),
    ("many_phones", 50),
    ("dog_changes", 200),
];
/// What sort of vehicle it was.
pub const VEHICLE_KINDS: &[&str] =
    &["car", "minibus", "van", "bus", "truck", "tractor_semitrailer", "fuel_tanker", "motorcycle", "bicycle", "on_foot", "other"];
/// Its colour.
pub const COLOURS: &[&str] = &["white", "silver", "black", "grey", "blue", "green", "red", "beige", "brown", "yellow", "orange", "other"];
/// What a person was in the stop.
pub const PERSON_ROLES: &[&str] = &["driver", "passenger", "owner", "courier", "consignor", "consignee", "witness", "specialist"];
/// What sort of document it was.
pub const DOCUMENT_TYPES: &[&str] = &[
    "passport",
    "id_card",
    "driving_licence",
    "vehicle_registration",
    "visa",
    "residence_permit",
    "waybill",
    "customs_declaration",
    "other",
];
/// What was thought of the document.
pub const AUTHENTICITY: &[&str] = &["genuine", "forged", "altered", "impostor", "doubt"];
/// What an officer was in the stop.
pub const OFFICER_ROLES: &[&str] = &["lead", "member"];
/// The countries offered first (ISO 3166-1 alpha-3).
pub const COUNTRIES: &[&str] =
    &["UZB", "TJK", "AFG", "KAZ", "KGZ", "TKM", "RUS", "IRN", "TUR", "CHN", "AZE", "GEO", "BLR", "LVA", "LTU", "POL", "DEU"];
/// How a place was come by.
pub const PLACE_METHODS: &[&str] = &["gps", "map", "post", "none"];

view! {
    /// An inspection's values by name.
    InspectionView {
        text number = 1;
        text team = 2;
        text lead_agency = 3;
        text post = 4;
        int occurred_from_ms = 5;
        int occurred_to_ms = 6;
        text remarks = 13;
        text direction = 20;
        text selection_reason = 21;
        text search_level = 24;
        list zones = 25;
        list methods = 26;
        text result = 27;
        text vehicle_kind = 40;
        text plate = 41;
        text plate_country = 42;
        text make = 43;
        text model = 44;
        text colour = 45;
        int year = 46;
        text trailer_plate = 47;
    }
}

impl InspectionView<'_> {
    /// The weights of the indicators that were seen, in hundredths; one that is not in the list weighs nothing.
    pub fn risk_score_hundredths(&self) -> u32 {
        let fields = View(self.0);
        RISK_INDICATORS.iter().filter(|(code, _)| fields.code(22, code) == Some("seen")).map(|(_, weight)| weight).sum()
    }
}
