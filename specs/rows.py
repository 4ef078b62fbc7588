"""Rows wherever they are: arrays, memory maps, files and iterators, read in chunks of bounded size.

Whatever comes is seen as a series of float32 chunks (b, d) with float64 weights (b,), so data larger than memory are reduced
at constant memory. The caller's arrays are never written to.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from specs.checks import SpecError
from specs.kernels import squared_distances

CHUNK_BYTES = 16 * 2**20  # of float32
LARGEST = 1e15  # squares of differences must stay finite in float32
Chunk = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Rows:
    """`chunks()` gives (rows (b, d) float32, weights (b,)) from the start each time; a one-shot source gives them once."""

    source: Callable[[], Iterator[Chunk]]
    is_one_shot: bool = False
    n: int | None = None  # known beforehand for arrays and files
    at: Callable[[np.ndarray], Chunk] | None = None  # rows by number, where that is cheap

    def chunks(self) -> Iterator[Chunk]:
        return self.source()


@dataclass(frozen=True)
class Sample:
    """`rows` (m, d) float32 with weights (m,) that sum to 1; `n` rows were seen, worth `effective` equal ones (Kish)."""

    rows: np.ndarray
    weights: np.ndarray
    n: int
    effective: float

    @property
    def is_whole(self) -> bool:
        return len(self.rows) == self.n


def of(X: Any, sample_weight: Any = None) -> Rows:
    """Rows of X: an (n, d) array, memory map or DataFrame; a path to .npy or .parquet; an iterator of (b, d) arrays; or a
    function that starts such an iterator anew (then several passes are made instead of one).

    `sample_weight` (n,), finite and >= 0 with a sum above 0, goes with arrays and files; an iterator yields pairs (rows, weights) instead.
    Raises SpecError for anything else.
    """
    if isinstance(X, Rows):
        return X
    if isinstance(X, str | Path):
        return _of_file(Path(X), sample_weight)
    if callable(X) or isinstance(X, Iterator):
        if sample_weight is not None:
            raise SpecError("wrong-weights", "sample_weight goes with arrays and files; an iterator yields pairs (rows, weights).")
        return Rows(lambda: _checked(X() if callable(X) else X), is_one_shot=not callable(X))
    return _of_array(X, sample_weight)


def _of_array(X: Any, sample_weight: Any) -> Rows:
    array = X if isinstance(X, np.ndarray) else _array(X)
    if array.ndim != 2 or 0 in array.shape:
        raise SpecError("wrong-shape", f"X must be (n, d) with n and d at least 1; got shape {array.shape}.")
    if array.dtype.kind not in "fiub":
        array = _array(array)
    weights = _weights(sample_weight, len(array))
    step = max(1, CHUNK_BYTES // (4 * array.shape[1]))

    def chunks() -> Iterator[Chunk]:
        for start in range(0, len(array), step):
            part = slice(start, start + step)
            yield _rows(array[part], start), weights[part]

    def at(numbers: np.ndarray) -> Chunk:
        return _rows(array[numbers], 0), weights[numbers]

    return Rows(chunks, n=len(array), at=at)


def _of_file(path: Path, sample_weight: Any) -> Rows:
    if not path.is_file():
        raise SpecError("no-file", f"{path} can not be read: there is no such file.")
    if path.suffix == ".npy":
        try:
            return _of_array(np.load(path, mmap_mode="r", allow_pickle=False), sample_weight)
        except (ValueError, OSError) as error:
            raise SpecError("wrong-file", f"{path.name} must be a .npy file of numbers; {error}.") from None
    if path.suffix == ".parquet":
        if sample_weight is not None:
            raise SpecError("wrong-weights", "sample_weight goes with arrays; for a Parquet file yield pairs (rows, weights) from an iterator.")
        return Rows(lambda: _checked(parquet(path)))
    raise SpecError("wrong-file", f"Rows are read from .npy and .parquet; got {path.name}.", "Describe a CSV with: moorage describe data.csv")


def parquet(path: Path, columns: list[str] | None = None) -> Iterator[np.ndarray]:
    """The numeric columns of a Parquet file, a row group's batch at a time, (b, d); needs pyarrow."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise SpecError("no-pyarrow", "Parquet files are read with pyarrow, which is not installed.", "Run: pip install pyarrow") from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
        fields = [field.name for field in file.schema_arrow if pyarrow.types.is_integer(field.type) or pyarrow.types.is_floating(field.type)]
        wanted = columns or fields
        if not wanted:
            raise SpecError("no-columns", f"{path.name} has no numeric column.")
        for batch in file.iter_batches(batch_size=max(1, CHUNK_BYTES // (8 * len(wanted))), columns=wanted):
            yield np.column_stack([batch.column(i).to_numpy(zero_copy_only=False) for i in range(len(wanted))])
    except pyarrow.ArrowException as error:
        raise SpecError("wrong-file", f"{path.name} must be a Parquet file; {str(error)[:120]}.") from None


def gather(rows: Rows, most: int, rng: np.random.Generator) -> Sample:
    """A uniform sample of at most `most` rows, all of them where they are no more; one pass, or none where rows are at hand."""
    if rows.at is not None and rows.n is not None:
        if rows.n <= most:
            parts = list(rows.chunks())
            return _sample(np.concatenate([x for x, _ in parts]), np.concatenate([w for _, w in parts]), rows.n)
        # The whole is looked at once, so that a number that is not finite is found wherever it stands.
        total = square = 0.0
        for _, w in rows.chunks():
            total, square = total + w.sum(), square + w @ w
        x, w = rows.at(np.sort(rng.choice(rows.n, most, replace=False)))
        return _sample(x, w, rows.n, total, square)
    # Reservoir by random keys: the same rows are kept however the stream was cut into batches.
    kept_x: np.ndarray | None = None
    kept_w = kept_k = np.empty(0)
    n, total, square = 0, 0.0, 0.0
    for x, w in rows.chunks():
        keys = rng.random(len(x))
        n, total, square = n + len(x), total + w.sum(), square + w @ w
        if kept_x is not None and len(kept_k) >= most:
            chosen = keys < kept_k.max()
            x, w, keys = x[chosen], w[chosen], keys[chosen]
        kept_x = x if kept_x is None else np.concatenate([kept_x, x])
        kept_w, kept_k = np.concatenate([kept_w, w]), np.concatenate([kept_k, keys])
        if len(kept_k) > most:
            first = np.sort(np.argpartition(kept_k, most - 1)[:most])
            kept_x, kept_w, kept_k = kept_x[first], kept_w[first], kept_k[first]
    if kept_x is None:
        raise SpecError("no-rows", "There must be at least one row; the source gave none.")
    return _sample(kept_x, kept_w, n, total, square)


def typical_gap(rows: np.ndarray, rng: np.random.Generator, most: int = 500) -> float:
    """The median distance of a row to its nearest other row, over at most `most` of the rows (n, d); 0 for a single row."""
    if len(rows) < 2:
        return 0.0
    chosen = np.sort(rng.choice(len(rows), min(most, len(rows)), replace=False))
    D = squared_distances(rows[chosen].astype(np.float64), rows.astype(np.float64))
    D[np.arange(len(chosen)), chosen] = np.inf
    return float(np.sqrt(np.median(D.min(axis=1))))


def _sample(x: np.ndarray, w: np.ndarray, n: int, total: float | None = None, square: float | None = None) -> Sample:
    total = w.sum() if total is None else total
    square = w @ w if square is None else square
    if not w.sum() > 0:
        raise SpecError("wrong-weights", "sample_weight must sum to more than 0; all rows that were drawn weigh 0.")
    return Sample(np.ascontiguousarray(x), w / w.sum(), n, float(total**2 / square))


def _checked(batches: Iterable[Any]) -> Iterator[Chunk]:
    width, seen = None, 0
    for batch in batches:
        pair = isinstance(batch, tuple) and len(batch) == 2
        array = _array(batch[0] if pair else batch)
        if array.ndim != 2 or array.shape[1] == 0 or width not in (None, array.shape[1]):
            raise SpecError("wrong-shape", f"Each batch must be (b, d) with one d for all; got shape {array.shape} after d = {width}.")
        width = array.shape[1]
        if len(array):
            step = max(1, CHUNK_BYTES // (4 * width))
            weights = _weights(batch[1] if pair else None, len(array))
            for start in range(0, len(array), step):
                yield _rows(array[start : start + step], seen + start), weights[start : start + step]
        seen += len(array)


def _array(X: Any) -> np.ndarray:
    try:
        return np.asarray(X, dtype=X.dtype if isinstance(X, np.ndarray) and X.dtype.kind in "fiub" else np.float64)
    except (TypeError, ValueError) as error:
        raise SpecError("not-numbers", f"X must hold numbers only; {error}.") from None


def _rows(part: np.ndarray, first: int) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        x = part.astype(np.float32)
    largest = np.abs(x).max(initial=0.0)
    if not largest < LARGEST:  # nan too
        row, column = np.argwhere(~(np.abs(x) < LARGEST))[0]
        value = part[row, column]
        if np.isfinite(value):
            raise SpecError("too-large", f"X must stay below {LARGEST:g} in size; row {first + row}, column {column} holds {value}.",
                            "Standardise the columns: a space does (Space.from_table).")
        raise SpecError("not-finite", f"X must be finite; row {first + row}, column {column} holds {value}.", "Drop or fill those rows first.")
    return x


def _weights(sample_weight: Any, n: int) -> np.ndarray:
    if sample_weight is None:
        return np.ones(n)
    try:
        weights = np.array(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpecError("wrong-weights", f"sample_weight must hold numbers; {error}.") from None
    if weights.shape != (n,) or not np.isfinite(weights).all() or (weights < 0).any() or not weights.sum() > 0:
        raise SpecError("wrong-weights", f"sample_weight must be ({n},), finite, not below 0 and not all 0; got shape {weights.shape}.")
    return weights
