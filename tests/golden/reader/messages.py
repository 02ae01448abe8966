"""The exchange, enrolment and feeds (section 6), each against its listing."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from reader import files, seals
from reader.base import Refused, check_compartment, compartment_digest
from reader.base import must, must_array, must_bytes, must_keys, must_number, same, saw, sha256, verify
from reader.cbor import decode, encode
from reader.frames import from_listing, read_frames
from reader.segment import name_changes, pairs, read_segment


def check_cursor(cursor) -> None:
    compartment, epoch, ranges, place, digest = must_array(cursor, 5, "cursor")
    check_compartment(compartment)
    must_bytes(epoch, 16, "epoch"), must_bytes(place, 8, "chain"), must_bytes(digest, 32, "digest")
    last = 0
    for begin, end in pairs(ranges):
        must(last < must_number(begin, "from", 1) <= must_number(end, "to", 1), "ranges are not ascending")
        last = end


def root_of(cursors: tuple) -> bytes:
    if not cursors:
        return bytes(16)
    return sha256(b"daftar root 1", encode(sorted(cursors, key=lambda cursor: cursor[0].encode())))[:16]


def check_hello(content: dict, context: dict) -> None:
    must_keys(content, {1, 2, 3}, {4, 5, 6, 7}, "hello")
    tokens = must_array(content.get(6, (bytes(8),)), None, "lineage")
    must(1 <= len(tokens) <= 2 and all(must_bytes(token, 8, "token") for token in tokens), "a lineage of another length")
    same(content[1], 1, "version")
    for officer in must_array(content[3], None, "officers"):
        must_bytes(officer, 16, "officer")
    for cursor in must_array(content.get(4, ()), None, "cursors"):
        check_cursor(cursor)
    must_number(content.get(5, 0), "bytes wanted")
    said = [must_array(begun, 2, "a message that was cut") for begun in must_array(content.get(7, ()), None, "messages that were cut")]
    same(said, [(len(came), sha256(came)[:16]) for came in context["begun"]], "what came of messages that were cut")
    same(must_bytes(content[2], 16, "root"), root_of(context["cursors"]), "root")


def check_receipt(content: dict, context: dict) -> None:
    must_keys(content, {1, 2, 3, 4}, set(), "receipt")
    must_bytes(content[1], 16, "epoch"), must_number(content[2], "time")
    for line in must_array(content[3], None, "streams"):
        compartment, device, incarnation, up_to, head, backed_up = must_array(line, 6, "stream")
        check_compartment(compartment)
        must_bytes(device, 16, "device"), must_bytes(incarnation, 16, "incarnation"), must_bytes(head, 32, "head")
        must_number(up_to, "up to"), must_number(backed_up, "backed up")
    signed = encode((content[1], content[2], content[3]))
    verify(context["server_key"], content[4], b"daftar receipt 1", signed)


def check_item(content: dict, context: dict) -> None:
    must_keys(content, {1, 2, 3, 4, 5}, set(), "item")
    check_place(content, context)
    segment = read_segment(content[5])
    same(segment.compartment, content[1], "compartment of an item's segment")
    name_changes(segment)


def check_place(content: dict, context: dict) -> None:
    check_compartment(content[1])
    must(must_number(content[2], "from", 1) <= must_number(content[3], "n", 1), "from beyond n")
    place = content[4]
    must(isinstance(place, bytes) and len(place) == 8, "an item's chain is not 8 bytes")
    if content[1] == context["feed_of"] and content[3] < len(context["feed"]):
        same(place, context["feed"][content[3]][:8], "chain")


def check_rulings(rulings) -> None:
    for ruling in must_array(rulings, None, "rulings"):
        change, verdict, reason = must_array(ruling, 3, "ruling")
        must_bytes(change, 32, "change")
        must(verdict in (0, 1, 2, 3), "an unknown verdict")
        must(isinstance(reason, str), "a reason is text")


def check_verdict(content: dict, context: dict) -> None:
    must_keys(content, {1, 2, 3, 4, 5, 6}, set(), "verdict")
    check_place(content, context)
    check_rulings(content[5])
    signed = encode(content[1]) + encode(context["epoch"]) + encode(content[3]) + encode(encode(content[5]))
    verify(context["server_key"], content[6], b"daftar verdict 1", signed)


def check_notice(content: tuple, context: dict) -> None:
    must(isinstance(content, tuple) and len(content) > 0, "a notice is an array")
    stream = [str, bytes, bytes]
    shapes = {1: [], 2: [str, bool, bool], 3: [*stream, int], 4: [*stream, int, None], 5: [int], 6: [*stream, int]}
    shapes |= {7: [bytes, str, int, bytes], 8: [bytes]}
    must(content[0] in shapes, "an unknown notice")
    saw(f"notice {content[0]}")
    shape = shapes[content[0]]
    must(len(content) == 1 + len(shape), "a notice of a wrong length")
    must(all(sort is None or type(item) is sort for item, sort in zip(content[1:], shape)), "a notice of a wrong shape")
    if content[0] == 7:
        verify(context["server_key"], content[4], b"daftar revocation 1", encode(content[1:4]))
    if content[0] == 8:
        must_bytes(content[1], 16, "epoch")


def check_end(content: dict, context: dict) -> None:
    must_keys(content, {1}, {2, 3}, "end")
    must_number(content[1], "time")
    for cursor in must_array(content.get(2, ()), None, "cursors"):
        check_cursor(cursor)
    must(content.get(3, True) is True, "more is true or absent")


def check_short(content: tuple, context: dict) -> None:
    """What is left out is known to whoever asked; the signature is that of the whole."""
    time, streams, signature = must_array(content, 3, "a short receipt")
    whole = []
    for line in must_array(streams, None, "streams"):
        compartment, up_to, backed_up = must_array(line, 3, "stream")
        check_compartment(compartment)
        must(compartment in context["own"], "a stream that the device does not have")
        device, incarnation, head = context["own"][compartment]
        whole.append((compartment, device, incarnation, up_to, head, backed_up))
    verify(context["server_key"], signature, b"daftar receipt 1", encode((context["epoch"], time, tuple(whole))))


def check_heads(content: dict, context: dict) -> None:
    must_keys(content, {1, 2}, set(), "heads")
    check_compartment(content[1])
    for branch in must_array(content[2], None, "branches"):
        device, incarnation, split, n, head = must_array(branch, 5, "branch")
        must_bytes(device, 16, "device"), must_bytes(incarnation, 16, "incarnation"), must_bytes(head, 32, "head")
        must_number(n, "n")
        if split is not None:
            must_bytes(split, 32, "split")


def check_purged(content: dict, context: dict) -> None:
    must_keys(content, {1, 2, 3, 4, 5}, set(), "a purge receipt")
    officer, compartment, time, removed = (content[key] for key in range(1, 5))
    must_bytes(officer, 16, "officer"), check_compartment(compartment), must_number(time, "time")
    must(isinstance(removed, bool), "whether the file went is true or false")
    signed = encode((context["device"], officer, compartment, time, removed))
    verify(context["device_key"], content[5], b"daftar purge 1", signed)


def check_reopen(content: dict, context: dict) -> None:
    check_sealed_key(content, context["hq_secret"])


def check_reopened(content: dict, context: dict) -> None:
    check_sealed_key(content, context["officer_secret"])


def check_sealed_key(content: dict, secret: bytes) -> None:
    must_keys(content, {1, 2, 3, 4}, set(), "a sealed key")
    must_bytes(content[1], 16, "officer"), check_compartment(content[2])
    must(isinstance(content[3], str) and isinstance(content[4], bytes), "file or key")
    plain = seals.open_seal(content[4], secret, b"daftar compartment key 1", content[3].encode())
    compartment, key = must_array(decode(plain), 2, "a compartment's key")
    same(compartment, content[2], "the compartment in the seal")
    must_bytes(key, 32, "key")


HOURS_72_MS = 72 * 3_600_000


def check_admission(content: dict, context: dict) -> None:
    must_keys(content, set(range(1, 13)), set(), "an admission")
    for key, length in ((1, 16), (2, 16), (6, 32), (7, 32), (11, 16)):
        must_bytes(content[key], length, f"key {key}")
    must(all(isinstance(content[key], str) for key in (3, 4, 5)), "names are text")
    must(content[5] in ("sss", "moi", "scc"), "no agency")
    for compartment, read, write in must_array(content[8], None, "grants"):
        check_compartment(compartment)
        must(isinstance(read, bool) and isinstance(write, bool), "a grant is read and write")
    must(0 <= must_number(content[10], "until") - must_number(content[9], "from") <= HOURS_72_MS, "longer than 72 hours")
    signed = encode({key: value for key, value in content.items() if key < 12})
    must(content[11] in context["officer_keys"], "an admission by nobody who is known")
    verify(context["officer_keys"][content[11]], content[12], b"daftar admission 1", signed)


CHECKS = {1: check_hello, 4: check_receipt, 5: check_item, 6: check_verdict, 7: check_notice, 8: check_end, 26: check_verdict}
CHECKS |= {10: check_reopened, 11: check_short, 16: check_heads, 18: check_purged, 19: check_reopen, 20: check_admission}
SEGMENTS = (2, 9)
SEALED = 17
FILE = 24
REST = 27
# Listed, here, recall, given.
EMPTY = (21, 22, 23, 25)
ENDS = (3, 8)


def context_of(listing: dict, folder: Path) -> dict:
    feed = json.loads((folder / listing["feed"]).read_text()) if "feed" in listing else None
    return {
        "cursors": from_listing(listing.get("cursors", []), folder),
        "server_key": bytes.fromhex(listing.get("server_key", "")),
        "epoch": bytes.fromhex(listing.get("epoch", "")),
        "feed_of": feed["compartment"] if feed else None,
        "feed": [bytes.fromhex(value) for value in feed["chain"]] if feed else [],
        "device": bytes.fromhex(listing.get("device", "")),
        "device_key": bytes.fromhex(listing.get("device_key", "")),
        "officer_keys": {bytes.fromhex(o): bytes.fromhex(k) for o, k in listing.get("officer_keys", {}).items()},
        "hq_secret": bytes.fromhex(listing.get("hq_secret", "")),
        "officer_secret": bytes.fromhex(listing.get("officer_secret", "")),
        "begun": [from_listing(came, folder) for came in listing.get("begun", [])],
        "own": {stream[0]: stream[1:] for stream in from_listing(listing.get("own", []), folder)},
    }


def check_frames(data: bytes, listing: dict, folder: Path) -> None:
    context, frames = context_of(listing, folder), read_frames(data)
    said = [byte for byte, _ in frames]
    same(said, [frame["byte"] for frame in listing["frames"]], "frames")
    ends = [at for at, byte in enumerate(said) if byte in ENDS]
    must(len(ends) == 1 and set(said[ends[0] + 1 :]) <= ({FILE} if said[ends[0]] == 3 else set()), "words behind the end")
    for (byte, content), wanted in zip(frames, listing["frames"], strict=True):
        saw(f"frame {byte}")
        if byte == FILE:
            files.check_word(content, wanted["content"], listing, folder)
        elif byte in EMPTY:
            same((content, wanted["content"]), (b"", "h''"), "a message that holds nothing")
        elif byte in CHECKS:
            CHECKS[byte](decode(content), context)
            same(content, encode(from_listing(wanted["content"], folder)), f"content of frame {byte}")
        elif byte == SEALED:
            name_changes(read_segment(seals.open_seal(content, context["hq_secret"], b"daftar outbox 1", context["device"])))
            same(content, from_listing(wanted["content"], folder), "a sealed segment")
        elif byte == REST:
            same(content, from_listing(wanted["content"], folder), "the rest of a message")
            whole = context["begun"][content[0]] + content[1:]
            CHECKS[whole[0]](decode(whole[1:]), context)
        elif byte in SEGMENTS:
            name_changes(read_segment(content))
            same(content, from_listing(wanted["content"], folder), "segment")
        else:
            same(content, from_listing(wanted.get("content", "h''"), folder), f"content of frame {byte}")


def check_enrol_question(data: bytes, listing: dict, folder: Path) -> None:
    found = must_keys(decode(data), set(range(1, 7)), set(), "an enrolment's question")
    must(isinstance(found[1], bytes) and isinstance(found[2], str), "secret or name")
    for key in (3, 4, 5, 6):
        must_bytes(found[key], 32, "a public key")
    same(data, encode(from_listing(listing["content"], folder)), "content")


def check_enrol_answer(data: bytes, listing: dict, folder: Path) -> None:
    found = must_keys(decode(data), set(range(1, 15)), {15}, "an enrolment's answer")
    for key, length in ((1, 16), (4, 16), (5, 32), (6, 32), (7, 16), (8, 16)):
        must_bytes(found[key], length, f"key {key}")
    must(isinstance(found[2], bytes) and isinstance(found[3], bytes), "certificates are bytes")
    must(all(isinstance(found[key], str) for key in (9, 10, 11, 12)), "names are text")
    must_number(found[13], "the device's digit")
    for compartment, read, write in must_array(found[14], None, "grants"):
        check_compartment(compartment)
        must(isinstance(read, bool) and isinstance(write, bool), "a grant is read and write")
    same(data, encode(from_listing(listing["content"], folder)), "content")


def check_code(data: bytes, listing: dict, folder: Path) -> None:
    try:
        text = data.decode("ascii")
        must(text.startswith("daftar1.") and "=" not in text, "no code of an enrolment")
        coded = text.removeprefix("daftar1.")
        inner = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise Refused("the code is no base64url") from None
    address, ca, secret = must_array(decode(inner), 3, "code")
    must(isinstance(address, str) and isinstance(secret, bytes), "address or secret")
    must_bytes(ca, 32, "SHA-256 of the CA's certificate")
    same(inner, encode(from_listing(listing["content"], folder)), "content")
    same(base64.urlsafe_b64encode(inner).decode().rstrip("="), coded, "the unused bits of the last letter")


def check_feed(listing: dict, folder: Path) -> None:
    value = sha256(b"daftar feed 1", listing["compartment"].encode(), bytes.fromhex(listing["epoch"]))
    found = [value.hex()]
    for listed in listing["entries"]:
        entry = from_listing(listed, folder)
        must(entry[0] in (1, 2) and len(entry) == (6 if entry[0] == 1 else 2), "an entry of an unknown form")
        if entry[0] == 2:
            check_rulings(decode(entry[1]))
        value = sha256(value, sha256(encode(entry)))
        found.append(value.hex())
    same(found, listing["chain"], "chain")


def check_digest(listing: dict, folder: Path) -> None:
    streams = [from_listing(stream, folder) for stream in listing["streams"]]
    same(compartment_digest(streams).hex(), listing["digest"], "digest")
