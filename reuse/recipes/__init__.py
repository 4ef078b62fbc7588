"""Methods made ready to run: each kind's way from a plan and labelled rows to something that predicts and can be saved.

A folder is a kind of method, a file its recipe: `fit(bench, method, params, rows) -> Fitted`, learning from the labelled `rows` (numbers, or
None without labels) where the method learns at all.
"""

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from reuse.errors import ReuseError
from reuse.plan import Plan
from reuse.recipes.bench import Bench, Fitted, aligned, apply, crowd_of
from reuse.registry import Method

__all__ = ["Bench", "Fitted", "Plan", "aligned", "apply", "before", "crowd_of", "fit"]


def before(fitted: Fitted, bench: Bench) -> Fitted:
    """The same, before the rows of another bench of the same members."""
    if hasattr(fitted, "parts"):
        return replace(fitted, bench=bench, parts=[(share, address, before(part, bench)) for share, address, part in fitted.parts])
    return replace(fitted, bench=bench)


def fit(bench: Bench, method: Method, params: dict[str, Any], rows: np.ndarray | None) -> Fitted:
    """Make a method ready; raises ReuseError with the reason where it does not apply to the plan's members or rows."""
    if method.needs_labels and rows is None:
        raise ReuseError("labels-needed", f"{method.address} learns from labelled rows; none came.", "Give a CSV with labels, or take ensemble/hedged.")
    return import_module(f"reuse.recipes.{method.kind}").fit(bench, method, params, rows)
