//! TLS 1.3 to headquarters and to nobody else: its own CA is pinned, and no clock of ours decides.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};

/// The name in the server's certificate, wherever it stands; a device's certificate never bears it.
const HQ_NAME: &str = "hq.daftar";

/// Certificates are judged at no earlier time than this (2026-01-01), whatever the device's clock says.
const JUDGED_FROM_SECONDS: u64 = 1_767_225_600;

/// Certificates between headquarters' CA and its server, both included, at most.
const CHAIN_CERTIFICATES_MAX: usize = 4;

/// How headquarters is known.
#[derive(Debug, Clone)]
pub(super) enum Pin {
    /// By its CA certificate (DER), from enrolment.
    Ca(Vec<u8>),
    /// By the SHA-256 of the CA certificate that it shows, from a code.
    Fingerprint([u8; 32]),
}

#[derive(Debug)]
struct Pinned {
    pin: Pin,
    at: UnixTime,
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl Pinned {
    fn ca(&self, shown: &[CertificateDer<'_>]) -> Result<CertificateDer<'static>, Error> {
        match &self.pin {
            Pin::Ca(der) => Ok(CertificateDer::from(der.clone())),
            Pin::Fingerprint(sha256) => shown
                .iter()
                .find(|c| daftar_wire::enrol::fingerprint(c) == *sha256)
                .map(|c| c.clone().into_owned())
                .ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca(intermediates)?)?;
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|e| Error::General(e.to_string()))?;
        let name = ServerName::try_from(HQ_NAME).map_err(|e| Error::General(e.to_string()))?;
        never_too_new(self.at, |at| inner.verify_server_cert(end_entity, intermediates, &name, ocsp, at))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Judges a chain from a time on. From when on a certificate is good is ignored: it may be newer than all that this device has heard. Each of
/// the chain may say so once.
pub(crate) fn never_too_new<T>(mut at: UnixTime, judge: impl Fn(UnixTime) -> Result<T, Error>) -> Result<T, Error> {
    for _ in 0..CHAIN_CERTIFICATES_MAX {
        match judge(at) {
            Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) if not_before > at => at = not_before,
            judged => return judged,
        }
    }
    Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

/// The time by which dates are judged: the last receipt's.
pub(crate) fn judged_at(hq_time_ms: Option<u64>) -> UnixTime {
    let seconds = hq_time_ms.map_or(0, |ms| ms / 1000).max(JUDGED_FROM_SECONDS);
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

/// Begins what connections draw their numbers from. Where nobody has, the first connection of a process does, which keeps it waiting for a
/// twentieth of a second: call it where something else takes time, as the stretching of a PIN does.
pub fn warm_up() {
    std::thread::spawn(|| {
        if let Err(error) = super::count::provider().secure_random.fill(&mut [0; 1]) {
            tracing::warn!(?error, "no random numbers");
        }
    });
}

/// A device's certificate and the PKCS#8 form of its key.
pub(super) struct Identity {
    pub(super) certificate: Vec<u8>,
    pub(super) key_pkcs8: Vec<u8>,
}

/// The client's side of mutual TLS. `hq_time_ms`: the last receipt's time, by which alone dates are judged.
pub(super) fn config(pin: Pin, identity: Option<Identity>, hq_time_ms: Option<u64>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(super::count::provider());
    let at = judged_at(hq_time_ms);
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { pin, at, provider }));
    match identity {
        Some(id) => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(id.key_pkcs8));
            builder.with_client_auth_cert(vec![CertificateDer::from(id.certificate)], key)
        }
        None => Ok(builder.with_no_client_auth()),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

    use super::*;

    const SECOND_OF_2027: u64 = 1_798_761_600;

    /// Whether a certificate from the first day of `from` to the first of `to` is taken when headquarters was last heard at this time.
    fn judged(from: i32, to: i32, hq_seconds: Option<u64>) -> Result<(), Error> {
        let params = |names: Vec<String>| {
            let mut p = CertificateParams::new(names).expect("parameters");
            (p.not_before, p.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
            p
        };
        let (ca_key, key) = (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
        let mut ca = params(Vec::new());
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_der = ca.self_signed(&ca_key).expect("a certificate").der().clone();
        let leaf = params(vec![HQ_NAME.into()]).signed_by(&key, &Issuer::new(ca, ca_key)).expect("a certificate");
        let pinned = Pinned {
            pin: Pin::Ca(ca_der.to_vec()),
            at: judged_at(hq_seconds.map(|s| s * 1000)),
            provider: Arc::new(super::super::count::provider()),
        };
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        // Whatever the machine's clock says, it is not asked.
        let now = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
        pinned.verify_server_cert(leaf.der(), &[ca_der], &name, &[], now).map(drop)
    }

    #[test]
    fn a_certificate_is_not_too_new_and_too_old_only_by_headquarters_own_time() {
        assert_eq!(judged(2000, 2030, None), Ok(()));
        assert_eq!(judged(2040, 2050, Some(SECOND_OF_2027)), Ok(()), "renewed after 13 years without a link");
        assert_eq!(judged(2020, 2028, Some(SECOND_OF_2027)), Ok(()));
        let old = judged(2020, 2027, Some(SECOND_OF_2027 + 1));
        assert!(matches!(old, Err(Error::InvalidCertificate(CertificateError::ExpiredContext { .. }))), "{old:?}");
    }
}
