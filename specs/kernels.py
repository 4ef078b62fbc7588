"""The Gaussian kernel and the mean embeddings made of it.

k(x, y) = exp(-||x - y||^2 / (2 sigma^2)), one sigma per space.
"""

from collections.abc import Iterator

import numpy as np

CHUNK = 2**22  # kernel values held at a time: 32 MB in float64


def squared_distances(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """||X[i] - Y[j]||^2 for X (n, d), Y (m, d); returns (n, m), never below 0."""
    D = -2.0 * (X @ Y.T)
    D += np.einsum("nd,nd->n", X, X)[:, None]
    D += np.einsum("md,md->m", Y, Y)[None, :]
    return np.maximum(D, 0.0, out=D)


def gaussian(X: np.ndarray, Y: np.ndarray, sigma: float) -> np.ndarray:
    """K[i, j] = exp(-||X[i] - Y[j]||^2 / (2 sigma^2)); X (n, d), Y (m, d); returns (n, m) in [0, 1]."""
    D = squared_distances(X, Y)
    D *= D.dtype.type(-0.5 / sigma**2)
    return np.exp(D, out=D)


def chunks(n: int, width: int) -> Iterator[slice]:
    """Slices of n rows, so that a block against m columns stays small in memory."""
    step = max(1, CHUNK // max(1, width))
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
