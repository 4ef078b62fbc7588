"""What proposes neighbours among vectors: a file is an engine, its name the scheme of its URL.

Each file defines `connect(url, width, metric) -> Engine`. Numbers are int64 from 0, vectors float32 (m, width). "l2" proposes the nearest,
"ip" those with the largest inner product. An engine proposes; exact kernel distances rank, so it may be approximate and may quantise.

    add(numbers, vectors)            append; a number is given once
    remove(numbers)                  they are not proposed again
    search(vector, most, allowed)    numbers, best first; only `allowed` (ascending int64) where given
    write(path, kept) / read(path)   a snapshot of the numbers `kept`, renumbered from 0, for engines that live in this process; others say so
                                     by `is_local = False`
"""

import importlib
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import numpy as np

from specs.checks import SpecError


class Engine(Protocol):
    """The contract above."""

    is_local: bool

    def __len__(self) -> int: ...
    def add(self, numbers: np.ndarray, vectors: np.ndarray) -> None: ...
    def remove(self, numbers: np.ndarray) -> None: ...
    def search(self, vector: np.ndarray, most: int, allowed: np.ndarray | None = None) -> np.ndarray: ...
    def write(self, path: Path, kept: np.ndarray) -> None: ...
    def read(self, path: Path) -> None: ...
    def close(self) -> None: ...


def connect(url: str, *, name: str, width: int, metric: str = "l2") -> Engine:
    """The engine of a URL: `faiss:` (in this process, the default) or `milvus://host:port`, `milvus:///path/to.db` (pymilvus).

    `name` tells collections apart where several share a server.
    """
    scheme = urlsplit(url).scheme or url
    known = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")
    if scheme not in known:
        raise SpecError("wrong-engine", f"An index engine must be one of {', '.join(known)}, as in faiss: or milvus://host:19530; got {url!r:.80}.")
    return importlib.import_module(f"specs.engines.{scheme}").connect(url, name, width, metric)
