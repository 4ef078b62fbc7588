"""Where an index keeps its specifications: packed columns in memory, or in files that the system maps as it needs them.

Numbers are rows of the columns, given one after the other and never used twice. A million specifications of 16 points in 64 coordinates
are 4 GB of files and, beside what the system caches, no memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from specs import kernels
from specs.checks import SpecError
from specs.rkme import Rkme

Key = UUID | int


class Column:
    """A growing array: what a snapshot's file holds, mapped and never written to, and after it what was added, in memory or in a file of its own."""

    def __init__(self, dtype: Any, tail: tuple[int, ...] = (), *, base: Path | None = None, length: int = 0, path: Path | None = None) -> None:
        self.dtype, self.tail, self.path = np.dtype(dtype), tail, path
        self._base = np.memmap(base, self.dtype, "r", shape=(length, *tail)) if base is not None and length else np.empty((0, *tail), self.dtype)
        self._used = 0
        self._room = np.empty((0, *tail), self.dtype)

    def __len__(self) -> int:
        return len(self._base) + self._used

    def parts(self) -> list[np.ndarray]:
        """What it holds, in order: the mapped part and what was added."""
        return [self._base, self._room[: self._used]]

    def take(self, at: np.ndarray) -> np.ndarray:
        """The rows at these places, copied."""
        first = len(self._base)
        if not first:
            return self._room[at]
        if not self._used:
            return self._base[at]
        out = np.empty((len(at), *self.tail), self.dtype)
        old = at < first
        out[old], out[~old] = self._base[at[old]], self._room[at[~old] - first]
        return out

    def one(self, at: int) -> Any:
        return self._base[at] if at < len(self._base) else self._room[at - len(self._base)]

    def extend(self, values: np.ndarray) -> None:
        needed = self._used + len(values)
        if needed > len(self._room):
            self._grow(max(needed, 2 * len(self._room), 1024))
        self._room[self._used : needed] = values
        self._used = needed

    def _grow(self, size: int) -> None:
        if self.path is None:
            room = np.empty((size, *self.tail), self.dtype)
            room[: self._used] = self._room[: self._used]
            self._room = room
            return
        with self.path.open("ab") as file:
            file.truncate(size * int(np.prod(self.tail, dtype=np.int64)) * self.dtype.itemsize)
        self._room = np.memmap(self.path, self.dtype, "r+", shape=(size, *self.tail))


@dataclass(frozen=True)
class Block:
    """Some specifications side by side: points (P, d), weights (P,), where each begins (m,), and their squared norms (m,)."""

    points: np.ndarray
    weights: np.ndarray
    starts: np.ndarray
    norms: np.ndarray
    _known: dict[type, np.ndarray] = field(default_factory=dict, repr=False)

    def inner(self, points: np.ndarray, weights: np.ndarray, sigma: float, dtype: type = np.float32) -> np.ndarray:
        """<sum_j weights_j k(points_j, .), mu_i> for each specification i; (m,) float64. Kernels in `dtype`: float32 tells some 1e-7 apart."""
        if not len(self.starts):
            return np.empty(0)
        gamma = dtype(0.5 / sigma**2)
        Y, w = np.ascontiguousarray(points, dtype=dtype), weights.astype(dtype)
        own, others = self._squares(dtype), np.einsum("pd,pd->p", Y, Y)
        Y = Y * (dtype(2) * gamma)
        values = np.empty(len(self.points))
        # exp(2 gamma <x, y> - gamma |x|^2 - gamma |y|^2), the block's squares known from the last time.
        for part in kernels.chunks(len(self.points), len(Y)):
            K = self.points[part].astype(dtype, copy=False) @ Y.T
            K -= (gamma * own[part])[:, None]
            K -= gamma * others
            np.minimum(K, 0, out=K)
            values[part] = np.exp(K, out=K) @ w
        return np.add.reduceat(values * self.weights, self.starts)

    def _squares(self, dtype: type) -> np.ndarray:
        if dtype not in self._known:
            X = self.points.astype(dtype, copy=False)
            self._known[dtype] = np.einsum("pd,pd->p", X, X)
        return self._known[dtype]


class PointStore:
    """Specifications by number, which stay readable for whoever holds one while others are added and removed: columns only grow. `folder` keeps what is added in files; `base` and `lengths` begin from a snapshot's files, which are only read."""

    COLUMNS = {"keys": ("u8", (2,)), "ends": ("i8", ()), "norms": ("f8", ()), "rows": ("i8", ()), "fits": ("f8", ()), "points": ("f4", None), "weights": ("f8", ())}

    def __init__(self, d: int, sigma: float, folder: Path | None = None, *, base: Path | None = None, lengths: dict[str, int] | None = None) -> None:
        self.d, self.sigma = d, sigma
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._columns = {
            name: Column(dtype, (d,) if tail is None else tail, path=folder and folder / f"{name}.bin", base=base and base / f"{name}.bin", length=(lengths or {}).get(name, 0))
            for name, (dtype, tail) in self.COLUMNS.items()
        }
        self.extras: dict[int, Any] = {}  # labels, for the few that carry them
        self.label_norms: dict[int, float] = {}  # their squared norms, once somebody has asked
        self._alive = np.ones(self.end, bool)
        # In memory keys are known by heart; in files they are looked for (5 ms among a million).
        self._numbers: dict[Key, int] | None = {} if folder is None and base is None else None

    def __len__(self) -> int:
        return int(np.count_nonzero(self._alive[: self.end]))

    @property
    def end(self) -> int:
        """One more than the last number."""
        return len(self._columns["ends"])

    def add(self, keys: Sequence[Key], rkmes: Sequence[Rkme]) -> np.ndarray:
        """Append; returns their numbers. A key that is there already is the caller's to remove first."""
        numbers = self.add_packed(
            keys, np.concatenate([r.points for r in rkmes]), np.concatenate([r.weights for r in rkmes]), np.array([r.size for r in rkmes]),
            np.array([r.squared_norm for r in rkmes]), np.array([r.n for r in rkmes]), np.array([np.nan if r.fit is None else r.fit for r in rkmes]),
        )
        for number, rkme in zip(numbers, rkmes, strict=True):
            if rkme.labels is not None:
                self.extras[int(number)] = rkme.labels
        return numbers

    def add_packed(self, keys: Sequence[Key], points: np.ndarray, weights: np.ndarray, sizes: np.ndarray, norms: np.ndarray, rows: np.ndarray, fits: np.ndarray) -> np.ndarray:
        """The same from packed arrays, for many at once."""
        first = self.end
        before = int(self._columns["ends"].one(first - 1)) if first else 0
        new = {"keys": np.array([_words(key) for key in keys], dtype="u8").reshape(-1, 2), "ends": before + np.cumsum(sizes), "norms": norms, "rows": rows,
               "fits": fits, "points": points, "weights": weights}
        for name, values in new.items():
            self._columns[name].extend(values)
        numbers = np.arange(first, self.end)
        if self.end > len(self._alive):
            alive = np.ones(max(self.end, 2 * len(self._alive), 1024), bool)
            alive[:first] = self._alive[:first]
            self._alive = alive
        if self._numbers is not None:
            self._numbers.update(zip(keys, numbers.tolist(), strict=True))
        return numbers

    def remove(self, number: int) -> None:
        if self._alive[number]:
            if self._numbers is not None:
                del self._numbers[self.key(number)]
            self._alive[number] = False
            self.extras.pop(number, None)
            self.label_norms.pop(number, None)

    def find(self, key: Key) -> int | None:
        """The number of a key, or None."""
        found = self.find_all([key])
        return int(found[-1]) if len(found) else None

    def find_all(self, keys: Sequence[Key]) -> np.ndarray:
        """The numbers of those keys that are here, ascending."""
        if self._numbers is not None:
            return np.sort(np.array([n for n in map(self._numbers.get, keys) if n is not None], dtype=np.int64))
        wanted = np.array([_words(key) for key in keys], dtype="u8").reshape(-1, 2)
        found, first = [], 0
        for part in self._columns["keys"].parts():
            likely = np.flatnonzero(np.isin(part[:, 1], wanted[:, 1]))
            known = set(map(tuple, wanted.tolist()))
            found += [first + int(i) for i in likely if tuple(part[i].tolist()) in known and self._alive[first + i]]
            first += len(part)
        return np.array(found, dtype=np.int64)

    def alive(self) -> np.ndarray:
        """All numbers in use, ascending."""
        return np.flatnonzero(self._alive[: self.end])

    def key(self, number: int) -> Key:
        high, low = (int(word) for word in self._columns["keys"].one(number))
        return low if high == NUMBERED else UUID(int=(high << 64) | low)

    def rkme(self, number: int, space_id: str = "") -> Rkme:
        """The specification of a number (without its generator)."""
        block = self.block(np.array([number]))
        fit = float(self._columns["fits"].one(number))
        found = Rkme(points=block.points, weights=block.weights, sigma=self.sigma, n=int(self._columns["rows"].one(number)), space_id=space_id,
                     fit=None if np.isnan(fit) else fit, labels=self.extras.get(number))
        found.__dict__["squared_norm"] = float(block.norms[0])  # known since it was added: a kernel of every pair of points less
        if number in self.label_norms:
            found.__dict__["label_squared_norm"] = self.label_norms[number]
        return found

    def block(self, numbers: np.ndarray) -> Block:
        """The specifications of these numbers, copied side by side."""
        numbers = np.asarray(numbers, dtype=np.int64)
        first, last = self._spans(numbers)
        sizes = last - first
        starts = np.cumsum(sizes) - sizes
        at = np.arange(sizes.sum()) - np.repeat(starts - first, sizes)
        return Block(self._columns["points"].take(at), self._columns["weights"].take(at), starts, self._columns["norms"].take(numbers))

    def sizes(self, numbers: np.ndarray) -> np.ndarray:
        """How many points each has."""
        first, last = self._spans(np.asarray(numbers, dtype=np.int64))
        return last - first

    def write(self, folder: Path) -> dict[str, int]:
        """Write what it holds as a snapshot's files, the removed left out; returns the columns' lengths. Numbers are given anew, in order."""
        kept = self.alive()
        lengths = {}
        sizes = self.sizes(kept)
        for name, column in self._columns.items():
            count = 0
            with (folder / f"{name}.bin").open("wb") as file:
                for numbers in np.array_split(kept, 1 + len(kept) // 50_000):
                    block = self.block(numbers) if name in ("points", "weights") else None
                    values = block.points if name == "points" else block.weights if name == "weights" else column.take(numbers)
                    if name == "ends":
                        continue
                    np.ascontiguousarray(values, column.dtype).tofile(file)
                    count += len(values)
                if name == "ends":
                    np.cumsum(sizes).astype(column.dtype).tofile(file)
                    count = len(sizes)
            lengths[name] = count
        return lengths

    def _spans(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ends = self._columns["ends"]
        return np.where(numbers > 0, ends.take(np.maximum(numbers - 1, 0)), 0), ends.take(numbers)


NUMBERED = 2**64 - 1  # the high word of keys that are whole numbers; no UUID of any version has it


def _words(key: Key) -> tuple[int, int]:
    if isinstance(key, UUID):
        return key.int >> 64, key.int & (2**64 - 1)
    if isinstance(key, bool) or not isinstance(key, int) or not 0 <= key < 2**63:
        raise SpecError("wrong-key", f"A key must be a UUID or a whole number from 0; got {key!r:.60}.")
    return NUMBERED, key

