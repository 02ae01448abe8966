//! What the feeds come to in the console's tables.

use std::sync::Arc;
use std::time::{Duration, Instant};

use daftar_core::change::Op;
use daftar_core::ids::{OfficerId, RecordId};
use daftar_sync_server::project::{self, Projector, read_state};

use crate::support::{NOW_MS, World, random};

const TEAM: &str = "team/imt-1";

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn records(world: &World, name: &str) -> (u64, u64) {
    let report = project::report(&world.hq).expect("readable");
    (report.lag, report.compartments.iter().find(|c| c.name.as_str() == name).expect("a compartment").records)
}

#[tokio::test]
async fn what_counts_becomes_a_record_and_what_does_not_stays_in_the_history() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let id = RecordId::new(NOW_MS, random());
    let create = device.segment(TEAM, vec![device.entry(id, Op::Create, Vec::new(), "Юсупов")]);
    let name = create.chain(device.stream(TEAM).start()).names[0];
    // Two officers amend what both saw: both values stay.
    let both = vec![device.entry(id, Op::Amend, vec![name], "one"), device.entry(id, Op::Amend, vec![name], "two")];
    let amend = device.segment(TEAM, both);
    device.author = OfficerId([5; 16]);
    let review = device.segment(TEAM, vec![device.entry(RecordId::new(NOW_MS, random()), Op::Create, Vec::new(), "not his")]);
    let segments: Vec<Vec<u8>> = [create, amend, review].iter().map(|s| s.write().expect("a segment")).collect();

    let projector = Arc::new(Projector::open(&world.hq).expect("a projection"));
    assert!(records(&world, TEAM).0 > 0, "what headquarters itself wrote waits");
    world.exchange(&device, device.hello(), &segments[..1]).await;
    assert!(projector.catch_up(soon()).expect("caught up"));
    assert_eq!(records(&world, TEAM), (0, 1));
    assert_eq!(found(&projector, "iusupov"), 1, "found by another script");
    world.exchange(&device, device.hello(), &segments[1..]).await;
    assert!(projector.catch_up(soon()).expect("caught up"));
    assert_eq!(records(&world, TEAM), (0, 1), "what is under review is no record");
    let check = |projector: &Projector| {
        projector
            .read(|tx| {
                let (kind, state, conflicts): (u32, Vec<u8>, u32) =
                    tx.query_row("SELECT kind, state, conflicts FROM record WHERE uuid = ?1", [id.0], |r| {
                        Ok((r.get(0)?, r.get(1)?, r.get(2)?))
                    })?;
                let state = read_state(daftar_core::record::Kind::from_number(kind), &state).expect("a state");
                assert_eq!((conflicts, state.heads.len(), state.changes), (1, 2, 3));
                let kept: u32 =
                    tx.query_row("SELECT count(*) FROM change WHERE verdict = 1 AND reason = 'author_not_active'", [], |r| r.get(0))?;
                assert_eq!(kept, 1, "what is under review stays in the history");
                Ok(())
            })
            .expect("readable");
    };
    check(&projector);
    drop(projector);

    for file in ["projection.db", "projection.db-wal", "projection.db-shm"] {
        let _ = std::fs::remove_file(world.folder.path().join(file));
    }
    let again = Projector::open(&world.hq).expect("made anew");
    assert!(again.catch_up(soon()).expect("caught up"));
    check(&again);
}

fn found(projector: &Projector, query: &str) -> u32 {
    let terms: Vec<String> = daftar_core::fold::query_terms(query).iter().map(|t| format!("\"{t}\"*")).collect();
    projector
        .read(|tx| Ok(tx.query_row("SELECT count(*) FROM search WHERE search MATCH ?1", [terms.join(" ")], |r| r.get(0))?))
        .expect("readable")
}
