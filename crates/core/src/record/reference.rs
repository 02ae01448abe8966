//! Headquarters' reference records: officers, teams, posts, devices, grants, joint operations. Never decides access: that is `authorize`.

use super::schema::{COUNT, Field, ID, KEY, LINE, LINKS, LONG, NAME, NUMBER, PLACE, Shape, UTC_OFFSET, f};
use super::view::view;

/// The fields of an officer.
pub const OFFICER: &[Field] = &[
    f(1, "handle", Shape::Officer),
    f(2, "team", Shape::Code),
    f(3, "agency", Shape::Code),
    f(20, "full_name", NAME),
    f(21, "role", Shape::Code),
    f(22, "signing_key", KEY),
    f(23, "sealing_key", KEY),
    f(24, "active", Shape::Bool),
];

/// The fields of a team.
pub const TEAM: &[Field] = &[f(1, "code", Shape::Code), f(20, "name", NAME), f(24, "active", Shape::Bool)];

/// The fields of a post.
pub const POST: &[Field] = &[
    f(1, "code", Shape::Code),
    f(2, "team", Shape::Code),
    f(8, "place", Shape::Group(PLACE)),
    f(20, "name", NAME),
    f(24, "active", Shape::Bool),
];

/// An officer who may use a device, with the keys that he has there.
pub const DEVICE_OFFICER: &[Field] = &[f(2, "officer", ID), f(3, "signing_key", KEY), f(4, "sealing_key", KEY)];

/// The fields of a device.
pub const DEVICE: &[Field] = &[
    f(2, "team", Shape::Code),
    f(20, "name", NAME),
    f(22, "signing_key", KEY),
    f(24, "active", Shape::Bool),
    f(25, "digit", Shape::Int { min: 0, max: 99 }),
    f(26, "officers", Shape::List(DEVICE_OFFICER)),
];

/// The fields of a grant.
pub const GRANT: &[Field] = &[
    f(20, "officer", ID),
    f(21, "read", Shape::Bool),
    f(22, "write", Shape::Bool),
    f(23, "until", Shape::Time),
    f(24, "active", Shape::Bool),
    f(25, "compartment", Shape::Code),
];

const LEADER: &[Field] = &[f(2, "officer", Shape::Officer), f(3, "agency", Shape::Code), f(4, "role", Shape::Code)];
const PHASE: &[Field] = &[f(2, "name", NAME), f(3, "from", Shape::Time), f(4, "to", Shape::Time), f(5, "text", LINE)];
const RESOURCE: &[Field] = &[f(2, "asset", Shape::Record), f(3, "description", LINE), f(4, "count", COUNT), f(5, "agency", Shape::Code)];
const CREDIT: &[Field] = &[
    f(2, "agency", Shape::Code),
    f(3, "share_per_mille", Shape::Int { min: 0, max: 1000 }),
    f(4, "agreed_by", Shape::Officer),
    f(5, "at", Shape::Time),
];

/// The fields of a joint operation.
pub const JOINT_OPERATION: &[Field] = &[
    f(1, "number", NUMBER),
    f(3, "lead_agency", Shape::Code),
    f(5, "occurred_from", Shape::Time),
    f(6, "occurred_to", Shape::Time),
    f(7, "utc_offset_minutes", UTC_OFFSET),
    f(8, "place", Shape::Group(PLACE)),
    f(9, "legal_basis", LINE),
    f(10, "retention_date", Shape::Date),
    f(11, "status", Shape::Code),
    f(12, "links", LINKS),
    f(13, "remarks", LONG),
    f(20, "code_name", NAME),
    f(21, "type", Shape::Code),
    f(22, "order_reference", LINE),
    f(23, "teams", Shape::Codes),
    f(24, "active", Shape::Bool),
    f(25, "agencies", Shape::Codes),
    f(26, "leaders", Shape::List(LEADER)),
    f(27, "area", LINE),
    f(28, "phases", Shape::List(PHASE)),
    f(29, "resources", Shape::List(RESOURCE)),
    f(30, "credit", Shape::List(CREDIT)),
    f(31, "compartment", Shape::Code),
];

/// What sort of operation it is.
pub const OPERATION_TYPES: &[&str] = &["checkpoint", "patrol", "controlled_delivery", "buy_bust", "search", "ambush"];

view! {
    /// An officer's values by name.
    OfficerView {
        text handle = 1;
        text team = 2;
        text agency = 3;
        text full_name = 20;
        text role = 21;
        bytes signing_key = 22;
        bytes sealing_key = 23;
        flag active = 24;
    }
}
view! {
    /// A team's values by name.
    TeamView {
        text code = 1;
        text name = 20;
        flag active = 24;
    }
}
view! {
    /// A post's values by name.
    PostView {
        text code = 1;
        text team = 2;
        text name = 20;
        flag active = 24;
    }
}
view! {
    /// A device's values by name.
    DeviceView {
        text team = 2;
        text name = 20;
        bytes signing_key = 22;
        flag active = 24;
        int digit = 25;
    }
}
view! {
    /// A grant's values by name.
    GrantView {
        bytes officer = 20;
        flag read = 21;
        flag write = 22;
        int until_ms = 23;
        flag active = 24;
        text compartment = 25;
    }
}
view! {
    /// A joint operation's values by name.
    JointOperationView {
        text number = 1;
        int occurred_from_ms = 5;
        int occurred_to_ms = 6;
        text code_name = 20;
        text operation_type = 21;
        list teams = 23;
        flag active = 24;
        list agencies = 25;
        text compartment = 31;
    }
}
