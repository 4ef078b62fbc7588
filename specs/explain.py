"""Why a match is good or bad: how much of the requirement is covered, and which columns differ."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from specs import kernels
from specs.rkme import Rkme, same_frame
from specs.space import Space

NEWTON_MOST = 100  # features; a step solves for as many unknowns
SEEN = 0.3  # of the requirement's own density: where a candidate has that, it has seen such data
RIDGE = 1.5  # over the smaller number of rows. Halves of one table then cover each other to 94 % and more (docs/benchmarks/matching.md)


@dataclass(frozen=True)
class ColumnDifference:
    """One column's squared MMD between the two marginals, its share of their sum, and what each side holds in raw units."""

    column: str
    squared_mmd: float
    share: float
    requirement: dict[str, Any]
    other: dict[str, Any]


def coverage(requirement: Rkme, candidates: list[Rkme], weights: np.ndarray | None = None) -> float:
    """The share of the requirement's mass that lies where a candidate has seen data; in [0, 1].

    sum_k v_k min(1, mu(z_k) / mu_req(z_k), r(z_k) / SEEN) over the requirement's points z_k with shares v_k. The first ratio is of kernel densities: it sees
    clusters that are missing. The second is the density ratio by the border between the two clouds (a logistic model): it sees single columns, which among
    many the kernel does not. With `weights` (sum 1) the candidates are one cloud, the mixture; without, each stands for itself and the best counts at
    each point. Coverage by itself is 1.
    """
    return float(requirement.distribution @ seen(requirement, candidates, weights)) if candidates else 0.0


def seen(requirement: Rkme, candidates: list[Rkme], weights: np.ndarray | None = None) -> np.ndarray:
    """`coverage` point by point: of each of the requirement's points how far the candidates have seen such data; (K,) in [0, 1]."""
    for candidate in candidates:
        same_frame(requirement, candidate)
    if weights is not None:
        w = np.asarray(weights, dtype=np.float64)
        used = [(share, candidate) for share, candidate in zip(w / w.sum(), candidates, strict=True) if share > 0]
        cloud = np.concatenate([candidate.points for _, candidate in used]), np.concatenate([share * candidate.distribution for share, candidate in used])
        return _seen(requirement, *cloud, sum(candidate.n for _, candidate in used))
    return np.stack([_seen(requirement, one.points, one.distribution, one.n) for one in candidates]).max(axis=0)


def _seen(requirement: Rkme, points: np.ndarray, shares: np.ndarray, n: int) -> np.ndarray:
    """Each of the requirement's points: 1 where the cloud has seen such data, less the less it has; (K,)."""
    Z = requirement.points.astype(np.float64)
    density = kernels.gaussian(Z, points.astype(np.float64), requirement.sigma) @ shares
    return np.minimum(np.minimum(1.0, density / np.maximum(requirement.at_points, 1e-300)), np.minimum(1.0, border(requirement, points, shares, n) / SEEN))


def border(requirement: Rkme, points: np.ndarray, shares: np.ndarray, n: int) -> np.ndarray:
    """p(z) / p_req(z) at the requirement's points by a ridge logistic model on coordinates and their squares; (K,).

    Sugiyama et al., "Density Ratio Estimation in Machine Learning", 2012, ch. 4. The penalty falls with the rows of the smaller side.
    """
    X = np.concatenate([requirement.points, points]).astype(np.float64)
    p = 0.5 * np.concatenate([requirement.distribution, shares])
    is_other = np.concatenate([np.zeros(requirement.size), np.ones(len(points))])
    mean = p @ X
    spread = np.sqrt(p @ (X - mean) ** 2)
    varies = spread > 1e-6 * max(float(np.abs(X).max(initial=0.0)), 1e-12)
    F = (X[:, varies] - mean[varies]) / spread[varies]
    # Squares see a cloud within a wider one; they are cut, so that a single far point does not bend the border.
    F = np.concatenate([F, np.clip(F**2 - 1, -3, 8)], axis=1)
    ridge = RIDGE / max(min(requirement.n, n), 10)

    theta = _logistic(F, is_other, p, ridge)
    return np.exp(np.clip(F[: requirement.size] @ theta[1:] + theta[0], -50, 50))


def _logistic(F: np.ndarray, y: np.ndarray, p: np.ndarray, ridge: float) -> np.ndarray:
    """(intercept, coefficients) of least sum_i p_i log(1 + exp(z_i)) - p_i y_i z_i + ridge |coefficients|^2, z = F coefficients + intercept.

    Few features: Newton's steps, halved where one would not go down; a fifth of the time of L-BFGS, whose steps cost more than their arithmetic.
    """

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        z = F @ theta[1:] + theta[0]
        wrong = p * (expit(z) - y)
        return float(p @ (np.logaddexp(0, z) - y * z) + ridge * theta[1:] @ theta[1:]), np.concatenate([[wrong.sum()], wrong @ F + 2 * ridge * theta[1:]])

    theta = np.zeros(F.shape[1] + 1)
    if F.shape[1] > NEWTON_MOST:
        return minimize(loss, theta, jac=True, method="L-BFGS-B", options={"maxiter": 60}).x
    A = np.concatenate([np.ones((len(F), 1)), F], axis=1)
    penalty = np.diag(np.concatenate([[1e-12], np.full(F.shape[1], 2 * ridge)]))
    value, slope = loss(theta)
    for _ in range(30):
        share = expit(A @ theta)
        step = np.linalg.solve(A.T @ (A * (p * share * (1 - share))[:, None]) + penalty, slope)
        if slope @ step < 1e-10:  # Newton's decrement: twice what is left to gain
            break
        size = 1.0
        while (found := loss(theta - size * step))[0] > value - 1e-4 * size * (slope @ step) and size > 1e-6:
            size /= 2
        theta = theta - size * step
        value, slope = found
    return theta


def explain(requirement: Rkme, other: Rkme, space: Space) -> list[ColumnDifference]:
    """Each column's part in the difference, largest first.

    The squared MMD of the marginals over that column's coordinates, under the space's kernel shrunk to their
    number (sigma * sqrt(width / d)); both sides normalised to mass 1. Their mean is the squared MMD under the additive kernel
    (1/m) sum_j k_j, so the parts sum up to all that columns show one by one; how columns hang together is beyond it.
    """
    same_frame(requirement, other)
    a, b = requirement.points.astype(np.float64), other.points.astype(np.float64)
    v, w = requirement.distribution, other.distribution
    found = []
    for column, (name, where) in zip(space.columns, space.coordinates(), strict=True):
        sigma = space.sigma * np.sqrt(column.width / space.d)
        A, B = a[:, where], b[:, where]
        if column.width == 1 and len(A) + len(B) >= kernels.ON_A_LINE:
            squared = kernels.on_a_line(np.concatenate([A[:, 0], B[:, 0]]), np.concatenate([v, -w]), sigma)
        else:
            squared = requirement.marginal_squared_norm(where, sigma) - 2 * v @ kernels.gaussian(A, B, sigma) @ w + other.marginal_squared_norm(where, sigma)
        found.append((name, float(max(0.0, squared)), _summary(column, A, v), _summary(column, B, w)))
    total = sum(squared for _, squared, *_ in found) or 1.0
    parts = [ColumnDifference(name, squared, squared / total, ours, theirs) for name, squared, ours, theirs in found]
    return sorted(parts, key=lambda difference: -difference.squared_mmd)


def _summary(column: Any, Z: np.ndarray, w: np.ndarray) -> dict[str, Any]:
    if column.type == "categorical":
        shares = np.clip(w @ Z * np.sqrt(2.0), 0.0, 1.0)
        top = np.argsort(-shares, kind="stable")[:5]
        return {"levels": {column.levels[i]: round(float(shares[i]), 4) for i in top}}
    x = Z[:, 0] * column.scale + column.location
    mean = float(w @ x)
    return {"mean": mean, "sd": float(np.sqrt(w @ (x - mean) ** 2)), "low": float(x.min()), "high": float(x.max())}
