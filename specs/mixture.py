"""The sparse mixture of candidates that stands nearest to a requirement.

min over w >= 0, sum w = 1 of || mu_req - sum_i w_i mu_i ||^2, by fully corrective Frank-Wolfe (Jaggi, "Revisiting Frank-Wolfe", 2013): an
oracle proposes candidates along what is left over, their residual inner products are computed exactly, the three best join, and the weights of all
members are solved anew. The duality gap 2 (max_i <r, mu_i> - <r, mu_mix>), r = mu_req - mu_mix, bounds how much nearer any mixture can be.

Specifications have a free total mass, so weights that sum to 1 mix masses near 1; each mass is part of how near its specification stands to its
data, and normalising it would undo that (measured in docs/benchmarks/matching.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

from specs import kernels
from specs.checks import SpecError, whole
from specs.points import Block, PointStore
from specs.rkme import Rkme, same_frame

SHORTLIST = 256  # proposals that are scored exactly in each round
JOIN = 3
ROUNDS = 60
ASKED = 10  # times that the oracle is asked at most
STALLED = 0.02  # of the value: where what it showed gained less, it is not asked again
SWAPS = 5

BlockOf = Callable[[np.ndarray], Block]
Oracle = Callable[[np.ndarray, int], np.ndarray]
Approximate = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Mixture:
    """`members` index the candidates; `weights` (m,) sum to 1; `gap` >= squared_mmd - optimum (unbounded in members)."""

    members: tuple[int, ...]
    weights: np.ndarray
    squared_mmd: float
    gap: float


@dataclass(frozen=True)
class Found:
    """What the search ended with; `members` are numbers, heaviest first. `asked`: how often the oracle was;
    `is_gap_exact`: the gap was taken over every candidate."""

    members: tuple[int, ...]
    weights: np.ndarray
    squared_mmd: float
    gap: float
    asked: int
    is_gap_exact: bool

    @classmethod
    def nothing(cls) -> "Found":
        return cls((), np.empty(0), float("nan"), float("nan"), 0, True)


def mixture(requirement: Rkme, candidates: list[Rkme], *, max_members: int = 8) -> Mixture:
    """The best mixture of at most `max_members` of the candidates, which must share the requirement's space."""
    whole(max_members, "max_members", 1, 100)
    if not candidates:
        raise SpecError("no-candidates", "A mixture needs at least one candidate; got none.")
    for candidate in candidates:
        same_frame(requirement, candidate)
    store = PointStore(requirement.d, requirement.sigma)
    every = store.add(range(len(candidates)), candidates)
    found = frank_wolfe(requirement, store.block, lambda residual, most: every, None, max_members=max_members, everything=lambda: every)
    return Mixture(found.members, found.weights, found.squared_mmd, found.gap)


def noise_floor(requirement: Rkme) -> float:
    """A thousandth of the sampling variance (1 - |mu|^2) / n: gains below it fit the sample, not the task."""
    return 0.001 * max(0.0, 1.0 - requirement.squared_norm) / requirement.n


class Pool:
    """The members so far: their points, exact Gram matrix and inner products with the requirement."""

    def __init__(self, requirement: Rkme, block_of: BlockOf) -> None:
        self.requirement, self._block_of = requirement, block_of
        self.numbers = np.empty(0, np.int64)
        self.gram = np.empty((0, 0))
        self.cross = np.empty(0)

    def join(self, numbers: np.ndarray) -> None:
        fresh = numbers[~np.isin(numbers, self.numbers)]
        every = np.concatenate([self.numbers, fresh])
        block = self._block_of(every)
        had, m = len(self.numbers), len(every)
        gram = np.empty((m, m))
        gram[:had, :had] = self.gram
        ends = np.append(block.starts[1:], len(block.points))
        for j in range(had, m):
            part = slice(block.starts[j], ends[j])
            gram[j, :] = gram[:, j] = block.inner(block.points[part], block.weights[part], self.requirement.sigma, np.float64)
            gram[j, j] = block.norms[j]
        of_new = self._block_of(fresh)
        self.cross = np.concatenate([self.cross, of_new.inner(self.requirement.points, self.requirement.weights, self.requirement.sigma, np.float64)])
        self.numbers, self.gram = every, gram

    def keep(self, kept: np.ndarray) -> None:
        self.numbers, self.gram, self.cross = self.numbers[kept], self.gram[np.ix_(kept, kept)], self.cross[kept]

    def held(self) -> tuple[np.ndarray, ...]:
        """What `back_to` needs: the arrays are replaced, never written to."""
        return self.numbers, self.gram, self.cross

    def back_to(self, held: tuple[np.ndarray, ...]) -> None:
        self.numbers, self.gram, self.cross = held

    def solve(self) -> tuple[np.ndarray, float]:
        """The exact weights on the simplex and the squared MMD they reach."""
        w = simplex(self.gram, self.cross)
        return w, self.value(w)

    def value(self, w: np.ndarray) -> float:
        return float(self.requirement.squared_norm + w @ self.gram @ w - 2.0 * w @ self.cross)

    def residual(self, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """r = mu_req - sum_i w_i mu_i as points and signed weights."""
        if not len(self.numbers):
            return self.requirement.points, self.requirement.weights
        block = self._block_of(self.numbers)
        sizes = np.diff(np.append(block.starts, len(block.points)))
        return np.concatenate([self.requirement.points, block.points]), np.concatenate([self.requirement.weights, -np.repeat(w, sizes) * block.weights])


class Seen:
    """What the oracle has shown so far: exact inner products with the requirement, and with each member as it joins, every one computed once."""

    def __init__(self, requirement: Rkme, block_of: BlockOf) -> None:
        self._requirement, self._block_of = requirement, block_of
        self.numbers = np.empty(0, np.int64)
        self._place: set[int] = set()
        self._blocks: list[Block] = []
        self.cross = self.norms = np.empty(0)
        self._with: dict[int, np.ndarray] = {}  # member -> its inner products with all that was seen

    def add(self, numbers: np.ndarray) -> bool:
        """Whether anything of it is new."""
        fresh = np.array([n for n in numbers.tolist() if n not in self._place], dtype=np.int64)
        if not len(fresh):
            return False
        block, one = self._block_of(fresh), self._requirement
        self._place.update(fresh.tolist())
        self._blocks.append(block)
        self.numbers = np.concatenate([self.numbers, fresh])
        self.cross = np.concatenate([self.cross, block.inner(one.points, one.weights, one.sigma)])
        self.norms = np.concatenate([self.norms, block.norms])
        for member, known in self._with.items():
            self._with[member] = np.concatenate([known, self._inner(member, [block])])
        return True

    def scores(self, pool: Pool, w: np.ndarray) -> np.ndarray:
        """<mu_req - mu_mix, mu_i> for each that was seen."""
        out = self.cross.copy()
        for member, weight in zip(pool.numbers.tolist(), w, strict=True):
            if member not in self._with:
                self._with[member] = self._inner(member, self._blocks)
            out -= weight * self._with[member]
        return out

    def best(self, pool: Pool, w: np.ndarray, most: int) -> np.ndarray:
        """The numbers along which the distance falls fastest, members left out."""
        scores = self.scores(pool, w)
        base = float(w @ (pool.cross - pool.gram @ w))
        order = np.lexsort((self.numbers, -scores))[: most + len(pool.numbers)]
        return np.array([self.numbers[i] for i in order if scores[i] > base and self.numbers[i] not in pool.numbers][:most], dtype=np.int64)

    def _inner(self, member: int, blocks: list[Block]) -> np.ndarray:
        own = self._block_of(np.array([member]))
        return np.concatenate([block.inner(own.points, own.weights, self._requirement.sigma) for block in blocks])


class Search:
    """A mixture while it is sought: `w` (m,) are the weights of the pool's members, `value` the squared MMD that they reach, `asked` how often the oracle was."""

    def __init__(self, requirement: Rkme, block_of: BlockOf, oracle: Oracle, embedding: Any) -> None:
        self._requirement, self._block_of, self._oracle, self._embedding = requirement, block_of, oracle, embedding
        self._floor = noise_floor(requirement)
        self.pool, self.seen = Pool(requirement, block_of), Seen(requirement, block_of)
        self.w, self.value, self.asked = np.empty(0), np.inf, 0

    def grow(self) -> None:
        """Ask the oracle, which looks through the whole catalog, and use up what it shows before it is asked again; until that gains little."""
        while self.asked < ASKED:
            proposed, _ = self._ask()
            self.asked += 1
            if not self.seen.add(proposed):
                return
            begun = self.value
            if not len(self.pool.numbers):
                self._begin_with_the_nearest()
            self._use_up()
            if begun - self.value < max(STALLED * self.value, self._floor):
                return

    def limit(self, most: int) -> None:
        """Leave at most so many members; what then asks for others than before is answered by swaps."""
        if len(self.w) <= most:
            return
        self.w, self.value = _at_most(self.pool, self.w, most)
        for _ in range(SWAPS):
            before = self.value
            if not self._swap(most) or self.value > before * (1 - 1e-3):
                return

    def found(self, everything: Callable[[], np.ndarray] | None, approximate: Approximate | None) -> Found:
        """What the search ended with, its distance computed anew and its gap bounded."""
        pool, w, sigma = self.pool, self.w, self._requirement.sigma
        points, weights = pool.residual(w)
        base = float(w @ (pool.cross - pool.gram @ w))
        best = self._best_of_all(everything(), points, weights) if everything is not None else self._best_in_sight(points, weights, base, approximate)
        value = float(weights @ kernels.gaussian(points.astype(np.float64), points.astype(np.float64), sigma) @ weights)
        order = np.lexsort((pool.numbers, -w))
        # Rounding can leave a hair below 0, where the optimum is met.
        gap = max(0.0, 2.0 * (best - base))
        return Found(tuple(int(n) for n in pool.numbers[order]), w[order], max(0.0, value), gap, self.asked, everything is not None)

    def _ask(self) -> tuple[np.ndarray, np.ndarray]:
        """(what the oracle proposes for the residual, the residual's embedding)."""
        points, weights = self.pool.residual(self.w)
        vector = np.empty(0) if self._embedding is None else self._embedding.of_points(points, weights, np.array([len(points)]))[0]
        return self._oracle(vector, SHORTLIST), vector

    def _begin_with_the_nearest(self) -> None:
        # Nothing is mixed yet: the nearest single is where every mixture must start to be no worse than it.
        seen = self.seen
        self.pool.join(seen.numbers[np.lexsort((seen.numbers, seen.norms - 2.0 * seen.cross))[:1]])
        self.w, self.value = self.pool.solve()

    def _use_up(self) -> None:
        """Let the best of what was seen join, a few at a time, while that brings the mixture nearer."""
        idle = 0
        for _ in range(ROUNDS):
            best = self.seen.best(self.pool, self.w, JOIN)
            if not len(best):
                return
            before = self.pool.held()
            self.pool.join(best)
            tried, reached = self.pool.solve()
            if not reached < self.value:
                self.pool.back_to(before)
                return
            # One round may gain little and the next much: two in a row end it.
            idle = idle + 1 if self.value - reached < max(1e-3 * self.value, self._floor, 1e-15) else 0
            self.w, self.value = _drop_zeros(self.pool, tried)
            if idle == 2:
                return

    def _swap(self, most: int) -> bool:
        """Let the best of what is not in compete with the members (as in CoSaMP, Needell and Tropp, 2009); whether that brought the mixture nearer."""
        best = self.seen.best(self.pool, self.w, max(JOIN, most // 2))
        if not len(best):
            return False
        held, w_before, before = self.pool.held(), self.w, self.value
        self.pool.join(best)
        tried, _ = self.pool.solve()
        w, _ = _drop_zeros(self.pool, tried)
        self.w, self.value = _at_most(self.pool, w, most)
        if self.value < before:
            return True
        self.pool.back_to(held)
        self.w, self.value = w_before, before
        return False

    def _best_of_all(self, numbers: np.ndarray, points: np.ndarray, weights: np.ndarray) -> float:
        return float(self._block_of(numbers).inner(points, weights, self._requirement.sigma).max())

    def _best_in_sight(self, points: np.ndarray, weights: np.ndarray, base: float, approximate: Approximate | None) -> float:
        """The largest <r, mu_i> of what was seen and is proposed now, or what the oracle may have missed where that is larger."""
        numbers, vector = self._ask()
        scores = self._block_of(numbers).inner(points, weights, self._requirement.sigma)
        best = float(max(scores.max(initial=base), self.seen.scores(self.pool, self.w).max()))
        if approximate is None or len(scores) < 2:
            return best
        told = approximate(vector, numbers)
        error = scores - told
        return max(best, float(told.min() + error.mean() + 4.0 * error.std()))


def frank_wolfe(
    requirement: Rkme, block_of: BlockOf, oracle: Oracle, embedding: Any, *,
    max_members: int, everything: Callable[[], np.ndarray] | None, approximate: Approximate | None = None,
) -> Found:
    """The mixture by an oracle.

    `oracle(vector, most)` returns numbers whose inner product with a residual's embedding is largest (`embedding` None: it returns all and needs no
    vector); `block_of(numbers)` their points. `everything()` returns all candidates where they are few enough for an exact gap; else the gap counts in what
    the oracle may have missed: its last proposal's score plus four standard deviations of the error seen on the proposals (`approximate`).
    """
    search = Search(requirement, block_of, oracle, embedding)
    search.grow()
    if not len(search.pool.numbers):
        return Found.nothing()
    search.limit(max_members)
    return search.found(everything, approximate)


def _drop_zeros(pool: Pool, w: np.ndarray) -> tuple[np.ndarray, float]:
    kept = w > 1e-6
    if not kept.all():
        pool.keep(kept)
        w = w[kept] / w[kept].sum()
    return w, pool.value(w)


def _at_most(pool: Pool, w: np.ndarray, most: int) -> tuple[np.ndarray, float]:
    """Take members out until there are `most`, each time the one without which the others do best.

    With P = A^-1 - A^-1 11' A^-1 / (1' A^-1 1), taking out i costs w_i^2 / P_ii (Hassibi and Stork, "Second order derivatives for network pruning", 1993).
    """
    while len(w) > most:
        A = pool.gram + 1e-7 * np.trace(pool.gram) / len(w) * np.eye(len(w))
        inverse = np.linalg.inv(A)
        ones = inverse.sum(axis=1)
        cost = w**2 / np.maximum(np.diag(inverse) - ones**2 / ones.sum(), 1e-300)
        out = int(np.lexsort((pool.numbers, cost))[0])
        pool.keep(np.arange(len(w)) != out)
        w, _ = pool.solve()
        w, _ = _drop_zeros(pool, w)
    return w, pool.value(w)


def simplex(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    """argmin w'Aw - 2 b'w over w >= 0, sum w = 1; A (m, m) positive semi-definite.

    Non-negative least squares with the sum as one heavy row (Lawson and Hanson, ch. 23), then normalised.
    """
    m = len(b)
    if m == 1:
        return np.ones(1)
    # Twins make A singular; a shift above the rounding of its entries keeps the factor real.
    L = np.linalg.cholesky(A + 1e-9 * np.trace(A) * np.eye(m))
    heavy = 1e3 * max(1.0, float(np.sqrt(np.trace(A))))
    w = nnls(np.vstack([L.T, np.full(m, heavy)]), np.append(np.linalg.solve(L, b), heavy), maxiter=50 * m)[0]
    return w / w.sum()
