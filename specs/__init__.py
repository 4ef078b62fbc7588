"""Specifications: spaces, reduced kernel mean embeddings, distances and mixtures.

NumPy and SciPy alone; `specs.index`, which loads faiss, is imported by whoever needs it.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from specs import privacy
from specs.checks import SpecError
from specs.columns import Column, absent, raw_columns
from specs.explain import ColumnDifference, coverage, explain
from specs.labels import Labels, attach
from specs.mixture import Mixture, mixture
from specs.reduce import reduce
from specs.rkme import Rkme, squared_mmd
from specs.scores import Score, score, unbiased_squared_mmd
from specs.space import Space, SpaceFit
from specs.specification import Specification

__all__ = [
    "Column", "ColumnDifference", "Labels", "Mixture", "Rkme", "Score", "Space", "SpaceFit", "SpecError", "Specification",
    "attach", "coverage", "describe", "explain", "mixture", "reduce", "score", "squared_mmd", "unbiased_squared_mmd",
]


def describe(
    frame: Any, space: Space, *, points: int = 100, seed: int = 0, mode: str = "fast", sample_weight: Any = None, noise: float = 0.0,
    target: str | None = None, labels: str | None = None, epsilon: float | None = None, delta: float = 1e-6,
) -> Rkme:
    """The reduced embedding of a table's rows in a space: what leaves the machine instead of the rows.

    `frame` is a DataFrame or mapping of columns, or, for more than memory holds, an iterator of such parts or a function that starts one
    (read several times, so better). `mode`, `sample_weight` and `noise` as in `reduce`. With `target` the specification also carries label
    statistics of that column ("classes" or "values" by `labels`, else guessed); empty cells are unlabelled rows. It tells models of one concept
    from those of another, and tells more of the rows. With `epsilon` the release is (epsilon, delta)-differentially private (`specs.privacy.release`),
    without labels.

    Raises SpecError for fewer than two rows, for a column of the space that is missing or empty in every row, and for whatever
    `Space.encode`, `reduce` and `specs.labels.attach` refuse.
    """
    if epsilon is not None and (target is not None or sample_weight is not None or noise):
        raise SpecError("wrong-option", "A private release (epsilon) carries no labels, weights or other noise.", "Leave target, sample_weight and noise out.")
    if isinstance(frame, Iterator) or callable(frame):
        if target is not None:
            raise SpecError("wrong-option", "Label statistics are made from a table in memory; these rows come in parts.", "Describe a sample of them with labels.")
        X: Any = _parts(frame, space)
    else:
        table = raw_columns(frame)
        X = space.encode(table)
        if len(X) < 2:
            raise SpecError("too-few-rows", f"A description stands for at least 2 rows; got {len(X)}.", "Bring more rows: some hundred tell a distribution.")
        empty = [column.name for column in space.columns if all(absent(value) for value in table[column.name])]
        if empty:
            raise _empty(empty[0], len(X))
    if epsilon is not None:
        return replace(privacy.release(X, sigma=space.sigma, epsilon=epsilon, delta=delta, points=points), space_id=space.id)
    rkme = replace(reduce(X, sigma=space.sigma, points=points, seed=seed, mode=mode, sample_weight=sample_weight, noise=noise), space_id=space.id)
    if target is None:
        return rkme
    if target not in table:
        raise SpecError("no-target", f"There is no column {target!r}; there are {', '.join(list(table)[:20])}.")
    y = [None if absent(value) else value for value in table[target]]
    return attach(rkme, X, y, kind=labels)


def _parts(frames: Any, space: Space) -> Any:
    """Parts of a table as batches of coordinates, checked as a whole table is."""

    def batches(source: Any) -> Iterator[Any]:
        seen, known = 0, set()
        for part in source:
            table = raw_columns(part)
            if not len(next(iter(table.values()), [])):
                continue
            X = space.encode(table)
            known |= {column.name for column in space.columns if column.name not in known and not all(absent(value) for value in table[column.name])}
            seen += len(X)
            yield X
        if seen < 2:
            raise SpecError("too-few-rows", f"A description stands for at least 2 rows; got {seen}.", "Bring more rows: some hundred tell a distribution.")
        empty = [column.name for column in space.columns if column.name not in known]
        if empty:
            raise _empty(empty[0], seen)

    return (lambda: batches(frames())) if callable(frames) else batches(frames)


def _empty(column: str, rows: int) -> SpecError:
    return SpecError("all-missing", f"The column {column!r} must hold at least one value; all {rows} are missing.", "Fill it where you can: what is never known can not be compared.")
