"""Seals to one reader (section 7): HPKE by RFC 9180, opened and made."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from reader.base import Refused, must, same

KEM, SUITE = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x03"


def labeled_extract(suite: bytes, salt: bytes, label: bytes, key: bytes) -> bytes:
    return hmac.new(salt, b"HPKE-v1" + suite + label + key, hashlib.sha256).digest()


def labeled_expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand of at most 32 bytes, which is its first block."""
    labeled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.new(key, labeled + b"\x01", hashlib.sha256).digest()[:length]


def cipher(own: bytes, other: bytes, both: bytes, info: bytes) -> tuple[ChaCha20Poly1305, bytes]:
    """Base mode: DHKEM(X25519, HKDF-SHA256) 0x0020, HKDF-SHA256 0x0001, ChaCha20Poly1305 0x0003; its key and first nonce."""
    try:
        shared = X25519PrivateKey.from_private_bytes(own).exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError:
        raise Refused("an encapsulated key of low order") from None
    shared = labeled_expand(KEM, labeled_extract(KEM, b"", b"eae_prk", shared), b"shared_secret", both, 32)
    context = b"\x00" + labeled_extract(SUITE, b"", b"psk_id_hash", b"") + labeled_extract(SUITE, b"", b"info_hash", info)
    secret = labeled_extract(SUITE, shared, b"secret", b"")
    key, nonce = (labeled_expand(SUITE, secret, label, context, n) for label, n in ((b"key", 32), (b"base_nonce", 12)))
    return ChaCha20Poly1305(key), nonce


def public(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def open_seal(sealed: bytes, secret: bytes, info: bytes, aad: bytes) -> bytes:
    must(len(sealed) > 33 and sealed[0] == 1, "no seal of suite 1")
    given = sealed[1:33]
    sealing, nonce = cipher(secret, given, given + public(secret), info)
    try:
        return sealing.decrypt(nonce, sealed[33:], aad)
    except InvalidTag:
        raise Refused("a seal does not open") from None


def make_seal(plain: bytes, reader: bytes, ephemeral: bytes, info: bytes, aad: bytes) -> bytes:
    """For golden files alone: whoever seals in earnest draws the ephemeral key at random, once."""
    given = public(ephemeral)
    sealing, nonce = cipher(ephemeral, reader, given + reader, info)
    return b"\x01" + given + sealing.encrypt(nonce, plain, aad)


def check_seal(data: bytes, listing: dict, folder: Path) -> None:
    info = f"daftar {listing['purpose']} {listing['version']}".encode()
    opened = open_seal(data, bytes.fromhex(listing["secret"]), info, bytes.fromhex(listing["aad"]))
    same(opened.hex(), listing["plain"], "what was sealed")
