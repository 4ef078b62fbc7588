"""The Gaussian kernel and the mean embeddings made of it.

k(x, y) = exp(-||x - y||^2 / (2 sigma^2)), one sigma per space.
"""

from collections.abc import Iterator

import numpy as np

CHUNK = 2**22  # kernel values held at a time: 32 MB in float64
STRIP = 2**16  # kernel values worked on at a time: half a MB, which stays in the processor's cache
HALVED = 256  # rows: a symmetric kernel is made in strips of as many, each from its diagonal on
WIDE = 8.6  # standard deviations apart, the kernel on a line is below 1e-16
ON_A_LINE = 200  # points from which waves are quicker than pairs


def squared_distances(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """||X[i] - Y[j]||^2 for X (n, d), Y (m, d); returns (n, m), never below 0."""
    D = X @ (-2.0 * Y).T
    D += np.einsum("nd,nd->n", X, X)[:, None]
    D += np.einsum("md,md->m", Y, Y)[None, :]
    return np.maximum(D, 0.0, out=D)


def gaussian(X: np.ndarray, Y: np.ndarray, sigma: float) -> np.ndarray:
    """K[i, j] = exp(-||X[i] - Y[j]||^2 / (2 sigma^2)); X (n, d), Y (m, d); returns (n, m) in [0, 1]."""
    K = X @ (-2.0 * Y).T
    own, others, gamma = np.einsum("nd,nd->n", X, X)[:, None], np.einsum("md,md->m", Y, Y)[None, :], K.dtype.type(-0.5 / sigma**2)
    for rows in chunks(len(X), len(Y), STRIP):
        strip = K[rows]
        strip += own[rows]
        strip += others
        np.maximum(strip, 0.0, out=strip)
        strip *= gamma
        np.exp(strip, out=strip)
    return K


def gram(Z: np.ndarray, sigma: float) -> np.ndarray:
    """gaussian(Z, Z), each pair computed once; Z (n, d), returns (n, n)."""
    if len(Z) <= HALVED:
        return gaussian(Z, Z, sigma)
    K = np.empty((len(Z), len(Z)), Z.dtype)
    for start in range(0, len(Z), HALVED):
        strip = gaussian(Z[start : start + HALVED], Z[start:], sigma)
        K[start : start + HALVED, start:] = strip
        K[start:, start : start + HALVED] = strip.T
    return K


def quadratic(Z: np.ndarray, w: np.ndarray, sigma: float) -> float:
    """w' K w with K = gaussian(Z, Z), which is never held whole; Z (n, d), w (n,) of any sign."""
    if len(Z) <= HALVED:
        return float(w @ gaussian(Z, Z, sigma) @ w)
    total = 0.0
    for start in range(0, len(Z), HALVED):
        rows = slice(start, start + HALVED)
        strip, own = gaussian(Z[rows], Z[start:], sigma), w[rows]
        total += own @ strip[:, : len(own)] @ own + 2.0 * (own @ strip[:, len(own) :] @ w[start + HALVED :])
    return float(total)


def on_a_line(x: np.ndarray, w: np.ndarray, sigma: float) -> float:
    """`quadratic` of points on a line, x (n,): linear in n, to rounding.

    exp(-r^2 / 2) is the mean of cos(t r) over a normal t, and the trapezoid rule for that is exact to rounding up to r = 2 WIDE where its step is
    2 pi / (3 WIDE). So every cell of width WIDE becomes a few sums of waves; cells that do not touch do not see each other.
    """
    if not np.abs(x).max() < 1e9 * sigma:  # where a cell's number would say more digits than a place has
        return quadratic(x[:, None], w, sigma)
    step = 2 * np.pi / (3 * WIDE)
    cell = np.floor(x / (sigma * WIDE)).astype(np.int64)
    order = np.argsort(cell, kind="stable")
    cells, starts = np.unique(cell[order], return_index=True)
    t = step * np.arange(int(np.ceil(WIDE / step)) + 1)
    weight = step * np.sqrt(2 / np.pi) * np.exp(-(t**2) / 2)
    weight[0] /= 2
    turn = np.exp(1j * step * (x[order] / sigma - WIDE * cell[order]))
    waves = np.empty((len(t), len(x)), np.complex128)
    waves[0], waves[1:] = w[order], turn
    sums = np.add.reduceat(np.multiply.accumulate(waves, axis=0), starts, axis=1)
    touching = np.flatnonzero(np.diff(cells) == 1)
    own = (sums.real**2 + sums.imag**2).sum(axis=1)
    beside = (sums[:, touching] * sums[:, touching + 1].conj()).sum(axis=1) * np.exp(-1j * t * WIDE)
    return float(weight @ (own + 2 * beside.real))


def chunks(n: int, width: int, most: int = CHUNK) -> Iterator[slice]:
    """Slices of n rows, so that a block against `width` columns holds about `most` values."""
    step = max(1, most // max(1, width))
    for start in range(0, n, step):
        yield slice(start, min(n, start + step))


def mean_embedding(X: np.ndarray, Z: np.ndarray, sigma: float, weights: np.ndarray | None = None) -> np.ndarray:
    """mu_X(Z[k]) = sum_i p_i k(X[i], Z[k]) with shares p = weights / their sum, or 1/n; X (n, d), Z (K, d); returns (K,) float64."""
    p = np.ones(len(X)) if weights is None else weights
    return weighted_embedding(X, p, Z, sigma) / p.sum()


def weighted_embedding(X: np.ndarray, p: np.ndarray, Z: np.ndarray, sigma: float) -> np.ndarray:
    """sum_i p_i k(X[i], Z[k]) for each k, in chunks, kernels in the type of X; X (n, d), p (n,), Z (K, d); returns (K,) float64."""
    total = np.zeros(len(Z))
    Z = np.asarray(Z, dtype=X.dtype)
    for rows in chunks(len(X), len(Z)):
        K = gaussian(X[rows], Z, sigma)
        K *= p[rows, None].astype(X.dtype)
        total += K.sum(axis=0, dtype=np.float64)
    return total


def squared_norm(X: np.ndarray, sigma: float) -> float:
    """||mu_X||^2 = mean_ij k(X[i], X[j]), exactly, in chunks: O(n^2 d)."""
    total = 0.0
    for rows in chunks(len(X), len(X)):
        total += float(gaussian(X[rows], X, sigma).sum(dtype=np.float64))
    return total / len(X) ** 2
