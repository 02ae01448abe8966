//! TaskChampion: one task a record, its fields as properties (JSON text where they are nested), its local server on disk.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use taskchampion::storage::AccessMode;
use taskchampion::{Operations, Replica, Server, ServerConfig, SqliteStorage, TaskData, Uuid};

use crate::Fault;
use crate::corpus::{Record, amended, saves};

const SERVER: &str = "server";
/// The local server's own name for its file.
const FILE: &str = "taskchampion-local-sync-server.sqlite3";
const DURABILITY: &str = "SQLite WAL, synchronous=FULL, not encrypted";

type Tablet = Replica<SqliteStorage>;

async fn tablet(dir: &Path, name: &str) -> Result<Tablet, Fault> {
    Ok(Replica::new(SqliteStorage::new(dir.join(name), AccessMode::ReadWrite, true).await?))
}

async fn server(dir: &Path) -> Result<Box<dyn Server>, Fault> {
    let server_dir = dir.join(SERVER);
    std::fs::create_dir_all(&server_dir)?;
    Ok(ServerConfig::Local { server_dir }.into_server().await?)
}

/// The versions that the server was handed and wrote: what a link would have carried.
fn server_bytes(dir: &Path) -> Result<u64, Fault> {
    let file = rusqlite::Connection::open(dir.join(SERVER).join(FILE))?;
    let bytes: i64 = file.query_row("SELECT coalesce(sum(length(CAST(data AS BLOB))), 0) FROM versions", [], |row| row.get(0))?;
    Ok(u64::try_from(bytes)?)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn create(record: &Record, ops: &mut Operations) -> Result<(), Fault> {
    let mut task = TaskData::create(Uuid::parse_str(&record.id)?, ops);
    for (key, value) in &record.about {
        task.update(*key, Some(value.clone()), ops);
    }
    for (key, value) in &record.data {
        task.update(key, Some(text(value)), ops);
    }
    Ok(())
}

async fn amend(tablet: &mut Tablet, id: &str, key: &str, value: &str) -> Result<(), Fault> {
    let mut task = tablet.get_task_data(Uuid::parse_str(id)?).await?.ok_or("the record is not there")?;
    let mut ops = Operations::new();
    task.update(key, Some(value.to_owned()), &mut ops);
    Ok(tablet.commit_operations(ops).await?)
}

/// Syncs with a server that is opened for it; seconds, and how many bytes of versions the server took.
async fn sync(tablet: &mut Tablet, dir: &Path) -> Result<(f64, u64), Fault> {
    let mut server = server(dir).await?;
    let before = server_bytes(dir)?;
    let began = Instant::now();
    tablet.sync(&mut server, false).await?;
    let seconds = began.elapsed().as_secs_f64();
    drop(server);
    Ok((seconds, server_bytes(dir)? - before))
}

/// Push by one replica, pull by another, nothing new, one amendment.
pub async fn exchange(corpus: &[Record], dir: &Path) -> Result<Value, Fault> {
    server(dir).await?;
    let (mut a, mut b) = (tablet(dir, "a").await?, tablet(dir, "b").await?);
    let mut ops = Operations::new();
    corpus.iter().try_for_each(|record| create(record, &mut ops))?;
    let began = Instant::now();
    a.commit_operations(ops).await?;
    let import_s = began.elapsed().as_secs_f64();
    let (push_s, push_up) = sync(&mut a, dir).await?;
    let (pull_s, _) = sync(&mut b, dir).await?;
    if b.all_task_uuids().await?.len() != corpus.len() {
        return Err("the second replica has not all records".into());
    }
    let (idle_s, idle_up) = sync(&mut a, dir).await?;
    amend(&mut a, &amended(corpus)?.id, "remarks", "green").await?;
    let (one_s, one_up) = sync(&mut a, dir).await?;
    Ok(json!({"import_s": import_s, "push_s": push_s, "push_up": push_up, "pull_s": pull_s, "pull_down": push_up,
        "idle_s": idle_s, "idle_up": idle_up, "one_s": one_s, "one_up": one_up}))
}

/// Saves of single records.
pub async fn save(corpus: &[Record], dir: &Path) -> Result<Value, Fault> {
    let mut tablet = tablet(dir, "a").await?;
    let mut ms = Vec::new();
    for record in corpus {
        let began = Instant::now();
        let mut ops = Operations::new();
        create(record, &mut ops)?;
        tablet.commit_operations(ops).await?;
        ms.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(saves(ms, DURABILITY))
}

/// Two replicas write the same field of a record apart, and two different ones.
pub async fn conflict(corpus: &[Record], dir: &Path) -> Result<Value, Fault> {
    let record = amended(corpus)?;
    let (mut a, mut b) = (tablet(dir, "a").await?, tablet(dir, "b").await?);
    let mut ops = Operations::new();
    create(record, &mut ops)?;
    a.commit_operations(ops).await?;
    for one in [&mut a, &mut b] {
        sync(one, dir).await?;
    }
    amend(&mut a, &record.id, "remarks", "of a").await?;
    amend(&mut a, &record.id, "search_level", "full").await?;
    amend(&mut b, &record.id, "remarks", "of b").await?;
    amend(&mut b, &record.id, "result", "irregularity").await?;
    for _ in 0..2 {
        sync(&mut a, dir).await?;
        sync(&mut b, dir).await?;
    }
    let mut shown = Vec::new();
    for one in [&mut a, &mut b] {
        shown.push(one.get_task_data(Uuid::parse_str(&record.id)?).await?.ok_or("the record is gone")?);
    }
    let both = |key: &str, value: &str| shown.iter().all(|task| task.get(key) == Some(value));
    let (is_merged, left) = (both("search_level", "full") && both("result", "irregularity"), shown[0].get("remarks"));
    let is_one = left.is_some_and(|value| both("remarks", value) && ["of a", "of b"].contains(&value));
    Ok(json!({
        "same_field": if is_one { "one_lost_silently" } else { "replicas_differ" },
        "different_fields": if is_merged { "merged" } else { "one_lost_silently" },
        "same_field_says": "the later time stamp's value stands on both replicas; the other is kept nowhere that a user sees",
        "different_fields_says": "both changes stand on both replicas",
    }))
}
