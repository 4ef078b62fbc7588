"""One strict door for JSON from strangers."""

import json
import math
from typing import Any

from specs.checks import SpecError

MAX_DEPTH = 32
MAX_WHOLE = 1 << 64  # whole numbers beyond raise OverflowError wherever they are used as numbers
MAX_PARTS = 500_000  # of a document that anybody may send
LIST = 10  # an empty list or object takes some ten times the memory of a number, and of its own bytes some hundred times


def loads(data: bytes, *, most: int, what: str, depth: int = MAX_DEPTH, parts: int | None = None) -> Any:
    """Parse JSON bytes: at most `most` bytes, no duplicate keys, no NaN or Infinity, no number beyond 2**64, `depth` at most, no NUL or surrogates.

    With `parts`, at most so many commas, lists and objects, of which a list and an object count ten: 32 MB of `{"a":{}},` would be a gigabyte of dictionaries otherwise.
    Raises SpecError with a reason code.
    """
    if len(data) > most:
        raise SpecError("too-large", f"{what} must be at most {most:,} bytes; got {len(data):,}.")
    if parts is not None and (came := data.count(b",") + LIST * (data.count(b"{") + data.count(b"["))) > parts:
        raise SpecError("too-many-values", f"{what} may hold {parts:,} commas, lists and objects (a list or an object counts {LIST}); it holds {came:,}.",
                        "Send large arrays as their format says (a specification's numbers are base64), and tables as CSV.")

    def constant(name: str) -> Any:
        raise ValueError(f"it holds {name}")

    def whole(text: str) -> int:
        if len(text) > 21 or not -MAX_WHOLE < (value := int(text)) < MAX_WHOLE:
            raise ValueError(f"it holds the number {text[:20]}")
        return value

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(f"it holds the number {text[:20]}")
        return value

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            raise ValueError("a key stands twice")
        return found

    try:
        document = json.loads(data.decode("utf-8"), parse_constant=constant, parse_float=number, parse_int=whole, object_pairs_hook=pairs)
        _walk(document, 0, depth)
    except UnicodeDecodeError:
        raise SpecError("not-json", f"{what} must be JSON in UTF-8; it is not text.") from None
    except RecursionError:
        raise SpecError("not-json", f"{what} must not nest deeper than {depth}.") from None
    except ValueError as error:
        raise SpecError("not-json", f"{what} must be strict JSON; {error}.") from None
    return document


def _walk(value: Any, depth: int, most: int) -> None:
    if depth > most:
        raise ValueError(f"it nests deeper than {most}")
    if isinstance(value, dict):
        for key in value:
            _text(key)
        value = value.values()
    elif isinstance(value, str):
        _text(value)
        return
    elif not isinstance(value, list):
        return
    for item in value:
        if isinstance(item, str):
            _text(item)
        elif isinstance(item, dict | list):  # a step for each number of a large file would cost more than parsing it
            _walk(item, depth + 1, most)


def _text(value: str) -> None:
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value) or "\0" in value:
        raise ValueError("a text holds NUL or a lone surrogate")
