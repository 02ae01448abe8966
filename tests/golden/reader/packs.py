"""Courier packs (section 8): verified whole, opened for each reader, and made."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from reader import seals
from reader.base import Refused, must, must_array, must_bytes, must_keys, must_number, same, saw, sha256, verify
from reader.cbor import decode, encode
from reader.frames import from_listing, read_frames
from reader.segment import name_changes, read_segment

MAGIC = b"DAFTARP1"
ITEM_BYTES_MAX = 98_304
CHUNK_BYTES_MAX = 65_536
HEADER, SECTION, CHUNK, SIGNATURE = 1, 2, 3, 4
KEY_INFO = b"daftar pack key 1"


def rotated(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & 0xFFFFFFFF


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """draft-irtf-cfrg-xchacha, 2.2: the first and last rows after twenty rounds."""
    words = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574]
    words += [int.from_bytes((key + nonce)[at : at + 4], "little") for at in range(0, 48, 4)]
    columns = [(n, n + 4, n + 8, n + 12) for n in range(4)]
    diagonals = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
    for a, b, c, d in (columns + diagonals) * 10:
        for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            words[x] = (words[x] + words[y]) & 0xFFFFFFFF
            words[z] = rotated(words[z] ^ words[x], bits)
    return b"".join(word.to_bytes(4, "little") for word in words[:4] + words[12:])


def xchacha(key: bytes, nonce: bytes) -> tuple[ChaCha20Poly1305, bytes]:
    return ChaCha20Poly1305(hchacha20(key, nonce[:16])), bytes(4) + nonce[16:]


def chunk_nonce(is_last: bool, number: int) -> bytes:
    return bytes([is_last]) + bytes(15) + number.to_bytes(8, "big")


def section_context(header: dict, section: int) -> bytes:
    return header[5] + header[2] + header[3] + section.to_bytes(4, "big")


def items_of(data: bytes) -> list[tuple[int, bytes, int]]:
    """Kind, content, and where the item begins."""
    must(data[:8] == MAGIC, "no pack of version 1")
    items, at = [], 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        must(length <= ITEM_BYTES_MAX and at + 5 + length <= len(data), "an item that is too long or cut")
        items.append((data[at + 4], data[at + 5 : at + 5 + length], at))
        at += 5 + length
    kinds = [kind for kind, _, _ in items]
    must(len(kinds) >= 2 and kinds[0] == HEADER and kinds[-1] == SIGNATURE, "a pack that does not begin and end as it should")
    must(set(kinds[1:-1]) <= {SECTION, CHUNK}, "items out of order")
    return items


def read_header(content: bytes) -> dict:
    header = must_keys(decode(content), {1, 2, 3, 4, 5}, set(), "a pack's header")
    must(header[1] in (1, 2, 3) and not isinstance(header[1], bool), "an unknown purpose")
    must_bytes(header[2], 16, "writer"), must_bytes(header[3], 16, "reader"), must_number(header[4], "time")
    must_bytes(header[5], 16, "id")
    return header


def open_chunks(key: bytes, chunks: list[bytes]) -> bytes:
    plain = b""
    for number, chunk in enumerate(chunks):
        is_last = number == len(chunks) - 1
        must(chunk[0] == is_last, "the mark of a chunk")
        sealing, nonce = xchacha(key, chunk_nonce(is_last, number))
        try:
            opened = sealing.decrypt(nonce, chunk[1:], None)
        except InvalidTag:
            raise Refused("a chunk does not open") from None
        must(len(opened) == CHUNK_BYTES_MAX or is_last and len(opened) <= CHUNK_BYTES_MAX, "a chunk of another length")
        plain += opened
    return plain


def section_key(sealed: tuple, secret: bytes, context: bytes) -> bytes | None:
    for one in sealed:
        try:
            return must_bytes(seals.open_seal(one, secret, KEY_INFO, context), 32, "a section's key")
        except Refused:
            continue
    return None


def check_pack(data: bytes, listing: dict, folder: Path) -> None:
    items = items_of(data)
    _, signature, at = items[-1]
    verify(bytes.fromhex(listing["writer_key"]), must_bytes(signature, 64, "signature"), b"daftar pack 1", sha256(data[:at]))
    header = read_header(items[0][1])
    same(header, from_listing(listing["header"], folder), "header")
    saw(f"pack {header[1]}")
    sections: list[tuple[tuple, list[bytes]]] = []
    for kind, content, _ in items[1:-1]:
        if kind == SECTION:
            sections.append((must_array(decode(content), None, "keys"), []))
        else:
            must(bool(sections) and bool(content), "a chunk outside a section")
            sections[-1][1].append(content)
    must(len(sections) == len(listing["sections"]), "sections")
    for number, ((sealed, chunks), (readers, frames)) in enumerate(zip(sections, listing["sections"])):
        keys = [section_key(sealed, bytes.fromhex(secret), section_context(header, number)) for secret in listing["secrets"]]
        same([n for n, key in enumerate(keys) if key is not None], readers, "who opens the section")
        same(len(sealed), len(readers), "seals")
        opened = {open_chunks(key, chunks) for key in keys if key is not None}
        must(len(opened) == (1 if readers else 0), "readers read different things")
        for plain in opened:
            check_section(plain, frames, folder)


def check_section(plain: bytes, wanted, folder: Path) -> None:
    if isinstance(wanted, str):
        same(sha256(plain), sha256(from_listing(wanted, folder)), wanted)
        return
    for (byte, content), (kind, said) in zip(read_frames(plain), wanted, strict=True):
        same(byte, kind, "frame")
        if said.startswith("file:"):
            name_changes(read_segment(content))
            same(content, from_listing(said, folder), said)
        else:
            same(sha256(content), from_listing(said, folder), "content")


def make_pack(header: dict, sections: list[tuple[list[bytes], bytes, bytes]], ephemeral: bytes, key: Ed25519PrivateKey) -> bytes:
    """For golden files alone. A section: the readers' public keys, its own key, its frames."""

    def item(kind: int, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + bytes([kind]) + content

    data = MAGIC + item(HEADER, encode(header))
    for number, (readers, own, plain) in enumerate(sections):
        context = section_context(header, number)
        data += item(SECTION, encode([seals.make_seal(own, to, sha256(ephemeral, to), KEY_INFO, context) for to in readers]))
        pieces = [plain[at : at + CHUNK_BYTES_MAX] for at in range(0, len(plain), CHUNK_BYTES_MAX)] or [b""]
        for n, piece in enumerate(pieces):
            sealing, nonce = xchacha(own, chunk_nonce(n == len(pieces) - 1, n))
            data += item(CHUNK, bytes([n == len(pieces) - 1]) + sealing.encrypt(nonce, piece, None))
    return data + item(SIGNATURE, key.sign(b"daftar pack 1" + sha256(data)))
