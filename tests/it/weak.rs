//! The weak link of the tests is as slow, as far and as short-lived as it is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use daftar_tests::weak::{Lane, Link, WeakLink};

/// A server that takes all that a client says and then says so many bytes.
fn server(answer: usize) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut heard = Vec::new();
            if client.read_to_end(&mut heard).is_ok() {
                let _ = client.write_all(&vec![7; answer]);
            }
        }
    });
    port
}

/// Says so much, and gives how long it took until the whole answer was there, and its length.
fn exchange(link: &Link, said: usize) -> (Duration, usize) {
    let began = Instant::now();
    let mut client = TcpStream::connect(("127.0.0.1", link.port)).expect("the link listens");
    client.write_all(&vec![5; said]).expect("loopback takes it");
    client.shutdown(std::net::Shutdown::Write).expect("an open socket closes one way");
    let mut heard = Vec::new();
    let _ = client.read_to_end(&mut heard);
    (began.elapsed(), heard.len())
}

#[test]
fn a_lane_takes_bytes_at_its_rate_and_saves_none_up() {
    let (mut lane, now) = (Lane::default(), Instant::now());
    assert_eq!(lane.leave(now, 8_000, 64_000), now + Duration::from_secs(1), "8 kB at 8 kB a second");
    assert_eq!(lane.leave(now, 800, 64_000), now + Duration::from_millis(1_100), "it waits for what is before it");
    let later = now + Duration::from_secs(60);
    assert_eq!(lane.leave(later, 800, 64_000), later + Duration::from_millis(100), "an idle minute buys no burst");
}

#[test]
fn a_weak_link_has_its_rate_and_delay_within_a_tenth() {
    let link = Link::start(WeakLink::VALLEY);
    let (up, down) = (8_000, 4_000);
    link.lead_to(server(down));
    // Its handshake, the bytes up, the way there and back, the bytes down.
    let expected = Duration::from_millis(600 + 1_000 + 600 + 500).as_secs_f64();
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        let (took, heard) = exchange(&link, up);
        let ratio = took.as_secs_f64() / expected;
        assert_eq!(heard, down, "all of the answer arrives");
        assert!(ratio > 0.98, "the link never carries faster than it may: {ratio:.3}");
        least = least.min(ratio);
        // A loaded machine adds time of its own: the least disturbed try counts.
        if least < 1.1 {
            break;
        }
    }
    assert!(least < 1.1, "the link adds no time of its own: {least:.3} of what was told");
    assert_eq!(link.up_bytes() % up as u64, 0, "it counts what went up");
}

#[test]
fn two_connections_share_one_lane() {
    let link = Link::start(WeakLink { bits_per_second: 64_000, round_trip_ms: 0, cut_after: None });
    link.lead_to(server(1));
    let began = Instant::now();
    std::thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| exchange(&link, 4_000));
        }
    });
    assert!(began.elapsed() > Duration::from_millis(980), "2 × 4 kB take the second that 8 kB take");
}

#[test]
fn a_connection_is_cut_when_its_time_is_over_and_the_rest_is_lost() {
    let cut_after = Duration::from_millis(500);
    let link = Link::start(WeakLink { bits_per_second: 64_000, round_trip_ms: 0, cut_after: Some(cut_after) });
    link.lead_to(server(80_000));
    let (took, heard) = exchange(&link, 10);
    assert!(took >= cut_after && heard < 8_000, "{heard} of 80,000 bytes came in {took:?}");
}
