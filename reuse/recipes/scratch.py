"""Training from scratch: a plain model of the labelled rows alone."""

from typing import Any

import numpy as np

from reuse import formats, scratch
from reuse.recipes.bench import Bench
from reuse.recipes.single import Single, fresh
from reuse.registry import Method


def fit(bench: Bench, method: Method, params: dict[str, Any], rows: np.ndarray) -> Single:
    plan = bench.plan
    y = np.array(plan.classes, dtype=object)[bench.y[rows]].astype(str) if plan.classes else bench.y[rows]
    model = scratch.fit(bench.X[rows], y, **params)
    manifest = fresh(plan, "from-scratch", "model.skops", "skops", [str(c) for c in model.classes_] if plan.classes else None)
    return Single(bench, model, manifest, [], formats.member("skops").predictor(model, manifest))
