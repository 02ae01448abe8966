//! Headquarters' certificate authority: its own P-256 root, the servers' certificate, the devices' certificates. Never asks who a device is.

use daftar_core::ids::DeviceId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use zeroize::Zeroizing;

use crate::error::Result;
use crate::random::random;

/// The name that devices look for in the server's certificate, wherever it stands; a device's certificate never bears it.
pub const HQ_NAME: &str = "hq.daftar";

/// The authority: its certificate and key.
pub(crate) struct Authority {
    certificate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn read(certificate: Vec<u8>, key_pkcs8: &[u8]) -> Result<Self> {
        let key = key_pair(key_pkcs8)?;
        Ok(Self { certificate, issuer: Issuer::new(root_params(), key) })
    }

    /// The root certificate (DER).
    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    pub(crate) fn key_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.issuer.key().serialize_der())
    }

    /// Issues a device's certificate (DER) for its Ed25519 key.
    pub(crate) fn issue(&self, device: &DeviceId, key: &[u8; 32]) -> Result<Vec<u8>> {
        let mut params = params(&device.to_string())?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(params.signed_by(&DeviceKey(key), &self.issuer)?.der().to_vec())
    }
}

/// A device's public key as a certificate's subject.
struct DeviceKey<'a>(&'a [u8; 32]);

impl PublicKeyData for DeviceKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

fn key_pair(pkcs8: &[u8]) -> Result<KeyPair> {
    Ok(KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8), &PKCS_ECDSA_P256_SHA256)?)
}

/// No clock that judges it may be before or after.
fn params(common_name: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31);
    params.distinguished_name = name(common_name);
    let mut serial = random::<16>()?;
    serial[0] &= 0x7f;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn root_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("Daftar headquarters");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31);
    params
}

/// Makes the authority, and the servers' certificate (DER) and key (PKCS#8) for `host`.
pub(crate) fn found(host: &str) -> Result<(Authority, Vec<u8>, Zeroizing<Vec<u8>>)> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut root = root_params();
    root.serial_number = Some(SerialNumber::from_slice(&[1]));
    let certificate = root.self_signed(&key)?.der().to_vec();
    let authority = Authority { certificate, issuer: Issuer::new(root_params(), key) };

    let server_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut names = vec![HQ_NAME.to_owned(), "127.0.0.1".into(), "::1".into(), "localhost".into()];
    if !names.iter().any(|n| n == host) {
        names.push(host.to_owned());
    }
    let mut server = CertificateParams::new(names)?;
    let with = params(HQ_NAME)?;
    (server.not_before, server.not_after, server.serial_number) = (with.not_before, with.not_after, with.serial_number);
    server.distinguished_name = with.distinguished_name;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let tls = server.signed_by(&server_key, &authority.issuer)?.der().to_vec();
    Ok((authority, tls, Zeroizing::new(server_key.serialize_der())))
}
