"""Regions of a requirement: clusters of its points, named by the columns in which they differ most from the whole.

A region's cell for a model is the mean of `specs.explain.seen` over its points, so a model's cells, weighted by the regions' shares, sum to its coverage.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from django.utils.translation import get_language, gettext

from marketplace.catalog import showing
from specs.explain import seen
from specs.kernels import squared_distances

FEWEST, MOST = 6, 10
STARTS, ROUNDS = 4, 60
SMALLEST = 0.02  # of the whole; what is smaller joins its neighbour
TELLS, STRONG = 0.45, 1.5  # standard deviations from the whole
USUAL = 0.6  # share of a level from which a region is called by it


@dataclass(frozen=True)
class Region:
    """`members` are numbers of points; `share` is their part of the whole; `detail` says its middle in raw units."""

    name: str
    detail: str
    share: float
    members: np.ndarray


def of(sha256: str) -> tuple[Region, ...]:
    """The regions of the specification with this digest, largest first, named in the language that is active."""
    return _of(sha256, get_language())


@lru_cache(maxsize=256)
def _of(sha256: str, language: str) -> tuple[Region, ...]:
    # Bytes never change, so neither does the answer.
    spec = showing.specification(sha256)
    X, w = spec.rkme.points.astype(np.float64), spec.rkme.distribution
    groups = clusters(X, w, min(MOST, max(FEWEST, round((len(X) / 2) ** 0.5))))
    told = [_differences(spec.space, X, w, members) for members in groups]
    names = _names(told)
    found = [
        Region(name, ", ".join(detail for _, _, detail in parts[:2]), float(w[members].sum()), members)
        for name, parts, members in zip(names, told, groups, strict=True)
    ]
    return tuple(sorted(found, key=lambda region: -region.share))


@lru_cache(maxsize=4096)
def covered(requirement_sha256: str, version_sha256: str) -> np.ndarray:
    """How far a specification has seen what each point of the requirement stands for; (K,)."""
    return seen(showing.specification(requirement_sha256).rkme, [showing.specification(version_sha256).rkme])


def covered_together(requirement_sha256: str, members: list[tuple[str, float]]) -> np.ndarray:
    """The same of a mixture, [(digest, weight)]; (K,)."""
    return _covered_together(requirement_sha256, tuple(members))


@lru_cache(maxsize=1024)
def _covered_together(requirement_sha256: str, members: tuple[tuple[str, float], ...]) -> np.ndarray:
    rkmes = [showing.specification(sha256).rkme for sha256, _ in members]
    return seen(showing.specification(requirement_sha256).rkme, rkmes, np.array([weight for _, weight in members]))


def cells(sha256: str, point_by_point: list[np.ndarray]) -> list[list[float]]:
    """For each region the share of it that each model covers; `point_by_point` as `covered` gives it, one a model."""
    w = showing.specification(sha256).rkme.distribution
    return [[float(w[r.members] @ seen_there[r.members] / max(r.share, 1e-12)) for seen_there in point_by_point] for r in of(sha256)]


def clusters(X: np.ndarray, w: np.ndarray, k: int) -> list[np.ndarray]:
    """At most k groups of the points X (n, d) with weights (n,), by weighted k-means: arrays of numbers, the same for the same input."""
    k = min(k, len(np.unique(X, axis=0)))
    best, lowest = np.zeros(len(X), int), np.inf
    for start in range(STARTS):
        labels, spread = _k_means(X, w, k, np.random.default_rng(start))
        if spread < lowest - 1e-12:
            best, lowest = labels, spread
    groups = [np.flatnonzero(best == j) for j in np.unique(best)]
    while len(groups) > 1:
        shares = [w[g].sum() for g in groups]
        small = int(np.argmin(shares))
        if shares[small] >= SMALLEST:
            break
        centres = np.array([w[g] @ X[g] / max(w[g].sum(), 1e-300) for g in groups])
        apart = squared_distances(centres[small : small + 1], centres)[0]
        apart[small] = np.inf
        near = int(np.argmin(apart))
        groups[near] = np.sort(np.concatenate([groups[near], groups[small]]))
        del groups[small]
    return groups


def _k_means(X: np.ndarray, w: np.ndarray, k: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    centres = X[[rng.choice(len(X), p=w / w.sum())]]
    for _ in range(1, k):  # k-means++ (Arthur and Vassilvitskii, 2007)
        chance = w * squared_distances(X, centres).min(axis=1).clip(min=0)
        if chance.sum() <= 0:
            break
        centres = np.concatenate([centres, X[[rng.choice(len(X), p=chance / chance.sum())]]])
    labels = np.full(len(X), -1)
    for _ in range(ROUNDS):
        apart = squared_distances(X, centres)
        fresh = apart.argmin(axis=1)
        if (fresh == labels).all():
            break
        labels = fresh
        for j in np.unique(labels):
            mass = w[labels == j]
            if mass.sum() > 0:
                centres[j] = mass @ X[labels == j] / mass.sum()
    return labels, float(w @ squared_distances(X, centres).min(axis=1))


def _differences(space: Any, X: np.ndarray, w: np.ndarray, members: np.ndarray) -> list[tuple[float, str, str]]:
    """What sets a region apart: (strength, words, detail) of each column, strongest first."""
    v = w[members] / max(w[members].sum(), 1e-300)
    found = [
        part
        for column, (_, where) in zip(space.columns, space.coordinates(), strict=True)
        for part in (_levels if column.type == "categorical" else _number)(column, X[:, where], w, X[members][:, where], v)
    ]
    return sorted(found, key=lambda part: -part[0])


def _number(column: Any, Z: np.ndarray, w: np.ndarray, mine: np.ndarray, v: np.ndarray) -> Iterator[tuple[float, str, str]]:
    if column.missing and float(v @ mine[:, 1] - w @ Z[:, 1]) > 0.25:
        yield 2.0 * float(v @ mine[:, 1] - w @ Z[:, 1]), gettext("%(column)s missing") % {"column": column.name}, gettext("%(column)s missing in %(percent)s %%") % {"column": column.name, "percent": f"{100 * float(v @ mine[:, 1]):.0f}"}
        return
    mean = float(w @ Z[:, 0])
    spread = float(np.sqrt(w @ (Z[:, 0] - mean) ** 2))
    if spread < 1e-9:
        return
    apart = (float(v @ mine[:, 0]) - mean) / spread
    unit = f" {column.unit}" if column.unit else ""
    middle = float(v @ mine[:, 0]) * column.scale + column.location
    is_strong = abs(apart) >= STRONG
    if apart > 0:
        said = gettext("%(column)s very high") if is_strong else gettext("%(column)s high")
    else:
        said = gettext("%(column)s very low") if is_strong else gettext("%(column)s low")
    detail = gettext("%(column)s about %(value)s") % {"column": column.name, "value": f"{rounded(middle, spread * column.scale)}{unit}"}
    yield abs(apart), said % {"column": column.name}, detail


def _levels(column: Any, Z: np.ndarray, w: np.ndarray, mine: np.ndarray, v: np.ndarray) -> Iterator[tuple[float, str, str]]:
    here, whole = v @ mine * np.sqrt(2.0), w @ Z * np.sqrt(2.0)
    if not len(here):
        return
    most = int(np.argmax(here - whole))
    share = float(min(max(here[most], 0.0), 1.0))
    level = column.levels[most]
    said = {"column": column.name, "level": level, "percent": f"{100 * share:.0f}"}
    name = gettext("%(column)s %(level)s") if share >= USUAL else gettext("%(column)s often %(level)s")
    yield 2.0 * float(here[most] - whole[most]), name % said, gettext("%(column)s %(level)s in %(percent)s %%") % said


def _names(told: list[list[tuple[float, str, str]]]) -> list[str]:
    """A name for each region, no two alike: one to three columns that tell, more where two would be called the same."""
    names = []
    for parts in told:
        telling = [words for strength, words, _ in parts if strength >= max(TELLS, 0.5 * parts[0][0])][:2]
        names.append(", ".join(telling) or gettext("near the middle of your data"))
    for take in (3, 4, 5):
        twice = {name for name in names if names.count(name) > 1}
        names = [", ".join(words for _, words, _ in told[i][:take]) if name in twice and told[i] else name for i, name in enumerate(names)]
    seen_before: dict[str, int] = {}
    for i, name in enumerate(names):
        seen_before[name] = seen_before.get(name, 0) + 1
        if names.count(name) > 1:
            names[i] = f"{name} ({seen_before[name]})"
    return names


def rounded(value: float, spread: float, more: int = 0) -> str:
    """A number with as many digits as its column's spread makes sense of, and so many more."""
    digits = int(np.clip(more - np.floor(np.log10(spread)) if spread > 0 else 2, 0, 6))
    value = round(value, digits) + 0.0  # no negative zero
    said = f"{value:,.{digits}f}" if abs(value) >= 10_000 else f"{value:.{digits}f}"  # years are not grouped
    return said.replace(",", "\u2009")
