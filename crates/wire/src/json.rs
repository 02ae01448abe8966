//! JSON to fields and back: import, export and the command line. Never says what a change with these fields does.
//!
//! *Not asked* is a name that is missing, *not known* is `null`, *none* is `[]` (`{}` for a map of codes). What this version does
//! not know stands under its number: `"#9001": {"cbor": "<one CBOR item in hexadecimal>"}`.

mod line;
mod path;
mod read;
mod text;
mod write;

pub use line::{LINE_BYTES_MAX, Line, read_line};
pub use path::{format_path, parse_path};
pub use read::{read_data, read_value};
pub use text::read_value_text;
pub use write::{given_order, write_data, write_value};

/// What stands in JSON for a field of an element that says whether the element is removed.
const REMOVED: &str = "removed";
/// The same for an element's place.
const POSITION: &str = "position";

/// Why JSON, or a text of the command line, was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    /// The field, as `format_path` writes it; empty if it is the whole.
    pub path: String,
    /// What is wrong, for people.
    pub reason: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() { f.write_str(&self.reason) } else { write!(f, "`{}`: {}", self.path, self.reason) }
    }
}

impl Refused {
    fn new(reason: impl Into<String>) -> Self {
        Self { path: String::new(), reason: reason.into() }
    }

    /// The same, seen from further out.
    fn within(self, outer: impl std::fmt::Display) -> Self {
        let path = if self.path.is_empty() { outer.to_string() } else { format!("{outer}.{}", self.path) };
        Self { path, ..self }
    }
}

fn refuse<T>(reason: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::new(reason))
}

/// The beginning of a text from outside, for a message.
fn shortened(text: &str) -> String {
    if text.chars().count() > 80 { text.chars().take(80).chain(['…']).collect() } else { text.to_owned() }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, b| {
        write!(out, "{b:02x}").expect("writing to a String does not fail");
        out
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    text.as_bytes().chunks(2).map(|pair| if let [a, b] = pair { Some(digit(*a)? << 4 | digit(*b)?) } else { None }).collect()
}
