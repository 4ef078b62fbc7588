"""What a specification gives away, and one that provably gives away little.

A reduced specification holds no rows, but its points lean on them. `exposure` measures how close; `release` makes a specification
that is (epsilon, delta)-differentially private.
"""

import math
import secrets
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import log_ndtr, ndtr

from specs import kernels
from specs.checks import SpecError, positive, whole
from specs.rkme import MAX_MASS, Rkme
from specs.rows import gather, typical_gap
from specs.rows import of as rows_of

ENOUGH_ROWS = 100  # rows a point: from there on a membership attack is near guessing (docs/benchmarks/matching.md)
LOOKED_AT = 20_000
COPY = 0.01  # of a typical gap: nearer than this a point repeats a row
FEATURES = 512
REACH = 6.0  # in scales of a space: where points of a private specification may lie


@dataclass(frozen=True)
class Exposure:
    """`gap`: median distance from a point to its nearest row, over the rows' own typical nearest-neighbour distance (1: as far as rows are from
    one another). `copies`: the share of points that repeat a row. `smallest`: the fewest rows that a point stands for. `warnings`: in words."""

    rows: int
    points: int
    rows_a_point: float
    gap: float
    copies: float
    smallest: float
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"warnings": list(self.warnings)}


def exposure(rkme: Rkme, X: Any, *, seed: int = 0) -> Exposure:
    """Hold a specification's points against the rows X (n, d) that it was made from (at most 20,000 of them are looked at)."""
    rng = np.random.default_rng(seed)
    sample = gather(rows_of(X), LOOKED_AT, rng)
    rows = sample.rows.astype(np.float64)
    if rows.shape[1] != rkme.d:
        raise SpecError("wrong-width", f"X must have the specification's {rkme.d} coordinates; got {rows.shape[1]}.")
    nearest = np.sqrt(np.concatenate([kernels.squared_distances(Z, rows).min(axis=1) for Z in np.array_split(rkme.points.astype(np.float64), 1 + rkme.size // 200)]))
    typical = typical_gap(rows, rng)
    share = rkme.n / rkme.size
    copies = float((nearest <= COPY * typical).mean()) if typical > 0 else float((nearest <= 1e-9).mean())
    smallest = float(rkme.weights.min() * rkme.n)
    warnings = []
    if share < ENOUGH_ROWS:
        warnings.append(f"{share:.0f} rows a point; from {ENOUGH_ROWS} on it is hard to tell whether a known row was among them. Take at most {max(1, rkme.n // ENOUGH_ROWS)} points.")
    if copies > 0:
        warnings.append(f"{copies:.0%} of the points lie on a row. Rows that repeat many times are shown so; add noise if they must not be.")
    if smallest < 5:
        warnings.append(f"A point stands for {smallest:.1f} rows only. Bring more rows, or take fewer points.")
    return Exposure(rkme.n, rkme.size, share, float(np.median(nearest) / typical) if typical > 0 else 0.0, copies, smallest, tuple(warnings))


def noise_scale(epsilon: float, delta: float, sensitivity: float) -> float:
    """The least standard deviation at which Gaussian noise makes a release of this L2 sensitivity (epsilon, delta)-private.

    The analytic Gaussian mechanism (Balle and Wang, "Improving the Gaussian Mechanism", 2018, theorem 8), exact for every epsilon > 0:
        delta(s) = Phi(D/(2s) - epsilon s/D) - e^epsilon Phi(-D/(2s) - epsilon s/D),   D the sensitivity,
    falls with s; the s at which it is `delta` is returned (from above).
    """
    epsilon = positive(epsilon, "epsilon")
    if isinstance(delta, bool) or not isinstance(delta, float) or not 0 < delta < 0.5:
        raise SpecError("wrong-number", f"delta must lie between 0 and 0.5, far below 1/n; got {delta!r}.")
    low, high = 1e-12, 1.0
    while leaked(high, epsilon) > delta:
        high *= 2
    while leaked(low, epsilon) <= delta:
        low /= 2
    return brentq(lambda s: leaked(s, epsilon) - delta, low, high, xtol=1e-15, rtol=1e-12) * (1 + 1e-9) * sensitivity


def leaked(s: float, epsilon: float) -> float:
    """delta of Gaussian noise of standard deviation s at sensitivity 1 and this epsilon (Balle and Wang, theorem 8)."""
    return float(ndtr(0.5 / s - epsilon * s) - math.exp(min(700.0, epsilon + log_ndtr(-0.5 / s - epsilon * s))))


def release(X: Any, *, sigma: float, epsilon: float, delta: float, points: int = 50, seed: int | None = None) -> Rkme:
    """An (epsilon, delta)-differentially private specification of X (n, d), which stands in a space (columns about centre 0 and scale 1).

    Accounting. Two tables are neighbours when one row is exchanged for another; n is public. Each row becomes phi(x) = D^(-1/2) [cos(Wx), sin(Wx)],
    random features of the Gaussian kernel (D = 512, W drawn from `sigma` and d alone, never from X), of length exactly 1. The mean
        m = (1/n) sum_i phi(x_i)
    changes by at most 2/n in Euclidean length when one row is exchanged, whatever the rows are: nothing is clipped and no column's range is
    read from the data. m is released once, with Gaussian noise of standard deviation `noise_scale(epsilon, delta, 2/n)` on each of its 2D
    coordinates, and X is not looked at again. Points and weights are fitted to the noisy mean from random starts: post-processing, which
    costs nothing. Its one query spends the whole (epsilon, delta); a second release of the same rows spends it again, and the sums add up.

    Not covered: the space itself (its locations, scales and levels were published by its founder), n, and the rounding of floating-point
    noise (Mironov, 2012). `seed` fixes the noise and is for tests: whoever knows it can take the noise off; left out, the system's secret chance is used.
    The squared MMD to the data is about (what K points can not tell) + (noise)^2: from some 10,000 rows on it is 3e-3 to 5e-3 at epsilon 0.5 to 4.
    `fit` is not given: it would be a second query.
    """
    sigma = positive(sigma, "sigma")
    K = whole(points, "points", 1, 1_000)
    rows = rows_of(X)
    chance = np.random.default_rng(secrets.randbits(128) if seed is None else whole(seed, "seed", 0, 2**32 - 1))
    total, n, W = None, 0, np.empty(0)
    for x, _ in rows.chunks():
        if total is None:
            d = x.shape[1]
            W = (np.random.default_rng([d, 20261124]).standard_normal((d, FEATURES)) / sigma).astype(np.float64)
            total = np.zeros(2 * FEATURES)
        for part in kernels.chunks(len(x), FEATURES):
            total += _features(x[part].astype(np.float64), W).sum(axis=0)
        n += len(x)
    if n < 2:
        raise SpecError("too-few-rows", f"A private release needs at least 2 rows (10,000 to be of use); got {n}.")
    noisy = total / n + noise_scale(epsilon, delta, 2.0 / n) * chance.standard_normal(2 * FEATURES)
    Z, w = _points_for(noisy, W, K, np.random.default_rng(0))
    generator = {"name": "moorage-dp", "version": "1", "epsilon": float(epsilon), "delta": float(delta), "points": int(points), "features": FEATURES}
    return Rkme(points=Z, weights=w, sigma=sigma, n=n, generator=generator)


def _features(Z: np.ndarray, W: np.ndarray) -> np.ndarray:
    angles = Z @ W
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / math.sqrt(W.shape[1])


def _points_for(mean: np.ndarray, W: np.ndarray, K: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points in the box of REACH scales and weights whose features come nearest to `mean`; three random starts, the best kept."""
    d, D = W.shape
    best = None
    for _ in range(3):
        def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
            Z, root = theta[: K * d].reshape(K, d), theta[K * d :]
            w = root**2
            angles = Z @ W
            C, S = np.cos(angles) / math.sqrt(D), np.sin(angles) / math.sqrt(D)
            off = np.concatenate([w @ C, w @ S]) - mean
            along = C @ off[:D] + S @ off[D:]
            turned = (-S * off[:D] + C * off[D:]) @ W.T
            return 1e3 * float(off @ off), 1e3 * np.concatenate([(2 * w[:, None] * turned).ravel(), 4 * along * root])

        begin = np.concatenate([rng.standard_normal(K * d), np.full(K, math.sqrt(1 / K))])
        bounds = [(-REACH, REACH)] * (K * d) + [(0, 1.5)] * K
        found = minimize(objective, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 150})
        if best is None or found.fun < best.fun:
            best = found
    Z, w = best.x[: K * d].reshape(K, d), best.x[K * d :] ** 2
    keep = w > 1e-6
    if not keep.any():
        raise SpecError("all-noise", "At this epsilon the noise leaves nothing of so few rows.", "Bring more rows, or a larger epsilon.")
    Z, w = Z[keep], w[keep]
    return Z.astype(np.float32), w * min(1.0, MAX_MASS / w.sum() * (1 - 1e-9))
