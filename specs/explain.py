"""Why a match is good or bad: how much of the requirement is covered, and which columns differ."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from specs import kernels
from specs.rkme import Rkme, same_frame
from specs.space import Space

SLACK, SOFT = 0.1, 0.4  # of the range, since points lie inside it; scales. Halves of one table then cover each other to 95 % and more, up to 64 columns


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

    sum_k v_k min(1, mu_mix(z_k) / mu_req(z_k)) s(z_k) over the requirement's points z_k with shares v_k: a point counts in full where the
    candidates' kernel density is at least the requirement's own and where no coordinate leaves the range of a candidate's points, with SLACK. Outside by o
    scales, s = exp(-o² / (2 SOFT²)): among many coordinates the kernel alone sees no single one. With `weights` (sum 1) mu_mix is the mixture's
    density; without, each candidate stands for itself and the best counts. Coverage by itself is 1.
    """
    if not candidates:
        return 0.0
    for candidate in candidates:
        same_frame(requirement, candidate)
    Z = requirement.points.astype(np.float64)
    ratios = np.stack([candidate.at(Z) for candidate in candidates]) / np.maximum(requirement.at(Z), 1e-300)
    inside = np.stack([_inside(Z, candidate) for candidate in candidates])
    if weights is None:
        return float(requirement.distribution @ (np.minimum(1.0, ratios) * inside).max(axis=0))
    w = np.asarray(weights)
    return float(requirement.distribution @ (np.minimum(1.0, w @ ratios) * inside[w > 0].max(axis=0, initial=0.0)))


def _inside(Z: np.ndarray, candidate: Rkme) -> np.ndarray:
    """1 within the range of the candidate's points in every coordinate, less the farther the worst one leaves it; (K,)."""
    low, high = candidate.points.min(axis=0).astype(np.float64), candidate.points.max(axis=0).astype(np.float64)
    slack = SLACK * (high - low)
    over = np.maximum(0.0, np.maximum(low - slack - Z, Z - high - slack)).max(axis=1)
    return np.exp(-0.5 * (over / SOFT) ** 2)


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
        squared = (
            v @ kernels.gaussian(A, A, sigma) @ v
            - 2 * v @ kernels.gaussian(A, B, sigma) @ w
            + w @ kernels.gaussian(B, B, sigma) @ w
        )
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
