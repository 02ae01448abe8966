//! The exchange over HTTP/1.1 and mutual TLS 1.3, by reqwest. Follows no redirect and trusts no status.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use daftar_wire::enrol::{Code, EnrolRequest, Enrolled};
use daftar_wire::limits::ENROL_BYTES_MAX;
use reqwest::{Client, Response, StatusCode};
use tokio::sync::mpsc::{Receiver, Sender};

use super::count::counted;
use super::pace::Pace;
use super::tls::{Identity, Pin, config};
use super::transport::{LinkError, Transport};
use crate::vault::DeviceInfo;

/// No answer to a connection attempt for so long: no link.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// No byte for so long: the link is dead.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const CONTENT_TYPE: &str = "application/cbor-seq";

/// A link to headquarters.
pub struct HttpTransport {
    client: Client,
    address: String,
    before: (u64, u64),
    pace: Arc<Pace>,
}

impl HttpTransport {
    /// Prepares a link for an enrolled device; connects to nothing yet.
    pub fn new(device: &DeviceInfo) -> Result<Self, LinkError> {
        let identity = Identity { certificate: device.certificate.clone(), key_pkcs8: device.key_pkcs8() };
        let client = client(Pin::Ca(device.ca.clone()), Some(identity), device.last_hq_ms)?;
        Ok(Self { client, address: device.address.clone(), before: counted(), pace: Arc::default() })
    }
}

fn client(pin: Pin, identity: Option<Identity>, hq_time_ms: Option<u64>) -> Result<Client, LinkError> {
    let tls = config(pin, identity, hq_time_ms).map_err(|e| LinkError::NotHq(e.to_string()))?;
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(read_timeout())
        .build()
        .map_err(|e| LinkError::NoLink(reason(&e)))
}

/// A test of real processes sets it by `DAFTAR_TEST_READ_TIMEOUT_MS`; no build that is given to anybody looks at that.
fn read_timeout() -> Duration {
    #[cfg(debug_assertions)]
    if let Some(ms) = std::env::var("DAFTAR_TEST_READ_TIMEOUT_MS").ok().and_then(|ms| ms.parse().ok()) {
        return Duration::from_millis(ms);
    }
    READ_TIMEOUT
}

/// The innermost reason of an error: reqwest's own sentences name an address and no cause.
fn reason(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

/// What TLS says is wrong, however deep it lies: an I/O error holds another one, and gives that one's source, not it.
fn tls_error<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let inner = held.map(|e| e as &(dyn std::error::Error + 'static)).or_else(|| error.source());
    inner.and_then(tls_error)
}

fn classify(error: &reqwest::Error) -> LinkError {
    match tls_error(error) {
        // Something that does not speak TLS at all: a gateway that wants to show a page.
        Some(rustls::Error::InvalidMessage(_)) => LinkError::Portal,
        Some(tls) => LinkError::NotHq(tls.to_string()),
        None => LinkError::NoLink(reason(error)),
    }
}

fn judge(response: &Response) -> Result<(), LinkError> {
    let status = response.status();
    match status {
        StatusCode::OK => {
            let kind = response.headers().get("content-type").and_then(|v| v.to_str().ok());
            if kind.is_some_and(|k| k.starts_with(CONTENT_TYPE)) { Ok(()) } else { Err(LinkError::Portal) }
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(LinkError::Refused(status.as_u16())),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let retry_after_seconds = response.headers().get("retry-after").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
            Err(LinkError::Busy { retry_after_seconds })
        }
        s if s.is_redirection() => Err(LinkError::Portal),
        s => Err(LinkError::Status(s.as_u16())),
    }
}

impl HttpTransport {
    async fn post(&self, path: &str, asks: Receiver<Vec<u8>>, answers: Sender<Vec<u8>>) -> Result<(), LinkError> {
        // The body is first asked for when the connection is there.
        let (began, pace) = (Instant::now(), self.pace.clone());
        let body = futures_util::stream::unfold((asks, Some(pace)), move |(mut asks, mut pace)| async move {
            if let Some(pace) = pace.take() {
                pace.connected(began.elapsed());
            }
            asks.recv().await.map(|piece| (Ok::<_, std::io::Error>(Bytes::from(piece)), (asks, pace)))
        });
        let url = format!("https://{}{path}", self.address);
        let request = self.client.post(url).header("content-type", CONTENT_TYPE).body(reqwest::Body::wrap_stream(body));
        let mut response = request.send().await.map_err(|e| classify(&e))?;
        judge(&response)?;
        while let Some(piece) = response.chunk().await.map_err(|e| classify(&e))? {
            if answers.send(piece.to_vec()).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Transport for HttpTransport {
    async fn exchange(&self, asks: Receiver<Vec<u8>>, answers: Sender<Vec<u8>>) -> Result<(), LinkError> {
        self.post("/v1/sync", asks, answers).await
    }

    async fn exchange_files(&self, asks: Receiver<Vec<u8>>, answers: Sender<Vec<u8>>) -> Result<(), LinkError> {
        self.post("/v1/files", asks, answers).await
    }

    fn pace(&self) -> Option<&Arc<Pace>> {
        Some(&self.pace)
    }

    fn counted(&self) -> (u64, u64) {
        let (up, down) = counted();
        (up - self.before.0, down - self.before.1)
    }
}

/// Asks headquarters to enrol this device and officer. The same request may be asked again: the answer is the same.
pub async fn enrol(code: &Code, request: &EnrolRequest) -> Result<Enrolled, super::SyncError> {
    let client = client(Pin::Fingerprint(code.ca_sha256), None, None)?;
    let url = format!("https://{}/v1/enrol", code.address);
    let sent = client.post(url).header("content-type", CONTENT_TYPE).body(request.write()).send().await;
    let mut response = sent.map_err(|e| classify(&e))?;
    judge(&response)?;
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|e| classify(&e))? {
        bytes.extend_from_slice(&piece);
        if bytes.len() as u64 > ENROL_BYTES_MAX {
            return Err(LinkError::Portal.into());
        }
    }
    let enrolled = Enrolled::read(&bytes)?;
    if daftar_wire::enrol::fingerprint(&enrolled.ca) == code.ca_sha256 {
        Ok(enrolled)
    } else {
        Err(LinkError::NotHq("another CA than the code's".into()).into())
    }
}
