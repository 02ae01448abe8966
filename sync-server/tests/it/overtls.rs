//! The whole server over TLS on loopback, spoken to byte by byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use daftar_core::authorize::Role;
use daftar_core::compartment::Agency;
use daftar_wire::enrol::Enrolled;
use daftar_wire::message::{Answer, Ask, FrameReader};
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Device, DeviceKeys, World, held};

const TEAM: &str = "team/imt-1";

pub struct Running {
    pub world: World,
    pub address: SocketAddr,
    console: SocketAddr,
    ca: Vec<u8>,
    stop: watch::Sender<bool>,
    ended: tokio::task::JoinHandle<()>,
}

pub async fn run() -> Running {
    let world = World::new();
    world.officer("a", Agency::Moi, "imt-1", Role::Officer);
    let (server, _) = world.serve().await;
    let (address, stop) = (server.address().expect("bound"), server.stopper());
    let console = server.console_address().expect("bound").expect("a console");
    let ended = tokio::spawn(async move { server.run().await.expect("served") });
    let ca = std::fs::read(world.folder.path().join("keys/ca.der")).expect("a certificate");
    Running { world, address, console, ca, stop, ended }
}

pub type Link = TlsStream<TcpStream>;

impl Running {
    fn config(&self, device: Option<&Device>) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.ca.clone())).expect("a root");
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().expect("a verifier");
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_webpki_verifier(verifier);
        Arc::new(match device {
            Some(device) => {
                // The PKCS#8 form of an Ed25519 key (RFC 8410) is this and the key.
                let mut key = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
                key.extend_from_slice(&device.keys.signing.to_bytes());
                let chain = vec![CertificateDer::from(device.enrolled.certificate.clone())];
                builder.with_client_auth_cert(chain, PrivateKeyDer::try_from(key).expect("a key")).expect("an identity")
            }
            None => builder.with_no_client_auth(),
        })
    }

    pub async fn connect(&self, at: SocketAddr, device: Option<&Device>) -> Link {
        connect(at, self.config(device)).await
    }

    pub async fn stopped(self) {
        self.stop.send_replace(true);
        tokio::time::timeout(Duration::from_secs(15), self.ended).await.expect("it stops in time").expect("and well");
    }
}

async fn connect(at: SocketAddr, config: Arc<ClientConfig>) -> Link {
    let socket = TcpStream::connect(at).await.expect("a listener");
    let name = ServerName::try_from("hq.daftar").expect("a name");
    TlsConnector::from(config).connect(name, socket).await.expect("a handshake")
}

pub async fn send(link: &mut Link, bytes: &[u8]) {
    link.write_all(bytes).await.expect("sent");
    link.flush().await.expect("sent");
}

pub async fn chunk(link: &mut Link, bytes: &[u8]) {
    let mut piece = format!("{:x}\r\n", bytes.len()).into_bytes();
    piece.extend_from_slice(bytes);
    piece.extend_from_slice(b"\r\n");
    send(link, &piece).await;
}

/// Reads until `enough` of what was read so far says so.
pub async fn read_until(link: &mut Link, read: &mut Vec<u8>, enough: impl Fn(&[u8]) -> bool) {
    let reading = async {
        while !enough(read) {
            assert_ne!(link.read_buf(read).await.expect("readable"), 0, "the answer ends early: {:?}", String::from_utf8_lossy(read));
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("an answer in time");
}

/// A request with a whole body, and the status and body of its answer.
async fn ask(link: &mut Link, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: hq\r\ncontent-length: {}\r\n\r\n", body.len());
    send(link, &[head.as_bytes(), body].concat()).await;
    let mut read = Vec::new();
    let parts = |read: &[u8]| {
        let end = read.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |l| l.parse().expect("a number"));
        (read.len() >= end + length).then(|| (head, read[end..end + length].to_vec()))
    };
    read_until(link, &mut read, |r| parts(r).is_some()).await;
    let (head, body) = parts(&read).expect("whole");
    (head[9..12].parse().expect("a status"), body)
}

/// The messages in a chunked answer so far, and whether it has ended.
pub fn answers(read: &[u8]) -> (Vec<Answer>, bool) {
    let Some(mut at) = read.windows(4).position(|w| w == b"\r\n\r\n").map(|p| p + 4) else { return (Vec::new(), false) };
    let (mut reader, mut ended) = (FrameReader::default(), false);
    while let Some(line) = read[at..].windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&read[at..at + line]).expect("digits"), 16).expect("a size");
        let from = at + line + 2;
        if read.len() < from + size + 2 {
            break;
        }
        ended = size == 0;
        reader.push(&read[from..from + size]);
        at = from + size + 2;
    }
    let mut all = Vec::new();
    while let Some(frame) = reader.next().expect("frames") {
        all.extend(Answer::read(&frame).expect("a message"));
    }
    (all, ended)
}

pub const SYNC: &[u8] = b"POST /v1/sync HTTP/1.1\r\nhost: hq\r\ntransfer-encoding: chunked\r\n\r\n";

pub async fn enrolled(running: &Running) -> Device {
    let code = running.world.hq.make_code("a", false, 24).expect("a code");
    let keys = DeviceKeys::new();
    let mut link = running.connect(running.address, None).await;
    let (status, body) = ask(&mut link, "POST", "/v1/enrol", &keys.request(&code).write()).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    let (status, body) = ask(&mut link, "POST", "/v1/enrol", &DeviceKeys::new().request(&code).write()).await;
    assert_eq!((status, &body[..]), (403, &b"code_used"[..]));
    let (_, again) = ask(&mut link, "POST", "/v1/enrol", &keys.request(&code).write()).await;
    let device = Device::new(Enrolled::read(&again).expect("the same answer again"), keys);
    assert_eq!(device.enrolled.ca, running.ca);
    device
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_come_while_the_question_is_still_being_asked() {
    let running = run().await;
    let mut device = enrolled(&running).await;
    let mut link = running.connect(running.address, Some(&device)).await;
    send(&mut link, SYNC).await;
    chunk(&mut link, &Ask::Hello(device.hello()).write()).await;
    let mut read = Vec::new();
    for _ in 0..3 {
        let segment = device.write(TEAM, 5).write().expect("a segment");
        chunk(&mut link, &Ask::Segment(segment).write()).await;
        let (stream, head) = (device.stream(TEAM), device.head(TEAM));
        read_until(&mut link, &mut read, |r| held(&answers(r).0, &stream) == Some(head)).await;
    }
    chunk(&mut link, &Ask::End.write()).await;
    send(&mut link, b"0\r\n\r\n").await;
    read_until(&mut link, &mut read, |r| answers(r).1).await;
    let (said, _) = answers(&read);
    let Some(Answer::End(end)) = said.last() else { panic!("no end: {said:?}") };
    device.confirm(end);

    // The same connection again, with nothing new.
    send(&mut link, SYNC).await;
    let question = [Ask::Hello(device.hello()).write(), Ask::End.write()].concat();
    chunk(&mut link, &question).await;
    send(&mut link, b"0\r\n\r\n").await;
    let mut read = Vec::new();
    read_until(&mut link, &mut read, |r| answers(r).1).await;
    assert_eq!(answers(&read).0.len(), 1);
    assert!(read.len() <= 150, "{} bytes: {:?}", read.len(), String::from_utf8_lossy(&read));
    running.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_comes_back_takes_its_session_up_and_is_still_known() {
    let running = run().await;
    let device = enrolled(&running).await;
    let config = running.config(Some(&device));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut link = connect(running.address, config.clone()).await;
        assert_eq!(link.get_ref().1.handshake_kind(), Some(kind));
        assert_eq!(ask(&mut link, "POST", "/v1/sync", b"").await.0, 400, "no hello, and not: no certificate");
    }
    running.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_receipted_before_a_cut_is_held_after_it() {
    let running = run().await;
    let mut device = enrolled(&running).await;
    let whole = device.write(TEAM, 5).write().expect("a segment");
    let cut = Ask::Segment(device.write(TEAM, 5).write().expect("a segment")).write();
    let mut link = running.connect(running.address, Some(&device)).await;
    send(&mut link, SYNC).await;
    chunk(&mut link, &Ask::Hello(device.hello()).write()).await;
    chunk(&mut link, &Ask::Segment(whole).write()).await;
    let mut read = Vec::new();
    read_until(&mut link, &mut read, |r| !answers(r).0.is_empty()).await;
    chunk(&mut link, &cut[..cut.len() / 2]).await;
    drop(link);
    let next = device.write(TEAM, 1).write().expect("a segment");
    let said = running.world.exchange(&device, device.hello(), &[next]).await;
    assert!(said.iter().any(|a| matches!(a, Answer::Notice(daftar_wire::message::Notice::Want { from: 6, .. }))), "{said:?}");
    running.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_known_is_told_so_in_a_few_words() {
    let running = run().await;
    let mut link = running.connect(running.address, None).await;
    for (method, path, status) in [
        ("GET", "/v1/health", 200),
        ("POST", "/v1/health", 405),
        ("GET", "/v1/sync", 405),
        ("GET", "/", 404),
        ("POST", "/v1/sync", 401),
        ("POST", "/v1/enrol", 400),
    ] {
        let (got, body) = ask(&mut link, method, path, b"").await;
        assert_eq!(got, status, "{method} {path}");
        assert!(!body.is_empty() && body.len() < 40);
    }
    let device = enrolled(&running).await;
    let mut link = running.connect(running.address, Some(&device)).await;
    assert_eq!(ask(&mut link, "POST", "/v1/sync", &Ask::End.write()).await.0, 400, "no hello");
    let mut console = running.connect(running.console, None).await;
    assert_eq!(ask(&mut console, "GET", "/v1/sync", b"").await.0, 404, "the console's listener is another");
    running.stopped().await;
}

/// Devices that come back together: more than the server takes at once, as many as two cores carry in seconds.
const RETURNING: usize = 500;
/// How long a device's link takes for its question.
const QUESTION: Duration = Duration::from_millis(600);
/// What the whole process, with the other ends of all links in it, may take more for them.
const RETURN_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Memory of this process in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a process knows itself");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// One exchange of one segment over a link that takes a while; how long to keep away, where the server asks for that.
async fn returns(address: SocketAddr, config: Arc<ClientConfig>, question: &[Vec<u8>]) -> Result<Vec<Answer>, u64> {
    let mut link = connect(address, config).await;
    send(&mut link, SYNC).await;
    chunk(&mut link, &question[0]).await;
    tokio::time::sleep(QUESTION).await;
    let mut read = Vec::new();
    // Whoever is told to come later may find the link closed before he has said all.
    for piece in &question[1..] {
        let mut framed = format!("{:x}\r\n", piece.len()).into_bytes();
        framed.extend_from_slice(piece);
        framed.extend_from_slice(b"\r\n");
        let _ = link.write_all(&framed).await;
    }
    let _ = link.write_all(b"0\r\n\r\n").await;
    let _ = link.flush().await;
    let whole = |r: &[u8]| r.starts_with(b"HTTP/1.1 200") && answers(r).1;
    let is_later = |r: &[u8]| !r.starts_with(b"HTTP/1.1 200") && r.ends_with(b"later");
    let reading = async {
        while !whole(&read) && !is_later(&read) {
            assert_ne!(link.read_buf(&mut read).await.expect("readable"), 0, "{:?}", String::from_utf8_lossy(&read));
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reading).await.expect("an answer in time");
    if whole(&read) {
        return Ok(answers(&read).0);
    }
    let head = String::from_utf8_lossy(&read).into_owned();
    assert!(head.starts_with("HTTP/1.1 503") || head.starts_with("HTTP/1.1 429"), "{head}");
    Err(head.lines().find_map(|l| l.strip_prefix("retry-after: ")).expect("it says when").parse().expect("seconds"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_devices_that_return_at_once_are_all_served_some_later_and_the_memory_stays_flat() {
    let running = run().await;
    let mut ready = Vec::new();
    // A team has digits for fewer than a hundred devices.
    let teams: Vec<String> = (1..=6).map(|n| format!("imt-{n}")).collect();
    for team in &teams {
        running.world.officer(team, Agency::Moi, team, Role::Officer);
    }
    for team in teams.iter().cycle().take(RETURNING) {
        let mut device = running.world.enrolled(team, false).await;
        let compartment = format!("team/{team}");
        let segment = device.write(&compartment, 3).write().expect("a segment");
        // A device says that it has all there is, so that what is measured is the way up.
        let question = vec![Ask::Hello(device.hello()).write(), Ask::Segment(segment).write(), Ask::End.write()];
        ready.push((running.config(Some(&device)), device.stream(&compartment), device.head(&compartment), question));
    }
    let (before, began) = (memory(), std::time::Instant::now());
    let most = Arc::new(AtomicU64::new(0));
    let watch = tokio::spawn({
        let most = most.clone();
        async move {
            loop {
                most.fetch_max(memory(), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    });
    let address = running.address;
    let all = ready.into_iter().enumerate().map(|(i, (config, stream, head, question))| {
        tokio::spawn(async move {
            let mut refusals = 0u32;
            loop {
                match returns(address, config.clone(), &question).await {
                    Ok(said) => {
                        assert_eq!(held(&said, &stream), Some(head), "device {i} has its receipt");
                        return refusals;
                    }
                    Err(seconds) => {
                        refusals += 1;
                        // As the device's own clock does it: not sooner, and not all at once.
                        let spread = Duration::from_secs(seconds).mul_f64(0.5 * (i as f64 / RETURNING as f64));
                        tokio::time::sleep(Duration::from_secs(seconds) + spread).await;
                    }
                }
            }
        })
    });
    let all: Vec<_> = all.collect();
    let mut refusals = 0;
    for one in all {
        refusals += one.await.expect("served");
    }
    watch.abort();
    let grown = most.load(Ordering::Relaxed).saturating_sub(before);
    eprintln!("{RETURNING} devices in {:?}, {refusals} times told to come later, {} MB more", began.elapsed(), grown / 1024 / 1024);
    assert!(refusals > 0, "more came than are taken at once");
    assert!(grown < RETURN_BYTES_MAX, "{grown} bytes more for {RETURNING} devices");
    running.stopped().await;
}
