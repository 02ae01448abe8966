//! Headquarters' own clock is wrong: years off, jumping back and forth. A feed's order is that of its commits, and nothing is lost by it.

use daftar_sync_server::{backup, verify};
use daftar_wire::message::{Answer, Notice, Verdict};
use daftar_wire::segment::Segment;

use crate::support::{NOW_MS, World, c, end, entries, held, notices, receipts, segments};

const TEAM: &str = "team/imt-1";
const DAY_MS: u64 = 24 * 3_600_000;
const YEAR_MS: u64 = 365 * DAY_MS;

/// Where the clock stands from one exchange to the next: right, ten years ahead, in 1970, a second and a day back, right again.
const TIMES: [u64; 8] =
    [NOW_MS, NOW_MS + 10 * YEAR_MS, NOW_MS + 10 * YEAR_MS - 1_000, 1_000, 0, NOW_MS - 10 * YEAR_MS, NOW_MS - DAY_MS, NOW_MS];

fn bytes(segment: &Segment) -> Vec<u8> {
    segment.write().expect("a segment")
}

fn numbers(answers: &[Answer]) -> Vec<(u64, u64)> {
    entries(answers).into_iter().filter(|e| e.0 == TEAM).map(|e| (e.1, e.2)).collect()
}

#[tokio::test]
async fn a_server_whose_clock_is_years_off_or_jumps_back_keeps_its_feeds_in_order_and_loses_nothing() {
    let world = World::new();
    let mut writer = world.device("a", "imt-1").await;
    let mut reader = world.device("b", "imt-1").await;
    let server = daftar_wire::sign::verifying_key(&writer.enrolled.server_signing).expect("a key");
    let (mut came, mut covered, mut rulings) = (Vec::new(), Vec::new(), 0);
    for now in TIMES {
        world.clock.set(now);
        let one = bytes(&writer.write(TEAM, 3));
        let told = world.exchange(&writer, writer.hello(), &[one.clone(), one]).await;
        assert_eq!(held(&told, &writer.stream(TEAM)), Some(writer.head(TEAM)), "what was sent is receipted at {now}");
        assert!(receipts(&told).iter().all(|r| r.time_ms == now && r.verify(&server).is_ok()), "a receipt says what the clock says");
        let is_same = |n: &&Notice| !matches!(n, Notice::NewEpoch { epoch } if *epoch != writer.enrolled.epoch);
        assert!(notices(&told).iter().all(|n| is_same(n) && !matches!(n, Notice::Refused { .. })), "{now}: {told:?}");

        let seen = world.exchange(&reader, reader.hello(), &[]).await;
        assert_eq!(end(&seen).time_ms, now);
        covered.extend(numbers(&seen));
        came.extend(segments(&seen, TEAM).into_iter().filter(|s| s.stream == writer.stream(TEAM)));
        rulings +=
            seen.iter().filter(|a| matches!(a, Answer::Verdict(v) if v.rulings.iter().any(|r| r.verdict != Verdict::Accepted))).count();
        reader.confirm(end(&seen));
        assert_eq!(world.exchange(&reader, reader.hello(), &[]).await.len(), 1, "nothing comes twice at {now}");
    }
    assert!(
        covered.windows(2).all(|w| w[1].0 == w[0].1 + 1) && covered[0].0 == 1,
        "a feed's numbers are those of its commits: {covered:?}"
    );
    let firsts: Vec<u64> = came.iter().map(|s| s.first).collect();
    assert_eq!(firsts, (0..TIMES.len() as u64).map(|i| 3 * i + 1).collect::<Vec<_>>(), "in the order in which they came, none missing");
    assert_eq!(rulings, 0, "no work is doubted because headquarters' clock is wrong");
    assert_eq!(verify::verify(&world.hq).expect("readable").bad, Vec::<String>::new());

    // Whoever comes last gets all of it, and what is backed up under such a clock is whole.
    let late = world.device("c", "imt-1").await;
    let seen = world.exchange(&late, late.hello(), &[]).await;
    let changes: usize = segments(&seen, TEAM).iter().filter(|s| s.stream == writer.stream(TEAM)).map(|s| s.entries.len()).sum();
    assert_eq!(changes, 3 * TIMES.len());
    world.clock.set(1_000);
    let to = world.folder.path().join("copy.backup");
    let backed_up = backup::backup(&world.hq, &to).expect("a backup");
    assert_eq!(backed_up.report.bad, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_granted_while_the_clock_was_ahead_is_revoked_once_it_is_right() {
    use daftar_core::authorize::Role;
    use daftar_core::compartment::Agency;
    let world = World::new();
    world.clock.set(NOW_MS + 10 * YEAR_MS);
    let officer = world.officer("a", Agency::Moi, "imt-1", Role::Officer);
    let mut device = world.enrolled("a", true).await;
    let elsewhere = "team/imt-2";
    let one = bytes(&device.write(elsewhere, 1));
    let told = world.exchange(&device, device.hello(), &[one]).await;
    assert_eq!(held(&told, &device.stream(elsewhere)), Some(device.head(elsewhere)));

    world.clock.set(NOW_MS);
    let others = world.exchange(&device, device.hello(), &[]).await;
    assert!(segments(&others, elsewhere).iter().any(|s| s.stream.device != device.enrolled.device), "he still reads there");
    world.hq.revoke("a", Some(&c(elsewhere))).expect("revoked");
    let unsent = bytes(&device.write(elsewhere, 1));
    let after = world.exchange(&device, device.hello(), &[unsent]).await;
    assert!(segments(&after, elsewhere).is_empty(), "a revoke closes what the wrong clock opened");
    assert!(notices(&after).iter().any(|n| matches!(n, Notice::Revoked(r) if r.officer == officer && r.compartment == c(elsewhere))));
    assert_eq!(held(&after, &device.stream(elsewhere)), Some(device.head(elsewhere)), "and his unsent work is taken all the same");
    assert_eq!(verify::verify(&world.hq).expect("readable").bad, Vec::<String>::new());
}
