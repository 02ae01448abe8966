"""Refusing, hashing, signatures and names. Knows no file."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CHANGES_MAX = 256
CHANGE_BYTES_MAX = 65_536
SEGMENT_BYTES_MAX = 1_048_576
STREAM_BYTES_MAX = 2 * 1024 * 1024
FRAME_BYTES_MAX = 1_114_112
PARENTS_MAX = 32
COMPARTMENT_BYTES_MAX = 96

DICTIONARY = Path(__file__).resolve().parents[3] / "crates/wire/dict/1.txt"


class Refused(Exception):
    """The bytes are not what the protocol allows, or not what the listing says."""


def must(holds: bool, why: str) -> None:
    if not holds:
        raise Refused(why)


SEEN: set[str] = set()


def saw(form: str) -> None:
    """Remembers which of the protocol's forms the golden files have, so that none is left untried."""
    SEEN.add(form)


def same(found, wanted, what: str) -> None:
    must(found == wanted, f"{what}: found {found!r:.120}, listed {wanted!r:.120}")


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def eight(number: int) -> bytes:
    return number.to_bytes(8, "big")


def verify(key: bytes, signature: bytes, *parts: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, b"".join(parts))
    except (InvalidSignature, ValueError):
        raise Refused("a signature does not hold") from None


def change_name(compartment: str, header: bytes, k: bytes) -> bytes:
    return sha256(b"daftar change 1", compartment.encode(), sha256(header), k)


def payload_k(salt: bytes, payload: bytes) -> bytes:
    return sha256(salt, payload)


def run_salt(seed: bytes, place: int) -> bytes:
    return hmac.new(seed, eight(place), hashlib.sha256).digest()


def stream_start(compartment: str, device: bytes, incarnation: bytes) -> bytes:
    return sha256(b"daftar stream 1", compartment.encode(), device, incarnation)


def compartment_digest(streams: list[tuple[bytes, bytes, int, bytes]]) -> bytes:
    parts = [dev + inc + eight(n) + head for dev, inc, n, head in sorted(streams) if n > 0]
    return sha256(b"daftar digest 1", *parts)


def check_compartment(name) -> None:
    must(isinstance(name, str) and len(name.encode()) <= COMPARTMENT_BYTES_MAX, "no compartment")
    words = name.split("/")
    agencies = ("sss", "moi", "scc")
    fits = (
        words == ["reference"]
        or (len(words) == 2 and words[0] in ("team", "operation", "watchlist", "hits") and is_slug(words[1]))
        or (len(words) == 2 and words[0] == "audit" and words[1] in agencies)
        or (len(words) == 3 and words[0] == "agency" and words[1] in agencies and is_slug(words[2]))
    )
    must(fits, f"{name!r} names no compartment")


def is_slug(text: str) -> bool:
    letters = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    return bool(text) and set(text) <= letters and text[0] != "-" and text[-1] != "-"


def must_bytes(value, length: int, what: str) -> bytes:
    must(isinstance(value, bytes) and len(value) == length, f"{what} is not {length} bytes")
    return value


def must_number(value, what: str, least: int = 0) -> int:
    must(isinstance(value, int) and not isinstance(value, bool) and value >= least, f"{what} is no number")
    return value


def must_array(value, length: int | None, what: str) -> tuple:
    must(isinstance(value, tuple) and (length is None or len(value) == length), f"{what} is no such array")
    return value


def must_keys(value, needed: set[int], allowed: set[int], what: str) -> dict:
    must(isinstance(value, dict) and needed <= set(value) <= needed | allowed, f"the keys of {what}")
    return value
