//! A server that says everything but the truth: whatever it answers, only a signed receipt clears the queue.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use daftar_core::compartment::{Agency, Compartment};
use daftar_core::ids::{DeviceId, Epoch, Head, OfficerId};
use daftar_tests::device::Device;
use daftar_tests::{corpus, free_port};
use daftar_wire::enrol::{Code, EnrolRequest, Enrolled, fingerprint};
use daftar_wire::message::{Access, Answer, Ask, End, FrameReader, Receipt, Receipted};
use daftar_wire::segment::Segment;
use daftar_wire::sign::SigningKey;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SubjectPublicKeyInfo, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::released::copy;

/// How the fake server answers a sync.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lie {
    /// 200 and an end, as if all were well.
    EndWithoutReceipt,
    /// 200 and nothing.
    Nothing,
    /// 200 and a page that asks for a sign-in.
    Portal,
    /// A redirect to such a page.
    Redirect,
    /// A receipt for everything, signed by somebody else.
    ReceiptOfAnother,
    /// A receipt for everything, with another chain.
    ReceiptOfAnotherChain,
    /// Only a status.
    Status(u16),
    /// A status, and seconds after which to ask again.
    Later(u16, u64),
}

struct Fake {
    port: u16,
    code: String,
    lie: Arc<Mutex<Lie>>,
}

/// A CA of its own and a certificate with headquarters' name: to a device with this code it is headquarters.
fn certificates() -> (CertificateDer<'static>, CertificateDer<'static>, PrivatePkcs8KeyDer<'static>) {
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca_params = CertificateParams::new(Vec::new()).expect("parameters");
    ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca_params.not_before = date_time_ymd(2000, 1, 1);
    let ca = ca_params.self_signed(&ca_key).expect("a certificate");
    let issuer = Issuer::new(ca_params, ca_key);
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["hq.daftar".into(), "localhost".into()]).expect("parameters");
    params.not_before = date_time_ymd(2000, 1, 1);
    let leaf = params.signed_by(&key, &issuer).expect("a certificate");
    (ca.der().clone(), leaf.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()))
}

/// A certificate for the device's Ed25519 key (RFC 8410). No one asks for it here: the fake server takes everybody.
fn certificate_for(key: &[u8; 32]) -> Vec<u8> {
    let mut spki = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    spki.extend_from_slice(key);
    let spki = SubjectPublicKeyInfo::from_der(&spki).expect("an Ed25519 key");
    let any = Issuer::new(CertificateParams::new(Vec::new()).expect("parameters"), KeyPair::generate().expect("a key"));
    CertificateParams::new(Vec::new()).expect("parameters").signed_by(&spki, &any).expect("a certificate").der().to_vec()
}

fn start() -> Fake {
    let (ca, leaf, key) = certificates();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![leaf, ca.clone()], PrivateKeyDer::Pkcs8(key))
        .expect("a certificate for its key");
    let port = free_port();
    let lie = Arc::new(Mutex::new(Lie::EndWithoutReceipt));
    let code = Code { address: format!("127.0.0.1:{port}"), ca_sha256: fingerprint(&ca), secret: [7; 16] };
    let code = format!("daftar1.{}", URL_SAFE_NO_PAD.encode(code.write()));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (lies, ca) = (lie.clone(), ca.to_vec());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, lies, ca) = (acceptor.clone(), lies.clone(), ca.clone());
                tokio::spawn(async move {
                    if let Ok(mut stream) = acceptor.accept(socket).await {
                        let (path, body) = read_request(&mut stream).await;
                        let lie = *lies.lock().expect("no one panics with the lie");
                        let answer = if path == "/v1/enrol" { enrolled(&body, &ca) } else { answer(lie, &body) };
                        let _ = stream.write_all(&answer).await;
                        let _ = stream.shutdown().await;
                    }
                });
            }
        });
    });
    Fake { port, code, lie }
}

/// Reads one HTTP/1.1 request with a length or in chunks.
async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = text.to_ascii_lowercase();
            let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
            let body = &bytes[end + 4..];
            let length = head.lines().find_map(|l| l.strip_prefix("content-length: ").and_then(|n| n.trim().parse::<usize>().ok()));
            match length {
                Some(n) if body.len() >= n => return (path, body.to_vec()),
                None if body.ends_with(b"0\r\n\r\n") => return (path, unchunk(body)),
                Some(_) | None => {}
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return (String::new(), Vec::new()),
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = body.windows(2).position(|w| w == b"\r\n") {
        let n = usize::from_str_radix(&String::from_utf8_lossy(&body[..end]), 16).unwrap_or(0);
        if n == 0 {
            break;
        }
        out.extend_from_slice(&body[end + 2..end + 2 + n]);
        body = &body[end + 4 + n..];
    }
    out
}

fn http(status: u16, kind: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n{more}\r\n", body.len()).into_bytes();
    out.extend_from_slice(body);
    out
}

fn enrolled(body: &[u8], ca: &[u8]) -> Vec<u8> {
    let request = EnrolRequest::read(body).expect("a device asks in the protocol's form");
    let answer = Enrolled {
        device: DeviceId([1; 16]),
        certificate: certificate_for(&request.device_signing),
        ca: ca.to_vec(),
        server: DeviceId([9; 16]),
        server_signing: hq_key().verifying_key().to_bytes(),
        server_sealing: daftar_wire::seal::key_pair(&[8; 32]).1,
        epoch: Epoch([3; 16]),
        officer: OfficerId([4; 16]),
        handle: "aziz".into(),
        full_name: "Aziz".into(),
        agency: Agency::Moi,
        team: Some("imt-1".into()),
        role: "officer".into(),
        digit: 1,
        compartments: vec![
            (Compartment::reference(), Access { read: true, write: false }),
            (Compartment::team("imt-1").expect("a team"), Access { read: true, write: true }),
        ],
    };
    http(200, "application/cbor-seq", "", &answer.write())
}

fn hq_key() -> SigningKey {
    SigningKey::from_bytes(&[6; 32])
}

fn answer(lie: Lie, body: &[u8]) -> Vec<u8> {
    const SEQ: &str = "application/cbor-seq";
    let end = Answer::End(End { time_ms: 1_790_000_000_000, cursors: Vec::new(), more: false }).write();
    match lie {
        Lie::EndWithoutReceipt => http(200, SEQ, "", &end),
        Lie::Nothing => http(200, SEQ, "", b""),
        Lie::Portal => http(200, "text/html", "", b"<html>please sign in</html>"),
        Lie::Redirect => http(302, "text/html", "location: http://127.0.0.1/login\r\n", b""),
        Lie::ReceiptOfAnother => http(200, SEQ, "", &[receipts(body, &SigningKey::from_bytes(&[5; 32]), true), end].concat()),
        Lie::ReceiptOfAnotherChain => http(200, SEQ, "", &[receipts(body, &hq_key(), false), end].concat()),
        Lie::Status(status) => http(status, SEQ, "", &end),
        Lie::Later(status, seconds) => http(status, SEQ, &format!("retry-after: {seconds}\r\n"), &end),
    }
}

/// Receipts for all the segments in a body.
fn receipts(body: &[u8], key: &SigningKey, right_chain: bool) -> Vec<u8> {
    let mut reader = FrameReader::default();
    reader.push(body);
    let mut streams = Vec::new();
    while let Ok(Some(frame)) = reader.next() {
        if let Ok(Some(Ask::Segment(bytes))) = Ask::read(&frame) {
            let segment = Segment::read(&bytes).expect("a device sends segments");
            let head = if right_chain && segment.first == 1 { segment.chain(segment.stream.start()).head() } else { Head([1; 32]) };
            streams.push(Receipted { up_to: segment.last(), stream: segment.stream, head, backed_up: 0 });
        }
    }
    assert!(!streams.is_empty(), "the device sends what waits, again and again");
    Answer::Receipt(Receipt::sign(key, Epoch([3; 16]), 1_790_000_000_000, streams)).write()
}

#[test]
fn whatever_a_server_answers_only_a_signed_receipt_of_our_chain_clears_the_queue() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let fake = start();
    let device = Device::new(dir.path(), "a");
    let out = device.run(&["enrol", &fake.code, "--json"]);
    assert!(device.home.exists(), "{} on port {}", daftar_tests::told(&out), fake.port);
    let corpus = corpus::write(dir.path(), 200, 19, &["--team", "imt-1"]);
    device.run(&["import", &corpus.display().to_string(), "--json"]);
    let waiting = device.json(&["status"])["waiting"].as_u64().expect("a number");
    assert!(waiting > 5, "{waiting} changes wait");
    let lies = [Lie::EndWithoutReceipt, Lie::Nothing, Lie::Portal, Lie::Redirect, Lie::ReceiptOfAnother, Lie::ReceiptOfAnotherChain];
    let statuses = [201, 204, 206, 301, 307, 400, 401, 403, 404, 405, 408, 409, 410, 413, 418, 425, 429, 451, 500, 502, 503, 504, 511, 599];
    let hear = |device: &Device, lie: Lie| {
        *fake.lie.lock().expect("no one panics with the lie") = lie;
        let out = device.run(&["sync", "--json"]);
        let status = device.json(&["status"]);
        assert_eq!(status["waiting"], waiting, "{lie:?} cleared the queue: {}", daftar_tests::told(&out));
        let is_lie_that_says_ok = lie == Lie::EndWithoutReceipt;
        assert_eq!(out.status.success(), is_lie_that_says_ok, "{lie:?}: {}", daftar_tests::told(&out));
        if matches!(lie, Lie::Portal | Lie::Redirect) {
            assert_eq!(daftar_tests::json(&out)["error"]["code"], "portal");
        }
    };
    // Each to a home of its own: after an exchange that was cut a device waits some seconds for what the server says to hold of its work.
    for (n, lie) in lies.into_iter().chain(statuses.map(Lie::Status)).enumerate() {
        let fresh = Device::new(dir.path(), &format!("copy-{n}"));
        copy(&device.home, &fresh.home, &[]);
        hear(&fresh, lie);
    }
    // And one after the other to the same.
    for lie in [Lie::Redirect, Lie::ReceiptOfAnother, Lie::Status(204), Lie::EndWithoutReceipt] {
        hear(&device, lie);
    }
    assert_eq!(device.json(&["verify"])["bad"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_busy_headquarters_is_told_of_with_the_time_after_which_it_asks_to_be_called() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let fake = start();
    let device = Device::new(dir.path(), "a");
    device.run(&["enrol", &fake.code, "--json"]);
    device.import(&corpus::write(dir.path(), 10, 20, &["--team", "imt-1"]));
    let waiting = device.json(&["status"])["waiting"].clone();
    for status in [429, 503] {
        *fake.lie.lock().expect("no one panics with the lie") = Lie::Later(status, 17);
        let told = device.json_with(4, &["sync"]);
        let error = &told["error"];
        assert_eq!((&error["code"], &error["retry_after_seconds"]), (&"busy".into(), &17.into()), "{told}");
        assert!(error["message"].as_str().is_some_and(|m| m.contains("in 17 seconds") && m.contains("everything is kept")), "{told}");
        assert_eq!(device.json(&["status"])["waiting"], waiting);
    }
    *fake.lie.lock().expect("no one panics with the lie") = Lie::Status(503);
    let told = device.json_with(4, &["sync"]);
    assert_eq!(told["error"]["retry_after_seconds"], serde_json::Value::Null, "who names no time is not quoted: {told}");
}
