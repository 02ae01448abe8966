//! What goes down, to whom, and from where.

use std::sync::Arc;

use daftar_core::authorize::Grant;
use daftar_core::compartment::Compartment;
use daftar_core::ids::{Epoch, OfficerId};
use daftar_sync_server::verify;
use daftar_wire::message::{Access, Answer, Begun, FeedVerdict, FrameReader, Hello, Notice, feed_next, feed_start};
use daftar_wire::segment::Segment;
use daftar_wire::stream::{StreamHead, digest};

use crate::support::{World, c, end, entries, notices, segments};

const TEAM: &str = "team/imt-1";

#[tokio::test]
async fn a_second_exchange_with_nothing_new_is_answered_by_the_end_alone() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let segment = device.write(TEAM, 3).write().expect("a segment");
    let first = world.exchange(&device, device.hello(), &[segment]).await;
    assert_eq!(entries(&first)[0].0, "reference", "the reference comes first");
    let granted = notices(&first).into_iter().filter(|n| matches!(n, Notice::Granted { access: Access { read: true, .. }, .. })).count();
    assert_eq!(granted, 4);
    device.confirm(end(&first));
    let second = world.exchange(&device, device.hello(), &[]).await;
    assert_eq!(second.len(), 1, "{second:?}");
    assert!(second[0].write().len() <= 20);
}

#[tokio::test]
async fn a_device_is_not_sent_its_own_and_still_has_every_number() {
    let world = World::new();
    let mut a = world.device("a", "imt-1").await;
    let mut b = world.device("b", "imt-1").await;
    for _ in 0..2 {
        for device in [&mut a, &mut b] {
            let segment = device.write(TEAM, 2).write().expect("a segment");
            world.exchange(device, device.hello(), &[segment]).await;
        }
    }
    // Grants take the first two numbers of the feed.
    let seen = world.exchange(&b, b.hello(), &[]).await;
    let team: Vec<_> = entries(&seen).into_iter().filter(|e| e.0 == TEAM).map(|e| (e.1, e.2)).collect();
    assert_eq!(team, [(1, 1), (2, 2), (3, 3), (4, 5)]);
    let cursor = end(&seen).cursors.iter().find(|c| c.compartment.as_str() == TEAM).expect("a cursor");
    assert_eq!(cursor.ranges, [(1, 6)], "its own last segment is covered by the end");
    b.confirm(end(&seen));
    let segment = a.write(TEAM, 1).write().expect("a segment");
    world.exchange(&a, a.hello(), &[segment]).await;
    let more = world.exchange(&b, b.hello(), &[]).await;
    assert_eq!(entries(&more), [(TEAM, 7, 7)]);
}

#[tokio::test]
async fn the_end_tells_the_digest_and_chain_that_a_device_computes_itself() {
    let world = World::new();
    let mut a = world.device("a", "imt-1").await;
    let b = world.device("b", "imt-1").await;
    let segments = [a.write(TEAM, 2).write().expect("a segment"), a.write(TEAM, 300 - 50).write().expect("a segment")];
    world.exchange(&a, a.hello(), &segments).await;
    let seen = world.exchange(&b, b.hello(), &[]).await;
    let mut heads: Vec<StreamHead> = Vec::new();
    let mut chain = feed_start(&c(TEAM), &b.enrolled.epoch);
    for answer in &seen {
        let Answer::Item(item) = answer else { continue };
        if item.compartment.as_str() != TEAM {
            continue;
        }
        let segment = Segment::read(&item.segment).expect("a segment");
        let s = &segment.stream;
        let before = heads.iter().find(|h| (h.device, h.incarnation) == (s.device, s.incarnation)).map_or(s.start(), |h| h.head);
        let head = segment.chain(before).head();
        heads.retain(|h| (h.device, h.incarnation) != (s.device, s.incarnation));
        heads.push(StreamHead { device: s.device, incarnation: s.incarnation, n: segment.last(), head });
        chain = feed_next(chain, s, segment.first, segment.entries.len() as u32, &head);
        assert_eq!(item.chain, chain.0[..8]);
    }
    let cursor = end(&seen).cursors.iter().find(|c| c.compartment.as_str() == TEAM).expect("a cursor");
    assert_eq!((cursor.digest, &cursor.chain[..]), (digest(&heads), &chain.0[..8]));
}

#[tokio::test]
async fn without_a_grant_no_byte_of_a_compartment_leaves() {
    let world = World::new();
    let mut inside = world.device("a", "imt-1").await;
    let outside = world.device("b", "imt-2").await;
    let segments = [inside.write(TEAM, 3), inside.write("agency/moi/imt-1", 3), inside.write("operation/op-qorachiroq", 1)];
    let segments: Vec<Vec<u8>> = segments.iter().map(|s| s.write().expect("a segment")).collect();
    world.exchange(&inside, inside.hello(), &segments).await;
    let seen = world.exchange(&outside, outside.hello(), &[]).await;
    let secret = |name: &str| name == TEAM || name == "agency/moi/imt-1";
    assert!(entries(&seen).iter().all(|e| !secret(e.0)) && end(&seen).cursors.iter().all(|c| !secret(c.compartment.as_str())));
    assert!(entries(&seen).iter().any(|e| e.0 == "operation/op-qorachiroq"), "both teams are in the operation");
    let mut nobody = outside.hello();
    nobody.officers = vec![inside.enrolled.officer];
    let seen = world.exchange(&outside, nobody, &[]).await;
    assert_eq!(seen.len(), 1, "an officer who is not enrolled there opens nothing: {seen:?}");
    let mut locked = outside.hello();
    locked.officers.clear();
    assert_eq!(world.exchange(&outside, locked, &[]).await.len(), 1, "nor does nobody");
}

#[tokio::test]
async fn an_unknown_root_takes_the_segments_and_sends_nothing() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let segment = device.write(TEAM, 3).write().expect("a segment");
    let mut hello = device.hello();
    hello.root = [7; 16];
    let answers = world.exchange(&device, hello, &[segment]).await;
    assert!(matches!(answers[..], [Answer::Receipt(_), Answer::Notice(Notice::RootUnknown), Answer::End(_)]), "{answers:?}");
    assert!(end(&answers).cursors.is_empty());
}

#[tokio::test]
async fn an_end_that_was_lost_costs_nothing_but_saying_it_again() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let mut other = world.device("b", "imt-1").await;
    device.confirm(end(&world.exchange(&device, device.hello(), &[]).await));
    for _ in 0..3 {
        let segment = other.write(TEAM, 1).write().expect("a segment");
        world.exchange(&other, other.hello(), &[segment]).await;
        let seen = world.exchange(&device, device.hello(), &[]).await;
        assert!(!notices(&seen).contains(&&Notice::RootUnknown), "the root that was confirmed is known as long as it is used");
    }
}

#[tokio::test]
async fn a_cursor_of_another_life_starts_from_the_beginning_and_is_told_so_first() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let first = world.exchange(&device, device.hello(), &[]).await;
    device.confirm(end(&first));
    let all = entries(&first).iter().filter(|e| e.0 == "reference").count();
    let mut hello = device.hello();
    let mut cursor = device.cursors.iter().find(|c| c.compartment == Compartment::reference()).expect("a cursor").clone();
    cursor.epoch = Epoch([1; 16]);
    hello.cursors = vec![cursor];
    let seen = world.exchange(&device, hello, &[]).await;
    assert_eq!((&seen[0], entries(&seen).len()), (&Answer::Notice(Notice::NewEpoch { epoch: device.enrolled.epoch }), all));
}

#[tokio::test]
async fn where_a_budget_is_too_small_the_reference_and_headquarters_words_come_first_and_then_the_newest() {
    let world = World::new();
    let mut writer = world.device("a", "imt-1").await;
    let mut reader = world.device("b", "imt-1").await;
    let mut write = async |n: usize| {
        let segments: Vec<Vec<u8>> = (0..n).map(|_| writer.write(TEAM, 20).write().expect("a segment")).collect();
        world.exchange(&writer, writer.hello(), &segments).await;
    };
    write(40).await;
    let (mut rounds, mut own) = (Vec::new(), Vec::new());
    loop {
        let mut hello = reader.hello();
        hello.budget = Some(9000);
        let answers = world.exchange(&reader, hello, &[]).await;
        let team: Vec<(u64, u64)> = entries(&answers).iter().filter(|e| e.0 == TEAM).map(|e| (e.1, e.2)).collect();
        let reference = entries(&answers).iter().rposition(|e| e.0 == "reference");
        assert!(reference.is_none_or(|at| entries(&answers)[..at].iter().all(|e| e.0 == "reference")), "it comes before all else");
        let loose = answers.iter().filter_map(|a| if let Answer::Loose(bytes) = a { Segment::read(bytes).ok() } else { None });
        own.extend(loose.map(|s| (s.stream.compartment.as_str() == TEAM, s.stream.device == world.hq.identity.device)));
        let first_item = answers.iter().position(|a| matches!(a, Answer::Item(i) if i.compartment.as_str() == TEAM));
        assert!(
            answers.iter().skip(first_item.unwrap_or(0)).all(|a| !matches!(a, Answer::Loose(_))),
            "and headquarters' words before the feed"
        );
        rounds.push(team);
        reader.confirm(end(&answers));
        if !end(&answers).more {
            break;
        }
        if rounds.len() == 1 {
            // What is new meanwhile comes before the past goes on.
            write(1).await;
        }
    }
    assert!(rounds.len() > 2, "forty segments do not fit into two budgets: {rounds:?}");
    assert!(rounds[0].iter().all(|e| e.0 > 2) && rounds[0].iter().any(|e| e.1 == 42), "the newest first: {rounds:?}");
    assert_eq!(rounds[1].first(), Some(&(43, 43)), "{rounds:?}");
    assert_eq!(own.iter().filter(|o| o.0).count(), 2, "two grants, once");
    assert!(own.iter().all(|o| o.1));
    let mut numbers: Vec<u64> = rounds.concat().iter().flat_map(|e| e.0..=e.1).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=43).collect::<Vec<_>>(), "nothing is skipped and nothing said twice");
    assert_eq!(world.exchange(&reader, reader.hello(), &[]).await.len(), 1);
}

#[tokio::test]
async fn a_verdict_comes_ahead_of_what_does_not_fit_and_in_its_place_again() {
    let world = World::new();
    let mut writer = world.device("a", "imt-1").await;
    let mut reader = world.device("b", "imt-1").await;
    reader.confirm(end(&world.exchange(&reader, reader.hello(), &[]).await));
    writer.author = OfficerId([5; 16]);
    let judged = writer.write(TEAM, 1);
    writer.author = writer.enrolled.officer;
    let name = judged.chain(writer.stream(TEAM).start()).names[0];
    let later = (0..12).map(|_| writer.write(TEAM, 20).write().expect("a segment"));
    let segments: Vec<Vec<u8>> = std::iter::once(judged.write().expect("a segment")).chain(later).collect();
    world.exchange(&writer, writer.hello(), &segments).await;
    let (mut ahead, mut in_place) = (Vec::new(), Vec::new());
    for round in 0.. {
        let mut hello = reader.hello();
        hello.budget = Some(2000);
        let answers = world.exchange(&reader, hello, &[]).await;
        let verdict = |v: &FeedVerdict| (round, v.n, v.rulings[0].change);
        ahead.extend(answers.iter().filter_map(|a| if let Answer::LooseVerdict(v) = a { Some(verdict(v)) } else { None }));
        in_place.extend(answers.iter().filter_map(|a| if let Answer::Verdict(v) = a { Some(verdict(v)) } else { None }));
        let first_of = |is: fn(&Answer) -> bool| answers.iter().position(is);
        if let (0, Some(item)) = (round, first_of(|a| matches!(a, Answer::Item(i) if i.compartment.as_str() == TEAM))) {
            assert!(first_of(|a| matches!(a, Answer::LooseVerdict(_))) < Some(item), "it is said before the feed");
        }
        reader.confirm(end(&answers));
        if !end(&answers).more {
            break;
        }
    }
    let [(first, n, of)] = ahead[..] else { panic!("it is said ahead once: {ahead:?}") };
    let [(last, again, of_again)] = in_place[..] else { panic!("and once in its place: {in_place:?}") };
    assert_eq!((first, of, again, of_again), (0, name, n, name));
    assert!(last > 1, "its place is in the past, which comes last");
}

#[tokio::test]
async fn where_the_bytes_are_spent_headquarters_words_are_followed_by_something_new_and_not_said_again() {
    const NOTES: &str = "agency/moi/imt-1";
    let world = World::new();
    let mut writer = world.device("a", "imt-1").await;
    let mut reader = world.device("b", "imt-1").await;
    for name in [TEAM, NOTES] {
        let segments: Vec<Vec<u8>> = (0..4).map(|_| writer.write(name, 20).write().expect("a segment")).collect();
        world.exchange(&writer, writer.hello(), &segments).await;
    }
    let mut said: Vec<(String, u64)> = Vec::new();
    let mut came = 0;
    loop {
        let mut hello = reader.hello();
        hello.budget = Some(4000);
        let answers = world.exchange(&reader, hello, &[]).await;
        let loose = answers.iter().filter_map(|a| if let Answer::Loose(bytes) = a { Segment::read(bytes).ok() } else { None });
        said.extend(loose.map(|s| (s.stream.compartment.to_string(), s.first)));
        came += entries(&answers).iter().filter(|e| e.0 != "reference").map(|e| e.2 - e.1 + 1).sum::<u64>();
        reader.confirm(end(&answers));
        if !end(&answers).more {
            break;
        }
    }
    assert!(came >= 8, "{came}");
    for name in [TEAM, NOTES] {
        assert!(said.iter().any(|s| s.0 == name), "{said:?}");
    }
    let once = said.iter().collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!(once, said.len(), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_writers_at_once_leave_no_gap_in_a_feed() {
    let world = Arc::new(World::new());
    let mut writers = Vec::new();
    for i in 0..8 {
        writers.push(world.device(&format!("w{i}"), "imt-1").await);
    }
    let tasks: Vec<_> = writers
        .into_iter()
        .map(|mut device| {
            let world = world.clone();
            tokio::spawn(async move {
                for _ in 0..6 {
                    let segments: Vec<Vec<u8>> = (0..3).map(|_| device.write(TEAM, 2).write().expect("a segment")).collect();
                    world.exchange(&device, device.hello(), &segments).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no writer fails");
    }
    let reader = world.device("reader", "imt-1").await;
    let seen = world.exchange(&reader, reader.hello(), &[]).await;
    let team: Vec<u64> = entries(&seen).into_iter().filter(|e| e.0 == TEAM).flat_map(|e| e.1..=e.2).collect();
    assert_eq!(team, (1..=8 * 18 + 9).collect::<Vec<_>>());
    let report = verify::verify(&world.hq).expect("readable");
    assert_eq!(report.bad, Vec::<String>::new());
}

#[tokio::test]
async fn whoever_changes_the_database_by_hand_is_found_out() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let segments = [device.write(TEAM, 2).write().expect("a segment"), device.write(TEAM, 2).write().expect("a segment")];
    world.exchange(&device, device.hello(), &segments).await;
    let bad = || verify::verify(&world.hq).expect("readable").bad;
    assert_eq!(bad(), Vec::<String>::new());
    let by_hand = |sql: &str| world.hq.store.write(|tx| Ok(tx.execute_batch(sql)?)).expect("written");
    let last = "rowid = (SELECT max(rowid) FROM feed)";
    for (spoil, repair) in [
        (
            format!("CREATE TABLE kept AS SELECT * FROM feed WHERE {last}; DELETE FROM feed WHERE {last}"),
            "INSERT INTO feed SELECT * FROM kept",
        ),
        ("UPDATE feed_head SET n = n + 1".into(), "UPDATE feed_head SET n = n - 1"),
        (format!("UPDATE feed SET n = n + 1 WHERE {last}"), "UPDATE feed SET n = n - 1 WHERE rowid = (SELECT max(rowid) FROM feed)"),
        (
            format!("UPDATE feed SET first = first - 1 WHERE {last}"),
            "UPDATE feed SET first = first + 1 WHERE rowid = (SELECT max(rowid) FROM feed)",
        ),
        ("UPDATE stream SET n = n + 1".into(), "UPDATE stream SET n = n - 1"),
        (format!("UPDATE feed SET bytes = CAST(substr(bytes, 1, length(bytes) - 9) || x'000102030405060708' AS BLOB) WHERE {last}"), ""),
    ] {
        by_hand(&spoil);
        assert!(!bad().is_empty(), "not found out: {spoil}");
        by_hand(repair);
    }
}

#[tokio::test]
async fn who_lacks_many_small_segments_is_sent_what_their_changes_come_to() {
    let world = World::new();
    let mut a = world.device("a", "imt-1").await;
    let b = world.device("b", "imt-1").await;
    const SMALL: usize = 12_000;
    let small: Vec<Vec<u8>> = (0..SMALL).map(|_| a.write(TEAM, 1).write().expect("a segment")).collect();
    let arrived: usize = small.iter().map(Vec::len).sum();
    world.exchange(&a, a.hello(), &small).await;
    let seen = world.exchange(&b, b.hello(), &[]).await;
    let (mut changes, mut bytes, mut segments, mut covered) = (0, 0, 0, 0);
    let mut head = a.stream(TEAM).start();
    for answer in &seen {
        let (segment, to) = match answer {
            Answer::Loose(segment) => (segment, 0),
            Answer::Item(i) => (&i.segment, if i.compartment.as_str() == TEAM { i.n } else { 0 }),
            Answer::Receipt(_)
            | Answer::Short(_)
            | Answer::Verdict(_)
            | Answer::LooseVerdict(_)
            | Answer::Rest(..)
            | Answer::Notice(_)
            | Answer::Reopened(_)
            | Answer::File(_)
            | Answer::End(_) => {
                continue;
            }
        };
        let read = Segment::read(segment).expect("a segment");
        if read.stream == a.stream(TEAM) {
            head = read.check(head, &a.keys.signing.verifying_key()).expect("the chain and the device's word hold").head();
            (changes, bytes, segments) = (changes + read.entries.len(), bytes + segment.len(), segments + 1);
        }
        covered = covered.max(to);
    }
    assert_eq!((changes, head), (SMALL, a.head(TEAM).1), "every change is there, in order");
    assert_eq!(covered, end(&seen).cursors.iter().find(|c| c.compartment.as_str() == TEAM).expect("a cursor").ranges[0].1);
    assert!(segments < SMALL / 100, "{segments} segments came");
    // Each small segment had a seed of its own; with it a change of this size takes about 70 bytes.
    assert!(bytes < arrived / 3 && bytes < SMALL * 80, "{bytes} bytes came of {arrived} that had arrived");
}

#[tokio::test]
async fn what_is_joined_begins_with_headquarters_own_word_of_who_may_have_the_rest() {
    let world = World::new();
    let mut a = world.device("a", "imt-1").await;
    let mut b = world.device("b", "imt-1").await;
    let before = world.exchange(&b, b.hello(), &[]).await;
    b.confirm(end(&before));
    let small: Vec<Vec<u8>> = (0..40).map(|_| a.write(TEAM, 1).write().expect("a segment")).collect();
    world.exchange(&a, a.hello(), &small).await;
    // Who was let in again has been told so once, and reads by this entry alone.
    world.hq.grant("b", &c(TEAM), Grant { read: true, write: true, until_ms: Some(u64::MAX / 4) }).expect("granted");
    let seen = world.exchange(&b, b.hello(), &[]).await;
    let writers: Vec<_> = segments(&seen, TEAM).iter().map(|s| s.stream.device).collect();
    assert!(seen.iter().any(|answer| matches!(answer, Answer::Loose(_))), "they are joined");
    assert_eq!(writers.first(), Some(&world.hq.identity.device));
    assert!(writers.len() < 10 && writers.contains(&a.enrolled.device), "{writers:?}");
}

#[tokio::test]
async fn on_a_slow_link_segments_are_joined_wherever_two_fit_into_one() {
    let world = World::new();
    let mut a = world.device("a", "imt-1").await;
    let b = world.device("b", "imt-1").await;
    let sealed = [a.write(TEAM, 100), a.write(TEAM, 100)].map(|s| s.write().expect("a segment"));
    world.exchange(&a, a.hello(), &sealed).await;
    for (budget, counts) in [(None, vec![100, 100]), (Some(256_000), vec![200])] {
        let seen = world.exchange(&b, Hello { budget, ..b.hello() }, &[]).await;
        let came = segments(&seen, TEAM).into_iter().filter(|s| s.stream == a.stream(TEAM));
        assert_eq!(came.map(|s| s.entries.len()).collect::<Vec<_>>(), counts, "with a budget of {budget:?}");
    }
}

#[tokio::test]
async fn of_a_message_that_was_cut_the_rest_is_said_to_whom_the_whole_would_be() {
    let world = World::new();
    let mut a = world.device("a", "imt-1").await;
    let b = world.device("b", "imt-1").await;
    let stranger = world.device("c", "imt-2").await;
    let segment = a.write(TEAM, 20).write().expect("a segment");
    world.exchange(&a, a.hello(), &[segment]).await;
    let answers = world.exchange(&b, b.hello(), &[]).await;
    let item = answers.iter().rfind(|x| matches!(x, Answer::Item(i) if i.compartment.as_str() == TEAM)).expect("the segment comes");
    let mut reader = FrameReader::default();
    reader.push(&item.write());
    let message = reader.next().expect("a frame").expect("a whole one");

    let (there, rest) = message.split_at(300);
    let begun = vec![Begun::of(b"something else"), Begun::of(there), Begun::of(&message)];
    let seen = world.exchange(&b, Hello { begun: begun.clone(), ..b.hello() }, &[]).await;
    assert!(!seen.contains(item));
    let rests: Vec<_> = seen.iter().filter(|x| matches!(x, Answer::Rest(..))).collect();
    assert_eq!(rests, [&Answer::Rest(1, rest.to_vec())], "once, and what goes on with nothing is said whole");
    let told = world.exchange(&stranger, Hello { begun, ..stranger.hello() }, &[]).await;
    assert!(!told.iter().any(|x| matches!(x, Answer::Rest(..))), "who may not read it is not told how it goes on: {told:?}");
    let other = Begun { sha256: [7; 16], ..Begun::of(there) };
    let seen = world.exchange(&b, Hello { begun: vec![other], ..b.hello() }, &[]).await;
    assert!(seen.contains(item), "what is not its beginning is not gone on with");
}
