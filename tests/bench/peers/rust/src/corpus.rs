//! The corpus as it is read, and the milliseconds of single saves summed up. Never writes.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::Fault;

/// One record.
pub struct Record {
    /// A UUID.
    pub id: String,
    /// Kind and compartment.
    pub about: [(&'static str, String); 2],
    /// Its fields.
    pub data: Map<String, Value>,
}

/// Every record of an NDJSON file.
pub fn read(path: &Path) -> Result<Vec<Record>, Fault> {
    std::fs::read_to_string(path)?.lines().map(record).collect()
}

fn record(line: &str) -> Result<Record, Fault> {
    let mut value: Value = serde_json::from_str(line)?;
    let text = |key: &str| value[key].as_str().map(str::to_owned).ok_or_else(|| format!("a line without {key}"));
    let (id, kind, compartment) = (text("id")?, text("kind")?, text("compartment")?);
    let Value::Object(data) = value["data"].take() else {
        return Err("a line without data".into());
    };
    Ok(Record { id, about: [("kind", kind), ("compartment", compartment)], data })
}

/// The first inspection: the record that is amended.
pub fn amended(corpus: &[Record]) -> Result<&Record, Fault> {
    corpus.iter().find(|r| r.data.contains_key("vehicle")).ok_or_else(|| "the corpus has no inspection".into())
}

/// p50 and p99 of single saves, with the durability that they had.
pub fn saves(mut ms: Vec<f64>, durability: &str) -> Value {
    ms.sort_by(f64::total_cmp);
    let at = |percent: usize| ms.get((ms.len() * percent / 100).min(ms.len().saturating_sub(1)));
    json!({"p50_ms": at(50), "p99_ms": at(99), "n": ms.len(), "durability": durability})
}
