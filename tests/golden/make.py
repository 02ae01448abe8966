"""Makes golden files by docs/protocol.md alone, for the Rust to read: a segment, both halves of an exchange, words about files, what devices
say to each other, packs.

    python make.py       adds to v1 what is not there yet; what is there is never written again

Keys, ids and what is usually random are fixed, so that the same files come out everywhere.
"""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reader.base import change_name, compartment_digest, eight, payload_k, run_salt, sha256, stream_start
from reader.cbor import cbor_head, encode
from reader.packs import make_pack
from reader.seals import make_seal, public

FOLDER = Path(__file__).resolve().parent / "v1"
TEAM = "team/imt-1"
DEVICE, INCARNATION, OFFICER, EPOCH = b"\xd3" * 16, b"\x21" * 16, b"\xa3" * 16, b"\xe8" * 16
RECORD = (1_795_500_100_000).to_bytes(6, "big") + b"\x70\x01\x80" + b"\x02" * 7
NOW_MS = 1_795_500_200_000
INSPECTION, CREATE, AMEND, VOID = 1, 1, 2, 4
# The frame that holds a word about files, and the file that the words are about.
FILE, PLAIN = 24, b"a thumbnail"


def signing(n: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)


DEVICE_KEY, OFFICER_KEY, SERVER_KEY = signing(0x13), signing(0x23), signing(0x33)
HQ_SECRET, OFFICER_SECRET = b"\x46" * 32, b"\x47" * 32


def public_key(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def quoted(value):
    """The listing's notation of the protocol's values."""
    if isinstance(value, bytes):
        return f"h'{value.hex()}'"
    if isinstance(value, (list, tuple)):
        return [quoted(item) for item in value]
    if isinstance(value, dict):
        return {str(key): quoted(item) for key, item in value.items()}
    return value


def uint(number: int) -> bytes:
    data = b""
    while number >= 128:
        data, number = data + bytes([number & 127 | 128]), number >> 7
    return data + bytes([number])


def segment() -> tuple[bytes, dict]:
    """A record that is made, amended in an element of a list, and voided: three changes of one run, coded plain."""
    seed, changes, chain = b"\x5e" * 32, [], [stream_start(TEAM, DEVICE, INCARNATION)]
    payloads = [
        {1: {13: "Юк машинаси, ikki kishi", (29, 1, 3): "Karimov", 27: None}},
        {1: {(29, -1, 3): "Toshmatov", (29, 1, 9): "+998 90 000 00 00", 41: "01 A 123 BC"}, 2: "seen again"},
        {1: {}, 2: "a drill"},
    ]
    for n, (act, payload) in enumerate(zip((CREATE, AMEND, VOID), payloads)):
        parents = [changes[-1][4]] if changes else []
        header = {1: DEVICE, 2: RECORD, 3: INSPECTION, 4: OFFICER, 5: act, 6: (NOW_MS + n, n), 7: (-250, 1), 8: tuple(parents)}
        salt, coded = run_salt(seed, n), (encode(header), encode(payload))
        k = payload_k(salt, coded[1])
        changes.append((*coded, salt, k, change_name(TEAM, coded[0], k)))
        chain.append(sha256(chain[-1], changes[-1][4]))
    where = TEAM.encode() + DEVICE + INCARNATION
    heads = [(n, DEVICE_KEY.sign(b"daftar head 1" + where + eight(n) + chain[n])) for n in (2, 3)]
    attested = OFFICER_KEY.sign(b"daftar attestation 1" + where + eight(3) + chain[3] + OFFICER)
    plain = b"".join(encode_bytes(part) for change in changes for part in change[:2])
    bytes_of_changes = sum(len(change[0]) + len(change[1]) for change in changes)
    content = {1: TEAM, 2: DEVICE, 3: INCARNATION, 4: 1, 5: 3, 6: [(1, seed)], 7: heads, 8: 0, 9: bytes_of_changes}
    content |= {10: b"\x00" + uint(len(plain)) + plain, 11: [(OFFICER, 3, attested)]}
    names = ("header", "payload", "salt", "k", "name")
    listing = {
        "what": "segment", "about": segment.__doc__, "compartment": TEAM, "device": DEVICE.hex(), "incarnation": INCARNATION.hex(),
        "first": 1, "count": 3, "coding": "plain", "runs": [1], "signed_heads": [2, 3], "attestations": [[OFFICER.hex(), 3]], "salts": [],
        "changes": [{name: part.hex() for name, part in zip(names, change)} for change in changes], "head": chain[3].hex(),
        "digest": compartment_digest([(DEVICE, INCARNATION, 3, chain[3])]).hex(), "device_key": public_key(DEVICE_KEY).hex(),
        "officer_keys": {OFFICER.hex(): public_key(OFFICER_KEY).hex()},
    }  # fmt: skip
    return encode(content), listing


def encode_bytes(data: bytes) -> bytes:
    return cbor_head(2, len(data)) + data


def frames(said: list[tuple[int, object]]) -> tuple[bytes, list]:
    """Bytes are what a message holds; everything else is written as CBOR. A word about files is its byte and its content."""
    data, listed = b"", []
    for byte, content in said:
        if byte == FILE:
            word, content = content
            coded = bytes([word]) + (content if isinstance(content, bytes) else encode(content))
            listed.append({"byte": byte, "content": {"byte": word, "content": quoted(content)}})
        else:
            coded = content if isinstance(content, bytes) else encode(content)
            listed.append({"byte": byte, "content": quoted(content)})
        data += encode_bytes(bytes([byte]) + coded)
    return data, listed


def as_file(listed: list, content: bytes, name: str) -> list:
    return [frame | {"content": f"file:{name}"} if frame["content"] == quoted(content) else frame for frame in listed]


def question(own: bytes) -> tuple[bytes, dict]:
    """A hello with two cursors, a segment in clear and sealed, heads, a purge receipt, the end."""
    cursors = [("reference", EPOCH, ((1, 12),), b"\x01" * 8, b"\x02" * 32), (TEAM, EPOCH, ((1, 2), (5, 300)), b"\x03" * 8, b"\x04" * 32)]
    root = sha256(b"daftar root 1", encode(cursors))[:16]
    sealed = make_seal(own, public(HQ_SECRET), b"\x61" * 32, b"daftar outbox 1", DEVICE)
    purged = (OFFICER, TEAM, NOW_MS, False)
    said = [
        (1, {1: 1, 2: root, 3: [OFFICER], 6: [b"\x05" * 8]}),
        (2, own),
        (17, sealed),
        (16, {1: TEAM, 2: [(DEVICE, INCARNATION, None, 3, b"\x06" * 32)]}),
        (18, dict(enumerate(purged, 1)) | {5: DEVICE_KEY.sign(b"daftar purge 1" + encode((DEVICE, *purged)))}),
        (3, b""),
    ]
    data, listed = frames(said)
    listing = {
        "what": "frames", "about": question.__doc__, "cursors": quoted(cursors), "device": DEVICE.hex(),
        "device_key": public_key(DEVICE_KEY).hex(), "hq_secret": HQ_SECRET.hex(), "frames": as_file(listed, own, "python-segment.bin"),
    }  # fmt: skip
    return data, listing


def answer(own: bytes) -> tuple[bytes, dict]:
    """A whole receipt and a short one, a verdict, a revocation, a key handed back, a loose segment, the end."""
    stream = (TEAM, DEVICE, INCARNATION)
    receipt = lambda up_to, head: SERVER_KEY.sign(b"daftar receipt 1" + encode((EPOCH, NOW_MS, [(*stream, up_to, head, 0)])))  # noqa: E731
    rulings = [(b"\x07" * 32, 1, "after_revoke"), (b"\x08" * 32, 3, "erased")]
    ruled = encode(TEAM) + encode(EPOCH) + encode(9) + encode(encode(rulings))
    revoked = (OFFICER, TEAM, NOW_MS)
    key = make_seal(encode((TEAM, b"\x09" * 32)), public(OFFICER_SECRET), b"\x62" * 32, b"daftar compartment key 1", b"0a0b")
    said = [
        (4, {1: EPOCH, 2: NOW_MS, 3: [(*stream, 2, b"\x0a" * 32, 0)], 4: receipt(2, b"\x0a" * 32)}),
        (11, (NOW_MS, [(TEAM, 3, 0)], receipt(3, b"\x0b" * 32))),
        (6, {1: TEAM, 2: 9, 3: 9, 4: b"\x0c" * 8, 5: rulings, 6: SERVER_KEY.sign(b"daftar verdict 1" + ruled)}),
        (7, (7, *revoked, SERVER_KEY.sign(b"daftar revocation 1" + encode(revoked)))),
        (10, {1: OFFICER, 2: TEAM, 3: "0a0b", 4: key}),
        (9, own),
        (8, {1: NOW_MS}),
    ]
    data, listed = frames(said)
    listing = {
        "what": "frames", "about": answer.__doc__, "server_key": public_key(SERVER_KEY).hex(), "epoch": EPOCH.hex(),
        "own": quoted([(*stream, b"\x0b" * 32)]), "officer_secret": OFFICER_SECRET.hex(),
        "frames": as_file(listed, own, "python-segment.bin"),
    }  # fmt: skip
    return data, listing


def files() -> tuple[bytes, dict]:
    """A file of one chunk: its manifest, the chunk, and headquarters' receipt."""
    plain = PLAIN
    name, files = sha256(plain), [(TEAM, sha256(plain), len(plain))]
    said = [
        (2, {1: TEAM, 2: name, 3: len(plain), 4: sha256(plain)}),
        (3, {1: TEAM, 2: name, 5: 0, 6: plain}),
        (9, {1: EPOCH, 2: NOW_MS, 3: files, 4: SERVER_KEY.sign(b"daftar file receipt 1" + encode((EPOCH, NOW_MS, files)))}),
        (5, b""),
    ]
    data, listed = frames(said)
    listing = {
        "what": "file frames", "way": "answer", "about": globals()["files"].__doc__, "plain": {"zeros": 0, "then": plain.hex()},
        "server_key": public_key(SERVER_KEY).hex(), "frames": listed,
    }  # fmt: skip
    return data, listing


def parts() -> tuple[bytes, dict]:
    """A chunk that was cut behind its third byte: what headquarters has of it, and the rest in parts."""
    name = {1: TEAM, 2: sha256(PLAIN)}
    said = [(6, name | {7: b"\x00", 10: (0, 3)}), (11, name | {5: 0, 6: PLAIN[3:8], 9: 3}), (12, PLAIN[8:9]), (12, PLAIN[9:]), (10, b"")]
    data, listed = frames(said)
    listing = {
        "what": "file frames", "way": "answer", "about": parts.__doc__, "plain": {"zeros": 0, "then": PLAIN.hex()},
        "server_key": public_key(SERVER_KEY).hex(), "frames": listed,
    }  # fmt: skip
    return data, listing


def file_words() -> dict[str, tuple[int, object]]:
    """What is said of the one file, and of another that is not there."""
    name, other = {1: TEAM, 2: sha256(PLAIN)}, {1: TEAM, 2: b"\x66" * 32}
    files = [(TEAM, sha256(PLAIN), len(PLAIN))]
    signed = SERVER_KEY.sign(b"daftar file receipt 1" + encode((EPOCH, NOW_MS, files)))
    return {
        "hello": (1, {3: [OFFICER]}), "offer": (2, name | {3: len(PLAIN), 4: sha256(PLAIN)}), "chunk": (3, name | {5: 0, 6: PLAIN}),
        "want": (4, other | {5: 4}), "want_rest": (4, name | {5: 1, 7: b"\x00"}), "end": (5, b""), "missing": (7, other),
        "refused": (8, name | {8: "bad_chunk"}), "receipt": (9, {1: EPOCH, 2: NOW_MS, 3: files, 4: signed}),
    }  # fmt: skip


def with_files(said: list[tuple[int, object]], about: str, own: bytes, more: dict) -> tuple[bytes, dict]:
    """An exchange in which words about files stand."""
    data, listed = frames(said)
    listing = {
        "what": "frames", "about": about, "plain": {"zeros": 0, "then": PLAIN.hex()}, "server_key": public_key(SERVER_KEY).hex(),
        "frames": as_file(listed, own, "python-segment.bin"),
    } | more  # fmt: skip
    return data, listing


def first_hello() -> tuple[int, dict]:
    return 1, {1: 1, 2: bytes(16), 3: [OFFICER]}


def record_receipt() -> tuple[int, dict]:
    streams = [(TEAM, DEVICE, INCARNATION, 2, b"\x0a" * 32, 0)]
    return 4, {1: EPOCH, 2: NOW_MS, 3: streams, 4: SERVER_KEY.sign(b"daftar receipt 1" + encode((EPOCH, NOW_MS, streams)))}


def recall(own: bytes) -> tuple[bytes, dict]:
    """A question after one that was cut: behind the hello it asks what is held of its own streams."""
    return with_files([first_hello(), (23, b""), (2, own), (3, b"")], recall.__doc__, own, {})


def words_ahead(own: bytes) -> tuple[bytes, dict]:
    """A short answer: headquarters' words ahead of the feed, a verdict and a segment, and the newest of the feed behind them."""
    rulings = [(b"\x07" * 32, 1, "no_grant")]
    ruled = encode(TEAM) + encode(EPOCH) + encode(4) + encode(encode(rulings))
    said = [
        (26, {1: TEAM, 2: 4, 3: 4, 4: b"\x0c" * 8, 5: rulings, 6: SERVER_KEY.sign(b"daftar verdict 1" + ruled)}),
        (9, own),
        (5, {1: TEAM, 2: 8, 3: 9, 4: b"\x0d" * 8, 5: own}),
        (8, {1: NOW_MS, 2: [(TEAM, EPOCH, [(8, 9)], b"\x0d" * 8, b"\x0e" * 32)], 3: True}),
    ]
    data, listed = frames(said)
    listed[1]["content"] = listed[2]["content"]["5"] = "file:python-segment.bin"
    listing = {"what": "frames", "about": words_ahead.__doc__, "server_key": public_key(SERVER_KEY).hex(), "epoch": EPOCH.hex(), "frames": listed}
    return data, listing


def cut_item(own: bytes) -> bytes:
    """The message of which a cut left the beginning: the newest of a feed."""
    return b"\x05" + encode({1: TEAM, 2: 8, 3: 9, 4: b"\x0d" * 8, 5: own})


# Bytes of it that came.
CAME = 300


def begun(own: bytes) -> tuple[bytes, dict]:
    """A question after an answer that was cut: it says what came of a message."""
    came = cut_item(own)[:CAME]
    byte, hello = first_hello()
    data, listed = frames([(byte, hello | {7: [(len(came), sha256(came)[:16])]}), (3, b"")])
    return data, {"what": "frames", "about": begun.__doc__, "begun": [quoted(came)], "frames": listed}


def rest(own: bytes) -> tuple[bytes, dict]:
    """The answer: the rest of that message, which the question listed first."""
    whole = cut_item(own)
    said = [(27, b"\x00" + whole[CAME:]), (8, {1: NOW_MS, 2: [(TEAM, EPOCH, [(8, 9)], b"\x0d" * 8, b"\x0e" * 32)], 3: True})]
    data, listed = frames(said)
    return data, {"what": "frames", "about": rest.__doc__, "begun": [quoted(whole[:CAME])], "frames": listed}


def peers(own: bytes) -> tuple[bytes, dict]:
    """All that one device says to another: who is unlocked, that it talks of files, heads, records, then what it wants and gives of files."""
    word = file_words()
    said = [
        first_hello(), (16, {1: TEAM, 2: [(DEVICE, INCARNATION, None, 3, b"\x06" * 32)]}), (FILE, word["hello"]), (21, b""), (2, own),
        record_receipt(), (25, b""), (22, b""), (FILE, word["want"]), (FILE, word["want_rest"]), (FILE, word["end"]), (FILE, word["receipt"]),
        (FILE, word["offer"]), (FILE, word["chunk"]), (FILE, word["missing"]), (3, b""),
    ]  # fmt: skip
    return with_files(said, peers.__doc__, own, {})


def pack_question(own: bytes) -> tuple[bytes, dict]:
    """What stands in a question's pack: an exchange, and behind its end a file and what is wanted."""
    word = file_words()
    said = [first_hello(), (2, own), (3, b""), (FILE, word["offer"]), (FILE, word["chunk"]), (FILE, word["want"])]
    return with_files(said, pack_question.__doc__, own, {})


def pack_answer(own: bytes) -> tuple[bytes, dict]:
    """What stands in an answer's pack: before the end headquarters' word for a file, and what it says of others."""
    word = file_words()
    said = [record_receipt(), *((FILE, word[name]) for name in ("receipt", "refused", "missing", "offer", "chunk")), (8, {1: NOW_MS})]
    return with_files(said, pack_answer.__doc__, own, {})


def packs_with_files(own: bytes, question: bytes, answer: bytes) -> dict[str, tuple[bytes, dict]]:
    """A courier pack of each purpose with files in it."""
    word, (segment_frame, _) = file_words(), frames([(2, own)])
    said = [(FILE, word[name]) for name in ("receipt", "offer", "chunk")]
    gift, _ = frames(said)
    of_gift = [[FILE, quoted(sha256(bytes([byte]) + encode(content)))] for _, (byte, content) in said]
    device, hq, other = DEVICE, b"\x5e" * 16, b"\xd4" * 16
    made = {}
    for number, name, about, ids, key, sections in (
        (1, "question", "A question with a photo, for headquarters alone.", (device, hq), DEVICE_KEY, [(question, "file:python-pack-question.bin")]),
        (2, "answer", "Its answer with headquarters' word for the photo.", (hq, device), SERVER_KEY, [(answer, "file:python-pack-answer.bin")]),
        (3, "gift", "A gift whose second section holds the files of the first.", (device, other), DEVICE_KEY,
         [(segment_frame, [[2, "file:python-segment.bin"]]), (gift, of_gift)]),
    ):  # fmt: skip
        secret = bytes([0x4A + number]) * 32
        header = {1: number, 2: ids[0], 3: ids[1], 4: NOW_MS, 5: bytes([0x96 + number]) * 16}
        kept = [([public(secret)], bytes([0x55 + n]) * 32, data) for n, (data, _) in enumerate(sections)]
        made[f"python-{name}-pack"] = make_pack(header, kept, bytes([0x64 + number]) * 32, key), {
            "what": "pack", "about": about, "writer_key": public_key(key).hex(), "secrets": [secret.hex()], "header": quoted(header),
            "sections": [[[0], listed] for _, listed in sections],
        }  # fmt: skip
    return made


def pack(own: bytes, asked: bytes) -> tuple[bytes, dict]:
    """A gift of two sections: the exchange's question for both readers, the segment for the second."""
    header = {1: 3, 2: DEVICE, 3: b"\xd4" * 16, 4: NOW_MS, 5: b"\x95" * 16}
    secrets = [b"\x48" * 32, b"\x49" * 32]
    both = [public(secret) for secret in secrets]
    segment_frame, _ = frames([(2, own)])
    sections = [(both, b"\x53" * 32, asked), (both[1:], b"\x54" * 32, segment_frame)]
    listing = {
        "what": "pack", "about": pack.__doc__, "writer_key": public_key(DEVICE_KEY).hex(), "secrets": [s.hex() for s in secrets],
        "header": quoted(header), "sections": [[[0, 1], "file:python-question.bin"], [[1], [[2, "file:python-segment.bin"]]]],
    }  # fmt: skip
    return make_pack(header, sections, b"\x63" * 32, DEVICE_KEY), listing


def add(name: str, data: bytes, listing: dict) -> None:
    path = FOLDER / f"{name}.json"
    if path.exists():
        return
    (FOLDER / f"{name}.bin").write_bytes(data)
    path.write_text(json.dumps(listing | {"file": f"{name}.bin"}, ensure_ascii=False, indent=1) + "\n")


def made() -> dict[str, tuple[bytes, dict]]:
    """Every file's bytes and listing, by name."""
    own, listing = segment()
    asked, asked_listing = question(own)
    in_question, in_answer = pack_question(own), pack_answer(own)
    return {
        "python-segment": (own, listing),
        "python-question": (asked, asked_listing),
        "python-answer": answer(own),
        "python-files": files(),
        "python-parts": parts(),
        "python-pack": pack(own, asked),
        "python-recall": recall(own),
        "python-words-ahead": words_ahead(own),
        "python-begun": begun(own),
        "python-rest": rest(own),
        "python-peers": peers(own),
        "python-pack-question": in_question,
        "python-pack-answer": in_answer,
        **packs_with_files(own, in_question[0], in_answer[0]),
    }


if __name__ == "__main__":
    for name, (data, listing) in made().items():
        add(name, data, listing)
