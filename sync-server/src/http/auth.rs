//! Who is at the other end: mutual TLS 1.3, and the key in a client's certificate. Dates and revocation are not judged here:
//! an expired device can renew, and one that was struck off can hand in its work.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use x509_parser::oid_registry::OID_SIG_ED25519;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::error::{Error, Result};
use crate::keys::Keys;

/// Devices whose TLS sessions can be taken up again.
const SESSIONS_MAX: usize = 32 * 1024;
/// Bytes of a TLS record to a device: what comes of one before a cut is lost, and a link of the second generation carries this in a second.
const RECORD_BYTES: usize = 4 * 1024;
/// Client certificates are judged at this time (2026-01-01), whatever the clock says.
const JUDGED_AT_SECONDS: u64 = 1_767_225_600;

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// From where.
    pub address: IpAddr,
    /// The Ed25519 key of the certificate that was shown and proven.
    pub key: Option<[u8; 32]>,
}

/// The Ed25519 key that a certificate is for.
pub(super) fn key_of(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let key = certificate.public_key();
    (key.algorithm.algorithm == OID_SIG_ED25519).then(|| key.subject_public_key.data.as_ref().try_into().ok())?
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// TLS for devices: a certificate of ours is asked for, and none is needed to enrol.
pub(super) fn devices_config(keys: &Keys) -> Result<ServerConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(keys.authority.certificate().to_vec()))?;
    let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .clear_root_hint_subjects()
        .allow_unauthenticated()
        .build()
        .map_err(|e| Error::Unexpected(format!("tls: {e}")))?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(Timeless(inner)));
    let mut config = finish(keys, builder)?;
    config.max_fragment_size = Some(RECORD_BYTES);
    Ok(config)
}

/// TLS for browsers.
pub(super) fn console_config(keys: &Keys) -> Result<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13])?.with_no_client_auth();
    finish(keys, builder)
}

fn finish(keys: &Keys, builder: rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>) -> Result<ServerConfig> {
    // The root goes along: who enrols knows it by its hash alone.
    let chain = [&keys.tls_certificate[..], keys.authority.certificate()].map(|der| CertificateDer::from(der.to_vec()));
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(keys.tls_key.to_vec()));
    let mut config = builder.with_single_cert(chain.to_vec(), key)?;
    // A ticket that only names a session kept here has 32 bytes, where one that holds it would carry a certificate both ways.
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// Judges a client's certificate, but not by the clock.
#[derive(Debug)]
struct Timeless(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Timeless {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> std::result::Result<ClientCertVerified, rustls::Error> {
        let at = UnixTime::since_unix_epoch(Duration::from_secs(JUDGED_AT_SECONDS));
        self.0.verify_client_cert(end_entity, intermediates, at)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
