//! Forks, copies of devices, streams that come by another road, heads that are compared.

use daftar_core::authorize::{Register as _, Role};
use daftar_core::change::Op;
use daftar_core::compartment::Agency;
use daftar_core::ids::{DeviceId, Head, RecordId};
use daftar_sync_server::project::Projector;
use daftar_sync_server::register::Known;
use daftar_sync_server::verify;
use daftar_wire::message::{self, Answer, Ask, Heads, Hello, Lineage, Notice};
use daftar_wire::segment::Segment;
use daftar_wire::stream::StreamId;

use crate::replica::Replica;
use crate::support::{Device, NOW_MS, World, c, cut, end, held, notices, random, receipts, segments};

const TEAM: &str = "team/imt-1";

fn bytes(segment: &Segment) -> Vec<u8> {
    segment.write().expect("a segment")
}

fn forked(answers: &[Answer]) -> Vec<u64> {
    notices(answers).into_iter().filter_map(|n| if let Notice::Forked { at, .. } = n { Some(*at) } else { None }).collect()
}

fn refused(answers: &[Answer]) -> Vec<&str> {
    notices(answers).into_iter().filter_map(|n| if let Notice::Refused { reason, .. } = n { Some(reason.as_str()) } else { None }).collect()
}

fn wanted(answers: &[Answer]) -> Vec<(StreamId, u64)> {
    notices(answers)
        .into_iter()
        .filter_map(|n| if let Notice::Want { stream, from } = n { Some((stream.clone(), *from)) } else { None })
        .collect()
}

fn bad(world: &World) -> Vec<String> {
    verify::verify(&world.hq).expect("readable").bad
}

/// Every end that receipts name for a stream.
fn ends(answers: &[Answer], stream: &StreamId) -> Vec<(u64, Head)> {
    receipts(answers).into_iter().flat_map(|r| &r.held).filter(|s| s.stream == *stream).map(|s| (s.up_to, s.head)).collect()
}

/// Two histories of one stream: what both share, and how each goes on.
fn two_ways(device: &mut Device, shared: usize, one: usize, other: usize) -> (Segment, Segment, Segment) {
    let before = device.write(TEAM, shared);
    let at = device.head(TEAM);
    let first = device.write(TEAM, one);
    device.rewind(TEAM, at);
    (before, first, device.write(TEAM, other))
}

#[tokio::test]
async fn a_fork_keeps_both_histories_and_a_third_device_comes_to_the_same_digest() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let reader = world.device("b", "imt-1").await;
    let stream = device.stream(TEAM);
    let (shared, one, other) = two_ways(&mut device, 4, 3, 5);
    let other_end = device.head(TEAM);
    world.exchange(&device, device.hello(), &[bytes(&shared), bytes(&one)]).await;
    let answers = world.exchange(&device, device.hello(), &[bytes(&other)]).await;
    assert_eq!((forked(&answers), ends(&answers, &stream)), (vec![5], vec![other_end]), "the branch is receipted by its own end");
    let again = world.exchange(&device, device.hello(), &[bytes(&other)]).await;
    assert_eq!((forked(&again), ends(&again, &stream)), (vec![5], vec![other_end]), "an answer that was lost is given again");
    let both = world.exchange(&device, device.hello(), &[bytes(&shared)]).await;
    assert_eq!(ends(&both, &stream).len(), 2, "what both share is held in both");

    let seen = world.exchange(&reader, reader.hello(), &[]).await;
    let mut replica = Replica::new(TEAM, &[&reader, &device]);
    replica.apply(&segments(&seen, TEAM));
    assert_eq!(replica.lengths(&stream), [7, 9], "no change is lost and none stands twice");
    let cursor = end(&seen).cursors.iter().find(|c| c.compartment.as_str() == TEAM).expect("a cursor");
    assert_eq!(cursor.digest, replica.digest());
    assert_eq!(bad(&world), Vec::<String>::new());
    let projector = Projector::open(&world.hq).expect("a projection");
    assert!(projector.catch_up(std::time::Instant::now() + std::time::Duration::from_secs(60)).expect("caught up"));
    let changes: u32 =
        projector.read(|tx| Ok(tx.query_row("SELECT count(*) FROM record WHERE kind = 1", [], |r| r.get(0))?)).expect("readable");
    assert_eq!(changes, 12, "the console shows what both histories hold");
}

#[tokio::test]
async fn a_branch_is_carried_on_cut_anywhere_and_a_third_way_may_leave_at_the_same_place() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let stream = device.stream(TEAM);
    let (shared, one, other) = two_ways(&mut device, 2, 3, 4);
    let at = shared.chain(stream.start()).head();
    let further = device.write(TEAM, 2);
    device.rewind(TEAM, (2, at));
    let third = device.write(TEAM, 1);
    world.exchange(&device, device.hello(), &[bytes(&shared), bytes(&one)]).await;
    let pieces = [bytes(&cut(&other, 0, 2)), bytes(&cut(&other, 1, 4)), bytes(&further), bytes(&third)];
    let answers = world.exchange(&device, device.hello(), &pieces).await;
    assert_eq!((refused(&answers), forked(&answers)), (vec![], vec![3]), "it is told once in an exchange");
    let reader = world.device("b", "imt-1").await;
    let mut replica = Replica::new(TEAM, &[&reader, &device]);
    let seen = world.exchange(&reader, reader.hello(), &[]).await;
    replica.apply(&segments(&seen, TEAM));
    assert_eq!(replica.lengths(&stream), [5, 8, 3]);
    let cursor = end(&seen).cursors.iter().find(|c| c.compartment.as_str() == TEAM).expect("a cursor");
    assert_eq!(cursor.digest, replica.digest());
    assert_eq!(bad(&world), Vec::<String>::new());
    world
        .hq
        .store
        .write(|tx| Ok(tx.execute_batch("UPDATE stream SET split_n = split_n - 1 WHERE split <> x'' AND n = 8")?))
        .expect("written");
    assert!(!bad(&world).is_empty(), "a branch that is made to leave elsewhere is found out");
}

#[tokio::test]
async fn what_follows_a_history_that_is_not_known_is_asked_for_from_its_beginning_once() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let (shared, one, other) = two_ways(&mut device, 2, 3, 3);
    let further = device.write(TEAM, 2);
    world.exchange(&device, device.hello(), &[bytes(&shared), bytes(&one)]).await;
    let answers = world.exchange(&device, device.hello(), &[bytes(&further)]).await;
    assert_eq!((refused(&answers), wanted(&answers)), (vec!["bad_signature"], vec![(device.stream(TEAM), 1)]));
    let again = world.exchange(&device, device.hello(), &[bytes(&further)]).await;
    assert_eq!((refused(&again), wanted(&again)), (vec!["bad_signature"], vec![]), "a damaged log is not sent again each time");
    let whole = world.exchange(&device, device.hello(), &[bytes(&shared), bytes(&other), bytes(&further)]).await;
    assert!(ends(&whole, &device.stream(TEAM)).contains(&device.head(TEAM)));
}

#[tokio::test]
async fn a_stream_that_another_device_brings_is_judged_as_if_its_writer_had_sent_it() {
    let world = World::new();
    let mut writer = world.device("a", "imt-1").await;
    let other = world.device("b", "imt-2").await;
    let mut stranger = World::new().device("x", "imt-1").await;
    let good = writer.write(TEAM, 2);
    // Somebody else's change in his stream.
    writer.enrolled.device = DeviceId([7; 16]);
    let twisted = writer.entry(RecordId::new(NOW_MS, random()), Op::Create, Vec::new(), "in another's name");
    writer.enrolled.device = good.stream.device;
    let twisted = writer.segment(TEAM, vec![twisted]);
    let mut forged = writer.write(TEAM, 1);
    forged.heads[0].sig[3] ^= 1;
    let said = [bytes(&good), bytes(&twisted), bytes(&forged), bytes(&stranger.write(TEAM, 1))];
    let answers = world.exchange(&other, other.hello(), &said).await;
    assert_eq!(refused(&answers), ["bad_signature", "unknown_device"]);
    assert_eq!(held(&answers, &good.stream).map(|h| h.0), Some(3), "the one who brings it is receipted");
    assert!(segments(&answers, TEAM).is_empty(), "and may not read it for that");
    let told = world.exchange(&writer, writer.hello(), &[]).await;
    let rulings: Vec<String> = (told.iter())
        .filter_map(|a| if let Answer::Verdict(v) = a { Some(v) } else { None })
        .flat_map(|v| v.rulings.iter().map(|r| r.reason.clone()))
        .collect();
    assert_eq!(rulings, ["not_this_device"]);
    assert!(segments(&told, TEAM).iter().all(|s| s.stream != good.stream), "nobody is sent his own stream");
}

#[tokio::test]
async fn an_officer_on_two_devices_is_known_on_both() {
    let world = World::new();
    let one = world.device("a", "imt-1").await;
    let two = world.enrolled("a", false).await;
    let mut known = Known::default();
    let devices = [one.enrolled.device, two.enrolled.device];
    for device in devices.iter().chain(&devices) {
        world.hq.store.read(|tx| known.learn(tx, &one.author, Some(device))).expect("readable");
        assert!(known.is_enrolled(&one.author, device), "streams of both may come in one exchange");
    }
}

#[tokio::test]
async fn a_change_that_comes_again_in_another_stream_stays_as_it_was_judged() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let first = device.write(TEAM, 2);
    world.exchange(&device, device.hello(), &[bytes(&first)]).await;
    // He has left meanwhile; the device begins a new stream with the same changes.
    world.hq.store.write(|tx| Ok(tx.execute_batch("UPDATE officer SET active = 0")?)).expect("written");
    device.begin_anew();
    let again = device.again(TEAM, &first);
    let late = device.write(TEAM, 1);
    world.exchange(&device, device.hello(), &[bytes(&again), bytes(&late)]).await;
    let rulings: Vec<Vec<u8>> = world
        .hq
        .store
        .read(|tx| {
            let mut rows = tx.prepare("SELECT bytes FROM feed WHERE kind = 2")?;
            let rows = rows.query_map([], |r| r.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .expect("readable");
    let names: Vec<_> = rulings.iter().flat_map(|b| message::FeedVerdict::read_rulings(b).expect("rulings")).map(|r| r.change).collect();
    assert_eq!(names, [late.entries[0].name(&c(TEAM))], "only what was never judged is");
}

fn lineage(device: &Device, previous: Option<u8>, next: u8) -> Hello {
    Hello { lineage: Some(Lineage { previous: previous.map(|p| [p; 8]), next: [next; 8] }), ..device.hello() }
}

fn anew(answers: &[Answer]) -> Option<u32> {
    notices(answers).into_iter().find_map(|n| if let Notice::Anew { digit } = n { Some(*digit) } else { None })
}

#[tokio::test]
async fn a_copy_of_a_device_is_numbered_anew_and_a_lost_answer_costs_nothing() {
    let world = World::new();
    let device = world.device("a", "imt-1").await;
    let say = async |previous, next| anew(&world.exchange(&device, lineage(&device, previous, next), &[]).await);
    let first = device.enrolled.digit;
    assert_eq!(say(None, 1).await, None);
    assert_eq!(say(Some(1), 2).await, None);
    assert_eq!(say(Some(1), 2).await, None, "the answer was lost");
    let digit = say(Some(1), 3).await.expect("a copy from before the second token");
    assert_ne!(digit, first);
    assert_eq!(say(Some(1), 3).await, Some(digit), "an answer that was lost does not cost another digit");
    assert_eq!(say(Some(3), 4).await, None, "the copy goes on");
    assert_eq!(say(Some(2), 5).await, None, "and so does the one that it was copied from, without end");
    let second = say(Some(1), 6).await.expect("another copy");
    assert!(second != digit && second != first, "no digit is given out twice: {first}, {digit}, {second}");
    let neighbour = world.device("b", "imt-1").await;
    assert!(![first, digit, second].contains(&neighbour.enrolled.digit), "nor to another device");

    let seen = world.exchange(&neighbour, neighbour.hello(), &[]).await;
    let own = |s: &Segment| s.entries.iter().filter_map(|e| e.read(&c("reference")).ok()).collect::<Vec<_>>();
    let digits: Vec<i64> = segments(&seen, "reference")
        .iter()
        .flat_map(own)
        .filter(|ch| ch.header.record.0 == device.enrolled.device.0)
        .filter_map(|ch| daftar_core::record::reference::DeviceView(&ch.payload.set).digit())
        .collect();
    assert_eq!(digits, [first, digit, second].map(i64::from), "everybody learns it from headquarters' stream");
    assert_eq!(bad(&world), Vec::<String>::new());
}

#[tokio::test]
async fn comparing_heads_asks_for_what_is_lacking_and_sends_what_the_device_lacks() {
    let world = World::new();
    let mut a = world.device("a", "imt-1").await;
    let mut b = world.device("b", "imt-1").await;
    let (shared, one, other) = two_ways(&mut a, 3, 2, 4);
    world.exchange(&a, a.hello(), &[bytes(&shared), bytes(&one), bytes(&other)]).await;
    let (b1, b2) = (b.write(TEAM, 2), b.write(TEAM, 2));
    world.exchange(&b, b.hello(), &[bytes(&b1)]).await;
    // It holds one history of the other's stream, and more of its own than headquarters.
    let mut replica = Replica::new(TEAM, &[&b, &a]);
    replica.apply(&[shared.clone(), other.clone(), b1, b2.clone()]);
    let mut seen = world.exchange(&b, b.hello(), &[]).await;
    b.confirm(end(&seen));
    seen = world.say(&b, b.hello(), vec![Ask::Heads(replica.heads())]).await;
    assert_eq!(wanted(&seen), [(b.stream(TEAM), 3)]);
    let sent = segments(&seen, TEAM);
    assert!(sent.iter().any(|s| s.stream == a.stream(TEAM) && s.first == 4 && s.entries.len() == 2), "the history that it lacks");
    assert!(!sent.iter().any(|s| s.stream == a.stream(TEAM) && s.first <= 3 && s.last() <= 3), "and not what it has");
    assert!(sent.iter().any(|s| s.stream.device == b.enrolled.server), "headquarters' own too");
    replica.apply(&sent);
    world.exchange(&b, b.hello(), &[bytes(&b2)]).await;
    let same = world.say(&b, b.hello(), vec![Ask::Heads(replica.heads())]).await;
    assert!(wanted(&same).is_empty() && segments(&same, TEAM).is_empty(), "both hold the same: {same:?}");
    b.confirm(end(&same));
    let cursor = b.cursors.iter().find(|c| c.compartment.as_str() == TEAM).expect("a cursor");
    assert_eq!(cursor.digest, replica.digest());
}

#[tokio::test]
async fn what_is_compared_keeps_to_the_budget_and_the_rest_is_asked_for_again() {
    let world = World::new();
    let mut a = world.device("a", "imt-1").await;
    let mut b = world.device("b", "imt-1").await;
    let all: Vec<Vec<u8>> = (0..5).map(|_| bytes(&a.write(TEAM, 20))).collect();
    world.exchange(&a, a.hello(), &all).await;
    b.confirm(end(&world.exchange(&b, b.hello(), &[]).await));
    let mut replica = Replica::new(TEAM, &[&b, &a]);
    let mut rounds = 0;
    loop {
        let hello = Hello { budget: Some(1500), ..b.hello() };
        let seen = world.say(&b, hello, vec![Ask::Heads(replica.heads())]).await;
        replica.apply(&segments(&seen, TEAM));
        rounds += 1;
        if !end(&seen).more {
            break;
        }
    }
    assert!(rounds > 2, "five segments of a kilobyte do not fit into one budget");
    assert_eq!(replica.lengths(&a.stream(TEAM)), [100]);
}

#[tokio::test]
async fn comparing_heads_leaks_nothing_of_a_compartment_without_a_grant() {
    let world = World::new();
    let mut inside = world.device("a", "imt-1").await;
    let outside = world.device("b", "imt-2").await;
    let segment = bytes(&inside.write(TEAM, 3));
    world.exchange(&inside, inside.hello(), &[segment]).await;
    let ask = |compartment: &str| vec![Ask::Heads(Heads { compartment: c(compartment), branches: Vec::new() })];
    let seen = world.say(&outside, outside.hello(), ask(TEAM)).await;
    assert!(segments(&seen, TEAM).is_empty() && wanted(&seen).is_empty(), "{seen:?}");
    let of_none = world.say(&outside, outside.hello(), ask("team/imt-77")).await;
    assert_eq!(segments(&of_none, TEAM).len(), 0);
    let mut nobody = inside.hello();
    nobody.officers.clear();
    assert!(segments(&world.say(&inside, nobody, ask(TEAM)).await, TEAM).is_empty(), "nor to a device that nobody has unlocked");
    world.officer("c", Agency::Moi, "imt-1", Role::Officer);
    let mut foreign = outside.hello();
    foreign.officers = vec![inside.enrolled.officer];
    assert!(segments(&world.say(&outside, foreign, ask(TEAM)).await, TEAM).is_empty(), "nor by naming somebody who is not there");
    assert!(!segments(&world.say(&inside, inside.hello(), ask(TEAM)).await, TEAM).is_empty(), "whoever may read is sent it");
}

#[tokio::test]
async fn many_small_segments_of_two_histories_are_joined_each_by_itself() {
    const SMALL: usize = 40;
    let world = World::new();
    let (mut device, reader) = (world.device("a", "imt-1").await, world.device("b", "imt-1").await);
    let stream = device.stream(TEAM);
    let shared: Vec<Segment> = (0..SMALL).map(|_| device.write(TEAM, 1)).collect();
    let at = device.head(TEAM);
    let one: Vec<Segment> = (0..SMALL).map(|_| device.write(TEAM, 1)).collect();
    device.rewind(TEAM, at);
    let other: Vec<Segment> = (0..SMALL).map(|_| device.write(TEAM, 1)).collect();
    // The other history leaves where its next number is that of a segment which stands before it in the feed.
    let way = shared.iter().chain(other.first()).chain(&one).chain(&other);
    world.exchange(&device, device.hello(), &way.map(bytes).collect::<Vec<_>>()).await;
    let seen = world.exchange(&reader, reader.hello(), &[]).await;
    let sent = segments(&seen, TEAM);
    assert!(sent.len() < SMALL, "{} segments came", sent.len());
    let mut replica = Replica::new(TEAM, &[&reader, &device]);
    replica.apply(&sent);
    assert_eq!(replica.lengths(&stream), [2 * SMALL as u64; 2]);
    let cursor = end(&seen).cursors.iter().find(|c| c.compartment.as_str() == TEAM).expect("a cursor");
    assert_eq!(cursor.digest, replica.digest());
}

#[tokio::test]
async fn a_receipt_is_short_only_where_the_device_knows_which_stream_is_meant() {
    let world = World::new();
    let mut device = world.device("a", "imt-1").await;
    let first = device.write(TEAM, 1);
    let seen = world.exchange(&device, device.hello(), &[bytes(&first)]).await;
    device.confirm(end(&seen));
    let is_short = |answers: &[Answer]| {
        let (short, whole) =
            (answers.iter().any(|a| matches!(a, Answer::Short(_))), answers.iter().any(|a| matches!(a, Answer::Receipt(_))));
        assert!(short != whole, "one receipt: {answers:?}");
        short
    };
    let (shared, one, other) = two_ways(&mut device, 1, 1, 1);
    assert!(is_short(&world.exchange(&device, device.hello(), &[bytes(&shared), bytes(&one)]).await));
    let answers = world.exchange(&device, device.hello(), &[bytes(&other)]).await;
    assert!(!is_short(&answers) && !forked(&answers).is_empty(), "a branch has a receipt that says which it is");
    device.begin_anew();
    let anew = device.write(TEAM, 1);
    assert!(!is_short(&world.exchange(&device, device.hello(), &[bytes(&anew)]).await), "nor is it clear which of two streams is meant");
}
