"""Deterministic CBOR (RFC 8949, 4.2.1): every other form is refused."""

from __future__ import annotations

from dataclasses import dataclass

import cbor2

from reader.base import Refused, must


@dataclass(frozen=True)
class Kept:
    """One CBOR item that is carried as it is: a tag, a float, anything that is no value of the protocol."""

    raw: bytes


def cbor_head(major: int, number: int) -> bytes:
    for size, mark in ((1, 24), (2, 25), (4, 26), (8, 27)):
        if number < 24:
            return bytes([major << 5 | number])
        if number < 1 << (8 * size):
            return bytes([major << 5 | mark]) + number.to_bytes(size, "big")
    raise Refused("a number of more than 64 bits")


def encode(value) -> bytes:
    """RFC 8949, 4.2.1."""
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return cbor_head(0, value) if value >= 0 else cbor_head(1, -1 - value)
    if isinstance(value, bytes):
        return cbor_head(2, len(value)) + value
    if isinstance(value, str):
        data = value.encode()
        return cbor_head(3, len(data)) + data
    if isinstance(value, (list, tuple)):
        return cbor_head(4, len(value)) + b"".join(encode(item) for item in value)
    if isinstance(value, dict):
        pairs = sorted((encode(key), encode(item)) for key, item in value.items())
        return cbor_head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    if isinstance(value, Kept):
        return value.raw
    raise Refused(f"{type(value)} has no form in CBOR")


def is_key(value) -> bool:
    """A number, a text, bytes, or an array of such: what a path is made of."""
    if isinstance(value, tuple):
        return all(is_key(item) for item in value)
    return isinstance(value, (int, str, bytes)) and not isinstance(value, bool)


class CborReader:
    """Reads deterministic CBOR and refuses every other form. Arrays become tuples, so that they can be keys."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        must(count <= len(self.data) - self.at, "CBOR ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def head(self) -> tuple[int, int, int]:
        first = self.take(1)[0]
        major, small = first >> 5, first & 31
        if small < 24:
            return major, small, small
        must(small < 28, "an indefinite length or a reserved form")
        number = int.from_bytes(self.take(1 << (small - 24)), "big")
        if major != 7:
            must(cbor_head(major, number)[0] & 31 == small, "a number that is not in its shortest form")
        return major, small, number

    def item(self, depth: int = 0):
        must(depth < 32, "CBOR nested too deep")
        begin = self.at
        major, small, number = self.head()
        if major == 0:
            return number
        if major == 1:
            return -1 - number
        if major == 2:
            return self.take(number)
        if major == 3:
            try:
                return self.take(number).decode()
            except UnicodeDecodeError:
                raise Refused("text that is not UTF-8") from None
        if major == 4:
            return tuple(self.item(depth + 1) for _ in range(self.bounded(number)))
        if major == 5:
            return self.map(number, depth)
        if major == 6:
            self.item(depth + 1)
            return Kept(self.data[begin : self.at])
        if small in (20, 21):
            return small == 21
        return None if small == 22 else Kept(self.data[begin : self.at])

    def bounded(self, count: int) -> int:
        must(count <= len(self.data) - self.at, "more items than bytes")
        return count

    def map(self, count: int, depth: int) -> dict:
        found, last = {}, b""
        for _ in range(self.bounded(count)):
            begin = self.at
            key = self.item(depth + 1)
            coded = self.data[begin : self.at]
            must(coded > last, "the keys of a map are not ascending")
            must(is_key(key), "a key that no map of ours has")
            found[key], last = self.item(depth + 1), coded
        return found


def decode(data: bytes):
    """The whole of `data` as one deterministic item; the public decoder must read the same."""
    reader = CborReader(data)
    value = reader.item()
    must(reader.at == len(data), "bytes follow the CBOR item")
    must(encode(value) == data, "the item does not encode to the same bytes")
    try:
        cbor2.loads(data)
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError):
        raise Refused("cbor2 does not read it") from None
    return value
