"""Messages between a worker and its zygote: JSON and plain arrays, length first, capped; never a pickle."""

import io
import json
import struct
from typing import Any, BinaryIO

import numpy as np

MAX_MESSAGE = 2 << 30
MAX_TOLD = 4096  # bytes of a word on the way; what is larger is an answer
HEAD = struct.Struct("<QI")  # bytes of the JSON part, number of arrays


def pack(document: Any, arrays: list[np.ndarray] = ()) -> bytes:
    """One message; arrays are numeric or fixed-width text, as .npy without pickles."""
    text = json.dumps(document, allow_nan=False).encode()
    parts = [HEAD.pack(len(text), len(arrays)), text]
    for array in arrays:
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
        parts += [struct.pack("<Q", buffer.tell()), buffer.getvalue()]
    body = b"".join(parts)
    return struct.pack("<Q", len(body)) + body


def unpack(body: bytes) -> tuple[Any, list[np.ndarray]]:
    """The document and arrays of a message; raises ValueError for anything that is none."""
    length, count = HEAD.unpack_from(body)
    at = HEAD.size + length
    document = json.loads(body[HEAD.size : at])
    arrays = []
    for _ in range(count):
        (size,) = struct.unpack_from("<Q", body, at)
        at += 8
        arrays.append(np.load(io.BytesIO(body[at : at + size]), allow_pickle=False))
        at += size
    return document, arrays


def is_whole(message: bytes) -> bool:
    """Whether these bytes are one message, to the byte."""
    return len(message) >= 8 and struct.unpack_from("<Q", message)[0] == len(message) - 8


def told(pending: bytearray) -> bytes | None:
    """The message at the front of `pending`, cut off it, if it is a whole word of progress; None for anything else."""
    if len(pending) < 8:
        return None
    (length,) = struct.unpack_from("<Q", pending)
    if length > MAX_TOLD or len(pending) < 8 + length:
        return None
    message = bytes(pending[: 8 + length])
    try:
        document, arrays = unpack(message[8:])
    except (ValueError, struct.error, RecursionError):
        return None
    if arrays or not isinstance(document, dict) or set(document) != {"progress"}:
        return None
    del pending[: len(message)]
    return message


def read(stream: BinaryIO, most: int = MAX_MESSAGE) -> bytes | None:
    """The next message's body, or None at the end of the stream; raises ValueError over `most` bytes."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    (length,) = struct.unpack("<Q", head)
    if length > most:
        raise ValueError(f"A message may have {most:,} bytes; {length:,} were announced.")
    body = stream.read(length)
    return body if len(body) == length else None


def columns_out(columns: dict[str, Any]) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Raw table columns as (description, arrays): numbers as they are, words as levels with codes, missing -1."""
    names, arrays = [], []
    for name, values in columns.items():
        values = np.asarray(values)
        if values.dtype.kind in "iuf":
            names.append({"name": name, "levels": None})
            arrays.append(values)
            continue
        missing = np.array([v is None or v != v for v in values.tolist()], dtype=bool)
        words = np.array(["" if m else str(v) for v, m in zip(values.tolist(), missing, strict=True)])
        levels, codes = np.unique(words, return_inverse=True)
        names.append({"name": name, "levels": levels.tolist()})
        arrays.append(np.where(missing, -1, codes).astype(np.int32))
    return {"columns": names}, arrays


def columns_in(description: dict[str, Any], arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    """The raw columns that `columns_out` packed."""
    found: dict[str, np.ndarray] = {}
    for column, array in zip(description["columns"], arrays, strict=True):
        if column["levels"] is None:
            found[column["name"]] = array
        else:
            levels = np.array([*column["levels"], None], dtype=object)
            found[column["name"]] = levels[array]  # -1 is the last one: None
    return found
