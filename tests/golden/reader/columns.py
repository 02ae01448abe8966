"""The streams of a body and the columns in them (section 4). Never knows what a column means."""

from __future__ import annotations

from dataclasses import dataclass, field

import zstandard

from reader.base import DICTIONARY, STREAM_BYTES_MAX, Refused, must, saw
from reader.cbor import Kept


class Bytes:
    """A stream that is read from its beginning and must be used up."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        must(0 <= count <= len(self.data) - self.at, "a stream ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def uint(self) -> int:
        number, shift = 0, 0
        while True:
            byte = self.byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                must(number < 1 << 64, "a uint of more than 64 bits")
                return number
            must(shift < 70, "a uint of too many bytes")

    def sint(self) -> int:
        number = self.uint()
        return number >> 1 if number % 2 == 0 else -(number >> 1) - 1

    def text(self, length: int) -> str:
        try:
            return self.take(length).decode()
        except UnicodeDecodeError:
            raise Refused("text that is not UTF-8") from None

    def end(self, what: str) -> None:
        must(self.at == len(self.data), f"bytes are left in {what}")


def read_streams(body: bytes, count: int) -> list[Bytes]:
    reader, streams, room = Bytes(body), [], STREAM_BYTES_MAX
    for _ in range(count):
        form, plain = reader.byte(), reader.uint()
        must(form in (0, 1, 2), "a stream of an unknown form")
        saw(f"stream {form}")
        room -= plain
        must(room >= 0, "the streams come to more than 2 MiB")
        data = reader.take(plain if form == 0 else reader.uint())
        streams.append(Bytes(data if form == 0 else decompress(data, plain, form == 2)))
    reader.end("the body")
    return streams


def decompress(data: bytes, plain: int, with_dictionary: bool) -> bytes:
    raw = zstandard.ZstdCompressionDict(DICTIONARY.read_bytes(), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    engine = zstandard.ZstdDecompressor(dict_data=raw if with_dictionary else None, max_window_size=1 << 23)
    try:
        reader = engine.stream_reader(data, read_across_frames=False)
        out = reader.read(plain + 1)
    except zstandard.ZstdError:
        raise Refused("zstd does not read a stream") from None
    must(len(out) == plain, "a stream has another length than it says")
    return out


def wrap(number: int) -> int:
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number


ABSENT = object()
NULL, FALSE, TRUE, INTEGER, TEXT, BYTES, ARRAY, MAP, AS_IT_IS = range(1, 10)


@dataclass
class Columns:
    """The four streams of a columnar body, and the rows' record ids once they are read."""

    control: Bytes
    texts_in: Bytes
    letters: Bytes
    random: Bytes
    records: list[bytes] = field(default_factory=list)

    def end(self) -> None:
        self.control.end("control"), self.texts_in.end("text")
        self.letters.end("letters"), self.random.end("random")

    def integers(self, n: int, near: list[int] | None = None, forms: int = 4) -> list[int]:
        if n == 0:
            return []
        form = self.control.byte()
        must(form <= forms, "a column of integers of an unknown form")
        saw(f"integers {form}")
        if form == 0:
            return [self.control.sint()] * n
        if form == 1:
            return self.dictionary(n)
        if form == 2:
            return self.planes(n)
        if form == 3:
            return self.differences(n)
        must(near is not None, "a relative column where nothing is near")
        return [wrap(number + place) for number, place in zip(self.integers(n, forms=3), near, strict=True)]

    def dictionary(self, n: int) -> list[int]:
        count = self.control.uint()
        must(1 <= count <= 256, "a dictionary of a wrong size")
        entries = [self.control.sint()]
        for _ in range(count - 1):
            entries.append(wrap(entries[-1] + self.control.uint()))
        bits = next(width for width in (1, 2, 4, 8) if count <= 1 << width)
        saw(f"dictionary of {bits} bits")
        packed = int.from_bytes(self.control.take((n * bits + 7) // 8), "little")
        indexes = [packed >> (i * bits) & ((1 << bits) - 1) for i in range(n)]
        must(max(indexes) < count, "an index beyond its dictionary")
        return [entries[index] for index in indexes]

    def planes(self, n: int) -> list[int]:
        base, scale, width, mask = self.control.sint(), self.control.uint(), self.control.byte(), self.control.byte()
        must(1 <= width <= 8, "planes of a wrong width")
        numbers = [0] * n
        for plane in reversed(range(width)):
            saw("plane in random" if mask >> plane & 1 else "plane in control")
            source = self.random if mask >> plane & 1 else self.control
            numbers = [number << 8 | byte for number, byte in zip(numbers, source.take(n), strict=True)]
        return [wrap(base + scale * number) for number in numbers]

    def differences(self, n: int) -> list[int]:
        first = self.control.sint()
        steps = self.integers(n, forms=2)
        must(steps[0] == 0, "the first difference is not 0")
        values = [first]
        for step in steps[1:]:
            values.append(wrap(values[-1] + step))
        return values

    def counts(self, n: int, most: int = STREAM_BYTES_MAX) -> list[int]:
        numbers = self.integers(n)
        must(all(0 <= number <= most for number in numbers) and sum(numbers) <= STREAM_BYTES_MAX, "counts beyond a limit")
        return numbers

    def plain_texts(self, n: int) -> list[str]:
        return [self.texts_in.text(length) for length in self.counts(n)]

    def texts(self, n: int) -> list[str]:
        if n == 0:
            return []
        form = self.control.byte()
        must(form <= 3, "a column of texts of an unknown form")
        saw(f"texts {form}")
        if form == 0:
            return self.plain_texts(1) * n
        if form == 1:
            entries = self.plain_texts(self.few())
            return [entries[index] for index in self.indexes(n, len(entries))]
        return self.patterned(n) if form == 2 else self.plain_texts(n)

    def few(self) -> int:
        count = self.control.uint()
        must(count <= STREAM_BYTES_MAX, "a count beyond every limit")
        return count

    def indexes(self, n: int, below: int) -> list[int]:
        numbers = self.integers(n)
        must(all(0 <= number < below for number in numbers), "an index beyond its table")
        return numbers

    def patterned(self, n: int) -> list[str]:
        patterns = self.plain_texts(self.few())
        chosen = self.indexes(n, len(patterns))
        digits: list[list[str]] = [[] for _ in range(n)]
        for index, pattern in enumerate(patterns):
            rows = [row for row in range(n) if chosen[row] == index]
            for width in zero_groups(pattern):
                for row, number in zip(rows, self.integers(len(rows)), strict=True):
                    text = str(number).rjust(width, "0")
                    must(number >= 0 and len(text) == width, "a number that does not fit its pattern")
                    digits[row].append(text)
        return [self.fill(patterns[chosen[row]], "".join(digits[row])) for row in range(n)]

    def fill(self, pattern: str, digits: str) -> str:
        left, out = iter(digits), []
        for sign in pattern:
            out.append(next(left) if sign == "0" else self.letter() if sign == "A" else sign)
        return "".join(out)

    def letter(self) -> str:
        letter = self.letters.byte()
        must(65 <= letter <= 90, "a letter that is not A to Z")
        return chr(letter)

    def ids(self, n: int) -> list[bytes]:
        heads = self.integers(n)
        must(all(0 <= head < 1 << 48 for head in heads), "an id's beginning of more than 6 bytes")
        return [head.to_bytes(6, "big") + self.random.take(10) for head in heads]

    def values(self, rows: list[int]) -> list:
        """A column of values; `rows` says in which row of the segment each stands."""
        sorts = self.integers(len(rows))
        must(all(0 <= sort <= AS_IT_IS for sort in sorts), "a value of an unknown sort")
        for sort in set(sorts):
            saw(f"sort {sort}")
        of = {sort: [row for row, s in zip(rows, sorts, strict=True) if s == sort] for sort in range(AS_IT_IS + 1)}
        found = {
            0: [ABSENT] * len(of[0]),
            NULL: [None] * len(of[NULL]),
            FALSE: [False] * len(of[FALSE]),
            TRUE: [True] * len(of[TRUE]),
            INTEGER: self.integers(len(of[INTEGER]), [self.near(row) for row in of[INTEGER]]),
            TEXT: self.texts(len(of[TEXT])),
            BYTES: self.byte_strings(of[BYTES]),
            ARRAY: self.arrays(of[ARRAY]),
            MAP: self.maps(of[MAP]),
            AS_IT_IS: self.kept(len(of[AS_IT_IS])),
        }
        turns = {sort: iter(values) for sort, values in found.items()}
        return [next(turns[sort]) for sort in sorts]

    def near(self, row: int) -> int:
        begin = int.from_bytes(self.records[row][:6], "big")
        return begin - begin % 1000

    def byte_strings(self, rows: list[int]) -> list[bytes]:
        if not rows:
            return []
        form = self.control.byte()
        must(form in (0, 1), "bytes of an unknown form")
        saw(f"bytes {form}")
        if form == 0:
            return [self.random.take(length) for length in self.counts(len(rows))]
        back = self.integers(len(rows))
        for step in back:
            saw("reference within" if step else "reference elsewhere")
        must(all(0 <= step <= row for step, row in zip(back, rows, strict=True)), "a reference beyond the segment")
        others = iter(self.ids(back.count(0)))
        return [self.records[row - step] if step else next(others) for step, row in zip(back, rows, strict=True)]

    def arrays(self, rows: list[int]) -> list[tuple]:
        if not rows:
            return []
        lengths = self.counts(len(rows))
        items = iter(self.values([row for row, length in zip(rows, lengths, strict=True) for _ in range(length)]))
        arrays = [tuple(next(items) for _ in range(length)) for length in lengths]
        must(all(item is not ABSENT for array in arrays for item in array), "an item of an array is absent")
        return arrays

    def maps(self, rows: list[int]) -> list[dict]:
        if not rows:
            return []
        maps: list[dict] = [{} for _ in rows]
        for number in self.ascending(self.few()):
            for found, value in zip(maps, self.values(rows), strict=True):
                put(found, number, value)
        return maps

    def ascending(self, count: int):
        """So many numbers, each read when it is wanted, each greater than the last."""
        last = -1
        for _ in range(count):
            number = self.control.uint()
            must(number > last, "numbers are not ascending")
            last = number
            yield number

    def kept(self, n: int) -> list[Kept]:
        return [Kept(self.texts_in.take(length)) for length in self.counts(n)]


def zero_groups(pattern: str) -> list[int]:
    return [len(group) for group in "".join(sign if sign == "0" else " " for sign in pattern).split()]


def put(found: dict, key, value) -> None:
    if value is not ABSENT:
        must(key not in found, "the same path twice")
        found[key] = value
