//! How a schema is written down: a field's number, name and shape. Holds no kind's own fields.

use super::LONG_TEXT_BYTES_MAX;
use crate::value::ELEMENT_FIELD_FIRST;

/// A numbered field of a record, of a group or of an element. A number is never used again for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its number, for ever.
    pub number: u32,
    /// Its name in JSON; `vehicle.plate` stands within `vehicle` there.
    pub name: &'static str,
    /// What it may hold.
    pub shape: Shape,
}

/// What a field may hold. Any field may also hold `Value::Null`: *not known*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A code of a code list, as text; unknown codes are accepted.
    Code,
    /// Text.
    Text {
        /// At most so many bytes of UTF-8.
        bytes_max: u32,
    },
    /// A whole number, both ends included.
    Int {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A time in milliseconds of UTC.
    Time,
    /// A date as yyyymmdd, zeros for the month or day that is not known.
    Date,
    /// Degrees times 10^7.
    Degrees {
        /// The greatest absolute value.
        max_e7: i64,
    },
    /// Yes or no.
    Bool,
    /// Another record's id, as 16 bytes.
    Record,
    /// Bytes.
    Bytes {
        /// At most so many.
        max: u32,
    },
    /// An officer's handle as text, such as `imt-1-moi-1`.
    Officer,
    /// An element of another list of the same record: a given key as a number; an added one as the text
    /// `<64 hexadecimal digits>:<ordinal>`; one that the same change adds as `new<ordinal>`.
    Key,
    /// A list of codes, amended as a whole.
    Codes,
    /// A list of texts, amended as a whole.
    Texts,
    /// A group of fields, amended as a whole.
    Group(&'static [Field]),
    /// A list of groups, amended as a whole.
    Groups(&'static [Field]),
    /// A keyed list: each field of each element has a path of its own.
    List(&'static [Field]),
    /// Codes by code: a path for each, such as `risk_indicators.nervous_driver`.
    CodeMap,
}

/// A map of codes holds one field in each of its entries.
const CODE_MAP_ENTRY: &[Field] = &[f(ELEMENT_FIELD_FIRST, "value", Shape::Code)];

impl Shape {
    /// The fields of its elements, for a keyed list and a map of codes.
    pub fn elements(&self) -> Option<&'static [Field]> {
        match self {
            Self::List(fields) => Some(fields),
            Self::CodeMap => Some(CODE_MAP_ENTRY),
            Self::Code
            | Self::Text { .. }
            | Self::Int { .. }
            | Self::Time
            | Self::Date
            | Self::Degrees { .. }
            | Self::Bool
            | Self::Record
            | Self::Bytes { .. }
            | Self::Officer
            | Self::Key
            | Self::Codes
            | Self::Texts
            | Self::Group(_)
            | Self::Groups(_) => None,
        }
    }
}

/// The field of this number among fields by ascending number.
pub(super) fn numbered(fields: &'static [Field], number: u32) -> Option<&'static Field> {
    // Mostly none is left out, and it stands where its number says.
    let there = fields.get((number as usize).wrapping_sub(1)).filter(|f| f.number == number);
    there.or_else(|| fields.binary_search_by_key(&number, |f| f.number).ok().map(|i| &fields[i]))
}

/// The field of this name.
pub(super) fn named(fields: &'static [Field], name: &str) -> Option<&'static Field> {
    fields.iter().find(|f| f.name == name)
}

/// Writes a field down.
pub(super) const fn f(number: u32, name: &'static str, shape: Shape) -> Field {
    Field { number, name, shape }
}

/// A number on paper: a plate, a seal, a protocol.
pub(super) const NUMBER: Shape = Shape::Text { bytes_max: 200 };
/// A name of a person, a firm or a place.
pub(super) const NAME: Shape = Shape::Text { bytes_max: 300 };
/// A description of a line or two.
pub(super) const LINE: Shape = Shape::Text { bytes_max: 2000 };
/// Remarks and observations.
pub(super) const LONG: Shape = Shape::Text { bytes_max: LONG_TEXT_BYTES_MAX };
/// A count of things.
pub(super) const COUNT: Shape = Shape::Int { min: 0, max: 1_000_000_000 };
/// A mass in milligrams: up to a thousand tonnes.
pub(super) const MASS_MG: Shape = Shape::Int { min: 0, max: 1_000_000_000_000 };
/// A mass in kilograms.
pub(super) const MASS_KG: Shape = Shape::Int { min: 0, max: 10_000_000 };
/// An amount of money in the currency's smallest unit.
pub(super) const MONEY: Shape = Shape::Int { min: 0, max: 1_000_000_000_000_000 };
/// A SHA-256, such as a file's.
pub(super) const HASH: Shape = Shape::Bytes { max: 32 };
/// A public key.
pub(super) const KEY: Shape = Shape::Bytes { max: 64 };
/// An `OfficerId` or a `DeviceId`.
pub(super) const ID: Shape = Shape::Bytes { max: 16 };
/// The local time's offset from UTC.
pub(super) const UTC_OFFSET: Shape = Shape::Int { min: -900, max: 900 };
/// Degrees of latitude.
pub(super) const LATITUDE: Shape = Shape::Degrees { max_e7: 900_000_000 };
/// Degrees of longitude.
pub(super) const LONGITUDE: Shape = Shape::Degrees { max_e7: 1_800_000_000 };
/// An accuracy in metres.
pub(super) const ACCURACY_M: Shape = Shape::Int { min: 0, max: 1_000_000 };

/// A place: WGS 84, and how it was come by (`gps`, `map`, `post`, `none`).
pub const PLACE: &[Field] = &[
    f(1, "latitude", LATITUDE),
    f(2, "longitude", LONGITUDE),
    f(3, "accuracy_m", ACCURACY_M),
    f(4, "method", Shape::Code),
    f(5, "province", Shape::Code),
    f(6, "district", Shape::Code),
    f(7, "description", LINE),
];

/// Links from one record to others.
pub(super) const LINKS: Shape =
    Shape::List(&[f(2, "record", Shape::Record), f(3, "kind", Shape::Code), f(4, "role", Shape::Code), f(5, "text", LINE)]);

/// The officers who took part, and how.
pub(super) const OFFICERS: Shape = Shape::List(&[f(2, "officer", Shape::Officer), f(3, "role", Shape::Code)]);

/// A file that belongs to the record, by the SHA-256 of its bytes. The bytes travel by themselves and may come later.
pub const FILE: &[Field] = &[
    f(2, "sha256", HASH),
    f(3, "name", NAME),
    f(4, "media_type", Shape::Text { bytes_max: 100 }),
    f(5, "size_bytes", Shape::Int { min: 0, max: 1 << 40 }),
    f(6, "taken_at", Shape::Time),
    f(7, "place", Shape::Group(PLACE)),
    f(8, "thumbnail", HASH),
    f(9, "caption", LINE),
];

/// The number of the list of files, the same in every kind that has one.
pub const FILES: u32 = 15;

/// The list of files.
pub(super) const FILES_FIELD: Field = f(FILES, "files", Shape::List(FILE));
