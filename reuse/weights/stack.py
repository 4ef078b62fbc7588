"""One tensor of several models, side by side: what a merging method sees.

A method that needs a base is given the differences from it, any other the weights themselves; both are called D here, (m, B) a block
at a time or (m, *shape) whole, float32, models in the order the user named them.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from reuse.errors import ReuseError
from reuse.weights import kernels
from reuse.weights.files import Checkpoint, Layout

if TYPE_CHECKING:
    from reuse.weights.merging import Models

RELEASE = 1 << 22  # numbers after which what has been read is given back: a mapped page counts as ours while we hold it
SORTED = 1 << 16  # numbers; up to here a partial sort is quicker than two histograms


class Stack:
    """A tensor `layout` of `models`, as differences from `base` where there is one; `family` is the models as wholes."""

    def __init__(self, layout: Layout, models: list[Checkpoint], base: Checkpoint | None = None, family: "Models | None" = None) -> None:
        self.layout, self.models, self.base, self.family = layout, models, base, family
        self._origin: tuple[int, np.ndarray] | None = None

    @classmethod
    def of(cls, D: np.ndarray, name: str = "tensor") -> "Stack":
        """Arrays (m, ...) in memory as a stack, without a base."""
        models = [Checkpoint.of({name: part}, f"model {i}") for i, part in enumerate(np.asarray(D))]
        return cls(models[0].layouts[name], models)

    @property
    def name(self) -> str:
        """The tensor's name."""
        return self.layout.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in each model."""
        return self.layout.shape

    @property
    def size(self) -> int:
        """How many numbers it holds in each model."""
        return self.layout.size

    def __len__(self) -> int:
        return len(self.models)

    @property
    def is_matrix(self) -> bool:
        """Whether it has two dimensions, both over 1."""
        return len(self.shape) == 2 and min(self.shape) > 1

    # -- walking -------------------------------------------------------------------------------

    def blocks(self, width: int = 1) -> Iterator[tuple[int, np.ndarray]]:
        """(first place, D (m, B)) in order; B is a multiple of `width` but in the last. D is written anew for the next block."""
        step = max(1, kernels.BLOCK // width) * width
        buffer = np.empty((len(self.models), min(step, max(1, self.size))), np.float32)
        origin = np.empty(buffer.shape[1], np.float32)
        for start in range(0, self.size, step):
            stop = min(start + step, self.size)
            D = buffer[:, : stop - start] if stop - start == buffer.shape[1] else np.empty((len(self.models), stop - start), np.float32)
            if self.base is not None:
                self._read(self.base, start, stop, origin[: stop - start])
                self._origin = (start, origin[: stop - start])
            for i, model in enumerate(self.models):
                self._read(model, start, stop, D[i])
                if self.base is not None:
                    D[i] -= self._origin[1]
            yield start, D
            if stop % RELEASE < step:
                for model in (*self.models, *((self.base,) if self.base else ())):
                    model.release(self.name, stop)

    def each(self, function: Callable[[np.ndarray], np.ndarray]) -> Iterator[np.ndarray]:
        """What `function` makes of each block: (m, B) -> (B,)."""
        for _, D in self.blocks():
            yield function(D)

    def each_row(self, function: Callable[[np.ndarray], np.ndarray]) -> Iterator[np.ndarray]:
        """The same with blocks of whole rows along the last dimension: (m, rows, width) -> (rows, width)."""
        width = self.shape[-1] if self.shape else 1
        for _, D in self.blocks(width):
            yield function(D.reshape(len(D), -1, width)).reshape(-1)

    def whole(self) -> np.ndarray:
        """All of it: (m, *shape)."""
        out = np.empty((len(self.models), self.size), np.float32)
        for start, D in self.blocks():
            out[:, start : start + D.shape[1]] = D
        return out.reshape(len(self.models), *self.shape)

    def origin(self, start: int, stop: int) -> np.ndarray | None:
        """The base's block; None without a base."""
        if self.base is None:
            return None
        if self._origin is not None and self._origin[0] == start and len(self._origin[1]) == stop - start:
            return self._origin[1]
        out = np.empty(stop - start, np.float32)
        self._read(self.base, start, stop, out)
        return out

    def _read(self, model: Checkpoint, start: int, stop: int, out: np.ndarray) -> None:
        if self.name in model.changed:
            out[...] = model.changed[self.name].reshape(-1)[start:stop]
        else:
            kernels.decode(model.raw(self.name)[start:stop], out)
        if not kernels.finite(out.view(np.uint32)):
            raise ReuseError("not-finite", f"Weights must be finite; {model.label} holds NaN or infinity in {self.name!r}.", "Leave that model out, or train it again.")

    # -- measuring -----------------------------------------------------------------------------

    def ranked(self, ranks: tuple[int, ...]) -> np.ndarray:
        """|D| by rank, exactly: (m, len(ranks)), rank 0 the largest of this tensor in each model."""
        if self.size <= SORTED:
            A = np.abs(self.whole().reshape(len(self.models), -1))
            places = [self.size - 1 - rank for rank in ranks]
            return np.partition(A, sorted(set(places)), axis=1)[:, places]
        found = Ranks(len(self.models))
        for _, D in self.blocks():
            found.see(D)
        found.narrow(ranks)
        for _, D in self.blocks():
            found.look(D)
        return found.values()

    def share(self, keep: float) -> np.ndarray:
        """The size from which the largest `keep` of each whole model's numbers lie, (m,); of this tensor alone without a family."""
        if self.family is None:
            return self.ranked((max(1, round(keep * self.size)) - 1,))[:, 0]
        return self.family.share(keep)

    @cached_property
    def gram(self) -> np.ndarray:
        """The inner products of the models, (m, m) float64."""
        G = np.zeros((len(self.models), len(self.models)))
        for _, D in self.blocks():
            kernels.products(D, G)
        return G

    def statistic(self, kind: str) -> list[np.ndarray] | None:
        """Each model's statistic ("gram" or "fisher") of this tensor, float64; None where one lacks it."""
        if self.family is None or self.family.statistics is None:
            return None
        found = [part.get(f"{kind}/{self.name}") for part in self.family.statistics]
        if any(part is None for part in found):
            return None
        wanted = self.shape if kind == "fisher" else (self.shape[-1],) * 2
        for model, part in zip(self.models, found, strict=True):
            if part.shape != wanted:
                raise ReuseError("wrong-statistics", f"The {kind} statistics of {model.label} for {self.name!r} must have the shape {wanted}; they have {part.shape}.",
                                 "They belong to another model: publish them again, or leave them out.")
        return [np.asarray(part, np.float64) for part in found]


class Ranks:
    """Order statistics of |x| over any number of blocks, by a radix histogram on the bits of float32: two passes, no sort.

    A float's bits without its sign, read as a whole number, have the order of its size. The first pass counts their upper 15, the second
    the lower 16 within the bins that hold the wanted ranks.
    """

    def __init__(self, m: int) -> None:
        self._high = np.zeros((m, kernels.HIGH), np.int64)

    def see(self, D: np.ndarray) -> None:
        """First pass: a block (m, B)."""
        kernels.count_high(D.view(np.uint32), self._high)

    def narrow(self, ranks: tuple[int, ...]) -> None:
        """Between the passes: which ranks are wanted, 0 the largest."""
        above = np.cumsum(self._high[:, ::-1], axis=1)  # how many lie in this bin or a higher one, from the top
        self._bins = np.empty((len(above), len(ranks)), np.int64)
        self._left = np.empty_like(self._bins)
        for i, row in enumerate(above):
            for w, rank in enumerate(ranks):
                at = int(np.searchsorted(row, rank, side="right"))
                self._bins[i, w] = kernels.HIGH - 1 - at
                self._left[i, w] = rank - (row[at - 1] if at else 0)
        self._low = np.zeros((*self._bins.shape, kernels.LOW), np.int64)

    def look(self, D: np.ndarray) -> None:
        """Second pass: the same blocks again."""
        kernels.count_low(D.view(np.uint32), self._bins, self._low)

    def values(self) -> np.ndarray:
        """|x| at the wanted ranks, (m, len(ranks)) float32."""
        above = np.cumsum(self._low[:, :, ::-1], axis=2)
        low = kernels.LOW - 1 - (above <= self._left[:, :, None]).sum(axis=2)
        return ((self._bins << 16) | low).astype(np.uint32).view(np.float32)
