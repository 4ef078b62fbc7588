"""Reduced kernel mean embeddings: a few weighted points that stand for many rows.

Smola et al., "A Hilbert Space Embedding for Distributions", 2007; Wu et al., "Model Reuse with Reduced
Kernel Mean Embedding Specification", 2021 (arXiv:2001.07135).
"""

from dataclasses import dataclass, field
from functools import cached_property
from math import isclose
from typing import Any

import numpy as np

from specs import kernels
from specs.checks import SpecError, matrix, positive

MAX_MASS = 1.05


@dataclass(frozen=True, eq=False)
class Rkme:
    """sum_k weights[k] * k(points[k], .): the embedding of `n` rows in few points.

    points (K, d) float32 in space coordinates; weights (K,) float64, >= 0, of free total mass (at most 1.05):
    in many dimensions a mass below 1 stands nearer to the data than any K points of mass 1 can. `fit` is the
    squared MMD to the data it was made from, where that is known.
    """

    points: np.ndarray
    weights: np.ndarray
    sigma: float
    n: int
    space_id: str = ""
    fit: float | None = None
    generator: dict[str, Any] = field(default_factory=dict)
    labels: Any = None  # specs.labels.Labels, where the owner gave them
    _marginals: dict[tuple[int, int, float], float] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        points = matrix(self.points, "points").astype(np.float32)
        weights = np.asarray(self.weights, dtype=np.float64)
        if weights.shape != (len(points),):
            raise SpecError("wrong-shape", f"weights must be ({len(points)},), one a point; got {weights.shape}.")
        if not np.isfinite(weights).all() or (weights < 0).any():
            raise SpecError("wrong-weights", "weights must be finite and not below 0; some are not.")
        if not 0 < weights.sum() <= MAX_MASS:
            raise SpecError(
                "wrong-mass", f"The total mass must lie in (0, {MAX_MASS}]; got {weights.sum():.4g}."
            )
        positive(self.sigma, "sigma")
        points.setflags(write=False)
        weights.setflags(write=False)
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "weights", weights)

    @property
    def size(self) -> int:
        """How many points, K."""
        return len(self.points)

    @property
    def d(self) -> int:
        """How many coordinates a point has."""
        return self.points.shape[1]

    @property
    def mass(self) -> float:
        """The total weight, in (0, 1.05]."""
        return float(self.weights.sum())

    @property
    def distribution(self) -> np.ndarray:
        """The weights normalised to sum 1, for drawing, routing and averages; (K,)."""
        return self.weights / self.weights.sum()

    @cached_property
    def squared_norm(self) -> float:
        """||mu||^2 = w' K w."""
        return kernels.quadratic(self.points.astype(np.float64), self.weights, self.sigma)

    @cached_property
    def at_points(self) -> np.ndarray:
        """mu at its own points, by the normalised weights; (K,)."""
        return self.at(self.points)

    def marginal_squared_norm(self, where: slice, sigma: float) -> float:
        """||mu||^2 of these coordinates alone, by the normalised weights under a kernel of their own; computed once."""
        key = where.start, where.stop, float(sigma)
        if key not in self._marginals:
            self._marginals[key] = kernels.quadratic(self.points[:, where].astype(np.float64), self.distribution, sigma)
        return self._marginals[key]

    @cached_property
    def label_squared_norm(self) -> float:
        """sum_c ||S_c||^2 of the labels' deviations (specs.labels); 0 without labels."""
        if self.labels is None:
            return 0.0
        Z, S = self.points.astype(np.float64), self.labels.deviations
        return float(np.sum(S * (kernels.gram(Z, self.sigma) @ S)))

    @property
    def floor(self) -> float:
        """(1 - ||mu||^2) / n: how far, squared, a sample of this size lies from what it was drawn from, on average. A fit below it gains nothing."""
        return max(0.0, 1.0 - self.squared_norm - (self.fit or 0.0)) / self.n

    def at(self, X: np.ndarray) -> np.ndarray:
        """mu(x) for each row of X (n, d), by the normalised weights; returns (n,) in [0, 1]."""
        w = self.distribution
        out = np.empty(len(X))
        Z = self.points.astype(np.float64)
        for rows in kernels.chunks(len(X), len(Z)):
            out[rows] = kernels.gaussian(np.asarray(X[rows], dtype=np.float64), Z, self.sigma) @ w
        return out


def inner(a: Rkme, b: Rkme) -> float:
    """<mu_a, mu_b> = a' K b."""
    return float(a.weights @ kernels.gaussian(a.points.astype(np.float64), b.points.astype(np.float64), a.sigma) @ b.weights)


def same_frame(a: Rkme, b: Rkme) -> None:
    """Refuse two specifications whose distance would mean nothing."""
    if a.space_id and b.space_id and a.space_id != b.space_id:
        raise SpecError(
            "other-space",
            f"Only specifications of one space can be compared; got {a.space_id[:12]} and {b.space_id[:12]}.",
            "Describe the data again in the space of the other.",
        )
    if a.d != b.d or not isclose(a.sigma, b.sigma, rel_tol=1e-6):
        raise SpecError(
            "other-space",
            f"Both must have the same coordinates and kernel; got d = {a.d}, sigma = {a.sigma:.6g} "
            f"and d = {b.d}, sigma = {b.sigma:.6g}.",
        )


def squared_mmd(a: Rkme, b: Rkme) -> float:
    """||mu_a - mu_b||^2 between two specifications of one space; never below 0."""
    same_frame(a, b)
    return max(0.0, a.squared_norm - 2.0 * inner(a, b) + b.squared_norm)
