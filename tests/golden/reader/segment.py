"""A segment: its envelope, the names and the chain of its changes, its signatures, and its listing."""

from __future__ import annotations

from dataclasses import dataclass

from reader.base import CHANGE_BYTES_MAX, CHANGES_MAX, SEGMENT_BYTES_MAX
from reader.base import change_name, check_compartment, compartment_digest, payload_k, run_salt, stream_start
from reader.base import eight, must, must_array, must_bytes, must_keys, must_number, same, sha256, verify
from reader.cbor import decode, encode
from reader.rows import Row, check_header, check_payload, columnar_rows, plain_rows


@dataclass
class Segment:
    compartment: str
    device: bytes
    incarnation: bytes
    first: int
    count: int
    seeds: list[tuple[int, bytes]]
    heads: list[tuple[int, bytes]]
    is_columnar: bool
    plain_bytes: int
    body: bytes
    attestations: list[tuple[bytes, int, bytes]]
    salts: dict[int, bytes]
    erased: dict[int, bytes]

    def last(self) -> int:
        return self.first + self.count - 1

    def salt(self, n: int) -> bytes:
        if n in self.salts:
            return self.salts[n]
        begins = [(begin, seed) for begin, seed in self.seeds if begin <= n]
        must(bool(begins) and n - begins[-1][0] < CHANGES_MAX, "a change without a salt")
        return run_salt(begins[-1][1], n - begins[-1][0])


def read_segment(data: bytes) -> Segment:
    found = must_keys(decode(data), set(range(1, 11)), {11, 12, 13}, "a segment")
    check_compartment(found[1])
    first, count = must_number(found[4], "first", 1), must_number(found[5], "count", 1)
    must(count <= CHANGES_MAX, "more than 256 changes")
    must(must_number(found[9], "bytes") <= SEGMENT_BYTES_MAX, "more bytes than a segment has")
    must(found[8] in (0, 1) and not isinstance(found[8], bool), "an unknown coding")
    must(isinstance(found[10], bytes), "a body is bytes")
    segment = Segment(
        compartment=found[1],
        device=must_bytes(found[2], 16, "device"),
        incarnation=must_bytes(found[3], 16, "incarnation"),
        first=first,
        count=count,
        seeds=[(must_number(n, "run", 1), must_bytes(seed, 32, "seed")) for n, seed in pairs(found[6])],
        heads=[(must_number(n, "head", first), must_bytes(sig, 64, "signature")) for n, sig in pairs(found[7])],
        is_columnar=found[8] == 1,
        plain_bytes=found[9],
        body=found[10],
        attestations=[attestation(entry) for entry in must_array(found.get(11, ()), None, "attestations")],
        salts=by_number(found.get(12, ())),
        erased=by_number(found.get(13, ())),
    )
    check_numbers(segment)
    return segment


def pairs(value) -> list[tuple]:
    return [must_array(pair, 2, "pair") for pair in must_array(value, None, "pairs")]


def attestation(entry) -> tuple[bytes, int, bytes]:
    officer, n, signature = must_array(entry, 3, "attestation")
    return must_bytes(officer, 16, "officer"), must_number(n, "n", 1), must_bytes(signature, 64, "signature")


def by_number(value) -> dict[int, bytes]:
    found = {must_number(n, "n", 1): must_bytes(b, 32, "salt or k") for n, b in pairs(value)}
    must(len(found) == len(value), "a change named twice")
    return found


def check_numbers(segment: Segment) -> None:
    numbers = range(segment.first, segment.last() + 1)
    begins = [begin for begin, _ in segment.seeds]
    must(begins == sorted(set(begins)) and all(n <= segment.last() for n in begins), "runs are not ascending")
    must(any(n == segment.last() for n, _ in segment.heads), "no signed head for the last change")
    named = [n for n, _ in segment.heads] + [n for _, n, _ in segment.attestations]
    must(all(n in numbers for n in [*named, *segment.salts, *segment.erased]), "a number outside the segment")
    must(not set(segment.salts) & set(segment.erased), "a salt for an erased change")


@dataclass
class Named:
    """A change with all that is said of it in a listing."""

    header: bytes
    payload: bytes | None
    salt: bytes | None
    k: bytes
    name: bytes


def name_changes(segment: Segment) -> list[Named]:
    if segment.is_columnar:
        erased = {n - segment.first for n in segment.erased}
        rows = columnar_rows(segment.body, segment.count, segment.device, erased)
    else:
        rows = plain_rows(segment.body, segment.count)
    named: list[Named] = []
    for index, row in enumerate(rows):
        named.append(name_row(segment, segment.first + index, row, named))
    total = sum(len(c.header) + len(c.payload or b"") for c in named)
    must(total == segment.plain_bytes, "the headers and payloads have another length than the segment says")
    return named


def name_row(segment: Segment, n: int, row: Row, before: list[Named]) -> Named:
    parents = tuple(before[p].name if isinstance(p, int) else p for p in row.parents)
    header = row.header | {8: parents}
    check_header(header, segment.device)
    coded = encode(header)
    must((row.payload is None) == (n in segment.erased), "a payload is missing, or there though erased")
    payload, salt = None, None
    if row.payload is None:
        k = segment.erased[n]
    else:
        check_payload(row.payload)
        payload, salt = encode(row.payload), segment.salt(n)
        must(decode(payload) is not None and len(coded) + len(payload) <= CHANGE_BYTES_MAX, "a change that is too long")
        k = payload_k(salt, payload)
    return Named(coded, payload, salt, k, change_name(segment.compartment, coded, k))


def chain(segment: Segment, before: bytes, named: list[Named]) -> list[bytes]:
    heads = [before]
    for change in named:
        heads.append(sha256(heads[-1], change.name))
    return heads


def check_signatures(segment: Segment, heads: list[bytes], device_key: bytes, officer_keys: dict[bytes, bytes]) -> None:
    where = segment.compartment.encode() + segment.device + segment.incarnation
    for n, signature in segment.heads:
        verify(device_key, signature, b"daftar head 1", where, eight(n), heads[n - segment.first + 1])
    for officer, n, signature in segment.attestations:
        must(officer in officer_keys, "an attestation by an officer who is not known")
        head = heads[n - segment.first + 1]
        verify(officer_keys[officer], signature, b"daftar attestation 1", where, eight(n), head, officer)


def check_segment(data: bytes, listing: dict) -> None:
    segment = read_segment(data)
    device_key = bytes.fromhex(listing["device_key"])
    officer_keys = {bytes.fromhex(o): bytes.fromhex(key) for o, key in listing["officer_keys"].items()}
    same(segment.compartment, listing["compartment"], "compartment")
    same(segment.device.hex(), listing["device"], "device")
    same(segment.incarnation.hex(), listing["incarnation"], "incarnation")
    same((segment.first, segment.count), (listing["first"], listing["count"]), "place and count")
    same("columnar" if segment.is_columnar else "plain", listing["coding"], "coding")
    start = stream_start(segment.compartment, segment.device, segment.incarnation)
    before = start if segment.first == 1 else bytes.fromhex(listing["before"])
    named = name_changes(segment)
    for index, (change, wanted) in enumerate(zip(named, listing["changes"], strict=True)):
        same_change(change, wanted, segment.first + index)
    heads = chain(segment, before, named)
    same(heads[-1].hex(), listing["head"], "head")
    digest = compartment_digest([(segment.device, segment.incarnation, segment.last(), heads[-1])])
    same(digest.hex(), listing["digest"], "digest")
    same([n for n, _ in segment.heads], listing["signed_heads"], "signed heads")
    same([[o.hex(), n] for o, n, _ in segment.attestations], listing["attestations"], "attestations")
    same(sorted(segment.salts), listing["salts"], "salts that are given")
    same([begin for begin, _ in segment.seeds], listing["runs"], "runs")
    check_signatures(segment, heads, device_key, officer_keys)


def same_change(change: Named, wanted: dict, n: int) -> None:
    """A long listing gives only the names: they are hashes over all the rest."""
    have = {name: getattr(change, name) for name in ("header", "payload", "salt", "k", "name")}
    must("name" in wanted and set(wanted) <= set(have), "a listing without the change's name")
    for key, value in wanted.items():
        same(have[key].hex() if have[key] is not None else None, value, f"{key} of change {n}")
