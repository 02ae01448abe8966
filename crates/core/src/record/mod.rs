//! What kinds of record there are and which numbered fields each has. Never says how fields merge or how they are written.

pub mod custody_event;
pub mod exhibit;
mod files;
pub mod inspection;
pub mod plate;
pub mod reference;
mod schema;
pub mod seizure;
mod summary;
pub mod surveillance_note;
mod view;

pub use files::{FileRef, FileRole, files, thumbnails};
pub use schema::{FILE, FILES, Field, PLACE, Shape};
pub use summary::{Summary, searchable, summary};
pub use view::View;

use crate::value::{ELEMENT_PLACE, ELEMENT_REMOVED};

/// A code of a code list has at most so many bytes.
pub const CODE_BYTES_MAX: u32 = 128;
/// Remarks and observations have at most so many bytes; a longer text is a file.
pub const LONG_TEXT_BYTES_MAX: u32 = 16 * 1024;
/// The number of an entry's code in a map of codes (`Shape::CodeMap`).
pub const CODE_MAP_VALUE: u32 = crate::value::ELEMENT_FIELD_FIRST;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A stop of a vehicle or a person.
    Inspection,
    /// A find that was taken.
    Seizure,
    /// One item of a seizure.
    Exhibit,
    /// A hand-over of an exhibit or an asset.
    CustodyEvent,
    /// What was observed, graded and handled by its code.
    SurveillanceNote,
    /// An operation of several teams or agencies.
    JointOperation,
    /// A team's turn of duty.
    Shift,
    /// What a team is asked to do.
    Task,
    /// What all posts are told.
    Warning,
    /// A plate, person or document to look out for.
    WatchlistEntry,
    /// A vehicle, an instrument, a dog.
    Asset,
    /// What an officer was trained for.
    Qualification,
    /// A person who writes records.
    Officer,
    /// A mobile team.
    Team,
    /// A place where a team stands.
    Post,
    /// An enrolled installation.
    Device,
    /// An officer's access to a compartment.
    Grant,
    /// A list of codes with their texts.
    CodeList,
    /// A kind that this version does not know, by its number.
    Other(u32),
}

impl Kind {
    /// Every kind that this version knows, with its number on the wire and its name.
    pub const ALL: [(Self, u32, &'static str); 18] = [
        (Self::Inspection, 1, "inspection"),
        (Self::Seizure, 2, "seizure"),
        (Self::Exhibit, 3, "exhibit"),
        (Self::CustodyEvent, 4, "custody_event"),
        (Self::SurveillanceNote, 5, "surveillance_note"),
        (Self::JointOperation, 6, "joint_operation"),
        (Self::Shift, 7, "shift"),
        (Self::Task, 8, "task"),
        (Self::Warning, 9, "warning"),
        (Self::WatchlistEntry, 10, "watchlist_entry"),
        (Self::Asset, 11, "asset"),
        (Self::Qualification, 12, "qualification"),
        (Self::Officer, 13, "officer"),
        (Self::Team, 14, "team"),
        (Self::Post, 15, "post"),
        (Self::Device, 16, "device"),
        (Self::Grant, 17, "grant"),
        (Self::CodeList, 18, "code_list"),
    ];

    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Self::Inspection => 1,
            Self::Seizure => 2,
            Self::Exhibit => 3,
            Self::CustodyEvent => 4,
            Self::SurveillanceNote => 5,
            Self::JointOperation => 6,
            Self::Shift => 7,
            Self::Task => 8,
            Self::Warning => 9,
            Self::WatchlistEntry => 10,
            Self::Asset => 11,
            Self::Qualification => 12,
            Self::Officer => 13,
            Self::Team => 14,
            Self::Post => 15,
            Self::Device => 16,
            Self::Grant => 17,
            Self::CodeList => 18,
            Self::Other(n) => n,
        }
    }

    /// The kind with this number; one that this version does not know keeps its number.
    pub fn from_number(n: u32) -> Self {
        Self::ALL.iter().find(|e| e.1 == n).map_or(Self::Other(n), |e| e.0)
    }

    /// The name in commands, files and exports.
    pub fn name(self) -> Option<&'static str> {
        Self::ALL.iter().find(|e| e.0 == self).map(|e| e.2)
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|e| e.2 == name).map(|e| e.0)
    }

    /// Whether only headquarters writes it: it says who there is and who may do what.
    pub fn is_of_headquarters(self) -> bool {
        match self {
            Self::Officer | Self::Team | Self::Post | Self::Device | Self::Grant | Self::CodeList => true,
            Self::Inspection
            | Self::Seizure
            | Self::Exhibit
            | Self::CustodyEvent
            | Self::SurveillanceNote
            | Self::JointOperation
            | Self::Shift
            | Self::Task
            | Self::Warning
            | Self::WatchlistEntry
            | Self::Asset
            | Self::Qualification
            | Self::Other(_) => false,
        }
    }

    /// Whether officers write it in the field and bring it in by import.
    pub fn is_field_record(self) -> bool {
        match self {
            Self::Inspection | Self::Seizure | Self::Exhibit | Self::CustodyEvent | Self::SurveillanceNote => true,
            Self::JointOperation
            | Self::Shift
            | Self::Task
            | Self::Warning
            | Self::WatchlistEntry
            | Self::Asset
            | Self::Qualification
            | Self::Officer
            | Self::Team
            | Self::Post
            | Self::Device
            | Self::Grant
            | Self::CodeList
            | Self::Other(_) => false,
        }
    }
}

/// The kind's fields by ascending number; none for a kind that this version only carries.
pub fn fields(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Inspection => inspection::FIELDS,
        Kind::Seizure => seizure::FIELDS,
        Kind::Exhibit => exhibit::FIELDS,
        Kind::CustodyEvent => custody_event::FIELDS,
        Kind::SurveillanceNote => surveillance_note::FIELDS,
        Kind::JointOperation => reference::JOINT_OPERATION,
        Kind::Officer => reference::OFFICER,
        Kind::Team => reference::TEAM,
        Kind::Post => reference::POST,
        Kind::Device => reference::DEVICE,
        Kind::Grant => reference::GRANT,
        Kind::Shift
        | Kind::Task
        | Kind::Warning
        | Kind::WatchlistEntry
        | Kind::Asset
        | Kind::Qualification
        | Kind::CodeList
        | Kind::Other(_) => &[],
    }
}

/// The kind's field of this number.
pub fn field(kind: Kind, number: u32) -> Option<&'static Field> {
    schema::numbered(fields(kind), number)
}

/// The kind's field of this name; a field of the vehicle by its whole name, `vehicle.plate`.
pub fn field_named(kind: Kind, name: &str) -> Option<&'static Field> {
    schema::named(fields(kind), name)
}

/// Whether this version knows the field, or the field of this number in the elements of the list that it is: if not, what stands there is
/// kept byte for byte.
pub fn knows(kind: Kind, number: u32, of_element: Option<u32>) -> bool {
    field(kind, number).is_some_and(|f| of_element.is_none_or(|number| f.shape.element(number).is_some()))
}

/// What stands in an element of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementField {
    /// `ELEMENT_REMOVED`: the element's own standing.
    Removed,
    /// `ELEMENT_PLACE`: its place among those given in the same change.
    Place,
    /// A field of it.
    Field(&'static Field),
}

impl Shape {
    /// What stands under this number in an element of a field of this shape; `None` where there are no elements too.
    pub fn element(&self, number: u32) -> Option<ElementField> {
        let fields = self.elements()?;
        match number {
            ELEMENT_REMOVED => Some(ElementField::Removed),
            ELEMENT_PLACE => Some(ElementField::Place),
            _ => schema::numbered(fields, number).map(ElementField::Field),
        }
    }
}

#[cfg(test)]
mod tests;
