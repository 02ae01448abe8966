"""What is said of files (section 10), against the listing and the file that it names."""

from __future__ import annotations

from pathlib import Path

from reader.base import check_compartment, must, must_array, must_bytes, must_keys, must_number, same, saw, sha256, verify
from reader.cbor import decode, encode
from reader.frames import from_listing, read_frames

CHUNK_BYTES = 262_144
FILE_BYTES_MAX = 2_147_483_648
REASON_BYTES_MAX = 64
# Who says what, with which keys: needed and allowed.
SHAPES = {
    "question": {2: ({1, 2, 3, 4}, set()), 3: ({1, 2, 5, 6}, set()), 4: ({1, 2, 5}, {7, 10}), 11: ({1, 2, 5, 6, 9}, set())},
    "answer": {
        6: ({1, 2}, {7, 10}), 2: ({1, 2, 3, 4}, set()), 3: ({1, 2, 5, 6}, set()), 7: ({1, 2}, set()), 8: ({1, 2, 8}, set()),
        11: ({1, 2, 5, 6, 9}, set()),
    },
}
REASONS = {"storage_full", "bad_chunk", "bad_file", "too_many", "not_offered"}
EMPTY = (5, 10)
PART, MORE = 11, 12


# What asks; of the rest each tells something.
ASKS = (1, 4, 5)


def check_file_frames(data: bytes, listing: dict, folder: Path) -> None:
    way, frames = listing["way"], read_frames(data)
    same([byte for byte, _ in frames], [frame["byte"] for frame in listing["frames"]], "frames")
    part = None
    for (byte, content), wanted in zip(frames, listing["frames"], strict=True):
        saw(f"file {way} {byte}")
        check_one(way, byte, content, from_listing(wanted["content"], folder), listing)
        if byte == PART:
            said = decode(content)
            part = said[5], said[9] + len(said[6])
        elif byte == MORE:
            must(part is not None, "more of nothing")
            number, at = part
            same(content, chunks_of(listing)[number][at : at + len(content)], "more of a chunk")
            part = number, at + len(content)


def check_word(word: bytes, wanted: dict, listing: dict, folder: Path) -> None:
    """A word about files within an exchange of records."""
    must(len(word) > 0, "an empty word")
    same(word[0], wanted["byte"], "a word's byte")
    saw(f"word {word[0]}")
    check_one("question" if word[0] in ASKS else "answer", word[0], word[1:], from_listing(wanted["content"], folder), listing)


def check_one(way: str, byte: int, content: bytes, listed, listing: dict) -> None:
    if byte in EMPTY:
        same((content, listed), (b"", b""), "an end, or the word that somebody is there")
        return
    if byte in SHAPES[way]:
        check_about(decode(content), SHAPES[way][byte], chunks_of(listing))
    elif (way, byte) == ("question", 1):
        for officer in must_array(must_keys(decode(content), {3}, set(), "hello")[3], None, "officers"):
            must_bytes(officer, 16, "officer")
    elif (way, byte) == ("answer", 9):
        check_file_receipt(decode(content), bytes.fromhex(listing["server_key"]))
    else:
        same(content, listed, f"content of frame {byte}")
        return
    same(content, encode(listed), f"content of frame {byte}")


def chunks_of(listing: dict) -> list[bytes]:
    plain = bytes(listing["plain"]["zeros"]) + bytes.fromhex(listing["plain"]["then"])
    return [plain[at : at + CHUNK_BYTES] for at in range(0, len(plain), CHUNK_BYTES)]


def check_about(content: dict, shape: tuple[set, set], chunks: list[bytes]) -> None:
    must_keys(content, *shape, "a word about a file")
    check_compartment(content[1])
    plain = b"".join(chunks)
    is_this = must_bytes(content[2], 32, "SHA-256") == sha256(plain)
    if 3 in content:
        must(is_this and 1 <= must_number(content[3], "bytes") <= FILE_BYTES_MAX, "a manifest of another file")
        same((content[3], content[4]), (len(plain), b"".join(sha256(chunk) for chunk in chunks)), "manifest")
    if 6 in content:
        must(is_this and must_number(content[5], "number") < len(chunks), "a chunk of another file")
        at = must_number(content[9], "first byte") if 9 in content else 0
        end = at + len(content[6]) if 9 in content else None
        must(isinstance(content[6], bytes), "a chunk's bytes")
        same(content[6], chunks[content[5]][at:end], "chunk")
    if 7 in content:
        must(is_this, "a bitmap of another file")
        must_bytes(content[7], (len(chunks) + 7) // 8, "bitmap")
        must(int.from_bytes(content[7], "little") < 1 << len(chunks), "bits beyond the last chunk")
    if 10 in content:
        number, begun = must_array(content[10], 2, "a chunk that was begun")
        must(must_number(number, "number") < len(chunks) and 0 <= must_number(begun, "bytes") < len(chunks[number]), "more than a chunk")
    if 8 in content:
        must(content[8] in REASONS and len(content[8]) <= REASON_BYTES_MAX, "an unknown reason")


def check_file_receipt(content: dict, server_key: bytes) -> None:
    must_keys(content, {1, 2, 3, 4}, set(), "a receipt for files")
    must_bytes(content[1], 16, "epoch"), must_number(content[2], "time")
    for line in must_array(content[3], None, "files"):
        compartment, name, size = must_array(line, 3, "file")
        check_compartment(compartment), must_bytes(name, 32, "SHA-256"), must_number(size, "bytes", 1)
    verify(server_key, content[4], b"daftar file receipt 1", encode((content[1], content[2], content[3])))
