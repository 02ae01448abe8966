//! Reads values out of a record's fields by number. Never judges them: what has another type is as if it were not there.

use std::collections::BTreeMap;

use super::CODE_MAP_VALUE;
use crate::ids::RecordId;
use crate::value::{ElementKey, Path, Value};

/// A record's fields with getters by number; the views of the nouns have them by name.
#[derive(Debug, Clone, Copy)]
pub struct View<'a>(pub &'a BTreeMap<Path, Value>);

impl<'a> View<'a> {
    /// The value of a field.
    pub fn value(self, field: u32) -> Option<&'a Value> {
        self.0.get(&Path::Field(field))
    }

    /// A text or a code; empty texts count as none.
    pub fn text(self, field: u32) -> Option<&'a str> {
        as_text(self.value(field)?)
    }

    /// A number, a time or a date.
    pub fn int(self, field: u32) -> Option<i64> {
        if let Some(Value::Int(n)) = self.value(field) { Some(*n) } else { None }
    }

    /// Yes or no.
    pub fn flag(self, field: u32) -> Option<bool> {
        if let Some(Value::Bool(b)) = self.value(field) { Some(*b) } else { None }
    }

    /// Bytes.
    pub fn bytes(self, field: u32) -> Option<&'a [u8]> {
        if let Some(Value::Bytes(b)) = self.value(field) { Some(b) } else { None }
    }

    /// A reference to another record.
    pub fn record(self, field: u32) -> Option<RecordId> {
        self.bytes(field)?.try_into().ok().map(RecordId)
    }

    /// The texts of a list that is amended as a whole; empty if it is not asked, not known or none.
    pub fn list(self, field: u32) -> Vec<&'a str> {
        if let Some(Value::List(items)) = self.value(field) { items.iter().filter_map(as_text).collect() } else { Vec::new() }
    }

    /// An entry of a map of codes.
    pub fn code(self, field: u32, code: &str) -> Option<&'a str> {
        as_text(self.0.get(&Path::Element(field, ElementKey::Code(code.to_owned()), CODE_MAP_VALUE))?)
    }

    /// Every path of a list's elements, in the order of their keys.
    pub fn elements(self, list: u32) -> impl Iterator<Item = (&'a ElementKey, u32, &'a Value)> {
        self.0.range(Path::Element(list, ElementKey::Given(0), 0)..).map_while(move |(path, value)| match path {
            Path::Element(l, key, number) if *l == list => Some((key, *number, value)),
            Path::Element(..) | Path::Field(_) => None,
        })
    }
}

pub(super) fn as_text(value: &Value) -> Option<&str> {
    if let Value::Text(t) = value { Some(t.as_str()).filter(|t| !t.is_empty()) } else { None }
}

/// Makes a noun's view: for each getter its sort, its name and the field's number.
macro_rules! view {
    ($(#[$doc:meta])* $name:ident { $($sort:ident $getter:ident = $number:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name<'a>(pub &'a std::collections::BTreeMap<crate::value::Path, crate::value::Value>);

        impl<'a> $name<'a> {
            $($crate::record::view::getter!($sort $getter $number);)*
        }
    };
}

macro_rules! getter {
    (text $name:ident $n:literal) => {
        #[doc = concat!("The text or code of field ", $n, ".")]
        pub fn $name(&self) -> Option<&'a str> {
            $crate::record::View(self.0).text($n)
        }
    };
    (int $name:ident $n:literal) => {
        #[doc = concat!("The number of field ", $n, ".")]
        pub fn $name(&self) -> Option<i64> {
            $crate::record::View(self.0).int($n)
        }
    };
    (flag $name:ident $n:literal) => {
        #[doc = concat!("The yes or no of field ", $n, ".")]
        pub fn $name(&self) -> Option<bool> {
            $crate::record::View(self.0).flag($n)
        }
    };
    (bytes $name:ident $n:literal) => {
        #[doc = concat!("The bytes of field ", $n, ".")]
        pub fn $name(&self) -> Option<&'a [u8]> {
            $crate::record::View(self.0).bytes($n)
        }
    };
    (record $name:ident $n:literal) => {
        #[doc = concat!("The record that field ", $n, " names.")]
        pub fn $name(&self) -> Option<crate::ids::RecordId> {
            $crate::record::View(self.0).record($n)
        }
    };
    (list $name:ident $n:literal) => {
        #[doc = concat!("The texts or codes of field ", $n, ".")]
        pub fn $name(&self) -> Vec<&'a str> {
            $crate::record::View(self.0).list($n)
        }
    };
}

pub(super) use getter;
pub(super) use view;
