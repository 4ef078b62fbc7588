"""One space's specifications, searched: FAISS proposes by L2, exact kernel distances rank.

The only file of `specs` that loads faiss.
"""

import threading
from collections.abc import Collection, Hashable

import faiss
import numpy as np

from specs.embedding import Embedding
from specs.mixture import cross_of, gram_of, noise_floor, solve
from specs.rkme import Rkme, same_frame, squared_mmd
from specs.space import Space

PROPOSED = 100  # recall@10 of the exact order is 1.0 at this depth (docs/benchmarks)
MIXED = 256


class SpaceIndex:
    """Keys and their RKMEs; safe to read from several threads while one adds or removes."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._embedding = Embedding(space)
        self._index = faiss.IndexIDMap2(faiss.IndexFlatL2(self._embedding.width))
        self._rkmes: dict[int, Rkme] = {}
        self._keys: dict[int, Hashable] = {}
        self._numbers: dict[Hashable, int] = {}
        self._next = 0
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._rkmes)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._numbers

    def add(self, key: Hashable, rkme: Rkme) -> None:
        """Add a specification, or replace the one of the same key."""
        vector = self._embedding.vector(rkme)[None, :]
        with self._lock:
            self.remove(key)
            number, self._next = self._next, self._next + 1
            self._index.add_with_ids(vector, np.array([number], dtype=np.int64))
            self._rkmes[number], self._keys[number], self._numbers[key] = rkme, key, number

    def remove(self, key: Hashable) -> None:
        """Forget a key; one that is not there is no error."""
        with self._lock:
            number = self._numbers.pop(key, None)
            if number is not None:
                self._index.remove_ids(np.array([number], dtype=np.int64))
                del self._rkmes[number], self._keys[number]

    def search(self, rkme: Rkme, top: int = 10, allowed: Collection[Hashable] | None = None) -> list[tuple[Hashable, float]]:
        """The `top` nearest keys with their exact squared MMD, nearest first; only `allowed` ones where given."""
        with self._lock:
            proposed = self._propose(self._embedding.vector(rkme), max(PROPOSED, 4 * top), allowed)
            found = [(self._keys[number], squared_mmd(rkme, self._rkmes[number])) for number in proposed]
        return sorted(found, key=lambda pair: (pair[1], str(pair[0])))[:top]

    def mixture(
        self, rkme: Rkme, allowed: Collection[Hashable] | None = None, max_members: int = 8
    ) -> tuple[list[Hashable], np.ndarray, float, float]:
        """Keys, weights (sum 1), squared MMD and duality gap of the best mixture.

        Over all allowed specifications while they are few; beyond 256 the candidates are those nearest to the
        requirement and to what the mixture so far leaves over (the Frank-Wolfe oracle asked of the embedding).
        """
        with self._lock:
            numbers = self._propose(self._embedding.vector(rkme), MIXED, allowed)
            if len(self._count(allowed)) > MIXED:
                numbers = self._with_residuals(rkme, numbers, allowed)
            candidates = [self._rkmes[number] for number in numbers]
            keys = [self._keys[number] for number in numbers]
        if not candidates:
            return [], np.empty(0), float("nan"), float("nan")
        same_frame(rkme, candidates[0])
        found = solve(
            gram_of(candidates), cross_of(rkme, candidates), rkme.squared_norm,
            floor=noise_floor(rkme), max_members=max_members,
        )
        return [keys[i] for i in found.members], found.weights, found.squared_mmd, found.gap

    def _count(self, allowed: Collection[Hashable] | None) -> list[int]:
        if allowed is None:
            return list(self._rkmes)
        return [self._numbers[key] for key in allowed if key in self._numbers]

    def _propose(self, vector: np.ndarray, most: int, allowed: Collection[Hashable] | None) -> list[int]:
        numbers = self._count(allowed)
        if len(numbers) <= most:
            return sorted(numbers)
        chosen = faiss.IDSelectorBatch(np.array(sorted(numbers), dtype=np.int64))
        _, ids = self._index.search(vector[None, :], most, params=faiss.SearchParameters(sel=chosen))
        return [int(number) for number in ids[0] if number >= 0]

    def _with_residuals(self, rkme: Rkme, numbers: list[int], allowed: Collection[Hashable] | None) -> list[int]:
        wanted = self._embedding.vector(rkme)
        pool = list(numbers)
        for _ in range(8):
            candidates = [self._rkmes[number] for number in pool]
            found = solve(gram_of(candidates), cross_of(rkme, candidates), rkme.squared_norm, floor=noise_floor(rkme), max_members=8)
            mixed = sum(w * self._embedding.vector(candidates[i]) for i, w in zip(found.members, found.weights, strict=True))
            # Far along the residual, the nearest vectors are those with the largest inner product with it.
            fresh = [n for n in self._propose(wanted + 10 * (wanted - mixed), 64, allowed) if n not in set(pool)]
            if not fresh:
                break
            pool += fresh
        return pool
