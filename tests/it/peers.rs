//! Two devices on one network, by the real commands: with no server up, in bad weather, and against who has no business there.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;

use daftar_tests::corpus;
use daftar_tests::device::Device;
use daftar_tests::proxy::{Proxy, Weather};
use daftar_tests::server::Server;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::exchange::{KINDS, digests};

/// A server with three officers of one team, two of one agency, each on a device of his own that has heard of the others.
struct Team {
    dir: tempfile::TempDir,
    server: Server,
    aziz: Device,
    bobur: Device,
    chingiz: Device,
}

fn team() -> Team {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::init_direct(dir.path());
    server.start();
    let enrolled = |name: &str, agency: &str| {
        server.must(&["officer", "add", "--name", name, "--agency", agency, "--team", "imt-1"]);
        let device = Device::new(dir.path(), name);
        let out = device.run(&["enrol", &server.code(name, false), "--device-name", &format!("{name}'s tablet"), "--json"]);
        assert!(out.status.success(), "enrol: {}", daftar_tests::told(&out));
        device
    };
    let (aziz, bobur, chingiz) = (enrolled("aziz", "moi"), enrolled("bobur", "moi"), enrolled("chingiz", "scc"));
    for device in [&aziz, &bobur, &chingiz] {
        device.json(&["sync"]);
    }
    Team { dir, server, aziz, bobur, chingiz }
}

/// Records of the team and of one agency's notes, as lines in a file; how many there are.
fn records(dir: &Path) -> (std::path::PathBuf, usize) {
    let all = corpus::lines(&corpus::write(dir, 300, 5, &["--team", "imt-1"]));
    let may = |l: &&Value| [json!("team/imt-1"), json!("agency/moi/imt-1")].contains(&l["compartment"]);
    let lines: Vec<String> = all.iter().filter(may).map(Value::to_string).collect();
    assert!(lines.iter().any(|l| l.contains("agency/moi")), "the corpus has notes of an agency");
    let path = dir.join("records.ndjson");
    std::fs::write(&path, lines.join("\n")).expect("the folder can be written");
    (path, lines.len())
}

fn waiting(device: &Device) -> Value {
    device.json(&["status"])["waiting"].clone()
}

/// One exchange: what the caller and who listens say of it.
fn exchange(caller: &Device, listens: &Device) -> (Value, Value) {
    let mut listening = listens.listens(&["--once", "--unannounced"]);
    let said = caller.json(&["peers", "--sync", &listening.address.clone()]);
    let heard = listening.says();
    assert_eq!(listening.ends(), Some(0));
    (said["exchanges"][0].clone(), heard)
}

fn listed(device: &Device) -> usize {
    KINDS.iter().map(|k| device.list(k).len()).sum()
}

#[test]
fn two_devices_exchange_with_no_server_up_another_agencys_notes_do_not_cross_and_a_third_gets_it_by_headquarters() {
    let Team { dir, mut server, aziz, bobur, chingiz } = team();
    server.kill();
    let (file, lines) = records(dir.path());
    aziz.import(&file);
    let notes = aziz.list("surveillance_note").iter().filter(|r| r["compartment"] == "agency/moi/imt-1").count();

    let (said, heard) = exchange(&bobur, &aziz);
    assert_eq!((&said["received_changes"], &said["sent_changes"], &said["refused"]), (&json!(lines), &json!(0), &json!(0)), "{said}");
    assert_eq!((&heard["sent_changes"], &heard["name"]), (&json!(lines), &json!("bobur's tablet")), "{heard}");
    assert_eq!(digests(&aziz.json(&["status"])), digests(&bobur.json(&["status"])), "what both may read is the same on both");
    assert_eq!(waiting(&aziz), lines, "that another device has it clears nothing");
    let again = exchange(&aziz, &bobur).0;
    assert_eq!((&again["received_changes"], &again["sent_changes"]), (&json!(0), &json!(0)), "{again}");
    let some = bobur.list("inspection")[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(bobur.json(&["show", &some])["unjudged"], true, "headquarters has not said whether it counts");

    // An officer of another agency gets the team's records and nothing of the notes, asking or asked.
    let said = exchange(&chingiz, &bobur).0;
    assert_eq!((&said["received_changes"], &said["shared"]), (&json!(lines - notes), &json!(3)), "{said}");
    exchange(&bobur, &chingiz);
    let status = chingiz.json(&["status"]);
    assert!(digests(&status).keys().all(|c| !c.contains("moi")), "{status}");
    assert_eq!(listed(&chingiz), lines - notes);

    // Bobur is the first who reaches headquarters; what he was given goes along, and the receipts come back by him.
    server.start();
    assert_eq!(bobur.json(&["sync"])["sent_changes"], lines);
    assert_eq!(bobur.json(&["show", &some])["unjudged"], false);
    server.kill();
    assert_eq!(waiting(&aziz), lines);
    let said = exchange(&aziz, &bobur).0;
    assert_eq!(said["receipted"], lines, "{said}");
    assert_eq!(waiting(&aziz), 0, "headquarters' own receipt clears the queue, whoever hands it on");

    server.start();
    let late = Device::enrolled(dir.path(), "late", &server.code("bobur", false));
    for (device, sends) in [(&aziz, 0), (&bobur, 0), (&chingiz, lines - notes), (&late, 0)] {
        let told = device.json(&["sync"]);
        // Chingiz has no receipt for what he was given, and offers it too.
        assert_eq!((&told["sent_changes"], &told["differ"]), (&json!(sends), &json!(0)), "{told}");
    }
    let at_hq = digests(&server.status());
    for device in [&aziz, &bobur, &chingiz, &late] {
        for (name, digest) in digests(&device.json(&["status"])) {
            assert_eq!(Some(&digest), at_hq.get(&name), "device and server differ in {name}");
        }
        device.json(&["verify"]);
    }
    assert_eq!(listed(&late), lines, "each record once");
}

#[test]
fn a_photo_goes_from_device_to_device_and_from_the_second_to_headquarters_where_it_arrives_once() {
    let Team { dir, mut server, aziz, bobur, chingiz } = team();
    server.kill();
    let (file, _) = records(dir.path());
    aziz.import(&file);
    let of = |c: &str| aziz.list("surveillance_note").into_iter().chain(aziz.list("inspection")).find(|r| r["compartment"] == c);
    let [id, note] = ["team/imt-1", "agency/moi/imt-1"].map(|c| of(c).expect("a record")["id"].as_str().expect("an id").to_owned());
    let attach = |record: &str, n: u8, size: usize| {
        let bytes: Vec<u8> = (0..size).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ n).collect();
        let path = dir.path().join(format!("photo-{n}.bin"));
        std::fs::write(&path, &bytes).expect("written");
        aziz.json(&["attach", record, &path.display().to_string()]);
    };
    // More than a link brings unasked: whoever meets the other may be the first at headquarters.
    attach(&id, 1, 3_000_000);
    attach(&note, 2, 50_000);
    let (said, heard) = exchange(&bobur, &aziz);
    assert_eq!((&said["received_files"], &heard["sent_files"], &said["refused"]), (&json!(2), &json!(2), &json!(0)), "{said} {heard}");
    let said = exchange(&chingiz, &bobur).0;
    assert_eq!(said["received_files"], 1, "another agency's photo stays with it: {said}");
    assert_eq!(exchange(&aziz, &bobur).0["sent_files"], 0, "nothing goes twice");
    let at_hq = |device: &Device| device.json(&["show", &id])["files_at_hq"].clone();
    assert_eq!(at_hq(&bobur), 0, "that another device has it does not say that headquarters has it");

    server.start();
    let sync = bobur.json(&["sync"]);
    assert_eq!((&sync["files"]["receipted"], &sync["files"]["waiting"]), (&json!(2), &json!(0)), "{sync}");
    server.kill();
    let said = exchange(&aziz, &bobur).0;
    assert_eq!((&said["receipted_files"], at_hq(&aziz)), (&json!(2), json!(1)), "headquarters' word, whoever hands it on: {said}");
    server.start();
    for device in [&aziz, &chingiz] {
        let sync = device.json(&["sync"]);
        assert_eq!((&sync["files"]["chunks_sent"], &sync["files"]["waiting"]), (&json!(0), &json!(0)), "{sync}");
        assert_eq!(device.json(&["verify"])["bad"], json!([]));
    }
    server.must(&["verify"]);
}

#[test]
fn two_that_call_a_third_at_once_bring_the_same_records_once_and_headquarters_brings_none_again() {
    let Team { dir, mut server, aziz, bobur, chingiz } = team();
    let (file, lines) = records(dir.path());
    aziz.import(&file);
    exchange(&bobur, &aziz);
    aziz.json(&["sync"]);
    server.kill();
    let listening = chingiz.listens(&["--unannounced"]);
    let call = |device: &Device| {
        let mut command = device.command();
        command.args(["peers", "--sync", &listening.address, "--json"]).stdout(std::process::Stdio::piped());
        command.spawn().expect("daftar is built")
    };
    for out in [call(&aziz), call(&bobur)].map(|c| c.wait_with_output().expect("it ends")) {
        assert_eq!(out.status.code(), Some(0), "{}", daftar_tests::told(&out));
    }
    drop(listening);
    let team: usize = KINDS.iter().map(|k| aziz.list(k).iter().filter(|r| r["compartment"] == "team/imt-1").count()).sum();
    assert!(team < lines);
    assert_eq!(listed(&chingiz), team);
    server.start();
    let told = chingiz.json(&["sync"]);
    assert_eq!((&told["received_changes"], &told["differ"]), (&json!(0), &json!(0)), "headquarters brings nothing that is new: {told}");
    bobur.json(&["sync"]);
    for name in ["team/imt-1", "reference"] {
        let of = |d: &Device| digests(&d.json(&["status"]))[name].clone();
        assert_eq!([of(&aziz), of(&bobur)], [of(&chingiz), digests(&server.status())[name].clone()]);
    }
    chingiz.json(&["verify"]);
}

#[test]
fn a_link_between_devices_that_breaks_at_any_place_loses_nothing_and_goes_on() {
    let Team { dir, mut server, aziz, bobur, .. } = team();
    server.kill();
    let (proxy, direct_to) = Proxy::start();
    let (file, lines) = records(dir.path());
    aziz.import(&file);
    let listening = aziz.listens(&["--unannounced"]);
    direct_to(listening.port());
    let address = format!("127.0.0.1:{}", proxy.port);
    let changes = |device: &Device| -> u64 {
        let status = device.json(&["status"]);
        status["compartments"].as_object().expect("compartments").values().filter_map(|c| c["changes"].as_u64()).sum()
    };
    let mut received = changes(&bobur);
    // Offsets that fall into the handshake, the request's head, the heads and the segments, each way.
    let up = [100, 300, 500, 700, 900].map(|at| Weather { cut_up_at: Some(at), ..Weather::default() });
    let down =
        [200, 500, 800, 1000, 1200, 1400, 1600, 2000, 2500, 3000, 4000].map(|at| Weather { cut_down_at: Some(at), ..Weather::default() });
    for weather in up.into_iter().chain(down) {
        proxy.set(weather);
        let out = bobur.run(&["peers", "--sync", &address, "--json"]);
        assert!(matches!(out.status.code(), Some(0 | 4)), "a cut link is no other trouble: {weather:?}: {}", daftar_tests::told(&out));
        let now = changes(&bobur);
        assert!(now >= received, "what came is kept");
        received = now;
    }
    assert!(proxy.cuts() >= 10, "{} connections were cut", proxy.cuts());
    proxy.set(Weather::default());
    bobur.json(&["peers", "--sync", &address]);
    drop(listening);
    assert_eq!(digests(&aziz.json(&["status"])), digests(&bobur.json(&["status"])));
    assert_eq!((listed(&bobur), waiting(&aziz)), (lines, json!(lines)));
    bobur.json(&["verify"]);
}

#[test]
fn who_connects_and_says_nothing_is_put_out_and_the_next_is_answered() {
    let Team { dir: _dir, mut server, aziz, bobur, .. } = team();
    server.kill();
    let listening = aziz.listens(&["--unannounced"]);
    // More than one address may have at once; each holds its place until its time is over.
    let silent: Vec<_> = (0..6).map(|_| std::net::TcpStream::connect(&listening.address).expect("it listens")).collect();
    let late = bobur.json_with(4, &["peers", "--sync", &listening.address]);
    assert_eq!(late["error"]["code"], "no_link", "{late}");
    for mut socket in silent {
        use std::io::Read as _;
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a time-out");
        assert!(matches!(socket.read(&mut [0; 8]), Ok(0) | Err(_)), "nothing is said to who says nothing");
    }
    bobur.json(&["peers", "--sync", &listening.address]);
    listening.interrupt();
    assert_eq!(listening.ends(), Some(0), "Ctrl-C ends it as it should end");
}

#[test]
fn a_device_that_was_struck_off_is_told_nothing_whoever_calls() {
    let Team { dir, server, aziz, bobur, chingiz } = team();
    let (file, _) = records(dir.path());
    aziz.import(&file);
    server.must(&["device", "revoke", "--device", "bobur's tablet"]);
    aziz.json(&["sync"]);
    let mut listening = aziz.listens(&["--unannounced"]);
    let refused = bobur.json_with(5, &["peers", "--sync", &listening.address.clone()]);
    assert_eq!(refused["error"]["code"], "peer_refused", "{refused}");
    assert_eq!(listening.says()["why"], "peer_struck_off");
    drop(listening);
    let listening = bobur.listens(&["--unannounced"]);
    let refused = aziz.json_with(5, &["peers", "--sync", &listening.address]);
    assert_eq!(refused["error"]["code"], "peer_struck_off", "{refused}");
    drop(listening);
    assert_eq!(listed(&bobur), 0);
    // Whoever has not heard of it yet is bound by what he knows; a device that is not known at all is a stranger too.
    let newcomer = Device::enrolled(dir.path(), "newcomer", &server.code("aziz", false));
    let listening = chingiz.listens(&["--unannounced"]);
    let refused = newcomer.json_with(5, &["peers", "--sync", &listening.address]);
    assert_eq!(refused["error"]["code"], "peer_refused", "{refused}");
}

/// Takes whatever certificate is shown, to look at it.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Shows these certificates whatever is asked, signed for by this key whether or not they are its own.
#[derive(Debug)]
struct Shows(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// Calls a device showing this, and asks it for all that it has. What it answers beyond the handshake, and the certificate that it showed.
fn calls(address: &str, shows: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>) -> (Vec<u8>, CertificateDer<'static>) {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = shows.map(|(chain, key)| Arc::new(CertifiedKey::new(chain, aws_lc_rs::sign::any_supported_type(&key).expect("a key"))));
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3 is there")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_client_cert_resolver(Arc::new(Shows(key)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let socket = TcpStream::connect(address).await.expect("it listens");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let mut tls = TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("its own half of the handshake is whole");
        let shown = tls.get_ref().1.peer_certificates().expect("it shows one")[0].clone().into_owned();
        let ask = b"POST /v1/peer HTTP/1.1\r\nhost: x\r\ncontent-type: application/cbor-seq\r\ncontent-length: 0\r\n\r\n";
        let mut answer = Vec::new();
        let _ = tls.write_all(ask).await;
        let _ = tls.read_to_end(&mut answer).await;
        (answer, shown)
    })
}

#[test]
fn who_has_no_certificate_of_headquarters_or_anothers_is_told_nothing() {
    let Team { dir: _dir, server: _server, aziz, bobur, .. } = team();
    let listening = aziz.listens(&["--unannounced"]);
    let (answer, of_aziz) = calls(&listening.address, None);
    assert!(answer.is_empty(), "without a certificate: {answer:?}");
    // A certificate of somebody else's authority, right in all else.
    let (ca_key, key) = (KeyPair::generate().expect("a key"), KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key"));
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut device = CertificateParams::new(Vec::new()).expect("parameters");
    device.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = device.signed_by(&key, &Issuer::new(ca, ca_key)).expect("a certificate").der().clone();
    let own = |key: &KeyPair| PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let (answer, _) = calls(&listening.address, Some((vec![certificate], own(&key))));
    assert!(answer.is_empty(), "another authority's: {answer:?}");
    // Whoever listens shows his own certificate; to have seen it is not to have its key.
    drop(listening);
    let listening = bobur.listens(&["--unannounced"]);
    let (answer, of_bobur) = calls(&listening.address, Some((vec![of_aziz.clone()], own(&key))));
    assert!(answer.is_empty(), "another's certificate: {answer:?}");
    for certificate in [&of_aziz, &of_bobur] {
        let says = |what: &str| certificate.windows(what.len()).any(|w| w == what.as_bytes());
        assert!(!["aziz", "bobur", "tablet", "imt", "moi"].iter().any(|w| says(w)), "what is shown to anybody names nobody");
    }
    drop(listening);
    // And a device says nothing to who listens without one: here the server, whose certificate is no device's.
    let mut server = team();
    server.server.kill();
    server.server.start();
    let refused = aziz.json_with(5, &["peers", "--address", &format!("127.0.0.1:{}", server.server.port)]);
    assert_eq!(refused["error"]["code"], "peer_not_ours", "{refused}");
    let nobody = aziz.json_with(4, &["peers", "--sync", &format!("127.0.0.1:{}", daftar_tests::free_port())]);
    assert_eq!(nobody["error"]["code"], "no_link", "{nobody}");
}

/// Whether a multicast datagram comes back on this machine's loopback.
fn has_multicast() -> bool {
    let group = std::net::Ipv4Addr::new(224, 0, 0, 251);
    let heard = || -> std::io::Result<bool> {
        let (hears, says) = (UdpSocket::bind(("0.0.0.0", 0))?, UdpSocket::bind(("127.0.0.1", 0))?);
        hears.set_read_timeout(Some(std::time::Duration::from_secs(1)))?;
        hears.join_multicast_v4(&group, &std::net::Ipv4Addr::LOCALHOST)?;
        says.send_to(b"?", (group, hears.local_addr()?.port()))?;
        Ok(hears.recv(&mut [0; 8]).is_ok())
    };
    heard().unwrap_or(false)
}

#[test]
fn a_device_that_listens_is_found_on_the_network_and_called_by_what_it_announced() {
    if !has_multicast() {
        println!("skipped: no multicast on this machine's loopback");
        return;
    }
    let Team { dir, mut server, aziz, bobur, .. } = team();
    server.kill();
    let (file, lines) = records(dir.path());
    aziz.import(&file);
    let listening = aziz.listens(&[]);
    assert!(listening.announced);
    let near = bobur.json(&["peers", "--seconds", "3"]);
    let found: Vec<&Value> = near.as_array().expect("an array").iter().filter(|n| n["address"] == listening.address.as_str()).collect();
    assert_eq!(found.len(), 1, "{near}");
    assert_eq!(found[0]["name"], "aziz's tablet");
    let said = bobur.json(&["peers", "--sync", "--seconds", "3"]);
    assert_eq!(said["exchanges"][0]["received_changes"], lines, "{said}");
    drop(listening);
    let nobody = bobur.json_with(4, &["peers", "--address", "127.0.0.1:1"]);
    assert_eq!(nobody["error"]["code"], "no_link");
}
