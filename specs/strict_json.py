"""One strict door for JSON from strangers."""

import json
import math
from typing import Any

from specs.checks import SpecError

MAX_DEPTH = 32


def loads(data: bytes, *, most: int, what: str) -> Any:
    """Parse JSON bytes: at most `most` bytes, no duplicate keys, no NaN or Infinity, depth <= 32, no NUL or surrogates.

    Raises SpecError with a reason code.
    """
    if len(data) > most:
        raise SpecError("too-large", f"{what} must be at most {most:,} bytes; got {len(data):,}.")

    def constant(name: str) -> Any:
        raise ValueError(f"it holds {name}")

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
        document = json.loads(data.decode("utf-8"), parse_constant=constant, parse_float=number, object_pairs_hook=pairs)
        _walk(document, 0)
    except UnicodeDecodeError:
        raise SpecError("not-json", f"{what} must be JSON in UTF-8; it is not text.") from None
    except RecursionError:
        raise SpecError("not-json", f"{what} must not nest deeper than {MAX_DEPTH}.") from None
    except ValueError as error:
        raise SpecError("not-json", f"{what} must be strict JSON; {error}.") from None
    return document


def _walk(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"it nests deeper than {MAX_DEPTH}")
    if isinstance(value, dict):
        for key, item in value.items():
            _text(key)
            _walk(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _walk(item, depth + 1)
    elif isinstance(value, str):
        _text(value)


def _text(value: str) -> None:
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError("a text holds NUL or a lone surrogate")
