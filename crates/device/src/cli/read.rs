//! `list`, `search`, `show`: records as JSON or as lines. Never writes.

use std::io::{self, Write};
use std::sync::Arc;

use clap::Args;
use daftar_core::ids::RecordId;
use daftar_core::record::Kind;
use daftar_core::time::format_time;
use daftar_device::Store;
use daftar_device::vault::{FilesAtHq, HistoryEntry, RecordItem};
use daftar_wire::json::{format_path, write_value};
use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::out::Out;

/// Records read at a time.
const PAGE: usize = 500;

/// The arguments of `list`.
#[derive(Args)]
pub struct List {
    /// The kind, such as `inspection`.
    kind: String,
    /// At most so many; all without it.
    #[arg(long)]
    limit: Option<usize>,
}

/// The arguments of `search`.
#[derive(Args)]
pub struct Search {
    /// Words that must all be in the record, each may be cut short.
    text: String,
    /// At most so many; all without it.
    #[arg(long)]
    limit: Option<usize>,
}

/// The arguments of `show`.
#[derive(Args)]
pub struct Show {
    /// The record's id.
    id: String,
}

fn kind_named(name: &str) -> Result<Kind, Fault> {
    Kind::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.iter().map(|k| k.2).collect();
        Fault::usage(format!("`{}` is no kind of record; one of: {}", name.chars().take(40).collect::<String>(), known.join(", ")))
    })
}

fn kind_name(kind: Kind) -> String {
    kind.name().map_or_else(|| format!("#{}", kind.number()), str::to_owned)
}

fn record(item: &RecordItem) -> Map<String, Value> {
    let mut m = Map::new();
    m.insert("id".into(), item.record.to_string().into());
    m.insert("kind".into(), kind_name(item.kind).into());
    m.insert("compartment".into(), item.compartment.to_string().into());
    m.insert("data".into(), item.data().into());
    m
}

fn line(item: &RecordItem) -> String {
    let s = item.summary();
    let waits = match (item.waiting, item.unjudged) {
        (true, _) => "  waiting",
        (false, true) => "  not yet judged",
        (false, false) => "",
    };
    let when = s.occurred_ms.map(format_time).unwrap_or_default();
    format!(
        "{}  {}  {when}  {}  {}  {}{waits}",
        item.record,
        kind_name(item.kind),
        s.number.unwrap_or_default(),
        s.headline,
        item.compartment
    )
}

/// One record after the other, so that a million of them need no memory.
struct Printer<'a> {
    json: bool,
    w: &'a mut dyn Write,
    n: usize,
}

impl Printer<'_> {
    fn item(&mut self, item: &RecordItem) -> io::Result<()> {
        self.n += 1;
        match (self.json, self.n) {
            (true, 1) => write!(self.w, "[{}", json!(record(item))),
            (true, _) => write!(self.w, ",\n{}", json!(record(item))),
            (false, _) => writeln!(self.w, "{}", line(item)),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        match (self.json, self.n) {
            (true, 0) => writeln!(self.w, "[]"),
            (true, _) => writeln!(self.w, "]"),
            (false, 0) => writeln!(self.w, "No record."),
            (false, _) => Ok(()),
        }
    }
}

impl List {
    /// Lists.
    pub fn run(&self, store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
        let kind = kind_named(&self.kind)?;
        let mut left = self.limit.unwrap_or(usize::MAX);
        let mut page = store.list(&[kind], None, PAGE.min(left))?;
        let mut failed = None;
        out.write(|w| {
            let mut printer = Printer { json: out.json, w, n: 0 };
            loop {
                left -= page.items.len();
                page.items.iter().try_for_each(|item| printer.item(item))?;
                let Some(next) = page.next.take().filter(|_| left > 0) else { break };
                match store.list(&[kind], Some(&next), PAGE.min(left)) {
                    Ok(p) => page = p,
                    Err(e) => {
                        failed = Some(e);
                        break;
                    }
                }
            }
            printer.end()
        });
        failed.map_or(Ok(0), |e| Err(e.into()))
    }
}

impl Search {
    /// Searches.
    pub fn run(&self, store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
        let found = store.search(&self.text, None, self.limit.unwrap_or(usize::MAX))?;
        out.write(|w| {
            let mut printer = Printer { json: out.json, w, n: 0 };
            found.iter().try_for_each(|item| printer.item(item))?;
            printer.end()
        });
        Ok(0)
    }
}

impl Show {
    /// Shows.
    pub fn run(&self, store: &Arc<Store>, out: &Out) -> Result<u8, Fault> {
        let id: RecordId = self.id.parse().map_err(|e: daftar_core::ids::BadId| Fault::refused(e.to_string()))?;
        let view = store.show(&super::status::compartment_of(store, &id)?, &id)?;
        let kind = view.item.kind;
        let files = store.file_states(&view.item.compartment, &id)?;
        let mut history = Vec::new();
        for h in &view.history {
            let author = store.handle_of(&h.author)?.unwrap_or_else(|| h.author.to_string());
            history.push((h, author));
        }
        out.say(
            || {
                let mut m = record(&view.item);
                m.insert("history".into(), history.iter().map(|(h, author)| entry(kind, h, author)).collect::<Vec<_>>().into());
                let values = |sides: &[(_, daftar_core::value::Value)], path: &daftar_core::value::Path| {
                    sides.iter().map(|(_, v)| write_value(kind, path, v)).collect::<Vec<_>>()
                };
                let conflicts: Map<String, Value> =
                    view.conflicts.iter().map(|c| (format_path(kind, &c.path), values(&c.sides, &c.path).into())).collect();
                m.insert("conflicts".into(), conflicts.into());
                let flags = &view.item.state.flags;
                m.insert("hidden".into(), view.item.state.hidden.into());
                m.insert("revived".into(), flags.revived.into());
                m.insert("missing_parent".into(), flags.missing_parent.into());
                m.insert("unjudged".into(), view.item.unjudged.into());
                m.insert("files".into(), files.iter().map(super::files::state).collect::<Vec<_>>().into());
                m.insert("files_at_hq".into(), FilesAtHq::of(&files).held.into());
                m.into()
            },
            || {
                let mut lines = vec![line(&view.item), serde_json::to_string_pretty(&view.item.data()).unwrap_or_default()];
                lines.extend(history.iter().map(|(h, author)| {
                    let clock = if h.ahead { "  (the device's clock was wrong)" } else { "" };
                    let judged = if h.unjudged { "  (not yet judged: headquarters has not said whether it counts)" } else { "" };
                    format!("{}  {}  {author}{clock}{judged}", at(h), h.op.name())
                }));
                let flags = [
                    (view.item.state.hidden, "voided"),
                    (view.item.state.flags.revived, "voided, and back: an officer who had not seen the void amended it"),
                    (view.item.state.flags.missing_parent, "an earlier version is missing"),
                ];
                lines.extend(flags.into_iter().filter(|f| f.0).map(|f| f.1.to_owned()));
                lines.extend(super::files::at_hq(&files));
                lines.extend(view.conflicts.iter().map(|c| format!("needs a decision: {}", format_path(kind, &c.path))));
                lines
            },
        );
        Ok(0)
    }
}

fn at(h: &HistoryEntry) -> String {
    format_time(i64::try_from(h.stamp.ms).unwrap_or(i64::MAX))
}

fn entry(kind: Kind, h: &HistoryEntry, author: &str) -> Value {
    let set: Map<String, Value> = h.set.iter().map(|(path, v)| (format_path(kind, path), write_value(kind, path, v))).collect();
    let mut m = Map::new();
    m.insert("change".into(), h.change.to_string().into());
    m.insert("op".into(), h.op.name().into());
    m.insert("at".into(), at(h).into());
    m.insert("clock".into(), json!({"offset_ms": h.clock.offset_ms, "quality": h.clock.quality.name(), "ahead": h.ahead}));
    m.insert("author".into(), author.into());
    m.insert("device".into(), h.device.to_string().into());
    m.insert("set".into(), set.into());
    m.insert("unjudged".into(), h.unjudged.into());
    if let Some(reason) = &h.reason {
        m.insert("reason".into(), reason.as_str().into());
    }
    if let Some((verdict, why)) = &h.ruling {
        m.insert("ruling".into(), json!({"verdict": verdict.number(), "why": why}));
    }
    m.into()
}
