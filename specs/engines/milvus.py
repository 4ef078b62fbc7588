"""Milvus by pymilvus: for more specifications than one machine holds. `milvus://host:port` or `milvus:///path/to.db` (milvus-lite).

The server scales the vectors out; the points that exact distances need stay with who asks. pymilvus is loaded at the first use.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from specs.checks import SpecError

BATCH = 1_000
METRICS = {"l2": "L2", "ip": "IP"}


def connect(url: str, name: str, width: int, metric: str) -> "MilvusEngine":
    """`name` is the collection; it is made where it is missing."""
    try:
        from pymilvus import MilvusClient
        from pymilvus.exceptions import MilvusException
    except ImportError:
        raise SpecError("no-milvus", "The index engine milvus needs pymilvus, which is not installed.", "Run: pip install pymilvus milvus-lite") from None
    parts = urlsplit(url)
    address = f"http://{parts.netloc}" if parts.netloc else parts.path
    try:
        return MilvusEngine(MilvusClient(uri=address), name, width, METRICS[metric])
    except MilvusException as error:
        raise SpecError("no-milvus", f"Milvus must answer at {url}; it says: {str(error)[:150]}.") from None


class MilvusEngine:
    """One collection of a Milvus server; what one process adds, every process finds."""

    is_local = False

    def __init__(self, client: Any, name: str, width: int, metric: str) -> None:
        self._client, self._name, self.width = client, name, width
        if not client.has_collection(name):
            client.create_collection(name, dimension=width, metric_type=metric, primary_field_name="number", vector_field_name="vector", auto_id=False, consistency_level="Strong")

    def __len__(self) -> int:
        return int(self._client.query(self._name, filter="", output_fields=["count(*)"])[0]["count(*)"])

    def add(self, numbers: np.ndarray, vectors: np.ndarray) -> None:
        for start in range(0, len(numbers), BATCH):
            part = slice(start, start + BATCH)
            there = {row["number"] for row in self._client.query(self._name, filter=f"number in {[int(n) for n in numbers[part]]}", output_fields=["number"])}
            rows = [{"number": int(number), "vector": vector.tolist()} for number, vector in zip(numbers[part], np.asarray(vectors[part], dtype=np.float32), strict=True) if int(number) not in there]
            if rows:
                self._client.insert(self._name, rows)

    def remove(self, numbers: np.ndarray) -> None:
        if len(numbers):
            self._client.delete(self._name, ids=[int(number) for number in numbers])

    def search(self, vector: np.ndarray, most: int, allowed: np.ndarray | None = None) -> np.ndarray:
        if allowed is not None and not len(allowed):
            return np.empty(0, np.int64)
        only = "" if allowed is None else f"number in {[int(number) for number in allowed]}"
        found = self._client.search(self._name, data=[np.asarray(vector, dtype=np.float32).tolist()], limit=min(most, 16_384), filter=only, output_fields=["number"])
        return np.array([hit["number"] for hit in found[0]], dtype=np.int64)

    def write(self, path: Path, kept: np.ndarray) -> None:
        raise SpecError("no-snapshot", "A Milvus index lives on its server: back it up there.")

    def read(self, path: Path) -> None:
        self.write(path, np.empty(0, np.int64))

    def close(self) -> None:
        self._client.close()
