//! What a record holds: numbered paths and their values. Never knows a field's name: that is `record`.

use crate::ids::ChangeName;

/// Identifies an element of a keyed list for ever.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ElementKey {
    /// The key that the creating change gave it (1, 2, 3 …).
    Given(u32),
    /// The key of an entry in a map of codes, such as a risk indicator.
    Code(String),
    /// Added by a later change: that change and the ordinal within it.
    Added(ChangeName, u32),
    /// Being added by the change that holds this path; merge turns it into `Added`.
    New(u32),
}

/// Where a value stands: a field, or a field of an element in a keyed list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// A field of the record, by number.
    Field(u32),
    /// A field of an element: the list's number, the element, the field's number in the element.
    Element(u32, ElementKey, u32),
}

/// The element's own standing: `true` removes it, `false` says only that it is there.
pub const ELEMENT_REMOVED: u32 = 0;
/// The element's place among those given in the same change, written only where it is not its key's order.
pub const ELEMENT_PLACE: u32 = 1;
/// The first number that a field of an element may have.
pub const ELEMENT_FIELD_FIRST: u32 = 2;

impl Path {
    /// The number of the record's field, or of the list that the element stands in.
    pub fn field(&self) -> u32 {
        match self {
            Self::Field(f) | Self::Element(f, _, _) => *f,
        }
    }
}

/// A value as it is stored and signed. Amounts are integers with the unit in the field's name; there are no floats.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// *Not known*. (*Not asked* is the absence of the path.)
    Null,
    /// Yes or no.
    Bool(bool),
    /// A count, an amount, a time in milliseconds of UTC, a date as yyyymmdd, degrees times 10^7.
    Int(i64),
    /// Text, or a code of a code list.
    Text(String),
    /// Bytes: a record's id, a hash.
    Bytes(Vec<u8>),
    /// A list that is amended as a whole; empty it says *none*, for a keyed list too.
    List(Vec<Value>),
    /// A group that is amended as a whole, such as a place: number and value, numbers ascending.
    Map(Vec<(u32, Value)>),
    /// One well-formed CBOR item of a field that this version does not know, kept byte for byte.
    Raw(Vec<u8>),
}
