"""One entry: a plan in, a predictor with its evidence out. The same code on the server and on a user's machine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reuse import auto, evidence, lineage, predictor, recipes, registry
from reuse.errors import ReuseError
from reuse.plan import Labelled, Member, Outcome, Plan, Progress

__all__ = ["Labelled", "Member", "Outcome", "Plan", "run"]

YARDSTICKS = ("ensemble/best-single", "scratch")
BLIND = "No labelled rows came, so nothing here was verified on your task. Twenty labelled rows would tell."


def run(
    plan: Plan, *, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None, workdir: Path
) -> Outcome:
    """Carry out a plan. `workdir` is an empty folder of the caller's; the outcome's folder lies in it.

    `progress(stage, done, message)` hears of each step; `cancelled()` is asked between steps. Raises ReuseError with a
    reason code when the plan can not be carried out, Cancelled when it was called off.
    """
    progress = progress or (lambda stage, done, message: None)
    workdir = Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    if not plan.members:
        raise ReuseError("no-members", "A plan needs at least one member; got none.")
    method = registry.find(plan.address)
    params = method.read_params(plan.params)
    bench = recipes.Bench(plan, workdir, cancelled or (lambda: False))
    progress("predicting", 0.05, f"Asking {len(plan.members)} models")
    if method.kind == "auto" and plan.data is not None:
        fitted, chosen, found = auto.choose(bench, progress, **params)
        method = registry.find(chosen)
        params = method.read_params({})
    elif method.kind == "auto":
        method = registry.find("ensemble/routed")
        params = method.read_params({})
        fitted, found = recipes.fit(bench, method, params, None), _blind(bench)
    else:
        fitted, found = _asked_for(bench, method, params, progress)
    progress("packing", 0.92, "Writing the predictor")
    made_of = lineage.of(plan, fitted.used, method.address, params)
    folder = predictor.write(workdir / "predictor", plan, fitted, found, made_of)
    progress("done", 1.0, "Done")
    return Outcome(folder, found, made_of)


def _asked_for(bench: recipes.Bench, method: Any, params: dict[str, Any], progress: Progress) -> tuple[recipes.Fitted, dict[str, Any]]:
    """A method that the user chose: done as asked, and held against the yardsticks where there are labels."""
    if bench.plan.data is None:
        return recipes.fit(bench, method, params, None), _blind(bench)
    fitted = recipes.fit(bench, method, params, np.arange(len(bench.y)))
    addresses = list(dict.fromkeys([method.address, *YARDSTICKS]))
    rows, _ = auto.compare(bench, addresses, progress, repeats=1)
    return fitted, auto.summary(bench, rows, method.address, 1, "You chose the method; the others are there to compare.")


def _blind(bench: recipes.Bench) -> dict[str, Any]:
    """Evidence without labels: how far the members disagree on the requirement's points, and a plain warning."""
    plan, disagreement = bench.plan, None
    if plan.requirement is not None:
        X = plan.requirement.points.astype(np.float64)
        crowd = recipes.crowd_of(plan, plan.space.decode(X), X)
        disagreement = evidence.disagreement([output for output, m in zip(crowd.outputs, plan.members, strict=True) if m.weight > 0] or crowd.outputs)
    return {
        "metric": "accuracy" if plan.classes else "rmse", "higher_is_better": bool(plan.classes), "rows": 0, "folds": 0, "repeats": 0,
        "leaderboard": [], "rule": "Without labels: each row goes to the members whose data look like it.", "warnings": [BLIND],
        "disagreement": disagreement, "not_measured": "Accuracy on your task.",
    }
