"""From many rows to a few weighted points.

k-means start, then L-BFGS jointly on points and positive weights of free mass against the exact mean embedding
of a subsample, then the weights again, exactly, against all rows. Minimises
    || sum_k w_k k(z_k, .) - (1/n) sum_i k(x_i, .) ||^2.
Wu et al., arXiv:2001.07135, fix the mass to 1 and all but fix the points; freeing both brings the squared MMD
down by one to two orders of magnitude at the same number of points (docs/benchmarks/reduce.md).
"""

import numpy as np
from scipy.optimize import minimize, nnls

from specs import kernels
from specs.checks import SpecError, matrix, positive, whole
from specs.rkme import MAX_MASS, Rkme

VERSION = "1"
MIN_MASS_ROWS = 5
TARGET_ROWS = 10_000
NORM_ROWS = 4_000
STEPS = 50
SCALE = 1e3  # L-BFGS stops on absolute changes; MMD^2 near 1e-5 needs a larger yardstick


def reduce(X: np.ndarray, *, sigma: float, points: int = 100, seed: int = 0) -> Rkme:
    """Reduce X (n, d) to at most `points` weighted points under a Gaussian kernel of bandwidth `sigma`.

    Returns an Rkme with float32 points, weights >= 0 of free mass, n, and `fit`, the squared MMD to X (exact up to
    4,000 rows, by a seeded subsample of the pairs beyond). Where n allows it (n >= 10 * points), a point that stands
    for fewer than 5 rows is dropped: it would tell about single people. With few rows there are at most n // 2 points, so that
    points can not simply repeat rows. The same X, points and seed give the same bytes.
    Raises SpecError for input that is not a finite (n, d) array.
    """
    X = matrix(X)
    sigma = positive(sigma, "sigma")
    K = whole(points, "points", 1, 5_000)
    generator = {"name": "moorage-v", "version": VERSION, "seed": whole(seed, "seed", 0, 2**32 - 1), "points": K}
    rng = np.random.default_rng(seed)
    n = len(X)
    K = min(K, max(1, n // 2))
    X32 = X.astype(np.float32)
    target = X32 if n <= TARGET_ROWS else X32[np.sort(rng.choice(n, TARGET_ROWS, replace=False))]
    Z, shares = kmeans(X32 if n <= 100 * K else X32[np.sort(rng.choice(n, 100 * K, replace=False))], K, rng)
    Z = refine(target, Z, shares, sigma)
    Z, w = solve_weights(X32, Z, sigma)
    if n >= 10 * K:
        keep = w * n >= MIN_MASS_ROWS
        if keep.any() and not keep.all():
            Z, w = solve_weights(X32, Z[keep], sigma)
    fit = _fit(X32, Z, w, sigma, rng)
    return Rkme(points=Z, weights=w, sigma=sigma, n=n, fit=fit, generator=generator)


def kmeans(X: np.ndarray, K: int, rng: np.random.Generator, rounds: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Lloyd's algorithm from random distinct rows; X (n, d) float32. Returns centres (K', d) and their shares (K',)."""
    distinct = np.unique(X, axis=0) if len(X) <= 20_000 else X
    Z = distinct[np.sort(rng.choice(len(distinct), min(K, len(distinct)), replace=False))].copy()
    counts = np.ones(len(Z))
    for _ in range(rounds):
        labels = np.empty(len(X), dtype=np.int64)
        half = 0.5 * np.einsum("kd,kd->k", Z, Z)
        for rows in kernels.chunks(len(X), len(Z)):
            labels[rows] = np.argmax(X[rows] @ Z.T - half, axis=1)
        counts = np.bincount(labels, minlength=len(Z)).astype(float)
        order = np.argsort(labels, kind="stable")
        filled = np.flatnonzero(counts)
        starts = np.concatenate([[0], np.cumsum(counts[filled].astype(int))[:-1]])
        Z[filled] = np.add.reduceat(X[order], starts, axis=0) / counts[filled, None]
    filled = counts > 0
    return Z[filled], counts[filled] / counts.sum()


def refine(target: np.ndarray, Z: np.ndarray, shares: np.ndarray, sigma: float, steps: int = STEPS) -> np.ndarray:
    """Move points (K, d) and weights together to lower the MMD to `target` (m, d); returns points (K, d) float32.

    Weights are squares of free numbers, so they stay positive and their mass is free. Kernels in float32,
    sums in float64.
    """
    K, d = Z.shape
    centre = target.mean(axis=0, dtype=np.float64).astype(np.float32)
    T = target - centre
    squares = np.einsum("md,md->m", T, T)
    gamma = np.float32(0.5 / sigma**2)
    # The objective curves by 4 gamma w^2 along a point and by 8 w along a root: without one measure for both,
    # L-BFGS spends its steps on the weights and leaves the points at k-means.
    stretch = float(np.sqrt(2.0 * K / gamma))

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        Z = (stretch * theta[: K * d].reshape(K, d)).astype(np.float32)
        root = theta[K * d :]
        w = root**2
        w32 = w.astype(np.float32)
        A = kernels.gaussian(Z, Z, sigma)
        C = Z @ T.T
        C *= np.float32(2)
        C -= squares[None, :]
        C -= np.einsum("kd,kd->k", Z, Z)[:, None]
        C *= gamma
        np.minimum(C, 0, out=C)
        np.exp(C, out=C)
        c = C.mean(axis=1, dtype=np.float64)
        Aw = A.astype(np.float64) @ w
        value = w @ Aw - 2.0 * w @ c
        # d/dz_k: -(2 gamma) * 2 w_k [ sum_j w_j A_kj (z_k - z_j) - mean_i C_ki (z_k - x_i) ]
        self_pull = Z * (A @ w32)[:, None] - A @ (w32[:, None] * Z)
        data_pull = Z * c.astype(np.float32)[:, None] - (C @ T) / np.float32(len(T))
        gZ = (-4.0 * float(gamma)) * w[:, None] * (self_pull.astype(np.float64) - data_pull)
        gr = 2.0 * (Aw - c) * 2.0 * root
        return SCALE * value, SCALE * np.concatenate([stretch * gZ.ravel(), gr])

    start = np.concatenate([(Z - centre).astype(np.float64).ravel() / stretch, np.sqrt(shares)])
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": steps, "maxcor": 10})
    return (stretch * found.x[: K * d].reshape(K, d)).astype(np.float32) + centre


def solve_weights(X: np.ndarray, Z: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights >= 0 of free mass (at most 1.05), exactly, against all rows; points of no weight are dropped.

    min w'Aw - 2 c'w over w >= 0 is non-negative least squares in the Cholesky factor of A (Lawson and Hanson).
    """
    Z64 = Z.astype(np.float64)
    A = kernels.gaussian(Z64, Z64, sigma)
    c = kernels.mean_embedding(X, Z, sigma)
    L = np.linalg.cholesky(A + 1e-7 * np.eye(len(Z)))
    w = nnls(L.T, np.linalg.solve(L, c), maxiter=50 * len(Z))[0]
    if not w.sum() > 0:
        raise SpecError("not-reducible", "The rows lie too far apart for this bandwidth; no weights fit.")
    if w.sum() > MAX_MASS:
        w *= MAX_MASS / w.sum() * (1 - 1e-9)
    keep = w > 1e-9
    return Z[keep], w[keep]


def _fit(X: np.ndarray, Z: np.ndarray, w: np.ndarray, sigma: float, rng: np.random.Generator) -> float:
    Z64 = Z.astype(np.float64)
    own = w @ kernels.gaussian(Z64, Z64, sigma) @ w
    if len(X) <= NORM_ROWS:
        rows = X
        norm = kernels.squared_norm(X, sigma)
    else:
        rows = X[rng.choice(len(X), NORM_ROWS, replace=False)]
        m = len(rows)
        # The diagonal of a subsample weighs too much: take it out, and put the true share back.
        between = (kernels.squared_norm(rows, sigma) * m - 1.0) / (m - 1)
        norm = between + (1.0 - between) / len(X)
    return float(max(0.0, own - 2.0 * w @ kernels.mean_embedding(rows, Z, sigma) + norm))
