//! `import`: records from a file, a line each. A bad line is named and stops no other; nothing is held beyond a bounded line.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use daftar_core::compartment::Compartment;
use daftar_device::vault::{Act, Imported};
use daftar_device::{Error, Store};
use daftar_wire::json::{LINE_BYTES_MAX, read_line};
use serde_json::{Value, json};

use super::fault::Fault;
use super::out::Out;

/// Records of one compartment in one transaction, at most.
const BATCH: usize = 1024;
/// A batch waits for no more records longer than this.
const BATCH_WAIT: Duration = Duration::from_millis(500);

/// The arguments.
#[derive(Args)]
pub struct Import {
    /// The file: one JSON object a line.
    file: PathBuf,
}

/// A line as it is read.
enum Line {
    Whole,
    TooLong(u64),
    End,
}

/// What has become of the file so far.
#[derive(Default)]
struct Report {
    imported: u64,
    skipped: u64,
    errors: BTreeMap<u64, String>,
}

struct Importer<'a> {
    store: &'a Store,
    batches: BTreeMap<Compartment, Vec<(u64, Act)>>,
    /// Where something was saved.
    touched: BTreeSet<Compartment>,
    report: Report,
    since: Instant,
}

impl Import {
    /// Imports.
    pub fn run(&self, store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
        let cannot = |e: io::Error| Fault::refused(format!("`{}` cannot be read: {e}", self.file.display()));
        let mut reader = BufReader::with_capacity(256 * 1024, File::open(&self.file).map_err(cannot)?);
        let mut importer =
            Importer { store, batches: BTreeMap::new(), touched: BTreeSet::new(), report: Report::default(), since: Instant::now() };
        let mut bytes = Vec::new();
        for n in 1.. {
            match next_line(&mut reader, &mut bytes).map_err(cannot)? {
                Line::End => break,
                Line::TooLong(len) => importer.refuse(n, format!("the line has {len} bytes, at most {LINE_BYTES_MAX} are read")),
                Line::Whole => importer.line(n, &bytes)?,
            }
        }
        importer.flush_all()?;
        importer.touched.iter().try_for_each(|c| store.sign_own(c))?;
        let Report { imported, skipped, errors } = importer.report;
        out.say(
            || {
                let errors: Vec<Value> = errors.iter().map(|(line, reason)| json!({"line": line, "reason": reason})).collect();
                json!({"imported": imported, "skipped": skipped, "errors": errors})
            },
            || {
                let mut lines =
                    vec![format!("{imported} records were saved, {skipped} were here already, {} lines were not taken.", errors.len())];
                lines.extend(errors.iter().map(|(line, reason)| format!("  line {line}: {reason}")));
                lines
            },
        );
        Ok(u8::from(!errors.is_empty()))
    }
}

/// Reads a line without its end; what is too long is stepped over and only counted.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    let mut len = 0u64;
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            return Ok(if len == 0 { Line::End } else { ended(line, len) });
        }
        let end = piece.iter().position(|b| *b == b'\n');
        let part = &piece[..end.unwrap_or(piece.len())];
        len += part.len() as u64;
        if len <= LINE_BYTES_MAX as u64 {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            return Ok(ended(line, len));
        }
    }
}

fn ended(line: &mut Vec<u8>, len: u64) -> Line {
    if len > LINE_BYTES_MAX as u64 {
        return Line::TooLong(len);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Line::Whole
}

impl Importer<'_> {
    fn refuse(&mut self, n: u64, reason: impl Into<String>) {
        self.report.errors.insert(n, reason.into());
    }

    fn line(&mut self, n: u64, bytes: &[u8]) -> Result<(), Fault> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.refuse(n, "the line is not UTF-8");
            return Ok(());
        };
        // A file from another system may begin with a byte order mark.
        let text = if n == 1 { text.trim_start_matches('\u{feff}') } else { text };
        if text.trim().is_empty() {
            return Ok(());
        }
        let line = match read_line(text) {
            Ok(line) => line,
            Err(e) => {
                self.refuse(n, e.to_string());
                return Ok(());
            }
        };
        let batch = self.batches.entry(line.compartment.clone()).or_default();
        batch.push((n, Act::create(line.compartment.clone(), line.kind, line.id, line.fields)));
        if batch.len() >= BATCH {
            self.flush(&line.compartment)?;
        }
        if self.since.elapsed() >= BATCH_WAIT {
            self.flush_all()?;
        }
        Ok(())
    }

    /// Writes all that waits. Each compartment is a file of its own, so two are written at the same time.
    fn flush_all(&mut self) -> Result<(), Fault> {
        self.since = Instant::now();
        let batches = Mutex::new(std::mem::take(&mut self.batches).into_iter());
        let store = self.store;
        let work = || {
            let mut done = Vec::new();
            loop {
                let next = batches.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((compartment, batch)) = next else { return done };
                done.push(write(store, compartment, batch));
            }
        };
        let (mine, others) = std::thread::scope(|scope| {
            let other = scope.spawn(work);
            (work(), other.join())
        });
        let others = others.map_err(|_| Fault::ours("a writer stopped"))?;
        mine.into_iter().chain(others).try_for_each(|w| self.note(w))
    }

    fn flush(&mut self, compartment: &Compartment) -> Result<(), Fault> {
        let Some(batch) = self.batches.remove(compartment) else { return Ok(()) };
        let written = write(self.store, compartment.clone(), batch);
        self.note(written)
    }

    fn note(&mut self, written: Written) -> Result<(), Fault> {
        let Written { compartment, lines, outcome } = written;
        match outcome {
            Ok(outcomes) => {
                self.touched.insert(compartment);
                for (n, outcome) in lines.into_iter().zip(outcomes) {
                    match outcome {
                        Imported::Saved(_) => self.report.imported += 1,
                        Imported::Same => self.report.skipped += 1,
                        Imported::Refused(e) => self.refuse(n, e.to_string()),
                    }
                }
                Ok(())
            }
            Err(e @ (Error::Denied { .. } | Error::NoCompartment(_))) => {
                lines.into_iter().for_each(|n| self.refuse(n, e.to_string()));
                Ok(())
            }
            Err(e) => Err(e.into()),
        }
    }
}

/// What became of one compartment's batch.
struct Written {
    compartment: Compartment,
    lines: Vec<u64>,
    outcome: daftar_device::Result<Vec<Imported>>,
}

fn write(store: &Store, compartment: Compartment, batch: Vec<(u64, Act)>) -> Written {
    let (lines, acts): (Vec<u64>, Vec<Act>) = batch.into_iter().unzip();
    let outcome = store.import(&compartment, &acts);
    Written { compartment, lines, outcome }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_one_by_one_and_a_long_one_is_only_counted() {
        let long = "ю".repeat(LINE_BYTES_MAX);
        let text = format!("one\r\n\n{long}\nlast");
        let mut reader = BufReader::with_capacity(7, text.as_bytes());
        let mut line = Vec::new();
        let mut seen = Vec::new();
        loop {
            match next_line(&mut reader, &mut line).expect("memory can be read") {
                Line::Whole => seen.push(String::from_utf8(line.clone()).expect("UTF-8")),
                Line::TooLong(len) => {
                    assert!(line.capacity() <= 2 * LINE_BYTES_MAX, "a long line is not held");
                    seen.push(len.to_string());
                }
                Line::End => break,
            }
        }
        assert_eq!(seen, ["one", "", &(2 * LINE_BYTES_MAX).to_string(), "last"]);
    }
}
