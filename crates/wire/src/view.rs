//! Paths and values as they stand in bytes: borrowed, for whoever passes many on. What is kept of them is `Path` and `Value`.

use daftar_core::ids::ChangeName;
use daftar_core::record::{self, Kind};
use daftar_core::value::{ElementKey, Path, Value};

/// An element's key, in the order of `ElementKey`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyView<'b> {
    Given(u32),
    Code(&'b str),
    Added(&'b [u8; 32], u32),
    New(u32),
}

/// Where a value stands, in the order of `Path`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PathView<'b> {
    Field(u32),
    Element(u32, KeyView<'b>, u32),
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum View<'b> {
    Null,
    Bool(bool),
    Int(i64),
    Text(&'b str),
    Bytes(&'b [u8]),
    List(Vec<View<'b>>),
    Map(Vec<(u32, View<'b>)>),
    /// One well-formed item that this version does not know.
    Raw(&'b [u8]),
}

/// What a change sets, each path once, and why.
#[derive(Debug, Default)]
pub(crate) struct PayloadView<'b> {
    pub(crate) set: Vec<(PathView<'b>, View<'b>)>,
    pub(crate) reason: Option<&'b str>,
}

impl<'b> From<&'b Path> for PathView<'b> {
    fn from(path: &'b Path) -> Self {
        match path {
            Path::Field(f) => Self::Field(*f),
            Path::Element(list, key, field) => {
                let key = match key {
                    ElementKey::Given(n) => KeyView::Given(*n),
                    ElementKey::Code(c) => KeyView::Code(c),
                    ElementKey::Added(name, n) => KeyView::Added(&name.0, *n),
                    ElementKey::New(n) => KeyView::New(*n),
                };
                Self::Element(*list, key, *field)
            }
        }
    }
}

impl From<PathView<'_>> for Path {
    fn from(path: PathView<'_>) -> Self {
        match path {
            PathView::Field(f) => Self::Field(f),
            PathView::Element(list, key, field) => {
                let key = match key {
                    KeyView::Given(n) => ElementKey::Given(n),
                    KeyView::Code(c) => ElementKey::Code(c.to_owned()),
                    KeyView::Added(name, n) => ElementKey::Added(ChangeName(*name), n),
                    KeyView::New(n) => ElementKey::New(n),
                };
                Self::Element(list, key, field)
            }
        }
    }
}

impl<'b> PathView<'b> {
    /// The number of the field, or of the list that the element stands in.
    pub(crate) fn number(&self) -> u32 {
        match self {
            Self::Field(f) | Self::Element(f, ..) => *f,
        }
    }

    /// The element's key.
    pub(crate) fn key(&self) -> Option<KeyView<'b>> {
        match self {
            Self::Field(_) => None,
            Self::Element(_, key, _) => Some(*key),
        }
    }

    /// The number of the field in an element.
    pub(crate) fn of_element(&self) -> Option<u32> {
        match self {
            Self::Field(_) => None,
            Self::Element(_, _, field) => Some(*field),
        }
    }

    /// Whether this version knows what stands here in a record of this kind.
    pub(crate) fn is_known(&self, kind: Kind) -> bool {
        record::knows(kind, self.number(), self.of_element())
    }
}

impl<'b> From<&'b Value> for View<'b> {
    fn from(value: &'b Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(*b),
            Value::Int(i) => Self::Int(*i),
            Value::Text(t) => Self::Text(t),
            Value::Bytes(b) => Self::Bytes(b),
            Value::List(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Map(entries) => Self::Map(entries.iter().map(|(n, v)| (*n, v.into())).collect()),
            Value::Raw(item) => Self::Raw(item),
        }
    }
}

impl From<View<'_>> for Value {
    fn from(value: View<'_>) -> Self {
        match value {
            View::Null => Self::Null,
            View::Bool(b) => Self::Bool(b),
            View::Int(i) => Self::Int(i),
            View::Text(t) => Self::Text(t.to_owned()),
            View::Bytes(b) => Self::Bytes(b.to_vec()),
            View::List(items) => Self::List(items.into_iter().map(Self::from).collect()),
            View::Map(entries) => Self::Map(entries.into_iter().map(|(n, v)| (n, v.into())).collect()),
            View::Raw(item) => Self::Raw(item.to_vec()),
        }
    }
}
