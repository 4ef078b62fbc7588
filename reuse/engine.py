"""One entry: a plan in, a predictor with its evidence out. The same code on the server and on a user's machine."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from reuse import auto, devices, evidence, lineage, predictor, recipes, registry
from reuse.errors import ReuseError
from reuse.plan import Labelled, Member, Outcome, Plan, Progress
from specs import coverage

__all__ = ["Labelled", "Member", "Outcome", "Plan", "run"]

BLIND = "No labelled rows came, so nothing here was verified on your task. Twenty labelled rows would tell."
FAR = 0.5  # of the requirement covered; below, most rows are unlike anything the members know


def run(
    plan: Plan, *, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None, workdir: Path,
    seen: Callable[[str, dict[str, Any]], None] | None = None, checkpoints: Path | None = None, heard: Callable[[int, dict[str, Any]], None] | None = None,
) -> Outcome:
    """Carry out a plan. `workdir` is an empty folder of the caller's; the outcome's folder lies in it.

    `progress(stage, done, message)` hears of each step, `seen(method, row)` of learning curves, `heard(place, said)` of how far each member is; `cancelled()` is asked between steps. `checkpoints` is
    a folder that outlives this attempt: training goes on from what it holds. Raises ReuseError with a reason code when the plan can not
    be carried out, Cancelled when it was called off.
    """
    with threadpool_limits(limits=1):  # the tables are small: a second thread of linear algebra costs more than it brings
        return _run(plan, progress or (lambda stage, done, message: None), cancelled or (lambda: False), Path(workdir), seen or (lambda what, row: None), checkpoints,
                    heard or (lambda place, said: None))


def _run(plan: Plan, progress: Progress, cancelled: Callable[[], bool], workdir: Path, seen: Callable[[str, dict[str, Any]], None], checkpoints: Path | None,
         heard: Callable[[int, dict[str, Any]], None]) -> Outcome:
    began = time.perf_counter()
    workdir.mkdir(parents=True, exist_ok=True)
    if not plan.members:
        raise ReuseError("no-members", "A plan needs at least one member; got none.")
    method = registry.find(plan.address)
    params = method.read_params(plan.params)
    bench = recipes.Bench(plan, workdir, cancelled, seen, checkpoints, heard)
    if plan.data is not None:
        _ = bench.y  # labels that do not fit are told before any model runs
    progress("predicting", 0.05, f"Asking {len(plan.members)} models")
    if method.kind == "auto" and plan.data is not None:
        fitted, address, found = auto.choose(bench, progress, **params)
        params = registry.find(address).read_params({}) if address != auto.ADDRESS else {}
    elif method.kind == "auto":
        address = auto.UNLABELLED
        method = registry.find(address)
        params = method.read_params({})
        fitted, found = recipes.fit(bench, method, params, None), _blind(bench)
    else:
        address = method.address
        fitted, found = _asked_for(bench, method, params, progress)
    params = fitted.facts.get("params", params)
    progress("packing", 0.92, "Writing the predictor")
    made_of = lineage.of(plan, fitted.used, address, params)
    found = found | {key: fitted.facts[key] for key in ("curve", "learning", "distilled", "start") if key in fitted.facts}
    found["warnings"] = [*found["warnings"], *bench.notes]
    found["cost"] = {"seconds": round(time.perf_counter() - began, 3), "members": len(fitted.used), "device": str(devices.pick())}
    folder = predictor.write(workdir / "predictor", plan, fitted, evidence.to_share(found), made_of)
    progress("done", 1.0, "Done")
    return Outcome(folder, found, made_of)


def _asked_for(bench: recipes.Bench, method: Any, params: dict[str, Any], progress: Progress) -> tuple[recipes.Fitted, dict[str, Any]]:
    """A method that the user chose: done as asked, and held against the yardsticks where there are labels."""
    if bench.plan.data is None:
        return recipes.fit(bench, method, params, None), _blind(bench)
    auto.check(bench)
    fitted = recipes.fit(bench, method, params, np.arange(len(bench.y)))
    board = auto.compare(bench, list(dict.fromkeys([method.address, *auto.YARDSTICKS])), progress, repeats=1)
    if method.address not in board.rows:
        raise ReuseError("not-judged", f"{method.address} could not be judged on folds of these rows: {board.left_out.get(method.address, '')}", "Give more labelled rows of each class.")
    fitted, tempering = auto.calibrated(fitted, board.outputs[method.address], bench)
    return fitted, auto.summary(bench, board, method.address, "You chose the method; the others are there to compare.") | {"calibration": tempering}


def _blind(bench: recipes.Bench) -> dict[str, Any]:
    """Evidence without labels: how far the members disagree, how much of the requirement they cover, and a plain warning."""
    plan, crowd = bench.plan, bench.free_crowd
    voting = [output for output, m in zip(crowd.outputs, plan.members, strict=True) if m.weight > 0] or crowd.outputs
    covered, warnings = None, [BLIND]
    if plan.requirement is not None:
        covered = coverage(plan.requirement, [m.rkme for m in plan.members if m.weight > 0] or [m.rkme for m in plan.members])
        if covered < FAR:
            warnings.append(f"Only {covered:.0%} of your data lie where a member has seen such data: expect the answers for the rest to be guesses.")
    return {
        "metric": "accuracy" if plan.classes else "rmse", "higher_is_better": bool(plan.classes), "rows": 0, "folds": 0, "repeats": 0,
        "leaderboard": [], "rule": "Without labels: rows are routed as far as the members' data explain yours, and near members answer for the rest.", "warnings": warnings,
        "disagreement": evidence.disagreement(voting), "pairwise": evidence.pairwise(crowd.outputs, [m.reference for m in plan.members]), "coverage": covered, "not_measured": "Everything: there were no labels.",
    }
