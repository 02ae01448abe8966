//! Automerge: one document a record, its own sync protocol over a channel in this process, documents in files.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use automerge::sync::{Message, State, SyncDoc};
use automerge::transaction::Transactable;
use automerge::{AutoCommit, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};
use serde_json::{Value, json};

use crate::Fault;
use crate::corpus::{Record, amended, saves};

const DURABILITY: &str = "a file a document, fsync, not encrypted";
/// What names a document on the link: a UUID.
const NAME_BYTES: u64 = 16;

/// One end of the link: a document and what is remembered of the other end, for each record.
struct End(Vec<(AutoCommit, State)>);

fn scalar(value: &Value) -> ScalarValue {
    match value {
        Value::Bool(b) => ScalarValue::Boolean(*b),
        Value::Number(n) => n.as_i64().map_or_else(|| ScalarValue::F64(n.as_f64().unwrap_or(f64::NAN)), ScalarValue::Int),
        Value::String(s) => ScalarValue::Str(s.as_str().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => ScalarValue::Null,
    }
}

fn put(doc: &mut AutoCommit, at: &ObjId, key: &str, value: &Value) -> Result<(), Fault> {
    match value {
        Value::Object(map) => {
            let inner = doc.put_object(at, key, ObjType::Map)?;
            map.iter().try_for_each(|(key, value)| put(doc, &inner, key, value))
        }
        Value::Array(list) => {
            let inner = doc.put_object(at, key, ObjType::List)?;
            list.iter().enumerate().try_for_each(|(place, value)| insert(doc, &inner, place, value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(doc.put(at, key, scalar(value))?),
    }
}

fn insert(doc: &mut AutoCommit, at: &ObjId, place: usize, value: &Value) -> Result<(), Fault> {
    match value {
        Value::Object(map) => {
            let inner = doc.insert_object(at, place, ObjType::Map)?;
            map.iter().try_for_each(|(key, value)| put(doc, &inner, key, value))
        }
        Value::Array(list) => {
            let inner = doc.insert_object(at, place, ObjType::List)?;
            list.iter().enumerate().try_for_each(|(place, value)| insert(doc, &inner, place, value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(doc.insert(at, place, scalar(value))?),
    }
}

fn document(record: &Record) -> Result<AutoCommit, Fault> {
    let mut doc = AutoCommit::new();
    for (key, value) in &record.about {
        doc.put(&ROOT, *key, value.as_str())?;
    }
    record.data.iter().try_for_each(|(key, value)| put(&mut doc, &ROOT, key, value))?;
    doc.commit();
    Ok(doc)
}

impl End {
    fn empty(records: usize) -> Self {
        Self((0..records).map(|_| (AutoCommit::new(), State::new())).collect())
    }

    /// A new connection: of the other end only what Automerge itself would have stored is remembered.
    fn reconnect(&mut self) -> Result<(), Fault> {
        for (_, state) in &mut self.0 {
            *state = State::decode(&state.encode())?;
        }
        Ok(())
    }

    /// Every document in one file, by fsync: the cheapest durable form there is.
    fn save(&mut self, path: &Path) -> Result<(), Fault> {
        let mut file = std::io::BufWriter::new(File::create(path)?);
        for (doc, _) in &mut self.0 {
            let bytes = doc.save();
            file.write_all(&u32::try_from(bytes.len())?.to_le_bytes())?;
            file.write_all(&bytes)?;
        }
        Ok(file.into_inner().map_err(|e| e.into_error())?.sync_all()?)
    }
}

/// Syncs these documents of two ends until neither has more to say: bytes up, bytes down, turns.
fn sync(near: &mut End, far: &mut End, which: &[usize]) -> Result<(u64, u64, u64), Fault> {
    let (mut up, mut down, mut turns) = (0, 0, 0);
    loop {
        let said = (say(near, far, which)?, say(far, near, which)?);
        if said == (0, 0) {
            return Ok((up, down, turns));
        }
        (up, down, turns) = (up + said.0, down + said.1, turns + 1);
    }
}

/// What one end has to say of these documents goes to the other: bytes, names included.
fn say(from: &mut End, to: &mut End, which: &[usize]) -> Result<u64, Fault> {
    let mut link: Vec<(usize, Vec<u8>)> = Vec::new();
    for &at in which {
        let (doc, state) = &mut from.0[at];
        link.extend(doc.sync().generate_sync_message(state).map(|message| (at, message.encode())));
    }
    let mut bytes = 0;
    for (at, message) in link {
        bytes += message.len() as u64 + NAME_BYTES;
        let (doc, state) = &mut to.0[at];
        doc.sync().receive_sync_message(state, Message::decode(&message)?)?;
    }
    Ok(bytes)
}

/// Push by one device, pull by another, nothing new, one amendment. Each end saves what it received.
pub fn exchange(corpus: &[Record], dir: &Path) -> Result<Value, Fault> {
    let all: Vec<usize> = (0..corpus.len()).collect();
    let mut a = End(corpus.iter().map(|r| Ok((document(r)?, State::new()))).collect::<Result<_, Fault>>()?);
    a.save(&dir.join("a"))?;
    let (mut server_a, mut b) = (End::empty(corpus.len()), End::empty(corpus.len()));
    let began = Instant::now();
    let (push_up, push_down, push_turns) = sync(&mut a, &mut server_a, &all)?;
    server_a.save(&dir.join("server"))?;
    let push_s = began.elapsed().as_secs_f64();
    // The server keeps a state for each device; documents are the same.
    let mut server_b = End(server_a.0.iter_mut().map(|(doc, _)| (doc.fork(), State::new())).collect());
    let began = Instant::now();
    let (_, pull_down, _) = sync(&mut b, &mut server_b, &all)?;
    b.save(&dir.join("b"))?;
    let pull_s = began.elapsed().as_secs_f64();
    a.reconnect()?;
    server_a.reconnect()?;
    let began = Instant::now();
    let (idle_up, idle_down, _) = sync(&mut a, &mut server_a, &all)?;
    let idle_s = began.elapsed().as_secs_f64();
    a.reconnect()?;
    server_a.reconnect()?;
    let id = &amended(corpus)?.id;
    let at = corpus.iter().position(|r| r.id == *id).ok_or("the record is not there")?;
    a.0[at].0.put(&ROOT, "remarks", "green")?;
    a.0[at].0.commit();
    let began = Instant::now();
    let (one_up, one_down, one_turns) = sync(&mut a, &mut server_a, &[at])?;
    let one_s = began.elapsed().as_secs_f64();
    if b.0[at].0.get(&ROOT, "remarks")?.is_none() {
        return Err("the second device has not all records".into());
    }
    Ok(json!({"push_s": push_s, "push_up": push_up, "push_down": push_down, "push_requests": push_turns, "pull_s": pull_s,
        "pull_down": pull_down, "idle_s": idle_s, "idle_up": idle_up, "idle_down": idle_down, "one_s": one_s, "one_up": one_up,
        "one_down": one_down, "one_requests": one_turns}))
}

/// Saves of single records.
pub fn save(corpus: &[Record], dir: &Path) -> Result<Value, Fault> {
    let mut ms = Vec::new();
    for record in corpus {
        let began = Instant::now();
        let bytes = document(record)?.save();
        let mut file = File::create(dir.join(&record.id))?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        ms.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(saves(ms, DURABILITY))
}

/// Two devices write the same field of a record apart, and two different ones.
pub fn conflict(corpus: &[Record]) -> Result<Value, Fault> {
    let mut a = document(amended(corpus)?)?;
    let mut b = a.fork();
    a.put(&ROOT, "remarks", "of a")?;
    a.put(&ROOT, "search_level", "full")?;
    b.put(&ROOT, "remarks", "of b")?;
    b.put(&ROOT, "result", "irregularity")?;
    a.merge(&mut b)?;
    b.merge(&mut a)?;
    let is =
        |doc: &AutoCommit, key: &str, value: &str| Ok::<_, Fault>(doc.get(&ROOT, key)?.is_some_and(|(v, _)| v.as_str() == Some(value)));
    let is_merged = is(&a, "search_level", "full")? && is(&a, "result", "irregularity")?;
    let held = (a.get_all(&ROOT, "remarks")?.len(), b.get_all(&ROOT, "remarks")?.len());
    Ok(json!({
        "same_field": if held == (2, 2) { "winner_and_hidden_loser" } else { "one_lost_silently" },
        "different_fields": if is_merged { "merged" } else { "one_lost_silently" },
        "same_field_says": "a read gives one value; the other is there for a program that asks, until the next write of the field",
        "different_fields_says": "both changes stand on both devices",
    }))
}
