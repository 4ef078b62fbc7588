"""The wire format of protocol buffers, walked before protobuf sees the bytes: nothing unknown, unbounded, nested too deep or written otherwise than protobuf writes it.

A schema says of each message which fields it may have. Bodies of numbers and bytes are stepped over, so a file of many tensors costs as little as one of few; lists of single numbers are
walked by NumPy. https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
WIDTH = {FIXED64: 8, FIXED32: 4}
FEW = 24  # entries of a list that are looked at one by one; beyond, NumPy is quicker
WINDOW = (1 << 12, 1 << 20)  # bytes of a list that are looked at together: ever more, for a short list may stand before a body of gigabytes


class Wrong(Exception):
    """What is wrong with the bytes, and where."""


class Field(NamedTuple):
    """A field: its wire type, the message that it holds (if any), whether it may stand more than once, whether its numbers stand packed in one body, whether it is text.

    `refused` is what a field is called that the format knows and no file may hold.
    """

    wire: int
    message: str = ""
    repeated: bool = False
    packed: bool = False
    text: bool = False
    refused: str = ""


Schema = Mapping[str, Mapping[int, Field]]


@dataclass
class Budget:
    """What is left of each kind. What protobuf makes of a few bytes is larger than they are: an empty message takes some 50 bytes, an empty string 40, a number of one byte 8."""

    depth: int = 16
    messages: int = 500_000
    fields: int = 4_000_000  # that are no entries of a list
    numbers: int = 100_000_000  # entries of lists, and varints in packed bodies
    strings: int = 6_000_000  # entries of lists
    text: int = 1 << 20  # bytes of one text

    def take(self, kind: str, count: int = 1) -> None:
        left = getattr(self, kind) - count
        if left < 0:
            raise Wrong(f"it has more than the {getattr(Budget, kind):,} {kind} that it may have")
        setattr(self, kind, left)


def walk(data: bytes, schema: Schema, root: str, budget: Budget | None = None) -> None:
    """Raise Wrong unless `data` is one message `root` to the last byte."""
    _message(data, 0, len(data), schema, root, budget or Budget(), 1)


def _message(data: bytes, at: int, end: int, schema: Schema, name: str, budget: Budget, depth: int) -> None:
    if depth > budget.depth:
        raise Wrong(f"its messages are nested more than {budget.depth} deep")
    budget.take("messages")
    fields, met, walked = schema[name], set(), 0
    while at < end:
        begin = at
        key, at = _varint(data, at, end)
        number, wire = key >> 3, key & 7
        field = fields.get(number)
        if field is None:
            raise Wrong(f"{name} has no field {number} (byte {begin:,})")
        if field.refused:
            raise Wrong(f"it holds {field.refused} (byte {begin:,})")
        if wire != (BYTES if field.packed else field.wire):
            raise Wrong(f"field {number} of {name} is written as wire type {wire} (byte {begin:,})")
        if not field.repeated or field.packed:
            if number in met:
                raise Wrong(f"field {number} of {name} stands twice (byte {begin:,})")
            met.add(number)
        elif not field.message:
            at = _list(data, begin, end, key, field, budget)
            continue
        walked += 1
        if wire != BYTES:
            at = _varint(data, at, end)[1] if wire == VARINT else at + WIDTH[wire]
            if at > end:
                raise Wrong(f"field {number} of {name} goes on beyond its end (byte {begin:,})")
            continue
        size, at = _varint(data, at, end)
        if size > end - at:
            raise Wrong(f"field {number} of {name} says {size:,} bytes where {end - at:,} are left (byte {begin:,})")
        if field.message:
            _message(data, at, at + size, schema, field.message, budget, depth + 1)
        elif field.packed:
            _packed(data, at, at + size, field, budget)
        elif field.text:
            _text(data, at, size, budget)
        at += size
    budget.take("fields", walked)


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """(a number, where it ends), in as few bytes as it needs: protobuf writes no others."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if (byte == 0 and shift) or value >> 64:
                raise Wrong(f"a number is longer than it need be (byte {at - 1:,})")
            return value, at
        shift += 7
    raise Wrong(f"a number does not end (byte {at:,})")


def _text(data: bytes, at: int, size: int, budget: Budget) -> None:
    if size > budget.text:
        raise Wrong(f"a name or note has {size:,} bytes; it may have {budget.text:,} (byte {at:,})")
    try:
        data[at : at + size].decode()
    except UnicodeDecodeError:
        raise Wrong(f"a name or note is not UTF-8 (byte {at:,})") from None


def _packed(data: bytes, at: int, end: int, field: Field, budget: Budget) -> None:
    if field.wire in WIDTH:
        if (end - at) % WIDTH[field.wire]:
            raise Wrong(f"a list of numbers of {WIDTH[field.wire]} bytes has {end - at:,} bytes (byte {at:,})")
        return  # as large in memory as here
    if at < end and data[end - 1] >= 0x80:
        raise Wrong(f"a list of numbers ends within one (byte {end - 1:,})")
    while at < end:
        ends = _ends(data, at, min(at + WINDOW[1], end))
        budget.take("numbers", ends.size)
        if not ends.size:
            raise Wrong(f"a number does not end (byte {at:,})")
        _lengths(np.diff(ends, prepend=at - 1), at)
        at = int(ends[-1]) + 1


def _list(data: bytes, at: int, end: int, key: int, field: Field, budget: Budget) -> int:
    """Step over the entries of a list that stand one after the other, each under its own key; returns where the last of them ends."""
    if field.wire == BYTES:
        return _strings(data, at, end, key, field, budget)
    mark = _key(key)
    if len(mark) > 1:
        raise Wrong(f"a list of numbers has a key of {len(mark)} bytes (byte {at:,})")  # in no schema of ours
    for count in range(1, FEW + 1):
        at = _varint(data, at + 1, end)[1] if field.wire == VARINT else at + 1 + WIDTH[field.wire]
        if at > end:
            raise Wrong(f"a number goes on beyond its end (byte {at:,})")
        if at == end or data[at] != mark[0]:
            budget.take("numbers", count)
            return at
    budget.take("numbers", FEW)
    window = WINDOW[0]
    while at < end and data[at] == mark[0]:
        stop, window = min(at + window, end), min(2 * window, WINDOW[1])
        if field.wire in WIDTH:
            step = 1 + WIDTH[field.wire]
            here = np.frombuffer(data, np.uint8, stop - at, at)[::step] == mark[0]
            count = min(int(here.argmin()) if not here.all() else here.size, (end - at) // step)
            if not count:
                raise Wrong(f"a number goes on beyond its end (byte {at:,})")
            at += count * step
        else:
            # Keys have one byte, below 0x80 as the last of every number: so ends are those of a key and of a number by turns.
            ends = _ends(data, at, stop)
            keys, values = ends[0::2][: ends.size // 2], ends[1::2]
            begins = np.concatenate([[at], values[:-1] + 1]) if values.size else np.empty(0, np.int64)
            good = (keys == begins) & (np.frombuffer(data, np.uint8, stop - at, at)[keys - at] == mark[0])
            count = values.size if good.all() else int(good.argmin())
            if not count:
                raise Wrong(f"a number does not end (byte {at:,})")
            _lengths(values[:count] - keys[:count], at)
            at = int(values[count - 1]) + 1
        budget.take("numbers", count)
    return at


def _strings(data: bytes, at: int, end: int, key: int, field: Field, budget: Budget) -> int:
    mark, count = _key(key), 0
    width = len(mark)
    while at < end and data.startswith(mark, at):
        count += 1
        if count > budget.strings:
            break
        at += width
        size, at = (data[at], at + 1) if at < end and data[at] < 0x80 else _varint(data, at, end)
        if size > end - at:
            raise Wrong(f"a string says {size:,} bytes where {end - at:,} are left (byte {at:,})")
        if field.text:
            _text(data, at, size, budget)
        at += size
    budget.take("strings", count)
    return at


def _ends(data: bytes, at: int, stop: int) -> np.ndarray:
    """Where numbers end between two places: at bytes below 0x80."""
    return np.flatnonzero(np.frombuffer(data, np.uint8, stop - at, at) < 0x80) + at


def _lengths(lengths: np.ndarray, at: int) -> None:
    if lengths.max() > 10:
        raise Wrong(f"a number does not end within ten bytes (after byte {at:,})")


def _key(key: int) -> bytes:
    made = bytearray()
    while key >= 0x80:
        made.append(key & 0x7F | 0x80)
        key >>= 7
    return bytes([*made, key])
