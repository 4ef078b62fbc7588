"""The largest eigenvalues of a symmetric matrix from products with it, where all of them would cost the cube of its size.

Block Krylov: Rayleigh-Ritz on span(B, A B, A^2 B, ...) of a random B. Musco and Musco, "Randomized Block Krylov Methods for Stronger and Faster
Approximate Singular Value Decomposition", 2015 (arXiv:1504.05477). Blocks, because one pass over the matrix then serves many vectors.
"""

from collections.abc import Callable

import numpy as np

WIDTH = 24  # vectors that are multiplied at a time
STEPS = 32
SETTLED = 1e-9  # of the largest: when a step adds less to each, they are found


def leading(times: Callable[[np.ndarray], np.ndarray], n: int, k: int) -> np.ndarray:
    """The k largest eigenvalues, descending, of the symmetric positive semidefinite (n, n) matrix that `times` multiplies (n, WIDTH) by; (k,).

    The same for the same matrix: chance has a seed. It ends after STEPS products whatever the matrix is, so nobody can make it dear. What data look like
    is settled by then to 1e-9; of thousands of eigenvalues that are all but equal (points that share nothing) those returned may be some thousandths too small.
    """
    B = _orthonormal(np.random.default_rng(0).standard_normal((n, WIDTH)), np.empty((n, 0)))
    basis, T, before = np.empty((n, 0)), np.empty((0, 0)), np.zeros(k)
    for _ in range(max(STEPS, -(-2 * k // WIDTH))):
        image = times(B)
        basis = np.concatenate([basis, B], axis=1)
        H = basis.T @ image
        T = np.block([[T, H[:-WIDTH]], [H[:-WIDTH].T, H[-WIDTH:]]])
        values = np.linalg.eigvalsh(T)[::-1][:k]
        if len(values) == k and np.abs(values - before).max() <= SETTLED * values[0]:
            break
        before = np.pad(values, (0, k - len(values)))
        B = _orthonormal(image - basis @ H, basis)
    return values


def _orthonormal(V: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """An orthonormal block for V (n, k) that stands upright on the basis (n, m), whatever rank V has."""
    # Twice is enough, after a first decomposition has brought what is all but nought to length 1 (Giraud et al., 2005).
    for _ in range(2):
        V = np.linalg.qr(V)[0]
        V -= basis @ (basis.T @ V)
    return np.linalg.qr(V)[0]
