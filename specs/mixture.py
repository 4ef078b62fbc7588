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

    def __init__(self, requirement: Rkme, block_of: Callable[[np.ndarray], Block]) -> None:
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

    def __init__(self, requirement: Rkme, block_of: Callable[[np.ndarray], Block]) -> None:
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


def frank_wolfe(
    requirement: Rkme, block_of: Callable[[np.ndarray], Block], oracle: Callable[[np.ndarray, int], np.ndarray], embedding: Any, *,
    max_members: int, everything: Callable[[], np.ndarray] | None, approximate: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> Found:
    """The mixture by an oracle.

    `oracle(vector, most)` returns numbers whose inner product with a residual's embedding is largest (`embedding` None: it returns all and needs no
    vector); `block_of(numbers)` their points. `everything()` returns all candidates where they are few enough for an exact gap; else the gap counts in what
    the oracle may have missed: its last proposal's score plus four standard deviations of the error seen on the proposals (`approximate`).
    """
    sigma, floor = requirement.sigma, noise_floor(requirement)
    pool, seen = Pool(requirement, block_of), Seen(requirement, block_of)

    def ask() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        points, weights = pool.residual(w)
        vector = np.empty(0) if embedding is None else embedding.of_points(points, weights, np.array([len(points)]))[0]
        return oracle(vector, SHORTLIST), vector, points, weights

    w, value, asked = np.empty(0), np.inf, 0
    while asked < ASKED:
        # The oracle looks through the whole catalog; what it shows is used up before it is asked again.
        proposed, *_ = ask()
        asked += 1
        if not seen.add(proposed):
            break
        begun, idle = value, 0
        if not len(pool.numbers):
            # Nothing is mixed yet: the nearest single is where every mixture must start to be no worse than it.
            pool.join(seen.numbers[np.lexsort((seen.numbers, seen.norms - 2.0 * seen.cross))[:1]])
            w, value = pool.solve()
        for _ in range(ROUNDS):
            best = seen.best(pool, w, JOIN)
            if not len(best):
                break
            before = pool.numbers, pool.gram, pool.cross
            pool.join(best)
            tried, reached = pool.solve()
            if not reached < value:
                pool.numbers, pool.gram, pool.cross = before
                break
            # One round may gain little and the next much: two in a row end it.
            idle = idle + 1 if value - reached < max(1e-3 * value, floor, 1e-15) else 0
            w, value = _drop_zeros(pool, tried)
            if idle == 2:
                break
        if begun - value < max(STALLED * value, floor):
            break
    if not len(pool.numbers):
        return Found.nothing()
    if len(w) > max_members:
        w, value = _at_most(pool, w, max_members)
        for _ in range(SWAPS):
            # What is left over now asks for others than before: let the best of them compete with the members (as in CoSaMP, Needell and Tropp, 2009).
            before = pool.numbers, pool.gram, pool.cross, w, value
            best = seen.best(pool, w, max(JOIN, max_members // 2))
            if not len(best):
                break
            pool.join(best)
            tried, _ = pool.solve()
            w, _ = _drop_zeros(pool, tried)
            w, value = _at_most(pool, w, max_members)
            if value >= before[-1]:
                pool.numbers, pool.gram, pool.cross, w, value = before
                break
            if value > before[-1] * (1 - 1e-3):
                break
    points, weights = pool.residual(w)
    base = float(w @ (pool.cross - pool.gram @ w))
    if everything is not None:
        best = float(block_of(everything()).inner(points, weights, sigma).max())
    else:
        numbers, vector, *_ = ask()
        scores = block_of(numbers).inner(points, weights, sigma)
        best = float(max(scores.max(initial=base), seen.scores(pool, w).max()))
        if approximate is not None and len(scores) > 1:
            told = approximate(vector, numbers)
            error = scores - told
            best = max(best, float(told.min() + error.mean() + 4.0 * error.std()))
    order = np.lexsort((pool.numbers, -w))
    value = float(weights @ kernels.gaussian(points.astype(np.float64), points.astype(np.float64), sigma) @ weights)
    # Rounding can leave a hair below 0, where the optimum is met.
    gap = max(0.0, 2.0 * (best - base))
    return Found(tuple(int(n) for n in pool.numbers[order]), w[order], max(0.0, value), gap, asked, everything is not None)


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
