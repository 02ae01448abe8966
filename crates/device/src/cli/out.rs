//! What a command prints: one JSON value for programs, or lines for people. A reader who goes away is no error.

use std::io::{self, BufWriter, Write};

use serde_json::{Value, json};

use super::fault::Fault;

/// Where a command prints.
pub struct Out {
    /// For programs.
    pub json: bool,
}

impl Out {
    /// For people, or for programs.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints the one value, or the lines.
    pub fn say(&self, value: impl FnOnce() -> Value, lines: impl FnOnce() -> Vec<String>) {
        let text = if self.json { value().to_string() } else { lines().join("\n") };
        if !text.is_empty() {
            self.write(|w| writeln!(w, "{text}"));
        }
    }

    /// Prints as it goes.
    pub fn write(&self, f: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        let mut w = BufWriter::new(io::stdout().lock());
        let _ = f(&mut w).and_then(|()| w.flush());
    }

    /// Prints why nothing was done.
    pub fn fault(&self, fault: &Fault) {
        if self.json {
            let mut value = json!({"error": {"code": fault.code, "message": fault.message}});
            if let Some(seconds) = fault.retry_after_seconds {
                value["error"]["retry_after_seconds"] = json!(seconds);
            }
            self.write(|w| writeln!(w, "{value}"));
        } else {
            let _ = writeln!(io::stderr(), "daftar: {}", fault.message);
        }
    }
}
