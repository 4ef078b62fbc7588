"""The sparse mixture of candidates that stands nearest to a requirement.

min over w >= 0, sum w = 1 of || mu_req - sum_i w_i mu_i ||^2, by fully corrective Frank-Wolfe (Jaggi,
"Revisiting Frank-Wolfe", 2013): the oracle picks the candidate with the largest residual inner product, then the
weights of the active set are solved exactly. The duality gap bounds how far from the optimum the answer can be.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from specs import kernels
from specs.checks import SpecError, whole
from specs.rkme import Rkme, inner, same_frame


ROUNDS = 8


@dataclass(frozen=True)
class Mixture:
    """`members` index the candidates; `weights` (m,) sum to 1; `gap` >= squared_mmd - optimum (unbounded in members)."""

    members: tuple[int, ...]
    weights: np.ndarray
    squared_mmd: float
    gap: float


def mixture(requirement: Rkme, candidates: list[Rkme], *, max_members: int = 8) -> Mixture:
    """The best mixture of at most `max_members` of the candidates, which must share the requirement's space."""
    whole(max_members, "max_members", 1, 100)
    if not candidates:
        raise SpecError("no-candidates", "A mixture needs at least one candidate; got none.")
    for candidate in candidates:
        same_frame(requirement, candidate)
    gram, cross = gram_of(candidates), cross_of(requirement, candidates)
    return solve(gram, cross, requirement.squared_norm, floor=noise_floor(requirement), max_members=max_members)


def gram_of(candidates: list[Rkme]) -> np.ndarray:
    """<mu_i, mu_j> between all candidates; (m, m)."""
    Z = np.concatenate([c.points for c in candidates]).astype(np.float64)
    w = np.concatenate([c.weights for c in candidates])
    starts = np.concatenate([[0], np.cumsum([c.size for c in candidates])[:-1]])
    gram = np.empty((len(candidates), len(candidates)))
    for i, c in enumerate(candidates):
        row = (c.weights @ kernels.gaussian(c.points.astype(np.float64), Z, c.sigma)) * w
        gram[i] = np.add.reduceat(row, starts)
    return (gram + gram.T) / 2


def cross_of(requirement: Rkme, candidates: list[Rkme]) -> np.ndarray:
    """<mu_req, mu_i> for each candidate; (m,)."""
    return np.array([inner(requirement, c) for c in candidates])


def noise_floor(requirement: Rkme) -> float:
    """Half a percent of the sampling variance (1 - |mu|^2) / n: gains below it fit the sample, not the task."""
    return 0.005 * max(0.0, 1.0 - requirement.squared_norm) / requirement.n


def solve(gram: np.ndarray, cross: np.ndarray, norm: float, *, floor: float, max_members: int) -> Mixture:
    """Frank-Wolfe on a Gram matrix (m, m), cross products (m,) and the requirement's squared norm."""
    single = np.diag(gram) - 2 * cross
    active, w = [int(np.argmin(single))], np.ones(1)
    value = norm + single[active[0]]
    for _ in range(ROUNDS * max_members):  # each round brings the value down by more than the floor; rounding must not make it run on
        residual = cross - gram[:, active] @ w  # <mu_req - mu_mix, mu_i>
        gap = 2 * (residual.max() - w @ residual[active])
        best = int(np.argmax(residual))
        if len(active) >= max_members or best in active or gap <= 0:
            break
        tried = [*active, best]
        weights = simplex(gram[np.ix_(tried, tried)], cross[tried])
        reached = norm + weights @ gram[np.ix_(tried, tried)] @ weights - 2 * weights @ cross[tried]
        if value - reached <= max(1e-3 * value, floor, 1e-15):
            break
        kept = weights > 1e-6
        active, w, value = [i for i, k in zip(tried, kept, strict=True) if k], weights[kept] / weights[kept].sum(), reached
    order = np.argsort(-w, kind="stable")
    return Mixture(tuple(active[i] for i in order), w[order], float(max(0.0, value)), float(max(0.0, gap)))


def simplex(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    """argmin w'Aw - 2 b'w over w >= 0, sum w = 1; A (m, m) positive semi-definite.

    Non-negative least squares with the sum as one heavy row (Lawson and Hanson, ch. 23), then normalised.
    """
    m = len(b)
    L = np.linalg.cholesky(A + 1e-10 * np.trace(A) / m * np.eye(m))
    heavy = 1e3 * max(1.0, float(np.sqrt(np.trace(A))))
    w = nnls(np.vstack([L.T, np.full(m, heavy)]), np.append(np.linalg.solve(L, b), heavy))[0]
    return w / w.sum()
