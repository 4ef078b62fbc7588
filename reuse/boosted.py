"""Boosted trees as tables of our own: checked once, then walked by NumPy. No parser of a tree library ever sees an upload's bytes.

XGBoost's and LightGBM's readers trust a file: a child out of range, a cycle or a short array is a crash or an endless walk. Here every index is
checked when the table is made, and every leaf is its own child, so that a walk of `depth` steps ends on a leaf whatever the file says.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reuse.errors import ReuseError

MAX_TREES = 50_000
MAX_NODES = 5_000_000
MAX_DEPTH = 1_000
MAX_FEATURES = 100_000
MAX_WORK = 1 << 16  # rows times trees that are walked at once
MAX_CATEGORY = 1 << 24
NEVER, ZERO, NAN = 0, 1, 2  # what counts as missing at a split: nothing (NaN is then 0), zero, NaN
ZERO_IS = 1e-35  # LightGBM: kZeroThreshold

Wrong = Callable[[str], ReuseError]


@dataclass(frozen=True)
class Split:
    """The nodes of all trees of a file, tree behind tree, as they come; children count from the tree's own root.

    Shapes: all (nodes,), but `sizes` (trees,), `groups` (trees,): which output a tree adds to; `bits` (words,) uint32: sets of categories.
    A number goes left where it is <= threshold. A category in its set goes left where `in_left`, else right.
    """

    sizes: np.ndarray
    groups: np.ndarray
    left: np.ndarray
    right: np.ndarray
    leaf: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    categorical: np.ndarray
    set_begin: np.ndarray
    set_words: np.ndarray
    bits: np.ndarray
    in_left: bool


@dataclass(frozen=True)
class Forest:
    """Trees whose every index has been checked. `roots` (trees,); `depth` is that of the deepest."""

    split: Split
    roots: np.ndarray
    left: np.ndarray
    right: np.ndarray
    depth: int
    features: int

    @property
    def nodes(self) -> int:
        """How many nodes there are, leaves too."""
        return len(self.left)


def checked(split: Split, features: int, outputs: int, wrong: Wrong) -> Forest:
    """The trees as a table that can be walked; raises `wrong(why)` for what would crash, hang or answer nonsense."""
    n, trees = len(split.left), len(split.sizes)
    if not 1 <= trees <= MAX_TREES or not 1 <= n <= MAX_NODES:
        raise wrong(f"it must have 1 to {MAX_TREES:,} trees and at most {MAX_NODES:,} nodes; it has {trees:,} and {n:,}.")
    if not 1 <= features <= MAX_FEATURES:
        raise wrong(f"it must take 1 to {MAX_FEATURES:,} features; it takes {features:,}.")
    if (split.sizes < 1).any():
        raise wrong("a tree has no nodes.")
    if ((split.groups < 0) | (split.groups >= outputs)).any():
        raise wrong(f"a tree adds to an output that is none of {outputs}.")
    begin = np.cumsum(split.sizes) - split.sizes
    own, size = np.repeat(begin, split.sizes), np.repeat(split.sizes, split.sizes)
    inner, here = ~split.leaf, np.arange(n)
    for child in (split.left, split.right):
        if ((child < 0) | (child >= size))[inner].any():
            raise wrong("a child lies outside its tree.")
    left = np.where(inner, split.left + own, here).astype(np.int64)
    right = np.where(inner, split.right + own, here).astype(np.int64)
    if ((split.feature < 0) | (split.feature >= features))[inner].any():
        raise wrong(f"a split asks for a feature that is none of {features}.")
    deepest, _ = reach(left, right, inner, begin, wrong)
    numeric = inner & ~split.categorical
    if not np.isfinite(split.threshold[numeric]).all() or not np.isfinite(split.value[split.leaf]).all():
        raise wrong("a threshold or a leaf is not a finite number.")
    chosen = inner & split.categorical
    if ((split.set_begin < 0) | (split.set_words < 0) | (split.set_begin + split.set_words > len(split.bits)))[chosen].any():
        raise wrong("a set of categories lies outside its table.")
    return Forest(split, begin, left, right, deepest, features)


def reach(left: np.ndarray, right: np.ndarray, inner: np.ndarray, roots: np.ndarray, wrong: Wrong) -> tuple[int, np.ndarray]:
    """(steps from `roots` to the farthest leaf, which nodes (n,) are reached), all trees at once; children `left` and `right` (n,) count from the whole.

    Every node may be reached once, so no walk goes round; raises `wrong(why)` otherwise.
    """
    met = np.zeros(len(left), dtype=bool)
    met[roots] = True
    front, steps = roots[inner[roots]], 0
    while front.size:
        steps += 1
        children = np.concatenate([left[front], right[front]])
        if steps > MAX_DEPTH:
            raise wrong(f"a tree is deeper than {MAX_DEPTH:,} splits.")
        if met[children].any() or np.unique(children).size != children.size:
            raise wrong("a tree goes round, or two splits share a child.")
        met[children] = True
        front = children[inner[children]]
    return steps, met


def margins(forest: Forest, X: np.ndarray, outputs: int, start: np.ndarray, dtype: type = np.float64) -> np.ndarray:
    """start (outputs,) plus the leaves that the rows of X (n, features) end on, added tree by tree in `dtype`; returns (n, outputs) float64."""
    total = np.tile(start.astype(dtype), (len(X), 1))
    values, groups = forest.split.value.astype(dtype), forest.split.groups
    per = max(1, MAX_WORK // max(len(X), 1))
    for first in range(0, len(forest.roots), per):
        ends = _walk(forest, X, forest.roots[first : first + per])
        for place in range(ends.shape[0]):
            total[:, groups[first + place]] += values[ends[place]]
    return total.astype(np.float64)


def _walk(forest: Forest, X: np.ndarray, roots: np.ndarray) -> np.ndarray:
    """The leaf (trees, n) on which each row ends."""
    split, flat, width = forest.split, np.ascontiguousarray(X).ravel(), X.shape[1]
    at = np.repeat(roots, len(X))
    row = np.tile(np.arange(len(X)) * width, len(roots))
    moving = np.flatnonzero(~split.leaf[at])
    plain, categories = bool((split.missing == NAN).all()), bool(split.categorical.any())
    while moving.size:
        node = at[moving]
        x = flat[row[moving] + split.feature[node]]
        goes = _left(split, node, x, plain, categories)
        node = np.where(goes, forest.left[node], forest.right[node])
        at[moving] = node
        moving = moving[~split.leaf[node]]
    return at.reshape(len(roots), len(X))


def _left(split: Split, node: np.ndarray, x: np.ndarray, plain: bool, categories: bool) -> np.ndarray:
    """Whether x (m,) goes left at node (m,). `plain`: only NaN is missing, at every split."""
    absent = np.isnan(x)
    if not plain:
        missing = split.missing[node]
        x = np.where(absent & (missing != NAN), 0.0, x)
        absent &= missing == NAN
        absent |= (missing == ZERO) & (np.abs(x) <= ZERO_IS)
    goes = x <= split.threshold[node]
    if absent.any():
        goes[absent] = split.missing_left[node[absent]]
    if categories and (chosen := split.categorical[node]).any():
        goes[chosen] = np.where(absent[chosen], split.missing_left[node[chosen]], _in_set(split, node[chosen], x[chosen]) == split.in_left)
    return goes


def _in_set(split: Split, node: np.ndarray, x: np.ndarray) -> np.ndarray:
    # LightGBM cuts a number towards zero before it looks whether it is negative, XGBoost after.
    valid = ((x > -1) if split.in_left else (x >= 0)) & (x < MAX_CATEGORY)
    category = np.where(valid, x, 0.0).astype(np.int64)
    word = category >> 5
    valid = valid & (word < split.set_words[node])
    if not len(split.bits):
        return np.zeros(len(x), dtype=bool)
    found = split.bits[np.where(valid, split.set_begin[node] + word, 0)]
    return valid & ((found >> (category & 31).astype(np.uint32)) & 1).astype(bool)


@dataclass(frozen=True)
class Feature:
    """One input of a model: its name, and the levels of a column of words or codes, in order, where it has such."""

    name: str
    levels: tuple[Any, ...] | None = None


def matrix(X: Any, features: Sequence[Feature], *, named: bool) -> np.ndarray:
    """A table or coordinates as (n, features) float64, NaN where missing; raises ReuseError where the columns are not the model's.

    A table's columns are taken by the model's names where it has `named` them, else by their order. Words become the places of their levels;
    a level that the model has not seen is missing.
    """
    if not hasattr(X, "columns"):
        rows = np.asarray(X, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(features):
            raise _differs(f"it gets {rows.shape[-1]} coordinates and takes {len(features)} features.")
        return rows
    place = {name.replace(" ", "_"): name for name in map(str, X.columns)}
    if named:
        lacking = [feature.name for feature in features if feature.name.replace(" ", "_") not in place]
        if lacking:
            raise _differs(f"it takes {', '.join(map(repr, lacking[:5]))}, which the space has not.")
        chosen = [place[feature.name.replace(" ", "_")] for feature in features]
    else:
        chosen = list(X.columns)
        if len(chosen) != len(features):
            raise _differs(f"the space has {len(chosen)} columns and it takes {len(features)} features.")
    return np.column_stack([_column(X[name].to_numpy(), feature) for name, feature in zip(chosen, features, strict=True)])


def _column(values: np.ndarray, feature: Feature) -> np.ndarray:
    if feature.levels is None:
        if values.dtype.kind not in "iufb":
            raise _differs(f"the column {feature.name!r} holds words, and the model has no levels for it.",
                           "Train it on a pandas column of type category, or let the model take coordinates.")
        return values.astype(np.float64)
    places = {_level(level): float(place) for place, level in enumerate(feature.levels)}
    return np.array([np.nan if v is None or v != v else places.get(_level(v), np.nan) for v in values.tolist()], dtype=np.float64)


def _level(value: Any) -> str:
    """A level as text, whole numbers without their point: what was 3 in training may be 3.0 in a table."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _differs(why: str, hint: str = "Offer it in a space of the columns that it was trained on.") -> ReuseError:
    return ReuseError("signature-lies", f"The model's inputs are not those of its space: {why}", hint)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def softmax(x: np.ndarray) -> np.ndarray:
    """Rows (n, classes) as probabilities."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def pair(p: np.ndarray) -> np.ndarray:
    """The probability of the second class (n,) as that of both (n, 2)."""
    return np.column_stack([1.0 - p, p])
