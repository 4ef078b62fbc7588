"""What the rows of a specification were labelled: an embedding of (x, y) beside that of x.

For classes, W[k, c] >= 0 with sum_k W[k, c] k(z_k, .) near (1/m) sum_{i: y_i = c} k(x_i, .) over the m labelled rows: the joint embedding under
k(x, x') delta(y, y'). For values, the labelled mass, mean and spread of the target at each point. Two models whose inputs look the same and
whose concepts differ are told apart by it, from a few labelled rows. Labels are more sensitive than inputs, so a specification carries them only
where its owner asks for it.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import lsq_linear, nnls

from specs import kernels
from specs.checks import SpecError, matrix
from specs.packed import pack, unpack
from specs.rkme import Rkme

MAX_CLASSES = 1_000
KINDS = ("classes", "values")


@dataclass(frozen=True, eq=False)
class Labels:
    """`table` (K, C) joint weights for classes named `classes`; or (K, 3) labelled mass, mean and spread for values, in units of `scale` about `location`."""

    kind: str
    table: np.ndarray
    n: int
    classes: tuple[str, ...] = ()
    location: float = 0.0
    scale: float = 1.0

    @cached_property
    def columns(self) -> dict[str, int]:
        """The column of each class."""
        return {name: column for column, name in enumerate(self.classes)}

    @cached_property
    def deviations(self) -> np.ndarray:
        """How the joint embedding departs from independence of x and y, as signed weights of the points.

        Classes: S[k, c] = W[k, c] - share_c sum_c' W[k, c']; values: (K, 1), w_k (mean_k - overall mean) / scale. What P(x) alone explains is taken
        out, so labelled rows need not be drawn as the others were.
        """
        if self.kind == "classes":
            mass = self.table.sum(axis=1)
            return self.table - mass[:, None] * (self.table.sum(axis=0) / max(mass.sum(), 1e-12))
        w, mean = self.table[:, 0], self.table[:, 1]
        return (w * (mean - w @ mean / max(w.sum(), 1e-12)))[:, None]

    def to_json(self) -> dict[str, Any]:
        document = {"kind": self.kind, "n": self.n, "table": pack(self.table, "float32")}
        return document | ({"classes": list(self.classes)} if self.kind == "classes" else {"location": self.location, "scale": self.scale})

    @classmethod
    def from_json(cls, document: Any, points: int | None) -> "Labels":
        """Read and check; `points` is how many the specification has. Raises SpecError for whatever is wrong."""
        kind = document.get("kind") if isinstance(document, dict) else None
        wanted = {"kind", "n", "table"} | ({"classes"} if kind == "classes" else {"location", "scale"})
        if kind not in KINDS or set(document) != wanted:
            raise SpecError("wrong-labels", f"labels must be an object of kind {' or '.join(KINDS)} with the keys of its kind; got {str(document)[:60]}.")
        table, n = unpack(document["table"], "labels.table", "float32", 2).astype(np.float64), document["n"]
        if points is not None and len(table) != points:
            raise SpecError("wrong-labels", f"labels.table must have a row for each of the {points} points; got {len(table)}.")
        if type(n) is not int or not 1 <= n <= 10**12:
            raise SpecError("wrong-labels", f"labels.n, the labelled rows, must be a whole number of at least 1; got {n!r:.30}.")
        if kind == "classes":
            names = document["classes"]
            if not isinstance(names, list) or not 1 <= len(names) <= MAX_CLASSES or not all(isinstance(name, str) and len(name) <= 200 for name in names) or len(set(names)) != len(names):
                raise SpecError("wrong-labels", f"labels.classes must be 1 to {MAX_CLASSES:,} different texts.")
            if table.shape[1] != len(names) or (table < 0).any() or not 0 < table.sum() <= 2:
                raise SpecError("wrong-labels", f"labels.table must be ({len(table)}, {len(names)}), not below 0, of mass in (0, 2]; got {table.shape}.")
            return cls(kind, table, n, tuple(names))
        if table.shape[1] != 3 or (table[:, [0, 2]] < 0).any() or not 0 < table[:, 0].sum() <= 2 or np.abs(table[:, 1]).max() > 1e4:
            raise SpecError("wrong-labels", "labels.table of values must be (K, 3): mass >= 0, mean within 10,000 scales, spread >= 0.")
        location, scale = document["location"], document["scale"]
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) and np.isfinite(v) for v in (location, scale))
        if not numbers or not scale > 0:
            raise SpecError("wrong-labels", f"labels.location must be a number and labels.scale one above 0; got {location!r:.30} and {scale!r:.30}.")
        return cls(kind, table, n, (), float(location), float(scale))


def attach(rkme: Rkme, X: np.ndarray, y: Any, *, kind: str | None = None) -> Rkme:
    """The specification with label statistics of rows X (m, d) and their labels y (m,); None and nan mean unlabelled.

    `kind` "classes" or "values"; left out, numbers with more than 20 different values are values. X are coordinates in the specification's space and may be
    a part of the rows it was made from. Raises SpecError where nothing is labelled or lengths differ.
    """
    X = matrix(X)
    y = np.asarray(y, dtype=object)
    if y.shape != (len(X),) or X.shape[1] != rkme.d:
        raise SpecError("wrong-shape", f"y must be ({len(X)},) beside X (m, {rkme.d}); got {y.shape} and {X.shape}.")
    known = np.array([not (value is None or value != value or value == "") for value in y])
    if not known.any():
        raise SpecError("no-labels", "At least one row must be labelled; none is.")
    X, y = X[known], y[known]
    kind = kind or _kind_of(y)
    Z = rkme.points.astype(np.float64)
    A = kernels.gaussian(Z, Z, rkme.sigma)
    L = np.linalg.cholesky(A + 1e-6 * np.eye(len(Z)))
    if kind == "classes":
        names = [str(value) for value in y]
        classes = sorted(set(names))
        if len(classes) > MAX_CLASSES:
            raise SpecError("too-many-classes", f"Label statistics hold at most {MAX_CLASSES:,} classes; got {len(classes):,}.", "If these are numbers, say kind='values'.")
        of = np.array([classes.index(name) for name in names]) if len(classes) < 50 else np.searchsorted(classes, names)
        K = kernels.gaussian(X, Z, rkme.sigma)
        W = np.stack([nnls(L.T, np.linalg.solve(L, K[of == c].sum(axis=0) / len(X)), maxiter=50 * len(Z))[0] for c in range(len(classes))], axis=1)
        return replace(rkme, labels=Labels("classes", W.astype(np.float32).astype(np.float64), len(X), tuple(classes)))
    if kind != "values":
        raise SpecError("wrong-kind", f"kind must be classes or values; got {kind!r}.")
    try:
        values = y.astype(np.float64)
    except (TypeError, ValueError):
        raise SpecError("not-numbers", f"Labels of kind values must be numbers; got {str(y[0])[:40]!r}.") from None
    if not np.isfinite(values).all():
        raise SpecError("not-finite", "Labels of kind values must be finite; some are not.")
    location, scale = float(values.mean()), float(values.std()) or 1.0
    t = np.clip((values - location) / scale, -1e3, 1e3)
    K = kernels.gaussian(X, Z, rkme.sigma)
    w = nnls(L.T, np.linalg.solve(L, K.mean(axis=0)), maxiter=50 * len(Z))[0]
    # sum_k w_k mean_k k(z_k, .) near (1/m) sum_i t_i k(x_i, .), each mean within the targets' range; the same for squares.
    low, high = t.min() - 1e-9, t.max() + 1e-9
    used = w > 1e-9
    mean = np.zeros(len(Z))
    square = np.zeros(len(Z))
    for into, target, bounds in ((mean, t, (low, high)), (square, t**2, (-1e-9, max(low**2, high**2) + 1e-9))):
        scaled = L.T[:, used] * w[used]
        into[used] = lsq_linear(np.vstack([scaled, 1e-3 * np.diag(w[used])]), np.concatenate([np.linalg.solve(L, (target @ K) / len(X)), np.zeros(used.sum())]), bounds=bounds).x
    spread = np.sqrt(np.maximum(square - mean**2, 0.0))
    table = np.stack([w, mean, spread], axis=1).astype(np.float32).astype(np.float64)
    return replace(rkme, labels=Labels("values", table, len(X), (), location, scale))


def label_distance(a: Rkme, b: Rkme) -> float:
    """How far the labels of two specifications stand apart, inputs taken out: sum_c || S^a_c - S^b_c ||^2 over classes by name, or the squared
    distance of the centred means (b's brought to a's units). Infinite where one has no labels or they are of different kinds."""
    one, other = a.labels, b.labels
    if one is None or other is None or one.kind != other.kind:
        return float("inf")
    if one.kind == "values":
        units = other.scale / one.scale
        return float(max(0.0, a.label_squared_norm - 2 * units * _inner(a, b, one.deviations, other.deviations) + b.label_squared_norm * units**2))
    here = [column for name, column in one.columns.items() if name in other.columns]
    there = [other.columns[name] for name in one.columns if name in other.columns]
    # A class that only one side has adds to that side's own norm, and to nothing between them.
    between = _inner(a, b, one.deviations[:, here], other.deviations[:, there]) if here else 0.0
    return float(max(0.0, a.label_squared_norm - 2 * between + b.label_squared_norm))


def _inner(a: Rkme, b: Rkme, U: np.ndarray, V: np.ndarray) -> float:
    """sum_c U[:, c]' K V[:, c] between the points of two specifications; U (K, C), V (L, C)."""
    return float(np.sum(U * (kernels.gaussian(a.points.astype(np.float64), b.points.astype(np.float64), a.sigma) @ V)))


def _kind_of(y: np.ndarray) -> str:
    numeric = all(isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_) for value in y)
    return "values" if numeric and len(set(y.tolist())) > 20 else "classes"
