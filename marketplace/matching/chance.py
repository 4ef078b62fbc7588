"""Could two specifications be samples of one and the same data? What sampling alone would show, and how often.

Under equality n·MMD² is a weighted sum of chi-squares with the eigenvalues of the centred kernel; a scaled
chi-square with the same mean and variance stands for it (Gretton et al., "A Kernel Two-Sample Test", 2012).
"""

import numpy as np
from scipy.special import chdtrc

from specs import Rkme
from specs.kernels import gaussian


def noise(a: Rkme, b: Rkme) -> float:
    """The squared MMD to be expected between two samples of one distribution, of these sizes and reductions.

    (1 - |mu|²)/(n - 1) for each side, and what the reduction itself added. The latter is claimed by the file,
    so it counts no more than sampling does: nobody comes nearer by claiming to be rough.
    """
    sampling = sum(map(_sampling, (a, b)))
    return sampling + sum(min(side.fit or 0.0, sampling) for side in (a, b))


def chance(squared_mmd: float, a: Rkme, b: Rkme) -> float:
    """How often two samples of one distribution would stand at least this far apart; in [0, 1].

    `a` is the requirement: its points give the spread of the kernel.
    """
    mean = noise(a, b)
    if mean <= 0:
        return float(squared_mmd <= 0)
    variance = 2 * (1 / a.n + 1 / b.n) ** 2 * _eigenvalues_squared(a)
    if variance <= 0:
        return float(squared_mmd <= mean)
    degrees = 2 * mean**2 / variance
    return float(chdtrc(degrees, max(squared_mmd, 0.0) * degrees / mean))


def _sampling(rkme: Rkme) -> float:
    return max(0.0, 1.0 - rkme.squared_norm) / max(rkme.n - 1, 1)


def _eigenvalues_squared(rkme: Rkme) -> float:
    """Sum of the squared eigenvalues of the centred kernel: the mean of its square over pairs of different points."""
    Z, p = rkme.points.astype(np.float64), rkme.distribution
    K = gaussian(Z, Z, rkme.sigma)
    m = K @ p
    squared = (K - m[:, None] - m[None, :] + p @ m) ** 2
    pairs = 1.0 - p @ p
    return float(p @ squared @ p - (p**2) @ np.diag(squared)) / pairs if pairs > 1e-9 else 0.0
