//! A slow and far link that may be cut: a TCP proxy in this process, on loopback only. All its connections share one
//! lane each way. Counts TCP payload; knows nothing of packet headers, loss or what the bytes mean.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The payload of a packet on a slow link; a fast one takes what it carries in `SLICE`, to cost no time of its own.
const PACKET_BYTES: u64 = 1_400;
const PIECE_BYTES_MAX: u64 = 64 * 1024;
const SLICE: Duration = Duration::from_millis(10);

/// What the link is like. Holds for connections that begin after it was set; the rate for all.
#[derive(Debug, Clone, Copy)]
pub struct WeakLink {
    /// Each way.
    pub bits_per_second: u64,
    /// There and back. A connection also costs one before its first byte, as TCP's handshake does.
    pub round_trip_ms: u64,
    /// Every connection ends so long after it was accepted; what is under way is lost.
    pub cut_after: Option<Duration>,
}

impl WeakLink {
    /// A satellite terminal in a valley: 64 kbit/s, 600 ms.
    pub const VALLEY: Self = Self { bits_per_second: 64_000, round_trip_ms: 600, cut_after: None };
    /// Loopback as it is: only counts.
    pub const WIRE: Self = Self { bits_per_second: 100_000_000_000, round_trip_ms: 0, cut_after: None };
}

/// When bytes leave one end of the link: one after the other, never faster than the rate, no burst.
#[derive(Debug, Default)]
pub struct Lane {
    free_at: Option<Instant>,
}

impl Lane {
    /// When the last of so many bytes, handed over `now`, has left.
    pub fn leave(&mut self, now: Instant, bytes: u64, bits_per_second: u64) -> Instant {
        let begin = self.free_at.map_or(now, |free| free.max(now));
        let nanos = u128::from(bytes) * 8 * 1_000_000_000 / u128::from(bits_per_second.max(1));
        let end = begin + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.free_at = Some(end);
        end
    }

    /// Nothing leaves for so long.
    pub fn stall(&mut self, now: Instant, time: Duration) {
        self.free_at = Some(self.free_at.map_or(now, |free| free.max(now)) + time);
    }
}

/// One way through the link.
#[derive(Default)]
struct Way {
    lane: Mutex<Lane>,
    bytes: AtomicU64,
}

struct Shared {
    weather: Mutex<WeakLink>,
    target: AtomicU16,
    stop: AtomicBool,
    swallows: AtomicBool,
    up: Way,
    down: Way,
    connections: AtomicU64,
    open: Mutex<Vec<(TcpStream, TcpStream)>>,
}

/// A running link.
pub struct Link {
    /// Where devices connect.
    pub port: u16,
    shared: Arc<Shared>,
}

impl Link {
    /// Listens on a free port; connections go to the port that `lead_to` names.
    pub fn start(weather: WeakLink) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let shared = Arc::new(Shared {
            weather: Mutex::new(weather),
            target: AtomicU16::new(0),
            stop: AtomicBool::new(false),
            swallows: AtomicBool::new(false),
            up: Way::default(),
            down: Way::default(),
            connections: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let link = Self { port, shared: shared.clone() };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.stop.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(server) = TcpStream::connect(("127.0.0.1", shared.target.load(Ordering::Relaxed))) {
                    shared.connections.fetch_add(1, Ordering::Relaxed);
                    let _ = carry(client, server, &shared);
                }
            }
        });
        link
    }

    /// Where connections go from now on.
    pub fn lead_to(&self, port: u16) {
        self.shared.target.store(port, Ordering::Relaxed);
    }

    /// Changes the link.
    pub fn set(&self, weather: WeakLink) {
        *held(&self.shared.weather) = weather;
    }

    /// Nothing leaves either end for so long; then it goes on.
    pub fn stall(&self, time: Duration) {
        for way in [&self.shared.up, &self.shared.down] {
            held(&way.lane).stall(Instant::now(), time);
        }
    }

    /// From now on all that is said on any connection is lost and nobody is told, as behind an address translation that forgot it; or no longer.
    pub fn swallow(&self, swallows: bool) {
        self.shared.swallows.store(swallows, Ordering::Relaxed);
    }

    /// Ends every connection there is.
    pub fn cut_all(&self) {
        held(&self.shared.open).drain(..).for_each(|(client, server)| end(&client, &server));
    }

    /// Bytes that left a client so far, on all connections, TLS and all.
    pub fn up_bytes(&self) -> u64 {
        self.shared.up.bytes.load(Ordering::Relaxed)
    }

    /// Bytes that left the server.
    pub fn down_bytes(&self) -> u64 {
        self.shared.down.bytes.load(Ordering::Relaxed)
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.cut_all();
        let _ = TcpStream::connect_timeout(&([127, 0, 0, 1], self.port).into(), Duration::from_secs(1));
    }
}

fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end(client: &TcpStream, server: &TcpStream) {
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

fn rest_until(at: Instant) {
    std::thread::sleep(at.saturating_duration_since(Instant::now()));
}

fn carry(client: TcpStream, server: TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    let (accepted, weather) = (Instant::now(), *held(&shared.weather));
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    held(&shared.open).push((client.try_clone()?, server.try_clone()?));
    if let Some(after) = weather.cut_after {
        let (client, server) = (client.try_clone()?, server.try_clone()?);
        std::thread::spawn(move || {
            rest_until(accepted + after);
            end(&client, &server);
        });
    }
    let ready = accepted + Duration::from_millis(weather.round_trip_ms);
    let delay = Duration::from_millis(weather.round_trip_ms) / 2;
    way(client.try_clone()?, server.try_clone()?, shared, |s| &s.up, (ready, delay));
    way(server, client, shared, |s| &s.down, (ready, delay));
    Ok(())
}

/// One direction of one connection: bytes leave by the lane, and arrive the delay later.
fn way(from: TcpStream, to: TcpStream, shared: &Arc<Shared>, of: fn(&Shared) -> &Way, (ready, delay): (Instant, Duration)) {
    let (send, arrive) = channel();
    std::thread::spawn(move || deliver(to, &arrive));
    let shared = shared.clone();
    std::thread::spawn(move || {
        rest_until(ready);
        depart(from, &shared, of(&shared), delay, &send);
    });
}

fn depart(mut from: TcpStream, shared: &Shared, way: &Way, delay: Duration, send: &Sender<(Instant, Vec<u8>)>) {
    loop {
        let rate = held(&shared.weather).bits_per_second;
        let in_slice = u128::from(rate) * SLICE.as_nanos() / 8_000_000_000;
        let piece = u64::try_from(in_slice).unwrap_or(u64::MAX).clamp(PACKET_BYTES, PIECE_BYTES_MAX);
        let mut bytes = vec![0; piece as usize];
        let n = match from.read(&mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(n) => n,
        };
        if shared.swallows.load(Ordering::Relaxed) {
            continue;
        }
        bytes.truncate(n);
        let left = held(&way.lane).leave(Instant::now(), n as u64, rate);
        rest_until(left);
        way.bytes.fetch_add(n as u64, Ordering::Relaxed);
        if send.send((left + delay, bytes)).is_err() {
            return;
        }
    }
}

/// Hands over what arrives; then says that no more comes, as the sender did.
fn deliver(mut to: TcpStream, arrive: &Receiver<(Instant, Vec<u8>)>) {
    for (at, bytes) in arrive {
        rest_until(at);
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
