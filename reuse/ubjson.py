"""Universal Binary JSON as XGBoost writes it, read strictly: no more bytes than there are, no deeper than JSON may be, nothing left over.

https://ubjson.org (Draft 12). Arrays of one numeric type come as NumPy arrays, everything else as `specs.strict_json` would give it.
"""

import struct
from typing import Any

import numpy as np

from specs.strict_json import MAX_DEPTH

NUMBERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
SIZES = {marker: np.dtype(kind).itemsize for marker, kind in NUMBERS.items()}
MAX_VALUES = 50_000_000


def loads(data: bytes) -> Any:
    """The document in `data`; raises ValueError for anything that is not one whole document."""
    reader = _Reader(data)
    value = reader.value(reader.take(1), 0)
    if reader.at != len(data):
        raise ValueError("something stands behind its end")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.values = data, 0, 0

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise ValueError("it ends too soon")
        self.at += size
        return self.data[self.at - size : self.at]

    def peek(self) -> bytes:
        return self.data[self.at : self.at + 1]

    def number(self, marker: bytes) -> int | float:
        value = np.frombuffer(self.take(SIZES[marker]), dtype=NUMBERS[marker])[0].item()
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError("it holds a number that is not finite")
        return value

    def length(self) -> int:
        marker = self.take(1)
        if marker not in (b"i", b"U", b"I", b"l", b"L"):
            raise ValueError("a length is no whole number")
        return int(self.number(marker))

    def text(self) -> str:
        words = self.take(self.length()).decode("utf-8")
        if "\0" in words:
            raise ValueError("a text holds NUL")
        return words

    def value(self, marker: bytes, depth: int) -> Any:
        self.values += 1
        if depth > MAX_DEPTH or self.values > MAX_VALUES:
            raise ValueError(f"it nests deeper than {MAX_DEPTH}, or holds too many values")
        if marker in NUMBERS:
            return self.number(marker)
        if marker == b"S":
            return self.text()
        if marker == b"[":
            return self.array(depth)
        if marker == b"{":
            return self.object(depth)
        if marker in (b"Z", b"T", b"F"):
            return {b"Z": None, b"T": True, b"F": False}[marker]
        raise ValueError(f"it holds the marker {marker!r}")

    def array(self, depth: int) -> Any:
        if self.peek() == b"$":
            self.take(1)
            marker = self.take(1)
            if marker not in NUMBERS or self.take(1) != b"#":
                raise ValueError("an array has a type that is no number, or no length")
            count = self.length()
            if count < 0:
                raise ValueError("a length is negative")
            found = np.frombuffer(self.take(count * SIZES[marker]), dtype=NUMBERS[marker])
            if found.dtype.kind == "f" and not np.isfinite(found).all():
                raise ValueError("it holds a number that is not finite")
            return found.astype(found.dtype.newbyteorder("="))
        if self.peek() == b"#":
            self.take(1)
            count = self.length()
            if not 0 <= count <= len(self.data) - self.at:
                raise ValueError("an array claims more than the file holds")
            return [self.value(self.take(1), depth + 1) for _ in range(count)]
        found = []
        while (marker := self.take(1)) != b"]":
            found.append(self.value(marker, depth + 1))
        return found

    def object(self, depth: int) -> dict[str, Any]:
        if self.peek() in (b"$", b"#"):
            raise ValueError("an object has a type or a length, as XGBoost writes none")
        found: dict[str, Any] = {}
        while self.peek() != b"}":
            key = self.text()
            if key in found:
                raise ValueError("a key stands twice")
            found[key] = self.value(self.take(1), depth + 1)
        self.take(1)
        return found


def is_document(head: bytes) -> bool:
    """Whether a file begins as XGBoost's binary JSON does: an object whose first key is of its own."""
    if not head.startswith(b"{L") or len(head) < 10:
        return False
    (length,) = struct.unpack(">q", head[2:10])
    return head[10 : 10 + max(0, min(length, 20))] in (b"learner", b"version")
