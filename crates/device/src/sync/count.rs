//! Counts the bytes that go through TLS, where they are encrypted: exactly what HTTP wrote and read, headers
//! included. reqwest gives no hook between HTTP and TLS, a cipher suite does. Adds nothing to the cryptography.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter, OutboundOpaqueMessage,
    OutboundPlainMessage, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::crypto::{CipherSuiteCommon, CryptoProvider, aws_lc_rs};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, SupportedCipherSuite, Tls13CipherSuite};

static UP: AtomicU64 = AtomicU64::new(0);
static DOWN: AtomicU64 = AtomicU64::new(0);

/// Bytes up and down of all connections of this process so far; one sync runs at a time.
pub(super) fn counted() -> (u64, u64) {
    (UP.load(Ordering::Relaxed), DOWN.load(Ordering::Relaxed))
}

struct Counting(&'static dyn Tls13AeadAlgorithm);

impl Tls13AeadAlgorithm for Counting {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Up(self.0.encrypter(key, iv)))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Down(self.0.decrypter(key, iv)))
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(&self, key: AeadKey, iv: Iv) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }
}

struct Up(Box<dyn MessageEncrypter>);

impl MessageEncrypter for Up {
    fn encrypt(&mut self, msg: OutboundPlainMessage<'_>, seq: u64) -> Result<OutboundOpaqueMessage, Error> {
        if msg.typ == ContentType::ApplicationData {
            UP.fetch_add(msg.payload.len() as u64, Ordering::Relaxed);
        }
        self.0.encrypt(msg, seq)
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        self.0.encrypted_payload_len(payload_len)
    }
}

struct Down(Box<dyn MessageDecrypter>);

impl MessageDecrypter for Down {
    fn decrypt<'a>(&mut self, msg: InboundOpaqueMessage<'a>, seq: u64) -> Result<InboundPlainMessage<'a>, Error> {
        let plain = self.0.decrypt(msg, seq)?;
        if plain.typ == ContentType::ApplicationData {
            DOWN.fetch_add(plain.payload.len() as u64, Ordering::Relaxed);
        }
        Ok(plain)
    }
}

/// The provider's TLS 1.3 suites, counting.
static SUITES: LazyLock<Vec<SupportedCipherSuite>> = LazyLock::new(|| {
    let mut suites = Vec::new();
    for suite in aws_lc_rs::default_provider().cipher_suites {
        if let Some(t) = suite.tls13() {
            let aead: &'static Counting = Box::leak(Box::new(Counting(t.aead_alg)));
            let common = CipherSuiteCommon {
                suite: t.common.suite,
                hash_provider: t.common.hash_provider,
                confidentiality_limit: t.common.confidentiality_limit,
            };
            let counting: &'static Tls13CipherSuite =
                Box::leak(Box::new(Tls13CipherSuite { common, hkdf_provider: t.hkdf_provider, aead_alg: aead, quic: None }));
            suites.push(SupportedCipherSuite::Tls13(counting));
        }
    }
    suites
});

/// aws-lc-rs, with TLS 1.3 suites that count.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider { cipher_suites: SUITES.clone(), ..aws_lc_rs::default_provider() }
}
