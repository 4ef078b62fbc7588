"""What a model file holds, tensor by tensor: from the header alone, without torch."""

import logging
import struct
import tempfile
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import storage
from marketplace.catalog import artifacts
from marketplace.catalog.models import Version
from reuse import ReuseError
from reuse.formats import safetensors

log = logging.getLogger(__name__)
MANY = 200  # from there on tensors are folded by the beginnings of their names
MOST_GROUPS = 60
MOST_ROWS = 2_000  # on one page; the API lists all


def of(version: Version) -> list[dict[str, Any]]:
    """[{name, dtype, shape, numbers, share}] in the order of the file; empty for formats without a table of tensors.

    The check has read the header already and left what it found in the report; before the check it is read from the store.
    """
    found = version.report.get("tensors")
    if found is None and version.format == "safetensors":
        found = _unchecked(version.model_id)
    counted = [{"name": t["name"], "dtype": t["dtype"], "shape": t["shape"], "numbers": prod(t["shape"])} for t in found or []]
    total = sum(t["numbers"] for t in counted) or 1
    return [t | {"share": t["numbers"] / total} for t in counted]


def _unchecked(sha256: str) -> tuple[dict[str, Any], ...]:
    """The header of a file that no check has passed: there may be nothing to read in it."""
    try:
        return header(sha256)
    except (ReuseError, storage.ArtifactMissing, storage.ArtifactDamaged) as error:
        log.info("no table of tensors for %s: %s", sha256[:12], error)
        return ()


@lru_cache(maxsize=64)
def header(sha256: str) -> tuple[dict[str, Any], ...]:
    """The tensors of a safetensors file in the store, by our own reader. Bytes never change, so neither does the answer."""
    with artifacts.open(sha256) as file, tempfile.NamedTemporaryFile() as sparse:
        head = file.read(8)
        length = min(struct.unpack("<Q", head.ljust(8, b"\0"))[0], safetensors.MAX_HEADER)
        sparse.write(head + file.read(length))
        sparse.truncate(file.seek(0, 2))  # as long as the file, and empty after the header: the reader holds offsets against the length
        sparse.flush()
        return tuple(safetensors.tensors(Path(sparse.name)))


def folded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """[{name, tensors, numbers, share, rows}] by the beginnings of the names, as deep as leaves no more than MOST_GROUPS; few tensors are one group."""
    if len(rows) <= MANY:
        return [_group("", rows)] if rows else []
    deepest = max(row["name"].count(".") for row in rows)
    groups = _by_beginning(rows, 1)
    for depth in range(2, deepest + 1):
        finer = _by_beginning(rows, depth)
        if len(finer) > MOST_GROUPS:
            break
        groups = finer
    if len(groups) > MOST_GROUPS:  # names without an order of their own
        groups = {f"{rows[i]['name']} and on": rows[i : i + MANY] for i in range(0, len(rows), MANY)}
    return [_group(name, held) for name, held in groups.items()]


def _by_beginning(rows: list[dict[str, Any]], depth: int) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        parts = row["name"].split(".")
        groups.setdefault(".".join(parts[: min(depth, max(1, len(parts) - 1))]), []).append(row)
    return groups


def _group(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "tensors": len(rows), "numbers": sum(r["numbers"] for r in rows), "share": sum(r["share"] for r in rows), "rows": rows}
