"""Changes, and the rows of a body as headers and payloads (sections 2 and 4)."""

from __future__ import annotations

from dataclasses import dataclass

from reader.base import PARENTS_MAX, must, must_array, must_bytes, must_number, saw
from reader.cbor import CborReader, decode
from reader.columns import Columns, put, read_streams


def check_header(header: dict, device: bytes) -> None:
    must(isinstance(header, dict) and set(range(1, 9)) <= set(header), "a header without one of its keys")
    must(must_bytes(header[1], 16, "device") == device, "a header of another device than the stream's")
    record = must_bytes(header[2], 16, "record")
    must(record[6] >> 4 == 7 and record[8] >> 6 == 2, "a record's id that is no UUIDv7")
    must_number(header[3], "kind", 1)
    must_bytes(header[4], 16, "author")
    must(must_number(header[5], "act") in range(1, 6), "an act that is not known")
    stamp, clock = must_array(header[6], 2, "stamp"), must_array(header[7], 2, "clock")
    must_number(stamp[0], "stamp"), must_number(stamp[1], "stamp's count")
    must_number(clock[0], "clock offset", -(1 << 63))
    must(must_number(clock[1], "quality") in (0, 1, 2), "a quality that is not known")
    parents = must_array(header[8], None, "parents")
    must(len(parents) <= PARENTS_MAX, "too many parents")
    must(all(len(must_bytes(p, 32, "parent")) for p in parents) and list(parents) == sorted(set(parents)), "parents not ascending")


def check_path(path) -> None:
    if isinstance(path, int):
        must(path >= 1, "a path is a field's number")
        return
    list_number, key, number = must_array(path, 3, "path")
    must_number(list_number, "list", 1), must_number(number, "an element's field")
    if isinstance(key, tuple):
        must_bytes(must_array(key, 2, "key")[0], 32, "the change that added"), must_number(key[1], "ordinal")
    else:
        must(isinstance(key, str) or (isinstance(key, int) and key != 0), "a key of no known form")


def check_payload(payload: dict) -> None:
    must(isinstance(payload, dict) and isinstance(payload.get(1), dict), "a payload without what it sets")
    for path in payload[1]:
        check_path(path)
    must(2 not in payload or isinstance(payload[2], str), "a reason is text")


@dataclass
class Row:
    """A change as a body gives it; `parents` holds names and, for a parent within the segment, its row's number."""

    header: dict
    parents: list[bytes | int]
    payload: dict | None


def plain_rows(body: bytes, count: int) -> list[Row]:
    (stream,) = read_streams(body, 1)
    reader, rows = CborReader(stream.data), []
    for _ in range(count):
        header, payload = reader.item(), reader.item()
        must(isinstance(header, bytes) and isinstance(payload, (bytes, type(None))), "no header or payload")
        fields = decode(header)
        must(isinstance(fields, dict) and isinstance(fields.get(8), tuple), "a header without parents")
        rows.append(Row(fields, list(fields[8]), None if payload is None else decode(payload)))
    must(reader.at == len(stream.data), "bytes follow the last change")
    return rows


def columnar_rows(body: bytes, count: int, device: bytes, erased: set[int]) -> list[Row]:
    columns = Columns(*read_streams(body, 4))
    rows = read_headers(columns, count, device)
    present = [row for row in range(count) if row not in erased]
    for row in present:
        rows[row].payload = {1: {}}
    for row, reason in zip(present, columns.values(present), strict=True):
        put(rows[row].payload, 2, reason)
    for kind in sorted({rows[row].header[3] for row in present}):
        read_kind(columns, rows, [row for row in present if rows[row].header[3] == kind])
    columns.end()
    return rows


def read_headers(columns: Columns, count: int, device: bytes) -> list[Row]:
    kinds, acts = columns.integers(count), columns.integers(count)
    records = columns.records = columns.ids(count)
    authors = [columns.random.take(16) for _ in range(columns.few())]
    who = columns.indexes(count, len(authors))
    times = columns.integers(count, [int.from_bytes(record[:6], "big") for record in records])
    counts, offsets, qualities = columns.integers(count), columns.integers(count), columns.integers(count)
    numbers = columns.counts(count, PARENTS_MAX)
    back = iter(columns.integers(sum(numbers)))
    rows = []
    for row in range(count):
        header = {1: device, 2: records[row], 3: kinds[row], 4: authors[who[row]], 5: acts[row]}
        header |= {6: (times[row], counts[row]), 7: (offsets[row], qualities[row])}
        rows.append(Row(header, [parent(columns, row, next(back)) for _ in range(numbers[row])], None))
    return rows


def parent(columns: Columns, row: int, back: int) -> bytes | int:
    must(0 <= back <= row, "a parent before the segment")
    saw("parent within" if back else "parent elsewhere")
    return row - back if back else columns.random.take(32)


def read_kind(columns: Columns, rows: list[Row], of_kind: list[int]) -> None:
    sets = [rows[row].payload[1] for row in of_kind]
    for number in columns.ascending(columns.few()):
        for found, value in zip(sets, columns.values(of_kind), strict=True):
            put(found, number, value)
    for _ in range(columns.few()):
        list_number, number = columns.control.uint(), columns.control.uint()
        code = columns.texts_in.text(columns.control.uint())
        for found, value in zip(sets, columns.values(of_kind), strict=True):
            put(found, (list_number, code, number), value)
    for _ in range(columns.few()):
        read_list(columns, sets, of_kind)


def read_list(columns: Columns, sets: list[dict], of_kind: list[int]) -> None:
    list_number = columns.control.uint()
    lengths = columns.counts(len(of_kind))
    places = [(index, place) for index, length in enumerate(lengths) for place in range(length)]
    form = columns.control.byte()
    must(form in (0, 1), "keys of an unknown form")
    saw(f"keys {form}")
    keys = [place + 1 for _, place in places] if form == 0 else [element_key(columns) for _ in places]
    rows = [of_kind[index] for index, _ in places]
    for number in columns.ascending(columns.few()):
        for (index, _), key, value in zip(places, keys, columns.values(rows), strict=True):
            put(sets[index], (list_number, key, number), value)


def element_key(columns: Columns):
    form, number = columns.control.uint(), columns.control.uint()
    must(form in (0, 1, 2), "a key of an unknown form")
    saw(f"key {form}")
    if form == 2:
        return (columns.random.take(32), number)
    return number if form == 0 else -1 - number
