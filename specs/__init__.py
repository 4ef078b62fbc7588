"""Specifications: spaces, reduced kernel mean embeddings, distances and mixtures.

NumPy and SciPy alone; `specs.index`, which loads faiss, is imported by whoever needs it.
"""

from dataclasses import replace
from typing import Any

from specs.checks import SpecError
from specs.columns import Column, absent, raw_columns
from specs.explain import ColumnDifference, coverage, explain
from specs.mixture import Mixture, mixture
from specs.reduce import reduce
from specs.rkme import Rkme, squared_mmd
from specs.scores import Score, score, unbiased_squared_mmd
from specs.space import Space, SpaceFit
from specs.specification import Specification

__all__ = [
    "Column", "ColumnDifference", "Mixture", "Rkme", "Score", "Space", "SpaceFit", "SpecError", "Specification",
    "coverage", "describe", "explain", "mixture", "reduce", "score", "squared_mmd", "unbiased_squared_mmd",
]


def describe(frame: Any, space: Space, *, points: int = 100, seed: int = 0) -> Rkme:
    """The reduced embedding of a table's rows in a space: what leaves the machine instead of the rows.

    Raises SpecError for fewer than two rows, for a column of the space that is missing or empty in every row, and for whatever
    `Space.encode` and `reduce` refuse.
    """
    table = raw_columns(frame)
    X = space.encode(table)
    if len(X) < 2:
        raise SpecError("too-few-rows", f"A description stands for at least 2 rows; got {len(X)}.", "Bring more rows: some hundred tell a distribution.")
    for column in space.columns:
        if all(absent(value) for value in table[column.name]):
            raise SpecError("all-missing", f"The column {column.name!r} must hold at least one value; all {len(X)} are missing.",
                            "Fill it where you can: what is never known can not be compared.")
    return replace(reduce(X, sigma=space.sigma, points=points, seed=seed), space_id=space.id)
