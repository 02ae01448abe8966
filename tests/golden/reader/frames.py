"""Frames, and the notation of the listings. Knows no message."""

from __future__ import annotations

from pathlib import Path

from reader.base import FRAME_BYTES_MAX, must
from reader.cbor import CborReader


def from_listing(value, folder: Path):
    """The listing's notation as the protocol's values."""
    if isinstance(value, list):
        return tuple(from_listing(item, folder) for item in value)
    if isinstance(value, dict):
        return {int(key): from_listing(item, folder) for key, item in value.items()}
    if isinstance(value, str) and value.startswith("h'"):
        return bytes.fromhex(value[2:-1])
    if isinstance(value, str) and value.startswith("file:"):
        return (folder / value[5:]).read_bytes()
    return value


def read_frames(data: bytes) -> list[tuple[int, bytes]]:
    reader, frames = CborReader(data), []
    while reader.at < len(data):
        frame = reader.item()
        must(isinstance(frame, bytes) and 1 <= len(frame) <= FRAME_BYTES_MAX, "no frame")
        frames.append((frame[0], frame[1:]))
    return frames
