"""Reads the golden files by docs/protocol.md alone. It shares no line with the Rust that wrote them.

    python verify.py [folder]        the last line is `N passed, N failed`

Beside every golden file NAME.bin or NAME.txt stands NAME.json, the listing of what it says. In a listing bytes are
written h'0a0b', the bytes of another golden file file:NAME.bin, and the keys of CBOR maps as decimal text.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import make
from reader import files, messages, packs, seals
from reader.base import SEEN, Refused, must, same
from reader.cbor import cbor_head, decode, encode
from reader.columns import Bytes
from reader.segment import check_segment, read_segment

FLIPS_PER_FILE = 160

FILE_CHECKS = {
    "segment": lambda data, listing, folder: check_segment(data, listing),
    "frames": messages.check_frames,
    "enrol question": messages.check_enrol_question,
    "enrol answer": messages.check_enrol_answer,
    "code": messages.check_code,
    "seal": seals.check_seal,
    "file frames": files.check_file_frames,
    "pack": packs.check_pack,
}
LISTING_CHECKS = {"feed": messages.check_feed, "digest": messages.check_digest}


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0

    def run(self, name: str, test) -> None:
        try:
            test()
        except Exception as error:  # whatever goes wrong is this test's failure, and the next one runs
            self.failed += 1
            print(f"FAILED {name}: {type(error).__name__}: {error}")
        else:
            self.passed += 1
            print(f"ok     {name}")


def is_refused(check, data: bytes, listing: dict, folder: Path) -> bool:
    try:
        check(data, listing, folder)
    except Refused:
        return True
    return False


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def body_span(data: bytes, listing: dict) -> range:
    """Where the bytes of a segment's body stand in its file. Nothing else may say the same in two ways."""
    if listing["what"] != "segment":
        return range(0)
    body = read_segment(data).body
    begin = data.rindex(encode(10) + encode(body)) + len(encode(10) + cbor_head(2, len(body)))
    return range(begin, begin + len(body))


def flipped_bits(check, data: bytes, listing: dict, folder: Path) -> None:
    """Coding is transport: in a body a bit may be of no meaning (zstd has such). Then all that is listed still holds
    and the check says so; everywhere else every bit counts, and in a body nearly every one."""
    bits, body = 8 * len(data), body_span(data, listing)
    step = max(1, bits // FLIPS_PER_FILE)
    chosen = [min(bit + bit // step % 8, bits - 1) for bit in range(0, bits, step)]
    taken = [bit for bit in chosen if not is_refused(check, flip(data, bit), listing, folder)]
    must(all(bit // 8 in body for bit in taken), f"a flipped bit is taken: {taken}")
    must(len(taken) <= len(chosen) // 20, f"{len(taken)} of {len(chosen)} flipped bits change nothing")


def cut_short(check, data: bytes, listing: dict, folder: Path) -> None:
    for length in range(0, len(data), max(1, len(data) // 40)):
        must(is_refused(check, data[:length], listing, folder), f"cut to {length} bytes it is still taken")
    must(is_refused(check, data + b"\x00", listing, folder), "with a byte more it is still taken")


def changed_listing(check, data: bytes, listing: dict, folder: Path) -> None:
    """The comparison itself must bite: another name, another head."""
    for spoil in ("head", "digest", "compartment"):
        changed = listing | {spoil: listing[spoil][:-1] + ("0" if listing[spoil][-1] != "0" else "1")}
        must(is_refused(check, data, changed, folder), f"a wrong {spoil} is not noticed")


def test_file(tally: Tally, listing_path: Path) -> None:
    listing, folder = json.loads(listing_path.read_text()), listing_path.parent
    name, what = f"{folder.name}/{listing_path.stem}", listing["what"]
    if what in LISTING_CHECKS:
        tally.run(name, lambda: LISTING_CHECKS[what](listing, folder))
        return
    data, check = (folder / listing["file"]).read_bytes(), FILE_CHECKS[what]
    tally.run(name, lambda: check(data, listing, folder))
    seen = set(SEEN)
    tally.run(f"{name}: flipped bits are refused", lambda: flipped_bits(check, data, listing, folder))
    tally.run(f"{name}: cut short or longer it is refused", lambda: cut_short(check, data, listing, folder))
    if what == "segment":
        tally.run(f"{name}: a wrong listing is noticed", lambda: changed_listing(check, data, listing, folder))
    SEEN.intersection_update(seen)  # what a spoiled file shows does not occur


def unlisted(folder: Path) -> None:
    listed = {json.loads(path.read_text()).get("file") for path in folder.glob("*.json")}
    present = {path.name for path in folder.iterdir() if path.suffix != ".json"}
    must(present == listed - {None}, f"files without a listing, or listings without a file: {present ^ (listed - {None})}")


def self_tests(tally: Tally) -> None:
    def zigzag() -> None:
        for data, wanted in ((b"\x00", 0), (b"\x01", -1), (b"\x02", 1), (b"\x03", -2), (b"\x80\x01", 64)):
            same(Bytes(data).sint(), wanted, "sint")

    def strict_cbor() -> None:
        for data in ("1800", "9f01ff", "a2020001 00", "a201000100", "62c328", "1bffff", "5f41004100ff", "0000"):
            must(is_refused(lambda d, *_: decode(d), bytes.fromhex(data), {}, Path()), f"{data} is read")
        for data in ("fb3ff8a3d70a3d70a4", "c11a514b67b0", "a20000830101000 0".replace(" ", ""), "3bffffffffffffffff"):
            decode(bytes.fromhex(data))

    def known_xchacha() -> None:
        """draft-irtf-cfrg-xchacha, 2.2.1."""
        key = bytes(range(32))
        found = packs.hchacha20(key, bytes.fromhex("000000090000004a0000000031415927"))
        same(found.hex(), "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc", "HChaCha20")

    tally.run("self: sint", zigzag)
    tally.run("self: HChaCha20", known_xchacha)
    tally.run("self: CBOR that is not deterministic is refused", strict_cbor)


FORMS = {
    *(f"stream {n}" for n in range(3)),
    *(f"integers {n}" for n in range(5)),
    *(f"dictionary of {n} bits" for n in (1, 2, 4, 8)),
    *("plane in random", "plane in control"),
    *(f"texts {n}" for n in range(4)),
    *(f"bytes {n}" for n in range(2)),
    *("reference within", "reference elsewhere", "parent within", "parent elsewhere"),
    *(f"sort {n}" for n in range(10)),
    *(f"keys {n}" for n in range(2)),
    *(f"key {n}" for n in range(3)),
    *(f"frame {n}" for n in (*range(1, 12), *range(16, 28))),
    *(f"notice {n}" for n in range(1, 9)),
    *(f"file question {n}" for n in (*range(1, 6), 11, 12)),
    *(f"file answer {n}" for n in (2, 3, *range(5, 13))),
    *(f"word {n}" for n in (*range(1, 6), 7, 8, 9)),
    *(f"pack {n}" for n in (1, 2, 3)),
}


def made_again(folder: Path) -> None:
    for name, (data, _) in make.made().items():
        same((folder / f"{name}.bin").read_bytes(), data, name)


def main(words: list[str]) -> int:
    root = Path(words[1]) if len(words) > 1 else Path(__file__).resolve().parent
    tally = Tally()
    self_tests(tally)
    folders = [path for path in root.iterdir() if path.is_dir() and path.name.startswith("v")]
    for folder in sorted(folders):
        tally.run(f"{folder.name}: every file has a listing", lambda folder=folder: unlisted(folder))
        for path in sorted(folder.glob("*.json")):
            test_file(tally, path)
        tally.run(f"{folder.name}: what was made here is made the same again", lambda folder=folder: made_again(folder))
        tally.run(f"{folder.name}: every form of the protocol occurs", lambda: same(FORMS - SEEN, set(), "missing"))
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
