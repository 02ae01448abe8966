//! What happened, a short line each, the same for the same seed. Holds no secret and no time of the machine.

/// The lines of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace(Vec<String>);

impl Trace {
    /// Adds a line.
    pub fn say(&mut self, line: String) {
        self.0.push(line);
    }

    /// All lines.
    pub fn lines(&self) -> &[String] {
        &self.0
    }

    /// The last so many.
    pub fn tail(&self, lines: usize) -> &[String] {
        &self.0[self.0.len().saturating_sub(lines)..]
    }
}

/// Four bytes of an identity, enough to tell two apart in a trace.
pub fn short(bytes: &[u8]) -> String {
    bytes.iter().take(4).map(|b| format!("{b:02x}")).collect()
}
