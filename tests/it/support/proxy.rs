//! A link that can be cut at a byte, held and refused: a TCP proxy in this process, on loopback only.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the link does to the connections that come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// Cuts a connection after so many bytes towards the server.
    pub cut_up_at: Option<u64>,
    /// Cuts a connection after so many bytes from the server.
    pub cut_down_at: Option<u64>,
    /// Swallows what the server says after so many bytes, and keeps the connection.
    pub swallow_down_after: Option<u64>,
    /// Refuses connections.
    pub down: bool,
}

/// A running proxy.
pub struct Proxy {
    /// Where devices connect.
    pub port: u16,
    weather: Arc<Mutex<Weather>>,
    stop: Arc<AtomicBool>,
    cuts: Arc<AtomicU64>,
    up: Arc<AtomicU64>,
    down: Arc<AtomicU64>,
}

impl Proxy {
    /// Listens on a free port; connections go to `to` once it is told.
    pub fn start() -> (Self, impl Fn(u16)) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let proxy =
            Self { port, weather: Arc::default(), stop: Arc::default(), cuts: Arc::default(), up: Arc::default(), down: Arc::default() };
        let to = Arc::new(Mutex::new(0));
        let (weather, stop, target) = (proxy.weather.clone(), proxy.stop.clone(), to.clone());
        let (cuts, up, down) = (proxy.cuts.clone(), proxy.up.clone(), proxy.down.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let now = *weather.lock().expect("no one panics with the weather");
                let server = TcpStream::connect(("127.0.0.1", *target.lock().expect("no one panics with the target")));
                match server {
                    Ok(server) if !now.down => carry(client, server, now, &cuts, &up, &down),
                    Ok(_) | Err(_) => drop(client),
                }
            }
        });
        (proxy, move |port| *to.lock().expect("no one panics with the target") = port)
    }

    /// Sets what happens to connections from now on.
    pub fn set(&self, weather: Weather) {
        *self.weather.lock().expect("no one panics with the weather") = weather;
    }

    /// Bytes that the server said on all connections so far, TLS and all.
    pub fn down_bytes(&self) -> u64 {
        self.down.load(Ordering::Relaxed)
    }

    /// Bytes that devices said on all connections so far, TLS and all.
    pub fn up_bytes(&self) -> u64 {
        self.up.load(Ordering::Relaxed)
    }

    /// Connections that were cut at a byte so far.
    pub fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect_timeout(&([127, 0, 0, 1], self.port).into(), Duration::from_secs(1));
    }
}

fn carry(client: TcpStream, server: TcpStream, weather: Weather, cuts: &Arc<AtomicU64>, up: &Arc<AtomicU64>, down: &Arc<AtomicU64>) {
    let both = (client.try_clone(), server.try_clone());
    if let (Ok(c), Ok(s)) = both {
        let (up_cuts, up) = (cuts.clone(), up.clone());
        std::thread::spawn(move || pump(c, s, weather.cut_up_at, None, &up_cuts, &up));
        let (down_cuts, down) = (cuts.clone(), down.clone());
        std::thread::spawn(move || pump(server, client, weather.cut_down_at, weather.swallow_down_after, &down_cuts, &down));
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, cut_at: Option<u64>, swallow_after: Option<u64>, cuts: &AtomicU64, count: &AtomicU64) {
    let mut buffer = [0; 4096];
    let mut passed = 0u64;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(n) => n as u64,
        };
        let keep = cut_at.map_or(n, |at| at.saturating_sub(passed).min(n));
        let heard = swallow_after.map_or(keep, |at| at.saturating_sub(passed).min(keep));
        if to.write_all(&buffer[..heard as usize]).is_err() {
            break;
        }
        passed += n;
        count.fetch_add(n, Ordering::Relaxed);
        if keep < n || cut_at == Some(passed) {
            cuts.fetch_add(1, Ordering::Relaxed);
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
