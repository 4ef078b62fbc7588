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
    """What the search ended with; `members` are numbers, heaviest first. `is_gap_exact`: the gap was taken over every candidate."""

    members: tuple[int, ...]
    weights: np.ndarray
    squared_mmd: float
    gap: float
    rounds: int
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

    def propose(points: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        vector = np.empty(0) if embedding is None else embedding.of_points(points, weights, np.array([len(points)]))[0]
        numbers = oracle(vector, SHORTLIST)
        return numbers, block_of(numbers).inner(points, weights, sigma), vector

    pool, w, value = Pool(requirement, block_of), np.empty(0), np.inf
    rounds = idle = 0
    for rounds in range(1, ROUNDS + 1):
        points, weights = pool.residual(w)
        numbers, scores, _ = propose(points, weights)
        if not len(numbers):
            break
        if rounds == 1:
            # Nothing is mixed yet: the nearest single is where every mixture must start to be no worse than it.
            nearest = block_of(numbers).norms - 2.0 * scores
            joining = numbers[np.lexsort((numbers, nearest))[:1]]
        else:
            base = float(w @ (pool.cross - pool.gram @ w))
            order = np.lexsort((numbers, -scores))
            joining = np.array([numbers[i] for i in order if scores[i] > base and numbers[i] not in pool.numbers][:JOIN], dtype=np.int64)
        if not len(joining):
            break
        before = pool.numbers, pool.gram, pool.cross
        pool.join(joining)
        tried, reached = pool.solve()
        if not reached < value:
            pool.numbers, pool.gram, pool.cross = before
            break
        # One round may gain little and the next much: two in a row end it.
        idle = idle + 1 if np.isfinite(value) and value - reached < max(1e-3 * value, floor, 1e-15) else 0
        w, value = _drop_zeros(pool, tried)
        if idle == 2:
            break
    if not len(pool.numbers):
        return Found.nothing()
    if len(w) > max_members:
        w, value = _at_most(pool, w, max_members)
        for _ in range(SWAPS):
            # What is left over now asks for others than before: let the best of them compete with the members (as in CoSaMP, Needell and Tropp, 2009).
            before = pool.numbers, pool.gram, pool.cross, w, value
            numbers, scores, _ = propose(*pool.residual(w))
            order = np.lexsort((numbers, -scores))
            joining = np.array([numbers[i] for i in order if numbers[i] not in pool.numbers][: max(JOIN, max_members // 2)], dtype=np.int64)
            if not len(joining):
                break
            pool.join(joining)
            tried, _ = pool.solve()
            w, _ = _drop_zeros(pool, tried)
            w, value = _at_most(pool, w, max_members)
            if not value < before[-1] * (1 - 1e-3):
                if value >= before[-1]:
                    pool.numbers, pool.gram, pool.cross, w, value = before
                break
    points, weights = pool.residual(w)
    base = float(w @ (pool.cross - pool.gram @ w))
    if everything is not None:
        best = float(block_of(everything()).inner(points, weights, sigma).max())
    else:
        numbers, scores, vector = propose(points, weights)
        best = float(scores.max()) if len(scores) else base
        if approximate is not None and len(scores) > 1:
            seen = approximate(vector, numbers)
            error = scores - seen
            best = max(best, float(seen.min() + error.mean() + 4.0 * error.std()))
    order = np.lexsort((pool.numbers, -w))
    value = float(weights @ kernels.gaussian(points.astype(np.float64), points.astype(np.float64), sigma) @ weights)
    # Rounding can leave a hair below 0, where the optimum is met.
    gap = max(0.0, 2.0 * (best - base))
    return Found(tuple(int(n) for n in pool.numbers[order]), w[order], max(0.0, value), gap, rounds, everything is not None)


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
